// SPDX-License-Identifier: GPL-2.0-only
/*
 * The canonical layout: selftests/fmt/NAME.yaml has to become NAME.want, and of
 * every policy, of the tree and random ones written untidily, the layout is its own
 * layout, compiles to the same tables and has every comment once.
 */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "policy_random.h"
#include "../../user/policy_fmt.h"
#include "policy_same.h"
#include "test.h"

#define POLICIES 400

static char *slurp(const char *path, size_t *len)
{
	FILE *f = fopen(path, "r");
	char *text = calloc(1, 1 << 18);

	*len = f && text ? fread(text, 1, (1 << 18) - 1, f) : 0;
	if (f)
		fclose(f);
	return text;
}

static struct compiled_policy *compile(const char *text, size_t len)
{
	struct compiled_policy *c = NULL;
	struct policy *p;
	struct diags d;

	diags_init(&d, "text");
	p = policy_parse_text(text, len, &d);
	if (p)
		c = policy_compile(p, &d);
	policy_free(p);
	diags_free(&d);
	return c;
}

static size_t count(const char *text, const char *what)
{
	size_t n = 0;

	while ((text = strstr(text, what))) {
		text += strlen(what);
		n++;
	}
	return n;
}

/* Comments are not looked for in the text; what could be part of a value is not used. */
static bool keeps_all(const char *text, size_t len, const char *name)
{
	struct compiled_policy *a = compile(text, len), *b = NULL;
	char *once, *twice = NULL;
	struct arena mem = { 0 };
	size_t n = 0, m = 0;
	bool good = true;

	if (!a)
		return true;
	once = policy_fmt(text, len, &mem, &n);
	if (once) {
		twice = policy_fmt(once, n, &mem, &m);
		b = compile(once, n);
	}
	good = CHECK(once != NULL) && CHECK(twice && n == m && !memcmp(once, twice, n)) &&
	       CHECK(b && same_tables(a, b)) && CHECK(count(text, "#") == count(once, "#"));
	if (!good)
		printf("%s:\n%s----\n%s----\n%s", name, text, once ? once : "", twice ? twice : "");
	compiled_policy_free(a);
	compiled_policy_free(b);
	arena_free(&mem);
	return good;
}

static int is_yaml(const struct dirent *e)
{
	size_t n = strlen(e->d_name);

	return n > 5 && !strcmp(e->d_name + n - 5, ".yaml");
}

static int each(const char *directory, void (*act)(const char *path))
{
	struct dirent **list = NULL;
	int n = scandir(directory, &list, is_yaml, alphasort);
	char path[512];

	for (int i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/%s", directory, list[i]->d_name);
		act(path);
		free(list[i]);
	}
	free(list);
	return n;
}

static void check_want(const char *path)
{
	char want_path[512], *text, *want, *out;
	struct arena mem = { 0 };
	size_t len, want_len, n = 0;

	snprintf(want_path, sizeof(want_path), "%.*s.want", (int)strlen(path) - 5, path);
	text = slurp(path, &len);
	want = slurp(want_path, &want_len);
	out = policy_fmt(text, len, &mem, &n);
	if (!CHECK(out && n == want_len && !memcmp(out, want, n)))
		printf("%s became\n%s", path, out ? out : "nothing");
	keeps_all(text, len, path);
	arena_free(&mem);
	free(text);
	free(want);
}

TEST(fmt_gives_the_wanted_layout)
{
	CHECK(each("selftests/fmt", check_want) >= 4);
}

static void check_file(const char *path)
{
	size_t len;
	char *text = slurp(path, &len);

	keeps_all(text, len, path);
	free(text);
}

TEST(fmt_keeps_what_policies_say)
{
	CHECK(each("policy", check_file) >= 5);
	CHECK(each("selftests/policies", check_file) >= 50);
	CHECK(each("selftests/vectors", check_file) >= 5);
}

static void check_canonical(const char *path)
{
	struct arena mem = { 0 };
	size_t len, n = 0;
	char *text = slurp(path, &len), *out = policy_fmt(text, len, &mem, &n);

	if (!CHECK(out && n == len && !memcmp(text, out, n)))
		printf("  %s\n", path);
	arena_free(&mem);
	free(text);
}

TEST(fmt_shipped_policies_are_laid_out)
{
	CHECK(each("policy", check_canonical) >= 5);
}

/* ---- random ---- */

/*
 * The same policy untidily: comments before lines and behind them, blank lines, more
 * spaces where one may stand, flow lists over several lines, other ends of line.
 */
static void untidy(const struct text *t, struct text *out)
{
	const char *eol = any(4) ? "\n" : "\r\n";
	unsigned int quoted = 0, flow = 0, number = 0;

	out->n = 0;
	for (size_t i = 0; i < t->n; i++) {
		char c = t->buf[i];
		bool space = c == ' ' && i && strchr(":,", t->buf[i - 1]);

		quoted ^= c == '"';
		flow += !quoted && strchr("[{", c) ? 1 : 0;
		flow -= !quoted && strchr("]}", c) ? 1 : 0;
		if (c == '\n') {
			if (any(6) == 0)
				put(out, "%*s# c%u", (int)any(3) + 1, "", number++);
			put(out, "%s", eol);
			if (any(8) == 0)
				put(out, "%s", eol);
			if (any(8) == 0)
				put(out, "%*s# c%u%s", (int)any(8), "", number++, eol);
			continue;
		}
		put(out, "%c", c);
		if (!quoted && space && any(4) == 0)
			put(out, "%*s", (int)any(4), "");
		if (!quoted && flow && strchr("[{,", c) && any(12) == 0)
			put(out, "%s# c%u%s        ", any(2) ? " " : "\n       ", number++, eol);
	}
}

static void run_seed(uint64_t start)
{
	static struct text tidy, text;

	seed = start ? start : 1;
	for (int i = 0; i < POLICIES; i++) {
		struct compiled_policy *c;

		write_policy(&tidy);
		untidy(&tidy, &text);
		c = compile(text.buf, text.n);
		compiled_policy_free(c);
		if (!CHECK(c != NULL) || !keeps_all(text.buf, text.n, "random")) {
			printf("%s", text.buf);
			return;
		}
	}
}

TEST(fmt_keeps_what_random_policies_say_fixed_seed)
{
	run_seed(20261128);
}

TEST(fmt_keeps_what_random_policies_say_random_seed)
{
	run_seed(random_start());
}

int main(void)
{
	return test_run_all();
}
