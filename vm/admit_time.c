/* SPDX-License-Identifier: BSD-2-Clause */
/* Admission of time: windows against each other and the frame, budgets by demand bound against supply. */

#include "vm/admit_priv.h"

/* Shares of time in units of 2^-30; durations are below 2^34 ns (checked), so that products fit into 64 bits. */
#define SHARE_BITS 30
#define SHARE_ONE  BIT(SHARE_BITS)
#define TIME_MAX   BIT(34)
#define PERCENT(n) ((n)*SHARE_ONE / 100)

/* Instants at which demand is compared with supply; a set of budgets that needs more is refused. */
#define INSTANTS_MAX 20000

/* One CPU's windows. */
struct table {
	uint64_t frame, windows; /* ns: the frame, and all windows together */
	uint32_t cpu;
};

static uint32_t vcpus_on(const struct config_vm *vm, uint32_t cpu)
{
	uint32_t n = 0;

	if (vm->cpus_all)
		return 1;
	for (uint32_t i = 0; i < vm->vcpu_count; i++)
		n += vm->vcpu_cpu[i] == cpu;
	return n;
}

/* --- windows --- */

static bool in_frame(const struct config_window *w, uint64_t frame)
{
	return w->start < frame && w->length <= frame - w->start;
}

static bool overlap(const struct config_window *a, const struct config_window *b)
{
	return a->start < b->start + b->length && b->start < a->start + a->length;
}

static void window_alone(struct admission *a, const struct config_vm *vm,
			 const struct config_window *w)
{
	if (!in_frame(w, a->c->frame))
		admit_complain(a, vm, w->at, "this window ends outside of the frame of %llu us",
			       (unsigned long long)(a->c->frame / 1000));
}

/* The first CPU that both run on, or -1. */
static int cpu_common(const struct admission *a, const struct config_vm *x,
		      const struct config_vm *y)
{
	for (uint32_t cpu = 0; cpu < a->m->cpus; cpu++) {
		if (vcpus_on(x, cpu) && vcpus_on(y, cpu))
			return (int)cpu;
	}
	return -1;
}

/* Window @n of VM @index against all windows before it in the text. */
static void window_apart(struct admission *a, uint32_t index, uint32_t n)
{
	const struct config_vm *vm = &a->c->vms[index], *other;
	const struct config_window *w = &vm->windows[n];
	int cpu;

	for (uint32_t i = 0; i <= index; i++) {
		other = &a->c->vms[i];
		cpu = cpu_common(a, vm, other);
		for (uint32_t k = 0; k < (i == index ? n : other->window_count); k++) {
			if (cpu < 0 || !in_frame(w, a->c->frame) ||
			    !in_frame(&other->windows[k], a->c->frame) ||
			    !overlap(w, &other->windows[k]))
				continue;
			admit_complain(
				a, vm, w->at,
				"this window overlaps one of VM '%s' (line %u, column %u) on CPU %d",
				other->name, other->windows[k].at.line, other->windows[k].at.col,
				cpu);
			return;
		}
	}
}

static void rule_windows(struct admission *a, uint32_t index)
{
	const struct config_vm *vm = &a->c->vms[index];

	if (config_vm_has(vm, VM_DONATE) && !vm->window_count)
		admit_complain(a, vm, vm->at[VM_DONATE], "donate is for windows, this VM has none");
	if (!vm->window_count)
		return;
	if (!(a->m->features & REQUIRE_INVARIANT_TSC))
		admit_complain(
			a, vm, vm->at[VM_WINDOW],
			"windows need an invariant, synchronised TSC, which this machine has not");
	if (!a->c->frame) {
		admit_complain(a, vm, vm->at[VM_WINDOW],
			       "windows need the length of a frame: [system] frame");
		return;
	}
	for (uint32_t n = 0; n < vm->window_count; n++) {
		window_alone(a, vm, &vm->windows[n]);
		window_apart(a, index, n);
	}
}

/* --- budgets --- */

/* Window time on the CPU in [@from, @from + @len) of its time; @from is in the first frame, @len below a frame. */
static uint64_t windows_within(const struct admission *a, const struct table *t, uint64_t from,
			       uint64_t len)
{
	uint64_t sum = 0, lo, hi, end = from + len;

	for (uint32_t i = 0; i < a->c->vm_count; i++) {
		const struct config_vm *vm = &a->c->vms[i];

		for (uint32_t k = 0; vcpus_on(vm, t->cpu) && k < vm->window_count; k++) {
			/* once as it is, once a frame later: [from, end) reaches into the next frame at most */
			for (uint64_t turn = 0; turn <= t->frame; turn += t->frame) {
				lo = max_u64(vm->windows[k].start + turn, from);
				hi = min_u64(vm->windows[k].start + vm->windows[k].length + turn,
					     end);
				sum += hi > lo ? hi - lo : 0;
			}
		}
	}
	return sum;
}

/* The least time outside windows in any stretch of @len ns: one that begins with some window. */
static uint64_t supply(const struct admission *a, const struct table *t, uint64_t len)
{
	uint64_t whole, rest, most = 0;

	if (!t->windows)
		return len;
	whole = len / t->frame;
	rest = len % t->frame;
	for (uint32_t i = 0; i < a->c->vm_count; i++) {
		const struct config_vm *vm = &a->c->vms[i];

		for (uint32_t k = 0; vcpus_on(vm, t->cpu) && k < vm->window_count; k++)
			most = max_u64(most, windows_within(a, t, vm->windows[k].start, rest));
	}
	return whole * (t->frame - t->windows) + rest - most;
}

/* What all budgets on the CPU may ask for in @len ns, each period's budget being due at its end. */
static uint64_t demand(const struct admission *a, uint32_t cpu, uint64_t len)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < a->c->vm_count; i++) {
		const struct config_vm *vm = &a->c->vms[i];

		if (vm->budget && vm->period)
			sum += len / vm->period * vm->budget * vcpus_on(vm, cpu);
	}
	return sum;
}

/* Compare at every period's end up to @until; the first instant that fails, 0: none; UINT64_MAX: too many. */
static uint64_t demand_fails(const struct admission *a, const struct table *t, uint64_t until)
{
	uint32_t instants = 0;

	for (uint32_t i = 0; i < a->c->vm_count; i++) {
		const struct config_vm *vm = &a->c->vms[i];

		if (!vm->budget || !vcpus_on(vm, t->cpu))
			continue;
		for (uint64_t at = vm->period; at <= until; at += vm->period) {
			if (++instants > INSTANTS_MAX)
				return UINT64_MAX;
			if (demand(a, t->cpu, at) > supply(a, t, at))
				return at;
		}
	}
	return 0;
}

uint64_t admit_reserved(const struct config *c, uint32_t cpu)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < c->vm_count; i++) {
		const struct config_vm *vm = &c->vms[i];

		if (vm->budget && vm->period < TIME_MAX)
			sum += ((vm->budget << SHARE_BITS) + vm->period - 1) / vm->period *
			       vcpus_on(vm, cpu);
	}
	return sum;
}

uint64_t admit_windows(const struct config *c, uint32_t cpu)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < c->vm_count; i++) {
		for (uint32_t k = 0; vcpus_on(&c->vms[i], cpu) && k < c->vms[i].window_count; k++) {
			if (in_frame(&c->vms[i].windows[k], c->frame))
				sum += c->vms[i].windows[k].length;
		}
	}
	return sum;
}

uint32_t admit_vcpus_on(const struct config_vm *vm, uint32_t cpu)
{
	return vcpus_on(vm, cpu);
}

/* The last VM with a budget on the CPU: where the whole is reported. */
static const struct config_vm *budget_vm(const struct admission *a, uint32_t cpu)
{
	const struct config_vm *last = NULL;

	for (uint32_t i = 0; i < a->c->vm_count; i++) {
		if (a->c->vms[i].budget && vcpus_on(&a->c->vms[i], cpu))
			last = &a->c->vms[i];
	}
	return last;
}

/* The service guest is left something of every CPU that it runs on. */
static void rule_service_time(struct admission *a, uint32_t cpu, uint64_t left)
{
	int service = config_service_vm(a->c);
	const struct config_vm *vm = service < 0 ? NULL : &a->c->vms[service];

	if (vm && vcpus_on(vm, cpu) && left < PERCENT(ADMIT_SERVICE_TIME))
		admit_complain(a, vm, vm->at[VM_CPUS],
			       "less than %u%% of CPU %u is left for the service guest",
			       ADMIT_SERVICE_TIME, cpu);
}

/* Demand is at most its share of any time; supply falls behind its own share by one frame's supply at most. */
static void rule_cpu_time(struct admission *a, uint32_t cpu)
{
	struct table t = {.frame = a->c->frame, .windows = admit_windows(a->c, cpu), .cpu = cpu};
	uint64_t asked = admit_reserved(a->c, cpu), share = SHARE_ONE, until = 0, at;
	const struct config_vm *vm = budget_vm(a, cpu);

	if (t.windows >= t.frame && t.windows)
		share = 0;
	else if (t.windows)
		share = ((t.frame - t.windows) << SHARE_BITS) / t.frame;
	rule_service_time(a, cpu, share > asked ? share - asked : 0);
	if (!vm)
		return;
	if (asked > share || (t.windows && asked == share)) {
		admit_complain(
			a, vm, vm->at[VM_RESERVE],
			"the budgets on CPU %u come to %llu.%llu%%, its windows leave %llu.%llu%%",
			cpu, (unsigned long long)(asked * 100 >> SHARE_BITS),
			(unsigned long long)((asked * 1000 >> SHARE_BITS) % 10),
			(unsigned long long)(share * 100 >> SHARE_BITS),
			(unsigned long long)((share * 1000 >> SHARE_BITS) % 10));
		return;
	}
	if (t.windows)
		until = ((t.frame - t.windows) << SHARE_BITS) / (share - asked);
	at = demand_fails(a, &t, until);
	if (at == UINT64_MAX)
		admit_complain(
			a, vm, vm->at[VM_RESERVE],
			"whether the budgets on CPU %u fit cannot be told: too many periods; make them longer",
			cpu);
	else if (at)
		admit_complain(
			a, vm, vm->at[VM_RESERVE],
			"the budgets on CPU %u need %llu us in %llu us, its windows leave %llu us of them",
			cpu, (unsigned long long)(demand(a, cpu, at) / 1000),
			(unsigned long long)(at / 1000),
			(unsigned long long)(supply(a, &t, at) / 1000));
}

/* The sums above hold only for windows that are right each, and apart. */
void rule_time(struct admission *a)
{
	uint32_t before = a->rep->count;

	for (uint32_t i = 0; i < a->c->vm_count; i++)
		rule_windows(a, i);
	for (uint32_t i = 0; i < a->c->vm_count; i++) {
		const struct config_vm *vm = &a->c->vms[i];

		if (vm->period >= TIME_MAX)
			admit_complain(a, vm, vm->at[VM_RESERVE], "a period is at most 10 seconds");
	}
	if (a->rep->count != before)
		return;
	for (uint32_t cpu = 0; cpu < a->m->cpus && cpu < CONFIG_CPUS; cpu++)
		rule_cpu_time(a, cpu);
}
