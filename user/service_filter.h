/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The system calls that `serve` may make once it runs: it reads maps and cannot write
 * them, load or attach a program, or start another one.
 */
#ifndef KEYSWITCH_SERVICE_FILTER_H
#define KEYSWITCH_SERVICE_FILTER_H

/* For good; needs no_new_privs. An enum exit_code, message printed. */
int service_filter(void);

#endif
