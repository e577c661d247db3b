// SPDX-License-Identifier: GPL-2.0-only
/*
 * Entry programs, one per role of a NIC, and the walk of a packet in the order
 * in which it happens: frame, L2, L3, L4, connection, stream, message, decision,
 * verdict. A stage returns KS_GO or a reason; verdict() alone acts on it.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

#include "tcp.h"
#include "udp.h"
#include "zone.h"

char LICENSE[] SEC("license") = "GPL";

/*
 * The packet's record with run-time state and policy in force. NULL cannot be:
 * the verifier alone does not know that an array has its element 0.
 */
static __always_inline struct pkt *packet_begin(__u8 role, const struct ks_pol_cfg **in_force)
{
	struct ks_work *w = pkt_work();
	const struct ks_force *force;
	const struct ks_pol_cfg *pol;
	struct pkt *p;

	if (!w)
		return NULL;
	p = &w->pkt;
	__builtin_memset(p, 0, __builtin_offsetof(struct pkt, take));
	p->role = role;
	p->now = pkt_clock(w);
	force = pkt_force(p->now);
	p->slot = force->slot;
	p->shadow = state.shadow;
	p->mode = force->mode;
	if (pkt_past(p->now, force->mode_until))
		p->mode = KS_ENFORCE;
	if (cfg.sight == KS_SIGHT_TAP)
		p->mode = KS_MONITOR; /* copies: nothing can be stopped */
	p->follow = p->mode == KS_MONITOR || cfg.trace;
	pol = bpf_map_lookup_elem(&pol_cfg, &p->slot);
	if (pol)
		pkt_policy(p, pol);
	*in_force = pol;
	return p;
}

/* To an asset or in the name of one, for all that the marks say. */
static __noinline int other_marked(struct pkt *p)
{
	struct ks_addr_rec *rec = policy_address(p, 0);

	if (rec && rec->flags & KS_ADDR_PROTECTED)
		return KS_R_spoofed;
	rec = policy_address(p, 1);
	if (!rec || !rec->asset || rec->flags & KS_ADDR_LOCAL)
		return KS_R_not_asset;
	if (is_tunnel(p))
		return KS_R_tunnel;
	return p->other == KS_ALLOW ? KS_R_other_allowed : KS_R_other_denied;
}

/* Traffic toward the protected side outside the OT ports. */
static __always_inline int other_client(struct pkt *p, const struct ks_pol_marked *marked)
{
	return policy_marked(p, marked) ? other_marked(p) : KS_R_not_asset;
}

static __always_inline int parse_headers(struct xdp_md *ctx, struct pkt *p,
					 const struct ks_pol_cfg *pol, __u8 role)
{
	int r = pol ? l2_parse(ctx, p, pol) : KS_R_internal;

	if (r == KS_GO)
		r = l3_parse(ctx, p, role);
	if (r == KS_GO)
		r = l4_parse(ctx, p, role);
	return r;
}

static __always_inline int walk_client(struct xdp_md *ctx, struct pkt *p,
				       const struct ks_pol_cfg *pol)
{
	const struct ks_pol_ports *ot;
	__u8 tcp, spoken;
	int r = parse_headers(ctx, p, pol, KS_CLIENT);

	if (r != KS_GO)
		return r;
	ot = policy_ports(p);
	if (!ot)
		return KS_R_internal;
	if (p->zoned || p->bound)
		r = zone_packet(ctx);
	if (r != KS_GO)
		return r;
	tcp = p->l4proto == IPPROTO_TCP;
	spoken = tcp ? KS_PORT_MODBUS | KS_PORT_ENIP : p->l4proto == IPPROTO_UDP ? 0xff : 0;
	if (p->fragment == 2 || !(ot->proto[p->dport] & spoken))
		return other_client(p, &ot->marked);
	if (p->fragment)
		return KS_R_fragment;
	if (p->extension)
		return KS_R_ipv6_extension;
	r = tcp ? tcp_client(ctx, p) : udp_client(ctx, p);
	return p->zoned ? zone_request(p, r) : r;
}

static __always_inline int walk_server(struct xdp_md *ctx, struct pkt *p,
				       const struct ks_pol_cfg *pol)
{
	int r = parse_headers(ctx, p, pol, KS_SERVER), tracked;

	if (r != KS_GO)
		return r;
	r = KS_R_from_server;
	if (p->l4proto == IPPROTO_TCP && !p->fragment && !p->extension) {
		tracked = policy_port(p, p->sport) & (KS_PORT_MODBUS | KS_PORT_ENIP);
		if (!p->zoned || (tracked && zone_leaves(p)))
			r = tcp_server(ctx, p, tracked);
	}
	return p->zoned ? zone_reply(ctx, p, r) : r;
}

SEC("xdp")
int ks_client(struct xdp_md *ctx)
{
	const struct ks_pol_cfg *pol;
	struct pkt *p = packet_begin(KS_CLIENT, &pol);

	return p ? verdict(ctx, p, KS_CLIENT, walk_client(ctx, p, pol)) : XDP_DROP;
}

SEC("xdp")
int ks_server(struct xdp_md *ctx)
{
	const struct ks_pol_cfg *pol;
	struct pkt *p = packet_begin(KS_SERVER, &pol);

	return p ? verdict(ctx, p, KS_SERVER, walk_server(ctx, p, pol)) : XDP_DROP;
}

/* key: 2 * port + role, value: the entry program of that role. Taps only; attach writes. */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 2 * KS_PORTS_MAX);
	__type(key, __u32);
	__type(value, __u32);
} tap_roles SEC(".maps");

/* One NIC that gets copies of both directions (SPAN port): who sent this one? */
static __always_inline __u8 tap_role(struct xdp_md *ctx, struct pkt *p,
				     const struct ks_pol_cfg *pol)
{
	struct ks_addr_rec *rec;

	if (parse_headers(ctx, p, pol, KS_CLIENT) != KS_GO)
		return KS_CLIENT;
	rec = policy_address(p, 1);
	if (rec && rec->asset)
		return KS_CLIENT;
	rec = policy_address(p, 0);
	return rec && (rec->asset || (p->zoned && rec->flags & KS_ADDR_PROTECTED)) ? KS_SERVER :
									     KS_CLIENT;
}

SEC("xdp")
int ks_tap(struct xdp_md *ctx)
{
	const struct ks_pol_cfg *pol;
	struct pkt *p = packet_begin(KS_CLIENT, &pol);

	if (p)
		bpf_tail_call(ctx, &tap_roles, 2 * cfg.client_port + tap_role(ctx, p, pol));
	return XDP_PASS;
}

/* Left behind by `detach --leave-wire`: the wire without its inspector. */
SEC("xdp")
int ks_leave(struct xdp_md *ctx)
{
	__u32 port = cfg.client_port;
	struct ks_port_rec *rec = bpf_map_lookup_elem(&ports, &port);

	if (!cfg.wire || !rec)
		return XDP_PASS;
	if (rec->ifindex == ctx->ingress_ifindex)
		port = cfg.server_port;
	return bpf_redirect_map(&tx_ports, port, XDP_DROP);
}
