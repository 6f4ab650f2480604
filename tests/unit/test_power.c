/* SPDX-License-Identifier: BSD-2-Clause */
/* Power-off and reset on a model of the machine's registers: what is written where, in which order, how long it waits. */
/* sources: drivers/power.c */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include "arch/io.h"
#include "arch/paging.h"
#include "drivers/pci.h"
#include "drivers/power.h"

#define PM1A_EVT 0x600
#define PM1A_CNT 0x604
#define PM1B_EVT 0x700
#define PM1B_CNT 0x704
#define SMI_CMD	 0xb2
#define LOG	 32

static struct {
	uint16_t a_cnt, b_cnt;
	bool acpi; /* SCI_EN */
	bool deaf_firmware;
	bool kbd_busy;
	uint32_t reads;
	uint16_t until; /* a write to this port ends power_reboot */
	struct {
		uint16_t port, value;
	} log[LOG];
	uint32_t count;
	uint32_t pci_writes;
	uint16_t pci_bdf;
	uint32_t pci_offset, pci_value;
} m;

static jmp_buf ended;
static struct acpi_info info;
static volatile uint8_t mapped[16];

static void note(uint16_t port, uint16_t value)
{
	if (m.count < LOG)
		m.log[m.count] = (__typeof__(m.log[0])){port, value};
	m.count++;
	if (m.until && port == m.until)
		longjmp(ended, 1);
}

uint16_t io_in16(uint16_t port)
{
	m.reads++;
	if (port == PM1A_CNT)
		return (uint16_t)(m.a_cnt | (m.acpi ? 1 : 0));
	assert_int_equal(port, PM1B_CNT);
	return m.b_cnt;
}

void io_out16(uint16_t port, uint16_t value)
{
	if (port == PM1A_CNT)
		m.a_cnt = value;
	if (port == PM1B_CNT)
		m.b_cnt = value;
	note(port, value);
}

uint8_t io_in8(uint16_t port)
{
	m.reads++;
	return port == 0x64 && m.kbd_busy ? 0x02 : 0;
}

void io_out8(uint16_t port, uint8_t value)
{
	if (port == SMI_CMD && !m.deaf_firmware)
		m.acpi = true;
	note(port, value);
}

volatile void *mmio_map(hpa_t pa, uint64_t size)
{
	assert_int_equal(pa.v, 0xfed00000);
	assert_true(size <= sizeof(mapped));
	return mapped;
}

void pci_write(uint16_t bdf, uint32_t offset, uint32_t size, uint32_t value)
{
	assert_int_equal(size, 1);
	m.pci_bdf = bdf;
	m.pci_offset = offset;
	m.pci_value = value;
	m.pci_writes++;
}

static int fresh(void **state)
{
	(void)state;
	memset(&m, 0, sizeof(m));
	memset(&info, 0, sizeof(info));
	info.fadt.pm1a_evt = (struct acpi_block){ACPI_IO, 4, PM1A_EVT};
	info.fadt.pm1b_evt = (struct acpi_block){ACPI_IO, 4, PM1B_EVT};
	info.fadt.pm1a_cnt = (struct acpi_block){ACPI_IO, 2, PM1A_CNT};
	info.fadt.pm1b_cnt = (struct acpi_block){ACPI_IO, 2, PM1B_CNT};
	info.fadt.smi_cmd = SMI_CMD;
	info.fadt.acpi_enable = 0xf1;
	info.sleep[ACPI_S5] = (struct acpi_sleep){5, 6};
	info.fadt.reset = (struct acpi_gas){.space = ACPI_IO, .bit_width = 8, .address = 0xcf9};
	info.fadt.reset_value = 0x0e;
	return 0;
}

static void expect(uint32_t at, uint16_t port, uint16_t value)
{
	assert_true(at < m.count);
	assert_int_equal(m.log[at].port, port);
	assert_int_equal(m.log[at].value, value);
}

/* ACPI mode is asked for; status is cleared; the type goes to both blocks before either is told to sleep. */
static void test_off(void **state)
{
	(void)state;
	m.a_cnt = 0x1c02;
	power_init(&info);
	assert_int_equal(power_off(), -EIO);
	expect(0, SMI_CMD, 0xf1);
	expect(1, PM1A_EVT, 0x8000);
	expect(2, PM1B_EVT, 0x8000);
	expect(3, PM1A_CNT, 5 << 10 | 0x0003); /* other bits as they were */
	expect(4, PM1B_CNT, 6 << 10);
	expect(5, PM1A_CNT, 5 << 10 | 0x2003);
	expect(6, PM1B_CNT, 6 << 10 | 0x2000);
	assert_int_equal(m.count, 7);
}

static void test_off_in_acpi_mode(void **state)
{
	(void)state;
	m.acpi = true;
	info.fadt.pm1b_cnt.address = info.fadt.pm1b_evt.address = 0;
	power_init(&info);
	assert_int_equal(power_off(), -EIO);
	expect(0, PM1A_EVT, 0x8000);
	expect(1, PM1A_CNT, 5 << 10 | 1);
	expect(2, PM1A_CNT, 5 << 10 | 0x2001);
	assert_int_equal(m.count, 3);
}

/* Firmware that does not answer is given up, and S5 tried nevertheless. */
static void test_off_deaf(void **state)
{
	(void)state;
	m.deaf_firmware = true;
	power_init(&info);
	assert_int_equal(power_off(), -EIO);
	assert_true(m.reads < 1000000);
	assert_int_equal(m.count, 7);
}

static void test_no_s5(void **state)
{
	(void)state;
	info.sleep[ACPI_S5].type_a = ACPI_SLEEP_NONE;
	power_init(&info);
	assert_int_equal(power_off(), -ENODEV);
	fresh(state);
	info.fadt.pm1a_cnt.len = 1; /* too short to be one */
	power_init(&info);
	assert_int_equal(power_off(), -ENODEV);
	assert_int_equal(m.count, 0);
}

static void reboot_until(uint16_t port)
{
	m.until = port;
	if (!setjmp(ended))
		power_reboot();
}

/* The register of the tables, then the chip set's, then the keyboard controller, which may be busy for good. */
static void test_reboot(void **state)
{
	(void)state;
	info.fadt.reset.address = 0x1234;
	m.kbd_busy = true;
	power_init(&info);
	reboot_until(0x64);
	expect(0, 0x1234, 0x0e);
	expect(1, 0xcf9, 0x02);
	expect(2, 0xcf9, 0x06);
	expect(3, 0x64, 0xfe);
	assert_int_equal(m.count, 4);
	assert_true(m.reads > 1000 && m.reads < 1000000); /* each gets its time, and no more */
}

static void test_reboot_without_register(void **state)
{
	(void)state;
	info.fadt.reset.address = 0;
	power_init(&info);
	reboot_until(0xcf9);
	expect(0, 0xcf9, 0x02);
	assert_int_equal(m.count, 1);
}

static void test_reboot_memory(void **state)
{
	(void)state;
	info.fadt.reset = (struct acpi_gas){.space = ACPI_MEMORY, .address = 0xfed00000};
	mapped[0] = 0;
	power_init(&info);
	reboot_until(0xcf9);
	assert_int_equal(mapped[0], 0x0e);
}

/* Device 3, function 2, offset 0x44 of bus 0. */
static void test_reboot_pci(void **state)
{
	(void)state;
	info.fadt.reset =
		(struct acpi_gas){.space = ACPI_PCI_CONFIG, .address = 3ULL << 32 | 2 << 16 | 0x44};
	power_init(&info);
	reboot_until(0xcf9);
	assert_int_equal(m.pci_writes, 1);
	assert_int_equal(m.pci_bdf, 3 << 3 | 2);
	assert_int_equal(m.pci_offset, 0x44);
	assert_int_equal(m.pci_value, 0x0e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_off, fresh),
		cmocka_unit_test_setup(test_off_in_acpi_mode, fresh),
		cmocka_unit_test_setup(test_off_deaf, fresh),
		cmocka_unit_test_setup(test_no_s5, fresh),
		cmocka_unit_test_setup(test_reboot, fresh),
		cmocka_unit_test_setup(test_reboot_without_register, fresh),
		cmocka_unit_test_setup(test_reboot_memory, fresh),
		cmocka_unit_test_setup(test_reboot_pci, fresh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
