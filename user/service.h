/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * `serve` as a service: what it tells its manager (sd_notify) and which privileges
 * it keeps. Without a manager nothing is told, the privileges are dropped all the same.
 */
#ifndef KEYSWITCH_SERVICE_H
#define KEYSWITCH_SERVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "instance.h"

struct service {
	char status[96];	/* as it was last told */
};

/* How often service_alive() has to be called: a second, or half of what a watchdog allows. */
uint64_t service_period_ns(void);

/* May links be set up and down: is CAP_NET_ADMIN there to be kept? */
bool service_may_set_links(void);

/*
 * Keeps CAP_BPF alone, and CAP_NET_ADMIN if links are to be set, and of the system calls those of service_filter.h, for good; an
 * enum exit_code, message printed.
 */
int service_drop_privileges(bool set_links);

void service_ready(struct service *s, const struct instance *in);
/* From the loop itself, so that a loop that hangs is found by the watchdog. */
void service_alive(struct service *s, const struct instance *in);
void service_stopping(void);
/* Is there a manager that starts it again when it ends? */
bool service_managed(void);

#endif
