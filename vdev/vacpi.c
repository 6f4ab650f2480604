/* SPDX-License-Identifier: BSD-2-Clause */
/* ACPI's fixed hardware: PM1 status, enable and control; a timer of 32 bits. */

#include "lib/string.h"
#include "vdev/vacpi.h"

#define PM1_TMR	       0x0001 /* status and enable: the timer's highest bit has changed */
#define PM1_GBL	       0x0020 /* firmware has released the global lock: never */
#define PM1_RTC	       0x0400 /* the clock has raised its interrupt */
#define PM1_EN_KEPT    (PM1_TMR | PM1_GBL | PM1_RTC)
#define PM1_SCI_EN     0x0001
#define PM1_BM_RLD     0x0002
#define PM1_SLP_TYP    0x1c00
#define PM1_CNT_KEPT   (PM1_BM_RLD | PM1_SLP_TYP)
#define TIMER_HIGH_BIT 31
#define REGISTERS      VACPI_PORTS

static uint64_t tsc_hz(const struct vacpi *a)
{
	return a->host->tsc_khz * 1000;
}

static uint64_t ticks(const struct vacpi *a)
{
	return ratio_floor(a->host->now(a->vm) - a->start, VACPI_TIMER_HZ, tsc_hz(a));
}

/* Look whether the highest bit has changed, say so on the line, and wait for its next change if anybody cares. */
static void update(struct vacpi *a)
{
	uint64_t halves = ticks(a) >> TIMER_HIGH_BIT;
	bool level;

	if (halves != a->halves)
		a->status |= PM1_TMR;
	a->halves = halves;
	level = a->status & a->enable;
	if (level != a->level) {
		a->level = level;
		a->sci(a->vm, level);
	}
	if ((a->enable & PM1_TMR) && !(a->status & PM1_TMR))
		a->host->timer_set(a->vm, &a->timer,
				   a->start + ratio_ceil((halves + 1) << TIMER_HIGH_BIT, tsc_hz(a),
							 VACPI_TIMER_HZ));
	else
		a->host->timer_cancel(a->vm, &a->timer);
}

static void timer_due(struct timer *t)
{
	struct vacpi *a = container_of(t, struct vacpi, timer);

	a->host->chips_lock(a->vm);
	update(a);
	a->host->chips_unlock(a->vm);
}

uint32_t vacpi_read(struct vacpi *a, uint32_t offset, uint8_t size)
{
	uint8_t bytes[REGISTERS + sizeof(uint32_t)] = {0};
	uint32_t value = 0, timer = (uint32_t)ticks(a);
	uint16_t control = a->control | PM1_SCI_EN;

	update(a);
	memcpy(bytes + VACPI_STATUS, &a->status, sizeof(a->status));
	memcpy(bytes + VACPI_ENABLE, &a->enable, sizeof(a->enable));
	memcpy(bytes + VACPI_CONTROL, &control, sizeof(control));
	memcpy(bytes + VACPI_TIMER, &timer, sizeof(timer));
	memcpy(&value, bytes + offset % REGISTERS, size);
	return value;
}

/* Bytes that are not written: of a status register zeros, of the others what they hold. */
void vacpi_write(struct vacpi *a, uint32_t offset, uint8_t size, uint32_t value)
{
	uint8_t bytes[REGISTERS + sizeof(uint32_t)] = {0};
	uint16_t status;

	update(a);
	memcpy(bytes + VACPI_ENABLE, &a->enable, sizeof(a->enable));
	memcpy(bytes + VACPI_CONTROL, &a->control, sizeof(a->control));
	memcpy(bytes + offset % REGISTERS, &value, size);
	memcpy(&status, bytes + VACPI_STATUS, sizeof(status));
	memcpy(&a->enable, bytes + VACPI_ENABLE, sizeof(a->enable));
	memcpy(&a->control, bytes + VACPI_CONTROL, sizeof(a->control));
	a->status &= (uint16_t)~status;
	a->enable &= PM1_EN_KEPT;
	a->control &= PM1_CNT_KEPT;
	update(a);
}

void vacpi_rtc(struct vacpi *a)
{
	a->status |= PM1_RTC;
	update(a);
}

void vacpi_reset(struct vacpi *a)
{
	a->status = 0;
	a->enable = 0;
	a->control = 0;
	a->start = a->host->now(a->vm);
	a->halves = 0;
	update(a);
}

void vacpi_stop(struct vacpi *a)
{
	a->host->timer_cancel(a->vm, &a->timer);
}

INIT void vacpi_init(struct vacpi *a, const struct vdev_host *host, void *vm,
		     void (*sci)(void *vm, bool level))
{
	memset(a, 0, sizeof(*a));
	a->host = host;
	a->vm = vm;
	a->sci = sci;
	a->timer.fn = timer_due;
	vacpi_reset(a);
}
