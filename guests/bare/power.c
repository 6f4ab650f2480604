/* SPDX-License-Identifier: BSD-2-Clause */
/* Switches the machine off, resets it or puts it to sleep in the way how=… says, while busy=N others run: a service guest.
   how=each: another way in each life, but for those that except=… lists. */

#include "lib/acpi.h"
#include "lib/apic.h"
#include "lib/clock.h"
#include "lib/guest.h"
#include "lib/pci.h"
#include "lib/smp.h"
#include "lib/x86.h"

/* FADT (ACPI 6.4, 5.2.9) */
#define FADT_SMI_CMD	 48
#define FADT_ACPI_ENABLE 52
#define FADT_PM1A_EVT	 56
#define FADT_PM1A_CNT	 64
#define FADT_FLAGS	 112
#define FADT_RESET_SUP	 BIT(10)
#define FADT_RESET_ADDR	 120
#define FADT_RESET_VALUE 128

/* PM1 registers (ACPI 6.4, 4.8.3) */
#define PM1_SCI_EN    BIT(0)
#define PM1_TYP_SHIFT 10
#define PM1_SLP_EN    BIT(13)
#define PM1_WAK_STS   BIT(15)

/* What QEMU's and Bochs' firmware mean by SLP_TYP. */
enum { TYPE_S5 = 0, TYPE_S3 = 1 };

#define KBD_DATA	 0x60
#define KBD_COMMAND	 0x64
#define KBD_RESET	 0xfe
#define KBD_WRITE_OUTPUT 0xd1
#define KBD_OUT_A20_ONLY 0x02 /* reset line low */
#define PORT_92		 0x92
#define PORT_92_RESET	 0x01
#define PORT_CF9	 0xcf9
#define CF9_PREPARE	 0x02
#define CF9_RESET	 0x06

/* The ICH9's watchdog (data sheet, 13.1.13, 13.1.35, 10.1.45 and 13.9) */
#define LPC	      0x00f8 /* device 31 of bus 0 */
#define LPC_PMBASE    0x40
#define LPC_RCBA      0xf0
#define RCBA_GCS      0x3410
#define GCS_NO_REBOOT BIT(5)
#define TCO_OFFSET    0x60
#define TCO_RLD	      0x00
#define TCO1_CNT      0x08
#define TCO1_TMR_HLT  BIT(11)
#define TCO_TMR	      0x12
#define TCO_TICKS     4 /* of 0.6 s each, counted down twice */
#define TCO_WAIT_NS   7000000000ULL

/* A byte of CMOS memory that firmware does not use: how many lives there were. */
#define CMOS_INDEX 0x70
#define CMOS_DATA  0x71
#define CMOS_LIVES 0x7a

static const uint8_t *fadt;

static uint32_t fadt32(uint32_t off)
{
	return *(const uint32_t *)(fadt + off);
}

static uint16_t pm1_control(void)
{
	return (uint16_t)fadt32(FADT_PM1A_CNT);
}

static uint16_t pm1_status(void)
{
	return (uint16_t)fadt32(FADT_PM1A_EVT);
}

static void sleep(uint32_t type)
{
	uint32_t control;

	if (!(in16(pm1_control()) & PM1_SCI_EN) && fadt32(FADT_SMI_CMD))
		out8((uint16_t)fadt32(FADT_SMI_CMD), fadt[FADT_ACPI_ENABLE]);
	control = in16(pm1_control()) | type << PM1_TYP_SHIFT;
	out16(pm1_status(), PM1_WAK_STS);
	out16(pm1_control(), (uint16_t)control);
	out16(pm1_control(), (uint16_t)(control | PM1_SLP_EN));
}

static void way_s5(void)
{
	sleep(TYPE_S5);
}

/* Refused, but it must look like a short sleep: an operating system waits for WAK_STS. */
static void way_s3(void)
{
	bool woken, again;

	sleep(TYPE_S3);
	woken = in16(pm1_status()) & PM1_WAK_STS;
	out16(pm1_status(), PM1_WAK_STS);
	again = in16(pm1_status()) & PM1_WAK_STS;
	print("power: slept, WAK_STS %u, then %u\n", woken, again);
	guest_exit(!woken || again);
}

static void way_acpi(void)
{
	if (!(fadt32(FADT_FLAGS) & FADT_RESET_SUP))
		print("power: the FADT has no reset register\n");
	else
		out8((uint16_t)fadt32(FADT_RESET_ADDR), fadt[FADT_RESET_VALUE]);
}

static void way_cf9(void)
{
	out8(PORT_CF9, CF9_PREPARE);
	out8(PORT_CF9, CF9_RESET);
}

static void way_kbd(void)
{
	out8(KBD_COMMAND, KBD_RESET);
}

static void way_kbd_output(void)
{
	out8(KBD_COMMAND, KBD_WRITE_OUTPUT);
	out8(KBD_DATA, KBD_OUT_A20_ONLY);
}

static void way_port92(void)
{
	uint8_t old = in8(PORT_92);

	out8(PORT_92, (uint8_t)(old & ~PORT_92_RESET));
	out8(PORT_92, old | PORT_92_RESET);
}

static void way_triple(void)
{
	static const struct {
		uint16_t limit;
		uint64_t base;
	} PACKED no_idt = {0, 0};

	__asm__ volatile("lidt %0; int3" : : "m"(no_idt) : "memory");
}

/* Two time-outs in a row reset the machine. */
static void way_tco(void)
{
	uint32_t rcba = pci_read(LPC, LPC_RCBA, 4);
	uint16_t tco = (uint16_t)((pci_read(LPC, LPC_PMBASE, 4) & 0xff80) + TCO_OFFSET);
	uint64_t end;

	if (rcba & 1)
		*(volatile uint32_t *)(uint64_t)((rcba & ~1U) + RCBA_GCS) &=
			(uint32_t)~GCS_NO_REBOOT;
	out16((uint16_t)(tco + TCO_TMR), TCO_TICKS);
	out16((uint16_t)(tco + TCO_RLD), 1);
	out16((uint16_t)(tco + TCO1_CNT),
	      in16((uint16_t)(tco + TCO1_CNT)) & (uint16_t)~TCO1_TMR_HLT);
	if (!clock_start())
		return;
	for (end = clock_ns() + TCO_WAIT_NS; clock_ns() < end;)
		pause();
	print("power: the watchdog has not barked\n");
	guest_exit(0);
}

/* The same registers by accesses that only touch them. */
static void way_wide(void)
{
	out16(PORT_92 - 1, PORT_92_RESET << 8);
	out16(KBD_COMMAND - 1, KBD_RESET << 8);
	out32(KBD_COMMAND - 3, (uint32_t)KBD_RESET << 24);
	out16(PORT_CF9 - 1, CF9_RESET << 8);
	out32(PORT_CF9 - 1, CF9_RESET << 8);
	out8((uint16_t)(pm1_control() + 1), PM1_SLP_EN >> 8);
	out32(pm1_control(), PM1_SLP_EN);
}

static const struct {
	const char *name;
	void (*go)(void);
} ways[] = {
	{"s5",	       way_s5	     },
	{"s3",	       way_s3	     },
	{"acpi",	 way_acpi	 },
	{"cf9",	way_cf9       },
	{"kbd",	way_kbd       },
	{"kbd-output", way_kbd_output},
	{"port92",	   way_port92    },
	{"triple",	   way_triple    },
	{"tco",	way_tco       },
	{"wide",	 way_wide	 },
};

/* What the others do meanwhile: nothing that exits. */
static void spin(uint32_t number)
{
	(void)number;
	for (;;)
		pause();
}

static bool others_start(uint32_t wanted)
{
	uint32_t ids[GUEST_VCPUS], count = madt_cpus(ids, GUEST_VCPUS), started = 0;

	smp_entry = spin;
	for (uint32_t i = 0; i < count && i < GUEST_VCPUS && started < wanted; i++)
		started += ids[i] != apic_id() && smp_start(ids[i]);
	return started == wanted;
}

#define WAYS (sizeof(ways) / sizeof(*ways))

static const char *way_of_this_life(void)
{
	const char *except = cmdline_word("except");
	uint8_t life;

	out8(CMOS_INDEX, CMOS_LIVES);
	life = in8(CMOS_DATA);
	while (except && list_has(except, ways[life % WAYS].name))
		life++;
	out8(CMOS_INDEX, CMOS_LIVES);
	out8(CMOS_DATA, (uint8_t)(life + 1));
	return ways[life % WAYS].name;
}

uint32_t guest_main(void)
{
	const char *how = cmdline_word("how");

	if (how && list_has(how, "each"))
		how = way_of_this_life();
	fadt = acpi_table("FACP");
	for (uint32_t i = 0; how && fadt && i < WAYS; i++) {
		if (!list_has(how, ways[i].name))
			continue;
		if (!others_start((uint32_t)cmdline_number("busy", 0))) {
			print("power: the other processors do not start\n");
			return 1;
		}
		print("power: %s\n", ways[i].name);
		ways[i].go();
		break;
	}
	for (uint32_t i = 0; i < 100000000; i++)
		pause();
	print("power: nothing happened\n");
	return 2;
}
