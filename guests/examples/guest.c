/* SPDX-License-Identifier: BSD-2-Clause */
/* The guests' common part: start and end, serial port, clock and timer, the other vCPUs. */

#include "guest.h"
#include <stdarg.h>

#define NS_PER_S 1000000000UL

/* --- start and end --- */

#define DEBUG_EXIT	0xf4
#define PIC_MASK_1	0x21
#define PIC_MASK_2	0xa1
#define INFO_MEMORY	1 /* multiboot 0.6.96, 3.3: bits of the flags */
#define INFO_WORDS	4
#define CODE64		0x08
#define GATE		0x8e /* present, ring 0, interrupt gate */
#define EXCEPTIONS	32
#define WITH_ERROR_CODE 0x60227d00 /* vectors 8, 10 to 14, 17, 21, 29, 30 */
#define VECTORS		256
#define WORDS		512

struct boot_info {
	uint32_t flags, mem_lower, mem_upper, boot_device, words;
};

struct frame {
	uint64_t rip, cs, rflags, rsp, ss;
};

struct gate {
	uint16_t low, selector;
	uint8_t stack, kind;
	uint16_t middle;
	uint32_t high, reserved;
};

uint32_t guest_memory;
static char words[WORDS];
static struct gate idt[VECTORS];

void guest_start(const struct boot_info *info);
void guest_vcpu(uint32_t number);

void guest_exit(int value)
{
	out8(DEBUG_EXIT, (uint8_t)value);
	for (;;)
		__asm__ volatile("cli; hlt");
}

__attribute__((interrupt)) static void on_exception(struct frame *f)
{
	print("exception at %lx\n", f->rip);
	guest_exit(255);
}

__attribute__((interrupt)) static void on_error(struct frame *f, uint64_t error)
{
	print("exception with error code %lx at %lx\n", error, f->rip);
	guest_exit(255);
}

static void apic_write(uint32_t reg, uint32_t value);

/* All it must do is end a HLT. */
__attribute__((interrupt)) static void on_interrupt(struct frame *f)
{
	(void)f;
	apic_write(0xb0, 0); /* EOI */
}

static void gate_set(uint32_t vector, void *handler)
{
	uint64_t at = (uint64_t)handler;

	idt[vector] = (struct gate){.low = (uint16_t)at,
				    .selector = CODE64,
				    .kind = GATE,
				    .middle = (uint16_t)(at >> 16),
				    .high = (uint32_t)(at >> 32)};
}

/* On each vCPU: interrupts arrive from now on. */
static void interrupts_on(void)
{
	const struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) pointer = {sizeof(idt) - 1, (uint64_t)idt};

	apic_write(0xf0, 0x1ff); /* spurious vector 255, and the APIC is on */
	__asm__ volatile("lidt %0; sti" : : "m"(pointer) : "memory");
}

/* Called by start.asm on the boot vCPU. */
void guest_start(const struct boot_info *info)
{
	const char *from = (const char *)(uint64_t)info->words;

	if (info->flags & INFO_MEMORY)
		guest_memory = info->mem_upper;
	for (uint32_t i = 0; info->flags & INFO_WORDS && i < WORDS - 1 && from[i]; i++)
		words[i] = from[i];
	for (uint32_t v = 0; v < VECTORS; v++)
		gate_set(v, v >= EXCEPTIONS	       ? (void *)on_interrupt
			    : WITH_ERROR_CODE >> v & 1 ? (void *)on_error
						       : (void *)on_exception);
	out8(PIC_MASK_1, 0xff);
	out8(PIC_MASK_2, 0xff);
	interrupts_on();
	guest_exit(guest_main());
}

uint64_t option(const char *name, uint64_t otherwise)
{
	for (const char *at = words; *at; at++) {
		uint64_t value = 0;
		size_t n = 0;

		while (name[n] && at[n] == name[n])
			n++;
		if (name[n] || at[n] != '=' || (at > words && at[-1] != ' '))
			continue;
		for (at += n + 1; *at >= '0' && *at <= '9'; at++)
			value = value * 10 + (uint64_t)(*at - '0');
		return value;
	}
	return otherwise;
}

/* --- the serial port, a 16550 --- */

#define COM1	  0x3f8
#define LSR	  (COM1 + 5)
#define LSR_EMPTY 0x20
#define PATIENCE  1000000

static void put(char c)
{
	for (uint32_t i = 0; i < PATIENCE && !(in8(LSR) & LSR_EMPTY); i++)
		pause();
	out8(COM1, (uint8_t)c);
}

static void put_string(const char *s)
{
	while (*s)
		put(*s++);
}

static void put_number(uint64_t n, uint32_t base)
{
	char digits[24];
	uint32_t i = sizeof(digits);

	digits[--i] = '\0';
	do
		digits[--i] = "0123456789abcdef"[n % base];
	while (n /= base);
	put_string(digits + i);
}

void print(const char *fmt, ...)
{
	static bool busy;
	va_list ap;

	while (__atomic_test_and_set(&busy, __ATOMIC_ACQUIRE))
		pause();
	va_start(ap, fmt);
	for (; *fmt; fmt++) {
		bool wide = fmt[0] == '%' && fmt[1] == 'l';

		if (*fmt != '%') {
			put(*fmt);
			continue;
		}
		fmt += wide ? 2 : 1;
		if (*fmt == 's')
			put_string(va_arg(ap, const char *));
		else if (*fmt == 'u' || *fmt == 'x')
			put_number(wide ? va_arg(ap, uint64_t) : va_arg(ap, uint32_t),
				   *fmt == 'u' ? 10 : 16);
		else
			put(*fmt == 'c' ? (char)va_arg(ap, int) : *fmt);
	}
	va_end(ap);
	__atomic_clear(&busy, __ATOMIC_RELEASE);
}

/* --- the clock: the TSC, and the local APIC's timer; the hypervisor knows their rates, without one the PIT tells --- */

#define APIC	     0xfee00000UL
#define APIC_ID	     0x20
#define APIC_LVT     0x320
#define APIC_COUNT   0x380
#define APIC_LEFT    0x390
#define APIC_DIVIDE  0x3e0
#define DIVIDE_1     0xb
#define LVT_MASKED   0x10000
#define TIMER_VECTOR 0x40
#define KVM_LEAF     0x40000000 /* Linux, Documentation/virt/kvm/x86: cpuid.rst, msr.rst */
#define KVM_NAME     0x4b4d564b
#define KVM_CLOCK    0x4b564d01
#define PIT_TICKS    1193 /* of 1193182 a second: nearly a millisecond */
#define PIT_NS	     (PIT_TICKS * NS_PER_S / 1193182)
#define PIT_ROUNDS   10

static uint64_t tsc_first, tsc_scale; /* ns of a tick, times 2^32 */
static uint64_t timer_ticks;	      /* of PIT_NS */

static void apic_write(uint32_t reg, uint32_t value)
{
	*(volatile uint32_t *)(APIC + reg) = value;
}

static uint32_t apic_read(uint32_t reg)
{
	return *(volatile uint32_t *)(APIC + reg);
}

uint32_t apic_id(void)
{
	return apic_read(APIC_ID) >> 24;
}

/* KVM's clock, which Bulkhead has too, says how long a tick is; its APIC's timer ticks once a nanosecond. */
static bool rates_known(void)
{
	static volatile struct {
		uint32_t version, pad;
		uint64_t tsc, ns;
		uint32_t scale;
		int8_t shift;
		uint8_t flags[3];
	} __attribute__((aligned(32))) clock;
	uint32_t a = KVM_LEAF, b, c = 0, d;

	__asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	if (b != KVM_NAME)
		return false;
	__asm__ volatile("wrmsr"
			 :
			 : "c"(KVM_CLOCK), "a"((uint32_t)(uint64_t)&clock | 1), "d"(0)
			 : "memory");
	tsc_scale = clock.shift < 0 ? clock.scale >> -clock.shift
				    : (uint64_t)clock.scale << clock.shift;
	timer_ticks = PIT_NS;
	return true;
}

/* Whoever shares this CPU makes a round longer, never shorter: the shortest of some is right. */
static void calibrate(void)
{
	uint64_t ticks, timer, least = UINT64_MAX;

	timer_ticks = UINT64_MAX;
	apic_write(APIC_DIVIDE, DIVIDE_1);
	apic_write(APIC_LVT, LVT_MASKED);
	out8(0x61, (uint8_t)((in8(0x61) & ~2) | 1)); /* counter 2 counts, in silence */
	for (uint32_t i = 0; i < PIT_ROUNDS; i++) {
		out8(0x43, 0xb0); /* counter 2: two bytes, its output rises at the end */
		out8(0x42, PIT_TICKS & 0xff);
		apic_write(APIC_COUNT, UINT32_MAX);
		ticks = rdtsc();
		out8(0x42, PIT_TICKS >> 8);
		while (!(in8(0x61) & 0x20))
			pause();
		ticks = rdtsc() - ticks;
		timer = UINT32_MAX - apic_read(APIC_LEFT);
		least = ticks < least ? ticks : least;
		timer_ticks = timer < timer_ticks ? timer : timer_ticks;
	}
	apic_write(APIC_COUNT, 0);
	tsc_scale = (PIT_NS << 32) / least;
	tsc_first = rdtsc();
}

uint64_t now(void)
{
	if (!tsc_first && rates_known())
		tsc_first = rdtsc();
	else if (!tsc_first)
		calibrate();
	return (uint64_t)((unsigned __int128)(rdtsc() - tsc_first) * tsc_scale >> 32);
}

void sleep_until(uint64_t ns)
{
	for (uint64_t at = now(); at < ns; at = now()) {
		uint64_t wait = ns - at < NS_PER_S ? ns - at : NS_PER_S;

		/* An interrupt between the timer's start and HLT would be missed; STI lets none in before HLT. */
		__asm__ volatile("cli");
		apic_write(APIC_DIVIDE, DIVIDE_1);
		apic_write(APIC_LVT, TIMER_VECTOR);
		apic_write(APIC_COUNT, (uint32_t)(wait * timer_ticks / PIT_NS + 1));
		__asm__ volatile("sti; hlt" : : : "memory");
	}
}

/* --- the other vCPUs --- */

#define LOW_PAGE     0x8000 /* as in start.asm */
#define APIC_COMMAND 0x300
#define TO_OTHERS    0xc4000
#define INIT	     0x500
#define STARTUP	     0x600
#define MS	     1000000UL
#define QUIET	     (100 * MS) /* after the last one that came */

extern uint8_t low_code[], low_code_end[];
extern uint32_t vcpus; /* numbers given out by start.asm */
static void (*vcpu_entry)(uint32_t number);

/* Called by start.asm on every other vCPU. */
void guest_vcpu(uint32_t number)
{
	interrupts_on();
	vcpu_entry(number);
	for (;;)
		__asm__ volatile("hlt");
}

uint32_t vcpus_start(void (*entry)(uint32_t number))
{
	uint32_t before = 0;

	vcpu_entry = entry;
	for (uint32_t i = 0; low_code + i < low_code_end; i++)
		((volatile uint8_t *)LOW_PAGE)[i] = low_code[i];
	apic_write(APIC_COMMAND, TO_OTHERS | INIT);
	sleep_until(now() + 10 * MS);
	apic_write(APIC_COMMAND, TO_OTHERS | STARTUP | LOW_PAGE >> 12);
	while (before != __atomic_load_n(&vcpus, __ATOMIC_SEQ_CST)) {
		before = __atomic_load_n(&vcpus, __ATOMIC_SEQ_CST);
		sleep_until(now() + QUIET);
	}
	return before < VCPUS_MAX ? before : VCPUS_MAX;
}
