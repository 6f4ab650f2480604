/* SPDX-License-Identifier: BSD-2-Clause */
/* I/O and MSR permission maps. SDM vol. 3, 25.6.4 and 25.6.9. */

#include "lib/string.h"
#include "vmx/vmx.h"

#define MSR_RANGE	0x2000
#define MSR_HIGH_FIRST	0xc0000000
#define MSR_HIGH_OFFSET 0x400 /* bytes, of the high range in either half */

void vmx_vm_init(struct vm_arch *vm, void *va, hpa_t frames)
{
	vm->io_bitmap = va;
	vm->io_bitmap_pa = frames;
	vm->msr_bitmap = (uint8_t *)va + IO_BITMAP_FRAMES * PAGE_SIZE;
	vm->msr_bitmap_pa = HPA(frames.v + IO_BITMAP_FRAMES * PAGE_SIZE);
	memset(va, 0xff, (IO_BITMAP_FRAMES + MSR_BITMAP_FRAMES) * PAGE_SIZE);
	vmx_apic_msrs_open(vm);
}

void vmx_bit_set(uint8_t *map, uint32_t bit, bool on)
{
	if (on)
		map[bit / 8] |= (uint8_t)(1 << bit % 8);
	else
		map[bit / 8] &= (uint8_t) ~(1 << bit % 8);
}

void vmx_io_intercept(struct vm_arch *vm, uint16_t port, uint32_t count, bool on)
{
	for (uint64_t p = port; p < (uint64_t)port + count && p <= UINT16_MAX; p++)
		vmx_bit_set(vm->io_bitmap, (uint32_t)p, on);
}

/* One bit an MSR for two ranges of 8,192, in a half for reads and one for writes; what lies outside always exits. */
void vmx_msr_intercept(struct vm_arch *vm, uint32_t msr, uint32_t rw, bool on)
{
	uint8_t *map = vm->msr_bitmap;

	if (msr - MSR_HIGH_FIRST < MSR_RANGE) {
		map += MSR_HIGH_OFFSET;
		msr -= MSR_HIGH_FIRST;
	}
	if (msr >= MSR_RANGE)
		return;
	for (uint32_t i = 0; i < MSR_BITMAP_FRAMES; i++, map += PAGE_SIZE) {
		if (rw & MSR_READ)
			vmx_bit_set(map, msr, on);
		if (rw & MSR_WRITE)
			vmx_bit_set(map + MSR_WRITE_HALF, msr, on);
	}
}
