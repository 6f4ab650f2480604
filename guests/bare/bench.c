/* SPDX-License-Identifier: BSD-2-Clause */
/* What an exit costs: ticks of the TSC per round trip, which are instructions where the emulator counts them. */

#include "lib/apic.h"
#include "lib/guest.h"
#include "lib/x86.h"
#include <bulkhead/hypercall.h>

#define ROUNDS	       200
#define TURNS	       3
#define WARM_UP	       8
#define PIC_MASK       0x21
#define UART_LSR       0x3fd
#define MSR_EFER_N     0xc0000080
#define X2APIC_TPR_MSR 0x808
#define X2APIC_EOI_MSR 0x80b

static void nothing(void)
{
	__asm__ volatile("" : : : "memory");
}

static void do_cpuid(void)
{
	uint32_t a = 0, b, c = 0, d;

	__asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
}

static void do_vmmcall(void)
{
	(void)vmmcall(BULKHEAD_CALL_VCPU_ID);
}

static void do_vmcall(void)
{
	(void)vmcall(BULKHEAD_CALL_VCPU_ID);
}

/* "Genu", of GenuineIntel: its hypercall is VMCALL. */
static bool is_intel(void)
{
	return cpuid(0, 0).ebx == 0x756e6547;
}

static void do_rdmsr(void)
{
	uint32_t lo, hi;

	__asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(MSR_EFER_N));
}

static void do_x2apic_tpr(void)
{
	__asm__ volatile("wrmsr" : : "c"(X2APIC_TPR_MSR), "a"(0), "d"(0));
}

static void do_x2apic_eoi(void)
{
	__asm__ volatile("wrmsr" : : "c"(X2APIC_EOI_MSR), "a"(0), "d"(0));
}

static void do_pic_read(void)
{
	uint8_t value;

	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"((uint16_t)PIC_MASK));
}

static void do_uart_read(void)
{
	uint8_t value;

	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"((uint16_t)UART_LSR));
}

static void do_ioapic_read(void)
{
	(void)*(volatile uint32_t *)IOAPIC_PAGE;
}

static uint64_t measure(void (*fn)(void))
{
	uint64_t start;

	for (uint32_t i = 0; i < WARM_UP; i++)
		fn();
	start = rdtsc();
	for (uint32_t i = 0; i < ROUNDS; i++)
		fn();
	return rdtsc() - start;
}

/* Of some turns, so that what the hypervisor prints meanwhile is not counted. */
static uint64_t least(void (*fn)(void))
{
	uint64_t best = measure(fn);

	for (uint32_t i = 1; i < TURNS; i++) {
		uint64_t ticks = measure(fn);

		if (ticks < best)
			best = ticks;
	}
	return best;
}

uint32_t guest_main(void)
{
	const struct {
		const char *name;
		void (*fn)(void);
	} rows[] = {
		{"cpuid",		  do_cpuid				  },
		{"hypercall",	      is_intel() ? do_vmcall : do_vmmcall},
		{"rdmsr-efer",       do_rdmsr			       },
		{"x2apic-tpr-write", do_x2apic_tpr			  },
		{"x2apic-eoi-write", do_x2apic_eoi			  },
		{"pic-port-read",	  do_pic_read			     },
		{"uart-port-read",   do_uart_read		       },
		{"ioapic-mmio-read", do_ioapic_read			   },
	};
	uint64_t empty, ticks[sizeof(rows) / sizeof(rows[0])];

	apic_enable();
	apic_enter_x2();
	empty = least(nothing);
	for (uint32_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		ticks[i] = least(rows[i].fn);
	/* Not before: the serial port's interrupts would be counted. */
	for (uint32_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		print("bench %s %lu\n", rows[i].name, (ticks[i] - empty) / ROUNDS);
	return 0;
}
