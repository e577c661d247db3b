// SPDX-License-Identifier: GPL-2.0-only
/*
 * Unit tests of what leaves the gateway as text: nothing in an event gets out of its
 * field in CEF, frames have the right length, signature ids are different.
 */
#include <stdlib.h>
#include <string.h>

#include "cef.h"
#include "eve.h"
#include "names.h"
#include "reasons.h"
#include "syslog.h"
#include "test.h"

static json_t *denied(const char *rule, const char *asset)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:i, s:s, s:{s:s, s:i}, s:{s:s, s:s, s:s, s:s, s:i, s:i}}",
			 "timestamp", "2026-11-28T05:00:00.123456+0130", "event_type", "alert", "host",
			 "gateway", "src_ip", "fd00::1", "src_port", 4000, "proto", "TCP", "alert", "action",
			 "blocked", "severity", 1, "keyswitch", "reason", "policy_deny", "reason_text",
			 "request|denied\\by\npolicy", "rule", rule, "asset", asset, "generation", 3,
			 "suppressed", 0);
}

static char *line_of(const json_t *event)
{
	char *line = NULL;
	size_t len;
	FILE *f = open_memstream(&line, &len);

	cef_write(f, event);
	fclose(f);
	return line;
}

TEST(fields_are_closed)
{
	static const char want[] =
		"CEF:0|keyswitch|keyswitch|" KEYSWITCH_VERSION "|policy_deny|"
		"request\\|denied\\\\by policy|8|cat=alert rt=1795836600123 "
		"c6a2=fd00::1 c6a2Label=Source IPv6 Address spt=4000 proto=TCP "
		"act=blocked reason=policy_deny cs1=a|b\\=c\\\\d\\n\\re src\\=6.6.6.6 "
		"cs1Label=rule cs2=\xc3\xbc\xe2\x82\xac  x cs2Label=asset "
		"cn1=3 cn1Label=policyGeneration dvchost=gateway deviceExternalId=gateway";
	json_t *event = denied("a|b=c\\d\n\re src=6.6.6.6", "\xc3\xbc\xe2\x82\xac\t\x7fx");
	char *line = line_of(event);

	CHECK(!strcmp(line, want));
	if (strcmp(line, want))
		printf("got  %s\nwant %s\n", line, want);
	free(line);
	json_decref(event);
}

TEST(rfc_5424_frame)
{
	json_t *event = denied("r\xc3\xbc", "a");
	char *line = line_of(event), *frame, *bare, want[1024];
	size_t len, bare_len;

	snprintf(want, sizeof(want), "<132>1 2026-11-28T05:00:00.123456+01:30 gateway keyswitch 17 "
		 "alert [meta sequenceId=\"42\"][origin software=\"keyswitch\" swVersion=\""
		 KEYSWITCH_VERSION "\"] %s", line);
	bare = syslog_message(event, 42, 17, false, &bare_len);
	CHECK(!strcmp(bare, want) && bare_len == strlen(want));
	frame = syslog_message(event, 42, 17, true, &len);
	/* bytes are counted, not characters */
	CHECK(strtoul(frame, NULL, 10) == bare_len);
	CHECK(!strcmp(strchr(frame, ' ') + 1, bare) && len == strlen(frame));
	free(frame);
	free(bare);
	free(line);
	json_decref(event);
}

TEST(no_host_no_time)
{
	json_t *event = json_pack("{s:s, s:s}", "event_type", "alert", "host", "a b\xc3\xbc");
	size_t len;
	char *bare = syslog_message(event, 1, 1, false, &len);

	CHECK(!strncmp(bare, "<134>1 - a?b?? keyswitch 1 alert [", 33));
	free(bare);
	json_object_del(event, "host");
	bare = syslog_message(event, 1, 1, false, &len);
	CHECK(!strncmp(bare, "<134>1 - - keyswitch", 20));
	free(bare);
	json_decref(event);
}

/* A SIEM's rules are written for them: a reason whose id is another's needs another name. */
TEST(signature_ids_differ)
{
	for (uint32_t i = 0; i < KS_REASONS; i++) {
		CHECK_AT(eve_signature_id(i) >= EVE_SID_FIRST &&
			 eve_signature_id(i) < EVE_SID_FIRST + EVE_SIDS, i);
		for (uint32_t j = 0; j < i; j++)
			CHECK_AT(eve_signature_id(i) != eve_signature_id(j), i);
	}
	/* as it was when rules could first be written */
	CHECK(eve_signature_id(KS_R_policy_deny) == 1228018);
}

int main(void)
{
	return test_run_all();
}
