// SPDX-License-Identifier: GPL-2.0-only
/*
 * Prometheus text, see metrics.h.
 * Must not serve it.
 */
#include <errno.h>
#include <string.h>

#include <bpf/bpf.h>

#include "counters.h"
#include "metrics.h"
#include "names.h"
#include "nic.h"

struct label {
	const char *name;
	const char *value;
};

static void head(FILE *out, const char *name, const char *type, const char *help)
{
	fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void escaped(FILE *out, const char *value)
{
	for (; *value; value++) {
		if (*value == '"' || *value == '\\')
			fputc('\\', out);
		if (*value == '\n')
			fputs("\\n", out);
		else
			fputc(*value, out);
	}
}

static void sample(FILE *out, const char *name, const struct label *labels, size_t n,
		   uint64_t value)
{
	fputs(name, out);
	for (size_t i = 0; i < n; i++) {
		fprintf(out, "%c%s=\"", i ? ',' : '{', labels[i].name);
		escaped(out, labels[i].value);
		fputc('"', out);
	}
	fprintf(out, "%s %llu\n", n ? "}" : "", (unsigned long long)value);
}

static void single(FILE *out, const char *name, const char *type, const char *help,
		   uint64_t value)
{
	head(out, name, type, help);
	sample(out, name, NULL, 0, value);
}

static void on_packets(void *arg, const struct packet_row *r)
{
	const struct label labels[] = {
		{ "port", r->port }, { "reason", name_reason(r->reason) },
		{ "action", name_action(r->action) },
	};

	sample(arg, "keyswitch_packets_total", labels, 3, r->packets);
}

static void on_requests(void *arg, const struct request_row *r)
{
	for (uint32_t v = 0; v < KS_V_MAX; v++) {
		const struct label labels[] = {
			{ "port", r->port }, { "proto", r->proto }, { "asset", r->asset },
			{ "function", r->function }, { "verdict", name_verdict(v) },
		};

		if (r->requests[v])
			sample(arg, "keyswitch_requests_total", labels, 5, r->requests[v]);
	}
}

static void on_rule(void *arg, const struct rule_row *r)
{
	for (uint32_t v = 0; v < KS_V_MAX; v++) {
		const struct label labels[] = {
			{ "rule", r->rule }, { "verdict", name_verdict(v) },
		};

		if (r->requests[v])
			sample(arg, "keyswitch_rule_requests_total", labels, 2, r->requests[v]);
	}
}

static void on_conduit_opened(void *arg, const struct conduit_row *r)
{
	sample(arg, "keyswitch_conduit_opened_total", &(struct label){ "conduit", r->conduit }, 1,
	       r->hits.opened);
}

static void on_conduit_packets(void *arg, const struct conduit_row *r)
{
	sample(arg, "keyswitch_conduit_packets_total", &(struct label){ "conduit", r->conduit }, 1,
	       r->hits.packets);
}

/* "wire-native", "inline-generic", or "mixed" where ports differ. */
static void attach_label(char *buf, size_t size, const struct counters *c)
{
	char one[32];

	*buf = '\0';
	for (uint32_t i = 0; i < KS_PORTS_MAX; i++) {
		uint32_t prog;

		if (!c->ports[i].used)
			continue;
		snprintf(one, sizeof(one), "%s-%s", name_attach(c->ports[i].wire, c->ports[i].sight),
			 nic_xdp_name(nic_xdp(c->ports[i].ifindex, &prog)));
		if (*buf && strcmp(buf, one))
			snprintf(one, sizeof(one), "mixed");
		snprintf(buf, size, "%s", one);
		if (!strcmp(buf, "mixed"))
			return;
	}
}

static void info(FILE *out, const struct counters *c)
{
	char attach[32];
	const struct label labels[] = {
		{ "version", KEYSWITCH_VERSION }, { "mode", name_mode(c->state.now.mode) },
		{ "attach", attach },
	};

	attach_label(attach, sizeof(attach), c);
	head(out, "keyswitch_info", "gauge", "Version, mode and way of attachment.");
	sample(out, "keyswitch_info", labels, 3, 1);
}

static int rows(FILE *out, const struct counters *c)
{
	int err;

	head(out, "keyswitch_requests_total", "counter",
	     "Judged requests by port, protocol, asset, function and verdict.");
	err = counters_requests(c, on_requests, out);
	head(out, "keyswitch_packets_total", "counter",
	     "Received packets by port, reason and action.");
	if (!err)
		err = counters_packets(c, on_packets, out);
	head(out, "keyswitch_rule_requests_total", "counter",
	     "Judged requests by the rule that decided, since the policy was applied.");
	if (!err)
		err = counters_rules(c, on_rule, out);
	head(out, "keyswitch_conduit_opened_total", "counter",
	     "Connections opened through a conduit, since the policy was applied.");
	if (!err)
		err = counters_conduits(c, on_conduit_opened, out);
	head(out, "keyswitch_conduit_packets_total", "counter",
	     "Packets of both ways through a conduit, since the policy was applied.");
	return err ? err : counters_conduits(c, on_conduit_packets, out);
}

static void siem(FILE *out, const struct siem_counts *c)
{
	single(out, "keyswitch_serve_syslog_delivered_total", "counter",
	       "Events that the syslog receiver's kernel has acknowledged.", c->delivered);
	single(out, "keyswitch_serve_syslog_lost_total", "counter",
	       "Events that found the syslog receiver's queue full.", c->lost);
	single(out, "keyswitch_serve_syslog_queued", "gauge",
	       "Messages that wait for the syslog receiver.", c->queued);
	single(out, "keyswitch_serve_syslog_connections_total", "counter",
	       "Connections made to the syslog receiver.", c->connections);
	single(out, "keyswitch_serve_syslog_connected", "gauge",
	       "1 = connected to the syslog receiver.", c->connected);
}

static int singles(FILE *out, const struct counters *c, const struct serve_counts *serve)
{
	struct ks_misc_count misc;
	struct ks_conduit_use use = { 0 };
	struct flow_count flows;
	uint32_t zero = 0;
	int err = counters_misc(c, &misc);

	if (!err)
		err = instance_flows(c->in, &flows);
	if (err)
		return err;
	single(out, "keyswitch_events_lost_total", "counter",
	       "Events that found the ring buffer full.", misc.events_lost);
	single(out, "keyswitch_events_suppressed_total", "counter",
	       "Events held back by a rate limit.", misc.events_hidden);
	single(out, "keyswitch_events_quiet_total", "counter",
	       "Refusals that no event tells of, by rules with 'log: false'.", misc.events_quiet);
	single(out, "keyswitch_requests_uncounted_total", "counter",
	       "Requests beyond the table of counted functions.", misc.pairs_other);
	single(out, "keyswitch_flows", "gauge", "Tracked TCP connections.", flows.flows);
	single(out, "keyswitch_flows_adopted", "gauge",
	       "Tracked TCP connections taken without their handshake.", flows.adopted);
	single(out, "keyswitch_trial_seconds_left", "gauge",
	       "Until the policy before is in force again, 0 = no policy is on trial.",
	       state_trial_left(&c->state));
	if (!bpf_map_lookup_elem(c->in->fd[MAP_conduit_use], &zero, &use))
		single(out, "keyswitch_conduit_flows", "gauge",
		       "Connections through conduits in the table, over or not.", use.used);
	single(out, "keyswitch_policy_generation", "gauge", "Generation of the policy in force.",
	       c->names.generation);
	single(out, "keyswitch_serve_events_total", "counter", "Events read by this process.",
	       serve->events);
	single(out, "keyswitch_serve_write_errors_total", "counter",
	       "Events that the output of this process refused.", serve->write_errors);
	single(out, "keyswitch_serve_subscribers_dropped_total", "counter",
	       "Subscribers of this process that were too slow.", serve->subscribers_dropped);
	if (serve->has_siem)
		siem(out, &serve->siem);
	return 0;
}

int metrics_write(FILE *out, const struct instance *in, const struct serve_counts *serve)
{
	struct counters c;
	int err = counters_open(&c, in);

	if (!err) {
		info(out, &c);
		err = rows(out, &c);
	}
	if (!err)
		err = singles(out, &c, serve);
	counters_close(&c);
	return err;
}
