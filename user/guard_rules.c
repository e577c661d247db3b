// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guard's nft rules, see guard_rules.h. Two tables of one shape: `inet` for
 * what is routed, `bridge` for what a bridge forwards. Local delivery and local
 * output are left alone. Must not touch the data path.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "assets.h"
#include "command.h"
#include "guard_rules.h"
#include "nft.h"
#include "options.h"
#include "results.h"

#define POLICY_DIGITS 16
#define COMMENT "policy "

static const char *const families[] = { "inet", "bridge" };

/* ---- made ---- */

/* Sets must not be empty between braces. */
static void print_assets(FILE *f, const struct assets *assets, uint8_t family)
{
	const char *before = "\t\telements = { ";
	char text[PREFIX_TEXT_MAX];
	bool any = false;

	fprintf(f, "\tset assets%u {\n\t\ttype ipv%u_addr\n\t\tflags interval\n", family, family);
	for (size_t i = 0; i < assets->n; i++) {
		if (assets->v[i].family != family)
			continue;
		fprintf(f, "%s%s", any ? ", " : before, prefix_format(&assets->v[i], text));
		any = true;
	}
	fprintf(f, "%s\t}\n", any ? " }\n" : "");
}

static void print_ports(FILE *f, const struct ks_port_rec *ports, enum ks_role role)
{
	const char *before = "\t\telements = { ";
	bool any = false;

	fprintf(f, "\tset %s {\n\t\ttype ifname\n", role == KS_CLIENT ? "clients" : "protected");
	for (int i = 0; i < KS_PORTS_MAX; i++) {
		if (!guard_covers(&ports[i]) || ports[i].role != role)
			continue;
		fprintf(f, "%s\"%s\"", any ? ", " : before, ports[i].name);
		any = true;
	}
	fprintf(f, "%s\t}\n", any ? " }\n" : "");
}

/*
 * Between the NICs everything needs the word: broadcasts and addresses that the
 * policy does not list too. From elsewhere, sub-interfaces and other NICs, what
 * goes to assets does. "meta protocol" looks below a VLAN tag, "ether type" not.
 */
static void print_table(FILE *f, const char *family, const struct assets *assets,
			const struct ks_port_rec *ports, const char *policy)
{
	fprintf(f, "table %s " GUARD_TABLE "\ndelete table %s " GUARD_TABLE "\n", family, family);
	fprintf(f, "table %s " GUARD_TABLE " {\n", family);
	print_assets(f, assets, 4);
	print_assets(f, assets, 6);
	print_ports(f, ports, KS_CLIENT);
	print_ports(f, ports, KS_SERVER);
	fprintf(f, "\tchain forward {\n\t\ttype filter hook forward priority -300\n"
		"\t\tmeta mark & 0x%x == 0x%x accept\n", KS_GUARD_MARK, KS_GUARD_MARK);
	fprintf(f, "\t\tiifname @clients oifname @protected counter drop comment \"" COMMENT
		"%.*s\"\n", POLICY_DIGITS, policy);
	fprintf(f, "\t\tmeta protocol ip ip daddr @assets4 counter drop\n"
		"\t\tmeta protocol ip6 ip6 daddr @assets6 counter drop\n\t}\n}\n");
}

struct wanted {
	struct ks_port_rec ports[KS_PORTS_MAX];
	struct assets assets;
	char policy[DIGEST_TEXT];
};

static int load_wanted(struct wanted *w, const struct instance *in)
{
	struct ks_state_rec state;
	struct ks_pol_cfg *cfg;
	int err;

	memset(w, 0, sizeof(*w));
	err = instance_state(in, &state);
	if (!err)
		err = instance_ports(in, w->ports);
	if (!err)
		err = assets_load(&w->assets, in, &state);
	/* during a trial the rules hold the assets of both, and stay when it runs out */
	cfg = err ? NULL : instance_policy(in, state.revert_at ? state.before.slot : state.now.slot);
	if (cfg)
		digest_text(w->policy, cfg->digest);
	else if (!err)
		err = -ENOENT;
	free(cfg);
	return err;
}

int guard_rules_install(const struct instance *in)
{
	struct wanted w;
	char *script = NULL;
	size_t size;
	FILE *f = NULL;
	int err, rc = EXIT_ENVIRONMENT;

	err = load_wanted(&w, in);
	if (!err) {
		f = open_memstream(&script, &size);
		err = f ? 0 : -errno;
	}
	for (size_t i = 0; i < 2 && !err; i++)
		print_table(f, families[i], &w.assets, w.ports, w.policy);
	if (f && fclose(f))
		err = -ENOMEM;
	if (!err)
		rc = nft_run(script);
	else
		complain("cannot make the guard's rules: %s", strerror(-err));
	free(script);
	assets_free(&w.assets);
	return rc;
}

int guard_rules_remove(void)
{
	char script[256];
	size_t len = 0;

	/* made before it is deleted: no error when there is none */
	for (size_t i = 0; i < 2; i++)
		len += (size_t)snprintf(script + len, sizeof(script) - len,
					"table %s " GUARD_TABLE "\ndelete table %s " GUARD_TABLE "\n",
					families[i], families[i]);
	return nft_run(script);
}

int guard_rules_wanted(struct guard_rules *rules, const struct instance *in)
{
	struct wanted w;
	int err = load_wanted(&w, in);

	*rules = (struct guard_rules){ .inet = true, .bridge = true, .drops = 6 };
	snprintf(rules->policy, sizeof(rules->policy), "%.*s", POLICY_DIGITS, w.policy);
	rules->assets = 2 * w.assets.n;
	for (int i = 0; i < KS_PORTS_MAX && !err; i++) {
		if (!guard_covers(&w.ports[i]))
			continue;
		if (w.ports[i].role == KS_CLIENT)
			rules->clients += 2;
		else
			rules->protected += 2;
	}
	assets_free(&w.assets);
	return err;
}

/* ---- read ---- */

static bool ours(const json_t *object, const char *key)
{
	const char *table = json_string_value(json_object_get(object, key));

	return table && !strcmp(table, GUARD_TABLE);
}

static void read_set(struct guard_rules *rules, const json_t *set)
{
	const char *name = json_string_value(json_object_get(set, "name"));
	uint64_t n = json_array_size(json_object_get(set, "elem"));

	if (!name || !ours(set, "table"))
		return;
	if (!strcmp(name, "clients"))
		rules->clients += n;
	else if (!strcmp(name, "protected"))
		rules->protected += n;
	else
		rules->assets += n;
}

static void read_rule(struct guard_rules *rules, const json_t *rule)
{
	const char *comment = json_string_value(json_object_get(rule, "comment"));
	const json_t *statement;
	size_t i;

	if (!ours(rule, "table"))
		return;
	if (comment && !strncmp(comment, COMMENT, strlen(COMMENT)))
		snprintf(rules->policy, sizeof(rules->policy), "%s", comment + strlen(COMMENT));
	json_array_foreach(json_object_get(rule, "expr"), i, statement) {
		rules->drops += json_object_get(statement, "drop") != NULL;
		rules->dropped += (uint64_t)json_integer_value(
			json_object_get(json_object_get(statement, "counter"), "packets"));
	}
}

static void read_table(struct guard_rules *rules, const json_t *table)
{
	const char *family = json_string_value(json_object_get(table, "family"));

	if (!family || !ours(table, "name"))
		return;
	rules->inet |= !strcmp(family, "inet");
	rules->bridge |= !strcmp(family, "bridge");
}

void guard_rules_read(struct guard_rules *rules, const json_t *ruleset)
{
	const json_t *item;
	size_t i;

	*rules = (struct guard_rules){ 0 };
	json_array_foreach(ruleset, i, item) {
		read_table(rules, json_object_get(item, "table"));
		read_set(rules, json_object_get(item, "set"));
		read_rule(rules, json_object_get(item, "rule"));
	}
}
