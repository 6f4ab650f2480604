/* SPDX-License-Identifier: BSD-2-Clause */
/* ACPI's fixed hardware of an isolated guest: PM1 registers and the power management timer. ACPI 6.5, 4.8.3. */

#ifndef VDEV_VACPI_H
#define VDEV_VACPI_H

#include "vdev/host.h"

/* Registers by their offset; little-endian, any size of access. */
#define VACPI_STATUS  0 /* 2 bytes; the enable register follows, 2 bytes */
#define VACPI_ENABLE  2
#define VACPI_CONTROL 4 /* 2 bytes */
#define VACPI_TIMER   8 /* 4 bytes */
#define VACPI_PORTS   12

#define VACPI_TIMER_HZ 3579545ULL

/*
 * ACPI mode is always on (SCI_EN). SLP_EN does not come here: vpower, which stands in front, makes a request of it.
 * Everything here: any CPU, with the chips' lock (host.h) held.
 */
struct vacpi {
	const struct vdev_host *host;
	void *vm;
	void (*sci)(void *vm, bool level); /* at changes only; the chips' lock is held */
	struct timer timer;		   /* the counter's highest bit changes */
	uint64_t start;			   /* TSC at which the counter was 0 */
	uint64_t halves; /* how often its highest bit has changed, as far as was looked */
	uint16_t status, enable, control;
	bool level;
};

/* Boot. */
void vacpi_init(struct vacpi *a, const struct vdev_host *host, void *vm,
		void (*sci)(void *vm, bool level));
void vacpi_reset(struct vacpi *a);
/* Cancel the timer, before the VM goes away. */
void vacpi_stop(struct vacpi *a);

/* The clock has raised its interrupt: RTC_STS. */
void vacpi_rtc(struct vacpi *a);

/* @offset below VACPI_PORTS, @size 1, 2 or 4; bytes where no register is read as zeros. */
uint32_t vacpi_read(struct vacpi *a, uint32_t offset, uint8_t size);
void vacpi_write(struct vacpi *a, uint32_t offset, uint8_t size, uint32_t value);

#endif
