/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which connections to assets run through NICs that keyswitch is not attached to yet.
 * Listens only: sends nothing, changes nothing.
 */
#ifndef KEYSWITCH_RUNNING_H
#define KEYSWITCH_RUNNING_H

#include "loader.h"

/* Looks for two seconds and prints one line a connection that it saw. */
void running_list(const struct attach_plan *plan, const struct compiled_policy *policy);

#endif
