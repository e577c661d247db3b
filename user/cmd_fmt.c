// SPDX-License-Identifier: GPL-2.0-only
/*
 * keyswitch fmt FILE...: policy files in their canonical layout, to stdout or in
 * place. A file that is no policy is left alone. Must not touch the kernel.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command.h"
#include "options.h"
#include "policy.h"
#include "policy_fmt.h"

enum { KEY_WRITE = 'w', KEY_CHECK = 'c' };

struct fmt {
	char **files;
	int n;
	bool write, check;
	json_t *results;
};

static const struct argp_option table[] = {
	{ "write", KEY_WRITE, NULL, 0, "Replace each file that is laid out otherwise, and name it", 0 },
	{ "check", KEY_CHECK, NULL, 0,
	  "Name each file that is laid out otherwise, and fail if there is one", 0 },
	{ 0 }
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct fmt *f = state->input;

	(void)arg;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = NULL;
		return 0;
	case KEY_WRITE:
		f->write = true;
		return 0;
	case KEY_CHECK:
		f->check = true;
		return 0;
	case ARGP_KEY_ARGS:
		f->files = state->argv + state->next;
		f->n = state->argc - state->next;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "no policy file, expected at least one");
		return 0;
	case ARGP_KEY_END:
		if (f->write && f->check)
			argp_error(state, "'--write' beside '--check', expected one of them");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	.options = table,
	.parser = parse,
	.args_doc = "FILE...",
	.doc = "Lays policy files out in one way and prints them. What they mean, their "
	       "comments and the blank lines between blocks stay.",
	.children = options_child,
};

/* ---- in place ---- */

static int write_all(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno != EINTR)
			return -1;
		if (n > 0) {
			text += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

/* The name is in force on the disk only when its directory is there. */
static int sync_directory(const char *path)
{
	char *copy = strdup(path);
	int fd = copy ? open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	int rc = fd < 0 ? -1 : fsync(fd);

	if (fd >= 0)
		close(fd);
	free(copy);
	return rc;
}

static int fill(int fd, const struct stat *st, const char *text, size_t len)
{
	return fchown(fd, st->st_uid, st->st_gid) || fchmod(fd, st->st_mode & 07777) ||
	       write_all(fd, text, len) || fsync(fd);
}

/* Beside the file, then in its place: a reader sees the old text or the new one. */
static int replace(const char *path, const char *text, size_t len)
{
	char *temporary = NULL;
	struct stat st;
	int fd, rc = -1;

	if (stat(path, &st))
		return -1;
	if (!S_ISREG(st.st_mode)) {
		errno = EINVAL;
		return -1;
	}
	if (asprintf(&temporary, "%s.XXXXXX", path) < 0)
		return -1;
	fd = mkostemp(temporary, O_CLOEXEC);
	if (fd >= 0) {
		rc = fill(fd, &st, text, len);
		if (close(fd) || rc || rename(temporary, path)) {
			int err = errno;

			unlink(temporary);
			errno = err;
			rc = -1;
		}
	}
	free(temporary);
	return rc ? rc : sync_directory(path);
}

static int write_back(const char *path, const char *text, size_t len)
{
	/* a link stays a link, what it leads to is replaced */
	char *real = realpath(path, NULL);
	int rc = real ? replace(real, text, len) : -1;

	if (rc)
		complain("cannot write '%s': %s", path, strerror(errno));
	free(real);
	return rc ? EXIT_ENVIRONMENT : EXIT_OK;
}

/* ---- one file ---- */

static int say(const struct fmt *f, const char *path, bool changed, const char *text)
{
	json_t *o;

	if (!f->results) {
		if (!f->write && !f->check)
			fputs(text, stdout);
		else if (changed)
			puts(path);
		return EXIT_OK;
	}
	o = json_pack("{s:s, s:b}", "file", path, "changed", (int)changed);
	if (o && !f->write && !f->check)
		json_object_set_new(o, "text", json_string(text));
	return json_array_append_new(f->results, o) ? EXIT_ENVIRONMENT : EXIT_OK;
}

static int lay_out(const struct fmt *f, const char *path, const struct diags *d)
{
	struct arena mem = { 0 };
	size_t len;
	char *text = policy_fmt(d->text, d->len, &mem, &len);
	bool changed = text && (len != d->len || memcmp(text, d->text, len));
	int rc = EXIT_OK;

	if (!text) {
		complain("'%s' cannot be laid out without changing what it says, it was left alone",
			 path);
		rc = EXIT_PROBLEM;
	} else if (changed && f->write) {
		rc = write_back(path, text, len);
	} else if (changed && f->check) {
		rc = EXIT_PROBLEM;
	}
	if (text && rc != EXIT_ENVIRONMENT) {
		int said = say(f, path, changed, text);

		rc = said > rc ? said : rc;
	}
	arena_free(&mem);
	return rc;
}

static int fmt_file(const struct fmt *f, const char *path)
{
	struct policy *p;
	struct diags d;
	int rc = EXIT_PROBLEM;

	diags_init(&d, path);
	p = policy_parse_file(path, &d);
	diags_sort(&d);
	if (p)
		rc = lay_out(f, path, &d);
	else
		diags_print(&d, stderr, true);
	policy_free(p);
	diags_free(&d);
	return rc;
}

static int run(int argc, char **argv)
{
	struct fmt f = { 0 };
	int rc = EXIT_OK;

	argp_parse(&argp, argc, argv, 0, NULL, &f);
	if (options.json)
		f.results = json_array();
	for (int i = 0; i < f.n; i++) {
		int one = fmt_file(&f, f.files[i]);

		if (one > rc)
			rc = one;
	}
	if (f.results) {
		json_dumpf(f.results, stdout, JSON_INDENT(2));
		putchar('\n');
		json_decref(f.results);
	}
	if (fflush(stdout)) {
		complain("cannot print the result");
		rc = EXIT_ENVIRONMENT;
	}
	return rc;
}

const struct command cmd_fmt = {
	"fmt", "lay policy files out in one way", run,
};
