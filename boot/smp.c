/* SPDX-License-Identifier: BSD-2-Clause */
/* Starting the other processors, and letting them run. SDM vol. 3, 8.4.4. */

#include "arch/cpu.h"
#include "arch/lapic.h"
#include "arch/log.h"
#include "arch/mce.h"
#include "arch/options.h"
#include "arch/paging.h"
#include "arch/percpu.h"
#include "arch/pool.h"
#include "arch/trap.h"
#include "boot/boot.h"
#include "lib/ptab_format.h"
#include "lib/string.h"
#include "vm/vm.h"
#include "vm/xstate.h"

/* The words at ap_params of boot/ap.asm. */
struct ap_params {
	uint64_t cr3, stack, cpu, entry;
};

extern uint8_t ap_start[], ap_params[], ap_end[];

#define LOW_RAM_END	  0x9f000
#define INIT_WAIT_US	  10000
#define SIPI_WAIT_US	  200
#define ONLINE_WAIT_MS	  2000 /* generous: emulated processors share few real ones */
#define SKEW_ROUNDS	  8
#define TRAMPOLINE_TABLES 4   /* one a level */
#define APIC_ID_MAX	  254 /* of 8-bit destinations in I/O APICs and messages; 255 is everybody */

static struct {
	uint64_t ask, answer; /* rounds asked for and answered, of the skew measurement */
	uint64_t tsc;
} skew INITDATA;
static const char *ap_error INITDATA;

static INIT void wait_us(uint64_t us)
{
	uint64_t end = tsc_read() + us * tsc_khz / 1000;

	while (tsc_read() < end)
		cpu_pause();
}

/* Answer the boot CPU's questions of what time it is here. */
static INIT void skew_answer(void)
{
	for (uint64_t round = 1; round <= SKEW_ROUNDS; round++) {
		while (__atomic_load_n(&skew.ask, __ATOMIC_ACQUIRE) != round)
			cpu_pause();
		skew.tsc = tsc_read();
		__atomic_store_n(&skew.answer, round, __ATOMIC_RELEASE);
	}
}

/* The smallest round trip bounds the skew best. False: no answer in time. */
static INIT bool skew_measure(struct cpu *cpu)
{
	uint64_t best = UINT64_MAX;
	uint64_t limit = tsc_read() + ONLINE_WAIT_MS * tsc_khz;

	for (uint64_t round = 1; round <= SKEW_ROUNDS; round++) {
		uint64_t before = tsc_read(), after;

		__atomic_store_n(&skew.ask, round, __ATOMIC_RELEASE);
		while (__atomic_load_n(&skew.answer, __ATOMIC_ACQUIRE) != round) {
			if (tsc_read() > limit)
				return false;
			cpu_pause();
		}
		after = tsc_read();
		if (after - before >= best)
			continue;
		best = after - before;
		cpu->tsc_skew = (int64_t)(skew.tsc - before - best / 2);
	}
	return true;
}

static INIT void ap_main(struct cpu *cpu)
{
	percpu_load(cpu);
	paging_load();
	lapic_enable();
	xstate_enable();
	mce_init();
	ap_error = virt->cpu_on(cpu->host, cpu->host_pa);
	__atomic_store_n(&cpu->online, true, __ATOMIC_RELEASE);
	skew_answer();
	if (ap_error)
		cpu_halt_forever();
	cpu_run();
}

/* A page of RAM below 1 MiB for the trampoline; firmware keeps some, so ask the map. */
static INIT uint64_t trampoline_place(void)
{
	for (uint64_t page = LOW_RAM_END - PAGE_SIZE; page >= PAGE_SIZE; page -= PAGE_SIZE) {
		if (frame_owner(HPA(page)) == OWNER_FREE)
			return page;
	}
	return 0;
}

/* Tables that map the hypervisor as the final ones do, and the trampoline's page at its own address. */
static INIT hpa_t trampoline_tables(uint64_t page, void *frames, hpa_t pa)
{
	uint64_t(*table)[PTAB_ENTRIES] = frames;

	memcpy(table[0], pool_va(paging_root()), PAGE_SIZE);
	table[0][0] = (pa.v + PAGE_SIZE) | PTE_P | PTE_W;
	table[1][0] = (pa.v + 2 * PAGE_SIZE) | PTE_P | PTE_W;
	table[2][0] = (pa.v + 3 * PAGE_SIZE) | PTE_P | PTE_W;
	table[3][page / PAGE_SIZE] = page | PTE_P;
	return pa;
}

static INIT bool ap_start_one(struct cpu *cpu, uint64_t page, hpa_t cr3)
{
	struct ap_params params = {cr3.v, cpu->stack_top, (uint64_t)cpu, (uint64_t)ap_main};
	uint64_t limit;

	ap_error = NULL;
	skew.ask = skew.answer = 0;
	phys_write(HPA(page + (uint64_t)(ap_params - ap_start)), &params, sizeof(params));
	lapic_init_ipi(cpu->apic_id);
	wait_us(INIT_WAIT_US);
	for (uint32_t i = 0; i < 2 && !__atomic_load_n(&cpu->online, __ATOMIC_ACQUIRE); i++) {
		lapic_startup_ipi(cpu->apic_id, (uint8_t)(page >> PAGE_SHIFT));
		wait_us(SIPI_WAIT_US);
	}
	limit = tsc_read() + ONLINE_WAIT_MS * tsc_khz;
	while (!__atomic_load_n(&cpu->online, __ATOMIC_ACQUIRE)) {
		if (tsc_read() > limit)
			return false;
		cpu_pause();
	}
	return skew_measure(cpu) && !ap_error;
}

INIT int smp_index(uint32_t apic_id)
{
	int index = 0;

	for (uint32_t i = 0; i < boot_acpi.cpu_count; i++) {
		if (boot_acpi.cpus[i].apic_id == apic_id)
			return boot_acpi.cpus[i].enabled ? index : -ENOENT;
		index += boot_acpi.cpus[i].enabled;
	}
	return -ENOENT;
}

INIT struct cpu *smp_cpu_make(uint32_t index, uint32_t apic_id)
{
	struct cpu *cpu = percpu_create(index, apic_id);
	hpa_t pa;
	void *frame;

	if (!cpu)
		return NULL;
	cpu->host = pool_alloc(&pool_quota_hv, virt->cpu_frames, &cpu->host_pa);
	frame = pool_alloc(&pool_quota_hv, 1, &pa);
	if (!cpu->host || !frame)
		return NULL;
	sched_init(cpu, frame);
	cpu_count = (uint32_t)max_u64(cpu_count, index + 1);
	return cpu;
}

/* A CPU that did not answer is put back to waiting, so that it cannot wake up later into the next one's start. */
static INIT void ap_give_up(struct cpu *cpu)
{
	log_error("CPU %u (APIC id %u) did not start and is left out: %s", cpu->index, cpu->apic_id,
		  ap_error ? ap_error : "it gave no answer");
	lapic_init_ipi(cpu->apic_id);
	wait_us(INIT_WAIT_US);
}

INIT void smp_start(void)
{
	uint64_t page = trampoline_place();
	uint64_t max = option_number("maxcpus", MAX_CPUS);
	uint32_t bsp = this_cpu()->apic_id, started = 1;
	hpa_t pa;
	void *frames = pool_alloc(&pool_quota_hv, TRAMPOLINE_TABLES, &pa);

	if (!page || !frames)
		boot_refuse("no page below 1 MiB is free for starting the other processors.");
	phys_write(HPA(page), ap_start, (uint64_t)(ap_end - ap_start));
	for (uint32_t i = 0; i < boot_acpi.cpu_count && started < max; i++) {
		const struct acpi_cpu *c = &boot_acpi.cpus[i];
		struct cpu *cpu;

		if (!c->enabled || c->apic_id == bsp)
			continue;
		if (c->apic_id > APIC_ID_MAX) {
			log_error(
				"CPU with APIC id %u is left out: interrupts reach ids up to %u only",
				c->apic_id, APIC_ID_MAX);
			continue;
		}
		cpu = smp_cpu_make((uint32_t)smp_index(c->apic_id), c->apic_id);
		if (!cpu)
			boot_refuse("out of frames for APIC id %u; raise [system] reserve.",
				    c->apic_id);
		if (!ap_start_one(cpu, page, trampoline_tables(page, frames, pa))) {
			ap_give_up(cpu);
			continue;
		}
		cpu_by_index[cpu->index] = cpu;
		started++;
		log_debug("CPU %u: CR3 %#lx, APIC id %u, TSC skew %ld ticks", cpu->index,
			  paging_root().v, cpu->apic_id, cpu->tsc_skew);
	}
	pool_free(&pool_quota_hv, frames, TRAMPOLINE_TABLES);
	log_info("%u of %u CPUs run", started, boot_acpi.cpu_count);
}

/* No CPU may still execute start-up code when its memory is given away. */
INIT void smp_settle(void)
{
	uint64_t limit = tsc_read() + ONLINE_WAIT_MS * tsc_khz;

	for (uint32_t i = 0; i < cpu_count; i++) {
		while (cpu_by_index[i] && cpu_by_index[i] != this_cpu() &&
		       !cpu_is_waiting(cpu_by_index[i])) {
			if (tsc_read() > limit)
				boot_refuse("CPU %u started and then hung.", i);
			cpu_pause();
		}
	}
}
