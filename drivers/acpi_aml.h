/* SPDX-License-Identifier: BSD-2-Clause */
/* The only AML that the hypervisor knows: Name (_Sx_, Package () {…}), found by its bytes. */

#ifndef DRIVERS_ACPI_AML_H
#define DRIVERS_ACPI_AML_H

#include "lib/types.h"

/* No such object is longer, up to and including its second element. */
#define AML_SLEEP_MAX 32

struct aml_sleep {
	uint8_t state;		/* 1 to 5 */
	uint8_t type_a, type_b; /* SLP_TYP for PM1a and PM1b: 0 to 7 */
	uint32_t name;		/* offset of the name's four characters */
};

/*
 * Do the @len bytes at @aml start with a NameOp, _S1_ to _S5_ (at the root or where it stands) and a PackageOp? Pure.
 * AML that is cut off, or elements that are not plain integers, give false.
 */
bool aml_sleep_object(const uint8_t *aml, uint32_t len, struct aml_sleep *out);

#endif
