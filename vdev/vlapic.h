/* SPDX-License-Identifier: BSD-2-Clause */
/* The virtual local APIC of one vCPU: xAPIC page, x2APIC MSRs, timer. SDM vol. 3, chapter 11. */

#ifndef VDEV_VLAPIC_H
#define VDEV_VLAPIC_H

#include "lib/atomic.h"
#include "vdev/host.h"

/*
 * Who may call what: "own CPU" means the CPU that the vCPU is loaded on, or any while it runs nowhere; "any CPU" is
 * lock-free and may race with everything else here. No lock is ever taken.
 */

#define VLAPIC_MAX	    64 /* in one VM */
#define VLAPIC_BASE	    0xfee00000ULL
#define VLAPIC_MMIO_SIZE    0x1000
#define VLAPIC_MSR_FIRST    0x800
#define VLAPIC_MSR_LAST	    0x8ff
#define IA32_APIC_BASE_BSP  BIT(8)
#define IA32_APIC_BASE_EXTD BIT(10)
#define IA32_APIC_BASE_EN   BIT(11)

/* Local vector table, in the order of its registers. */
enum vlapic_lvt {
	VLAPIC_LVT_TIMER,
	VLAPIC_LVT_THERMAL,
	VLAPIC_LVT_PERF,
	VLAPIC_LVT_LINT0,
	VLAPIC_LVT_LINT1,
	VLAPIC_LVT_ERROR,
	VLAPIC_LVT_COUNT,
};

struct vlapic_config {
	uint32_t id;   /* APIC id; xAPIC mode shows its low 8 bits */
	uint32_t vcpu; /* number of the vCPU, below VLAPIC_MAX; host->kick gets it */
	bool bsp;
	bool x2apic;	   /* x2APIC mode is offered */
	bool directed_eoi; /* suppression of EOI broadcasts is offered */
	uint8_t phys_bits; /* of the guest's physical addresses */
	uint32_t *page;	   /* zeroed, for the processor's APIC virtualization; NULL: it has none */
};

struct vlapic {
	/* Looked at before every entry. Bit n of irr_sum: irr[n] may be non-zero. Any CPU sets; own CPU clears. */
	uint32_t irr_sum;
	uint32_t ppr;
	uint32_t tpr;
	uint32_t isr_sum; /* exact */
	bool soft_on;	  /* enabled by APIC_BASE and SVR: takes fixed interrupts */
	bool x2;	  /* x2APIC mode */
	bool virtual;	  /* the processor keeps the registers in the page (vlapic_page.c) */
	uint64_t irr[4];
	uint64_t tmr[4];
	uint64_t isr[4];
	const struct vdev_host *host;
	void *vm;

	/* Read by any CPU, written by its own. */
	struct vlapic_config cfg;
	uint32_t ldr; /* as its register shows it in the current mode */
	uint32_t dfr;
	uint32_t svr;
	uint32_t lvt[VLAPIC_LVT_COUNT];

	uint32_t extint;    /* an ExtINT message came (atomic) */
	uint32_t lint;	    /* levels of LINT0, LINT1 (atomic) */
	uint32_t esr_latch; /* errors since the last write of ESR (atomic) */
	uint32_t said; /* delivery modes that were logged as ignored: bit n is mode n (atomic) */

	/* Own CPU only. */
	uint64_t base; /* IA32_APIC_BASE */
	uint32_t esr;
	uint64_t icr;

	/*
	 * Timer. Between ticks of the TSC the expiry has a fraction, in 1/1,000,000 of a tick, so that periods do not
	 * drift; @period is in the same unit. In TSC-deadline mode only @deadline (guest TSC; 0: not armed) counts.
	 */
	struct timer timer;
	bool running;
	uint8_t div_shift; /* the timer counts ns >> div_shift */
	uint32_t dcr;
	uint32_t initial;
	uint64_t period;
	uint64_t expiry;
	uint64_t expiry_frac;
	uint64_t deadline;
	uint64_t tsc_offset;
};

/* --- life (own CPU) --- */
void vlapic_init(struct vlapic *v, const struct vlapic_config *cfg, const struct vdev_host *host,
		 void *vm);
/* Power-up or reset: xAPIC mode, software-disabled. SDM 11.4.7.1. */
void vlapic_reset(struct vlapic *v);
/* After a reset: what PC firmware leaves on the boot processor. Enabled, LINT0 ExtINT, LINT1 NMI (MP spec. 3.6.2.2). */
void vlapic_firmware(struct vlapic *v);
/* INIT: the same as a reset, but mode and base stay. SDM 11.4.7.3, 11.12.5. */
void vlapic_init_signal(struct vlapic *v);
/* Cancel the timer, before the vCPU goes away. */
void vlapic_stop(struct vlapic *v);
/* Guest TSC = host TSC + @offset from now on; an armed TSC deadline is moved. */
void vlapic_set_tsc_offset(struct vlapic *v, uint64_t offset);

/* --- before an entry (own CPU) --- */
int vlapic_pending_slow(const struct vlapic *v);
/* The vector that the vCPU should take now, -1: none. Does not look at RFLAGS.IF. */
static inline int vlapic_pending(const struct vlapic *v)
{
	if (likely(!atomic_load_u32(&v->irr_sum)) && !v->virtual)
		return -1;
	return vlapic_pending_slow(v);
}
/* Highest requested vector whatever the priority, -1: none; for a TPR threshold. */
int vlapic_requested(const struct vlapic *v);
/* @vector, which vlapic_pending has just returned, is being injected: IRR to ISR. */
void vlapic_ack(struct vlapic *v, uint8_t vector);
/* Does this vCPU take the 8259A's interrupts now? By LINT0, by an ExtINT message, or because its APIC is off. */
bool vlapic_extint_enabled(const struct vlapic *v);
/* One was taken. */
void vlapic_extint_ack(struct vlapic *v);

/* --- while the processor keeps the registers: v->virtual (own CPU) --- */
/* Requests go to the page. The highest there, for RVI; -1: none. The trigger modes in v->tmr say whose EOIs are to exit. */
int vlapic_post(struct vlapic *v);
/* RVI and SVI as the page has them. SDM vol. 3, 25.4.2. */
uint16_t vlapic_page_status(const struct vlapic *v);
/* The guest has ended @vector, which the processor has taken out of service already. */
void vlapic_eoi_seen(struct vlapic *v, uint8_t vector);
/* The guest has written the register at @offset, and the processor leaves the rest to us. False: nothing to do with it. */
bool vlapic_page_written(struct vlapic *v, uint32_t offset);

/* --- interrupts coming in (any CPU) --- */
/* Request @vector. False if the APIC is disabled. Kicks the vCPU if it was not requested before. */
bool vlapic_accept(struct vlapic *v, uint8_t vector, bool level);
/* The part of a message that concerns this vCPU; the destination was matched already. False: not accepted. */
bool vlapic_deliver(struct vlapic *v, const struct apic_msg *msg);
/* Is this vCPU a destination of a message with shorthand APIC_TO_DEST? */
bool vlapic_match(const struct vlapic *v, uint32_t dest, bool logical, bool dest8);
/*
 * Deliver @msg to those of all[0..n), which are in order of vCPU number, that it is for; NULL entries are skipped.
 * @n at most VLAPIC_MAX. Returns how many accepted it.
 */
uint32_t vlapic_route(struct vlapic *const *all, uint32_t n, const struct apic_msg *msg);
/* Level of LINT0 or LINT1 (@pin 0, 1). */
void vlapic_lint(struct vlapic *v, uint32_t pin, bool level);

/* --- the guest's accesses (own CPU) --- */
void vlapic_eoi(struct vlapic *v);
uint64_t vlapic_cr8(const struct vlapic *v);
/* @value 0 to 15; the caller has refused reserved bits. */
void vlapic_set_cr8(struct vlapic *v, uint64_t value);
/* The APIC id, for CPUID as well. */
static inline uint32_t vlapic_id(const struct vlapic *v)
{
	return v->cfg.id;
}
/* IA32_APIC_BASE. -EINVAL: #GP. After 0, CPUID.1:EDX.APIC follows bit 11 of vlapic_base. */
static inline uint64_t vlapic_base(const struct vlapic *v)
{
	return v->base;
}
int vlapic_set_base(struct vlapic *v, uint64_t value);
/*
 * The register page, @offset below VLAPIC_MMIO_SIZE, @size 1 to 8 bytes. What the manual leaves undefined reads as 0
 * and is not written; with the APIC off or in x2APIC mode all reads are ones (SDM 11.4.1, 11.12.2).
 */
uint64_t vlapic_mmio_read(struct vlapic *v, uint32_t offset, uint8_t size);
void vlapic_mmio_write(struct vlapic *v, uint32_t offset, uint8_t size, uint64_t value);
/* MSRs VLAPIC_MSR_FIRST to VLAPIC_MSR_LAST. -EINVAL: #GP. */
int vlapic_msr_read(struct vlapic *v, uint32_t msr, uint64_t *value);
int vlapic_msr_write(struct vlapic *v, uint32_t msr, uint64_t value);
/* IA32_TSC_DEADLINE, guest TSC. Ignored, and 0, unless the timer is in that mode. SDM 11.5.4.1. */
uint64_t vlapic_deadline(struct vlapic *v);
void vlapic_set_deadline(struct vlapic *v, uint64_t value);

#endif
