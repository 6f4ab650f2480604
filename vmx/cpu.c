/* SPDX-License-Identifier: BSD-2-Clause */
/* VMX on a physical CPU: is it there, enable, disable. SDM vol. 3, 24.6 to 24.8. */

#include "arch/cpu.h"
#include "arch/msr.h"
#include "arch/options.h"
#include "arch/percpu.h"
#include "ept/nested.h"
#include "lib/printf.h"
#include "vmx/vmx.h"

#define CPUID_EXT_MAX	      0x80000000
#define CPUID_EXT	      0x80000001
#define CPUID_EXT_EDX_SYSCALL BIT(11)
#define CPUID_EXT_EDX_NX      BIT(20)
#define CPUID_EXT_EDX_LM      BIT(29)
#define CPUID_ADDRESS	      0x80000008
#define CPUID_ADDRESS_PHYS    0xff

struct vmx_controls vmx_ctl;
struct nested_caps vmx_nested_caps;
const uint8_t *vmx_exit_entry = vmx_exit_clear;

static char features[160];
static bool on[MAX_CPUS], quirks_known;

static bool has_vmx(void)
{
	return cpuid(0, 0).eax >= 1 && cpuid(1, 0).ecx & CPUID_1_ECX_VMX;
}

static const char *locked(void)
{
	uint64_t value;

	/* Some virtual processors have no such MSR; nothing can have locked VMX there. */
	if (msr_read_safe(MSR_FEATURE_CONTROL, &value))
		return NULL;
	if (value & FEATURE_CONTROL_LOCK && !(value & FEATURE_CONTROL_VMX_OUTSIDE))
		return "the firmware has switched VT-x off and locked it; enable VT-x (Intel Virtualization Technology) in the firmware's setup.";
	return NULL;
}

static void limits_set(void)
{
	uint32_t edx = cpuid(CPUID_EXT, 0).edx;

	vmx_ctl.efer_bits = (edx & CPUID_EXT_EDX_SYSCALL || edx & CPUID_EXT_EDX_LM ? EFER_SCE : 0) |
			    (edx & CPUID_EXT_EDX_LM ? EFER_LME | EFER_LMA : 0) |
			    (edx & CPUID_EXT_EDX_NX ? EFER_NXE : 0);
	vmx_limits.efer_bits = vmx_ctl.efer_bits;
	vmx_limits.cr0_fixed1 = vmx_ctl.cr0_fixed1;
	vmx_limits.cr4_fixed1 = vmx_ctl.cr4_fixed1;
	vmx_limits.physical_bits = cpuid(CPUID_ADDRESS, 0).eax & CPUID_ADDRESS_PHYS;
	vmx_nested_caps = (struct nested_caps){
		.large_2m = vmx_ctl.ept_cap & EPT_CAP_2M,
		.large_1g = vmx_ctl.ept_cap & EPT_CAP_1G,
		.ad = vmx_ctl.ept_cap & EPT_CAP_AD,
	};
}

const char *vmx_probe(void)
{
	const char *refusal;

	if (!has_vmx())
		return "this processor has no VT-x (VMX); enable it in the firmware's setup, or use a processor that has it.";
	refusal = locked();
	if (!refusal)
		refusal = vmx_controls_derive(&vmx_ctl);
	if (refusal)
		return refusal;
	if (option_off("mitigations"))
		vmx_exit_entry = vmx_exit_plain;
	if (option_off("vpid"))
		vmx_ctl.proc2 &= ~(uint32_t)PROC2_VPID;
	if (option_off("apicv"))
		vmx_ctl.apicv = false;
	limits_set();
	snprintf_(
		features, sizeof(features),
		"VMX, EPT%s, unrestricted guest, virtual NMIs; VPID %s, RDTSCP %s, INVPCID %s, XSAVES %s, APIC virtualization %s",
		vmx_ctl.ept_cap & EPT_CAP_AD ? " with A/D" : "",
		vmx_ctl.proc2 & PROC2_VPID ? "on" : "off",
		vmx_ctl.proc2 & PROC2_RDTSCP ? "on" : "off",
		vmx_ctl.proc2 & PROC2_INVPCID ? "on" : "off",
		vmx_ctl.proc2 & PROC2_XSAVES ? "on" : "off", vmx_ctl.apicv ? "on" : "off");
	return NULL;
}

const char *vmx_features(void)
{
	return features;
}

/* Does this CPU offer everything that the boot CPU's VMCSs are made with? */
static const char *same_as_boot(void)
{
	struct vmx_controls c = {0};
	const char *refusal = vmx_controls_derive(&c);

	if (refusal)
		return refusal;
	if (c.revision != vmx_ctl.revision || (vmx_ctl.proc2 & ~c.proc2) ||
	    (vmx_ctl.pin & ~c.pin) || (vmx_ctl.apicv && !c.apicv) || (vmx_ctl.ept_cap & ~c.ept_cap))
		return "VT-x on this processor differs from the boot processor's.";
	return NULL;
}

/* VMXON raises #GP unless the firmware, or we, have set both bits (24.7). */
static void feature_control_set(void)
{
	uint64_t value;

	if (!msr_read_safe(MSR_FEATURE_CONTROL, &value) && !(value & FEATURE_CONTROL_LOCK))
		msr_write_safe(MSR_FEATURE_CONTROL,
			       value | FEATURE_CONTROL_VMX_OUTSIDE | FEATURE_CONTROL_LOCK);
}

const char *vmx_cpu_on(void *host, hpa_t host_pa)
{
	const char *refusal;
	uint8_t failed;

	if (!has_vmx())
		return "this processor has no VT-x, although the boot processor has.";
	refusal = locked();
	if (!refusal)
		refusal = same_as_boot();
	if (refusal)
		return refusal;
	feature_control_set();
	cr0_write((cr0_read() | msr_read(MSR_VMX_CR0_FIXED0)) & vmx_ctl.cr0_fixed1);
	cr4_write((cr4_read() | CR4_VMXE | vmx_ctl.cr4_fixed0) & vmx_ctl.cr4_fixed1);
	*(uint32_t *)host = vmx_ctl.revision;
	__asm__ volatile("vmxon %1; setna %0" : "=qm"(failed) : "m"(host_pa.v) : "cc", "memory");
	if (failed)
		return "VMXON failed on this processor; another hypervisor may be running.";
	on[this_cpu()->index] = true;
	if (!quirks_known)
		vmx_quirks_find();
	quirks_known = true;
	return NULL;
}

void vmx_cpu_off(void)
{
	struct cpu *cpu = this_cpu();

	if (!on[cpu->index])
		return;
	if (cpu->loaded)
		vmx_vcpu_put(cpu->loaded);
	__asm__ volatile("vmxoff" : : : "cc", "memory");
	cr4_write(cr4_read() & ~CR4_VMXE);
	on[cpu->index] = false;
}
