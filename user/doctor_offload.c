// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a NIC does on its own before XDP, or instead of it. Features by the names
 * of ethtool -k, read by ioctl, see doctor.h.
 */
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "doctor.h"
#include "nic.h"

struct feature {
	const char *name;	/* the kernel's */
	const char *option;	/* of ethtool -K */
	const char *why;
	enum severity severity;
	bool generic;		/* matters to generic XDP alone, and to enforce mode */
};

static const struct feature features[] = {
	{ "rx-vlan-hw-parse", "rxvlan", "VLAN tags are taken off before XDP sees the frame",
	  DOCTOR_WARNING, false },
	{ "rx-vlan-stag-hw-parse", "rx-vlan-stag-hw-parse",
	  "outer VLAN tags are taken off before XDP sees the frame", DOCTOR_WARNING, false },
	{ "rx-gro", "gro", "packets are merged before generic XDP", DOCTOR_PROBLEM, true },
	{ "rx-lro", "lro", "packets are merged before XDP", DOCTOR_PROBLEM, false },
	{ "rx-gro-hw", "rx-gro-hw", "packets are merged before XDP", DOCTOR_PROBLEM, false },
	{ "hw-tc-offload", "hw-tc-offload", "tc and flowtable rules may forward in hardware",
	  DOCTOR_WARNING, false },
	{ "l2-fwd-offload", "l2-fwd-offload", "frames may be forwarded in hardware",
	  DOCTOR_WARNING, false },
	{ "hsr-fwd-offload", "hsr-fwd-offload", "HSR frames are forwarded in hardware",
	  DOCTOR_PROBLEM, false },
	{ "hsr-tag-rm-offload", "hsr-tag-rm-offload", "HSR tags are taken off before XDP",
	  DOCTOR_WARNING, false },
	{ "macsec-hw-offload", "macsec-hw-offload", "MACsec is ended in hardware", DOCTOR_WARNING,
	  false },
};

static int ask(const char *nic, void *command)
{
	struct ifreq req = { .ifr_data = command };
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), err = 0;

	if (sock < 0)
		return -errno;
	snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", nic);
	if (ioctl(sock, SIOCETHTOOL, &req))
		err = -errno;
	close(sock);
	return err;
}

static uint32_t count_features(const char *nic)
{
	struct {
		struct ethtool_sset_info head;
		uint32_t length;
	} info = { .head = { .cmd = ETHTOOL_GSSET_INFO, .sset_mask = 1ull << ETH_SS_FEATURES } };

	return ask(nic, &info) || !info.head.sset_mask ? 0 : info.length;
}

struct feature_state {
	uint32_t n;
	struct ethtool_gstrings *names;
	struct ethtool_gfeatures *bits;
};

static bool load_state(struct feature_state *s, const char *nic)
{
	*s = (struct feature_state){ .n = count_features(nic) };
	if (!s->n)
		return false;
	s->names = calloc(1, sizeof(*s->names) + s->n * ETH_GSTRING_LEN);
	s->bits = calloc(1, sizeof(*s->bits) + (s->n + 31) / 32 * sizeof(s->bits->features[0]));
	if (!s->names || !s->bits)
		return false;
	s->names->cmd = ETHTOOL_GSTRINGS;
	s->names->string_set = ETH_SS_FEATURES;
	s->names->len = s->n;
	s->bits->cmd = ETHTOOL_GFEATURES;
	s->bits->size = (s->n + 31) / 32;
	return !ask(nic, s->names) && !ask(nic, s->bits);
}

static bool is_on(const struct feature_state *s, const char *name)
{
	for (uint32_t i = 0; i < s->n; i++)
		if (!strncmp((const char *)s->names->data + i * ETH_GSTRING_LEN, name,
			     ETH_GSTRING_LEN))
			return s->bits->features[i / 32].active >> (i % 32) & 1;
	return false;
}

static void judge_features(struct doctor *d, const struct ks_port_rec *p,
			   const struct feature_state *s)
{
	uint32_t prog;
	bool generic = nic_xdp(p->ifindex, &prog) == NIC_XDP_GENERIC;

	for (size_t i = 0; i < sizeof(features) / sizeof(features[0]); i++) {
		const struct feature *f = &features[i];

		if (!is_on(s, f->name) || (f->generic && !generic))
			continue;
		doctor_found(d, f->severity, "NIC '%s' has '%s' on: %s", p->name, f->option, f->why);
		doctor_advise(d, "ethtool -K %s %s off", p->name, f->option);
	}
}

/* Flow steering: rules of ethtool -N may send frames to a virtual function. */
static void judge_steering(struct doctor *d, const struct ks_port_rec *p)
{
	struct ethtool_rxnfc rules = { .cmd = ETHTOOL_GRXCLSRLCNT };

	if (ask(p->name, &rules) || !rules.rule_cnt)
		return;
	doctor_found(d, DOCTOR_WARNING, "NIC '%s' steers flows by %u hardware rule%s", p->name,
		     rules.rule_cnt, rules.rule_cnt == 1 ? "" : "s");
	doctor_advise(d, "look at them with 'ethtool -n %s': frames for another function of the "
		      "NIC never reach XDP", p->name);
}

/* A port of a hardware switch can be bridged without the kernel. */
static void judge_switch(struct doctor *d, const struct ks_port_rec *p)
{
	const struct rtnl_link *l = rtnl_link(&d->links, p->ifindex);

	if (!l || !l->switched)
		return;
	doctor_found(d, DOCTOR_WARNING, "NIC '%s' is a port of a hardware switch", p->name);
	doctor_advise(d, "see that the switch does not forward between its ports by itself");
}

void doctor_offload(struct doctor *d)
{
	for (int i = 0; i < KS_PORTS_MAX; i++) {
		const struct ks_port_rec *p = &d->ports[i];
		struct feature_state s;

		if (!p->used || nic_index(p->name) != p->ifindex)
			continue;
		if (load_state(&s, p->name)) {
			judge_features(d, p, &s);
			judge_steering(d, p);
		} else {
			doctor_found(d, DOCTOR_WARNING, "the offloads of NIC '%s' are not readable",
				     p->name);
			doctor_advise(d, "look at 'ethtool -k %s'", p->name);
		}
		free(s.names);
		free(s.bits);
		judge_switch(d, p);
	}
}
