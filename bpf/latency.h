/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How long an asset takes: from the moment a request goes on to the first new data of the
 * server that acknowledges it. One request of a connection is timed at once; sent again,
 * it is not any more (nobody knows which of the two was answered). Decides nothing.
 *
 * The exact clock costs as much as the rest of a request's walk, so a CPU asks it for so
 * many requests a tick of the coarse one. Below that rate, which no plant reaches, each
 * request is timed; above it the cost stays where it is.
 */
#ifndef KEYSWITCH_LATENCY_H
#define KEYSWITCH_LATENCY_H

#include "expire.h"

#define LATENCY_A_TICK	64 /* at 250 ticks a second 16,000 requests */

/* key: asset, value: its times on this CPU. Miss: none yet, or no room. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, KS_LATENCY_ASSETS);
	__type(key, struct ks_latency_key);
	__type(value, struct ks_latency);
} latency SEC(".maps");

static const struct ks_latency latency_empty = {};

static __always_inline __u32 latency_now(void)
{
	return bpf_ktime_get_ns() / 1000;
}

/* Before the lock, under which no clock can be read: what goes on now may begin a sample. */
static __always_inline void latency_clock(struct ks_work *w, const struct ks_flow *f)
{
	struct pkt *p = &w->pkt;

	if (cfg.trace || pkt_blind() || f->close & KS_CL_SAMPLE || f->flags & KS_F_PENDING)
		return;
	if (w->clock_tick != p->now) {
		w->clock_tick = p->now;
		w->clock_left = LATENCY_A_TICK;
	}
	if (!w->clock_left)
		return;
	w->clock_left--;
	p->timed = 1;
	p->us = latency_now();
}

/* The same, if what is to be published holds a whole request. */
static __always_inline void latency_clock_take(struct pkt *p, const struct ks_flow *f)
{
	const struct take *t = &p->take;
	struct ks_work *w = pkt_work();

	if (w && t->claimed && t->next_start != t->start && !t->lost)
		latency_clock(w, f);
}

/* Under the lock, with the bytes published: all up to msg_start is whole requests. */
static __always_inline void latency_begin(struct ks_flow *f, const struct pkt *p)
{
	if (!p->timed || f->close & KS_CL_SAMPLE || f->flags & KS_F_PENDING)
		return;
	f->close |= KS_CL_SAMPLE;
	f->sample_end = f->msg_start;
	f->sample_us = p->us;
}

static __always_inline void latency_drop(struct ks_flow *f)
{
	f->close &= ~KS_CL_SAMPLE;
}

/* Under the lock, before s_nxt moves: what the server sends again answers nothing new. */
static __always_inline void latency_end(struct ks_flow *f, struct pkt *p)
{
	if (!(f->close & KS_CL_SAMPLE) || !p->len || !(p->flags & TCP_ACK) ||
	    !seq_lt(f->s_nxt, p->seq + p->len) || seq_lt(p->ack, f->sample_end))
		return;
	latency_drop(f);
	p->timed = 1;
	p->us = f->sample_us;
}

/* n with us <= 2^n */
static __always_inline __u32 latency_bucket(__u32 us)
{
	__u32 n = 0;
	int i;

	us -= us > 0;
	for (i = 16; i; i >>= 1)
		if (us >> i) {
			us >>= i;
			n += i;
		}
	n += us > 0;
	return n < KS_LATENCY_BUCKETS ? n : KS_LATENCY_BUCKETS - 1;
}

/* The answer to the request that went on at p->us. Returns 0. */
KS_GLOBAL int latency_count(void)
{
	struct pkt *p = pkt_of(pkt_work());
	struct ks_latency_key key = {};
	struct ks_misc_count *m;
	struct ks_latency *l;
	__u32 us, zero = 0;
	__u64 bucket;

	if (!p)
		return 0;
	key.asset = p->asset;
	key.numbering = p->numbering;
	l = bpf_map_lookup_elem(&latency, &key);
	if (!l) {
		bpf_map_update_elem(&latency, &key, &latency_empty, BPF_NOEXIST);
		l = bpf_map_lookup_elem(&latency, &key);
	}
	m = bpf_map_lookup_elem(&misc, &zero);
	if (!l && m)
		m->latency_other++;
	if (!l)
		return 0;
	us = latency_now() - p->us;
	us = (__s32)us < 0 ? 0 : us; /* the clocks of two CPUs may differ by a little */
	bucket = latency_bucket(us);
	BOUND_OFFSET(bucket, 32);
	if (bucket < KS_LATENCY_BUCKETS)
		l->samples[bucket]++;
	l->us += us;
	return 0;
}

#endif
