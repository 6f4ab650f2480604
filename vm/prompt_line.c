/* SPDX-License-Identifier: BSD-2-Clause */
/* The prompt's line editor, and the words of a finished line as a command. */

#include "vm/prompt_line.h"
#include "lib/printf.h"
#include "lib/string.h"

#define KEY_BREAK  0x03 /* Ctrl-C */
#define KEY_BELL   0x07
#define KEY_BACK   0x08
#define KEY_ERASE  0x15 /* Ctrl-U */
#define KEY_ESCAPE 0x1b
#define KEY_DELETE 0x7f
#define ERASE_REST "\x1b[K" /* of a terminal's line: ECMA-48, 8.3.41 */

enum escape { ESCAPE_NONE, ESCAPE_BEGUN, ESCAPE_CSI };

static uint32_t echo_text(char *echo, uint32_t n, const char *text)
{
	uint32_t len = (uint32_t)strlen(text);

	memcpy(echo + n, text, len);
	return n + len;
}

static uint32_t rub_out(struct line *l, uint32_t count, char *echo)
{
	if (!count || !l->len)
		return 0;
	memset(echo, '\b', count);
	l->len -= count;
	return echo_text(echo, count, ERASE_REST);
}

/* ECMA-48, 5.4: ESC [, parameters and intermediates from 0x20 to 0x3f, one final byte; or ESC and one byte (ESC O: two). */
static bool escape_takes(struct line *l, uint8_t key)
{
	if (l->escape == ESCAPE_NONE && key != KEY_ESCAPE)
		return false;
	if (key == KEY_ESCAPE)
		l->escape = ESCAPE_BEGUN;
	else if (l->escape == ESCAPE_BEGUN)
		l->escape = key == '[' || key == 'O' ? ESCAPE_CSI : ESCAPE_NONE;
	else if (key < ' ' || key > '?')
		l->escape = ESCAPE_NONE;
	return true;
}

static uint32_t line_end(struct line *l, char *echo, const char *text, bool *done)
{
	l->text[l->len] = '\0';
	l->len = 0;
	*done = true;
	return echo_text(echo, 0, text);
}

uint32_t line_key(struct line *l, uint8_t key, char echo[LINE_ECHO], bool *done)
{
	bool second = l->cr && key == '\n';

	*done = false;
	l->cr = key == '\r';
	if (second || escape_takes(l, key))
		return 0;
	switch (key) {
	case '\r':
	case '\n':
		return line_end(l, echo, "\r\n", done);
	case KEY_BREAK:
		l->len = 0;
		return line_end(l, echo, "^C\r\n", done);
	case KEY_BACK:
	case KEY_DELETE:
		return rub_out(l, 1, echo);
	case KEY_ERASE:
		return rub_out(l, l->len, echo);
	default:
		break;
	}
	if (key < ' ' || key > '~')
		return 0;
	echo[0] = l->len < LINE_TEXT - 1 ? (char)key : KEY_BELL;
	if (l->len < LINE_TEXT - 1)
		l->text[l->len++] = (char)key;
	return 1;
}

/* --- commands --- */

enum argument { NO_WORD, MAYBE_WORD, VM_WORD, SWITCH_WORD };

static const struct {
	const char *name;
	enum argument argument;
	const char *help;
} commands[COMMAND_COUNT] = {
	[COMMAND_HELP] = {"help",	  NO_WORD,	   "help          this list"			    },
	[COMMAND_VMS] = {"vms",	NO_WORD,
			  "vms           every VM: state, CPUs, memory, exits, run time"	       },
	[COMMAND_CPUS] = {"cpus",	  NO_WORD,	   "cpus          every CPU: who runs there, interrupts"},
	[COMMAND_STAT] = {"stat",	  VM_WORD,	   "stat VM       its exits by kind, and what they took"},
	[COMMAND_MEM] = {"mem",	NO_WORD,
			  "mem           the hypervisor's frames, and whose they are"		    },
	[COMMAND_LOG] = {"log",	MAYBE_WORD,
			  "log [VM]      the log's last lines, or a VM's console's"			  },
	[COMMAND_PAUSE] = {"pause",   VM_WORD,     "pause VM      stop its vCPUs until it is resumed"   },
	[COMMAND_RESUME] = {"resume",  VM_WORD,     "resume VM     let them go on"			     },
	[COMMAND_RESTART] = {"restart", VM_WORD,	 "restart VM    from its images, memory zeroed"       },
	[COMMAND_STOP] = {"stop",	  VM_WORD,	   "stop VM       end it"				 },
	[COMMAND_DUMP] = {"dump",	  VM_WORD,	   "dump VM       registers and last exits of its vCPUs"},
	[COMMAND_REPORT] = {"report",  NO_WORD,
			    "report        the machine, as it was found at boot"				},
	[COMMAND_TIMING] = {"timing",  SWITCH_WORD,
			    "timing on|off time and keep every exit, or only count them"			},
};

const char *command_help(enum command command)
{
	return command < COMMAND_COUNT ? commands[command].help : NULL;
}

/* Cut the first word off *@text; NULL: there is none. */
static char *word_take(char **text)
{
	char *word = *text, *end;

	while (*word == ' ')
		word++;
	for (end = word; *end && *end != ' '; end++)
		;
	*text = *end ? end + 1 : end;
	*end = '\0';
	return *word ? word : NULL;
}

static PRINTF(2, 3) void wrong(struct command_line *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf_(c->error, sizeof(c->error), fmt, ap);
	va_end(ap);
	c->command = COMMAND_WRONG;
}

static void words_check(struct command_line *c, const char *more)
{
	const char *name = commands[c->command].name;
	enum argument argument = commands[c->command].argument;

	if (more)
		wrong(c, "%s: one word too many: %s", name, more);
	else if (argument == NO_WORD && c->word)
		wrong(c, "%s takes no word; '%s' is one too many", name, c->word);
	else if (argument == VM_WORD && !c->word)
		wrong(c, "%s needs the name of a VM; vms lists them", name);
	else if (argument == SWITCH_WORD &&
		 (!c->word || (strcmp(c->word, "on") && strcmp(c->word, "off"))))
		wrong(c, "%s needs 'on' or 'off'", name);
}

void command_parse(char *text, struct command_line *c)
{
	const char *name = word_take(&text);

	c->command = COMMAND_NONE;
	c->error[0] = '\0';
	c->word = NULL;
	if (!name)
		return;
	c->word = word_take(&text);
	for (uint32_t i = COMMAND_HELP; i < COMMAND_COUNT; i++) {
		if (strcmp(commands[i].name, name))
			continue;
		c->command = (enum command)i;
		words_check(c, word_take(&text));
		return;
	}
	wrong(c, "'%s' is not a command; help lists them", name);
}
