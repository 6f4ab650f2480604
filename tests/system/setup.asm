; SPDX-License-Identifier: BSD-2-Clause
; A bzImage whose real-mode part is all of it: says what a BIOS and its boot loader have left, and ends.
; With -D TWICE it first ends in a triple fault, and goes on in the VM's next life. nasm -f bin; the serial port is polled, so that nothing is lost. boot.rst: DS = SS = where the file's first byte is.

%define COM1       0x3f8
%define LSR        5
%define LSR_EMPTY  0x20
%define DEBUG_EXIT 0xf4
%define SETUP_SECT 2
%define CMDLINE    0x228
%define INITRD     0x218
%define SMAP       0x534d4150
%define PAYLOAD    0x100000
%define LIVES      0x7a			; a byte of CMOS memory that no firmware uses

bits 16
org 0
	times 0x1f1 db 0
	db SETUP_SECT
	times 0x1fe - ($ - $$) db 0
	dw 0xaa55
	jmp short start
	db "HdrS"
	dw 0x020f
	times 0x211 - ($ - $$) db 0
	db 1				; loaded high
	times 0x22c - ($ - $$) db 0
	dd 0x7fffffff			; initrd_addr_max
	times 0x264 - ($ - $$) db 0

start:
	cld
%ifdef TWICE
	mov al, LIVES
	out 0x70, al
	in al, 0x71
	test al, al
	jnz again
	mov al, LIVES
	out 0x70, al
	mov al, 1
	out 0x71, al
	mov si, first
	call print
	lidt [empty]
	int3
again:
%endif
	mov si, hello
	call print
	mov eax, [CMDLINE]
	shr eax, 4
	push ds
	mov ds, ax
	xor si, si
	call print
	pop ds
	mov eax, PAYLOAD
	call fetch
	mov si, payload
	call print
	mov si, buffer
	call print
	mov eax, [INITRD]
	call fetch
	mov si, initrd
	call print
	mov si, buffer
	call print
	mov si, memory
	call print
	xor ebx, ebx
.entry:
	mov eax, 0xe820			; ACPI 6.5, 15.1: the memory map, an entry at a time
	mov edx, SMAP
	mov ecx, 20
	mov di, entry
	int 0x15
	jc fail
	cmp eax, SMAP
	jne fail
	cmp dword [entry + 16], 1
	jne .next
	mov eax, [entry]
	call hex
	mov al, '+'
	call putc
	mov eax, [entry + 8]
	call hex
	mov al, ' '
	call putc
.next:
	test ebx, ebx
	jnz .entry
	mov si, line
	call print
	xor al, al
exit:
	out DEBUG_EXIT, al
	hlt
	jmp exit

fail:
	mov si, line
	call print
	mov al, 1
	jmp exit

; 16 bytes from EAX to buffer, by the BIOS: INT 15h, AH = 87h
fetch:
	mov [source + 2], ax
	shr eax, 16
	mov [source + 4], al
	mov [source + 7], ah
	mov ax, ds
	movzx eax, ax
	shl eax, 4
	add eax, buffer
	mov [target + 2], ax
	shr eax, 16
	mov [target + 4], al
	mov si, gdt
	mov cx, 8
	mov ah, 0x87
	int 0x15
	jc fail
	ret

hex:
	mov cx, 8
.digit:
	rol eax, 4
	push eax
	and al, 15
	cmp al, 10
	sbb al, 0x69
	das
	call putc
	pop eax
	loop .digit
	ret

print:
	lodsb
	test al, al
	jz .done
	call putc
	jmp print
.done:
	ret

putc:
	push dx
	push ax
	mov dx, COM1 + LSR
.wait:
	in al, dx
	test al, LSR_EMPTY
	jz .wait
	pop ax
	mov dx, COM1
	out dx, al
	pop dx
	ret

%ifdef TWICE
first:   db 13, 10, "once more", 13, 10, 0
empty:   dw 0, 0, 0
%endif
hello:   db 13, 10, "setup part: ", 0
payload: db 13, 10, "payload: ", 0
initrd:  db 13, 10, "initrd: ", 0
memory:  db 13, 10, "memory: ", 0
line:    db 13, 10, 0
buffer:  times 17 db 0
entry:   times 20 db 0
	align 8
gdt:     times 16 db 0
source:  dw 0xffff
         times 3 db 0
         db 0x93, 0, 0
target:  dw 0xffff
         times 3 db 0
         db 0x93, 0, 0
         times 16 db 0

	times (SETUP_SECT + 1) * 512 - ($ - $$) db 0
	db "in high memory", 0, 0
