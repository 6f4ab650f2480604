; SPDX-License-Identifier: BSD-2-Clause
; Where GRUB enters: the multiboot2 header, and the way from 32-bit protected mode to boot_main in 64-bit mode.
;
; GRUB may load the image anywhere (relocatable tag), so 32-bit code adds the load base in EBP to every address.
; Until boot_main has built the final tables these map, all of it 2 MiB pages, writable:
;	0 .. 4 GiB			identity	(the multiboot information, the modules)
;	0xffff900000000000 + 0 .. 4 GiB	the same again	(where arch/pool.c will find its frames)
;	0xffffffff80000000 .. + 8 MiB	the image

IMAGE_VA	equ 0xffffffff80000000

MB2_MAGIC	equ 0xe85250d6
MB2_BOOT_MAGIC	equ 0x36d76289
MB2_ARCH_I386	equ 0

PTE_P		equ 1
PTE_W		equ 2
PTE_PS		equ 0x80

CR0_PE		equ 1 << 0
CR0_WP		equ 1 << 16
CR0_PG		equ 1 << 31
CR4_PAE		equ 1 << 5
MSR_EFER	equ 0xc0000080
EFER_LME	equ 1 << 8
EFER_NXE	equ 1 << 11

COM1		equ 0x3f8
COM1_LSR	equ COM1 + 5
LSR_THRE	equ 0x20
PUT_SPINS	equ 100000

; EGA text memory: characters below, attributes above
TEXT_CELLS	equ 0xb8000
TEXT_COUNT	equ 80 * 25
TEXT_BLANK	equ 0x0720
TEXT_ALARM	equ 0x4f	; white on red

%define PHYS(sym) ((sym) - IMAGE_VA)

extern boot_main

section .multiboot progbits alloc exec nowrite align=8
align 8
header:
	dd MB2_MAGIC, MB2_ARCH_I386, header_end - header, -(MB2_MAGIC + MB2_ARCH_I386 + (header_end - header))
	; relocatable: anywhere from 2 MiB up to 4 GiB in steps of 2 MiB, as high as possible
	align 8
	dw 10, 0
	dd 24, 0x200000, 0xffffffff, 0x200000, 2
	; console flags: EGA text is fine, and none is required. No framebuffer tag: BIOS then stays in text mode
	align 8
	dw 4, 1
	dd 12, 2
	; modules on page boundaries
	align 8
	dw 6, 0
	dd 8
	align 8
	dw 0, 0
	dd 8
header_end:

section .init.text progbits alloc exec nowrite align=16
bits 32
global boot_entry
; EAX = magic, EBX = physical address of the information block. ESP is not defined: the block's reserved
; second word serves as a stack of one word, to learn where we are.
boot_entry:
	cli
	cld
	mov edi, eax
	lea esp, [ebx + 8]
	call .here
.here:
	pop ebp
	sub ebp, PHYS(.here)
	lea esp, [ebp + PHYS(boot_stack_top)]
	lea esi, [ebp + PHYS(text_not_multiboot2)]
	cmp edi, MB2_BOOT_MAGIC
	jne refuse

	mov edi, ebx
	lea esi, [ebp + PHYS(text_no_long_mode)]
	mov eax, 0x80000000
	cpuid
	cmp eax, 0x80000001
	jb refuse
	mov eax, 0x80000001
	cpuid
	bt edx, 29		; long mode
	jnc refuse
	lea esi, [ebp + PHYS(text_no_nx)]
	bt edx, 20		; NX
	jnc refuse

	; The identity map: four page directories in a row.
	lea eax, [ebp + PHYS(boot_pd)]
	or eax, PTE_P | PTE_W
	lea ecx, [ebp + PHYS(boot_pdpt)]
	xor edx, edx
.pdpt:
	mov [ecx + edx * 8], eax
	add eax, 4096
	inc edx
	cmp edx, 4
	jb .pdpt
	mov eax, PTE_P | PTE_W | PTE_PS
	lea ecx, [ebp + PHYS(boot_pd)]
	xor edx, edx
.pd:
	mov [ecx + edx * 8], eax
	add eax, 0x200000
	inc edx
	cmp edx, 2048
	jb .pd

	; The image: four pages of 2 MiB from the load base on.
	lea eax, [ebp + PTE_P + PTE_W + PTE_PS]
	lea ecx, [ebp + PHYS(boot_pd_image)]
	xor edx, edx
.image:
	mov [ecx + edx * 8], eax
	add eax, 0x200000
	inc edx
	cmp edx, 4
	jb .image
	lea eax, [ecx + PTE_P + PTE_W]
	mov [ebp + PHYS(boot_pdpt_image) + 510 * 8], eax
	lea eax, [ebp + PHYS(boot_pdpt_image) + PTE_P + PTE_W]
	mov [ebp + PHYS(boot_pml4) + 511 * 8], eax
	lea eax, [ebp + PHYS(boot_pdpt) + PTE_P + PTE_W]
	mov [ebp + PHYS(boot_pml4)], eax
	mov [ebp + PHYS(boot_pml4) + 288 * 8], eax

	mov eax, cr4
	or eax, CR4_PAE
	mov cr4, eax
	lea eax, [ebp + PHYS(boot_pml4)]
	mov cr3, eax
	mov ecx, MSR_EFER
	rdmsr
	or eax, EFER_LME | EFER_NXE
	wrmsr
	mov eax, cr0
	or eax, CR0_PG | CR0_WP | CR0_PE
	mov cr0, eax

	lea eax, [ebp + PHYS(boot_gdt)]
	mov [ebp + PHYS(boot_gdtr) + 2], eax
	lgdt [ebp + PHYS(boot_gdtr)]
	lea eax, [ebp + PHYS(.long)]
	push dword 8
	push eax
	retf

bits 64
.long:
	xor eax, eax
	mov ds, eax
	mov es, eax
	mov ss, eax
	mov fs, eax
	mov gs, eax
	mov rax, .high
	jmp rax
.high:
	mov rsp, boot_stack_top
	mov edi, edi		; information block
	mov esi, ebp		; load base
	xor ebp, ebp
	call boot_main
	ud2

bits 32
; Say the sentence at ESI on an otherwise empty screen and on COM1, and stop for good. Nothing else works yet.
refuse:
	mov edi, TEXT_CELLS
	mov ecx, TEXT_COUNT
	mov eax, TEXT_BLANK
	rep stosw
	mov edi, TEXT_CELLS
.next:
	lodsb
	test al, al
	jz .halt
	mov bl, al
	cmp al, ' '
	jb .serial
	mov ah, TEXT_ALARM
	stosw
.serial:
	mov ecx, PUT_SPINS
	mov dx, COM1_LSR
.wait:
	in al, dx
	test al, LSR_THRE
	jnz .put
	dec ecx
	jnz .wait
.put:
	mov dx, COM1
	mov al, bl
	out dx, al
	jmp .next
.halt:
	cli
	hlt
	jmp .halt

section .init.rodata progbits alloc noexec nowrite align=8
text_not_multiboot2:
	db "bulkhead: [    0.000000] refused: not started by multiboot2; load it with GRUB's command multiboot2.", 13, 10, 0
text_no_long_mode:
	db "bulkhead: [    0.000000] refused: this processor has no 64-bit long mode; use one that has.", 13, 10, 0
text_no_nx:
	db "bulkhead: [    0.000000] refused: this processor has no NX, or the firmware switched it off; enable Execute Disable in the firmware's setup.", 13, 10, 0

section .init.data progbits alloc noexec write align=8
align 8
boot_gdt:
	dq 0
	dq 0x00af9a000000ffff	; 64-bit code
	dq 0x00cf92000000ffff	; data
boot_gdt_end:
boot_gdtr:
	dw boot_gdt_end - boot_gdt - 1
	dd 0, 0

section .init.bss nobits alloc noexec write align=4096
alignb 4096
boot_pml4:		resb 4096
boot_pdpt:		resb 4096
boot_pd:		resb 4 * 4096
boot_pdpt_image:	resb 4096
boot_pd_image:		resb 4096
boot_stack:		resb 16384
boot_stack_top:
