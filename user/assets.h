/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The addresses that a running policy protects, as prefixes: its assets and its
 * `protected` list, without the gateway's own. Must not change any map.
 */
#ifndef KEYSWITCH_ASSETS_H
#define KEYSWITCH_ASSETS_H

#include "addr.h"
#include "instance.h"

struct assets {
	struct prefix *v;	/* sorted, none inside another */
	size_t n;
	bool everything;	/* an asset is a whole address family: not in v */
};

/*
 * Of the policy in force, and during a trial of the one that comes back too. 0 or a
 * negative errno; free in both cases.
 */
int assets_load(struct assets *assets, const struct instance *in, const struct ks_state_rec *state);
void assets_free(struct assets *assets);
bool assets_hold(const struct assets *assets, const struct prefix *address);

#endif
