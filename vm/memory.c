/* SPDX-License-Identifier: BSD-2-Clause */
/* What memory a VM has. */

#include "vm/memory.h"
#include "arch/cpu.h"
#include "arch/log.h"
#include "arch/mtrr.h"
#include "arch/options.h"
#include "arch/paging.h"
#include "arch/percpu.h"
#include "ept/frame.h"
#include "ept/memmap.h"
#include "lib/atomic.h"
#include "lib/string.h"
#include "vdev/vboard.h"
#include "vm/gmem.h"
#include "vm/shm.h"

#define CPUID_MAX_EXT 0x80000000
#define CPUID_SIZES   0x80000008
#define PHYS_BITS_MAX 48 /* four levels of nested paging */
#define LOW_RAM_END \
	((uint64_t)VBOARD_ECAM) /* of an isolated VM; the rest of its RAM is above 4 GiB */
#define HIGH_RAM	 (4 * GIB)
#define CONVENTIONAL_END 0xa0000
#define UPPER_MEMORY	 0x100000
#define SKIP_MAX	 32 /* frames of others that one step of scrubbing passes */
#define GAPS_MAX	 8
#define GAP_LEAST	 (1 * MIB)
#define RIGHTS_ALL	 (NESTED_R | NESTED_W | NESTED_X)

static struct mtrr_state mtrr;
static uint64_t mapped_to; /* the service guest's identity map was made up to here at boot */

/* The map that the guest being loaded is told. */
static struct load_range told[MEM_MAP_MAX] INITBSS;
static uint32_t told_count INITDATA;
static struct mem_range told_build[MEM_MAP_MAX] INITBSS;

uint8_t memory_phys_bits(void)
{
	static uint8_t bits;

	if (!bits)
		bits = (uint8_t)min_u64(cpuid(CPUID_SIZES, 0).eax & 0xff, PHYS_BITS_MAX);
	return bits;
}

INIT int memory_vm_init(struct vm *vm)
{
	struct nested_caps caps = *virt->nested_caps;

	caps.maxphyaddr = memory_phys_bits();
	if (option_off("largepages"))
		caps.large_2m = caps.large_1g = false;
	log_debug("vm %s: nested pages of up to %s", vm->name,
		  caps.large_1g	  ? "1 GiB"
		  : caps.large_2m ? "2 MiB"
				  : "4 KiB");
	mtrr_read(&mtrr, memory_phys_bits());
	return nested_init(&vm->nested, virt->nested, &vm->quota, &caps);
}

/* Identity-map [@base, @base + @size), split where the memory type changes. */
static int identity_map(struct vm *vm, uint64_t base, uint64_t size)
{
	uint64_t end = base + size;

	while (base < end) {
		uint64_t uniform;
		enum memtype type = mtrr_type(&mtrr, HPA(base), &uniform);
		uint64_t stop = min_u64(end, ALIGN_DOWN(uniform, PAGE_SIZE));
		int err;

		if (stop <= base)
			stop = base + PAGE_SIZE;
		err = nested_map(&vm->nested, GPA(base), HPA(base), stop - base, RIGHTS_ALL, type);
		if (err)
			return err;
		base = stop;
	}
	return 0;
}

/* --- the service guest --- */

/* Frames of others leave the identity map, free ones become its own. */
static INIT int service_run(void *arg, hpa_t base, uint64_t size, uint16_t owner)
{
	struct vm *vm = arg;

	if (owner == OWNER_FREE)
		return frame_claim(base, size, OWNER_VM(vm->id));
	if (owner == OWNER_NONE || owner == OWNER_RESERVED || owner == OWNER_VM(vm->id))
		return 0;
	return nested_unmap(&vm->nested, GPA(base.v), size);
}

static INIT int service_fill(struct vm *vm, const struct build_input *in)
{
	uint64_t limit = BIT(memory_phys_bits()), ram_end;
	int err;

	ram_end = HIGH_RAM;
	for (uint32_t i = 0; i < in->map_count; i++) {
		/* firmware also lists far holes, up to the end of what can be addressed */
		if (in->map[i].type == MEM_RAM)
			ram_end = max_u64(ram_end, in->map[i].base.v + in->map[i].size);
	}
	vm->memory = ram_end;
	ram_end = ALIGN_UP(ram_end, PAGE_SIZE_1G);
	/* With pages of 1 GiB all that can be addressed costs two tables; else the far holes are mapped on demand. */
	if (vm->nested.pt.max_leaf < PTAB_1G || memory_phys_bits() > 42)
		limit = min_u64(ram_end, limit);
	mapped_to = limit;
	err = identity_map(vm, 0, limit);
	if (!err)
		err = frame_for_each(service_run, vm);
	for (uint32_t i = 0; i < vm->mmio_count && !err; i++)
		err = memory_hide(vm, vm->mmio[i].first, vm->mmio[i].last);
	for (uint32_t i = 0; i < vm->hole_count && !err; i++) {
		const struct vm_hole *h = &vm->holes[i];

		err = nested_unmap(&vm->nested, GPA(h->first), h->last + 1 - h->first);
	}
	return err;
}

/* The first hole that [@first, @last] touches, or NULL. Short: there are as many as MSI-X tables and chips. */
static struct vm_hole *hole_find(struct vm *vm, uint64_t first, uint64_t last)
{
	for (uint32_t i = 0; i < vm->hole_count; i++) {
		if (first <= vm->holes[i].last && vm->holes[i].first <= last)
			return &vm->holes[i];
	}
	return NULL;
}

static int hole_add(struct vm *vm, uint64_t first, uint64_t last, bool trap)
{
	if (vm->hole_count == VM_HOLES)
		return -ENOSPC;
	vm->holes[vm->hole_count++] = (struct vm_hole){first, last, trap};
	return 0;
}

/* memory_fault of another vCPU may be looking: no hole is missed meanwhile. */
static void hole_drop(struct vm *vm, struct vm_hole *h)
{
	*h = vm->holes[vm->hole_count - 1];
	__atomic_store_n(&vm->hole_count, vm->hole_count - 1, __ATOMIC_RELEASE);
}

INIT int memory_hide(struct vm *vm, uint64_t first, uint64_t last)
{
	return hole_add(vm, ALIGN_DOWN(first, PAGE_SIZE), ALIGN_UP(last + 1, PAGE_SIZE) - 1, false);
}

/* Where the firmware's map has nothing, below 4 GiB: there the machine's PCI functions are. */
static struct gap {
	uint64_t first, end;
} gaps[GAPS_MAX];

INIT void memory_gaps(const struct build_input *in)
{
	uint64_t at = UPPER_MEMORY;
	uint32_t n = 0;

	for (uint32_t i = 0; i <= in->map_count && n < GAPS_MAX && at < HIGH_RAM; i++) {
		uint64_t next = i < in->map_count ? min_u64(in->map[i].base.v, HIGH_RAM) : HIGH_RAM;

		if (next > at && next - at >= GAP_LEAST)
			gaps[n++] = (struct gap){at, next};
		if (i < in->map_count)
			at = max_u64(at, in->map[i].base.v + in->map[i].size);
	}
}

static const struct gap *gap_find(uint64_t gpa, uint64_t len)
{
	for (uint32_t i = 0; i < GAPS_MAX; i++) {
		if (gpa >= gaps[i].first && gpa + len <= gaps[i].end)
			return &gaps[i];
	}
	return NULL;
}

/* Only what service_fill left out, or a function has left, and only as much as touches no hole. */
bool memory_fault(struct vm *vm, uint64_t gpa)
{
	uint64_t size = PAGE_SIZE_2M, base = ALIGN_DOWN(gpa, size);

	if (!vm->service || gpa >= BIT(memory_phys_bits()) ||
	    (gpa < mapped_to && !gap_find(gpa, 1)))
		return false;
	if (hole_find(vm, base, base + size - 1) || (gpa < mapped_to && !gap_find(base, size))) {
		size = PAGE_SIZE;
		base = ALIGN_DOWN(gpa, size);
		if (hole_find(vm, base, base + size - 1))
			return false;
	}
	if (identity_map(vm, base, size))
		return false;
	/* One that was made since: whoever made it has unmapped the place before this mapping, or will see it. */
	if (hole_find(vm, base, base + size - 1)) {
		nested_unmap(&vm->nested, GPA(base), size);
		memory_flush(vm);
	}
	return true;
}

/* --- isolated VMs --- */

static INIT int extent_map(struct vm *vm, const struct mem_range *e, uint64_t *gpa)
{
	uint64_t done = 0;

	while (done < e->size) {
		uint64_t n = e->size - done;
		int err;

		if (*gpa < LOW_RAM_END)
			n = min_u64(n, LOW_RAM_END - *gpa);
		err = nested_map(&vm->nested, GPA(*gpa), HPA(e->base.v + done), n, RIGHTS_ALL,
				 MEMTYPE_WB);
		if (err)
			return err;
		done += n;
		*gpa += n;
		if (*gpa == LOW_RAM_END)
			*gpa = HIGH_RAM;
	}
	return 0;
}

/* Where an isolated VM's RAM at offset @at is. The service guest's offsets are addresses. */
static uint64_t ram_gpa(const struct vm *vm, uint64_t at)
{
	return vm->service || at < LOW_RAM_END ? at : at - LOW_RAM_END + HIGH_RAM;
}

int memory_scrub(struct vm *vm, uint64_t *at)
{
	void *page;

	/* The firmware's frames, and those of others, stay as they are. */
	for (uint32_t i = 0; vm->service && frame_owner(HPA(*at)) != OWNER_VM(vm->id); i++) {
		if (i == SKIP_MAX || *at >= vm->memory)
			return *at < vm->memory;
		*at += PAGE_SIZE;
	}
	if (*at >= vm->memory)
		return 0;
	page = guest_map(vm, ram_gpa(vm, *at), true);
	if (!page)
		return -EFAULT;
	memset(page, 0, PAGE_SIZE);
	*at += PAGE_SIZE;
	return 1;
}

static INIT int isolated_fill(struct vm *vm)
{
	uint64_t gpa = 0, scrubbed = 0;
	int err = frame_alloc_ram(vm->memory, OWNER_VM(vm->id), vm->extents, VM_EXTENTS,
				  &vm->extent_count);

	for (uint32_t i = 0; i < vm->extent_count && !err; i++) {
		log_debug("vm %s: RAM %#lx-%#lx", vm->name, vm->extents[i].base.v,
			  vm->extents[i].base.v + vm->extents[i].size);
		err = extent_map(vm, &vm->extents[i], &gpa);
	}
	for (int more = 1; more > 0 && !err;) {
		more = memory_scrub(vm, &scrubbed);
		err = more < 0 ? more : 0;
	}
	return err;
}

INIT int memory_vm_fill(struct vm *vm, const struct build_input *in)
{
	return vm->service ? service_fill(vm, in) : isolated_fill(vm);
}

/* --- what the guest is told, and the loader's view --- */

static INIT void tell(uint64_t base, uint64_t size, uint32_t type)
{
	if (size && told_count < MEM_MAP_MAX)
		told[told_count++] = (struct load_range){GPA(base), size, type};
}

/*
 * What is promised for later is an entry of its own: the loader looks for room entry by entry, and must not find only
 * the part that still holds modules.
 */
static INIT void tell_split(const struct build_input *in, uint64_t base, uint64_t size,
			    uint32_t type)
{
	uint64_t end = base + size;

	while (base < end) {
		uint64_t cut = end;

		for (uint32_t i = 0; i < in->temporary_count; i++) {
			uint64_t start = in->temporary[i].base.v,
				 stop = start + in->temporary[i].size;

			if (start > base && start < cut)
				cut = start;
			if (stop > base && stop < cut)
				cut = stop;
		}
		tell(base, cut - base, type);
		base = cut;
	}
}

INIT uint64_t memory_low(const struct vm *vm)
{
	return min_u64(vm->memory, LOW_RAM_END);
}

static INIT void tell_isolated(const struct vm *vm)
{
	uint64_t low = memory_low(vm);

	tell(0, min_u64(low, CONVENTIONAL_END), MEM_RAM);
	tell(CONVENTIONAL_END, UPPER_MEMORY - CONVENTIONAL_END, MEM_RESERVED);
	if (low > UPPER_MEMORY)
		tell(UPPER_MEMORY, low - UPPER_MEMORY, MEM_RAM);
	tell(HIGH_RAM, vm->memory - low, MEM_RAM);
}

static INIT void tell_service(const struct vm *vm, const struct build_input *in)
{
	uint32_t n = in->map_count;
	uint64_t size;
	hpa_t base;

	memcpy(told_build, in->map, n * sizeof(*told_build));
	for (uint32_t i = 0; i < in->kept_count; i++)
		mem_map_take(told_build, &n, MEM_MAP_MAX, in->kept[i].base, in->kept[i].size,
			     MEM_RESERVED);
	for (uint32_t i = 0; i < vm_count; i++) {
		for (uint32_t k = 0; vms[i] && vms[i] != vm && k < vms[i]->extent_count; k++)
			mem_map_take(told_build, &n, MEM_MAP_MAX, vms[i]->extents[k].base,
				     vms[i]->extents[k].size, MEM_RESERVED);
	}
	for (uint32_t i = 0; shm_region(i, &base, &size); i++)
		mem_map_take(told_build, &n, MEM_MAP_MAX, base, size, MEM_RESERVED);
	for (uint32_t i = 0; i < n; i++) {
		if (told_build[i].type == MEM_RAM)
			log_debug("vm %s: RAM %#lx-%#lx", vm->name, told_build[i].base.v,
				  told_build[i].base.v + told_build[i].size);
		tell_split(in, told_build[i].base.v, told_build[i].size, told_build[i].type);
	}
}

static int target_write(void *arg, gpa_t gpa, const void *buf, uint32_t len)
{
	return guest_write(arg, gpa.v, buf, len);
}

static int target_copy(void *arg, gpa_t gpa, uint64_t off, uint64_t len, const struct image *from)
{
	while (len) {
		uint64_t n = min_u64(len, PAGE_SIZE - (gpa.v & PAGE_MASK));
		void *to = guest_map(arg, gpa.v, true);
		int err = to ? from->read(from->arg, off, to, (uint32_t)n) : -EFAULT;

		if (err)
			return err;
		gpa.v += n;
		off += n;
		len -= n;
	}
	return 0;
}

static int target_zero(void *arg, gpa_t gpa, uint64_t len)
{
	while (len) {
		uint64_t n = min_u64(len, PAGE_SIZE - (gpa.v & PAGE_MASK));
		void *to = guest_map(arg, gpa.v, true);

		if (!to)
			return -EFAULT;
		memset(to, 0, n);
		gpa.v += n;
		len -= n;
	}
	return 0;
}

INIT int memory_flash(struct vm *vm, const struct image *image)
{
	struct mem_range *e = vm->extents + vm->extent_count;
	uint64_t gpa = VBOARD_FLASH_END - image->size;
	uint32_t n = 0;
	int err = frame_alloc_ram(image->size, OWNER_VM(vm->id), e, VM_EXTENTS - vm->extent_count,
				  &n);

	vm->extent_count += n;
	for (uint32_t i = 0; i < n && !err; i++) {
		err = nested_map(&vm->nested, GPA(gpa), e[i].base, e[i].size, RIGHTS_ALL,
				 MEMTYPE_WB);
		if (!err)
			err = target_copy(vm, GPA(gpa), gpa + image->size - VBOARD_FLASH_END,
					  e[i].size, image);
		if (!err)
			err = nested_map(&vm->nested, GPA(gpa), e[i].base, e[i].size,
					 NESTED_R | NESTED_X, MEMTYPE_WB);
		gpa += e[i].size;
	}
	guest_unmap_all(); /* windows that may write there */
	return err;
}

/* The guest's now, and told so: what is promised for later may still hold a module. */
static INIT bool target_is_ram(void *arg, gpa_t gpa, uint64_t len)
{
	struct vm *vm = arg;
	bool inside = false;

	if (!len || range_wraps(gpa.v, len))
		return false;
	for (uint32_t i = 0; i < told_count; i++) {
		inside |= told[i].type == MEM_RAM && gpa.v >= told[i].base.v &&
			  gpa.v + len <= told[i].base.v + told[i].size;
	}
	for (uint64_t at = ALIGN_DOWN(gpa.v, PAGE_SIZE); inside && vm->service && at < gpa.v + len;
	     at += PAGE_SIZE)
		inside = frame_owner(HPA(at)) == OWNER_VM(vm->id);
	return inside;
}

INIT void memory_load_target(struct vm *vm, const struct build_input *in,
			     struct load_target *target)
{
	told_count = 0;
	if (vm->service)
		tell_service(vm, in);
	else
		tell_isolated(vm);
	*target = (struct load_target){
		.write = target_write,
		.copy = target_copy,
		.zero = target_zero,
		.is_ram = target_is_ram,
		.arg = vm,
		.map = told,
		.map_count = told_count,
	};
}

INIT int memory_give_temporary(struct vm *vm, const struct build_input *in)
{
	for (uint32_t i = 0; i < in->temporary_count; i++) {
		const struct mem_range *r = &in->temporary[i];
		uint16_t owner;
		int err;

		if (!r->size)
			continue;
		owner = frame_owner(r->base);
		err = frame_give(r->base, r->size, owner, OWNER_VM(vm->id));
		if (!err)
			err = identity_map(vm, r->base.v, r->size);
		/* Images of other VMs are not the service guest's to read; its own need no scrubbing. */
		if (!err && owner == OWNER_STORE && vm_count > 1)
			err = target_zero(vm, GPA(r->base.v), r->size);
		if (err)
			return err;
	}
	return 0;
}

/* --- while it runs --- */

void memory_flush(struct vm *vm)
{
	for (uint32_t i = 0; i < vm->vcpu_count; i++) {
		atomic_store_bool(&vm->vcpu[i]->arch.flush, true);
		sched_kick(vm->vcpu[i]->cpu, CPU_REQ_SCHED | CPU_REQ_WINDOWS);
	}
}

/* Is every page of it plain device memory, or nothing, that the guest may reach now? */
static bool trappable(struct vm *vm, uint64_t gpa, uint64_t len)
{
	if (!IS_ALIGNED(gpa, PAGE_SIZE) || !IS_ALIGNED(len, PAGE_SIZE) || !len ||
	    range_wraps(gpa, len) || gpa + len > BIT(memory_phys_bits()) ||
	    hole_find(vm, gpa, gpa + len - 1))
		return false;
	for (uint64_t at = gpa; at < gpa + len; at += PAGE_SIZE) {
		uint16_t owner = frame_owner(HPA(at));
		hpa_t hpa;

		if (owner != OWNER_NONE && owner != OWNER_RESERVED)
			return false;
		/* an overlay page is somewhere else */
		if (!nested_translate(&vm->nested, GPA(at), NESTED_R, &hpa, NULL) && hpa.v != at)
			return false;
	}
	return true;
}

static int trap_on(struct vm *vm, uint64_t gpa, uint64_t len)
{
	int err = trappable(vm, gpa, len) ? hole_add(vm, gpa, gpa + len - 1, true) : -EPERM;

	if (err)
		return err;
	err = nested_unmap(&vm->nested, GPA(gpa), len);
	if (err)
		vm->hole_count--;
	return err;
}

static int trap_off(struct vm *vm, uint64_t gpa, uint64_t len)
{
	struct vm_hole *h = len ? hole_find(vm, gpa, gpa + len - 1) : NULL;

	if (!h || !h->trap || h->first != gpa || h->last != gpa + len - 1)
		return -EPERM;
	hole_drop(vm, h);
	return identity_map(vm, gpa, len);
}

int memory_trap(struct vm *vm, uint64_t gpa, uint64_t len, bool on)
{
	int err = on ? trap_on(vm, gpa, len) : trap_off(vm, gpa, len);

	if (!err)
		memory_flush(vm);
	return err;
}

/* --- windows for PCI functions that are not the machine's --- */

bool memory_window_allowed(struct vm *vm, uint64_t gpa, uint64_t len)
{
	if (range_wraps(gpa, len))
		return false;
	if (!vm->service)
		return gpa >= VBOARD_PCI_HOLE && gpa + len - 1 <= VBOARD_PCI_END;
	return gap_find(gpa, len) && !hole_find(vm, gpa, gpa + len - 1);
}

int memory_window_open(struct vm *vm, uint64_t gpa, uint64_t len)
{
	int err = memory_window_allowed(vm, gpa, len) ? 0 : -EPERM;

	if (err || !vm->service)
		return err;
	err = hole_add(vm, gpa, gpa + len - 1, true);
	if (err)
		return err;
	err = nested_unmap(&vm->nested, GPA(gpa), len);
	if (err)
		vm->hole_count--;
	return err;
}

void memory_window_close(struct vm *vm, uint64_t gpa, uint64_t len)
{
	struct vm_hole *h = vm->service ? hole_find(vm, gpa, gpa + len - 1) : NULL;

	if (h)
		hole_drop(vm, h);
	nested_unmap(&vm->nested, GPA(gpa), len);
}
