; SPDX-License-Identifier: BSD-2-Clause
; Enter an instruction under test with every register chosen, and come back after the exception that ends it.

%define SEL_DATA     0x10
%define SEL_USERDATA 0x33

section .text
; void insn_enter(const struct insn_regs *r)
; RDI = registers to load: gpr[16] by encoding number, rip, cs, rflags, rsp, ss (an IRETQ frame).
global insn_enter
insn_enter:
	push rbx
	push rbp
	push r12
	push r13
	push r14
	push r15
	mov [insn_stack], rsp
	mov eax, SEL_USERDATA
	mov ds, eax
	mov es, eax
	push qword [rdi + 20 * 8]
	push qword [rdi + 19 * 8]
	push qword [rdi + 18 * 8]
	push qword [rdi + 17 * 8]
	push qword [rdi + 16 * 8]
	mov rax, [rdi]
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
	iretq

; Where insn_trap sends the exception's IRETQ: back to insn_enter's caller.
global insn_leave
insn_leave:
	mov eax, SEL_DATA
	mov ds, eax
	mov es, eax
	mov rsp, [insn_stack]
	pop r15
	pop r14
	pop r13
	pop r12
	pop rbp
	pop rbx
	ret

section .bss
alignb 8
global insn_stack
insn_stack:
	resq 1
