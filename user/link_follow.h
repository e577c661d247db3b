/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * `link_follow: true`: while a wire's port has no carrier its other port is held down, so
 * that who is connected there sees what a cable would have told it. Run by `serve` alone.
 * What is held is written to RUN_DIR/held.NIC first: a serve that was killed, or a detach,
 * finds what is to be brought back. Must not touch a port that somebody else took down.
 */
#ifndef KEYSWITCH_LINK_FOLLOW_H
#define KEYSWITCH_LINK_FOLLOW_H

#include <jansson.h>

#include "instance.h"

/* The carrier has to be there this long before the other port comes back: flapping. */
#define LINK_STEADY_NS	(2ull * KS_SECOND)
/* A port that was brought up has this long to find its own carrier (autonegotiation). */
#define LINK_GRACE_NS	(10ull * KS_SECOND)

struct followed_port {
	uint32_t ifindex;	/* 0 = no port of a wire */
	uint32_t peer;		/* index of the wire's other port */
	char name[16];
	bool up;
	bool carrier;
	bool held;		/* down by us */
	bool left_alone;	/* somebody brought it up while it was held: until the peer is back */
	uint64_t since;		/* when the carrier came, CLOCK_MONOTONIC ns */
	uint64_t grace;		/* it may look for its carrier until then; 0 = it found it */
	uint64_t downs;		/* how often it was taken down */
};

struct link_follow {
	bool on;		/* the policy in force says so */
	bool able;		/* CAP_NET_ADMIN is kept */
	bool complained;
	struct followed_port ports[KS_PORTS_MAX];
	int watch;
	int set;
	void (*tell)(void *arg, json_t *event);	/* borrows the event */
	void *arg;
};

/* Does the policy in force say so? */
bool link_follow_wanted(const struct instance *in);
/*
 * Before privileges are dropped; able: CAP_NET_ADMIN stays. EXIT_OK or another code with
 * a message printed.
 */
int link_follow_open(struct link_follow *lf, const struct instance *in, bool able,
		     void (*tell)(void *arg, json_t *event), void *arg);
/* Brings back what is held: nobody would do it later. */
void link_follow_close(struct link_follow *lf);
/* Readable when links changed. */
int link_follow_fd(const struct link_follow *lf);
void link_follow_ready(struct link_follow *lf);
/*
 * At least every second. False: the policy wants what this process has no privilege
 * for any more.
 */
bool link_follow_tick(struct link_follow *lf, const struct instance *in);

/* Is this NIC held down, by a serve that may be gone? */
bool link_follow_holds(const char *nic);
/* Brings up what a killed serve held; for detach. */
void link_follow_release(const struct ks_port_rec ports[KS_PORTS_MAX]);

#endif
