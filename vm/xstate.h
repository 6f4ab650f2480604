/* SPDX-License-Identifier: BSD-2-Clause */
/* x87, SSE, AVX and further extended state: the guest's, live in the registers, saved only when a vCPU gives way. */

#ifndef VM_XSTATE_H
#define VM_XSTATE_H

#include "vm/vm.h"

/* Learn what this machine has; boot CPU. Then on every CPU: CR4 bits. */
void xstate_init(void);
void xstate_enable(void);

/* Components a guest may enable in XCR0; 0: the machine has no XSAVE. */
uint64_t xstate_components(void);
/* Bytes of an XSAVE area in standard form for the components in @mask. */
uint32_t xstate_size(uint64_t mask);
/* Frames of one vCPU's save area. */
uint32_t xstate_frames(void);

/* @v's area as after reset. */
void xstate_reset(struct vcpu *v);
/* Registers to and from @v's area, XCR0 and TSC_AUX included. The hypervisor itself uses none of them. */
void xstate_save(struct vcpu *v);
void xstate_load(struct vcpu *v);

/* May a guest load this into XCR0? SDM vol. 1, 13.3. */
bool xcr0_valid(uint64_t value);

#endif
