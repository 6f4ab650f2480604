/* SPDX-License-Identifier: BSD-2-Clause */
/* The shared-memory function: configuration space, doorbells by MSI-X and by INTA, what a guest must not break. */
/* sources: vdev/vshm.c lib/string.c */

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>
#include "vdev/vshm.h"

#define COMMAND	  0x04
#define BAR(n)	  (0x10 + 4U * (n))
#define INTERRUPT 0x3c
#define MSIX	  0x40
#define MEM	  0x0002U
#define MASTER	  0x0004U
#define INTX_OFF  0x0400U
#define ENABLE	  0x8000U
#define MASK_ALL  0x4000U
#define NO_RING	  0xdeadbeefU

static struct vshm s;
static uint32_t sent, line_changes;
static uint64_t sent_addr;
static uint32_t sent_data;
static bool line;

static void message(void *arg, uint64_t addr, uint32_t data)
{
	assert_ptr_equal(arg, &s);
	sent++;
	sent_addr = addr;
	sent_data = data;
}

static void set_line(void *arg, bool level)
{
	assert_ptr_equal(arg, &s);
	assert_int_not_equal(line, level);
	line_changes++;
	line = level;
}

static const struct vshm_ops ops = {message, set_line};
static const struct vshm_config isolated = {
	.name = "ball",
	.rights = VSHM_RW,
	.size = 65536,
	.peer = 3,
	.irq = 10,
	.base = {0xe1000000, 0xe1001000, 0xe8000000},
};

static void start(const struct vshm_config *cfg)
{
	sent = 0;
	line = false;
	line_changes = 0;
	vshm_init(&s, cfg, &ops, &s);
}

static int setup(void **state)
{
	(void)state;
	start(&isolated);
	return 0;
}

static uint32_t cfg(uint32_t off)
{
	return vshm_config_read(&s, off, 4);
}

static void reg_write(uint32_t off, uint32_t value)
{
	uint32_t ring;

	assert_false(vshm_write(&s, 0, off, 4, value, &ring));
}

static void table_write(uint32_t n, uint32_t field, uint32_t value)
{
	uint32_t ring;

	assert_false(vshm_write(&s, 1, 16 * n + field, 4, value, &ring));
}

/* Vector @n on, with a message of its own. */
static void vector_on(uint32_t n)
{
	table_write(n, 0, 0xfee00000);
	table_write(n, 4, 0);
	table_write(n, 8, 0x40 + n);
	table_write(n, 12, 0);
}

static void msix_on(void)
{
	vshm_config_write(&s, COMMAND, 2, MEM | MASTER);
	vshm_config_write(&s, MSIX + 2, 2, ENABLE);
}

static void test_identity(void **state)
{
	char name[VSHM_NAME];
	uint32_t cap;

	(void)state;
	assert_int_equal(cfg(0), 0x11101af4);
	assert_int_equal(cfg(8), 0x05000001);
	assert_int_equal(cfg(0x2c), 0x11001af4);
	assert_int_equal(cfg(COMMAND), MEM | 1U << 20);
	assert_int_equal(cfg(INTERRUPT), 0x010a);
	/* the list of capabilities: MSI-X with 8 vectors, table and pending bits in BAR 1; then the name */
	cap = cfg(0x34);
	assert_int_equal(cfg(cap) & 0xff, 0x11);
	assert_int_equal(cfg(cap) >> 16, 7);
	assert_int_equal(cfg(cap + 4), 1);
	assert_int_equal(cfg(cap + 8), 0x801);
	cap = cfg(cap) >> 8 & 0xff;
	assert_int_equal(cfg(cap), 0x02240009);
	for (uint32_t i = 0; i < VSHM_NAME; i++)
		name[i] = (char)vshm_config_read(&s, cap + 4 + i, 1);
	assert_string_equal(name, "ball");
	assert_int_equal(vshm_read(&s, 0, 8, 4), 3);
}

static void test_config_edges(void **state)
{
	(void)state;
	assert_int_equal(vshm_config_read(&s, 2, 2), 0x1110);
	assert_int_equal(vshm_config_read(&s, 1, 1), 0x1a);
	assert_int_equal(vshm_config_read(&s, 3, 2), ~0U);
	assert_int_equal(vshm_config_read(&s, 0x100, 4), ~0U);
	assert_int_equal(vshm_config_read(&s, 0xfff, 1), ~0U);
	vshm_config_write(&s, 3, 4, ~0U);
	vshm_config_write(&s, 0x100, 4, ~0U);
	for (uint32_t off = 0; off < 0x100; off += 4) {
		if (off == COMMAND || (off >= 0x10 && off < 0x20) || off == INTERRUPT ||
		    off == MSIX)
			continue;
		uint32_t before = cfg(off);

		vshm_config_write(&s, off, 4, ~before);
		assert_int_equal(cfg(off), before);
	}
	vshm_config_write(&s, COMMAND, 4, ~0U);
	assert_int_equal(cfg(COMMAND), MEM | MASTER | INTX_OFF | 1U << 20);
	vshm_config_write(&s, INTERRUPT, 1, 7);
	assert_int_equal(cfg(INTERRUPT), 0x0107);
}

static void test_bars(void **state)
{
	(void)state;
	assert_int_equal(cfg(BAR(0)), 0xe1000000);
	assert_int_equal(cfg(BAR(1)), 0xe1001000);
	assert_int_equal(cfg(BAR(2)), 0xe800000c);
	assert_int_equal(cfg(BAR(3)), 0);
	assert_int_equal(vshm_bar(&s, 2), 0xe8000000);
	for (uint32_t n = 0; n < 4; n++)
		vshm_config_write(&s, BAR(n), 4, ~0U);
	assert_int_equal(cfg(BAR(0)), 0xfffff000);
	assert_int_equal(cfg(BAR(1)), 0xfffff000);
	assert_int_equal(cfg(BAR(2)), 0xffff000c);
	assert_int_equal(cfg(BAR(3)), 0xffffffff);
	assert_int_equal(cfg(BAR(4)), 0);
	assert_int_equal(vshm_bar(&s, 2), 0xffffffffffff0000);
	/* byte by byte */
	for (uint32_t i = 0; i < 4; i++)
		vshm_config_write(&s, BAR(2) + i, 1, 0xe9123456 >> 8 * i & 0xff);
	vshm_config_write(&s, BAR(3), 4, 1);
	assert_int_equal(vshm_bar(&s, 2), 0x1e9120000);
	vshm_config_write(&s, BAR(0), 4, 0);
	assert_int_equal(vshm_bar(&s, 0), VSHM_BAR_OFF);
	vshm_config_write(&s, COMMAND, 2, 0);
	assert_int_equal(vshm_bar(&s, 1), VSHM_BAR_OFF);
	assert_int_equal(vshm_bar(&s, 2), VSHM_BAR_OFF);
	vshm_reset(&s);
	assert_int_equal(vshm_bar(&s, 0), 0xe1000000);
	assert_int_equal(vshm_bar(&s, 2), 0xe8000000);
}

static void test_no_memory(void **state)
{
	struct vshm_config c = isolated;

	(void)state;
	c.rights = VSHM_NONE;
	c.base[VSHM_MEMORY] = 0;
	start(&c);
	vshm_config_write(&s, BAR(2), 4, ~0U);
	vshm_config_write(&s, BAR(3), 4, ~0U);
	assert_int_equal(cfg(BAR(2)), 0);
	assert_int_equal(cfg(BAR(3)), 0);
	assert_int_equal(vshm_bar(&s, 2), VSHM_BAR_OFF);
	assert_int_equal(vshm_bar(&s, 0), 0xe1000000);
}

static void test_not_placed(void **state)
{
	struct vshm_config c = isolated;

	(void)state;
	memset(c.base, 0, sizeof(c.base));
	start(&c);
	assert_int_equal(cfg(COMMAND) & MEM, 0);
	assert_int_equal(vshm_bar(&s, 0), VSHM_BAR_OFF);
}

static void test_doorbell_register(void **state)
{
	uint32_t ring = NO_RING;

	(void)state;
	assert_true(vshm_write(&s, 0, 12, 4, 0x50002, &ring));
	assert_int_equal(VSHM_RING_PEER(ring), 5);
	assert_int_equal(VSHM_RING_VECTOR(ring), 2);
	ring = NO_RING;
	assert_false(vshm_write(&s, 0, 12, 2, 0, &ring));
	assert_false(vshm_write(&s, 0, 13, 4, 0, &ring));
	assert_false(vshm_write(&s, 0, 8, 8, 0, &ring));
	assert_false(vshm_write(&s, 0, 0xffc, 4, 0, &ring));
	assert_false(vshm_write(&s, 1, 12, 4, 1, &ring));
	assert_int_equal(ring, NO_RING);
	assert_int_equal(vshm_read(&s, 0, 12, 4), 0);
}

static void test_intx(void **state)
{
	(void)state;
	vshm_ring(&s, 0);
	assert_false(line); /* nothing is enabled */
	reg_write(0, 1);
	assert_true(line);
	assert_int_equal(cfg(COMMAND) >> 19 & 1, 1);
	assert_int_equal(vshm_read(&s, 0, 4, 4), 1);
	assert_false(line);
	assert_int_equal(vshm_read(&s, 0, 4, 4), 0);
	vshm_ring(&s, 5);
	vshm_ring(&s, 5);
	assert_true(line);
	assert_int_equal(line_changes, 3);
	vshm_config_write(&s, COMMAND, 2, MEM | INTX_OFF);
	assert_false(line);
	vshm_config_write(&s, COMMAND, 2, MEM);
	assert_true(line);
	msix_on(); /* MSI-X on: no more INTA */
	assert_false(line);
	vshm_config_write(&s, MSIX + 2, 2, 0);
	assert_true(line);
	reg_write(4, 0);
	assert_false(line);
	vshm_ring(&s, VSHM_VECTORS);
	vshm_ring(&s, 0xffff);
	assert_false(line);
	assert_int_equal(sent, 0);
	vshm_ring(&s, 0);
	vshm_reset(&s);
	assert_false(line);
	assert_int_equal(vshm_read(&s, 0, 0, 4), 0);
}

/* The service guest's has no INTA. */
static void test_no_pin(void **state)
{
	struct vshm_config c = isolated;

	(void)state;
	c.irq = 0;
	start(&c);
	reg_write(0, 1);
	vshm_ring(&s, 0);
	assert_int_equal(line_changes, 0);
	assert_int_equal(cfg(INTERRUPT) & 0xff00, 0);
	assert_int_equal(vshm_read(&s, 0, 4, 4), 1);
}

static void test_msix(void **state)
{
	(void)state;
	vector_on(2);
	vshm_ring(&s, 2);
	assert_int_equal(sent, 0);
	msix_on();
	assert_int_equal(sent, 0); /* what came before is the status register's */
	vshm_ring(&s, 2);
	assert_int_equal(sent, 1);
	assert_int_equal(sent_addr, 0xfee00000);
	assert_int_equal(sent_data, 0x42);
	assert_int_equal(vshm_read(&s, 1, 0x800, 4), 0);
	vshm_ring(&s, VSHM_VECTORS);
	vshm_ring(&s, 0xffff);
	assert_int_equal(sent, 1);
	assert_int_equal(vshm_read(&s, 1, 0x800, 8), 0);
}

/* A flood leaves one message of each vector behind, whatever it is that masks. */
static void test_pending(void **state)
{
	(void)state;
	vector_on(0);
	msix_on();
	for (uint32_t i = 0; i < 1000; i++)
		vshm_ring(&s, 1);
	assert_int_equal(sent, 0);
	assert_int_equal(vshm_read(&s, 1, 0x800, 4), 2);
	vector_on(1);
	assert_int_equal(sent, 1);
	assert_int_equal(sent_data, 0x41);
	assert_int_equal(vshm_read(&s, 1, 0x800, 4), 0);
	vshm_config_write(&s, MSIX + 2, 2, ENABLE | MASK_ALL);
	for (uint32_t i = 0; i < 1000; i++)
		vshm_ring(&s, i & 1);
	assert_int_equal(sent, 1);
	vshm_config_write(&s, MSIX + 2, 2, ENABLE);
	assert_int_equal(sent, 3);
	vshm_config_write(&s, COMMAND, 2, MEM);
	vshm_ring(&s, 0);
	assert_int_equal(sent, 3);
	vshm_config_write(&s, COMMAND, 2, MEM | MASTER);
	assert_int_equal(sent, 4);
	table_write(0, 12, 1);
	vshm_ring(&s, 0);
	vshm_reset(&s); /* pending doorbells do not outlive a restart */
	vector_on(0);
	msix_on();
	assert_int_equal(sent, 4);
}

static void test_table_access(void **state)
{
	uint32_t ring;

	(void)state;
	assert_int_equal(vshm_read(&s, 1, 12, 4), 1); /* masked */
	vshm_write(&s, 1, 16, 8, 0x123456789abcdef3, &ring);
	assert_int_equal(vshm_read(&s, 1, 16, 8), 0x123456789abcdef0);
	assert_int_equal(vshm_read(&s, 1, 20, 4), 0x12345678);
	assert_int_equal(vshm_read(&s, 1, 21, 1), 0x56);
	assert_int_equal(vshm_read(&s, 1, 18, 4), 0);
	assert_int_equal(vshm_read(&s, 1, 20, 8), 0);
	vshm_write(&s, 1, 16, 2, 0xffff, &ring);
	vshm_write(&s, 1, 18, 4, 0, &ring);
	assert_int_equal(vshm_read(&s, 1, 16, 8), 0x123456789abcdef0);
	vshm_write(&s, 1, 28, 4, 0xfffffffe, &ring);
	assert_int_equal(vshm_read(&s, 1, 28, 4), 0);
	/* beyond the table there is nothing but the pending bits, which nobody writes */
	vshm_write(&s, 1, 16 * VSHM_VECTORS, 8, ~0ULL, &ring);
	vshm_write(&s, 1, 0x800, 8, ~0ULL, &ring);
	vshm_write(&s, 1, 0xff8, 8, ~0ULL, &ring);
	assert_int_equal(vshm_read(&s, 1, 16 * VSHM_VECTORS, 8), 0);
	assert_int_equal(vshm_read(&s, 1, 0x800, 8), 0);
	assert_int_equal(vshm_read(&s, 1, 0xff8, 8), 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup(name, setup)
	const struct CMUnitTest tests[] = {
		T(test_identity),  T(test_config_edges), T(test_bars),
		T(test_no_memory), T(test_not_placed),	 T(test_doorbell_register),
		T(test_intx),	   T(test_no_pin),	 T(test_msix),
		T(test_pending),   T(test_table_access),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
