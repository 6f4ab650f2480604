/* SPDX-License-Identifier: BSD-2-Clause */
/* Guest memory, through the CPU's eight windows. */

#include "vm/gmem.h"
#include "arch/cpu.h"
#include "arch/msr.h"
#include "arch/paging.h"
#include "arch/percpu.h"
#include "lib/string.h"
#include "vm/memory.h"

#define WINDOW_WRITE 1ULL /* in a window's tag, beside the page's address */
#define WINDOW_EMPTY (~0ULL)
#define PKRU_INDEX   0

static void *window_va(struct cpu *cpu, uint32_t slot)
{
	return percpu_page(cpu->index, PERCPU_WINDOWS + slot);
}

void guest_unmap_all(void)
{
	struct cpu *cpu = this_cpu();

	for (uint32_t i = 0; i < WINDOW_COUNT; i++) {
		if (cpu->window_page[i] == WINDOW_EMPTY)
			continue;
		cpu->window_page[i] = WINDOW_EMPTY;
		cpu->window_generation++;
		paging_window_clear((uint64_t)window_va(cpu, i));
	}
}

static void *window_fill(struct cpu *cpu, struct vm *vm, uint64_t page, bool write)
{
	uint32_t slot = cpu->window_next;
	uint64_t contig;
	uint16_t owner;
	hpa_t hpa;

	if (nested_translate(&vm->nested, GPA(page), write ? NESTED_W : NESTED_R, &hpa, &contig))
		return NULL;
	owner = frame_owner(hpa);
	if (owner != OWNER_VM0 + vm->id && owner != OWNER_RESERVED && owner != OWNER_SHARED)
		return NULL; /* a device's registers are not memory; nothing else may be mapped there at all */
	for (uint32_t i = 0; i < WINDOW_COUNT; i++) {
		if ((cpu->window_page[i] & ~WINDOW_WRITE) == page)
			slot = i; /* known, but without the right to write */
	}
	cpu->window_next = (uint8_t)((slot + 1) % WINDOW_COUNT);
	cpu->window_generation++;
	cpu->window_page[slot] = page | (write ? WINDOW_WRITE : 0);
	paging_window_set((uint64_t)window_va(cpu, slot), HPA(hpa.v & ~PAGE_MASK),
			  write ? MAP_WRITE : 0);
	return window_va(cpu, slot);
}

void *guest_map(struct vm *vm, uint64_t gpa, bool write)
{
	struct cpu *cpu = this_cpu();
	uint64_t page = gpa & ~PAGE_MASK;
	uint8_t *base = NULL;

	if (unlikely(cpu->window_vm != vm)) {
		guest_unmap_all();
		cpu->window_vm = vm;
	}
	for (uint32_t i = 0; i < WINDOW_COUNT; i++) {
		uint64_t tag = cpu->window_page[i];

		if (tag == (page | WINDOW_WRITE) || (tag == page && !write)) {
			base = window_va(cpu, i);
			break;
		}
	}
	if (!base)
		base = window_fill(cpu, vm, page, write);
	return base ? base + (gpa & PAGE_MASK) : NULL;
}

static int guest_copy(struct vm *vm, uint64_t gpa, uint8_t *buf, uint64_t len, bool write)
{
	if (range_wraps(gpa, len))
		return -EFAULT;
	while (len) {
		uint64_t n = min_u64(len, PAGE_SIZE - (gpa & PAGE_MASK));
		void *p = guest_map(vm, gpa, write);

		if (!p)
			return -EFAULT;
		if (write)
			memcpy(p, buf, n);
		else
			memcpy(buf, p, n);
		gpa += n;
		buf += n;
		len -= n;
	}
	return 0;
}

int guest_write(struct vm *vm, uint64_t gpa, const void *buf, uint64_t len)
{
	return guest_copy(vm, gpa, (uint8_t *)(uintptr_t)buf, len, true);
}

static int pte_read(void *ctx, gpa_t gpa, uint32_t size, uint64_t *value)
{
	struct vcpu *v = ctx;
	const void *p = guest_map(v->vm, gpa.v, false);

	if (!p)
		return -EFAULT;
	if (v->fetch.levels < FETCH_LEVELS)
		v->fetch.entry[v->fetch.levels++] = p;
	*value = size == 8 ? __atomic_load_n((const uint64_t *)p, __ATOMIC_RELAXED)
			   : __atomic_load_n((const uint32_t *)p, __ATOMIC_RELAXED);
	return 0;
}

static int pte_cmpxchg(void *ctx, gpa_t gpa, uint32_t size, uint64_t old, uint64_t value)
{
	struct vcpu *v = ctx;
	void *p = guest_map(v->vm, gpa.v, true);
	uint32_t old32 = (uint32_t)old;
	bool done;

	if (!p)
		return -EFAULT;
	if (size == 8)
		done = __atomic_compare_exchange_n((uint64_t *)p, &old, value, false,
						   __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
	else
		done = __atomic_compare_exchange_n((uint32_t *)p, &old32, (uint32_t)value, false,
						   __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
	return done ? 0 : -EAGAIN;
}

static const struct gwalk_ops walk_ops = {.read = pte_read, .cmpxchg = pte_cmpxchg};

static uint32_t pkru_read(void)
{
	uint32_t pkru;

	__asm__ volatile("rdpkru" : "=a"(pkru) : "c"(PKRU_INDEX) : "rdx");
	return pkru;
}

static void walk_fill(struct vcpu *v, const struct guest_mode *m, struct gwalk_cpu *c)
{
	*c = (struct gwalk_cpu){
		.cr0 = m->cr0,
		.cr3 = m->cr3,
		.cr4 = m->cr4,
		.efer = m->efer,
		.cpl = m->cpl,
		.ac = v->arch.rflags & RFLAGS_AC,
		.pages_1g = true,
		.phys_bits = memory_phys_bits(),
	};
	/* RDPKRU needs CR4.PKE here too; what it reads is the guest's, live in this CPU. */
	if (unlikely(c->cr4 & CR4_PKE)) {
		cr4_write(cr4_read() | CR4_PKE);
		c->pkru = pkru_read();
		cr4_write(cr4_read() & ~CR4_PKE);
	}
}

int gva_translate(struct vcpu *v, uint64_t gva, uint32_t access, uint64_t *gpa, uint32_t *error)
{
	struct guest_mode m;
	struct gwalk_cpu cpu;
	gpa_t out;
	int err;

	virt->get_mode(&v->arch, &m);
	walk_fill(v, &m, &cpu);
	err = gwalk(&walk_ops, v, &cpu, GVA(gva), access, &out, error);
	*gpa = out.v;
	return err;
}

/* Is what is cached still how @m translates? Four loads instead of a walk. */
static bool fetch_cached(const struct vcpu *v, const struct guest_mode *m, uint64_t page)
{
	const struct fetch_cache *f = &v->fetch;

	if (f->page != page || f->generation != this_cpu()->window_generation ||
	    f->mode.cr3 != m->cr3 || f->mode.cr0 != m->cr0 || f->mode.cr4 != m->cr4 ||
	    f->mode.efer != m->efer || f->mode.cpl != m->cpl)
		return false;
	for (uint32_t i = 0; i < f->levels; i++) {
		if (__atomic_load_n(f->entry[i], __ATOMIC_RELAXED) != f->value[i])
			return false;
	}
	return true;
}

/* Remember a walk, unless its windows changed on the way: then some entry is not shown any more. */
static void fetch_remember(struct vcpu *v, const struct guest_mode *m, uint64_t page,
			   uint64_t generation, const uint8_t *bytes)
{
	struct fetch_cache *f = &v->fetch;

	f->page = ~0ULL;
	if (generation != this_cpu()->window_generation || !(m->efer & EFER_LMA))
		return;
	for (uint32_t i = 0; i < f->levels; i++)
		f->value[i] = __atomic_load_n(f->entry[i], __ATOMIC_RELAXED);
	f->generation = generation;
	f->mode = *m;
	f->bytes = bytes;
	f->page = page;
}

/* The page that @gva is in; NULL after a fault has been injected, or the VM stopped. */
static __attribute__((noinline)) const uint8_t *fetch_walk(struct vcpu *v,
							   const struct guest_mode *m, uint64_t gva,
							   bool must)
{
	uint64_t generation = this_cpu()->window_generation;
	struct gwalk_cpu c;
	const uint8_t *bytes;
	uint32_t error;
	gpa_t gpa;
	int err;

	walk_fill(v, m, &c);
	v->fetch.levels = 0;
	err = gwalk(&walk_ops, v, &c, GVA(gva), GWALK_EXEC, &gpa, &error);
	if (err && !must)
		return NULL;
	if (err == -EFAULT) {
		virt->set_cr(&v->arch, 2, gva);
		vcpu_exception(v, EXC_PF, true, error);
		return NULL;
	}
	bytes = err ? NULL : guest_map(v->vm, gpa.v & ~PAGE_MASK, false);
	if (!bytes) {
		if (must)
			vm_stop(v, "no instruction can be read at %#lx", gva);
		return NULL;
	}
	fetch_remember(v, m, gva & ~PAGE_MASK, generation, bytes);
	return bytes;
}

static const uint8_t *fetch_at(struct vcpu *v, const struct guest_mode *m, uint64_t gva, bool must)
{
	const uint8_t *page =
		fetch_cached(v, m, gva & ~PAGE_MASK) ? v->fetch.bytes : fetch_walk(v, m, gva, must);

	return page ? page + (gva & PAGE_MASK) : NULL;
}

/* The second part of an instruction that may go on in the next page; what cannot be read there may not be needed. */
static uint32_t fetch_rest(struct vcpu *v, const struct guest_mode *m, uint64_t gva, uint8_t *bytes,
			   const uint8_t *from)
{
	uint32_t n = (uint32_t)(PAGE_SIZE - (gva & PAGE_MASK));

	memcpy(bytes, from, n);
	from = fetch_at(v, m, gva + n, false);
	if (!from)
		return n;
	memcpy(bytes + n, from, INSN_MAX - n);
	return INSN_MAX;
}

static enum cpu_mode mode_of(uint64_t efer, uint16_t cs_attr)
{
	if (cs_attr & SEG_ATTR_L && efer & EFER_LMA)
		return CPU_MODE_64;
	return cs_attr & SEG_ATTR_DB ? CPU_MODE_32 : CPU_MODE_16;
}

enum cpu_mode vcpu_mode(struct vcpu *v)
{
	struct guest_mode m;

	virt->get_mode(&v->arch, &m);
	return mode_of(m.efer, m.cs_attr);
}

uint32_t insn_fetch(struct vcpu *v, uint8_t *bytes, enum cpu_mode *mode)
{
	uint64_t gva = v->arch.rip;
	struct guest_mode m;
	const uint8_t *from;

	virt->get_mode(&v->arch, &m);
	*mode = mode_of(m.efer, m.cs_attr);
	if (unlikely(*mode != CPU_MODE_64))
		gva = (uint32_t)(gva + m.cs_base);
	from = fetch_at(v, &m, gva, true);
	if (!from)
		return 0;
	if (unlikely((gva & PAGE_MASK) > PAGE_SIZE - INSN_MAX))
		return fetch_rest(v, &m, gva, bytes, from);
	memcpy(bytes, from, INSN_MAX);
	return INSN_MAX;
}

int insn_decode_again(struct vcpu *v, const struct insn **insn, const uint8_t *bytes, uint32_t n,
		      enum cpu_mode mode)
{
	struct decoded *d = &v->decoded[(v->arch.rip ^ v->arch.rip >> 4) % DECODED];
	uint64_t head, tail;
	int err;

	*insn = &d->insn;
	if (unlikely(n < INSN_MAX)) {
		d->cached = false;
		return insn_decode(&d->insn, bytes, n, mode);
	}
	memcpy(&head, bytes, sizeof(head));
	memcpy(&tail, bytes + INSN_MAX - sizeof(tail), sizeof(tail));
	if (likely(d->cached && d->head == head && d->tail == tail && d->insn.mode == mode))
		return 0;
	err = insn_decode(&d->insn, bytes, n, mode);
	d->head = head;
	d->tail = tail;
	d->cached = !err;
	return err;
}
