/* SPDX-License-Identifier: BSD-2-Clause */
/* The virtual local APIC against SDM vol. 3, chapter 11. */
/* sources: vdev/vlapic.c vdev/vlapic_reg.c vdev/vlapic_page.c vdev/vlapic_timer.c vdev/vlapic_route.c */

#include <setjmp.h>
#include <stdarg.h>
#include <pthread.h>
#include <cmocka.h>
#include "tests/unit/vdev_fake.h"
#include "vdev/vlapic_priv.h"

#define CPUS   16
#define KHZ    3000000ULL
#define START  1000000000ULL
#define MSR(r) (VLAPIC_MSR_FIRST + (r))

static struct vlapic apic[CPUS];

static void init_one(uint32_t n, uint32_t id)
{
	struct vlapic_config cfg = {.id = id,
				    .vcpu = n,
				    .bsp = n == 0,
				    .x2apic = true,
				    .directed_eoi = true,
				    .phys_bits = 40};

	vlapic_init(&apic[n], &cfg, &fake_host, NULL);
	fake.lapic[n] = &apic[n];
}

static int setup(void **state)
{
	(void)state;
	fake_reset(KHZ, START);
	for (uint32_t n = 0; n < CPUS; n++)
		init_one(n, n);
	fake.lapics = CPUS;
	fake.route = vlapic_route;
	return 0;
}

static uint32_t rd(struct vlapic *v, uint32_t reg)
{
	return (uint32_t)vlapic_mmio_read(v, reg << 4, 4);
}

static void wr(struct vlapic *v, uint32_t reg, uint32_t value)
{
	vlapic_mmio_write(v, reg << 4, 4, value);
}

static void enable(struct vlapic *v)
{
	wr(v, REG_SVR, SVR_ENABLE | 0xff);
}

static void enable_all(void)
{
	for (uint32_t n = 0; n < CPUS; n++)
		enable(&apic[n]);
}

static void to_x2(struct vlapic *v)
{
	assert_int_equal(vlapic_set_base(v, vlapic_base(v) | IA32_APIC_BASE_EXTD), 0);
}

static uint64_t msr(struct vlapic *v, uint32_t reg)
{
	uint64_t value = 0;

	assert_int_equal(vlapic_msr_read(v, MSR(reg), &value), 0);
	return value;
}

static void assert_taken(struct vlapic *v, int vector)
{
	assert_int_equal(vlapic_pending(v), vector);
	vlapic_ack(v, (uint8_t)vector);
}

/* --- state after reset, 11.4.7.1 --- */

static void test_reset(void **state)
{
	struct vlapic *v = &apic[3];

	(void)state;
	assert_int_equal(vlapic_base(v), VLAPIC_BASE | IA32_APIC_BASE_EN);
	assert_int_equal(vlapic_base(&apic[0]),
			 VLAPIC_BASE | IA32_APIC_BASE_EN | IA32_APIC_BASE_BSP);
	assert_int_equal(rd(v, REG_ID), 3u << 24);
	assert_int_equal(rd(v, REG_VERSION), 0x14 | 5 << 16 | 1 << 24);
	assert_int_equal(rd(v, REG_SVR), 0xff);
	assert_int_equal(rd(v, REG_DFR), 0xffffffff);
	for (uint32_t r = REG_LVT_FIRST; r <= REG_LVT_LAST; r++)
		assert_int_equal(rd(v, r), 0x10000);
	for (uint32_t r = REG_ISR; r < REG_ESR; r++)
		assert_int_equal(rd(v, r), 0);
	assert_int_equal(rd(v, REG_TPR) | rd(v, REG_PPR) | rd(v, REG_LDR) | rd(v, REG_ICR) |
				 rd(v, REG_ICR2) | rd(v, REG_INITIAL) | rd(v, REG_CURRENT) |
				 rd(v, REG_DCR) | rd(v, REG_ESR),
			 0);
	assert_int_equal(vlapic_pending(v), -1);
}

static void test_init_keeps_mode(void **state)
{
	struct vlapic *v = &apic[5];

	(void)state;
	enable(v);
	to_x2(v);
	vlapic_accept(v, 0x40, true);
	vlapic_ack(v, 0x40);
	vlapic_accept(v, 0x60, false);
	vlapic_msr_write(v, MSR(REG_TPR), 0x20);
	vlapic_init_signal(v);
	assert_true(vlapic_base(v) & IA32_APIC_BASE_EXTD);
	assert_int_equal(msr(v, REG_ID), 5);
	assert_int_equal(msr(v, REG_LDR), 1 << 5);
	assert_int_equal(msr(v, REG_TPR), 0);
	assert_int_equal(msr(v, REG_PPR), 0);
	assert_int_equal(msr(v, REG_SVR), 0xff);
	assert_int_equal(vlapic_pending(v), -1);
	vlapic_reset(v);
	assert_false(vlapic_base(v) & IA32_APIC_BASE_EXTD);
	assert_int_equal(rd(v, REG_LDR), 0);
}

/* --- requests and priorities, 11.8 --- */

static void test_accept_needs_enable(void **state)
{
	struct vlapic *v = &apic[1];

	(void)state;
	assert_false(vlapic_accept(v, 0x40, false));
	enable(v);
	assert_true(vlapic_accept(v, 0x40, false));
	assert_int_equal(fake.kicked, BIT(1));
	assert_int_equal(fake.kicks, 1);
	/* The same again merges, without another kick. */
	assert_true(vlapic_accept(v, 0x40, false));
	assert_int_equal(fake.kicks, 1);
	/* Disabled by software, what is requested stays (11.4.7.2). */
	wr(v, REG_SVR, 0xff);
	assert_taken(v, 0x40);
}

static void test_every_vector(void **state)
{
	struct vlapic *v = &apic[0];

	(void)state;
	enable(v);
	for (uint32_t n = 16; n < 256; n++) {
		assert_true(vlapic_accept(v, (uint8_t)n, false));
		assert_int_equal(rd(v, REG_IRR + n / 32), 1u << n % 32);
		assert_taken(v, (int)n);
		assert_int_equal(rd(v, REG_IRR + n / 32), 0);
		assert_int_equal(rd(v, REG_ISR + n / 32), 1u << n % 32);
		assert_int_equal(rd(v, REG_PPR), n & 0xf0);
		wr(v, REG_EOI, 0);
		assert_int_equal(rd(v, REG_ISR + n / 32), 0);
		assert_int_equal(v->irr_sum, 0);
	}
	assert_int_equal(fake.eois, 0);
}

static void test_nesting(void **state)
{
	struct vlapic *v = &apic[0];

	(void)state;
	enable(v);
	vlapic_accept(v, 0x45, false);
	assert_taken(v, 0x45);
	vlapic_accept(v, 0x4f, false); /* the same class waits */
	assert_int_equal(vlapic_pending(v), -1);
	assert_int_equal(vlapic_requested(v), 0x4f);
	vlapic_accept(v, 0xe0, false);
	assert_taken(v, 0xe0);
	assert_int_equal(rd(v, REG_PPR), 0xe0);
	wr(v, REG_EOI, 0);
	assert_int_equal(rd(v, REG_PPR), 0x40);
	assert_int_equal(vlapic_pending(v), -1);
	wr(v, REG_EOI, 0);
	assert_taken(v, 0x4f);
	wr(v, REG_EOI, 0);
	wr(v, REG_EOI, 0); /* nothing in service: nothing happens */
	assert_int_equal(rd(v, REG_PPR), 0);
}

static void test_tpr(void **state)
{
	struct vlapic *v = &apic[0];

	(void)state;
	enable(v);
	wr(v, REG_TPR, 0x57);
	assert_int_equal(rd(v, REG_PPR), 0x57);
	assert_int_equal(vlapic_cr8(v), 5);
	vlapic_accept(v, 0x5f, false);
	assert_int_equal(vlapic_pending(v), -1);
	vlapic_set_cr8(v, 4);
	assert_int_equal(rd(v, REG_TPR), 0x40);
	assert_taken(v, 0x5f);
	assert_int_equal(rd(v, REG_PPR), 0x50);
	wr(v, REG_TPR, 0x63);
	assert_int_equal(rd(v, REG_PPR), 0x63);
	wr(v, REG_TPR, 0x52); /* equal classes: TPR's sub-class shows */
	assert_int_equal(rd(v, REG_PPR), 0x52);
}

static void test_apr(void **state)
{
	struct vlapic *v = &apic[0];

	(void)state;
	enable(v);
	wr(v, REG_TPR, 0x57);
	assert_int_equal(rd(v, REG_APR), 0x57);
	vlapic_accept(v, 0x81, false);
	assert_int_equal(rd(v, REG_APR), 0x80);
}

static void test_level_eoi(void **state)
{
	struct vlapic *v = &apic[0];

	(void)state;
	enable(v);
	vlapic_accept(v, 0x91, true);
	assert_int_equal(rd(v, REG_TMR + 4), 1 << 17);
	assert_taken(v, 0x91);
	wr(v, REG_EOI, 0);
	assert_int_equal(fake.eois, 1);
	assert_int_equal(fake.eoi_vector, 0x91);
	/* Suppressed: software writes the I/O APIC's EOI register itself (11.8.5). */
	wr(v, REG_SVR, SVR_ENABLE | SVR_NO_EOI_BROADCAST | 0xff);
	vlapic_accept(v, 0x91, true);
	assert_taken(v, 0x91);
	wr(v, REG_EOI, 0);
	assert_int_equal(fake.eois, 1);
	/* As an edge again. */
	wr(v, REG_SVR, SVR_ENABLE | 0xff);
	vlapic_accept(v, 0x91, false);
	assert_int_equal(rd(v, REG_TMR + 4), 0);
	assert_taken(v, 0x91);
	wr(v, REG_EOI, 0);
	assert_int_equal(fake.eois, 1);
}

static void test_illegal_vectors(void **state)
{
	struct vlapic *v = &apic[2];

	(void)state;
	enable(v);
	assert_false(vlapic_accept(v, 15, false));
	assert_int_equal(rd(v, REG_ESR), 0);
	wr(v, REG_ESR, 0);
	assert_int_equal(rd(v, REG_ESR), ESR_RECV_ILLEGAL);
	wr(v, REG_ESR, 0);
	assert_int_equal(rd(v, REG_ESR), 0);
	wr(v, REG_LVT_LAST, 0xfe);
	wr(v, REG_ICR, 0x00040003); /* fixed, self, vector 3 */
	assert_taken(v, 0xfe);
	wr(v, REG_ICR, 0x00040003); /* not again before ESR is written */
	assert_int_equal(vlapic_requested(v), -1);
	wr(v, REG_ESR, 0);
	assert_int_equal(rd(v, REG_ESR), ESR_SEND_ILLEGAL);
	wr(v, REG_EOI, 0);
	wr(v, REG_LVT_LAST, 5); /* the error's own vector is illegal: no recursion */
	wr(v, REG_ICR, 0x00040003);
	assert_int_equal(vlapic_requested(v), -1);
}

static void test_reserved_register(void **state)
{
	struct vlapic *v = &apic[2];

	(void)state;
	enable(v);
	assert_int_equal(rd(v, 0x05), 0);
	wr(v, REG_ESR, 0);
	assert_int_equal(rd(v, REG_ESR), ESR_REGISTER);
	wr(v, REG_VERSION, 7); /* read-only */
	wr(v, REG_ESR, 0);
	assert_int_equal(rd(v, REG_ESR), ESR_REGISTER);
	assert_int_equal(rd(v, REG_SELF_IPI), 0);
	wr(v, REG_ESR, 0);
	assert_int_equal(rd(v, REG_ESR), ESR_REGISTER);
}

/* --- registers --- */

static void test_mmio_alignment(void **state)
{
	struct vlapic *v = &apic[6];

	(void)state;
	enable(v);
	wr(v, REG_TPR, 0x35);
	vlapic_mmio_write(v, REG_TPR << 4, 1, 0x77);
	vlapic_mmio_write(v, (REG_TPR << 4) + 4, 4, 0x77);
	vlapic_mmio_write(v, REG_TPR << 4, 8, 0x77);
	assert_int_equal(rd(v, REG_TPR), 0x35);
	assert_int_equal(vlapic_mmio_read(v, REG_VERSION << 4, 1), 0x14);
	assert_int_equal(vlapic_mmio_read(v, (REG_VERSION << 4) + 2, 2), 0x105);
	assert_int_equal(vlapic_mmio_read(v, (REG_VERSION << 4) + 2, 4), 0);
	assert_int_equal(vlapic_mmio_read(v, (REG_VERSION << 4) + 4, 4), 0);
	assert_int_equal(vlapic_mmio_read(v, 0xfffffff0, 4), 0);
}

static void test_lvt_bits(void **state)
{
	struct vlapic *v = &apic[0];
	static const uint32_t expect[VLAPIC_LVT_COUNT] = {0x700ff, 0x107ff, 0x107ff,
							  0x1a7ff, 0x1a7ff, 0x100ff};

	(void)state;
	for (uint32_t n = 0; n < VLAPIC_LVT_COUNT; n++) {
		wr(v, REG_LVT_FIRST + n, 0);
		assert_int_equal(rd(v, REG_LVT_FIRST + n), LVT_MASKED);
	}
	enable(v);
	for (uint32_t n = 0; n < VLAPIC_LVT_COUNT; n++) {
		wr(v, REG_LVT_FIRST + n, 0xffffffff);
		assert_int_equal(rd(v, REG_LVT_FIRST + n), expect[n]);
		wr(v, REG_LVT_FIRST + n, 0);
		assert_int_equal(rd(v, REG_LVT_FIRST + n), 0);
	}
	wr(v, REG_SVR, 0xff);
	for (uint32_t n = 0; n < VLAPIC_LVT_COUNT; n++)
		assert_int_equal(rd(v, REG_LVT_FIRST + n), LVT_MASKED);
}

/* --- modes, 11.12.5 --- */

static void test_base_changes(void **state)
{
	static const struct {
		uint64_t from, to;
		int result;
	} row[] = {
		{0x000, 0x000,	       0	},
		 {0x000, 0x800,		0	 },
		  {0x000, 0xc00,		 -EINVAL},
		{0x000, 0x400,	       -EINVAL},
		 {0x800, 0x000,		0	 },
		  {0x800, 0x800,		 0	  },
		{0x800, 0xc00,	       0	},
		 {0x800, 0x400,		-EINVAL},
		  {0xc00, 0x000,		 0	  },
		{0xc00, 0x800,	       -EINVAL},
		 {0xc00, 0xc00,		0	 },
		  {0xc00, 0x400,		 -EINVAL},
		{0x800, 0x801,	       -EINVAL},
		 {0x800, 0xa00,		-EINVAL},
		  {0x800, BIT(40) | 0x800, -EINVAL},
	};

	(void)state;
	for (uint32_t i = 0; i < ARRAY_SIZE(row); i++) {
		struct vlapic *v = &apic[1];

		vlapic_reset(v);
		if (row[i].from == 0xc00)
			to_x2(v);
		if (!row[i].from)
			assert_int_equal(vlapic_set_base(v, VLAPIC_BASE), 0);
		assert_int_equal(vlapic_set_base(v, VLAPIC_BASE | row[i].to), row[i].result);
		if (row[i].result)
			assert_int_equal(vlapic_base(v), VLAPIC_BASE | row[i].from);
	}
}

static void test_base_without_x2(void **state)
{
	struct vlapic_config cfg = {.phys_bits = 36};

	(void)state;
	vlapic_init(&apic[0], &cfg, &fake_host, NULL);
	assert_int_equal(vlapic_set_base(&apic[0], VLAPIC_BASE | 0xc00), -EINVAL);
	/* Who is the boot processor cannot be changed. */
	assert_int_equal(vlapic_set_base(&apic[0], VLAPIC_BASE | 0x900), 0);
	assert_int_equal(vlapic_base(&apic[0]), VLAPIC_BASE | 0x800);
}

static void test_disabled(void **state)
{
	struct vlapic *v = &apic[0];
	uint64_t value;

	(void)state;
	enable(v);
	wr(v, REG_TPR, 0x30);
	assert_false(vlapic_extint_enabled(v));
	assert_int_equal(vlapic_set_base(v, VLAPIC_BASE), 0);
	assert_int_equal(rd(v, REG_TPR), 0xffffffff);
	assert_int_equal(vlapic_mmio_read(v, 0, 1), 0xff);
	assert_int_equal(vlapic_msr_read(v, MSR(REG_TPR), &value), -EINVAL);
	assert_false(vlapic_accept(v, 0x40, false));
	assert_true(vlapic_extint_enabled(v));
	assert_int_equal(vlapic_set_base(v, VLAPIC_BASE | IA32_APIC_BASE_EN), 0);
	assert_int_equal(rd(v, REG_TPR), 0);
	assert_int_equal(rd(v, REG_SVR), 0xff);
}

/* --- x2APIC MSRs, table 11-6 --- */

static void test_x2_needs_mode(void **state)
{
	uint64_t value;

	(void)state;
	assert_int_equal(vlapic_msr_read(&apic[0], MSR(REG_ID), &value), -EINVAL);
	assert_int_equal(vlapic_msr_write(&apic[0], MSR(REG_EOI), 0), -EINVAL);
	to_x2(&apic[0]);
	assert_int_equal(rd(&apic[0], REG_ID), 0xffffffff);
	wr(&apic[0], REG_TPR, 0x20);
	assert_int_equal(msr(&apic[0], REG_TPR), 0);
}

static bool x2_readable(uint32_t r)
{
	return r == REG_ID || r == REG_VERSION || r == REG_TPR || r == REG_PPR || r == REG_LDR ||
	       r == REG_SVR || (r >= REG_ISR && r <= REG_ESR) || r == REG_ICR ||
	       (r >= REG_LVT_FIRST && r <= REG_CURRENT) || r == REG_DCR;
}

static bool x2_writable(uint32_t r)
{
	return r == REG_TPR || r == REG_EOI || r == REG_SVR || r == REG_ESR || r == REG_ICR ||
	       (r >= REG_LVT_FIRST && r <= REG_INITIAL) || r == REG_DCR || r == REG_SELF_IPI;
}

static void test_x2_map(void **state)
{
	struct vlapic *v = &apic[0];
	uint64_t value;

	(void)state;
	to_x2(v);
	for (uint32_t r = 0; r < 0x100; r++) {
		assert_int_equal(vlapic_msr_read(v, MSR(r), &value), x2_readable(r) ? 0 : -EINVAL);
		assert_int_equal(vlapic_msr_write(v, MSR(r), 0), x2_writable(r) ? 0 : -EINVAL);
		if (r != REG_ICR)
			assert_int_equal(vlapic_msr_write(v, MSR(r), BIT(32)), -EINVAL);
	}
	assert_int_equal(vlapic_msr_read(v, 0x7ff, &value), -EINVAL);
}

static void test_x2_reserved_bits(void **state)
{
	static const struct {
		uint32_t reg;
		uint64_t allowed;
	} row[] = {
		{REG_TPR,		  0xff		      },
		{REG_EOI,		  0			   },
		{REG_SVR,		  0x13ff		},
		{REG_ESR,		  0			   },
		{REG_ICR,		  ~0ULL & ~0xfff32000ULL},
		{REG_LVT_FIRST,	0x710ff	       },
		{REG_LVT_FIRST + 1, 0x117ff		   },
		{REG_LVT_FIRST + 2, 0x117ff		   },
		{REG_LVT_FIRST + 3, 0x1f7ff		   },
		{REG_LVT_FIRST + 4, 0x1f7ff		   },
		{REG_LVT_FIRST + 5, 0x110ff		   },
		{REG_INITIAL,	      0xffffffff		},
		{REG_DCR,		  0xb		     },
		{REG_SELF_IPI,      0xff		   },
	};

	(void)state;
	for (uint32_t i = 0; i < ARRAY_SIZE(row); i++) {
		for (uint32_t bit = 0; bit < 64; bit++) {
			setup(NULL);
			to_x2(&apic[0]);
			assert_int_equal(vlapic_msr_write(&apic[0], MSR(row[i].reg), BIT(bit)),
					 row[i].allowed & BIT(bit) ? 0 : -EINVAL);
		}
	}
}

static void test_x2_ids(void **state)
{
	struct vlapic *v = &apic[0];

	(void)state;
	init_one(0, 0x12345);
	assert_int_equal(rd(v, REG_ID), 0x45000000);
	to_x2(v);
	assert_int_equal(msr(v, REG_ID), 0x12345);
	assert_int_equal(msr(v, REG_LDR), 0x1234u << 16 | 1 << 5);
	wr(v, REG_ID, 0);
	assert_int_equal(vlapic_id(v), 0x12345);
}

static void test_x2_keeps_state(void **state)
{
	struct vlapic *v = &apic[0];

	(void)state;
	enable(v);
	wr(v, REG_TPR, 0x20);
	wr(v, REG_ICR2, 0x05000000);
	wr(v, REG_LVT_LAST, 0xfe);
	vlapic_accept(v, 0x50, false);
	to_x2(v);
	assert_int_equal(msr(v, REG_TPR), 0x20);
	assert_int_equal(msr(v, REG_LVT_LAST), 0xfe);
	assert_int_equal(msr(v, REG_ICR) >> 32, 0);
	assert_taken(v, 0x50);
	assert_int_equal(vlapic_msr_write(v, MSR(REG_EOI), 0), 0);
	assert_int_equal(msr(v, REG_PPR), 0x20);
}

/* --- destinations, 11.6.2 --- */

static uint64_t reached(void)
{
	uint64_t set = 0;

	for (uint32_t n = 0; n < CPUS; n++) {
		if (vlapic_requested(&apic[n]) == 0x50)
			set |= BIT(n);
		while (vlapic_pending(&apic[n]) >= 0) {
			vlapic_ack(&apic[n], (uint8_t)vlapic_pending(&apic[n]));
			vlapic_eoi(&apic[n]);
		}
	}
	return set;
}

static uint64_t xapic_send(uint32_t from, uint32_t dest, uint32_t low)
{
	wr(&apic[from], REG_ICR2, dest << 24);
	wr(&apic[from], REG_ICR, low);
	return reached();
}

static void test_physical(void **state)
{
	(void)state;
	enable_all();
	for (uint32_t n = 0; n < CPUS; n++)
		assert_int_equal(xapic_send(1, n, 0x50), BIT(n));
	assert_int_equal(xapic_send(1, 200, 0x50), 0);
	assert_int_equal(xapic_send(1, 0xff, 0x50), 0xffff);
	assert_int_equal(rd(&apic[1], REG_ICR2), 0xff000000);
	assert_int_equal(rd(&apic[1], REG_ICR), 0x50);
}

static void test_shorthands(void **state)
{
	(void)state;
	enable_all();
	assert_int_equal(xapic_send(4, 0, 0x40050), BIT(4));
	assert_int_equal(fake.msgs, 0);
	assert_int_equal(xapic_send(4, 0, 0x80050), 0xffff);
	assert_int_equal(xapic_send(4, 0, 0xc0050), 0xffff & ~BIT(4));
	/* Disabled ones don't take it. */
	wr(&apic[9], REG_SVR, 0xff);
	assert_int_equal(xapic_send(4, 0, 0x80050), 0xffff & ~BIT(9));
	wr(&apic[9], REG_ICR, 0x40050);
	assert_int_equal(reached(), 0);
}

static void test_flat(void **state)
{
	(void)state;
	enable_all();
	for (uint32_t n = 0; n < 8; n++)
		wr(&apic[n], REG_LDR, 1u << (24 + n) | 0xffffff);
	assert_int_equal(rd(&apic[3], REG_LDR), 1u << 27);
	assert_int_equal(xapic_send(0, 0x05, 0x850), 5);
	assert_int_equal(xapic_send(0, 0xff, 0x850), 0xffff);
	assert_int_equal(xapic_send(0, 0, 0x850), 0);
}

static void test_cluster(void **state)
{
	(void)state;
	enable_all();
	for (uint32_t n = 0; n < CPUS; n++) {
		wr(&apic[n], REG_DFR, 0);
		assert_int_equal(rd(&apic[n], REG_DFR), 0x0fffffff);
		wr(&apic[n], REG_LDR, (n / 4) << 28 | 1u << (24 + n % 4));
	}
	assert_int_equal(xapic_send(0, 0x25, 0x850), 5 << 8);
	assert_int_equal(xapic_send(0, 0x0f, 0x850), 0xf);
	assert_int_equal(xapic_send(0, 0x4f, 0x850), 0);
	assert_int_equal(xapic_send(0, 0xff, 0x850), 0xffff);
	wr(&apic[0], REG_DFR, 0x70000000); /* neither model */
	assert_int_equal(xapic_send(0, 0x0f, 0x850), 0xe);
}

static uint64_t x2_send(uint32_t from, uint64_t icr)
{
	assert_int_equal(vlapic_msr_write(&apic[from], MSR(REG_ICR), icr), 0);
	return reached();
}

static void test_x2_destinations(void **state)
{
	(void)state;
	enable_all();
	init_one(15, 0x100);
	enable(&apic[15]);
	for (uint32_t n = 0; n < CPUS; n++)
		to_x2(&apic[n]);
	assert_int_equal(x2_send(2, 7ULL << 32 | 0x50), BIT(7));
	assert_int_equal(x2_send(2, 0x100ULL << 32 | 0x50), BIT(15));
	assert_int_equal(x2_send(2, 0xffULL << 32 | 0x50), 0);
	assert_int_equal(x2_send(2, 0xffffffffULL << 32 | 0x50), 0xffff);
	assert_int_equal(x2_send(2, 0x0000ffffULL << 32 | 0x850), 0x7fff);
	assert_int_equal(x2_send(2, 0x00000011ULL << 32 | 0x850), 0x11);
	assert_int_equal(x2_send(2, 0x00100001ULL << 32 | 0x850), BIT(15));
	assert_int_equal(x2_send(2, 0x40000 | 0x50), BIT(2));
	assert_int_equal(msr(&apic[2], REG_ICR), 0x40050);
	fake.msgs = 0;
	assert_int_equal(vlapic_msr_write(&apic[2], MSR(REG_SELF_IPI), 0x50), 0);
	assert_int_equal(reached(), BIT(2));
	assert_int_equal(fake.msgs, 0);
}

/* From x2APIC mode to processors that are still in xAPIC mode: how Linux starts them. */
static void test_mixed_modes(void **state)
{
	struct apic_msg msi = {.dest = 3, .vector = 0x50, .source = APIC_NO_SOURCE, .dest8 = true};

	(void)state;
	enable_all();
	to_x2(&apic[0]);
	assert_int_equal(x2_send(0, 9ULL << 32 | 0x50), BIT(9));
	vlapic_msr_write(&apic[0], MSR(REG_ICR), 9ULL << 32 | 0xc500);
	assert_int_equal(fake.signal, VDEV_INIT);
	assert_int_equal(fake.signal_vcpu, 9);
	vlapic_msr_write(&apic[0], MSR(REG_ICR), 9ULL << 32 | 0x69a);
	assert_int_equal(fake.signal, VDEV_SIPI);
	assert_int_equal(fake.signal_page, 0x9a);
	to_x2(&apic[3]);
	assert_int_equal(vlapic_route(fake.lapic, CPUS, &msi), 1);
	assert_int_equal(reached(), BIT(3));
	msi.dest = 0xff;
	assert_int_equal(vlapic_route(fake.lapic, CPUS, &msi), CPUS);
}

static void test_lowest_priority(void **state)
{
	struct apic_msg m = {.dest = 0x0f,
			     .logical = true,
			     .dest8 = true,
			     .vector = 0x50,
			     .mode = APIC_MODE_LOWEST,
			     .source = APIC_NO_SOURCE};
	uint64_t seen = 0;

	(void)state;
	enable_all();
	for (uint32_t n = 0; n < 4; n++) {
		wr(&apic[n], REG_LDR, 1u << (24 + n));
		wr(&apic[n], REG_TPR, n == 2 ? 0x10 : 0x30);
	}
	assert_int_equal(vlapic_route(fake.lapic, CPUS, &m), 1);
	assert_int_equal(reached(), BIT(2));
	wr(&apic[2], REG_SVR, 0xff); /* not a candidate */
	assert_int_equal(vlapic_route(fake.lapic, CPUS, &m), 1);
	assert_int_equal(reached() & ~0xbULL, 0);
	/* Among equals every one gets some. */
	for (uint32_t n = 0; n < CPUS; n++)
		wr(&apic[n], REG_TPR, 0);
	m.dest = 0xff;
	for (uint32_t vector = 0x40; vector < 0x50; vector++) {
		m.vector = (uint8_t)vector;
		assert_int_equal(vlapic_route(fake.lapic, CPUS, &m), 1);
	}
	for (uint32_t n = 0; n < CPUS; n++)
		if (vlapic_requested(&apic[n]) >= 0)
			seen |= BIT(n);
	assert_true(__builtin_popcountll(seen) >= 8);
	m.dest = 0xee;
	m.logical = false;
	assert_int_equal(vlapic_route(fake.lapic, CPUS, &m), 0);
}

static void test_route_limits(void **state)
{
	struct apic_msg m = {.dest = 0xff, .dest8 = true, .vector = 0x50, .source = APIC_NO_SOURCE};

	(void)state;
	enable_all();
	fake.lapic[4] = NULL;
	assert_int_equal(vlapic_route(fake.lapic, CPUS, &m), CPUS - 1);
	assert_int_equal(vlapic_route(fake.lapic, 0, &m), 0);
	assert_int_equal(vlapic_route(fake.lapic, VLAPIC_MAX + 1, &m), 0);
	m.mode = APIC_MODE_LOWEST;
	assert_int_equal(vlapic_route(fake.lapic, CPUS, &m), 1);
	m.mode = APIC_MODE_FIXED;
	m.dest = 4;
	assert_int_equal(vlapic_route(fake.lapic, CPUS, &m), 0);
}

/* --- other delivery modes --- */

static void test_modes(void **state)
{
	struct apic_msg m = {.dest = 2, .dest8 = true, .vector = 0x9f, .source = APIC_NO_SOURCE};

	(void)state;
	m.mode = APIC_MODE_NMI; /* also while disabled by software */
	assert_int_equal(vlapic_route(fake.lapic, CPUS, &m), 1);
	assert_int_equal(fake.signal, VDEV_NMI);
	assert_int_equal(fake.signal_vcpu, 2);
	m.mode = APIC_MODE_SMI;
	assert_int_equal(vlapic_route(fake.lapic, CPUS, &m), 0);
	assert_int_equal(vlapic_route(fake.lapic, CPUS, &m), 0);
	assert_int_equal(fake.logs, 1);
	m.mode = 3;
	assert_int_equal(vlapic_route(fake.lapic, CPUS, &m), 0);
	assert_int_equal(fake.logs, 2);
	m.mode = APIC_MODE_EXTINT;
	assert_false(vlapic_extint_enabled(&apic[2]));
	assert_int_equal(vlapic_route(fake.lapic, CPUS, &m), 1);
	assert_true(vlapic_extint_enabled(&apic[2]));
	vlapic_extint_ack(&apic[2]);
	assert_false(vlapic_extint_enabled(&apic[2]));
	vlapic_set_base(&apic[2], VLAPIC_BASE);
	m.mode = APIC_MODE_NMI;
	assert_int_equal(vlapic_route(fake.lapic, CPUS, &m), 0);
}

static void test_init_deassert(void **state)
{
	(void)state;
	enable_all();
	wr(&apic[0], REG_ICR2, 1u << 24);
	wr(&apic[0], REG_ICR, 0xc500); /* level, assert */
	assert_int_equal(fake.signals, 1);
	wr(&apic[0], REG_ICR, 0x8500); /* level, de-assert */
	assert_int_equal(fake.signals, 1);
	wr(&apic[0], REG_ICR, 0x0700); /* ExtINT cannot be sent */
	assert_int_equal(fake.logs, 1);
	assert_false(vlapic_extint_enabled(&apic[1]));
}

static void test_lint(void **state)
{
	struct vlapic *v = &apic[0];

	(void)state;
	enable(v);
	vlapic_lint(v, 0, true); /* masked: lost */
	vlapic_lint(v, 0, false);
	assert_int_equal(fake.kicks, 0);
	wr(v, REG_LVT_FIRST + VLAPIC_LVT_LINT0, 0x700);
	assert_true(vlapic_extint_enabled(v));
	vlapic_lint(v, 0, true);
	assert_int_equal(fake.kicks, 1);
	vlapic_lint(v, 0, false);
	wr(v, REG_LVT_FIRST + VLAPIC_LVT_LINT0, 0x61); /* edge, fixed */
	vlapic_lint(v, 0, true);
	vlapic_lint(v, 0, true);
	assert_taken(v, 0x61);
	wr(v, REG_EOI, 0);
	assert_int_equal(vlapic_pending(v), -1);
	wr(v, REG_LVT_FIRST + VLAPIC_LVT_LINT1, 0x400);
	vlapic_lint(v, 1, true);
	assert_int_equal(fake.signal, VDEV_NMI);
}

static void test_lint_level(void **state)
{
	struct vlapic *v = &apic[0];
	uint32_t reg = REG_LVT_FIRST + VLAPIC_LVT_LINT0;

	(void)state;
	enable(v);
	vlapic_lint(v, 0, true);
	wr(v, reg, 0x8062); /* a level that was there already counts */
	assert_int_equal(rd(v, reg), 0x8062 | LVT_REMOTE_IRR);
	assert_taken(v, 0x62);
	wr(v, REG_EOI, 0); /* still up: again */
	assert_taken(v, 0x62);
	vlapic_lint(v, 0, false);
	wr(v, REG_EOI, 0);
	assert_int_equal(rd(v, reg), 0x8062);
	assert_int_equal(vlapic_pending(v), -1);
}

static void test_firmware(void **state)
{
	struct vlapic *v = &apic[0];

	(void)state;
	vlapic_firmware(v);
	assert_true(vlapic_extint_enabled(v));
	assert_int_equal(rd(v, REG_SVR), 0x1ff);
	assert_int_equal(rd(v, REG_LVT_FIRST + VLAPIC_LVT_LINT1), 0x400);
}

/* --- a storm from other threads loses nothing --- */

#define STORM_THREADS 2
#define STORM_ROUNDS  100000

static bool storm_done[STORM_THREADS];

/* Requests one vector of its own; the next only once the last was taken. */
static void *storm(void *arg)
{
	uint64_t n = (uint64_t)arg;

	for (uint32_t i = 0; i < STORM_ROUNDS; i++) {
		vlapic_irr_set(&apic[0], (uint8_t)(0x40 + n), false);
		while (atomic_load_u64(&apic[0].irr[1]) & BIT(n))
			;
	}
	__atomic_store_n(&storm_done[n], true, __ATOMIC_RELEASE);
	return NULL;
}

/* The processor's part in these is played by writing to the page. */
static void test_page(void **state)
{
	static uint32_t page[1024];
	struct vlapic *v = &apic[0];
	struct vlapic_config cfg = {.bsp = true, .x2apic = true, .phys_bits = 40, .page = page};

	(void)state;
	vlapic_init(v, &cfg, &fake_host, NULL);
	enable(v);
	wr(v, REG_TPR, 0x20);
	assert_true(vlapic_accept(v, 0x51, false));
	vlapic_ack(v, 0x51);
	assert_true(vlapic_accept(v, 0x63, false));
	assert_false(v->virtual);
	assert_int_equal(vlapic_set_base(v, v->base | IA32_APIC_BASE_EXTD), 0);
	assert_true(v->virtual && fake.virtual);
	assert_int_equal(page[REG_TPR * 4], 0x20);
	assert_int_equal(page[REG_PPR * 4], 0x50);
	assert_int_equal(page[(REG_ISR + 2) * 4], 1u << 0x11);
	assert_int_equal(page[(REG_IRR + 3) * 4], 0);
	assert_int_equal(vlapic_page_status(v), 0x5100);

	assert_int_equal(vlapic_pending(v), 0x63);
	assert_int_equal(vlapic_post(v), 0x63);
	assert_int_equal(page[(REG_IRR + 3) * 4], 1u << 3);
	assert_int_equal(v->irr_sum, 0);
	assert_int_equal(vlapic_pending(v), 0x63);
	assert_int_equal(vlapic_page_status(v), 0x5163);
	page[REG_PPR * 4] = 0x60;
	assert_int_equal(vlapic_pending(v), -1);

	/* A level-triggered one: its EOI is told, an edge's is not. */
	assert_true(vlapic_accept(v, 0x72, true));
	assert_int_equal(vlapic_post(v), 0x72);
	assert_int_equal(page[(REG_TMR + 3) * 4], 1u << 0x12);
	vlapic_eoi_seen(v, 0x63);
	assert_int_equal(fake.eois, 0);
	vlapic_eoi_seen(v, 0x72);
	assert_int_equal(fake.eois, 1);
	assert_int_equal(fake.eoi_vector, 0x72);

	/* INIT: the mode stays, what was there goes. */
	vlapic_init_signal(v);
	assert_true(v->virtual);
	assert_int_equal(vlapic_page_status(v), 0);
	assert_int_equal(page[REG_TPR * 4], 0);
	assert_int_equal(page[REG_SVR * 4], SVR_VECTOR);

	page[REG_TPR * 4] = 0x40;
	page[(REG_IRR + 2) * 4] = 1u << 7;
	page[(REG_ISR + 4) * 4] = 1u << 1;
	vlapic_page_give_back(v);
	assert_false(v->virtual || fake.virtual);
	assert_int_equal(v->tpr, 0x40);
	assert_int_equal(v->ppr, 0x80);
	assert_int_equal(vlapic_requested(v), 0x47);
	assert_int_equal(vlapic_in_service(v), 0x81);

	assert_false(vlapic_page_written(v, REG_SELF_IPI << 4));
}

static void test_storm(void **state)
{
	pthread_t thread[STORM_THREADS];
	uint32_t taken[STORM_THREADS] = {0};
	int vector;

	(void)state;
	enable(&apic[0]);
	for (uint64_t n = 0; n < STORM_THREADS; n++) {
		storm_done[n] = false;
		pthread_create(&thread[n], NULL, storm, (void *)n);
	}
	while (!__atomic_load_n(&storm_done[0], __ATOMIC_ACQUIRE) ||
	       !__atomic_load_n(&storm_done[1], __ATOMIC_ACQUIRE)) {
		vector = vlapic_pending(&apic[0]);
		if (vector < 0)
			continue;
		vlapic_ack(&apic[0], (uint8_t)vector);
		taken[vector - 0x40]++;
		vlapic_eoi(&apic[0]);
	}
	for (uint32_t n = 0; n < STORM_THREADS; n++) {
		pthread_join(thread[n], NULL);
		assert_int_equal(taken[n], STORM_ROUNDS);
	}
}

#define T(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_reset),
		T(test_init_keeps_mode),
		T(test_accept_needs_enable),
		T(test_every_vector),
		T(test_nesting),
		T(test_tpr),
		T(test_apr),
		T(test_level_eoi),
		T(test_illegal_vectors),
		T(test_reserved_register),
		T(test_mmio_alignment),
		T(test_lvt_bits),
		T(test_base_changes),
		T(test_base_without_x2),
		T(test_disabled),
		T(test_x2_needs_mode),
		T(test_x2_map),
		T(test_x2_reserved_bits),
		T(test_x2_ids),
		T(test_x2_keeps_state),
		T(test_physical),
		T(test_shorthands),
		T(test_flat),
		T(test_cluster),
		T(test_x2_destinations),
		T(test_mixed_modes),
		T(test_lowest_priority),
		T(test_route_limits),
		T(test_modes),
		T(test_init_deassert),
		T(test_lint),
		T(test_lint_level),
		T(test_firmware),
		T(test_page),
		T(test_storm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
