/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The contract between the data path and user space: every map key, map value,
 * event record, limit and pseudo class number. Included by both sides; holds no
 * code. Byte order is host order unless a field's comment says "wire order".
 * Only <linux/types.h> types, every pad byte has a name and is written as zero.
 */
#ifndef KEYSWITCH_SHARED_H
#define KEYSWITCH_SHARED_H

#include <linux/bpf.h>
#include <linux/types.h>

#define KS_ABI 10 /* raised when a pinned map's layout or meaning changes */

/* ---- limits: defaults, changed by `limits:` where a policy key exists ---- */

#define KS_SLOTS		4	/* policy slots: active, previous, candidate, free */
#define KS_PORTS_MAX		16	/* NICs under one pin directory */
#define KS_FLOWS		16384	/* TCP flows per address family */
#define KS_NEAR_FLOWS		4	/* at least so many places in flows_near for each of them */
#define KS_MODBUS_RINGS		16384	/* tracked Modbus/TCP connections */
#define KS_ENIP_RINGS		4096	/* tracked EtherNet/IP connections */
#define KS_FLOWS_PER_CLIENT	64
#define KS_HALF_OPEN_PER_CLIENT	16
#define KS_CLIENTS		16384	/* clients with a quota record */
#define KS_CONNS		8192	/* CIP connections */
#define KS_OPENS		4096	/* Forward_Opens waiting for their reply */
#define KS_CLOSED		65536	/* ended flows whose entries may be reused */
#define KS_CONDUIT_FLOWS	16384	/* connections through conduits, both address families */
#define KS_CONDUIT_FLOWS_PER_CLIENT 1024
#define KS_BINDINGS		8	/* MACs and VLAN ids that one host may be bound to */
#define KS_EVENT_RING		(4 << 20)
#define KS_EVENT_RATE		100	/* events per second, CPU and reason */
#define KS_FLOW_EVENT_RATE	10	/* events per second and flow */
#define KS_COUNTED_PAIRS	4096	/* (asset, function) pairs counted by name */
#define KS_NEAR			4096	/* of them each CPU counts so many without a look-up */
#define KS_NEAR_RULES		4096	/* likewise the first rules of a policy, the default too */
#define KS_TRACE_MAX		2048	/* judged leaves kept for one packet in replay */

/*
 * Ring geometry. A ring holds the last R client bytes; byte with TCP sequence
 * number s is at s & (R - 1). The first S bytes are mirrored behind the ring so
 * that a message of at most S bytes is contiguous from wherever it starts, and
 * behind that lies room for the largest single copy (verifier rule 2).
 */
#define KS_MB_RING		4096
#define KS_MB_VIEW		512	/* power of two above the largest ADU (260) */
#define KS_MB_SEG		2048	/* most payload bytes taken from one segment */
#define KS_MB_RING_BYTES	(KS_MB_RING + KS_MB_VIEW + KS_MB_SEG)
#define KS_EIP_RING		16384
#define KS_EIP_VIEW		8192	/* power of two, largest encapsulation PDU taken */
#define KS_EIP_SEG		4096
#define KS_EIP_RING_BYTES	(KS_EIP_RING + KS_EIP_VIEW + KS_EIP_SEG)

#define KS_MSP_MAX		128	/* members of one Multiple_Service_Packet */
#define KS_EPATH_MAX		24	/* segments of one EPATH */
#define KS_TAG_MAX		64	/* bytes of a symbolic path that policy can name */
#define KS_ROUTE_HOPS		4	/* port segments of one route */
#define KS_ROUTE_MAX		32	/* bytes of a route's text that policy can name */
#define KS_NAME_MAX		64	/* rule and asset names, terminating 0 included */
#define KS_ASSET_PORTS		8	/* TCP/UDP ports per asset and protocol */
#define KS_HEAD_MAX		64	/* message bytes carried by an event */

/* ---- enumerations stored in __u8/__u16 fields ---- */

enum ks_role { KS_CLIENT = 0, KS_SERVER = 1 };
/* Which ways of a connection a pair of ports sees: both NICs, the client's alone, a copy. */
enum ks_sight { KS_SIGHT_BOTH = 0, KS_SIGHT_CLIENT = 1, KS_SIGHT_TAP = 2 };
enum ks_mode { KS_ENFORCE = 0, KS_MONITOR = 1 };
enum ks_proto { KS_PROTO_NONE = 0, KS_MODBUS = 1, KS_ENIP = 2, KS_IO = 3 };
enum ks_choice { KS_DENY = 0, KS_ALLOW = 1 };
enum ks_default { KS_DEFAULT_DENY = 0, KS_DEFAULT_READONLY = 1, KS_DEFAULT_ALLOW = 2 };
enum ks_framing { KS_STRICT = 0, KS_STREAM = 1, KS_SINGLE = 2 };
enum ks_split { KS_HOLD = 0, KS_CARRY = 1, KS_ASSEMBLE = 2 };
enum ks_adopt { KS_ADOPT_OFF = 0, KS_ADOPT_AUDIT = 1, KS_ADOPT_RESET = 2 };
enum ks_on_deny { KS_DENY_DROP = 0, KS_DENY_RESET = 1, KS_DENY_DEFAULT = 2 };
enum ks_verdict { KS_V_ALLOW = 0, KS_V_DENY = 1, KS_V_WOULD_DENY = 2, KS_V_MAX = 3 };
/*
 * What becomes of a packet: goes on as it is, stops, goes on with its payload cut,
 * is answered on its own NIC (RST or ACK), goes on as a RST, goes on with bytes of
 * earlier pieces in front of its own.
 */
enum ks_action {
	KS_A_PASS = 0, KS_A_DROP = 1, KS_A_TRIM = 2, KS_A_TX = 3, KS_A_KILL = 4, KS_A_JOIN = 5,
	KS_A_MAX = 6
};
enum ks_event_kind {
	KS_EV_DENY = 1, KS_EV_STREAM = 2, KS_EV_PACKET = 3, KS_EV_FLOW = 4, KS_EV_ALERT = 5,
	KS_EV_ALLOW = 6
};

#define KS_FC_UMAS 90 /* Modbus function code that carries UMAS */

/* Policy keys of leaves that are no (service, class) pair of the wire. */
#define KS_CLASS_TAG	0x10000u /* symbolic path; the tag id is the instance */
#define KS_CLASS_ENCAP	0x10001u /* encapsulation command as service, 0x7f if above */
#define KS_CLASS_IO	0x10002u /* UDP 2222 O->T datagram, enum ks_io as service */
#define KS_CLASS_OPEN	0x10003u /* (Large_)Forward_Open not to the Message Router */
#define KS_CLASS_CONFIG	0x10005u /* Forward_Open with a data segment: it configures */
#define KS_CLASS_DATA	0x10006u /* data of an explicit connection not to the Message Router */
#define KS_CLASS_NONE	0x10004u /* no class in the path, or one above 0xffff */

/* What an O->T datagram says (Vol 1 3-6.1.4) and where it belongs. */
enum ks_io {
	KS_IO_RUN = 0,		/* outputs that count */
	KS_IO_IDLE = 1,		/* run bit 0, or no data: the target takes no outputs */
	KS_IO_STATIC = 2,	/* of no connection that an open made: only `io: static` allows */
};

/* | PCCC command << 1 | function >> 7; the function's low seven bits are the service. */
#define KS_CLASS_PCCC	0x20000u
#define KS_CLASS_PCCC_END (KS_CLASS_PCCC + 32)

/* Which fields of a leaf are set. */
#define KS_HAS_FUNCTION		0x0001	/* Modbus function code / encapsulation command */
#define KS_HAS_SUB		0x0002	/* FC 8 sub-function, FC 43 MEI type, FC 90 UMAS */
#define KS_HAS_ADDRESS		0x0004	/* address, quantity */
#define KS_HAS_WRITE_SPAN	0x0008	/* waddress, wquantity (FC 23) */
#define KS_HAS_SERVICE		0x0010
#define KS_HAS_CLASS		0x0020
#define KS_HAS_INSTANCE		0x0040
#define KS_HAS_ATTRIBUTE	0x0080
#define KS_HAS_TAG		0x0100
#define KS_HAS_TAG_LONG		0x0200	/* path longer than KS_TAG_MAX: matches no tag rule */
#define KS_HAS_MEMBER		0x0400	/* a member segment (array index) was seen */
#define KS_HAS_UNIT		0x0800
#define KS_HAS_ROUTE		0x1000
#define KS_HAS_MODBUS		0x2000	/* CIP class 0x44: sub is a function code */
#define KS_HAS_PCCC		0x4000	/* sub is PCCC command << 8 | function */
#define KS_HAS_FILE		0x8000	/* PCCC: file, address (element), quantity */

/*
 * The way from the addressed module on: port/link of each hop, decoded, joined by ','.
 * "1/0", "2/10.99.0.2", "1/3,2/10.99.0.2". No hop: the addressed module itself.
 */
struct ks_route {
	__u32 len;		/* bytes of the text; above KS_ROUTE_MAX no rule can name it */
	__u32 hops;
	__u8 text[KS_ROUTE_MAX]; /* zero padded, the first bytes of a longer one */
};
_Static_assert(sizeof(struct ks_route) == 40, "ks_route");

/*
 * One judged request: a Modbus ADU, an encapsulation command without CIP, or a
 * CIP request that is no wrapper. Written by the dissectors (fields), then by
 * the decision (reason, verdict, rule, alert, what was written). 188 bytes.
 */
struct ks_leaf {
	__u8 proto;		/* enum ks_proto */
	__u8 verdict;		/* enum ks_verdict */
	__u8 unit;		/* Modbus unit id */
	__u8 service;		/* CIP service code, bit 7 clear */
	__u16 reason;		/* enum ks_reason */
	__u16 has;		/* KS_HAS_* */
	__u32 rule;		/* 0 = the policy's default, else 1-based rule number */
	__u16 asset;
	__u16 transaction;	/* Modbus transaction id, PCCC TNS */
	__u16 function;		/* Modbus function code / encapsulation command */
	__u16 sub;
	__u32 address;		/* 0-based wire address */
	__u32 quantity;		/* key_class KS_CLASS_TAG: elements from the tag on, 0 = not said */
	__u32 waddress;
	__u32 wquantity;
	__u32 class;
	__u32 instance;
	__u32 attribute;
	__u32 key_class;	/* class for the policy: KS_CLASS_* or the wire's */
	__u32 offset;		/* first byte of the request, from the message's start */
	__u32 length;		/* bytes of the request */
	__u8 tag_len;		/* bytes used in tag */
	__u8 umas_key;		/* FC 90: session key */
	__u16 file;		/* PCCC data-table file */
	__u16 sub_element;
	__u8 file_type;		/* as on the wire */
	__u8 tag_base;		/* bytes of tag without the indices at its end */
	__u32 alert;		/* first alert rule that marks it, 0 = none */
	__u32 value_at;		/* value_type: address of the element that was refused for it ... */
	__u32 value;		/* ... and the bits that would be written there */
	__u8 value_type;	/* enum ks_value_type: no rule with values refused it, else of what */
	__u8 pad[3];
	struct ks_route route;
	__u8 tag[KS_TAG_MAX];	/* symbolic path as on the wire, members joined by '.', [i] */
};
_Static_assert(sizeof(struct ks_leaf) == 188, "ks_leaf");

#include "tracked.h"

/* ---- run-time state: one record, edited by the CLI while traffic runs ---- */

/* All that comes into force with a policy. */
struct ks_force {
	__u32 slot;		/* of the policy */
	__u32 mode;		/* enum ks_mode */
	__u64 mode_until;	/* CLOCK_MONOTONIC ns at which monitor ends, 0 = never */
	__u32 flows_per_client;
	__u32 half_open_per_client;
	__u32 event_rate;
	__u32 pad;
};
_Static_assert(sizeof(struct ks_force) == 32, "ks_force");

/*
 * A policy on trial: `now` is in force until revert_at, `before` from then on. Each
 * packet looks at the clock itself, so that nothing needs to be alive for the way back.
 */
struct ks_state_rec {
	__u32 abi;		/* KS_ABI */
	__u32 adopt;		/* enum ks_adopt */
	__u64 adopt_until;	/* CLOCK_MONOTONIC ns: end of adoption; strays are reset from then on */
	__u32 guard;		/* cookie of the word before each passed packet, 0 = no guard */
	__u32 shadow;		/* slot + 1 of the policy that is judged beside, 0 = none */
	__u64 revert_at;	/* CLOCK_MONOTONIC ns, 0 = no trial */
	struct ks_force now;
	struct ks_force before;
};
_Static_assert(sizeof(struct ks_state_rec) == 96, "ks_state_rec");

#include "compiled.h"
#include "observed.h"

/* ---- counters ---- */

/* packets: PERCPU_ARRAY, index = (port * KS_REASONS + reason) * KS_A_MAX + action */

struct ks_req_key {
	__u16 asset;
	__u8 port;
	__u8 proto;		/* enum ks_proto */
	__u32 class;		/* CIP key_class, 0 for Modbus and classes policy does not name */
	__u16 function;		/* Modbus function code, CIP service, encapsulation command */
	__u16 numbering;	/* of assets: struct ks_pol_cfg */
};
_Static_assert(sizeof(struct ks_req_key) == 12, "ks_req_key");

struct ks_req_count {
	__u64 requests[KS_V_MAX]; /* per enum ks_verdict */
};

/*
 * requests_near: ARRAY[CPUs * KS_NEAR]. The name stands last: an entry that is being
 * emptied is free for another one only when its counts are 0.
 */
struct ks_near {
	struct ks_req_count count;
	struct ks_req_key key;	/* proto 0: entry is empty */
	__u32 pad;
};
_Static_assert(sizeof(struct ks_near) == 40, "ks_near");

/* What the policy in force and the one in the shadow say differently, see shadow.h. */
struct ks_shadow_key {
	__u32 generation;	/* of the policy in force */
	__u32 rule;		/* of that policy; KS_SHADOW_SYN: a connection, not a request */
	__u32 candidate;	/* likewise of the other */
	__u16 reason;		/* enum ks_reason: what is in force */
	__u16 candidate_reason;	/* what would be */
};
_Static_assert(sizeof(struct ks_shadow_key) == 16, "ks_shadow_key");

#define KS_SHADOW_SYN	0xffffffffu
#define KS_SHADOW_PAIRS	1024	/* differences counted by name */

struct ks_shadow_sum {
	__u32 generation;	/* sums begin again with another policy in force ... */
	__u32 shadow;		/* ... or in the shadow (struct ks_state_rec) */
	__u64 judged;		/* by both */
	__u64 more;		/* differences beyond KS_SHADOW_PAIRS */
};

/* PERCPU_ARRAY[1] */
struct ks_misc_count {
	__u64 events_lost;	/* ring buffer full */
	__u64 events_hidden;	/* held back by a rate limit */
	__u64 events_quiet;	/* of requests whose rule says 'log: false' */
	__u64 pairs_other;	/* requests counted in no named pair */
	__u64 exceptions_other;	/* errors of devices likewise */
	__u64 latency_other;	/* samples of assets beyond KS_LATENCY_ASSETS */
	__u64 flow_ids;		/* ids given by this CPU */
};

struct ks_rate {
	__u64 second;
	__u32 sent;
	__u32 hidden;
};

/* ---- events ---- */

struct ks_event {
	__u64 t;		/* CLOCK_MONOTONIC ns */
	__u16 reason;		/* enum ks_reason */
	__u8 kind;		/* enum ks_event_kind */
	__u8 action;		/* enum ks_action */
	__u8 verdict;		/* enum ks_verdict */
	__u8 port;		/* index into the port table */
	__u8 ip_version;	/* 4, 6, 0 = not IP */
	__u8 ip_proto;
	__u8 src[16];		/* wire order, IPv4 as ::ffff:a.b.c.d */
	__u8 dst[16];
	__u16 sport;
	__u16 dport;
	__u16 vlan[2];		/* outer, inner; 0 = none */
	__u8 smac[6];
	__u8 dmac[6];
	__u32 generation;
	__u32 hidden;		/* events of this reason not sent since the last one */
	__u16 ethertype;
	__u16 head_len;
	__u32 seq;		/* TCP sequence number */
	__u16 zone[2];		/* of source and destination, 0 = in none */
	__u8 head[KS_HEAD_MAX];	/* first bytes of the message (or of the payload) */
	struct ks_leaf leaf;	/* leaf.proto == 0: no request in this event */
	__u32 pad;
};
_Static_assert(sizeof(struct ks_event) == 344, "ks_event");

/* A record of a Modbus request or of none ends here: it has no route and no tag. */
#define KS_EVENT_SHORT __builtin_offsetof(struct ks_event, leaf.route)

/* ---- ports and replay ---- */

struct ks_port_rec {		/* ports: ARRAY[KS_PORTS_MAX], for names; written by attach */
	__u32 ifindex;
	__u8 role;		/* enum ks_role */
	__u8 wire;		/* 1 wire, 0 inline */
	__u8 used;
	__u8 peer;		/* index of the pair's other port, its own where there is none */
	char name[16];
	__u8 sight;		/* enum ks_sight */
	__u8 pad[3];
};

struct ks_trace_ctl {		/* trace_ctl: ARRAY[1], replay only */
	__u64 clock;		/* ns, set by the driver to the capture's time */
	__u32 leaves;		/* entries of `trace` used by this packet */
	__u32 overflow;		/* leaves that did not fit */
	__u16 reason;		/* packet's reason */
	__u8 action;
	__u8 pad;
	__u32 pad1;
};

/* Load-time constants (.rodata `cfg`), one object instance per pair of ports. */
struct ks_load_cfg {
	__u32 client_port;	/* index into ports */
	__u32 server_port;
	__u32 wire;		/* 1: redirect through tx_ports, 0: pass to the stack */
	__u32 trace;		/* 1: replay instance */
	__u32 sight;		/* enum ks_sight */
	__u32 near_mask;	/* flows_near: entries - 1, a power of two less one */
	__u64 loaded;		/* CLOCK_MONOTONIC ns; what an earlier program remembers is not used */
};

#endif
