/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How an entry goes before its timer: closed connections where a table fills up, and
 * the tombstone that a SYN on the same ports meets.
 */
#ifndef KEYSWITCH_REUSE_H
#define KEYSWITCH_REUSE_H

#include "expire.h"

/* A flow of the queue `closed`: 1 = its entry may be deleted, 2 = too soon, look again. */
static __always_inline int flow_reuse(struct ks_flow *f, __u64 now, __u32 *slot, __u8 *proto)
{
	int r = 0;

	bpf_spin_lock(&f->lock);
	*proto = f->proto;
	if (f->flags & KS_F_BUSY) {
		r = 2;
	} else if (f->state == KS_S_KILLED && now < f->t_last + KS_T_KILLED) {
		r = 2;
	} else if (f->state == KS_S_CLOSED || f->state == KS_S_KILLED) {
		f->state = KS_S_DEAD;
		f->t_last = now;
		f->version++;
		r = 2;
	} else if (f->state == KS_S_DEAD) {
		r = now < f->t_last + KS_T_REUSE ? 2 : 1;
		*slot = r == 1 ? f->slot : 0;
		f->slot = r == 1 ? 0 : f->slot;
		f->flags |= r == 1 ? KS_F_BUSY : 0; /* nobody else deletes it */
	}
	bpf_spin_unlock(&f->lock);
	return r;
}

/* What flow_reuse() said may go, goes; if its bucket is locked, another time. */
static __always_inline int table_bury(struct ks_flow *f, __u32 slot, __u8 proto)
{
	long err;

	table_ring_back(proto, slot);
	err = table_delete(f);
	if (err)
		flow_stays(f);
	return err ? -1 : 0;
}

/*
 * The oldest closed connection: from closed to tombstone, from tombstone to nothing.
 * The pause between is longer than any program that still holds the element runs.
 */
KS_GLOBAL int table_reuse(void)
{
	struct pkt *p = pkt_of(pkt_work());
	__u32 at = 0, slot = 0;
	struct ks_flow *f;
	__u8 proto = 0;
	int r;

	if (!p || bpf_map_peek_elem(&closed, &at))
		return 0;
	f = bpf_map_lookup_elem(&flows, &at);
	if (f && f->state == KS_S_DEAD && p->now < f->t_last + KS_T_REUSE)
		return 0; /* all tombstones behind it are younger */
	if (bpf_map_pop_elem(&closed, &at)) /* another CPU may have been faster */
		return 0;
	f = bpf_map_lookup_elem(&flows, &at);
	if (!f)
		return 0;
	r = flow_reuse(f, p->now, &slot, &proto);
	if (r == 2)
		bpf_map_push_elem(&closed, &at, 0);
	return r == 1 ? table_bury(f, slot, proto) : 0;
}

/*
 * A SYN meets the tombstone of a connection on the same ports, which nobody may come to
 * delete for a while. 1 = it is gone, the SYN begins a new entry.
 */
KS_GLOBAL int table_revive(void)
{
	struct pkt *p = pkt_of(pkt_work());
	struct ks_flow *f = p ? table_lookup(p) : NULL;
	__u32 slot = 0;
	__u8 proto = 0;

	if (!f || f->state != KS_S_DEAD || flow_reuse(f, p->now, &slot, &proto) != 1)
		return 0;
	return !table_bury(f, slot, proto);
}

#endif
