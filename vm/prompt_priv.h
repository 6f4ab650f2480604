/* SPDX-License-Identifier: BSD-2-Clause */
/* Between the prompt (vm/prompt.c) and what its commands show (vm/prompt_show.c). */

#ifndef VM_PROMPT_PRIV_H
#define VM_PROMPT_PRIV_H

#include "vm/prompt.h"
#include "vm/prompt_line.h"

#define PROMPT_LINE_MAX 128 /* bytes that one step prints */

enum shown { SHOWN_MORE, SHOWN_ALL, SHOWN_LATER /* somebody else will call prompt_go */ };

/* A vCPU's registers as they were at one moment. */
struct snapshot {
	struct vcpu *wanted; /* whose; NULL: it is here (atomic) */
	struct guest_state state;
	uint64_t gpr[GPR_COUNT];
	uint64_t events;
	uint8_t run_state;
	bool paused;
	uint32_t records;
	struct exit_record last[EXIT_RECORDS];
};

struct prompt {
	struct sched_entity work;
	bool on;
	struct line line;
	struct command_line command;
	/* The command that is being carried out: prints a line of at most PROMPT_LINE_MAX bytes a time. NULL: none is. */
	enum shown (*show)(struct prompt *p);
	/* its own: where it is */
	struct vm *vm;
	uint32_t i, k;
	uint64_t pos, sum[2];
	const char *why;
	char text[24];
	struct snapshot snap;
	/* what the machine was at boot */
	char *report;
	uint32_t report_len;
	bool report_cut;
	/* its steps, and the longest, in TSC ticks */
	uint64_t steps, longest;
};

void prompt_say(const char *fmt, ...) PRINTF(1, 2);

/* The command of p->command for the VM p->vm, or one that needs none. */
extern enum shown (*const prompt_shows[COMMANDS])(struct prompt *p);

#endif
