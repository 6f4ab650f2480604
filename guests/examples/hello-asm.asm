; SPDX-License-Identifier: BSD-2-Clause
; The smallest guest in assembly: writes to the serial port itself, and ends with 0.

%define COM1      0x3f8
%define LSR       COM1 + 5
%define LSR_EMPTY 0x20

section .text
bits 64
global guest_main
; int guest_main(void): what C keeps in RBX, RBP, R12 to R15 must still be there at the end.
guest_main:
	mov rsi, message
.next:	mov dx, LSR
.wait:	in al, dx
	test al, LSR_EMPTY
	jz .wait
	lodsb				; the byte at RSI, which moves on
	test al, al
	jz .done
	mov dx, COM1
	out dx, al
	jmp .next
.done:	xor eax, eax
	ret

section .rodata
message:
	db "hello from assembly", 10, 0
