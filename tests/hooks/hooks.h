/* SPDX-License-Identifier: BSD-2-Clause */
/* Hypercalls of the image with hooks, for guests that test: number in RAX, arguments in RBX and RCX. */

#ifndef TESTS_HOOKS_H
#define TESTS_HOOKS_H

/* RBX: VMCS field, RCX: its value at the next entry that is tried; up to HOOK_FIELDS of them. 0, or -1: too many. */
#define HOOK_FIELD  0x7e570001
#define HOOK_FIELDS 6
/*
 * RBX: a number for the log. Look at the VMCS with those fields with our own checker, let the processor try to enter
 * with them, put the old values back, and enter. 0: it entered; else the exit reason, or the VM-instruction error.
 */
#define HOOK_TRY    0x7e570002
/* The same without putting anything back: what then happens is what would have happened anyway. */
#define HOOK_LEAVE  0x7e570003
/* RBX: guest-physical address, RCX: bits to flip in the nested table's last entry for it. */
#define HOOK_NESTED 0x7e570004
/* An NMI to every other processor. */
#define HOOK_NMI    0x7e570005

/* RBX: VMCS field. Its value. */
#define HOOK_READ 0x7e570006

/*
 * From now on this processor has a machine-check bank of its own, which reports S and AR. RBX: MCG_STATUS, RCX: the bank's
 * STATUS, both kept as they are written; its ADDR and MISC are HOOK_MCE_ADDR and HOOK_MCE_MISC.
 */
#define HOOK_MCE       0x7e570007
#define HOOK_MCE_BANK  1
#define HOOK_MCE_ADDR  0x123000
#define HOOK_MCE_MISC  0x86
/* A machine check in the hypervisor, now. */
#define HOOK_MCE_ROOT  0x7e570008
/* The next exit is by a machine check. */
#define HOOK_MCE_EXIT  0x7e570009
/* VMX: the next entry fails by a machine check (exit reason 41). */
#define HOOK_MCE_ENTRY 0x7e57000a
/* What is left in MCG_STATUS and the bank's STATUS. */
#define HOOK_MCE_LEFT  0x7e57000b
/* RBX: guest-physical address of two pages without memory. They become a device that is memory. 0 or negative. */
#define HOOK_MEMORY    0x7e57000c

/*
 * RBX: guest-physical address, RCX: bits to flip in the nested table's last entry for it, so that the next access faults.
 * That exit puts them back, and the guest goes on.
 */
#define HOOK_CUT		     0x7e57000d
/* Exits by that since the last call, in the low half; in the high half the delivery cut short, HOOK_CUT_EVENT or 0. */
#define HOOK_CUT_SEEN		     0x7e57000e
#define HOOK_CUT_EVENT(type, vector) (0x80000000 | (type) << 8 | (vector))

/*
 * An NMI of the machine at place RBX, the next time that this processor comes there: places are the instructions between
 * a look at the requests and what must not follow it. 0: there is no such place; 1: on the way to sleep; 2: to an entry.
 */
#define HOOK_RACE 0x7e57000f

#define HOOK_LAST HOOK_RACE

/* Before each try the processor is asked for MSR HOOK_MARK + number, which an emulator's log names. */
#define HOOK_MARK 0x7e580000

#endif
