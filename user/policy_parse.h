/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Inside of the policy parser: the YAML tree with positions, the table-driven
 * reading of mappings, and the parts of the grammar by concern. Only the
 * policy_parse*.c files include this, and policy_fmt*.c for the tree.
 */
#ifndef KEYSWITCH_POLICY_PARSE_H
#define KEYSWITCH_POLICY_PARSE_H

#include "policy.h"

#define YAML_DEPTH_MAX	16
#define YAML_NODES_MAX	4000000u	/* aliases counted as often as they are used */

enum ykind { Y_SCALAR, Y_LIST, Y_MAP };

struct ynode {
	enum ykind kind;
	bool empty;		/* no value, or a plain null */
	bool broken;		/* stands for something that was refused already */
	bool complete;		/* closed: an alias to an open node would be a loop */
	uint32_t weight;	/* nodes below, this one included */
	struct pos at;
	const char *text;	/* scalar: may hold any byte but 0 */
	size_t len;
	struct ynode **item;	/* list: members; map: key, value, key, value ... */
	size_t n;		/* list: members; map: pairs */
};

/* Open-addressed table from name to number; keeps pointers to the names. */
struct names {
	struct name_slot { const char *name; size_t len; uint32_t value; } *slot;
	size_t size, used;
	struct arena *mem;
};

#define NO_NAME UINT32_MAX

void names_init(struct names *t, struct arena *mem);
/* The value already stored under the name, or NO_NAME after storing this one. */
uint32_t names_add(struct names *t, const char *name, size_t len, uint32_t value);
uint32_t names_find(const struct names *t, const char *name, size_t len);
/* All names, NULL-terminated, for did-you-mean. */
const char *const *names_list(const struct names *t, struct arena *mem);

/* Sources of a rule share one name space; the value is an index with this bit for groups. */
#define NAME_IS_GROUP	0x80000000u

struct parser {
	struct policy *p;
	struct diags *d;
	struct names sources;
	struct names assets;
	struct names rules;
	struct names zones;
};

/* One key of a mapping. Values are read in the order of the table, not of the file. */
struct ykey {
	const char *name;
	void (*read)(struct parser *ps, const struct ynode *value, void *arg);
	bool required;
};

/* policy_parse_yaml.c */
struct ynode *yaml_load(const char *text, size_t len, struct arena *mem,
			struct diags *d);

/* policy_parse_node.c: checked reading of nodes; false or NULL = said so already */
const char *node_quote(struct parser *ps, const struct ynode *n);
bool node_is(const struct ynode *n, const char *word);
void node_wrong(struct parser *ps, const struct ynode *n, const char *expected);
void read_map(struct parser *ps, const struct ynode *map, const struct ykey *keys,
	      void *arg, const char *what);
bool want_scalar(struct parser *ps, const struct ynode *n, const char *expected);
bool want_map(struct parser *ps, const struct ynode *n, const char *expected);
bool read_name(struct parser *ps, const struct ynode *n, const char *what,
	       const char **out);
/*
 * Index of the word in a NULL-terminated list, or -1. Words of `later` (may be
 * NULL) belong to the language but not to this version.
 */
int read_word(struct parser *ps, const struct ynode *n, const char *const *words,
	      const char *const *later);
/* `on_deny`, of the policy or of a rule; `otherwise` where it is wrong. */
enum ks_on_deny read_on_deny_word(struct parser *ps, const struct ynode *n,
				  enum ks_on_deny otherwise);
/* policy_parse_rate.c */
void read_rate(struct parser *ps, const struct ynode *n, struct policy_rate *out);
void read_burst(struct parser *ps, const struct ynode *n, struct policy_rate *out);
bool text_number(const char *text, size_t len, uint32_t *out);
bool read_number(struct parser *ps, const struct ynode *n, uint32_t lo, uint32_t hi,
		 const char *what, uint32_t *out);
void read_spans(struct parser *ps, const struct ynode *n, uint32_t lo, uint32_t hi,
		const char *what, struct spans *out);
void read_prefixes(struct parser *ps, const struct ynode *n, struct prefixes *out);
bool text_prefix(struct parser *ps, const struct ynode *n, struct prefix *out);
void prefixes_add(struct parser *ps, struct prefixes *out, const struct prefix *p,
		  struct pos at);
/* A list's members, or the node itself as the only member. */
size_t node_count(const struct ynode *n);
const struct ynode *node_at(const struct ynode *n, size_t i);
/* node_count() of a selection: none for 'any'; an empty list gets a diagnostic. */
size_t count_wanted(struct parser *ps, const struct ynode *n, const char *expected);
/* Whether `n` is the name of a function group, and of which. */
bool node_group(const struct ynode *n, uint32_t *group);
/* The groups' names with room for `more` words and the end, for diag_nearest(). */
const char **group_words(struct arena *mem, size_t more);

/* policy_parse_assets.c */
void read_hosts(struct parser *ps, const struct ynode *n, void *arg);
void read_groups(struct parser *ps, const struct ynode *n, void *arg);
void read_assets(struct parser *ps, const struct ynode *n, void *arg);

/* The positioned error for a name that is none of those in the table. */
void name_unknown(struct parser *ps, const struct ynode *n, const struct names *t,
		  const char *expected);

/*
 * policy_parse_zones.c, policy_parse_hosts.c: segmentation. check_zones() looks at what
 * needs the whole policy.
 */
void read_host(struct parser *ps, const struct ynode *n, struct policy_host *h);
void read_zones(struct parser *ps, const struct ynode *n, void *arg);
void read_conduits(struct parser *ps, const struct ynode *n, void *arg);
void check_zones(struct parser *ps);

/* policy_parse_top.c: what is neither an asset nor a rule */
void ethertypes_default(struct policy *p);
void read_ethertypes(struct parser *ps, const struct ynode *n, void *arg);
void read_limits(struct parser *ps, const struct ynode *n, void *arg);

/*
 * policy_parse_route.c: `route` of a rule, arg is its struct cip_match; of an asset; and
 * of one request in the form of struct ks_route.text, NULL = said what is wrong with it.
 */
void match_route(struct parser *ps, const struct ynode *n, void *arg);
void read_own_routes(struct parser *ps, const struct ynode *n, struct policy_asset *as);
const char *read_request_route(struct parser *ps, const struct ynode *n);

/* policy_parse_rules.c, policy_parse_modbus.c, policy_parse_umas.c, policy_parse_cip.c,
 * policy_parse_pccc.c */
void read_rules(struct parser *ps, const struct ynode *n, void *arg);
struct modbus_match *read_modbus_match(struct parser *ps, const struct ynode *n);
struct modbus_match *read_umas_match(struct parser *ps, const struct ynode *n);
struct cip_match *read_cip_match(struct parser *ps, const struct ynode *n);
struct cip_match *read_pccc_match(struct parser *ps, const struct ynode *n);

/* One member of a rule's selection each; `group`: the name of a group is one too. */
bool read_function(struct parser *ps, const struct ynode *n, bool group,
		   struct function_sel *out);
bool read_address(struct parser *ps, const struct ynode *n, struct address_sel *out);
/* policy_parse_values.c: `values`, arg is the struct modbus_match; and without Modbus */
void match_values(struct parser *ps, const struct ynode *n, void *arg);
void check_values(struct parser *ps, const struct modbus_match *m);
void refuse_values(struct parser *ps, const struct ynode *map);
/* "-5", "0x10"; "2.5e3" */
bool text_integer(const char *text, size_t len, int64_t *out);
bool text_float(const char *text, size_t len, float *out);
bool read_umas_function(struct parser *ps, const struct ynode *n, bool group,
			struct function_sel *out);
/* Whether requests are judged as this UMAS function; false after a diagnostic. */
bool umas_is_judged(struct parser *ps, const struct ynode *n, uint32_t sub);
bool read_service(struct parser *ps, const struct ynode *n, bool group,
		  struct service_sel *out);
bool read_class(struct parser *ps, const struct ynode *n, uint32_t *out);
const char *read_tag(struct parser *ps, const struct ynode *n);
bool read_pccc_function(struct parser *ps, const struct ynode *n, bool group,
			struct service_sel *out);
bool read_pccc_file(struct parser *ps, const struct ynode *n, struct file_sel *out);

#endif
