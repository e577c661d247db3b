/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Ways round the enforcer on this gateway, and what the machine lacks to go on
 * enforcing and telling: what the checks of `keyswitch doctor` share. Each check adds what it found; one that adds nothing was content.
 * Nothing here may change the system.
 */
#ifndef KEYSWITCH_DOCTOR_H
#define KEYSWITCH_DOCTOR_H

#include <jansson.h>

#include "assets.h"
#include "instance.h"
#include "rtnl.h"

/* A note is worth knowing and asks for nothing. */
enum severity { DOCTOR_OK, DOCTOR_NOTE, DOCTOR_WARNING, DOCTOR_PROBLEM, DOCTOR_SEVERITIES };

struct doctor {
	bool attached;			/* else NICs of the command line, no policy */
	bool has_inline;		/* a port that the kernel forwards from */
	bool guarded;			/* `guard on` was said */
	struct instance in;
	struct ks_state_rec state;
	struct ks_port_rec ports[KS_PORTS_MAX];
	struct rtnl_links links;
	struct assets assets;
	struct ks_pol_ports *ot;	/* ports of the protocols */
	json_t *rules;			/* nft's ruleset, NULL = not known */
	json_t *findings;
	const char *check;		/* that runs now */
	unsigned int count[DOCTOR_SEVERITIES];
};

/* What was seen, with the offending value. */
void doctor_found(struct doctor *d, enum severity severity, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* What to do about the last one. */
void doctor_advise(struct doctor *d, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* The value of NAME=value in the services' /etc/default/keyswitch; false: no such file. */
bool doctor_default(const char *name, char *out, size_t size);

/* The port whose NIC this is, or NULL. */
const struct ks_port_rec *doctor_port(const struct doctor *d, uint32_t ifindex);

/* doctor_service.c */
void doctor_service(struct doctor *d);
/* doctor_kernel.c */
void doctor_kernel(struct doctor *d);
void doctor_driver(struct doctor *d);
/* doctor_disk.c */
void doctor_disk(struct doctor *d);
void doctor_clock(struct doctor *d);
/* doctor_sockets.c */
void doctor_sockets(struct doctor *d);
/* doctor_rules.c */
void doctor_nat(struct doctor *d);
void doctor_conntrack(struct doctor *d);
void doctor_legacy_tables(struct doctor *d);
void doctor_shortcuts(struct doctor *d);
/* doctor_links.c */
void doctor_forwarding(struct doctor *d);
void doctor_bridges(struct doctor *d);
void doctor_wires(struct doctor *d);
void doctor_tunnels(struct doctor *d);
void doctor_uppers(struct doctor *d);
/* doctor_offload.c */
void doctor_offload(struct doctor *d);
/* doctor_attach.c */
void doctor_attachment(struct doctor *d);
void doctor_mtu(struct doctor *d);
void doctor_filters(struct doctor *d);
void doctor_guard(struct doctor *d);

#endif
