/* SPDX-License-Identifier: BSD-2-Clause */
/* The CMOS clock (MC146818 data sheet): read, decode, count the days. */

#include "drivers/rtc.h"
#include "arch/io.h"
#include "lib/string.h"

#define CMOS_INDEX	0x70
#define CMOS_DATA	0x71
#define RTC_SECONDS	0x00
#define RTC_MINUTES	0x02
#define RTC_HOURS	0x04
#define RTC_DAY		0x07
#define RTC_MONTH	0x08
#define RTC_YEAR	0x09
#define RTC_STATUS_A	0x0a
#define RTC_STATUS_B	0x0b
#define STATUS_A_BUSY	0x80
#define STATUS_B_24H	0x02
#define STATUS_B_BINARY 0x04
#define HOUR_PM		0x80
#define TRIES		100000
#define CENTURY		2000 /* firmware that counts from elsewhere is long gone */
#define SECONDS_DAY	86400

struct date {
	uint32_t second, minute, hour, day, month, year;
};

static INIT uint8_t cmos(uint8_t index)
{
	io_out8(CMOS_INDEX, index); /* NMIs stay enabled */
	return io_in8(CMOS_DATA);
}

static INIT uint32_t field(uint8_t value, bool binary)
{
	return binary ? value : (uint32_t)(value >> 4) * 10 + (value & 15);
}

static INIT void date_read(struct date *d)
{
	uint8_t status = cmos(RTC_STATUS_B), hours = cmos(RTC_HOURS);
	bool binary = status & STATUS_B_BINARY;

	d->second = field(cmos(RTC_SECONDS), binary);
	d->minute = field(cmos(RTC_MINUTES), binary);
	d->hour = field(hours & (uint8_t)~HOUR_PM, binary);
	if (!(status & STATUS_B_24H))
		d->hour = d->hour % 12 + (hours & HOUR_PM ? 12 : 0);
	d->day = field(cmos(RTC_DAY), binary);
	d->month = field(cmos(RTC_MONTH), binary);
	d->year = CENTURY + field(cmos(RTC_YEAR), binary);
}

/* Days from 1970-01-01 to the first day of a month, by counting years from March, so that a leap day comes last. */
static INIT uint64_t days_before(uint32_t year, uint32_t month)
{
	uint32_t y = month > 2 ? year : year - 1, m = month > 2 ? month - 3 : month + 9;

	return (uint64_t)y * 365 + y / 4 - y / 100 + y / 400 + (m * 153 + 2) / 5 - 719468;
}

INIT uint64_t rtc_seconds(void)
{
	struct date d, again;
	uint32_t i = 0;

	/* An update can begin at any time, so a date counts when it was read twice. */
	do {
		while (i < TRIES && cmos(RTC_STATUS_A) & STATUS_A_BUSY)
			i++;
		date_read(&d);
		date_read(&again);
	} while (memcmp(&d, &again, sizeof(d)) && i++ < TRIES);
	if (i >= TRIES)
		return 0;
	if (d.month < 1 || d.month > 12 || d.day < 1 || d.day > 31 || d.hour > 23 ||
	    d.minute > 59 || d.second > 60)
		return 0;
	return (days_before(d.year, d.month) + d.day - 1) * SECONDS_DAY + d.hour * 3600 +
	       d.minute * 60 + d.second;
}
