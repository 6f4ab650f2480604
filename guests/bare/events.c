/* SPDX-License-Identifier: BSD-2-Clause */
/* Interrupts and NMIs: that they come, when they come, and where RIP stands then. */

#include "lib/apic.h"
#include "lib/case.h"
#include "lib/guest.h"
#include "lib/insn.h"
#include "lib/x86.h"

#define LOW	 0x51
#define MIDDLE	 0x52
#define HIGH	 0x91
#define INSN_AT	 ((uint64_t)insn_buffer + 64) /* where insn_run puts the instructions */
#define DIVIDE_1 0xb
#define SOON	 100000 /* timer ticks */
#define LATER	 20000000
#define PATIENCE 2000000000U

/* What the handlers below saw, in order. */
static struct {
	uint8_t vector;
	uint64_t rip;
	uint32_t depth;
} seen[16];
static volatile uint32_t seen_count, depth, depth_max;

static void note(const struct trap_frame *f)
{
	if (seen_count < ARRAY_SIZE(seen)) {
		seen[seen_count].vector = (uint8_t)f->vector;
		seen[seen_count].rip = f->rip;
		seen[seen_count].depth = depth;
	}
	seen_count++;
}

static void note_only(struct trap_frame *f)
{
	note(f);
}

static void on_irq(struct trap_frame *f)
{
	note(f);
	apic_eoi();
}

static void clear(void)
{
	cli();
	seen_count = depth = depth_max = 0;
	apic_write(APIC_TPR, 0);
	apic_write(APIC_LVT_TIMER, LVT_MASKED);
}

static void self_ipi(uint8_t vector)
{
	apic_ipi(0, ICR_SELF | ICR_ASSERT | ICR_FIXED | vector);
}

/* Run @code with IF = @on; the interrupt taken meanwhile must find RIP @at bytes behind its start. */
static bool taken_at(const char *code, uint32_t len, bool on, uint32_t at)
{
	struct insn_regs r;

	insn_init(&r);
	if (on)
		r.rflags |= RFLAGS_IF;
	insn_run(&r, (const uint8_t *)code, len);
	cli();
	if (!r.done)
		return case_fail("exception %lu at +%lu", r.vector, r.length);
	if (seen_count != 1)
		return case_fail("%u interrupts instead of one", seen_count);
	if (seen[0].rip != INSN_AT + at)
		return case_fail("taken at +%ld instead of +%u", (int64_t)(seen[0].rip - INSN_AT),
				 at);
	return true;
}

#define TAKEN_AT(code, on, at)                                       \
	do {                                                         \
		if (!taken_at((code), sizeof(code) - 1, (on), (at))) \
			return false;                                \
	} while (0)

/* --- interrupts --- */

static bool ipi_self(void)
{
	clear();
	sti();
	self_ipi(LOW);
	cpuid(0, 0);
	cli();
	CHECK_EQ(seen_count, 1);
	CHECK_EQ(seen[0].vector, LOW);
	return true;
}

static bool ipi_by_id(void)
{
	clear();
	sti();
	apic_ipi(apic_id(), ICR_ASSERT | ICR_FIXED | MIDDLE);
	cpuid(0, 0);
	cli();
	CHECK_EQ(seen_count, 1);
	CHECK_EQ(seen[0].vector, MIDDLE);
	return true;
}

/* Nobody there: nothing comes, nothing hangs. */
static bool ipi_nobody(void)
{
	clear();
	sti();
	apic_ipi(0xcc, ICR_ASSERT | ICR_FIXED | LOW);
	cpuid(0, 0);
	cli();
	CHECK_EQ(seen_count, 0);
	return true;
}

/* Pending while IF = 0, over exits of several kinds; taken one instruction after STI. */
static bool pending_sti(void)
{
	clear();
	self_ipi(LOW);
	cpuid(0, 0);
	in8(0x21);
	CHECK_EQ(seen_count, 0);
	TAKEN_AT("\xfb\x90\x90", false, 2);
	return true;
}

/* The instruction in STI's shadow is intercepted. */
static bool pending_sti_cpuid(void)
{
	clear();
	self_ipi(LOW);
	TAKEN_AT("\xfb\x0f\xa2\x90", false, 3);
	return true;
}

static bool pending_sti_hlt(void)
{
	clear();
	self_ipi(LOW);
	TAKEN_AT("\xfb\xf4\x90", false, 2);
	return true;
}

/* POPF has no shadow. */
static bool pending_popf(void)
{
	clear();
	self_ipi(LOW);
	/* pushf; or dword [rsp], 0x200; popf; nop; nop */
	TAKEN_AT("\x9c\x81\x0c\x24\x00\x02\x00\x00\x9d\x90\x90", false, 9);
	return true;
}

/* IRET to IF = 1: taken before the first instruction. */
static bool pending_iret(void)
{
	clear();
	self_ipi(LOW);
	TAKEN_AT("\x90\x90", true, 0);
	return true;
}

static bool pending_cli(void)
{
	struct insn_regs r;

	clear();
	self_ipi(LOW);
	insn_init(&r);
	insn_run(&r, (const uint8_t *)"\xfb\xfa\x90\x90", 4); /* sti; cli: never open */
	CHECK(r.done);
	CHECK_EQ(seen_count, 0);
	sti();
	cpuid(0, 0);
	cli();
	CHECK_EQ(seen_count, 1);
	return true;
}

/* All that are pending, highest first, once the gate opens. */
static bool several(void)
{
	static const uint8_t vectors[] = {LOW, HIGH, MIDDLE, 0x71, 0x61};
	static const uint8_t order[] = {HIGH, 0x71, 0x61, MIDDLE, LOW};

	clear();
	for (uint32_t i = 0; i < ARRAY_SIZE(vectors); i++) {
		trap_handler(vectors[i], on_irq);
		self_ipi(vectors[i]);
	}
	sti();
	cpuid(0, 0);
	cli();
	CHECK_EQ(seen_count, ARRAY_SIZE(order));
	for (uint32_t i = 0; i < ARRAY_SIZE(order); i++)
		CHECK_EQ(seen[i].vector, order[i]);
	return true;
}

/* A higher one interrupts a lower one's handler; an equal or lower class waits for the EOI. */
static void on_low_nested(struct trap_frame *f)
{
	note(f);
	depth++;
	self_ipi(MIDDLE); /* same class: waits */
	self_ipi(HIGH);	  /* comes at once */
	sti();
	cpuid(0, 0);
	cli();
	depth--;
	apic_eoi();
}

static bool nested(void)
{
	clear();
	trap_handler(LOW, on_low_nested);
	sti();
	self_ipi(LOW);
	cpuid(0, 0);
	cli();
	trap_handler(LOW, on_irq);
	CHECK_EQ(seen_count, 3);
	CHECK_EQ(seen[1].vector, HIGH);
	CHECK_EQ(seen[1].depth, 1);
	CHECK_EQ(seen[2].vector, MIDDLE);
	CHECK_EQ(seen[2].depth, 0);
	return true;
}

/* The task priority holds an interrupt back; lowering CR8 lets it in behind that instruction. */
static bool priority(void)
{
	clear();
	write_cr8(5);
	sti();
	self_ipi(LOW);
	cpuid(0, 0);
	cli();
	CHECK_EQ(seen_count, 0);
	TAKEN_AT("\x31\xc0\x44\x0f\x22\xc0\x90", true, 6); /* xor eax, eax; mov cr8, rax; nop */
	return true;
}

/* The same by the APIC's page. */
static bool priority_page(void)
{
	clear();
	apic_write(APIC_TPR, 0x5f);
	sti();
	self_ipi(LOW);
	cpuid(0, 0);
	CHECK_EQ(seen_count, 0);
	apic_write(APIC_TPR, 0x4f);
	cpuid(0, 0);
	cli();
	CHECK_EQ(seen_count, 1);
	return true;
}

/* An interrupt finds a guest that does nothing that exits. */
static bool busy_loop(void)
{
	clear();
	apic_write(APIC_DIVIDE, DIVIDE_1);
	apic_write(APIC_LVT_TIMER, LOW);
	apic_write(APIC_INITIAL, SOON);
	sti();
	for (uint32_t i = 0; i < PATIENCE && !seen_count; i++)
		__asm__ volatile("" : : : "memory");
	cli();
	CHECK_EQ(seen_count, 1);
	return true;
}

static bool hlt_timer(void)
{
	clear();
	apic_write(APIC_DIVIDE, DIVIDE_1);
	for (uint32_t i = 1; i <= 5; i++) {
		apic_write(APIC_LVT_TIMER, LOW);
		apic_write(APIC_INITIAL, LATER);
		sti_hlt();
		cli();
		CHECK_EQ(seen_count, i);
	}
	return true;
}

/* HLT goes on behind itself, and was not left before the interrupt. */
static bool hlt_rip(void)
{
	clear();
	apic_write(APIC_DIVIDE, DIVIDE_1);
	apic_write(APIC_LVT_TIMER, LOW);
	apic_write(APIC_INITIAL, LATER);
	TAKEN_AT("\xf4\x90", true, 1);
	return true;
}

static bool software_interrupt(void)
{
	struct insn_regs r;

	clear();
	trap_handler(0x77, note_only);
	insn_init(&r);
	insn_run(&r, (const uint8_t *)"\xcd\x77", 2);
	CHECK(r.done);
	CHECK_EQ(seen_count, 1);
	CHECK_EQ(seen[0].rip, INSN_AT + 2);
	return true;
}

/* --- NMI --- */

static void nmi_self(void)
{
	apic_ipi(apic_id(), ICR_ASSERT | ICR_NMI);
}

static bool nmi(void)
{
	clear();
	trap_handler(EXC_NMI, note_only);
	nmi_self();
	cpuid(0, 0);
	CHECK_EQ(seen_count, 1); /* with IF = 0 */
	nmi_self();
	nmi_self();
	cpuid(0, 0);
	CHECK_EQ(seen_count, 3);
	return true;
}

/* A second NMI during the first one's handler waits for its IRET. */
static void on_nmi_again(struct trap_frame *f)
{
	note(f);
	depth++;
	if (depth > depth_max)
		depth_max = depth;
	if (seen_count == 1) {
		nmi_self();
		cpuid(0, 0);
		in8(0x21);
		apic_read(APIC_ID);
	}
	depth--;
}

static bool nmi_nested(void)
{
	clear();
	trap_handler(EXC_NMI, on_nmi_again);
	nmi_self();
	cpuid(0, 0);
	CHECK_EQ(seen_count, 2);
	CHECK_EQ(depth_max, 1);
	return true;
}

/* Any number of them during a handler are one. */
static void on_nmi_thrice(struct trap_frame *f)
{
	note(f);
	if (seen_count == 1) {
		nmi_self();
		nmi_self();
		nmi_self();
		cpuid(0, 0);
	}
}

static bool nmi_merges(void)
{
	clear();
	trap_handler(EXC_NMI, on_nmi_thrice);
	nmi_self();
	cpuid(0, 0);
	CHECK_EQ(seen_count, 2);
	return true;
}

/* An interrupt is taken in an NMI handler that opens IF; its IRET ends the NMI's blocking too. */
static void on_nmi_open(struct trap_frame *f)
{
	note(f);
	depth++;
	if (seen_count == 1) {
		self_ipi(LOW);
		sti();
		cpuid(0, 0);
		cli();
	}
	depth--;
}

static bool nmi_and_interrupt(void)
{
	clear();
	trap_handler(EXC_NMI, on_nmi_open);
	nmi_self();
	cpuid(0, 0);
	CHECK_EQ(seen_count, 2);
	CHECK_EQ(seen[1].vector, LOW);
	CHECK_EQ(seen[1].depth, 1);
	/* and NMIs come again */
	nmi_self();
	cpuid(0, 0);
	CHECK_EQ(seen_count, 3);
	return true;
}

static const struct test_case cases[] = {
	{"ipi-self",	     ipi_self	     },
	{"ipi-by-id",	      ipi_by_id	       },
	{"ipi-nobody",	       ipi_nobody	 },
	{"pending-sti",	pending_sti	   },
	{"pending-sti-cpuid",  pending_sti_cpuid },
	{"pending-sti-hlt",    pending_sti_hlt   },
	{"pending-popf",	 pending_popf	     },
	{"pending-iret",	 pending_iret	     },
	{"pending-cli",	pending_cli	   },
	{"several",	    several	   },
	{"nested",		   nested		 },
	{"priority",	     priority	     },
	{"priority-page",	  priority_page     },
	{"busy-loop",	      busy_loop	       },
	{"hlt-timer",	      hlt_timer	       },
	{"hlt-rip",	    hlt_rip	   },
	{"software-interrupt", software_interrupt},
	{"nmi",		nmi		   },
	{"nmi-nested",	       nmi_nested	 },
	{"nmi-merges",	       nmi_merges	 },
	{"nmi-and-interrupt",  nmi_and_interrupt },
};

uint32_t guest_main(void)
{
	apic_enable();
	trap_handler(LOW, on_irq);
	trap_handler(MIDDLE, on_irq);
	trap_handler(HIGH, on_irq);
	cases_run(cases, ARRAY_SIZE(cases));
	return cases_bad();
}
