/* SPDX-License-Identifier: BSD-2-Clause */
/* The prompt's line editor, and the words of a finished line as a command. */

#ifndef VM_PROMPT_LINE_H
#define VM_PROMPT_LINE_H

#include "lib/types.h"

#define LINE_TEXT 80		  /* bytes of a line, with its NUL */
#define LINE_ECHO (LINE_TEXT + 4) /* the most that one key echoes: a whole line is rubbed out */

/* Zeroed: an empty line. */
struct line {
	char text[LINE_TEXT];
	uint32_t len;
	uint8_t escape; /* bytes of a terminal's key sequence have come */
	bool cr;	/* the last key was CR: an LF that follows is the same key */
};

/*
 * A key: printable characters are added, backspace and DEL take the last one away, Ctrl-U all of them, Ctrl-C ends an
 * empty line; the sequences of cursor and function keys do nothing. What is to be shown goes to @echo, its length is
 * returned; *@done: the line has ended and is in l->text. The next key begins another.
 */
uint32_t line_key(struct line *l, uint8_t key, char echo[LINE_ECHO], bool *done);

enum command {
	COMMAND_NONE, /* an empty line */
	COMMAND_HELP,
	COMMAND_VMS,
	COMMAND_CPUS,
	COMMAND_STAT,
	COMMAND_MEM,
	COMMAND_LOG,
	COMMAND_PAUSE,
	COMMAND_RESUME,
	COMMAND_RESTART,
	COMMAND_STOP,
	COMMAND_DUMP,
	COMMAND_REPORT,
	COMMAND_TIMING,
	COMMAND_COUNT,
	COMMAND_WRONG = COMMAND_COUNT, /* it is said in the parsed line's error */
	COMMAND_NO_VM,		       /* for whoever finds that out */
	COMMANDS,
};

struct command_line {
	enum command command;
	const char *word; /* what follows it, or NULL; in the text that was parsed */
	char error[LINE_TEXT + 80];
};

/* Take @text, which is changed, apart. */
void command_parse(char *text, struct command_line *c);

/* What help says of @command, or NULL. */
const char *command_help(enum command command);

#endif
