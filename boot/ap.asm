; SPDX-License-Identifier: BSD-2-Clause
; The trampoline that starts an application processor: real mode to 64-bit mode, then ap_main on its own stack.
;
; boot/smp.c copies [ap_start, ap_end) to a page below 1 MiB and fills in the words at ap_params. The start-up IPI
; enters at offset 0 with CS = page >> 4 and IP = 0 (SDM vol. 3, 8.4.4).

CR0_PE		equ 1 << 0
CR0_WP		equ 1 << 16
CR0_PG		equ 1 << 31
CR4_PAE		equ 1 << 5
MSR_EFER	equ 0xc0000080
EFER_LME	equ 1 << 8
EFER_NXE	equ 1 << 11

%define OFF(sym) ((sym) - ap_start)

section .init.rodata
bits 16
align 16
global ap_start, ap_params, ap_end
ap_start:
	cli
	cld
	mov ax, cs
	mov ds, ax
	movzx ebp, ax
	shl ebp, 4		; EBP = physical address of the page
	; the descriptors' addresses depend on where the page is
	lea eax, [ebp + OFF(.gdt)]
	mov [OFF(.gdtr) + 2], eax
	lea eax, [ebp + OFF(.long)]
	mov [OFF(.far)], eax
	o32 lgdt [OFF(.gdtr)]
	mov eax, CR4_PAE
	mov cr4, eax
	mov eax, [OFF(ap_params)]
	mov cr3, eax
	mov ecx, MSR_EFER
	xor edx, edx
	mov eax, EFER_LME | EFER_NXE
	wrmsr
	mov eax, cr0
	and eax, 0x9fffffff	; caches on: INIT leaves CD and NW set
	or eax, CR0_PG | CR0_WP | CR0_PE
	mov cr0, eax
	jmp far dword [OFF(.far)]

bits 64
.long:
	xor eax, eax
	mov ds, eax
	mov es, eax
	mov ss, eax
	mov fs, eax
	mov gs, eax
	mov rsp, [rbp + OFF(ap_params) + 8]
	mov rdi, [rbp + OFF(ap_params) + 16]
	mov rax, [rbp + OFF(ap_params) + 24]
	xor ebp, ebp
	call rax
	ud2

align 8
.gdt:	dq 0
	dq 0x00af9b000000ffff	; accessed: the page is mapped read-only, so the processor must not have to set it
.gdtr:	dw 15
	dd 0
.far:	dd 0
	dw 8
align 8
ap_params:
	dq 0			; CR3 of the tables that also map this page
	dq 0			; stack top
	dq 0			; struct cpu *
	dq 0			; void ap_main(struct cpu *)
ap_end:
