// SPDX-License-Identifier: GPL-2.0-only
/*
 * A wire's ports go down and come back together, see link_follow.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "command.h"
#include "env.h"
#include "eve.h"
#include "link_follow.h"
#include "options.h"
#include "rtnl.h"
#include "rtnl_watch.h"

/* ---- what is held, for those who come after us ---- */

static void held_path(char path[PATH_MAX], const char *nic)
{
	char name[32];

	snprintf(name, sizeof(name), "held.%s", nic);
	env_run_path(path, PATH_MAX, name);
}

bool link_follow_holds(const char *nic)
{
	char path[PATH_MAX];

	held_path(path, nic);
	return !access(path, F_OK);
}

static int note_held(const char *nic)
{
	char path[PATH_MAX];
	int fd;

	held_path(path, nic);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

static void forget_held(const char *nic)
{
	char path[PATH_MAX];

	held_path(path, nic);
	unlink(path);
}

void link_follow_release(const struct ks_port_rec ports[KS_PORTS_MAX])
{
	int set = rtnl_open();

	for (int i = 0; i < KS_PORTS_MAX; i++) {
		if (!ports[i].used || !link_follow_holds(ports[i].name))
			continue;
		if (set < 0 || rtnl_set_up(set, ports[i].ifindex, true))
			complain("NIC '%s' is held down by 'link_follow' and cannot be brought up",
				 ports[i].name);
		else
			forget_held(ports[i].name);
	}
	if (set >= 0)
		close(set);
}

/* ---- what is known of the ports ---- */

static void take_change(void *arg, const struct rtnl_change *change)
{
	struct link_follow *lf = arg;

	for (int i = 0; i < KS_PORTS_MAX; i++) {
		struct followed_port *p = &lf->ports[i];

		if (!p->ifindex || p->ifindex != change->ifindex)
			continue;
		if (change->carrier && !p->carrier)
			p->since = clock_monotonic();
		if (change->carrier)
			p->grace = 0;
		p->up = change->up;
		p->carrier = change->carrier;
	}
}

static int look(struct link_follow *lf)
{
	struct rtnl_links links;
	int err = rtnl_links_load(&links);

	for (int i = 0; i < KS_PORTS_MAX && !err; i++) {
		const struct rtnl_link *l = rtnl_link(&links, lf->ports[i].ifindex);

		take_change(lf, &(struct rtnl_change){
			.ifindex = lf->ports[i].ifindex, .gone = !l, .up = l && l->up,
			.carrier = l && l->carrier });
	}
	rtnl_links_free(&links);
	return err;
}

/* ---- taking down and bringing back ---- */

static void tell(struct link_follow *lf, const struct followed_port *p, const char *action,
		 const char *why)
{
	json_t *event = json_pack("{s:s, s:s, s:{s:s, s:s, s:s, s:s}}", "event_type", "admin",
				  "in_iface", p->name, "keyswitch", "kind", "admin", "action", action,
				  "port", p->name, "because", why);

	if (!event)
		return;
	eve_set_time(event, clock_monotonic());
	lf->tell(lf->arg, event);
	json_decref(event);
}

static void fail(struct link_follow *lf, const struct followed_port *p, const char *what, int err)
{
	if (!lf->complained)
		complain("link_follow: cannot take '%s' %s: %s", p->name, what, strerror(-err));
	lf->complained = true;
}

static void hold(struct link_follow *lf, struct followed_port *p, const char *peer)
{
	char why[64];
	int err = note_held(p->name);

	if (!err)
		err = rtnl_set_up(lf->set, p->ifindex, false);
	if (err) {
		forget_held(p->name);
		fail(lf, p, "down", err);
		return;
	}
	p->held = true;
	p->up = p->carrier = false;
	p->downs++;
	snprintf(why, sizeof(why), "'%s' has no carrier", peer);
	tell(lf, p, "link_down", why);
}

static void release(struct link_follow *lf, struct followed_port *p, const char *why)
{
	int err = rtnl_set_up(lf->set, p->ifindex, true);

	if (err && err != -ENODEV) {
		fail(lf, p, "up", err);
		return;
	}
	forget_held(p->name);
	p->held = false;
	p->grace = clock_monotonic() + LINK_GRACE_NS;
	tell(lf, p, "link_up", why);
}

/* What becomes of p, by what its peer looks like. */
static void decide(struct link_follow *lf, struct followed_port *p)
{
	const struct followed_port *peer = &lf->ports[p->peer];
	bool there = peer->up && peer->carrier;
	uint64_t now = clock_monotonic();
	char why[64];

	/* what is told may be older than our own taking it down */
	if (p->held && p->up)
		look(lf);
	if (p->held && p->up) {
		forget_held(p->name);
		p->held = false;
		p->left_alone = true;
		tell(lf, p, "link_up", "somebody else brought it up");
	}
	p->left_alone &= !there;
	if (p->held && !lf->on) {
		release(lf, p, "link_follow is off");
	} else if (p->held && there && now - peer->since >= LINK_STEADY_NS) {
		snprintf(why, sizeof(why), "'%s' has its carrier back", peer->name);
		release(lf, p, why);
	} else if (lf->on && lf->able && p->up && !p->left_alone && !there && !peer->held &&
		   now >= peer->grace) {
		hold(lf, p, peer->name);
	}
}

static void decide_all(struct link_follow *lf)
{
	for (int i = 0; i < KS_PORTS_MAX; i++)
		if (lf->ports[i].ifindex)
			decide(lf, &lf->ports[i]);
}

/* ---- the outside ---- */

static bool follows(const struct ks_port_rec *p, const struct ks_port_rec ports[KS_PORTS_MAX])
{
	return p->used && p->wire && p->peer < KS_PORTS_MAX && &ports[p->peer] != p;
}

static int take_ports(struct link_follow *lf, const struct instance *in)
{
	struct ks_port_rec ports[KS_PORTS_MAX];
	int err = instance_ports(in, ports);

	for (int i = 0; i < KS_PORTS_MAX && !err; i++) {
		struct followed_port *p = &lf->ports[i];

		if (!follows(&ports[i], ports))
			continue;
		p->ifindex = ports[i].ifindex;
		p->peer = ports[i].peer;
		memcpy(p->name, ports[i].name, sizeof(p->name));
		p->held = link_follow_holds(p->name);
		/* at boot NICs find their carriers one after the other */
		p->grace = clock_monotonic() + LINK_GRACE_NS;
	}
	return err;
}

bool link_follow_wanted(const struct instance *in)
{
	struct ks_pol_cfg *cfg = NULL;
	struct ks_state_rec state;
	bool wanted;

	if (!instance_state(in, &state))
		cfg = instance_policy(in, state.now.slot);
	wanted = cfg && cfg->link_follow;
	free(cfg);
	return wanted;
}

int link_follow_open(struct link_follow *lf, const struct instance *in, bool able,
		     void (*tell_fn)(void *arg, json_t *event), void *arg)
{
	int err;

	memset(lf, 0, sizeof(*lf));
	lf->able = able;
	lf->tell = tell_fn;
	lf->arg = arg;
	lf->set = rtnl_open();
	lf->watch = rtnl_watch();
	err = lf->watch < 0 ? lf->watch : lf->set < 0 ? lf->set : take_ports(lf, in);
	if (!err)
		err = look(lf);
	if (!err)
		return EXIT_OK;
	complain("cannot watch the links of the NICs: %s", strerror(-err));
	link_follow_close(lf);
	return EXIT_ENVIRONMENT;
}

void link_follow_close(struct link_follow *lf)
{
	for (int i = 0; i < KS_PORTS_MAX; i++)
		if (lf->ports[i].held)
			release(lf, &lf->ports[i], "serve ends");
	if (lf->watch >= 0)
		close(lf->watch);
	if (lf->set >= 0)
		close(lf->set);
	lf->watch = lf->set = -1;
}

int link_follow_fd(const struct link_follow *lf)
{
	return lf->watch;
}

void link_follow_ready(struct link_follow *lf)
{
	if (rtnl_changes(lf->watch, take_change, lf))
		look(lf);
	decide_all(lf);
}

bool link_follow_tick(struct link_follow *lf, const struct instance *in)
{
	lf->on = link_follow_wanted(in);
	if (lf->on && !lf->able)
		return false;
	decide_all(lf);
	return true;
}
