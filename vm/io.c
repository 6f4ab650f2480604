/* SPDX-License-Identifier: BSD-2-Clause */
/* A VM's port and MMIO buses. */

#include "vm/vm.h"

int port_add(struct vm *vm, uint16_t first, uint16_t last, port_fn fn, void *arg)
{
	if (vm->port_count == VM_PORTS)
		return -ENOSPC;
	vm->ports[vm->port_count++] = (struct port_range){first, last, fn, arg};
	virt->io_intercept(&vm->arch, first, (uint32_t)last - first + 1, true);
	return 0;
}

int mmio_add(struct vm *vm, uint64_t first, uint64_t last, mmio_fn fn, void *arg)
{
	for (uint32_t i = 0; i < VM_MMIO; i++) {
		struct mmio_range *r = &vm->mmio[i];

		if (r->fn)
			continue;
		r->first = first;
		r->last = last;
		r->arg = arg;
		__atomic_store_n(&r->fn, fn, __ATOMIC_RELEASE);
		if (i >= vm->mmio_count)
			vm->mmio_count = i + 1;
		return 0;
	}
	return -ENOSPC;
}

const struct mmio_range *mmio_find(const struct vm *vm, uint64_t gpa)
{
	for (uint32_t i = 0; i < vm->mmio_count; i++) {
		const struct mmio_range *r = &vm->mmio[i];

		if (gpa >= r->first && gpa <= r->last && __atomic_load_n(&r->fn, __ATOMIC_ACQUIRE))
			return r;
	}
	return NULL;
}

/* An entry of vm->port_hints: the port and where in vm->ports it was found. Ranges are added, never removed. */
#define HINT(port)	  (1U << 31 | (uint32_t)(port) << 8)
#define HINT_LIMIT	  0x100
#define HINT_AT(vm, port) (&(vm)->port_hints[((port) ^ (port) >> 6) % PORT_HINTS])

_Static_assert(VM_PORTS <= HINT_LIMIT, "a hint has eight bits for the range");

static __attribute__((noinline)) const struct port_range *port_search(struct vm *vm, uint16_t port)
{
	for (uint32_t i = 0; i < vm->port_count; i++) {
		if (port < vm->ports[i].first || port > vm->ports[i].last)
			continue;
		__atomic_store_n(HINT_AT(vm, port), HINT(port) | i, __ATOMIC_RELAXED);
		return &vm->ports[i];
	}
	return NULL;
}

static inline const struct port_range *port_lookup(struct vm *vm, uint16_t port)
{
	uint32_t hint = __atomic_load_n(HINT_AT(vm, port), __ATOMIC_RELAXED) ^ HINT(port);

	return likely(hint < HINT_LIMIT) ? &vm->ports[hint] : port_search(vm, port);
}

const struct port_range *port_find(struct vm *vm, uint16_t port)
{
	return port_lookup(vm, port);
}

void port_access(struct vcpu *v, uint16_t port, uint8_t size, bool in, uint32_t *value)
{
	const struct port_range *r = port_lookup(v->vm, port);

	if (r)
		r->fn(v, r->arg, port, size, in, value);
}

void exit_io(struct vcpu *v)
{
	const struct exit *x = &v->arch.exit;
	uint64_t *rax = &v->arch.gpr[RAX];
	const struct port_range *r;
	uint32_t value = ~0U;

	if (unlikely(x->info.io.string)) {
		exit_io_string(v);
		return;
	}
	if (!x->info.io.in)
		value = (uint32_t)*rax & (~0U >> (32 - 8 * x->info.io.size));
	r = port_lookup(v->vm, x->info.io.port);
	if (likely(r))
		r->fn(v, r->arg, x->info.io.port, x->info.io.size, x->info.io.in, &value);
	if (unlikely(v->io_again)) {
		v->io_again = false;
		return;
	}
	/* A 32-bit IN clears the upper half of RAX, the smaller ones leave the rest alone. */
	if (x->info.io.in) {
		if (likely(x->info.io.size == 1))
			*(uint8_t *)rax = (uint8_t)value;
		else if (x->info.io.size == 2)
			*(uint16_t *)rax = (uint16_t)value;
		else
			*rax = value;
	}
	vcpu_skip_known(v); /* both vendors tell it */
}
