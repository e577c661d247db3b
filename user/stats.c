// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sums as an event, see stats.h.
 * Must not decide where it goes.
 */
#include "clock.h"
#include "counters.h"
#include "eve.h"
#include "names.h"
#include "stats.h"

#define SECOND 1000000000ull

struct sums {
	uint64_t packets;
	uint64_t accepted;
	uint64_t blocked;
	uint64_t rejected;
	uint64_t replaced;
	uint64_t requests[KS_V_MAX];
};

void stats_open(struct stats *s, const struct instance *in, const char *host,
		uint32_t period)
{
	s->in = in;
	s->host = host;
	s->begun = clock_monotonic();
	s->period = period * SECOND;
	s->next = s->begun + s->period;
	s->missed = 0;
}

static void on_packets(void *arg, const struct packet_row *r)
{
	struct sums *sums = arg;

	sums->packets += r->packets;
	switch (r->action) {
	case KS_A_PASS:
		sums->accepted += r->packets;
		break;
	case KS_A_DROP:
		sums->blocked += r->packets;
		break;
	case KS_A_TX:
	case KS_A_KILL:
		sums->rejected += r->packets;
		break;
	default:
		sums->replaced += r->packets;
	}
}

static void on_requests(void *arg, const struct request_row *r)
{
	struct sums *sums = arg;

	for (uint32_t v = 0; v < KS_V_MAX; v++)
		sums->requests[v] += r->requests[v];
}

static void set(json_t *o, const char *key, uint64_t value)
{
	json_object_set_new(o, key, json_integer((json_int_t)value));
}

/* Suricata's counters where they mean the same. */
static json_t *stats_object(const struct stats *s, const struct sums *sums, uint64_t flows)
{
	json_t *o = json_object(), *ips = json_object(), *requests = json_object();

	set(o, "uptime", (clock_monotonic() - s->begun) / SECOND);
	json_object_set_new(o, "capture", json_pack("{s:I}", "kernel_packets",
						    (json_int_t)sums->packets));
	set(ips, "accepted", sums->accepted);
	set(ips, "blocked", sums->blocked);
	set(ips, "rejected", sums->rejected);
	set(ips, "replaced", sums->replaced);
	json_object_set_new(o, "ips", ips);
	json_object_set_new(o, "flow", json_pack("{s:I}", "active", (json_int_t)flows));
	for (uint32_t v = 0; v < KS_V_MAX; v++)
		set(requests, name_verdict(v), sums->requests[v]);
	json_object_set_new(o, "requests", requests);
	return o;
}

static json_t *events_object(const struct ks_misc_count *misc, const struct serve_counts *serve,
			     uint64_t missed)
{
	json_t *o = json_object(), *siem;

	set(o, "missed", missed);
	set(o, "read", serve->events);
	set(o, "suppressed", misc->events_hidden);
	set(o, "lost", misc->events_lost);
	set(o, "quiet", misc->events_quiet);
	set(o, "output_lost", serve->write_errors);
	set(o, "subscribers_dropped", serve->subscribers_dropped);
	if (!serve->has_siem)
		return o;
	siem = json_object();
	set(siem, "delivered", serve->siem.delivered);
	set(siem, "lost", serve->siem.lost);
	set(siem, "queued", serve->siem.queued);
	json_object_set_new(siem, "connected", json_boolean(serve->siem.connected));
	json_object_set_new(o, "syslog", siem);
	return o;
}

static json_t *stats_event(const struct stats *s, const struct ks_misc_count *misc,
			   const struct serve_counts *serve, uint64_t missed)
{
	json_t *event = NULL, *ks;
	struct sums sums = { 0 };
	struct flow_count flows;
	struct counters c;

	if (counters_open(&c, s->in))
		return NULL;
	if (!counters_packets(&c, on_packets, &sums) &&
	    !counters_requests(&c, on_requests, &sums) && !instance_flows(s->in, &flows)) {
		event = json_object();
		eve_set_time(event, clock_monotonic());
		json_object_set_new(event, "event_type", json_string("stats"));
		json_object_set_new(event, "host", json_string(s->host));
		json_object_set_new(event, "stats", stats_object(s, &sums, flows.flows));
		ks = json_pack("{s:I, s:s}", "generation", (json_int_t)c.names.generation,
			       "mode", name_mode(c.state.now.mode));
		json_object_set_new(ks, "events", events_object(misc, serve, missed));
		json_object_set_new(event, "keyswitch", ks);
	}
	counters_close(&c);
	return event;
}

/* One sum over what does not mean the same: it only ever grows when something is missed. */
static uint64_t sum_missed(const struct ks_misc_count *misc, const struct serve_counts *serve)
{
	return misc->events_hidden + misc->events_lost + serve->write_errors +
	       serve->subscribers_dropped + serve->siem.lost;
}

json_t *stats_due(struct stats *s, const struct serve_counts *serve)
{
	struct counters c = { .in = s->in };
	struct ks_misc_count misc;
	uint64_t now = clock_monotonic(), missed;
	json_t *event;

	if (counters_misc(&c, &misc))
		return NULL;
	missed = sum_missed(&misc, serve);
	if (missed == s->missed && !(s->period && now >= s->next))
		return NULL;
	event = stats_event(s, &misc, serve, missed - s->missed);
	if (!event)
		return NULL;
	s->missed = missed;
	s->next = now + s->period;
	return event;
}
