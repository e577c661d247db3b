/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One policy over the frames of a capture, on an instance of its own: what each frame
 * held and what the data path said of it. Must not print results and must not touch
 * the running instance.
 */
#ifndef KEYSWITCH_REPLAY_H
#define KEYSWITCH_REPLAY_H

#include "capture.h"
#include "loader.h"
#include "roles.h"
#include "summary.h"

struct replay {
	const struct compiled_policy *policy;
	struct replay_object obj;
	struct roles roles;
	struct summary *summary;	/* NULL: not wanted */
	uint32_t undecided;		/* frames of a protocol's port without a role */

	/* of the last frame: */
	struct packet packet;
	struct ks_leaf *leaf;		/* requests in their order */
	uint32_t leaves, room;
	const char *reason;		/* of its last segment; of the data path, or replay's own */
	bool passed;			/* that reason lets a packet through */
};

/* Beyond what the policies say; the same for each of a comparison. */
struct replay_choice {
	int mode;			/* enum ks_mode, -1: the policy's */
	bool adopt;			/* connections without their handshake */
	const struct prefix *server;	/* NULL: not named */
};

/* All of these return an enum exit_code and print their own message. */
int replay_open(struct replay *r, const struct compiled_policy *policy, const char *capture,
		const struct replay_choice *choice);
int replay_frame(struct replay *r, const struct frame *f);
void replay_close(struct replay *r);

/* Calls visit for each frame until it returns other than EXIT_OK. */
int replay_each_frame(const char *capture, int (*visit)(void *arg, const struct frame *f),
		      void *arg);

/* Name of a leaf's rule and asset. */
const char *replay_rule(const struct replay *r, uint32_t rule);
const char *replay_asset(const struct replay *r, uint32_t asset);

#endif
