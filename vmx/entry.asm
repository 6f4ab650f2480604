; SPDX-License-Identifier: BSD-2-Clause
; The world switch of VMX: registers in, VMLAUNCH or VMRESUME, registers out.

VMCS_HOST_RSP	equ 0x6c14	; SDM vol. 3, appendix B
VMCS_INSN_ERROR	equ 0x4400
NOT_LAUNCHED	equ 5		; 31.4: VMRESUME with a VMCS that was not launched since its VMCLEAR
CPU_REQUESTS	equ 24		; offset of struct cpu's requests, checked in vcpu.c
VMX_FAILED	equ 1
VMX_REQUESTED	equ 2

section .text
; Called from inline assembly that names every register as changed; they need not be kept. Interrupts are off.
; RBX = gpr[16] by encoding number. Returns RAX = enum vmx_entered, RBX as it was.
;
; RSP, RIP and RFLAGS are switched by the processor (SDM vol. 3, 27.3.2.3, 28.5.3). An NMI that comes before the look
; at the requests is seen there; one that comes between it and the entry returns to .requested, by the table .redirect; one
; that comes later exits (NMI exiting).
global vmx_enter
vmx_enter:
	push rbx
	mov eax, VMCS_HOST_RSP
	vmwrite rax, rsp
	mov rax, [rbx + 0 * 8]
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
	cmp qword [gs:CPU_REQUESTS], 0
.resume_branch:
	jne .requested
.resume:
	vmresume
	; The first time after VMCLEAR: VMLAUNCH, after a new look at the requests.
	jnz .failed
	mov eax, VMCS_INSN_ERROR
	vmread rax, rax
	cmp eax, NOT_LAUNCHED
	jne .failed
	mov rax, [rsp]
	mov rax, [rax]
	cmp qword [gs:CPU_REQUESTS], 0
.launch_branch:
	jne .requested
.launch:
	vmlaunch
.failed:
	mov ecx, VMX_FAILED
	jmp .out
.requested:
	mov ecx, VMX_REQUESTED
.out:
	pop rbx
	mov eax, ecx
	jmp registers_clear

; Where exits arrive: RSP is what vmx_enter stored, the guest's registers are live, RFLAGS is 2, interrupts are off.
%macro EXITED 0
	push rbx
	mov rbx, [rsp + 8]	; gpr
	pop qword [rbx + 3 * 8]
	add rsp, 8
	mov [rbx + 0 * 8], rax
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
	xor eax, eax
%endmacro

global vmx_exit_plain		; mitigations=off
vmx_exit_plain:
	EXITED
	ret

global vmx_exit_clear
vmx_exit_clear:
	EXITED
; What the guest left in registers must not steer the hypervisor's speculation.
registers_clear:
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

section .redirect progbits alloc noexec nowrite align=8
	dq vmx_enter.resume_branch, vmx_enter.requested
	dq vmx_enter.resume, vmx_enter.requested
	dq vmx_enter.launch_branch, vmx_enter.requested
	dq vmx_enter.launch, vmx_enter.requested
