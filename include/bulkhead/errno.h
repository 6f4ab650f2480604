/* SPDX-License-Identifier: BSD-2-Clause */
/* The one list of errors: functions return 0 or a negative one of these, hypercalls the same. */

#ifndef BULKHEAD_ERRNO_H
#define BULKHEAD_ERRNO_H

#define EPERM	  1   /* not this caller's to do */
#define ENOENT	  2   /* no such thing */
#define EIO	  5   /* a device did not answer as its data sheet says */
#define E2BIG	  7   /* larger than the limit */
#define ENOEXEC	  8   /* not an image of a known form */
#define EAGAIN	  11  /* not now; try again */
#define ENOMEM	  12  /* quota or frames used up */
#define EFAULT	  14  /* address not mapped, or not with these rights */
#define EBUSY	  16  /* owned by somebody else */
#define EEXIST	  17  /* already there */
#define ENODEV	  19  /* no such device */
#define EINVAL	  22  /* malformed */
#define ENOSPC	  28  /* a fixed table is full */
#define ERANGE	  34  /* number out of range, or a sum wraps */
#define ENOSYS	  38  /* not supported here */
#define ESHUTDOWN 108 /* the other side has stopped */

#endif
