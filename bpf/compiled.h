/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The compiled policy: keys and values of the tables that the policy compiler
 * fills and the data path reads. Part of shared.h, which includes it; same rules.
 */
#ifndef KEYSWITCH_COMPILED_H
#define KEYSWITCH_COMPILED_H

/*
 * ---- Compiled policy ----
 *
 * Every table below exists once per policy slot: `pol_cfg`, `pol_ports` are
 * plain arrays indexed by slot, all others are inner maps of an
 * ARRAY_OF_MAPS[KS_SLOTS] of the same name. Walk of the data path:
 *
 *  connection (once, and again after a policy swap)
 *   port    pol_ports[slot].proto[dport] says which protocols any asset speaks there
 *   dst     pol_addrs (exact) or else pol_prefixes (LPM) -> asset id (0 = none)
 *   src     the same tables -> client class (0 = in no host entry), and
 *           KS_ADDR_PROTECTED = source of an asset or protected prefix (spoof)
 *           binding != 0: pol_bindings[binding] says from which MACs and VLANs it comes
 *  segmentation (zoned), for what is no OT request or reply to one
 *   open    pol_conduits{zone of source, of destination, protocol, port} -> conduit
 *           number, miss = nobody may open this
 *   pair    pol_pairs{class, asset} -> profile; miss: pol_assets[asset].profile
 *  Modbus request
 *   unit    pol_profiles[profile]: units != 0 ? pol_units[units].row[unit] : mb_row
 *   fc      pol_modbus[row * 128 + fc] -> decision; kind KS_SLICE: the element is
 *           looked up in pol_ranges (struct ks_node): the first of the address span where
 *           the function has one, else the sub-function (FC 8, 43, 90).
 *           FC 23: FC 3 over its read span and FC 16 over its write span.
 *   value   a range of kind KS_K_VALUES: pol_values[first], and there the decision over
 *           what is written, see struct ks_values
 *  CIP leaf
 *   class   pol_classes{key_class} -> class index, miss = 0 (any class not named)
 *   leaf    pol_leaves[class index * 128 + service] -> leaf class: pairs that no rule
 *           and no group tells apart share one number
 *   tag     symbolic paths: pol_tags{lower-case path} -> tag id (miss = 0), used as
 *           the instance; key_class is KS_CLASS_TAG
 *   refused pol_rules[rule] says what becomes of the connection
 *   route   routes != 0 ? pol_route_rows[routes + route index] : cip_row. Route index:
 *           KS_ROUTE_DIRECT without a route, else pol_routes{text} (miss or a text that
 *           is too long = KS_ROUTE_OTHER)
 *   rule    pol_cip[row * leaves + leaf] -> decision; kind KS_SLICE: ranges over
 *           the instance (KS_NO_VALUE when the path has none), whose entries may be
 *           slices over the attribute (KS_NO_VALUE likewise). PCCC: key_class is
 *           KS_CLASS_PCCC | ..., elements (KS_PCCC_ELEMENT) are the instances.
 *           Class 0x44: allowed, and then judged as the Modbus request it holds
 *
 * Ranges of a slice are sorted by lo, disjoint, and cover 0..0xffffffff: entry i
 * holds [lo_i, lo_i+1 - 1]. to and refused_rule make a span a single look: a span that
 * starts in an allowed entry is allowed if it ends at or below `to`, else refused by
 * refused_rule. KS_RULE_WALK there says that one look is not enough: values, limits of
 * rate, events or alert rules lie in the way (bpf/span.h).
 */
#define KS_NO_VALUE 0xffffffffu
#define KS_RULE_WALK 0xffffffffu

/*
 * Data-table elements as policy numbers them (the instance of PCCC): type, file,
 * element. Type 0 is that of PLC-5 addresses, which name none.
 */
#define KS_PCCC_ELEMENT(type, file, element) \
	((__u32)(type) << 26 | (__u32)(file) << 16 | (__u32)(element))
#define KS_PCCC_TYPES	0x80	/* file types 0x80 to 0x9f have a number: 1 to 32 */
#define KS_PCCC_TYPE(code) (((code) & 0x1f) + 1)
#define KS_PCCC_FILE_MAX 1023

enum ks_decision_kind { KS_K_DENY = 0, KS_K_ALLOW = 1, KS_K_SLICE = 2, KS_K_VALUES = 3 };

#define KS_D_RATED	0x01	/* allowed as often as its rule's rate says */
#define KS_D_LOGGED	0x02	/* allowed, and told by an event */

struct ks_decision {
	__u32 rule;		/* deciding rule (kinds deny, allow) */
	__u32 first;		/* slice: its nodes in pol_ranges; values: into pol_values */
	__u32 start;		/* slice: first element of bucket 0 */
	__u32 alert;		/* kinds deny, allow: first alert rule that marks it, 0 = none */
	__u8 kind;
	__u8 flags;		/* KS_D_* */
	__u8 shift, bits;	/* slice: 1 << bits buckets, each of 1 << shift elements */
};
_Static_assert(sizeof(struct ks_decision) == 20, "ks_decision");

#define KS_SLICE_MAX	65535	/* ranges of one slice */

/*
 * Which range an element is in, in one look whatever their number: a slice is divided into
 * buckets of equal width (the first and the last one hold what is beyond), and node
 * first + bucket knows the ranges there. Where they are too many for a node, it has nodes
 * below it. Above 8 ranges there are at most two nodes for three: 53 bytes a range in all.
 */
#define KS_NODE_ENDS	7
#define KS_NODE_LEVELS	6	/* (KS_NODE_ENDS + 1) to this power is above KS_SLICE_MAX */
#define KS_NODE_INNER	0x80000000u

struct ks_node {
	__u32 first;		/* index of the first child, a range; with KS_NODE_INNER a node */
	__u32 end[KS_NODE_ENDS]; /* last element of first, first + 1, ...; unused 0xffffffff */
};
_Static_assert(sizeof(struct ks_node) == 32, "ks_node");

/* Which of a slice's buckets the element is in, and which of a node's children. */
static inline __u32 ks_bucket(const struct ks_decision *d, __u32 element)
{
	__u32 at = element < d->start ? 0 : (element - d->start) >> d->shift;

	return at >> d->bits ? (1u << d->bits) - 1 : at;
}

static inline __u32 ks_child(const struct ks_node *n, __u32 element)
{
	__u32 at = n->first & ~KS_NODE_INNER;
	int i;

	for (i = 0; i < KS_NODE_ENDS && n->end[i] < element; i++)
		at++;
	return at;
}

struct ks_range {
	__u32 lo;
	__u32 to;		/* last element of it; plain allow: of the allowed run from here */
	__u32 refused_rule;	/* kind allow: rule of the first refused element after it */
	struct ks_decision d;	/* kind slice only one level deep (CIP attribute) */
};
_Static_assert(sizeof(struct ks_range) == sizeof(struct ks_node), "both in pol_ranges");

/* What the values of a rule are numbers of; of a coil 0 and 1. */
enum ks_value_type {
	KS_VT_NONE = 0, KS_VT_UINT16 = 1, KS_VT_INT16 = 2, KS_VT_UINT32 = 3, KS_VT_INT32 = 4,
	KS_VT_FLOAT32 = 5
};

/* Where the bits of a value are: in the register itself, or in a pair of them. */
enum ks_value_form { KS_VF_WORD = 0, KS_VF_HIGH_FIRST = 1, KS_VF_LOW_FIRST = 2 };

/*
 * Elements whose decision depends on what is written. The ranges of `known` are over the
 * bits as they are: rules about signed numbers and floats became one or two ranges each.
 */
struct ks_values {
	struct ks_decision known;
	struct ks_decision unknown; /* no slice: what is not, or not as a whole pair, in the request */
	__u8 form;		/* enum ks_value_form */
	__u8 odd;		/* pairs begin at odd addresses */
	__u8 type;		/* enum ks_value_type of the first such rule, for people */
	__u8 pad;
};
_Static_assert(sizeof(struct ks_values) == 44, "ks_values");

struct ks_pol_cfg {
	__u32 generation;	/* 1, 2, ...; 0 = slot never filled */
	__u32 rules;		/* rule numbers are 1..rules */
	__u32 assets;		/* asset ids are 1..assets */
	__u32 leaves;		/* columns of pol_cip */
	__u8 dflt;		/* enum ks_default */
	__u8 unlisted;		/* enum ks_choice */
	__u8 other;		/* enum ks_choice */
	__u8 outbound;		/* enum ks_choice */
	__u8 has_prefixes;	/* pol_prefixes is not empty */
	__u8 llc;		/* 802.3 length frames pass toward the protected side */
	__u16 numbering;	/* equal in policies in which an asset id means one asset */
	__u8 zoned;		/* zones are given: what no conduit or rule lists stops */
	__u8 bound;		/* some host is bound to MACs or VLAN ids */
	__u8 digest[32];	/* SHA-256 of the policy file */
	__u64 applied_at;	/* CLOCK_REALTIME seconds */
	/*
	 * CLOCK_MONOTONIC ns: with `adopt: audit`, connections that run since before zones
	 * were in force are taken over until then. Written by apply.
	 */
	__u64 take_over_until;
	__u32 zones;		/* zone numbers are 1..zones */
	__u32 conduits;		/* conduit numbers are 1..conduits */
	__u32 conduit_flows_per_client;
	__u8 link_follow;	/* user space's: see user/link_follow.h */
	__u8 pad;
	__u16 tag_class;	/* class index of KS_CLASS_TAG, 0 = pol_classes says */
	__u8 ethertypes[8192];	/* bitmap, ethertype e at byte e >> 3, bit e & 7 */
};

#define KS_PORT_MODBUS	0x01	/* TCP and UDP */
#define KS_PORT_ENIP	0x02	/* TCP and UDP */
#define KS_PORT_IO	0x04	/* UDP */

/*
 * Addresses of which nothing is to be asked: a clear bit says that no asset has the
 * address, and that nothing of its region is behind the gateway. A set one says: ask.
 */
#define KS_ASSET_BITS	19
#define KS_REGION_BITS	16

struct ks_pol_marked {
	__u8 assets[1 << (KS_ASSET_BITS - 3)];	/* ks_mark(all four words, KS_ASSET_BITS) */
	__u8 region4[1 << (KS_REGION_BITS - 3)]; /* first 16 bits of an IPv4 address */
	__u8 region6[1 << (KS_REGION_BITS - 3)]; /* ks_mark(first two words, KS_REGION_BITS) */
};

/* What is asked of a packet before any table is searched. */
struct ks_pol_ports {
	__u8 proto[65536];	/* KS_PORT_*, union over all assets and the defaults */
	struct ks_pol_marked marked;
};

/* words: of an address as they lie in memory, one xor the other */
static inline __u32 ks_mark(__u32 words, __u32 bits)
{
	return words * 2654435769u >> (32 - bits);
}

struct ks_addr_key {
	__u8 addr[16];		/* wire order, IPv4 as ::ffff:a.b.c.d */
};

struct ks_lpm_key {
	__u32 prefixlen;	/* 0..128, IPv4 prefix n as 96 + n */
	__u8 addr[16];		/* wire order */
};

#define KS_ADDR_PROTECTED	0x01	/* behind the gateway: spoofed when a source on the client side */
#define KS_ADDR_LOCAL		0x02	/* the gateway's own address */

struct ks_addr_rec {
	__u32 client_class;
	__u32 asset;
	__u8 flags;		/* KS_ADDR_* */
	__u8 pad;
	__u16 zone;		/* 0 = in none */
	__u32 binding;		/* index into pol_bindings, 0 = not bound (entry 0 is unused) */
};
_Static_assert(sizeof(struct ks_addr_rec) == 16, "ks_addr_rec");

/* Where a host's packets come from; an empty list says nothing. */
struct ks_binding {
	__u8 macs;		/* how many */
	__u8 vlans;
	__u16 vlan[KS_BINDINGS]; /* the outer tag's id, 0 = untagged */
	__u8 mac[KS_BINDINGS][6]; /* wire order */
	__u8 pad[6];
};
_Static_assert(sizeof(struct ks_binding) == 72, "ks_binding");

/*
 * pol_conduits, LPM: who may open what. A port range is split into aligned blocks, so
 * one look finds the first conduit that lists the port; prefixlen is 48 + port bits.
 */
struct ks_conduit_key {
	__u32 prefixlen;
	__u16 from;		/* zone of the side that opens */
	__u16 to;
	__u8 proto;		/* IPPROTO_*, ICMPv6 as 1 */
	__u8 pad;
	__be16 port;		/* of the side that is opened to, wire order; ICMP: 0 */
};
_Static_assert(sizeof(struct ks_conduit_key) == 12, "ks_conduit_key");
#define KS_CONDUIT_PAIR_BITS 48

/* pol_conduit_hits */
struct ks_conduit_hits {
	__u64 opened;		/* connections, streams of datagrams, series of pings */
	__u64 packets;		/* both ways */
};

struct ks_asset_rec {
	__u32 profile;		/* for clients without an entry in pol_pairs */
	__u16 modbus_ports[KS_ASSET_PORTS]; /* host order, 0 ends the list */
	__u16 enip_ports[KS_ASSET_PORTS];
	__u16 io_ports[KS_ASSET_PORTS];
	__u8 modbus_framing;	/* enum ks_framing */
	__u8 modbus_split;	/* enum ks_split */
	__u8 has_units;		/* units below is a list; else every unit id is taken */
	__u8 umas;		/* speaks UMAS: its ADUs may be longer than 260 bytes */
	__u8 units[32];		/* bitmap of unit ids that the asset answers to */
	__u8 opaque[16];	/* bitmap of function codes let through without a length rule */
};

struct ks_pair_key {
	__u32 client_class;
	__u32 asset;
};

#define KS_PROFILE_MODBUS	0x01	/* at least one Modbus element may be allowed */
#define KS_PROFILE_ENIP		0x02
#define KS_PROFILE_IO		0x04
#define KS_PROFILE_UNITS	0x08	/* an asset that it is for lists unit ids: its record says which */

struct ks_profile_rec {
	__u32 mb_row;
	__u32 units;		/* index into pol_units, 0 = none (entry 0 is unused) */
	__u32 cip_row;
	__u32 flags;		/* KS_PROFILE_* */
	__u32 routes;		/* first of its elements in pol_route_rows, 0 = none */
};

struct ks_units_rec {
	__u32 row[256];
};

#define KS_ROUTE_DIRECT	0	/* no route */
#define KS_ROUTE_OTHER	1	/* one that the policy does not name */
#define KS_ROUTE_NAMED	2	/* pol_routes: ids from here */

struct ks_route_key {
	__u8 text[KS_ROUTE_MAX]; /* struct ks_route.text */
};

struct ks_tag_key {
	__u8 name[KS_TAG_MAX];	/* lower case, zero padded */
};

struct ks_leaf_class {
	__u16 leaf;
	__u8 group;		/* enum ks_group, for events and documents */
	__u8 pad;
};

struct ks_name_rec {
	/* [0] "default", rules, assets, zones, conduits; numbers from 1 within each */
	char name[KS_NAME_MAX];
};

/* pol_rules: [0] the default, [1..rules] */
struct ks_rule_rec {
	__u8 on_deny;		/* enum ks_on_deny, never KS_DENY_DEFAULT */
	__u8 quiet;		/* no event tells of what it denies or marks */
	__u8 pad[2];
	__u32 buckets;		/* rate: pol_buckets[buckets + client class] */
	__u64 interval;		/* rate: ns from one request to the next, 0 = no limit */
	__u64 slack;		/* rate: by how much requests may come early */
};
_Static_assert(sizeof(struct ks_rule_rec) == 24, "ks_rule_rec");

/* A limit of rate: when the next request is due if each kept to the interval. */
struct ks_bucket {
	__u64 due;		/* ns, p->now's clock */
};

struct ks_rule_hits {
	__u64 requests[KS_V_MAX]; /* per enum ks_verdict */
};

#endif
