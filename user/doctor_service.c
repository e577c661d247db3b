// SPDX-License-Identifier: GPL-2.0-only
/*
 * Does anybody read the events, and does the machine come back enforcing after a
 * reboot? See doctor.h.
 */
#include <glob.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "counters.h"
#include "doctor.h"
#include "events.h"
#include "history.h"
#include "link_follow.h"
#include "options.h"
#include "results.h"

#define DEFAULTS	"/etc/default/keyswitch"
#define FIRST_POLICY	"/etc/keyswitch/policy.yaml"
#define ANSWER_MS	2000	/* a loop that works answers at once; the unit's watchdog takes 10 s */

bool doctor_default(const char *name, char *out, size_t size)
{
	FILE *f = fopen(DEFAULTS, "re");
	size_t len = strlen(name);
	char line[1024];

	*out = '\0';
	if (!f)
		return false;
	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, name, len) && line[len] == '=')
			snprintf(out, size, "%.*s", (int)strcspn(line + len + 1, "\n"),
				 line + len + 1);
	fclose(f);
	/* quotes as systemd and the shell take them off */
	len = strlen(out);
	if (len > 1 && (*out == '"' || *out == '\'') && out[len - 1] == *out) {
		out[len - 1] = '\0';
		memmove(out, out + 1, len - 1);
	}
	return true;
}

static bool matches(const char *pattern)
{
	glob_t found;
	bool any = !glob(pattern, 0, NULL, &found);

	if (any)
		globfree(&found);
	return any;
}

/* Where a unit file may be, the operator's own first; false: nowhere. */
static bool unit_installed(const char *unit)
{
	static const char *const places[] = { "/etc", "/run", "/usr/lib", "/lib" };
	char path[PATH_MAX];

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		snprintf(path, sizeof(path), "%s/systemd/system/%s", places[i], unit);
		if (!access(path, F_OK))
			return true;
	}
	return false;
}

static bool unit_masked(const char *unit)
{
	char path[PATH_MAX], target[PATH_MAX];

	snprintf(path, sizeof(path), "/etc/systemd/system/%s", unit);
	return realpath(path, target) && !strcmp(target, "/dev/null");
}

static bool unit_enabled(const char *unit)
{
	char pattern[PATH_MAX];

	snprintf(pattern, sizeof(pattern), "/etc/systemd/system/*.wants/%s", unit);
	return matches(pattern) && !unit_masked(unit);
}

/* ---- events ---- */

/* 1 = serve answers, 0 = it is there and does not, -1 = it is not there */
static int serve_answers(void)
{
	int fd = events_connect(), answers = 0;
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	char c;

	if (fd < 0)
		return -1;
	/* the last events or, without any, the end */
	if (send(fd, "recent\n", 7, MSG_NOSIGNAL) == 7 && poll(&ready, 1, ANSWER_MS) == 1)
		answers = recv(fd, &c, 1, 0) >= 0;
	close(fd);
	return answers;
}

static void judge_lost(struct doctor *d)
{
	struct ks_misc_count misc;
	struct counters c;

	if (!counters_open(&c, &d->in) && !counters_misc(&c, &misc) && misc.events_lost) {
		doctor_found(d, DOCTOR_NOTE, "%llu events found the ring full since the attach and "
			     "were lost", (unsigned long long)misc.events_lost);
		doctor_advise(d, "the counters have them ('keyswitch counters'); keep serve running, "
			      "or see who sends that much ('keyswitch counters')");
	}
	counters_close(&c);
}

/* Ports that `link_follow` took down. */
static void judge_held(struct doctor *d, bool lives)
{
	bool any = false, wire = false;

	for (int i = 0; i < KS_PORTS_MAX; i++) {
		const char *nic = d->ports[i].name;

		wire |= d->ports[i].used && d->ports[i].wire;
		if (!d->ports[i].used || !link_follow_holds(nic))
			continue;
		any = true;
		doctor_found(d, lives ? DOCTOR_NOTE : DOCTOR_PROBLEM, "NIC '%s' is held down by "
			     "'link_follow'%s", nic, lives ? ": the other port has no carrier" :
			     ", and serve, which would bring it back, does not run");
		doctor_advise(d, lives ? "look at the cable of the other port" : "systemctl start "
			      "keyswitch, or ip link set dev %s up", nic);
	}
	if (any || !link_follow_wanted(&d->in))
		return;
	if (!wire)
		doctor_found(d, DOCTOR_NOTE, "the policy says 'link_follow: true' and no wire is attached");
	else if (!lives)
		doctor_found(d, DOCTOR_WARNING, "the policy says 'link_follow: true' and serve does not "
			     "run: no port follows its wire's other one");
	else
		return;
	doctor_advise(d, wire ? "start 'keyswitch serve'" : "it is about --wire alone: leave it out");
}

static void judge_serve(struct doctor *d)
{
	int answers = serve_answers();

	if (answers < 0) {
		doctor_found(d, DOCTOR_WARNING, "'keyswitch serve' does not run: policies are "
			     "enforced, but nobody reads events and there is no /metrics");
		doctor_advise(d, unit_installed("keyswitch.service") ?
			      "systemctl start keyswitch; why it ended: journalctl -u keyswitch" :
			      "start 'keyswitch serve'");
	} else if (!answers) {
		doctor_found(d, DOCTOR_WARNING, "'keyswitch serve' is there but does not answer for "
			     "%d s: nobody reads events", ANSWER_MS / 1000);
		doctor_advise(d, "systemctl restart keyswitch: nothing is lost but what the ring "
			      "cannot hold");
	} else {
		doctor_found(d, DOCTOR_OK, "'keyswitch serve' runs and answers");
	}
	judge_lost(d);
	judge_held(d, answers > 0);
}

/* ---- the next boot ---- */

/* Is it a word of these options? They are separated by blanks and ':'. */
static bool names_nic(const char *options_text, const char *nic)
{
	size_t len = strlen(nic);

	for (const char *at = options_text; (at = strstr(at, nic)); at += len)
		if ((at == options_text || strchr(" \t:=", at[-1])) && strchr(" \t:", at[len]))
			return true;
	return false;
}

static void judge_options(struct doctor *d)
{
	char attach[1024];

	doctor_default("ATTACH_OPTIONS", attach, sizeof(attach));
	if (!*attach) {
		doctor_found(d, DOCTOR_WARNING, "ATTACH_OPTIONS of '%s' is empty: nothing is attached "
			     "at the next boot", DEFAULTS);
		doctor_advise(d, "write there what you gave to 'keyswitch attach', as in "
			      "\"--wire eth1:eth2 --adopt audit\"");
	}
	for (int i = 0; i < KS_PORTS_MAX && *attach; i++) {
		if (!d->ports[i].used || names_nic(attach, d->ports[i].name))
			continue;
		doctor_found(d, DOCTOR_WARNING, "ATTACH_OPTIONS \"%s\" of '%s' does not name NIC '%s', "
			     "which is attached now", attach, DEFAULTS, d->ports[i].name);
		doctor_advise(d, "make it what is meant: at the next boot only those NICs are attached");
	}
}

static void judge_units(struct doctor *d)
{
	static const char *const units[] = { "keyswitch-attach.service", "keyswitch.service" };
	static const char *const without[] = { "nothing is attached at the next boot",
					       "nobody reads events after the next boot" };

	for (size_t i = 0; i < 2; i++) {
		if (unit_enabled(units[i]))
			continue;
		if (unit_installed(units[i]))
			doctor_found(d, DOCTOR_WARNING, "unit '%s' is %s: %s", units[i],
				     unit_masked(units[i]) ? "masked" : "not enabled", without[i]);
		else
			doctor_found(d, DOCTOR_WARNING, "unit '%s' is not installed: %s", units[i],
				     without[i]);
		if (unit_masked(units[i]))
			doctor_advise(d, "systemctl unmask %s, then enable it", units[i]);
		else
			doctor_advise(d, unit_installed(units[i]) ? "systemctl enable %s" :
				      "install the Debian package, or start it at boot your own way (%s)",
				      units[i]);
	}
	if (unit_enabled(units[0]))
		judge_options(d);
}

static void judge_boot_policy(struct doctor *d)
{
	struct ks_pol_cfg *cfg = instance_policy(&d->in, d->state.now.slot);
	char path[PATH_MAX], digest[DIGEST_TEXT] = "";

	if (cfg)
		digest_text(digest, cfg->digest);
	free(cfg);
	if (history_boot(path)) {
		bool first = !access(FIRST_POLICY, R_OK);

		doctor_found(d, first ? DOCTOR_WARNING : DOCTOR_PROBLEM, "no policy is recorded in "
			     "'%s': the next boot takes %s", options.state_dir,
			     first ? "'" FIRST_POLICY "'" : "none and does not attach");
		doctor_advise(d, "keyswitch apply the policy again: that records it");
	} else if (!history_intact(path)) {
		doctor_found(d, DOCTOR_PROBLEM, "the policy for the next boot, '%s', is not readable or "
			     "was changed since it was in force: attach will refuse it", path);
		doctor_advise(d, "keyswitch apply the policy again: that records it");
	} else if (!strstr(path, digest) && !state_trial_left(&d->state)) {
		doctor_found(d, DOCTOR_WARNING, "the next boot takes another policy than is in force: "
			     "'%s'", path);
		doctor_advise(d, "keyswitch apply the one that is meant ('keyswitch history' lists them)");
	} else {
		doctor_found(d, DOCTOR_OK, "the next boot takes %s", state_trial_left(&d->state) ?
			     "the policy before: the one in force is on trial" :
			     "the policy that is in force");
	}
}

/* The unit should have attached and did not. */
static void judge_missing(struct doctor *d)
{
	char attach[1024];

	doctor_default("ATTACH_OPTIONS", attach, sizeof(attach));
	if (!unit_enabled("keyswitch-attach.service") || !*attach)
		return;
	doctor_found(d, DOCTOR_PROBLEM, "keyswitch-attach is enabled for \"%s\" and nothing is "
		     "attached: %s", attach, strstr(attach, "--wire") ?
		     "a wire forwards nothing" : "the kernel forwards without inspection");
	doctor_advise(d, "systemctl status keyswitch-attach says why; then systemctl start "
		      "keyswitch-attach");
}

void doctor_service(struct doctor *d)
{
	if (!d->attached) {
		judge_missing(d);
		return;
	}
	judge_serve(d);
	judge_units(d);
	judge_boot_policy(d);
}
