/* SPDX-License-Identifier: BSD-2-Clause */
/* The operations list of the SVM backend. */

#include "svm/svm.h"
#include "ept/nested.h"

const struct virt_ops svm_ops = {
	.name = "SVM",
	.nested = NESTED_NPT,
	.probe = svm_probe,
	.cpu_on = svm_cpu_on,
	.cpu_off = svm_cpu_off,
	.nested_caps = &svm_nested_caps,
	.features = svm_features,
	.cpu_frames = 2,
	.vm_frames = IOPM_FRAMES + MSRPM_FRAMES,
	.vcpu_frames = 0,
	.vm_init = svm_vm_init,
	.vcpu_init = svm_vcpu_init,
	.vcpu_load = svm_vcpu_load,
	.vcpu_put = svm_vcpu_put,
	.run = svm_run,
	.irq_ready = svm_irq_ready,
	.nmi_ready = svm_nmi_ready,
	.irq_window = svm_irq_window,
	.nmi_window = svm_nmi_window,
	.shadow_clear = svm_shadow_clear,
	.get_state = svm_get_state,
	.set_state = svm_set_state,
	.get_seg = svm_get_seg,
	.get_cr = svm_get_cr,
	.set_cr = svm_set_cr,
	.get_msr = svm_get_msr,
	.set_msr = svm_set_msr,
	.cpl = svm_cpl,
	.get_mode = svm_get_mode,
	.io_intercept = svm_io_intercept,
	.msr_intercept = svm_msr_intercept,
	.tsc_changed = svm_tsc_changed,
	.check_state = svm_check_state,
	.dump = svm_dump,
};
