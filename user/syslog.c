// SPDX-License-Identifier: GPL-2.0-only
/*
 * RFC 5424 around CEF, see syslog.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cef.h"
#include "syslog.h"

#define FACILITY 16	/* local0 */
#define HOSTNAME_MAX 255

static const char *text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

/* EVE's zone has no colon, RFC 3339's has. */
static void put_time(FILE *f, const char *timestamp)
{
	size_t len = strlen(timestamp);

	if (len < 3)
		fputc('-', f);
	else
		fprintf(f, "%.*s:%s", (int)len - 2, timestamp, timestamp + len - 2);
}

/* Printable ASCII, or the word for nothing. */
static void put_name(FILE *f, const char *name)
{
	if (!*name)
		fputc('-', f);
	for (size_t i = 0; name[i] && i < HOSTNAME_MAX; i++)
		fputc(name[i] > ' ' && name[i] < 0x7f ? name[i] : '?', f);
}

static char *body(const json_t *event, uint32_t sequence, int pid, size_t *len)
{
	char *out = NULL;
	FILE *f = open_memstream(&out, len);

	if (!f)
		return NULL;
	fprintf(f, "<%d>1 ", FACILITY * 8 + cef_syslog_severity(event));
	put_time(f, text(event, "timestamp"));
	fputc(' ', f);
	put_name(f, text(event, "host"));
	fprintf(f, " keyswitch %d ", pid);
	put_name(f, text(event, "event_type"));
	fprintf(f, " [meta sequenceId=\"%u\"][origin software=\"keyswitch\" swVersion=\"%s\"] ",
		sequence, KEYSWITCH_VERSION);
	cef_write(f, event);
	if (!fclose(f))
		return out;
	free(out);
	return NULL;
}

char *syslog_message(const json_t *event, uint32_t sequence, int pid, bool counted, size_t *len)
{
	char *message = body(event, sequence, pid, len), *framed = NULL;
	int n;

	if (!message || !counted)
		return message;
	n = asprintf(&framed, "%zu %s", *len, message);
	free(message);
	if (n < 0)
		return NULL;
	*len = (size_t)n;
	return framed;
}
