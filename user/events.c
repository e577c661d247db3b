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
#include <time.h>
#include <unistd.h>

#include <bpf/libbpf.h>

#include "command.h"
#include "community.h"
#include "env.h"
#include "events.h"
#include "leaf.h"
#include "names.h"
#include "options.h"

#define SECOND 1000000000ull

static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * SECOND + (uint64_t)ts.tv_nsec;
}

/* The kernel stamps with the monotonic clock; people want the other one. */
void event_set_time(json_t *o, uint64_t monotonic)
{
	uint64_t real = clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_MONOTONIC) + monotonic;
	time_t at = (time_t)(real / SECOND);
	char day[32], zone[8], text[64];
	struct tm tm;

	localtime_r(&at, &tm);
	strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm);
	strftime(zone, sizeof(zone), "%z", &tm);
	snprintf(text, sizeof(text), "%s.%06llu%s", day,
		 (unsigned long long)(real % SECOND / 1000), zone);
	json_object_set_new(o, "timestamp", json_string(text));
}

static void set_address(json_t *o, const char *key, const struct ks_event *e, const uint8_t addr[16])
{
	char text[INET6_ADDRSTRLEN];

	if (e->ip_version == 4)
		inet_ntop(AF_INET, addr + sizeof(mapped), text, sizeof(text));
	else
		inet_ntop(AF_INET6, addr, text, sizeof(text));
	json_object_set_new(o, key, json_string(text));
}

static void set_network(json_t *o, const struct ks_event *e)
{
	bool ports = e->ip_proto == IPPROTO_TCP || e->ip_proto == IPPROTO_UDP;
	char number[8], id[COMMUNITY_ID_MAX];

	set_address(o, "src_ip", e, e->src);
	if (ports)
		json_object_set_new(o, "src_port", json_integer(e->sport));
	set_address(o, "dest_ip", e, e->dst);
	if (ports)
		json_object_set_new(o, "dest_port", json_integer(e->dport));
	snprintf(number, sizeof(number), "%u", e->ip_proto);
	json_object_set_new(o, "proto", json_string(e->ip_proto == IPPROTO_TCP ? "TCP" :
						    e->ip_proto == IPPROTO_UDP ? "UDP" :
										 number));
	if (ports)
		json_object_set_new(o, "community_id", json_string(community_id(id, e)));
}

static void set_link(json_t *o, const struct ks_event *e)
{
	json_t *vlan = json_array();
	char src[18], dst[18];

	for (int i = 0; i < 2; i++)
		if (e->vlan[i])
			json_array_append_new(vlan, json_integer(e->vlan[i]));
	if (json_array_size(vlan))
		json_object_set(o, "vlan", vlan);
	json_decref(vlan);
	snprintf(src, sizeof(src), "%02x:%02x:%02x:%02x:%02x:%02x", e->smac[0], e->smac[1],
		 e->smac[2], e->smac[3], e->smac[4], e->smac[5]);
	snprintf(dst, sizeof(dst), "%02x:%02x:%02x:%02x:%02x:%02x", e->dmac[0], e->dmac[1],
		 e->dmac[2], e->dmac[3], e->dmac[4], e->dmac[5]);
	json_object_set_new(o, "ether", json_pack("{s:s, s:s, s:i}", "src_mac", src, "dest_mac",
						  dst, "ether_type", (int)e->ethertype));
}

static const char *verdict_of(const struct ks_event *e)
{
	if (e->leaf.proto)
		return name_verdict(e->leaf.verdict);
	if (reason_passes(e->reason))
		return name_verdict(KS_V_ALLOW);
	return name_verdict(e->action == KS_A_PASS ? KS_V_WOULD_DENY : KS_V_DENY);
}

static json_t *details(struct event_source *src, const struct ks_event *e)
{
	size_t len = e->head_len < KS_HEAD_MAX ? e->head_len : KS_HEAD_MAX;
	char head[2 * KS_HEAD_MAX + 1] = "";
	json_t *o;

	for (size_t i = 0; i < len; i++)
		sprintf(head + 2 * i, "%02x", e->head[i]);
	o = json_pack("{s:s, s:s, s:s, s:I, s:s, s:I, s:s}", "kind", name_event_kind(e->kind),
		      "reason", name_reason(e->reason), "verdict", verdict_of(e), "generation",
		      (json_int_t)e->generation, "port",
		      e->port < KS_PORTS_MAX ? src->ports[e->port].name : "?", "suppressed",
		      (json_int_t)e->hidden, "message", head);
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
	return o;
}

json_t *event_json(struct event_source *src, const struct ks_event *e)
{
	json_t *o = json_object(), *fields;

	if (!o)
		return NULL;
	event_set_time(o, e->t);
	json_object_set_new(o, "event_type", json_string("alert"));
	json_object_set_new(o, "in_iface", json_string(
		e->port < KS_PORTS_MAX ? src->ports[e->port].name : "?"));
	if (e->ip_version)
		set_network(o, e);
	set_link(o, e);
	json_object_set_new(o, "alert", json_pack(
		"{s:s, s:s, s:i}", "action", e->action == KS_A_PASS ? "allowed" : "blocked",
		"signature", name_reason_text(e->reason), "signature_id", (int)e->reason));
	if (e->leaf.proto) {
		fields = json_object();
		leaf_eve(fields, &e->leaf);
		json_object_set_new(o, name_proto(e->leaf.proto), fields);
	}
	json_object_set_new(o, "keyswitch", details(src, e));
	return o;
}

static int on_record(void *arg, void *data, size_t size)
{
	struct event_source *src = arg;
	json_t *event;

	if (size < sizeof(struct ks_event))
		return 0;
	event = event_json(src, data);
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

void event_print(FILE *out, const json_t *event)
{
	const json_t *ks = json_object_get(event, "keyswitch");
	const json_t *alert = json_object_get(event, "alert");
	const json_t *modbus = json_object_get(event, "modbus");
	const json_t *enip = json_object_get(event, "enip");
	json_int_t hidden = json_integer_value(json_object_get(ks, "suppressed"));

	if (!alert) {
		fprintf(out, "%.23s admin %s %s: %s\n", word(event, "timestamp"),
			word(event, "in_iface"), word(ks, "action"), word(ks, "because"));
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
	if (modbus || enip) {
		fputs(modbus ? " modbus" : " enip", out);
		leaf_phrase(out, modbus ? modbus : enip);
	}
	fprintf(out, ": %s (%s", word(alert, "signature"), word(ks, "reason"));
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
