// SPDX-License-Identifier: GPL-2.0-only
/*
 * Running connections, see running.h: packet sockets on the client NICs, read for two
 * seconds. Owns what a connection to an asset looks like from outside; must not judge
 * its data.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "command.h"
#include "options.h"
#include "results.h"
#include "running.h"

#define LOOK_MS		2000
#define SHOWN_MAX	64
#define FRAME_MAX	128	/* headers are enough */

struct connection {
	uint8_t client[16];	/* wire order, IPv4 as ::ffff:a.b.c.d */
	uint8_t server[16];
	uint16_t cport;
	uint16_t sport;
};

struct look {
	const struct compiled_policy *policy;
	struct connection seen[SHOWN_MAX];
	size_t n;
	bool more;
};

static bool is_asset(const struct compiled_policy *policy, const uint8_t addr[16])
{
	for (size_t i = 0; i < policy->n_addrs; i++)
		if (policy->addr_recs[i].asset && !memcmp(policy->addr_keys[i].addr, addr, 16))
			return true;
	for (size_t i = 0; i < policy->n_prefixes; i++) {
		const struct ks_lpm_key *key = &policy->prefix_keys[i];
		uint32_t whole = key->prefixlen / 8, bits = key->prefixlen % 8;
		uint8_t mask = (uint8_t)(0xff00 >> bits);

		if (policy->prefix_recs[i].asset && !memcmp(key->addr, addr, whole) &&
		    (!bits || !((key->addr[whole] ^ addr[whole]) & mask)))
			return true;
	}
	return false;
}

static void remember(struct look *l, const struct connection *c)
{
	for (size_t i = 0; i < l->n; i++)
		if (!memcmp(&l->seen[i], c, sizeof(*c)))
			return;
	if (l->n == SHOWN_MAX)
		l->more = true;
	else
		l->seen[l->n++] = *c;
}

static uint16_t be16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

/* An IP packet from the client side; tags were taken off or are before it. */
static void look_at(struct look *l, const uint8_t *ip, size_t len)
{
	struct connection c = { 0 };
	const uint8_t *tcp;
	size_t head;

	if (len >= 20 && ip[0] >> 4 == 4 && ip[9] == IPPROTO_TCP) {
		head = (size_t)(ip[0] & 15) * 4;
		c.client[10] = c.client[11] = c.server[10] = c.server[11] = 0xff;
		memcpy(c.client + 12, ip + 12, 4);
		memcpy(c.server + 12, ip + 16, 4);
	} else if (len >= 40 && ip[0] >> 4 == 6 && ip[6] == IPPROTO_TCP) {
		head = 40;
		memcpy(c.client, ip + 8, 16);
		memcpy(c.server, ip + 24, 16);
	} else {
		return;
	}
	if (len < head + 14)
		return;
	tcp = ip + head;
	c.cport = be16(tcp);
	c.sport = be16(tcp + 2);
	/* a SYN begins a connection, it does not run yet */
	if (!(tcp[13] & 0x10) || tcp[13] & 0x07)
		return;
	if (l->policy->ports->proto[c.sport] & (KS_PORT_MODBUS | KS_PORT_ENIP) &&
	    is_asset(l->policy, c.server))
		remember(l, &c);
}

static void look_at_frame(struct look *l, const uint8_t *frame, size_t len)
{
	size_t at = 12;

	while (at + 6 <= len && (be16(frame + at) == ETH_P_8021Q || be16(frame + at) == ETH_P_8021AD))
		at += 4;
	if (at + 2 <= len)
		look_at(l, frame + at + 2, len - at - 2);
}

static int listen_on(uint32_t ifindex)
{
	struct sockaddr_ll ll = {
		.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = (int)ifindex,
	};
	struct packet_mreq promiscuous = {
		.mr_ifindex = (int)ifindex, .mr_type = PACKET_MR_PROMISC,
	};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -1;
	if (bind(fd, (struct sockaddr *)&ll, sizeof(ll)) ||
	    setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promiscuous, sizeof(promiscuous))) {
		close(fd);
		return -1;
	}
	return fd;
}

static void listen_all(struct look *l, struct pollfd *fds, nfds_t n)
{
	uint64_t end = clock_monotonic() + LOOK_MS * 1000000ull, now;
	uint8_t frame[FRAME_MAX];

	while ((now = clock_monotonic()) < end && poll(fds, n, (int)((end - now) / 1000000) + 1) >= 0) {
		for (nfds_t i = 0; i < n; i++) {
			ssize_t len = fds[i].revents & POLLIN ?
					      recv(fds[i].fd, frame, sizeof(frame), 0) : -1;

			if (len > 14)
				look_at_frame(l, frame, (size_t)len);
		}
	}
}

static void endpoint(char *buf, size_t size, const uint8_t addr[16], uint16_t port)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	char text[INET6_ADDRSTRLEN];
	bool v4 = !memcmp(addr, mapped, sizeof(mapped));

	inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? addr + 12 : addr, text, sizeof(text));
	snprintf(buf, size, v4 ? "%s:%u" : "[%s]:%u", text, port);
}

static void print(const struct look *l)
{
	char client[64], server[64];
	json_t *list = json_array();

	for (size_t i = 0; i < l->n; i++) {
		endpoint(client, sizeof(client), l->seen[i].client, l->seen[i].cport);
		endpoint(server, sizeof(server), l->seen[i].server, l->seen[i].sport);
		if (!options.json)
			printf("running     %s to %s\n", client, server);
		json_array_append_new(list, json_pack("{s:s, s:s}", "client", client, "server",
						      server));
	}
	if (options.json) {
		print_json(json_pack("{s:o, s:b}", "running", list, "more", l->more));
		return;
	}
	json_decref(list);
	printf("%zu running connection%s to assets seen in %d s%s\n", l->n, l->n == 1 ? "" : "s",
	       LOOK_MS / 1000, l->more ? ", and more" : "; a quiet one is not seen");
}

void running_list(const struct attach_plan *plan, const struct compiled_policy *policy)
{
	struct look l = { .policy = policy };
	struct pollfd fds[PAIRS_MAX];
	nfds_t n = 0;

	for (size_t i = 0; i < plan->n_pairs; i++) {
		int fd = listen_on(plan->pairs[i].ifindex[KS_CLIENT]);

		if (fd < 0)
			complain("cannot listen on '%s': %s", plan->pairs[i].name[KS_CLIENT],
			     strerror(errno));
		else
			fds[n++] = (struct pollfd){ .fd = fd, .events = POLLIN };
	}
	listen_all(&l, fds, n);
	for (nfds_t i = 0; i < n; i++)
		close(fds[i].fd);
	print(&l);
}
