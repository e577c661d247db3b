/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A policy's text in its canonical layout: two columns a level, one space after ':'
 * and ',', at most one blank line, flow collections on one line or as blocks. Words,
 * their order and comments stay. Must not know what any key means.
 */
#ifndef KEYSWITCH_POLICY_FMT_H
#define KEYSWITCH_POLICY_FMT_H

#include <stdbool.h>
#include <stddef.h>

#include "arena.h"

/*
 * The layout of a text that policy_parse_text() took. NULL when it would say anything
 * else than the text: a case that the layout does not know, to be reported.
 */
char *policy_fmt(const char *text, size_t len, struct arena *mem, size_t *out_len);

/* ---- between policy_fmt_read.c and policy_fmt.c ---- */

struct fmt_comment {
	const char *text;	/* from '#' on */
	size_t len;
	bool blank;		/* a blank line before it */
};

struct fmt_comments {
	struct fmt_comment *v;
	size_t n;
};

enum fmt_kind { FMT_SCALAR, FMT_LIST, FMT_MAP };

struct fmt_node {
	enum fmt_kind kind;
	const char *anchor;	/* without '&', NULL for none */
	size_t anchor_len;
	bool alias;		/* scalar: `text` begins at '*' */
	bool quote;		/* scalar: `text` is the value, to be written in quotes */
	const char *text;	/* scalar: as it stands in the file */
	size_t len;
	bool flow;
	size_t col;		/* block collection: where its entries begin, from 1 */
	struct fmt_entry **entry;
	size_t n;
	struct fmt_comments foot; /* behind the last entry */
};

/* A pair of a map, or a member of a list: then without a key. */
struct fmt_entry {
	struct fmt_node *key, *value;
	struct fmt_comments before;
	struct fmt_comment head, tail; /* on the line of the key, of the value; text NULL: none */
	bool blank;		/* a blank line before it, behind the comments */
};

/* The tree of a valid text with every comment of it; NULL for no tree. */
struct fmt_node *fmt_read(const char *text, size_t len, struct arena *mem);
void fmt_comments_add(struct arena *mem, struct fmt_comments *l, struct fmt_comment c);

#endif
