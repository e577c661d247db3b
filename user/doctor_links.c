// SPDX-License-Identifier: GPL-2.0-only
/*
 * Other roads to the controllers: NICs, bridges, tunnels and sub-interfaces that
 * the kernel forwards from or to, see doctor.h.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "doctor.h"

static bool listed(const char *const *list, const char *kind)
{
	for (; *list; list++)
		if (!strcmp(*list, kind))
			return true;
	return false;
}

static bool is_tunnel(const struct rtnl_link *link)
{
	static const char *const kinds[] = {
		"ipip", "sit", "gre", "gretap", "ip6gre", "ip6gretap", "erspan", "ip6erspan",
		"ip6tnl", "vti", "vti6", "xfrm", "vxlan", "geneve", "gtp", "bareudp", "wireguard",
		"ovpn", "tun", "ppp", "l2tp", "openvswitch", NULL
	};

	return listed(kinds, link->kind);
}

/* The word of /proc/sys/<name> as a number; -1: not there. */
__attribute__((format(printf, 1, 2)))
static int read_sysctl(const char *fmt, ...)
{
	char path[128] = "/proc/sys/";
	size_t len = strlen(path);
	int value = -1;
	va_list ap;
	FILE *f;

	va_start(ap, fmt);
	vsnprintf(path + len, sizeof(path) - len, fmt, ap);
	va_end(ap);
	f = fopen(path, "re");
	if (f && fscanf(f, "%d", &value) != 1)
		value = -1;
	if (f)
		fclose(f);
	return value;
}

static bool forwards(const char *nic)
{
	/* the switch of IPv6 is one for all NICs */
	return read_sysctl("net/ipv4/conf/%s/forwarding", nic) == 1 ||
	       (read_sysctl("net/ipv6/conf/all/forwarding") == 1 &&
		read_sysctl("net/ipv6/conf/%s/disable_ipv6", nic) == 0);
}

/* The guard leaves them the addresses that are no asset. */
static enum severity unless_guarded(const struct doctor *d)
{
	return d->has_inline && !d->guarded ? DOCTOR_PROBLEM : DOCTOR_WARNING;
}

/* Does a bridge hold one of our NICs? */
static bool bridges_ours(const struct doctor *d, uint32_t bridge)
{
	for (size_t i = 0; i < d->links.n; i++)
		if (d->links.v[i].master == bridge && doctor_port(d, d->links.v[i].index))
			return true;
	return false;
}

/* Ours, or on top of ours: what comes in here has passed our program. */
static bool is_ours(const struct doctor *d, const struct rtnl_link *l)
{
	if (doctor_port(d, l->index) || doctor_port(d, l->lower))
		return true;
	return !strcmp(l->kind, "bridge") && bridges_ours(d, l->index);
}

void doctor_forwarding(struct doctor *d)
{
	for (size_t i = 0; i < d->links.n; i++) {
		const struct rtnl_link *l = &d->links.v[i];

		if (!l->up || l->loopback || l->master || is_ours(d, l) || is_tunnel(l) ||
		    !forwards(l->name))
			continue;
		doctor_found(d, unless_guarded(d), "what comes in at NIC '%s', which is not "
			     "keyswitch's, is routed on", l->name);
		doctor_advise(d, "switch it off there (sysctl -w net.ipv4.conf.%s.forwarding=0, IPv6: "
			      "an nft rule) or attach keyswitch to it", l->name);
	}
}

void doctor_bridges(struct doctor *d)
{
	for (size_t i = 0; i < d->links.n; i++) {
		const struct rtnl_link *l = &d->links.v[i];
		const struct rtnl_link *bridge = rtnl_link(&d->links, l->master);

		if (!bridge || strcmp(bridge->kind, "bridge") || doctor_port(d, l->index) ||
		    !bridges_ours(d, bridge->index))
			continue;
		doctor_found(d, DOCTOR_PROBLEM, "bridge '%s' joins '%s', which is not "
			     "keyswitch's, with a NIC that is", bridge->name, l->name);
		doctor_advise(d, "ip link set dev %s nomaster, or attach keyswitch to it", l->name);
	}
}

/* The kernel has no business at the NICs of a wire. */
void doctor_wires(struct doctor *d)
{
	char text[PREFIX_TEXT_MAX];

	for (int i = 0; i < KS_PORTS_MAX; i++) {
		const struct ks_port_rec *p = &d->ports[i];
		const struct rtnl_link *l = rtnl_link(&d->links, p->ifindex);
		const struct rtnl_link *master = l ? rtnl_link(&d->links, l->master) : NULL;

		if (!d->attached || !p->used || !p->wire || !l)
			continue;
		if (master) {
			doctor_found(d, DOCTOR_PROBLEM, "NIC '%s' of a wire is in %s '%s'", p->name,
				     master->kind, master->name);
			doctor_advise(d, "ip link set dev %s nomaster: frames that the kernel sends "
				      "there are not judged", p->name);
		}
		if (l->addresses) {
			doctor_found(d, DOCTOR_WARNING, "NIC '%s' of a wire has %u address%s (%s)",
				     p->name, l->addresses, l->addresses == 1 ? "" : "es",
				     prefix_format(&l->address, text));
			doctor_advise(d, "ip address flush dev %s; sysctl -w "
				      "net.ipv6.conf.%s.disable_ipv6=1: the kernel can send there",
				      p->name, p->name);
		}
	}
}

void doctor_tunnels(struct doctor *d)
{
	for (size_t i = 0; i < d->links.n; i++) {
		const struct rtnl_link *l = &d->links.v[i];

		if (!l->up || !is_tunnel(l))
			continue;
		doctor_found(d, l->master || forwards(l->name) ? unless_guarded(d) :
			     DOCTOR_WARNING, "tunnel '%s' (%s) ends on the gateway", l->name, l->kind);
		doctor_advise(d, "end it behind the client side: what comes out of it is not judged");
	}
}

void doctor_uppers(struct doctor *d)
{
	static const char *const shared[] = { "macvlan", "macvtap", "ipvlan", "ipvtap", NULL };

	for (size_t i = 0; i < d->links.n; i++) {
		const struct rtnl_link *l = &d->links.v[i];
		const struct ks_port_rec *p = doctor_port(d, l->lower);

		if (!p)
			continue;
		if (listed(shared, l->kind)) {
			doctor_found(d, DOCTOR_PROBLEM, "'%s' (%s) shares NIC '%s'", l->name,
				     l->kind, p->name);
			doctor_advise(d, "ip link del %s: who sits behind it talks past the enforcer",
				      l->name);
		} else if (!strcmp(l->kind, "vlan") || !strcmp(l->kind, "macsec")) {
			doctor_found(d, DOCTOR_WARNING, "'%s' (%s) stands on NIC '%s'", l->name,
				     l->kind, p->name);
			doctor_advise(d, "see who uses it: %s", strcmp(l->kind, "macsec") ?
				      "the guard knows its traffic by the assets' addresses alone" :
				      "encrypted frames are not judged");
		}
	}
}
