/* SPDX-License-Identifier: BSD-2-Clause */
/* The virtual clock. MC146818 data sheet: "Address map", "Time, calendar, and alarm locations", "Registers". */

#include "lib/string.h"
#include "vdev/vrtc.h"

enum {
	SECOND = 0,
	SECOND_ALARM,
	MINUTE,
	MINUTE_ALARM,
	HOUR,
	HOUR_ALARM,
	WEEKDAY,
	DAY,
	MONTH,
	YEAR,
	REG_A,
	REG_B,
	REG_C,
	REG_D,
	CENTURY = 0x32,
};

#define A_UPDATING    0x80
#define A_DIVIDER     0x70
#define A_DIVIDER_RUN 0x20 /* 32,768 Hz */
#define A_DIVIDER_RESET \
	0x60 /* and 0x70: held in reset; the first update comes half a second after */
#define A_RATE	      0x0f
#define A_DEFAULT     (A_DIVIDER_RUN | 6)
#define B_SET	      0x80
#define B_BINARY      0x04
#define B_24H	      0x02
#define C_IRQ	      0x80
#define C_PERIODIC    0x40 /* these three have the same place in B, where they enable */
#define C_ALARM	      0x20
#define C_UPDATE      0x10
#define C_SOURCES     (C_PERIODIC | C_ALARM | C_UPDATE)
#define D_VALID	      0x80
#define HOUR_PM	      0x80
#define ALARM_ANY     0xc0 /* from here on: every value matches */
#define INDEX_MASK    (VRTC_BYTES - 1)
#define CRYSTAL_HZ    32768
#define UPDATE_US     2228 /* how long UIP is seen before the time changes */
#define US_PER_S      1000000ULL
#define SECONDS_DAY   86400
#define SECONDS_HOUR  3600
#define DAYS_ERA      146097 /* 400 years */
#define EPOCH_OFFSET  719468 /* days from 0000-03-01 to 1970-01-01 */
#define EPOCH_WEEKDAY 4	     /* a Thursday; Sunday is 0 here and 1 in the register */

struct date {
	uint32_t second, minute, hour, weekday, day, month, year;
};

/* --- the calendar: years counted from March, so that a leap day comes last --- */

static void date_of(uint64_t seconds, struct date *d)
{
	uint64_t days = seconds / SECONDS_DAY + EPOCH_OFFSET;
	uint32_t rest = (uint32_t)(seconds % SECONDS_DAY);
	uint32_t era = (uint32_t)(days / DAYS_ERA), doe = (uint32_t)(days % DAYS_ERA);
	uint32_t yoe = (doe - doe / 1460 + doe / 36524 - doe / (DAYS_ERA - 1)) / 365;
	uint32_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), m = (5 * doy + 2) / 153;

	d->second = rest % 60;
	d->minute = rest / 60 % 60;
	d->hour = rest / SECONDS_HOUR;
	d->weekday = (uint32_t)((seconds / SECONDS_DAY + EPOCH_WEEKDAY) % 7);
	d->day = doy - (153 * m + 2) / 5 + 1;
	d->month = m < 10 ? m + 3 : m - 9;
	d->year = era * 400 + yoe + (d->month <= 2 ? 1 : 0);
}

static uint64_t seconds_of(const struct date *d)
{
	uint64_t y = d->month > 2 ? d->year : d->year - 1;
	uint32_t m = d->month > 2 ? d->month - 3 : d->month + 9;
	uint64_t days = y * 365 + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + d->day - 1;

	return (days - EPOCH_OFFSET) * SECONDS_DAY + d->hour * SECONDS_HOUR + d->minute * 60 +
	       d->second;
}

/* --- register forms --- */

static uint8_t encode(const struct vrtc *r, uint32_t value)
{
	return (uint8_t)(r->ram[REG_B] & B_BINARY ? value : value / 10 << 4 | value % 10);
}

static uint32_t decode(const struct vrtc *r, uint8_t value)
{
	return r->ram[REG_B] & B_BINARY ? value : (uint32_t)(value >> 4) * 10 + (value & 15);
}

static uint8_t encode_hour(const struct vrtc *r, uint32_t hour)
{
	if (r->ram[REG_B] & B_24H)
		return encode(r, hour);
	return (uint8_t)(encode(r, hour % 12 ? hour % 12 : 12) | (hour >= 12 ? HOUR_PM : 0));
}

static uint32_t decode_hour(const struct vrtc *r, uint8_t value)
{
	if (r->ram[REG_B] & B_24H)
		return decode(r, value);
	return decode(r, value & (uint8_t)~HOUR_PM) % 12 + (value & HOUR_PM ? 12 : 0);
}

/* --- time --- */

static uint64_t tsc_hz(const struct vrtc *r)
{
	return r->host->tsc_khz * 1000;
}

static bool stopped(const struct vrtc *r)
{
	return r->ram[REG_B] & B_SET || (r->ram[REG_A] & A_DIVIDER) >= A_DIVIDER_RESET;
}

static uint64_t elapsed(const struct vrtc *r)
{
	return r->host->now(r->vm) - r->origin;
}

static uint64_t seconds_now(const struct vrtc *r)
{
	return stopped(r) ? r->seconds : r->seconds + elapsed(r) / tsc_hz(r);
}

/* Where the plain numbers of a date stand; hour and weekday have forms of their own. */
static const uint8_t places[] = {SECOND, MINUTE, DAY, MONTH, YEAR, CENTURY};

static void registers_fill(struct vrtc *r)
{
	struct date d;

	date_of(seconds_now(r), &d);
	r->ram[HOUR] = encode_hour(r, d.hour);
	r->ram[WEEKDAY] = (uint8_t)(d.weekday + 1);
	for (uint32_t i = 0; i < ARRAY_SIZE(places); i++) {
		const uint32_t values[ARRAY_SIZE(places)] = {
			d.second, d.minute, d.day, d.month, d.year % 100, d.year / 100 % 100};

		r->ram[places[i]] = encode(r, values[i]);
	}
}

/* What the guest has written becomes the time. Nonsense is brought into range: a calendar has no other answer. */
static void registers_take(struct vrtc *r)
{
	uint32_t values[ARRAY_SIZE(places)];
	struct date d = {0};

	for (uint32_t i = 0; i < ARRAY_SIZE(places); i++)
		values[i] = decode(r, r->ram[places[i]]);
	d.second = values[0] % 60;
	d.minute = values[1] % 60;
	d.hour = decode_hour(r, r->ram[HOUR]) % 24;
	d.day = values[2];
	d.month = (values[3] + 11) % 12 + 1;
	d.year = values[5] * 100 + values[4];
	if (d.day < 1 || d.day > 31)
		d.day = 1;
	if (d.year < 1970)
		d.year = 1970;
	r->seconds = seconds_of(&d);
}

/* --- events --- */

static bool field_matches(const struct vrtc *r, uint8_t alarm, uint32_t value)
{
	return alarm >= ALARM_ANY || decode(r, alarm) == value;
}

/* The first second after @from that the alarm names, or UINT64_MAX: it names none. At most 24 + 60 + 60 turns. */
static uint64_t alarm_next(const struct vrtc *r, uint64_t from)
{
	const uint8_t *ram = r->ram;
	uint64_t at = from + 1, end = at + SECONDS_DAY;

	while (at < end) {
		uint32_t hour = (uint32_t)(at / SECONDS_HOUR % 24),
			 minute = (uint32_t)(at / 60 % 60);

		if (ram[HOUR_ALARM] < ALARM_ANY && decode_hour(r, ram[HOUR_ALARM]) != hour)
			at = at / SECONDS_HOUR * SECONDS_HOUR + SECONDS_HOUR;
		else if (!field_matches(r, ram[MINUTE_ALARM], minute))
			at = at / 60 * 60 + 60;
		else if (!field_matches(r, ram[SECOND_ALARM], (uint32_t)(at % 60)))
			at++;
		else
			return at;
	}
	return UINT64_MAX;
}

/* Crystal clocks of a period, 0: none. Rates 1 and 2 are those of 8 and 9 with this crystal. */
static uint64_t period_clocks(const struct vrtc *r)
{
	uint32_t rate = r->ram[REG_A] & A_RATE;

	if (!rate || (r->ram[REG_A] & A_DIVIDER) != A_DIVIDER_RUN)
		return 0;
	return BIT(rate <= 2 ? rate + 6 : rate - 1);
}

static uint64_t periods_now(const struct vrtc *r)
{
	uint64_t clocks = period_clocks(r);

	return clocks ? ratio_floor(elapsed(r), CRYSTAL_HZ, tsc_hz(r)) / clocks : 0;
}

/* What has happened since it was last looked. */
static void flags_update(struct vrtc *r)
{
	uint64_t now = seconds_now(r), periods = periods_now(r);

	if (now != r->seen && !stopped(r)) {
		r->flags |= C_UPDATE;
		if (alarm_next(r, r->seen) <= now)
			r->flags |= C_ALARM;
	}
	r->seen = now;
	if (periods != r->period)
		r->flags |= C_PERIODIC;
	r->period = periods;
}

static uint64_t second_begins(const struct vrtc *r, uint64_t second)
{
	return r->origin + (second - r->seconds) * tsc_hz(r);
}

/* When the next flag rises that is enabled and not up yet. */
static uint64_t deadline(const struct vrtc *r)
{
	uint8_t wanted = r->ram[REG_B] & (uint8_t)~r->flags & C_SOURCES;
	uint64_t first = UINT64_MAX, clocks = period_clocks(r), alarm;

	if (!stopped(r) && wanted & C_UPDATE)
		first = second_begins(r, r->seen + 1);
	if (!stopped(r) && wanted & C_ALARM) {
		alarm = alarm_next(r, r->seen);
		if (alarm != UINT64_MAX)
			first = min_u64(first, second_begins(r, alarm));
	}
	if (clocks && wanted & C_PERIODIC)
		first = min_u64(first, r->origin + ratio_ceil((r->period + 1) * clocks, tsc_hz(r),
							      CRYSTAL_HZ));
	return first;
}

static void update(struct vrtc *r)
{
	uint64_t next;
	bool level;

	flags_update(r);
	level = r->flags & r->ram[REG_B] & C_SOURCES;
	if (level != r->level) {
		r->level = level;
		r->irq(r->vm, level);
	}
	next = deadline(r);
	if (next != UINT64_MAX)
		r->host->timer_set(r->vm, &r->timer, next);
	else
		r->host->timer_cancel(r->vm, &r->timer);
}

static void timer_due(struct timer *t)
{
	struct vrtc *r = container_of(t, struct vrtc, timer);

	r->host->chips_lock(r->vm);
	update(r);
	r->host->chips_unlock(r->vm);
}

/* Count from r->seconds on, which began @phase ticks ago; nothing has happened yet. */
static void restart(struct vrtc *r, uint64_t phase)
{
	r->origin = r->host->now(r->vm) - phase;
	r->seen = r->seconds;
	r->period = periods_now(r);
}

/* --- registers --- */

static bool is_time(uint8_t index)
{
	return index == CENTURY || (index < REG_A && index != SECOND_ALARM &&
				    index != MINUTE_ALARM && index != HOUR_ALARM);
}

static bool updating(const struct vrtc *r)
{
	uint64_t hz = tsc_hz(r);

	return !stopped(r) && elapsed(r) % hz >= hz - UPDATE_US * hz / US_PER_S;
}

static uint8_t take_flags(struct vrtc *r)
{
	uint8_t value = r->flags | (r->flags & r->ram[REG_B] ? C_IRQ : 0);

	r->flags = 0;
	update(r);
	return value;
}

uint8_t vrtc_read(struct vrtc *r, bool data)
{
	if (!data)
		return 0xff;
	update(r);
	if (r->index == REG_A)
		return r->ram[REG_A] | (updating(r) ? A_UPDATING : 0);
	if (r->index == REG_C)
		return take_flags(r);
	if (r->index == REG_D)
		return D_VALID;
	if (is_time(r->index) && !(r->ram[REG_B] & B_SET))
		registers_fill(r);
	return r->ram[r->index];
}

/* SET and a divider in reset stop the clock. Let go by SET it goes on in phase; by the divider, half a second off. */
static void control_write(struct vrtc *r, uint8_t index, uint8_t value)
{
	uint64_t phase = elapsed(r) % tsc_hz(r);
	bool was_set = r->ram[REG_B] & B_SET;

	if (!was_set)
		registers_fill(r);
	r->seconds = seconds_now(r);
	if (index == REG_A) {
		value &= (uint8_t)~A_UPDATING;
		if ((r->ram[REG_A] & A_DIVIDER) >= A_DIVIDER_RESET &&
		    (value & A_DIVIDER) < A_DIVIDER_RESET)
			phase = tsc_hz(r) / 2;
	} else if (value & B_SET) {
		value &= (uint8_t)~C_UPDATE; /* "SET … clears UIE" */
	}
	r->ram[index] = value;
	if (was_set && !(r->ram[REG_B] & B_SET))
		registers_take(r);
	restart(r, phase);
}

static void time_write(struct vrtc *r, uint8_t value)
{
	uint64_t phase = elapsed(r) % tsc_hz(r);

	if (r->ram[REG_B] & B_SET) {
		r->ram[r->index] = value;
		return;
	}
	registers_fill(r);
	r->ram[r->index] = value;
	registers_take(r);
	restart(r, phase);
}

void vrtc_write(struct vrtc *r, bool data, uint8_t value)
{
	if (!data) {
		r->index = value & INDEX_MASK; /* bit 7 masks NMIs, which nobody sends */
		return;
	}
	update(r);
	if (r->index == REG_A || r->index == REG_B)
		control_write(r, r->index, value);
	else if (is_time(r->index))
		time_write(r, value);
	else if (r->index != REG_C && r->index != REG_D)
		r->ram[r->index] = value;
	update(r);
}

void vrtc_reset(struct vrtc *r)
{
	r->ram[REG_B] &= (uint8_t) ~(C_SOURCES | 0x08); /* and the square wave */
	r->flags = 0;
	update(r);
}

void vrtc_stop(struct vrtc *r)
{
	r->host->timer_cancel(r->vm, &r->timer);
}

INIT void vrtc_init(struct vrtc *r, const struct vdev_host *host, void *vm,
		    void (*irq)(void *vm, bool level), uint64_t seconds)
{
	memset(r, 0, sizeof(*r));
	r->host = host;
	r->vm = vm;
	r->irq = irq;
	r->timer.fn = timer_due;
	r->seconds = seconds;
	r->ram[REG_A] = A_DEFAULT;
	r->ram[REG_B] = B_24H;
	restart(r, 0);
}
