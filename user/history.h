/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What was in force when, and who put it there: a line of JSON for each change in
 * STATE_DIR/history, and each policy once as STATE_DIR/policies/DIGEST.yaml. Must not
 * know the running instance.
 */
#ifndef KEYSWITCH_HISTORY_H
#define KEYSWITCH_HISTORY_H

#include <jansson.h>
#include <limits.h>
#include <stdint.h>

struct history_change {
	const char *action;	/* "attach", "apply" or "rollback" */
	const char *path;	/* the policy file; its bytes are those of the digest */
	const uint8_t *digest;	/* 32 bytes */
	uint32_t generation;
	const char *note;	/* NULL: none */
};

/* 0, or -1 after saying why it is not recorded. Both files are on disk then. */
int history_record(const struct history_change *change);

/* All changes, the oldest first; NULL after saying why. No history is an empty array. */
json_t *history_read(void);

/*
 * The policy that was in force before the one of this digest (text): its file into path.
 * 0, or -1 after saying that there is none.
 */
int history_before(const char *digest, char path[PATH_MAX]);

#endif
