// SPDX-License-Identifier: GPL-2.0-only
/*
 * `keyswitch shadow`: a candidate judged beside the policy in force; `promote`: it comes
 * into force. What is in force is push.c's.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "command.h"
#include "history.h"
#include "options.h"
#include "push.h"
#include "results.h"
#include "shadow.h"
#include "signature.h"

enum { KEY_OFF = 0x2000 };

static const struct argp_option table[] = {
	{ "off", KEY_OFF, NULL, 0, "No policy is judged beside any more", 0 },
	{ 0 }
};

struct arguments {
	const char *path;
	bool off;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct arguments *args = state->input;

	if (key == KEY_OFF)
		args->off = true;
	else if (key == ARGP_KEY_ARG && !args->path)
		args->path = arg;
	else if (key == ARGP_KEY_ARG)
		argp_error(state, "'%s' is one argument too many, expected at most FILE", arg);
	else if (key == ARGP_KEY_END && args->off && args->path)
		argp_error(state, "'%s' and --off, expected one of them", args->path);
	else
		return ARGP_ERR_UNKNOWN;
	return 0;
}

/* ---- shown ---- */

static const char *text_of(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text ? text : "";
}

static void print_side(const json_t *side)
{
	const char *rule = text_of(side, "rule");
	bool allowed = !strcmp(text_of(side, "verdict"), "allow");

	fputs(allowed ? "allowed" : "denied", stdout);
	if (*rule)
		printf(" by '%s'", rule);
	else if (!allowed)
		printf(" (%s)", text_of(side, "reason"));
}

static void print_shadow(const json_t *shadow)
{
	time_t since = (time_t)json_integer_value(json_object_get(shadow, "since"));
	const json_t *row;
	char when[64];
	struct tm tm;
	size_t i;

	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S%z", localtime_r(&since, &tm));
	printf("shadow      generation %lld, sha256 %.16s..., since %s\n",
	       (long long)json_integer_value(json_object_get(shadow, "generation")),
	       text_of(shadow, "digest"), when);
	printf("judged      %lld requests and connections by both, %lld would differ\n",
	       (long long)json_integer_value(json_object_get(shadow, "judged")),
	       (long long)json_integer_value(json_object_get(shadow, "differ")));
	json_array_foreach(json_object_get(shadow, "differences"), i, row) {
		printf("%11lld %ss: ", (long long)json_integer_value(json_object_get(row, "count")),
		       text_of(row, "what"));
		print_side(json_object_get(row, "now"));
		fputs(" -> ", stdout);
		print_side(json_object_get(row, "candidate"));
		putchar('\n');
	}
}

static int none(void)
{
	complain("no policy is in the shadow, expected 'keyswitch shadow FILE' before");
	return EXIT_PROBLEM;
}

static int show(const struct instance *in, const struct ks_state_rec *state)
{
	json_t *shadow = shadow_json(in, state);

	if (!shadow) {
		complain("cannot read the instance at '%s'", options.pin_dir);
		return EXIT_ENVIRONMENT;
	}
	if (json_is_null(shadow))
		return none();
	if (options.json)
		return print_json(shadow);
	print_shadow(shadow);
	json_decref(shadow);
	return EXIT_OK;
}

static int print(void)
{
	struct ks_state_rec state;
	struct instance in;
	int rc = instance_open(&in);

	if (rc)
		return rc;
	if (instance_state(&in, &state)) {
		complain("cannot read the running state");
		rc = EXIT_ENVIRONMENT;
	} else {
		rc = show(&in, &state);
	}
	instance_close(&in);
	return rc;
}

/* ---- put up, taken down ---- */

static int put_up(struct pushing *p, const char *path)
{
	struct compiled_policy *policy;
	uint32_t slot, generation;
	char digest[DIGEST_TEXT];
	int rc;

	policy = load_policy(path, DIAG_WARNING, &rc);
	if (!policy)
		return rc;
	digest_text(digest, policy->cfg->digest);
	rc = signature_check(path, policy->cfg->digest);
	/* promote takes it from there */
	if (!rc && history_keep(path, policy->cfg->digest))
		rc = EXIT_ENVIRONMENT;
	if (!rc)
		rc = pushing_fill(p, policy, &slot, &generation);
	compiled_policy_free(policy);
	if (rc)
		return rc;
	p->state.shadow = slot + 1;
	rc = pushing_write(p);
	shadow_forget(&p->in, 0);
	if (rc)
		return rc;
	if (options.json)
		return print_json(json_pack("{s:I, s:s}", "generation", (json_int_t)generation,
					    "digest", digest));
	printf("policy generation %u is judged beside the one in force\n", generation);
	return EXIT_OK;
}

static int take_down(struct pushing *p)
{
	int rc;

	if (!p->state.shadow)
		return none();
	p->state.shadow = 0;
	rc = pushing_write(p);
	if (rc)
		return rc;
	if (options.json)
		return print_json(json_pack("{s:s}", "result", "off"));
	puts("no policy is judged beside the one in force");
	return EXIT_OK;
}

static int run(int argc, char **argv)
{
	static const struct argp argp = {
		.options = table, .parser = parse, .args_doc = "[FILE]",
		.children = options_child,
		.doc = "Judges a policy beside the one in force, on the same traffic, and counts "
		       "where it would decide otherwise. Without FILE: shows that.",
	};
	struct arguments args = { 0 };
	struct pushing p;
	int rc;

	argp_parse(&argp, argc, argv, 0, NULL, &args);
	if (!args.path && !args.off)
		return print();
	rc = pushing_begin(&p);
	if (!rc)
		rc = args.off ? take_down(&p) : put_up(&p, args.path);
	pushing_end(&p);
	return rc;
}

const struct command cmd_shadow = {
	.name = "shadow", .help = "judge a policy beside the one in force", .run = run,
};
