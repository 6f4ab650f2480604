/* SPDX-License-Identifier: BSD-2-Clause */
/* A VM's life as somebody sees it who manages the machine: paused, resumed, ended, begun again. */

#include "arch/cpu.h"
#include "arch/log.h"
#include "lib/atomic.h"
#include "vm/clock.h"
#include "vm/console.h"
#include "vm/restart.h"
#include "vm/vm.h"

enum vm_life vm_life(struct vm *vm)
{
	if (vm->absent)
		return VM_ABSENT;
	if (atomic_load_bool(&vm->ended)) {
		if (vm->again)
			return VM_RESTARTING;
		/* Its devices may still be brought to rest. */
		return atomic_load_u32(&vm->busy) || atomic_load_bool(&vm->work.queued) ? VM_ENDING
											: VM_ENDED;
	}
	if (!vm->paused)
		return VM_RUNNING;
	return vm->paused_said ? VM_PAUSED : VM_PAUSING;
}

const char *vm_life_name(struct vm *vm)
{
	static const char *const names[] = {
		[VM_ABSENT] = "not started", [VM_RUNNING] = "running",
		[VM_PAUSING] = "pausing",    [VM_PAUSED] = "paused",
		[VM_ENDING] = "stopping",    [VM_RESTARTING] = "being restarted",
		[VM_ENDED] = "ended",
	};

	return names[vm_life(vm)];
}

/* What cannot be done to a VM that is not running, whatever it is. */
static const char *not_alive(struct vm *vm)
{
	switch (vm_life(vm)) {
	case VM_ABSENT:
		return "it could not be started; the log says why";
	case VM_ENDING:
		return "it is just stopping";
	case VM_RESTARTING:
		return "it is being restarted; ask again when the log says that it was";
	case VM_ENDED:
		return "it has ended";
	default:
		return NULL;
	}
}

/* On its way through here a vCPU's interrupts, timers and start-up messages wait: no event but these is looked at. */
const char *vm_pause(struct vm *vm)
{
	const char *why;

	lock_acquire(&vm->life_lock);
	why = not_alive(vm);
	if (!why && vm->paused)
		why = "it is paused already";
	if (!why) {
		vm->paused = true;
		vm->paused_said = false;
		for (uint32_t i = 0; i < vm->vcpu_count; i++)
			vcpu_raise(vm->vcpu[i], EV_PAUSE);
	}
	lock_release(&vm->life_lock);
	return why;
}

const char *vm_resume(struct vm *vm)
{
	const char *why;

	lock_acquire(&vm->life_lock);
	why = not_alive(vm);
	if (!why && !vm->paused)
		why = "it is not paused";
	if (!why) {
		vm->paused = false;
		for (uint32_t i = 0; i < vm->vcpu_count; i++) {
			atomic_and_u64(&vm->vcpu[i]->events, ~EV_PAUSE);
			vcpu_raise(vm->vcpu[i], EV_RESUME);
		}
	}
	lock_release(&vm->life_lock);
	return why;
}

/* The last vCPU to take notice says so. */
static void vcpu_paused(struct vcpu *v)
{
	struct vm *vm = v->vm;
	bool all;

	lock_acquire(&vm->life_lock);
	v->paused = true;
	all = vm->paused && !vm->paused_said;
	for (uint32_t i = 0; i < vm->vcpu_count; i++)
		all = all && vm->vcpu[i]->paused;
	vm->paused_said |= all;
	lock_release(&vm->life_lock);
	if (all)
		log_info("vm %s: paused", vm->name);
}

void pause_events(struct vcpu *v, uint64_t events)
{
	if (events & EV_RESUME) {
		atomic_and_u64(&v->events, ~EV_RESUME);
		if (v->paused)
			clock_paused(v);
		v->paused = false;
	}
	if (events & EV_PAUSE && !v->paused)
		vcpu_paused(v);
}

const char *vm_end_by(struct vm *vm, const char *whom)
{
	const char *why = not_alive(vm);

	if (!why && !vm_end(vm, false))
		why = "it is just stopping";
	if (why)
		return why;
	console_settle(vm);
	log_keep(&vm->end_line, LOG_INFO, "vm %s: stopped: by %s", vm->name, whom);
	vm_ended(vm, false);
	return NULL;
}

/* One that has ended begins at once, a running one when its vCPUs have stopped. */
static bool begin_again(struct vm *vm)
{
	bool ended;

	lock_acquire(&vm->life_lock);
	ended = vm_life(vm) == VM_ENDED;
	if (ended) {
		vm->again = true;
		vm->loud = true;
		vm_not_ended();
	}
	lock_release(&vm->life_lock);
	if (ended)
		restart_begin(vm);
	return ended || vm_end(vm, true);
}

const char *vm_restart_by(struct vm *vm)
{
	enum vm_life life = vm_life(vm);
	const char *why = life == VM_ENDED ? NULL : not_alive(vm);

	if (!why && !restart_possible(vm))
		why = "nothing of its start was kept; on-exit = restart would have it kept";
	if (why)
		return why;
	return begin_again(vm) ? NULL : "it is just stopping";
}
