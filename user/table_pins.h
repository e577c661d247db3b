/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Pins of the few inner maps that `serve` reads: a descriptor by number is
 * CAP_SYS_ADMIN's, one by a pin is whoever's that may read the file.
 */
#ifndef KEYSWITCH_TABLE_PINS_H
#define KEYSWITCH_TABLE_PINS_H

#include "instance.h"

/* Pins what the slot holds now, each in the place of the former; 0 or a negative errno. */
int table_pins_set(const struct instance *in, uint32_t slot);
/* A descriptor, if what is pinned there is map number `wanted`; else a negative errno. */
int table_pins_open(enum map_id id, uint32_t slot, uint32_t wanted);
/* 0 or a negative errno. */
int table_pins_remove(void);

#endif
