/* SPDX-License-Identifier: BSD-2-Clause */
/* The hypervisor's prompt: a work item that takes keys, and carries one command out line by line. */

#include "arch/cpu.h"
#include "arch/log.h"
#include "arch/percpu.h"
#include "arch/pool.h"
#include "lib/atomic.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "vm/console.h"
#include "vm/prompt_priv.h"

#define SIGN	      "bulkhead> "
#define KEYS	      64 /* typed and not yet taken; a power of two */
#define KEY_BREAK     0x03
#define REPORT_FRAMES 4

/* A step prints one line, or what a key echoes. */
#define ROOM (PROMPT_LINE_MAX + LINE_ECHO)

static struct prompt prompt;
static uint8_t keys[KEYS];
static uint32_t keys_head, keys_tail; /* atomic: one side each */
static bool broken;		      /* Ctrl-C: the command is to end (atomic) */
static bool seen;		      /* the sign is to be shown (atomic) */

bool prompt_is_on(void)
{
	return prompt.on;
}

void prompt_go(void)
{
	work_start(&prompt.work);
}

void prompt_seen(void)
{
	atomic_store_bool(&seen, true);
	prompt_go();
}

bool prompt_rx(uint8_t key)
{
	uint32_t head = keys_head;

	if (head - atomic_load_u32(&keys_tail) == KEYS)
		return false;
	if (key == KEY_BREAK)
		atomic_store_bool(&broken, true);
	keys[head % KEYS] = key;
	atomic_store_u32(&keys_head, head + 1);
	prompt_go();
	return true;
}

void prompt_say(const char *fmt, ...)
{
	char text[PROMPT_LINE_MAX];
	uint32_t len;
	va_list ap;

	va_start(ap, fmt);
	len = (uint32_t)vsnprintf_(text, sizeof(text) - 1, fmt, ap);
	va_end(ap);
	len = (uint32_t)min_u64(len, sizeof(text) - 2);
	text[len++] = '\r';
	text[len++] = '\n';
	console_prompt_put(text, len);
}

void prompt_snapshot(struct vcpu *v)
{
	struct snapshot *s = &prompt.snap;

	if (__atomic_load_n(&s->wanted, __ATOMIC_ACQUIRE) != v)
		return;
	virt->get_state(&v->arch, &s->state);
	memcpy(s->gpr, v->arch.gpr, sizeof(s->gpr));
	memcpy(s->last, v->stats.last, sizeof(s->last));
	s->records = v->stats.records;
	s->events = v->events;
	s->run_state = v->state;
	s->paused = v->paused;
	__atomic_store_n(&s->wanted, NULL, __ATOMIC_RELEASE);
	prompt_go();
}

/* --- a step --- */

static void sign_put(void)
{
	console_prompt_put(SIGN, sizeof(SIGN) - 1);
	console_prompt_put(prompt.line.text, prompt.line.len);
}

static struct vm *vm_named(const char *name)
{
	for (uint32_t i = 0; i < vm_count; i++)
		if (vms[i] && !strcmp(vms[i]->name, name))
			return vms[i];
	return NULL;
}

/* A line has ended: the command that it is begins. */
static void command_begin(struct prompt *p)
{
	struct command_line *c = &p->command;

	command_parse(p->line.text, c);
	p->vm = NULL;
	if (c->word && c->command != COMMAND_TIMING && !(p->vm = vm_named(c->word)))
		c->command = COMMAND_NO_VM;
	p->show = prompt_shows[c->command];
	p->i = p->k = 0;
	p->pos = 0;
	memset(p->sum, 0, sizeof(p->sum));
	atomic_store_bool(&broken, false);
	if (!p->show)
		sign_put();
}

static bool key_take(struct prompt *p)
{
	char echo[LINE_ECHO];
	uint32_t tail = keys_tail, n;
	bool done;

	if (tail == atomic_load_u32(&keys_head))
		return false;
	n = line_key(&p->line, keys[tail % KEYS], echo, &done);
	atomic_store_u32(&keys_tail, tail + 1);
	console_rx_wanted();
	console_prompt_put(echo, n);
	if (done)
		command_begin(p);
	return true;
}

static bool command_step(struct prompt *p)
{
	enum shown how = SHOWN_ALL;

	if (!atomic_xchg_bool(&broken, false))
		how = p->show(p);
	if (how == SHOWN_ALL) {
		p->show = NULL;
		sign_put();
	}
	return how != SHOWN_LATER;
}

static bool step_do(struct prompt *p)
{
	if (console_prompt_room() < ROOM)
		return false;
	if (p->show)
		return command_step(p);
	if (atomic_xchg_bool(&seen, false)) {
		sign_put();
		return true;
	}
	return key_take(p);
}

static bool step(struct sched_entity *e)
{
	struct prompt *p = container_of(e, struct prompt, work);
	uint64_t begin = tsc_read(), ticks;
	bool more = step_do(p);

	ticks = tsc_read() - begin;
	p->steps++;
	if (ticks > p->longest)
		p->longest = ticks;
	return more;
}

/* --- start-up --- */

INIT void prompt_init(void)
{
	int err = console_prompt_init();

	if (!err)
		prompt.report = pool_alloc(&pool_quota_hv, REPORT_FRAMES, NULL);
	if (err || !prompt.report) {
		log_warn("prompt = yes, but there is no %s",
			 err == -ENODEV ? "serial port with an interrupt to type at"
					: "frame left");
		return;
	}
	prompt.work.step = step;
	prompt.work.cpu = this_cpu();
	prompt.on = true;
}

INIT void prompt_report(const char *line)
{
	uint32_t len = (uint32_t)strlen(line) + 1;

	if (!prompt.on || prompt.report_cut)
		return;
	prompt.report_cut = prompt.report_len + len > REPORT_FRAMES * PAGE_SIZE;
	if (prompt.report_cut)
		return;
	memcpy(prompt.report + prompt.report_len, line, len);
	prompt.report_len += len;
}
