// SPDX-License-Identifier: GPL-2.0-only
/*
 * The pacer: BPF_PROG_TEST_RUN sends one frame again and again, which a stateful
 * program takes for a retransmission. This makes it the next segment of one of many
 * connections, in random order and with its right checksum, and goes on in the program
 * to be measured. What it costs stands in the no-op's row as well.
 *
 * `noop` passes everything: the zero of every figure. `floor_*` do what no tracker can
 * do without: find the connection, compare and advance its position under its lock,
 * keep the twelve bytes.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

#include "../../bpf/shared.h"
#include "bench.h"

#define ETH_BYTES 14
#define IP4_BYTES 20
#define IP6_BYTES 40

/* key: lane, value: its run. Written by the driver before each. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, BENCH_LANES);
	__type(key, __u32);
	__type(value, struct bench_run);
} run SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, BENCH_FLOWS);
	__type(key, __u32);
	__type(value, struct bench_flow);
} flows SEC(".maps");

/* key: position, BENCH_FLOWS for each lane, value: number of the connection that is next */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, BENCH_LANES * BENCH_FLOWS);
	__type(key, __u32);
	__type(value, __u64);
} order SEC(".maps");

/* key: lane, value: the program to be measured; behind them those of the server's laps */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 2 * BENCH_LANES);
	__type(key, __u32);
	__type(value, __u32);
} subject SEC(".maps");

struct tcp_bytes {
	__u16 ports[2];
	__u32 seq;
	__u32 ack;
	__u16 bits;
	__u16 window;
	__u16 sum;
	__u16 urgent;
};

static __always_inline __u32 add32(__u32 sum, __u32 word)
{
	__u64 wide = (__u64)sum + (word & 0xffff) + (word >> 16);

	return (__u32)((wide & 0xffffffff) + (wide >> 32));
}

static __always_inline __u16 fold(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__u16)~sum;
}

/* The flow's number and the frame's into the payload; the sum with them. */
static __always_inline __u32 pace_payload(void *data, void *end, struct bench_run *r, __u32 id,
					  __u32 sum)
{
	__u64 number = r->number, stamp = r->stamp;
	__u32 n;

	if (number && data + number + 4 <= end) {
		__builtin_memcpy(data + number, &id, 4);
		sum = add32(sum, id);
	}
	if (!stamp || data + stamp + 4 > end)
		return sum;
	n = ++r->stamped;
	if (r->wide)
		__builtin_memcpy(data + stamp, &n, 4);
	else
		*(__u16 *)(data + stamp) = n;
	return add32(sum, r->wide ? n : n & 0xffff);
}

static __always_inline void pace_udp(struct tcp_bytes *th, __u32 sum)
{
	__u16 folded = fold(sum);

	*((__u16 *)th + 3) = folded ? folded : 0xffff;
}

static __always_inline void pace_l4(struct tcp_bytes *th, struct bench_run *r,
				    struct bench_flow *f, __u32 sum)
{
	if (r->udp) {
		pace_udp(th, sum);
		return;
	}
	th->ports[!r->from_client] = f->cport;
	th->seq = bpf_htonl((r->from_client ? f->c_seq : f->s_seq) + r->ahead - r->back);
	th->ack = bpf_htonl(r->from_client ? f->s_seq : f->c_seq);
	if (r->turns) {
		th->ports[!!r->from_client] = r->sport;
		th->ack = bpf_htonl(r->from_client ? f->s_seq + r->ahead :
						     f->c_seq + r->ahead + r->step);
	}
	th->window = r->window;
	sum = add32(add32(add32(sum, f->cport), th->seq), th->ack);
	th->sum = fold(sum);
}

static __always_inline struct bench_flow *pace_next(struct bench_run *r, __u32 *id)
{
	__u32 at = r->first + r->next;
	__u64 *which = bpf_map_lookup_elem(&order, &at);

	if (!which)
		return NULL;
	*id = *which;
	return bpf_map_lookup_elem(&flows, id);
}

static __always_inline void pace_on(struct bench_run *r)
{
	if (++r->next < r->flows)
		return;
	r->next = 0;
	if (!r->turns || !r->from_client)
		r->ahead += r->step;
	r->from_client ^= r->turns;
}

/* Addresses of `size` bytes each, from the source's on. */
static __always_inline void pace_server(void *at, const struct bench_run *r, __u32 size)
{
	if (r->turns)
		__builtin_memcpy(r->from_client ? at + size : at, r->server, size);
}

static __always_inline int pace4(struct xdp_md *ctx, struct bench_run *r, struct bench_flow *f,
				 __u32 id)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct tcp_bytes *th = data + ETH_BYTES + IP4_BYTES;
	__u32 sum, a;

	if ((void *)(th + 1) > end)
		return -1;
	__builtin_memcpy(&a, f->client, 4);
	if (r->from_client)
		__builtin_memcpy(data + ETH_BYTES + 12, &a, 4);
	else
		__builtin_memcpy(data + ETH_BYTES + 16, &a, 4);
	pace_server(data + ETH_BYTES + 12, r, 4);
	sum = pace_payload(data, end, r, id, add32(r->base, a));
	pace_l4(th, r, f, sum);
	return 0;
}

static __always_inline int pace6(struct xdp_md *ctx, struct bench_run *r, struct bench_flow *f,
				 __u32 id)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct tcp_bytes *th = data + ETH_BYTES + IP6_BYTES;
	__u32 sum = r->base, i, a;

	if ((void *)(th + 1) > end)
		return -1;
	for (i = 0; i < 16; i += 4) {
		__builtin_memcpy(&a, f->client + i, 4);
		if (r->from_client)
			__builtin_memcpy(data + ETH_BYTES + 8 + i, &a, 4);
		else
			__builtin_memcpy(data + ETH_BYTES + 24 + i, &a, 4);
		sum = add32(sum, a);
	}
	pace_server(data + ETH_BYTES + 8, r, 16);
	pace_l4(th, r, f, pace_payload(data, end, r, id, sum));
	return 0;
}

/* The lane's own entry: with a constant index the JIT makes a jump of it. */
static __always_inline void pace_go(struct xdp_md *ctx, __u32 lane, int answer)
{
	if (answer && lane)
		bpf_tail_call(ctx, &subject, BENCH_LANES + 1);
	else if (answer)
		bpf_tail_call(ctx, &subject, BENCH_LANES);
	else if (lane)
		bpf_tail_call(ctx, &subject, 1);
	else
		bpf_tail_call(ctx, &subject, 0);
}

/* Lane 1 sends on CPU 0, lane 0 on any other. */
SEC("xdp")
int pace(struct xdp_md *ctx)
{
	__u32 lane = !bpf_get_smp_processor_id(), id = 0;
	struct bench_run *r = bpf_map_lookup_elem(&run, &lane);
	struct bench_flow *f;
	int answer;

	if (!r)
		return XDP_ABORTED;
	answer = r->turns && !r->from_client;
	if (!r->raw) {
		f = pace_next(r, &id);
		if (!f || (r->v6 ? pace6(ctx, r, f, id) : pace4(ctx, r, f, id)))
			return XDP_ABORTED;
		pace_on(r);
	}
	pace_go(ctx, lane, answer);
	return XDP_ABORTED;
}

SEC("xdp")
int noop(struct xdp_md *ctx)
{
	(void)ctx;
	return XDP_PASS;
}

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1); /* the driver says how many */
	__type(key, struct ks_key4);
	__type(value, struct ks_flow);
} floor4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, struct ks_key6);
	__type(value, struct ks_flow);
} floor6 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ks_modbus_ring);
} rings SEC(".maps");

const volatile __u32 floor_rings = 1;

#define FLOOR_TAKEN 12

/* The entry of a new connection; a run before the measured one makes them. */
static __always_inline int floor_new(void *table, const void *key)
{
	struct ks_flow none = {};
	__u32 lane = !bpf_get_smp_processor_id();
	struct bench_run *r = bpf_map_lookup_elem(&run, &lane);

	if (r)
		none.slot = r->next % floor_rings;
	return bpf_map_update_elem(table, key, &none, BPF_NOEXIST) ? XDP_ABORTED : XDP_PASS;
}

static __always_inline int floor_take(struct xdp_md *ctx, struct ks_flow *f, __u32 seq, __u32 off)
{
	struct ks_modbus_ring *ring;
	__u64 pos = seq & (KS_MB_RING - 1);
	__u32 slot = f->slot;

	bpf_spin_lock(&f->lock);
	if (f->c_nxt == seq)
		f->version++;
	f->c_nxt = seq + FLOOR_TAKEN;
	bpf_spin_unlock(&f->lock);
	ring = bpf_map_lookup_elem(&rings, &slot);
	if (!ring || bpf_xdp_load_bytes(ctx, off, ring->bytes + pos, FLOOR_TAKEN))
		return XDP_ABORTED;
	return XDP_PASS;
}

SEC("xdp")
int floor_v4(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct tcp_bytes *th = data + ETH_BYTES + IP4_BYTES;
	struct ks_key4 key = { .link = KS_LINK(6, 0, 0) };
	struct ks_flow *f;

	if ((void *)(th + 1) > end)
		return XDP_ABORTED;
	__builtin_memcpy(&key.client, data + ETH_BYTES + 12, 4);
	__builtin_memcpy(&key.server, data + ETH_BYTES + 16, 4);
	key.cport = th->ports[0];
	key.sport = th->ports[1];
	f = bpf_map_lookup_elem(&floor4, &key);
	return f ? floor_take(ctx, f, bpf_ntohl(th->seq), ETH_BYTES + IP4_BYTES + 32) :
		   floor_new(&floor4, &key);
}

SEC("xdp")
int floor_v6(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct tcp_bytes *th = data + ETH_BYTES + IP6_BYTES;
	struct ks_key6 key = { .link = KS_LINK(6, 0, 0) };
	struct ks_flow *f;

	if ((void *)(th + 1) > end)
		return XDP_ABORTED;
	__builtin_memcpy(key.client, data + ETH_BYTES + 8, 16);
	__builtin_memcpy(key.server, data + ETH_BYTES + 24, 16);
	key.cport = th->ports[0];
	key.sport = th->ports[1];
	f = bpf_map_lookup_elem(&floor6, &key);
	return f ? floor_take(ctx, f, bpf_ntohl(th->seq), ETH_BYTES + IP6_BYTES + 32) :
		   floor_new(&floor6, &key);
}

char LICENSE[] SEC("license") = "GPL";
