; SPDX-License-Identifier: BSD-2-Clause
; A flat binary in one of three modes: says on the serial port where it runs and its command line, and ends.
; nasm -f bin -D MODE=16|32|64 -D ORG=address; the serial port is polled, so that nothing is lost.

%define COM1       0x3f8
%define LSR        5
%define LSR_EMPTY  0x20
%define DEBUG_EXIT 0xf4

bits MODE
%if MODE = 16
org 0				; the segments' base is the address
%else
org ORG
%endif

start:
	cld
%if MODE = 16
	mov ax, cs
	mov bx, ds
	cmp ax, bx
	jne wrong
	cmp ax, ORG / 16
	jne wrong
	mov si, text
	call print
%elif MODE = 32
	cmp esp, ORG
	jne wrong
	mov ebp, esi
	mov esi, text
	call print
	mov esi, ebp
	call print
%else
	cmp rsp, ORG
	jne wrong
	mov rbp, rsi
	lea rsi, [rel text]
	call print
	mov rsi, rbp
	call print
%endif
	mov al, 10
	call put
	mov al, 0
	out DEBUG_EXIT, al
.stop:	hlt
	jmp .stop
wrong:	mov al, 1
	out DEBUG_EXIT, al
	hlt

; The string at SI; changes AX, DX, SI.
print:
.next:	lodsb
	test al, al
	jz .done
	call put
	jmp .next
.done:	ret

; The character in AL; changes AH, DX.
put:	mov ah, al
	mov dx, COM1 + LSR
.wait:	in al, dx
	test al, LSR_EMPTY
	jz .wait
	mov al, ah
	mov dx, COM1
	out dx, al
	ret

text:	db "flat binary in ", '0' + MODE / 10, '0' + MODE % 10, " bits: ", 0
	times 5000 db 0x90	; more than a page, so that it is not copied in one piece
