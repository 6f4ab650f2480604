/* SPDX-License-Identifier: BSD-2-Clause */
/* What all guest loaders share: which memory is taken, bounded reads of the image, entry states. */

#include "vm/load_priv.h"
#include "arch/cpu.h"
#include "lib/printf.h"
#include "lib/string.h"

/* The loader's own data goes here first: above page 0, below where firmware keeps its extended data area. */
#define LOW_START 0x1000
#define LOW_END	  0x9f000

/* Power-up values (SDM vol. 3, table 10-1; 12.12.4 for PAT). */
#define DR6_RESET 0xffff0ff0
#define DR7_RESET 0x00000400
#define PAT_RESET 0x0007040600070406ULL

#define FLAT_LIMIT 0xffffffff
#define TSS_LIMIT \
	0x67 /* the smallest 32-bit TSS, as PVH asks for; 64-bit ones have the same size */
#define LDT_LIMIT  0xffff
#define GDT_ALIGN  8
#define STRING_MAX 4096

/* Descriptors (SDM vol. 3, 3.4.5): base 0, limit 4 GiB, ring 0, present, accessed. */
#define DESC_CODE32 0x00cf9b000000ffffULL
#define DESC_CODE64 0x00af9b000000ffffULL
#define DESC_DATA   0x00cf93000000ffffULL

int load_fail(struct load *l, int error, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf_(l->err, l->err_size, fmt, args);
	va_end(args);
	return error;
}

int load_read(struct load *l, const struct image *image, uint64_t off, void *buf, uint32_t len,
	      const char *what)
{
	int err;

	if (off > image->size || len > image->size - off)
		return load_fail(l, -ENOEXEC,
				 "the image is truncated: %s at 0x%llx ends behind its %llu bytes",
				 what, (unsigned long long)off, (unsigned long long)image->size);
	err = image->read(image->arg, off, buf, len);
	if (err < 0)
		return load_fail(l, err, "the image cannot be read at 0x%llx",
				 (unsigned long long)off);
	return 0;
}

/* Index of a claimed piece that [base, base + size) touches, or -1. The range must not wrap. */
static int used_find(const struct load *l, uint64_t base, uint64_t size)
{
	uint32_t i;

	for (i = 0; i < l->used_count; i++) {
		if (base < l->used[i].base + l->used[i].size && l->used[i].base < base + size)
			return (int)i;
	}
	return -1;
}

/* Is the guest told that all of [base, end) is RAM? Its map is sorted, so one pass is enough. */
static bool map_covers(const struct load *l, uint64_t base, uint64_t end)
{
	const struct load_range *r;
	uint32_t i;

	for (i = 0; i < l->t->map_count && base < end; i++) {
		r = &l->t->map[i];
		if (r->type == LOAD_RAM && r->base.v <= base && base - r->base.v < r->size)
			base = r->base.v + r->size;
	}
	return base >= end;
}

static bool is_low_ram(const struct load *l, uint64_t base, uint64_t size)
{
	return size && base < LOAD_4G && size <= LOAD_4G - base &&
	       map_covers(l, base, base + size) && l->t->is_ram(l->t->arg, GPA(base), size);
}

bool load_is_free(const struct load *l, uint64_t base, uint64_t size)
{
	return is_low_ram(l, base, size) && used_find(l, base, size) < 0;
}

int load_claim(struct load *l, uint64_t base, uint64_t size, const char *what)
{
	if (!is_low_ram(l, base, size))
		return load_fail(
			l, -ENOMEM,
			"%s (0x%llx bytes at 0x%llx) is not in the guest's memory below 4 GiB",
			what, (unsigned long long)size, (unsigned long long)base);
	if (used_find(l, base, size) >= 0)
		return load_fail(l, -ENOEXEC,
				 "%s (0x%llx bytes at 0x%llx) lies over another part of the image",
				 what, (unsigned long long)size, (unsigned long long)base);
	if (l->used_count == LOAD_USED_MAX)
		return load_fail(l, -E2BIG, "the image has more than %u parts", LOAD_USED_MAX);
	l->used[l->used_count].base = base;
	l->used[l->used_count].size = size;
	l->used_count++;
	return 0;
}

/* The part of map entry @i that is RAM inside [*lo, *hi), or false. */
static bool map_window(const struct load *l, uint32_t i, uint64_t *lo, uint64_t *hi)
{
	const struct load_range *r = &l->t->map[i];

	if (r->type != LOAD_RAM || range_wraps(r->base.v, r->size))
		return false;
	*lo = max_u64(*lo, r->base.v);
	*hi = min_u64(*hi, r->base.v + r->size);
	return *lo < *hi;
}

/* Lowest fit in a window; each turn steps over one claimed piece. */
static bool fit_low(const struct load *l, uint64_t size, uint64_t align, uint64_t lo, uint64_t hi,
		    uint64_t *base)
{
	uint64_t at = ALIGN_UP(lo, align);
	int used;

	while (at < hi && size <= hi - at) {
		used = used_find(l, at, size);
		if (used < 0) {
			*base = at;
			return load_is_free(l, at, size);
		}
		at = ALIGN_UP(l->used[used].base + l->used[used].size, align);
	}
	return false;
}

/* Highest fit, likewise. */
static bool fit_high(const struct load *l, uint64_t size, uint64_t align, uint64_t lo, uint64_t hi,
		     uint64_t *base)
{
	uint64_t at;
	int used;

	while (hi > lo && size <= hi - lo) {
		at = ALIGN_DOWN(hi - size, align);
		if (at < lo)
			return false;
		used = used_find(l, at, size);
		if (used < 0) {
			*base = at;
			return load_is_free(l, at, size);
		}
		hi = l->used[used].base;
	}
	return false;
}

static int no_memory(struct load *l, uint64_t size, const char *what)
{
	return load_fail(l, -ENOMEM,
			 "the guest has no 0x%llx bytes of free memory below 4 GiB for %s",
			 (unsigned long long)size, what);
}

int load_alloc_low(struct load *l, uint64_t size, uint64_t align, uint64_t min, uint64_t max,
		   const char *what, uint64_t *base)
{
	uint64_t lo, hi;
	uint32_t i;

	for (i = 0; i < l->t->map_count; i++) {
		lo = min;
		hi = min_u64(max, LOAD_4G);
		if (map_window(l, i, &lo, &hi) && fit_low(l, size, align, lo, hi, base))
			return load_claim(l, *base, size, what);
	}
	return no_memory(l, size, what);
}

int load_alloc_high(struct load *l, uint64_t size, uint64_t align, uint64_t min, uint64_t max,
		    const char *what, uint64_t *base)
{
	uint64_t lo, hi;
	uint32_t i;

	for (i = l->t->map_count; i > 0; i--) {
		lo = min;
		hi = min_u64(max, LOAD_4G);
		if (map_window(l, i - 1, &lo, &hi) && fit_high(l, size, align, lo, hi, base))
			return load_claim(l, *base, size, what);
	}
	return no_memory(l, size, what);
}

int load_alloc_own(struct load *l, uint64_t size, uint64_t align, const char *what, uint64_t *base)
{
	if (!load_alloc_low(l, size, align, LOW_START, LOW_END, what, base))
		return 0;
	return load_alloc_high(l, size, align, LOW_START, LOAD_4G, what, base);
}

/* A target's refusal of a range that is_ram had granted. */
static int target_result(struct load *l, int err, uint64_t gpa)
{
	if (err < 0)
		return load_fail(l, err,
				 "the guest's memory at 0x%llx cannot be written (error %d)",
				 (unsigned long long)gpa, err);
	return 0;
}

int load_write(struct load *l, uint64_t gpa, const void *buf, uint32_t len)
{
	return target_result(l, l->t->write(l->t->arg, GPA(gpa), buf, len), gpa);
}

int load_zero(struct load *l, uint64_t gpa, uint64_t len)
{
	return len ? target_result(l, l->t->zero(l->t->arg, GPA(gpa), len), gpa) : 0;
}

int load_copy(struct load *l, uint64_t gpa, const struct image *from, uint64_t off, uint64_t len)
{
	return len ? target_result(l, l->t->copy(l->t->arg, GPA(gpa), off, len, from), gpa) : 0;
}

int load_put_string(struct load *l, const char *s, const char *what, uint64_t *base)
{
	size_t len = strlen(s) + 1;
	int err;

	if (len > STRING_MAX)
		return load_fail(l, -E2BIG, "%s is longer than %u characters", what,
				 STRING_MAX - 1);
	err = load_alloc_own(l, len, 1, what, base);
	return err ? err : load_write(l, *base, s, (uint32_t)len);
}

int load_put_image(struct load *l, const struct image *image, uint64_t max, const char *what,
		   uint64_t *base)
{
	int err;

	if (!image->size)
		return load_fail(l, -ENOEXEC, "%s is empty", what);
	err = load_alloc_high(l, image->size, PAGE_SIZE, LOW_START, max, what, base);
	return err ? err : load_copy(l, *base, image, 0, image->size);
}

int load_put_gdt(struct load *l, bool long_mode)
{
	uint64_t gdt[LOAD_DATA_SEL / sizeof(uint64_t) + 1] = {0}, base = 0;
	int err;

	gdt[LOAD_CODE_SEL / sizeof(gdt[0])] = long_mode ? DESC_CODE64 : DESC_CODE32;
	gdt[LOAD_DATA_SEL / sizeof(gdt[0])] = DESC_DATA;
	err = load_alloc_own(l, sizeof(gdt), GDT_ALIGN, "a descriptor table", &base);
	if (err)
		return err;
	l->out->state.gdtr = (struct desc_table){.base = base, .limit = sizeof(gdt) - 1};
	return load_write(l, base, gdt, sizeof(gdt));
}

void load_state_common(struct load *l, uint64_t rip)
{
	struct guest_state *s = &l->out->state;

	s->rip = rip;
	s->rflags = RFLAGS_FIXED;
	s->cr0 = CR0_ET;
	s->dr6 = DR6_RESET;
	s->dr7 = DR7_RESET;
	s->pat = PAT_RESET;
	s->seg[SEG_TR] = (struct segment){.attr = ATTR_TSS, .limit = TSS_LIMIT};
	s->seg[SEG_LDTR] = (struct segment){.attr = ATTR_LDT, .limit = LDT_LIMIT};
}

void load_state_protected(struct load *l, uint64_t rip)
{
	struct guest_state *s = &l->out->state;
	uint32_t i;

	load_state_common(l, rip);
	s->cr0 |= CR0_PE;
	for (i = SEG_ES; i <= SEG_GS; i++)
		s->seg[i] = (struct segment){
			.sel = LOAD_DATA_SEL, .attr = ATTR_DATA32, .limit = FLAT_LIMIT};
	s->seg[SEG_CS] =
		(struct segment){.sel = LOAD_CODE_SEL, .attr = ATTR_CODE32, .limit = FLAT_LIMIT};
}

static enum load_form form_find(struct load *l)
{
	if (pvh_is(l))
		return LOAD_PVH;
	if (bzimage_is(l->r->kernel))
		return LOAD_BZIMAGE;
	if (multiboot2_is(l))
		return LOAD_MULTIBOOT2;
	if (multiboot1_is(l))
		return LOAD_MULTIBOOT1;
	return elf_is(l->r->kernel) ? LOAD_PVH : LOAD_UNKNOWN;
}

enum load_form load_guess(const struct image *image)
{
	struct load_request r = {.kernel = image};
	char err[1];
	struct load l = {.r = &r, .err = err, .err_size = sizeof(err)};

	return form_find(&l);
}

int load_guest(const struct load_request *r, struct load_result *out, char *err, size_t err_size)
{
	struct load l = {.r = r, .t = r->target, .out = out, .err = err, .err_size = err_size};

	memset(out, 0, sizeof(*out));
	if (r->module_count > LOAD_MODULES)
		return load_fail(&l, -E2BIG, "more than %u modules", LOAD_MODULES);
	if (r->flat != FLAT_NONE)
		return load_flat(&l);
	switch (form_find(&l)) {
	case LOAD_BZIMAGE:
		return load_bzimage(&l);
	case LOAD_PVH:
		return load_pvh(&l);
	case LOAD_MULTIBOOT1:
		return load_multiboot1(&l);
	case LOAD_MULTIBOOT2:
		return load_multiboot2(&l);
	default:
		return load_fail(
			&l, -ENOEXEC,
			"the image is neither a Linux bzImage nor an ELF or multiboot file (a raw binary needs 'flat')");
	}
}

int image_sha256(const struct image *image, void *buf, uint32_t buf_size,
		 uint8_t digest[SHA256_SIZE])
{
	struct sha256 h;
	uint64_t off = 0;
	uint32_t len;
	int err;

	if (!buf_size)
		return -EINVAL;
	sha256_init(&h);
	while (off < image->size) {
		len = (uint32_t)min_u64(buf_size, image->size - off);
		err = image->read(image->arg, off, buf, len);
		if (err < 0)
			return err;
		sha256_update(&h, buf, len);
		off += len;
	}
	sha256_final(&h, digest);
	return 0;
}
