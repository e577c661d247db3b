/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which end of a captured packet is the client: from the handshake seen
 * earlier, else from the port that a protocol has in the policy, else from the
 * prefix the user names. Must not judge a packet.
 */
#ifndef KEYSWITCH_ROLES_H
#define KEYSWITCH_ROLES_H

#include "../bpf/shared.h"
#include "addr.h"
#include "capture.h"

#define ROLE_UNKNOWN (-1)

struct roles {
	const struct ks_pol_ports *ports;
	const struct prefix *server;	/* NULL: not named */
	void *known;			/* tree of connections and pairs of hosts */
	uint32_t connections;		/* TCP connections seen */
};

/* enum ks_role of the port that the packet came in on, or ROLE_UNKNOWN. */
int roles_of(struct roles *r, const struct packet *p);
/* Is one of the ports a protocol's, so that requests may be in it? */
bool roles_protocol_port(const struct roles *r, const struct packet *p);
void roles_free(struct roles *r);

#endif
