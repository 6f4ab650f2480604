/* SPDX-License-Identifier: BSD-2-Clause */
/* The hypercall ABI: numbers, in a range apart from KVM's, whose calling convention it shares. */

#ifndef BULKHEAD_HYPERCALL_H
#define BULKHEAD_HYPERCALL_H

#define BULKHEAD_ABI_VERSION 1

#define BULKHEAD_CALL_FIRST   0x424b0000 /* "BK" */
#define BULKHEAD_CALL_VERSION 0x424b0000 /* returns BULKHEAD_ABI_VERSION */
#define BULKHEAD_CALL_VCPU_ID 0x424b0001 /* returns the number of the calling vCPU in its VM */
/* Returns the TSC, as the guest reads it, at which the time window began in which it is called; -ENOENT: in none. */
#define BULKHEAD_CALL_WINDOW  0x424b0002

#endif
