/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Word of rtnetlink whenever a link of this network namespace changes, and the one
 * change that keyswitch makes to a link: up or down. Must not decide about either.
 */
#ifndef KEYSWITCH_RTNL_WATCH_H
#define KEYSWITCH_RTNL_WATCH_H

#include <stdbool.h>
#include <stdint.h>

struct rtnl_change {
	uint32_t ifindex;
	bool gone;		/* the link is no more; the others are false */
	bool up;		/* set so by whoever administers it */
	bool carrier;
};

/* A socket that is readable when links changed, each one at once; -errno. */
int rtnl_watch(void);
/*
 * Tells all changes that are there, in order. 0 or a negative errno; -ENOBUFS: some
 * were lost, and rtnl_links_load() says how things are.
 */
int rtnl_changes(int sock, void (*take)(void *arg, const struct rtnl_change *change), void *arg);

/* A socket for rtnl_set_up(), so that it may be opened before privileges go; -errno. */
int rtnl_open(void);
/* Takes CAP_NET_ADMIN. 0 or a negative errno. */
int rtnl_set_up(int sock, uint32_t ifindex, bool up);

#endif
