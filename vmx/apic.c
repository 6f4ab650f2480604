/* SPDX-License-Identifier: BSD-2-Clause */
/* The processor keeps a vCPU's x2APIC registers and delivers its interrupts. SDM vol. 3, chapter 30. */

#include "lib/atomic.h"
#include "vmx/vmx.h"

#define MSR_X2APIC   0x800
#define X2_ID	     0x02
#define X2_VERSION   0x03
#define X2_TPR	     0x08
#define X2_PPR	     0x0a
#define X2_EOI	     0x0b
#define X2_LDR	     0x0d
#define X2_SVR	     0x0f
#define X2_ISR	     0x10 /* then TMR, IRR; eight each */
#define X2_IRR_LAST  0x27
#define X2_SELF_IPI  0x3f
#define MSR_BITMAP_X PAGE_SIZE /* of the second bitmap */

/*
 * xAPIC mode stays with the software: its page would have to be mapped for all vCPUs of the VM, while those in
 * x2APIC mode must find nothing there.
 */

/*
 * What the page has, and nothing else: a read of any other register would return what happens to stand there (30.5).
 * Only in the second bitmap: where x2APIC mode is not virtualized these are the machine's own registers.
 */
void vmx_apic_msrs_open(struct vm_arch *vm)
{
	static const uint8_t reads[] = {X2_ID, X2_VERSION, X2_TPR, X2_PPR, X2_LDR, X2_SVR};
	static const uint8_t writes[] = {X2_TPR, X2_EOI, X2_SELF_IPI};
	uint8_t *map = vm->msr_bitmap + MSR_BITMAP_X;

	for (uint32_t i = 0; i < ARRAY_SIZE(reads); i++)
		vmx_bit_set(map, MSR_X2APIC + reads[i], false);
	for (uint32_t i = X2_ISR; i <= X2_IRR_LAST; i++)
		vmx_bit_set(map, MSR_X2APIC + i, false);
	for (uint32_t i = 0; i < ARRAY_SIZE(writes); i++)
		vmx_bit_set(map + MSR_WRITE_HALF, MSR_X2APIC + writes[i], false);
}

/* With a TPR shadow accesses to CR8 go there, and must not exit as well. */
void vmx_apic_virtual(struct vcpu_arch *v, bool on, uint16_t status)
{
	const uint32_t cr8 = PROC_CR8_LOAD | PROC_CR8_STORE;
	struct vmx_own *own = own_of(v);
	bool borrowed = vmx_borrow(v);

	own->proc = on ? (own->proc & ~cr8) | (uint32_t)PROC_TPR_SHADOW
		       : (own->proc & ~(uint32_t)PROC_TPR_SHADOW) | cr8;
	vmcs_write(VMCS_PROC, own->proc);
	vmcs_write(VMCS_PROC2, vmx_ctl.proc2 | (on ? (uint32_t)APICV_PROC2 : 0));
	vmcs_write(VMCS_MSR_BITMAP, v->vm->msr_bitmap_pa.v + (on ? MSR_BITMAP_X : 0));
	if (on)
		vmcs_write(VMCS_GUEST_INTR_STATUS, status);
	vmx_release(v, borrowed);
}

void vmx_apic_request(struct vcpu_arch *v, int vector, const uint64_t *eoi_exit)
{
	struct vmx_own *own = own_of(v);
	bool borrowed = vmx_borrow(v);
	uint64_t status;

	for (uint32_t i = 0; i < ARRAY_SIZE(own->eoi_exit); i++) {
		uint64_t wanted = atomic_load_relaxed_u64(&eoi_exit[i]);

		if (likely(own->eoi_exit[i] == wanted))
			continue;
		own->eoi_exit[i] = wanted;
		vmcs_write(VMCS_EOI_EXIT + 2 * i, wanted);
	}
	/* RVI is the highest request, SVI is the processor's. */
	status = vmcs_read(VMCS_GUEST_INTR_STATUS) & ~INTR_STATUS_RVI;
	vmcs_write(VMCS_GUEST_INTR_STATUS, status | (vector < 0 ? 0 : (uint64_t)vector));
	vmx_release(v, borrowed);
}
