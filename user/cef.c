// SPDX-License-Identifier: GPL-2.0-only
/*
 * EVE to CEF, see cef.h. docs/events.md has the table.
 * Must not write what is not in the event.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cef.h"
#include "events.h"
#include "leaf.h"

#define LOG_WARNING 4
#define LOG_NOTICE 5
#define LOG_INFO 6

static const json_t *get(const json_t *o, const char *key)
{
	return json_object_get(o, key);
}

static const char *text(const json_t *o, const char *key)
{
	const char *s = json_string_value(get(o, key));

	return s ? s : "";
}

/* What would end a line, or is no text, becomes what CEF has for it, else a blank. */
static void put_control(FILE *out, char c, bool extension)
{
	if (extension && c == '\n')
		fputs("\\n", out);
	else if (extension && c == '\r')
		fputs("\\r", out);
	else
		fputc(' ', out);
}

static void put_escaped(FILE *out, const char *s, const char *special, bool extension)
{
	for (; *s; s++) {
		if ((unsigned char)*s < 0x20 || *s == 0x7f) {
			put_control(out, *s, extension);
			continue;
		}
		if (strchr(special, *s))
			fputc('\\', out);
		fputc(*s, out);
	}
}

static void header(FILE *out, const char *field)
{
	put_escaped(out, field, "\\|", false);
	fputc('|', out);
}

static void value(FILE *out, const char *key, const char *s)
{
	if (!*s)
		return;
	fprintf(out, " %s=", key);
	put_escaped(out, s, "\\=", true);
}

static void number(FILE *out, const char *key, const json_t *n)
{
	if (json_is_integer(n))
		fprintf(out, " %s=%lld", key, (long long)json_integer_value(n));
}

/* A custom field and the label that says what is in it. */
static void custom(FILE *out, const char *key, const char *label, const char *s)
{
	if (!*s)
		return;
	value(out, key, s);
	fprintf(out, " %sLabel=%s", key, label);
}

static void custom_number(FILE *out, const char *key, const char *label, const json_t *n)
{
	if (!json_is_integer(n))
		return;
	number(out, key, n);
	fprintf(out, " %sLabel=%s", key, label);
}

/* "2026-11-28T05:00:00.123456+0000" as milliseconds since 1970. */
static void receipt_time(FILE *out, const char *timestamp)
{
	struct tm tm = { 0 };
	const char *rest = strptime(timestamp, "%Y-%m-%dT%H:%M:%S", &tm);
	long zone;

	if (!rest || strlen(rest) != 12)
		return;
	zone = strtol(rest + 7, NULL, 10);	/* hhmm */
	fprintf(out, " rt=%lld%.3s",
		(long long)timegm(&tm) - (zone / 100 * 3600 + zone % 100 * 60), rest + 1);
}

static void address(FILE *out, const json_t *event, const char *key, const char *v4,
		    const char *v6, const char *label)
{
	const char *s = text(event, key);

	if (strchr(s, ':'))
		custom(out, v6, label, s);
	else
		value(out, v4, s);
}

static void network(FILE *out, const json_t *event)
{
	const json_t *ether = get(event, "ether");

	address(out, event, "src_ip", "src", "c6a2", "Source IPv6 Address");
	number(out, "spt", get(event, "src_port"));
	value(out, "smac", text(ether, "src_mac"));
	address(out, event, "dest_ip", "dst", "c6a3", "Destination IPv6 Address");
	number(out, "dpt", get(event, "dest_port"));
	value(out, "dmac", text(ether, "dest_mac"));
	value(out, "proto", text(event, "proto"));
	value(out, "app", text(event, "app_proto"));
	value(out, "deviceInboundInterface", text(event, "in_iface"));
}

/* The request in words, as `keyswitch events` prints it. */
static void message(FILE *out, const json_t *event)
{
	const json_t *request = get(get(event, "keyswitch"), "request");
	char *words = NULL;
	size_t size;
	FILE *f;

	if (!request || !(f = open_memstream(&words, &size)))
		return;
	fputs(text(event, "app_proto"), f);
	leaf_phrase(f, request);
	if (!fclose(f))
		value(out, "msg", words);
	free(words);
}

static void decision(FILE *out, const json_t *event)
{
	const json_t *ks = get(event, "keyswitch"), *alert = get(event, "alert");
	const json_t *hidden = get(ks, "suppressed");

	value(out, "act", alert ? text(alert, "action") : "allowed");
	value(out, "reason", text(ks, "reason"));
	custom(out, "cs1", "rule", text(ks, "rule"));
	custom(out, "cs2", "asset", text(ks, "asset"));
	custom(out, "cs3", "verdict", text(ks, "verdict"));
	custom(out, "cs4", "communityId", text(event, "community_id"));
	custom(out, "cs5", "alertRule", text(ks, "alert_rule"));
	if (*text(ks, "from_zone")) {
		fputs(" cs6=", out);
		put_escaped(out, text(ks, "from_zone"), "\\=", true);
		fputs(" to ", out);
		put_escaped(out, text(ks, "to_zone"), "\\=", true);
		fputs(" cs6Label=zones", out);
	}
	custom_number(out, "cn1", "policyGeneration", get(ks, "generation"));
	if (json_integer_value(hidden))
		custom_number(out, "cn2", "suppressedEvents", hidden);
	number(out, "externalId", get(event, "flow_id"));
	message(out, event);
}

static void sums(FILE *out, const json_t *event)
{
	const json_t *ks = get(event, "keyswitch"), *events = get(ks, "events");

	custom_number(out, "cn1", "policyGeneration", get(ks, "generation"));
	custom_number(out, "cn2", "suppressedEvents", get(events, "suppressed"));
	custom_number(out, "cn3", "missedEvents", get(events, "missed"));
	fprintf(out, " msg=%lld events suppressed, %lld lost, %lld not written, %lld not sent",
		(long long)json_integer_value(get(events, "suppressed")),
		(long long)json_integer_value(get(events, "lost")),
		(long long)json_integer_value(get(events, "output_lost")),
		(long long)json_integer_value(get(get(events, "syslog"), "lost")));
}

/* What serve itself did: link_follow. */
static bool is_admin(const json_t *event)
{
	return !strcmp(text(event, "event_type"), "admin");
}

static void admin(FILE *out, const json_t *event)
{
	const json_t *ks = get(event, "keyswitch");

	value(out, "act", text(ks, "action"));
	value(out, "deviceInboundInterface", text(ks, "port"));
	value(out, "msg", text(ks, "because"));
}

static int eve_severity_of(const json_t *event)
{
	const json_t *severity = get(get(event, "alert"), "severity");

	if (event_is_stats(event))
		return event_missed(event) ? 2 : 4;
	return severity ? (int)json_integer_value(severity) : 3;
}

/* EVE counts from 1, the worst; CEF to 10, the worst. */
static int cef_severity(const json_t *event)
{
	static const int to[] = { 8, 8, 5, 3, 1 };

	return to[eve_severity_of(event)];
}

int cef_syslog_severity(const json_t *event)
{
	static const int to[] = { LOG_WARNING, LOG_WARNING, LOG_NOTICE, LOG_INFO, LOG_INFO };

	return to[eve_severity_of(event)];
}

void cef_write(FILE *out, const json_t *event)
{
	const json_t *ks = get(event, "keyswitch");
	bool stats = event_is_stats(event);

	fputs("CEF:0|", out);
	header(out, "keyswitch");
	header(out, "keyswitch");
	header(out, KEYSWITCH_VERSION);
	header(out, stats ? "stats" : is_admin(event) ? text(ks, "action") : text(ks, "reason"));
	header(out, stats ? "sums, and what no event told of" :
	       is_admin(event) ? "done by keyswitch itself" : text(ks, "reason_text"));
	fprintf(out, "%d|", cef_severity(event));
	/* the one without a blank in front */
	fprintf(out, "cat=%s", text(event, "event_type"));
	receipt_time(out, text(event, "timestamp"));
	if (stats) {
		sums(out, event);
	} else if (is_admin(event)) {
		admin(out, event);
	} else {
		network(out, event);
		decision(out, event);
	}
	value(out, "dvchost", text(event, "host"));
	value(out, "deviceExternalId", text(event, "host"));
}
