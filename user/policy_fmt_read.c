// SPDX-License-Identifier: GPL-2.0-only
/*
 * The text of a policy as a tree that keeps comments and blank lines. libfyaml tells
 * where tokens are; its own comments are experimental, so what lies between two
 * tokens is read here, and each comment goes to the entry that it stands before,
 * beside or behind. Must not judge: the text was parsed without an error before.
 */
#include <libfyaml.h>
#include <string.h>

#include "policy_fmt.h"
#include "policy_parse.h"

struct frame {
	struct fmt_node *node;
	struct fmt_entry *owner;	/* the entry whose value it is, NULL for the root */
	struct fmt_entry *pending;	/* map: has its key and waits for the value */
};

struct reader {
	const char *text;
	struct arena *mem;
	size_t pos;			/* all before it is read */
	struct frame stack[YAML_DEPTH_MAX];
	size_t depth;
	struct fmt_node *root;
	struct fmt_entry *last;		/* whose token came last ... */
	bool after_key;			/* ... and which of them */
	struct fmt_node *closed[YAML_DEPTH_MAX]; /* blocks that ended since, inner first */
	size_t n_closed;
};

void fmt_comments_add(struct arena *mem, struct fmt_comments *l, struct fmt_comment c)
{
	l->v = arena_grow(mem, l->v, l->n, sizeof(*l->v));
	l->v[l->n++] = c;
}

/* ---- what lies between two tokens ---- */

/* A walk over white space, indicators and comments. */
struct gap {
	const char *text;
	size_t at, end, line;	/* line: where the present one begins */
	bool fresh;		/* no token on this line */
	bool empty;		/* nothing but spaces on this line so far */
	bool blank;		/* a blank line since the last comment */
	struct fmt_comment c;
	size_t col;
	bool beside, own;	/* of c: on the token's line, on a line of its own */
};

static void gap_newline(struct gap *g)
{
	bool crlf = g->text[g->at] == '\r' && g->at + 1 < g->end && g->text[g->at + 1] == '\n';

	g->blank |= g->fresh && g->empty;
	g->at += crlf ? 2 : 1;
	g->line = g->at;
	g->fresh = g->empty = true;
}

static void gap_take(struct gap *g)
{
	size_t from = g->at;

	g->col = from - g->line + 1;
	g->beside = !g->fresh;
	g->own = g->fresh && g->empty;
	g->empty = false;
	while (g->at < g->end && g->text[g->at] != '\n' && g->text[g->at] != '\r')
		g->at++;
	g->c = (struct fmt_comment){ .text = g->text + from, .len = g->at - from,
				     .blank = g->blank };
	while (strchr(" \t", g->c.text[g->c.len - 1]))
		g->c.len--;
	g->blank = false;
}

/* To the next comment; false at the end of the gap. */
static bool gap_next(struct gap *g)
{
	while (g->at < g->end) {
		char c = g->text[g->at];
		bool space = c == ' ' || c == '\t';

		if (c == '#' && (!g->at || strchr(" \t\r\n", g->text[g->at - 1]))) {
			gap_take(g);
			return true;
		}
		if (c == '\n' || c == '\r') {
			gap_newline(g);
			continue;
		}
		g->empty &= space;
		g->at++;
	}
	return false;
}

/* The inner one of the blocks that just ended which a comment at this column is part of. */
static struct fmt_node *foot_of(struct reader *r, const struct gap *g, size_t outer,
				size_t *level)
{
	for (size_t i = *level; g->own && i < r->n_closed; i++) {
		if (r->closed[i]->col > g->col || r->closed[i]->col <= outer)
			continue;
		*level = i;
		return r->closed[i];
	}
	*level = r->n_closed;	/* what follows belongs to what follows */
	return NULL;
}

static bool put_beside(struct reader *r, const struct gap *g)
{
	struct fmt_comment *place;

	if (!g->beside || !r->last)
		return false;
	place = r->after_key ? &r->last->head : &r->last->tail;
	if (place->text)
		return false;
	*place = g->c;
	return true;
}

/*
 * Reads up to a token: comments that do not belong to what was before go to `next`.
 * outer: column of the collection that the token continues, 0 at the end.
 */
static bool take_gap(struct reader *r, size_t from, size_t outer, struct fmt_comments *next)
{
	struct gap g = { .text = r->text, .at = r->pos, .end = from, .line = r->pos,
			 .fresh = !r->pos, .empty = true };
	size_t level = 0;
	struct fmt_node *foot;

	while (gap_next(&g)) {
		if (put_beside(r, &g))
			continue;
		foot = foot_of(r, &g, outer, &level);
		fmt_comments_add(r->mem, foot ? &foot->foot : next, g.c);
	}
	r->n_closed = 0;
	return g.blank;
}

/* ---- tokens ---- */

static struct fmt_entry *new_entry(struct reader *r, struct frame *top)
{
	struct fmt_node *n = top->node;

	n->entry = arena_grow(r->mem, n->entry, n->n, sizeof(*n->entry));
	n->entry[n->n] = arena_alloc(r->mem, sizeof(**n->entry));
	return n->entry[n->n++];
}

/*
 * Hangs a node that begins at `from` and whose own token ends at `to` into the tree.
 * `silent`: a block that is a map's value; what is before it is its first entry's.
 */
static struct fmt_entry *hang(struct reader *r, struct fmt_node *node, size_t from, size_t to,
			      bool silent)
{
	struct frame *top = r->depth ? &r->stack[r->depth - 1] : NULL;
	struct fmt_entry *e;

	if (!top) {
		r->root = node;
		return NULL;
	}
	e = top->pending ? top->pending : new_entry(r, top);
	if (!top->pending)
		e->blank = take_gap(r, from, top->node->col, &e->before);
	else if (!silent)
		take_gap(r, from, top->node->col, &e->before);
	if (!top->pending || !silent)
		r->pos = to;
	r->after_key = top->node->kind == FMT_MAP && !top->pending;
	if (r->after_key) {
		e->key = node;
		top->pending = e;
	} else {
		e->value = node;
		top->pending = NULL;
	}
	r->last = e;
	return e;
}

static void set_anchor(struct reader *r, struct fmt_node *n, struct fy_token *anchor)
{
	const char *text;

	if (!anchor)
		return;
	text = fy_token_get_text(anchor, &n->anchor_len);
	n->anchor = arena_strndup(r->mem, text, n->anchor_len);
}

static void on_scalar(struct reader *r, struct fy_event *e)
{
	const struct fy_mark *a = fy_event_start_mark(e), *b = fy_event_end_mark(e);
	enum fy_scalar_style style = fy_token_scalar_style(e->scalar.value);
	struct fmt_node *n = arena_alloc(r->mem, sizeof(*n));
	bool quoted = style == FYSS_SINGLE_QUOTED || style == FYSS_DOUBLE_QUOTED;
	size_t from, to;

	set_anchor(r, n, e->scalar.anchor);
	if (!a || a->line < 0 || !b) {
		hang(r, n, r->pos, r->pos, false);	/* no value */
		return;
	}
	from = a->input_pos - quoted;
	to = b->input_pos + quoted;
	n->text = r->text + from;
	n->len = to - from;
	n->quote = a->line != b->line || (!quoted && style != FYSS_PLAIN);
	if (n->quote) {
		const char *text = fy_token_get_text(e->scalar.value, &n->len);

		n->text = arena_strndup(r->mem, text, n->len);
	}
	hang(r, n, from, to, false);
}

static void on_alias(struct reader *r, struct fy_event *e)
{
	struct fmt_node *n = arena_alloc(r->mem, sizeof(*n));
	size_t from = fy_event_start_mark(e)->input_pos - 1, to = fy_event_end_mark(e)->input_pos;

	n->alias = true;
	n->text = r->text + from;
	n->len = to - from;
	hang(r, n, from, to, false);
}

static void on_open(struct reader *r, struct fy_event *e, bool map)
{
	const struct fy_mark *a = fy_event_start_mark(e), *b = fy_event_end_mark(e);
	struct fmt_node *n = arena_alloc(r->mem, sizeof(*n));
	struct fmt_entry *owner;

	n->kind = map ? FMT_MAP : FMT_LIST;
	n->flow = fy_event_get_node_style(e) == FYNS_FLOW;
	n->col = (size_t)a->column + 1;
	set_anchor(r, n, map ? e->mapping_start.anchor : e->sequence_start.anchor);
	owner = hang(r, n, a->input_pos, n->flow ? b->input_pos : a->input_pos, !n->flow);
	if (n->flow)
		r->last = NULL;		/* what stands behind the bracket is the first entry's */
	r->stack[r->depth++] = (struct frame){ .node = n, .owner = owner };
}

static void on_close(struct reader *r, struct fy_event *e)
{
	struct frame *top = &r->stack[--r->depth];

	if (!top->node->flow) {
		r->closed[r->n_closed++] = top->node;
		return;
	}
	/* an empty one has no lines of its own */
	take_gap(r, fy_event_start_mark(e)->input_pos, 0,
		 top->node->n || !top->owner ? &top->node->foot : &top->owner->before);
	r->pos = fy_event_end_mark(e)->input_pos;
	r->last = top->owner;
	r->after_key = false;
}

static void on_event(struct reader *r, struct fy_event *e)
{
	switch (e->type) {
	case FYET_SCALAR:
		on_scalar(r, e);
		break;
	case FYET_ALIAS:
		on_alias(r, e);
		break;
	case FYET_MAPPING_START:
	case FYET_SEQUENCE_START:
		on_open(r, e, e->type == FYET_MAPPING_START);
		break;
	case FYET_MAPPING_END:
	case FYET_SEQUENCE_END:
		on_close(r, e);
		break;
	default:
		break;
	}
}

struct fmt_node *fmt_read(const char *text, size_t len, struct arena *mem)
{
	const struct fy_parse_cfg cfg = {
		.flags = FYPCF_QUIET | FYPCF_JSON_NONE | FYPCF_DEFAULT_VERSION_1_2,
	};
	struct reader r = { .text = text, .mem = mem };
	struct fy_parser *fyp = fy_parser_create(&cfg);
	struct fy_event *e;

	if (fyp && !fy_parser_set_string(fyp, text, len))
		while ((e = fy_parser_parse(fyp))) {
			on_event(&r, e);
			fy_parser_event_free(fyp, e);
		}
	fy_parser_destroy(fyp);
	if (r.root && r.root->kind != FMT_SCALAR)
		take_gap(&r, len, 0, &r.root->foot);
	return r.root;
}
