// SPDX-License-Identifier: GPL-2.0-only
/*
 * Questions to a NIC, see nic.h.
 * Must not change a NIC.
 */
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bpf/libbpf.h>

#include "command.h"
#include "nic.h"
#include "options.h"

uint32_t nic_index(const char *name)
{
	return if_nametoindex(name);
}

enum nic_xdp nic_xdp(uint32_t ifindex, uint32_t *prog_id)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, q);

	*prog_id = 0;
	if (bpf_xdp_query((int)ifindex, 0, &q))
		return NIC_XDP_UNKNOWN;
	*prog_id = q.prog_id;
	switch (q.attach_mode) {
	case XDP_ATTACHED_NONE:
		return NIC_XDP_NONE;
	case XDP_ATTACHED_SKB:
		*prog_id = q.skb_prog_id;
		return NIC_XDP_GENERIC;
	default:
		return NIC_XDP_NATIVE;
	}
}

const char *nic_xdp_name(enum nic_xdp mode)
{
	static const char *const names[] = {
		[NIC_XDP_NONE] = "none",
		[NIC_XDP_NATIVE] = "native",
		[NIC_XDP_GENERIC] = "generic",
		[NIC_XDP_UNKNOWN] = "unknown",
	};

	return names[mode];
}

void nic_driver(const char *name, char *driver, size_t size)
{
	struct ethtool_drvinfo info = { .cmd = ETHTOOL_GDRVINFO };
	struct ifreq req = { .ifr_data = (void *)&info };
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", name);
	if (sock < 0 || ioctl(sock, SIOCETHTOOL, &req) || !info.driver[0])
		snprintf(info.driver, sizeof(info.driver), "?");
	snprintf(driver, size, "%s", info.driver);
	if (sock >= 0)
		close(sock);
}

bool nic_carrier(const char *name)
{
	struct ifreq req = { 0 };
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool carries;

	if (sock < 0)
		return false;
	snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", name);
	carries = !ioctl(sock, SIOCGIFFLAGS, &req) && req.ifr_flags & IFF_UP &&
		  req.ifr_flags & IFF_RUNNING;
	close(sock);
	return carries;
}

/* 1 on, 0 off, -1 unreadable */
static int flag(int sock, const char *name, uint32_t command, uint32_t mask)
{
	struct ethtool_value value = { .cmd = command };
	struct ifreq req = { .ifr_data = (void *)&value };

	snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", name);
	if (ioctl(sock, SIOCETHTOOL, &req))
		return -1;
	return (value.data & mask) != 0;
}

bool nic_merges(const char *name)
{
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool merges = true;

	if (sock < 0)
		return true;
	if (flag(sock, name, ETHTOOL_GGRO, ~0u) == 0 &&
	    flag(sock, name, ETHTOOL_GFLAGS, ETH_FLAG_LRO) == 0)
		merges = false;
	close(sock);
	return merges;
}

void nic_complain_merges(const char *name)
{
	complain("'%s' merges packets (GRO or LRO), generic XDP in enforce mode expects both off",
		 name);
	hint("ethtool -K %s gro off lro off", name);
}

int nic_check_enforce(const struct ks_port_rec *ports, size_t n)
{
	uint32_t prog;

	for (size_t i = 0; i < n; i++) {
		if (!ports[i].used || nic_xdp(ports[i].ifindex, &prog) != NIC_XDP_GENERIC ||
		    !nic_merges(ports[i].name))
			continue;
		nic_complain_merges(ports[i].name);
		return EXIT_PROBLEM;
	}
	return EXIT_OK;
}
