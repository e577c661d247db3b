/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How long timers of BPF programs keep a CPU in softirq, seen by tracepoints. Needs
 * the kernel's BTF.
 */
#ifndef KEYSWITCH_STAYS_H
#define KEYSWITCH_STAYS_H

#include <linux/types.h>

#define STAYS_CPUS 16
#define STAYS_TIMES 40000 /* callbacks of a CPU whose time is kept one by one */

/* Of one CPU. */
struct stays {
	__u64 started;		/* timers that were started */
	__u64 stays;		/* softirqs that ran at least one */
	__u64 callbacks;
	__u64 spent;		/* ns in callbacks */
	__u64 longest;		/* ns of a softirq ... */
	__u64 ran;		/* ... and how many callbacks it ran */
	__u64 at, callback_at, ran_now;	/* of the softirq under way */
	__u32 begun;
	__u32 n;		/* entries of `ns` that are written */
	__u32 ns[STAYS_TIMES];
};

#ifndef __bpf__
#include <stdint.h>

int stays_on(void);	/* begins to count, or begins anew; 0 or a negative errno */
const struct stays *stays_now(void); /* STAYS_CPUS of them, or NULL */
void stays_off(void);
#endif

#endif
