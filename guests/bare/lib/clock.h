/* SPDX-License-Identifier: BSD-2-Clause */
/* KVM's paravirtual clock, from the guest's side (Linux, Documentation/virt/kvm/x86/msr.rst). */

#ifndef GUEST_CLOCK_H
#define GUEST_CLOCK_H

#include "lib/types.h"

/* Switch it on for the calling vCPU; false: there is none. */
bool clock_start(void);
/* ns; the calling vCPU's clock is on. */
uint64_t clock_ns(void);
/* Was the calling vCPU paused since this was asked last? The clock went on meanwhile. */
bool clock_was_paused(void);
/* TSC ticks of @ns. */
uint64_t clock_ticks(uint64_t ns);

#endif
