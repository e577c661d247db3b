/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who was refused what lately, from the events that a running `serve` remembers. Must not
 * touch the event ring: that has one reader.
 */
#ifndef KEYSWITCH_REFUSED_H
#define KEYSWITCH_REFUSED_H

#include <stdint.h>

/*
 * Each refusal, or what monitor mode would have refused, the oldest first; age in seconds.
 * None when no serve runs or it does not answer.
 */
void refused_latest(void (*each)(void *arg, const char *client, const char *what, uint64_t age),
		    void *arg);

#endif
