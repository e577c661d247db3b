// SPDX-License-Identifier: GPL-2.0-only
/*
 * Our own attachment: is each NIC's program there, ours, alone and complete, and
 * does the guard stand, see doctor.h.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "doctor.h"
#include "guard.h"
#include "link_follow.h"
#include "loader.h"
#include "nic.h"

#define MTU_MAX 3498	/* of XDP on one page, see loader_attach.c */

#define REATTACH "keyswitch detach --yes, then attach again"

/* 0 when it is not there. */
static uint32_t pinned_program(const char *name)
{
	struct bpf_prog_info info = { 0 };
	uint32_t size = sizeof(info);
	char path[PATH_MAX];
	int fd;

	instance_path(path, sizeof(path), "progs", name);
	fd = bpf_obj_get(path);
	if (fd < 0)
		return 0;
	if (bpf_obj_get_info_by_fd(fd, &info, &size))
		info.id = 0;
	close(fd);
	return info.id;
}

static int pinned_link(const char *name, struct bpf_link_info *info)
{
	uint32_t size = sizeof(*info);
	char path[PATH_MAX];
	int fd, err;

	memset(info, 0, sizeof(*info));
	instance_path(path, sizeof(path), "links", name);
	fd = bpf_obj_get(path);
	if (fd < 0)
		return -errno;
	err = bpf_obj_get_info_by_fd(fd, info, &size);
	close(fd);
	return err;
}

/* The NIC runs a program: which, and how. */
static void judge_program(struct doctor *d, const struct ks_port_rec *p, uint32_t ours)
{
	uint32_t running;
	enum nic_xdp mode = nic_xdp(p->ifindex, &running);

	if (mode == NIC_XDP_NONE || running != ours) {
		doctor_found(d, DOCTOR_PROBLEM, "NIC '%s' runs XDP program %u, keyswitch's is %u",
			     p->name, running, ours);
		doctor_advise(d, "take the other one off; " REATTACH);
	} else if (mode == NIC_XDP_GENERIC) {
		doctor_found(d, DOCTOR_WARNING, "NIC '%s' runs the program in generic XDP mode",
			     p->name);
		doctor_advise(d, "use a NIC whose driver has native XDP: this one is slower, and "
			      "sound only without GRO and LRO");
	}
}

static void judge_port(struct doctor *d, const struct ks_port_rec *p)
{
	const struct rtnl_link *l = rtnl_link(&d->links, p->ifindex);
	uint32_t ours = pinned_program(p->name);
	struct bpf_link_info link;
	int err;

	if (!l || strcmp(l->name, p->name)) {
		doctor_found(d, DOCTOR_PROBLEM, "NIC '%s' (index %u) is gone, renamed, or in another "
			     "network namespace", p->name, p->ifindex);
		doctor_advise(d, "run this where the NICs are, or " REATTACH);
		return;
	}
	err = pinned_link(p->name, &link);
	if (err || link.xdp.ifindex != p->ifindex) {
		doctor_found(d, DOCTOR_PROBLEM, "the XDP link of '%s' is %s: nothing is judged there",
			     p->name, err ? "gone" : "detached");
		doctor_advise(d, REATTACH);
		return;
	}
	judge_program(d, p, ours);
	/* one that `link_follow` holds is the service's to tell */
	if (!l->up && !link_follow_holds(p->name)) {
		doctor_found(d, DOCTOR_WARNING, "NIC '%s' is down", p->name);
		doctor_advise(d, "ip link set dev %s up", p->name);
	}
}

/* Before an attach: is the place free? */
static void judge_free(struct doctor *d, const struct ks_port_rec *p)
{
	uint32_t running;

	if (nic_xdp(p->ifindex, &running) == NIC_XDP_NONE)
		return;
	doctor_found(d, DOCTOR_PROBLEM, "NIC '%s' runs XDP program %u: attach will refuse it",
		     p->name, running);
	doctor_advise(d, "ip link set dev %s xdp off, or end who put it there", p->name);
}

void doctor_attachment(struct doctor *d)
{
	if (!d->attached && loader_wire_left()) {
		doctor_found(d, DOCTOR_PROBLEM, "a wire was left by 'detach --leave-wire': it "
			     "forwards everything, uninspected");
		doctor_advise(d, "keyswitch detach --yes, then attach again");
	}
	for (int i = 0; i < KS_PORTS_MAX; i++) {
		const struct ks_port_rec *p = &d->ports[i];

		if (!p->used)
			continue;
		if (d->attached)
			judge_port(d, p);
		else
			judge_free(d, p);
	}
	if (d->attached && d->state.now.mode == KS_MONITOR) {
		doctor_found(d, DOCTOR_WARNING, "mode monitor: nothing is refused");
		doctor_advise(d, "keyswitch mode enforce");
	}
}

void doctor_mtu(struct doctor *d)
{
	for (int i = 0; i < KS_PORTS_MAX; i++) {
		const struct ks_port_rec *p = &d->ports[i];
		const struct rtnl_link *l = rtnl_link(&d->links, p->ifindex), *peer;

		if (!p->used || !l)
			continue;
		if (l->mtu > MTU_MAX) {
			doctor_found(d, d->attached ? DOCTOR_WARNING : DOCTOR_PROBLEM,
				     "NIC '%s' has MTU %u, XDP takes %u", p->name, l->mtu, MTU_MAX);
			doctor_advise(d, "ip link set dev %s mtu 1500", p->name);
		}
		peer = d->attached && p->wire && p->role == KS_CLIENT ?
		       rtnl_link(&d->links, d->ports[p->peer % KS_PORTS_MAX].ifindex) : NULL;
		if (peer && peer->mtu != l->mtu) {
			doctor_found(d, DOCTOR_WARNING, "the NICs of a wire differ in MTU: '%s' has "
				     "%u, '%s' has %u", l->name, l->mtu, peer->name, peer->mtu);
			doctor_advise(d, "make them equal: frames that are too long are lost");
		}
	}
}

static void judge_filters(struct doctor *d, const struct ks_port_rec *p, bool ingress)
{
	struct rtnl_filter filters[RTNL_FILTERS_MAX];
	int n = rtnl_filters(p->ifindex, ingress, filters);
	const char *way = ingress ? "ingress" : "egress";

	if (n < 0) {
		doctor_found(d, DOCTOR_WARNING, "tc filters of '%s' (%s) are not readable: %s",
			     p->name, way, strerror(-n));
		doctor_advise(d, "look at 'tc filter show dev %s %s'", p->name, way);
	}
	for (int i = 0; i < n; i++) {
		if (!strncmp(filters[i].name, "ks_guard", 8))
			continue;
		doctor_found(d, DOCTOR_WARNING, "tc filter at %s of '%s': %s%s%s, priority %u", way,
			     p->name, filters[i].kind, filters[i].name[0] ? " " : "",
			     filters[i].name, filters[i].priority);
		doctor_advise(d, "see that it neither redirects nor rewrites: it runs behind the "
			      "inspection ('tc filter show dev %s %s')", p->name, way);
	}
}

/* The kernel sees no frame of a wire, and forwards none of a tap. */
void doctor_filters(struct doctor *d)
{
	for (int i = 0; i < KS_PORTS_MAX; i++) {
		const struct ks_port_rec *p = &d->ports[i];

		if (!guard_covers(p) || !rtnl_link(&d->links, p->ifindex))
			continue;
		judge_filters(d, p, true);
		judge_filters(d, p, false);
	}
}

/* ---- guard ---- */

static void judge_marks(struct doctor *d)
{
	for (int i = 0; i < KS_PORTS_MAX; i++) {
		const struct ks_port_rec *p = &d->ports[i];

		if (!guard_covers(p) || guard_marks(p->ifindex))
			continue;
		doctor_found(d, DOCTOR_PROBLEM, "the guard's tc program is not at '%s': nothing from "
			     "there is forwarded", p->name);
		doctor_advise(d, "keyswitch guard on");
	}
}

static void judge_rules(struct doctor *d, const struct guard_rules *have)
{
	struct guard_rules want;

	if (guard_rules_wanted(&want, &d->in)) {
		doctor_found(d, DOCTOR_WARNING, "the running policy is not readable");
		return;
	}
	if (!have->inet || !have->bridge || have->drops < want.drops ||
	    have->clients < want.clients || have->protected < want.protected)
		doctor_found(d, DOCTOR_PROBLEM, "the guard's nft rules are incomplete: %s%s%llu of "
			     "%llu rules", have->inet ? "" : "no table 'inet', ",
			     have->bridge ? "" : "no table 'bridge', ",
			     (unsigned long long)have->drops, (unsigned long long)want.drops);
	else if (strcmp(have->policy, want.policy) || have->assets != want.assets)
		doctor_found(d, DOCTOR_PROBLEM, "the guard's nft sets hold the assets of another "
			     "policy (%s), in force is %s", have->policy, want.policy);
	else
		return;
	doctor_advise(d, "keyswitch guard on");
}

void doctor_guard(struct doctor *d)
{
	struct guard_rules have;

	guard_rules_read(&have, d->rules);
	if (!d->attached && (have.inet || have.bridge)) {
		doctor_found(d, DOCTOR_WARNING, "the guard's nft rules are there, keyswitch is not "
			     "attached: assets get nothing that is forwarded");
		doctor_advise(d, "attach again and say 'keyswitch guard on', or 'keyswitch guard off'");
	}
	if (!d->has_inline)
		return;
	if (!d->guarded) {
		doctor_found(d, DOCTOR_WARNING, "inline pairs have no guard: when the XDP program "
			     "goes, the kernel forwards everything");
		doctor_advise(d, "keyswitch guard on");
		return;
	}
	judge_marks(d);
	if (d->rules)
		judge_rules(d, &have);
}
