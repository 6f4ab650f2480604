/* SPDX-License-Identifier: BSD-2-Clause */
/* The end of a VM: by its own choice, or because of what it did; and what then happens to the machine. */

#include "arch/cpu.h"
#include "arch/log.h"
#include "arch/options.h"
#include "arch/percpu.h"
#include "lib/atomic.h"
#include "lib/printf.h"
#include "vm/board.h"
#include "vm/console.h"
#include "vm/devices.h"
#include "vm/power.h"
#include "vm/restart.h"
#include "vm/schedule.h"
#include "vm/vm.h"

#define SAY_AGAIN_MS 100

struct vm *vms[VMS_MAX];
uint32_t vm_count;

static uint32_t ended_count;

static void report_line(void *arg, const char *fmt, ...)
{
	char text[160];
	va_list ap;

	(void)arg;
	va_start(ap, fmt);
	vsnprintf_(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_error("  %s", text);
}

/* Of a VM that ends again and again, the first ends are in the log, then one every now and then. */
static bool may_say(struct vm *vm)
{
	uint64_t now = tsc_read();

	if (vm->restarts >= VM_LOUD_LIVES && now - vm->said < SAY_AGAIN_MS * tsc_khz)
		return false;
	vm->said = now;
	return true;
}

bool vm_end(struct vm *vm, bool again)
{
	lock_acquire(&vm->life_lock);
	if (vm->ended) {
		lock_release(&vm->life_lock);
		return false;
	}
	atomic_store_bool(&vm->ended, true);
	vm->paused = false;
	vm->again = again && restart_possible(vm);
	vm->loud = !vm->again || may_say(vm);
	atomic_store_u32(&vm->busy, vm->vcpu_count);
	for (uint32_t i = 0; i < vm->vcpu_count; i++)
		vcpu_raise(vm->vcpu[i], EV_STOP);
	lock_release(&vm->life_lock);
	vpit_stop(&vm->pit);
	board_stop(vm);
	return true;
}

static bool quiet_step(struct sched_entity *e)
{
	uint32_t wait_us;

	return devices_step(container_of(e, struct vm, work), &wait_us) > 0;
}

void vm_vcpu_stopped(struct vm *vm)
{
	if (atomic_add_u32(&vm->busy, ~0U) != 1)
		return;
	if (vm->again) {
		restart_begin(vm);
	} else if (vm->service) {
		devices_begin(false);
		vm->work.step = quiet_step;
		vm->work.cpu = vm->vcpu[0]->cpu;
		work_start(&vm->work);
	}
}

void vm_stats_log(const struct vm *vm)
{
	if (!option_on("debug"))
		return;
	for (uint32_t i = 0; i < vm->vcpu_count; i++) {
		const struct vcpu_stats *s = &vm->vcpu[i]->stats;

		for (uint32_t k = 0; k < EXIT_KIND_COUNT; k++) {
			if (s->exits[k])
				log_debug("vm %s: vCPU %u: %lu exits %s, %lu ticks", vm->name, i,
					  s->exits[k], exit_name(k), s->ticks[k]);
		}
	}
}

void vm_not_started(struct vm *vm)
{
	if (vm) {
		vm->ended = true;
		vm->absent = true;
	}
	atomic_add_u32(&ended_count, 1);
}

void vm_not_ended(void)
{
	atomic_add_u32(&ended_count, ~0U);
}

void vm_ended(struct vm *vm, bool by_itself)
{
	uint32_t ended;

	if (vm->again)
		return;
	ended = atomic_add_u32(&ended_count, 1) + 1;
	vm_stats_log(vm);
	if (ended == vm_count) {
		schedule_log();
		log_info("all VMs have ended");
	}
	if (by_itself && vm->on_exit == VM_EXIT_POWEROFF)
		machine_power_off();
	if (ended == vm_count)
		machine_end();
}

void vm_given_up(struct vm *vm)
{
	vm->again = false;
	vm_ended(vm, false);
}

void vm_exit(struct vm *vm, uint32_t value)
{
	if (!vm_end(vm, vm->on_exit == VM_EXIT_RESTART))
		return;
	if (vm->loud) {
		console_settle(vm);
		log_keep(&vm->end_line, LOG_INFO, "vm %s: exit %u", vm->name, value);
	}
	vm_ended(vm, true);
}

void vm_stop(struct vcpu *v, const char *fmt, ...)
{
	struct vm *vm = v->vm;
	char text[160];
	va_list ap;

	if (!vm_end(vm, vm->on_fault == FAULT_RESTART) || !vm->loud)
		return;
	va_start(ap, fmt);
	vsnprintf_(text, sizeof(text), fmt, ap);
	va_end(ap);
	console_settle(vm);
	log_keep(&vm->end_line, LOG_ERROR,
		 "vm %s: stopped: %s; vCPU %u, RIP %#lx, exit %#x, qualification %#lx %#lx",
		 vm->name, text, v->id, v->arch.rip, v->arch.exit.reason, v->arch.exit.qual,
		 v->arch.exit.qual2);
	virt->dump(&v->arch, report_line, NULL);
	vm_ended(vm, false);
}
