// SPDX-License-Identifier: GPL-2.0-only
/*
 * What was counted as metrics, see metrics.h. How things stand is in metrics_state.c.
 * Must not serve them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "counters.h"
#include "exposition.h"
#include "metrics.h"
#include "metrics_devices.h"
#include "metrics_state.h"
#include "names.h"

#define ZEROS_MAX 1000 /* assets of a policy that are told of before they were asked anything */

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *const accesses[] = {
	[ACCESS_READ] = "read", [ACCESS_WRITE] = "write", [ACCESS_OTHER] = "other",
};

/* What one asset was asked, summed over ports and functions. */
struct asset_sum {
	uint64_t requests[ACCESSES][KS_V_MAX];
};

struct writer {
	struct exposition e;
	const struct counters *c;
	struct asset_sum *assets;	/* by number; 0 = no asset */
};

/* ---- rows ---- */

/*
 * Refusals are there from the start, with 0: an increase from nothing to one is none to
 * Prometheus.
 */
static void on_packets(void *arg, const struct packet_row *r)
{
	const struct label labels[] = {
		{ "port", r->port }, { "reason", name_reason(r->reason) },
		{ "action", name_action(r->action) },
	};
	struct writer *w = arg;

	if (r->packets || (!reason_passes(r->reason) && r->action == KS_A_DROP))
		exposition_sample(&w->e, labels, COUNT(labels), r->packets);
}

static void on_requests(void *arg, const struct request_row *r)
{
	struct writer *w = arg;

	for (uint32_t v = 0; v < KS_V_MAX; v++) {
		const struct label labels[] = {
			{ "port", r->port }, { "proto", r->proto }, { "asset", r->asset },
			{ "function", r->function }, { "verdict", name_verdict(v) },
		};

		if (r->asset_number <= w->c->names.assets)
			w->assets[r->asset_number].requests[r->access][v] += r->requests[v];
		if (r->requests[v])
			exposition_sample(&w->e, labels, COUNT(labels), r->requests[v]);
	}
}

static void on_rule(void *arg, const struct rule_row *r)
{
	struct writer *w = arg;

	for (uint32_t v = 0; v < KS_V_MAX; v++) {
		const struct label labels[] = {
			{ "rule", r->rule }, { "verdict", name_verdict(v) },
		};

		if (r->requests[v])
			exposition_sample(&w->e, labels, COUNT(labels), r->requests[v]);
	}
}

static void on_conduit_opened(void *arg, const struct conduit_row *r)
{
	struct writer *w = arg;

	exposition_sample(&w->e, &(struct label){ "conduit", r->conduit }, 1, r->hits.opened);
}

static void on_conduit_packets(void *arg, const struct conduit_row *r)
{
	struct writer *w = arg;

	exposition_sample(&w->e, &(struct label){ "conduit", r->conduit }, 1, r->hits.packets);
}

static void write_asset(struct writer *w, uint32_t asset)
{
	for (uint32_t a = 0; a < ACCESSES; a++)
		for (uint32_t v = 0; v < KS_V_MAX; v++) {
			const struct label labels[] = {
				{ "asset", names_asset(&w->c->names, asset) },
				{ "access", accesses[a] }, { "verdict", name_verdict(v) },
			};

			if (w->assets[asset].requests[a][v] || w->c->names.assets <= ZEROS_MAX)
				exposition_sample(&w->e, labels, COUNT(labels),
						  w->assets[asset].requests[a][v]);
		}
}

/* ---- families ---- */

static int requests(struct writer *w)
{
	static const struct family by_function = { "keyswitch_requests", FAMILY_COUNTER, NULL,
		"Judged requests by port, protocol, asset, function and verdict." };
	static const struct family by_asset = { "keyswitch_asset_requests", FAMILY_COUNTER, NULL,
		"Judged requests by asset and verdict; access read is what a policy with "
		"readonly allows, other what its function code alone does not tell." };
	int err;

	exposition_family(&w->e, &by_function);
	err = counters_requests(w->c, on_requests, w);
	exposition_family(&w->e, &by_asset);
	for (uint32_t asset = 1; asset <= w->c->names.assets; asset++)
		write_asset(w, asset);
	return err;
}

static int rows(struct writer *w)
{
	static const struct family packets = { "keyswitch_packets", FAMILY_COUNTER, NULL,
		"Received packets by port, reason and what became of them." };
	static const struct family rules = { "keyswitch_rule_requests", FAMILY_COUNTER, NULL,
		"Judged requests by the rule that decided, since the policy was applied." };
	static const struct family opened = { "keyswitch_conduit_opened", FAMILY_COUNTER, NULL,
		"Connections opened through a conduit, since the policy was applied." };
	static const struct family through = { "keyswitch_conduit_packets", FAMILY_COUNTER, NULL,
		"Packets of both ways through a conduit, since the policy was applied." };
	int err = requests(w);

	exposition_family(&w->e, &packets);
	if (!err)
		err = counters_packets(w->c, on_packets, w);
	exposition_family(&w->e, &rules);
	if (!err)
		err = counters_rules(w->c, on_rule, w);
	exposition_family(&w->e, &opened);
	if (!err)
		err = counters_conduits(w->c, on_conduit_opened, w);
	exposition_family(&w->e, &through);
	if (!err)
		err = counters_conduits(w->c, on_conduit_packets, w);
	return err ? err : metrics_devices(&w->e, w->c);
}

static int events(struct writer *w)
{
	static const struct family lost = { "keyswitch_events_lost", FAMILY_COUNTER, NULL,
		"Events that found the ring buffer full." };
	static const struct family suppressed = { "keyswitch_events_suppressed", FAMILY_COUNTER,
		NULL, "Events held back by a rate limit." };
	static const struct family quiet = { "keyswitch_events_quiet", FAMILY_COUNTER, NULL,
		"Refusals that no event tells of, by rules that say so." };
	static const struct family uncounted = { "keyswitch_requests_uncounted", FAMILY_COUNTER,
		NULL, "Requests beyond the table of counted functions." };
	static const struct family errors = { "keyswitch_exceptions_uncounted", FAMILY_COUNTER,
		NULL, "Errors of assets beyond the table of counted ones." };
	static const struct family times = { "keyswitch_latency_uncounted", FAMILY_COUNTER, NULL,
		"Latencies of assets beyond the table of timed ones." };
	double since = instance_attached();
	struct ks_misc_count misc;
	int err = counters_misc(w->c, &misc);

	if (err)
		return err;
	exposition_counter(&w->e, &lost, misc.events_lost, since);
	exposition_counter(&w->e, &suppressed, misc.events_hidden, since);
	exposition_counter(&w->e, &quiet, misc.events_quiet, since);
	exposition_counter(&w->e, &uncounted, misc.pairs_other, since);
	exposition_counter(&w->e, &errors, misc.exceptions_other, since);
	exposition_counter(&w->e, &times, misc.latency_other, since);
	return 0;
}

static int flows(struct writer *w)
{
	static const struct family tracked = { "keyswitch_flows", FAMILY_GAUGE, NULL,
		"Tracked TCP connections." };
	static const struct family adopted = { "keyswitch_flows_adopted", FAMILY_GAUGE, NULL,
		"Tracked TCP connections taken without their handshake." };
	struct flow_count count;
	int err = instance_flows(w->c->in, &count);

	if (err)
		return err;
	exposition_single(&w->e, &tracked, count.flows);
	exposition_single(&w->e, &adopted, count.adopted);
	return 0;
}

static void of_serve(struct writer *w, const struct serve_counts *serve)
{
	static const struct family started = { "keyswitch_serve_start_timestamp_seconds",
		FAMILY_GAUGE, "seconds", "When this process began." };
	static const struct family read = { "keyswitch_serve_events", FAMILY_COUNTER, NULL,
		"Events read by this process." };
	static const struct family refused = { "keyswitch_serve_write_errors", FAMILY_COUNTER, NULL,
		"Events that the output of this process refused." };
	static const struct family slow = { "keyswitch_serve_subscribers_dropped", FAMILY_COUNTER,
		NULL, "Readers of events that were too slow for this process." };
	static const struct family scrapes = { "keyswitch_serve_scrapes", FAMILY_COUNTER, NULL,
		"Answers with these metrics, before this one." };
	static const struct family cut = { "keyswitch_serve_connections_cut", FAMILY_COUNTER, NULL,
		"HTTP connections ended because they were too slow." };

	exposition_single(&w->e, &started, (uint64_t)serve->started);
	exposition_counter(&w->e, &read, serve->events, serve->started);
	exposition_counter(&w->e, &refused, serve->write_errors, serve->started);
	exposition_counter(&w->e, &slow, serve->subscribers_dropped, serve->started);
	exposition_counter(&w->e, &scrapes, serve->scrapes, serve->started);
	exposition_counter(&w->e, &cut, serve->connections_cut, serve->started);
}

static void of_siem(struct writer *w, const struct siem_counts *c, double since)
{
	static const struct family delivered = { "keyswitch_serve_syslog_delivered", FAMILY_COUNTER,
		NULL, "Events that the syslog receiver's kernel has acknowledged." };
	static const struct family lost = { "keyswitch_serve_syslog_lost", FAMILY_COUNTER, NULL,
		"Events that found the syslog receiver's queue full." };
	static const struct family queued = { "keyswitch_serve_syslog_queued", FAMILY_GAUGE, NULL,
		"Messages that wait for the syslog receiver." };
	static const struct family made = { "keyswitch_serve_syslog_connections", FAMILY_COUNTER,
		NULL, "Connections made to the syslog receiver." };
	static const struct family up = { "keyswitch_serve_syslog_connected", FAMILY_GAUGE, NULL,
		"1 = connected to the syslog receiver." };

	exposition_counter(&w->e, &delivered, c->delivered, since);
	exposition_counter(&w->e, &lost, c->lost, since);
	exposition_single(&w->e, &queued, c->queued);
	exposition_counter(&w->e, &made, c->connections, since);
	exposition_single(&w->e, &up, c->connected);
}

static void build(struct writer *w)
{
	static const struct family info = { "keyswitch_build", FAMILY_INFO, NULL,
		"Version of this process, and layout of the data it reads." };
	char abi[16];
	const struct label labels[] = { { "version", KEYSWITCH_VERSION }, { "abi", abi } };

	snprintf(abi, sizeof(abi), "%u", KS_ABI);
	exposition_family(&w->e, &info);
	exposition_sample(&w->e, labels, COUNT(labels), 1);
}

static int write_all(struct writer *w, const struct serve_counts *serve)
{
	int err;

	build(w);
	err = metrics_ports(&w->e, w->c);
	if (!err)
		err = metrics_policy(&w->e, w->c);
	if (!err)
		err = metrics_tables(&w->e, w->c);
	if (!err)
		err = flows(w);
	if (!err)
		err = rows(w);
	if (!err)
		err = events(w);
	metrics_links(&w->e, serve->links);
	if (serve->has_siem)
		of_siem(w, &serve->siem, serve->started);
	of_serve(w, serve);
	exposition_end(&w->e);
	return err;
}

int metrics_write(FILE *out, bool openmetrics, const struct instance *in,
		  const struct serve_counts *serve)
{
	struct counters c;
	struct writer w = { .e = { .out = out, .openmetrics = openmetrics }, .c = &c };
	int err = counters_open(&c, in);

	if (!err) {
		w.assets = calloc(c.names.assets + 1, sizeof(*w.assets));
		err = w.assets ? write_all(&w, serve) : -ENOMEM;
	}
	free(w.assets);
	counters_close(&c);
	return err;
}
