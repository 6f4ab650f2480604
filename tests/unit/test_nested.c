/* SPDX-License-Identifier: BSD-2-Clause */
/* Nested tables in both formats: rights, memory types, limits, quotas, and what the raw entries say. */
/* sources: ept/nested.c arch/pool.c lib/ptab.c lib/ptab_format.c lib/lock.c */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "ept/nested.h"
#include "lib/ptab_format.h"

#define FRAMES 4096u
#define BASE   (3 * GIB)
#define RWX    (NESTED_R | NESTED_W | NESTED_X)

static uint8_t *memory;
static struct quota q;
static struct nested n;
static const struct nested_caps all_caps = {
	.maxphyaddr = 46, .large_2m = true, .large_1g = true, .ad = true};

static int setup(void **state)
{
	(void)state;
	memory = aligned_alloc(PAGE_SIZE, FRAMES * PAGE_SIZE);
	pool_va_offset = (uint64_t)(uintptr_t)memory - BASE;
	q = (struct quota){.max = FRAMES};
	return pool_init(HPA(BASE), FRAMES * PAGE_SIZE);
}

static int teardown(void **state)
{
	(void)state;
	free(memory);
	return 0;
}

static uint64_t leaf_entry(gpa_t gpa)
{
	uint64_t path[PTAB_LEVELS_MAX];
	uint32_t depth = nested_path(&n, gpa, path);

	return path[depth - 1];
}

static void test_root(void **state)
{
	struct nested_caps caps = all_caps;

	(void)state;
	assert_int_equal(nested_init(&n, NESTED_EPT, &q, &caps), 0);
	assert_int_equal(nested_root(&n) & PAGE_MASK, 6 | 3 << 3 | 1 << 6);
	assert_int_equal(nested_root(&n) & ~PAGE_MASK, n.pt.root.v);
	nested_destroy(&n);
	caps.ad = false;
	assert_int_equal(nested_init(&n, NESTED_EPT, &q, &caps), 0);
	assert_int_equal(nested_root(&n) & PAGE_MASK, 6 | 3 << 3);
	nested_destroy(&n);
	assert_int_equal(nested_init(&n, NESTED_NPT, &q, &caps), 0);
	assert_int_equal(nested_root(&n), n.pt.root.v);
	nested_destroy(&n);
	assert_int_equal(q.used, 0);
	caps.maxphyaddr = 53;
	assert_int_equal(nested_init(&n, NESTED_NPT, &q, &caps), -EINVAL);
	caps.maxphyaddr = 31;
	assert_int_equal(nested_init(&n, NESTED_NPT, &q, &caps), -EINVAL);
	q.max = 0;
	assert_int_equal(nested_init(&n, NESTED_NPT, &q, &all_caps), -ENOMEM);
}

static void test_entries_ept(void **state)
{
	(void)state;
	assert_int_equal(nested_init(&n, NESTED_EPT, &q, &all_caps), 0);
	assert_int_equal(nested_map(&n, GPA(0), HPA(0x5000), PAGE_SIZE, NESTED_R, MEMTYPE_UC), 0);
	assert_int_equal(leaf_entry(GPA(0)), 0x5000 | 1);
	assert_int_equal(nested_map(&n, GPA(0x1000), HPA(0x5000), PAGE_SIZE, NESTED_R | NESTED_W,
				    MEMTYPE_WB),
			 0);
	assert_int_equal(leaf_entry(GPA(0x1000)), 0x5000 | 3 | 6 << 3);
	assert_int_equal(nested_map(&n, GPA(2 * MIB), HPA(4 * MIB), 2 * MIB, RWX, MEMTYPE_WT), 0);
	assert_int_equal(leaf_entry(GPA(2 * MIB)), 4 * MIB | 7 | 4 << 3 | 0x80);
	assert_int_equal(
		nested_map(&n, GPA(GIB), HPA(2 * GIB), GIB, NESTED_R | NESTED_X, MEMTYPE_WC), 0);
	assert_int_equal(leaf_entry(GPA(GIB)), 2 * GIB | 5 | 1 << 3 | 0x80);
	nested_destroy(&n);
	assert_int_equal(q.used, 0);
}

static void test_entries_npt(void **state)
{
	const uint64_t nx = 1ULL << 63;

	(void)state;
	assert_int_equal(nested_init(&n, NESTED_NPT, &q, &all_caps), 0);
	assert_int_equal(nested_map(&n, GPA(0), HPA(0x5000), PAGE_SIZE, NESTED_R, MEMTYPE_UC), 0);
	assert_int_equal(leaf_entry(GPA(0)), (0x5000 | 5 | nx));
	assert_int_equal(nested_map(&n, GPA(0x1000), HPA(0x5000), PAGE_SIZE, NESTED_R | NESTED_W,
				    MEMTYPE_WB),
			 0);
	assert_int_equal(leaf_entry(GPA(0x1000)), (0x5000 | 7 | nx));
	assert_int_equal(nested_map(&n, GPA(2 * MIB), HPA(4 * MIB), 2 * MIB, RWX, MEMTYPE_WB), 0);
	assert_int_equal(leaf_entry(GPA(2 * MIB)), 4 * MIB | 7 | 0x80);
	nested_destroy(&n);
	assert_int_equal(q.used, 0);
}

/* What was granted may be done, and nothing else, for every mix of granted and wanted. */
static void rights_matrix(enum nested_kind kind)
{
	uint64_t contig;
	hpa_t out;

	assert_int_equal(nested_init(&n, kind, &q, &all_caps), 0);
	for (uint32_t granted = 0; granted <= RWX; granted++) {
		gpa_t gpa = GPA(granted * 2 * MIB);
		int err = nested_map(&n, gpa, HPA(64 * MIB), 2 * MIB, granted, MEMTYPE_WB);

		assert_int_equal(err, granted & NESTED_R ? 0 : -EINVAL);
		for (uint32_t want = 0; want <= RWX; want++) {
			bool allowed = (granted & NESTED_R) && !(want & ~granted);

			err = nested_translate(&n, GPA(gpa.v + 0x1234), want, &out, &contig);
			assert_int_equal(err, allowed ? 0 : -EFAULT);
			if (!err) {
				assert_int_equal(out.v, 64 * MIB + 0x1234);
				assert_int_equal(contig, 2 * MIB - 0x1234);
			}
		}
	}
	assert_int_equal(nested_map(&n, GPA(0), HPA(0), PAGE_SIZE, 8 | NESTED_R, MEMTYPE_WB),
			 -EINVAL);
	nested_destroy(&n);
}

static void test_rights(void **state)
{
	(void)state;
	rights_matrix(NESTED_NPT);
	rights_matrix(NESTED_EPT);
}

static void limits(enum nested_kind kind, uint8_t bits)
{
	const struct nested_caps caps = {.maxphyaddr = bits, .large_2m = true};
	const uint64_t gpa_end = BIT(bits < 48 ? bits : 48);
	const uint64_t hpa_end = BIT(bits);
	hpa_t out;

	assert_int_equal(nested_init(&n, kind, &q, &caps), 0);
	assert_int_equal(nested_map(&n, GPA(gpa_end), HPA(0), PAGE_SIZE, RWX, MEMTYPE_WB), -ERANGE);
	assert_int_equal(
		nested_map(&n, GPA(gpa_end - PAGE_SIZE), HPA(0), 2 * PAGE_SIZE, RWX, MEMTYPE_WB),
		-ERANGE);
	assert_int_equal(nested_map(&n, GPA(0), HPA(hpa_end), PAGE_SIZE, RWX, MEMTYPE_WB), -ERANGE);
	assert_int_equal(
		nested_map(&n, GPA(0), HPA(hpa_end - PAGE_SIZE), 2 * PAGE_SIZE, RWX, MEMTYPE_WB),
		-ERANGE);
	assert_int_equal(nested_map(&n, GPA(0 - PAGE_SIZE), HPA(0), 2 * PAGE_SIZE, RWX, MEMTYPE_WB),
			 -ERANGE);
	assert_int_equal(nested_map(&n, GPA(PAGE_SIZE), HPA(0), 0 - PAGE_SIZE, RWX, MEMTYPE_WB),
			 -ERANGE);
	assert_int_equal(nested_unmap(&n, GPA(gpa_end), PAGE_SIZE), -ERANGE);
	assert_int_equal(nested_map(&n, GPA(0), HPA(0), 0, RWX, MEMTYPE_WB), -EINVAL);
	assert_int_equal(nested_map(&n, GPA(1), HPA(0), PAGE_SIZE, RWX, MEMTYPE_WB), -EINVAL);
	assert_int_equal(nested_map(&n, GPA(0), HPA(1), PAGE_SIZE, RWX, MEMTYPE_WB), -EINVAL);
	assert_int_equal(nested_map(&n, GPA(0), HPA(0), PAGE_SIZE, RWX, (enum memtype)2), -EINVAL);
	assert_int_equal(nested_map(&n, GPA(0), HPA(0), PAGE_SIZE, RWX, (enum memtype)7), -EINVAL);
	assert_int_equal(nested_unmap(&n, GPA(1), PAGE_SIZE), -EINVAL);
	assert_int_equal(q.used, 1);

	assert_int_equal(nested_translate(&n, GPA(UINT64_MAX), 0, &out, NULL), -EFAULT);
	assert_int_equal(nested_translate(&n, GPA(gpa_end - 1), 0, &out, NULL), -EFAULT);
	assert_int_equal(nested_map(&n, GPA(gpa_end - PAGE_SIZE), HPA(hpa_end - PAGE_SIZE),
				    PAGE_SIZE, RWX, MEMTYPE_WB),
			 0);
	assert_int_equal(nested_translate(&n, GPA(gpa_end - 1), RWX, &out, NULL), 0);
	assert_int_equal(out.v, hpa_end - 1);
	nested_destroy(&n);
}

static void test_limits(void **state)
{
	(void)state;
	limits(NESTED_NPT, 36);
	limits(NESTED_NPT, 52);
	limits(NESTED_EPT, 39);
	limits(NESTED_EPT, 48);
}

static void test_page_sizes(void **state)
{
	struct nested_caps caps = all_caps;
	uint64_t contig;
	hpa_t out;

	(void)state;
	for (uint32_t i = 0; i < 3; i++) {
		static const uint64_t expect[] = {GIB, 2 * MIB, PAGE_SIZE};

		caps.large_1g = i == 0;
		caps.large_2m = i <= 1;
		assert_int_equal(nested_init(&n, NESTED_EPT, &q, &caps), 0);
		assert_int_equal(nested_map(&n, GPA(GIB), HPA(8 * GIB), GIB, RWX, MEMTYPE_WB), 0);
		assert_int_equal(nested_translate(&n, GPA(GIB), RWX, &out, &contig), 0);
		assert_int_equal(contig, expect[i]);
		assert_int_equal(nested_unmap(&n, GPA(GIB + 5 * PAGE_SIZE), PAGE_SIZE), 0);
		assert_int_equal(nested_translate(&n, GPA(GIB + 5 * PAGE_SIZE), 0, &out, &contig),
				 -EFAULT);
		assert_int_equal(nested_translate(&n, GPA(GIB + 6 * PAGE_SIZE), RWX, &out, &contig),
				 0);
		assert_int_equal(out.v, 8 * GIB + 6 * PAGE_SIZE);
		nested_destroy(&n);
		assert_int_equal(q.used, 0);
	}
}

/* A terabyte of the service guest, less one hole, on a quota that says how much that takes. */
static void test_quota(void **state)
{
	const uint64_t tib = 1024 * GIB;
	hpa_t out;

	(void)state;
	q.max = 1 + 2; /* the root and two directories */
	assert_int_equal(nested_init(&n, NESTED_NPT, &q, &all_caps), 0);
	assert_int_equal(nested_map(&n, GPA(0), HPA(0), tib, RWX, MEMTYPE_WB), 0);
	assert_int_equal(q.used, 3);
	assert_int_equal(nested_unmap(&n, GPA(5 * GIB + 2 * MIB), 2 * MIB), -ENOMEM);
	assert_int_equal(nested_translate(&n, GPA(5 * GIB + 2 * MIB), RWX, &out, NULL), 0);
	q.max++;
	assert_int_equal(nested_unmap(&n, GPA(5 * GIB + 2 * MIB), 2 * MIB), 0);
	assert_int_equal(nested_translate(&n, GPA(5 * GIB + 2 * MIB), 0, &out, NULL), -EFAULT);
	assert_int_equal(nested_translate(&n, GPA(5 * GIB + 4 * MIB), RWX, &out, NULL), 0);
	assert_int_equal(nested_map(&n, GPA(tib), HPA(0), PAGE_SIZE, RWX, MEMTYPE_WB), -ENOMEM);
	assert_int_equal(nested_unmap(&n, GPA(0), tib), 0);
	assert_int_equal(q.used, 4); /* tables stay: a CPU may be walking them */
	nested_destroy(&n);
	assert_int_equal(q.used, 0);
	assert_int_equal(pool_used(), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_root, setup, teardown),
		cmocka_unit_test_setup_teardown(test_entries_ept, setup, teardown),
		cmocka_unit_test_setup_teardown(test_entries_npt, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rights, setup, teardown),
		cmocka_unit_test_setup_teardown(test_limits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_page_sizes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_quota, setup, teardown),
	};

	return cmocka_run_group_tests_name("nested", tests, NULL, NULL);
}
