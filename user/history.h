/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What was in force when, and who put it there: a line of JSON for each change in
 * STATE_DIR/history, each policy once as STATE_DIR/policies/DIGEST.yaml, and the link
 * STATE_DIR/boot to the one that attach takes when it is told none. Must not know the
 * running instance.
 */
#ifndef KEYSWITCH_HISTORY_H
#define KEYSWITCH_HISTORY_H

#include <jansson.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

struct history_change {
	const char *action;	/* the command's name */
	const char *path;	/* the policy file; its bytes are those of the digest */
	const uint8_t *digest;	/* 32 bytes */
	uint32_t generation;
	const char *note;	/* NULL: none */
	uint32_t trial;		/* seconds, 0: it is no trial */
};

/* The data path was replaced by this object, of which a copy is kept. Likewise. */
int history_upgrade(const char *path, const void *object, size_t size);
/* A copy of the data path: STATE_DIR/objects/SHA256.bpf.o, for the way back. Likewise. */
int history_keep_object(const void *object, size_t size);

/*
 * 0, or -1 after saying why it is not recorded. All is on disk then; a power cut before
 * that leaves the policy before for the next boot, as does a trial.
 */
int history_record(const struct history_change *change);

/*
 * All changes, the oldest first; NULL after saying why. No history is an empty array. A
 * trial that was not confirmed is followed by one of action "expired", which nobody wrote.
 */
json_t *history_read(void);

/*
 * The policy that was in force before the one of this digest (text): its file into path.
 * 0, or -1 after saying that there is none.
 */
int history_before(const char *digest, char path[PATH_MAX]);

/* A copy of a policy that may come into force. 0, or -1 after saying why there is none. */
int history_keep(const char *path, const uint8_t digest[32]);
/* Where the policy of this digest (text) is kept. */
void history_copy(const char *digest, char path[PATH_MAX]);
/* Is the copy still what its name says? 0, or -1 after saying that it is not. */
int history_check_copy(const char *path, const uint8_t digest[32]);
/* Likewise of any copy, by its own name, without a word. */
bool history_intact(const char *path);
/* Where the policy for the next boot is kept. 0, or -1 with errno set. */
int history_boot(char path[PATH_MAX]);

#endif
