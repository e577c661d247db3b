// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reading of counters, see counters.h.
 * Must not format or print.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "../bpf/groups.h"
#include "batch.h"
#include "counters.h"

#define PORT_ROWS (KS_REASONS * KS_A_MAX)

int counters_open(struct counters *c, const struct instance *in)
{
	int err;

	memset(c, 0, sizeof(*c));
	c->in = in;
	err = instance_state(in, &c->state);
	if (!err)
		err = instance_ports(in, c->ports);
	if (!err)
		err = names_load(&c->names, in, c->state.now.slot);
	return err;
}

void counters_close(struct counters *c)
{
	names_free(&c->names);
}

static void port_rows(const struct counters *c, uint32_t port, const uint64_t *values,
		      void (*row)(void *arg, const struct packet_row *r), void *arg)
{
	for (uint32_t i = 0; i < PORT_ROWS; i++) {
		struct packet_row r = {
			.port = c->ports[port].name, .reason = i / KS_A_MAX, .action = i % KS_A_MAX,
		};

		for (unsigned int cpu = 0; cpu < c->in->cpus; cpu++)
			r.packets += values[i * c->in->cpus + cpu];
		row(arg, &r);
	}
}

int counters_packets(const struct counters *c, void (*row)(void *arg, const struct packet_row *r),
		     void *arg)
{
	uint64_t *values = calloc(PORT_ROWS, c->in->cpus * sizeof(*values));
	int err = values ? 0 : -ENOMEM;

	for (uint32_t port = 0; port < KS_PORTS_MAX && !err; port++) {
		if (!c->ports[port].used)
			continue;
		err = batch_read(c->in->fd[MAP_packets], port * PORT_ROWS, PORT_ROWS, values);
		if (!err)
			port_rows(c, port, values, row, arg);
	}
	free(values);
	return err;
}

static enum access access_of(const struct ks_req_key *key)
{
	enum ks_group group = key->proto == KS_MODBUS ? ks_modbus_group(key->function, KS_ANY) :
							ks_cip_group(key->function, key->class);

	if (group == KS_G_other)
		return ACCESS_OTHER;
	return KS_READONLY_GROUPS & 1u << group ? ACCESS_READ : ACCESS_WRITE;
}

/* ---- requests: two tables, rows of one name added up ---- */

struct request_sum {
	struct ks_req_key key;
	struct ks_req_count count;
};

struct request_sums {
	struct request_sum *v;
	size_t n, room;
};

static int add_request(struct request_sums *s, const struct ks_req_key *key,
		       const void *requests)
{
	struct request_sum *v = s->v;

	if (s->n == s->room) {
		size_t room = s->room ? 2 * s->room : 256;

		v = realloc(v, room * sizeof(*v));
		if (!v)
			return -ENOMEM;
		s->v = v;
		s->room = room;
	}
	v[s->n].key = *key;
	memcpy(&v[s->n++].count, requests, sizeof(v->count));
	return 0;
}

static int far_requests(const struct counters *c, struct request_sums *s)
{
	struct ks_req_key key, *last = NULL;
	/* apply deletes entries: a walk that starts over must still end */
	uint32_t left = 2 * KS_COUNTED_PAIRS;
	uint64_t requests[KS_V_MAX];
	int err = 0;

	while (left-- && !err && !bpf_map_get_next_key(c->in->fd[MAP_requests], last, &key)) {
		last = &key;
		if (key.numbering != c->names.numbering)
			continue;
		err = instance_sum(c->in, MAP_requests, &key, requests, KS_V_MAX);
		if (err == -ENOENT)
			err = 0;
		else if (!err)
			err = add_request(s, &key, requests);
	}
	return err;
}

static int near_requests(const struct counters *c, struct request_sums *s)
{
	struct ks_near *near = malloc(instance_near_bytes(c->in));
	uint32_t n = 0;
	int err = near ? instance_near(c->in, near, &n) : -ENOMEM;

	for (uint32_t i = 0; i < n && !err; i++)
		if (near[i].key.proto && near[i].key.numbering == c->names.numbering)
			err = add_request(s, &near[i].key, &near[i].count);
	free(near);
	return err;
}

static int compare_requests(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct ks_req_key));
}

static void request_row_of(const struct counters *c, const struct request_sum *sum,
			   void (*row)(void *arg, const struct request_row *r), void *arg)
{
	const struct ks_req_key *key = &sum->key;
	struct request_row r = {
		.port = key->port < KS_PORTS_MAX ? c->ports[key->port].name : "?",
		.proto = name_proto(key->proto),
		.asset_number = key->asset,
		.asset = names_asset(&c->names, key->asset),
		.access = access_of(key),
	};

	memcpy(r.requests, sum->count.requests, sizeof(r.requests));
	name_function(r.function, key->proto, key->class, key->function);
	row(arg, &r);
}

int counters_requests(const struct counters *c,
		      void (*row)(void *arg, const struct request_row *r), void *arg)
{
	struct request_sums s = { 0 };
	int err = far_requests(c, &s);

	if (!err)
		err = near_requests(c, &s);
	if (!err && s.n)
		qsort(s.v, s.n, sizeof(*s.v), compare_requests);
	for (size_t i = 0; i < s.n && !err; i++) {
		struct request_sum sum = s.v[i];

		for (; i + 1 < s.n && !compare_requests(&sum, &s.v[i + 1]); i++)
			for (int v = 0; v < KS_V_MAX; v++)
				sum.count.requests[v] += s.v[i + 1].count.requests[v];
		request_row_of(c, &sum, row, arg);
	}
	free(s.v);
	return err;
}

/* ---- rules: the first ones in one table, those beyond in another, a row per CPU ---- */

static void add_hits(struct ks_rule_hits *sum, const struct ks_rule_hits *hits, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		for (int v = 0; v < KS_V_MAX; v++)
			sum[i].requests[v] += hits[i].requests[v];
}

/* What every rule counted into sum; hits: room for as many. */
static int read_rules(const struct counters *c, int far, struct ks_rule_hits *sum,
		      struct ks_rule_hits *hits)
{
	uint32_t n = c->names.rules + 1, near = n < KS_NEAR_RULES ? n : KS_NEAR_RULES;
	int err = 0;

	for (unsigned int cpu = 0; cpu < c->in->cpus && !err; cpu++) {
		err = batch_read(c->in->fd[MAP_rules_near],
				 (cpu * KS_SLOTS + c->state.now.slot) * KS_NEAR_RULES, near, hits);
		if (!err && near < n)
			err = batch_read(far, cpu * n + near, n - near, hits + near);
		if (!err)
			add_hits(sum, hits, n);
	}
	return err;
}

int counters_rules(const struct counters *c, void (*row)(void *arg, const struct rule_row *r),
		   void *arg)
{
	uint32_t n = c->names.rules + 1;
	struct ks_rule_hits *sum = calloc(n, sizeof(*sum)), *hits = calloc(n, sizeof(*hits));
	int far = instance_table(c->in, MAP_pol_hits, c->state.now.slot);
	int err = far < 0 ? far : sum && hits ? 0 : -ENOMEM;

	if (!err)
		err = read_rules(c, far, sum, hits);
	for (uint32_t rule = 0; rule < n && !err; rule++) {
		struct rule_row r = { .rule = names_rule(&c->names, rule) };

		memcpy(r.requests, sum[rule].requests, sizeof(r.requests));
		if (r.requests[KS_V_ALLOW] || r.requests[KS_V_DENY] || r.requests[KS_V_WOULD_DENY])
			row(arg, &r);
	}
	free(sum);
	free(hits);
	if (far >= 0)
		close(far);
	return err;
}

/* pol_conduit_hits: likewise; [0] are OT datagrams, which `requests` counts. */
int counters_conduits(const struct counters *c,
		      void (*row)(void *arg, const struct conduit_row *r), void *arg)
{
	int fd = instance_table(c->in, MAP_pol_conduit_hits, c->state.now.slot);
	int err = fd < 0 ? fd : 0;

	for (uint32_t conduit = 1; conduit <= c->names.conduits && !err; conduit++) {
		struct conduit_row r = { .conduit = names_conduit(&c->names, conduit) };

		for (unsigned int cpu = 0; cpu < c->in->cpus && !err; cpu++) {
			uint32_t key = cpu * (c->names.conduits + 1) + conduit;
			struct ks_conduit_hits hits;

			err = bpf_map_lookup_elem(fd, &key, &hits);
			r.hits.opened += err ? 0 : hits.opened;
			r.hits.packets += err ? 0 : hits.packets;
		}
		if (!err && r.hits.packets)
			row(arg, &r);
	}
	if (fd >= 0)
		close(fd);
	return err;
}

int counters_misc(const struct counters *c, struct ks_misc_count *sum)
{
	uint32_t zero = 0;

	return instance_sum(c->in, MAP_misc, &zero, (uint64_t *)sum,
			    sizeof(*sum) / sizeof(uint64_t));
}
