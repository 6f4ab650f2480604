/* SPDX-License-Identifier: BSD-2-Clause */
/* The checker of guest state for VM entries: legal states pass, and each rule is found by a state that breaks it. */
/* sources: vmx/check.c */

#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "arch/cpu.h"
#include "arch/msr.h"
#include "vmx/vmx.h"

#define LINE_MAX_ 160
#define LINES	  8
#define BAD_ADDR  0x0000800000000000ULL /* the lowest that is not canonical */
#define PAT_RESET 0x0007040600070406ULL

struct lines {
	uint32_t n;
	char text[LINES][LINE_MAX_];
};

static void line_add(void *arg, const char *fmt, ...)
{
	struct lines *l = arg;
	va_list ap;

	assert_true(l->n < LINES);
	va_start(ap, fmt);
	vsnprintf(l->text[l->n++], LINE_MAX_, fmt, ap);
	va_end(ap);
}

/* As after power-up reset (SDM vol. 3, table 9-1). */
static struct guest_state state_real(void)
{
	struct guest_state s = {
		.cr0 = CR0_ET | CR0_CD | CR0_NW,
		.dr7 = 0x400,
		.rip = 0xfff0,
		.rflags = RFLAGS_FIXED,
		.pat = PAT_RESET,
		.gdtr = {0, 0xffff},
		.idtr = {0, 0xffff},
	};

	for (uint32_t i = SEG_ES; i <= SEG_GS; i++)
		s.seg[i] = (struct segment){0, 0x93, 0xffff, 0};
	s.seg[SEG_CS] = (struct segment){0xf000, 0x9b, 0xffff, 0xffff0000};
	s.seg[SEG_TR] = (struct segment){0, 0x8b, 0xffff, 0};
	s.seg[SEG_LDTR] = (struct segment){0, 0x82, 0xffff, 0};
	return s;
}

/* A kernel in 64-bit mode, with null data segments. */
static struct guest_state state_64(void)
{
	struct guest_state s = state_real();

	s.cr0 = CR0_PE | CR0_PG | CR0_WP | CR0_NE | CR0_ET;
	s.cr3 = 0x1000;
	s.cr4 = CR4_PAE | CR4_PGE | CR4_OSFXSR;
	s.efer = EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE;
	s.rip = 0xffffffff81000000;
	for (uint32_t i = SEG_ES; i <= SEG_GS; i++)
		s.seg[i] = (struct segment){0, 0, 0, 0};
	s.seg[SEG_CS] = (struct segment){0x10, 0xa9b, 0xffffffff, 0};
	s.seg[SEG_SS] = (struct segment){0x18, 0xc93, 0xffffffff, 0};
	s.seg[SEG_GS].base = 0xffff888000000000;
	s.seg[SEG_LDTR].attr = 0;
	return s;
}

static struct guest_state state_v8086(void)
{
	struct guest_state s = state_real();

	s.cr0 = CR0_PE | CR0_PG | CR0_ET;
	s.rflags |= RFLAGS_VM;
	s.rip = 0x100;
	for (uint32_t i = SEG_ES; i <= SEG_GS; i++)
		s.seg[i] = (struct segment){0x1234, 0xf3, 0xffff, 0x12340};
	return s;
}

/* @s breaks exactly one rule, whose line has @text in it. */
static void one(struct guest_state s, const char *text)
{
	struct lines l = {0};
	uint32_t n = vmx_check_state(&s, line_add, &l);

	if (n != 1 || !strstr(l.text[0], text)) {
		for (uint32_t i = 0; i < l.n; i++)
			print_error("  %s\n", l.text[i]);
		fail_msg("%u lines, wanted one with '%s'", n, text);
	}
	assert_non_null(strstr(l.text[0], "(27.3.1."));
}

static void none(struct guest_state s)
{
	struct lines l = {0};

	assert_int_equal(vmx_check_state(&s, line_add, &l), 0);
	assert_int_equal(l.n, 0);
}

#define BREAK(base, change, text)              \
	do {                                   \
		struct guest_state s = base(); \
                                               \
		change;                        \
		one(s, text);                  \
	} while (0)

#define LEGAL(base, change)                    \
	do {                                   \
		struct guest_state s = base(); \
                                               \
		change;                        \
		none(s);                       \
	} while (0)

static void legal_states(void **unused)
{
	(void)unused;
	none(state_real());
	none(state_64());
	none(state_v8086());
	/* Protected mode, not paged: what PVH hands over. */
	LEGAL(state_real, s.cr0 |= CR0_PE;
	      s.seg[SEG_CS] = ((struct segment){8, 0xc9b, 0xffffffff, 0}));
	/* Ring 3, conforming code, 16-bit TSS outside IA-32e mode, compatibility mode. */
	LEGAL(state_64, s.seg[SEG_CS].attr = 0xafb; s.seg[SEG_SS].attr = 0xcf3);
	LEGAL(state_64, s.seg[SEG_CS].attr = 0xa9f; s.seg[SEG_SS].attr = 0xcf3);
	LEGAL(state_real, s.seg[SEG_TR].attr = 0x83);
	LEGAL(state_64, s.seg[SEG_CS].attr = 0xc9b; s.rip = 0x1000);
	/* What is unusable may hold anything but a base that is not canonical. */
	LEGAL(state_64, s.seg[SEG_DS] = ((struct segment){7, 0x710f, 0x12345678, BAD_ADDR}));
	LEGAL(state_64, s.seg[SEG_LDTR] = ((struct segment){7, 0x711f, 0x12345678, BAD_ADDR}));
	/* Code that can be read, in a data segment. */
	LEGAL(state_64, s.seg[SEG_ES] = ((struct segment){8, 0xc9b, 0xffffffff, 0}));
}

static void control_registers(void **unused)
{
	(void)unused;
	BREAK(state_64, s.cr0 |= BIT(32), "CR0 has bits");
	BREAK(state_real, s.cr0 |= CR0_PG, "CR0.PG is set");
	BREAK(state_64, s.cr4 |= BIT(40), "CR4 has bits");
	BREAK(state_64, s.cr4 |= CR4_CET; s.cr0 &= ~CR0_WP, "CR4.CET");
	BREAK(state_64, s.cr4 &= ~CR4_PAE, "without CR4.PAE");
	BREAK(state_real, s.cr4 |= CR4_PCIDE, "CR4.PCIDE");
	BREAK(state_64, s.cr3 |= BIT(52), "CR3");
	BREAK(state_64, s.dr7 |= BIT(32), "DR7");
}

static void msrs(void **unused)
{
	(void)unused;
	BREAK(state_64, s.debugctl = BIT(3), "DEBUGCTL");
	BREAK(state_64, s.debugctl = BIT(16), "DEBUGCTL");
	LEGAL(state_64, s.debugctl = BIT(0) | BIT(1));
	BREAK(state_64, s.sysenter_esp = BAD_ADDR, "SYSENTER");
	BREAK(state_64, s.sysenter_eip = BAD_ADDR, "SYSENTER");
	BREAK(state_64, s.pat = 2, "PAT");
	BREAK(state_64, s.pat = 3ULL << 56, "PAT");
	BREAK(state_64, s.pat = 8, "PAT");
	BREAK(state_64, s.efer |= EFER_SVME, "EFER has reserved");
	BREAK(state_64, s.efer &= ~EFER_LME, "LMA is not LME");
	BREAK(state_real, s.efer = EFER_LME; s.cr0 = CR0_PE | CR0_PG;
	      s.cr4 = CR4_PAE, "LMA is not LME");
}

/* EFER.LMA without paging breaks two rules: that of the mode, and LMA's own. */
static void mode_without_paging(void **unused)
{
	struct guest_state s = state_64();
	struct lines l = {0};

	(void)unused;
	s.cr0 &= ~CR0_PG;
	assert_int_equal(vmx_check_state(&s, line_add, &l), 2);
	assert_non_null(strstr(l.text[0], "without CR0.PG"));
	assert_non_null(strstr(l.text[1], "LMA is not LME"));
}

static void tables_and_rip(void **unused)
{
	(void)unused;
	BREAK(state_64, s.gdtr.base = BAD_ADDR, "GDTR");
	BREAK(state_64, s.idtr.base = BAD_ADDR, "IDTR");
	BREAK(state_real, s.rip = BIT(32), "outside 64-bit mode");
	BREAK(state_64, s.seg[SEG_CS].attr = 0xc9b, "outside 64-bit mode");
	BREAK(state_64, s.rip = BAD_ADDR, "RIP is not canonical");
	BREAK(state_64, s.rflags &= ~RFLAGS_FIXED, "bit 1");
	for (uint32_t i = 0; i < 64; i++) {
		if (i == 3 || i == 5 || i == 15 || i >= 22)
			BREAK(state_64, s.rflags |= BIT(i), "RFLAGS has reserved");
	}
}

static void virtual_8086(void **unused)
{
	(void)unused;
	BREAK(state_v8086, s.cr0 = CR0_ET, "RFLAGS.VM");
	for (uint32_t i = SEG_ES; i <= SEG_GS; i++) {
		BREAK(state_v8086, s.seg[i].base++, "base is not 16 times");
		BREAK(state_v8086, s.seg[i].limit--, "limit is not");
		BREAK(state_v8086, s.seg[i].attr = 0x93, "access rights are not");
	}
}

static void bases_and_selectors(void **unused)
{
	(void)unused;
	BREAK(state_64, s.seg[SEG_TR].sel = 4, "TR: selector");
	BREAK(state_64, s.seg[SEG_LDTR] = ((struct segment){4, 0x82, 0xffff, 0}), "LDTR: selector");
	BREAK(state_64, s.seg[SEG_TR].base = BAD_ADDR, "TR: base is not canonical");
	BREAK(state_64, s.seg[SEG_FS].base = BAD_ADDR, "FS: base is not canonical");
	BREAK(state_64, s.seg[SEG_GS].base = BAD_ADDR, "GS: base is not canonical");
	BREAK(state_64, s.seg[SEG_LDTR] = ((struct segment){0, 0x82, 0xffff, BAD_ADDR}),
	      "LDTR: base");
	BREAK(state_64, s.seg[SEG_CS].base = BIT(32), "CS: base has bits");
	BREAK(state_64, s.seg[SEG_SS].base = BIT(63), "SS: base has bits");
	BREAK(state_real, s.seg[SEG_DS].base = BIT(32), "DS: base has bits");
	BREAK(state_real, s.seg[SEG_ES].base = BIT(32), "ES: base has bits");
}

static void code_segment(void **unused)
{
	(void)unused;
	BREAK(state_64, s.seg[SEG_CS].attr = 0xa9a, "CS: type");
	BREAK(state_64, s.seg[SEG_CS].attr = 0xa91, "CS: type");
	LEGAL(state_real, s.seg[SEG_CS].attr = 0x93);
	BREAK(state_64, s.seg[SEG_CS].attr = 0xa8b, "CS: S is clear");
	BREAK(state_64, s.seg[SEG_CS].attr = 0xafb, "CS: DPL");
	BREAK(state_64, s.seg[SEG_CS].attr = 0xaff, "CS: DPL");
	BREAK(state_real, s.seg[SEG_CS].attr = 0xf3, "CS: DPL");
	BREAK(state_64, s.seg[SEG_CS].attr = 0xa1b, "CS: is not present");
	BREAK(state_64, s.seg[SEG_CS].attr = 0xe9b, "L and D/B");
	BREAK(state_64, s.seg[SEG_CS].attr |= 0x1000, "CS: access rights have reserved");
	BREAK(state_64, s.seg[SEG_CS].limit = 0xfffffffe, "CS: G");
	BREAK(state_64, s.seg[SEG_CS].attr = 0x29b, "CS: G");
}

static void data_segments(void **unused)
{
	static const enum seg_reg data[] = {SEG_DS, SEG_ES, SEG_FS, SEG_GS};

	(void)unused;
	BREAK(state_64, s.seg[SEG_SS].attr = 0xc9b, "SS: type");
	BREAK(state_64, s.seg[SEG_SS].attr = 0xc92, "SS: type");
	LEGAL(state_64, s.seg[SEG_SS].attr = 0xc97);
	BREAK(state_64, s.seg[SEG_SS].attr = 0xc83, "SS: S is clear");
	BREAK(state_64, s.seg[SEG_SS].limit = 0x1000, "SS: G");
	for (uint32_t i = 0; i < ARRAY_SIZE(data); i++) {
		BREAK(state_real, s.seg[data[i]].attr = 0x92, "type is not accessed");
		BREAK(state_real, s.seg[data[i]].attr = 0x99, "cannot be read");
		BREAK(state_real, s.seg[data[i]].attr = 0x83, "S is clear");
		BREAK(state_real, s.seg[data[i]].attr |= 0x8000, "reserved");
		BREAK(state_real, s.seg[data[i]].limit = 0x100000, "G does not fit");
	}
}

/* In real-address mode every DPL of SS but 0 breaks its rule, and CS's beside it. */
static void stack_dpl(void **unused)
{
	struct guest_state s = state_real();
	struct lines l = {0};

	(void)unused;
	s.seg[SEG_SS].attr = 0xf3;
	assert_int_equal(vmx_check_state(&s, line_add, &l), 2);
	assert_non_null(strstr(l.text[0], "CS: DPL"));
	assert_non_null(strstr(l.text[1], "SS: DPL"));
}

static void system_segments(void **unused)
{
	(void)unused;
	BREAK(state_64, s.seg[SEG_TR].attr = 0x83, "TR: type");
	BREAK(state_64, s.seg[SEG_TR].attr = 0x89, "TR: type");
	BREAK(state_real, s.seg[SEG_TR].attr = 0x81, "TR: type");
	BREAK(state_64, s.seg[SEG_TR].attr = 0x9b, "TR: S is set");
	BREAK(state_64, s.seg[SEG_TR].attr = 0x0b, "TR: is not present");
	BREAK(state_64, s.seg[SEG_TR].attr |= 0x2000, "TR: access rights");
	BREAK(state_64, s.seg[SEG_TR].attr = 0x88b; s.seg[SEG_TR].limit = 0x67, "TR: G");
	LEGAL(state_64, s.seg[SEG_TR].attr = 0x88b; s.seg[SEG_TR].limit = 0xfff);
	BREAK(state_real, s.seg[SEG_LDTR].attr = 0x83, "LDTR: type");
	BREAK(state_real, s.seg[SEG_LDTR].attr = 0x92, "LDTR: S is set");
	BREAK(state_real, s.seg[SEG_LDTR].attr |= 0x1000, "LDTR: access rights");
	BREAK(state_real, s.seg[SEG_LDTR].limit = 0x100000, "LDTR: G");
}

/* The machine's own limits, which the boot CPU finds out. */
static void limits(void **unused)
{
	struct vmx_limits all = vmx_limits;

	(void)unused;
	vmx_limits.physical_bits = 40;
	BREAK(state_64, s.cr3 |= BIT(40), "CR3");
	vmx_limits.cr4_fixed1 &= ~CR4_SMAP;
	BREAK(state_64, s.cr4 |= CR4_SMAP, "CR4 has bits");
	vmx_limits.efer_bits &= ~EFER_NXE;
	BREAK(state_64, (void)s, "EFER has reserved");
	vmx_limits = all;
	none(state_64());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(legal_states),
		cmocka_unit_test(control_registers),
		cmocka_unit_test(msrs),
		cmocka_unit_test(mode_without_paging),
		cmocka_unit_test(tables_and_rip),
		cmocka_unit_test(virtual_8086),
		cmocka_unit_test(bases_and_selectors),
		cmocka_unit_test(code_segment),
		cmocka_unit_test(data_segments),
		cmocka_unit_test(stack_dpl),
		cmocka_unit_test(system_segments),
		cmocka_unit_test(limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
