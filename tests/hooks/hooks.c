/* SPDX-License-Identifier: BSD-2-Clause */
/* Test only: hypercalls by which a guest breaks its own VMCS or nested table, or sends NMIs. Linked by make HOOKS=1. */

#include "arch/cpu.h"
#include "arch/lapic.h"
#include "arch/log.h"
#include "arch/msr.h"
#include "arch/percpu.h"
#include "lib/printf.h"
#include "lib/ptab_format.h"
#include "lib/string.h"
#include "tests/hooks/cut.h"
#include "tests/hooks/hooks.h"
#include "tests/hooks/mce.h"
#include "tests/hooks/race.h"
#include "vm/hypercall.h"
#include "vm/vm.h"
#include "vmx/vmx.h"

/* The linker sends calls of NAME to __wrap_NAME; __real_NAME is NAME. */
void __wrap_exit_hypercall(struct vcpu *v);
void __real_exit_hypercall(struct vcpu *v);
uint64_t hook_enter(struct vcpu_arch *v); /* from __wrap_vmx_enter in enter.asm */

/* One guest at a time tries entries. */
static struct {
	uint32_t fields;
	uint32_t number;
	struct vcpu_arch *armed;
	bool leave;
	struct {
		uint64_t field, value, old;
	} list[HOOK_FIELDS];
} hook;

static void rule_line(void *arg, const char *fmt, ...)
{
	char text[160];
	va_list ap;

	(void)arg;
	va_start(ap, fmt);
	vsnprintf_(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_info("entry %u: rule: %s", hook.number, text);
}

static void fields_swap(bool in)
{
	for (uint32_t i = 0; i < hook.fields; i++) {
		if (in)
			hook.list[i].old = vmcs_read(hook.list[i].field);
		vmcs_write(hook.list[i].field, in ? hook.list[i].value : hook.list[i].old);
	}
}

static uint64_t enter(struct vcpu_arch *v)
{
	uint64_t entered, unused;

	__asm__ volatile("call __real_vmx_enter"
			 : "=a"(entered), "=d"(unused), "+b"(v)
			 :
			 : SWITCH_CLOBBERS);
	return entered;
}

static uint32_t failure_of(uint64_t entered)
{
	uint32_t reason = (uint32_t)vmcs_read(VMCS_EXIT_REASON);

	if (entered == VMX_FAILED)
		return (uint32_t)vmcs_read(VMCS_INSN_ERROR);
	return reason & REASON_ENTRY_FAILED ? reason : 0;
}

static uint64_t entry_try(struct vcpu_arch *v)
{
	uint32_t failure;
	uint64_t entered, ignored;

	fields_swap(true);
	vmx_check_entry(v, rule_line, NULL);
	msr_read_safe(HOOK_MARK + hook.number, &ignored);
	entered = enter(v);
	if (entered == VMX_REQUESTED) { /* not tried: once more after the request */
		fields_swap(false);
		return entered;
	}
	hook.armed = NULL;
	failure = failure_of(entered);
	log_info("entry %u: ends with %#x", hook.number, failure);
	fields_swap(false);
	hook.fields = 0;
	if (!failure)
		return entered;
	v->gpr[RAX] = failure;
	return enter(v);
}

uint64_t hook_enter(struct vcpu_arch *v)
{
	hook_race_enter();
	if (unlikely(hook_mce_entry(v)))
		return VMX_EXITED;
	if (likely(hook.armed != v))
		return enter(v);
	if (!hook.leave)
		return entry_try(v);
	hook.armed = NULL;
	fields_swap(true);
	hook.fields = 0;
	return enter(v);
}

/* The entry of the last level for @gpa, whatever its format. */
static uint64_t *nested_leaf(struct vm *vm, gpa_t gpa)
{
	uint64_t path[PTAB_LEVELS_MAX];
	uint32_t n = nested_path(&vm->nested, gpa, path);
	hpa_t table = n < 2 ? vm->nested.pt.root : HPA(path[n - 2] & BITS(51, 12));
	uint32_t shift = PAGE_SHIFT + 9 * (vm->nested.pt.levels - n);

	return (uint64_t *)pool_va(table) + (gpa.v >> shift) % PTAB_ENTRIES;
}

/* --- a device that is memory: what the emulator does to it can be compared with what a processor does to RAM --- */

static uint8_t device[2 * PAGE_SIZE];

static void device_access(struct vcpu *v, void *arg, uint64_t gpa, uint8_t size, bool write,
			  uint64_t *value)
{
	uint8_t *at = device + (gpa - (uint64_t)arg);

	(void)v;
	if (write)
		memcpy(at, value, size);
	else
		memcpy(value, at, size);
}

void hook_nested_flip(struct vcpu *v, uint64_t gpa, uint64_t bits)
{
	*nested_leaf(v->vm, GPA(gpa)) ^= bits;
	__atomic_store_n(&v->arch.flush, true, __ATOMIC_RELAXED);
}

static int64_t hook_call(struct vcpu *v, uint64_t call, uint64_t b, uint64_t c)
{
	switch (call) {
	case HOOK_FIELD:
		if (hook.fields == HOOK_FIELDS)
			return -1;
		hook.list[hook.fields].field = b;
		hook.list[hook.fields++].value = c;
		return 0;
	case HOOK_TRY:
	case HOOK_LEAVE:
		hook.number = (uint32_t)b;
		hook.leave = call == HOOK_LEAVE;
		hook.armed = &v->arch;
		return 0;
	case HOOK_NESTED:
		hook_nested_flip(v, b, c);
		return 0;
	case HOOK_RACE:
		return hook_race(v, b);
	case HOOK_CUT:
	case HOOK_CUT_SEEN:
		return hook_cut(v, call, b, c);
	case HOOK_READ:
		return (int64_t)vmcs_read(b);
	case HOOK_MEMORY:
		return mmio_add(v->vm, b, b + sizeof(device) - 1, device_access, (void *)b);
	case HOOK_NMI:
		lapic_nmi_others();
		return 0;
	default:
		return hook_mce(v, call, b, c);
	}
}

void __wrap_exit_hypercall(struct vcpu *v)
{
	uint64_t call = v->arch.gpr[RAX];

	if (call < HOOK_FIELD || call > HOOK_LAST) {
		__real_exit_hypercall(v);
		return;
	}
	v->arch.gpr[RAX] = (uint64_t)hook_call(v, call, v->arch.gpr[RBX], v->arch.gpr[RCX]);
	vcpu_skip(v);
}
