// SPDX-License-Identifier: GPL-2.0-only
/*
 * A closed loop of Modbus reads that costs next to nothing: XDP programs at both ends
 * turn each frame into the answer to it and send it back where it came from, with exact
 * sequence numbers and checksums. A SYN that arrives at the server's end starts a
 * connection; it has one request outstanding as long as no frame is lost.
 * load_flood is no loop: it sends the request again and again on every connection, as the
 * frame that the server has not acknowledged.
 * XDP_TX would need a program on the veth's other end, so the frame is redirected to
 * the NIC itself.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

#include "load.h"

#define TCP_SYN 0x02

struct frame {
	__u8 dst[6];
	__u8 src[6];
	__u8 type_and_ip[22];
	__u16 sport;
	__u16 dport;
	__u32 seq;
	__u32 ack;
	__u8 doff;
	__u8 flags;
	__u16 window;
	__u16 sum;
	__u16 urgent;
} __attribute__((packed));
_Static_assert(sizeof(struct frame) == LOAD_HEAD, "frame");

/* key: 0, value: the frames. Written before the load starts. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct load_frames);
} frames SEC(".maps");

/* key: 0, value: replies that arrived at the client's end, of this CPU */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} replies SEC(".maps");

/* key: client port - LOAD_PORT, value: replies to it */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, __u64);
} alive SEC(".maps");

/* key: 0, value: of the flood. Written before it starts. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct load_flood);
} flood SEC(".maps");

static __always_inline __u16 tcp_sum(__u32 base, __u16 port, __u32 seq, __u32 ack)
{
	__u64 sum = (__u64)base + port + (seq & 0xffff) + (seq >> 16) + (ack & 0xffff) + (ack >> 16);

	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__u16)~sum;
}

/* What the answer to a frame is made from. */
struct turn {
	__u8 dst[6], src[6];
	__u16 port;		/* the client's, wire order */
	__u32 seq, ack;		/* host order */
};

static __always_inline int turn_into(struct xdp_md *ctx, const struct turn *t, const __u8 *bytes,
				     __u32 size, __u32 base, int from_client)
{
	struct frame *f;
	void *end;

	if (bpf_xdp_adjust_tail(ctx, (int)size - (int)bpf_xdp_get_buff_len(ctx)))
		return XDP_DROP;
	f = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	if ((void *)f + size > end)
		return XDP_DROP;
	__builtin_memcpy(f, bytes, size);
	__builtin_memcpy(f->dst, t->dst, 6);
	__builtin_memcpy(f->src, t->src, 6);
	if (from_client)
		f->sport = t->port;
	else
		f->dport = t->port;
	f->seq = bpf_htonl(t->seq);
	f->ack = bpf_htonl(t->ack);
	f->sum = tcp_sum(base, t->port, f->seq, f->ack);
	return (int)bpf_redirect(ctx->ingress_ifindex, 0);
}

/* Numbers of the answer; len: payload bytes, SYN counts as one. NULL: not ours. */
static __always_inline struct frame *turn_begin(struct xdp_md *ctx, struct turn *t, __u32 *len)
{
	struct frame *f = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;

	if ((void *)(f + 1) > end || f->type_and_ip[0] != 8 || f->type_and_ip[11] != 6)
		return NULL;
	*len = (__u32)bpf_xdp_get_buff_len(ctx) - LOAD_HEAD;
	if (f->flags & TCP_SYN)
		*len = 0; /* options */
	__builtin_memcpy(t->dst, f->src, 6);
	__builtin_memcpy(t->src, f->dst, 6);
	t->seq = bpf_ntohl(f->ack);
	t->ack = bpf_ntohl(f->seq) + *len + !!(f->flags & TCP_SYN);
	return f;
}

#define WAIT_LOOKS	100000	/* at the clock, a few ms */
#define WAIT_MAKES_UP	100000	/* ns that the flood was late; more is forgotten */

static long wait_step(__u64 i, __u64 *due)
{
	(void)i;
	return bpf_ktime_get_ns() >= *due;
}

/*
 * Not before it is due: what the filter's queue has no room for is given back by the sender,
 * and then its CPU and the filter's, which gives back what it dropped, contend for the lock
 * of the frames' pool: with the slower filters more, and for up to half of their time.
 */
static __always_inline void flood_wait(struct load_flood *o)
{
	__u64 now = bpf_ktime_get_ns(), due = o->due;

	if (!o->pace)
		return;
	if (now < due)
		bpf_loop(WAIT_LOOKS, wait_step, &due, 0);
	else if (now - due > WAIT_MAKES_UP)
		due = now;
	o->due = due + o->pace;
}

SEC("xdp")
int load_flood(struct xdp_md *ctx)
{
	struct frame *f = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	__u32 zero = 0;
	struct load_frames *l = bpf_map_lookup_elem(&frames, &zero);
	struct load_flood *o = bpf_map_lookup_elem(&flood, &zero);

	if (!l || !o || (void *)f + LOAD_REQUEST > end)
		return XDP_DROP;
	__builtin_memcpy(f, l->request, LOAD_REQUEST);
	__builtin_memcpy(f, o->macs, sizeof(o->macs));
	flood_wait(o);
	f->sport = bpf_htons(LOAD_PORT + o->next++ % LOAD_FLOWS);
	f->seq = bpf_htonl(LOAD_ISN + 1);
	f->ack = bpf_htonl(LOAD_SERVER_ISN + 1);
	f->sum = tcp_sum(l->request_base, f->sport, f->seq, f->ack);
	return (int)bpf_redirect(o->ifindex, 0);
}

SEC("xdp")
int load_client(struct xdp_md *ctx)
{
	struct turn t = {};
	__u32 zero = 0, len = 0, slot;
	struct frame *f = turn_begin(ctx, &t, &len);
	struct load_frames *l = bpf_map_lookup_elem(&frames, &zero);
	__u64 *n;

	if (!f || !l || (!len && !(f->flags & TCP_SYN)))
		return f ? XDP_DROP : XDP_PASS;
	t.port = f->dport;
	if (len) {
		n = bpf_map_lookup_elem(&replies, &zero);
		if (n)
			*n += 1;
		slot = bpf_ntohs(t.port) - LOAD_PORT;
		n = bpf_map_lookup_elem(&alive, &slot);
		if (n)
			*n += 1;
	}
	return turn_into(ctx, &t, l->request, LOAD_REQUEST, l->request_base, 1);
}

SEC("xdp")
int load_server(struct xdp_md *ctx)
{
	struct turn t = {};
	__u32 zero = 0, len = 0;
	struct frame *f = turn_begin(ctx, &t, &len);
	struct load_frames *l = bpf_map_lookup_elem(&frames, &zero);

	if (!f || !l)
		return XDP_PASS;
	t.port = f->sport;
	if (f->flags & TCP_SYN) {
		t.seq = LOAD_SERVER_ISN;
		return turn_into(ctx, &t, l->synack, LOAD_SYNACK, l->synack_base, 0);
	}
	if (!len)
		return XDP_DROP;
	return turn_into(ctx, &t, l->reply, LOAD_REPLY, l->reply_base, 0);
}

char LICENSE[] SEC("license") = "GPL";
