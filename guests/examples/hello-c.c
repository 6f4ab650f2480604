/* SPDX-License-Identifier: BSD-2-Clause */
/* The smallest guest in C: says hello on the serial port, and ends with value=N of its command line. */

#include "guest.h"

int guest_main(void)
{
	print("hello from C: %u KiB of memory above the first 1024\n", guest_memory);
	return (int)option("value", 0);
}
