// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tables and NICs as they are, see occupancy.h.
 */
#include <string.h>

#include <bpf/bpf.h>

#include "batch.h"
#include "occupancy.h"

static int count_client(void *arg, const void *key, const void *value)
{
	const struct ks_client_use *use = value;
	struct client_count *count = arg;

	(void)key;
	count->clients++;
	count->known += use->known;
	return 0;
}

static int count_one(void *arg, const void *key, const void *value)
{
	(void)key;
	(void)value;
	++*(uint64_t *)arg;
	return 0;
}

/* Its values are one a CPU: keys alone are walked. */
static uint64_t counted_pairs(const struct instance *in)
{
	struct ks_req_key key, *last = NULL;
	uint64_t n = 0;

	while (n < KS_COUNTED_PAIRS && !bpf_map_get_next_key(in->fd[MAP_requests], last, &key)) {
		last = &key;
		n++;
	}
	return n;
}

uint64_t entries_max(int fd)
{
	struct bpf_map_info info = { 0 };
	uint32_t size = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &size) ? 0 : info.max_entries;
}

int occupancy_read(const struct instance *in, struct occupancy tables[OCCUPANCIES],
		   struct client_count *clients)
{
	struct ks_table_use use;
	uint64_t conns = 0;
	uint32_t zero = 0;
	int err = bpf_map_lookup_elem(in->fd[MAP_table_use], &zero, &use);

	*clients = (struct client_count){ 0 };
	if (!err)
		err = batch_each(in->fd[MAP_clients], sizeof(struct ks_client_key),
				 sizeof(struct ks_client_use), count_client, clients);
	if (!err)
		err = batch_each(in->fd[MAP_conns], sizeof(struct ks_conn_key),
				 sizeof(struct ks_conn), count_one, &conns);
	if (err)
		return err;
	memcpy(tables, (struct occupancy[OCCUPANCIES]){
		{ "flows_ipv4", use.flows[0], use.flows_max },
		{ "flows_ipv6", use.flows[1], use.flows_max },
		{ "modbus_rings", use.rings[0], use.rings_max[0] },
		{ "enip_rings", use.rings[1], use.rings_max[1] },
		{ "conduit_flows", use.conduits, use.conduits_max },
		{ "cip_connections", conns, entries_max(in->fd[MAP_conns]) },
		{ "clients", clients->clients, entries_max(in->fd[MAP_clients]) },
		{ "counted_functions", counted_pairs(in), entries_max(in->fd[MAP_requests]) },
	}, OCCUPANCIES * sizeof(*tables));
	return 0;
}

size_t port_states(struct port_state states[KS_PORTS_MAX], const struct counters *c)
{
	size_t n = 0;

	for (uint32_t i = 0; i < KS_PORTS_MAX; i++) {
		const struct ks_port_rec *p = &c->ports[i];
		struct port_state s = { .rec = p, .xdp = NIC_XDP_NONE };
		uint32_t prog;

		if (!p->used)
			continue;
		s.here = nic_index(p->name) == p->ifindex;
		if (s.here) {
			s.xdp = nic_xdp(p->ifindex, &prog);
			s.carrier = nic_carrier(p->name);
		}
		states[n++] = s;
	}
	return n;
}
