/* SPDX-License-Identifier: BSD-2-Clause */
/* Exceptions and interrupts of a bare guest. */

#include "lib/trap.h"
#include "lib/apic.h"
#include "lib/guest.h"
#include "lib/insn.h"
#include "lib/x86.h"

#define GATE_INTERRUPT 0x8e00 /* present, ring 0, 64-bit interrupt gate */
#define GATE_PRESENT   0x8000U
#define GATE_DPL3      0x6000
#define TSS_AVAILABLE  0x89
#define EXCEPTIONS     32
#define STUB_SIZE      16

struct gate {
	uint16_t offset0, selector, type, offset1;
	uint32_t offset2, reserved;
};

struct tss {
	uint32_t reserved0;
	uint64_t rsp[3];
	uint64_t reserved1;
	uint64_t ist[7];
	uint64_t reserved2;
	uint16_t reserved3, io_base;
} PACKED;

struct fixup {
	uint64_t at, to;
};

extern uint8_t trap_stub_0[], raw_stub[];
extern uint64_t gdt_tss[2];
extern const struct fixup fixup_start[], fixup_end[];

static struct gate idt[256] ALIGNED(16);
static struct tss tss;
static trap_fn handlers[256];
volatile uint32_t trap_count[GUEST_VCPUS][256];
struct fault last_fault[GUEST_VCPUS];

void trap_dispatch(struct trap_frame *f);

void trap_handler(uint8_t vector, trap_fn fn)
{
	handlers[vector] = fn;
}

void trap_stack(uint8_t vector, uint8_t ist, void *top)
{
	tss.ist[ist - 1] = (uint64_t)top;
	idt[vector].type = (uint16_t)((idt[vector].type & ~7U) | ist);
}

void trap_present(uint8_t vector, bool present)
{
	idt[vector].type =
		(uint16_t)((idt[vector].type & ~GATE_PRESENT) | (present ? GATE_PRESENT : 0));
}

static void gate_set(uint32_t vector, uint64_t at)
{
	idt[vector] = (struct gate){
		.offset0 = (uint16_t)at,
		.selector = SEL_CODE64,
		.type = GATE_INTERRUPT | (vector == EXC_BP ? GATE_DPL3 : 0),
		.offset1 = (uint16_t)(at >> 16),
		.offset2 = (uint32_t)(at >> 32),
	};
}

static trap_fn raw_fn;

void raw_dispatch(void);

void raw_dispatch(void)
{
	raw_fn(NULL);
}

void trap_raw(uint8_t vector, trap_fn fn)
{
	raw_fn = fn;
	gate_set(vector, (uint64_t)raw_stub);
}

static void report(const struct trap_frame *f)
{
	print("vCPU %u: exception %lu error %lx at %02lx:%lx rflags %lx rsp %lx cr2 %lx\n",
	      vcpu_number(), f->vector, f->error, f->cs, f->rip, f->rflags, f->rsp, read_cr2());
	print("rax %lx rbx %lx rcx %lx rdx %lx rsi %lx rdi %lx\n", f->gpr[RAX], f->gpr[RBX],
	      f->gpr[RCX], f->gpr[RDX], f->gpr[RSI], f->gpr[RDI]);
	guest_exit(254);
}

static bool fixed_up(struct trap_frame *f)
{
	for (const struct fixup *x = fixup_start; x < fixup_end; x++) {
		if (x->at != f->rip)
			continue;
		f->rip = x->to;
		return true;
	}
	return false;
}

void trap_dispatch(struct trap_frame *f)
{
	uint32_t cpu = vcpu_number();
	uint8_t vector = (uint8_t)f->vector;

	f->gpr[RSP] = f->rsp;
	trap_count[cpu][vector]++;
	if (insn_trap(f))
		return;
	if (handlers[vector]) {
		handlers[vector](f);
		return;
	}
	if (vector >= EXCEPTIONS) {
		apic_eoi();
		return;
	}
	last_fault[cpu] = (struct fault){vector, (uint32_t)f->error, f->rip};
	if (!fixed_up(f))
		report(f);
}

void trap_load(void)
{
	const struct {
		uint16_t limit;
		uint64_t base;
	} PACKED pointer = {sizeof(idt) - 1, (uint64_t)idt};

	__asm__ volatile("lidt %0" : : "m"(pointer));
}

void trap_init(void)
{
	uint64_t base = (uint64_t)&tss;

	for (uint32_t i = 0; i < ARRAY_SIZE(idt); i++)
		gate_set(i, (uint64_t)trap_stub_0 + i * STUB_SIZE);
	trap_load();
	tss.rsp[0] = (uint64_t)stacks[0] + STACK_SIZE / 2;
	tss.io_base = sizeof(tss);
	gdt_tss[0] = (sizeof(tss) - 1) | (base & 0xffffff) << 16 | (uint64_t)TSS_AVAILABLE << 40 |
		     (base >> 24 & 0xff) << 56;
	gdt_tss[1] = base >> 32;
	__asm__ volatile("ltr %w0" : : "r"(SEL_TSS));
}
