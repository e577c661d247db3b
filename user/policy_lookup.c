// SPDX-License-Identifier: GPL-2.0-only
/*
 * Looking up a pair of addresses, see policy_lookup.h. Must not judge requests.
 */
#include <string.h>

#include "policy_lookup.h"

static bool same_bits(const uint8_t *a, const uint8_t *b, uint32_t bits)
{
	return !memcmp(a, b, bits / 8) &&
	       (bits % 8 == 0 || !((a[bits / 8] ^ b[bits / 8]) >> (8 - bits % 8)));
}

const struct ks_addr_rec *policy_record(const struct compiled_policy *c,
					const struct prefix *address)
{
	const struct ks_addr_rec *best = NULL;
	uint32_t longest = 0;
	uint8_t key[16];

	prefix_key(address, key);
	for (size_t i = 0; i < c->n_addrs; i++)
		if (!memcmp(c->addr_keys[i].addr, key, sizeof(key)))
			return &c->addr_recs[i];
	for (size_t i = 0; i < c->n_prefixes; i++) {
		const struct ks_lpm_key *k = &c->prefix_keys[i];

		if ((best && k->prefixlen <= longest) || !same_bits(k->addr, key, k->prefixlen))
			continue;
		longest = k->prefixlen;
		best = &c->prefix_recs[i];
	}
	return best;
}

uint32_t policy_pair_flags(const struct compiled_policy *c, const struct prefix *client,
			   const struct prefix *server)
{
	const struct ks_addr_rec *from = policy_record(c, client), *to = policy_record(c, server);
	uint32_t class = from ? from->client_class : 0, profile;

	if (!to || !to->asset)
		return 0;
	profile = c->assets[to->asset].profile;
	for (size_t i = 0; i < c->n_pairs; i++)
		if (c->pair_keys[i].client_class == class && c->pair_keys[i].asset == to->asset)
			profile = c->pair_profiles[i];
	return c->profiles[profile].flags;
}
