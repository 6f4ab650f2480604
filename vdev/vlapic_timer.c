/* SPDX-License-Identifier: BSD-2-Clause */
/* The virtual local APIC's timer: 1 GHz, one-shot, periodic, TSC-deadline. SDM vol. 3, 11.5.4. */

#include "vdev/vlapic_priv.h"

/* Parts of a TSC tick in which fractions are kept: a ns is tsc_khz of them. */
#define FRAC NS_PER_MS

/* Farther behind than this (TSC ticks; minutes) a periodic timer's phase is given up, which keeps sums in 64 bits. */
#define BEHIND_MAX BIT(42)

static bool is_deadline(const struct vlapic *v)
{
	return (v->lvt[VLAPIC_LVT_TIMER] & LVT_TIMER_MODE) == LVT_TIMER_DEADLINE;
}

static bool is_periodic(const struct vlapic *v)
{
	return (v->lvt[VLAPIC_LVT_TIMER] & LVT_TIMER_MODE) == LVT_TIMER_PERIODIC;
}

static bool is_masked(const struct vlapic *v)
{
	return v->lvt[VLAPIC_LVT_TIMER] & LVT_MASKED;
}

static uint64_t now(const struct vlapic *v)
{
	return v->host->now(v->vm);
}

static bool expired(const struct vlapic *v, uint64_t tsc)
{
	return tsc > v->expiry || (tsc == v->expiry && !v->expiry_frac);
}

/* Move the expiry by @parts of a tick. */
static void expiry_add(struct vlapic *v, uint64_t parts)
{
	parts += v->expiry_frac;
	v->expiry += parts / FRAC;
	v->expiry_frac = parts % FRAC;
}

/* Bring a timer that may have expired up to @tsc: a periodic one to its next expiry, in one step however late. */
static void catch_up(struct vlapic *v, uint64_t tsc)
{
	uint64_t late;

	if (!v->running || !expired(v, tsc))
		return;
	if (!is_periodic(v)) {
		v->running = false;
		return;
	}
	late = tsc - v->expiry;
	if (late >= BEHIND_MAX) {
		v->expiry = tsc;
		v->expiry_frac = 0;
		expiry_add(v, v->period);
		return;
	}
	late = late * FRAC - v->expiry_frac;
	expiry_add(v, (late / v->period + 1) * v->period);
}

/* Set the host's timer to what the registers say. */
static void arm(struct vlapic *v, uint64_t tsc)
{
	uint64_t floor = tsc + v->host->tsc_khz * VDEV_TIMER_FLOOR_NS / NS_PER_MS;
	uint64_t at = v->expiry + (v->expiry_frac ? 1 : 0);

	/* The interrupt of a masked timer is lost, so nobody needs to be woken for it. */
	if (!v->running || is_masked(v)) {
		v->host->timer_cancel(v->vm, &v->timer);
		return;
	}
	if (is_periodic(v))
		at = max_u64(at, floor);
	v->host->timer_set(v->vm, &v->timer, at);
}

/* The deadline as host TSC; what lies outside of its range is now, or never. */
static uint64_t host_deadline(const struct vlapic *v)
{
	uint64_t behind = -v->tsc_offset;
	uint64_t at;

	if ((int64_t)v->tsc_offset >= 0)
		return v->deadline < v->tsc_offset ? 0 : v->deadline - v->tsc_offset;
	return __builtin_add_overflow(v->deadline, behind, &at) ? UINT64_MAX : at;
}

static void arm_deadline(struct vlapic *v)
{
	if (unlikely(!v->deadline || is_masked(v)))
		v->host->timer_cancel(v->vm, &v->timer);
	else
		v->host->timer_set(v->vm, &v->timer, host_deadline(v));
}

static bool deadline_passed(const struct vlapic *v)
{
	return now(v) + v->tsc_offset >= v->deadline;
}

static void timer_fired(struct timer *t)
{
	struct vlapic *v = container_of(t, struct vlapic, timer);
	uint64_t tsc;

	if (is_deadline(v)) {
		if (!v->deadline)
			return;
		if (!deadline_passed(v)) {
			arm_deadline(v);
			return;
		}
		v->deadline = 0;
		vlapic_lvt_raise(v, VLAPIC_LVT_TIMER);
		return;
	}
	if (!v->running)
		return;
	tsc = now(v);
	if (!expired(v, tsc)) {
		arm(v, tsc);
		return;
	}
	catch_up(v, tsc);
	if (v->running)
		arm(v, tsc);
	vlapic_lvt_raise(v, VLAPIC_LVT_TIMER);
}

void vlapic_timer_init(struct vlapic *v)
{
	v->timer.fn = timer_fired;
}

void vlapic_stop(struct vlapic *v)
{
	v->running = false;
	v->deadline = 0;
	v->host->timer_cancel(v->vm, &v->timer);
}

void vlapic_timer_reset(struct vlapic *v)
{
	v->dcr = 0;
	v->div_shift = 1;
	v->initial = 0;
	vlapic_stop(v);
}

/* @count of the timer's ticks, in parts of a TSC tick: at most 2^32 * 2^7 * 2^24. */
static uint64_t count_parts(const struct vlapic *v, uint32_t count)
{
	return ((uint64_t)count << v->div_shift) * v->host->tsc_khz;
}

static void count_from(struct vlapic *v, uint64_t tsc, uint32_t count)
{
	v->running = true;
	v->expiry = tsc;
	v->expiry_frac = 0;
	expiry_add(v, count_parts(v, count));
}

void vlapic_timer_initial(struct vlapic *v, uint32_t count)
{
	uint64_t tsc;

	if (is_deadline(v))
		return;
	v->initial = count;
	if (!count) {
		vlapic_stop(v);
		return;
	}
	tsc = now(v);
	v->period = count_parts(v, count);
	count_from(v, tsc, count);
	arm(v, tsc);
}

static uint32_t current_at(struct vlapic *v, uint64_t tsc)
{
	uint64_t ticks, part, ns;

	catch_up(v, tsc);
	if (!v->running)
		return 0;
	ticks = v->expiry - tsc;
	/* Written out like ratio_ceil, because the fraction belongs into the numerator. */
	part = ticks % v->host->tsc_khz * FRAC + v->expiry_frac;
	ns = ticks / v->host->tsc_khz * FRAC + (part + v->host->tsc_khz - 1) / v->host->tsc_khz;
	return (uint32_t)((ns + BIT(v->div_shift) - 1) >> v->div_shift);
}

uint32_t vlapic_timer_current(struct vlapic *v)
{
	if (is_deadline(v) || !v->running)
		return 0;
	/* An expiry that the host has still to tell of keeps running; the count is at its end already. */
	if (!is_periodic(v) && !is_masked(v) && expired(v, now(v)))
		return 0;
	return current_at(v, now(v));
}

void vlapic_timer_divide(struct vlapic *v, uint32_t dcr)
{
	uint64_t tsc = now(v);
	uint32_t count = vlapic_timer_current(v);

	v->dcr = dcr & DCR_MASK;
	/* Bits 3, 1, 0: 000 divides by 2, 110 by 128, 111 by 1 (figure 11-10). */
	v->div_shift = (uint8_t)((((v->dcr >> 1 & 4) | (v->dcr & 3)) + 1) & 7);
	v->period = count_parts(v, v->initial);
	if (!count)
		return;
	count_from(v, tsc, count);
	arm(v, tsc);
}

void vlapic_timer_lvt(struct vlapic *v, uint32_t old)
{
	uint32_t changed = old ^ v->lvt[VLAPIC_LVT_TIMER];
	uint64_t tsc;

	if (!(changed & (LVT_TIMER_MODE | LVT_MASKED)))
		return;
	/* To or from TSC-deadline mode disarms (11.5.4.1). */
	if (is_deadline(v) != ((old & LVT_TIMER_MODE) == LVT_TIMER_DEADLINE)) {
		vlapic_stop(v);
		return;
	}
	if (is_deadline(v)) {
		/* What expired while masked is gone. */
		if (old & LVT_MASKED && deadline_passed(v))
			v->deadline = 0;
		arm_deadline(v);
		return;
	}
	tsc = now(v);
	if (old & LVT_MASKED)
		catch_up(v, tsc);
	arm(v, tsc);
}

uint64_t vlapic_deadline(struct vlapic *v)
{
	if (!v->deadline)
		return 0;
	/* Due, but the host has not said so yet: it reads as expired and stays armed. */
	return deadline_passed(v) ? 0 : v->deadline;
}

void vlapic_set_deadline(struct vlapic *v, uint64_t value)
{
	if (unlikely(!is_deadline(v)))
		return;
	v->deadline = value;
	arm_deadline(v);
}

void vlapic_set_tsc_offset(struct vlapic *v, uint64_t offset)
{
	v->tsc_offset = offset;
	if (v->deadline)
		arm_deadline(v);
}
