/* SPDX-License-Identifier: BSD-2-Clause */
/* Admission of time: windows against each other and the frame, budgets by demand bound against supply. */

#include "sched/sched.h"
#include "vm/admit_priv.h"

/* Shares of time in units of 2^-30; durations are below 2^34 ns (checked), so that products fit into 64 bits. */
#define SHARE_BITS 30
#define SHARE_ONE  BIT(SHARE_BITS)
#define TIME_MAX   BIT(34)

/* Instants at which demand is compared with supply; a set of budgets that needs more is refused. */
#define INSTANTS_MAX 20000

/* In which a service guest that says nothing has its least time; ns. A longer frame takes its place. */
#define SERVICE_PERIOD 10000000ULL

/*
 * What windows take of one CPU, ns: each from where others have to stop for it, which may be in the frame before, to its
 * end.
 */
static struct table {
	uint64_t frame, windows; /* the frame, and all that is taken of it */
	uint32_t cpu, count;
	struct {
		uint64_t begin, length;
	} taken[CONFIG_VMS * CONFIG_WINDOWS];
} table;

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

/* From the end of the window before @w on the CPU, which may be @w itself, to its start. */
static uint64_t gap_before(const struct admission *a, uint32_t cpu, const struct config_window *w)
{
	uint64_t least = a->c->frame, gap;

	for (uint32_t i = 0; i < a->c->vm_count; i++) {
		const struct config_vm *vm = &a->c->vms[i];

		for (uint32_t k = 0; vcpus_on(vm, cpu) && k < vm->window_count; k++) {
			gap = w->start + a->c->frame - vm->windows[k].start - vm->windows[k].length;
			least = min_u64(least, gap % a->c->frame);
		}
	}
	return least;
}

static void table_make(const struct admission *a, struct table *t, uint32_t cpu)
{
	*t = (struct table){.frame = a->c->frame, .cpu = cpu};
	for (uint32_t i = 0; i < a->c->vm_count; i++) {
		const struct config_vm *vm = &a->c->vms[i];

		for (uint32_t k = 0; vcpus_on(vm, cpu) && k < vm->window_count; k++) {
			const struct config_window *w = &vm->windows[k];
			uint64_t lead = min_u64(gap_before(a, cpu, w), SCHED_LEAD_NS);

			t->taken[t->count].begin = (w->start + t->frame - lead) % t->frame;
			t->taken[t->count++].length = w->length + lead;
			t->windows += w->length + lead;
		}
	}
}

/* What windows take in [@from, @from + @len) of the CPU's time; @from is in the first frame, @len below a frame. */
static uint64_t taken_within(const struct table *t, uint64_t from, uint64_t len)
{
	uint64_t sum = 0, lo, hi, begin;

	from += t->frame;
	for (uint32_t k = 0; k < t->count; k++) {
		/* a frame before, which may reach into this one, now, and a frame later */
		for (uint64_t turn = 0; turn < 3; turn++) {
			begin = t->taken[k].begin + turn * t->frame;
			lo = max_u64(begin, from);
			hi = min_u64(begin + t->taken[k].length, from + len);
			sum += hi > lo ? hi - lo : 0;
		}
	}
	return sum;
}

/* The least time outside windows in any stretch of @len ns: one that begins with some window. */
static uint64_t supply(const struct table *t, uint64_t len)
{
	uint64_t most = 0;

	if (!t->windows)
		return len;
	for (uint32_t k = 0; k < t->count; k++)
		most = max_u64(most, taken_within(t, t->taken[k].begin, len % t->frame));
	return len / t->frame * (t->frame - t->windows) + len % t->frame - most;
}

static bool has_company(const struct config *c, const struct config_vm *vm, uint32_t cpu)
{
	for (uint32_t i = 0; i < c->vm_count; i++) {
		if (&c->vms[i] != vm && vcpus_on(&c->vms[i], cpu))
			return true;
	}
	return false;
}

struct admit_budget admit_budget(const struct config *c, const struct config_vm *vm, uint32_t cpu)
{
	struct admit_budget b = {vm->budget, vm->period};

	if (vm->budget || vm->role != ROLE_SERVICE || !vcpus_on(vm, cpu) ||
	    !has_company(c, vm, cpu))
		return b;
	b.period = max_u64(c->frame, SERVICE_PERIOD);
	b.budget = b.period * ADMIT_SERVICE_TIME / 100 / vcpus_on(vm, cpu);
	return b;
}

/* What all budgets on the CPU may ask for in @len ns, each period's budget being due at its end. */
static uint64_t demand(const struct admission *a, uint32_t cpu, uint64_t len)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < a->c->vm_count; i++) {
		struct admit_budget b = admit_budget(a->c, &a->c->vms[i], cpu);

		if (b.budget && b.period)
			sum += len / b.period * b.budget * vcpus_on(&a->c->vms[i], cpu);
	}
	return sum;
}

uint64_t admit_reserved(const struct config *c, uint32_t cpu)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < c->vm_count; i++) {
		struct admit_budget b = admit_budget(c, &c->vms[i], cpu);

		if (b.budget && b.period < TIME_MAX)
			sum += ((b.budget << SHARE_BITS) + b.period - 1) / b.period *
			       vcpus_on(&c->vms[i], cpu);
	}
	return sum;
}

static uint64_t share_left(const struct table *t)
{
	if (!t->windows)
		return SHARE_ONE;
	return t->windows >= t->frame ? 0 : ((t->frame - t->windows) << SHARE_BITS) / t->frame;
}

/* From here on demand cannot reach supply: it is at most its share, supply behind its own by a frame's at most. */
static uint64_t last_instant(const struct table *t, uint64_t asked)
{
	return t->windows ? ((t->frame - t->windows) << SHARE_BITS) / (share_left(t) - asked) : 0;
}

/* Is demand a larger part of supply in @x than in @y? */
static bool is_tighter(const struct admit_tight *x, const struct admit_tight *y)
{
	return (unsigned __int128)x->demand * y->supply > (unsigned __int128)y->demand * x->supply;
}

struct admit_tight admit_tightest(const struct config *c, uint32_t cpu)
{
	const struct admission a = {.c = c};
	struct admit_tight most = {0};
	uint64_t asked = admit_reserved(c, cpu), until;
	uint32_t instants = 0;

	table_make(&a, &table, cpu);
	until = asked < share_left(&table) ? last_instant(&table, asked) : 0;
	for (uint32_t i = 0; i < c->vm_count; i++) {
		struct admit_budget b = admit_budget(c, &c->vms[i], cpu);

		if (!b.budget || !b.period || !vcpus_on(&c->vms[i], cpu))
			continue;
		for (uint64_t at = b.period; at <= until; at += b.period) {
			struct admit_tight now = {at, demand(&a, cpu, at), supply(&table, at)};

			if (++instants > INSTANTS_MAX)
				return (struct admit_tight){UINT64_MAX, 0, 0};
			if (now.demand > now.supply)
				return now;
			if (!most.within || is_tighter(&now, &most))
				most = now;
		}
	}
	return most;
}

uint32_t admit_vcpus_on(const struct config_vm *vm, uint32_t cpu)
{
	return vcpus_on(vm, cpu);
}

/* The last VM with a budget on the CPU: where the whole is reported. (The service guest's may be the one it is given.) */
static const struct config_vm *budget_vm(const struct admission *a, uint32_t cpu)
{
	const struct config_vm *last = NULL;

	for (uint32_t i = 0; i < a->c->vm_count; i++) {
		if (vcpus_on(&a->c->vms[i], cpu) && admit_budget(a->c, &a->c->vms[i], cpu).budget)
			last = &a->c->vms[i];
	}
	return last;
}

static void rule_cpu_time(struct admission *a, uint32_t cpu)
{
	struct table *t = &table;
	uint64_t asked = admit_reserved(a->c, cpu), share;
	struct admit_tight tight;
	const struct config_vm *vm = budget_vm(a, cpu);
	struct config_pos where = {0, 0};

	table_make(a, t, cpu);
	share = share_left(t);
	if (!vm)
		return;
	where = vm->at[vm->budget ? VM_RESERVE : VM_CPUS];
	if (asked > share || (t->windows && asked == share)) {
		admit_complain(
			a, vm, where,
			"the budgets on CPU %u come to %llu.%llu%%, its windows leave %llu.%llu%%",
			cpu, (unsigned long long)(asked * 100 >> SHARE_BITS),
			(unsigned long long)((asked * 1000 >> SHARE_BITS) % 10),
			(unsigned long long)(share * 100 >> SHARE_BITS),
			(unsigned long long)((share * 1000 >> SHARE_BITS) % 10));
		return;
	}
	tight = admit_tightest(a->c, cpu);
	if (tight.within == UINT64_MAX)
		admit_complain(
			a, vm, where,
			"whether the budgets on CPU %u fit cannot be told: too many periods; make them longer",
			cpu);
	else if (tight.demand > tight.supply)
		admit_complain(
			a, vm, where,
			"the budgets on CPU %u need %llu us in %llu us, its windows leave %llu us of them",
			cpu, (unsigned long long)(tight.demand / 1000),
			(unsigned long long)(tight.within / 1000),
			(unsigned long long)(tight.supply / 1000));
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
