// SPDX-License-Identifier: GPL-2.0-only
/*
 * From YAML text to a tree of nodes with positions, by libfyaml's event
 * interface: aliases are resolved here (loops and expansions out of bounds
 * refused), duplicate keys, tags and further documents are reported here.
 * Must not know what any key means.
 */
#include <libfyaml.h>
#include <string.h>

#include "policy_parse.h"
#include "utf8.h"

struct builder {
	struct arena *mem;
	struct diags *d;
	struct names anchors;		/* name -> index into anchored */
	struct ynode **anchored;
	size_t n_anchored;
	struct ynode *stack[YAML_DEPTH_MAX];
	struct ynode *key[YAML_DEPTH_MAX]; /* map waiting for the value of this key */
	unsigned int depth;
	unsigned int skip;		/* open collections below the depth limit */
	unsigned int documents;
	uint32_t nodes;
	struct ynode *root;
	struct pos last;		/* where the previous token ended */
	bool stop;
};

static struct pos mark_pos(const struct fy_mark *m)
{
	if (!m || m->line < 0)
		return (struct pos){ 0 };
	return (struct pos){ .line = (uint32_t)m->line + 1,
			     .col = (uint32_t)m->column + 1 };
}

/* Where a token is and how long; one of several lines reaches to the end of its first. */
static struct pos event_pos(struct fy_event *e)
{
	const struct fy_mark *end = fy_event_end_mark(e);
	struct pos at = mark_pos(fy_event_start_mark(e));

	if (!at.line || !end || end->line < 0)
		return at;
	if ((uint32_t)end->line + 1 != at.line)
		at.len = POS_WHOLE_LINE;
	else if ((uint32_t)end->column + 1 > at.col)
		at.len = (uint32_t)end->column + 1 - at.col;
	return at;
}

/* libfyaml's marks are inside of the quotes. */
static void add_quotes(struct pos *at)
{
	at->col--;
	if (at->len != POS_WHOLE_LINE)
		at->len += 2;
}

/*
 * No NUL, no byte order mark inside. libfyaml stops at the first bad byte without
 * saying where, so all of them are found here.
 */
static void check_bytes(const char *text, size_t len, struct diags *d)
{
	struct pos at = { .line = 1, .col = 1 };
	bool indent = true;

	for (size_t i = 0; i < len; at.col++) {
		unsigned char c = (unsigned char)text[i];
		size_t n = utf8_length((const unsigned char *)text + i, len - i);

		if (!n)
			diag_error(d, at, "byte 0x%02x is not UTF-8, expected UTF-8 text", c);
		else if (c == '\t' && indent)
			diag_error(d, at, "tab in the indentation, expected spaces");
		else if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f)
			diag_error(d, at, "control character 0x%02x, expected text", c);
		if (c != ' ' && c != '\t')
			indent = false;
		i += n ? n : 1;
		if (c == '\n' || (c == '\r' && (i == len || text[i] != '\n'))) {
			at = (struct pos){ .line = at.line + 1 };
			indent = true;
		}
	}
}

static struct ynode *new_node(struct builder *b, enum ykind kind, struct pos at)
{
	struct ynode *n = arena_alloc(b->mem, sizeof(*n));

	n->kind = kind;
	n->weight = 1;
	n->at = at.line ? at : b->last;
	return n;
}

static bool is_null(const char *s, size_t len)
{
	static const char *const words[] = { "~", "null", "Null", "NULL" };

	for (size_t i = 0; i < 4; i++)
		if (strlen(words[i]) == len && !memcmp(words[i], s, len))
			return true;
	return !len;
}

/* The pair's place is its key; a key seen before is reported, the later one wins nothing. */
static void add_pair(struct builder *b, struct ynode *map, struct ynode *key,
		     struct ynode *value)
{
	if (value->empty && value->at.line != key->at.line)
		value->at = key->at;
	map->item = arena_grow(b->mem, map->item, map->n, 2 * sizeof(*map->item));
	map->item[2 * map->n] = key;
	map->item[2 * map->n + 1] = value;
	map->n++;
}

static void check_duplicates(struct builder *b, const struct ynode *map)
{
	struct names seen;

	names_init(&seen, b->mem);
	for (size_t i = 0; i < map->n; i++) {
		const struct ynode *key = map->item[2 * i];
		uint32_t first;

		if (key->kind != Y_SCALAR)
			continue;
		first = names_add(&seen, key->text, key->len, (uint32_t)i);
		if (first != NO_NAME)
			diag_error(b->d, key->at,
				   "duplicate key '%s', first given on line %u",
				   diag_quote(b->d, key->text, key->len),
				   map->item[2 * first]->at.line);
	}
}

static void add_node(struct builder *b, struct ynode *n)
{
	unsigned int top = b->depth - 1;
	struct ynode *parent;

	b->nodes += n->weight;
	if (b->nodes > YAML_NODES_MAX) {
		diag_error(b->d, n->at, "file expands to more than %u values",
			   YAML_NODES_MAX);
		b->stop = true;
	}
	if (!b->depth) {
		b->root = n;
		return;
	}
	parent = b->stack[top];
	parent->weight += n->weight;
	if (parent->kind == Y_LIST) {
		parent->item = arena_grow(b->mem, parent->item, parent->n,
					  sizeof(*parent->item));
		parent->item[parent->n++] = n;
	} else if (!b->key[top]) {
		if (n->kind != Y_SCALAR)
			diag_error(b->d, n->at, "key is a %s, expected a word",
				   n->kind == Y_LIST ? "list" : "mapping");
		b->key[top] = n;
	} else {
		add_pair(b, parent, b->key[top], n);
		b->key[top] = NULL;
	}
}

static void note_anchor(struct builder *b, struct fy_token *anchor, struct ynode *n)
{
	size_t len;
	const char *text;
	uint32_t old;

	if (!anchor)
		return;
	text = fy_token_get_text(anchor, &len);
	text = arena_strndup(b->mem, text, len);
	old = names_add(&b->anchors, text, len, (uint32_t)b->n_anchored);
	if (old != NO_NAME) {
		diag_error(b->d, n->at, "duplicate anchor '&%s', first given on line %u",
			   diag_quote(b->d, text, len), b->anchored[old]->at.line);
		return;
	}
	b->anchored = arena_grow(b->mem, b->anchored, b->n_anchored,
				 sizeof(*b->anchored));
	b->anchored[b->n_anchored++] = n;
}

static void refuse_tag(struct builder *b, struct fy_token *tag, struct pos at)
{
	size_t len;
	const char *text;

	if (!tag)
		return;
	text = fy_token_get_text(tag, &len);
	diag_error(b->d, at, "YAML tag '%s', expected a plain value",
		   diag_quote(b->d, text ? text : "", text ? len : 0));
}

static void on_alias(struct builder *b, struct fy_event *e)
{
	struct pos at = event_pos(e);
	struct ynode *n;
	size_t len;
	const char *text = fy_token_get_text(e->alias.anchor, &len);
	uint32_t index = names_find(&b->anchors, text, len);

	at.col -= at.col > 1;	/* libfyaml marks the name, the token begins at '*' */
	at.len += at.len != 0;
	if (index != NO_NAME && b->anchored[index]->complete) {
		add_node(b, b->anchored[index]);
		return;
	}
	if (index == NO_NAME)
		diag_error(b->d, at, "unknown alias '*%s', expected the name of an anchor before it",
			   diag_quote(b->d, text, len));
	else
		diag_error(b->d, at, "alias '*%s' refers to the value that it is part of",
			   diag_quote(b->d, text, len));
	n = new_node(b, Y_SCALAR, at);
	n->empty = n->broken = n->complete = true;
	n->text = "";
	add_node(b, n);
}

static void on_scalar(struct builder *b, struct fy_event *e)
{
	struct ynode *n = new_node(b, Y_SCALAR, event_pos(e));
	enum fy_scalar_style style = fy_token_scalar_style(e->scalar.value);
	const char *text = fy_token_get_text(e->scalar.value, &n->len);

	refuse_tag(b, e->scalar.tag, n->at);
	n->text = text ? arena_strndup(b->mem, text, n->len) : "";
	if (!text)
		n->len = 0;
	if (style == FYSS_PLAIN || style == FYSS_ANY)
		n->empty = is_null(n->text, n->len);
	else if (style <= FYSS_DOUBLE_QUOTED && n->at.col > 1)
		add_quotes(&n->at);
	n->complete = true;
	if (memchr(n->text, 0, n->len)) {
		diag_error(b->d, n->at, "character 0 in a value, expected text");
		n->len = strlen(n->text);
	}
	note_anchor(b, e->scalar.anchor, n);
	add_node(b, n);
}

static void on_open(struct builder *b, struct fy_event *e, enum ykind kind)
{
	struct ynode *n = new_node(b, kind, mark_pos(fy_event_start_mark(e)));
	bool map = kind == Y_MAP;

	refuse_tag(b, map ? e->mapping_start.tag : e->sequence_start.tag, n->at);
	note_anchor(b, map ? e->mapping_start.anchor : e->sequence_start.anchor, n);
	if (b->skip || b->depth == YAML_DEPTH_MAX) {
		if (!b->skip++)
			diag_error(b->d, n->at, "nested more than %u deep",
				   YAML_DEPTH_MAX);
		return;
	}
	b->stack[b->depth] = n;
	b->key[b->depth] = NULL;
	b->depth++;
}

static void on_close(struct builder *b)
{
	struct ynode *n;

	if (b->skip) {
		b->skip--;
		return;
	}
	n = b->stack[--b->depth];
	n->complete = true;
	if (n->kind == Y_MAP)
		check_duplicates(b, n);
	/* its own nodes were counted one by one already */
	b->nodes -= n->weight - 1;
	add_node(b, n);
}

static void on_event(struct builder *b, struct fy_event *e)
{
	switch (e->type) {
	case FYET_DOCUMENT_START:
		if (++b->documents == 2) {
			struct pos at = mark_pos(fy_event_start_mark(e));

			diag_error(b->d, at, "second YAML document, expected one a file");
			b->stop = true;
		}
		break;
	case FYET_SCALAR:
		if (!b->skip)
			on_scalar(b, e);
		break;
	case FYET_ALIAS:
		if (!b->skip)
			on_alias(b, e);
		break;
	case FYET_MAPPING_START:
		on_open(b, e, Y_MAP);
		break;
	case FYET_SEQUENCE_START:
		on_open(b, e, Y_LIST);
		break;
	case FYET_MAPPING_END:
	case FYET_SEQUENCE_END:
		on_close(b);
		break;
	default:
		break;
	}
	if (fy_event_end_mark(e) && fy_event_end_mark(e)->line >= 0)
		b->last = mark_pos(fy_event_end_mark(e));
}

/* libfyaml does not explain every refusal: then the end of what it took is named. */
static void take_errors(struct builder *b, struct fy_diag *fyd)
{
	struct fy_diag_error *err;
	void *it = NULL;
	bool any = false;

	while ((err = fy_diag_errors_iterate(fyd, &it))) {
		struct pos at = { .line = err->line > 0 ? (uint32_t)err->line : 1,
				  .col = err->column > 0 ? (uint32_t)err->column : 1 };

		diag_error(b->d, at, "not YAML: %s", err->msg);
		any = true;
	}
	if (!any)
		diag_error(b->d, b->last, "not YAML after this place");
}

static void parse_events(struct builder *b, const char *text, size_t len)
{
	struct fy_diag_cfg dc;
	struct fy_diag *fyd;
	struct fy_parse_cfg cfg;
	struct fy_parser *fyp;
	struct fy_event *e;

	fy_diag_cfg_default(&dc);
	dc.fp = NULL;
	fyd = fy_diag_create(&dc);
	fy_diag_set_collect_errors(fyd, true);
	cfg = (struct fy_parse_cfg){
		.flags = FYPCF_QUIET | FYPCF_COLLECT_DIAG | FYPCF_JSON_NONE |
			 FYPCF_DEFAULT_VERSION_1_2,
		.diag = fyd,
	};
	fyp = fy_parser_create(&cfg);
	if (fyp && !fy_parser_set_string(fyp, text, len)) {
		while (!b->stop && (e = fy_parser_parse(fyp))) {
			on_event(b, e);
			fy_parser_event_free(fyp, e);
		}
	}
	if (!fyp || fy_parser_get_stream_error(fyp)) {
		take_errors(b, fyd);
		b->stop = true;
	}
	fy_parser_destroy(fyp);
	fy_diag_destroy(fyd);
}

struct ynode *yaml_load(const char *text, size_t len, struct arena *mem,
			struct diags *d)
{
	struct builder b = { .mem = mem, .d = d, .last = { .line = 1, .col = 1 } };

	check_bytes(text, len, d);
	if (d->errors)
		return NULL;
	names_init(&b.anchors, mem);
	parse_events(&b, text, len);
	if (b.stop)
		return NULL;
	if (!b.root)
		diag_error(d, ((struct pos){ .line = 1, .col = 1 }),
			   "file is empty, expected a policy that begins with 'version: 1'");
	return b.root;
}
