/* SPDX-License-Identifier: BSD-2-Clause */
/* What the prompt's commands show and do: each call prints one line. */

#include "arch/cpu.h"
#include "arch/irq.h"
#include "arch/log.h"
#include "arch/percpu.h"
#include "arch/pool.h"
#include "lib/atomic.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "vm/console.h"
#include "vm/prompt_priv.h"

#define BY_PROMPT "the prompt"
#define LOG_MARK  (sizeof("bulkhead: ") - 1)
#define LOG_PIECE 110 /* characters of a line that one step prints */

static uint64_t to_us(uint64_t ticks)
{
	return ticks / tsc_khz * 1000 + ticks % tsc_khz * 1000 / tsc_khz;
}

/* --- help, vms, cpus, mem, report --- */

static enum shown show_help(struct prompt *p)
{
	const char *help = command_help((enum command)(COMMAND_HELP + p->i++));

	if (help)
		prompt_say("%s", help);
	return help ? SHOWN_MORE : SHOWN_ALL;
}

/* The CPUs of @vm's vCPUs, 0-2,5. */
static void cpus_text(const struct vm *vm, char *text, uint32_t size)
{
	uint32_t len = 0;

	text[0] = '\0';
	for (uint32_t i = 0; i < vm->vcpu_count && len < size - 8;) {
		uint32_t first = vm->vcpu[i]->cpu->index, last = first;

		while (++i < vm->vcpu_count && vm->vcpu[i]->cpu->index == last + 1)
			last++;
		len += (uint32_t)snprintf_(text + len, size - len,
					   last > first ? "%s%u-%u" : "%s%u", len ? "," : "", first,
					   last);
	}
}

/* What it does now is not counted yet. */
static uint64_t vcpu_ran(const struct vcpu *v)
{
	const struct sched_entity *e = &v->entity;
	uint64_t now = tsc_read(), since = atomic_load_u64(&e->since);

	return e->run + (sched_is_current(e) && now > since ? now - since : 0);
}

static void memory_text(const struct vm *vm, char *text, uint32_t size)
{
	if (vm->service)
		strlcpy(text, "rest", size);
	else
		snprintf_(text, size, "%lu KiB", vm->memory / KIB);
}

static void vm_line(struct prompt *p, struct vm *vm)
{
	char memory[24];
	uint64_t us = to_us(p->sum[1]);

	memory_text(vm, memory, sizeof(memory));
	prompt_say("%-15s %-15s %-10s %9s %11lu %6lu.%03lu %8u", vm->name, vm_life_name(vm),
		   p->text, memory, p->sum[0], us / 1000000, us / 1000 % 1000, vm->restarts);
}

/* p->i: the VM; p->k: one behind its vCPU whose figures come next, or 0: its line has not begun. */
static enum shown show_vms(struct prompt *p)
{
	struct vm *vm;

	if (!p->pos) {
		p->pos = 1;
		prompt_say("%-15s %-15s %-10s %9s %11s %10s %8s", "VM", "state", "CPUs", "memory",
			   "exits", "ran, s", "restarts");
		return SHOWN_MORE;
	}
	if (p->i == vm_count)
		return SHOWN_ALL;
	vm = vms[p->i];
	if (vm && p->k < vm->vcpu_count) {
		const struct vcpu *v = vm->vcpu[p->k++];

		for (uint32_t kind = 0; kind < EXIT_KIND_COUNT; kind++)
			p->sum[0] += v->stats.exits[kind];
		p->sum[1] += vcpu_ran(v);
		if (p->k == vm->vcpu_count)
			cpus_text(vm, p->text, sizeof(p->text));
		return SHOWN_MORE;
	}
	if (vm)
		vm_line(p, vm);
	p->i++;
	p->k = 0;
	p->sum[0] = p->sum[1] = 0;
	return SHOWN_MORE;
}

static enum shown show_cpus(struct prompt *p)
{
	const struct cpu *cpu;
	const struct vcpu_arch *a;
	const struct vcpu *v;

	if (p->i == cpu_count) {
		prompt_say("the prompt: %lu steps, the longest took %lu ticks", p->steps,
			   p->longest);
		return SHOWN_ALL;
	}
	cpu = cpu_by_index[p->i++];
	if (!cpu)
		return SHOWN_MORE;
	a = __atomic_load_n(&cpu->loaded, __ATOMIC_RELAXED);
	v = a ? container_of(a, const struct vcpu, arch) : NULL;
	prompt_say("CPU %-3u APIC id %-3u %u can run, %lu interrupts, last %s%s%c", cpu->index,
		   cpu->apic_id, cpu->sched->count, cpu->irq_count, v ? v->vm->name : "nobody",
		   v ? "/" : "", v ? (char)('0' + v->id % 10) : ' ');
	return SHOWN_MORE;
}

static enum shown show_mem(struct prompt *p)
{
	const struct vm *vm;
	char memory[24];

	if (!p->pos) {
		p->pos = 1;
		prompt_say("frames of 4 KiB: %u, in use %u, by the hypervisor itself %u",
			   pool_total(), pool_used(), pool_quota_hv.used);
		return SHOWN_MORE;
	}
	if (p->i == vm_count)
		return SHOWN_ALL;
	vm = vms[p->i++];
	if (!vm)
		return SHOWN_MORE;
	memory_text(vm, memory, sizeof(memory));
	prompt_say("%-15s %u for its tables and vCPUs (at most %u), memory: %s", vm->name,
		   vm->quota.used, vm->quota.max, memory);
	return SHOWN_MORE;
}

static enum shown show_report(struct prompt *p)
{
	const char *line = p->report + p->pos;

	if (p->pos == p->report_len) {
		if (p->report_cut)
			prompt_say("(the rest was not kept)");
		return SHOWN_ALL;
	}
	prompt_say("%s", line);
	p->pos += strlen(line) + 1;
	return SHOWN_MORE;
}

/* --- log --- */

/* A piece of a line that is longer than a step prints; p->i bytes of it are shown. Without the mark that it is the log. */
static enum shown log_piece(struct prompt *p)
{
	char line[LOG_LINE_MAX];
	uint64_t pos = p->pos;
	uint32_t n = log_line(&pos, line), begin = LOG_MARK + p->i;

	/* No more lines than there can be: the log may grow faster than it is shown. */
	if (!n || p->k == LOG_RING_SIZE / 32)
		return SHOWN_ALL;
	/* Not formatted: that would be half of the step. */
	if (p->i)
		console_prompt_put("    ", 4);
	if (begin < n)
		console_prompt_put(line + begin, (uint32_t)min_u64(n - 1 - begin, LOG_PIECE));
	console_prompt_put("\r\n", 2);
	p->i += LOG_PIECE;
	if (LOG_MARK + p->i + 1 >= n) {
		p->pos = pos;
		p->i = 0;
		p->k++;
	}
	return SHOWN_MORE;
}

static enum shown show_log(struct prompt *p)
{
	char line[LOG_PIECE];

	if (!p->vm)
		return log_piece(p);
	if (!console_kept_line(p->vm, &p->pos, line, sizeof(line)))
		return SHOWN_ALL;
	prompt_say("%s", line);
	return SHOWN_MORE;
}

/* --- stat --- */

/* p->k: the kind; its figures of all vCPUs are summed up in one call. */
static enum shown show_stat(struct prompt *p)
{
	uint64_t exits = 0, timed = 0, ticks = 0, least = UINT64_MAX, most = 0;

	if (!p->pos) {
		p->pos = 1;
		prompt_say("%-14s %12s  TSC ticks: %8s %10s %12s%s", "exits", "count", "least",
			   "mean", "most", exits_timed ? "" : "  (timing is off)");
		return SHOWN_MORE;
	}
	if (p->k == EXIT_KIND_COUNT)
		return SHOWN_ALL;
	for (uint32_t i = 0; i < p->vm->vcpu_count; i++) {
		const struct vcpu_stats *s = &p->vm->vcpu[i]->stats;

		exits += s->exits[p->k];
		timed += s->timed[p->k];
		ticks += s->ticks[p->k];
		most = max_u64(most, s->most[p->k]);
		if (s->timed[p->k])
			least = min_u64(least, s->least[p->k]);
	}
	if (timed)
		prompt_say("%-14s %12lu             %8lu %10lu %12lu", exit_name(p->k), exits,
			   least, ticks / timed, most);
	else if (exits)
		prompt_say("%-14s %12lu             %8s %10s %12s", exit_name(p->k), exits, "-",
			   "-", "-");
	p->k++;
	return SHOWN_MORE;
}

/* --- dump --- */

enum dump_line {
	DUMP_HEAD,
	DUMP_GPR, /* four registers a line */
	DUMP_RIP = DUMP_GPR + GPR_COUNT / 4,
	DUMP_CR,
	DUMP_SEG, /* a segment a line */
	DUMP_TABLES = DUMP_SEG + SEG_COUNT,
	DUMP_MSRS,
	DUMP_EXITS, /* an exit a line */
	DUMP_END = DUMP_EXITS + EXIT_RECORDS,
};

static void dump_head(const struct prompt *p)
{
	static const char *const states[] = {"running", "halted", "waits for a start-up IPI",
					     "stopped"};
	const struct vcpu *v = p->vm->vcpu[p->i];

	prompt_say("vCPU %u on CPU %u: %s%s, events %#lx", p->i, v->cpu->index,
		   states[p->snap.run_state], p->snap.paused ? ", paused" : "", p->snap.events);
}

static void dump_gpr(const struct prompt *p, uint32_t row)
{
	static const char names[GPR_COUNT][4] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp",
						 "rsi", "rdi", "r8",  "r9",  "r10", "r11",
						 "r12", "r13", "r14", "r15"};
	const uint64_t *r = p->snap.gpr + 4 * row;

	prompt_say("  %-3s %016lx  %-3s %016lx  %-3s %016lx  %-3s %016lx", names[4 * row], r[0],
		   names[4 * row + 1], r[1], names[4 * row + 2], r[2], names[4 * row + 3], r[3]);
}

static void dump_exit(const struct prompt *p, uint32_t n)
{
	uint32_t count = (uint32_t)min_u64(p->snap.records, EXIT_RECORDS);
	const struct exit_record *r = &p->snap.last[(p->snap.records - 1 - n) % EXIT_RECORDS];

	if (n < count)
		prompt_say("  %s%lu us ago: %s (%#x) at %lx, qualification %lx",
			   n ? "      " : "exits ", to_us(tsc_read() - r->tsc), exit_name(r->kind),
			   r->reason, r->rip, r->qual);
}

static void dump_line(const struct prompt *p, uint32_t n)
{
	static const char names[SEG_COUNT][5] = {"es", "cs", "ss", "ds", "fs", "gs", "tr", "ldtr"};
	const struct guest_state *s = &p->snap.state;

	if (n == DUMP_HEAD) {
		dump_head(p);
	} else if (n < DUMP_RIP) {
		dump_gpr(p, n - DUMP_GPR);
	} else if (n == DUMP_RIP) {
		prompt_say("  rip %lx  rflags %lx  dr6 %lx  dr7 %lx", s->rip, s->rflags, s->dr6,
			   s->dr7);
	} else if (n == DUMP_CR) {
		prompt_say("  cr0 %lx  cr2 %lx  cr3 %lx  cr4 %lx  efer %lx", s->cr0, s->cr2, s->cr3,
			   s->cr4, s->efer);
	} else if (n < DUMP_TABLES) {
		const struct segment *g = &s->seg[n - DUMP_SEG];

		prompt_say("  %-4s %04x attr %03x limit %08x base %lx", names[n - DUMP_SEG], g->sel,
			   g->attr, g->limit, g->base);
	} else if (n == DUMP_TABLES) {
		prompt_say("  gdtr %lx/%x  idtr %lx/%x", s->gdtr.base, s->gdtr.limit, s->idtr.base,
			   s->idtr.limit);
	} else if (n == DUMP_MSRS) {
		prompt_say("  star %lx lstar %lx sysenter %lx pat %lx", s->star, s->lstar,
			   s->sysenter_eip, s->pat);
	} else {
		dump_exit(p, n - DUMP_EXITS);
	}
}

/* p->i: the vCPU; p->k: 0, its registers are to be asked for, else one more than the line that comes next. */
static enum shown show_dump(struct prompt *p)
{
	if (p->i == p->vm->vcpu_count)
		return SHOWN_ALL;
	if (!p->k) {
		__atomic_store_n(&p->snap.wanted, p->vm->vcpu[p->i], __ATOMIC_RELEASE);
		vcpu_raise(p->vm->vcpu[p->i], EV_SNAP);
		p->k = 1;
		return SHOWN_LATER;
	}
	if (__atomic_load_n(&p->snap.wanted, __ATOMIC_ACQUIRE))
		return SHOWN_LATER;
	dump_line(p, p->k - 1);
	if (p->k++ == DUMP_END) {
		p->k = 0;
		p->i++;
	}
	return SHOWN_MORE;
}

/* --- what changes something --- */

/* Do it, and in another step say what came of it. */
static enum shown change(struct prompt *p, const char *why, const char *done)
{
	if (!p->i++) {
		p->why = why;
		return SHOWN_MORE;
	}
	if (p->why)
		prompt_say("vm %s: no: %s", p->vm->name, p->why);
	else
		prompt_say("vm %s: %s", p->vm->name, done);
	return SHOWN_ALL;
}

static enum shown do_pause(struct prompt *p)
{
	return change(p, p->i ? NULL : vm_pause(p->vm), "is being paused");
}

static enum shown do_resume(struct prompt *p)
{
	return change(p, p->i ? NULL : vm_resume(p->vm), "goes on");
}

static enum shown do_stop(struct prompt *p)
{
	return change(p, p->i ? NULL : vm_end_by(p->vm, BY_PROMPT), "is being stopped");
}

static enum shown do_restart(struct prompt *p)
{
	return change(p, p->i ? NULL : vm_restart_by(p->vm), "is being restarted");
}

/* A vCPU that runs without a break would not notice: every CPU looks up once. */
static enum shown do_timing(struct prompt *p)
{
	if (!p->i)
		exits_time(!strcmp(p->command.word, "on"));
	if (p->i == cpu_count) {
		prompt_say(exits_timed ? "exits are timed from now on, and the last ones kept"
				       : "exits are only counted from now on");
		return SHOWN_ALL;
	}
	if (cpu_by_index[p->i])
		sched_kick(cpu_by_index[p->i], CPU_REQ_SCHED);
	p->i++;
	return SHOWN_MORE;
}

static enum shown show_wrong(struct prompt *p)
{
	prompt_say("%s", p->command.error);
	return SHOWN_ALL;
}

static enum shown show_no_vm(struct prompt *p)
{
	prompt_say("there is no VM '%s'; vms lists them", p->command.word);
	return SHOWN_ALL;
}

enum shown (*const prompt_shows[COMMANDS])(struct prompt *p) = {
	[COMMAND_HELP] = show_help,   [COMMAND_VMS] = show_vms,	    [COMMAND_CPUS] = show_cpus,
	[COMMAND_STAT] = show_stat,   [COMMAND_MEM] = show_mem,	    [COMMAND_LOG] = show_log,
	[COMMAND_PAUSE] = do_pause,   [COMMAND_RESUME] = do_resume, [COMMAND_RESTART] = do_restart,
	[COMMAND_STOP] = do_stop,     [COMMAND_DUMP] = show_dump,   [COMMAND_REPORT] = show_report,
	[COMMAND_TIMING] = do_timing, [COMMAND_WRONG] = show_wrong, [COMMAND_NO_VM] = show_no_vm,
};
