/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Signals as something to wait for.
 */
#ifndef KEYSWITCH_SIGNALS_H
#define KEYSWITCH_SIGNALS_H

/*
 * Blocks SIGTERM, SIGINT, SIGHUP and `more` (0 = none), which then come out of the
 * descriptor returned (signalfd, not blocking); < 0: errno says why. SIGPIPE is ignored: a
 * reader that is gone is an error of write().
 */
int signals_open(int more);

#endif
