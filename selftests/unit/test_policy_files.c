// SPDX-License-Identifier: GPL-2.0-only
/*
 * Policies as text with the diagnostics they must give: every
 * selftests/policies/NAME.yaml has a NAME.expect beside it. Adding a case is
 * adding two files. KEYSWITCH_POLICIES names another directory;
 * KEYSWITCH_UPDATE=1 writes what was found, for review by eye.
 */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../user/policy.h"
#include "policy_same.h"
#include "test.h"

#define CASES_MIN 30	/* fewer means that the directory was not found whole */

static const char *directory(void)
{
	const char *dir = getenv("KEYSWITCH_POLICIES");

	return dir ? dir : "selftests/policies";
}

static int is_yaml(const struct dirent *e)
{
	size_t n = strlen(e->d_name);

	return n > 5 && !strcmp(e->d_name + n - 5, ".yaml");
}

static char *slurp(const char *path)
{
	FILE *f = fopen(path, "r");
	char *text = calloc(1, 1 << 16);

	if (f && text && fread(text, 1, (1 << 16) - 1, f) == 0)
		text[0] = 0;
	if (f)
		fclose(f);
	return text;
}

/* The diagnostics as `check` prints them, with the file's own name only. */
static char *diagnose(const char *path, const char *name)
{
	struct compiled_policy *c;
	struct diags d;
	char *text = NULL;
	size_t size;
	FILE *f;

	diags_init(&d, name);
	c = policy_load(path, &d);
	f = open_memstream(&text, &size);
	diags_print(&d, f, false);
	fprintf(f, "%s\n", d.errors ? "refused" : "accepted");
	fclose(f);
	CHECK(!c == (d.errors != 0));
	compiled_policy_free(c);
	diags_free(&d);
	return text;
}

static void run_case(const char *name)
{
	char yaml[512], expect[512];
	char *found, *wanted;

	snprintf(yaml, sizeof(yaml), "%s/%s", directory(), name);
	snprintf(expect, sizeof(expect), "%s/%.*s.expect", directory(),
		 (int)(strlen(name) - 5), name);
	found = diagnose(yaml, name);
	if (getenv("KEYSWITCH_UPDATE")) {
		FILE *f = fopen(expect, "w");

		if (CHECK(f != NULL)) {
			fputs(found, f);
			fclose(f);
		}
	}
	wanted = slurp(expect);
	if (!CHECK(!strcmp(found, wanted)))
		printf("%s: expected\n%sfound\n%s", name, wanted, found);
	free(found);
	free(wanted);
}

TEST(policy_files_give_their_diagnostics)
{
	struct dirent **list = NULL;
	int n = scandir(directory(), &list, is_yaml, alphasort);

	CHECK(n >= CASES_MIN);
	for (int i = 0; i < n; i++) {
		run_case(list[i]->d_name);
		free(list[i]);
	}
	free(list);
}

static bool load_gives(const char *path, const char *message)
{
	char *found = diagnose(path, "file");
	bool hit = strstr(found, message) != NULL;

	free(found);
	return hit;
}

TEST(policy_unreadable_files_are_named)
{
	CHECK(load_gives("/nonexistent/policy.yaml", "file: error: cannot read: No such file"));
	CHECK(load_gives("/", "file: error: cannot read: Is a directory"));
	CHECK(load_gives("/dev/zero", "cannot read: larger than 32 MiB"));
}

/* readonly.yaml covers every address, and says itself what that costs. */
TEST(policy_shipped_files_give_no_warning)
{
	struct dirent **list = NULL;
	int n = scandir("policy", &list, is_yaml, alphasort);

	CHECK(n >= 5);
	for (int i = 0; i < n; i++) {
		struct compiled_policy *c;
		struct diags d;
		char path[512];

		snprintf(path, sizeof(path), "policy/%s", list[i]->d_name);
		diags_init(&d, path);
		c = policy_load(path, &d);
		CHECK(c != NULL);
		for (size_t k = 0; k < d.n; k++)
			if (!CHECK(d.v[k].level == DIAG_INFO ||
				   strstr(d.v[k].message, "anti-spoofing does not cover it")))
				printf("  %s: %s\n", path, d.v[k].message);
		compiled_policy_free(c);
		diags_free(&d);
		free(list[i]);
	}
	free(list);
}

/* "key: value, " of each property that has a default. */
static unsigned int put_defaults(FILE *f, const json_t *object, const char *end)
{
	unsigned int n = 0;
	const char *key;
	json_t *property;

	json_object_foreach(json_object_get(object, "properties"), key, property) {
		char *text = json_dumps(json_object_get(property, "default"), JSON_ENCODE_ANY);

		if (text && ++n)
			fprintf(f, "%s: %s%s", key, text, end);
		free(text);
	}
	return n;
}

static struct compiled_policy *compile(const char *text)
{
	struct compiled_policy *c = NULL;
	struct policy *p;
	struct diags d;

	diags_init(&d, "text");
	p = policy_parse_text(text, strlen(text), &d);
	if (CHECK(p != NULL))
		c = policy_compile(p, &d);
	policy_free(p);
	diags_free(&d);
	return c;
}

/* One more than fits; a file for it would be of thousands of names. */
static bool one_too_many(const char *head, const char *name, const char *value, unsigned int max)
{
	char *text = NULL, want[64];
	struct diags d;
	size_t size;
	bool hit;
	FILE *f = open_memstream(&text, &size);

	fprintf(f, "%s", head);
	for (unsigned int i = 0; i <= max; i++)
		fprintf(f, "  n%u: %s\n", i, value);
	fclose(f);
	snprintf(want, sizeof(want), "%u %s, expected at most %u", max + 1, name, max);
	diags_init(&d, "text");
	policy_free(policy_parse_text(text, size, &d));
	hit = d.errors == 1 && !strcmp(d.v[0].message, want);
	diags_free(&d);
	free(text);
	return hit;
}

TEST(policy_has_room_for_so_many_zones_and_conduits)
{
#define HALL "version: 1\nassets: {p: 10.2.0.1}\n"
	CHECK(one_too_many(HALL "zones:\n", "zones", "p", POLICY_ZONES_MAX));
	CHECK(one_too_many(HALL "zones: {a: p, b: 10.1.0.1}\nconduits:\n", "conduits",
			   "{from: b, to: a, services: icmp}", POLICY_CONDUITS_MAX));
#undef HALL
}

/* What editors fill in as a default is what the parser takes where nothing is said. */
TEST(policy_schema_defaults_are_the_parsers)
{
	json_t *schema = json_load_file("policy/keyswitch.schema.json", 0, NULL), *asset;
	struct compiled_policy *said, *unsaid;
	unsigned int n;
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	asset = json_object_get(json_object_get(schema, "$defs"), "asset");
	asset = json_object_get(json_array_get(json_object_get(asset, "anyOf"), 2), "properties");
	fprintf(f, "version: 1\n");
	n = put_defaults(f, schema, "\n");
	fprintf(f, "limits: {");
	n += put_defaults(f, json_object_get(json_object_get(schema, "properties"), "limits"), ", ");
	fprintf(f, "}\nassets: {plc: {address: 10.2.0.1, modbus: {");
	n += put_defaults(f, json_object_get(asset, "modbus"), ", ");
	fprintf(f, "}, enip: {");
	n += put_defaults(f, json_object_get(asset, "enip"), ", ");
	fprintf(f, "}}}\n");
	fclose(f);
	/* 7 of the policy, 9 limits, 3 of modbus, 2 of enip */
	CHECK(n == 21);
	said = compile(text);
	unsaid = compile("version: 1\nassets: {plc: {address: 10.2.0.1, modbus: {}, enip: {}}}\n");
	if (!CHECK(said && unsaid && same_tables(said, unsaid)))
		printf("%s", text);
	compiled_policy_free(said);
	compiled_policy_free(unsaid);
	json_decref(schema);
	free(text);
}

int main(void)
{
	return test_run_all();
}
