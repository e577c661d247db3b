// SPDX-License-Identifier: GPL-2.0-only
/*
 * Rules of the kernel's packet filter that lead round the enforcer: address
 * translation behind it, helpers that rewrite, short cuts past the guard. What
 * cannot be read is said, see doctor.h.
 */
#include <stdio.h>
#include <string.h>

#include "doctor.h"
#include "guard.h"
#include "nft.h"

typedef void (*judge_fn)(struct doctor *d, const char *where, const json_t *statement);

static const char *text(const json_t *object, const char *key)
{
	const char *s = json_string_value(json_object_get(object, key));

	return s ? s : "?";
}

/* Every statement of every rule but the guard's own. */
static void each_statement(struct doctor *d, judge_fn judge)
{
	const json_t *item, *statement;
	char where[256];
	size_t i, j;

	json_array_foreach(d->rules, i, item) {
		const json_t *rule = json_object_get(item, "rule");

		if (!rule || !strcmp(text(rule, "table"), GUARD_TABLE))
			continue;
		snprintf(where, sizeof(where), "rule %lld of chain '%s %s %s'",
			 (long long)json_integer_value(json_object_get(rule, "handle")),
			 text(rule, "family"), text(rule, "table"), text(rule, "chain"));
		json_array_foreach(json_object_get(rule, "expr"), j, statement)
			judge(d, where, statement);
	}
}

static bool rules_known(struct doctor *d)
{
	if (d->rules)
		return true;
	doctor_found(d, DOCTOR_WARNING, "nftables' rules were not looked at: %s",
		     nft_exists() ? "'nft -j list ruleset' failed" : "'nft' is missing");
	doctor_advise(d, "%s", nft_exists() ? "run it by hand to see why" :
		      "apt install nftables, then ask again");
	return false;
}

/* ---- address translation ---- */

static void judge_target(struct doctor *d, const char *where, const json_t *dnat)
{
	const json_t *addr = json_object_get(dnat, "addr");
	const char *to = json_string_value(addr);
	struct prefix p;

	if (!addr) {
		/* the port alone */
		return;
	}
	if (!to || prefix_parse(to, strlen(to), &p) != PREFIX_OK) {
		doctor_found(d, DOCTOR_WARNING, "%s translates destinations to addresses of a map "
			     "or range", where);
		doctor_advise(d, "see that no asset is among them: the request was judged for the "
			      "address before the translation");
		return;
	}
	if (d->attached && !assets_hold(&d->assets, &p))
		return;
	doctor_found(d, d->attached ? DOCTOR_PROBLEM : DOCTOR_WARNING,
		     "%s translates destinations to %s%s", where, d->attached ? "the asset " : "",
		     to);
	doctor_advise(d, "remove it: the request was judged for the address before the "
		      "translation");
}

static void judge_nat(struct doctor *d, const char *where, const json_t *statement)
{
	const json_t *dnat = json_object_get(statement, "dnat");

	if (dnat)
		judge_target(d, where, dnat);
	if (json_object_get(statement, "redirect") || json_object_get(statement, "tproxy")) {
		doctor_found(d, DOCTOR_WARNING, "%s redirects to a socket of the gateway", where);
		doctor_advise(d, "see what listens there: what it sends to assets is not judged");
	}
	if (json_object_get(statement, "xt")) {
		doctor_found(d, DOCTOR_WARNING, "%s was made by iptables-nft and is not readable "
			     "for nft", where);
		doctor_advise(d, "look for DNAT and REDIRECT in 'iptables-nft-save' and "
			      "'ip6tables-nft-save'");
	}
}

void doctor_nat(struct doctor *d)
{
	if (rules_known(d))
		each_statement(d, judge_nat);
}

/* ---- iptables-legacy ---- */

static bool has_line(const char *path, const char *wanted)
{
	char line[64];
	bool found = false;
	FILE *f = fopen(path, "re");

	while (f && !found && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		found = !strcmp(line, wanted);
	}
	if (f)
		fclose(f);
	return found;
}

void doctor_legacy_tables(struct doctor *d)
{
	static const struct { const char *path, *tool; } families[] = {
		{ "/proc/net/ip_tables_names", "iptables-legacy" },
		{ "/proc/net/ip6_tables_names", "ip6tables-legacy" },
	};

	for (size_t i = 0; i < 2; i++) {
		if (!has_line(families[i].path, "nat"))
			continue;
		doctor_found(d, DOCTOR_WARNING, "a 'nat' table of %s is in use and was not looked at",
			     families[i].tool);
		doctor_advise(d, "look for DNAT and REDIRECT toward assets: '%s -t nat -S'",
			      families[i].tool);
	}
}

/* ---- conntrack helpers ---- */

void doctor_conntrack(struct doctor *d)
{
	const json_t *item;
	size_t i;

	json_array_foreach(d->rules, i, item) {
		const json_t *helper = json_object_get(item, "ct helper");

		if (!helper)
			continue;
		doctor_found(d, DOCTOR_WARNING, "conntrack helper '%s' (%s) in table '%s %s'",
			     text(helper, "name"), text(helper, "type"), text(helper, "family"),
			     text(helper, "table"));
		doctor_advise(d, "remove it if clients of assets can use it: a helper opens ports "
			      "and rewrites payload behind the enforcer");
	}
}

/* ---- short cuts past the kernel's forwarding ---- */

static bool names_port(const struct doctor *d, const json_t *dev)
{
	const char *name = json_string_value(dev);

	for (int i = 0; i < KS_PORTS_MAX && name; i++)
		if (d->ports[i].used && !strcmp(d->ports[i].name, name))
			return true;
	return false;
}

static void judge_shortcut(struct doctor *d, const char *where, const json_t *statement)
{
	static const char *const ways[] = { "fwd", "dup" };

	for (size_t i = 0; i < 2; i++) {
		const json_t *way = json_object_get(statement, ways[i]);
		const json_t *dev = json_object_get(way, i ? "addr" : "dev");

		if (!names_port(d, dev))
			continue;
		doctor_found(d, DOCTOR_PROBLEM, "%s sends frames straight to '%s' (%s)", where,
			     json_string_value(dev), ways[i]);
		doctor_advise(d, "remove it: these frames pass no inspection and no guard");
	}
}

static void judge_mark(struct doctor *d, const char *where, const json_t *statement)
{
	const json_t *key = json_object_get(json_object_get(statement, "mangle"), "key");

	if (strcmp(text(json_object_get(key, "meta"), "key"), "mark"))
		return;
	doctor_found(d, DOCTOR_WARNING, "%s sets the packet mark that carries the guard's bit 0x%x",
		     where, KS_GUARD_MARK);
	doctor_advise(d, "see that it leaves this bit alone, a mark restored from conntrack above "
		      "all");
}

static void judge_flowtable(struct doctor *d, const json_t *table)
{
	const json_t *dev = json_object_get(table, "dev"), *one;
	bool ours = names_port(d, dev);
	size_t i;

	json_array_foreach(dev, i, one)
		ours |= names_port(d, one);
	if (!ours)
		return;
	doctor_found(d, DOCTOR_PROBLEM, "flowtable '%s' of table '%s %s' holds a NIC of keyswitch",
		     text(table, "name"), text(table, "family"), text(table, "table"));
	doctor_advise(d, "take the NIC out: the table's connections pass the forward chain, and "
		      "with it the guard, by");
}

void doctor_shortcuts(struct doctor *d)
{
	const json_t *item;
	size_t i;

	each_statement(d, judge_shortcut);
	if (d->guarded)
		each_statement(d, judge_mark);
	json_array_foreach(d->rules, i, item) {
		const json_t *table = json_object_get(item, "flowtable");

		if (table)
			judge_flowtable(d, table);
	}
}
