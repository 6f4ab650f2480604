/* SPDX-License-Identifier: BSD-2-Clause */
/* Admission of what several VMs could claim: devices are given once, shared regions are agreed on. */

#include "vm/admit_priv.h"
#include "lib/string.h"

/* --- devices --- */

static bool device_same(const struct config_device *x, const struct config_device *y)
{
	return x->segment == y->segment && x->bus == y->bus && x->dev == y->dev && x->fn == y->fn;
}

static const struct machine_function *device_find(const struct machine *m,
						  const struct config_device *d)
{
	for (uint32_t i = 0; i < m->function_count; i++) {
		const struct machine_function *f = &m->functions[i];

		if (f->segment == d->segment &&
		    f->bdf == ((uint32_t)d->bus << 8 | (uint32_t)d->dev << 3 | d->fn))
			return f;
	}
	return NULL;
}

/* Device @n of VM @index against all before it. */
static void device_once(struct admission *a, uint32_t index, uint32_t n)
{
	const struct config_vm *vm = &a->c->vms[index], *other;

	for (uint32_t i = 0; i <= index; i++) {
		other = &a->c->vms[i];
		for (uint32_t k = 0; k < (i == index ? n : other->device_count); k++) {
			if (!device_same(&vm->devices[n], &other->devices[k]))
				continue;
			admit_complain(a, vm, vm->devices[n].at,
				       "this device is already VM '%s's (line %u)", other->name,
				       other->devices[k].at.line);
			return;
		}
	}
}

static void device_there(struct admission *a, const struct config_vm *vm,
			 const struct config_device *d)
{
	const struct machine_function *f;

	if (!a->m->functions)
		return;
	f = device_find(a->m, d);
	if (!f)
		admit_complain(a, vm, d->at, "there is no PCI function %x:%x:%x.%x", d->segment,
			       d->bus, d->dev, d->fn);
	else if (f->bridge)
		admit_complain(a, vm, d->at, "a bridge cannot be given to a VM");
}

void rule_devices(struct admission *a)
{
	for (uint32_t i = 0; i < a->c->vm_count; i++) {
		const struct config_vm *vm = &a->c->vms[i];

		if (!vm->device_count)
			continue;
		if (vm->role == ROLE_SERVICE)
			admit_complain(
				a, vm, vm->at[VM_DEVICE],
				"the service guest has every device that nobody else is given");
		if (!(a->m->features & REQUIRE_IOMMU))
			admit_complain(a, vm, vm->at[VM_DEVICE],
				       "devices need an IOMMU, which this machine has not");
		for (uint32_t n = 0; n < vm->device_count; n++) {
			device_once(a, i, n);
			device_there(a, vm, &vm->devices[n]);
		}
	}
}

/* --- shared regions --- */

static const struct config_share *share_find(const struct config_vm *vm, const char *name,
					     uint32_t before)
{
	for (uint32_t k = 0; k < vm->share_count && k < before; k++) {
		if (!strcmp(vm->shares[k].name, name))
			return &vm->shares[k];
	}
	return NULL;
}

static void share_agreed(struct admission *a, uint32_t index, const struct config_share *s)
{
	const struct config_vm *vm = &a->c->vms[index];
	const struct config_share *o, *first = s;
	uint32_t others = 0;
	bool written = s->rights == SHARE_RW;

	for (uint32_t i = 0; i < a->c->vm_count; i++) {
		o = i == index ? NULL : share_find(&a->c->vms[i], s->name, CONFIG_SHARES);
		if (!o)
			continue;
		others++;
		written |= o->rights == SHARE_RW;
		if (i < index && first == s)
			first = o;
	}
	if (!others)
		admit_complain(a, vm, s->at, "no other VM shares the region '%s'", s->name);
	if (first->size != s->size)
		admit_complain(a, vm, s->at, "the region '%s' has %llu bytes in line %u", s->name,
			       (unsigned long long)first->size, first->at.line);
	/* Said once, by the first that names it. */
	if (others && !written && first == s)
		admit_complain(a, vm, s->at, "nobody may write to the region '%s'", s->name);
}

void rule_shares(struct admission *a)
{
	for (uint32_t i = 0; i < a->c->vm_count; i++) {
		const struct config_vm *vm = &a->c->vms[i];
		uint64_t seen = 0;

		for (uint32_t k = 0; k < vm->share_count; k++) {
			const struct config_share *s = &vm->shares[k];

			if (s->size < PAGE_SIZE || s->size & (s->size - 1))
				admit_complain(
					a, vm, s->at,
					"a shared region's size is 4K or a larger power of two");
			if (s->rights != SHARE_NONE && __builtin_add_overflow(seen, s->size, &seen))
				seen = UINT64_MAX;
			if (share_find(vm, s->name, k))
				admit_complain(a, vm, s->at, "this VM names the region '%s' twice",
					       s->name);
			else
				share_agreed(a, i, s);
		}
		if (seen > CONFIG_SHARE_MAX)
			admit_complain(a, vm, vm->at[VM_SHARE],
				       "a VM sees at most %llu MiB of shared regions",
				       (unsigned long long)(CONFIG_SHARE_MAX / MIB));
	}
}

uint64_t admit_shared(const struct config *c)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < c->vm_count; i++) {
		for (uint32_t k = 0; k < c->vms[i].share_count; k++) {
			const struct config_share *s = &c->vms[i].shares[k];
			bool seen = share_find(&c->vms[i], s->name, k) != NULL;

			for (uint32_t j = 0; j < i && !seen; j++)
				seen = share_find(&c->vms[j], s->name, CONFIG_SHARES) != NULL;
			if (!seen && __builtin_add_overflow(sum, s->size, &sum))
				return UINT64_MAX;
		}
	}
	return sum;
}
