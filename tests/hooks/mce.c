/* SPDX-License-Identifier: BSD-2-Clause */
/* Test only: machine checks, which no emulated machine raises where they are wanted, and a bank that reports them. */

#include "arch/cpu.h"
#include "arch/msr.h"
#include "svm/vmcb.h"
#include "tests/hooks/hooks.h"
#include "tests/hooks/mce.h"
#include "vm/vm.h"
#include "vmx/vmx.h"

#define BANK_STATUS (0x401 + 4 * HOOK_MCE_BANK)
#define BANK_ADDR   (0x402 + 4 * HOOK_MCE_BANK)
#define BANK_MISC   (0x403 + 4 * HOOK_MCE_BANK)
#define CAP_SER	    BIT(24)

int __wrap_msr_read_safe(uint32_t msr, uint64_t *value);
int __real_msr_read_safe(uint32_t msr, uint64_t *value);
int __wrap_msr_write_safe(uint32_t msr, uint64_t value);
int __real_msr_write_safe(uint32_t msr, uint64_t value);
bool __wrap_svm_exited(struct vcpu_arch *v, exited_fn exited);
bool __real_svm_exited(struct vcpu_arch *v, exited_fn exited);
bool __wrap_vmx_exited(struct vcpu_arch *v, exited_fn exited);
bool __real_vmx_exited(struct vcpu_arch *v, exited_fn exited);

static bool planted;
static uint64_t mcg_status, bank_status;
static struct vcpu_arch *by_exit, *by_entry;

int __wrap_msr_read_safe(uint32_t msr, uint64_t *value)
{
	if (!planted)
		return __real_msr_read_safe(msr, value);
	switch (msr) {
	case MSR_MCG_CAP:
		*value = (HOOK_MCE_BANK + 1) | CAP_SER;
		return 0;
	case MSR_MCG_STATUS:
		*value = mcg_status;
		return 0;
	case BANK_STATUS:
		*value = bank_status;
		return 0;
	case BANK_ADDR:
		*value = HOOK_MCE_ADDR;
		return 0;
	case BANK_MISC:
		*value = HOOK_MCE_MISC;
		return 0;
	default:
		return __real_msr_read_safe(msr, value);
	}
}

int __wrap_msr_write_safe(uint32_t msr, uint64_t value)
{
	if (!planted || (msr != MSR_MCG_STATUS && msr != BANK_STATUS))
		return __real_msr_write_safe(msr, value);
	if (msr == MSR_MCG_STATUS)
		mcg_status = value;
	else
		bank_status = value;
	return 0;
}

bool __wrap_svm_exited(struct vcpu_arch *v, exited_fn exited)
{
	if (unlikely(v == by_exit)) {
		by_exit = NULL;
		((struct vmcb *)v->ctl)->exit_code = VMEXIT_EXC0 + EXC_MC;
	}
	return __real_svm_exited(v, exited);
}

/* Bochs lets software write the fields of an exit (SDM vol. 3, A.6, bit 29). */
bool __wrap_vmx_exited(struct vcpu_arch *v, exited_fn exited)
{
	if (unlikely(v == by_exit)) {
		by_exit = NULL;
		vmcs_write(VMCS_EXIT_REASON, REASON_EXCEPTION);
		vmcs_write(VMCS_EXIT_INTR, INTR_VALID | EVENT_EXC << INTR_TYPE_SHIFT | EXC_MC);
	}
	return __real_vmx_exited(v, exited);
}

bool hook_mce_entry(struct vcpu_arch *v)
{
	if (v != by_entry)
		return false;
	by_entry = NULL;
	vmcs_write(VMCS_EXIT_REASON, REASON_ENTRY_FAILED | REASON_ENTRY_MCE);
	return true;
}

int64_t hook_mce(struct vcpu *v, uint64_t call, uint64_t b, uint64_t c)
{
	switch (call) {
	case HOOK_MCE:
		mcg_status = b;
		bank_status = c;
		planted = true;
		return 0;
	case HOOK_MCE_ROOT:
		__asm__ volatile("int %0" : : "i"(EXC_MC) : "memory");
		return 0;
	case HOOK_MCE_EXIT:
		by_exit = &v->arch;
		return 0;
	case HOOK_MCE_ENTRY:
		by_entry = &v->arch;
		return 0;
	case HOOK_MCE_LEFT:
		return (int64_t)(mcg_status | bank_status);
	default:
		return -1;
	}
}
