/* SPDX-License-Identifier: BSD-2-Clause */
/* The two physical 8259s: out of the way, but their spurious interrupts answered. */

#ifndef DRIVERS_PIC_H
#define DRIVERS_PIC_H

#include "lib/types.h"

#define PIC_IRQS 16

/* Give both 8259s the vectors @base to @base + 15 (@base a multiple of 8) and mask every input. Before the first STI. */
void pic_disable(uint8_t base);

#endif
