// SPDX-License-Identifier: GPL-2.0-only
/*
 * Dumps of rtnetlink, see rtnl.h.
 * Must not send anything but dump requests.
 */
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rtnl.h"

#define REPLY_MAX 65536
#define ATTRS_MAX 64

typedef int (*take_fn)(const struct nlmsghdr *msg, void *to);

struct request {
	struct nlmsghdr head;
	union {
		struct ifinfomsg link;
		struct ifaddrmsg addr;
		struct tcmsg tc;
	};
};

/* Attributes by number; those beyond ATTRS_MAX are not asked for here. */
static void sort_attrs(const struct rtattr *by[ATTRS_MAX], const struct rtattr *a, int len)
{
	memset(by, 0, ATTRS_MAX * sizeof(by[0]));
	for (; RTA_OK(a, len); a = RTA_NEXT(a, len))
		if ((a->rta_type & NLA_TYPE_MASK) < ATTRS_MAX)
			by[a->rta_type & NLA_TYPE_MASK] = a;
}

static uint32_t attr_u32(const struct rtattr *a)
{
	uint32_t v = 0;

	if (a && RTA_PAYLOAD(a) >= sizeof(v))
		memcpy(&v, RTA_DATA(a), sizeof(v));
	return v;
}

static uint8_t attr_u8(const struct rtattr *a)
{
	return a && RTA_PAYLOAD(a) ? *(const uint8_t *)RTA_DATA(a) : 0;
}

static void attr_text(char *out, size_t size, const struct rtattr *a)
{
	size_t len = a ? RTA_PAYLOAD(a) : 0;

	if (len >= size)
		len = size - 1;
	if (len)
		memcpy(out, RTA_DATA(a), len);
	out[len] = '\0';
}

/* 1 when the dump is complete, else 0 or a negative errno. */
static int take_reply(char *buf, ssize_t got, take_fn take, void *to)
{
	int len = (int)got, err = 0;

	for (struct nlmsghdr *m = (void *)buf; NLMSG_OK(m, len) && !err; m = NLMSG_NEXT(m, len)) {
		if (m->nlmsg_type == NLMSG_DONE)
			return 1;
		if (m->nlmsg_type == NLMSG_ERROR)
			return ((struct nlmsgerr *)NLMSG_DATA(m))->error;
		err = take(m, to);
	}
	return err;
}

static int dump(struct request *r, size_t body, take_fn take, void *to)
{
	int sock = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), err = 0;
	char *buf = malloc(REPLY_MAX);

	r->head.nlmsg_len = NLMSG_LENGTH(body);
	r->head.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	if (sock < 0 || !buf || send(sock, r, r->head.nlmsg_len, 0) < 0)
		err = buf ? -errno : -ENOMEM;
	while (!err) {
		ssize_t got = recv(sock, buf, REPLY_MAX, MSG_TRUNC);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 || got > REPLY_MAX)
			err = got < 0 ? -errno : -EMSGSIZE;
		else
			err = take_reply(buf, got, take, to);
	}
	if (sock >= 0)
		close(sock);
	free(buf);
	return err < 0 ? err : 0;
}

/* ---- links and addresses ---- */

static int take_link(const struct nlmsghdr *msg, void *to)
{
	const struct rtattr *by[ATTRS_MAX], *info[ATTRS_MAX];
	const struct ifinfomsg *i = NLMSG_DATA(msg);
	struct rtnl_links *links = to;
	struct rtnl_link *l;

	l = realloc(links->v, (links->n + 1) * sizeof(*l));
	if (!l)
		return -ENOMEM;
	links->v = l;
	l += links->n++;
	sort_attrs(by, IFLA_RTA(i), (int)IFLA_PAYLOAD(msg));
	*l = (struct rtnl_link){
		.index = (uint32_t)i->ifi_index,
		.master = attr_u32(by[IFLA_MASTER]),
		.mtu = attr_u32(by[IFLA_MTU]),
		.up = i->ifi_flags & IFF_UP,
		.carrier = attr_u8(by[IFLA_CARRIER]),
		.loopback = i->ifi_flags & IFF_LOOPBACK,
		.switched = by[IFLA_PHYS_SWITCH_ID],
	};
	/* numbers of another namespace's links mean nothing here */
	if (!by[IFLA_LINK_NETNSID])
		l->lower = attr_u32(by[IFLA_LINK]);
	attr_text(l->name, sizeof(l->name), by[IFLA_IFNAME]);
	if (!by[IFLA_LINKINFO])
		return 0;
	sort_attrs(info, RTA_DATA(by[IFLA_LINKINFO]), (int)RTA_PAYLOAD(by[IFLA_LINKINFO]));
	attr_text(l->kind, sizeof(l->kind), info[IFLA_INFO_KIND]);
	return 0;
}

static int take_address(const struct nlmsghdr *msg, void *to)
{
	const struct ifaddrmsg *a = NLMSG_DATA(msg);
	const struct rtattr *by[ATTRS_MAX], *addr;
	struct rtnl_link *l = (struct rtnl_link *)rtnl_link(to, a->ifa_index);
	size_t len = a->ifa_family == AF_INET ? 4 : 16;

	sort_attrs(by, IFA_RTA(a), (int)IFA_PAYLOAD(msg));
	addr = by[IFA_LOCAL] ? by[IFA_LOCAL] : by[IFA_ADDRESS];
	if (!l || !addr || RTA_PAYLOAD(addr) < len || l->addresses++)
		return 0;
	l->address.family = len == 4 ? 4 : 6;
	l->address.len = (uint8_t)(len * 8);
	memcpy(l->address.addr, RTA_DATA(addr), len);
	return 0;
}

int rtnl_links_load(struct rtnl_links *links)
{
	struct request get_links = { .head.nlmsg_type = RTM_GETLINK };
	struct request get_addrs = { .head.nlmsg_type = RTM_GETADDR };
	int err;

	*links = (struct rtnl_links){ 0 };
	err = dump(&get_links, sizeof(get_links.link), take_link, links);
	if (!err)
		err = dump(&get_addrs, sizeof(get_addrs.addr), take_address, links);
	return err;
}

void rtnl_links_free(struct rtnl_links *links)
{
	free(links->v);
	*links = (struct rtnl_links){ 0 };
}

const struct rtnl_link *rtnl_link(const struct rtnl_links *links, uint32_t index)
{
	for (size_t i = 0; i < links->n && index; i++)
		if (links->v[i].index == index)
			return &links->v[i];
	return NULL;
}

/* ---- tc filters ---- */

struct filters {
	struct rtnl_filter *v;
	int n;
};

static int take_filter(const struct nlmsghdr *msg, void *to)
{
	const struct rtattr *by[ATTRS_MAX], *bpf[ATTRS_MAX];
	const struct tcmsg *t = NLMSG_DATA(msg);
	struct filters *filters = to;
	struct rtnl_filter f = {
		.priority = (uint16_t)(t->tcm_info >> 16), .handle = t->tcm_handle,
	};

	sort_attrs(by, TCA_RTA(t), (int)TCA_PAYLOAD(msg));
	attr_text(f.kind, sizeof(f.kind), by[TCA_KIND]);
	if (!strcmp(f.kind, "bpf") && by[TCA_OPTIONS]) {
		sort_attrs(bpf, RTA_DATA(by[TCA_OPTIONS]), (int)RTA_PAYLOAD(by[TCA_OPTIONS]));
		attr_text(f.name, sizeof(f.name), bpf[TCA_BPF_NAME]);
	}
	/* handle 0 is the head of a list of filters, not one of them */
	if (f.handle && filters->n < RTNL_FILTERS_MAX)
		filters->v[filters->n++] = f;
	return 0;
}

int rtnl_filters(uint32_t ifindex, bool ingress, struct rtnl_filter out[RTNL_FILTERS_MAX])
{
	struct request get = {
		.head.nlmsg_type = RTM_GETTFILTER,
		.tc.tcm_ifindex = (int)ifindex,
		.tc.tcm_parent = TC_H_MAKE(TC_H_CLSACT,
					   ingress ? TC_H_MIN_INGRESS : TC_H_MIN_EGRESS),
	};
	struct filters filters = { .v = out };
	int err = dump(&get, sizeof(get.tc), take_filter, &filters);

	/* no clsact: no filter */
	return err && err != -EINVAL && err != -ENOENT ? err : filters.n;
}
