// SPDX-License-Identifier: GPL-2.0-only
/*
 * Differences: over pairs of random policies a request's verdict changes exactly if the
 * comparison lists it, in that direction and by that rule; texts that mean the same
 * have none.
 */
#include "../../user/names.h"
#include "../../user/policy_diff.h"
#include "../../user/policy_explain.h"
#include "policy_asked.h"
#include "test.h"

#define PAIRS		50
#define REQUESTS	300
#define CHANGED_MIN	10	/* percent of the requests */
#define SAME_MIN	30

struct loaded {
	struct policy *p;
	struct compiled_policy *c;
	struct diags d;
};

struct shares {
	unsigned int asked, changed, with_values, listed_kind[DIFF_INNER + 1];
};

static bool load(struct loaded *l, const char *text, size_t n)
{
	diags_init(&l->d, "text");
	l->c = NULL;
	l->p = policy_parse_text(text, n, &l->d);
	if (l->p)
		l->c = policy_compile(l->p, &l->d);
	if (!CHECK(l->c))
		diags_print(&l->d, stdout, true);
	return l->c;
}

static void unload(struct loaded *l)
{
	compiled_policy_free(l->c);
	policy_free(l->p);
	diags_free(&l->d);
}

static void compare(struct policy_diff *d, const struct loaded *was, const struct loaded *now)
{
	const struct diff_side a = { "old", was->p, was->c }, b = { "new", now->p, now->c };

	policy_diff(d, &a, &b);
}

/* ---- is it listed ---- */

static const struct diff_region *region_of(const struct policy_diff *d, const struct prefix *a)
{
	const struct diff_region *best = NULL;

	for (size_t i = 0; i < d->n_regions; i++)
		if (prefix_contains(&d->regions[i].prefix, a) &&
		    (!best || d->regions[i].prefix.len > best->prefix.len))
			best = &d->regions[i];
	return best;
}

static bool set_has(const struct policy_diff *d, uint32_t set, uint32_t v)
{
	uint32_t n, *all = pool_get(&d->sets, set, &n);

	for (uint32_t i = 0; i < n; i++)
		if (all[i] == v)
			return true;
	return false;
}

static bool spans_have(const struct policy_diff *d, uint32_t set, uint32_t v)
{
	uint32_t n, *all = pool_get(&d->sets, set, &n);

	for (uint32_t i = 0; i < n; i += 2)
		if (v >= all[i] && v <= all[i + 1])
			return true;
	return false;
}

static bool boxes_have(const struct policy_diff *d, uint32_t boxes, uint32_t v, uint32_t attr)
{
	struct diff_box *b;
	uint32_t n;

	b = pool_get(&d->boxes, boxes, &n);
	for (uint32_t i = 0; i < n; i++)
		if (v >= b[i].lo && v <= b[i].hi && attr >= b[i].attr_lo && attr <= b[i].attr_hi)
			return true;
	return false;
}

static uint32_t route_number(const struct policy_diff *d, const char *route)
{
	for (size_t i = 0; i < d->n_routes; i++)
		if (!strcmp(d->routes[i], route))
			return KS_ROUTE_NAMED + (uint32_t)i;
	return *route ? KS_ROUTE_OTHER : KS_ROUTE_DIRECT;
}

static uint32_t class_number(const struct policy_diff *d, uint32_t class)
{
	for (uint32_t i = 1; i < d->n_classes; i++)
		if (d->classes[i] == class)
			return i;
	return 0;
}

static uint32_t instance_of(const struct policy_diff *d, const struct policy_request *q,
			    uint32_t element)
{
	if (q->key_class == KS_CLASS_TAG) {
		for (uint32_t i = 0; i < d->n_tags; i++)
			if (!strcmp(d->tags[i], q->tag))
				return i + 1;
		return 0;
	}
	if (!ref_pccc(q->key_class))
		return q->instance;
	return q->has_file ? KS_PCCC_ELEMENT(q->type, q->file, element) : KS_NO_VALUE;
}

/* The least and the largest number written to the element, as a set of values takes it. */
static bool written_bits(const struct policy_request *q, uint32_t fc, uint32_t element,
			 uint32_t code, uint32_t bits[2])
{
	const uint32_t lo = q->function == 23 ? q->written.lo : q->own.lo;
	const uint32_t hi = q->function == 23 ? q->written.hi : q->own.hi;
	uint32_t start = element - ((element ^ code >> 16) & 1);
	const uint16_t *v = q->values;

	if (fc == 22) {
		bits[0] = v[1] & ~v[0] & 0xffff;
		bits[1] = bits[0] | v[0];
		return !(code >> 8 & 0xff);
	}
	bits[0] = bits[1] = v[element - lo];
	if (!(code >> 8 & 0xff))
		return true;
	if (start < lo || start >= hi)
		return false;
	bits[0] = bits[1] = (code >> 8 & 0xff) == KS_VF_HIGH_FIRST ?
			    (uint32_t)v[start - lo] << 16 | v[start + 1 - lo] :
			    (uint32_t)v[start + 1 - lo] << 16 | v[start - lo];
	return true;
}

static bool is_unlike(const struct policy_diff *d, const struct diff_item *i)
{
	return i->values &&
	       *(uint32_t *)pool_get(&d->sets, i->values - 1, NULL) & DIFF_VALUES_UNLIKE;
}

static bool values_have(const struct policy_diff *d, const struct diff_item *i,
			const struct policy_request *q, uint32_t fc, uint32_t element)
{
	uint32_t n, bits[2], *v;
	bool known;

	if (!i->values || (q->n_values && is_unlike(d, i)))
		return true;
	if (!q->n_values || fc == 3)
		return false; /* of FC 23 that is what it reads */
	v = pool_get(&d->sets, i->values - 1, &n);
	known = written_bits(q, fc, element, *v, bits);
	if (*v & DIFF_VALUES_UNKNOWN)
		return !known;
	for (uint32_t k = 1; known && k < n; k += 2)
		if (bits[1] >= v[k] && bits[0] <= v[k + 1])
			return true;
	return false;
}

static bool item_has(const struct policy_diff *d, const struct diff_item *i,
		     const struct policy_request *q, uint32_t fc, uint32_t element)
{
	uint32_t cell;

	if (!values_have(d, i, q, fc, element))
		return false;
	if (i->kind == DIFF_MODBUS)
		return q->proto == KS_MODBUS && set_has(d, i->units, q->unit) &&
		       set_has(d, i->functions, fc) && spans_have(d, i->spans, element);
	cell = DIFF_CELL(class_number(d, q->key_class), q->service);
	if (q->proto == KS_MODBUS || !set_has(d, i->cells, cell) ||
	    !set_has(d, i->routes, route_number(d, q->route)) ||
	    !boxes_have(d, i->boxes, instance_of(d, q, element), q->attribute))
		return false;
	return i->kind != DIFF_INNER ||
	       (set_has(d, i->functions, q->function) && spans_have(d, i->spans, element));
}

/* Which changes are looked for: of verdicts, or of what alert rules mark. */
static bool look_for_alerts;

/* The one item that lists an element. */
static const struct diff_item *listed(const struct policy_diff *d, const struct policy_request *q,
				      uint32_t fc, uint32_t element)
{
	uint32_t client = region_of(d, &q->client)->client;
	uint32_t server = region_of(d, &q->server)->server;
	const struct diff_item *found = NULL, *item;

	for (size_t g = 0; g < d->n_groups; g++) {
		if (!set_has(d, d->groups[g].clients, client) ||
		    !set_has(d, d->groups[g].servers, server))
			continue;
		item = pool_get(&d->items, d->groups[g].item, NULL);
		if (item->change.alert != look_for_alerts || !item_has(d, item, q, fc, element))
			continue;
		CHECK(!found || is_unlike(d, item) || fc == 22);
		found = item;
	}
	return found;
}

/* ---- requests ---- */

/* Requests that are judged as themselves, with the Modbus in them that their service means. */
static bool possible(struct request *q)
{
	static const uint8_t codes[] = { 2, 1, 4, 3, 15, 16 };
	static const uint8_t passed[] = { 1, 2, 3, 4, 5, 6, 15, 16, 22 };
	uint32_t code = (q->class & 31) / 2 * 256 + (q->class & 1) * 128 + q->service;

	if (q->client.family != q->server.family)
		return false;
	if (!q->cip)
		return true;
	q->inner = q->class == 0x44 && q->service >= 0x4b && q->service <= 0x51;
	if (q->inner) {
		q->fc = q->service < 0x51 ? codes[q->service - 0x4b] : PICK(passed);
		random_values(q); /* what that function can write: of a coil 0 or 1 */
	}
	if (ref_pccc(q->class))
		return code != 0xf88 && (code >> 8 == 6 || code >> 8 == 7 || code >> 8 == 15 ||
					 !(code & 255));
	return !(q->class == KS_CLASS_IO && q->service > 2) &&
	       !(q->class == KS_CLASS_DATA && q->service) &&
	       !(q->class == KS_CLASS_ENCAP && (q->service == 0x6f || q->service == 0x70)) &&
	       !(q->class == 0x67 && q->service == 0x4b);
}

static uint32_t why_of(const struct explanation *x)
{
	switch (x->reason) {
	case KS_R_spoofed:
		return DIFF_SPOOFED;
	case KS_R_zone_unknown:
		return DIFF_OUTSIDE;
	case KS_R_unlisted:
		return DIFF_UNLISTED;
	case KS_R_unlisted_allowed:
		return DIFF_LISTED;
	case KS_R_function_opaque:
		return DIFF_OPAQUE;
	case KS_R_unit_unlisted:
		return DIFF_UNIT;
	default:
		return x->run->rule;
	}
}

static const struct diff_item *listed_span(const struct policy_diff *d,
					   const struct policy_request *q, uint32_t fc,
					   struct elements of)
{
	const struct diff_item *found = NULL;

	for (uint32_t e = of.lo; !found && e <= of.hi; e++)
		found = listed(d, q, fc, e);
	return found;
}

static const struct diff_item *listed_request(const struct policy_diff *d,
					      const struct policy_request *q)
{
	const struct diff_item *found;

	if (q->function != 23)
		return listed_span(d, q, q->function, q->own);
	found = listed_span(d, q, 16, q->written);
	return found ? found : listed_span(d, q, 3, q->own);
}

static bool right_change(const struct diff_item *i, const struct explanation *was,
			 const struct explanation *now)
{
	return i->change.allow == (uint32_t)reason_passes(now->reason) &&
	       i->change.now == why_of(now) &&
	       i->change.was == (i->change.allow ? 0 : why_of(was));
}

/* A request of one element whose mark changes is listed, and no other is. */
static bool right_alert(const struct policy_diff *d, const struct policy_request *q,
			const struct explanation *a, const struct explanation *b)
{
	const struct diff_item *item;
	bool changed = !!a->alert != !!b->alert;

	look_for_alerts = true;
	item = listed_request(d, q);
	look_for_alerts = false;
	if (item && is_unlike(d, item))
		return true;
	return CHECK(changed == !!item) &&
	       CHECK(!item || (item->change.allow == !!b->alert && item->change.now == b->alert &&
			       item->change.was == (b->alert ? 0 : a->alert)));
}

static bool one_request(const struct policy_diff *d, const struct policy *was,
			const struct policy *now, const struct request *q, struct shares *s)
{
	char tag[KS_TAG_MAX + 1];
	struct policy_request asked = convert(q, tag);
	const struct diff_item *item = listed_request(d, &asked);
	bool single = asked.function != 23 && asked.function != 22 &&
		      asked.own.lo == asked.own.hi, changed, ok;
	struct explanation a, b;

	policy_explain(was, &asked, &a);
	policy_explain(now, &asked, &b);
	changed = reason_passes(a.reason) != reason_passes(b.reason);
	if (!a.asset && !b.asset && a.reason != KS_R_spoofed && b.reason != KS_R_spoofed) {
		ok = CHECK(changed == (was->unlisted != now->unlisted)) && CHECK(!item);
	} else if (a.asset || b.asset) {
		bool unlike = item && is_unlike(d, item);

		ok = CHECK(!changed || item) && CHECK(!single || unlike || changed == !!item) &&
		     CHECK(!single || unlike || !item || right_change(item, &a, &b)) &&
		     (!single || right_alert(d, &asked, &a, &b));
		s->with_values += changed && item && item->values && !unlike;
		s->asked++;
		s->changed += changed;
		if (changed && item)
			s->listed_kind[item->kind]++;
	} else {
		ok = CHECK(!item);
	}
	if (!ok)
		printf("  unit %u fc %u sub %u at %u+%u; cip %d class %#x service %#x instance %u attribute %u tag %s route '%s' file %d %u %u:%u+%u\n  was %d rule %u, now %d rule %u, listed %d (%u %u %u)\n",
		       q->unit, q->fc, q->sub, q->lo, q->n, q->cip, q->class, q->service,
		       q->instance, q->attribute, q->tag, q->route, asked.has_file, asked.type,
		       q->file, q->element, q->elements, a.reason, a.run ? a.run->rule : 0,
		       b.reason, b.run ? b.run->rule : 0, item != NULL,
		       item ? item->change.allow : 0, item ? item->change.was : 0,
		       item ? item->change.now : 0);
	explanation_free(&a);
	explanation_free(&b);
	return ok;
}

/* ---- pairs of policies ---- */

/* The text with one rule gone, turned round, or moved to the front. */
static void edit_policy(struct text *out, const struct text *in)
{
	const char *first = strstr(in->buf, "  - name:"), *rule = first, *end;
	uint32_t count = 0, way = any(3);
	char *deny;

	for (const char *at = first; at; at = strstr(at + 1, "  - name:"))
		count++;
	*out = *in;
	if (count < 2)
		return;
	for (uint32_t i = any(count); i; i--)
		rule = strstr(rule + 1, "  - name:");
	end = strstr(rule + 1, "  - name:");
	end = end ? end : in->buf + in->n;
	out->n = 0;
	put(out, "%.*s", (int)(first - in->buf), in->buf);
	if (way == 0)
		put(out, "%.*s", (int)(end - rule), rule);
	put(out, "%.*s", (int)(rule - first), first);
	if (way == 1)
		put(out, "%.*s", (int)(end - rule), rule);
	put(out, "%s", end);
	deny = way == 1 ? strstr(out->buf + (rule - in->buf), "action: allow") : NULL;
	if (deny && strncmp(deny + 13, "\n    rate", 9)) /* a rule that denies has none */
		memcpy(deny, "action: deny ", 13);
}

static bool one_pair(const struct loaded *was, const struct loaded *now, struct shares *s)
{
	struct policy_diff d;
	bool good = true;

	compare(&d, was, now);
	for (int i = 0; i < REQUESTS && good; i++) {
		struct request q;

		border_request(any(2) ? was->p : now->p, &q);
		if (any(2))
			q.n = q.elements = 1;
		q.n = q.n > 40 ? 40 : q.n;
		q.elements = q.elements > 40 ? 40 : q.elements;
		if (possible(&q))
			good = one_request(&d, was->p, now->p, &q, s);
	}
	policy_diff_free(&d);
	return good;
}

static struct shares run_seed(uint64_t start)
{
	static struct text a, b;
	struct shares s = { 0 };
	bool good = true;

	seed = start ? start : 1;
	for (int i = 0; i < PAIRS && good; i++) {
		struct loaded was, now;

		write_policy(&a);
		if (any(3))
			write_policy(&b);
		else
			edit_policy(&b, &a);
		good = load(&was, a.buf, a.n);
		good &= load(&now, b.buf, b.n);
		if (good && !one_pair(&was, &now, &s)) {
			printf("%s--- and ---\n%s", a.buf, b.buf);
			good = false;
		}
		unload(&was);
		unload(&now);
	}
	printf("# %u requests: %u %% changed; listed as Modbus %u, CIP %u, tags %u, PCCC files %u, Modbus in CIP %u\n",
	       s.asked, s.asked ? 100 * s.changed / s.asked : 0, s.listed_kind[DIFF_MODBUS],
	       s.listed_kind[DIFF_CIP], s.listed_kind[DIFF_TAG], s.listed_kind[DIFF_PCCC],
	       s.listed_kind[DIFF_INNER]);
	CHECK(100 * s.changed >= CHANGED_MIN * s.asked);
	CHECK(100 * (s.asked - s.changed) >= SAME_MIN * s.asked);
	return s;
}

TEST(diff_lists_what_changes_fixed_seed)
{
	struct shares s = run_seed(20261127);

	CHECK_AT(s.with_values > 3, s.with_values);
	for (int k = 0; k <= DIFF_INNER; k++)
		CHECK_AT(s.listed_kind[k] > 0, k);
}

TEST(diff_lists_what_changes_random_seed)
{
	run_seed(random_start());
}

int main(void)
{
	return test_run_all();
}
