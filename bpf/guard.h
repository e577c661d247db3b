/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The word that a guarded inline pair puts before each packet it passes; see
 * guard.bpf.c for its reader. Pointers into the packet are void afterwards.
 */
#ifndef KEYSWITCH_GUARD_H
#define KEYSWITCH_GUARD_H

#include "guard_word.h"
#include "pkt.h"

/*
 * A packet that cannot carry the word goes on without it: the rules of the guard
 * stop it. Global: verified once, not at the end of every path.
 */
KS_GLOBAL int guard_pass(struct xdp_md *ctx)
{
	__u32 cookie = state.guard; /* of all that the rules know, 0 = no guard */
	struct ks_guard_word *word;

	if (!cookie || bpf_xdp_adjust_meta(ctx, -(int)sizeof(*word)))
		return XDP_PASS;
	word = (void *)(long)ctx->data_meta;
	if ((void *)(word + 1) <= (void *)(long)ctx->data) {
		word->magic = KS_GUARD_MAGIC;
		word->cookie = cookie;
	}
	return XDP_PASS;
}

#endif
