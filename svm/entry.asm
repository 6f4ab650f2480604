; SPDX-License-Identifier: BSD-2-Clause
; The world switch of SVM: registers in, VMRUN, registers out.

section .text
; Called from inline assembly that names every register as changed; they need not be kept.
; RBX = gpr[16] by encoding number, RAX = guest VMCB's address, RDX = host VMCB's (for VMLOAD). Returns RBX as it was.
;
; Called with GIF = 0 and IF = 1: physical interrupts are then pending until VMRUN, and exit from the guest
; (V_INTR_MASKING, APM vol. 2, 15.21.1). VMEXIT leaves GIF = 0. RAX and RSP are switched by VMRUN itself, so that the
; host's RAX comes back too (15.6); FS, GS, TR, LDTR and the SYSCALL and SYSENTER MSRs by VMLOAD and VMSAVE (15.5.2).
;
; What the guest left in registers must not steer the hypervisor's speculation: svm_enter_clear clears them,
; svm_enter_plain, of mitigations=off, does not.
%macro ENTER 0
	push rbx
	push rdx
	vmload
	mov rcx, [rbx + 1 * 8]
	mov rdx, [rbx + 2 * 8]
	mov rbp, [rbx + 5 * 8]
	mov rsi, [rbx + 6 * 8]
	mov rdi, [rbx + 7 * 8]
	mov r8, [rbx + 8 * 8]
	mov r9, [rbx + 9 * 8]
	mov r10, [rbx + 10 * 8]
	mov r11, [rbx + 11 * 8]
	mov r12, [rbx + 12 * 8]
	mov r13, [rbx + 13 * 8]
	mov r14, [rbx + 14 * 8]
	mov r15, [rbx + 15 * 8]
	mov rbx, [rbx + 3 * 8]
	vmrun
	vmsave
	pop rax
	vmload			; host's TR, FS, GS: GS base is this CPU's again
	pop rax
	mov [rax + 3 * 8], rbx
	mov rbx, rax
	mov [rbx + 1 * 8], rcx
	mov [rbx + 2 * 8], rdx
	mov [rbx + 5 * 8], rbp
	mov [rbx + 6 * 8], rsi
	mov [rbx + 7 * 8], rdi
	mov [rbx + 8 * 8], r8
	mov [rbx + 9 * 8], r9
	mov [rbx + 10 * 8], r10
	mov [rbx + 11 * 8], r11
	mov [rbx + 12 * 8], r12
	mov [rbx + 13 * 8], r13
	mov [rbx + 14 * 8], r14
	mov [rbx + 15 * 8], r15
%endmacro

global svm_enter_plain
svm_enter_plain:
	ENTER
	ret

global svm_enter_clear
svm_enter_clear:
	ENTER
	xor ecx, ecx
	xor edx, edx
	xor ebp, ebp
	xor esi, esi
	xor edi, edi
	xor r8d, r8d
	xor r9d, r9d
	xor r10d, r10d
	xor r11d, r11d
	xor r12d, r12d
	xor r13d, r13d
	xor r14d, r14d
	xor r15d, r15d
	ret
