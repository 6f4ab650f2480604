/* SPDX-License-Identifier: BSD-2-Clause */
/* The end of a VM: by its own choice, or because of what it did; and what then happens to the machine. */

#include "arch/cpu.h"
#include "arch/log.h"
#include "arch/percpu.h"
#include "lib/atomic.h"
#include "lib/printf.h"
#include "vm/board.h"
#include "vm/console.h"
#include "vm/power.h"
#include "vm/vm.h"

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

/* True for the caller that ends it; all its vCPUs will stop before their next entry. */
static bool vm_end(struct vm *vm)
{
	if (atomic_xchg_bool(&vm->ended, true))
		return false;
	for (uint32_t i = 0; i < vm->vcpu_count; i++)
		vcpu_raise(vm->vcpu[i], EV_STOP);
	vpit_stop(&vm->pit);
	board_stop(vm);
	return true;
}

void vm_stats_log(const struct vm *vm)
{
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
	if (vm)
		vm->ended = true;
	atomic_add_u32(&ended_count, 1);
}

static void vm_ended(struct vm *vm, bool by_itself)
{
	uint32_t ended = atomic_add_u32(&ended_count, 1) + 1;

	vm_stats_log(vm);
	if (ended == vm_count)
		log_info("all VMs have ended");
	if (by_itself && vm->on_exit == VM_EXIT_POWEROFF)
		machine_power_off();
	if (ended == vm_count)
		machine_end();
}

void vm_exit(struct vm *vm, uint32_t value)
{
	if (!vm_end(vm))
		return;
	console_settle(vm);
	log_info("vm %s: exit %u", vm->name, value);
	vm_ended(vm, true);
}

void vm_stop(struct vcpu *v, const char *fmt, ...)
{
	char text[160];
	va_list ap;

	if (!vm_end(v->vm))
		return;
	va_start(ap, fmt);
	vsnprintf_(text, sizeof(text), fmt, ap);
	va_end(ap);
	console_settle(v->vm);
	log_error("vm %s: stopped: %s; vCPU %u, RIP %#lx, exit %#x, qualification %#lx %#lx",
		  v->vm->name, text, v->id, v->arch.rip, v->arch.exit.reason, v->arch.exit.qual,
		  v->arch.exit.qual2);
	virt->dump(&v->arch, report_line, NULL);
	vm_ended(v->vm, false);
}
