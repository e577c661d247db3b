// SPDX-License-Identifier: GPL-2.0-only
/*
 * sd_notify and capabilities, see service.h.
 * Must not end or restart anything.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include <cap-ng.h>
#include <systemd/sd-daemon.h>

#include "command.h"
#include "names.h"
#include "options.h"
#include "service.h"
#include "service_filter.h"

uint64_t service_period_ns(void)
{
	uint64_t watchdog_us, second = 1000000000u;

	if (sd_watchdog_enabled(0, &watchdog_us) <= 0 || watchdog_us / 2 * 1000 >= second)
		return second;
	/* 0 would stop the timer */
	return watchdog_us / 2 * 1000 + 1;
}

bool service_may_set_links(void)
{
	capng_get_caps_process();
	return capng_have_capability(CAPNG_EFFECTIVE, CAP_NET_ADMIN);
}

/*
 * Maps are reached by pins that are root's own files, so the user stays and no other
 * capability is needed but for links: everything else that takes one is open by now. A kernel asks for
 * CAP_BPF, or for CAP_SYS_ADMIN where a container was given nothing finer.
 */
int service_drop_privileges(bool set_links)
{
	unsigned int kept = CAP_BPF;
	capng_select_t what = CAPNG_SELECT_CAPS;

	capng_get_caps_process();
	if (!capng_have_capability(CAPNG_PERMITTED, CAP_BPF))
		kept = CAP_SYS_ADMIN;
	/* the bounding set can be changed only while CAP_SETPCAP is there */
	if (capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP))
		what = CAPNG_SELECT_BOTH;
	capng_clear(CAPNG_SELECT_ALL);
	capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, kept);
	if (set_links)
		capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_NET_ADMIN);
	if (!capng_apply(what) && !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return service_filter();
	complain("cannot drop privileges, expected to keep CAP_BPF alone: %s", strerror(errno));
	return EXIT_ENVIRONMENT;
}

/* One line for `systemctl status`; true if it differs from the last. */
static bool describe(struct service *s, const struct instance *in)
{
	char now[sizeof(s->status)] = "the state is not readable";
	struct ks_pol_cfg *policy = NULL;
	struct ks_state_rec state;
	const char *trial = "";

	if (!instance_state(in, &state))
		policy = instance_policy(in, state.now.slot);
	if (policy && state_trial_left(&state))
		trial = ", on trial";
	if (policy)
		snprintf(now, sizeof(now), "%s, policy generation %u%s",
			 name_mode(state.now.mode), policy->generation, trial);
	free(policy);
	if (!strcmp(now, s->status))
		return false;
	memcpy(s->status, now, sizeof(now));
	return true;
}

void service_ready(struct service *s, const struct instance *in)
{
	describe(s, in);
	sd_notifyf(0, "READY=1\nSTATUS=%s", s->status);
}

void service_alive(struct service *s, const struct instance *in)
{
	if (describe(s, in))
		sd_notifyf(0, "WATCHDOG=1\nSTATUS=%s", s->status);
	else
		sd_notify(0, "WATCHDOG=1");
}

bool service_managed(void)
{
	return getenv("NOTIFY_SOCKET");
}

void service_stopping(void)
{
	sd_notify(0, "STOPPING=1");
}
