/* SPDX-License-Identifier: BSD-2-Clause */
/* KVM's paravirtual clock: a page that says how to make nanoseconds of the TSC. */

#ifndef VM_CLOCK_H
#define VM_CLOCK_H

#include "vm/vm.h"

/* MSR_KVM_WALL_CLOCK_NEW and MSR_KVM_SYSTEM_TIME_NEW. 0, or -EINVAL for #GP. */
/* @v, loaded on this CPU, was paused: its clock went on, and its page says why it jumps. */
void clock_paused(struct vcpu *v);

int clock_msr_read(struct vcpu *v, uint32_t msr, uint64_t *value);
int clock_msr_write(struct vcpu *v, uint32_t msr, uint64_t value);

/* How many ns TSC ticks are. */
uint64_t clock_ns(uint64_t ticks);

/* Seconds since 1970 by the machine's date. */
uint64_t clock_wall(void);

/* Read the machine's date once, and choose the factors. Boot. */
void clock_init(void);

#endif
