/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The guard's nft rules: made, removed and read. For guard.c; others see guard.h.
 */
#ifndef KEYSWITCH_GUARD_RULES_H
#define KEYSWITCH_GUARD_RULES_H

#include "guard.h"

/* Replaces them in one transaction. Both return an enum exit_code, message printed. */
int guard_rules_install(const struct instance *in);
int guard_rules_remove(void);

#endif
