/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Kernel lifecycle, and the only place of it: loading the embedded object,
 * sizing and pinning its maps, attaching, replacing and removing programs.
 * Every function prints its own message on failure and leaves nothing
 * half-done. Must not parse policies or print results.
 */
#ifndef KEYSWITCH_LOADER_H
#define KEYSWITCH_LOADER_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>

#include "instance.h"
#include "policy.h"

#define PAIRS_MAX (KS_PORTS_MAX / 2)

struct port_pair {
	char name[2][IFNAMSIZ];		/* by enum ks_role */
	uint32_t ifindex[2];
	bool wire;			/* else inline */
	enum ks_sight sight;		/* not both: the client's role alone has a NIC */
};

/* Roles that have a NIC: 2, or the client's alone. */
int pair_roles(const struct port_pair *pair);

struct attach_plan {
	struct port_pair pairs[PAIRS_MAX];
	size_t n_pairs;
	int adopt;			/* enum ks_adopt, ADOPT_UNSAID */
	bool generic;			/* fall back to generic XDP */
	const struct compiled_policy *policy;
};

/*
 * Removes a folder of the pin directory with its pins; links are detached at
 * once, whoever else holds them. 0, also when there is none, or a negative errno.
 */
int loader_remove_folder(const char *folder);

/* Both return an enum exit_code. */
int loader_attach(const struct attach_plan *plan);
/* leave_wire: wires go on forwarding, unfiltered. */
int loader_detach(bool leave_wire);

/* A compiled data path, as a file's bytes. */
struct object_bytes {
	const char *path;	/* for messages */
	const void *bytes;
	size_t size;
	void *own;		/* to be freed */
};

/* path NULL: the one built in. EXIT_OK, or another code with a message printed. */
int object_open(struct object_bytes *object, const char *path);
void object_close(struct object_bytes *object);

/*
 * Every NIC runs the programs of this object, with the maps, links and connections that
 * are there; or all run what they ran, and nothing has changed. An enum exit_code.
 */
int loader_upgrade(const struct instance *in, const struct object_bytes *object);

/* Does any NIC run a program of ours? Without one only remains may be pinned. */
bool loader_has_links(void);
/* Are there links of wires that would stop with loader_detach(false)? */
bool loader_holds_wire(void);
/* Only the links of `detach --leave-wire` are there. */
bool loader_wire_left(void);

/* A private, unpinned instance for replay, its policy in slot 0. */
struct replay_object {
	struct instance in;
	int prog[2];			/* by enum ks_role */
	struct keyswitch_bpf *skel;
};

int loader_open_replay(struct replay_object *obj, const struct compiled_policy *policy,
		       uint32_t flows);
void loader_close_replay(struct replay_object *obj);

#endif
