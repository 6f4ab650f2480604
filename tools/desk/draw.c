/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory and time as text. */

#include <stdio.h>
#include "sched/sched.h"
#include "tools/desk/desk.h"

#define COLUMNS	   60
#define SHARE_BITS 30

static const char *const memory_words[] = {"?", "RAM", "reserved", "ACPI", "ACPI NVS", "bad"};
static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+*";
_Static_assert(sizeof(letters) > CONFIG_VMS, "a letter for every VM");

static unsigned long long ram_of(const struct machine *m)
{
	uint64_t ram = 0;

	for (uint32_t i = 0; i < m->range_count; i++)
		ram += m->ranges[i].type == MEM_RAM ? m->ranges[i].size : 0;
	return ram;
}

static void amount(const char *what, unsigned long long bytes)
{
	printf("  %-32s %14llu KiB\n", what, bytes / KIB);
}

/* A VM's memory, or bytes of something else: said, and taken from @left. */
static void take(unsigned long long *left, const char *what, uint64_t bytes)
{
	if (!bytes)
		return;
	amount(what, bytes);
	*left -= min_u64(*left, bytes);
}

/* Modules that stay in memory beside the VMs' own copies. */
static uint64_t modules_kept(const struct config *c, const struct desk *d)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; d->image && i < d->machine.module_count; i++)
		sum += admit_module_kept(c, d->modules[i].name)
			       ? ALIGN_UP(d->modules[i].size, PAGE_SIZE)
			       : 0;
	return sum;
}

void draw_memory(const struct config *c, const struct desk *d)
{
	const struct machine *m = &d->machine;
	unsigned long long left = ram_of(m);
	int service = config_service_vm(c);

	printf("\nmemory map\n");
	for (uint32_t i = 0; i < m->range_count; i++)
		printf("  %016llx-%016llx  %s\n", (unsigned long long)m->ranges[i].base.v,
		       (unsigned long long)(m->ranges[i].base.v + m->ranges[i].size - 1),
		       memory_words[m->ranges[i].type <= MEM_BAD ? m->ranges[i].type : 0]);
	printf("\nmemory\n");
	amount("RAM", left);
	take(&left, "the hypervisor's image", d->image_kept);
	take(&left, "the hypervisor's reserve", c->reserve);
	take(&left, "modules that stay", modules_kept(c, d));
	take(&left, "shared regions", admit_shared(c));
	for (uint32_t i = 0; i < c->vm_count; i++)
		take(&left, c->vms[i].name, c->vms[i].memory_rest ? 0 : c->vms[i].memory);
	amount(service < 0 ? "unused" : c->vms[service].name, left);
}

/* The VM that asks for @f, or NULL. */
static const char *taker_of(const struct config *c, const struct machine_function *f)
{
	for (uint32_t i = 0; i < c->vm_count; i++) {
		for (uint32_t k = 0; k < c->vms[i].device_count; k++) {
			const struct config_device *d = &c->vms[i].devices[k];

			if (d->segment == f->segment &&
			    f->bdf == ((uint32_t)d->bus << 8 | (uint32_t)d->dev << 3 | d->fn))
				return c->vms[i].name;
		}
	}
	return NULL;
}

void draw_devices(const struct config *c, const struct desk *d)
{
	int service = config_service_vm(c);

	if (!d->machine.functions)
		return;
	printf("\ndevices, IOMMU: %s\n", *d->iommu ? d->iommu : "none");
	for (uint32_t i = 0; i < d->machine.function_count; i++) {
		const struct machine_function *f = &d->machine.functions[i];
		const char *taker = taker_of(c, f);

		if (!taker)
			taker = service < 0 ? "nobody" : c->vms[service].name;
		printf("  %x:%02x:%02x.%x  %s%s\n", f->segment, f->bdf >> 8, f->bdf >> 3 & 31,
		       f->bdf & 7, taker, f->bridge ? " (a bridge)" : "");
	}
}

/* Whose the CPU is at @at ns of the frame: a VM's index, or -1. */
static int owner_at(const struct config *c, uint32_t cpu, uint64_t at)
{
	for (uint32_t i = 0; i < c->vm_count; i++) {
		const struct config_vm *vm = &c->vms[i];

		for (uint32_t k = 0; admit_vcpus_on(vm, cpu) && k < vm->window_count; k++) {
			if (at >= vm->windows[k].start &&
			    at - vm->windows[k].start < vm->windows[k].length)
				return (int)i;
		}
	}
	return -1;
}

static void draw_frame(const struct config *c, uint32_t cpu)
{
	printf("  |");
	for (uint32_t col = 0; col < COLUMNS; col++) {
		int owner = owner_at(c, cpu, c->frame / COLUMNS * col + c->frame / COLUMNS / 2);

		putchar(owner < 0 ? '.' : letters[owner]);
	}
	printf("|  0 to %llu us\n", (unsigned long long)(c->frame / 1000));
}

static void draw_vm(const struct config *c, uint32_t cpu, uint32_t index)
{
	const struct config_vm *vm = &c->vms[index];
	struct admit_budget b = admit_budget(c, vm, cpu);

	printf("  %c %s: %u vCPU(s)", letters[index], vm->name, admit_vcpus_on(vm, cpu));
	for (uint32_t k = 0; k < vm->window_count; k++)
		printf(", window %llu-%llu us", (unsigned long long)(vm->windows[k].start / 1000),
		       (unsigned long long)((vm->windows[k].start + vm->windows[k].length) / 1000));
	if (b.budget)
		printf(", %llu us every %llu us", (unsigned long long)(b.budget / 1000),
		       (unsigned long long)(b.period / 1000));
	if (!vm->window_count || config_vm_has(vm, VM_WEIGHT))
		printf(", weight %u", vm->weight);
	printf("\n");
}

/* To the nearest tenth of a percent. */
static void draw_share(const char *what, uint64_t share)
{
	unsigned long long n = (share * 1000 + BIT(SHARE_BITS - 1)) >> SHARE_BITS;

	printf(" %s %llu.%llu%%", what, n / 10, n % 10);
}

/* ns of each frame that windows take of the CPU; those that are not in the frame do not count. */
static uint64_t windows_on(const struct config *c, uint32_t cpu)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < c->vm_count; i++) {
		const struct config_vm *vm = &c->vms[i];

		for (uint32_t k = 0; admit_vcpus_on(vm, cpu) && k < vm->window_count; k++) {
			const struct config_window *w = &vm->windows[k];

			if (w->start < c->frame && w->length <= c->frame - w->start)
				sum += w->length;
		}
	}
	return sum;
}

/* Why the budgets fit, and what is assumed of the hypervisor. */
static void draw_proof(const struct config *c, uint32_t cpu)
{
	struct admit_tight t = admit_tightest(c, cpu);

	if (t.within && t.within != UINT64_MAX)
		printf("  tightest: in any %llu us at most %llu us become due, at least %llu us are left\n",
		       (unsigned long long)(t.within / 1000), (unsigned long long)(t.demand / 1000),
		       (unsigned long long)(t.supply / 1000));
	if (windows_on(c, cpu))
		printf("  assumed: others stop %u us before a window, which is enough to leave any guest;\n"
		       "           measured: docs/performance.md, \"Windows\", by make bench\n",
		       SCHED_LEAD_NS / 1000);
}

void draw_cpus(const struct config *c, const struct machine *m)
{
	uint64_t windows, budgets, one = BIT(SHARE_BITS);

	for (uint32_t cpu = 0; cpu < m->cpus; cpu++) {
		windows = windows_on(c, cpu);
		budgets = admit_reserved(c, cpu);
		printf("\nCPU %u:", cpu);
		windows = !c->frame ? 0 : (min_u64(windows, c->frame) << SHARE_BITS) / c->frame;
		draw_share("windows", windows);
		draw_share("budgets", budgets);
		draw_share("left", windows + budgets < one ? one - windows - budgets : 0);
		printf("\n");
		if (windows)
			draw_frame(c, cpu);
		for (uint32_t i = 0; i < c->vm_count; i++) {
			if (admit_vcpus_on(&c->vms[i], cpu))
				draw_vm(c, cpu, i);
		}
		draw_proof(c, cpu);
	}
}
