; SPDX-License-Identifier: BSD-2-Clause
; Test only: between vmx/vcpu.c and vmx_enter (vmx/entry.asm), which are no C functions to each other.

extern hook_enter

section .text
; RBX = vCPU, returns RAX = enum vmx_entered, RBX as it was; all other registers may change.
global __wrap_vmx_enter
__wrap_vmx_enter:
	push rbx
	mov rbp, rsp
	mov rdi, rbx
	and rsp, -16
	push rbp
	sub rsp, 8
	call hook_enter
	add rsp, 8
	pop rsp
	pop rbx
	ret
