/* SPDX-License-Identifier: BSD-2-Clause */
/* Shared regions and doorbells: PCI functions of every VM, where their BARs are, and the way of a ring. */

#include "vm/shm.h"
#include "arch/cpu.h"
#include "arch/log.h"
#include "arch/paging.h"
#include "lib/atomic.h"
#include "lib/string.h"
#include "vdev/vboard.h"
#include "vdev/vshm.h"
#include "vm/irq.h"
#include "vm/memory.h"
#include "vm/platform.h"

#define REGIONS_MAX (CONFIG_VMS * CONFIG_SHARES / 2)
#define HIGH_MEMORY (4 * GIB)
#define LOW_MEMORY  (1 * MIB)
#define FUNCTIONS   8 /* of a slot */
#define FUNCTION(f) ((f)&7)
#define NOT_PLACED  VSHM_BAR_OFF
#define MAP_STEP    PAGE_SIZE_2M /* what one fault maps: one large page, or at most 512 small ones */

_Static_assert(CONFIG_SHARES <= FUNCTIONS, "a VM's functions have one slot");
_Static_assert(CONFIG_NAME <= VSHM_NAME, "a region's name fits");

/* One VM's function for one region. */
struct shm_port {
	struct vshm dev;
	struct vm *vm;
	hpa_t region;
	struct shm_port *next;	    /* those of one region are a ring */
	uint64_t placed[VSHM_BARS]; /* where BARs answer now */
};

/* All of a VM's: one frame. The lock is taken inside the lock of the VM's PCI devices, never inside another of these. */
struct shm {
	struct lock lock;
	uint32_t count;
	uint32_t slot;	/* function 0's bdf */
	uint32_t lines; /* bit n: function n asserts INTA */
	struct shm_port port[CONFIG_SHARES];
};
_Static_assert(sizeof(struct shm) <= PAGE_SIZE, "one frame");

/* --- interrupts --- */

static void op_message(void *arg, uint64_t addr, uint32_t data)
{
	struct shm_port *p = arg;

	irq_message(p->vm, addr, data);
}

/* INTA of all functions is one wire. */
static void op_line(void *arg, bool level)
{
	struct shm_port *p = arg;
	struct shm *s = p->vm->shm;
	uint32_t before = s->lines, bit = (uint32_t)BIT(p - s->port);

	s->lines = level ? before | bit : before & ~bit;
	if (!before != !s->lines)
		irq_line(p->vm, VBOARD_PCI_IRQ, level);
}

static const struct vshm_ops shm_ops = {op_message, op_line};

/* No lock is held. Those of a region are at most CONFIG_VMS. */
static void ring(struct shm_port *from, uint32_t doorbell)
{
	struct shm_port *to = from;
	struct shm *s;

	while (to->dev.cfg.peer != VSHM_RING_PEER(doorbell)) {
		to = to->next;
		if (to == from)
			return;
	}
	if (atomic_load_bool(&to->vm->ended))
		return;
	s = to->vm->shm;
	lock_acquire(&s->lock);
	vshm_ring(&to->dev, VSHM_RING_VECTOR(doorbell));
	lock_release(&s->lock);
}

/* --- where BARs answer; the lock is held --- */

static bool bar_meets(const struct shm_port *p, uint32_t n, uint64_t base, uint64_t size)
{
	uint64_t at = p->placed[n];

	return at != NOT_PLACED && base < at + vshm_bar_size(&p->dev, n) && at < base + size;
}

static bool place_taken(const struct shm *s, uint64_t base, uint64_t size)
{
	for (uint32_t i = 0; i < s->count; i++) {
		for (uint32_t n = 0; n < VSHM_BARS; n++) {
			if (bar_meets(&s->port[i], n, base, size))
				return true;
		}
	}
	return false;
}

/*
 * Bring what answers in line with the registers. A BAR that lies where it must not, or over another one, answers
 * nowhere until it is moved, or the other one is. A region is mapped by and by, as it is touched.
 */
static void bars_settle(struct vm *vm)
{
	struct shm *s = vm->shm;
	bool gone = false;

	for (uint32_t i = 0; i < s->count * VSHM_BARS; i++) {
		struct shm_port *p = &s->port[i / VSHM_BARS];
		uint32_t n = i % VSHM_BARS;

		if (p->placed[n] == NOT_PLACED || p->placed[n] == vshm_bar(&p->dev, n))
			continue;
		memory_window_close(vm, p->placed[n], vshm_bar_size(&p->dev, n));
		p->placed[n] = NOT_PLACED;
		gone = true;
	}
	for (uint32_t i = 0; i < s->count * VSHM_BARS; i++) {
		struct shm_port *p = &s->port[i / VSHM_BARS];
		uint32_t n = i % VSHM_BARS;
		uint64_t base = vshm_bar(&p->dev, n), size = vshm_bar_size(&p->dev, n);

		if (base == p->placed[n] || range_wraps(base, size) || place_taken(s, base, size) ||
		    memory_window_open(vm, base, size))
			continue;
		p->placed[n] = base;
		gone |= vm->service; /* what was there before */
	}
	if (gone)
		memory_flush(vm);
}

static struct shm_port *port_at(struct shm *s, uint64_t gpa, uint32_t *n)
{
	for (uint32_t i = 0; i < s->count; i++) {
		for (*n = 0; *n < VSHM_BARS; ++*n) {
			if (bar_meets(&s->port[i], *n, gpa, 1))
				return &s->port[i];
		}
	}
	return NULL;
}

/* --- the guest's accesses --- */

bool shm_config(struct vm *vm, uint32_t bdf, uint32_t off, uint8_t size, bool write,
		uint32_t *value)
{
	struct shm *s = vm->shm;
	uint32_t f = FUNCTION(bdf);
	struct vshm *dev;

	if (!s || bdf - f != s->slot || f >= s->count)
		return false;
	dev = &s->port[f].dev;
	lock_acquire(&s->lock);
	if (write) {
		vshm_config_write(dev, off, size, *value);
		bars_settle(vm);
	} else {
		*value = vshm_config_read(dev, off, size);
	}
	lock_release(&s->lock);
	return true;
}

static void read_only_stop(struct vcpu *v, const struct shm_port *p, const char *what)
{
	vm_stop(v, "it %s the shared region '%s', which it may %s", what, p->dev.cfg.name,
		p->dev.cfg.rights == VSHM_RW ? "read and write" : "only read");
}

bool shm_access(struct vcpu *v, uint64_t gpa, uint8_t size, bool write, uint64_t *value)
{
	struct shm *s = v->vm->shm;
	struct shm_port *p;
	bool rung = false;
	uint32_t n, off, doorbell;

	if (!s)
		return false;
	lock_acquire(&s->lock);
	p = port_at(s, gpa, &n);
	if (p && n != VSHM_MEMORY) {
		off = (uint32_t)(gpa & (VSHM_PAGE - 1));
		if (write)
			rung = vshm_write(&p->dev, n, off, size, *value, &doorbell);
		else
			*value = vshm_read(&p->dev, n, off, size);
	}
	lock_release(&s->lock);
	if (rung)
		ring(p, doorbell);
	if (!p || (n == VSHM_MEMORY && !write))
		return false;
	if (n == VSHM_MEMORY && p->dev.cfg.rights != VSHM_RW)
		read_only_stop(v, p, "wrote to");
	return true;
}

bool shm_is_device(struct vm *vm, uint64_t gpa)
{
	struct shm *s = vm->shm;
	bool found;
	uint32_t n;

	if (!s)
		return false;
	lock_acquire(&s->lock);
	found = port_at(s, gpa, &n) && n != VSHM_MEMORY;
	lock_release(&s->lock);
	return found;
}

/* Map the piece of the region around @gpa. The lock is held. */
static int piece_map(struct shm_port *p, uint64_t gpa)
{
	uint64_t offset = ALIGN_DOWN(gpa - p->placed[VSHM_MEMORY], MAP_STEP);
	uint32_t rights = p->dev.cfg.rights == VSHM_RW ? NESTED_R | NESTED_W : NESTED_R;

	return nested_map(&p->vm->nested, GPA(p->placed[VSHM_MEMORY] + offset),
			  HPA(p->region.v + offset), min_u64(p->dev.cfg.size - offset, MAP_STEP),
			  rights, MEMTYPE_WB);
}

bool shm_fault(struct vcpu *v, uint64_t gpa, uint32_t access)
{
	struct shm *s = v->vm->shm;
	struct shm_port *p;
	uint32_t n;
	int err = 0;

	if (!s)
		return false;
	lock_acquire(&s->lock);
	p = port_at(s, gpa, &n);
	if (p && n != VSHM_MEMORY)
		p = NULL;
	if (p && !(access & NPF_PRESENT))
		err = piece_map(p, gpa);
	lock_release(&s->lock);
	if (!p)
		return false;
	if (err)
		vm_stop(v, "no frames are left for tables of the shared region '%s'",
			p->dev.cfg.name);
	else if (access & NPF_EXEC)
		read_only_stop(v, p, "ran code in");
	else if (access & NPF_PRESENT && access & NPF_WRITE)
		read_only_stop(v, p, "wrote to");
	return true;
}

void shm_reset(struct vm *vm)
{
	struct shm *s = vm->shm;

	if (!s)
		return;
	lock_acquire(&s->lock);
	for (uint32_t i = 0; i < s->count; i++)
		vshm_reset(&s->port[i].dev);
	bars_settle(vm);
	lock_release(&s->lock);
}

/* --- boot: the regions --- */

static struct {
	char name[CONFIG_NAME];
	hpa_t base;
	uint64_t size; /* 0: there was no memory */
	struct shm_port *last;
} regions[REGIONS_MAX] INITBSS;
static uint32_t region_count INITDATA;

static INIT uint32_t region_index(const char *name)
{
	uint32_t i = 0;

	while (i < region_count && strcmp(regions[i].name, name))
		i++;
	return i;
}

static INIT int region_take(uint64_t size, hpa_t *base)
{
	static uint8_t zeros[PAGE_SIZE] INITBSS;
	uint64_t align = min_u64(size, PAGE_SIZE_2M);
	int err = frame_find(size, align, HIGH_MEMORY, UINT64_MAX, true, base);

	if (err)
		err = frame_find(size, align, LOW_MEMORY, HIGH_MEMORY, true, base);
	if (!err)
		err = frame_claim(*base, size, OWNER_SHARED);
	for (uint64_t at = 0; at < size && !err; at += PAGE_SIZE)
		phys_write(HPA(base->v + at), zeros, PAGE_SIZE);
	return err;
}

INIT void shm_regions_make(const struct config *c)
{
	for (uint32_t i = 0; i < c->vm_count; i++) {
		for (uint32_t k = 0; k < c->vms[i].share_count; k++) {
			const struct config_share *share = &c->vms[i].shares[k];
			uint32_t r = region_index(share->name);

			if (r < region_count || r == REGIONS_MAX)
				continue;
			region_count++;
			strlcpy(regions[r].name, share->name, CONFIG_NAME);
			if (region_take(share->size, &regions[r].base))
				log_error("region %s: no memory in one piece for %lu KiB",
					  share->name, share->size / KIB);
			else
				regions[r].size = share->size;
		}
	}
}

INIT bool shm_region(uint32_t i, hpa_t *base, uint64_t *size)
{
	if (i >= region_count)
		return false;
	*base = regions[i].base;
	*size = regions[i].size;
	return true;
}

/* --- boot: a VM's functions --- */

/* The how manieth VM, in the configuration's order, that shares @name is VM @index? */
static INIT uint16_t peer_id(const struct config *c, uint32_t index, const char *name)
{
	uint32_t id = 0;

	for (uint32_t i = 0; i < index; i++) {
		for (uint32_t k = 0; k < c->vms[i].share_count; k++)
			id += !strcmp(c->vms[i].shares[k].name, name);
	}
	return (uint16_t)id;
}

/* Addresses for an isolated VM's BARs: pages from the hole's start, regions from its middle, each to its alignment. */
static INIT uint64_t isolated_place(uint64_t size, bool memory)
{
	static uint64_t next[2] INITDATA;
	uint64_t base;

	if (!size) { /* a new VM */
		next[0] = VBOARD_PCI_HOLE;
		next[1] = VBOARD_PCI_REGIONS;
		return 0;
	}
	base = ALIGN_UP(next[memory], size);
	next[memory] = base + size;
	return base;
}

/* 0 if there is no place; the guest has to find one then. */
static INIT uint64_t bar_place(struct vm *vm, const struct shm_port *p, uint32_t n)
{
	uint64_t size = vshm_bar_size(&p->dev, n);

	if (!size)
		return 0;
	return vm->service ? platform_place(vm, size) : isolated_place(size, n == VSHM_MEMORY);
}

/* Places are found one by one, each where nobody answers yet. */
static INIT void port_place(struct vm *vm, struct shm_port *p)
{
	struct vshm_config cfg = p->dev.cfg;

	for (uint32_t n = 0; n < VSHM_BARS; n++) {
		uint64_t size = vshm_bar_size(&p->dev, n);

		p->placed[n] = NOT_PLACED;
		cfg.base[n] = bar_place(vm, p, n);
		if (size && (!cfg.base[n] || memory_window_open(vm, cfg.base[n], size))) {
			log_warn("vm %s: no place for BAR %u of region %s; it finds one itself",
				 vm->name, n, cfg.name);
			memset(cfg.base, 0, sizeof(cfg.base));
			break;
		}
		p->placed[n] = size ? cfg.base[n] : NOT_PLACED;
	}
	vshm_init(&p->dev, &cfg, &shm_ops, p);
}

static INIT int port_make(struct vm *vm, const struct build_input *in, uint32_t k)
{
	static const char *const rights[] = {"none", "ro", "rw"};
	const struct config_vm *c = &in->config->vms[vm->id];
	const struct config_share *share = &c->shares[k];
	struct shm *s = vm->shm;
	struct shm_port *p = &s->port[k];
	uint32_t r = region_index(share->name);
	struct vshm_config cfg = {
		.rights = (enum vshm_rights)share->rights,
		.size = share->size,
		.peer = peer_id(in->config, vm->id, share->name),
		.multi = k == 0 && c->share_count > 1,
		.irq = vm->service ? 0 : VBOARD_PCI_IRQ,
	};

	if (r == region_count || regions[r].size != share->size)
		return -ENOMEM;
	strlcpy(cfg.name, share->name, sizeof(cfg.name));
	p->vm = vm;
	p->region = regions[r].base;
	p->dev.cfg = cfg;
	port_place(vm, p);
	p->next = regions[r].last ? regions[r].last->next : p;
	if (regions[r].last)
		regions[r].last->next = p;
	regions[r].last = p;
	s->count = k + 1;
	log_info("vm %s: region %s, %lu KiB, %s, is PCI function 00:%02x.%u, peer %u", vm->name,
		 cfg.name, cfg.size / KIB, rights[cfg.rights], s->slot >> 3 & 31, k, cfg.peer);
	log_debug("vm %s: region %s at %#lx-%#lx", vm->name, cfg.name, p->region.v,
		  p->region.v + cfg.size);
	return 0;
}

INIT int shm_vm_init(struct vm *vm, const struct build_input *in)
{
	const struct config_vm *c = &in->config->vms[vm->id];
	int err = 0;

	if (!c->share_count)
		return 0;
	vm->shm = pool_alloc(&vm->quota, 1, NULL);
	if (!vm->shm)
		return -ENOMEM;
	vm->shm->slot = vm->service ? platform_slot() : VBOARD_PCI_SLOT;
	if (!vm->shm->slot)
		return -ENODEV;
	isolated_place(0, false);
	for (uint32_t k = 0; k < c->share_count && !err; k++)
		err = port_make(vm, in, k);
	return err;
}
