/* SPDX-License-Identifier: BSD-2-Clause */
/* Per-CPU areas: made from pool frames by the boot CPU, loaded by their owners. */

#include "arch/percpu.h"
#include "arch/msr.h"
#include "arch/paging.h"
#include "arch/pool.h"
#include "arch/trap.h"

#define DESC_CODE64  0x00af9b000000ffffULL
#define DESC_DATA    0x00cf93000000ffffULL
#define DESC_TSS     0x89ULL /* present, available 64-bit TSS */
#define WINDOW_EMPTY (~0ULL)

struct cpu *cpu_by_index[MAX_CPUS];
uint32_t cpu_count;
uint64_t tsc_khz;

/* Pages of the stride that get a frame. */
static const uint8_t area_pages[] = {PERCPU_STACK,    PERCPU_STACK + 1, PERCPU_NMI_STACK,
				     PERCPU_DF_STACK, PERCPU_MC_STACK,	PERCPU_CPU};

static uint64_t page_top(uint32_t index, uint32_t page)
{
	return (uint64_t)percpu_page(index, page + 1);
}

static void tss_fill(struct cpu *cpu)
{
	uint64_t base = (uint64_t)&cpu->tss;

	cpu->tss.ist[0] = page_top(cpu->index, PERCPU_NMI_STACK);
	cpu->tss.ist[1] = page_top(cpu->index, PERCPU_DF_STACK);
	cpu->tss.ist[2] = page_top(cpu->index, PERCPU_MC_STACK);
	cpu->tss.io_base = sizeof(cpu->tss);
	cpu->gdt[1] = DESC_CODE64;
	cpu->gdt[2] = DESC_DATA;
	cpu->gdt[3] = (sizeof(cpu->tss) - 1) | (base & 0xffffff) << 16 | DESC_TSS << 40 |
		      (base >> 24 & 0xff) << 56;
	cpu->gdt[4] = base >> 32;
}

struct cpu *percpu_create(uint32_t index, uint32_t apic_id)
{
	struct cpu *cpu = percpu_page(index, PERCPU_CPU);

	for (uint32_t i = 0; i < ARRAY_SIZE(area_pages); i++) {
		hpa_t pa;

		if (!pool_alloc(&pool_quota_hv, 1, &pa))
			return NULL;
		if (paging_map((uint64_t)percpu_page(index, area_pages[i]), pa, PAGE_SIZE,
			       MAP_WRITE))
			return NULL;
	}
	for (uint32_t i = 0; i < WINDOW_COUNT; i++) {
		if (paging_window_init((uint64_t)percpu_page(index, PERCPU_WINDOWS + i)))
			return NULL;
		cpu->window_page[i] = WINDOW_EMPTY;
	}
	if (paging_window_init((uint64_t)percpu_page(index, PERCPU_STORE)) ||
	    paging_window_init((uint64_t)percpu_page(index, PERCPU_DEVICE)))
		return NULL;
	cpu->self = cpu;
	cpu->index = index;
	cpu->apic_id = apic_id;
	cpu->stack_top = page_top(index, PERCPU_STACK + PERCPU_STACK_PAGES - 1);
	tss_fill(cpu);
	return cpu;
}

void percpu_load(struct cpu *cpu)
{
	struct {
		uint16_t limit;
		uint64_t base;
	} PACKED gdtr = {sizeof(cpu->gdt) - 1, (uint64_t)cpu->gdt};

	/* a reload must not find the TSS busy */
	cpu->gdt[3] &= ~(2ULL << 40);
	__asm__ volatile("lgdt %0\n\t"
			 "pushq %1\n\t"
			 "leaq 1f(%%rip), %%rax\n\t"
			 "pushq %%rax\n\t"
			 "lretq\n"
			 "1:\tmovl %2, %%eax\n\t"
			 "movl %%eax, %%ds\n\t"
			 "movl %%eax, %%es\n\t"
			 "movl %%eax, %%ss\n\t"
			 "xorl %%eax, %%eax\n\t"
			 "movl %%eax, %%fs\n\t"
			 "movl %%eax, %%gs\n\t"
			 "lldt %%ax\n\t"
			 "movl %3, %%eax\n\t"
			 "ltr %%ax"
			 :
			 : "m"(gdtr), "i"(GDT_CODE), "i"(GDT_DATA), "i"(GDT_TSS)
			 : "rax", "memory");
	msr_write(MSR_GS_BASE, (uint64_t)cpu);
	trap_load();
}
