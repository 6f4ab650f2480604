/* SPDX-License-Identifier: BSD-2-Clause */
/* An isolated guest that does its worst in the way how=… says: it comes to its end, is stopped, or goes on for ever alone. */

#include <bulkhead/hypercall.h>
#include "lib/apic.h"
#include "lib/clock.h"
#include "lib/guest.h"
#include "lib/insn.h"
#include "lib/trap.h"
#include "lib/x86.h"

#define RAM_END	      0x400000UL /* memory = 4M */
#define HOLE	      0x90000000UL
#define NS_PER_MS     1000000ULL
#define DEFAULT_MS    1000
#define DEBUG_EXIT    0xf4
#define COM1	      0x3f8
#define COM1_END      0x400
#define PIT_CHANNEL_0 0x40
#define PIT_CONTROL   0x43
#define DR7_WRITE_8   0x00090402ULL /* breakpoint 0, global, writes of 8 bytes */

/* Ways that must not come back say so by this value. */
enum { FINE, NOT_REFUSED, CAME_BACK };

static uint64_t until;
static uint64_t random_state = 88172645463325252ULL;

static uint64_t random64(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static bool going_on(void)
{
	return clock_ns() < until;
}

/* Does the instruction fault with @vector, RAX, RCX and RDX as given? Says so if not. */
static bool refused(const char *code, uint32_t len, uint64_t rax, uint64_t rcx, uint8_t vector)
{
	struct insn_regs r;

	insn_init(&r);
	r.gpr[RAX] = rax;
	r.gpr[RCX] = rcx;
	r.gpr[RDX] = rax >> 32;
	insn_run(&r, (const uint8_t *)code, len);
	if (!r.done && r.vector == vector)
		return true;
	print("hostile: %02x %02x %02x with %lx: vector %lu, done %u\n", code[0] & 0xff,
	      code[1] & 0xff, code[2] & 0xff, rax, r.vector, r.done);
	return false;
}

#define REFUSED(code, rax, rcx, vector) refused(code, sizeof(code) - 1, rax, rcx, vector)

/* --- registers --- */

static uint32_t way_cr0_nw(void)
{
	return REFUSED("\x0f\x22\xc0", (read_cr0() | CR0_NW) & ~CR0_CD, 0, EXC_GP) ? FINE
										   : NOT_REFUSED;
}

static uint32_t way_cr0_paging(void)
{
	return REFUSED("\x0f\x22\xc0", read_cr0() & ~CR0_PE, 0, EXC_GP) ? FINE : NOT_REFUSED;
}

static uint32_t way_cr3(void)
{
	return REFUSED("\x0f\x22\xd8", read_cr3() | BIT(61), 0, EXC_GP) ? FINE : NOT_REFUSED;
}

static uint32_t way_cr4(void)
{
	static const uint64_t bits[] = {CR4_VMXE, CR4_LA57, BIT(14), BIT(15), BIT(19),
					BIT(23),  BIT(24),  BIT(31), BIT(32), BIT(63)};
	uint64_t cr4 = read_cr4();
	bool ok = true;

	for (uint32_t i = 0; i < ARRAY_SIZE(bits); i++)
		ok &= REFUSED("\x0f\x22\xe0", cr4 | bits[i], 0, EXC_GP);
	ok &= REFUSED("\x0f\x22\xe0", cr4 & ~CR4_PAE, 0, EXC_GP);
	return ok ? FINE : NOT_REFUSED;
}

static uint32_t way_efer(void)
{
	static const uint64_t bits[] = {EFER_SVME, BIT(1),  BIT(9), BIT(13),
					BIT(16),   BIT(32), BIT(63)};
	uint64_t efer = rdmsr(MSR_EFER);
	bool ok = true;

	for (uint32_t i = 0; i < ARRAY_SIZE(bits); i++)
		ok &= REFUSED("\x0f\x30", efer | bits[i], MSR_EFER, EXC_GP);
	ok &= REFUSED("\x0f\x30", efer & ~EFER_LME, MSR_EFER, EXC_GP);
	return ok ? FINE : NOT_REFUSED;
}

static uint32_t way_xcr0(void)
{
	static const uint64_t values[] = {0, 2, 4, 5, 0x20, 0xe3, BIT(63) | 1, ~0ULL};
	bool ok = true;

	write_cr4(read_cr4() | CR4_OSXSAVE);
	for (uint32_t i = 0; i < ARRAY_SIZE(values); i++)
		ok &= REFUSED("\x0f\x01\xd1", values[i], 0, EXC_GP);
	return ok ? FINE : NOT_REFUSED;
}

/* Every MSR of the architecture's ranges, read and then written with anything. EFER and the APIC's base have their own ways. */
static uint32_t way_msrs(void)
{
	static const uint32_t ranges[] = {0, 0xc0000000, 0xc0010000, 0x40000000, 0x4b564d00};
	uint64_t value;

	for (uint32_t i = 0; i < ARRAY_SIZE(ranges); i++) {
		for (uint32_t n = 0; n < 0x1000; n++) {
			uint32_t msr = ranges[i] + n;

			rdmsr_safe(msr, &value);
			if (msr != MSR_EFER && msr != MSR_APIC_BASE)
				wrmsr_safe(msr, n & 1 ? random64() : random64() & 0xffff);
		}
	}
	return FINE;
}

/* --- the hypervisor's own instructions --- */

static uint32_t way_virtualization(void)
{
	static const struct {
		const char *code;
		uint32_t len;
	} all[] = {
		{"\x0f\x01\xd8",	 3}, /* vmrun */
		{"\x0f\x01\xda",	 3}, /* vmload */
		{"\x0f\x01\xdb",	 3}, /* vmsave */
		{"\x0f\x01\xdc",	 3}, /* stgi */
		{"\x0f\x01\xdd",	 3}, /* clgi */
		{"\x0f\x01\xde",	 3}, /* skinit */
		{"\x0f\x01\xdf",	 3}, /* invlpga */
		{"\x0f\x01\xc2",	 3}, /* vmlaunch */
		{"\x0f\x01\xc3",	 3}, /* vmresume */
		{"\x0f\x01\xc4",	 3}, /* vmxoff */
		{"\x0f\x78\xc0",	 3}, /* vmread */
		{"\x0f\x79\xc0",	 3}, /* vmwrite */
		{"\xf3\x0f\xc7\x30",     4}, /* vmxon */
		{"\x0f\xc7\x30",	 3}, /* vmptrld */
		{"\x66\x0f\x38\x80\x08", 5}, /* invept */
		{"\x66\x0f\x38\x81\x08", 5}, /* invvpid */
		{"\x0f\x01\xc8",	 3}, /* monitor */
		{"\x0f\x01\xc9",	 3}, /* mwait */
		{"\x0f\xaa",	     2}, /* rsm */
	};
	bool ok = true;

	for (uint32_t i = 0; i < ARRAY_SIZE(all); i++)
		ok &= refused(all[i].code, all[i].len, (uint64_t)insn_buffer, 0, EXC_UD);
	ok &= REFUSED("\x0f\x33", 0, 0, EXC_GP); /* rdpmc */
	return ok ? FINE : NOT_REFUSED;
}

/* Whatever is in the registers, a hypercall answers in RAX alone. */
static uint32_t way_hypercalls(void)
{
	struct insn_regs r, before;
	uint32_t differs;

	while (going_on()) {
		for (uint32_t i = 0; i < 100; i++) {
			insn_init(&r);
			for (uint32_t g = 0; g < 16; g++) {
				if (g != RSP)
					r.gpr[g] = random64() >> (random64() & 63);
			}
			r.gpr[RAX] =
				i & 1 ? random64()
				      : (i & 2 ? BULKHEAD_CALL_FIRST : 0) + (random64() & 0xff);
			before = r;
			insn_run(&r, (const uint8_t *)(i & 4 ? "\x0f\x01\xd9" : "\x0f\x01\xc1"), 3);
			differs = insn_differs(&before, &r, CHANGES(RAX) | CHANGES(RSP));
			if (differs || (!r.done && r.vector != EXC_UD)) {
				print("hostile: hypercall %lx: done %u, vector %lu, %x differ\n",
				      before.gpr[RAX], r.done, r.vector, differs);
				return NOT_REFUSED;
			}
		}
	}
	return FINE;
}

/* --- memory that is not there --- */

static uint32_t way_jump(void)
{
	((void (*)(void))HOLE)();
	return CAME_BACK;
}

/* Reads give ones, writes are lost; long repetitions come to pieces. */
static uint32_t way_holes(void)
{
	while (going_on()) {
		volatile uint8_t *at = (volatile uint8_t *)(HOLE + (random64() & 0xffffff));

		if (*(volatile uint64_t *)at != ~0ULL || *at != 0xff)
			return NOT_REFUSED;
		*(volatile uint32_t *)at = (uint32_t)random64();
	}
	return FINE;
}

static uint32_t way_rep_for_ever(void)
{
	uint64_t to = HOLE, from = HOLE + 0x1000, count = BIT(62);

	__asm__ volatile("std; rep movsb; cld" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
	return CAME_BACK;
}

static uint32_t way_stack(void)
{
	__asm__ volatile("mov %0, %%rsp; ud2" : : "r"(HOLE + 0x1000) : "memory");
	return CAME_BACK;
}

static uint32_t way_stack_in_apic(void)
{
	__asm__ volatile("mov %0, %%rsp; ud2" : : "r"(APIC_PAGE + 0x400) : "memory");
	return CAME_BACK;
}

static uint32_t idt_at(uint64_t base)
{
	const struct {
		uint16_t limit;
		uint64_t base;
	} PACKED pointer = {0xfff, base};

	__asm__ volatile("lidt %0; ud2" : : "m"(pointer) : "memory");
	return CAME_BACK;
}

static uint32_t way_idt(void)
{
	return idt_at(HOLE);
}

static uint32_t way_idt_in_apic(void)
{
	return idt_at(APIC_PAGE);
}

static uint32_t way_tables(void)
{
	write_cr3(HOLE);
	return CAME_BACK;
}

static uint32_t way_tables_in_apic(void)
{
	write_cr3(APIC_PAGE);
	return CAME_BACK;
}

/* An upper entry that leads to a device: accessed bits would be written there. */
static uint32_t way_tables_below(void)
{
	page_tables[1][3] = (IOAPIC_PAGE & ~0xfffUL) | 7;
	write_cr3(read_cr3());
	*(volatile uint32_t *)0xc0000000UL = 1;
	return CAME_BACK;
}

/* The last bytes of RAM: an instruction that begins in them and ends in nothing, made anew before each run. */
static uint32_t way_end_of_ram(void)
{
	volatile uint8_t *last = (volatile uint8_t *)RAM_END;

	for (uint32_t i = 0; i < 1000; i++) {
		last[-4] = 0x0f; /* cpuid; ret, and another time nop; nop; nop; ret */
		last[-3] = 0xa2;
		last[-2] = 0x90;
		last[-1] = 0xc3;
		__asm__ volatile("call *%0"
				 :
				 : "r"(last - 4)
				 : "rax", "rbx", "rcx", "rdx", "memory");
		last[-4] = 0x90;
		last[-3] = 0x90;
		__asm__ volatile("call *%0" : : "r"(last - 4) : "memory");
	}
	last[-1] = 0x0f; /* cpuid's second byte is not there */
	__asm__ volatile("jmp *%0" : : "r"(last - 1) : "memory");
	return CAME_BACK;
}

/* --- floods --- */

static bool left_alone(uint32_t port)
{
	return (port + 3 >= DEBUG_EXIT && port <= DEBUG_EXIT) ||
	       (port + 3 >= COM1 && port < COM1_END);
}

static uint32_t way_ports(void)
{
	for (uint32_t port = 0; port < 0x10000; port++) {
		if (left_alone(port))
			continue;
		(void)in8((uint16_t)port);
		out8((uint16_t)port, (uint8_t)random64());
		out16((uint16_t)port, (uint16_t)random64());
		out32((uint16_t)port, (uint32_t)random64());
		(void)in16((uint16_t)port);
		(void)in32((uint16_t)port);
	}
	return FINE;
}

static uint32_t way_string_ports(void)
{
	static uint8_t buffer[4096];

	while (going_on()) {
		uint64_t count = random64() & 0xfff;
		void *at = buffer;

		__asm__ volatile("rep outsb" : "+S"(at), "+c"(count) : "d"(0x80) : "memory");
		count = random64() & 0xfff;
		at = buffer;
		__asm__ volatile("rep insb" : "+D"(at), "+c"(count) : "d"(0x80) : "memory");
	}
	return FINE;
}

static uint32_t way_exits(void)
{
	while (going_on()) {
		for (uint32_t i = 0; i < 1000; i++)
			cpuid((uint32_t)random64(), (uint32_t)random64());
	}
	return FINE;
}

static uint32_t way_wbinvd(void)
{
	while (going_on())
		__asm__ volatile("wbinvd; invd" : : : "memory");
	return FINE;
}

static void on_any(struct trap_frame *f)
{
	if (f->vector != EXC_NMI && (f->vector & 1))
		apic_eoi(); /* the even ones are left in service */
}

static uint32_t way_ipis(void)
{
	for (uint32_t v = 32; v < 256; v++)
		trap_handler((uint8_t)v, on_any);
	trap_handler(EXC_NMI, on_any);
	apic_enable();
	for (uint32_t n = 0; going_on(); n++) {
		uint32_t low = (uint32_t)random64() & 0xccfff, mode = low >> 8 & 7;
		uint32_t dest = n & 1 ? apic_id() : (uint32_t)random64();

		if (mode == 5) /* INIT: of others only */
			low = (low & ~0xc0000U) | (low & 1 ? ICR_OTHERS : 0);
		if (mode == 5 && !(low & ICR_OTHERS))
			dest = 0xfe;
		apic_ipi(dest, low);
		if (n == 2000)
			apic_enter_x2();
		sti();
		pause();
		cli();
	}
	return FINE;
}

static uint32_t way_timers(void)
{
	trap_handler(0x40, on_any);
	trap_handler(0x41, on_any);
	apic_enable();
	apic_write(APIC_DIVIDE, 0xb);
	apic_write(APIC_LVT_TIMER, LVT_PERIODIC | 0x41);
	apic_write(APIC_INITIAL, 1);
	out8(PIT_CONTROL, 0x34);
	out8(PIT_CHANNEL_0, 1);
	out8(PIT_CHANNEL_0, 0);
	while (going_on()) {
		sti();
		pause();
		cli();
	}
	return FINE;
}

static uint32_t way_console(void)
{
	while (going_on()) {
		for (uint32_t i = 0; i < 1000; i++)
			out8(COM1, i % 50 ? 'x' : '\n');
	}
	return FINE;
}

/* --- no end --- */

static uint32_t way_spin(void)
{
	__asm__ volatile("1: cli; jmp 1b" : : : "memory");
	return CAME_BACK;
}

static uint32_t way_halt(void)
{
	__asm__ volatile("1: cli; hlt; jmp 1b" : : : "memory");
	return CAME_BACK;
}

/* The delivery of #DB writes where a breakpoint waits, so that the next one is due before the first instruction. */
static uint32_t way_db_loop(void)
{
	static uint64_t stack[512] ALIGNED(16);

	trap_stack(EXC_DB, 1, stack + ARRAY_SIZE(stack));
	write_dr0((uint64_t)(stack + ARRAY_SIZE(stack) - 2));
	write_dr7(DR7_WRITE_8);
	*(volatile uint64_t *)(stack + ARRAY_SIZE(stack) - 2) = 1;
	return CAME_BACK;
}

/* Each #PF comes back to the instruction that brought it. */
static void on_fault(struct trap_frame *f)
{
	(void)f;
}

static uint32_t way_pf_loop(void)
{
	trap_handler(EXC_PF, on_fault);
	*page_entry(HOLE) = 0;
	write_cr3(read_cr3());
	return *(volatile uint8_t *)HOLE ? CAME_BACK : FINE;
}

/* The handler of #PF is itself not there, nor is that of #DF. */
static uint32_t way_triple(void)
{
	trap_present(EXC_PF, false);
	trap_present(EXC_NP, false);
	trap_present(EXC_DF, false);
	*page_entry(HOLE) = 0;
	write_cr3(read_cr3());
	return *(volatile uint8_t *)HOLE ? CAME_BACK : FINE;
}

static uint32_t way_init_self(void)
{
	apic_enable();
	apic_ipi(apic_id(), ICR_INIT | ICR_ASSERT);
	for (uint32_t i = 0; i < 1000; i++)
		pause();
	return CAME_BACK;
}

static const struct {
	const char *name;
	uint32_t (*go)(void);
} ways[] = {
	{"cr0-nw",	   way_cr0_nw	     },
	{"cr0-paging",     way_cr0_paging    },
	{"cr3",		way_cr3	       },
	{"cr4",		way_cr4	       },
	{"efer",		 way_efer		 },
	{"xcr0",		 way_xcr0		 },
	{"msrs",		 way_msrs		 },
	{"virtualization", way_virtualization},
	{"hypercalls",     way_hypercalls    },
	{"jump",		 way_jump		 },
	{"holes",	  way_holes	   },
	{"rep-for-ever",	 way_rep_for_ever	 },
	{"stack",	  way_stack	   },
	{"stack-in-apic",  way_stack_in_apic },
	{"idt",		way_idt	       },
	{"idt-in-apic",	way_idt_in_apic   },
	{"tables",	   way_tables	     },
	{"tables-in-apic", way_tables_in_apic},
	{"tables-below",	 way_tables_below	 },
	{"end-of-ram",     way_end_of_ram    },
	{"ports",	  way_ports	   },
	{"string-ports",	 way_string_ports	 },
	{"exits",	  way_exits	   },
	{"wbinvd",	   way_wbinvd	     },
	{"ipis",		 way_ipis		 },
	{"timers",	   way_timers	     },
	{"console",	    way_console       },
	{"spin",		 way_spin		 },
	{"halt",		 way_halt		 },
	{"db-loop",	    way_db_loop       },
	{"pf-loop",	    way_pf_loop       },
	{"triple",	   way_triple	     },
	{"init-self",      way_init_self	   },
};

uint32_t guest_main(void)
{
	const char *how;
	uint32_t result;

	if (!clock_start())
		return 255;
	until = clock_ns() + cmdline_number("after", 0) * NS_PER_MS;
	while (going_on())
		pause();
	until = clock_ns() + cmdline_number("ms", DEFAULT_MS) * NS_PER_MS;
	how = cmdline_word("how");
	for (uint32_t i = 0; how && i < ARRAY_SIZE(ways); i++) {
		if (!list_has(how, ways[i].name))
			continue;
		result = ways[i].go();
		if (result == CAME_BACK)
			print("hostile: %s came back\n", ways[i].name);
		return result;
	}
	return 254;
}
