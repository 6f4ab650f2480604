/* SPDX-License-Identifier: BSD-2-Clause */
/* The configuration text: lines, sections and keys; every error is reported, none ends the parse. */

#include "vm/config_priv.h"
#include "lib/printf.h"
#include "lib/string.h"

#define ERRORS_MAX_DEFAULT 20
#define WORD_MAX	   48 /* characters of an offending word that are shown */
#define TEXT_MAX	   192
#define UTF8_BOM	   "\xef\xbb\xbf"
#define DELETE_CHAR	   0x7f

enum section { SECTION_NONE, SECTION_SYSTEM, SECTION_VM, SECTION_SKIPPED };

struct parser {
	struct config *c;
	struct config_vm *vm; /* of SECTION_VM */
	struct config_report *rep;
	enum section section;
	uint32_t system_line; /* where [system] was, 0: not yet */
};

static void word_printable(char *to, const char *word, uint32_t len)
{
	uint32_t i, n = len < WORD_MAX ? len : WORD_MAX;

	for (i = 0; i < n; i++)
		to[i] = word[i] >= ' ' && word[i] < DELETE_CHAR ? word[i] : '?';
	to[n] = '\0';
	if (n < len)
		strlcpy(to + WORD_MAX, "...", sizeof("..."));
}

void config_error(struct config_report *rep, struct config_pos at, const char *word,
		  uint32_t word_len, const char *fmt, ...)
{
	char shown[WORD_MAX + sizeof("...")], text[TEXT_MAX];
	struct config_error e = {.at = at, .word = shown, .text = text};
	uint32_t max = rep->max ? rep->max : ERRORS_MAX_DEFAULT;
	va_list args;

	if (rep->count < UINT32_MAX)
		rep->count++;
	if (!rep->error || rep->count > max)
		return;
	word_printable(shown, word ? word : "", word ? word_len : 0);
	va_start(args, fmt);
	vsnprintf_(text, sizeof(text), fmt, args);
	va_end(args);
	rep->error(rep->arg, &e);
}

struct span span_skip(struct span s, uint32_t n)
{
	s.s += n;
	s.len -= n;
	s.at.col += n;
	return s;
}

struct span span_trim(struct span s)
{
	uint32_t n = 0;

	while (n < s.len && is_blank(s.s[n]))
		n++;
	s = span_skip(s, n);
	while (s.len && is_blank(s.s[s.len - 1]))
		s.len--;
	return s;
}

struct span span_word(struct span *rest)
{
	struct span word = span_trim(*rest);
	uint32_t n = 0;

	while (n < word.len && !is_blank(word.s[n]))
		n++;
	*rest = span_trim(span_skip(word, n));
	word.len = n;
	return word;
}

bool span_is(struct span s, const char *text)
{
	size_t len = strlen(text);

	return s.len == len && !memcmp(s.s, text, len);
}

static bool is_name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '-' || c == '.';
}

bool span_name(struct config_report *rep, struct span s, char *to, uint32_t size)
{
	uint32_t i;

	if (!s.len) {
		span_error(rep, s, "a name is missing");
		return false;
	}
	if (s.len >= size) {
		span_error(rep, s, "a name of %u characters; at most %u are allowed", s.len,
			   size - 1);
		return false;
	}
	for (i = 0; i < s.len; i++) {
		if (!is_name_char(s.s[i])) {
			span_error(rep, s,
				   "a name may have letters, digits, '_', '-' and '.' only");
			return false;
		}
	}
	memcpy(to, s.s, s.len);
	to[s.len] = '\0';
	return true;
}

/* A line up to its comment: '#' at the start or after a blank. */
static struct span line_content(struct span line)
{
	uint32_t i;

	for (i = 0; i < line.len; i++) {
		if (line.s[i] == '#' && (!i || is_blank(line.s[i - 1]))) {
			line.len = i;
			break;
		}
	}
	return span_trim(line);
}

/* A control character can only be a mistake or a trick: the line is reported and passed over. */
static bool line_is_text(struct parser *p, struct span line)
{
	uint32_t i;
	unsigned char c;

	for (i = 0; i < line.len; i++) {
		c = (unsigned char)line.s[i];
		if (c >= ' ' && c != DELETE_CHAR)
			continue;
		if (c == '\t')
			continue;
		line = span_skip(line, i);
		line.len = 1;
		span_error(p->rep, line, "a control character (code %u)", c);
		return false;
	}
	return true;
}

static void vm_begin(struct parser *p, struct span name)
{
	struct config_vm *vm;

	p->section = SECTION_SKIPPED;
	if (p->c->vm_count == CONFIG_VMS) {
		span_error(p->rep, name, "more than %u VMs", CONFIG_VMS);
		return;
	}
	vm = &p->c->vms[p->c->vm_count];
	memset(vm, 0, sizeof(*vm));
	vm->weight = CONFIG_WEIGHT;
	vm->name_at = name.at;
	p->section = SECTION_VM;
	p->vm = vm;
	/* With a bad name its keys are still read, so that their errors come in the same run. */
	if (!span_name(p->rep, name, vm->name, sizeof(vm->name)))
		return;
	if (!strcmp(vm->name, "none"))
		span_error(p->rep, name,
			   "no VM can have this name, 'power = none' means something else");
	p->c->vm_count++;
}

static void section_begin(struct parser *p, struct span line)
{
	struct span inner = line, word;

	p->section = SECTION_SKIPPED;
	if (line.s[line.len - 1] != ']') {
		span_error(p->rep, line, "a section's line must end with ']'");
		return;
	}
	inner = span_skip(inner, 1);
	inner.len--;
	word = span_word(&inner);
	if (span_is(word, "vm")) {
		vm_begin(p, inner);
	} else if (!span_is(word, "system") || inner.len) {
		span_error(p->rep, line, "unknown section; there are [system] and [vm NAME]");
	} else if (p->system_line) {
		span_error(p->rep, line, "[system] is already in line %u", p->system_line);
	} else {
		p->section = SECTION_SYSTEM;
		p->system_line = line.at.line;
	}
}

/* Look the key up among @keys, note where its value is, have it parsed. */
static void key_apply(struct parser *p, struct span key, struct span value,
		      const struct config_key *keys, uint32_t count, struct config_pos *at)
{
	struct key_target target = {.rep = p->rep};
	uint32_t i;

	for (i = 0; i < count && !span_is(key, keys[i].name); i++)
		;
	if (i == count) {
		span_error(p->rep, key, "unknown key in this section");
		return;
	}
	if (at[i].line) {
		span_error(p->rep, key, "this key is already in line %u", at[i].line);
		return;
	}
	at[i] = value.at;
	if (!value.len) {
		span_error(p->rep, key, "this key has no value");
		return;
	}
	if (p->section == SECTION_SYSTEM)
		target.c = p->c;
	else
		target.vm = p->vm;
	keys[i].parse(&target, value);
}

static void key_line(struct parser *p, struct span line)
{
	struct span key = line, value;
	uint32_t i;

	if (p->section == SECTION_SKIPPED)
		return;
	for (i = 0; i < line.len && line.s[i] != '='; i++)
		;
	key.len = i;
	key = span_trim(key);
	if (i == line.len) {
		span_error(p->rep, line, "neither '[section]' nor 'key = value'");
		return;
	}
	value = span_trim(span_skip(line, i + 1));
	if (!key.len) {
		span_error(p->rep, line, "the key before '=' is missing");
		return;
	}
	switch (p->section) {
	case SECTION_SYSTEM:
		key_apply(p, key, value, config_system_keys, SYS_KEYS, p->c->at);
		return;
	case SECTION_VM:
		key_apply(p, key, value, config_vm_keys, VM_KEYS, p->vm->at);
		return;
	default:
		span_error(p->rep, key, "this key stands before the first section");
	}
}

static void parse_line(struct parser *p, struct span line)
{
	if (line.len && line.s[line.len - 1] == '\r')
		line.len--;
	if (!line_is_text(p, line))
		return;
	line = line_content(line);
	if (!line.len)
		return;
	if (line.s[0] == '[')
		section_begin(p, line);
	else
		key_line(p, line);
}

int config_parse(const char *text, uint32_t len, struct config *out, struct config_report *rep)
{
	struct parser p = {.c = out, .rep = rep};
	struct span line = {
		.at = {.line = 0, .col = 1}
	   };
	uint32_t before = rep->count, off = 0;

	memset(out, 0, offsetof(struct config, vms));
	out->reserve = CONFIG_RESERVE;
	if (len >= strlen(UTF8_BOM) && !memcmp(text, UTF8_BOM, strlen(UTF8_BOM)))
		off = (uint32_t)strlen(UTF8_BOM);
	while (off < len) {
		line.s = text + off;
		line.at.line++;
		for (line.len = 0; off + line.len < len && line.s[line.len] != '\n'; line.len++)
			;
		parse_line(&p, line);
		/* The newline too, where there is one; off + line.len is at most len, so this cannot wrap to a loop. */
		off += line.len;
		if (off < len)
			off++;
	}
	return rep->count == before ? 0 : -EINVAL;
}

int config_service_vm(const struct config *c)
{
	uint32_t i;

	for (i = 0; i < c->vm_count; i++) {
		if (c->vms[i].role == ROLE_SERVICE)
			return (int)i;
	}
	return -1;
}

int config_power_vm(const struct config *c)
{
	uint32_t i;
	int service;

	if (!c->power[0])
		return -1;
	for (i = 0; i < c->vm_count; i++) {
		if (!strcmp(c->vms[i].name, c->power))
			return (int)i;
	}
	service = strcmp(c->power, "service") ? -1 : config_service_vm(c);
	return service < 0 ? -ENOENT : service;
}

const char *config_vm_key_name(enum config_vm_key key)
{
	return config_vm_keys[key].name;
}
