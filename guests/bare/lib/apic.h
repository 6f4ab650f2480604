/* SPDX-License-Identifier: BSD-2-Clause */
/* The local APIC by its page or by MSRs, whichever mode it is in, and the I/O APIC. SDM vol. 3, chapter 11. */

#ifndef GUEST_APIC_H
#define GUEST_APIC_H

#include "lib/types.h"

#define APIC_PAGE   0xfee00000UL
#define IOAPIC_PAGE 0xfec00000UL

/* Offsets in the page; the MSR is 0x800 + offset / 16. */
#define APIC_ID	       0x20
#define APIC_VERSION   0x30
#define APIC_TPR       0x80
#define APIC_PPR       0xa0
#define APIC_EOI       0xb0
#define APIC_LDR       0xd0
#define APIC_DFR       0xe0
#define APIC_SVR       0xf0
#define APIC_ISR       0x100
#define APIC_TMR       0x180
#define APIC_IRR       0x200
#define APIC_ESR       0x280
#define APIC_ICR       0x300
#define APIC_ICR_HIGH  0x310
#define APIC_LVT_TIMER 0x320
#define APIC_LVT_LINT0 0x350
#define APIC_LVT_LINT1 0x360
#define APIC_LVT_ERROR 0x370
#define APIC_INITIAL   0x380
#define APIC_CURRENT   0x390
#define APIC_DIVIDE    0x3e0
#define APIC_SELF_IPI  0x3f0 /* x2APIC only */

#define APIC_BASE_EXTD BIT(10)
#define APIC_BASE_EN   BIT(11)
#define SVR_ENABLE     0x100
#define LVT_MASKED     0x10000
#define LVT_PERIODIC   0x20000
#define LVT_DEADLINE   0x40000

#define ICR_FIXED   0x000
#define ICR_NMI	    0x400
#define ICR_INIT    0x500
#define ICR_STARTUP 0x600
#define ICR_LOGICAL 0x800
#define ICR_ASSERT  0x4000
#define ICR_SELF    0x40000
#define ICR_ALL	    0x80000
#define ICR_OTHERS  0xc0000

bool apic_is_x2(void);
uint32_t apic_read(uint32_t reg);
void apic_write(uint32_t reg, uint32_t value);
void apic_eoi(void);
/* Software-enable it, spurious vector 0xef, task priority 0. */
void apic_enable(void);
/* From xAPIC to x2APIC mode; false if CPUID does not offer that. */
bool apic_enter_x2(void);
uint32_t apic_id(void);
/* @icr: the low half of the command register. Shorthands ignore @dest. */
void apic_ipi(uint32_t dest, uint32_t icr);

uint32_t ioapic_read(uint64_t base, uint32_t reg);
void ioapic_write(uint64_t base, uint32_t reg, uint32_t value);

#endif
