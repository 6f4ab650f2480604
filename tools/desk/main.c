/* SPDX-License-Identifier: BSD-2-Clause */
/* bulkhead-check: the hypervisor's own parser and admission, at a desk. */

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tools/desk/desk.h"

#define ADMITTED   0
#define REFUSED	   1
#define USAGE	   2
#define CONFIG_MAX (1 * MIB) /* as the hypervisor has it */
#define ERRORS_MAX 10000

static struct config config;
static struct desk desk;
static const char *config_name;

void usage_error(const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "bulkhead-check: ");
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\n");
	exit(USAGE);
}

static void help(FILE *to)
{
	fprintf(to,
		"usage: bulkhead-check CONFIG [--machine FILE] [--module NAME=FILE]... [--final]\n"
		"\n"
		"Says whether Bulkhead would start CONFIG, every conflict if not, and draws memory and time.\n"
		"  --machine FILE      a log of a boot with debug=on there; without it, a machine that suits\n"
		"  --module NAME=FILE  a boot module: its size and its sha256: are checked\n"
		"  --final             pass over what only this version does not support yet\n"
		"Exit code: 0 admitted, 1 refused, 2 wrong usage or an unreadable file.\n");
}

char *file_read(const char *path, size_t *size)
{
	size_t room = 64 * KIB, n;
	char *text = malloc(room);
	FILE *f = fopen(path, "rb");

	if (!f || !text)
		usage_error("%s cannot be opened", path);
	*size = 0;
	while ((n = fread(text + *size, 1, room - *size, f)) > 0) {
		*size += n;
		if (*size < room)
			continue;
		room *= 2;
		text = realloc(text, room);
		if (!text)
			usage_error("%s is too large", path);
	}
	if (ferror(f))
		usage_error("%s cannot be read", path);
	fclose(f);
	return text;
}

static void on_error(void *arg, const struct config_error *e)
{
	(void)arg;
	printf("%s:", config_name);
	if (e->at.line)
		printf("%u:%u:", e->at.line, e->at.col);
	printf(" %s", e->text);
	printf(*e->word ? ": \"%s\"\n" : "%s\n", e->word);
}

/* Words of the command line; the machine's file, if any, in @machine. */
static void words_read(int argc, char **argv, const char **machine)
{
	for (int i = 1; i < argc; i++) {
		bool more = i + 1 < argc;

		if (!strcmp(argv[i], "--help")) {
			help(stdout);
			exit(ADMITTED);
		} else if (!strcmp(argv[i], "--machine") && more && !*machine) {
			*machine = argv[++i];
		} else if (!strcmp(argv[i], "--module") && more) {
			machine_module(&desk, argv[++i]);
		} else if (!strcmp(argv[i], "--final")) {
			desk.machine.final = true;
		} else if (argv[i][0] != '-' && !config_name) {
			config_name = argv[i];
		} else {
			help(stderr);
			exit(USAGE);
		}
	}
	if (!config_name) {
		help(stderr);
		exit(USAGE);
	}
}

int main(int argc, char **argv)
{
	struct config_report rep = {.error = on_error, .max = ERRORS_MAX};
	const char *machine = NULL;
	size_t size;
	char *text;

	words_read(argc, argv, &machine);
	text = file_read(config_name, &size);
	if (size > CONFIG_MAX) {
		printf("%s: larger than 1 MiB\n", config_name);
		return REFUSED;
	}
	if (machine)
		machine_read(&desk, machine);
	if (!config_parse(text, (uint32_t)size, &config, &rep)) {
		if (!machine)
			machine_assume(&desk, &config);
		machine_occupy(&desk);
		admit(&config, &desk.machine, &rep);
		draw_memory(&config, &desk);
		draw_devices(&config, &desk);
		draw_cpus(&config, &desk.machine);
	}
	free(text);
	if (rep.count)
		printf("\nrefused: %u conflict%s\n", rep.count, rep.count == 1 ? "" : "s");
	else
		printf("\nadmitted\n");
	return rep.count ? REFUSED : ADMITTED;
}
