/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Writes a compiled policy into one policy slot of an instance, and makes a
 * slot the active one. Must not touch links, programs or pins.
 */
#ifndef KEYSWITCH_TABLES_H
#define KEYSWITCH_TABLES_H

#include <stdint.h>

#include "instance.h"
#include "policy.h"

/* How the inner maps of a table are made: equal for all of its slots. */
struct table_kind {
	uint32_t type;
	uint32_t key_size;
	uint32_t value_size;
	uint32_t flags;
	uint32_t key_type_id;
	uint32_t value_type_id;
};

struct table_kinds {
	struct table_kind v[MAPS];	/* by enum map_id; type 0 for plain maps */
	int btf_fd;			/* Linux 6.1 wants the template's BTF; -1: it has none */
};

/* From the inner maps of a filled slot; close btf_fd afterwards if it is one. 0 or negative errno. */
int tables_kinds(struct table_kinds *kinds, const struct instance *in, uint32_t slot);

/*
 * Fills the slot completely; the data path does not look at it yet. On failure
 * the slot is unusable but the running policy is untouched, and *failed names
 * the table.
 */
int tables_fill(const struct instance *in, const struct table_kinds *kinds, uint32_t slot,
		uint32_t generation, const struct compiled_policy *policy,
		const char **failed);

/*
 * CLOCK_MONOTONIC ns until which connections that run without an entry are taken over
 * (`adopt: audit`), when `cfg` comes into force at `from` after `before` (NULL: after
 * none). From one policy with zones to the next nothing begins anew.
 */
uint64_t tables_take_over(const struct ks_pol_cfg *cfg, const struct ks_pol_cfg *before,
			  uint64_t from);

/* What comes into force with the policy in this slot. */
struct ks_force tables_force(const struct compiled_policy *p, uint32_t slot);

#endif
