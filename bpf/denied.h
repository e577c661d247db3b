/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Denied packets for `capture --denied`: their first bytes as they came, into a ring of
 * their own, while somebody says that he reads it. Must change nothing that becomes of a
 * packet; those that are allowed never get here.
 */
#ifndef KEYSWITCH_DENIED_H
#define KEYSWITCH_DENIED_H

#include "event.h"

/* struct ks_denied records. Read by `capture`; full: denied_counts. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, KS_DENIED_RING);
} denied SEC(".maps");

/* key: 0, value: until when it is read. Written by `capture`. A miss cannot be. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ks_denied_ctl);
} denied_ctl SEC(".maps");

/* key: port index, value: packets of this CPU. Written here only. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, KS_PORTS_MAX);
	__type(key, __u32);
	__type(value, struct ks_denied_count);
} denied_counts SEC(".maps");

/* Nobody has to end it: a reader that is gone lets the time run out. */
static __always_inline struct ks_denied_ctl *denied_read(const struct pkt *p)
{
	__u32 zero = 0;
	struct ks_denied_ctl *ctl = bpf_map_lookup_elem(&denied_ctl, &zero);

	return ctl && ctl->until > p->now && !cfg.trace ? ctl : NULL;
}

/*
 * The leaf in the work area is refused. Of several in one packet the first is told; those
 * judged after it write over it. Returns 0.
 */
KS_GLOBAL int denied_request(void)
{
	struct ks_work *w = pkt_work();

	if (w && !w->pkt.judged && denied_read(&w->pkt))
		w->denied = w->leaf;
	return 0;
}

/* First bytes of the frame; their number. */
static __always_inline __u32 denied_bytes(struct xdp_md *ctx, __u64 len, __u8 *bytes)
{
	__u64 n = len < KS_DENIED_BYTES ? len : KS_DENIED_BYTES;

	if (!n)
		return 0;
	BOUND1(n, KS_DENIED_BYTES);
	return bpf_xdp_load_bytes(ctx, 0, bytes, n) ? 0 : n;
}

static __always_inline void denied_fill(struct xdp_md *ctx, struct ks_work *w, __u32 reason,
					struct ks_denied *d)
{
	struct pkt *p = &w->pkt;

	d->t = bpf_ktime_get_ns();
	d->ifindex = ctx->ingress_ifindex;
	d->len = bpf_xdp_get_buff_len(ctx);
	d->generation = p->generation;
	d->reason = reason;
	d->bytes_len = denied_bytes(ctx, d->len, d->bytes);
	d->asset = p->asset;
	d->port = p->role == KS_CLIENT ? cfg.client_port : cfg.server_port;
	d->role = p->role;
	d->mode = p->mode;
	d->reset = p->out == KS_OUT_KILL;
	__builtin_memset(d->pad, 0, sizeof(d->pad));
	if (p->judged)
		d->leaf = w->denied;
	else
		__builtin_memset(&d->leaf, 0, sizeof(d->leaf));
}

/*
 * The packet is not allowed, and nothing of it has been changed yet. Those whose sender
 * sends them again in order (reasons without an event) are left out unless wanted.
 */
KS_GLOBAL int denied_packet(struct xdp_md *ctx, __u32 reason)
{
	struct ks_work *w = pkt_work();
	struct ks_denied_count *count;
	struct ks_denied_ctl *ctl;
	struct ks_denied *d;
	__u32 port;

	if (!w)
		return 0;
	ctl = denied_read(&w->pkt);
	if (!ctl || (!ctl->all && !reason_of(reason_kind, reason)))
		return 0;
	port = w->pkt.role == KS_CLIENT ? cfg.client_port : cfg.server_port;
	count = bpf_map_lookup_elem(&denied_counts, &port);
	if (!count)
		return 0;
	d = bpf_ringbuf_reserve(&denied, sizeof(*d), 0);
	if (!d) {
		count->lost++;
		return 0;
	}
	count->sent++;
	denied_fill(ctx, w, reason, d);
	bpf_ringbuf_submit(d, 0);
	return 0;
}

#endif
