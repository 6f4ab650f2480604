/* SPDX-License-Identifier: BSD-2-Clause */
/* The same instruction and state twice: by the processor on RAM, and by the hypervisor's emulator on a device that is */
/* memory (tests/hooks). Registers, flags, memory, faults and page-table bits must come out the same. */

#include "lib/case.h"
#include "lib/guest.h"
#include "lib/insn.h"
#include "lib/x86.h"
#include "../../tests/hooks/hooks.h"

/* Two pages each, with a boundary of the guest's 2 MiB mappings between them. */
#define RAM    0x9ff000UL
#define DEVICE 0xd01ff000UL
#define SECOND 0x1000 /* offset of the second page, whose mapping is changed */

#define PTE_P	     BIT(0)
#define PTE_W	     BIT(1)
#define PTE_ACCESSED BIT(5)
#define PTE_DIRTY    BIT(6)
#define CR0_WP	     BIT(16)
#define CR4_OSFXSR   BIT(9)

#define CF	 0x001UL
#define PF	 0x004UL
#define AF	 0x010UL
#define ZF	 0x040UL
#define SF	 0x080UL
#define DF	 0x400UL
#define OF	 0x800UL
#define PF_WRITE BIT(1) /* of a page fault's error code */
#define RF	 0x10000UL
#define TF	 0x100UL
#define STATUS	 (CF | PF | AF | ZF | SF | OF)

enum size { BYTE, FULL, XMM, FIXED }; /* FIXED: no operand-size prefix makes another one */
enum imm { NO, IMM8, IMMZ };
enum kind { PLAIN, BITS, SHIFT, STRING, STACK, CMPX };

#define ANY  8
#define MAND 0xff /* in prefix: none */

struct row {
	const char *name;
	uint8_t prefix; /* a mandatory one; MAND: none */
	uint8_t op_len, op[3];
	uint8_t reg; /* of ModRM; ANY: a register */
	uint8_t size, imm, kind;
	bool lock;
	uint32_t undefined; /* flags, by SDM vol. 2 and APM vol. 3 */
};

/* clang-format off */
#define ALU(n, name, undef) \
	{name " m,r8", MAND, 1, {8 * (n)}, ANY, BYTE, NO, PLAIN, (n) < 7, undef}, \
	{name " m,r", MAND, 1, {8 * (n) + 1}, ANY, FULL, NO, PLAIN, (n) < 7, undef}, \
	{name " r8,m", MAND, 1, {8 * (n) + 2}, ANY, BYTE, NO, PLAIN, false, undef}, \
	{name " r,m", MAND, 1, {8 * (n) + 3}, ANY, FULL, NO, PLAIN, false, undef}, \
	{name " m8,i8", MAND, 1, {0x80}, n, BYTE, IMM8, PLAIN, (n) < 7, undef}, \
	{name " m,i", MAND, 1, {0x81}, n, FULL, IMMZ, PLAIN, (n) < 7, undef}, \
	{name " m,i8", MAND, 1, {0x83}, n, FULL, IMM8, PLAIN, (n) < 7, undef}

/* Rotates leave AF alone; the overflow flag is defined for counts of 1 only. */
#define SHIFTS(n, name, undef) \
	{name " m8,1", MAND, 1, {0xd0}, n, BYTE, NO, PLAIN, false, (undef) & AF}, \
	{name " m,1", MAND, 1, {0xd1}, n, FULL, NO, PLAIN, false, (undef) & AF}, \
	{name " m8,cl", MAND, 1, {0xd2}, n, BYTE, NO, SHIFT, false, undef}, \
	{name " m,cl", MAND, 1, {0xd3}, n, FULL, NO, SHIFT, false, undef}, \
	{name " m8,i8", MAND, 1, {0xc0}, n, BYTE, IMM8, SHIFT, false, undef}, \
	{name " m,i8", MAND, 1, {0xc1}, n, FULL, IMM8, SHIFT, false, undef}

#define BT(n, op, name) \
	{name " m,r", MAND, 2, {0x0f, op}, ANY, FULL, NO, BITS, (n) > 4, OF | SF | AF | PF}, \
	{name " m,i8", MAND, 2, {0x0f, 0xba}, n, FULL, IMM8, PLAIN, (n) > 4, OF | SF | AF | PF}

#define CC(n) \
	{"setcc", MAND, 2, {0x0f, 0x90 + (n)}, 0, FIXED, NO, PLAIN, false, 0}, \
	{"cmovcc", MAND, 2, {0x0f, 0x40 + (n)}, ANY, FULL, NO, PLAIN, false, 0}
/* clang-format on */

static const struct row rows[] = {
	ALU(0, "add", 0),
	ALU(1, "or", AF),
	ALU(2, "adc", 0),
	ALU(3, "sbb", 0),
	ALU(4, "and", AF),
	ALU(5, "sub", 0),
	ALU(6, "xor", AF),
	ALU(7, "cmp", 0),
	SHIFTS(0, "rol", OF),
	SHIFTS(1, "ror", OF),
	SHIFTS(2, "rcl", OF),
	SHIFTS(3, "rcr", OF),
	SHIFTS(4, "shl", OF | AF),
	SHIFTS(5, "shr", OF | AF),
	SHIFTS(7, "sar", OF | AF),
	BT(4, 0xa3, "bt"),
	BT(5, 0xab, "bts"),
	BT(6, 0xb3, "btr"),
	BT(7, 0xbb, "btc"),
	CC(0),
	CC(1),
	CC(2),
	CC(3),
	CC(4),
	CC(5),
	CC(6),
	CC(7),
	CC(8),
	CC(9),
	CC(10),
	CC(11),
	CC(12),
	CC(13),
	CC(14),
	CC(15),
	{"test m8,r8",    MAND, 1, {0x84},		ANY, BYTE,  NO,   PLAIN,  false, AF},
	{"test m,r",	     MAND, 1, {0x85},	      ANY, FULL,	 NO,   PLAIN,  false, AF},
	{"test m8,i8",    MAND, 1, {0xf6},		0,   BYTE,	 IMM8, PLAIN,  false, AF},
	{"test m,i",	     MAND, 1, {0xf7},	      0,	 FULL,  IMMZ, PLAIN,  false, AF},
	{"not m8",	   MAND, 1, {0xf6},		    2,   BYTE,  NO,	 PLAIN,	true,  0 },
	{"not m",	  MAND, 1, {0xf7},		   2,   FULL,  NO,	PLAIN,  true,  0 },
	{"neg m8",	   MAND, 1, {0xf6},		    3,   BYTE,  NO,	 PLAIN,	true,  0 },
	{"neg m",	  MAND, 1, {0xf7},		   3,   FULL,  NO,	PLAIN,  true,  0 },
	{"inc m8",	   MAND, 1, {0xfe},		    0,   BYTE,  NO,	 PLAIN,	true,  0 },
	{"inc m",	  MAND, 1, {0xff},		   0,   FULL,  NO,	PLAIN,  true,  0 },
	{"dec m8",	   MAND, 1, {0xfe},		    1,   BYTE,  NO,	 PLAIN,	true,  0 },
	{"dec m",	  MAND, 1, {0xff},		   1,   FULL,  NO,	PLAIN,  true,  0 },
	{"push m",	   MAND, 1, {0xff},		    6,   FULL,  NO,	 STACK,	false, 0 },
	{"pop m",	  MAND, 1, {0x8f},		   0,   FULL,  NO,	STACK,  false, 0 },
	{"xchg m8,r8",    MAND, 1, {0x86},		ANY, BYTE,  NO,   PLAIN,  true,  0 },
	{"xchg m,r",	     MAND, 1, {0x87},	      ANY, FULL,	 NO,   PLAIN,  true,  0 },
	{"mov m8,r8",     MAND, 1, {0x88},	       ANY, BYTE,  NO,   PLAIN,  false, 0 },
	{"mov m,r",	    MAND, 1, {0x89},	     ANY, FULL,	NO,   PLAIN,  false, 0 },
	{"mov r8,m8",     MAND, 1, {0x8a},	       ANY, BYTE,  NO,   PLAIN,  false, 0 },
	{"mov r,m",	    MAND, 1, {0x8b},	     ANY, FULL,	NO,   PLAIN,  false, 0 },
	{"mov m,sreg",    MAND, 1, {0x8c},		3,   FULL,	 NO,   PLAIN,  false, 0 },
	{"mov m8,i8",     MAND, 1, {0xc6},	       0,	  BYTE,	IMM8, PLAIN,  false, 0 },
	{"mov m,i",	    MAND, 1, {0xc7},	     0,	FULL,  IMMZ, PLAIN,  false, 0 },
	{"movzx r,m8",    MAND, 2, {0x0f, 0xb6},	      ANY, FULL,	 NO,   PLAIN,  false, 0 },
	{"movzx r,m16",	MAND, 2, {0x0f, 0xb7},       ANY, FULL,  NO,   PLAIN,  false, 0 },
	{"movsx r,m8",    MAND, 2, {0x0f, 0xbe},	      ANY, FULL,	 NO,   PLAIN,  false, 0 },
	{"movsx r,m16",	MAND, 2, {0x0f, 0xbf},       ANY, FULL,  NO,   PLAIN,  false, 0 },
	{"movsxd r,m32",	 MAND, 1, {0x63},		  ANY, FULL,  NO,	 PLAIN,	false, 0 },
	{"movbe r,m",     MAND, 3, {0x0f, 0x38, 0xf0}, ANY, FULL,  NO,	  PLAIN,	 false, 0 },
	{"movbe m,r",     MAND, 3, {0x0f, 0x38, 0xf1}, ANY, FULL,  NO,	  PLAIN,	 false, 0 },
	{"movnti m,r",    MAND, 2, {0x0f, 0xc3},	      ANY, FIXED, NO,   PLAIN,  false, 0 },
	{"cmpxchg m8,r8", MAND, 2, {0x0f, 0xb0},	 ANY, BYTE,  NO,	CMPX,   true,  0 },
	{"cmpxchg m,r",	MAND, 2, {0x0f, 0xb1},       ANY, FULL,  NO,   CMPX,   true,  0 },
	{"xadd m8,r8",    MAND, 2, {0x0f, 0xc0},	      ANY, BYTE,	 NO,   PLAIN,  true,  0 },
	{"xadd m,r",	     MAND, 2, {0x0f, 0xc1},	    ANY, FULL,  NO,   PLAIN,  true,	0 },
	{"cmpxchg8b",     MAND, 2, {0x0f, 0xc7},	     1,	FULL,  NO,	  CMPX,	true,  0 },
	{"movs",		 MAND, 1, {0xa4},		  0,   BYTE,  NO,   STRING, false, 0 },
	{"movs",		 MAND, 1, {0xa5},		  0,   FULL,  NO,   STRING, false, 0 },
	{"cmps",		 MAND, 1, {0xa6},		  0,   BYTE,  NO,   STRING, false, 0 },
	{"cmps",		 MAND, 1, {0xa7},		  0,   FULL,  NO,   STRING, false, 0 },
	{"stos",		 MAND, 1, {0xaa},		  0,   BYTE,  NO,   STRING, false, 0 },
	{"stos",		 MAND, 1, {0xab},		  0,   FULL,  NO,   STRING, false, 0 },
	{"lods",		 MAND, 1, {0xac},		  0,   BYTE,  NO,   STRING, false, 0 },
	{"lods",		 MAND, 1, {0xad},		  0,   FULL,  NO,   STRING, false, 0 },
	{"scas",		 MAND, 1, {0xae},		  0,   BYTE,  NO,   STRING, false, 0 },
	{"scas",		 MAND, 1, {0xaf},		  0,   FULL,  NO,   STRING, false, 0 },
	{"movdqu x,m",    0xf3, 2, {0x0f, 0x6f},	      1,	 XMM,   NO,	  PLAIN,	 false, 0 },
	{"movdqu m,x",    0xf3, 2, {0x0f, 0x7f},	      1,	 XMM,   NO,	  PLAIN,	 false, 0 },
	{"movdqa x,m",    0x66, 2, {0x0f, 0x6f},	      1,	 XMM,   NO,	  PLAIN,	 false, 0 },
	{"movdqa m,x",    0x66, 2, {0x0f, 0x7f},	      1,	 XMM,   NO,	  PLAIN,	 false, 0 },
	{"movups x,m",    MAND, 2, {0x0f, 0x10},	      1,	 XMM,   NO,	  PLAIN,	 false, 0 },
	{"movups m,x",    MAND, 2, {0x0f, 0x11},	      1,	 XMM,   NO,	  PLAIN,	 false, 0 },
	{"movaps x,m",    MAND, 2, {0x0f, 0x28},	      1,	 XMM,   NO,	  PLAIN,	 false, 0 },
	{"movaps m,x",    MAND, 2, {0x0f, 0x29},	      1,	 XMM,   NO,	  PLAIN,	 false, 0 },
	{"movss x,m",     0xf3, 2, {0x0f, 0x10},	     1,	XMM,   NO,	 PLAIN,	false, 0 },
	{"movsd m,x",     0xf2, 2, {0x0f, 0x11},	     1,	XMM,   NO,	 PLAIN,	false, 0 },
	{"movd x,m",	     0x66, 2, {0x0f, 0x6e},	    1,   XMM,   NO,	PLAIN,  false, 0 },
	{"movd m,x",	     0x66, 2, {0x0f, 0x7e},	    1,   XMM,   NO,	PLAIN,  false, 0 },
	{"movq x,m",	     0xf3, 2, {0x0f, 0x7e},	    1,   XMM,   NO,	PLAIN,  false, 0 },
	{"movq m,x",	     0x66, 2, {0x0f, 0xd6},	    1,   XMM,   NO,	PLAIN,  false, 0 },
	{"movntdq m,x",	0x66, 2, {0x0f, 0xe7},       1,	  XMM,   NO,   PLAIN,  false, 0 },
	{"movlps x,m",    MAND, 2, {0x0f, 0x12},	      1,	 XMM,   NO,	  PLAIN,	 false, 0 },
	{"movhps m,x",    MAND, 2, {0x0f, 0x17},	      1,	 XMM,   NO,	  PLAIN,	 false, 0 },
};

/* --- chance --- */

static uint64_t seed;

static uint64_t chance(uint64_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (seed >> 11) % below;
}

static uint64_t value(void)
{
	uint64_t v = chance(1ULL << 52) << 12 ^ chance(1ULL << 52);

	switch (chance(6)) {
	case 0:
		return chance(3) - 1;
	case 1:
		return v & 0x7f;
	case 2:
		return v | 0xffffffff00000000;
	case 3:
		return 1ULL << chance(64);
	default:
		return v;
	}
}

/* --- a case --- */

/* How the second page is mapped. */
enum second { THERE, MISSING, READ_ONLY };

struct test {
	const struct row *row;
	struct insn_regs regs; /* registers that point to the operand hold offsets */
	uint8_t code[16];
	uint32_t len;
	bool indexed;
	uint8_t base, size; /* register with the operand's address; bytes of the operand */
	uint32_t at;	    /* offset of the operand */
	uint32_t undefined;
	enum second second;
	uint8_t xmm[16], memory[8 * 48];
	uint32_t memory_at;
};

struct outcome {
	struct insn_regs regs;
	uint8_t xmm[16], memory[8 * 48];
	uint64_t cr2, stack[2];
	uint64_t used[2]; /* accessed and dirty bits of both mappings */
};

static bool points(const struct test *t, uint32_t reg)
{
	return t->row->kind == STRING ? reg == RSI || reg == RDI : reg == t->base;
}

static void emit(struct test *t, uint64_t bytes, uint32_t n)
{
	while (n--) {
		t->code[t->len++] = (uint8_t)bytes;
		bytes >>= 8;
	}
}

static uint8_t reg_choose(const struct test *t, bool rex)
{
	uint8_t reg;

	do
		reg = (uint8_t)chance(rex ? 16 : 8);
	while (reg == RSP || reg == t->base || reg == R9 || reg == RCX);
	/* without REX 4 to 7 are AH to BH */
	if (t->row->size == BYTE && !rex && t->base != RBX && chance(2))
		reg = (uint8_t)(4 + chance(2) * 2); /* AH, DH */
	return reg;
}

/* Where the operand is, by one of several forms of address. */
static void operand(struct test *t, uint8_t reg)
{
	uint32_t rm = t->base & 7;
	int8_t disp = (int8_t)chance(256);
	uint32_t scale = (uint32_t)chance(4);

	t->regs.gpr[R9] = chance(5);
	t->regs.gpr[t->base] = t->at;
	if (t->indexed) { /* base + R9 * scale + disp32 */
		emit(t, 0x80U | (reg & 7U) << 3 | 4, 1);
		emit(t, scale << 6 | 1 << 3 | rm, 1);
		emit(t, (uint64_t)(int64_t)disp, 4);
		t->regs.gpr[t->base] -= (uint64_t)(int64_t)disp + (t->regs.gpr[R9] << scale);
		return;
	}
	emit(t, 0x40U | (reg & 7U) << 3 | rm, 1);
	if (rm == 4)
		emit(t, 0x24, 1);
	emit(t, (uint8_t)disp, 1);
	t->regs.gpr[t->base] -= (uint64_t)(int64_t)disp;
}

static void encode(struct test *t)
{
	static const uint8_t bases[] = {RBX, RSI, RDI, RBP, R12, R13, R15};
	const struct row *r = t->row;
	/* MOVSXD to 16 bits reads 2 bytes; QEMU reads 4 */
	bool word = r->size == FULL && r->op[0] != 0x63 && !chance(3),
	     wide = r->size == FULL && !word && chance(2);
	uint8_t rex, reg = r->reg;
	uint64_t imm = value();

	/* CMPXCHG8B stores RBX */
	t->base = bases[r->kind == CMPX ? 1 + chance(ARRAY_SIZE(bases) - 1)
					: chance(ARRAY_SIZE(bases))];
	t->indexed = r->kind != STRING && !chance(3);
	if (r->kind == STRING)
		wide = r->size == FULL && !word && chance(2);
	t->size = r->size == BYTE ? 1 : r->size == XMM ? 16 : word ? 2 : wide ? 8 : 4;
	rex = (uint8_t)((wide ? 0x48 : 0) | (t->indexed ? 0x42 : 0) |
			(t->base >= R8 && r->kind != STRING ? 0x41 : 0));
	if (!rex && chance(2))
		rex = 0x40;
	if (reg == ANY) {
		reg = reg_choose(t, rex);
		rex |= reg >= R8 ? 0x44 : 0;
	}
	if (r->kind == STRING && chance(3))
		emit(t, chance(2) ? 0xf3 : 0xf2, 1);
	else if (r->lock && !chance(3))
		emit(t, 0xf0, 1);
	if (word)
		emit(t, 0x66, 1);
	if (r->kind != STRING && r->prefix != MAND)
		emit(t, r->prefix, 1);
	if (r->kind != STRING && chance(8) == 0)
		emit(t, 0x3e, 1); /* DS, which means nothing */
	if (rex)
		emit(t, rex, 1);
	emit(t, r->op[0] | (uint32_t)r->op[1] << 8 | (uint32_t)r->op[2] << 16, r->op_len);
	if (r->kind != STRING)
		operand(t, reg);
	if (r->imm != NO)
		emit(t, imm, r->imm == IMM8 ? 1 : word ? 2 : 4);
	if (r->kind == BITS)
		t->regs.gpr[reg] = chance(256) - 128; /* bits, so that it stays near */
	if (r->kind == SHIFT) {
		uint32_t count =
			(uint32_t)((r->imm == NO ? t->regs.gpr[RCX] : imm) & (wide ? 63 : 31));

		t->undefined = count == 0 ? 0 : count == 1 ? r->undefined & AF : r->undefined;
		if (count >= 8U * t->size && r->reg >= 4 && r->reg < 7)
			t->undefined |= CF;
	}
}

static void make(struct test *t, const struct row *r)
{
	memset(t, 0, sizeof(*t));
	t->row = r;
	insn_init(&t->regs);
	for (uint32_t i = 0; i < 16; i++) {
		if (i != RSP)
			t->regs.gpr[i] = value();
	}
	t->at = (uint32_t)chance(3) ? 256 + (uint32_t)chance(3000) : SECOND - (uint32_t)chance(20);
	if (r->size == XMM && chance(2))
		t->at &= ~15U;
	t->second = chance(4) ? THERE : (enum second)(1 + chance(2));
	t->undefined = r->undefined;
	encode(t);
	t->regs.rflags |= chance(1 << 12) & STATUS;
	if (r->kind == STRING) {
		t->regs.gpr[RSI] = t->at;
		t->regs.gpr[RDI] = t->at + chance(40) - 20;
		t->regs.gpr[RCX] = chance(6);
		t->regs.rflags |= chance(2) ? DF : 0;
	}
	if (!chance(12))
		t->regs.rflags |= TF;
	t->memory_at = (t->at - 160) & ~7U;
	for (uint32_t i = 0; i < sizeof(t->memory); i += 8) {
		uint64_t v = chance(4) ? value() : 0x8080808080808080;

		memcpy(t->memory + i, &v, 8);
	}
	for (uint32_t i = 0; i < sizeof(t->xmm); i++)
		t->xmm[i] = (uint8_t)chance(256);
	if (r->kind == CMPX && chance(2)) { /* equal, so that it is exchanged */
		memcpy(&t->regs.gpr[RAX], t->memory + (t->at - t->memory_at), 8);
		memcpy(&t->regs.gpr[RDX],
		       t->memory + (t->at - t->memory_at) + (t->size == 8 ? 8 : 4), 8);
	}
}

/* --- both ways --- */

static void memory_move(uint64_t base, struct test *t, uint8_t *out)
{
	for (uint32_t i = 0; i < sizeof(t->memory); i += 8) {
		volatile uint64_t *p = (volatile uint64_t *)(base + t->memory_at + i);
		uint64_t v;

		if (out) {
			v = *p;
			memcpy(out + i, &v, 8);
		} else {
			memcpy(&v, t->memory + i, 8);
			*p = v;
		}
	}
}

static void mapping(uint64_t base, enum second how)
{
	uint64_t *first = page_entry(base), *second = page_entry(base + SECOND);

	*first &= ~(PTE_ACCESSED | PTE_DIRTY);
	*second = (*second & ~(PTE_ACCESSED | PTE_DIRTY)) | PTE_P | PTE_W;
	if (how == MISSING)
		*second &= ~PTE_P;
	if (how == READ_ONLY)
		*second &= ~PTE_W;
	invlpg((void *)base);
	invlpg((void *)(base + SECOND));
}

static void run(struct test *t, uint64_t base, struct outcome *o)
{
	uint64_t *stack;

	memset(o, 0, sizeof(*o));
	o->regs = t->regs;
	for (uint32_t i = 0; i < 16; i++)
		o->regs.gpr[i] += points(t, i) ? base : 0;
	stack = (uint64_t *)o->regs.rsp;
	stack[-1] = 0x1122334455667788;
	stack[0] = 0x99aabbccddeeff00;
	memory_move(base, t, NULL);
	mapping(base, t->second);
	write_cr2(0);
	__asm__ volatile("movdqu %0, %%xmm1" : : "m"(t->xmm));
	insn_run(&o->regs, t->code, t->len);
	__asm__ volatile("movdqu %%xmm1, %0" : "=m"(o->xmm));
	o->cr2 = read_cr2() - (o->regs.vector == EXC_PF ? base : 0);
	o->used[0] = *page_entry(base) & (PTE_ACCESSED | PTE_DIRTY);
	o->used[1] = *page_entry(base + SECOND) & (PTE_ACCESSED | PTE_DIRTY);
	mapping(base, THERE);
	memory_move(base, t, o->memory);
	o->stack[0] = stack[-1];
	o->stack[1] = stack[0];
	for (uint32_t i = 0; i < 16; i++)
		o->regs.gpr[i] -= points(t, i) ? base : 0;
	/* the instruction's own place */
	o->regs.rip = 0;
	write_dr6(0xffff0ff0);
}

static uint32_t said;

static bool differs(const struct test *t, const char *what, uint64_t ram, uint64_t device)
{
	char bytes[3 * 16 + 1] = "";

	if (ram == device)
		return false;
	for (uint32_t i = 0; i < t->len; i++)
		format(bytes + 3 * i, sizeof(bytes) - 3 * i, " %02x", t->code[i]);
	if (said++ < 12)
		print("%s:%s at %x, second page %d: %s %lx on RAM, %lx on the device\n",
		      t->row->name, bytes, t->at, t->second, what, ram, device);
	return true;
}

/*
 * After a page fault three things are left out. Whether the accessed bit of a mapping that did not allow the access is set
 * is not defined (SDM vol. 3, 4.8). What is read and then written counts as a write, but QEMU reads first, so that its error
 * code is a read's. And QEMU has written the first page's part of 16 bytes when the second faults.
 */
static bool compare(const struct test *t, const struct outcome *a, const struct outcome *b)
{
	uint64_t flags = ~(RF | t->undefined), error = a->regs.error;
	bool faulted = a->regs.vector == EXC_PF, bad = false;

	if (faulted && (b->regs.error ^ error) == PF_WRITE)
		error |= PF_WRITE;
	bad = bad || differs(t, "vector", a->regs.vector, b->regs.vector);
	bad = bad || differs(t, "length", a->regs.length, b->regs.length);
	bad = bad || differs(t, "flags", a->regs.rflags & flags, b->regs.rflags & flags);
	bad = bad || (a->regs.vector >= 10 && differs(t, "error", error, b->regs.error));
	bad = bad || differs(t, "cr2", a->cr2, b->cr2);
	bad = bad || differs(t, "rsp", a->regs.rsp, b->regs.rsp);
	for (uint32_t i = 0; i < 16 && !bad; i++)
		bad = i != RSP && differs(t, "a register", a->regs.gpr[i], b->regs.gpr[i]);
	bad = bad || differs(t, "stack", a->stack[0], b->stack[0]) ||
	      differs(t, "stack", a->stack[1], b->stack[1]);
	bad = bad || differs(t, "xmm1", 0, (uint64_t)(memcmp(a->xmm, b->xmm, 16) != 0));
	for (uint32_t i = 0; i < sizeof(a->memory) && !bad && !(faulted && t->size == 16); i++)
		bad = differs(t, "memory", a->memory[i], b->memory[i]);
	if (!faulted)
		bad = bad || differs(t, "A and D of the first", a->used[0], b->used[0]) ||
		      differs(t, "A and D of the second", a->used[1], b->used[1]);
	return bad;
}

static int64_t device_make(uint64_t at)
{
	int64_t result;

	if (cpuid(0, 0).ebx == 0x756e6547)
		__asm__ volatile("vmcall"
				 : "=a"(result)
				 : "a"(HOOK_MEMORY), "b"(at), "c"(0)
				 : "memory");
	else
		__asm__ volatile("vmmcall"
				 : "=a"(result)
				 : "a"(HOOK_MEMORY), "b"(at), "c"(0)
				 : "memory");
	return result;
}

uint32_t guest_main(void)
{
	uint32_t rounds = (uint32_t)cmdline_number("rounds", 40), cases = 0, bad = 0, faults = 0;
	bool movbe = cpuid(1, 0).ecx & BIT(22);

	seed = cmdline_number("seed", 20261121);
	if (device_make(DEVICE)) {
		print("differ: this hypervisor has no hooks\n");
		return 1;
	}
	write_cr0(read_cr0() | CR0_WP);
	write_cr4(read_cr4() | CR4_OSFXSR);
	for (uint32_t round = 0; round < rounds; round++) {
		for (uint32_t i = 0; i < ARRAY_SIZE(rows); i++) {
			static struct test t;
			static struct outcome a, b;

			if (!movbe && rows[i].op[1] == 0x38)
				continue;
			make(&t, &rows[i]);
			run(&t, RAM, &a);
			run(&t, DEVICE, &b);
			cases++;
			faults += a.regs.vector != 3;
			bad += compare(&t, &a, &b);
		}
	}
	print("differ: %u cases of %lu instructions, %u of them end in a fault or trap, %u differ\n",
	      cases, ARRAY_SIZE(rows), faults, bad);
	return bad != 0;
}
