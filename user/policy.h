/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The policy's public face: from a YAML file to the tables of shared.h
 * ("Compiled policy"), in memory only. Both forms are here: the syntax tree
 * (for lints, tests and explanations) and the compiled tables (for the loader).
 * Must not touch the kernel and must not print: problems go to `struct diags`.
 */
#ifndef KEYSWITCH_POLICY_H
#define KEYSWITCH_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../bpf/shared.h"
#include "addr.h"
#include "arena.h"
#include "diag.h"

#define ADOPT_UNSAID		(-1)	/* neither policy nor operator chose */
#define POLICY_FILE_MAX		(32u << 20)	/* bytes */
#define POLICY_RULES_MAX	100000u
#define POLICY_ASSETS_MAX	60000u		/* asset ids are 16 bits on the wire to events */
#define POLICY_ZONES_MAX	1024u
#define POLICY_CONDUITS_MAX	4096u

/* ---- syntax tree ---- */

/* Inclusive on both ends, with its place in the file. */
struct span {
	uint32_t lo;
	uint32_t hi;
	struct pos at;
};

struct spans {
	struct span *v;
	size_t n;		/* 0 = any */
};

struct prefixes {
	struct prefix *v;
	struct pos *at;		/* same index */
	size_t n;
};

/* `route`, in the form of struct ks_route.text. */
struct routes {
	const char **v;
	struct pos *at;		/* same index */
	size_t n;
	bool direct;		/* requests without a route */
	bool any;
	bool given;		/* else all of the above is unset */
};

struct policy_host {
	const char *name;
	struct pos at;
	struct prefixes addrs;
	struct ks_binding binding;	/* nothing listed: from anywhere */
	bool zoned;		/* a zone names it */
	struct pos mac_at;
};

struct policy_group {
	const char *name;
	struct pos at;
	uint32_t *hosts;	/* indices into hosts, nested groups flattened, no repeats */
	size_t n;
	bool nested;		/* another group names it */
	bool zoned;		/* a zone names it */
};

struct policy_asset {
	const char *name;
	struct pos at;
	struct prefixes addrs;
	bool modbus;		/* speaks the protocol */
	bool enip;
	uint16_t modbus_ports[KS_ASSET_PORTS]; /* 0 ends the list */
	uint16_t enip_ports[KS_ASSET_PORTS];
	uint16_t io_ports[KS_ASSET_PORTS];
	struct routes routes;	/* ways to the module that this asset is */
	uint8_t modbus_framing;	/* enum ks_framing */
	uint8_t modbus_split;	/* enum ks_split */
	struct spans units;
	uint8_t opaque[16];	/* bitmap of function codes */
	bool umas;		/* speaks UMAS (function code 90) */
};

enum source_kind { SOURCE_HOST, SOURCE_GROUP, SOURCE_LITERAL };

/* One member of a rule's `from`. */
struct source {
	enum source_kind kind;
	uint32_t index;		/* host or group */
	struct prefix literal;
	struct pos at;
};

enum function_kind { FN_GROUP, FN_CODE, FN_SUB };

/* One member of `functions`: a group, a function code, or a code with one sub-function. */
struct function_sel {
	enum function_kind kind;
	uint32_t code;		/* group number for FN_GROUP */
	uint32_t sub;
	struct pos at;
};

enum modbus_table { TABLE_OWN, TABLE_COILS, TABLE_DISCRETE, TABLE_INPUT, TABLE_HOLDING };

struct address_sel {
	enum modbus_table table; /* TABLE_OWN: the table of whatever function it is */
	const char *text;	/* as written */
	struct span span;
};

/* `values`: bounds of what is written. */
struct value_match {
	enum ks_value_type type;
	enum ks_value_form form;
	struct spans bits;	/* of the register or the pair; sorted, apart, without places */
	const char **text;	/* bounds as written */
	size_t n;
	struct pos at;
};

struct modbus_match {
	bool umas;		/* given as `umas`: function code 90 alone */
	struct spans units;
	struct function_sel *functions;
	size_t n_functions;	/* 0 = any */
	struct address_sel *addresses;
	size_t n_addresses;	/* 0 = any */
	struct value_match *values; /* NULL = any */
};

enum service_kind { SV_GROUP, SV_CODE, SV_NAMED };

/*
 * One member of `services`: a group, a code, or a name that means a code on certain
 * classes. Under `pccc` one of `functions`: a group or a code (command << 8 | function).
 */
struct service_sel {
	enum service_kind kind;
	uint32_t code;		/* group number for SV_GROUP, row of the name table for SV_NAMED */
	struct pos at;
};

/* Elements of one data-table file: type is 1 to 32 (KS_PCCC_TYPE). */
struct file_sel {
	uint32_t type, file;
	struct span span;
};

struct cip_match {
	bool pccc;		/* given as `pccc`: commands inside Execute_PCCC alone */
	struct service_sel *services;
	size_t n_services;	/* 0 = any */
	struct spans classes;	/* lo == hi, wire classes or KS_CLASS_* */
	struct spans instances;
	struct spans attributes;
	const char **tags;	/* lower case, in the form of ks_leaf.tag */
	struct pos *tags_at;
	size_t n_tags;
	struct file_sel *files;	/* under pccc */
	size_t n_files;		/* 0 = any, and none */
	struct routes routes;
};

/* One side of the gateway; holds the addresses of its members. */
struct policy_zone {
	const char *name;
	struct pos at;
	struct prefixes addrs;	/* `at`: of the member that brought the prefix */
	uint32_t *assets;	/* members, indices */
	size_t n_assets;
	bool protected;		/* on the protected side */
	bool side_given;
	struct pos side_at;
	bool used;		/* a conduit names it */
};

/* tcp/80-90; ICMP (IPPROTO_ICMP stands for both): port 0 alone. */
struct service_range {
	uint8_t proto;		/* IPPROTO_* */
	uint16_t lo, hi;
	struct pos at;
};

struct zone_list {
	uint32_t *v;		/* indices, in the order written */
	struct pos *at;		/* same index */
	size_t n;
};

/* Who of `from` may open what in `to`. */
struct policy_conduit {
	const char *name;
	struct pos at;
	struct zone_list from, to;
	struct service_range *services;
	size_t n_services;
};

/* What a rule's `io` says. */
enum policy_io {
	POLICY_IO_NONE,		/* no such rule */
	POLICY_IO_DENY,
	POLICY_IO_RUN,		/* connections, and what they carry */
	POLICY_IO_IDLE,		/* connections, and what they carry while idle */
	POLICY_IO_STATIC,	/* datagrams of no connection as well */
};

/* `rate`: count requests in `per` seconds, `burst` of them at once. */
struct policy_rate {
	uint32_t count;		/* 0 = no limit */
	uint32_t per;
	uint32_t burst;
};

/* `log`: whether events tell what the rule says. */
enum policy_log { POLICY_LOG_UNSAID, POLICY_LOG_YES, POLICY_LOG_NO };

struct policy_rule {
	const char *name;
	struct pos at;		/* of the name */
	struct source *from;
	size_t n_from;		/* 0 = any */
	uint32_t *to;		/* asset indices, sorted, no repeats */
	size_t n_to;		/* 0 = any */
	struct pos to_at;
	bool allow;
	bool alert;		/* marks requests and decides none; allow is false */
	struct policy_rate rate; /* allow */
	enum policy_log log;
	enum policy_io io;	/* shorthand: group io only */
	enum ks_on_deny on_deny; /* KS_DENY_DEFAULT: as the policy says */
	struct modbus_match *modbus; /* NULL with cip given: no Modbus request */
	struct cip_match *cip;	/* likewise */
};

/* Names of `ethertypes`; type 0 stands for 802.3 length frames. Ends with name NULL. */
struct ethertype_row {
	const char *name;
	uint16_t type;
	const char *text;
};

extern const struct ethertype_row ethertype_rows[];

struct policy_limits {
	uint32_t flows;
	uint32_t modbus_rings;
	uint32_t enip_rings;
	uint32_t flows_per_client;
	uint32_t half_open_per_client;
	uint32_t event_ring;
	uint32_t event_rate;
	uint32_t conduit_flows;
	uint32_t conduit_flows_per_client;
};

struct policy {
	struct arena mem;
	enum ks_mode mode;
	enum ks_default dflt;
	enum ks_choice unlisted;
	enum ks_choice other;
	enum ks_choice outbound;
	enum ks_on_deny on_deny;
	int adopt;		/* enum ks_adopt, ADOPT_UNSAID */
	bool link_follow;	/* a wire's port goes down with the other one's carrier */
	struct pos mode_at, dflt_at, unlisted_at, other_at, outbound_at;
	struct prefixes local;
	struct prefixes protected;
	bool llc;
	uint8_t ethertypes[8192];
	struct policy_host *hosts;
	size_t n_hosts;
	struct policy_group *groups;
	size_t n_groups;
	struct policy_asset *assets;
	size_t n_assets;
	struct policy_rule *rules;
	size_t n_rules;
	struct policy_zone *zones;
	size_t n_zones;
	struct policy_conduit *conduits;
	size_t n_conduits;
	bool zoned;		/* `zones` is given */
	bool unlisted_given, other_given, outbound_given;
	struct policy_limits limits;
	uint8_t digest[32];	/* SHA-256 of the file's bytes */
};

/* ---- compiled tables ---- */

/*
 * One array per map of a policy slot, ready to be written as they are; index,
 * key and value types are those of shared.h. Arrays indexed by id include the
 * unused entry 0 where shared.h says so.
 */
struct compiled_policy {
	struct arena mem;
	enum ks_mode mode;
	int adopt;			/* enum ks_adopt, ADOPT_UNSAID */
	struct policy_limits limits;

	struct ks_pol_cfg *cfg;		/* generation and applied_at are the loader's */
	struct ks_pol_ports *ports;
	struct ks_pol_marked *marked;

	struct ks_addr_key *addr_keys;	/* pol_addrs */
	struct ks_addr_rec *addr_recs;
	size_t n_addrs;
	struct ks_lpm_key *prefix_keys;	/* pol_prefixes */
	struct ks_addr_rec *prefix_recs;
	size_t n_prefixes;
	struct ks_asset_rec *assets;	/* pol_assets, [0] unused */
	size_t n_assets;		/* entries, i.e. assets + 1 */
	struct ks_pair_key *pair_keys;	/* pol_pairs */
	uint32_t *pair_profiles;
	size_t n_pairs;
	struct ks_profile_rec *profiles; /* pol_profiles */
	size_t n_profiles;
	struct ks_units_rec *units;	/* pol_units, [0] unused */
	size_t n_units;
	struct ks_decision *modbus;	/* pol_modbus, 128 entries a row */
	size_t n_modbus_rows;
	struct ks_range *ranges;	/* pol_ranges, nodes among them */
	size_t n_ranges;
	struct ks_values *values;	/* pol_values */
	size_t n_values;
	size_t n_buckets;		/* pol_buckets, empty */
	uint32_t *class_keys;		/* pol_classes: key_class -> class index */
	uint32_t *class_index;
	size_t n_classes;		/* keys; class indices are 0..n_classes */
	struct ks_leaf_class *leaves;	/* pol_leaves, 128 entries a class index */
	size_t n_leaf_rows;		/* n_classes + 1 */
	struct ks_decision *cip;	/* pol_cip, cfg->leaves entries a row */
	size_t n_cip_rows;
	struct ks_tag_key *tag_keys;	/* pol_tags: name -> id, ids from 1 */
	uint32_t *tag_ids;
	size_t n_tags;
	struct ks_route_key *route_keys; /* pol_routes: text -> id, ids from KS_ROUTE_NAMED */
	uint32_t *route_ids;
	size_t n_routes;
	uint32_t *route_rows;		/* pol_route_rows, [0] unused */
	size_t n_route_rows;		/* elements */
	struct ks_rule_rec *rules;	/* pol_rules: [0] the default, rules */
	struct ks_binding *bindings;	/* pol_bindings, [0] unused */
	size_t n_bindings;
	struct ks_conduit_key *conduit_keys; /* pol_conduits */
	uint32_t *conduit_ids;
	size_t n_conduit_keys;
	bool *conduit_used;		/* [1..conduits]: first to list some port */
	struct ks_name_rec *names;	/* [0] "default", rules, assets, zones, conduits */
	size_t n_names;

	uint8_t *rule_used;		/* [0..rules]: decides, or marks, at least one element */
};

/* Index into ranges of the one that holds the element, as the data path finds it. */
static inline uint32_t slice_find(const struct ks_range *ranges, const struct ks_decision *d,
				  uint32_t element)
{
	uint32_t at = d->first + ks_bucket(d, element);
	const struct ks_node *n;

	do {
		n = (const void *)&ranges[at];
		at = ks_child(n, element);
	} while (n->first & KS_NODE_INNER);
	return at;
}

/*
 * Reads and checks a file; every problem goes to d. NULL when the file cannot
 * be read (errno set, one diagnostic added) or d has errors.
 */
struct policy *policy_parse_file(const char *path, struct diags *d);
struct policy *policy_parse_text(const char *text, size_t len, struct diags *d);
void policy_free(struct policy *p);

/* NULL with a diagnostic when the tables would be beyond the limits of shared.h. */
struct compiled_policy *policy_compile(const struct policy *p, struct diags *d);
void compiled_policy_free(struct compiled_policy *c);

/* Warnings and notes; `c` is what was compiled from p. */
void policy_lint(const struct policy *p, const struct compiled_policy *c,
		 struct diags *d);

/* Two assets at one address are an error, one inside another is a warning. */
void policy_check_overlaps(struct policy *p, struct diags *d);

/* All of the above: parse, compile, lint. NULL when d has errors. */
struct compiled_policy *policy_load(const char *path, struct diags *d);

#endif
