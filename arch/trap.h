/* SPDX-License-Identifier: BSD-2-Clause */
/* Exceptions and interrupts taken by the hypervisor itself. */

#ifndef ARCH_TRAP_H
#define ARCH_TRAP_H

#include "lib/types.h"

/* As arch/trap.asm pushes it. */
struct trap_frame {
	uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax;
	uint64_t vector, error;
	uint64_t rip, cs, rflags, rsp, ss;
};
_Static_assert(sizeof(struct trap_frame) == 22 * 8, "arch/trap.asm pushes 22 words");

/* Fill the IDT; boot CPU, once, before anything that may fault. IST entries are used once percpu_load has run. */
void trap_init(void);
/* Load the IDT on the running CPU. */
void trap_load(void);
/* Give NMI, #DF and #MC their own stacks; when every CPU that runs has a TSS. */
void trap_use_ist(void);

/*
 * Sleep until an interrupt, take it, go on with interrupts off; not at all while this CPU has requests. Those that NMI
 * and #MC handlers leave are not slept over, whenever they come. arch/trap.asm
 */
void cpu_sleep(void);

NORETURN void stack_switch(void (*fn)(void), void *top);

#endif
