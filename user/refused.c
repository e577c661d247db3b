// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who was refused what lately, see refused.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "events.h"
#include "leaf.h"
#include "names.h"
#include "refused.h"

#define PATIENCE_US 300000 /* a serve that stands still must not hold its reader */

static const char *text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

/* "2026-11-28T05:34:58.123456+0000" */
static uint64_t age_of(const char *stamp)
{
	time_t now = time(NULL), then;
	struct tm tm = { 0 };
	const char *rest = strptime(stamp, "%Y-%m-%dT%H:%M:%S", &tm);
	int hours = 0, minutes = 0;
	char sign = '+';

	if (!rest || sscanf(rest, ".%*d%c%2d%2d", &sign, &hours, &minutes) != 3)
		return 0;
	then = timegm(&tm) - (sign == '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
	return now > then ? (uint64_t)(now - then) : 0;
}

/* "plc: unit 1 write_single_register address 5 quantity 1 (policy_deny)" */
static char *what_of(const json_t *event)
{
	const json_t *ks = json_object_get(event, "keyswitch");
	const json_t *fields = json_object_get(ks, "request");
	char *what = NULL;
	size_t size;
	FILE *out = open_memstream(&what, &size);

	if (!out)
		return NULL;
	fputs(*text(ks, "asset") ? text(ks, "asset") : text(event, "dest_ip"), out);
	if (fields) {
		fputc(':', out);
		leaf_phrase(out, fields);
	}
	fprintf(out, " (%s)", text(ks, "reason"));
	return fclose(out) ? NULL : what;
}

static void take(const char *line, void (*each)(void *, const char *, const char *, uint64_t),
		 void *arg)
{
	json_t *event = json_loads(line, 0, NULL);
	const char *verdict = text(json_object_get(event, "keyswitch"), "verdict");
	char *what;

	if (event && *verdict && strcmp(verdict, name_verdict(KS_V_ALLOW))) {
		what = what_of(event);
		if (what)
			each(arg, *text(event, "src_ip") ? text(event, "src_ip") : "?", what,
			     age_of(text(event, "timestamp")));
		free(what);
	}
	json_decref(event);
}

void refused_latest(void (*each)(void *arg, const char *client, const char *what, uint64_t age),
		    void *arg)
{
	const struct timeval patience = { .tv_usec = PATIENCE_US };
	int fd = events_connect();
	char *line = NULL;
	size_t size = 0;
	FILE *in;

	if (fd < 0)
		return;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (send(fd, "recent\n", 7, MSG_NOSIGNAL) != 7 || !(in = fdopen(fd, "re"))) {
		close(fd);
		return;
	}
	while (getline(&line, &size, in) > 0)
		take(line, each, arg);
	free(line);
	fclose(in);
}
