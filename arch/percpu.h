/* SPDX-License-Identifier: BSD-2-Clause */
/* What each physical CPU has of its own, reached through its GS base. */

#ifndef ARCH_PERCPU_H
#define ARCH_PERCPU_H

#include "lib/types.h"

#define MAX_CPUS 256

/*
 * Layout of the hypervisor's address space (4-level; PML4 entries 288 and 511 only):
 *
 *   0xffff900000000000 + HPA	POOL_VA_BASE: the pool's frames and no others, read-write	(arch/pool.h)
 *   0xffffff8000000000		PERCPU_VA: one stride per CPU, see below
 *   0xffffffa000000000		MMIO_VA: device registers, read-write, uncached
 *   0xffffffff80000000		IMAGE_VA: text r-x, rodata r--, data rw-
 *
 * A CPU's stride, in pages; what is not named is never mapped, so each stack has a guard page below it:
 *
 *   1-2 stack   4 NMI stack   6 #DF stack   8 #MC stack   10 struct cpu   16-23 guest windows   24 store window   25 device window
 */
#define PERCPU_VA	   0xffffff8000000000ULL
#define PERCPU_STRIDE	   (32 * PAGE_SIZE)
#define PERCPU_STACK	   1
#define PERCPU_STACK_PAGES 2
#define PERCPU_NMI_STACK   4
#define PERCPU_DF_STACK	   6
#define PERCPU_MC_STACK	   8
#define PERCPU_CPU	   10
#define PERCPU_WINDOWS	   16
#define WINDOW_COUNT	   8
#define PERCPU_STORE	   24
#define PERCPU_DEVICE	   25
#define MMIO_VA		   0xffffffa000000000ULL
#define MMIO_VA_SIZE	   (64 * GIB)

struct vcpu_arch;
struct irq_source;
struct sched;

/* 64-bit TSS (SDM vol. 3, 8.7). */
struct tss {
	uint32_t reserved0;
	uint64_t rsp[3];
	uint64_t reserved1;
	uint64_t ist[7];
	uint64_t reserved2;
	uint16_t reserved3;
	uint16_t io_base;
} PACKED;
_Static_assert(sizeof(struct tss) == 104, "TSS size, SDM vol. 3, figure 8-11");

#define GDT_CODE    0x08
#define GDT_DATA    0x10
#define GDT_TSS	    0x18
#define GDT_ENTRIES 5

/* Requests that other CPUs, or NMI and #MC handlers, leave for a CPU; taken just before every guest entry. */
#define CPU_REQ_NMI	BIT(0) /* an NMI came */
#define CPU_REQ_MCE	BIT(1) /* a machine check came */
#define CPU_REQ_SCHED	BIT(2) /* run queues changed */
#define CPU_REQ_WINDOWS BIT(4) /* a VM's mapping was taken away: its windows are dropped */
#define CPU_REQ_PARK	BIT(3) /* disable virtualization and halt for good */

struct cpu {
	struct cpu *self; /* first: GS:0 */
	uint32_t index;	  /* in MADT order */
	uint32_t apic_id;
	uint64_t stack_top;	  /* at GS:16 for entry stubs */
	uint64_t requests;	  /* CPU_REQ_*, atomic */
	struct vcpu_arch *loaded; /* the vCPU whose state is in this CPU's registers, or NULL */
	struct sched *sched;
	void *host; /* host control block: VMXON region, or host save area and host VMCB */
	hpa_t host_pa;
	hpa_t frames; /* this area's frames, for reports */
	bool online;
	bool waiting; /* in cpu_run, done with start-up */
	uint8_t window_next;
	uint64_t window_generation;	    /* counts changes of windows */
	uint64_t window_page[WINDOW_COUNT]; /* GPA of each guest window, or WINDOW_EMPTY */
	void *window_vm;		    /* the VM that the windows belong to */
	uint64_t asid_generation;	    /* ASIDs or VPIDs: see svm/vcpu.c, vmx/vcpu.c */
	uint32_t asid_next;
	bool asid_flush; /* the generation is new: nothing has been entered since */
	uint64_t gdt[GDT_ENTRIES];
	struct tss tss;
	uint64_t irq_count;
	int64_t tsc_skew;	     /* ticks against the boot CPU, as measured at start */
	struct irq_source *irq[256]; /* by vector; NULL: nobody's */
};

_Static_assert(sizeof(struct cpu) <= PAGE_SIZE, "struct cpu has one frame of the per-CPU area");
_Static_assert(offsetof(struct cpu, stack_top) == 16, "entry stubs read it at GS:16");

/* This CPU's own. */
static inline struct cpu *this_cpu(void)
{
	struct cpu *cpu;

	__asm__ volatile("mov %%gs:0, %0" : "=r"(cpu));
	return cpu;
}

/* Has anybody left a request for this CPU? */
static inline bool cpu_requested(void)
{
	bool any;

	__asm__ volatile("cmpq $0, %%gs:%c1"
			 : "=@ccnz"(any)
			 : "i"(offsetof(struct cpu, requests))
			 : "memory");
	return any;
}

/* Where this CPU's host control block is. */
static inline uint64_t cpu_host_pa(void)
{
	uint64_t pa;

	__asm__("movq %%gs:%c1, %0" : "=r"(pa) : "i"(offsetof(struct cpu, host_pa)));
	return pa;
}

/* CPUs that were started, by index; NULL where one does not exist or did not start. Constant after boot. */
extern struct cpu *cpu_by_index[MAX_CPUS];
extern uint32_t cpu_count; /* highest index + 1 */

/* Rate of the TSC as measured on the boot CPU; constant after boot. */
extern uint64_t tsc_khz;

/* Virtual address of page @page of CPU @index's stride. */
static inline void *percpu_page(uint32_t index, uint32_t page)
{
	return (void *)(PERCPU_VA + index * PERCPU_STRIDE + page * PAGE_SIZE);
}

/* Take frames for CPU @index from the pool, map its area, fill in its struct cpu. NULL: out of frames. BSP, boot. */
struct cpu *percpu_create(uint32_t index, uint32_t apic_id);

/* Load GDT, TSS, IDT and GS base of @cpu on the running CPU. */
void percpu_load(struct cpu *cpu);

#endif
