/* SPDX-License-Identifier: BSD-2-Clause */
/* Guest memory, through the CPU's eight windows: physical pages, linear addresses, instruction bytes. */

#ifndef VM_GMEM_H
#define VM_GMEM_H

#include "vm/decode.h"
#include "vm/emulate.h"
#include "vm/gwalk.h"
#include "vm/vm.h"

/*
 * Pointer to guest-physical @gpa of the VM current on this CPU, valid up to the end of its page and until eight
 * further pages have been mapped; NULL where the VM has no memory there, or may not @write it. Exit path.
 */
void *guest_map(struct vm *vm, uint64_t gpa, bool write);

/* Forget all windows of this CPU: on a VM switch, and when a nested mapping was taken away. */
void guest_unmap_all(void);

/* Copy from or to guest-physical memory, any length. 0 or -EFAULT (then partly done). */
int guest_write(struct vm *vm, uint64_t gpa, const void *buf, uint64_t len);

enum cpu_mode vcpu_mode(struct vcpu *v);

/*
 * Translate @gva for an access of @v. 0; -EFAULT: the guest's #PF has been described in *@error (CR2 is not set);
 * -EIO: its page tables lie outside its memory.
 */
int gva_translate(struct vcpu *v, uint64_t gva, uint32_t access, uint64_t *gpa, uint32_t *error);

/* Up to INSN_MAX bytes at CS:RIP. *@mode is filled in. Number of bytes; 0: the first is not readable and a #PF has been injected. */
uint32_t insn_fetch(struct vcpu *v, uint8_t *bytes, enum cpu_mode *mode);

/* insn_decode of what stands at @v's RIP, remembered by its bytes. *@insn is valid until the next call for @v. */
int insn_decode_again(struct vcpu *v, const struct insn **insn, const uint8_t *bytes, uint32_t n,
		      enum cpu_mode mode);

#endif
