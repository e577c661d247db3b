/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What `keyswitch top` shows, as rows that can be sorted and filtered: assets, clients,
 * functions, refusals. Must not know a screen.
 */
#ifndef KEYSWITCH_TOP_H
#define KEYSWITCH_TOP_H

#include <jansson.h>

#include "counters.h"
#include "standing.h"

enum top_view { TOP_ASSETS, TOP_CLIENTS, TOP_FUNCTIONS, TOP_DENIED, TOP_LATEST, TOP_VIEWS };

#define TOP_COLUMNS 6
#define TOP_NAME 160

enum top_kind { TOP_COUNT, TOP_RATE, TOP_AGE };

struct top_column {
	const char *title;	/* NULL: there is no more */
	const char *key;	/* for --sort and JSON */
	enum top_kind kind;
	int width;
};

struct top_layout {
	const char *name;	/* for --view and JSON */
	const char *title;
	const char *row;	/* what a row is, and the JSON key of its name */
	const char *detail;	/* likewise of its second name, NULL without one */
	int detail_width;	/* less than 0: the name is so wide, and the detail takes the rest */
	struct top_column columns[TOP_COLUMNS];
};

extern const struct top_layout top_layouts[TOP_VIEWS];

/* TOP_RATE: tenths a second. TOP_AGE: seconds. Less than 0: not known. */
struct top_row {
	char name[TOP_NAME];
	char detail[TOP_NAME];
	int64_t v[TOP_COLUMNS];
};

struct top_rows {
	struct top_row *v;
	size_t n;
	size_t room;
};

struct top_picture {
	uint64_t taken;		/* CLOCK_MONOTONIC ns */
	struct standing standing;
	size_t flows, open, adopted;
	struct top_rows rows[TOP_VIEWS];
};

struct top_wish {
	enum top_view view;
	int sort;		/* column, -1 = by name */
	bool reverse;
	char filter[64];	/* in a name, letters of either case; "" = all */
};

/* What is now; rates are since `before` (NULL: none). 0 or a negative errno; free in both cases. */
int top_take(struct top_picture *p, const struct instance *in, const struct top_picture *before);
void top_free(struct top_picture *p);

/*
 * The view's rows as they are wished, as pointers into the picture: *n of them. The caller
 * frees the list; NULL when out of memory.
 */
const struct top_row **top_select(const struct top_picture *p, const struct top_wish *w, size_t *n);

/* Figure of a column as text. */
const char *top_figure(char *buf, size_t size, enum top_kind kind, int64_t v);

/* All views; at most `limit` rows of each, 0 = all. */
json_t *top_json(const struct top_picture *p, const struct top_wish *w, size_t limit);

#endif
