/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The walk through the compiled policy that compiled.h describes. Answers who may talk
 * to whom (policy_pair) and whether one request is allowed (policy_request). Never
 * touches flow state.
 */
#ifndef KEYSWITCH_POLICY_H
#define KEYSWITCH_POLICY_H

#include "policy_cip.h"
#include "span.h"

/* The record of an address (16 bytes, IPv4 mapped), or NULL: in no table. */
static __always_inline struct ks_addr_rec *policy_address(struct pkt *p, int server)
{
	struct ks_lpm_key key = { .prefixlen = 128 };
	struct ks_addr_rec *rec;

	if (p->v6) {
		__builtin_memcpy(key.addr, server ? p->key.k6.server : p->key.k6.client, 16);
	} else {
		key.addr[10] = key.addr[11] = 0xff;
		__builtin_memcpy(key.addr + 12, server ? &p->key.k4.server : &p->key.k4.client, 4);
	}
	rec = policy_entry(&pol_addrs, p->slot, key.addr);
	if (!rec)
		rec = policy_entry(&pol_prefixes, p->slot, &key);
	return rec;
}

static __always_inline int policy_bit(const __u8 *bits, __u32 bit, __u32 bytes)
{
	__u64 byte = bit >> 3;

	BOUND_OFFSET(byte, bytes);
	return bits[byte] >> (bit & 7) & 1;
}

/* 0: neither is the server an asset nor the client behind the gateway; 1: ask for records. */
static __always_inline int policy_marked(const struct pkt *p, const struct ks_pol_marked *m)
{
	const __u32 *from = (const __u32 *)p->key.k6.client, *to = (const __u32 *)p->key.k6.server;

	if (p->v6)
		return policy_bit(m->assets, ks_mark(to[0] ^ to[1] ^ to[2] ^ to[3], KS_ASSET_BITS),
				  sizeof(m->assets)) ||
		       policy_bit(m->region6, ks_mark(from[0] ^ from[1], KS_REGION_BITS),
				  sizeof(m->region6));
	return policy_bit(m->assets, ks_mark(p->key.k4.server ^ bpf_htonl(0xffff), KS_ASSET_BITS),
			  sizeof(m->assets)) ||
	       policy_bit(m->region4, bpf_ntohl(p->key.k4.client) >> 16, sizeof(m->region4));
}

/* What is asked about each packet, or NULL: a table is broken. */
static __always_inline const struct ks_pol_ports *policy_ports(struct pkt *p)
{
	return bpf_map_lookup_elem(&pol_ports, &p->slot);
}

/* Which protocols any asset speaks on this port (KS_PORT_*). */
static __always_inline __u8 policy_port(struct pkt *p, __u16 port)
{
	const struct ks_pol_ports *ports = policy_ports(p);

	return ports ? ports->proto[port] : 0;
}

static __always_inline struct ks_asset_rec *policy_asset(struct pkt *p)
{
	__u32 id = p->asset;

	return policy_entry(&pol_assets, p->slot, &id);
}

/* The asset takes requests to this unit id. */
static __always_inline int policy_unit(const struct ks_asset_rec *a, __u8 unit)
{
	__u64 byte = unit >> 3;

	BOUND_OFFSET(byte, 32);
	return a && (!a->has_units || a->units[byte] & 1 << (unit & 7));
}

/* One compare at a time: a sum of them multiplies the verifier's states, 6.1 gives up. */
static __always_inline int port_listed(const __u16 *ports, __u16 port)
{
	int i;

	for (i = 0; i < KS_ASSET_PORTS && ports[i]; i++)
		if (ports[i] == port)
			return 1;
	return 0;
}

/* What this asset speaks on the request's server port: enum ks_proto. */
static __always_inline __u8 policy_speaks(struct pkt *p, const struct ks_asset_rec *a, __u16 port)
{
	if (port_listed(a->modbus_ports, port))
		return KS_MODBUS;
	if (port_listed(a->enip_ports, port))
		return KS_ENIP;
	if (p->l4proto == IPPROTO_UDP && port_listed(a->io_ports, port))
		return KS_IO;
	return KS_PROTO_NONE;
}

/*
 * Client, asset and profile of a request toward server port `port` into p.
 * Returns KS_GO, or the reason why no request may pass at all.
 */
KS_GLOBAL int policy_pair(__u32 port)
{
	struct pkt *p = pkt_of(pkt_work());
	struct ks_pol_cfg *pol;
	struct ks_pair_key pair = {};
	struct ks_profile_rec *prof;
	struct ks_addr_rec *client, *rec;
	struct ks_asset_rec *a;
	__u32 *profile;

	pol = p ? bpf_map_lookup_elem(&pol_cfg, &p->slot) : NULL;
	if (!pol)
		return KS_R_internal;
	client = policy_address(p, 0);
	if (client && client->flags & KS_ADDR_PROTECTED && p->role == KS_CLIENT)
		return KS_R_spoofed;
	rec = policy_address(p, 1);
	p->asset = rec && !(rec->flags & KS_ADDR_LOCAL) ? rec->asset : 0;
	if (!p->asset)
		return pol->unlisted == KS_ALLOW ? KS_R_unlisted_allowed : KS_R_unlisted;
	a = policy_asset(p);
	if (!a)
		return KS_R_internal;
	p->proto = policy_speaks(p, a, port);
	p->how = p->proto != KS_MODBUS || pkt_blind() ? 0 :
		 (a->modbus_split == KS_ASSEMBLE ? KS_HOW_ASSEMBLE : 0) |
		 (a->modbus_framing == KS_SINGLE ? KS_HOW_SINGLE : 0);
	if (p->proto == KS_PROTO_NONE)
		return pol->unlisted == KS_ALLOW ? KS_R_unlisted_allowed : KS_R_unlisted;
	pair.asset = p->asset;
	p->profile = a->profile;
	if (client) {
		pair.client_class = client->client_class;
		profile = policy_entry(&pol_pairs, p->slot, &pair);
		if (profile)
			p->profile = *profile;
	}
	prof = policy_entry(&pol_profiles, p->slot, &p->profile);
	if (!prof)
		return KS_R_internal;
	if (!(prof->flags & (p->proto == KS_MODBUS ? KS_PROFILE_MODBUS :
			     p->proto == KS_ENIP ? KS_PROFILE_ENIP : KS_PROFILE_IO)))
		return KS_R_pair_denied;
	return KS_GO;
}

/* What goes with a refusal: that of its rule, of the default where no rule refused. */
static __always_inline struct ks_rule_rec *policy_refusal(struct pkt *p, const struct ks_leaf *leaf)
{
	__u32 rule = leaf->reason == KS_R_policy_deny || leaf->reason == KS_R_rate_limited ?
		     leaf->rule : 0;

	return policy_entry(&pol_rules, p->slot, &rule);
}

/* KS_LOOK stays, all else is a verdict. */
static __always_inline int policy_verdict(int allowed)
{
	return allowed == KS_LOOK ? KS_LOOK : allowed ? KS_R_ok : KS_R_policy_deny;
}

/*
 * Judges the elements [lo, hi] by a decision; a slice may point at a second
 * one, judged on `next` (CIP attribute). Returns 1 = every element is allowed, or
 * KS_LOOK; the leaf's rule is that of the first refused element, else of the first.
 */
static __always_inline int policy_span(struct pkt *p, const struct ks_decision *d, __u32 lo, __u32 hi,
				  __u32 next, __u32 fc)
{
	const struct ks_decision *all = d;
	struct ks_work *w = pkt_work();
	struct ks_range *r = NULL;
	int depth;

	for (depth = 0; depth < 2 && d->kind == KS_K_SLICE; depth++) {
		r = range_find(p->slot, d, lo);
		if (!r)
			return 0;
		d = &r->d;
		if (d->kind == KS_K_SLICE)
			lo = hi = next;
	}
	if (!w)
		return 0;
	if (d->kind == KS_K_VALUES ||
	    (r && d->kind == KS_K_ALLOW && hi > r->to && r->refused_rule == KS_RULE_WALK))
		return span_later(w, all, lo, hi, fc);
	w->leaf.rule = d->rule;
	span_note(w, d);
	if (d->kind != KS_K_ALLOW)
		return 0;
	if (r && hi > r->to) {
		w->leaf.rule = r->refused_rule;
		return 0;
	}
	return 1;
}

/* One function code over one span of its elements. */
static __always_inline int policy_function(struct pkt *p, __u32 row, __u8 fc, __u32 lo, __u32 n)
{
	__u32 key = row * 128 + (fc & 127);
	struct ks_decision *d = policy_entry(&pol_modbus, p->slot, &key);

	if (!d)
		return 0;
	return policy_span(p, d, lo, n ? lo + n - 1 : lo, 0, fc);
}

/* Row of pol_modbus for a unit id; KS_NO_VALUE: a table is broken. */
static __always_inline __u32 policy_row(struct pkt *p, const struct ks_profile_rec *prof, __u8 unit)
{
	struct ks_units_rec *units;

	if (!prof->units)
		return prof->mb_row;
	units = policy_entry(&pol_units, p->slot, &prof->units);
	return units ? units->row[unit] : KS_NO_VALUE;
}

/*
 * A Modbus request: a leaf of that protocol, or one that came inside CIP. part 1: of FC 23
 * (FC 16, then FC 3, V1.1b3 6.17) what it reads alone.
 */
static __always_inline int policy_modbus(struct pkt *p, struct ks_leaf *leaf, __u8 unit, __u8 fc,
					 __u32 part)
{
	struct ks_profile_rec *prof = policy_entry(&pol_profiles, p->slot, &p->profile);
	__u32 row = prof ? policy_row(p, prof, unit) : KS_NO_VALUE;
	int allowed = 1;

	if (row == KS_NO_VALUE)
		return KS_R_internal;
	if (leaf->has & KS_HAS_WRITE_SPAN) {
		if (!part)
			allowed = policy_function(p, row, 16, leaf->waddress, leaf->wquantity);
		if (allowed == 1)
			allowed = policy_function(p, row, 3, leaf->address, leaf->quantity);
	} else if (leaf->has & KS_HAS_ADDRESS) {
		allowed = policy_function(p, row, fc, leaf->address, leaf->quantity);
	} else {
		allowed = policy_function(p, row, fc, leaf->sub, 1);
	}
	return policy_verdict(allowed);
}

static __always_inline int policy_cip(struct ks_work *w, struct ks_leaf *leaf)
{
	__u32 lo = leaf->has & KS_HAS_INSTANCE ? leaf->instance : KS_NO_VALUE, hi = lo;
	__u32 attribute = leaf->has & KS_HAS_ATTRIBUTE ? leaf->attribute : KS_NO_VALUE;
	struct policy_cell *cell = &w->cell;
	struct pkt *p = &w->pkt;
	struct ks_decision *d;

	if (cell->slot != p->slot || cell->profile != p->profile ||
	    cell->class != leaf->key_class || cell->service != policy_service(leaf)) {
		cell->slot = p->slot;
		cell->profile = p->profile;
		cell->class = leaf->key_class;
		cell->service = policy_service(leaf);
		cell->key = policy_cip_cell(p, leaf);
	}
	if (leaf->key_class == KS_CLASS_TAG)
		lo = hi = policy_tag(p, leaf);
	if (leaf->has & KS_HAS_PCCC)
		policy_pccc(leaf, &lo, &hi);
	d = policy_entry(&pol_cip, p->slot, &cell->key);
	if (!d)
		return KS_R_internal;
	return policy_verdict(policy_span(p, d, lo, hi, attribute, 0));
}

/* Modbus inside CIP goes to no unit: to the device itself, as 255 does. */
static __always_inline int policy_enip(struct ks_work *w, struct ks_leaf *leaf)
{
	int r = policy_cip(w, leaf);

	if (r != KS_R_ok || !(leaf->has & KS_HAS_MODBUS))
		return r;
	return policy_modbus(&w->pkt, leaf, 255, leaf->sub, 0);
}

/*
 * The leaf in the work area: KS_R_ok or why not, or KS_LOOK: span_walk() has to look, and
 * then part 1 is asked for, where there is one.
 */
KS_GLOBAL int policy_request(__u32 part)
{
	struct ks_work *w = pkt_work();
	struct pkt *p = pkt_of(w);

	if (!w)
		return KS_R_internal;
	if (!part) {
		w->marks = w->n_rated = w->leaf.alert = 0;
		w->leaf.value_type = KS_VT_NONE;
	}
	if (w->leaf.proto == KS_MODBUS)
		return policy_modbus(p, &w->leaf, w->leaf.unit, w->leaf.function, part);
	return policy_enip(w, &w->leaf);
}

/* All of the leaf, its elements one by one where that matters: KS_R_ok or why not. */
static __always_inline int policy_ask(struct ks_work *w)
{
	int reason = policy_request(0), more;

	more = reason == KS_LOOK && w->span.fc == 16 && w->leaf.has & KS_HAS_WRITE_SPAN;
	if (reason == KS_LOOK)
		reason = span_walk() ? KS_R_ok : KS_R_policy_deny;
	if (reason != KS_R_ok || !more)
		return reason;
	reason = policy_request(1);
	if (reason == KS_LOOK)
		reason = span_walk() ? KS_R_ok : KS_R_policy_deny;
	return reason;
}

#endif
