/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * CIP requests that carry the request of another protocol in their data: PCCC and
 * Modbus. Takes the leaf that judge_request() made a step further; decides nothing.
 */
#ifndef KEYSWITCH_INNER_H
#define KEYSWITCH_INNER_H

#include "cip_modbus.h"
#include "judge.h"
#include "pccc.h"

/* The leaf's data are a request of their own. */
static __always_inline int inner_carried(const struct ks_leaf *leaf)
{
	return (leaf->key_class == PCCC_CLASS && leaf->service == PCCC_EXECUTE) ||
	       leaf->key_class == CIP_MODBUS;
}

/* The request in the work area's leaf, part of the PDU of `len` bytes at ring position pos. */
KS_GLOBAL int inner_request(struct ks_enip_ring *ring, __u32 pos, __u32 len)
{
	struct ks_work *w = pkt_work();
	struct ks_leaf *leaf;
	__u32 data, size;
	__u64 at = pos;
	struct view v;

	if (!ring || !w || w->refused)
		return 0;
	leaf = &w->leaf;
	if (!inner_carried(leaf))
		return 0;
	BOUND_OFFSET(at, KS_EIP_RING);
	v = (struct view){ .base = ring->bytes + at, .len = len };
	data = 2 + 2 * view_u8(&v, leaf->offset + 1, KS_EIP_VIEW);
	size = leaf->length - data; /* cip_leaf() has seen the path end inside */
	if (leaf->key_class == PCCC_CLASS)
		/* rules count data-table elements: there is no room for an attribute */
		w->refused = leaf->has & KS_HAS_ATTRIBUTE ? KS_R_pccc_malformed :
			     pccc_dissect(&v, leaf->offset + data, size, leaf);
	else
		w->refused = cip_modbus_dissect(&v, leaf->offset + data, size, leaf);
	return 0;
}

#endif
