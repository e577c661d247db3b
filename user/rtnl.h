/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What rtnetlink tells about this network namespace: its links, their
 * addresses, and the tc filters at a NIC's ingress. Must not change anything.
 */
#ifndef KEYSWITCH_RTNL_H
#define KEYSWITCH_RTNL_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"

struct rtnl_link {
	uint32_t index;
	uint32_t master;	/* bridge, bond, ... this link is a port of; 0 = none */
	uint32_t lower;		/* link of this namespace that carries it; 0 = none */
	uint32_t mtu;
	bool up;
	bool carrier;
	bool loopback;
	bool switched;		/* port of a hardware switch */
	char name[IFNAMSIZ];
	char kind[32];		/* "" for hardware */
	uint32_t addresses;
	struct prefix address;	/* the first of them */
};

struct rtnl_links {
	struct rtnl_link *v;
	size_t n;
};

/* 0 or a negative errno; free in both cases. */
int rtnl_links_load(struct rtnl_links *links);
void rtnl_links_free(struct rtnl_links *links);
/* NULL if there is none; 0 never is one. */
const struct rtnl_link *rtnl_link(const struct rtnl_links *links, uint32_t index);

struct rtnl_filter {
	uint16_t priority;
	uint32_t handle;
	char kind[16];		/* "bpf", "u32", ... */
	char name[64];		/* cls_bpf: the program's name, else "" */
};

#define RTNL_FILTERS_MAX 32

/*
 * Filters at one end of the NIC's clsact qdisc, the first RTNL_FILTERS_MAX of them. Their
 * number, 0 also without clsact, or a negative errno.
 */
int rtnl_filters(uint32_t ifindex, bool ingress, struct rtnl_filter out[RTNL_FILTERS_MAX]);

#endif
