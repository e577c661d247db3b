// SPDX-License-Identifier: GPL-2.0-only
/*
 * keyswitch groups: prints the table of bpf/groups.h and the default list of
 * ethertypes, the words that a policy may use. Must not touch the kernel.
 */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "../bpf/groups.h"
#include "command.h"
#include "options.h"
#include "policy.h"

static error_t parse(int key, char *arg, struct argp_state *state)
{
	if (key == ARGP_KEY_INIT) {
		state->child_inputs[0] = NULL;
		return 0;
	}
	if (key == ARGP_KEY_ARG)
		argp_error(state, "argument '%s', expected none", arg);
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	.parser = parse,
	.doc = "Prints which group each Modbus function, CIP service and encapsulation command "
	       "is in, the names that rules may use, and the ethertypes that pass by default. "
	       "What no row names is in the group 'other'.",
	.children = options_child,
};

static const char *class_text(uint32_t class, char buf[32])
{
	const struct ks_class_row *rows;
	unsigned int n;

	rows = ks_class_rows(&n);
	for (unsigned int i = 0; i < n; i++)
		if (rows[i].class == class)
			return rows[i].name;
	snprintf(buf, 32, "0x%02x", class);
	return class == KS_ANY ? "any class" : buf;
}

static void print_modbus(unsigned int group)
{
	const struct ks_modbus_row *rows;
	unsigned int n;

	rows = ks_modbus_rows(&n);
	for (unsigned int i = 0; i < n; i++) {
		char code[32];

		if (rows[i].group != group)
			continue;
		if (rows[i].sub == KS_ANY)
			snprintf(code, sizeof(code), "%u", rows[i].code);
		else if (rows[i].code == KS_FC_UMAS)
			snprintf(code, sizeof(code), "%u/0x%02x", rows[i].code, rows[i].sub);
		else
			snprintf(code, sizeof(code), "%u/%u", rows[i].code, rows[i].sub);
		printf("  modbus  %-10s %s\n", code, rows[i].name);
	}
}

static void print_cip(unsigned int group)
{
	const struct ks_cip_row *rows;
	const struct ks_class_row *classes;
	unsigned int n, n_classes;
	char buf[32];

	rows = ks_cip_rows(&n);
	for (unsigned int i = 0; i < n; i++)
		if (rows[i].group == group)
			printf("  cip     0x%02x       %s (%s)\n", rows[i].service,
			       rows[i].name, class_text(rows[i].class, buf));
	classes = ks_class_rows(&n_classes);
	for (unsigned int i = 0; i < n_classes; i++) {
		if (classes[i].sets == group && group != KS_G_other)
			printf("  cip     set        attributes of %s\n", classes[i].name);
		if (classes[i].rest == group && group != KS_G_other)
			printf("  cip     *          other services of %s\n", classes[i].name);
	}
}

static void print_pccc(unsigned int group)
{
	const struct ks_pccc_row *rows;
	unsigned int n;

	rows = ks_pccc_rows(&n);
	for (unsigned int i = 0; i < n; i++)
		if (rows[i].group == group)
			printf("  pccc    0x%02x/0x%02x  %s\n", rows[i].code >> 8,
			       rows[i].code & 0xff, rows[i].name);
}

static void print_file_types(void)
{
	const struct ks_pccc_type *types;
	unsigned int n;

	types = ks_pccc_types(&n);
	printf("data files: types that rules about PCCC may name\n ");
	for (unsigned int i = 0; i < n; i++)
		printf(" %s", types[i].name);
	printf("\n\n");
}

static void print_text(void)
{
	for (unsigned int g = 0; g < KS_GROUPS; g++) {
		printf("%s: %s%s\n", ks_group_name(g), ks_group_text(g),
		       KS_READONLY_GROUPS >> g & 1 ? " (allowed by 'default: readonly')" : "");
		print_modbus(g);
		print_cip(g);
		print_pccc(g);
		putchar('\n');
	}
	print_file_types();
	printf("ethertypes: non-IP frames that pass toward the protected side by default\n");
	for (size_t i = 0; ethertype_rows[i].name; i++) {
		if (ethertype_rows[i].type)
			printf("  0x%04x  %-10s %s\n", ethertype_rows[i].type,
			       ethertype_rows[i].name, ethertype_rows[i].text);
		else
			printf("  -       %-10s %s\n", ethertype_rows[i].name,
			       ethertype_rows[i].text);
	}
}

/* ---- JSON ---- */

static json_t *modbus_json(unsigned int group)
{
	const struct ks_modbus_row *rows;
	json_t *out = json_array();
	unsigned int n;

	rows = ks_modbus_rows(&n);
	for (unsigned int i = 0; i < n; i++) {
		json_t *o;

		if (rows[i].group != group)
			continue;
		o = json_pack("{s:i, s:s}", "function", (int)rows[i].code, "name",
			      rows[i].name);
		if (rows[i].sub != KS_ANY)
			json_object_set_new(o, "subfunction", json_integer(rows[i].sub));
		json_array_append_new(out, o);
	}
	return out;
}

static json_t *cip_json(unsigned int group)
{
	const struct ks_cip_row *rows;
	json_t *out = json_array();
	unsigned int n;
	char buf[32];

	rows = ks_cip_rows(&n);
	for (unsigned int i = 0; i < n; i++) {
		json_t *o;

		if (rows[i].group != group)
			continue;
		o = json_pack("{s:i, s:s}", "service", (int)rows[i].service, "name",
			      rows[i].name);
		if (rows[i].class < KS_CLASS_TAG)
			json_object_set_new(o, "class", json_integer(rows[i].class));
		if (rows[i].class != KS_ANY)
			json_object_set_new(o, "class_name",
					    json_string(class_text(rows[i].class, buf)));
		json_array_append_new(out, o);
	}
	return out;
}

static json_t *pccc_json(unsigned int group)
{
	const struct ks_pccc_row *rows;
	json_t *out = json_array();
	unsigned int n;

	rows = ks_pccc_rows(&n);
	for (unsigned int i = 0; i < n; i++)
		if (rows[i].group == group)
			json_array_append_new(out,
				json_pack("{s:i, s:i, s:s}", "command", (int)rows[i].code >> 8,
					  "function", (int)rows[i].code & 0xff, "name",
					  rows[i].name));
	return out;
}

static json_t *classes_json(void)
{
	const struct ks_class_row *rows;
	json_t *out = json_array();
	unsigned int n;

	rows = ks_class_rows(&n);
	for (unsigned int i = 0; i < n; i++) {
		json_t *o = json_pack("{s:s, s:s, s:s}", "name", rows[i].name, "sets",
				      ks_group_name(rows[i].sets), "rest",
				      ks_group_name(rows[i].rest));

		if (rows[i].class < KS_CLASS_TAG)
			json_object_set_new(o, "class", json_integer(rows[i].class));
		json_array_append_new(out, o);
	}
	return out;
}

static int print_json(void)
{
	json_t *root, *groups = json_array(), *types = json_array();
	int ret;

	for (unsigned int g = 0; g < KS_GROUPS; g++)
		json_array_append_new(groups,
			json_pack("{s:s, s:s, s:b, s:o, s:o, s:o}", "name", ks_group_name(g),
				  "text", ks_group_text(g), "readonly",
				  KS_READONLY_GROUPS >> g & 1, "modbus", modbus_json(g),
				  "cip", cip_json(g), "pccc", pccc_json(g)));
	for (size_t i = 0; ethertype_rows[i].name; i++)
		json_array_append_new(types,
			json_pack("{s:s, s:i, s:s}", "name", ethertype_rows[i].name,
				  "type", (int)ethertype_rows[i].type, "text",
				  ethertype_rows[i].text));
	root = json_pack("{s:o, s:o, s:o}", "groups", groups, "classes", classes_json(),
			 "ethertypes", types);
	if (!root) {
		complain("out of memory");
		return EXIT_ENVIRONMENT;
	}
	ret = json_dumpf(root, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(root);
	return ret ? EXIT_ENVIRONMENT : EXIT_OK;
}

static int run(int argc, char **argv)
{
	argp_parse(&argp, argc, argv, 0, NULL, NULL);
	if (options.json)
		return print_json();
	print_text();
	return EXIT_OK;
}

const struct command cmd_groups = {
	"groups", "print the groups of functions and services that rules may name", run,
};
