; SPDX-License-Identifier: BSD-2-Clause
; The world switch of SVM: registers in, VMRUN, registers out.

section .text
; void svm_enter(uint64_t vmcb_pa, uint64_t *gpr, uint64_t host_vmcb_pa)
; RDI = guest VMCB's address, RSI = gpr[16] by encoding number, RDX = host VMCB's address (for VMSAVE/VMLOAD).
;
; Called with GIF = 0 and IF = 1: physical interrupts are then pending until VMRUN, and exit from the guest
; (V_INTR_MASKING, APM vol. 2, 15.21.1). VMEXIT leaves GIF = 0. RAX and RSP are switched by VMRUN itself;
; FS, GS, TR, LDTR and the SYSCALL and SYSENTER MSRs by VMLOAD and VMSAVE (15.5.2).
global svm_enter
svm_enter:
	push rbx
	push rbp
	push r12
	push r13
	push r14
	push r15
	push rdx
	push rsi
	push rdi
	mov rax, rdi
	vmload
	mov rcx, [rsi + 1 * 8]
	mov rdx, [rsi + 2 * 8]
	mov rbx, [rsi + 3 * 8]
	mov rbp, [rsi + 5 * 8]
	mov rdi, [rsi + 7 * 8]
	mov r8, [rsi + 8 * 8]
	mov r9, [rsi + 9 * 8]
	mov r10, [rsi + 10 * 8]
	mov r11, [rsi + 11 * 8]
	mov r12, [rsi + 12 * 8]
	mov r13, [rsi + 13 * 8]
	mov r14, [rsi + 14 * 8]
	mov r15, [rsi + 15 * 8]
	mov rsi, [rsi + 6 * 8]
	vmrun
	pop rax			; guest VMCB
	vmsave
	mov rax, [rsp + 8]
	vmload		; host's TR, FS, GS: GS base is this CPU's again
	pop rax			; gpr
	mov [rax + 1 * 8], rcx
	mov [rax + 2 * 8], rdx
	mov [rax + 3 * 8], rbx
	mov [rax + 5 * 8], rbp
	mov [rax + 6 * 8], rsi
	mov [rax + 7 * 8], rdi
	mov [rax + 8 * 8], r8
	mov [rax + 9 * 8], r9
	mov [rax + 10 * 8], r10
	mov [rax + 11 * 8], r11
	mov [rax + 12 * 8], r12
	mov [rax + 13 * 8], r13
	mov [rax + 14 * 8], r14
	mov [rax + 15 * 8], r15
	pop rdx
	; What the guest left in registers must not steer the hypervisor's speculation.
	xor ecx, ecx
	xor esi, esi
	xor edi, edi
	xor r8d, r8d
	xor r9d, r9d
	xor r10d, r10d
	xor r11d, r11d
	pop r15
	pop r14
	pop r13
	pop r12
	pop rbp
	pop rbx
	ret
