// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lines of JSON to words of requests, see request_lines.h.
 * Must not know what the words mean.
 */
#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "options.h"
#include "request_lines.h"

struct lines {
	const char *path;
	unsigned int line;
	bool bad;
};

void request_line_wrong(const char *path, unsigned int line, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	complain("%s:%u: %s", path, line, text);
}

static const char **word_of(struct request_words *words, const char *key)
{
	if (!strcmp(key, "from"))
		return &words->from;
	if (!strcmp(key, "to"))
		return &words->to;
	for (enum request_word w = 0; w < WORDS; w++)
		if (!strcmp(request_option(w), key))
			return &words->word[w];
	return NULL;
}

/* A number stands for its digits. */
static const char *value_text(const json_t *value, struct arena *mem)
{
	char digits[32];

	if (json_is_string(value))
		return json_string_value(value);
	if (!json_is_integer(value))
		return NULL;
	snprintf(digits, sizeof(digits), "%lld", (long long)json_integer_value(value));
	return arena_strndup(mem, digits, strlen(digits));
}

static bool read_words(const struct lines *l, json_t *o, struct request_words *words,
		       struct arena *mem)
{
	bool good = true;
	const char *key;
	json_t *value;

	json_object_foreach(o, key, value) {
		const char **word = word_of(words, key);

		if (word)
			*word = value_text(value, mem);
		if (word && *word)
			continue;
		good = false;
		request_line_wrong(l->path, l->line, word ? "'%s' is neither text nor a whole number" :
				   "unknown key '%s', expected 'from', 'to' or the name of an option "
				   "such as 'function'", key);
	}
	if (good && words->from && words->to)
		return true;
	if (good)
		request_line_wrong(l->path, l->line, "no '%s'", words->from ? "to" : "from");
	return false;
}

static bool read_line(const struct lines *l, const char *text, size_t len,
		      bool (*visit)(void *arg, const struct request_words *words,
				    unsigned int line), void *arg)
{
	struct request_words words = { .from = NULL };
	struct arena mem = { 0 };
	json_error_t error;
	json_t *o = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
	bool good = false;

	if (!o)
		request_line_wrong(l->path, l->line, "%s, expected a JSON object", error.text);
	else if (!json_is_object(o))
		request_line_wrong(l->path, l->line, "no JSON object");
	else
		good = read_words(l, o, &words, &mem) && visit(arg, &words, l->line);
	json_decref(o);
	arena_free(&mem);
	return good;
}

static bool is_blank(const char *text, size_t len)
{
	return strspn(text, " \t\r\n") >= len;
}

int request_lines(const char *path, bool (*visit)(void *arg, const struct request_words *words,
						  unsigned int line), void *arg)
{
	struct lines l = { .path = strcmp(path, "-") ? path : "(standard input)" };
	FILE *f = strcmp(path, "-") ? fopen(path, "r") : stdin;
	char *text = NULL;
	size_t room = 0;
	ssize_t len = 0;

	errno = f ? 0 : errno;
	while (f && (len = getline(&text, &room, f)) >= 0) {
		l.line++;
		if (!is_blank(text, (size_t)len))
			l.bad |= !read_line(&l, text, (size_t)len, visit, arg);
		errno = 0;
	}
	if (!f || ferror(f)) {
		complain("cannot read the requests '%s': %s", l.path, strerror(errno));
		l.bad = true;
	}
	if (f && f != stdin)
		fclose(f);
	free(text);
	return l.bad ? EXIT_USAGE : EXIT_OK;
}
