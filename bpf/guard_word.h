/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the guard's halves and user space agree on: the word before a packet, the
 * bit of the mark, what is counted. Same rules as shared.h.
 */
#ifndef KEYSWITCH_GUARD_WORD_H
#define KEYSWITCH_GUARD_WORD_H

#include <linux/types.h>

/*
 * Metadata in front of a packet that was passed while the state record has a
 * guard cookie. The tc program turns it into KS_GUARD_MARK of the packet's mark,
 * and sets that bit for nothing else.
 */
#define KS_GUARD_MAGIC	0x4b535744u	/* "KSWD" */
#define KS_GUARD_MARK	0x08000000u

struct ks_guard_word {
	__u32 magic;
	__u32 cookie;
};

/* guard_seen: PERCPU_ARRAY, frames at a guarded NIC, by whether they had the word */
enum ks_guard_seen { KS_SEEN_PLAIN = 0, KS_SEEN_WORD = 1, KS_SEEN_MAX = 2 };

#endif
