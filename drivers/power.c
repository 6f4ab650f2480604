/* SPDX-License-Identifier: BSD-2-Clause */
/* Switching the machine off and resetting it. */

#include "arch/cpu.h"
#include "arch/io.h"
#include "arch/paging.h"
#include "drivers/pci.h"
#include "drivers/power.h"

/* PM1 control and status (ACPI 6.5, 4.8.3.1.1 and 4.8.3.2.1) */
#define PM1_CNT_SCI_EN	      BIT(0)
#define PM1_CNT_SLP_TYP	      BITS(12, 10)
#define PM1_CNT_SLP_TYP_SHIFT 10
#define PM1_CNT_SLP_EN	      BIT(13)
#define PM1_STS_WAK	      BIT(15)

/* Reset control register of PC chip sets (ICH9 data sheet, 13.7.5) */
#define PORT_RESET	 0xcf9
#define RESET_HARD	 0x02
#define RESET_HARD_START 0x06

/* Keyboard controller (IBM PC AT technical reference, "Keyboard controller") */
#define PORT_8042_STATUS  0x64
#define PORT_8042_COMMAND 0x64
#define I8042_INPUT_FULL  0x02
#define I8042_PULSE_RESET 0xfe

#define PORT_DELAY 0x61	  /* a read without effect takes about 1 us */
#define WAIT_READS 100000 /* about 0.1 s */

/* A register of 8 or 16 bits, ready for use; none if neither is set. */
struct reg {
	volatile uint8_t *mmio;
	uint16_t port;
};

static struct {
	struct reg pm1a_cnt, pm1b_cnt, pm1a_sts, pm1b_sts;
	struct acpi_sleep s5;
	bool has_s5;
	uint16_t smi_cmd;
	uint8_t acpi_enable;
	struct reg reset;
	uint16_t reset_bdf; /* of a reset register in configuration space */
	uint16_t reset_offset;
	bool reset_in_pci;
	uint8_t reset_value;
} power;

static INIT struct reg reg_at(uint8_t space, uint64_t address, uint32_t len)
{
	struct reg r = {0};

	if (address && space == ACPI_IO)
		r.port = (uint16_t)address;
	else if (address && space == ACPI_MEMORY)
		r.mmio = mmio_map(HPA(address), len);
	return r;
}

static INIT struct reg block_reg(const struct acpi_block *b)
{
	return b->len >= sizeof(uint16_t) ? reg_at(b->space, b->address, b->len) : (struct reg){0};
}

static bool reg_exists(const struct reg *r)
{
	return r->mmio || r->port;
}

static uint16_t reg_read16(const struct reg *r)
{
	return r->mmio ? *(volatile uint16_t *)r->mmio : io_in16(r->port);
}

static void reg_write16(const struct reg *r, uint16_t value)
{
	if (r->mmio)
		*(volatile uint16_t *)r->mmio = value;
	else if (r->port)
		io_out16(r->port, value);
}

static void reg_write8(const struct reg *r, uint8_t value)
{
	if (r->mmio)
		*r->mmio = value;
	else if (r->port)
		io_out8(r->port, value);
}

/* In configuration space the address says bus 0, device 47:32, function 31:16, offset 15:0 (ACPI 6.5, table 5.2). */
static INIT void reset_init(const struct acpi_fadt *fadt)
{
	const struct acpi_gas *r = &fadt->reset;

	power.reset_value = fadt->reset_value;
	if (r->space != ACPI_PCI_CONFIG) {
		power.reset = reg_at(r->space, r->address, 1);
		return;
	}
	power.reset_in_pci = true;
	power.reset_bdf = PCI_BDF(0, (r->address >> 32) & 0x1f, (r->address >> 16) & 7);
	power.reset_offset = (uint16_t)r->address;
}

INIT void power_init(const struct acpi_info *info)
{
	const struct acpi_fadt *fadt = &info->fadt;

	power.pm1a_cnt = block_reg(&fadt->pm1a_cnt);
	power.pm1b_cnt = block_reg(&fadt->pm1b_cnt);
	power.pm1a_sts = block_reg(&fadt->pm1a_evt);
	power.pm1b_sts = block_reg(&fadt->pm1b_evt);
	power.s5 = info->sleep[ACPI_S5];
	power.has_s5 = power.s5.type_a != ACPI_SLEEP_NONE && reg_exists(&power.pm1a_cnt);
	power.smi_cmd = (uint16_t)fadt->smi_cmd;
	power.acpi_enable = fadt->acpi_enable;
	reset_init(fadt);
}

static void wait(void)
{
	for (uint32_t i = 0; i < WAIT_READS; i++) {
		(void)io_in8(PORT_DELAY);
		cpu_pause();
	}
}

/* The PM1 registers obey only after the firmware has handed them over (ACPI 6.5, 4.8.3.2.1). */
static void acpi_mode_enter(void)
{
	if (!power.smi_cmd || !power.acpi_enable || reg_read16(&power.pm1a_cnt) & PM1_CNT_SCI_EN)
		return;
	io_out8(power.smi_cmd, power.acpi_enable);
	for (uint32_t i = 0; i < WAIT_READS; i++) {
		if (reg_read16(&power.pm1a_cnt) & PM1_CNT_SCI_EN)
			return;
		(void)io_in8(PORT_DELAY);
	}
}

static void sleep_write(const struct reg *cnt, uint8_t type, uint16_t enable)
{
	uint16_t value;

	if (!reg_exists(cnt))
		return;
	value = reg_read16(cnt) & (uint16_t) ~(PM1_CNT_SLP_TYP | PM1_CNT_SLP_EN);
	reg_write16(cnt, (uint16_t)(value | type << PM1_CNT_SLP_TYP_SHIFT | enable));
}

int power_off(void)
{
	if (!power.has_s5)
		return -ENODEV;
	acpi_mode_enter();
	reg_write16(&power.pm1a_sts, PM1_STS_WAK);
	reg_write16(&power.pm1b_sts, PM1_STS_WAK);
	sleep_write(&power.pm1a_cnt, power.s5.type_a, 0);
	sleep_write(&power.pm1b_cnt, power.s5.type_b, 0);
	sleep_write(&power.pm1a_cnt, power.s5.type_a, PM1_CNT_SLP_EN);
	sleep_write(&power.pm1b_cnt, power.s5.type_b, PM1_CNT_SLP_EN);
	wait();
	return -EIO;
}

static void reset_by_register(void)
{
	if (power.reset_in_pci)
		pci_write(power.reset_bdf, power.reset_offset, 1, power.reset_value);
	else
		reg_write8(&power.reset, power.reset_value);
	wait();
}

static void reset_by_chipset(void)
{
	io_out8(PORT_RESET, RESET_HARD);
	io_out8(PORT_RESET, RESET_HARD_START);
	wait();
}

static void reset_by_8042(void)
{
	for (uint32_t i = 0; i < WAIT_READS && io_in8(PORT_8042_STATUS) & I8042_INPUT_FULL; i++)
		cpu_pause();
	io_out8(PORT_8042_COMMAND, I8042_PULSE_RESET);
	wait();
}

static NORETURN void reset_by_triple_fault(void)
{
	static const struct {
		uint16_t limit;
		uint64_t base;
	} PACKED no_idt = {0, 0};

	__asm__ volatile("lidt %0; int3" : : "m"(no_idt) : "memory");
	cpu_halt_forever();
}

void power_reboot(void)
{
	if (power.reset_in_pci || reg_exists(&power.reset))
		reset_by_register();
	reset_by_chipset();
	reset_by_8042();
	reset_by_triple_fault();
}
