// SPDX-License-Identifier: GPL-2.0-only
/*
 * From stretches in order of precedence to one decision: a sweep over their
 * borders with a heap of those that are open, first rule on top.
 */
#include <stdlib.h>
#include <string.h>

#include "policy_compile.h"

void *scratch(struct compiler *k, struct scratch *s, size_t bytes)
{
	if (s->room < bytes) {
		s->room = 2 * bytes;
		s->p = arena_alloc(&k->tmp, s->room);
	}
	return s->p;
}

struct stretch *stretch_add(struct compiler *k, struct stretches *s, uint32_t lo, uint32_t hi,
			    struct ks_decision d)
{
	s->v = make_room(&k->tmp, s->v, &s->cap, s->n, sizeof(*s->v));
	s->v[s->n] = (struct stretch){ lo, hi, d, NULL };
	return &s->v[s->n++];
}

void stretch_add_rule(struct compiler *k, struct stretches *s, uint32_t lo, uint32_t hi,
		      uint32_t rule)
{
	const struct policy_rule *r = &k->p->rules[rule];

	stretch_add(k, s, lo, hi, rule_decision(k, rule))->values =
		r->modbus ? r->modbus->values : NULL;
}

struct sweep {
	struct compiler *k;
	const struct stretches *s;
	uint32_t *by_lo;	/* stretch numbers sorted by where they begin */
	uint32_t *heap;		/* stretch numbers, smallest (first rule) on top */
	size_t n_heap;
	struct ks_range *out;
	size_t n_out;
	struct numbers by;	/* stretches that decide together */
};

static int compare_lo(const void *pa, const void *pb)
{
	uint64_t a = *(const uint64_t *)pa, b = *(const uint64_t *)pb;

	return a < b ? -1 : a > b;
}

/* Stretch numbers by lo, in the upper half of a 64-bit sort key. */
static void sort_by_lo(struct sweep *w)
{
	uint64_t *keys = scratch(w->k, &w->k->sort_room[w->k->depth], w->s->n * sizeof(*keys));

	for (size_t i = 0; i < w->s->n; i++)
		keys[i] = (uint64_t)w->s->v[i].lo << 32 | i;
	qsort(keys, w->s->n, sizeof(*keys), compare_lo);
	for (size_t i = 0; i < w->s->n; i++)
		w->by_lo[i] = (uint32_t)keys[i];
}

static void heap_push(struct sweep *w, uint32_t v)
{
	size_t i = w->n_heap++;

	for (; i && w->heap[(i - 1) / 2] > v; i = (i - 1) / 2)
		w->heap[i] = w->heap[(i - 1) / 2];
	w->heap[i] = v;
}

static void heap_pop(struct sweep *w)
{
	uint32_t v = w->heap[--w->n_heap];
	size_t i = 0, child;

	while ((child = 2 * i + 1) < w->n_heap) {
		if (child + 1 < w->n_heap && w->heap[child + 1] < w->heap[child])
			child++;
		if (w->heap[child] >= v)
			break;
		w->heap[i] = w->heap[child];
		i = child;
	}
	w->heap[i] = v;
}

static bool same_decision(const struct ks_decision *a, const struct ks_decision *b)
{
	return !memcmp(a, b, sizeof(*a));
}

static void emit(struct sweep *w, uint32_t lo, const struct ks_decision *d)
{
	if (w->n_out && same_decision(&w->out[w->n_out - 1].d, d))
		return;
	w->out[w->n_out++] = (struct ks_range){ .lo = lo, .d = *d };
}

/* Of the open stretches those up to the first plain one, in order. */
static struct ks_decision decide_together(struct sweep *w, uint64_t at)
{
	const struct stretch *v = w->s->v;
	uint32_t plain = UINT32_MAX;

	for (size_t i = 0; i < w->n_heap; i++)
		if (v[w->heap[i]].hi >= at && w->heap[i] < plain && stretch_is_plain(&v[w->heap[i]]))
			plain = w->heap[i];
	w->by.n = 0;
	for (size_t i = 0; i < w->n_heap; i++)
		if (v[w->heap[i]].hi >= at && w->heap[i] <= plain)
			numbers_add(&w->k->tmp, &w->by, w->heap[i]);
	numbers_sort_unique(&w->by);
	return compile_together(w->k, w->s, &w->by);
}

/* Behind the first of them to end. */
static uint64_t together_end(const struct sweep *w)
{
	uint64_t end = (uint64_t)UINT32_MAX + 1;

	for (size_t i = 0; i < w->by.n; i++)
		if ((uint64_t)w->s->v[w->by.v[i]].hi + 1 < end)
			end = (uint64_t)w->s->v[w->by.v[i]].hi + 1;
	return end;
}

/* The borders between which one stretch rules; the last stretch covers what is left. */
static void run_sweep(struct sweep *w)
{
	const struct stretch *v = w->s->v;
	uint64_t at = 0;
	size_t next = 0;

	while (at <= UINT32_MAX && !w->k->failed) {
		struct ks_decision d;
		uint64_t end;

		while (next < w->s->n && v[w->by_lo[next]].lo <= at)
			heap_push(w, w->by_lo[next++]);
		while (v[w->heap[0]].hi < at)
			heap_pop(w);
		d = v[w->heap[0]].d;
		end = (uint64_t)v[w->heap[0]].hi + 1;
		if (!stretch_is_plain(&v[w->heap[0]])) {
			d = decide_together(w, at);
			end = together_end(w);
		}
		emit(w, (uint32_t)at, &d);
		if (next < w->s->n && v[w->by_lo[next]].lo < end)
			end = v[w->by_lo[next]].lo;
		at = end;
	}
}

/* One look at the range that a span begins in would miss what this one says. */
static bool wants_a_look(const struct ks_decision *d)
{
	return d->kind == KS_K_VALUES || d->flags || d->alert;
}

/* How far a range or an allowed run reaches, and who refuses what comes behind the run. */
static void fill_runs(struct sweep *w)
{
	uint32_t to = UINT32_MAX, refused = 0;

	for (size_t i = w->n_out; i--;) {
		struct ks_range *r = &w->out[i];
		bool look = wants_a_look(&r->d);

		if (r->d.kind == KS_K_ALLOW)
			r->refused_rule = look ? KS_RULE_WALK : refused;
		if (r->d.kind == KS_K_ALLOW && !look) {
			r->to = to;
			continue;
		}
		r->to = i + 1 < w->n_out ? r[1].lo - 1 : UINT32_MAX;
		to = r->lo - 1;	/* unused for lo 0: nothing stands before it */
		refused = look ? KS_RULE_WALK : r->d.rule;
	}
}

static void mark_used(struct sweep *w, uint32_t used_to)
{
	for (size_t i = 0; i < w->n_out && w->out[i].lo <= used_to; i++) {
		if (w->out[i].d.kind > KS_K_ALLOW)
			continue;
		w->k->c->rule_used[w->out[i].d.rule] = 1;
		if (w->out[i].d.alert)
			w->k->c->rule_used[w->out[i].d.alert] = 1;
	}
}

/* The decision that leads to these ranges; equal ones are kept once. */
static struct ks_decision put_slice(struct compiler *k, const struct ks_range *range, uint32_t n)
{
	uint32_t entry = pool_put(&k->ranges, range, n);

	/* other entries are nodes */
	for (; k->n_slices <= entry; k->n_slices++) {
		k->slices = make_room(&k->tmp, k->slices, &k->cap_slices, k->n_slices,
				      sizeof(*k->slices));
		k->slices[k->n_slices] = default_decision(false);
	}
	if (k->slices[entry].kind != KS_K_SLICE)
		k->slices[entry] = compile_nodes(k, range, n, k->ranges.entry[entry].first);
	return k->slices[entry];
}

struct ks_decision compile_slice(struct compiler *k, const struct stretches *s,
				 uint32_t used_to)
{
	struct sweep w = { .k = k, .s = s };
	struct ks_decision d = { .kind = KS_K_SLICE };

	/* every stretch begins and ends at most once: no more than 2n borders */
	w.out = scratch(k, &k->sweep_room[k->depth],
			2 * s->n * (sizeof(*w.out) + sizeof(uint32_t)));
	w.by_lo = (uint32_t *)(w.out + 2 * s->n);
	w.heap = w.by_lo + s->n;
	sort_by_lo(&w);
	run_sweep(&w);
	mark_used(&w, used_to);
	fill_runs(&w);
	/* a slice in a slice is about attributes, values too: they cannot stand for their parent */
	if (w.n_out == 1 && w.out[0].d.kind <= KS_K_ALLOW) {
		d = w.out[0].d;
	} else if (w.n_out > KS_SLICE_MAX) {
		compile_limit(k, KS_SLICE_MAX, "ranges for one function of one client and asset");
	} else {
		d = put_slice(k, w.out, (uint32_t)w.n_out);
		if (k->ranges.used > POLICY_RANGES_MAX)
			compile_limit(k, POLICY_RANGES_MAX, "ranges of addresses, instances or attributes");
	}
	return d;
}
