// SPDX-License-Identifier: GPL-2.0-only
/*
 * Frames of a capture through the real data path, see replay.h.
 * Must not print results.
 */
#include <errno.h>
#include <linux/if_ether.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>

#include "command.h"
#include "names.h"
#include "options.h"
#include "replay.h"

#define FLOWS_MAX (1u << 20)

/* ---- one packet through the data path ---- */

static void keep_leaf(struct replay *r, const struct ks_leaf *leaf)
{
	if (r->leaves == r->room) {
		r->room = r->room ? 2 * r->room : 64;
		r->leaf = realloc(r->leaf, r->room * sizeof(*r->leaf));
		if (!r->leaf)
			abort();
	}
	r->leaf[r->leaves++] = *leaf;
	if (r->summary)
		summary_request(r->summary, leaf);
}

static void keep_reason(struct replay *r, const char *reason, bool passed)
{
	r->reason = reason;
	r->passed = passed;
	if (r->summary)
		summary_packet(r->summary, reason);
}

static int run_packet(struct replay *r, const struct frame *f, int role)
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
			keep_leaf(r, &leaf);
	}
	if (err) {
		complain("cannot run frame %u: %s", f->number, strerror(-err));
		return EXIT_ENVIRONMENT;
	}
	keep_reason(r, name_reason(ctl.reason), reason_passes(ctl.reason));
	if (!ctl.overflow)
		return EXIT_OK;
	complain("frame %u holds %u requests more than replay can show", f->number, ctl.overflow);
	return EXIT_PROBLEM;
}

static int run_long(struct replay *r, const struct frame *f, int role)
{
	uint8_t buf[FRAME_MAX];
	struct frame piece;
	int rc = EXIT_OK, more;

	for (unsigned int i = 0; !rc; i++) {
		more = capture_cut(f, &r->packet, i, buf, &piece);
		if (more < 0)
			keep_reason(r, "frame_too_long", false);
		if (more <= 0)
			break;
		rc = run_packet(r, &piece, role);
	}
	return rc;
}

int replay_frame(struct replay *r, const struct frame *f)
{
	int role;

	r->leaves = 0;
	memset(&r->packet, 0, sizeof(r->packet));
	if (f->len < ETH_HLEN) {
		keep_reason(r, name_reason(KS_R_frame_short), false);
		return EXIT_OK;
	}
	packet_parse(f, &r->packet);
	role = roles_of(&r->roles, &r->packet);
	if (role == ROLE_UNKNOWN) {
		keep_reason(r, "role_unknown", false);
		r->undecided += roles_protocol_port(&r->roles, &r->packet);
		return EXIT_OK;
	}
	return f->len > FRAME_MAX ? run_long(r, f, role) : run_packet(r, f, role);
}

/* ---- the capture ---- */

static int each_frame(struct capture *c, int (*visit)(void *arg, const struct frame *f), void *arg)
{
	int rc = EXIT_OK, more = 0;
	struct frame f;

	while (!rc && (more = capture_next(c, &f)) > 0)
		rc = visit(arg, &f);
	capture_close(c);
	return more < 0 ? EXIT_PROBLEM : rc;
}

int replay_each_frame(const char *capture, int (*visit)(void *arg, const struct frame *f),
		      void *arg)
{
	struct capture *c = capture_open(capture);

	return c ? each_frame(c, visit, arg) : EXIT_PROBLEM;
}

static int count_frame(void *arg, const struct frame *f)
{
	struct replay *r = arg;
	struct packet p;

	packet_parse(f, &p);
	roles_of(&r->roles, &p);
	return EXIT_OK;
}

/* Every connection of the capture gets its entry and ring, however many there are. */
static int count_connections(struct replay *r, const char *capture, uint32_t *n)
{
	struct capture *c = capture_open(capture);

	if (!c)
		return EXIT_PROBLEM;
	capture_mute(c);
	each_frame(c, count_frame, r);
	*n = r->roles.connections < FLOWS_MAX ? r->roles.connections : FLOWS_MAX;
	roles_free(&r->roles);
	return EXIT_OK;
}

/* ---- the instance ---- */

static int set_state(struct replay *r, const struct replay_choice *choice)
{
	struct ks_state_rec state;
	int err = instance_state(&r->obj.in, &state);

	if (choice->mode >= 0)
		state.now.mode = (uint32_t)choice->mode;
	state.adopt = choice->adopt ? KS_ADOPT_AUDIT : KS_ADOPT_OFF;
	state.adopt_until = choice->adopt ? UINT64_MAX : 0;
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

int replay_open(struct replay *r, const struct compiled_policy *policy, const char *capture,
		const struct replay_choice *choice)
{
	uint32_t connections;
	int rc;

	r->policy = policy;
	r->roles.ports = policy->ports;
	r->roles.server = choice->server;
	rc = count_connections(r, capture, &connections);
	if (!rc)
		rc = stay_on_cpu();
	if (!rc)
		rc = loader_open_replay(&r->obj, policy, connections);
	if (rc)
		return rc;
	rc = set_state(r, choice);
	if (rc)
		replay_close(r);
	return rc;
}

void replay_close(struct replay *r)
{
	roles_free(&r->roles);
	loader_close_replay(&r->obj);
	free(r->leaf);
	r->leaf = NULL;
	r->room = 0;
}

/* ---- names ---- */

const char *replay_rule(const struct replay *r, uint32_t rule)
{
	return rule < r->policy->n_names ? r->policy->names[rule].name : "?";
}

const char *replay_asset(const struct replay *r, uint32_t asset)
{
	uint32_t at = r->policy->cfg->rules + asset;

	if (!asset)
		return "none";
	return at < r->policy->n_names ? r->policy->names[at].name : "?";
}
