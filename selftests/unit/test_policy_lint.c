// SPDX-License-Identifier: GPL-2.0-only
/*
 * Property test: what a lint says of random policies is true of random requests,
 * as the reference judges them. A rule that "never" decides decides none, and the
 * policy without it says the same; the rule that is named for it takes all that
 * the other alone would; an asset without a rule hears nothing allowed.
 */
#include "policy_random.h"
#include "test.h"

#define POLICIES	250
#define REQUESTS	300

/* Warnings of each kind that were looked at: a test of nothing proves nothing. */
static unsigned int nevers, covered, silent;

struct scene {
	struct text text;
	struct policy *p;
	struct request q[REQUESTS];
};

/* Random assets speak one protocol or both, and may have units. */
static void narrow_assets(struct policy *p)
{
	static struct span one_to_two = { .lo = 1, .hi = 2 };

	for (size_t a = 0; a < p->n_assets; a++) {
		struct policy_asset *as = &p->assets[a];
		uint32_t kind = any(4);

		as->modbus = kind != 1;
		as->enip = kind != 0;
		as->umas = any(2);
		if (any(3) == 0)
			as->units = (struct spans){ .v = &one_to_two, .n = 1 };
	}
}

/* What the asset would hear at all: its protocols, its units. */
static bool arrives(const struct policy *p, const struct request *q)
{
	uint32_t asset = ref_asset(p, &q->server);
	const struct policy_asset *as = &p->assets[asset ? asset - 1 : 0];

	if (!asset || (q->cip ? !as->enip : !as->modbus))
		return false;
	if (!q->cip && q->fc == 90 && !as->umas)
		return false;
	return q->cip || !as->units.n || ref_span(&as->units, q->unit);
}

static const struct policy_rule *rule_named(const struct policy *p, const char *text)
{
	char name[KS_NAME_MAX] = "";

	sscanf(text, "'%63[^']'", name);
	for (size_t i = 0; i < p->n_rules; i++)
		if (!strcmp(p->rules[i].name, name))
			return &p->rules[i];
	return NULL;
}

static struct policy only(const struct policy *p, struct policy_rule *room,
			  const struct policy_rule *a, const struct policy_rule *b)
{
	struct policy some = *p;

	some.rules = room;
	some.n_rules = 0;
	if (a)
		room[some.n_rules++] = *a;
	if (b)
		room[some.n_rules++] = *b;
	return some;
}

static struct policy without(const struct policy *p, struct policy_rule *room,
			     const struct policy_rule *r)
{
	struct policy rest = *p;

	rest.rules = room;
	rest.n_rules = 0;
	for (size_t i = 0; i < p->n_rules; i++)
		if (&p->rules[i] != r)
			room[rest.n_rules++] = p->rules[i];
	return rest;
}

static bool never_is_true(const struct scene *s, const struct policy_rule *r)
{
	struct policy_rule room[16];
	struct policy rest = without(s->p, room, r);
	uint32_t number = (uint32_t)(r - s->p->rules) + 1;

	nevers++;
	for (int i = 0; i < REQUESTS; i++) {
		struct answer with, lacking;

		if (!arrives(s->p, &s->q[i]))
			continue;
		with = ref_answer(s->p, &s->q[i]);
		lacking = ref_answer(&rest, &s->q[i]);
		if (!CHECK(with.rule != number && with.allow == lacking.allow))
			return false;
	}
	return true;
}

/* Of several elements another one may be refused, and by nobody's rule. */
static bool one_element(const struct request *q)
{
	if (q->cip)
		return !q->inner && (!q->has_file || q->elements == 1);
	return q->fc != 23 && (q->n == 1 || !ref_has_address(q->fc));
}

static bool cover_is_true(const struct scene *s, const struct policy_rule *r,
			  const struct policy_rule *by)
{
	struct policy_rule room[2], room2[2];
	struct policy alone = only(s->p, room, r, NULL), both = only(s->p, room2, by, r);

	covered++;
	for (int i = 0; i < REQUESTS; i++) {
		struct answer a = ref_answer(&alone, &s->q[i]), b = ref_answer(&both, &s->q[i]);
		bool taken = b.rule == 1 && b.allow == by->allow;

		if (!CHECK(b.rule != 2 && (a.rule != 1 || taken || !one_element(&s->q[i]))))
			return false;
	}
	return true;
}

static bool asset_is_silent(const struct scene *s, const char *text)
{
	char name[KS_NAME_MAX] = "";

	silent++;
	sscanf(text, "'%63[^']'", name);
	for (int i = 0; i < REQUESTS; i++) {
		struct answer a = ref_answer(s->p, &s->q[i]);

		if (a.known && arrives(s->p, &s->q[i]) &&
		    !strcmp(s->p->assets[a.asset - 1].name, name) && !CHECK(!a.allow))
			return false;
	}
	return true;
}

static bool said_is_true(const struct scene *s, const char *message)
{
	const struct policy_rule *r = !strncmp(message, "rule ", 5) ?
				      rule_named(s->p, message + 5) : NULL;
	const char *by = strstr(message, "shadowed by rule ");

	by = by ? by : strstr(message, "contradicts rule ");
	if (strstr(message, "has no rule that it could hear"))
		return asset_is_silent(s, message + strlen("asset "));
	if (!strstr(message, "is never reached") && !strstr(message, "can never match"))
		return true;
	if (!CHECK(r != NULL) || !never_is_true(s, r))
		return false;
	/* 17: as long as both words with their space */
	return !by || cover_is_true(s, r, rule_named(s->p, by + 17));
}

static bool lints_are_true(struct scene *s)
{
	struct compiled_policy *c = NULL;
	bool good = true;
	struct diags d;

	write_policy(&s->text);
	diags_init(&d, "random");
	s->p = policy_parse_text(s->text.buf, s->text.n, &d);
	if (CHECK(s->p != NULL)) {
		narrow_assets(s->p);
		c = policy_compile(s->p, &d);
	}
	if (CHECK(c != NULL)) {
		policy_lint(s->p, c, &d);
		for (int i = 0; i < REQUESTS; i++)
			random_request(&s->q[i]);
	}
	for (size_t i = 0; c && good && i < d.n; i++) {
		good = said_is_true(s, d.v[i].message);
		if (!good)
			printf("%s%s\n", s->text.buf, d.v[i].message);
	}
	compiled_policy_free(c);
	policy_free(s->p);
	diags_free(&d);
	return c && good;
}

static void run_seed(uint64_t start)
{
	static struct scene s;

	seed = start ? start : 1;
	nevers = covered = silent = 0;
	for (int i = 0; i < POLICIES; i++)
		if (!lints_are_true(&s))
			return;
	CHECK(nevers > 100 && covered > 30 && silent > 3);
	printf("# %u rules that never decide, %u of them by one rule, %u assets without\n",
	       nevers, covered, silent);
}

TEST(policy_lints_are_true_fixed_seed)
{
	run_seed(20261127);
}

TEST(policy_lints_are_true_random_seed)
{
	run_seed(random_start());
}

int main(void)
{
	return test_run_all();
}
