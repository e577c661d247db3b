// SPDX-License-Identifier: GPL-2.0-only
/*
 * The line of a diagnostic with a mark under the place: finding it in the file,
 * cutting it to what a terminal shows, making it safe to print. Columns of a
 * place are characters, columns here are those of the terminal.
 * Must not know what any diagnostic says.
 */
#include <string.h>

#include "diag.h"
#include "utf8.h"

#define SHOWN	100	/* columns of a line that are shown, cut marks not counted */
#define AROUND	60	/* ... of which before a place that is further right */
#define TAB	8

static const char cut[] = "...";

/* What is not UTF-8 counts as one character a byte, as the parser counts it. */
static size_t step(const struct diags *d, size_t at)
{
	size_t n = utf8_length((const unsigned char *)d->text + at, d->len - at);

	return n ? n : 1;
}

static bool at_end(const struct diags *d, size_t at)
{
	return at >= d->len || d->text[at] == '\n' || d->text[at] == '\r';
}

static bool next_line(const struct diags *d, struct diag_cursor *c)
{
	size_t at = c->start;

	while (!at_end(d, at))
		at++;
	if (at >= d->len)
		return false;
	at += d->text[at] == '\r' && at + 1 < d->len && d->text[at + 1] == '\n' ? 2 : 1;
	*c = (struct diag_cursor){ .line = c->line + 1, .col = 1, .start = at, .at = at };
	return true;
}

/* Diagnostics come in order, so that a file is walked once for all of them. */
static bool seek(const struct diags *d, struct diag_cursor *c, uint32_t line, uint32_t col)
{
	if (!c->line || line < c->line)
		*c = (struct diag_cursor){ .line = 1, .col = 1 };
	while (c->line < line)
		if (!next_line(d, c))
			return false;
	if (col < c->col) {
		c->col = 1;
		c->at = c->start;
	}
	while (c->col < col && !at_end(d, c->at)) {
		c->at += step(d, c->at);
		c->col++;
	}
	return true;
}

/* One character as it is shown: a tab by its columns, what would steer a terminal as '?'. */
static void show(const struct diags *d, size_t at, struct diag_excerpt *e, size_t *used)
{
	const unsigned char *s = (const unsigned char *)d->text + at;
	size_t n = utf8_length(s, d->len - at);
	int width = n ? utf8_width(s, n) : -1;

	if (*s == '\t') {
		width = TAB - (int)(e->columns % TAB);
		memset(e->text + *used, ' ', (size_t)width);
		*used += (size_t)width;
	} else if (width < 0) {
		width = 1;
		e->text[(*used)++] = '?';
	} else {
		memcpy(e->text + *used, s, n);
		*used += n;
	}
	e->columns += (unsigned int)width;
}

bool diag_excerpt(const struct diags *d, struct pos place, struct diag_cursor *c,
		  struct diag_excerpt *e)
{
	uint32_t col, from = place.col <= SHOWN - TAB ? 1 : place.col - AROUND;
	size_t at, used = 0;

	memset(e, 0, sizeof(*e));
	if (!d->text || !place.line || !seek(d, c, place.line, from))
		return false;
	at = c->at;
	if (from > 1) {
		used = e->columns = sizeof(cut) - 1;
		memcpy(e->text, cut, used);
	}
	for (col = c->col; !at_end(d, at); col++, at += step(d, at)) {
		if (col == place.col)
			e->before = e->columns;
		if (e->columns >= SHOWN || used + TAB >= sizeof(e->text) - sizeof(cut)) {
			memcpy(e->text + used, cut, sizeof(cut));
			break;
		}
		show(d, at, e, &used);
		if (col >= place.col && col - place.col < place.len) {
			e->under = e->columns - e->before;
			e->length = col - place.col + 1;
		}
	}
	if (place.col >= col)
		e->before = e->columns;
	if (!e->under)
		e->under = 1;
	return true;
}
