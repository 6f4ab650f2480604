/* SPDX-License-Identifier: BSD-2-Clause */
/* SVM on a physical CPU: is it there, enable, disable. APM vol. 2, 15.4 and 15.30. */

#include "arch/cpu.h"
#include "arch/msr.h"
#include "arch/options.h"
#include "ept/nested.h"
#include "lib/printf.h"
#include "svm/svm.h"

#define CPUID_MAX_EXT	   0x80000000
#define CPUID_EXT_FEATURES 0x80000001
#define CPUID_EXT_ECX_SVM  BIT(2)
#define CPUID_EXT_EDX_1G   BIT(26)
#define CPUID_SVM	   0x8000000a
#define CPUID_ECX_GUEST	   BIT(31) /* of leaf 1: a hypervisor or emulator is below */
#define CPUID_BELOW	   0x40000000
#define CPUID_BELOW_TCG	   0x54474354 /* "TCGT", of TCGTCGTCGTCG */

bool svm_nrips, svm_decode_assists, svm_flush_asid, svm_vgif;
bool svm_inject_virtual;
uint32_t svm_asids, svm_clean;
uint8_t svm_plain;
const uint8_t *svm_enter = svm_enter_clear;
struct nested_caps svm_nested_caps;

static char features[160];

static bool has_svm(void)
{
	return cpuid(CPUID_MAX_EXT, 0).eax >= CPUID_SVM &&
	       cpuid(CPUID_EXT_FEATURES, 0).ecx & CPUID_EXT_ECX_SVM;
}

static void features_read(void)
{
	struct cpuid_regs r = cpuid(CPUID_SVM, 0);

	svm_asids = r.ebx;
	svm_nrips = (r.edx & SVM_FEATURE_NRIPS) && !option_off("nrips");
	svm_plain = svm_nrips ? INSN_PLAIN : 0;
	svm_decode_assists = (r.edx & SVM_FEATURE_DECODE_ASSIST) && !option_off("decode");
	svm_flush_asid = (r.edx & SVM_FEATURE_FLUSH_ASID) && !option_off("flushasid");
	svm_inject_virtual =
		cpuid(1, 0).ecx & CPUID_ECX_GUEST && cpuid(CPUID_BELOW, 0).ebx == CPUID_BELOW_TCG;
	svm_vgif = r.edx & SVM_FEATURE_VGIF;
	svm_clean = (r.edx & SVM_FEATURE_VMCB_CLEAN) && !option_off("clean") ? CLEAN_ALL : 0;
	if (option_off("mitigations"))
		svm_enter = svm_enter_plain;
	/* Nested tables have what the processor's own have (15.25.5). */
	svm_nested_caps.large_2m = true;
	svm_nested_caps.large_1g = cpuid(CPUID_EXT_FEATURES, 0).edx & CPUID_EXT_EDX_1G;
	snprintf_(
		features, sizeof(features),
		"SVM, %u ASIDs, nested paging%s; next-RIP %s, decode assists %s, flush by ASID %s, VMCB clean %s",
		svm_asids, svm_vgif ? ", VGIF" : "", svm_nrips ? "on" : "off",
		svm_decode_assists ? "on" : "off", svm_flush_asid ? "on" : "off",
		svm_clean ? "on" : "off");
}

const char *svm_probe(void)
{
	uint64_t vm_cr;

	if (!has_svm())
		return "this processor has no SVM; enable SVM (AMD-V) in the firmware's setup, or use a processor that has it.";
	if (!(cpuid(CPUID_SVM, 0).edx & SVM_FEATURE_NPT))
		return "this processor has SVM without nested paging; use one that has both.";
	if (cpuid(CPUID_SVM, 0).ebx < 2)
		return "this processor has no address space identifiers (ASIDs) for guests; use one that has.";
	/* Not every implementation has VM_CR; where it is missing nothing can have locked SVM. */
	if (!msr_read_safe(MSR_VM_CR, &vm_cr) && vm_cr & VM_CR_SVMDIS)
		return vm_cr & VM_CR_LOCK
			       ? "the firmware has switched SVM off and locked it; enable SVM (AMD-V) in the firmware's setup."
			       : "SVM is switched off (VM_CR.SVMDIS); enable SVM (AMD-V) in the firmware's setup.";
	features_read();
	return NULL;
}

const char *svm_features(void)
{
	return features;
}

const char *svm_cpu_on(void *host, hpa_t host_pa)
{
	uint64_t vm_cr;

	(void)host;
	if (!has_svm())
		return "this processor has no SVM, although the boot processor has.";
	if (!msr_read_safe(MSR_VM_CR, &vm_cr) && vm_cr & VM_CR_SVMDIS)
		return "SVM is switched off on this processor (VM_CR.SVMDIS).";
	msr_write(MSR_EFER, msr_read(MSR_EFER) | EFER_SVME);
	msr_write(MSR_VM_HSAVE_PA, host_pa.v + PAGE_SIZE);
	/* The first frame is the host's VMCB: what VMLOAD brings back after each exit. */
	__asm__ volatile("vmsave %0" : : "a"(host_pa.v) : "memory");
	return NULL;
}

void svm_cpu_off(void)
{
	uint64_t efer = msr_read(MSR_EFER);

	if (!(efer & EFER_SVME))
		return;
	__asm__ volatile("stgi" : : : "memory");
	msr_write(MSR_VM_HSAVE_PA, 0);
	msr_write(MSR_EFER, efer & ~EFER_SVME);
}
