/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Refusals of the devices themselves: Modbus exceptions, CIP and encapsulation errors,
 * read from replies where one begins and counted by asset and client. What could not be
 * read is counted too. Never stops a packet, and decides nothing.
 */
#ifndef KEYSWITCH_EXCEPTION_H
#define KEYSWITCH_EXCEPTION_H

#include "event.h"
#include "forward.h"

#define MB_REPLY_HEAD	9	/* header, function and the code of an exception */
#define MB_EXCEPTION	0x80
#define CONNECTED_REPLY	46	/* as FWD_REPLY, in a SendUnitData message: behind its sequence count */

/* key: what an asset answered, value: how often. Miss: never, or no room. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, KS_EXCEPTIONS);
	__type(key, struct ks_exception_key);
	__type(value, struct ks_exception_count);
} exceptions SEC(".maps");

/* key: the same with the client, value: how often since it came in. Miss: it was not, or long ago. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, KS_EXCEPTION_CLIENTS);
	__type(key, struct ks_exception_client);
	__type(value, struct ks_exception_count);
} exception_clients SEC(".maps");

static __always_inline int exception_bump(void *map, const void *key, __u64 now)
{
	struct ks_exception_count none = {}, *c = bpf_map_lookup_elem(map, key);

	if (!c) {
		bpf_map_update_elem(map, key, &none, BPF_NOEXIST);
		c = bpf_map_lookup_elem(map, key);
	}
	if (!c)
		return -1;
	__sync_fetch_and_add(&c->replies, 1);
	c->last = now;
	return 0;
}

/* One more reply of this kind to the packet's client. Returns 0. */
KS_GLOBAL int exception_count(__u32 kind, __u32 status)
{
	struct ks_work *w = pkt_work();
	struct ks_exception_client *key;
	struct ks_misc_count *m;
	struct pkt *p;

	if (!w)
		return 0;
	p = &w->pkt;
	key = &w->exception;
	__builtin_memset(key, 0, sizeof(*key));
	key->what.asset = p->asset;
	key->what.numbering = p->numbering;
	key->what.kind = kind;
	key->what.status = status < 255 ? status : 255;
	table_client_key(p, &key->client);
	m = event_misc();
	if (exception_bump(&exceptions, &key->what, p->now) && m)
		m->exceptions_other++;
	if (kind != KS_ANSWER_UNREAD)
		exception_bump(&exception_clients, key, p->now);
	return 0;
}

/*
 * A segment of a Modbus server that is not one whole reply without an exception. Read is
 * what a reply at its beginning says; a second one behind it is not.
 */
KS_GLOBAL int exception_modbus(struct xdp_md *ctx)
{
	struct pkt *p = pkt_of(pkt_work());
	const __u8 *m;
	__u32 size;

	if (!p)
		return 0;
	m = p->len < MB_REPLY_HEAD ? NULL : pkt_at(ctx, p->pay, MB_REPLY_HEAD);
	size = m ? 6 + (m[4] << 8 | m[5]) : 0;
	if (!m || m[2] | m[3] || size < MB_REPLY_HEAD - 1 || size > p->len ||
	    (m[7] & MB_EXCEPTION && size != MB_REPLY_HEAD))
		return exception_count(KS_ANSWER_UNREAD, 0);
	if (m[7] & MB_EXCEPTION)
		exception_count(KS_ANSWER_MODBUS, m[8]);
	return size < p->len ? exception_count(KS_ANSWER_UNREAD, 0) : 0;
}

/* What one message of an EtherNet/IP server says; `have` of its first bytes are there. */
static __always_inline void exception_enip(const __u8 *head, __u32 have)
{
	__u32 command = reply_le16(head), at = FWD_REPLY, status = reply_le32(head + 8);

	if (status) {
		exception_count(KS_ANSWER_ENCAP, status);
		return;
	}
	if (command == EIP_SEND_UNIT_DATA)
		at = CONNECTED_REPLY;
	else if (command != EIP_SEND_RR_DATA)
		return;
	if (have < at + 4 || !(head[at] & 0x80))
		exception_count(KS_ANSWER_UNREAD, 0);
	else if (head[at + 2])
		exception_count(KS_ANSWER_CIP, head[at + 2]);
}

/*
 * New bytes of the server, before they are taken note of. The common segment, one whole
 * Modbus reply, goes no further; EtherNet/IP is read where its stream is followed.
 */
static __always_inline void exception_look(struct xdp_md *ctx, struct pkt *p,
					   const struct ks_flow *f)
{
	const __u8 *m;

	if (f->state != KS_S_ESTAB)
		return;
	p->asset = f->generation == p->generation ? f->asset : 0;
	if (!p->len || !seq_lt(f->s_nxt, p->seq + p->len))
		return;
	if (f->proto != KS_MODBUS) {
		if (f->flags & KS_F_AUDIT)
			exception_count(KS_ANSWER_UNREAD, 0);
		return;
	}
	m = p->len < MB_REPLY_HEAD ? NULL : pkt_at(ctx, p->pay, MB_REPLY_HEAD);
	if (!m || m[2] | m[3] || 6 + (m[4] << 8 | m[5]) != p->len || m[7] & MB_EXCEPTION)
		exception_modbus(ctx);
}

#endif
