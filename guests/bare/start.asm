; SPDX-License-Identifier: BSD-2-Clause
; Entry of a bare guest: from the 32-bit state of PVH, multiboot or multiboot2 to C in long mode, the first 4 GiB
; mapped to themselves.

%define STACK_SIZE   8192
%define VCPUS        64
%define CR0_PE       0x1
%define CR0_PG       0x80000000
%define CR4_PAE      0x20
%define MSR_EFER     0xc0000080
%define EFER_LME     0x100
%define PTE_TABLE    0x7	; present, writable, user
%define PTE_LARGE    0x87	; the same, 2 MiB
%define SEL_CODE64   0x08
%define PVH_MAGIC    0x336ec578
%define MB1_MAGIC    0x1badb002
%define MB1_FLAGS    0x3		; modules on page boundaries, tell the memory
%define MB2_MAGIC    0xe85250d6
%define SEL_DATA     0x10

extern guest_start, ap_start, trap_dispatch

section .note.Xen note alloc noexec nowrite align=4
	dd 4, 4, 18		; name size, descriptor size, XEN_ELFNOTE_PHYS32_ENTRY
	db "Xen", 0
	dd pvh_entry

section .multiboot alloc noexec nowrite align=8
multiboot2_header:
	dd MB2_MAGIC, 0, multiboot2_end - multiboot2_header
	dd 0x100000000 - (MB2_MAGIC + multiboot2_end - multiboot2_header)
	dw 0, 0			; the end tag
	dd 8
multiboot2_end:
	dd MB1_MAGIC, MB1_FLAGS, 0x100000000 - (MB1_MAGIC + MB1_FLAGS)
	times 5 dd 0		; room for the addresses of an image that is no ELF file

section .text
bits 32
global pvh_entry, multiboot_entry
; EBX: address of the boot information, EAX (both multiboots): what it is. Flat segments, paging off, interrupts off.
pvh_entry:
	mov eax, PVH_MAGIC
multiboot_entry:
	cld
	mov ebp, eax
	mov esp, stacks + STACK_SIZE
	; PML4 -> PDPT -> 4 page directories of 2 MiB pages
	mov dword [page_tables], page_tables + 0x1000 + PTE_TABLE
	mov edi, page_tables + 0x1000
	mov eax, page_tables + 0x2000 + PTE_TABLE
	mov ecx, 4
.pdpt:	mov [edi], eax
	add edi, 8
	add eax, 0x1000
	dec ecx
	jnz .pdpt
	mov edi, page_tables + 0x2000
	mov eax, PTE_LARGE
	mov ecx, 4 * 512
.pd:	mov [edi], eax
	add edi, 8
	add eax, 0x200000
	dec ecx
	jnz .pd
	call long_mode
	jmp SEL_CODE64:.in64
bits 64
.in64:	call segments
	mov edi, ebp
	mov esi, ebx
	xor ebp, ebp
	call guest_start
.stop:	hlt
	jmp .stop

bits 32
; Turn on PAE, EFER.LME and paging with page_tables. Changes EAX, ECX, EDX. Also called by the trampoline below.
long_mode:
	mov eax, cr4
	or eax, CR4_PAE
	mov cr4, eax
	mov eax, page_tables
	mov cr3, eax
	mov ecx, MSR_EFER
	rdmsr
	or eax, EFER_LME
	wrmsr
	mov eax, cr0
	or eax, CR0_PG
	mov cr0, eax
	lgdt [gdt_pointer]
	ret

bits 64
segments:
	mov eax, SEL_DATA
	mov ds, eax
	mov es, eax
	mov ss, eax
	xor eax, eax
	mov fs, eax
	mov gs, eax
	ret

; ---------------------------------------------------------------------------------------------
; Start-up of another vCPU: copied to a page below 1 MiB, entered in real mode with CS = page / 16, IP = 0.
; ap_count hands out stack numbers; the boot vCPU has number 0.
section .text
bits 16
global ap_trampoline, ap_trampoline_end
ap_trampoline:
	cli
	mov ax, cs
	mov ds, ax
	o32 lgdt [cs:ap_gdt_pointer - ap_trampoline]
	mov eax, cr0
	or eax, CR0_PE
	mov cr0, eax
	jmp dword 0x20:ap_entry32
ap_gdt_pointer:
	dw gdt_end - gdt - 1
	dd gdt
ap_trampoline_end:

bits 32
ap_entry32:
	mov eax, SEL_DATA
	mov ds, eax
	mov es, eax
	mov ss, eax
	mov ebx, 1
	lock xadd [ap_count], ebx	; EBX: this one's number
	cmp ebx, VCPUS
	jae .none
	mov esp, ebx
	inc esp
	shl esp, 13			; times STACK_SIZE
	add esp, stacks
	call long_mode
	jmp SEL_CODE64:.in64
.none:	hlt
	jmp .none
bits 64
.in64:	call segments
	mov edi, ebx
	xor ebp, ebp
	call ap_start
.stop:	hlt
	jmp .stop

; ---------------------------------------------------------------------------------------------
; Vectors: every stub leaves the same frame, struct trap_frame of lib/trap.h.
%assign v 0
%rep 256
align 16
trap_stub_%+v:
%if !(v == 8 || (v >= 10 && v <= 14) || v == 17 || v == 21 || v == 29 || v == 30)
	push 0
%endif
	push v
	jmp near trap_common
%assign v v + 1
%endrep

global trap_stub_0
trap_common:
	push r15
	push r14
	push r13
	push r12
	push r11
	push r10
	push r9
	push r8
	push rdi
	push rsi
	push rbp
	push rsp			; a placeholder, so that registers lie by their encoding number
	push rbx
	push rdx
	push rcx
	push rax
	cld
	mov rdi, rsp
	mov rbx, rsp
	and rsp, -16
	call trap_dispatch
	mov rsp, rbx
	pop rax
	pop rcx
	pop rdx
	pop rbx
	add rsp, 8
	pop rbp
	pop rsi
	pop rdi
	pop r8
	pop r9
	pop r10
	pop r11
	pop r12
	pop r13
	pop r14
	pop r15
	add rsp, 16			; vector, error code
	iretq

; ---------------------------------------------------------------------------------------------
section .data
align 16
global gdt, gdt_tss
gdt:	dq 0
	dq 0x00af9b000000ffff		; 0x08: 64-bit code
	dq 0x00cf93000000ffff		; 0x10: data
	dq 0x00cf9b000000ffff		; 0x18: 32-bit code (compatibility mode)
	dq 0x00cf9b000000ffff		; 0x20: the trampoline's
	dq 0x00affb000000ffff		; 0x28: 64-bit code, ring 3
	dq 0x00cff3000000ffff		; 0x30: data, ring 3
	dq 0x00cffb000000ffff		; 0x38: 32-bit code, ring 3
	dq 0x008f9b000000ffff		; 0x40: 16-bit code
gdt_tss:dq 0, 0				; 0x48: TSS, filled in by trap_init
gdt_end:
gdt_pointer:
	dw gdt_end - gdt - 1
	dq gdt
global ap_count
ap_count:
	dd 1

section .bss
alignb 4096
global page_tables, stacks
page_tables:
	resb 6 * 4096
alignb STACK_SIZE
stacks:	resb VCPUS * STACK_SIZE
