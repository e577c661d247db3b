// SPDX-License-Identifier: GPL-2.0-only
/*
 * Roles of captured packets, see roles.h.
 * Must not judge a packet.
 */
#include <netinet/in.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "roles.h"

#define FIN 0x01
#define SYN 0x02
#define RST 0x04
#define ACK 0x10

struct end {
	uint8_t addr[16];
	uint16_t port;	/* 0 in records of host pairs */
};

/* The lower end first, so that both directions find it. */
struct record {
	struct end end[2];
	uint8_t client;	/* index of the client's end, or UNSET */
};

#define UNSET 2

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(((struct record *)0)->end));
}

/* *swapped: the packet's source is end 1. */
static struct record *find(struct roles *r, const struct packet *p, bool ports, bool *swapped,
			   bool *fresh)
{
	struct record key = { .client = UNSET }, *new, **found;
	struct end src = { .port = ports ? p->sport : 0 }, dst = { .port = ports ? p->dport : 0 };

	memcpy(src.addr, p->src, sizeof(src.addr));
	memcpy(dst.addr, p->dst, sizeof(dst.addr));
	*swapped = memcmp(&src, &dst, sizeof(src)) > 0;
	key.end[*swapped] = src;
	key.end[!*swapped] = dst;
	new = malloc(sizeof(*new));
	if (!new)
		return NULL;
	*new = key;
	found = tsearch(new, &r->known, compare);
	*fresh = found && *found == new;
	if (!*fresh)
		free(new);
	return found ? *found : NULL;
}

static bool spoken(const struct roles *r, const struct packet *p, uint16_t port)
{
	uint8_t mask = p->proto == IPPROTO_TCP ? KS_PORT_MODBUS | KS_PORT_ENIP : 0xff;

	return r->ports->proto[port] & mask;
}

bool roles_protocol_port(const struct roles *r, const struct packet *p)
{
	return p->ports && (spoken(r, p, p->sport) || spoken(r, p, p->dport));
}

static int by_port(const struct roles *r, const struct packet *p)
{
	bool src = spoken(r, p, p->sport), dst = spoken(r, p, p->dport);

	if (src == dst)
		return ROLE_UNKNOWN;
	return dst ? KS_CLIENT : KS_SERVER;
}

static bool is_server(const struct roles *r, const struct packet *p, const uint8_t *addr)
{
	struct prefix host = { .family = p->ip_version, .len = p->ip_version == 4 ? 32 : 128 };

	memcpy(host.addr, addr, p->ip_version == 4 ? 4 : 16);
	return prefix_contains(r->server, &host);
}

static int by_prefix(const struct roles *r, const struct packet *p)
{
	bool src, dst;

	if (!r->server)
		return ROLE_UNKNOWN;
	src = is_server(r, p, p->src);
	dst = is_server(r, p, p->dst);
	if (src == dst)
		return ROLE_UNKNOWN;
	return dst ? KS_CLIENT : KS_SERVER;
}

/* The role that these hosts have in the TCP connections seen between them. */
static int by_hosts(struct roles *r, const struct packet *p)
{
	bool swapped, fresh;
	struct record *pair = find(r, p, false, &swapped, &fresh);

	if (!pair || pair->client == UNSET)
		return ROLE_UNKNOWN;
	return pair->client == swapped ? KS_CLIENT : KS_SERVER;
}

static void note_hosts(struct roles *r, const struct packet *p, int role)
{
	bool swapped, fresh;
	struct record *pair = find(r, p, false, &swapped, &fresh);

	if (pair && role != ROLE_UNKNOWN)
		pair->client = role == KS_CLIENT ? swapped : !swapped;
}

static int of_tcp(struct roles *r, const struct packet *p)
{
	bool swapped, fresh;
	struct record *flow = find(r, p, true, &swapped, &fresh);
	int role;

	if (!flow)
		return ROLE_UNKNOWN;
	r->connections += fresh;
	if ((p->flags & (SYN | FIN | RST)) == SYN)
		flow->client = p->flags & ACK ? !swapped : swapped;
	if (flow->client != UNSET)
		role = flow->client == swapped ? KS_CLIENT : KS_SERVER;
	else
		role = by_port(r, p);
	if (role == ROLE_UNKNOWN)
		role = by_prefix(r, p);
	if (by_port(r, p) == role)
		note_hosts(r, p, role);
	return role;
}

int roles_of(struct roles *r, const struct packet *p)
{
	int role = ROLE_UNKNOWN;

	if (!p->ip_version)
		return KS_CLIENT;
	if (p->ports && p->proto == IPPROTO_TCP)
		return of_tcp(r, p);
	if (p->ports)
		role = by_port(r, p);
	if (role == ROLE_UNKNOWN)
		role = by_prefix(r, p);
	if (role == ROLE_UNKNOWN)
		role = by_hosts(r, p);
	/* no requests can be in it: judge it as if it went to the protected side */
	return role == ROLE_UNKNOWN && !p->ports ? KS_CLIENT : role;
}

void roles_free(struct roles *r)
{
	tdestroy(r->known, free);
	r->known = NULL;
}
