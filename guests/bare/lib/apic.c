/* SPDX-License-Identifier: BSD-2-Clause */
/* The local APIC in its two modes, and the I/O APIC. */

#include "lib/apic.h"
#include "lib/x86.h"

#define CPUID_X2APIC BIT(21)
#define ICR_BUSY     0x1000
#define SPURIOUS     0xef
#define ID_SHIFT     24
#define IOREGSEL     0x00
#define IOWIN	     0x10

static volatile uint32_t *page_register(uint64_t base, uint32_t offset)
{
	return (volatile uint32_t *)(base + offset);
}

bool apic_is_x2(void)
{
	return rdmsr(MSR_APIC_BASE) & APIC_BASE_EXTD;
}

uint32_t apic_read(uint32_t reg)
{
	if (apic_is_x2())
		return (uint32_t)rdmsr(MSR_X2APIC + reg / 16);
	return *page_register(APIC_PAGE, reg);
}

void apic_write(uint32_t reg, uint32_t value)
{
	if (apic_is_x2())
		wrmsr(MSR_X2APIC + reg / 16, value);
	else
		*page_register(APIC_PAGE, reg) = value;
}

void apic_eoi(void)
{
	apic_write(APIC_EOI, 0);
}

void apic_enable(void)
{
	apic_write(APIC_SVR, SVR_ENABLE | SPURIOUS);
	apic_write(APIC_TPR, 0);
}

bool apic_enter_x2(void)
{
	if (!(cpuid(1, 0).ecx & CPUID_X2APIC))
		return false;
	wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | APIC_BASE_EN | APIC_BASE_EXTD);
	return apic_is_x2();
}

uint32_t apic_id(void)
{
	uint32_t id = apic_read(APIC_ID);

	return apic_is_x2() ? id : id >> ID_SHIFT;
}

void apic_ipi(uint32_t dest, uint32_t icr)
{
	if (apic_is_x2()) {
		wrmsr(MSR_X2APIC + APIC_ICR / 16, (uint64_t)dest << 32 | icr);
		return;
	}
	*page_register(APIC_PAGE, APIC_ICR_HIGH) = dest << ID_SHIFT;
	*page_register(APIC_PAGE, APIC_ICR) = icr;
	while (*page_register(APIC_PAGE, APIC_ICR) & ICR_BUSY)
		pause();
}

uint32_t ioapic_read(uint64_t base, uint32_t reg)
{
	*page_register(base, IOREGSEL) = reg;
	return *page_register(base, IOWIN);
}

void ioapic_write(uint64_t base, uint32_t reg, uint32_t value)
{
	*page_register(base, IOREGSEL) = reg;
	*page_register(base, IOWIN) = value;
}
