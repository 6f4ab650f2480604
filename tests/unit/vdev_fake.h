/* SPDX-License-Identifier: BSD-2-Clause */
/* A VM for the tests of virtual devices: a clock that stands still until told, timers, and a record of every call. */

#ifndef TESTS_UNIT_VDEV_FAKE_H
#define TESTS_UNIT_VDEV_FAKE_H

#include <stdarg.h>
#include <string.h>
#include "vdev/host.h"
#include "vdev/vlapic.h"

#define FAKE_TIMERS 16
#define FAKE_MSGS   64

struct fake {
	uint64_t now;
	struct timer *timer[FAKE_TIMERS];
	uint32_t timers;
	uint64_t fired;
	struct apic_msg msg[FAKE_MSGS];
	uint32_t msgs;
	uint32_t kicks;
	uint64_t kicked; /* bit n: vCPU n */
	int signal;
	uint32_t signals, signal_vcpu;
	uint8_t signal_page;
	uint32_t eois;
	bool virtual; /* what apic_virtual said last */
	uint8_t eoi_vector;
	uint32_t pin_changes, pin_changed;
	uint32_t pin_eois, pin_ended;
	void (*on_pin_eoi)(uint32_t pin);
	bool pic_output;
	uint32_t pic_changes;
	uint16_t pic_mask;
	uint32_t pic_eois, pic_ended;
	bool pit_output;
	uint32_t pit_rises;
	uint64_t pit_rise_at;
	uint32_t logs;
	int locked;
	struct vlapic *lapic[VLAPIC_MAX];
	uint32_t lapics;
	/* vlapic_route, if messages are to reach lapic[] */
	uint32_t (*route)(struct vlapic *const *all, uint32_t n, const struct apic_msg *msg);
};

static struct fake fake;

static uint64_t fake_now(void *vm)
{
	(void)vm;
	return fake.now;
}

static void fake_timer_cancel(void *vm, struct timer *t)
{
	(void)vm;
	for (uint32_t i = 0; i < fake.timers; i++)
		if (fake.timer[i] == t)
			fake.timer[i] = fake.timer[--fake.timers];
}

static void fake_timer_set(void *vm, struct timer *t, uint64_t deadline)
{
	fake_timer_cancel(vm, t);
	t->node.key = deadline;
	if (fake.timers < FAKE_TIMERS)
		fake.timer[fake.timers++] = t;
}

static void fake_lock(void *vm)
{
	(void)vm;
	fake.locked++;
}

static void fake_unlock(void *vm)
{
	(void)vm;
	fake.locked--;
}

static void fake_apic_msg(void *vm, const struct apic_msg *msg)
{
	(void)vm;
	fake.msg[fake.msgs++ % FAKE_MSGS] = *msg;
	if (fake.route)
		fake.route(fake.lapic, fake.lapics, msg);
}

static void fake_kick(void *vm, uint32_t vcpu)
{
	(void)vm;
	fake.kicks++;
	fake.kicked |= BIT(vcpu & 63);
}

static void fake_init_sipi(void *vm, uint32_t vcpu, int what, uint8_t page)
{
	(void)vm;
	fake.signals++;
	fake.signal = what;
	fake.signal_vcpu = vcpu;
	fake.signal_page = page;
}

static void fake_eoi_broadcast(void *vm, uint8_t vector)
{
	(void)vm;
	fake.eois++;
	fake.eoi_vector = vector;
}

static void fake_apic_virtual(void *vm, uint32_t vcpu, bool on)
{
	(void)vm;
	(void)vcpu;
	fake.virtual = on;
}

static void fake_pin_changed(void *vm, uint32_t ioapic, uint32_t pin)
{
	(void)vm;
	(void)ioapic;
	fake.pin_changes++;
	fake.pin_changed = pin;
}

static void fake_pin_eoi(void *vm, uint32_t ioapic, uint32_t pin)
{
	(void)vm;
	(void)ioapic;
	fake.pin_eois++;
	fake.pin_ended = pin;
	if (fake.on_pin_eoi)
		fake.on_pin_eoi(pin);
}

static void fake_pic_output(void *vm, bool level)
{
	(void)vm;
	fake.pic_output = level;
	fake.pic_changes++;
}

static void fake_pic_masked(void *vm, uint16_t mask)
{
	(void)vm;
	fake.pic_mask = mask;
}

static void fake_pic_eoi(void *vm, uint32_t irq)
{
	(void)vm;
	fake.pic_eois++;
	fake.pic_ended = irq;
}

static void fake_pit_output(void *vm, bool level)
{
	(void)vm;
	if (level && !fake.pit_output) {
		fake.pit_rises++;
		fake.pit_rise_at = fake.now;
	}
	fake.pit_output = level;
}

static PRINTF(2, 3) void fake_log(void *vm, const char *fmt, ...)
{
	(void)vm;
	(void)fmt;
	fake.logs++;
}

static struct vdev_host fake_host = {
	.tsc_khz = 1000000,
	.now = fake_now,
	.timer_set = fake_timer_set,
	.timer_cancel = fake_timer_cancel,
	.chips_lock = fake_lock,
	.chips_unlock = fake_unlock,
	.apic_msg = fake_apic_msg,
	.kick = fake_kick,
	.init_sipi = fake_init_sipi,
	.eoi_broadcast = fake_eoi_broadcast,
	.apic_virtual = fake_apic_virtual,
	.pin_changed = fake_pin_changed,
	.pin_eoi = fake_pin_eoi,
	.pic_output = fake_pic_output,
	.pic_masked = fake_pic_masked,
	.pic_eoi = fake_pic_eoi,
	.pit_output = fake_pit_output,
	.log = fake_log,
};

/* Everything forgotten; the clock of a machine of @khz stands at @now. */
static inline void fake_reset(uint64_t khz, uint64_t now)
{
	memset(&fake, 0, sizeof(fake));
	fake.now = now;
	fake.pit_output = true;
	fake_host.tsc_khz = khz;
}

/* Let time pass until @until, with every timer on its way at its moment. */
static inline void fake_run(uint64_t until)
{
	for (;;) {
		struct timer *first = NULL;

		for (uint32_t i = 0; i < fake.timers; i++)
			if (!first || fake.timer[i]->node.key < first->node.key)
				first = fake.timer[i];
		if (!first || first->node.key > until)
			break;
		if (first->node.key > fake.now)
			fake.now = first->node.key;
		fake_timer_cancel(NULL, first);
		fake.fired++;
		first->fn(first);
	}
	if (until > fake.now)
		fake.now = until;
}

#endif
