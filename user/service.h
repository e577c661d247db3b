/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * `serve` as a service: what it tells its manager (sd_notify) and which privileges
 * it keeps. Without a manager nothing is told, the privileges are dropped all the same.
 */
#ifndef KEYSWITCH_SERVICE_H
#define KEYSWITCH_SERVICE_H

#include <stdint.h>

#include "instance.h"

struct service {
	char status[96];	/* as it was last told */
};

/* How often service_alive() has to be called: a second, or half of what a watchdog allows. */
uint64_t service_period_ns(void);

/*
 * Keeps CAP_BPF alone, and of the system calls those of service_filter.h, for good; an
 * enum exit_code, message printed.
 */
int service_drop_privileges(void);

void service_ready(struct service *s, const struct instance *in);
/* From the loop itself, so that a loop that hangs is found by the watchdog. */
void service_alive(struct service *s, const struct instance *in);
void service_stopping(void);

#endif
