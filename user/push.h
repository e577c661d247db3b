/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Policies into the running instance: for good, on trial, back. One change at a time;
 * everything is written into a policy slot that nobody reads, and one write of the state
 * record then puts it in force. Must not touch programs or links.
 */
#ifndef KEYSWITCH_PUSH_H
#define KEYSWITCH_PUSH_H

#include <limits.h>
#include <stdbool.h>

#include "instance.h"
#include "policy.h"

/* What is asked for. */
struct push {
	const char *action;	/* for the history */
	const char *path;	/* policy file; NULL: the one before, from the history */
	const char *note;	/* NULL: none */
	uint32_t trial;		/* seconds until it goes back unless confirmed, 0 = for good */
};

/* These return an enum exit_code, message or result printed. */
int push_policy(const struct push *push);
/* The policy in the shadow comes into force; push->path is not looked at. */
int push_promote(const struct push *push);
/* The policy on trial is in force for good. */
int push_confirm(const struct push *push);

/* ---- for the commands that push in other ways ---- */

/* The instance, held alone. */
struct pushing {
	int lock;
	struct instance in;
	struct ks_state_rec state;	/* as it is, then as it will be */
};

/* EXIT_OK, or another code with a message printed; end in both cases. */
int pushing_begin(struct pushing *p);
void pushing_end(struct pushing *p);
/* EXIT_OK, or EXIT_PROBLEM after saying that a policy is on trial. */
int pushing_check_trial(const struct pushing *p);

/*
 * Writes the policy into a slot that is free; its number in *slot, its generation in
 * *generation. EXIT_OK, or another code with a message printed and nothing changed.
 */
int pushing_fill(const struct pushing *p, const struct compiled_policy *policy, uint32_t *slot,
		 uint32_t *generation);
/* May its mode be in force on these NICs? EXIT_OK, or another code with a message printed. */
int pushing_check_mode(const struct pushing *p, const struct compiled_policy *policy);
/* All that comes into force with this policy from this slot: into p->state.now. */
void pushing_plan(struct pushing *p, const struct compiled_policy *policy, uint32_t slot);
/* p->state as it is. EXIT_OK, or another code with a message printed. */
int pushing_write(struct pushing *p);
/* A policy comes into force: one write of p->state. EXIT_OK, or another code with a message printed. */
int pushing_flip(struct pushing *p, uint32_t trial);
/* What is in force now: guard, history, the result on stdout. */
int pushing_done(struct pushing *p, const struct push *push, const char *path);

#endif
