/* SPDX-License-Identifier: BSD-2-Clause */
/* Runs one instruction on the host's own processor with given registers, flags, XMM registers and memory. */

#ifndef TESTS_NATIVE_H
#define TESTS_NATIVE_H

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include "arch/vcpu.h"

/* Fixed low addresses, so that 32-bit addressing and absolute operands reach them. */
#define NATIVE_CODE	  0x10000000UL /* the code around the instruction, and the instruction */
#define NATIVE_STATE	  0x10010000UL /* struct native_state */
#define NATIVE_DATA	  0x20000000UL /* what the instruction may touch */
#define NATIVE_DATA_BYTES 0x4000UL

struct native_state {
	uint64_t gpr[GPR_COUNT];
	uint64_t rflags;
	uint64_t host_rsp;
	uint8_t xmm[16][16];
};

struct native_code {
	uint8_t *at;
};

static inline void native_emit(struct native_code *c, const void *bytes, uint32_t n)
{
	memcpy(c->at, bytes, n);
	c->at += n;
}

/* @op with an absolute 32-bit address: ModRM (reg, SIB), SIB without base and index, disp32. */
static inline void native_emit_abs(struct native_code *c, const char *op, uint32_t n, uint32_t reg,
				   uint64_t address)
{
	uint8_t tail[6] = {(uint8_t)(0x04 | (reg & 7) << 3), 0x25};
	uint32_t a = (uint32_t)address;

	memcpy(tail + 2, &a, 4);
	native_emit(c, op, n);
	native_emit(c, tail, sizeof(tail));
}

static inline void native_emit_gpr(struct native_code *c, uint8_t opcode, uint32_t reg,
				   uint64_t address)
{
	char op[2] = {(char)(reg < 8 ? 0x48 : 0x4c), (char)opcode};

	native_emit_abs(c, op, 2, reg, address);
}

static inline void native_emit_xmm(struct native_code *c, uint8_t opcode, uint32_t reg,
				   uint64_t address)
{
	char op[4] = {(char)0xf3, (char)(reg < 8 ? 0x40 : 0x44), 0x0f, (char)opcode};

	native_emit_abs(c, op, 4, reg, address);
}

/* Map the three areas; call once. False: the host does not allow it. */
static inline bool native_open(void)
{
	static const struct {
		uint64_t at, size;
		int prot;
	} area[] = {
		{NATIVE_CODE,  0x1000,	      PROT_READ | PROT_WRITE | PROT_EXEC},
		{NATIVE_STATE, 0x1000,	       PROT_READ | PROT_WRITE	     },
		{NATIVE_DATA,  NATIVE_DATA_BYTES, PROT_READ | PROT_WRITE	       },
	};

	for (uint32_t k = 0; k < ARRAY_SIZE(area); k++) {
		void *want = (void *)area[k].at;

		if (mmap(want, area[k].size, area[k].prot,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != want)
			return false;
	}
	return true;
}

/* Where the instruction will stand: the code before it has always the same length. */
static inline uint8_t *native_prologue(void)
{
	struct native_code c = {(uint8_t *)NATIVE_CODE};
	struct native_state *s = (struct native_state *)NATIVE_STATE;

	native_emit(&c, "\x53\x55\x41\x54\x41\x55\x41\x56\x41\x57",
		    10); /* push rbx, rbp, r12-r15 */
	native_emit_gpr(&c, 0x89, RSP, (uint64_t)&s->host_rsp);
	for (uint32_t k = 0; k < 16; k++)
		native_emit_xmm(&c, 0x6f, k, (uint64_t)s->xmm[k]);
	native_emit_abs(&c, "\xff", 1, 6, (uint64_t)&s->rflags); /* push */
	native_emit(&c, "\x9d", 1);				 /* popf */
	for (uint32_t k = 0; k < GPR_COUNT; k++)
		native_emit_gpr(&c, 0x8b, k, (uint64_t)&s->gpr[k]);
	return c.at;
}

/* Run the @n bytes of @insn on *@state, which gets what it leaves. Memory is NATIVE_DATA. */
static inline void native_run(struct native_state *state, const uint8_t *insn, uint32_t n)
{
	struct native_code c = {native_prologue()};
	struct native_state *s = (struct native_state *)NATIVE_STATE;
	void (*run)(void);

	native_emit(&c, insn, n);
	for (uint32_t k = 0; k < GPR_COUNT; k++)
		native_emit_gpr(&c, 0x89, k, (uint64_t)&s->gpr[k]);
	native_emit_gpr(&c, 0x8b, RSP, (uint64_t)&s->host_rsp);
	native_emit(&c, "\x9c", 1);				 /* pushf */
	native_emit_abs(&c, "\x8f", 1, 0, (uint64_t)&s->rflags); /* pop */
	native_emit(&c, "\xfc", 1);				 /* cld */
	for (uint32_t k = 0; k < 16; k++)
		native_emit_xmm(&c, 0x7f, k, (uint64_t)s->xmm[k]);
	native_emit(&c, "\x41\x5f\x41\x5e\x41\x5d\x41\x5c\x5d\x5b\xc3", 11);

	memcpy(s, state, sizeof(*s));
	memcpy(&run, &(void *){(void *)NATIVE_CODE}, sizeof(run));
	__asm__ volatile("" : : : "memory");
	run();
	__asm__ volatile("" : : : "memory");
	memcpy(state, s, sizeof(*s));
}

#endif
