/* SPDX-License-Identifier: BSD-2-Clause */
/* Hypercalls: VMCALL or VMMCALL, number in RAX, arguments in RBX, RCX, RDX, RSI, result in RAX (KVM's convention). */

#ifndef VM_HYPERCALL_H
#define VM_HYPERCALL_H

#include "vm/vm.h"

void exit_hypercall(struct vcpu *v);

#endif
