/* SPDX-License-Identifier: BSD-2-Clause */
/* The two physical 8259s: out of the way, but their spurious interrupts answered. */

#include "arch/io.h"
#include "drivers/pic.h"

#define MASTER_COMMAND 0x20
#define MASTER_DATA    0x21
#define SLAVE_COMMAND  0xa0
#define SLAVE_DATA     0xa1

/* 82C59A data sheet, "Initialization Command Words" and "Operation Command Words" */
#define ICW1_INIT     0x11 /* edge, cascade, ICW4 follows */
#define ICW3_MASTER   0x04 /* the slave is on input 2 */
#define ICW3_SLAVE    0x02
#define ICW4_8086     0x01
#define OCW2_EOI      0x60 /* specific: ends the input in its low bits */
#define ALL_MASKED    0xff
#define CASCADE_INPUT 2
#define SLAVE_FIRST   8

void pic_disable(uint8_t base)
{
	io_out8(MASTER_DATA, ALL_MASKED);
	io_out8(SLAVE_DATA, ALL_MASKED);
	io_out8(MASTER_COMMAND, ICW1_INIT);
	io_out8(SLAVE_COMMAND, ICW1_INIT);
	io_out8(MASTER_DATA, base);
	io_out8(SLAVE_DATA, (uint8_t)(base + SLAVE_FIRST));
	io_out8(MASTER_DATA, ICW3_MASTER);
	io_out8(SLAVE_DATA, ICW3_SLAVE);
	io_out8(MASTER_DATA, ICW4_8086);
	io_out8(SLAVE_DATA, ICW4_8086);
	io_out8(MASTER_DATA, ALL_MASKED);
	io_out8(SLAVE_DATA, ALL_MASKED);
}
