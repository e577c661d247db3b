// SPDX-License-Identifier: GPL-2.0-only
/*
 * Collecting, sorting and printing diagnostics, see diag.h.
 * Must not know anything about policies.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "diag.h"
#include "utf8.h"

#define QUOTE_MAX	64
#define MESSAGE_MAX	1024	/* the longest list of expected words fits */
#define NEAR_MAX	32	/* longer words are not compared */

static const char *const level_names[] = {
	[DIAG_ERROR] = "error",
	[DIAG_WARNING] = "warning",
	[DIAG_INFO] = "info",
};

/* What diags.dropped counts, by index. */
static const enum diag_level dropped_level[] = { DIAG_ERROR, DIAG_WARNING };

void diags_init(struct diags *d, const char *file)
{
	memset(d, 0, sizeof(*d));
	d->file = arena_strndup(&d->mem, file, strlen(file));
}

void diags_free(struct diags *d)
{
	arena_free(&d->mem);
	free(d->text);
	memset(d, 0, sizeof(*d));
}

void diags_take_text(struct diags *d, char *text, size_t len)
{
	free(d->text);
	d->text = text;
	d->len = len;
}

void diag_add(struct diags *d, enum diag_level level, struct pos at,
	      const char *fmt, ...)
{
	char message[MESSAGE_MAX];
	va_list ap;
	size_t kept_errors = d->errors - d->dropped[0];
	size_t before = level == DIAG_ERROR ? kept_errors : d->n - kept_errors;

	d->errors += level == DIAG_ERROR;
	d->warnings += level == DIAG_WARNING;
	if (before >= DIAGS_MAX) {
		d->dropped[level != DIAG_ERROR]++;
		return;
	}
	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);

	d->v = arena_grow(&d->mem, d->v, d->n, sizeof(*d->v));
	d->v[d->n] = (struct diag){
		.level = level, .at = at, .order = d->n,
		.message = arena_strndup(&d->mem, message, strlen(message)),
	};
	d->n++;
}

const char *diag_quote(struct diags *d, const char *text, size_t len)
{
	char *out = arena_alloc(&d->mem, QUOTE_MAX * 4 + 4);
	size_t o = 0;

	for (size_t i = 0, n; i < len && o <= QUOTE_MAX * 4 - 16; i += n) {
		const unsigned char *c = (const unsigned char *)text + i;
		bool shown;

		/* never cut inside a multi-byte character */
		if (i >= QUOTE_MAX) {
			memcpy(out + o, "...", 3);
			break;
		}
		n = utf8_length(c, len - i);
		shown = n && utf8_width(c, n) >= 0;
		n = n ? n : 1;
		if (shown)
			memcpy(out + o, c, n);
		/* U+0080..U+009F are one byte elsewhere, and written as that */
		for (size_t k = n == 2 && c[0] == 0xc2; !shown && k < n; k++)
			o += (size_t)sprintf(out + o, "\\x%02x", c[k]);
		o += shown ? n : 0;
	}
	return out;
}

/* Edit distance with case ignored; both words are at most NEAR_MAX long. */
static size_t distance(const char *a, size_t n, const char *b, size_t m)
{
	size_t row[NEAR_MAX + 1];

	for (size_t j = 0; j <= m; j++)
		row[j] = j;
	for (size_t i = 1; i <= n; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= m; j++) {
			size_t cost = strncasecmp(a + i - 1, b + j - 1, 1) != 0;
			size_t best = diagonal + cost;

			diagonal = row[j];
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			if (row[j] + 1 < best)
				best = row[j] + 1;
			row[j] = best;
		}
	}
	return row[m];
}

const char *diag_nearest(const char *text, size_t len, const char *const *names)
{
	const char *best = NULL;
	/* one slip in a short word, more in a longer one */
	size_t limit = len < 4 ? 1 : len < 8 ? 2 : 3;

	if (!len || len > NEAR_MAX)
		return NULL;
	for (; *names; names++) {
		size_t m = strlen(*names), dist;

		if (m > NEAR_MAX)
			continue;
		dist = distance(text, len, *names, m);
		/* a guess that shares nothing with the word is no help */
		if (dist <= limit && dist < m && dist < len) {
			best = *names;
			limit = dist ? dist - 1 : 0;
			if (!dist)
				break;
		}
	}
	return best;
}

const char *diag_join(struct diags *d, const char *const *names)
{
	size_t len = 1, n = 0;
	char *out, *o;

	for (; names[n]; n++)
		len += strlen(names[n]) + 6;
	o = out = arena_alloc(&d->mem, len);
	for (size_t i = 0; i < n; i++) {
		const char *sep = !i ? "" : i + 1 == n ? " or " : ", ";

		o += sprintf(o, "%s'%s'", sep, names[i]);
	}
	return out;
}

static int compare(const void *pa, const void *pb)
{
	const struct diag *a = pa, *b = pb;

	if (a->at.line != b->at.line)
		return a->at.line < b->at.line ? -1 : 1;
	if (a->at.col != b->at.col)
		return a->at.col < b->at.col ? -1 : 1;
	return a->order < b->order ? -1 : a->order > b->order;
}

void diags_sort(struct diags *d)
{
	if (d->n)
		qsort(d->v, d->n, sizeof(*d->v), compare);
}

static void print_excerpt(const struct diag_excerpt *e, uint32_t line, FILE *out)
{
	int gutter = fprintf(out, "%4u", line);

	fprintf(out, " | %s\n%*s | %*s^", e->text, gutter, "", (int)e->before, "");
	for (unsigned int i = 1; i < e->under; i++)
		fputc('~', out);
	fputc('\n', out);
}

void diags_print(const struct diags *d, FILE *out, bool source)
{
	struct diag_cursor cursor = { 0 };
	struct diag_excerpt e;

	for (size_t i = 0; i < d->n; i++) {
		const struct diag *g = &d->v[i];

		if (g->at.line)
			fprintf(out, "%s:%u:%u: %s: %s\n", d->file, g->at.line,
				g->at.col, level_names[g->level], g->message);
		else
			fprintf(out, "%s: %s: %s\n", d->file,
				level_names[g->level], g->message);
		if (source && diag_excerpt(d, g->at, &cursor, &e))
			print_excerpt(&e, g->at.line, out);
	}
	for (int i = 0; i < 2; i++)
		if (d->dropped[i])
			fprintf(out, "%s: %s: %zu more not shown\n", d->file,
				level_names[dropped_level[i]], d->dropped[i]);
}

static int add_place(const struct diags *d, const struct diag *g, struct diag_cursor *c,
		     json_t *o)
{
	struct diag_excerpt e;

	if (!g->at.line)
		return 0;
	if (json_object_set_new(o, "line", json_integer(g->at.line)) ||
	    json_object_set_new(o, "column", json_integer(g->at.col)))
		return -1;
	if (!diag_excerpt(d, g->at, c, &e))
		return 0;
	if (e.length && json_object_set_new(o, "length", json_integer(e.length)))
		return -1;
	return json_object_set_new(o, "source", json_string(e.text));
}

static json_t *diag_json(const struct diags *d, const struct diag *g, struct diag_cursor *c)
{
	json_t *o = json_pack("{s:s, s:s, s:s}", "file", d->file,
			      "severity", level_names[g->level],
			      "message", g->message);

	if (o && add_place(d, g, c, o)) {
		json_decref(o);
		o = NULL;
	}
	return o;
}

int diags_json(const struct diags *d, json_t *array)
{
	struct diag_cursor cursor = { 0 };

	for (size_t i = 0; i < d->n; i++)
		if (json_array_append_new(array, diag_json(d, &d->v[i], &cursor)))
			return -1;
	for (int i = 0; i < 2; i++) {
		if (d->dropped[i] &&
		    json_array_append_new(array,
			json_pack("{s:s, s:s, s:s, s:I}", "file", d->file, "severity",
				  level_names[dropped_level[i]], "message",
				  "more not shown", "dropped", (json_int_t)d->dropped[i])))
			return -1;
	}
	return 0;
}
