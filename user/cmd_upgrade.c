// SPDX-License-Identifier: GPL-2.0-only
/*
 * `keyswitch upgrade`: another data path under the running instance. Must not touch the
 * kernel itself: that is the loader's part.
 */
#include <stdio.h>
#include <unistd.h>

#include "command.h"
#include "history.h"
#include "loader.h"
#include "options.h"
#include "push.h"
#include "results.h"

enum { KEY_OBJECT = 0x2000 };

static const struct argp_option table[] = {
	{ "object", KEY_OBJECT, "FILE", 0,
	  "A compiled data path (keyswitch.bpf.o) instead of the one in this binary", 0 },
	{ 0 }
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	const char **path = state->input;

	switch (key) {
	case KEY_OBJECT:
		*path = arg;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "unexpected argument '%s'", arg);
	}
	return ARGP_ERR_UNKNOWN;
}

static int upgrade(const struct instance *in, const char *path)
{
	struct object_bytes object;
	int rc = object_open(&object, path);

	if (!rc)
		rc = loader_upgrade(in, &object);
	if (!rc && history_upgrade(path ? path : "/proc/self/exe", object.bytes, object.size)) {
		complain("the new data path runs, but it is not in the history");
		rc = EXIT_ENVIRONMENT;
	}
	object_close(&object);
	return rc;
}

static int run(int argc, char **argv)
{
	static const struct argp argp = {
		.options = table, .parser = parse, .children = options_child,
		.doc = "Replaces the running data path; policy, connections and counters stay. "
		       "On an error all NICs run what they ran before.",
	};
	const char *path = NULL;
	struct pushing p;
	int rc;

	argp_parse(&argp, argc, argv, 0, NULL, &path);
	rc = pushing_begin(&p);
	if (!rc)
		rc = upgrade(&p.in, path);
	pushing_end(&p);
	if (rc)
		return rc;
	if (options.json)
		return print_json(json_pack("{s:s}", "result", "upgraded"));
	puts("the new data path runs; policy, connections and counters stayed");
	return EXIT_OK;
}

const struct command cmd_upgrade = {
	.name = "upgrade", .help = "replace the running data path", .run = run,
};
