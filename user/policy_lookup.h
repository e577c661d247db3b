/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who may talk to whom at all, looked up in compiled tables as the data path does when a
 * connection is opened. Must not judge requests.
 */
#ifndef KEYSWITCH_POLICY_LOOKUP_H
#define KEYSWITCH_POLICY_LOOKUP_H

#include "policy.h"

/* Of a single address: its own record, else its longest prefix's; NULL: in no table. */
const struct ks_addr_rec *policy_record(const struct compiled_policy *c,
					const struct prefix *address);

/* KS_PROFILE_* of a pair of single addresses; 0 where the server is no asset. */
uint32_t policy_pair_flags(const struct compiled_policy *c, const struct prefix *client,
			   const struct prefix *server);

#endif
