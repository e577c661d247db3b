// SPDX-License-Identifier: GPL-2.0-only
/*
 * Events from the ring buffer to JSON and text, see events.h.
 * Must not decide where events go.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <bpf/libbpf.h>

#include "command.h"
#include "env.h"
#include "eve.h"
#include "events.h"
#include "leaf.h"
#include "names.h"
#include "options.h"

static const char *verdict_of(const struct ks_event *e)
{
	if (e->leaf.proto)
		return name_verdict(e->leaf.verdict);
	if (reason_passes(e->reason))
		return name_verdict(KS_V_ALLOW);
	return name_verdict(e->action == KS_A_PASS ? KS_V_WOULD_DENY : KS_V_DENY);
}

static const char *port_name(const struct event_source *src, const struct ks_event *e)
{
	return e->port < KS_PORTS_MAX ? src->ports[e->port].name : "?";
}

/* Who asks: the sender of a request, else the far end of a client port. */
static void set_client(json_t *o, const struct event_source *src, const struct ks_event *e)
{
	const struct ks_port_rec *port = e->port < KS_PORTS_MAX ? &src->ports[e->port] : NULL;
	const uint8_t *client = port && port->role == KS_SERVER ? e->dst : e->src;
	char text[INET6_ADDRSTRLEN];

	/* a copy of both ways does not say which one this was */
	if (!e->ip_version || (!e->leaf.proto && port && port->sight == KS_SIGHT_TAP))
		return;
	if (e->leaf.proto)
		client = e->src;
	inet_ntop(e->ip_version == 4 ? AF_INET : AF_INET6, e->ip_version == 4 ? client + 12 : client,
		  text, sizeof(text));
	json_object_set_new(o, "client", json_string(text));
}

static json_t *details(struct event_source *src, const struct ks_event *e)
{
	size_t len = e->head_len < KS_HEAD_MAX ? e->head_len : KS_HEAD_MAX;
	char head[2 * KS_HEAD_MAX + 1] = "";
	json_t *o, *request;

	for (size_t i = 0; i < len; i++)
		sprintf(head + 2 * i, "%02x", e->head[i]);
	o = json_pack("{s:s, s:s, s:s, s:s, s:I, s:s, s:I, s:s}", "kind", name_event_kind(e->kind),
		      "reason", name_reason(e->reason), "reason_text",
		      name_reason_text(e->reason), "verdict", verdict_of(e), "generation",
		      (json_int_t)e->generation, "port", port_name(src, e), "suppressed",
		      (json_int_t)e->hidden, "message", head);
	set_client(o, src, e);
	names_follow(&src->names, src->in, e->generation);
	if (src->names.zones && src->names.generation == e->generation && e->ip_version) {
		json_object_set_new(o, "from_zone", json_string(names_zone(&src->names, e->zone[0])));
		json_object_set_new(o, "to_zone", json_string(names_zone(&src->names, e->zone[1])));
	}
	if (!e->leaf.proto)
		return o;
	/* of a refused request, what becomes of the connection that it came on */
	if (e->ip_proto == IPPROTO_TCP && e->action != KS_A_PASS)
		json_object_set_new(o, "connection", json_string(
			e->action == KS_A_KILL ? "reset" : "waits"));
	json_object_set_new(o, "rule", json_string(names_rule(&src->names, e->leaf.rule)));
	if (e->leaf.alert)
		json_object_set_new(o, "alert_rule",
				    json_string(names_rule(&src->names, e->leaf.alert)));
	json_object_set_new(o, "asset", json_string(names_asset(&src->names, e->leaf.asset)));
	request = json_object();
	leaf_fields(request, &e->leaf);
	json_object_set_new(o, "request", request);
	return o;
}

json_t *event_json(struct event_source *src, const struct ks_event *e)
{
	json_t *o = json_object();

	if (!o)
		return NULL;
	eve_set_time(o, e->t);
	eve_set_packet(o, e);
	json_object_set_new(o, "host", json_string(src->host));
	json_object_set_new(o, "in_iface", json_string(port_name(src, e)));
	if (e->leaf.proto)
		eve_set_request(o, e);
	json_object_set_new(o, "keyswitch", details(src, e));
	return o;
}

static int on_record(void *arg, void *data, size_t size)
{
	struct event_source *src = arg;
	struct ks_event e = { 0 };
	json_t *event;

	if (size < KS_EVENT_SHORT)
		return 0;
	memcpy(&e, data, size < sizeof(e) ? size : sizeof(e));
	event = event_json(src, &e);
	if (event)
		src->take(src->arg, event);
	json_decref(event);
	return 0;
}

int events_open(struct event_source *src, const struct instance *in,
		void (*take)(void *arg, json_t *event), void *arg)
{
	memset(src, 0, sizeof(*src));
	src->in = in;
	src->take = take;
	src->arg = arg;
	gethostname(src->host, sizeof(src->host) - 1);
	src->lock = env_lock("events.lock", 0);
	if (src->lock < 0) {
		if (errno != EWOULDBLOCK)
			return EXIT_ENVIRONMENT;
		complain("another 'keyswitch serve' or 'keyswitch events' reads the events of "
			 "'%s'", options.run_dir);
		return EXIT_PROBLEM;
	}
	src->ring = ring_buffer__new(in->fd[MAP_events], on_record, src, NULL);
	if (src->ring && !instance_ports(in, src->ports))
		return EXIT_OK;
	complain("cannot read the event ring: %s", strerror(errno));
	events_close(src);
	return EXIT_ENVIRONMENT;
}

void events_close(struct event_source *src)
{
	ring_buffer__free(src->ring);
	names_free(&src->names);
	if (src->lock >= 0)
		close(src->lock);
	src->ring = NULL;
	src->lock = -1;
}

int events_fd(const struct event_source *src)
{
	return ring_buffer__epoll_fd(src->ring);
}

int events_consume(struct event_source *src)
{
	int n = ring_buffer__consume(src->ring);

	return n < 0 ? n : 0;
}

int events_connect(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	env_run_path(addr.sun_path, sizeof(addr.sun_path), EVENTS_SOCKET);
	if (fd >= 0 && !connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

static const char *word(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

bool event_is_stats(const json_t *event)
{
	return !strcmp(word(event, "event_type"), "stats");
}

json_int_t event_missed(const json_t *event)
{
	const json_t *ks = json_object_get(event, "keyswitch");

	return json_integer_value(json_object_get(json_object_get(ks, "events"), "missed"));
}

/* Of sums people ask `status` and `counters`; that something is missing they are told. */
static void print_missed(FILE *out, const json_t *event)
{
	const json_t *events = json_object_get(json_object_get(event, "keyswitch"), "events");
	const json_t *siem = json_object_get(events, "syslog");

	if (!event_missed(event))
		return;
	fprintf(out, "%.23s %lld events not shown; since the attach %lld suppressed by a rate limit, "
		"%lld lost in the kernel; since serve began %lld not written",
		word(event, "timestamp"), (long long)event_missed(event),
		(long long)json_integer_value(json_object_get(events, "suppressed")),
		(long long)json_integer_value(json_object_get(events, "lost")),
		(long long)json_integer_value(json_object_get(events, "output_lost")));
	if (siem)
		fprintf(out, ", %lld not sent",
			(long long)json_integer_value(json_object_get(siem, "lost")));
	fputc('\n', out);
}

void event_print(FILE *out, const json_t *event)
{
	const json_t *ks = json_object_get(event, "keyswitch");
	const json_t *request = json_object_get(ks, "request");
	json_int_t hidden = json_integer_value(json_object_get(ks, "suppressed"));

	if (json_object_get(ks, "because")) {
		fprintf(out, "%.23s admin %s %s: %s\n", word(event, "timestamp"),
			word(event, "in_iface"), word(ks, "action"), word(ks, "because"));
		return;
	}
	if (event_is_stats(event)) {
		print_missed(out, event);
		return;
	}
	fprintf(out, "%.23s %s %s", word(event, "timestamp"), word(ks, "verdict"),
		word(event, "in_iface"));
	if (*word(event, "src_ip"))
		fprintf(out, " %s:%lld > %s:%lld %s", word(event, "src_ip"),
			(long long)json_integer_value(json_object_get(event, "src_port")),
			word(event, "dest_ip"),
			(long long)json_integer_value(json_object_get(event, "dest_port")),
			word(event, "proto"));
	if (request) {
		fprintf(out, " %s", word(event, "app_proto"));
		leaf_phrase(out, request);
	}
	fprintf(out, ": %s (%s", word(ks, "reason_text"), word(ks, "reason"));
	if (*word(ks, "rule"))
		fprintf(out, ", rule %s, asset %s", word(ks, "rule"), word(ks, "asset"));
	if (*word(ks, "alert_rule"))
		fprintf(out, ", alert %s", word(ks, "alert_rule"));
	if (*word(ks, "from_zone"))
		fprintf(out, ", zone %s to %s", word(ks, "from_zone"), word(ks, "to_zone"));
	fputc(')', out);
	if (hidden)
		fprintf(out, ", %lld more not shown", (long long)hidden);
	fputc('\n', out);
}
