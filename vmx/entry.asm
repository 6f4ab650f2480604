; SPDX-License-Identifier: BSD-2-Clause
; The world switch of VMX: registers in, VMLAUNCH or VMRESUME, registers out.

VMCS_HOST_RSP	equ 0x6c14	; SDM vol. 3, appendix B
CPU_REQUESTS	equ 24		; offset of struct cpu's requests, checked in vcpu.c
VMX_FAILED	equ 1
VMX_REQUESTED	equ 2

section .text
; uint32_t vmx_enter(uint64_t *gpr, bool launched)
; RDI = gpr[16] by encoding number, SIL = VMRESUME rather than VMLAUNCH. Interrupts are off.
;
; RSP, RIP and RFLAGS are switched by the processor (SDM vol. 3, 27.3.2.3, 28.5.3). An NMI that comes before the look
; at the requests is seen there; one that comes between it and the entry returns to .requested, by the table .redirect; one
; that comes later exits (NMI exiting).
global vmx_enter
global vmx_exit_entry
vmx_enter:
	push rbx
	push rbp
	push r12
	push r13
	push r14
	push r15
	push rdi
	mov eax, VMCS_HOST_RSP
	vmwrite rax, rsp
	test sil, sil		; MOV leaves the flags alone
	mov rax, [rdi + 0 * 8]
	mov rcx, [rdi + 1 * 8]
	mov rdx, [rdi + 2 * 8]
	mov rbx, [rdi + 3 * 8]
	mov rbp, [rdi + 5 * 8]
	mov rsi, [rdi + 6 * 8]
	mov r8, [rdi + 8 * 8]
	mov r9, [rdi + 9 * 8]
	mov r10, [rdi + 10 * 8]
	mov r11, [rdi + 11 * 8]
	mov r12, [rdi + 12 * 8]
	mov r13, [rdi + 13 * 8]
	mov r14, [rdi + 14 * 8]
	mov r15, [rdi + 15 * 8]
	mov rdi, [rdi + 7 * 8]
	jz .first
	cmp qword [gs:CPU_REQUESTS], 0
.resume_branch:
	jne .requested
.resume:
	vmresume
	jmp .failed
.first:
	cmp qword [gs:CPU_REQUESTS], 0
.launch_branch:
	jne .requested
.launch:
	vmlaunch
.failed:
	mov eax, VMX_FAILED
	jmp .out
.requested:
	mov eax, VMX_REQUESTED
.out:
	add rsp, 8
	jmp registers_host

; Where exits arrive: RSP is what vmx_enter stored, the guest's registers are live, RFLAGS is 2, interrupts are off.
vmx_exit_entry:
	push rax
	mov rax, [rsp + 8]	; gpr
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
	pop qword [rax + 0 * 8]
	add rsp, 8
	xor eax, eax
; What the guest left in registers must not steer the hypervisor's speculation.
registers_host:
	xor ecx, ecx
	xor edx, edx
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

section .redirect progbits alloc noexec nowrite align=8
	dq vmx_enter.resume_branch, vmx_enter.requested
	dq vmx_enter.resume, vmx_enter.requested
	dq vmx_enter.launch_branch, vmx_enter.requested
	dq vmx_enter.launch, vmx_enter.requested
