/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How full the tables of the data path are, and how its NICs are. Must not judge that.
 */
#ifndef KEYSWITCH_OCCUPANCY_H
#define KEYSWITCH_OCCUPANCY_H

#include "counters.h"
#include "nic.h"

#define OCCUPANCIES 8

struct occupancy {
	const char *name;
	uint64_t entries;
	uint64_t limit;
};

struct client_count {
	uint64_t clients;
	uint64_t known;		/* completed a handshake */
};

/* 0 or a negative errno. */
int occupancy_read(const struct instance *in, struct occupancy tables[OCCUPANCIES],
		   struct client_count *clients);

/* Room in a map, 0 = it cannot be said. */
uint64_t entries_max(int fd);

struct port_state {
	const struct ks_port_rec *rec;
	enum nic_xdp xdp;
	bool here;		/* else the NIC is gone, though another may have its name */
	bool carrier;
};

/* The number of attached NICs. */
size_t port_states(struct port_state states[KS_PORTS_MAX], const struct counters *c);

#endif
