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

void mmio_remove(struct vm *vm, uint64_t first)
{
	for (uint32_t i = 0; i < vm->mmio_count; i++) {
		if (vm->mmio[i].fn && vm->mmio[i].first == first)
			__atomic_store_n(&vm->mmio[i].fn, NULL, __ATOMIC_RELEASE);
	}
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

const struct port_range *port_find(const struct vm *vm, uint16_t port)
{
	for (uint32_t i = 0; i < vm->port_count; i++) {
		if (port >= vm->ports[i].first && port <= vm->ports[i].last)
			return &vm->ports[i];
	}
	return NULL;
}

void port_access(struct vcpu *v, uint16_t port, uint8_t size, bool in, uint32_t *value)
{
	const struct port_range *r = port_find(v->vm, port);

	if (r)
		r->fn(v, r->arg, port, size, in, value);
}

void exit_io(struct vcpu *v)
{
	const struct exit *x = &v->arch.exit;
	uint64_t mask = ~0ULL >> (64 - 8 * x->info.io.size);
	uint32_t value;

	if (unlikely(x->info.io.string)) {
		exit_io_string(v);
		return;
	}
	value = x->info.io.in ? ~0U : (uint32_t)(v->arch.gpr[RAX] & mask);
	port_access(v, x->info.io.port, x->info.io.size, x->info.io.in, &value);
	/* A 32-bit IN clears the upper half of RAX, the smaller ones leave the rest alone. */
	if (x->info.io.in)
		v->arch.gpr[RAX] =
			x->info.io.size == 4 ? value : (v->arch.gpr[RAX] & ~mask) | (value & mask);
	vcpu_skip(v);
}
