// SPDX-License-Identifier: GPL-2.0-only
/*
 * `keyswitch top`: a live view, or one picture of it for scripts. Must not change anything.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "command.h"
#include "duration.h"
#include "glance.h"
#include "options.h"
#include "results.h"
#include "top.h"
#include "top_screen.h"

enum { KEY_ONCE = 0x2000, KEY_INTERVAL, KEY_VIEW, KEY_SORT, KEY_REVERSE, KEY_FILTER, KEY_LIMIT };

static const struct argp_option table[] = {
	{ "once", KEY_ONCE, NULL, 0,
	  "Print one picture and end; so do --json and what is no terminal", 0 },
	{ "interval", KEY_INTERVAL, "DURATION", 0, "Time between two looks, 1s, 5m (2s)", 0 },
	{ "view", KEY_VIEW, "assets|clients|functions|denied|latest", 0, "What is shown first (assets)", 0 },
	{ "sort", KEY_SORT, "COLUMN", 0, "By this column, or by name (the first one)", 0 },
	{ "reverse", KEY_REVERSE, NULL, 0, "The other way round", 0 },
	{ "filter", KEY_FILTER, "TEXT", 0, "Only rows with this in a name", 0 },
	{ "limit", KEY_LIMIT, "N", 0, "At most so many rows of a view (all)", 0 },
	{ 0 }
};

struct request {
	struct top_wish wish;
	const char *sort;
	uint32_t seconds;
	size_t limit;
	bool once;
};

static int view_of(const char *name)
{
	for (int v = 0; v < TOP_VIEWS; v++)
		if (!strcmp(top_layouts[v].name, name))
			return v;
	return -1;
}

/* The column, -1 for the name, -2 for none. */
static int column_of(enum top_view view, const char *key)
{
	const struct top_layout *layout = &top_layouts[view];

	for (int v = 0; v < TOP_COLUMNS && layout->columns[v].title; v++)
		if (!strcmp(layout->columns[v].key, key))
			return v;
	return !strcmp(key, "name") || !strcmp(key, layout->row) ? -1 : -2;
}

static void check_sort(struct request *r, struct argp_state *state)
{
	const struct top_layout *layout = &top_layouts[r->wish.view];
	char names[256] = "name";

	if (!r->sort)
		return;
	r->wish.sort = column_of(r->wish.view, r->sort);
	for (int v = 0; v < TOP_COLUMNS && layout->columns[v].title; v++)
		snprintf(names + strlen(names), sizeof(names) - strlen(names), ", %s",
			 layout->columns[v].key);
	if (r->wish.sort < -1)
		argp_error(state, "sort '%s', expected one of %s in the view '%s'", r->sort, names,
			   layout->name);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct request *r = state->input;
	char *end;
	int view;

	switch (key) {
	case KEY_ONCE:
		r->once = true;
		return 0;
	case KEY_INTERVAL:
		if (duration_parse(arg, &r->seconds) || r->seconds > 3600)
			argp_error(state, "interval '%s', expected a duration of 1s to 1h", arg);
		return 0;
	case KEY_VIEW:
		view = view_of(arg);
		if (view < 0)
			argp_error(state, "view '%s', expected assets, clients, functions, denied or "
				   "latest",
				   arg);
		r->wish.view = (enum top_view)view;
		return 0;
	case KEY_SORT:
		r->sort = arg;
		return 0;
	case KEY_REVERSE:
		r->wish.reverse = true;
		return 0;
	case KEY_FILTER:
		if (strlen(arg) >= sizeof(r->wish.filter))
			argp_error(state, "filter '%s', expected at most %zu characters", arg,
				   sizeof(r->wish.filter) - 1);
		strcpy(r->wish.filter, arg);
		return 0;
	case KEY_LIMIT:
		r->limit = strtoul(arg, &end, 10);
		if (*end || *arg < '1' || *arg > '9')
			argp_error(state, "limit '%s', expected a number from 1", arg);
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "unexpected argument '%s'", arg);
		return 0;
	case ARGP_KEY_END:
		check_sort(r, state);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

/* ---- one picture ---- */

/* Name, detail and figures in 80 columns. */
static void print_row(const struct top_layout *layout, const char *name, const char *detail,
		      const struct top_row *row)
{
	int wide = !layout->detail ? 0 : layout->detail_width < 0 ? 60 + layout->detail_width : layout->detail_width;
	char text[256], figure[GLANCE_MAX];

	glance_name(text, sizeof(text), name, layout->detail_width < 0 ? (size_t)-layout->detail_width : 32);
	fputs(text, stdout);
	if (layout->detail) {
		glance_name(text, sizeof(text), detail, (size_t)wide);
		printf(" %s", text);
	}
	for (int v = 0; v < TOP_COLUMNS && layout->columns[v].title; v++)
		printf(" %*s", layout->columns[v].width, !row ? layout->columns[v].title :
		       top_figure(figure, sizeof(figure), layout->columns[v].kind, row->v[v]));
	putchar('\n');
}

static void print_view(const struct top_picture *p, const struct request *r)
{
	const struct top_layout *layout = &top_layouts[r->wish.view];
	size_t n;
	const struct top_row **rows = top_select(p, &r->wish, &n);

	print_row(layout, layout->row, layout->detail, NULL);
	for (size_t i = 0; rows && i < n && (!r->limit || i < r->limit); i++)
		print_row(layout, rows[i]->name, rows[i]->detail, rows[i]);
	free(rows);
}

static int print_picture(const struct top_picture *p, const struct request *r)
{
	char line[128];

	if (options.json)
		return print_json(top_json(p, &r->wish, r->limit));
	standing_line(line, sizeof(line), &p->standing);
	puts(line);
	for (size_t i = 0; i < p->standing.troubles; i++)
		printf("TROUBLE: %s\n", p->standing.trouble[i]);
	print_view(p, r);
	return EXIT_OK;
}

/* Rates are of the second before it. */
static int once(const struct instance *in, const struct request *r)
{
	struct top_picture first, second = { 0 };
	int err = top_take(&first, in, NULL), rc = EXIT_OK;

	if (!err) {
		sleep(1);
		err = top_take(&second, in, &first);
	}
	if (err) {
		complain("cannot read the instance at '%s': %s", options.pin_dir, strerror(-err));
		rc = EXIT_ENVIRONMENT;
	} else {
		rc = print_picture(&second, r);
	}
	top_free(&first);
	top_free(&second);
	return rc;
}

static int run(int argc, char **argv)
{
	static const struct argp argp = {
		.options = table, .parser = parse, .children = options_child,
		.doc = "Shows assets, clients, functions and refusals as they change. Its keys are "
		       "in its last line, 'h' explains them.",
	};
	struct request r = { .seconds = 2 };
	struct instance in;
	int rc;

	argp_parse(&argp, argc, argv, 0, NULL, &r);
	rc = instance_open(&in);
	if (rc)
		return rc;
	if (r.once || options.json || !isatty(STDOUT_FILENO) || !isatty(STDIN_FILENO))
		rc = once(&in, &r);
	else
		rc = top_screen(&in, &r.wish, r.seconds);
	instance_close(&in);
	return rc;
}

const struct command cmd_top = {
	.name = "top", .help = "watch assets, clients and refusals", .run = run,
};
