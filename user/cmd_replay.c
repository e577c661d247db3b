// SPDX-License-Identifier: GPL-2.0-only
/*
 * `keyswitch replay`: a capture through the real data path, on an instance of
 * its own, one line a judged request. Must not touch the running instance.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>

#include "addr.h"
#include "capture.h"
#include "command.h"
#include "env.h"
#include "leaf.h"
#include "loader.h"
#include "names.h"
#include "options.h"
#include "results.h"
#include "roles.h"
#include "summary.h"

enum { KEY_POLICY = 0x2000, KEY_ADOPT, KEY_SERVER, KEY_MODE, KEY_SUMMARY };

#define FLOWS_MAX (1u << 20)

static const struct argp_option table[] = {
	{ "policy", KEY_POLICY, "FILE", 0, "Policy to judge by", 0 },
	{ "adopt", KEY_ADOPT, NULL, 0,
	  "Take connections without a handshake from their first whole message", 0 },
	{ "server", KEY_SERVER, "PREFIX", 0,
	  "The protected side, where neither handshake nor ports tell", 0 },
	{ "mode", KEY_MODE, "enforce|monitor", 0, "Instead of the policy's mode", 0 },
	{ "summary", KEY_SUMMARY, NULL, 0, "Print totals only", 0 },
	{ 0 }
};

struct replay {
	const char *capture;
	const char *policy_path;
	struct prefix server;
	bool has_server;
	bool adopt;
	bool totals_only;
	bool opened;			/* the capture could be opened */
	int mode;			/* enum ks_mode, -1: the policy's */
	const struct compiled_policy *policy;
	struct replay_object obj;
	struct roles roles;
	struct summary *summary;
	uint32_t frame;			/* number of the frame that `index` counts in */
	uint32_t index;
	uint32_t undecided;		/* frames of a protocol's port without a role */
};

static void parse_mode(struct argp_state *state, struct replay *r, const char *arg)
{
	if (!strcmp(arg, "enforce"))
		r->mode = KS_ENFORCE;
	else if (!strcmp(arg, "monitor"))
		r->mode = KS_MONITOR;
	else
		argp_error(state, "'%s' is no mode, expected 'enforce' or 'monitor'", arg);
}

static void check_arguments(struct argp_state *state, const struct replay *r)
{
	if (!r->capture)
		argp_error(state, "no capture, expected 'keyswitch replay CAPTURE --policy FILE'");
	if (!r->policy_path)
		argp_error(state, "no policy, expected --policy FILE");
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct replay *r = state->input;

	switch (key) {
	case KEY_POLICY:
		r->policy_path = arg;
		return 0;
	case KEY_ADOPT:
		r->adopt = true;
		return 0;
	case KEY_SERVER:
		if (prefix_parse(arg, strlen(arg), &r->server) != PREFIX_OK)
			argp_error(state, "'%s' is no prefix, expected one like 10.2.0.0/16", arg);
		r->has_server = true;
		return 0;
	case KEY_MODE:
		parse_mode(state, r, arg);
		return 0;
	case KEY_SUMMARY:
		r->totals_only = true;
		return 0;
	case ARGP_KEY_ARG:
		if (r->capture)
			argp_error(state, "unexpected argument '%s'", arg);
		r->capture = arg;
		return 0;
	case ARGP_KEY_END:
		check_arguments(state, r);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

/* ---- output ---- */

static const char *rule_name(const struct replay *r, uint32_t rule)
{
	return rule < r->policy->n_names ? r->policy->names[rule].name : "?";
}

static json_t *line_object(const struct replay *r, const struct frame *f, const struct packet *p,
			   const struct ks_leaf *leaf)
{
	int family = p->ip_version == 4 ? AF_INET : AF_INET6;
	char src[INET6_ADDRSTRLEN] = "", dst[INET6_ADDRSTRLEN] = "";
	json_t *o;

	inet_ntop(family, p->src, src, sizeof(src));
	inet_ntop(family, p->dst, dst, sizeof(dst));
	o = json_pack("{s:I, s:I, s:s, s:s, s:i, s:s, s:i, s:s}", "frame", (json_int_t)f->number,
		      "index", (json_int_t)r->index, "proto", name_proto(leaf->proto), "src", src,
		      "sport", (int)p->sport, "dst", dst, "dport", (int)p->dport, "transport",
		      p->proto == IPPROTO_TCP ? "tcp" : "udp");
	leaf_fields(o, leaf);
	json_object_set_new(o, "verdict", json_string(name_verdict(leaf->verdict)));
	json_object_set_new(o, "reason", json_string(name_reason(leaf->reason)));
	json_object_set_new(o, "rule", json_string(rule_name(r, leaf->rule)));
	if (leaf->alert)
		json_object_set_new(o, "alert_rule", json_string(rule_name(r, leaf->alert)));
	return o;
}

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

static void on_leaf(struct replay *r, const struct frame *f, const struct packet *p,
		    const struct ks_leaf *leaf)
{
	json_t *o;

	summary_request(r->summary, leaf);
	if (!r->totals_only) {
		o = line_object(r, f, p, leaf);
		if (options.json) {
			json_dumpf(o, stdout, JSON_COMPACT);
			putchar('\n');
		} else {
			print_line(o);
		}
		json_decref(o);
	}
	r->index++;
}

/* ---- one packet through the data path ---- */

static int run_packet(struct replay *r, const struct frame *f, const struct packet *p, int role)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = f->data, .data_size_in = f->len,
		    .repeat = 1);
	struct ks_trace_ctl ctl = { .clock = f->time + 1 };
	uint32_t zero = 0;
	int err;

	err = bpf_map_update_elem(r->obj.in.fd[MAP_trace_ctl], &zero, &ctl, BPF_ANY);
	if (!err)
		err = bpf_prog_test_run_opts(r->obj.prog[role], &opts);
	if (!err)
		err = bpf_map_lookup_elem(r->obj.in.fd[MAP_trace_ctl], &zero, &ctl);
	for (uint32_t i = 0; i < ctl.leaves && !err; i++) {
		struct ks_leaf leaf;

		err = bpf_map_lookup_elem(r->obj.in.fd[MAP_trace], &i, &leaf);
		if (!err)
			on_leaf(r, f, p, &leaf);
	}
	if (err) {
		complain("cannot run frame %u: %s", f->number, strerror(-err));
		return EXIT_ENVIRONMENT;
	}
	summary_packet(r->summary, name_reason(ctl.reason));
	if (!ctl.overflow)
		return EXIT_OK;
	complain("frame %u holds %u requests more than replay can show", f->number, ctl.overflow);
	return EXIT_PROBLEM;
}

static int run_long(struct replay *r, const struct frame *f, const struct packet *p, int role)
{
	uint8_t buf[FRAME_MAX];
	struct frame piece;
	int rc = EXIT_OK, more;

	for (unsigned int i = 0; !rc; i++) {
		more = capture_cut(f, p, i, buf, &piece);
		if (more < 0)
			summary_packet(r->summary, "frame_too_long");
		if (more <= 0)
			break;
		rc = run_packet(r, &piece, p, role);
	}
	return rc;
}

static int run_frame(struct replay *r, const struct frame *f)
{
	struct packet p;
	int role;

	r->index = 0;
	if (f->len < ETH_HLEN) {
		summary_packet(r->summary, name_reason(KS_R_frame_short));
		return EXIT_OK;
	}
	packet_parse(f, &p);
	role = roles_of(&r->roles, &p);
	if (role == ROLE_UNKNOWN) {
		summary_packet(r->summary, "role_unknown");
		r->undecided += roles_protocol_port(&r->roles, &p);
		return EXIT_OK;
	}
	return f->len > FRAME_MAX ? run_long(r, f, &p, role) : run_packet(r, f, &p, role);
}

/* ---- the capture ---- */

static int count_frame(struct replay *r, const struct frame *f)
{
	struct packet p;

	packet_parse(f, &p);
	roles_of(&r->roles, &p);
	return EXIT_OK;
}

static int each_frame(struct replay *r, int (*visit)(struct replay *r, const struct frame *f))
{
	struct capture *c = capture_open(r->capture);
	int rc = EXIT_OK, more = 0;
	struct frame f;

	if (!c)
		return EXIT_PROBLEM;
	r->opened = true;
	if (visit == count_frame)
		capture_mute(c);
	while (!rc && (more = capture_next(c, &f)) > 0)
		rc = visit(r, &f);
	capture_close(c);
	return more < 0 ? EXIT_PROBLEM : rc;
}

/* Every connection of the capture gets its entry and ring, however many there are. */
static int count_connections(struct replay *r, uint32_t *n)
{
	int rc = each_frame(r, count_frame);

	*n = r->roles.connections < FLOWS_MAX ? r->roles.connections : FLOWS_MAX;
	roles_free(&r->roles);
	return r->opened ? EXIT_OK : rc;
}

static int set_state(struct replay *r)
{
	struct ks_state_rec state;
	int err = instance_state(&r->obj.in, &state);

	if (r->mode >= 0)
		state.mode = (uint32_t)r->mode;
	state.adopt = r->adopt ? KS_ADOPT_AUDIT : KS_ADOPT_OFF;
	state.adopt_until = r->adopt ? UINT64_MAX : 0;
	if (!err)
		err = instance_set_state(&r->obj.in, &state);
	if (err)
		complain("cannot set the state of the replay: %s", strerror(-err));
	return err ? EXIT_ENVIRONMENT : EXIT_OK;
}

/* Per-CPU work areas and the trace assume one CPU. */
static int stay_on_cpu(void)
{
	int cpu = sched_getcpu();
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu < 0 ? 0 : cpu, &set);
	if (!sched_setaffinity(0, sizeof(set), &set))
		return EXIT_OK;
	complain("cannot stay on one CPU: %s", strerror(errno));
	return EXIT_ENVIRONMENT;
}

static int replay(struct replay *r)
{
	uint32_t connections;
	int rc;

	r->roles.ports = r->policy->ports;
	r->roles.server = r->has_server ? &r->server : NULL;
	rc = count_connections(r, &connections);
	if (!rc)
		rc = stay_on_cpu();
	if (!rc)
		rc = loader_open_replay(&r->obj, r->policy, connections);
	if (rc)
		return rc;
	rc = set_state(r);
	if (!rc)
		rc = each_frame(r, run_frame);
	roles_free(&r->roles);
	loader_close_replay(&r->obj);
	return rc;
}

static int run(int argc, char **argv)
{
	static const struct argp argp = {
		.options = table, .parser = parse, .children = options_child,
		.args_doc = "CAPTURE",
		.doc = "Judges the requests of a capture by a policy.",
	};
	struct replay r = { .mode = -1 };
	struct compiled_policy *policy;
	int rc;

	argp_parse(&argp, argc, argv, 0, NULL, &r);
	rc = env_check_kernel();
	if (!rc)
		rc = env_check_privileges();
	if (rc)
		return rc;
	policy = load_policy(r.policy_path, DIAG_ERROR, &rc);
	if (!policy)
		return rc;
	r.policy = policy;
	r.summary = summary_new();
	rc = replay(&r);
	if (r.totals_only)
		summary_print(r.summary);
	fflush(stdout);
	if (r.undecided)
		complain("%u frames of protocol ports not judged (role_unknown): their client is not "
			 "known, expected --server PREFIX", r.undecided);
	summary_free(r.summary);
	compiled_policy_free(policy);
	return rc;
}

const struct command cmd_replay = {
	.name = "replay", .help = "judge the requests of a capture", .run = run,
};
