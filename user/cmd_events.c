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

#include "command.h"
#include "events.h"
#include "options.h"
#include "results.h"

enum { KEY_FOLLOW = 0x2000 };

static const struct argp_option table[] = {
	{ "follow", KEY_FOLLOW, NULL, 0, "Go on with every new event", 0 },
	{ 0 }
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	int *follow = state->input;

	switch (key) {
	case KEY_FOLLOW:
		*follow = 1;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "unexpected argument '%s'", arg);
	}
	return ARGP_ERR_UNKNOWN;
}

static void show(void *arg, json_t *event)
{
	(void)arg;
	if (options.json) {
		json_dumpf(event, stdout, JSON_COMPACT);
		putchar('\n');
	} else {
		event_print(stdout, event);
	}
	/* a reader that went away ends us: SIGPIPE */
	fflush(stdout);
}

static int from_serve(int fd, int follow)
{
	const char *wish = follow ? "follow\n" : "recent\n";
	char *line = NULL;
	size_t size = 0;
	FILE *in;

	if (write(fd, wish, strlen(wish)) < 0 || !(in = fdopen(fd, "r"))) {
		complain("cannot talk to 'keyswitch serve': %s", strerror(errno));
		close(fd);
		return EXIT_ENVIRONMENT;
	}
	while (getline(&line, &size, in) > 0) {
		json_t *event = json_loads(line, 0, NULL);

		if (event)
			show(NULL, event);
		json_decref(event);
	}
	free(line);
	fclose(in);
	if (!follow)
		return EXIT_OK;
	complain("'keyswitch serve' ended, or this reader was too slow for it");
	return EXIT_PROBLEM;
}

static int from_ring(const struct instance *in, int follow)
{
	struct event_source src;
	int rc = events_open(&src, in, show, NULL), err;

	if (rc)
		return rc;
	do {
		struct pollfd p = { .fd = events_fd(&src), .events = POLLIN };

		err = events_consume(&src);
		if (!err && follow && poll(&p, 1, -1) < 0 && errno != EINTR)
			err = -errno;
	} while (follow && !err);
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
	int follow = 0, fd, rc;

	argp_parse(&argp, argc, argv, 0, NULL, &follow);
	rc = instance_open(&in);
	if (rc)
		return rc;
	fd = events_connect();
	rc = fd >= 0 ? from_serve(fd, follow) : from_ring(&in, follow);
	instance_close(&in);
	return rc;
}

const struct command cmd_events = {
	.name = "events", .help = "show events", .run = run,
};
