// SPDX-License-Identifier: GPL-2.0-only
/*
 * Metrics in the words of Prometheus text and of OpenMetrics, and which of them a client
 * asked for.
 */
#include <stdlib.h>
#include <string.h>

#include "exposition.h"
#include "test.h"

static char *written(bool openmetrics)
{
	static const struct family asked = { "asked", FAMILY_COUNTER, NULL, "How often." };
	static const struct family left = { "left_seconds", FAMILY_GAUGE, "seconds", "Until then." };
	static const struct family build = { "build", FAMILY_INFO, NULL, "What it is." };
	struct exposition e = { .openmetrics = openmetrics };
	char *text = NULL;
	size_t size;

	e.out = open_memstream(&text, &size);
	exposition_counter(&e, &asked, 18446744073709551615ull, 1.5);
	exposition_single(&e, &left, 7);
	exposition_family(&e, &build);
	exposition_sample(&e, (struct label[]){ { "a", "x\"y\\z\n" }, { "b", "" } }, 2, 1);
	exposition_end(&e);
	fclose(e.out);
	return text;
}

TEST(prometheus_text)
{
	char *text = written(false);

	CHECK(!strcmp(text,
		      "# HELP asked_total How often.\n# TYPE asked_total counter\n"
		      "asked_total 18446744073709551615\n"
		      "# HELP left_seconds Until then.\n# TYPE left_seconds gauge\nleft_seconds 7\n"
		      "# HELP build_info What it is.\n# TYPE build_info gauge\n"
		      "build_info{a=\"x\\\"y\\\\z\\n\",b=\"\"} 1\n"));
	free(text);
}

TEST(openmetrics)
{
	char *text = written(true);

	CHECK(!strcmp(text,
		      "# HELP asked How often.\n# TYPE asked counter\n"
		      "asked_total 18446744073709551615\nasked_created 1.500\n"
		      "# HELP left_seconds Until then.\n# TYPE left_seconds gauge\n"
		      "# UNIT left_seconds seconds\nleft_seconds 7\n"
		      "# HELP build What it is.\n# TYPE build info\n"
		      "build_info{a=\"x\\\"y\\\\z\\n\",b=\"\"} 1\n# EOF\n"));
	free(text);
}

TEST(accept)
{
	static const char *const yes[] = {
		"application/openmetrics-text",
		"application/openmetrics-text; version=1.0.0",
		"Application/OpenMetrics-Text;charset=utf-8;VERSION=1.0.0",
		"application/openmetrics-text;version=\"1.0.0\"",
		/* what Prometheus 2.42 sends */
		"application/openmetrics-text;version=1.0.0,application/openmetrics-text;"
		"version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
		"text/plain;q=0.5, application/openmetrics-text;version=1.0.0 ; q=0.5",
		"text/html ,application/openmetrics-text;q=0.001",
	};
	static const char *const no[] = {
		NULL, "", "*/*", "text/plain", "text/*, application/*", ",;,", ";q=1", "application/openmetrics",
		"application/openmetrics-text;version=0.0.1",
		"application/openmetrics-text;q=0",
		"application/openmetrics-text;q=0.4, text/plain;q=0.5",
		"application/openmetrics-text2", "x-application/openmetrics-text",
	};

	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
		CHECK_AT(exposition_wants_openmetrics(yes[i]), i);
	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
		CHECK_AT(!exposition_wants_openmetrics(no[i]), i);
}

int main(void)
{
	return test_run_all();
}
