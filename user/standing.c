// SPDX-License-Identifier: GPL-2.0-only
/*
 * How the gateway stands, see standing.h.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "events.h"
#include "glance.h"
#include "history.h"
#include "occupancy.h"
#include "results.h"
#include "standing.h"

#define FULL_PERCENT 80

static void __attribute__((format(printf, 2, 3))) wrong(struct standing *s, const char *fmt, ...)
{
	va_list ap;

	if (s->troubles == TROUBLES_MAX)
		return;
	va_start(ap, fmt);
	vsnprintf(s->trouble[s->troubles++], TROUBLE_TEXT, fmt, ap);
	va_end(ap);
}

static void look_at_ports(struct standing *s, const struct counters *c)
{
	struct port_state states[KS_PORTS_MAX];
	size_t n = port_states(states, c);

	for (size_t i = 0; i < n; i++) {
		const struct ks_port_rec *p = states[i].rec;

		if (!states[i].here)
			wrong(s, "NIC %s is gone", p->name);
		else if (states[i].xdp == NIC_XDP_NONE)
			wrong(s, "NIC %s runs no XDP program", p->name);
		else if (!states[i].carrier)
			wrong(s, "no link on %s%s", p->name, p->wire ? ": the wire forwards nothing" : "");
	}
}

static int look_at_tables(struct standing *s, const struct counters *c)
{
	struct occupancy tables[OCCUPANCIES];
	struct client_count clients;
	int err = occupancy_read(c->in, tables, &clients);

	for (size_t i = 0; i < OCCUPANCIES && !err; i++) {
		const struct occupancy *t = &tables[i];

		if (t->limit && t->entries * 100 > t->limit * FULL_PERCENT)
			wrong(s, "table %s is %llu %% full", t->name,
			      (unsigned long long)(t->entries * 100 / t->limit));
	}
	return err;
}

const char *standing_boot(const struct counters *c)
{
	struct ks_pol_cfg *cfg = instance_policy(c->in, c->state.now.slot);
	char path[PATH_MAX], digest[DIGEST_TEXT] = "?";

	if (cfg)
		digest_text(digest, cfg->digest);
	free(cfg);
	if (history_boot(path))
		return "none";
	return strstr(path, digest) ? "this" : "other";
}

static void look_around(struct standing *s, const struct counters *c)
{
	const char *boot = standing_boot(c);
	int fd = events_connect();

	if (c->state.now.mode == KS_MONITOR)
		wrong(s, "mode monitor: everything passes");
	if (fd < 0)
		wrong(s, "'keyswitch serve' does not run: events wait in their ring");
	else
		close(fd);
	if (!s->trial_left && strcmp(boot, "this"))
		wrong(s, "the next attach takes %s policy, not the one in force",
		      strcmp(boot, "none") ? "another" : "no");
}

static void add_packets(void *arg, const struct packet_row *r)
{
	struct standing *s = arg;

	if (r->action == KS_A_DROP || r->action == KS_A_KILL)
		s->stopped += r->packets;
}

static void add_requests(void *arg, const struct request_row *r)
{
	struct standing *s = arg;

	for (int v = 0; v < KS_V_MAX; v++)
		s->requests[v] += r->requests[v];
}

static uint64_t age(double since)
{
	double now = (double)time(NULL);

	return since > 0 && now > since ? (uint64_t)(now - since) : 0;
}

int standing_read(struct standing *s, const struct counters *c)
{
	struct ks_pol_cfg *cfg = instance_policy(c->in, c->state.now.slot);
	struct ks_misc_count misc;
	int err = cfg ? 0 : -ENOENT;

	*s = (struct standing){
		.mode = name_mode(c->state.now.mode), .generation = c->names.generation,
		.policy_age = age(cfg ? (double)cfg->applied_at : 0),
		.attached_age = age(instance_attached()),
		.trial_left = state_trial_left(&c->state),
	};
	free(cfg);
	if (!err)
		err = counters_packets(c, add_packets, s);
	if (!err)
		err = counters_requests(c, add_requests, s);
	if (!err)
		err = counters_misc(c, &misc);
	if (err)
		return err;
	s->events_lost = misc.events_lost;
	look_at_ports(s, c);
	look_around(s, c);
	return look_at_tables(s, c);
}

void standing_line(char *out, size_t size, const struct standing *s)
{
	char policy[GLANCE_MAX], attached[GLANCE_MAX], denied[GLANCE_MAX], stopped[GLANCE_MAX];
	char would[GLANCE_MAX], trial[48] = "";

	glance_age(policy, s->policy_age);
	glance_age(attached, s->attached_age);
	glance_number(denied, (int64_t)s->requests[KS_V_DENY]);
	glance_number(would, (int64_t)s->requests[KS_V_WOULD_DENY]);
	glance_number(stopped, (int64_t)s->stopped);
	if (s->trial_left)
		snprintf(trial, sizeof(trial), " on trial");
	if (!strcmp(s->mode, name_mode(KS_MONITOR)))
		snprintf(out, size, "MONITOR  policy %u%s, %s old  in %s: %s requests would be denied",
			 s->generation, trial, policy, attached, would);
	else
		snprintf(out, size, "ENFORCE  policy %u%s, %s old  in %s: %s requests denied, "
			 "%s packets stopped", s->generation, trial, policy, attached, denied,
			 stopped);
}

json_t *standing_json(const struct standing *s)
{
	json_t *troubles = json_array();

	for (size_t i = 0; i < s->troubles; i++)
		json_array_append_new(troubles, json_string(s->trouble[i]));
	return json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "mode", s->mode,
			 "generation", (json_int_t)s->generation, "policy_seconds",
			 (json_int_t)s->policy_age, "attached_seconds", (json_int_t)s->attached_age,
			 "allowed", (json_int_t)s->requests[KS_V_ALLOW], "denied",
			 (json_int_t)s->requests[KS_V_DENY], "would_deny",
			 (json_int_t)s->requests[KS_V_WOULD_DENY], "packets_stopped",
			 (json_int_t)s->stopped, "events_lost", (json_int_t)s->events_lost,
			 "trouble", troubles);
}
