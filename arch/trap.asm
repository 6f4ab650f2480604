; SPDX-License-Identifier: BSD-2-Clause
; Interrupt and exception entry: 256 stubs that save the registers as struct trap_frame and call trap_handle.

CPU_REQUESTS equ 24		; offset of struct cpu's requests, checked in trap.c

extern trap_handle

section .text
; On entry: the processor's frame, and an error code for those vectors that have one. SDM vol. 3, 6.14.
trap_common:
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
	push r12
	push r13
	push r14
	push r15
	cld
	mov rdi, rsp
	call trap_handle
	pop r15
	pop r14
	pop r13
	pop r12
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
	add rsp, 16		; vector, error code
	iretq

; Vectors 8, 10-14, 17, 21, 29, 30 push an error code themselves.
%macro STUB 1
%if %1 == 8 || (%1 >= 10 && %1 <= 14) || %1 == 17 || %1 == 21 || %1 == 29 || %1 == 30
%else
	push qword 0
%endif
	push qword %1
	jmp near trap_common
	align 16
%endmacro

align 16
global trap_stubs
trap_stubs:
%assign i 0
%rep 128
	STUB i
%assign i i+1
%endrep
; From 128 on a push needs four bytes of immediate, which still fits the 16 bytes of a stub.
%rep 128
	STUB i
%assign i i+1
%endrep

; void stack_switch(void (*fn)(void), void *top): go on in fn on another stack; never returns.
; RDI = fn, RSI = top, 16-byte aligned
global stack_switch
stack_switch:
	mov rsp, rsi
	xor ebp, ebp
	call rdi
	ud2

; void cpu_sleep(void): see arch/trap.h.
; A request that was there is seen by the look. One that an NMI or #MC leaves between the look and the end of HLT: the
; handler returns to .awake, by the table below, or it ended HLT itself. Interrupts stay pending up to HLT (STI's shadow).
global cpu_sleep
cpu_sleep:
	cmp qword [gs:CPU_REQUESTS], 0
.looked:
	jne .awake
.open:
	sti
.halt:
	hlt
.awake:
	cli
	ret

section .redirect progbits alloc noexec nowrite align=8
	dq cpu_sleep.looked, cpu_sleep.awake
	dq cpu_sleep.open, cpu_sleep.awake
	dq cpu_sleep.halt, cpu_sleep.awake

section .text
; int msr_read_safe(uint32_t msr, uint64_t *value): EDI = msr, RSI = value
global msr_read_safe
msr_read_safe:
	mov ecx, edi
.insn:
	rdmsr
	shl rdx, 32
	or rax, rdx
	mov [rsi], rax
	xor eax, eax
	ret
.fault:
	mov eax, -5		; -EIO
	ret

section .fixup progbits alloc noexec nowrite align=8
	dq msr_read_safe.insn, msr_read_safe.fault

section .text
; int msr_write_safe(uint32_t msr, uint64_t value): EDI = msr, RSI = value
global msr_write_safe
msr_write_safe:
	mov ecx, edi
	mov eax, esi
	mov rdx, rsi
	shr rdx, 32
.insn:
	wrmsr
	xor eax, eax
	ret
.fault:
	mov eax, -5		; -EIO
	ret

section .fixup progbits alloc noexec nowrite align=8
	dq msr_write_safe.insn, msr_write_safe.fault
