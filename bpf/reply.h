/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The server's stream of an EtherNet/IP connection: followed message by message from
 * its first byte, in order, so that data which was read cannot look like a reply.
 * Only replies to Forward_Open and Forward_Close mean something here. Never stops a
 * packet.
 */
#ifndef KEYSWITCH_REPLY_H
#define KEYSWITCH_REPLY_H

#include "conn.h"
#include "exception.h"
#include "ring.h"

#define REPLY_STEPS 512 /* two a message; 24-byte messages in the longest segment */

/* The message whose first bytes are there. */
static __always_inline void reply_message(struct ks_work *w, struct ks_reply *r)
{
	__u32 have = r->gone < KS_REPLY_HEAD ? r->gone : KS_REPLY_HEAD;
	__u32 service = forward_reply(r->head, have);

	exception_enip(r->head, have);
	if (have < FWD_REPLY_LEN && service != CIP_FORWARD_CLOSE)
		return;
	if (service == CIP_FORWARD_OPEN || service == CIP_LARGE_OPEN)
		conn_opened(w, r->head + FWD_REPLY_DATA);
	else if (service == CIP_FORWARD_CLOSE)
		conn_closed(w, r->head + FWD_REPLY_DATA);
}

/* Bytes of the head that are still wanted: the header, then what stands behind it. */
static __always_inline __u32 reply_wants(const struct ks_reply *r)
{
	__u32 head = r->total && r->total < KS_REPLY_HEAD ? r->total : KS_REPLY_HEAD;

	if (r->gone < EIP_HEADER)
		return EIP_HEADER - r->gone;
	return r->gone < head ? head - r->gone : 0;
}

struct reply_ctx {
	struct xdp_md *ctx;
	struct ks_reply *reply;
};

/* Takes bytes of the head, or skips to the message's end. Place in w->reply_at. */
static long reply_step(__u64 i, void *arg)
{
	struct reply_ctx *c = arg;
	struct ks_reply *r = c->reply;
	struct ks_work *w = pkt_work();
	__u32 left, n;
	__u64 size, at;

	if (!w || w->reply_at >= w->reply_end)
		return 1;
	left = w->reply_end - w->reply_at;
	n = reply_wants(r);
	size = n < left ? n : left;
	at = r->gone;
	if (size) {
		BOUND_OFFSET(at, KS_REPLY_HEAD);
		BOUND1(size, KS_REPLY_HEAD);
		if (bpf_xdp_load_bytes(c->ctx, w->reply_at, w->reply_head + at, size))
			return 1;
	} else {
		n = r->total - r->gone;
		size = n < left ? n : left;
	}
	r->gone += size;
	w->reply_at += size;
	if (r->gone == EIP_HEADER)
		r->total = EIP_HEADER + reply_le16(w->reply_head + EIP_LENGTH);
	if (r->gone < EIP_HEADER || r->gone != r->total)
		return 0;
	__builtin_memcpy(r->head, w->reply_head, KS_REPLY_HEAD);
	reply_message(w, r);
	r->gone = r->total = 0;
	return 0;
}

/*
 * Follows the new bytes of the packet, payload from p->take.skip on; this CPU alone
 * (KS_HOW_SBUSY). fresh: the connection's first bytes.
 */
KS_GLOBAL int reply_follow(struct xdp_md *ctx, int fresh)
{
	struct ks_work *w = pkt_work();
	struct ks_enip_ring *ring;
	struct reply_ctx c = { .ctx = ctx };

	if (!w)
		return 0;
	ring = bpf_map_lookup_elem(&eip_rings, &w->pkt.take.slot);
	if (!ring)
		return 0;
	c.reply = &ring->reply;
	if (fresh)
		__builtin_memset(c.reply, 0, sizeof(*c.reply));
	__builtin_memcpy(w->reply_head, c.reply->head, KS_REPLY_HEAD);
	w->reply_at = w->pkt.pay + w->pkt.take.skip;
	w->reply_end = w->pkt.pay + w->pkt.len;
	ks_loop(REPLY_STEPS, reply_step, &c);
	__builtin_memcpy(c.reply->head, w->reply_head, KS_REPLY_HEAD);
	return 0;
}

#endif
