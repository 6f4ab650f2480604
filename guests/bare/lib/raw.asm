; SPDX-License-Identifier: BSD-2-Clause
; A gate for interrupts with the vectors of exceptions that push an error code: these push none.

extern raw_dispatch

section .text
global raw_stub
raw_stub:
	push rax
	push rcx
	push rdx
	push rbx
	push rbp
	push rsi
	push rdi
	push r8
	push r9
	push r10
	push r11
	cld
	mov rbx, rsp
	and rsp, -16
	call raw_dispatch
	mov rsp, rbx
	pop r11
	pop r10
	pop r9
	pop r8
	pop rdi
	pop rsi
	pop rbp
	pop rbx
	pop rdx
	pop rcx
	pop rax
	iretq
