/* SPDX-License-Identifier: BSD-2-Clause */
/* The crash record: registers and a stack's return addresses in the log, then a halt that takes all CPUs along. */

#include "arch/panic.h"
#include "arch/cpu.h"
#include "arch/lapic.h"
#include "arch/log.h"
#include "arch/mce.h"
#include "arch/percpu.h"
#include "arch/trap.h"
#include "lib/atomic.h"
#include "lib/printf.h"

#define STACK_WORDS 24

static uint32_t crashed;

extern const uint8_t image_start[], image_text_end[];

bool panic_in_progress(void)
{
	return __atomic_load_n(&crashed, __ATOMIC_ACQUIRE);
}

static void crash_begin(void)
{
	if (__atomic_exchange_n(&crashed, 1, __ATOMIC_ACQ_REL))
		cpu_halt_forever();
	log_crash_mode();
}

static NORETURN void crash_end(void)
{
	lapic_nmi_others();
	log_fatal("crash record ends; this machine is halted. Reset it by hand.");
	cpu_halt_forever();
}

void panic(const char *fmt, ...)
{
	char text[160];
	va_list ap;

	crash_begin();
	va_start(ap, fmt);
	vsnprintf_(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_fatal("CPU %u: %s", this_cpu()->index, text);
	crash_end();
}

void crash_machine_check(void)
{
	crash_begin();
	mce_log(LOG_FATAL);
	log_fatal("CPU %u: a machine check leaves nothing that it does reliable",
		  this_cpu()->index);
	crash_end();
}

/* Words on the faulting stack that point into our text: an approximate back-trace, only from our own stacks. */
static void crash_stack(uint64_t rsp)
{
	const uint64_t *word = (const uint64_t *)(rsp & ~7ULL);
	uint64_t page_end = ALIGN_UP(rsp + 1, PAGE_SIZE);

	if (rsp < PERCPU_VA || rsp >= PERCPU_VA + MAX_CPUS * PERCPU_STRIDE)
		return;
	for (uint32_t n = 0; n < STACK_WORDS && (uint64_t)word < page_end; word++) {
		if (*word < (uint64_t)image_start || *word >= (uint64_t)image_text_end)
			continue;
		log_fatal("  called from %#lx", *word);
		n++;
	}
}

void crash_trap(const struct trap_frame *f)
{
	crash_begin();
	log_fatal("CPU %u: exception %lu, error %#lx, at %#lx, CR2 %#lx", this_cpu()->index,
		  f->vector, f->error, f->rip, cr2_read());
	log_fatal("  rax %016lx rbx %016lx rcx %016lx rdx %016lx", f->rax, f->rbx, f->rcx, f->rdx);
	log_fatal("  rsi %016lx rdi %016lx rbp %016lx rsp %016lx", f->rsi, f->rdi, f->rbp, f->rsp);
	log_fatal("  r8  %016lx r9  %016lx r10 %016lx r11 %016lx", f->r8, f->r9, f->r10, f->r11);
	log_fatal("  r12 %016lx r13 %016lx r14 %016lx r15 %016lx", f->r12, f->r13, f->r14, f->r15);
	log_fatal("  rflags %lx cs %lx ss %lx cr0 %lx cr3 %lx cr4 %lx", f->rflags, f->cs, f->ss,
		  cr0_read(), cr3_read(), cr4_read());
	if (f->vector == EXC_MC)
		mce_log(LOG_FATAL);
	crash_stack(f->rsp);
	crash_end();
}
