// SPDX-License-Identifier: GPL-2.0-only
/*
 * `keyswitch events`: events from a running `serve`, or from the ring itself
 * when nobody serves. Must not change the instance.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cef.h"
#include "command.h"
#include "events.h"
#include "options.h"
#include "stats.h"

#define LOOK_MS 1000	/* how often it is looked for what no event tells of */

enum { KEY_FOLLOW = 0x2000, KEY_CEF };

struct wish {
	bool follow;
	bool cef;
};

static const struct argp_option table[] = {
	{ "follow", KEY_FOLLOW, NULL, 0, "Go on with every new event", 0 },
	{ "cef", KEY_CEF, NULL, 0, "Print CEF, as 'serve --syslog' sends it", 0 },
	{ 0 }
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct wish *wish = state->input;

	switch (key) {
	case KEY_FOLLOW:
		wish->follow = true;
		return 0;
	case KEY_CEF:
		wish->cef = true;
		return 0;
	case ARGP_KEY_END:
		if (wish->cef && options.json)
			argp_error(state, "'--cef' and '--json' are two formats, expected one");
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "unexpected argument '%s'", arg);
	}
	return ARGP_ERR_UNKNOWN;
}

static void show(void *arg, json_t *event)
{
	const struct wish *wish = arg;

	if (wish->cef) {
		cef_write(stdout, event);
		putchar('\n');
	} else if (options.json) {
		json_dumpf(event, stdout, JSON_COMPACT);
		putchar('\n');
	} else {
		event_print(stdout, event);
	}
	/* a reader that went away ends us: SIGPIPE */
	fflush(stdout);
}

static int from_serve(int fd, struct wish *wish)
{
	const char *word = wish->follow ? "follow\n" : "recent\n";
	char *line = NULL;
	size_t size = 0;
	FILE *in;

	if (write(fd, word, strlen(word)) < 0 || !(in = fdopen(fd, "r"))) {
		complain("cannot talk to 'keyswitch serve': %s", strerror(errno));
		close(fd);
		return EXIT_ENVIRONMENT;
	}
	while (getline(&line, &size, in) > 0) {
		json_t *event = json_loads(line, 0, NULL);

		if (event)
			show(wish, event);
		json_decref(event);
	}
	free(line);
	fclose(in);
	if (!wish->follow)
		return EXIT_OK;
	complain("'keyswitch serve' ended, or this reader was too slow for it");
	return EXIT_PROBLEM;
}

/* What no event tells of is told as `serve` tells it. */
static void show_missed(struct stats *stats, const struct serve_counts *counts, struct wish *wish)
{
	json_t *event = stats_due(stats, counts);

	if (event)
		show(wish, event);
	json_decref(event);
}

static int from_ring(const struct instance *in, struct wish *wish)
{
	const struct serve_counts counts = { 0 };
	struct event_source src;
	struct stats stats;
	int rc = events_open(&src, in, show, wish), err;

	if (rc)
		return rc;
	stats_open(&stats, in, src.host, 0);
	do {
		struct pollfd p = { .fd = events_fd(&src), .events = POLLIN };

		err = events_consume(&src);
		show_missed(&stats, &counts, wish);
		if (!err && wish->follow && poll(&p, 1, LOOK_MS) < 0 && errno != EINTR)
			err = -errno;
	} while (wish->follow && !err);
	if (err)
		complain("cannot read the event ring: %s", strerror(-err));
	events_close(&src);
	return err ? EXIT_ENVIRONMENT : EXIT_OK;
}

static int run(int argc, char **argv)
{
	static const struct argp argp = {
		.options = table, .parser = parse, .children = options_child,
		.doc = "Shows the last events, with --follow every new one.",
	};
	struct instance in;
	struct wish wish = { 0 };
	int fd, rc;

	argp_parse(&argp, argc, argv, 0, NULL, &wish);
	rc = instance_open(&in);
	if (rc)
		return rc;
	fd = events_connect();
	rc = fd >= 0 ? from_serve(fd, &wish) : from_ring(&in, &wish);
	instance_close(&in);
	return rc;
}

const struct command cmd_events = {
	.name = "events", .help = "show events", .run = run,
};
