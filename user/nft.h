/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The nft command of Debian's nftables as a child process: the ruleset as JSON,
 * and scripts in. Must not know what a rule is for.
 */
#ifndef KEYSWITCH_NFT_H
#define KEYSWITCH_NFT_H

#include <jansson.h>
#include <stdbool.h>

bool nft_exists(void);

/* The array of `nft -j list ruleset`; NULL: no nft, or it failed. Release it. */
json_t *nft_ruleset(void);

/* One transaction. EXIT_OK, or EXIT_ENVIRONMENT with a message printed. */
int nft_run(const char *script);

#endif
