/* SPDX-License-Identifier: BSD-2-Clause */
/* The operations list of the VMX backend. */

#include "vmx/vmx.h"
#include "ept/nested.h"

const struct virt_ops vmx_ops = {
	.name = "VMX",
	.nested = NESTED_EPT,
	.probe = vmx_probe,
	.cpu_on = vmx_cpu_on,
	.cpu_off = vmx_cpu_off,
	.nested_caps = &vmx_nested_caps,
	.features = vmx_features,
	.cpu_frames = 1,
	.vm_frames = IO_BITMAP_FRAMES + MSR_BITMAP_FRAMES,
	.vcpu_frames = 2,
	.vm_init = vmx_vm_init,
	.vcpu_init = vmx_vcpu_init,
	.vcpu_load = vmx_vcpu_load,
	.vcpu_put = vmx_vcpu_put,
	.run = vmx_run,
	.irq_ready = vmx_irq_ready,
	.nmi_ready = vmx_nmi_ready,
	.irq_window = vmx_irq_window,
	.nmi_window = vmx_nmi_window,
	.shadow_clear = vmx_shadow_clear,
	.get_state = vmx_get_state,
	.set_state = vmx_set_state,
	.get_seg = vmx_get_seg,
	.get_cr = vmx_get_cr,
	.set_cr = vmx_set_cr,
	.get_msr = vmx_get_msr,
	.set_msr = vmx_set_msr,
	.cpl = vmx_cpl,
	.get_mode = vmx_get_mode,
	.io_intercept = vmx_io_intercept,
	.msr_intercept = vmx_msr_intercept,
	.apic_virtual = vmx_apic_virtual,
	.apic_request = vmx_apic_request,
	.tsc_changed = vmx_tsc_changed,
	.check_state = vmx_check_state,
	.dump = vmx_dump,
};
