// SPDX-License-Identifier: GPL-2.0-only
/*
 * `rate` and `burst` of a rule: how often it allows. Must not know what a rule selects.
 */
#include <string.h>

#include "policy_parse.h"

#define RATE_MAX	1000000u	/* a second: the clock has no finer steps worth the name */

static const char expected[] = "a number and a unit of time such as '10/s', '5/min' or '100/h'";

void read_rate(struct parser *ps, const struct ynode *n, struct policy_rate *out)
{
	static const struct { const char *unit; uint32_t seconds; } units[] = {
		{ "s", 1 }, { "min", 60 }, { "h", 3600 },
	};
	const char *slash = n->kind == Y_SCALAR ? memchr(n->text, '/', n->len) : NULL;
	size_t left = slash ? (size_t)(slash - n->text) : 0, right = slash ? n->len - left - 1 : 0;

	out->count = 0;
	for (size_t i = 0; slash && i < sizeof(units) / sizeof(units[0]); i++)
		if (right == strlen(units[i].unit) && !memcmp(slash + 1, units[i].unit, right))
			out->per = units[i].seconds;
	if (!out->per || !text_number(n->text, left, &out->count)) {
		out->count = 0;
		node_wrong(ps, n, expected);
		return;
	}
	if (out->count && out->count <= RATE_MAX)
		return;
	diag_error(ps->d, n->at, "'%s', expected a number of 1 to %u before the '/'; a rule with 'action: deny' lets none through",
		   node_quote(ps, n), RATE_MAX);
	out->count = 0;
}

void read_burst(struct parser *ps, const struct ynode *n, struct policy_rate *out)
{
	read_number(ps, n, 1, RATE_MAX, "a number of requests at once", &out->burst);
}
