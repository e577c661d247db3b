// SPDX-License-Identifier: GPL-2.0-only
/*
 * Changes of links, see rtnl_watch.h.
 */
#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <linux/if.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rtnl_watch.h"

#define MESSAGES_MAX 16384

static int open_socket(uint32_t groups, int flags)
{
	struct sockaddr_nl addr = { .nl_family = AF_NETLINK, .nl_groups = groups };
	int sock = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | flags, NETLINK_ROUTE), err;

	if (sock < 0)
		return -errno;
	if (!bind(sock, (struct sockaddr *)&addr, sizeof(addr)))
		return sock;
	err = -errno;
	close(sock);
	return err;
}

int rtnl_watch(void)
{
	return open_socket(RTMGRP_LINK, SOCK_NONBLOCK);
}

int rtnl_open(void)
{
	return open_socket(0, 0);
}

static void tell(const struct nlmsghdr *m, void (*take)(void *arg, const struct rtnl_change *change),
		 void *arg)
{
	const struct ifinfomsg *i = NLMSG_DATA(m);
	struct rtnl_change change = {
		.ifindex = (uint32_t)i->ifi_index, .gone = m->nlmsg_type == RTM_DELLINK,
	};

	/* a port that leaves its bridge is told as RTM_DELLINK of that family */
	if (i->ifi_family != AF_UNSPEC ||
	    (m->nlmsg_type != RTM_NEWLINK && m->nlmsg_type != RTM_DELLINK))
		return;
	change.up = !change.gone && i->ifi_flags & IFF_UP;
	change.carrier = !change.gone && i->ifi_flags & IFF_LOWER_UP;
	take(arg, &change);
}

int rtnl_changes(int sock, void (*take)(void *arg, const struct rtnl_change *change), void *arg)
{
	char buf[MESSAGES_MAX] __attribute__((aligned(NLMSG_ALIGNTO)));
	ssize_t got;

	while ((got = recv(sock, buf, sizeof(buf), 0)) > 0) {
		int len = (int)got;

		for (struct nlmsghdr *m = (void *)buf; NLMSG_OK(m, len); m = NLMSG_NEXT(m, len))
			tell(m, take, arg);
	}
	return got < 0 && errno != EAGAIN && errno != EINTR ? -errno : 0;
}

int rtnl_set_up(int sock, uint32_t ifindex, bool up)
{
	struct {
		struct nlmsghdr head;
		struct ifinfomsg link;
	} set = {
		.head = { .nlmsg_len = sizeof(set), .nlmsg_type = RTM_SETLINK,
			  .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK },
		.link = { .ifi_index = (int)ifindex, .ifi_flags = up ? IFF_UP : 0,
			  .ifi_change = IFF_UP },
	};
	struct {
		struct nlmsghdr head;
		struct nlmsgerr error;
		char rest[256];
	} answer;

	if (send(sock, &set, sizeof(set), 0) < 0)
		return -errno;
	if (recv(sock, &answer, sizeof(answer), 0) < (ssize_t)sizeof(answer.head) + (ssize_t)sizeof(int) ||
	    answer.head.nlmsg_type != NLMSG_ERROR)
		return -EPROTO;
	return answer.error.error;
}
