// SPDX-License-Identifier: GPL-2.0-only
/*
 * Routes as a rule's `cip` and an asset's `enip` name them, brought into the form of
 * struct ks_route. Must not know which rule takes which route.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "policy_parse.h"

#define ROUTE_FORM	"port/address of each hop, as in '1/0', '2/10.99.0.2' or '1/3,2/10.99.0.2'"

static const char of_asset[] = ROUTE_FORM;
static const char of_request[] = "'direct' or " ROUTE_FORM;
static const char of_rule[] = "'direct', 'any' or " ROUTE_FORM;

/* What devices take for a name and for nothing else: see bpf/route.h. */
static bool is_address_name(const char *text, size_t len)
{
	bool named = false;

	for (size_t i = 0; i < len; i++) {
		if (!isalnum((unsigned char)text[i]) && !memchr(".:-_", text[i], 4))
			return false;
		named |= !isdigit((unsigned char)text[i]);
	}
	return named && len >= 2;
}

/* One hop at the end of out; false if it is none. */
static bool add_hop(char *out, const char *text, size_t len)
{
	const char *slash = memchr(text, '/', len);
	char *at = out + strlen(out);
	uint32_t port, link;
	size_t n;

	if (!slash || !text_number(text, (size_t)(slash - text), &port) || !port || port > 0xffff)
		return false;
	at += sprintf(at, "%s%u/", *out ? "," : "", port);
	n = len - (size_t)(slash + 1 - text);
	if (text_number(slash + 1, n, &link)) {
		sprintf(at, "%u", link);
		return link <= 0xff;
	}
	for (size_t i = 0; i < n; i++)
		at[i] = (char)tolower((unsigned char)slash[1 + i]);
	return is_address_name(slash + 1, n);
}

/* The scalar in the form of struct ks_route.text; NULL: said what is wrong with it. */
static const char *read_route(struct parser *ps, const struct ynode *n, const char *expected)
{
	const char *at = n->text, *end = n->text + n->len, *next;
	/* no number is longer in decimal than as it is written */
	char *out = arena_alloc(&ps->p->mem, n->len + 1);
	size_t hops = 0;

	for (;; at = next + 1) {
		next = memchr(at, ',', (size_t)(end - at));
		hops++;
		if (!add_hop(out, at, (size_t)((next ? next : end) - at))) {
			node_wrong(ps, n, expected);
			return NULL;
		}
		if (!next)
			break;
	}
	if (hops > KS_ROUTE_HOPS)
		diag_error(ps->d, n->at, "'%s' has %zu hops, expected at most %d",
			   node_quote(ps, n), hops, KS_ROUTE_HOPS);
	else if (strlen(out) > KS_ROUTE_MAX)
		diag_error(ps->d, n->at, "'%s' is %zu characters long, expected at most %d",
			   node_quote(ps, n), strlen(out), KS_ROUTE_MAX);
	else
		return out;
	return NULL;
}

const char *read_request_route(struct parser *ps, const struct ynode *n)
{
	if (!want_scalar(ps, n, of_request))
		return NULL;
	return node_is(n, "direct") ? "" : read_route(ps, n, of_request);
}

static void add_route(struct parser *ps, struct routes *r, const struct ynode *n, bool rule)
{
	const char *expected = rule ? of_rule : of_asset, *text;

	if (!want_scalar(ps, n, expected))
		return;
	if (rule && node_is(n, "direct")) {
		r->direct = true;
		return;
	}
	text = read_route(ps, n, expected);
	if (!text)
		return;
	r->v = arena_grow(&ps->p->mem, r->v, r->n, sizeof(*r->v));
	r->at = arena_grow(&ps->p->mem, r->at, r->n, sizeof(*r->at));
	r->at[r->n] = n->at;
	r->v[r->n++] = text;
}

static void read_routes(struct parser *ps, const struct ynode *n, struct routes *out, bool rule)
{
	out->given = true;
	if (rule && node_is(n, "any")) {
		out->any = true;
		return;
	}
	if (n->kind == Y_LIST && !n->n)
		diag_error(ps->d, n->at, "empty list, expected %s", rule ? of_rule : of_asset);
	for (size_t i = 0; i < node_count(n); i++) {
		const struct ynode *m = node_at(n, i);

		if (rule && node_is(m, "any"))
			diag_error(ps->d, m->at, "'any' in a list, expected 'route: any'");
		else
			add_route(ps, out, m, rule);
	}
}

void match_route(struct parser *ps, const struct ynode *n, void *arg)
{
	read_routes(ps, n, &((struct cip_match *)arg)->routes, true);
}

void read_own_routes(struct parser *ps, const struct ynode *n, struct policy_asset *as)
{
	read_routes(ps, n, &as->routes, false);
}
