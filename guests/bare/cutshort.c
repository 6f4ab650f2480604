/* SPDX-License-Identifier: BSD-2-Clause */
/* Deliveries of events that a nested fault cuts short, by the image with hooks (tests/hooks): each comes once, and whole. */

#include "../../tests/hooks/hooks.h"
#include "lib/apic.h"
#include "lib/case.h"
#include "lib/guest.h"
#include "lib/trap.h"
#include "lib/x86.h"

#define LOW	   0x51
#define SOFT	   0x77
#define FAR	   0xc0000000UL /* of page tables that can be taken away */
#define IST	   2
#define INTR	   0U /* types of events */
#define NMI	   2U
#define EXCEPTION  3U
#define NOBODY_SEL 0x1230
#define INTERRUPT \
	HOOK_CUT_EVENT(INTR, LOW) /* virtual: they are not injected as events (svm/vcpu.c, QEMU) */

/* The handlers' stack: the page that a delivery writes to, and the frame that their IRET reads. */
static uint8_t page[4096] ALIGNED(4096);

static volatile uint32_t came, depth, depth_max;
static volatile uint64_t rip, error, cr2, landing;
static void (*volatile inside)(void);

static uint64_t hook(uint64_t call, uint64_t b, uint64_t c)
{
	uint64_t result;

	if (cmdline_word("amd"))
		__asm__ volatile("vmmcall" : "=a"(result) : "a"(call), "b"(b), "c"(c) : "memory");
	else
		__asm__ volatile("vmcall" : "=a"(result) : "a"(call), "b"(b), "c"(c) : "memory");
	return result;
}

/* The next access to the page faults, in the nested table. */
static void cut(void)
{
	hook(HOOK_CUT, (uint64_t)page, cmdline_number("bits", 1));
}

static void on_event(struct trap_frame *f)
{
	came++;
	depth++;
	depth_max = depth > depth_max ? depth : depth_max;
	rip = f->rip;
	error = f->error;
	cr2 = read_cr2();
	if (landing)
		f->rip = landing;
	if (inside && came == 1)
		inside();
	if (f->vector == LOW)
		apic_eoi();
	depth--;
}

static void prepare(uint8_t vector)
{
	cli();
	came = depth = depth_max = 0;
	landing = 0;
	inside = NULL;
	trap_handler(vector, on_event);
	trap_stack(vector, IST, page + sizeof(page));
	hook(HOOK_CUT_SEEN, 0, 0);
}

/* Was it cut short once, and did it come once; and was it @event (0: what is executed again)? */
static bool once(uint8_t vector, uint64_t event)
{
	uint64_t seen = hook(HOOK_CUT_SEEN, 0, 0);

	trap_stack(vector, 0, NULL);
	CHECK_EQ(came, 1);
	CHECK_EQ((uint32_t)seen, 1);
	CHECK_EQ(seen >> 32, event == INTERRUPT && cmdline_word("virtual") ? 0 : event);
	return true;
}

static void nmi_self(void)
{
	apic_ipi(apic_id(), ICR_ASSERT | ICR_NMI);
}

static bool interrupt(void)
{
	prepare(LOW);
	apic_ipi(0, ICR_SELF | ICR_ASSERT | ICR_FIXED | LOW);
	cut();
	sti();
	cpuid(0, 0);
	cli();
	return once(LOW, INTERRUPT);
}

/* Taken in an interrupt window, behind STI's shadow. */
static bool window(void)
{
	prepare(LOW);
	apic_ipi(0, ICR_SELF | ICR_ASSERT | ICR_FIXED | LOW);
	cpuid(0, 0);
	cut();
	__asm__ volatile("sti; nop; nop; 1: cli; lea 1b(%%rip), %0" : "=r"(landing) : : "memory");
	CHECK(rip < landing && rip >= landing - 2);
	landing = 0;
	return once(LOW, INTERRUPT);
}

static bool nmi(void)
{
	prepare(EXC_NMI);
	cut();
	nmi_self();
	cpuid(0, 0);
	return once(EXC_NMI, HOOK_CUT_EVENT(NMI, EXC_NMI));
}

/* After a delivery that took two attempts NMIs are blocked as after any other. */
static bool nmi_blocks(void)
{
	prepare(EXC_NMI);
	inside = nmi_self;
	cut();
	nmi_self();
	cpuid(0, 0);
	trap_stack(EXC_NMI, 0, NULL);
	CHECK_EQ(came, 2);
	CHECK_EQ(depth_max, 1);
	return true;
}

static bool no_error_code(void)
{
	prepare(EXC_UD);
	cut();
	__asm__ volatile("lea 1f(%%rip), %%rax; mov %%rax, %0; ud2; 1:"
			 : "=m"(landing)
			 :
			 : "rax", "memory");
	return once(EXC_UD, HOOK_CUT_EVENT(EXCEPTION, EXC_UD));
}

static bool error_code(void)
{
	prepare(EXC_GP);
	cut();
	__asm__ volatile("lea 1f(%%rip), %%rcx; mov %%rcx, %0; mov %1, %%ds; 1:"
			 : "=m"(landing)
			 : "a"(NOBODY_SEL)
			 : "rcx", "memory");
	CHECK_EQ(error, NOBODY_SEL);
	return once(EXC_GP, HOOK_CUT_EVENT(EXCEPTION, EXC_GP));
}

static bool page_fault(void)
{
	uint64_t *entry = page_entry(FAR), saved = *entry;
	bool good;

	prepare(EXC_PF);
	*entry = 0;
	invlpg((void *)FAR);
	cut();
	__asm__ volatile("lea 1f(%%rip), %%rcx; mov %%rcx, %0; movb $1, (%1); 1:"
			 : "=m"(landing)
			 : "a"(FAR + 0x123)
			 : "rcx", "memory");
	good = once(EXC_PF, HOOK_CUT_EVENT(EXCEPTION, EXC_PF));
	*entry = saved;
	CHECK_EQ(error, 2);
	CHECK_EQ(cr2, FAR + 0x123);
	return good;
}

/* The second exception of a delivery: #UD's gate is not there, and the stack of #NP, which follows, is cut. */
static bool fault_in_delivery(void)
{
	prepare(EXC_NP);
	trap_present(EXC_UD, false);
	cut();
	__asm__ volatile("lea 1f(%%rip), %%rax; mov %%rax, %0; ud2; 1:"
			 : "=m"(landing)
			 :
			 : "rax", "memory");
	trap_present(EXC_UD, true);
	CHECK_EQ(error & ~1UL, EXC_UD << 3 | 2); /* IDT; emulators differ in EXT */
	return once(EXC_NP, HOOK_CUT_EVENT(EXCEPTION, EXC_NP));
}

/* INT n is executed again. */
static bool software(void)
{
	uint64_t behind;

	prepare(SOFT);
	cut();
	__asm__ volatile("int $0x77; lea 0(%%rip), %0" : "=r"(behind) : : "memory");
	CHECK_EQ(rip, behind - 7);
	return once(SOFT, 0);
}

/* IRET of an NMI's handler faults, while another NMI waits: that one comes after it, not before it is done. */
static void iret_cut(void)
{
	uint64_t bits = cmdline_number("bits", 1), frame = (uint64_t)page + sizeof(page) - 40;
	bool amd = cmdline_word("amd");

	nmi_self();
	came = 2;
	if (amd)
		__asm__ volatile("mov %0, %%rsp; vmmcall; iretq"
				 :
				 : "r"(frame), "a"((uint64_t)HOOK_CUT), "b"(page), "c"(bits)
				 : "memory");
	else
		__asm__ volatile("mov %0, %%rsp; vmcall; iretq"
				 :
				 : "r"(frame), "a"((uint64_t)HOOK_CUT), "b"(page), "c"(bits)
				 : "memory");
	__builtin_unreachable();
}

static bool iret(void)
{
	volatile uint32_t *icr = (volatile uint32_t *)(APIC_PAGE + APIC_ICR);
	uint64_t from, to;

	prepare(EXC_NMI);
	inside = iret_cut;
	apic_write(APIC_ICR_HIGH, apic_id() << 24);
	/*
	 * No register survives the handler: the block's end finds its stack by RSP, which IRET brings back. (It exits all the
	 * time, for under SVM an NMI that waits for IRET comes with the first exit behind it.)
	 */
	__asm__ volatile("push %%rbp; push %%rbx\n"
			 "movl %[nmi], (%[icr])\n"
			 "1: xor %%eax, %%eax; cpuid; cmpl $3, came(%%rip); jne 1b\n"
			 "2: pop %%rbx; pop %%rbp; lea 1b(%%rip), %[from]; lea 2b(%%rip), %[to]"
			 : [from] "=&a"(from), [to] "=&c"(to), [icr] "+d"(icr)
			 : [nmi] "i"(ICR_ASSERT | ICR_NMI)
			 : "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
			   "memory", "cc");
	trap_stack(EXC_NMI, 0, NULL);
	CHECK_EQ((uint32_t)hook(HOOK_CUT_SEEN, 0, 0), 1);
	CHECK(rip >= from && rip < to);
	return true;
}

static const struct test_case cases[] = {
	{"interrupt",	      interrupt	       },
	{"window",		   window		 },
	{"nmi",		nmi		   },
	{"nmi-blocks",	       nmi_blocks	 },
	{"no-error-code",	  no_error_code    },
	{"error-code",	       error_code	 },
	{"page-fault",	       page_fault	 },
	{"fault-in-delivery", fault_in_delivery},
	{"software",	     software	     },
	{"iret",		 iret	     },
};

uint32_t guest_main(void)
{
	apic_enable();
	cases_run(cases, ARRAY_SIZE(cases));
	return cases_bad();
}
