// SPDX-License-Identifier: GPL-2.0-only
/*
 * Writing a policy's tree in its canonical layout, see policy_fmt.h. Before the text
 * is handed out it is read again: it has to say what the policy said.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy_fmt.h"
#include "policy_parse.h"

#define COLUMNS	100
#define STEP	2

/* ---- flow: on one line ---- */

#define NEVER	SIZE_MAX	/* wider than any line: it has comments inside */

static size_t add_width(size_t a, size_t b)
{
	return a == NEVER || b == NEVER ? NEVER : a + b;
}

static size_t scalar_width(const struct fmt_node *n)
{
	size_t width = (n->anchor ? n->anchor_len + 2 : 0) + (n->quote ? 2 : 0);

	for (size_t i = 0; i < n->len; i++)
		width += (n->text[i] & 0xc0) != 0x80;
	return width;
}

static size_t flow_width(const struct fmt_node *n)
{
	size_t width = 2 + (n->anchor ? n->anchor_len + 2 : 0);

	if (n->kind == FMT_SCALAR)
		return scalar_width(n);
	if (n->foot.n)
		return NEVER;
	for (size_t i = 0; i < n->n && width != NEVER; i++) {
		const struct fmt_entry *e = n->entry[i];

		if (e->before.n || e->head.text || e->tail.text)
			return NEVER;
		width = add_width(width, flow_width(e->value));
		if (e->key)
			width = add_width(width, scalar_width(e->key) + 2 + e->key->alias);
		width = add_width(width, i ? 2 : 0);
	}
	return width;
}

static void put_quoted(const struct fmt_node *n, FILE *out)
{
	fputc('"', out);
	for (size_t i = 0; i < n->len; i++) {
		unsigned char c = (unsigned char)n->text[i];

		if (c == '"' || c == '\\')
			fprintf(out, "\\%c", c);
		else if (c < 0x20 || c == 0x7f)
			fprintf(out, "\\x%02x", c);
		else
			fputc(c, out);
	}
	fputc('"', out);
}

static void put_flow(const struct fmt_node *n, FILE *out);

static void put_key(const struct fmt_node *key, FILE *out)
{
	put_flow(key, out);
	/* behind an alias a ':' would be part of its name */
	fputs(key->alias ? " :" : ":", out);
}

static void put_flow(const struct fmt_node *n, FILE *out)
{
	if (n->anchor)
		fprintf(out, "&%.*s%s", (int)n->anchor_len, n->anchor,
			n->kind == FMT_SCALAR && !n->len && !n->quote ? "" : " ");
	if (n->kind == FMT_SCALAR) {
		if (n->quote)
			put_quoted(n, out);
		else
			fwrite(n->text ? n->text : "", 1, n->len, out);
		return;
	}
	fputc(n->kind == FMT_MAP ? '{' : '[', out);
	for (size_t i = 0; i < n->n; i++) {
		fputs(i ? ", " : "", out);
		if (n->entry[i]->key) {
			put_key(n->entry[i]->key, out);
			fputc(' ', out);
		}
		put_flow(n->entry[i]->value, out);
	}
	fputc(n->kind == FMT_MAP ? '}' : ']', out);
}

/* ---- blocks ---- */

/* Whether the value stands behind what ends at column `at`. */
static bool on_line(const struct fmt_node *n, size_t at)
{
	size_t width;

	if (n->kind == FMT_SCALAR)
		return true;
	width = n->flow || !n->n ? flow_width(n) : NEVER;
	return width != NEVER && at + 1 + width <= COLUMNS;
}

static void put_comment(const struct fmt_comment *c, size_t indent, bool first, FILE *out)
{
	fprintf(out, "%s%*s%.*s\n", c->blank && !first ? "\n" : "", (int)indent, "",
		(int)c->len, c->text);
}

static void put_comments(const struct fmt_comments *l, size_t indent, bool first, FILE *out)
{
	for (size_t i = 0; i < l->n; i++)
		put_comment(&l->v[i], indent, first && !i, out);
}

static void end_line(const struct fmt_comment *c, FILE *out)
{
	if (c && c->text)
		fprintf(out, " %.*s", (int)c->len, c->text);
	fputc('\n', out);
}

static size_t behind_key(const struct fmt_entry *e, size_t indent)
{
	return indent + (e->key ? scalar_width(e->key) + 1 + e->key->alias : 1);
}

/* Comments that have no line to stand on any more go above the entry. */
static void put_above(const struct fmt_entry *e, size_t indent, bool first, FILE *out)
{
	bool line = on_line(e->value, behind_key(e, indent));
	const struct fmt_comment *spare = line ? &e->head : e->head.text || !e->key ? &e->tail : NULL;

	if (line && !e->tail.text)
		spare = NULL;
	put_comments(&e->before, indent, first, out);
	if (spare && spare->text)
		put_comment(spare, indent, first && !e->before.n, out);
	/* the first entry of a member stands on its line, behind the '-' */
	if (!e->key && !line && e->value->n)
		put_above(e->value->entry[0], indent, true, out);
}

static void put_block(const struct fmt_node *n, size_t indent, bool begun, FILE *out);

static void put_value(const struct fmt_entry *e, size_t indent, FILE *out)
{
	const struct fmt_node *v = e->value;

	if (on_line(v, behind_key(e, indent))) {
		if (v->kind != FMT_SCALAR || v->len || v->quote || v->anchor)
			fputc(' ', out);
		put_flow(v, out);
		end_line(e->tail.text ? &e->tail : &e->head, out);
		return;
	}
	if (v->anchor)
		fprintf(out, " &%.*s", (int)v->anchor_len, v->anchor);
	if (e->key || v->anchor)
		end_line(!e->key ? NULL : e->head.text ? &e->head : &e->tail, out);
	else
		fputc(' ', out);
	put_block(v, indent + STEP, !e->key && !v->anchor, out);
}

/* begun: the first entry goes on in a line that is there, its comments stand above. */
static void put_block(const struct fmt_node *n, size_t indent, bool begun, FILE *out)
{
	for (size_t i = 0; i < n->n; i++) {
		const struct fmt_entry *e = n->entry[i];
		bool above = i || !begun;

		if (above) {
			put_above(e, indent, !i, out);
			if (e->blank && (i || e->before.n))
				fputc('\n', out);
			fprintf(out, "%*s", (int)indent, "");
		}
		if (e->key)
			put_key(e->key, out);
		else
			fputc('-', out);
		put_value(e, indent, out);
	}
	put_comments(&n->foot, indent, false, out);
}

/* ---- the same policy ---- */

static bool same_tree(const struct ynode *a, const struct ynode *b)
{
	size_t n = a->kind == Y_MAP ? 2 * a->n : a->n;

	if (a->kind != b->kind || a->n != b->n || a->len != b->len || a->empty != b->empty)
		return false;
	if (a->kind == Y_SCALAR)
		return !memcmp(a->text, b->text, a->len);
	for (size_t i = 0; i < n; i++)
		if (!same_tree(a->item[i], b->item[i]))
			return false;
	return true;
}

static bool same_policy(const char *a, size_t a_len, const char *b, size_t b_len,
			struct arena *mem)
{
	struct ynode *tree_a, *tree_b;
	struct diags d;
	bool same;

	diags_init(&d, "");
	tree_a = yaml_load(a, a_len, mem, &d);
	tree_b = yaml_load(b, b_len, mem, &d);
	same = tree_a && tree_b && !d.errors && same_tree(tree_a, tree_b);
	diags_free(&d);
	return same;
}

char *policy_fmt(const char *text, size_t len, struct arena *mem, size_t *out_len)
{
	struct fmt_node *root = fmt_read(text, len, mem);
	char *out = NULL, *kept = NULL;
	FILE *f = open_memstream(&out, out_len);

	if (!f)
		return NULL;
	if (root && root->kind != FMT_SCALAR)
		put_block(root, 0, false, f);
	if (!fclose(f) && same_policy(text, len, out, *out_len, mem))
		kept = arena_strndup(mem, out, *out_len);
	free(out);
	return kept;
}
