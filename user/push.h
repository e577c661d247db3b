/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A policy goes into the running instance, on behalf of `apply` or `rollback`.
 */
#ifndef KEYSWITCH_PUSH_H
#define KEYSWITCH_PUSH_H

struct push {
	const char *action;	/* for the history */
	const char *path;	/* NULL: the policy before the one in force, from the history */
	const char *note;	/* NULL: none */
};

/* The exit code; everything is said. */
int push_policy(const struct push *push);

#endif
