/* SPDX-License-Identifier: BSD-2-Clause */
/* I/O and MSR permission maps. APM vol. 2, 15.10.1 and 15.11. */

#include "svm/svm.h"

static void bit_set(uint8_t *map, uint32_t bit, bool on)
{
	if (on)
		map[bit / 8] |= (uint8_t)(1 << bit % 8);
	else
		map[bit / 8] &= (uint8_t) ~(1 << bit % 8);
}

void svm_io_intercept(struct vm_arch *vm, uint16_t port, uint32_t count, bool on)
{
	for (uint32_t p = port; p < port + count && p <= UINT16_MAX; p++)
		bit_set(vm->io_bitmap, p, on);
}

/* Two bits an MSR, read then write, for three ranges of 8,192; what lies outside always exits. */
static int64_t msr_bit(uint32_t msr)
{
	static const struct {
		uint32_t first, offset;
	} ranges[] = {
		{0,	    0     },
		{0xc0000000, 0x800 },
		     {0xc0010000, 0x1000}
	 };

	for (uint32_t i = 0; i < ARRAY_SIZE(ranges); i++) {
		if (msr - ranges[i].first < 0x2000)
			return ranges[i].offset * 8 + (int64_t)(msr - ranges[i].first) * 2;
	}
	return -1;
}

void svm_msr_intercept(struct vm_arch *vm, uint32_t msr, uint32_t rw, bool on)
{
	int64_t bit = msr_bit(msr);

	if (bit < 0)
		return;
	if (rw & MSR_READ)
		bit_set(vm->msr_bitmap, (uint32_t)bit, on);
	if (rw & MSR_WRITE)
		bit_set(vm->msr_bitmap, (uint32_t)bit + 1, on);
}
