/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A policy from its text, read and compiled, with what was said about it.
 */
#ifndef KEYSWITCH_POLICY_BUILT_H
#define KEYSWITCH_POLICY_BUILT_H

#include "../../user/policy.h"
#include "test.h"

struct built {
	struct diags d;
	struct policy *p;
	struct compiled_policy *c;	/* NULL: it is in error, and the test has failed */
};

static inline bool build(struct built *b, const char *text, size_t n)
{
	diags_init(&b->d, "test");
	b->p = policy_parse_text(text, n, &b->d);
	b->c = b->p ? policy_compile(b->p, &b->d) : NULL;
	if (CHECK(b->c != NULL))
		return true;
	diags_print(&b->d, stdout, true);
	printf("%.*s", (int)n, text);
	return false;
}

static inline void built_free(struct built *b)
{
	compiled_policy_free(b->c);
	policy_free(b->p);
	diags_free(&b->d);
}

#endif
