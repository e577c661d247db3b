/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Inside of the policy compiler. A rule list is reduced in steps:
 *   sources    prefixes -> client classes and assets (policy_compile_addr.c)
 *   pairs      (class, asset) -> the rules that speak about it -> profile
 *   rows       profile -> decision per function (Modbus) or leaf class (CIP)
 *   slices     decision -> sorted ranges of addresses, instances, attributes
 * Equal results are stored once at every step, which is what keeps 10,000
 * rules over 1,000 assets small. Only the policy_compile*.c files include this.
 */
#ifndef KEYSWITCH_POLICY_COMPILE_H
#define KEYSWITCH_POLICY_COMPILE_H

#include "policy_match.h"
#include "pool.h"

/* Table sizes that the loader accepts; a policy beyond them is refused by name. */
#define POLICY_PAIRS_MAX	(1u << 20)
#define POLICY_ROWS_MAX	(1u << 15)
#define POLICY_RANGES_MAX	(7u << 20)	/* with the nodes over them */
#define POLICY_CELLS_MAX	(1u << 22)	/* cip rows times leaf classes */
#define POLICY_LEAVES_MAX	4096u
#define POLICY_CLASSES_MAX	4096u
#define POLICY_ROUTES_MAX	1024u
#define POLICY_VALUES_MAX	(1u << 18)	/* decisions over values */
#define POLICY_BUCKETS_MAX	(1u << 20)	/* rules with a rate times client classes */

struct compiler;
struct scratch;
void *scratch(struct compiler *k, struct scratch *s, size_t bytes);

/*
 * One stretch of elements with the decision of the rule that wants it. Where it does not
 * decide all of them (alert rules, rules with values) the stretches behind it count too.
 */
struct stretch {
	uint32_t lo, hi;
	struct ks_decision d;
	const struct value_match *values; /* NULL: whatever is written */
};

struct stretches {
	struct stretch *v;
	size_t n, cap;
	uint32_t fc;		/* Modbus: function whose elements they are */
};

/* Kind of a stretch that only marks; no table has it. */
#define STRETCH_ALERT	0xff

/* A stretch that decides whatever it holds. */
static inline bool stretch_is_plain(const struct stretch *s)
{
	return s->d.kind != STRETCH_ALERT && !s->values;
}

/* A rule's part of one Modbus function that it does not select as a whole. */
struct partial {
	uint32_t fc;
	uint32_t first, count;	/* in compiler.spans */
};

/* Memory that one step uses and the next step of the same kind uses again. */
struct scratch {
	void *p;
	size_t room;
};

/* What a rule says, looked up once a rule. */
struct rule_plan {
	uint64_t whole[2];	/* Modbus functions selected with all their elements */
	struct partial *partial;
	size_t n_partial;
	uint32_t selection;	/* which CIP leaves: index into leaf_sets */
	struct numbers instances; /* lo, hi pairs: instances or tag ids; empty = any */
	struct numbers attributes;
	struct numbers routes;	/* numbers of those that the rule names */
};

struct compiler {
	const struct policy *p;
	struct compiled_policy *c;
	struct diags *d;
	struct arena tmp;	/* gone when the compilation ends */
	bool failed;

	struct scratch sort_room[2], sweep_room[2], row_room;
	unsigned int depth;	/* of compile_slice(): 1 = over values */
	struct stretches over_values;
	struct pool values;
	struct ks_decision *slices; /* those that are made, by their entry in ranges */
	size_t n_slices, cap_slices;
	struct scratch node_room;

	/* addr: */
	struct pool class_sets;	/* entry = client class, elements = atoms; entry 0 empty */
	struct numbers *atom_rules; /* atom -> rules that list it in `from` */
	size_t n_atoms;

	/* rules: */
	struct rule_plan *plans;
	struct { uint32_t lo, hi; } *spans;
	size_t n_spans;
	struct numbers default_subs[MODBUS_CODES]; /* lo, hi pairs that the default allows */

	/* cip: */
	struct pool selections;	/* distinct service/class selectors */
	const struct policy_rule **selection_rule; /* a rule that has it */
	uint32_t n_selections;
	uint64_t *leaf_sets;	/* selection -> bitmap of leaves */
	size_t leaf_words;
	uint64_t *shut_leaves;	/* symbol writes, refused after a rule with tags */
	uint64_t *default_leaves;
	uint8_t *leaf_kind;	/* LEAF_* */
	uint32_t n_leaves;
	const char **tags;	/* sorted, tag id - 1 is the index */
	size_t n_tags;
	struct row_builder *cip_builder;

	/* routes: */
	const char **routes;	/* sorted, route number - KS_ROUTE_NAMED is the index */
	uint32_t n_routes;
	struct numbers *own_routes; /* per asset */
	struct scratch route_room;

	/* results that become tables: */
	struct pool lists;	/* rule lists */
	struct pool ranges, modbus_rows, unit_rows, cip_rows, route_rows, profiles;
	struct pool mb_keys, cip_keys, pair_keys; /* what was compiled already ... */
	struct numbers mb_done, cip_done, pair_done; /* ... and its result, same index */
	uint32_t *host_binding;	/* per host, 0 = not bound */
	struct numbers cip_flags; /* KS_PROFILE_* of cip_done, same index */
};

#define LEAF_ENIP	1	/* holds cells of messages */
#define LEAF_IO		2	/* holds the UDP 2222 cell */

/* "policy needs more than N ..."; the compilation goes on no further. */
void compile_limit(struct compiler *k, size_t limit, const char *what);

void compile_addresses(struct compiler *k);
void compile_bindings(struct compiler *k);	/* before the addresses */
void compile_conduits(struct compiler *k);
void compile_plans(struct compiler *k);
void compile_tags(struct compiler *k);
void compile_leaves(struct compiler *k);
void compile_routes(struct compiler *k);
void compile_pairs(struct compiler *k);
/*
 * Which routes a rule speaks about. One that says none: a deny rule about all, any
 * other about none and the asset's own, so that it opens no module behind the asset.
 */
bool rule_takes_route(const struct compiler *k, uint32_t rule, uint32_t route, bool own);
/* rules: sorted indices of rules about the protocol. Return a row number. */
uint32_t compile_modbus_row(struct compiler *k, const struct numbers *rules,
			    bool unit_zero);
uint32_t compile_cip_row(struct compiler *k, const struct numbers *rules);

/*
 * Stretches in order of precedence, the last one covering everything, become
 * one decision: plain if one decision holds everywhere, else a slice.
 * 'used_to': rules that only decide beyond it are not marked as used.
 */
struct ks_decision compile_slice(struct compiler *k, const struct stretches *s,
				 uint32_t used_to);

/*
 * The decision that leads to these n ranges, which are pol_ranges[first] and following: how
 * they are found (policy_compile_nodes.c).
 */
struct ks_decision compile_nodes(struct compiler *k, const struct ks_range *range, uint32_t n,
				 uint32_t first);

static inline struct ks_decision rule_decision(const struct compiler *k, uint32_t rule)
{
	const struct policy_rule *r = &k->p->rules[rule];

	return (struct ks_decision){
		.rule = rule + 1,
		.kind = r->alert ? STRETCH_ALERT : r->allow ? KS_K_ALLOW : KS_K_DENY,
		.flags = (uint8_t)((r->rate.count ? KS_D_RATED : 0) |
				   (r->allow && r->log == POLICY_LOG_YES ? KS_D_LOGGED : 0)),
	};
}

/*
 * policy_compile_values.c: what several stretches say about the same elements together,
 * the last of them being plain. `by` are numbers of stretches of s, in order.
 */
struct ks_decision compile_together(struct compiler *k, const struct stretches *s,
				    const struct numbers *by);

static inline struct ks_decision default_decision(bool allow)
{
	return (struct ks_decision){ .kind = allow ? KS_K_ALLOW : KS_K_DENY };
}

struct stretch *stretch_add(struct compiler *k, struct stretches *s, uint32_t lo, uint32_t hi,
			    struct ks_decision d);
/* A rule's part of the elements, with the values that it asks for. */
void stretch_add_rule(struct compiler *k, struct stretches *s, uint32_t lo, uint32_t hi,
		      uint32_t rule);

#endif
