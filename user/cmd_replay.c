// SPDX-License-Identifier: GPL-2.0-only
/*
 * `keyswitch replay`: a capture through the real data path, one line a judged request;
 * with --against, under two policies, one line a request that they judge differently.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "addr.h"
#include "command.h"
#include "env.h"
#include "leaf.h"
#include "names.h"
#include "options.h"
#include "replay.h"
#include "replay_compare.h"
#include "results.h"

enum { KEY_POLICY = 0x2000, KEY_AGAINST, KEY_ADOPT, KEY_SERVER, KEY_MODE, KEY_SUMMARY };

static const struct argp_option table[] = {
	{ "policy", KEY_POLICY, "FILE", 0, "Policy to judge by", 0 },
	{ "against", KEY_AGAINST, "FILE", 0,
	  "Judge by this policy too and print the requests that it judges differently", 0 },
	{ "adopt", KEY_ADOPT, NULL, 0,
	  "Take connections without a handshake from their first whole message", 0 },
	{ "server", KEY_SERVER, "PREFIX", 0,
	  "The protected side, where neither handshake nor ports tell", 0 },
	{ "mode", KEY_MODE, "enforce|monitor", 0, "Instead of the policy's mode", 0 },
	{ "summary", KEY_SUMMARY, NULL, 0, "Print totals only", 0 },
	{ 0 }
};

struct arguments {
	const char *capture;
	const char *policy, *against;
	struct prefix server;
	struct replay_choice choice;
	bool totals_only;
};

static void parse_mode(struct argp_state *state, struct arguments *a, const char *arg)
{
	if (!strcmp(arg, "enforce"))
		a->choice.mode = KS_ENFORCE;
	else if (!strcmp(arg, "monitor"))
		a->choice.mode = KS_MONITOR;
	else
		argp_error(state, "'%s' is no mode, expected 'enforce' or 'monitor'", arg);
}

static void check_arguments(struct argp_state *state, const struct arguments *a)
{
	if (!a->capture)
		argp_error(state, "no capture, expected 'keyswitch replay CAPTURE --policy FILE'");
	if (!a->policy)
		argp_error(state, "no policy, expected --policy FILE");
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct arguments *a = state->input;

	switch (key) {
	case KEY_POLICY:
		a->policy = arg;
		return 0;
	case KEY_AGAINST:
		a->against = arg;
		return 0;
	case KEY_ADOPT:
		a->choice.adopt = true;
		return 0;
	case KEY_SERVER:
		if (prefix_parse(arg, strlen(arg), &a->server) != PREFIX_OK)
			argp_error(state, "'%s' is no prefix, expected one like 10.2.0.0/16", arg);
		a->choice.server = &a->server;
		return 0;
	case KEY_MODE:
		parse_mode(state, a, arg);
		return 0;
	case KEY_SUMMARY:
		a->totals_only = true;
		return 0;
	case ARGP_KEY_ARG:
		if (a->capture)
			argp_error(state, "unexpected argument '%s'", arg);
		a->capture = arg;
		return 0;
	case ARGP_KEY_END:
		check_arguments(state, a);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

/* ---- one policy ---- */

struct listing {
	struct replay r;
	bool totals_only;
};

static void print_line(const json_t *o)
{
	const char *alert = json_string_value(json_object_get(o, "alert_rule"));
	const char *src, *dst, *proto, *verdict, *reason, *rule;
	json_int_t frame, index, sport, dport;

	if (json_unpack((json_t *)o, "{s:I, s:I, s:s, s:s, s:I, s:s, s:I, s:s, s:s, s:s}", "frame",
			&frame, "index", &index, "proto", &proto, "src", &src, "sport", &sport,
			"dst", &dst, "dport", &dport, "verdict", &verdict, "reason", &reason,
			"rule", &rule))
		return;
	printf("%lld.%lld %s %s:%lld > %s:%lld %s", (long long)frame, (long long)index, verdict,
	       src, (long long)sport, dst, (long long)dport, proto);
	leaf_phrase(stdout, o);
	printf(" (%s, rule %s%s%s)\n", reason, rule, alert ? ", alert " : "", alert ? alert : "");
}

static void print_leaf(const struct replay *r, const struct frame *f, uint32_t index)
{
	const struct ks_leaf *leaf = &r->leaf[index];
	json_t *o = request_line(&r->packet, f, index, leaf);

	json_object_set_new(o, "verdict", json_string(name_verdict(leaf->verdict)));
	json_object_set_new(o, "reason", json_string(name_reason(leaf->reason)));
	json_object_set_new(o, "rule", json_string(replay_rule(r, leaf->rule)));
	if (leaf->alert)
		json_object_set_new(o, "alert_rule", json_string(replay_rule(r, leaf->alert)));
	if (options.json) {
		print_json_line(o);
		return;
	}
	print_line(o);
	json_decref(o);
}

static int list_frame(void *arg, const struct frame *f)
{
	struct listing *l = arg;
	int rc = replay_frame(&l->r, f);

	for (uint32_t i = 0; i < l->r.leaves && !l->totals_only; i++)
		print_leaf(&l->r, f, i);
	return rc;
}

static void complain_undecided(uint32_t frames)
{
	if (frames)
		complain("%u frames of protocol ports not judged (role_unknown): their client is "
			 "not known, expected --server PREFIX", frames);
}

static int list(const struct arguments *a, const struct compiled_policy *policy)
{
	struct listing l = { .totals_only = a->totals_only };
	int rc;

	l.r.summary = summary_new();
	rc = replay_open(&l.r, policy, a->capture, &a->choice);
	if (!rc) {
		rc = replay_each_frame(a->capture, list_frame, &l);
		replay_close(&l.r);
	}
	if (l.totals_only)
		summary_print(l.r.summary);
	fflush(stdout);
	complain_undecided(l.r.undecided);
	summary_free(l.r.summary);
	return rc;
}

/* ---- two policies ---- */

struct pair {
	struct replay side[DIFF_SIDES];
	struct comparison *c;
};

static int compare_frame(void *arg, const struct frame *f)
{
	struct pair *p = arg;
	int rc = replay_frame(&p->side[DIFF_OLD], f);

	if (!rc)
		rc = replay_frame(&p->side[DIFF_NEW], f);
	if (!rc)
		comparison_frame(p->c, f, &p->side[DIFF_OLD], &p->side[DIFF_NEW]);
	return rc;
}

/* 1 says that there is a difference, as with diff: what keeps from comparing is 2 or 3. */
static int compare(const struct arguments *a, struct compiled_policy *const policy[DIFF_SIDES])
{
	struct pair p = { .c = comparison_new(a->totals_only) };
	int rc = EXIT_OK, opened = 0;

	for (; opened < DIFF_SIDES && !rc; opened += !rc)
		rc = replay_open(&p.side[opened], policy[opened], a->capture, &a->choice);
	if (!rc)
		rc = replay_each_frame(a->capture, compare_frame, &p);
	if (!rc && !comparison_end(p.c))
		rc = -1;
	fflush(stdout);
	while (opened--)
		replay_close(&p.side[opened]);
	complain_undecided(p.side[DIFF_OLD].undecided > p.side[DIFF_NEW].undecided ?
			   p.side[DIFF_OLD].undecided : p.side[DIFF_NEW].undecided);
	comparison_free(p.c);
	return rc < 0 ? EXIT_PROBLEM : rc == EXIT_PROBLEM ? EXIT_USAGE : rc;
}

/* ---- the command ---- */

static int run(int argc, char **argv)
{
	static const struct argp argp = {
		.options = table, .parser = parse, .children = options_child,
		.args_doc = "CAPTURE",
		.doc = "Judges the requests of a capture by a policy. With --against it compares two "
		       "policies, and exits 0 without a difference, 1 with one.",
	};
	struct arguments a = { .choice = { .mode = -1 } };
	struct compiled_policy *policy[DIFF_SIDES] = { NULL };
	int rc;

	argp_parse(&argp, argc, argv, 0, NULL, &a);
	rc = env_check_kernel();
	if (!rc)
		rc = env_check_privileges();
	if (rc)
		return rc;
	policy[DIFF_OLD] = load_policy(a.policy, DIAG_ERROR, &rc);
	if (!rc && a.against)
		policy[DIFF_NEW] = load_policy(a.against, DIAG_ERROR, &rc);
	if (rc)
		rc = a.against ? EXIT_USAGE : rc;
	else
		rc = a.against ? compare(&a, policy) : list(&a, policy[DIFF_OLD]);
	compiled_policy_free(policy[DIFF_OLD]);
	compiled_policy_free(policy[DIFF_NEW]);
	return rc;
}

const struct command cmd_replay = {
	.name = "replay", .help = "judge the requests of a capture, or compare two policies on it",
	.run = run,
};
