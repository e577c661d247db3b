/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Diagnostics of a run: collected in any order, sorted by place, printed once
 * as text or JSON. Owns the one voice of messages ("problem, subject in
 * quotes, what was expected"). Must not decide exit codes or print by itself.
 */
#ifndef KEYSWITCH_DIAG_H
#define KEYSWITCH_DIAG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <jansson.h>

#include "arena.h"

/* A place in a file, 1-based, in characters; line 0 means the file as a whole. */
struct pos {
	uint32_t line;
	uint32_t col;
	uint32_t len;		/* 0: not known; of what goes on below: POS_WHOLE_LINE */
};

#define POS_WHOLE_LINE	UINT32_MAX

enum diag_level { DIAG_ERROR, DIAG_WARNING, DIAG_INFO };

struct diag {
	enum diag_level level;
	struct pos at;
	size_t order;		/* keeps equal places in order of discovery */
	const char *message;
};

struct diags {
	const char *file;
	char *text;		/* of the file, NULL if there is none to show */
	size_t len;
	struct arena mem;
	struct diag *v;
	size_t n;
	size_t errors;
	size_t warnings;
	size_t dropped[2];	/* beyond DIAGS_MAX: errors, others; counted, not kept */
};

/*
 * A file of nothing but mistakes still ends: more errors, or more of the rest,
 * than this are only counted. Warnings never crowd out an error.
 */
#define DIAGS_MAX 1000

void diags_init(struct diags *d, const char *file);
void diags_free(struct diags *d);

void diag_add(struct diags *d, enum diag_level level, struct pos at,
	      const char *fmt, ...) __attribute__((format(printf, 4, 5)));

#define diag_error(d, at, ...)	diag_add(d, DIAG_ERROR, at, __VA_ARGS__)
#define diag_warning(d, at, ...) diag_add(d, DIAG_WARNING, at, __VA_ARGS__)
#define diag_info(d, at, ...)	diag_add(d, DIAG_INFO, at, __VA_ARGS__)

/* Text of the file made safe to print: control bytes escaped, bounded length. */
const char *diag_quote(struct diags *d, const char *text, size_t len);

/* Nearest of a NULL-terminated list of names to 'text', or NULL if none is near. */
const char *diag_nearest(const char *text, size_t len, const char *const *names);

/* "'a', 'b' or 'c'" */
const char *diag_join(struct diags *d, const char *const *names);

/* The file's text, from malloc(), which is now freed with the diagnostics. */
void diags_take_text(struct diags *d, char *text, size_t len);

void diags_sort(struct diags *d);
/* One line each and, with 'source', the line of the file with a mark under the place. */
void diags_print(const struct diags *d, FILE *out, bool source);
/* Appends one object a diagnostic to the array; 0, or -1 when out of memory. */
int diags_json(const struct diags *d, json_t *array);

/* ---- diag_source.c ---- */

/* Where in the text the last excerpt began; zeroed before the first. */
struct diag_cursor {
	uint32_t line, col;
	size_t start, at;	/* bytes: of the line, of the column */
};

/* A line as a terminal may show it, and its columns before and under the place. */
struct diag_excerpt {
	char text[1024];
	unsigned int columns, before, under;
	uint32_t length;	/* characters of the place on that line, 0: not known */
};

/* false: no text, or no such line. */
bool diag_excerpt(const struct diags *d, struct pos place, struct diag_cursor *c,
		  struct diag_excerpt *e);

#endif
