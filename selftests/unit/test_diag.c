// SPDX-License-Identifier: GPL-2.0-only
/*
 * The source line and the mark under a diagnostic: tabs, wide and combining
 * characters, long lines, every kind of line end, and how long the places are
 * that the parser names.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../user/policy.h"
#include "test.h"

/* What is printed below the message "f:L:C: error: m". */
static char *shown(const char *text, size_t len, struct pos at)
{
	char *out = NULL, *below;
	struct diags d;
	size_t size;
	FILE *f = open_memstream(&out, &size);

	diags_init(&d, "f");
	diags_take_text(&d, memcpy(malloc(len + 1), text, len), len);
	diag_error(&d, at, "m");
	diags_print(&d, f, true);
	fclose(f);
	diags_free(&d);
	below = strdup(strchr(out, '\n') + 1);
	free(out);
	return below;
}

static bool shows(const char *text, struct pos at, const char *want)
{
	char *found = shown(text, strlen(text), at);
	bool same = !strcmp(found, want);

	if (!same)
		printf("expected\n%sfound\n%s", want, found);
	free(found);
	return same;
}

#define AT(l, c, n) ((struct pos){ .line = (l), .col = (c), .len = (n) })

TEST(diag_marks_the_place)
{
	CHECK(shows("a: b\nc: dd\n", AT(2, 4, 2), "   2 | c: dd\n     |    ^~\n"));
	CHECK(shows("a: b\nc: dd", AT(2, 4, 0), "   2 | c: dd\n     |    ^\n"));
	/* beyond the end of the line, of the file, and of a value that goes on below */
	CHECK(shows("c: d\n", AT(1, 5, 0), "   1 | c: d\n     |     ^\n"));
	CHECK(shows("c: d\n", AT(1, 50, 9), "   1 | c: d\n     |     ^\n"));
	CHECK(shows("c: d e\n f\n", AT(1, 4, POS_WHOLE_LINE), "   1 | c: d e\n     |    ^~~\n"));
	CHECK(shows("c: d\n", AT(2, 1, 0), "   2 | \n     | ^\n"));
	CHECK(shows("c: d\n", AT(3, 1, 0), ""));
	CHECK(shows("c: d\n", AT(0, 0, 0), ""));
	CHECK(shows("", AT(1, 1, 0), "   1 | \n     | ^\n"));
}

TEST(diag_knows_line_ends)
{
	CHECK(shows("a\r\nb: cc\r\nd\r\n", AT(2, 4, 2), "   2 | b: cc\n     |    ^~\n"));
	CHECK(shows("a\rb: cc\rd", AT(2, 4, 2), "   2 | b: cc\n     |    ^~\n"));
	CHECK(shows("\n\n\nb", AT(4, 1, 1), "   4 | b\n     | ^\n"));
}

TEST(diag_columns_are_those_of_the_terminal)
{
	/* a tab reaches to the next multiple of 8, in the line and in the mark */
	CHECK(shows("ab:\tx # y", AT(1, 5, 1), "   1 | ab:     x # y\n     |         ^\n"));
	CHECK(shows("\ta\tb", AT(1, 4, 1), "   1 |         a       b\n     |                 ^\n"));
	CHECK(shows("\xc3\xa9: \xc3\xbc\xc3\xbc x", AT(1, 4, 2),
		    "   1 | \xc3\xa9: \xc3\xbc\xc3\xbc x\n     |    ^~\n"));
	/* two wide characters, then one with a combining accent */
	CHECK(shows("\xe5\xb7\xa5\xe5\xa0\xb4: e\xcc\x81q z", AT(1, 5, 3),
		    "   1 | \xe5\xb7\xa5\xe5\xa0\xb4: e\xcc\x81q z\n     |       ^~\n"));
	CHECK(shows("\xe5\xb7\xa5\xe5\xa0\xb4: x", AT(1, 1, 2),
		    "   1 | \xe5\xb7\xa5\xe5\xa0\xb4: x\n     | ^~~~\n"));
}

TEST(diag_shows_nothing_that_steers_a_terminal)
{
	/* escape, C1, right-to-left override, bytes that are no UTF-8, NUL */
	CHECK(shows("\x1b[1m\xc2\x9b\xe2\x80\xae\xc0\xaf x", AT(1, 10, 1),
		    "   1 | ?[1m???? x\n     |          ^\n"));
	char *found = shown("a\0b c", 5, AT(1, 5, 1));

	CHECK(!strcmp(found, "   1 | a?b c\n     |     ^\n"));
	free(found);
}

/* A line of n digits, with "HERE" at a column. */
static bool cut_as(size_t n, uint32_t col, const char *before, size_t digits_before,
		   size_t digits_after, const char *after)
{
	char *text = malloc(n + 1), want[512], *found;
	size_t from = col - 1 - digits_before, at = 0;
	bool same;

	for (size_t i = 0; i < n; i++)
		text[i] = (char)('0' + i % 10);
	text[n] = 0;
	memcpy(text + col - 1, "HERE", 4);
	at += (size_t)sprintf(want, "   1 | %s%.*s%s\n     | ", before,
			      (int)(digits_before + 4 + digits_after), text + from, after);
	for (size_t i = 0; i < strlen(before) + digits_before; i++)
		want[at++] = ' ';
	strcpy(want + at, "^~~~\n");
	found = shown(text, n, AT(1, col, 4));
	same = !strcmp(found, want);
	if (!same)
		printf("expected\n%sfound\n%s", want, found);
	free(found);
	free(text);
	return same;
}

TEST(diag_cuts_long_lines_around_the_place)
{
	CHECK(cut_as(100, 3, "", 2, 94, ""));
	CHECK(cut_as(101, 3, "", 2, 94, "..."));
	CHECK(cut_as(300, 92, "", 91, 5, "..."));
	CHECK(cut_as(300, 93, "...", 60, 33, "..."));
	CHECK(cut_as(300, 297, "...", 60, 0, ""));
	CHECK(cut_as(1000000, 500000, "...", 60, 33, "..."));
}

static struct diags loaded(const char *text)
{
	char path[] = "/tmp/keyswitch-diag-XXXXXX";
	int fd = mkstemp(path);
	struct diags d;

	diags_init(&d, "f");
	if (CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text)))
		compiled_policy_free(policy_load(path, &d));
	close(fd);
	unlink(path);
	return d;
}

/* Plain and quoted words, keys, aliases, a list's bracket, what goes on below. */
TEST(diag_places_have_their_length)
{
	static const uint32_t lengths[] = { 3, 8, 5, 3, 0, POS_WHOLE_LINE, 10 };
	struct diags d = loaded("version: \"2\"\n"
				"defaults: allow\n"
				"mode: *none\n"
				"other: 'x'\n"
				"unlisted: [a]\n"
				"adopt: \"a\n  b\"\n"
				"assets: {plc: 10.2.0.300, p: 10.2.0.1}\n");

	CHECK(d.n == 7);
	for (size_t i = 0; i < d.n && i < 7; i++)
		CHECK_AT(d.v[i].at.len == lengths[i], i);
	diags_free(&d);
}

TEST(diag_json_has_line_column_length_and_source)
{
	struct diags d = loaded("version: 1\nassets: {plc: 10.2.0.1}\nrules:\n"
				"  - name: w\n    action: alow # x\n");
	json_t *list = json_array(), *o;

	CHECK(d.n == 1 && !diags_json(&d, list));
	o = json_array_get(list, 0);
	CHECK(json_integer_value(json_object_get(o, "line")) == 5);
	CHECK(json_integer_value(json_object_get(o, "column")) == 13);
	CHECK(json_integer_value(json_object_get(o, "length")) == 4);
	CHECK(!strcmp(json_string_value(json_object_get(o, "source")), "    action: alow # x"));
	CHECK(!strcmp(json_string_value(json_object_get(o, "message")),
		      "'alow', expected 'deny', 'allow' or 'alert'; did you mean 'allow'?"));
	json_decref(list);
	diags_free(&d);
}

int main(void)
{
	return test_run_all();
}
