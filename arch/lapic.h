/* SPDX-License-Identifier: BSD-2-Clause */
/* The physical local APIC, in xAPIC or x2APIC mode; its timer. SDM vol. 3, chapter 11. */

#ifndef ARCH_LAPIC_H
#define ARCH_LAPIC_H

#include "lib/types.h"

/* Boot CPU: choose the mode, map the registers. 0 or -ENOMEM. */
int lapic_init(hpa_t base);
/* Enable on this CPU, all LVTs masked but the timer and the error entry. */
void lapic_enable(void);

uint32_t lapic_id(void);
bool lapic_is_x2apic(void);
void lapic_eoi(void);

/* Interrupt @vector, an NMI, INIT, a start-up IPI with page @page; to the CPU with this APIC id. Bounded wait. */
void lapic_ipi(uint32_t apic_id, uint8_t vector);
void lapic_nmi(uint32_t apic_id);
void lapic_nmi_others(void);
void lapic_init_ipi(uint32_t apic_id);
void lapic_startup_ipi(uint32_t apic_id, uint8_t page);

/* The timer's count, running down freely from 2^32 - 1 while calibrating (masked). */
void lapic_timer_free_run(void);
uint64_t lapic_timer_elapsed(void);

/* Rates as calibrated; then arm for an absolute TSC value on this CPU (the past fires at once). Any time. */
void lapic_timer_rates(uint64_t timer_khz, uint64_t tsc_khz);
void lapic_timer_arm(uint64_t tsc);
void lapic_timer_stop(void);

#endif
