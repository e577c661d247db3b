// SPDX-License-Identifier: GPL-2.0-only
/*
 * What stands under a rule's `cip`: services, classes, instances, attributes,
 * tags, routes. Names come from bpf/groups.h alone.
 */
#include <ctype.h>
#include <string.h>

#include "policy_match.h"
#include "policy_parse.h"

#define SERVICE_FORM	"a service name, or a code of 0 to 0x7f"

static const char services_expected[] = "a group, " SERVICE_FORM;
static const char classes_expected[] =
	"a class name or a number of 0 to 0xffff";

/* ---- services ---- */

static const char *const *service_words(struct arena *mem)
{
	const struct ks_cip_row *rows;
	const char **words;
	unsigned int n;

	rows = ks_cip_rows(&n);
	words = group_words(mem, n);
	for (unsigned int i = 0; i < n; i++)
		words[KS_GROUPS + i] = rows[i].name;
	return words;
}

/* A name with a row for every class is its code; others hold on their classes only. */
static bool service_by_name(const struct ynode *n, struct service_sel *out)
{
	const struct ks_cip_row *rows;
	unsigned int count;
	bool found = false;

	rows = ks_cip_rows(&count);
	for (unsigned int i = 0; i < count; i++) {
		if (!node_is(n, rows[i].name))
			continue;
		if (rows[i].class == KS_ANY) {
			out->kind = SV_CODE;
			out->code = rows[i].service;
			return true;
		}
		out->kind = SV_NAMED;
		out->code = i;
		found = true;
	}
	return found;
}

bool read_service(struct parser *ps, const struct ynode *n, bool group,
		  struct service_sel *out)
{
	const char *expected = group ? services_expected : SERVICE_FORM, *near;

	*out = (struct service_sel){ .kind = SV_CODE, .at = n->at };
	if (!want_scalar(ps, n, expected))
		return false;
	if (group && node_group(n, &out->code)) {
		out->kind = SV_GROUP;
		return true;
	}
	if (text_number(n->text, n->len, &out->code)) {
		if (out->code < CIP_SERVICES)
			return true;
		node_wrong(ps, n, expected);
		return false;
	}
	if (service_by_name(n, out))
		return true;
	near = diag_nearest(n->text, n->len, service_words(&ps->d->mem) + (group ? 0 : KS_GROUPS));
	diag_error(ps->d, n->at, "unknown service '%s', expected %s%s%s%s", node_quote(ps, n),
		   expected, near ? "; did you mean '" : "", near ? near : "",
		   near ? "'?" : "");
	return false;
}

static void add_service(struct parser *ps, struct cip_match *m, const struct ynode *n)
{
	struct service_sel s;

	if (!read_service(ps, n, true, &s))
		return;
	m->services = arena_grow(&ps->p->mem, m->services, m->n_services,
				 sizeof(*m->services));
	m->services[m->n_services++] = s;
}

static void match_services(struct parser *ps, const struct ynode *n, void *arg)
{
	for (size_t i = 0, count = count_wanted(ps, n, services_expected); i < count; i++)
		add_service(ps, arg, node_at(n, i));
}

/* ---- classes ---- */

static const char *const *class_words(struct arena *mem)
{
	const struct ks_class_row *rows;
	const char **words;
	unsigned int n;

	rows = ks_class_rows(&n);
	words = arena_alloc(mem, (n + 1) * sizeof(*words));
	for (unsigned int i = 0; i < n; i++)
		words[i] = rows[i].name;
	return words;
}

static bool class_by_name(const struct ynode *n, uint32_t *out)
{
	const struct ks_class_row *rows;
	unsigned int count;

	rows = ks_class_rows(&count);
	for (unsigned int i = 0; i < count; i++)
		if (node_is(n, rows[i].name)) {
			*out = rows[i].class;
			return true;
		}
	return false;
}

bool read_class(struct parser *ps, const struct ynode *n, uint32_t *out)
{
	const char *near;

	if (!want_scalar(ps, n, classes_expected))
		return false;
	if (text_number(n->text, n->len, out)) {
		if (*out <= 0xffff)
			return true;
		node_wrong(ps, n, classes_expected);
		return false;
	}
	if (class_by_name(n, out))
		return true;
	near = diag_nearest(n->text, n->len, class_words(&ps->d->mem));
	diag_error(ps->d, n->at, "unknown class '%s', expected %s%s%s%s", node_quote(ps, n),
		   classes_expected, near ? "; did you mean '" : "", near ? near : "",
		   near ? "'?" : "");
	return false;
}

static void add_class(struct parser *ps, struct cip_match *m, const struct ynode *n)
{
	struct span s = { .at = n->at };

	if (!read_class(ps, n, &s.lo))
		return;
	s.hi = s.lo;
	m->classes.v = arena_grow(&ps->p->mem, m->classes.v, m->classes.n,
				  sizeof(*m->classes.v));
	m->classes.v[m->classes.n++] = s;
}

static void match_classes(struct parser *ps, const struct ynode *n, void *arg)
{
	for (size_t i = 0, count = count_wanted(ps, n, classes_expected); i < count; i++)
		add_class(ps, arg, node_at(n, i));
}

/* ---- instances, attributes ---- */

static void match_instances(struct parser *ps, const struct ynode *n, void *arg)
{
	read_spans(ps, n, 0, KS_NO_VALUE - 1, "an instance",
		   &((struct cip_match *)arg)->instances);
}

static void match_attributes(struct parser *ps, const struct ynode *n, void *arg)
{
	read_spans(ps, n, 0, KS_NO_VALUE - 1, "an attribute",
		   &((struct cip_match *)arg)->attributes);
}

/* ---- tags ---- */

/* Lower case, and several array indices as the wire has them: [1,2] is [1][2]. */
static char *canonical_tag(struct arena *mem, const struct ynode *n, size_t *len)
{
	char *tag = arena_alloc(mem, 2 * n->len + 1);
	bool index = false;

	*len = 0;
	for (size_t i = 0; i < n->len; i++) {
		unsigned char c = (unsigned char)n->text[i];

		if (c <= 0x20 || c >= 0x7f)
			return NULL;
		index = c == '[' || (index && c != ']');
		if (index && c == ',') {
			tag[(*len)++] = ']';
			c = '[';
		}
		tag[(*len)++] = (char)tolower(c);
	}
	return tag;
}

const char *read_tag(struct parser *ps, const struct ynode *n)
{
	static const char expected[] = "the path of a tag in printable ASCII";
	size_t len;
	char *tag;

	if (!want_scalar(ps, n, expected))
		return NULL;
	tag = canonical_tag(&ps->p->mem, n, &len);
	if (!tag || !len) {
		node_wrong(ps, n, expected);
		return NULL;
	}
	if (memchr(tag, '*', len)) {
		diag_error(ps->d, n->at, "'%s' holds a '*', expected whole names: a rule names each tag, member and element",
			   node_quote(ps, n));
		return NULL;
	}
	if (len <= KS_TAG_MAX)
		return tag;
	diag_error(ps->d, n->at, "'%s' is %zu characters long, expected at most %d",
		   node_quote(ps, n), len, KS_TAG_MAX);
	return NULL;
}

static void add_tag(struct parser *ps, struct cip_match *m, const struct ynode *n)
{
	const char *tag = read_tag(ps, n);

	if (!tag)
		return;
	m->tags = arena_grow(&ps->p->mem, m->tags, m->n_tags, sizeof(*m->tags));
	m->tags_at = arena_grow(&ps->p->mem, m->tags_at, m->n_tags,
				sizeof(*m->tags_at));
	m->tags_at[m->n_tags] = n->at;
	m->tags[m->n_tags++] = tag;
}

static void match_tags(struct parser *ps, const struct ynode *n, void *arg)
{
	if (n->kind == Y_LIST && !n->n)
		diag_error(ps->d, n->at, "empty list, expected the path of a tag");
	for (size_t i = 0; i < node_count(n); i++)
		add_tag(ps, arg, node_at(n, i));
}

static const struct ykey cip_keys[] = {
	{ "services", match_services, false },
	{ "classes", match_classes, false },
	{ "instances", match_instances, false },
	{ "attributes", match_attributes, false },
	{ "tags", match_tags, false },
	{ "route", match_route, false },
	{ NULL, NULL, false },
};

/* A symbolic path has no class and no instance that a rule could name as well. */
static void check_tags(struct parser *ps, const struct cip_match *m)
{
	if (!m->n_tags)
		return;
	for (size_t i = 0; i < m->classes.n; i++)
		if (m->classes.v[i].lo != KS_CLASS_TAG)
			diag_error(ps->d, m->classes.v[i].at,
				   "class '0x%02x' beside 'tags', expected none: a symbolic path has no class",
				   m->classes.v[i].lo);
	if (m->instances.n)
		diag_error(ps->d, m->instances.v[0].at,
			   "instance '%u' beside 'tags', expected none: a symbolic path has no instance",
			   m->instances.v[0].lo);
}

struct cip_match *read_cip_match(struct parser *ps, const struct ynode *n)
{
	struct cip_match *m = arena_alloc(&ps->p->mem, sizeof(*m));

	if (!want_map(ps, n, "a mapping, '{}' for every CIP request"))
		return m;
	refuse_values(ps, n);
	read_map(ps, n, cip_keys, m, "cip");
	check_tags(ps, m);
	return m;
}
