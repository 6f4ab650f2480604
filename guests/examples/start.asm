; SPDX-License-Identifier: BSD-2-Clause
; Where a guest begins: the multiboot header, and every vCPU's way into 64-bit C, the first 4 GiB mapped to themselves.

%define MAGIC      0x1badb002		; multiboot 0.6.96, 3.1.1
%define FLAGS      0x3			; modules on page boundaries; tell the memory
%define VCPUS      64			; as in guest.h
%define STACK      8192			; each
%define LOW_PAGE   0x8000		; where start.asm puts the other vCPUs' first instructions; as in guest.c
%define CODE64     0x08
%define DATA       0x10
%define CODE32     0x18

extern guest_start, guest_vcpu

section .multiboot
	dd MAGIC, FLAGS, 0x100000000 - (MAGIC + FLAGS)

section .text
bits 32
global start
; The boot vCPU: 32-bit protected mode, flat segments, no paging, interrupts off; EBX: multiboot information.
start:	cld
	mov esp, stacks + STACK
	mov dword [tables], tables + 0x1000 + 7		; present, writable, user
	mov edi, tables + 0x1000
	mov eax, tables + 0x2000 + 7
	mov ecx, 4
.next:	mov [edi], eax			; four page directories
	add edi, 8
	add eax, 0x1000
	loop .next
	mov edi, tables + 0x2000
	mov eax, 0x87			; pages of 2 MiB
	mov ecx, 4 * 512
.page:	mov [edi], eax
	add edi, 8
	add eax, 0x200000
	loop .page
	call long_mode
	jmp CODE64:.in64
bits 64
.in64:	mov edi, ebx
	call guest_start		; does not return

bits 32
; CR4.PAE, CR3, EFER.LME, CR0.PG: the next far jump to CODE64 is in 64-bit mode. Changes EAX, ECX, EDX.
long_mode:
	mov eax, cr4
	or eax, 0x20
	mov cr4, eax
	mov eax, tables
	mov cr3, eax
	mov ecx, 0xc0000080
	rdmsr
	or eax, 0x100
	wrmsr
	mov eax, cr0
	or eax, 0x80000001
	mov cr0, eax
	lgdt [gdt_pointer]
	mov eax, DATA
	mov ds, eax
	mov es, eax
	mov ss, eax
	ret

; The other vCPUs: guest.c copies this to LOW_PAGE; a start-up IPI enters it in real mode, CS = LOW_PAGE / 16.
bits 16
global low_code, low_code_end
low_code:
	cli
	o32 lgdt [cs:low_pointer - low_code]
	mov eax, cr0
	or al, 1
	mov cr0, eax
	jmp dword CODE32:.in32
bits 32
.in32:	mov eax, DATA
	mov ds, eax
	mov ss, eax
	mov ebx, 1
	lock xadd [vcpus], ebx		; EBX: its number
	cmp ebx, VCPUS
	jae .none
	lea esp, [ebx + 1]
	imul esp, STACK
	add esp, stacks
	call long_mode
	jmp CODE64:.in64
.none:	hlt
	jmp .none
bits 64
.in64:	mov edi, ebx
	call guest_vcpu			; does not return
low_pointer:
	dw gdt_end - gdt - 1
	dd gdt
low_code_end:

section .data
align 8
gdt:	dq 0
	dq 0x00af9b000000ffff		; CODE64
	dq 0x00cf93000000ffff		; DATA
	dq 0x00cf9b000000ffff		; CODE32
gdt_end:
gdt_pointer:
	dw gdt_end - gdt - 1
	dq gdt
global vcpus
vcpus:	dd 1				; numbers given out so far

section .bss
alignb 4096
tables:	resb 6 * 4096
stacks:	resb VCPUS * STACK
