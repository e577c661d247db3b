// SPDX-License-Identifier: GPL-2.0-only
/*
 * Room for what keyswitch writes, and the clock that its events are stamped with,
 * see doctor.h.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#include "doctor.h"
#include "options.h"

#define MIB		(1ull << 20)
#define LITTLE		(64 * MIB)	/* of free space */
#define NOTHING		(1 * MIB)
#define LONG_FILE	(1024 * MIB)	/* logrotate of the package turns at 100 MiB */
#define LOGROTATE	"/etc/logrotate.d/keyswitch"

/* A folder, and what is not done when nothing can be written there. */
static void judge_folder(struct doctor *d, const char *path, const char *without)
{
	struct statvfs fs;
	unsigned long long left;

	if (statvfs(path, &fs)) {
		/* each is made by what first needs it */
		if (errno != ENOENT) {
			doctor_found(d, DOCTOR_WARNING, "cannot look at '%s': %s", path, strerror(errno));
			doctor_advise(d, "without it %s", without);
		}
		return;
	}
	left = (unsigned long long)fs.f_bavail * fs.f_frsize;
	if (access(path, W_OK)) {
		doctor_found(d, DOCTOR_PROBLEM, "'%s' cannot be written: %s; %s", path, strerror(errno),
			     without);
		doctor_advise(d, errno == EROFS ? "mount it for writing: a file system that was hurt is "
			      "set to read only, look at 'dmesg'" : "it has to be root's, mode 0750");
	} else if (left < NOTHING || (fs.f_files && !fs.f_favail)) {
		doctor_found(d, DOCTOR_PROBLEM, "'%s' is full (%llu KiB, %llu files left): %s", path,
			     left / 1024, (unsigned long long)fs.f_favail, without);
		doctor_advise(d, "make room; what is enforced does not change meanwhile");
	} else if (left < LITTLE) {
		doctor_found(d, DOCTOR_WARNING, "'%s' has %llu MiB left: when it is full, %s", path,
			     left / MIB, without);
		doctor_advise(d, "make room");
	}
}

/* The file that serve's unit writes events to, "" if to none. */
static void events_file(char *path, size_t size)
{
	char serve[1024], *at;

	*path = '\0';
	if (!doctor_default("SERVE_OPTIONS", serve, sizeof(serve)))
		return;
	at = strstr(serve, "--output");
	if (at)
		snprintf(path, size, "%.*s", (int)strcspn(at + 9, " \t"), at + 9);
	if (*path != '/')
		*path = '\0';
}

static void judge_events_file(struct doctor *d)
{
	char path[PATH_MAX], *slash;
	struct stat st;

	events_file(path, sizeof(path));
	if (!*path)
		return;
	if (!stat(path, &st) && (unsigned long long)st.st_size > LONG_FILE) {
		doctor_found(d, DOCTOR_WARNING, "the file of events '%s' has %llu MiB: nobody turns it",
			     path, (unsigned long long)st.st_size / MIB);
		doctor_advise(d, access(LOGROTATE, R_OK) ? "rotate it, as the package's " LOGROTATE
			      " does" : "see why logrotate does not run: systemctl status logrotate.timer");
	}
	slash = strrchr(path, '/');
	*slash = '\0';
	judge_folder(d, *path ? path : "/", "events are not recorded (serve counts them as "
		     "keyswitch_serve_write_errors_total)");
}

void doctor_disk(struct doctor *d)
{
	judge_folder(d, options.state_dir, "a policy that is applied comes into force, but is not "
		     "recorded, and the next boot takes the one before");
	judge_folder(d, options.run_dir, "commands cannot take their lock and serve cannot start");
	judge_events_file(d);
}

/* ---- clock ---- */

static void judge_synchronised(struct doctor *d)
{
	struct timex t = { 0 };

	if (adjtimex(&t) != TIME_ERROR) {
		doctor_found(d, DOCTOR_OK, "the clock is synchronised, off by at most %ld ms",
			     t.maxerror / 1000);
		return;
	}
	doctor_found(d, DOCTOR_WARNING, "the clock is not synchronised: events and history bear times "
		     "that cannot be compared with other machines'");
	doctor_advise(d, "run chrony or systemd-timesyncd against the plant's time server; trials and "
		      "'mode --for' count on another clock and do not care");
}

/* Back behind what this machine itself has written. */
static void judge_jump(struct doctor *d)
{
	char path[PATH_MAX], when[32];
	time_t now = time(NULL);
	struct stat st;
	struct tm tm;

	snprintf(path, sizeof(path), "%s/history", options.state_dir);
	if (stat(path, &st) || st.st_mtime <= now)
		return;
	strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", localtime_r(&st.st_mtime, &tm));
	doctor_found(d, DOCTOR_PROBLEM, "the clock stands before the last change of a policy (%s, %lld s "
		     "from now): it was set back, or lost its time with the power", when,
		     (long long)(st.st_mtime - now));
	doctor_advise(d, "set it (chronyc makestep, or timedatectl set-time): events are stamped with it");
}

void doctor_clock(struct doctor *d)
{
	judge_synchronised(d);
	judge_jump(d);
	if (access("/sys/class/rtc/rtc0", F_OK)) {
		doctor_found(d, DOCTOR_NOTE, "no battery-backed clock: after a power cut times are wrong "
			     "until the time server answers");
		doctor_advise(d, "have it ask a time server early at boot; the order of events in the file "
			      "is right whatever their times say");
	}
}
