/* SPDX-License-Identifier: BSD-2-Clause */
/* The only AML that the hypervisor knows: Name (_Sx_, Package () {…}), found by its bytes. */

#include "drivers/acpi_aml.h"

/* ACPI 6.5, 20.2 and table 20.8 */
#define AML_ZERO	 0x00
#define AML_ONE		 0x01
#define AML_NAME	 0x08
#define AML_BYTE	 0x0a
#define AML_WORD	 0x0b
#define AML_DWORD	 0x0c
#define AML_PACKAGE	 0x12
#define AML_ROOT	 0x5c
#define AML_ONES	 0xff
#define AML_NAME_SIZE	 4
#define PKG_LENGTH_EXTRA 6 /* bits 7:6 of a package length's first byte: bytes that follow it */

#define SLP_TYP_MASK 7 /* the field in PM1 control has three bits */

/* Bytes that are left, and how far it is. */
struct cursor {
	const uint8_t *at;
	uint32_t left;
};

static bool take(struct cursor *c, uint32_t n, const uint8_t **bytes)
{
	if (c->left < n)
		return false;
	*bytes = c->at;
	c->at += n;
	c->left -= n;
	return true;
}

static bool take_byte(struct cursor *c, uint8_t *value)
{
	const uint8_t *byte;

	if (!take(c, 1, &byte))
		return false;
	*value = *byte;
	return true;
}

/* A plain integer; only its low 16 bits matter to the caller. */
static bool take_integer(struct cursor *c, uint32_t *value)
{
	const uint8_t *bytes;
	uint8_t op;
	uint32_t n;

	if (!take_byte(c, &op))
		return false;
	switch (op) {
	case AML_ZERO:
	case AML_ONE:
	case AML_ONES:
		*value = op == AML_ONES ? 0xffff : op;
		return true;
	case AML_BYTE:
		n = 1;
		break;
	case AML_WORD:
		n = 2;
		break;
	case AML_DWORD:
		n = 4;
		break;
	default:
		return false;
	}
	if (!take(c, n, &bytes))
		return false;
	*value = n == 1 ? bytes[0] : (uint32_t)(bytes[0] | bytes[1] << 8);
	return true;
}

static bool take_sleep_name(struct cursor *c, uint8_t *state)
{
	const uint8_t *name;

	if (c->left && c->at[0] == AML_ROOT)
		take(c, 1, &name);
	if (!take(c, AML_NAME_SIZE, &name))
		return false;
	if (name[0] != '_' || name[1] != 'S' || name[2] < '1' || name[2] > '5' || name[3] != '_')
		return false;
	*state = (uint8_t)(name[2] - '0');
	return true;
}

/* PackageOp, PkgLength (ACPI 6.5, 20.2.4), number of elements. */
static bool take_package(struct cursor *c, uint8_t *elements)
{
	const uint8_t *skipped;
	uint8_t op, lead;

	if (!take_byte(c, &op) || op != AML_PACKAGE || !take_byte(c, &lead))
		return false;
	return take(c, lead >> PKG_LENGTH_EXTRA, &skipped) && take_byte(c, elements);
}

bool aml_sleep_object(const uint8_t *aml, uint32_t len, struct aml_sleep *out)
{
	struct cursor c = {.at = aml, .left = len};
	uint32_t type_a, type_b;
	uint8_t op, elements;

	if (!take_byte(&c, &op) || op != AML_NAME || !take_sleep_name(&c, &out->state))
		return false;
	out->name = len - c.left - AML_NAME_SIZE;
	if (!take_package(&c, &elements) || !elements || !take_integer(&c, &type_a))
		return false;
	type_b = type_a >> 8; /* some firmware packs both into its only element */
	if (elements > 1 && !take_integer(&c, &type_b))
		return false;
	out->type_a = type_a & SLP_TYP_MASK;
	out->type_b = type_b & SLP_TYP_MASK;
	return true;
}
