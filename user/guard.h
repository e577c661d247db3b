/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The guard of inline pairs: once it is on, the kernel forwards to assets only
 * what carries the word of our XDP program, whether a process of ours lives or
 * not. Made of the word (state record), a tc program at each NIC and nft rules.
 */
#ifndef KEYSWITCH_GUARD_H
#define KEYSWITCH_GUARD_H

#include <jansson.h>
#include <stdbool.h>

#include "../bpf/guard_word.h"
#include "instance.h"

#define GUARD_TABLE "keyswitch_guard"

/* The nft rules that are there. */
struct guard_rules {
	bool inet, bridge;	/* their tables */
	char policy[24];	/* first digits of the policy's digest */
	uint64_t clients, protected, assets;	/* elements of the sets of both tables */
	uint64_t drops;		/* rules that drop */
	uint64_t dropped;	/* packets */
};

/* Does the kernel forward what comes in at this port? Not from wires, nor from taps. */
static inline bool guard_covers(const struct ks_port_rec *port)
{
	return port->used && !port->wire && port->sight != KS_SIGHT_TAP;
}

/* ruleset: see nft_ruleset() */
void guard_rules_read(struct guard_rules *rules, const json_t *ruleset);
/* What they should be. 0 or a negative errno. */
int guard_rules_wanted(struct guard_rules *rules, const struct instance *in);

/* Is the tc program at this NIC? */
bool guard_marks(uint32_t ifindex);
/* Frames that came with and without the word, by enum ks_guard_seen. 0 or a negative errno. */
int guard_seen(const struct instance *in, const char *nic, uint64_t seen[KS_SEEN_MAX]);

/*
 * untested: do not wait for a frame of each NIC that proves that its driver
 * carries the word. These return an enum exit_code, message printed; a guard that
 * was on stays on when guard_on or guard_refresh fails.
 */
int guard_on(struct instance *in, bool untested);
/* After a policy change; does nothing when the guard is off. */
int guard_refresh(const struct instance *in);
/* in may be NULL: what a lost instance left. */
int guard_off(struct instance *in);

/* Was it switched on under this pin directory? */
bool guard_exists(void);

#endif
