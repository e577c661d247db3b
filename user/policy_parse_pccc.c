// SPDX-License-Identifier: GPL-2.0-only
/*
 * What stands under a rule's `pccc`: commands with their functions, data-table
 * files. Names come from bpf/groups.h alone.
 */
#include <ctype.h>
#include <string.h>

#include "policy_match.h"
#include "policy_parse.h"

#define FUNCTION_FORM	"a PCCC function name, or a command and its function such as '0x0f/0xa2'"

static const char functions_expected[] = "a group, " FUNCTION_FORM;
static const char files_expected[] = "a data file, or elements of one, such as 'N7' or 'N7:0-20'";

#define FILE_MAX	999
#define ELEMENT_MAX	0xffffu

/* ---- functions ---- */

static const char *const *function_words(struct arena *mem)
{
	const struct ks_pccc_row *rows;
	const char **words;
	unsigned int n;

	rows = ks_pccc_rows(&n);
	words = group_words(mem, n);
	for (unsigned int i = 0; i < n; i++)
		words[KS_GROUPS + i] = rows[i].name;
	return words;
}

static bool function_by_name(const struct ynode *n, struct service_sel *out)
{
	const struct ks_pccc_row *rows;
	unsigned int count;

	rows = ks_pccc_rows(&count);
	for (unsigned int i = 0; i < count; i++) {
		if (!node_is(n, rows[i].name))
			continue;
		out->code = rows[i].code;
		return true;
	}
	return false;
}

/* Commands 06, 07 and 0F alone have functions, and never come without. */
static bool function_by_number(const struct ynode *n, struct service_sel *out)
{
	const char *slash = memchr(n->text, '/', n->len);
	size_t left = slash ? (size_t)(slash - n->text) : n->len;
	uint32_t cmd, fnc = 0;

	if (!text_number(n->text, left, &cmd) || cmd > 15 ||
	    (cmd == 6 || cmd == 7 || cmd == 15) != (slash != NULL))
		return false;
	if (slash && (!text_number(slash + 1, n->len - left - 1, &fnc) || fnc > 0xff))
		return false;
	out->code = cmd << 8 | fnc;
	return true;
}

bool read_pccc_function(struct parser *ps, const struct ynode *n, bool group,
			struct service_sel *out)
{
	const char *expected = group ? functions_expected : FUNCTION_FORM, *near;

	*out = (struct service_sel){ .kind = SV_CODE, .at = n->at };
	if (!want_scalar(ps, n, expected))
		return false;
	if (group && node_group(n, &out->code)) {
		out->kind = SV_GROUP;
		return true;
	}
	if (function_by_number(n, out) || function_by_name(n, out))
		return true;
	near = diag_nearest(n->text, n->len, function_words(&ps->d->mem) + (group ? 0 : KS_GROUPS));
	diag_error(ps->d, n->at, "unknown PCCC function '%s', expected %s%s%s%s",
		   node_quote(ps, n), expected, near ? "; did you mean '" : "",
		   near ? near : "", near ? "'?" : "");
	return false;
}

static void add_function(struct parser *ps, struct cip_match *m, const struct ynode *n)
{
	struct service_sel s;

	if (!read_pccc_function(ps, n, true, &s))
		return;
	m->services = arena_grow(&ps->p->mem, m->services, m->n_services,
				 sizeof(*m->services));
	m->services[m->n_services++] = s;
}

static void match_functions(struct parser *ps, const struct ynode *n, void *arg)
{
	for (size_t i = 0, count = count_wanted(ps, n, functions_expected); i < count; i++)
		add_function(ps, arg, node_at(n, i));
}

/* ---- files ---- */

static const struct ks_pccc_type *type_by_name(const char *text, size_t len)
{
	const struct ks_pccc_type *types;
	unsigned int n;

	types = ks_pccc_types(&n);
	for (unsigned int i = 0; i < n; i++)
		if (strlen(types[i].name) == len && !strncasecmp(types[i].name, text, len))
			return &types[i];
	return NULL;
}

/* "0-20" behind the colon. */
static bool read_elements(const char *text, size_t len, struct span *s)
{
	const char *dash = memchr(text, '-', len);
	size_t left = dash ? (size_t)(dash - text) : len;

	if (!text_number(text, left, &s->lo))
		return false;
	s->hi = s->lo;
	return (!dash || text_number(dash + 1, len - left - 1, &s->hi)) && s->hi <= ELEMENT_MAX &&
	       s->lo <= s->hi;
}

static bool node_file(const struct ynode *n, struct file_sel *f)
{
	const char *colon = memchr(n->text, ':', n->len);
	size_t head = colon ? (size_t)(colon - n->text) : n->len, letters = 0;
	const struct ks_pccc_type *type;

	while (letters < head && isalpha((unsigned char)n->text[letters]))
		letters++;
	type = type_by_name(n->text, letters);
	if (!type || !text_number(n->text + letters, head - letters, &f->file) ||
	    f->file > FILE_MAX)
		return false;
	f->type = KS_PCCC_TYPE(type->code);
	f->span.hi = ELEMENT_MAX;
	return !colon || read_elements(colon + 1, n->len - head - 1, &f->span);
}

bool read_pccc_file(struct parser *ps, const struct ynode *n, struct file_sel *out)
{
	*out = (struct file_sel){ .span.at = n->at };
	if (!want_scalar(ps, n, files_expected))
		return false;
	if (node_file(n, out))
		return true;
	node_wrong(ps, n, files_expected);
	return false;
}

static void add_file(struct parser *ps, struct cip_match *m, const struct ynode *n)
{
	struct file_sel f;

	if (!read_pccc_file(ps, n, &f))
		return;
	m->files = arena_grow(&ps->p->mem, m->files, m->n_files, sizeof(*m->files));
	m->files[m->n_files++] = f;
}

static void match_files(struct parser *ps, const struct ynode *n, void *arg)
{
	for (size_t i = 0, count = count_wanted(ps, n, files_expected); i < count; i++)
		add_file(ps, arg, node_at(n, i));
}

static const struct ykey pccc_keys[] = {
	{ "functions", match_functions, false },
	{ "files", match_files, false },
	{ "route", match_route, false },
	{ NULL, NULL, false },
};

struct cip_match *read_pccc_match(struct parser *ps, const struct ynode *n)
{
	struct cip_match *m = arena_alloc(&ps->p->mem, sizeof(*m));

	m->pccc = true;
	if (!want_map(ps, n, "a mapping, '{}' for every PCCC command"))
		return m;
	refuse_values(ps, n);
	read_map(ps, n, pccc_keys, m, "pccc");
	return m;
}
