/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * `keyswitch top` on a terminal (ncurses). Owns the terminal while it runs and gives it back
 * whatever ends it. Must not read the instance but through top.h.
 */
#ifndef KEYSWITCH_TOP_SCREEN_H
#define KEYSWITCH_TOP_SCREEN_H

#include "top.h"

/* Least size that can be worked with. */
#define TOP_LINES_MIN 10
#define TOP_COLS_MIN 60

/* Shows a fresh picture each so many seconds. An enum exit_code, with a message printed. */
int top_screen(const struct instance *in, struct top_wish *wish, uint32_t seconds);

#endif
