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

/* A place in a file, 1-based; line 0 means the file as a whole. */
struct pos {
	uint32_t line;
	uint32_t col;
};

enum diag_level { DIAG_ERROR, DIAG_WARNING, DIAG_INFO };

struct diag {
	enum diag_level level;
	struct pos at;
	size_t order;		/* keeps equal places in order of discovery */
	const char *message;
};

struct diags {
	const char *file;
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

void diags_sort(struct diags *d);
void diags_print(const struct diags *d, FILE *out);
/* Appends one object a diagnostic to the array; 0, or -1 when out of memory. */
int diags_json(const struct diags *d, json_t *array);

#endif
