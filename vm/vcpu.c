/* SPDX-License-Identifier: BSD-2-Clause */
/* Events that reach a vCPU, exceptions, and the register states that reset, INIT and SIPI leave. */

#include "arch/cpu.h"
#include "arch/log.h"
#include "arch/msr.h"
#include "arch/percpu.h"
#include "lib/atomic.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "vm/gmem.h"
#include "vm/irq.h"
#include "vm/power.h"
#include "vm/prompt.h"
#include "vm/restart.h"
#include "vm/vm.h"

#define PAT_RESET	 0x0007040600070406ULL
#define DR6_RESET	 0xffff0ff0ULL
#define DR6_BS		 BIT(14)
#define DR7_RESET	 0x400ULL
#define RESET_VECTOR_IP	 0xfff0
#define RESET_CS_BASE	 0xffff0000
#define RESET_CS	 0xf000
#define SEG_LIMIT_16	 0xffff
#define SEG_DATA16	 (SEG_ATTR_P | SEG_ATTR_S | 3)	 /* read-write, accessed */
#define SEG_CODE16	 (SEG_ATTR_P | SEG_ATTR_S | 0xb) /* execute-read, accessed */
#define SEG_LDT_ATTR	 (SEG_ATTR_P | 2)
#define SEG_TSS_BUSY	 (SEG_ATTR_P | 0xb)
#define OPCODE_HLT	 0xf4
#define CR0_KEPT_BY_INIT (CR0_CD | CR0_NW)

void vcpu_raise(struct vcpu *v, uint64_t events)
{
	/* Of a paused one, what is left here is seen when it is resumed. */
	if (unlikely(atomic_or_u64(&v->events, events) & EV_PAUSE) && !(events & EV_ALWAYS))
		return;
	if (v->cpu == this_cpu() && v->entity.queued)
		return; /* it is this CPU that will enter it: it looks then */
	sched_wake(&v->entity);
	if (v->cpu != this_cpu() && sched_is_current(&v->entity))
		sched_kick(v->cpu, CPU_REQ_SCHED);
}

void vcpu_state_set(struct vcpu *v, enum vcpu_state state)
{
	v->state = (uint8_t)state;
	if (state == VCPU_RUNNABLE)
		atomic_and_u64(&v->events, ~EV_IDLE);
	else
		atomic_or_u64(&v->events, EV_IDLE);
}

/* SDM vol. 3, table 6-4: what contributes to a double fault. */
static bool contributory(uint8_t vector)
{
	return vector == EXC_DE || (vector >= EXC_TS && vector <= EXC_GP) || vector == EXC_CP;
}

void vcpu_exception(struct vcpu *v, uint8_t vector, bool has_error, uint32_t error)
{
	struct event *e = &v->arch.inject;

	if (e->valid && e->type == EVENT_EXC) {
		if (e->vector == EXC_DF) {
			power_triple_fault(v);
			return;
		}
		if ((contributory(e->vector) && contributory(vector)) ||
		    (e->vector == EXC_PF && (vector == EXC_PF || contributory(vector)))) {
			vector = EXC_DF;
			has_error = true;
			error = 0;
		}
	}
	/* An interrupt whose delivery faulted is in service already: it is delivered after the fault. */
	if (e->valid && e->type == EVENT_INTR) {
		v->deferred = *e;
		atomic_or_u64(&v->events, EV_IRQ);
	}
	if (e->valid && e->type == EVENT_NMI)
		atomic_or_u64(&v->events, EV_NMI);
	*e = (struct event){.valid = true,
			    .has_error = has_error,
			    .vector = vector,
			    .type = EVENT_EXC,
			    .error = error};
}

static struct segment segment16(uint16_t sel, uint16_t attr)
{
	return (struct segment){
		.sel = sel, .attr = attr, .limit = SEG_LIMIT_16, .base = (uint64_t)sel << 4};
}

/* SDM vol. 3, table 9-1; APM vol. 2, table 14-1. */
static void state_reset(struct guest_state *s, uint64_t cr0_kept)
{
	*s = (struct guest_state){
		.cr0 = CR0_ET | cr0_kept,
		.dr6 = DR6_RESET,
		.dr7 = DR7_RESET,
		.rip = RESET_VECTOR_IP,
		.rflags = RFLAGS_FIXED,
		.gdtr = {0, SEG_LIMIT_16},
		.idtr = {0, SEG_LIMIT_16},
		.pat = PAT_RESET,
	};
	for (uint32_t i = SEG_ES; i <= SEG_GS; i++)
		s->seg[i] = segment16(0, SEG_DATA16);
	s->seg[SEG_CS] = segment16(RESET_CS, SEG_CODE16);
	s->seg[SEG_CS].base = RESET_CS_BASE;
	s->seg[SEG_LDTR] = segment16(0, SEG_LDT_ATTR);
	s->seg[SEG_TR] = segment16(0, SEG_TSS_BUSY);
}

void vcpu_reset(struct vcpu *v)
{
	struct guest_state s;

	state_reset(&s, CR0_CD | CR0_NW);
	memset(v->arch.gpr, 0, sizeof(v->arch.gpr));
	v->arch.gpr[RDX] = cpuid(1, 0).eax;
	virt->set_state(&v->arch, &s);
	v->arch.inject.valid = false;
	v->deferred.valid = false;
	v->xcr0 = XCR0_X87;
	v->xss = 0;
	vlapic_reset(&v->lapic);
}

static void state_report(void *arg, const char *fmt, ...)
{
	struct vcpu *v = arg;
	char text[120];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf_(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_error("vm %s: vCPU %u: %s", v->vm->name, v->id, text);
}

/* A state that vm/ has made itself must obey the manual's rules, whatever the processor at hand would let through. */
static void state_set(struct vcpu *v, const struct guest_state *s)
{
	virt->set_state(&v->arch, s);
	if (virt->check_state(s, state_report, v))
		vm_stop(v,
			"a register state that INIT or a start-up IPI left breaks the rules above");
}

/* INIT keeps the x87, SSE and MSR state, TSC, MTRRs and CR0's cache bits. */
static void vcpu_init_signal(struct vcpu *v)
{
	struct guest_state old, s;

	virt->get_state(&v->arch, &old);
	state_reset(&s, old.cr0 & CR0_KEPT_BY_INIT);
	s.pat = old.pat;
	s.star = old.star;
	s.lstar = old.lstar;
	s.cstar = old.cstar;
	s.sfmask = old.sfmask;
	s.kernel_gs_base = old.kernel_gs_base;
	s.sysenter_cs = old.sysenter_cs;
	s.sysenter_esp = old.sysenter_esp;
	s.sysenter_eip = old.sysenter_eip;
	memset(v->arch.gpr, 0, sizeof(v->arch.gpr));
	v->arch.gpr[RDX] = cpuid(1, 0).eax;
	state_set(v, &s);
	v->arch.inject.valid = false;
	v->deferred.valid = false;
	vlapic_init_signal(&v->lapic);
	vcpu_state_set(v, v->id == 0 ? VCPU_RUNNABLE : VCPU_WAIT_SIPI);
}

void vcpu_sipi(struct vcpu *v, uint8_t page)
{
	struct guest_state s;

	virt->get_state(&v->arch, &s);
	s.seg[SEG_CS] = segment16((uint16_t)(page << 8), SEG_CODE16);
	s.rip = 0;
	state_set(v, &s);
	vcpu_state_set(v, VCPU_RUNNABLE);
}

/* Is there something for events_life? */
static bool life_pending(const struct vcpu *v, uint64_t events)
{
	if (events & EV_SNAP)
		return true;
	if (v->state == VCPU_STOPPED)
		return events & EV_RESET;
	if (events & (EV_STOP | EV_RESUME))
		return true;
	if (events & EV_PAUSE)
		return !v->paused;
	return events & EV_INIT || (v->state == VCPU_WAIT_SIPI && events & (EV_SIPI | EV_START));
}

/* Does something end its HLT? */
static bool halt_ends(struct vcpu *v, uint64_t events)
{
	if (v->state == VCPU_STOPPED || v->state == VCPU_WAIT_SIPI || v->paused)
		return false;
	if (events & (EV_NMI | EV_KICK))
		return true;
	if (v->state == VCPU_HALTED && !(v->arch.rflags & RFLAGS_IF))
		return false;
	return vlapic_pending(&v->lapic) >= 0 || irq_extint_pending(v);
}

bool vcpu_wakeable(struct vcpu *v)
{
	uint64_t events = atomic_load_u64(&v->events);

	return life_pending(v, events) || halt_ends(v, events);
}

static void inject(struct vcpu *v, uint8_t type, uint8_t vector)
{
	v->arch.inject = (struct event){.valid = true, .type = type, .vector = vector};
}

static void events_nmi(struct vcpu *v)
{
	if (v->arch.inject.valid || !virt->nmi_ready(&v->arch)) {
		virt->nmi_window(&v->arch, true);
		return;
	}
	atomic_and_u64(&v->events, ~EV_NMI);
	virt->nmi_window(&v->arch, false);
	inject(v, EVENT_NMI, EXC_NMI);
}

/*
 * Is the instruction whose shadow keeps an interrupt out a HLT? Then it is done by waking up at once. QEMU's VMRUN
 * forgets the shadow, and an interrupt between STI and HLT would be slept through.
 */
static bool shadow_ends_in_hlt(struct vcpu *v)
{
	uint64_t rip = v->arch.rip, gpa;
	const uint8_t *byte;
	uint32_t error;

	if (!(v->arch.rflags & RFLAGS_IF) || virt->cpl(&v->arch))
		return false;
	if (vcpu_mode(v) != CPU_MODE_64)
		rip = (uint32_t)(rip + virt->get_seg(&v->arch, SEG_CS).base);
	if (gva_translate(v, rip, GWALK_EXEC, &gpa, &error))
		return false;
	byte = guest_map(v->vm, gpa, false);
	return byte && *byte == OPCODE_HLT;
}

static bool irq_held_back(struct vcpu *v)
{
	if (v->arch.inject.valid)
		return true;
	if (virt->irq_ready(&v->arch))
		return false;
	if (!shadow_ends_in_hlt(v))
		return true;
	v->arch.rip++;
	virt->shadow_clear(&v->arch);
	return false;
}

/* The vLAPIC's vector to inject, -1: none. Where the processor keeps the registers it does that by itself. */
static int irq_next(struct vcpu *v)
{
	if (!v->lapic.virtual)
		return vlapic_pending(&v->lapic);
	if (v->lapic.irr_sum)
		virt->apic_request(&v->arch, vlapic_post(&v->lapic), v->lapic.tmr);
	return -1;
}

static void events_irq(struct vcpu *v)
{
	int vector;

	/* Cleared before the look: what is accepted from here on sets it again. */
	atomic_and_u64(&v->events, ~EV_IRQ);
	vector = irq_next(v);
	if (vector < 0 && !irq_extint_pending(v) && !v->deferred.valid) {
		virt->irq_window(&v->arch, false);
		return;
	}
	if (irq_held_back(v)) {
		atomic_or_u64(&v->events, EV_IRQ);
		virt->irq_window(&v->arch, true);
		return;
	}
	if (unlikely(v->deferred.valid)) {
		v->arch.inject = v->deferred;
		v->deferred.valid = false;
		vector = -1;
	} else if (vector >= 0)
		vlapic_ack(&v->lapic, (uint8_t)vector);
	else
		vector = irq_extint_ack(v);
	if (vector >= 0)
		inject(v, EVENT_INTR, (uint8_t)vector);
	/* One at a time; ask for the window if there is another. */
	if (irq_next(v) >= 0 || irq_extint_pending(v)) {
		atomic_or_u64(&v->events, EV_IRQ);
		virt->irq_window(&v->arch, true);
	} else {
		virt->irq_window(&v->arch, false);
	}
}

/* The trap after an instruction that ran with TF set (SDM vol. 3, 17.3.1.4). */
static void single_step(struct vcpu *v)
{
	struct guest_state s;

	virt->get_state(&v->arch, &s);
	s.dr6 |= DR6_BS;
	virt->set_state(&v->arch, &s);
	vcpu_exception(v, EXC_DB, false, 0);
}

/* INIT, SIPI, stop, restart, pause: rare, and they may change v->state. */
static void events_life(struct vcpu *v, uint64_t events)
{
	if (events & EV_SNAP) {
		atomic_and_u64(&v->events, ~EV_SNAP);
		prompt_snapshot(v);
	}
	if (events & EV_STOP) {
		atomic_and_u64(&v->events, ~(EV_STOP | EV_PAUSE | EV_RESUME));
		v->paused = false;
		if (v->state == VCPU_STOPPED)
			return;
		vcpu_state_set(v, VCPU_STOPPED);
		vlapic_stop(&v->lapic);
		vm_vcpu_stopped(v->vm);
		return;
	}
	if (v->state == VCPU_STOPPED) {
		atomic_and_u64(&v->events, ~(events & ~EV_IDLE));
		if (events & EV_RESET)
			restart_vcpu(v);
		return;
	}
	if (events & (EV_PAUSE | EV_RESUME))
		pause_events(v, events);
	if (v->paused)
		return;
	if (events & EV_START) {
		atomic_and_u64(&v->events, ~EV_START);
		vcpu_state_set(v, VCPU_RUNNABLE);
	}
	if (events & EV_INIT) {
		atomic_and_u64(&v->events, ~EV_INIT);
		vcpu_init_signal(v);
	}
	if (events & EV_SIPI) {
		atomic_and_u64(&v->events, ~EV_SIPI);
		if (v->state == VCPU_WAIT_SIPI)
			vcpu_sipi(v, __atomic_load_n(&v->sipi_page, __ATOMIC_ACQUIRE));
	}
}

static bool entity_pending(struct sched_entity *e)
{
	return vcpu_wakeable(container_of(e, struct vcpu, entity));
}

bool vcpu_events(struct vcpu *v)
{
	uint64_t events = atomic_load_u64(&v->events);

	if (unlikely(events & (EV_ALWAYS | EV_START | EV_INIT | EV_SIPI)))
		events_life(v, events);
	if (v->state == VCPU_HALTED && halt_ends(v, atomic_load_u64(&v->events))) {
		atomic_and_u64(&v->events, ~EV_KICK);
		vcpu_state_set(v, VCPU_RUNNABLE);
	}
	if (v->state != VCPU_RUNNABLE || v->paused) {
		sched_block(&v->entity, entity_pending);
		return false;
	}
	if (unlikely(events & EV_STEP)) {
		atomic_and_u64(&v->events, ~EV_STEP);
		if (!v->arch.inject.valid)
			single_step(v);
	}
	if (unlikely(events & EV_NMI))
		events_nmi(v);
	/* An EOI or a lower TPR may have freed what was requested long ago: EV_IRQ alone does not tell. */
	if (events & EV_IRQ || v->lapic.irr_sum)
		events_irq(v);
	return true;
}
