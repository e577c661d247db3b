// SPDX-License-Identifier: GPL-2.0-only
/*
 * What changes beside requests: settings, and what assets are besides an address.
 * Must not look at rules' selectors.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "names.h"
#include "policy_diff_parts.h"

void diff_add_setting(struct policy_diff *d, const char *what, const char *was, const char *now)
{
	if (!strcmp(was, now))
		return;
	d->settings = arena_grow(&d->mem, d->settings, d->n_settings, sizeof(*d->settings));
	d->settings[d->n_settings++] = (struct diff_setting){
		arena_strndup(&d->mem, what, strlen(what)),
		arena_strndup(&d->mem, was, strlen(was)),
		arena_strndup(&d->mem, now, strlen(now)),
	};
}

static void add_number(struct policy_diff *d, const char *what, uint32_t was, uint32_t now)
{
	char a[16], b[16];

	snprintf(a, sizeof(a), "%u", was);
	snprintf(b, sizeof(b), "%u", now);
	diff_add_setting(d, what, a, b);
}

static void compare_limits(struct policy_diff *d, const struct policy_limits *was,
			   const struct policy_limits *now)
{
	add_number(d, "limits flows", was->flows, now->flows);
	add_number(d, "limits modbus_rings", was->modbus_rings, now->modbus_rings);
	add_number(d, "limits enip_rings", was->enip_rings, now->enip_rings);
	add_number(d, "limits flows_per_client", was->flows_per_client, now->flows_per_client);
	add_number(d, "limits half_open_per_client", was->half_open_per_client,
		   now->half_open_per_client);
	add_number(d, "limits event_ring", was->event_ring, now->event_ring);
	add_number(d, "limits event_rate", was->event_rate, now->event_rate);
	add_number(d, "limits conduit_flows", was->conduit_flows, now->conduit_flows);
	add_number(d, "limits conduit_flows_per_client", was->conduit_flows_per_client,
		   now->conduit_flows_per_client);
}

static void compare_words(struct policy_diff *d, const struct policy *was,
			  const struct policy *now)
{
	static const char *const choices[] = { [KS_DENY] = "deny", [KS_ALLOW] = "allow" };
	static const char *const on_deny[] = { [KS_DENY_DROP] = "drop", [KS_DENY_RESET] = "reset" };
	static const char *const adopt[] = {
		"unsaid", [1 + KS_ADOPT_OFF] = "off", [1 + KS_ADOPT_AUDIT] = "audit",
		[1 + KS_ADOPT_RESET] = "reset",
	};

	diff_add_setting(d, "mode", name_mode(was->mode), name_mode(now->mode));
	diff_add_setting(d, "unlisted", choices[was->unlisted], choices[now->unlisted]);
	diff_add_setting(d, "other", choices[was->other], choices[now->other]);
	diff_add_setting(d, "outbound", choices[was->outbound], choices[now->outbound]);
	diff_add_setting(d, "on_deny", on_deny[was->on_deny], on_deny[now->on_deny]);
	diff_add_setting(d, "link_follow", was->link_follow ? "true" : "false",
			 now->link_follow ? "true" : "false");
	diff_add_setting(d, "adopt", adopt[was->adopt - ADOPT_UNSAID], adopt[now->adopt - ADOPT_UNSAID]);
}

/* "arp, 0x88cc": the types that are in one list and not in the other. */
static const char *types_without(struct policy_diff *d, const struct policy *a,
				 const struct policy *b)
{
	char *text = arena_alloc(&d->mem, 256), *end = text;

	if (a->llc && !b->llc)
		end += sprintf(end, "llc");
	for (uint32_t t = 0; t < 65536 && end - text < 200; t++)
		if (a->ethertypes[t >> 3] & ~b->ethertypes[t >> 3] & 1 << (t & 7))
			end += sprintf(end, "%s0x%04x", end > text ? ", " : "", t);
	return end - text >= 200 ? strcat(text, ", ...") : text;
}

static int compare_prefixes(const void *pa, const void *pb)
{
	return prefix_compare(pa, pb);
}

/* In order and once each, so that only what they hold matters. */
static const char *prefixes_text(struct policy_diff *d, const struct prefixes *l)
{
	struct prefix *v = arena_alloc(&d->mem, (l->n + 1) * sizeof(*v));
	char *text = arena_alloc(&d->mem, l->n * (PREFIX_TEXT_MAX + 2) + 8), *end = text;
	char buf[PREFIX_TEXT_MAX];

	if (!l->n)
		return "none";
	memcpy(v, l->v, l->n * sizeof(*v));
	qsort(v, l->n, sizeof(*v), compare_prefixes);
	for (size_t i = 0; i < l->n; i++)
		if (!i || !prefix_equal(&v[i], &v[i - 1]))
			end += sprintf(end, "%s%s", i ? ", " : "", prefix_format(&v[i], buf));
	return text;
}

static const struct policy_rule *rule_named(const struct policy *p, const char *name)
{
	for (size_t i = 0; i < p->n_rules; i++)
		if (!strcmp(p->rules[i].name, name))
			return &p->rules[i];
	return NULL;
}

static const char *rate_text(const struct policy_rate *r, char text[64])
{
	if (!r->count)
		return "none";
	snprintf(text, 64, "%u/%s, %u at once", r->count,
		 r->per == 1 ? "s" : r->per == 60 ? "min" : "h", r->burst);
	return text;
}

/* How often a rule of both allows, and whether events tell of it. */
static void compare_telling(struct policy_diff *d, const struct policy_rule *was,
			    const struct policy_rule *now)
{
	char what[KS_NAME_MAX + 32], a[64], b[64];
	bool told[] = { was->log == POLICY_LOG_YES || (!was->allow && was->log != POLICY_LOG_NO),
			now->log == POLICY_LOG_YES || (!now->allow && now->log != POLICY_LOG_NO) };

	if (was->allow && now->allow) {
		snprintf(what, sizeof(what), "rate of rule '%s'", now->name);
		diff_add_setting(d, what, rate_text(&was->rate, a), rate_text(&now->rate, b));
	}
	if (was->allow != now->allow || was->alert != now->alert)
		return;
	snprintf(what, sizeof(what), "log of rule '%s'", now->name);
	diff_add_setting(d, what, told[0] ? "true" : "false", told[1] ? "true" : "false");
}

/* What becomes of connections, where a rule of both says it for itself. */
static void compare_rules(struct policy_diff *d, const struct policy *was,
			  const struct policy *now)
{
	static const char *const words[] = {
		[KS_DENY_DROP] = "drop", [KS_DENY_RESET] = "reset",
		[KS_DENY_DEFAULT] = "as the policy says",
	};
	char what[KS_NAME_MAX + 32];

	for (size_t i = 0; i < now->n_rules; i++) {
		const struct policy_rule *old = rule_named(was, now->rules[i].name);

		if (old)
			compare_telling(d, old, &now->rules[i]);
		if (!old || old->allow || now->rules[i].allow)
			continue;
		snprintf(what, sizeof(what), "on_deny of rule '%s'", now->rules[i].name);
		diff_add_setting(d, what, words[old->on_deny], words[now->rules[i].on_deny]);
	}
}

/* ---- assets, found by their addresses: a name alone changes nothing ---- */

static const char *ports_text(struct policy_diff *d, const uint16_t *ports)
{
	char *text = arena_alloc(&d->mem, KS_ASSET_PORTS * 8), *end = text;
	uint16_t sorted[KS_ASSET_PORTS] = { 0 };
	size_t n = 0;

	for (; n < KS_ASSET_PORTS && ports[n]; n++) {
		size_t k = n;

		for (; k && sorted[k - 1] > ports[n]; k--)
			sorted[k] = sorted[k - 1];
		sorted[k] = ports[n];
	}
	for (size_t i = 0; i < n; i++)
		end += sprintf(end, "%s%u", i ? ", " : "", sorted[i]);
	return n ? text : "none";
}

static void asset_setting(struct policy_diff *d, const struct policy_asset *now,
			  const char *what, const char *old_text, const char *new_text)
{
	char text[KS_NAME_MAX + 32];

	snprintf(text, sizeof(text), "%s of asset '%s'", what, now->name);
	for (size_t i = 0; i < d->n_settings; i++)
		if (!strcmp(d->settings[i].what, text))
			return;		/* said at another of its addresses */
	diff_add_setting(d, text, old_text, new_text);
}

static void compare_assets(struct policy_diff *d, const struct policy_asset *was,
			   const struct policy_asset *now)
{
	static const char *const framings[] = {
		[KS_STRICT] = "strict", [KS_STREAM] = "stream", [KS_SINGLE] = "single",
	};
	static const char *const splits[] = {
		[KS_HOLD] = "hold", [KS_CARRY] = "carry", [KS_ASSEMBLE] = "assemble",
	};

	asset_setting(d, now, "modbus ports", ports_text(d, was->modbus_ports),
		      ports_text(d, now->modbus_ports));
	asset_setting(d, now, "enip ports", ports_text(d, was->enip_ports),
		      ports_text(d, now->enip_ports));
	asset_setting(d, now, "enip io_ports", ports_text(d, was->io_ports),
		      ports_text(d, now->io_ports));
	if (!was->modbus || !now->modbus)
		return;
	asset_setting(d, now, "framing", framings[was->modbus_framing],
		      framings[now->modbus_framing]);
	asset_setting(d, now, "split", splits[was->modbus_split], splits[now->modbus_split]);
}

static void compare_servers(struct policy_diff *d)
{
	const struct policy *was = d->side[DIFF_OLD].p, *now = d->side[DIFF_NEW].p;
	char what[PREFIX_TEXT_MAX + 32], buf[PREFIX_TEXT_MAX];

	for (size_t i = 0; i < d->n_regions; i++) {
		const struct diff_region *r = &d->regions[i];
		struct diff_server *v = pool_get(&d->servers, r->server, NULL);
		uint32_t a = v->asset[DIFF_OLD], b = v->asset[DIFF_NEW];

		/* the prefix around it says the same */
		if (r->covered || (r->parent && d->regions[r->parent - 1].server == r->server))
			continue;
		if (a && b) {
			compare_assets(d, &was->assets[a - 1], &now->assets[b - 1]);
		} else if (a || b) {
			snprintf(what, sizeof(what), "asset at %s", prefix_format(&r->prefix, buf));
			diff_add_setting(d, what, a ? was->assets[a - 1].name : "none",
				    b ? now->assets[b - 1].name : "none");
		}
	}
}

void diff_settings(struct policy_diff *d)
{
	const struct policy *was = d->side[DIFF_OLD].p, *now = d->side[DIFF_NEW].p;

	compare_words(d, was, now);
	diff_add_setting(d, "local", prefixes_text(d, &was->local), prefixes_text(d, &now->local));
	diff_add_setting(d, "protected", prefixes_text(d, &was->protected),
		    prefixes_text(d, &now->protected));
	diff_add_setting(d, "ethertypes taken off", "", types_without(d, was, now));
	diff_add_setting(d, "ethertypes added", "", types_without(d, now, was));
	compare_limits(d, &was->limits, &now->limits);
	compare_rules(d, was, now);
	compare_servers(d);
	diff_zones(d);
}
