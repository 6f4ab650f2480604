/* SPDX-License-Identifier: BSD-2-Clause */
/* The decoder beside an independent disassembler (capstone): what must agree, and where it need not, with the reason. */

#ifndef TESTS_DECODE_ORACLE_H
#define TESTS_DECODE_ORACLE_H

#include <capstone/capstone.h>
#include <stdio.h>
#include <string.h>
#include "vm/decode.h"

#define ORACLE_TEXT 224

static csh oracle_handle[3];

static inline bool oracle_open(void)
{
	static const cs_mode mode[3] = {CS_MODE_16, CS_MODE_32, CS_MODE_64};

	for (uint32_t m = 0; m < 3; m++)
		if (cs_open(CS_ARCH_X86, mode[m], &oracle_handle[m]) != CS_ERR_OK)
			return false;
	return true;
}

static inline void oracle_close(void)
{
	for (uint32_t m = 0; m < 3; m++)
		cs_close(&oracle_handle[m]);
}

/* Length that capstone gives, 0: it calls the bytes invalid. @text gets its words. */
static inline uint32_t oracle_length(const uint8_t *bytes, uint32_t avail, enum cpu_mode mode,
				     char text[ORACLE_TEXT])
{
	cs_insn *in;
	uint32_t length = 0;

	text[0] = 0;
	if (cs_disasm(oracle_handle[mode], bytes, avail, 0, 1, &in) == 1) {
		length = in->size;
		snprintf(text, ORACLE_TEXT, "%s %s", in->mnemonic, in->op_str);
		cs_free(in, 1);
	}
	return length;
}

/* Differences that are capstone's or a choice of ours. Each says which side the manual is on. */
struct oracle_difference {
	const char *why;
	bool (*applies)(const struct insn *i, int result, uint32_t length, const char *text);
};

/* Capstone 4 accepts LOCK nearly everywhere. SDM vol. 2, LOCK: #UD unless the destination is memory. */
static inline bool difference_lock(const struct insn *i, int result, uint32_t length,
				   const char *text)
{
	(void)text;
	return result == -EINVAL && i->prefixes & INSN_LOCK && i->length == length;
}

/* Capstone knows CR0-15, DR0-15. SDM vol. 2, MOV CRn, DRn: the others are #UD. */
static inline bool difference_system_register(const struct insn *i, int result, uint32_t length,
					      const char *text)
{
	return result == -EINVAL && (i->op == OP_MOV_CR || i->op == OP_MOV_DR) &&
	       i->length == length && (strstr(text, " cr") || strstr(text, " dr"));
}

/* AMD's LOCK MOV CR0 is CR8 (APM vol. 3, MOV CRn); capstone calls it invalid. */
static inline bool difference_lock_cr8(const struct insn *i, int result, uint32_t length,
				       const char *text)
{
	(void)text;
	return result == 0 && length == 0 && i->op == OP_MOV_CR && i->prefixes & INSN_LOCK &&
	       i->reg == 8;
}

/* SDM vol. 2, MOV: loading CS is #UD. */
static inline bool difference_load_cs(const struct insn *i, int result, uint32_t length,
				      const char *text)
{
	return result == -EINVAL && i->op == OP_MOV_SREG && i->length == length &&
	       strstr(text, "mov cs,") == text;
}

/* Capstone rejects REX.R with a segment register; processors ignore it (APM vol. 3, 1.2.7). */
static inline bool difference_sreg_rex(const struct insn *i, int result, uint32_t length,
				       const char *text)
{
	(void)text;
	return result == 0 && length == 0 && i->op == OP_MOV_SREG && i->rex & REX_R;
}

/*
 * Capstone looks for a mandatory prefix only beside the opcode, and in 16-bit code not always; they count wherever they
 * stand and in every mode (SDM vol. 2, 2.1.1).
 */
static inline bool difference_mandatory(const struct insn *i, int result, uint32_t length,
					const char *text)
{
	bool sse = i->op >= OP_XLOAD && i->op <= OP_XSTORE_HIGH;
	bool inv = i->op == OP_INVEPT || i->op == OP_INVVPID || i->op == OP_INVPCID;
	uint32_t others = i->prefixes & ~(INSN_REP | INSN_REPNE | INSN_OPSIZE);

	(void)text;
	/* Ignored segment prefixes leave no trace but the length. */
	return result == 0 && length == 0 && (sse || inv) &&
	       (others || i->length > 4 || i->mode == CPU_MODE_16);
}

/* Capstone takes VMREAD and VMWRITE with other prefixes for EXTRQ and INSERTQ, which need 66 or F2 (APM vol. 4). */
static inline bool difference_extrq(const struct insn *i, int result, uint32_t length,
				    const char *text)
{
	(void)length;
	return result == 0 && (i->op == OP_VMREAD || i->op == OP_VMWRITE) &&
	       (strstr(text, "extrq") || strstr(text, "insertq"));
}

/* With F2 or F3 beside it, capstone forgets 66 in PUSH imm and in the moffs forms of MOV (SDM vol. 2, 2.1.1). */
static inline bool difference_opsize_forgotten(const struct insn *i, int result, uint32_t length,
					       const char *text)
{
	bool both = i->prefixes & INSN_OPSIZE && i->prefixes & (INSN_REP | INSN_REPNE);
	bool moffs = i->dst == OPND_MOFFS || i->src == OPND_MOFFS;

	(void)text;
	if (result || !both || i->map)
		return false;
	return (moffs && length == 0) || (i->opcode == 0x68 && length == i->length + 2U);
}

/* Not in capstone 4, or only some of their encodings: PREFETCH, reserved NOPs, newer AMD instructions. */
static inline bool difference_unknown(const struct insn *i, int result, uint32_t length,
				      const char *text)
{
	bool hint = i->op == OP_NOP && i->map == 1;
	bool amd = i->op == OP_RDPRU || i->op == OP_CLZERO || i->op == OP_MONITORX ||
		   i->op == OP_MWAITX;

	(void)text;
	return result == 0 && length == 0 && (hint || amd);
}

static const struct oracle_difference oracle_differences[] = {
	{"LOCK where it is #UD",				 difference_lock		},
	{"control or debug register that does not exist", difference_system_register },
	{"LOCK MOV CR0",				  difference_lock_cr8	    },
	{"MOV to CS",				     difference_load_cs		},
	{"REX.R with a segment register",		  difference_sreg_rex	     },
	{"mandatory prefix apart from the opcode",	   difference_mandatory       },
	{"VMREAD taken for EXTRQ",			   difference_extrq	   },
	{"66 beside F2 or F3",			       difference_opsize_forgotten},
	{"unknown to capstone",				difference_unknown	  },
	{NULL,					    NULL		       },
};

/* NULL: the two agree, or a named difference applies (then *@named is set). Else what is wrong. */
static inline const char *oracle_compare(const uint8_t *bytes, uint32_t avail, enum cpu_mode mode,
					 const char **named)
{
	static char message[400];
	uint8_t padded[2 * INSN_MAX] = {0};
	char text[ORACLE_TEXT];
	struct insn i;
	int result = insn_decode(&i, bytes, avail, mode);
	uint32_t length, n = 0;

	*named = NULL;
	if (result == -ENOSYS || result == -EAGAIN)
		return NULL;
	/* Where the two see different lengths, the end of the bytes shall not look like a third opinion. */
	memcpy(padded, bytes, avail < INSN_MAX ? avail : INSN_MAX);
	length = oracle_length(padded, sizeof(padded), mode, text);
	if (result == 0 && length == i.length)
		return NULL;
	if (result == -EINVAL && length == 0)
		return NULL;
	for (const struct oracle_difference *d = oracle_differences; d->why; d++) {
		if (d->applies(&i, result, length, text)) {
			*named = d->why;
			return NULL;
		}
	}
	n = (uint32_t)snprintf(message, sizeof(message),
			       "mode %d result %d length %u, capstone %u '%s':", mode, result,
			       i.length, length, text);
	for (uint32_t k = 0; k < INSN_MAX && k < avail; k++)
		n += (uint32_t)snprintf(message + n, sizeof(message) - n, " %02x", bytes[k]);
	return message;
}

#endif
