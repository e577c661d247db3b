// SPDX-License-Identifier: GPL-2.0-only
/*
 * Opening a connection by hand of the zones and conduits, see explain_conduit.h.
 */
#include <jansson.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "../bpf/reasons.h"
#include "command.h"
#include "explain_conduit.h"
#include "names.h"
#include "options.h"
#include "policy_parse.h"
#include "policy_says.h"
#include "policy_zones.h"
#include "results.h"

struct opening {
	const struct policy *p;
	const struct service_question *q;
	struct prefix from, to;
	uint8_t proto;		/* IPPROTO_* */
	uint32_t port;
	uint32_t zone[2];	/* of from and to, 1-based, 0 = none */
	uint32_t asset;		/* at `to`, 1-based */
	enum ks_reason reason;	/* ok: the rules decide, request by request */
	uint32_t conduit;	/* 1-based, 0 = none */
};

/* ---- the question ---- */

static bool named(const struct prefixes *addrs, const char *name, const char *text,
		  struct prefix *out)
{
	if (strcmp(name, text))
		return false;
	*out = addrs->v[0];
	out->len = (uint8_t)prefix_width(out);
	return true;
}

/* An address, or the name of a host or asset, which stands for its first address. */
static bool read_end(const struct policy *p, const char *option, const char *text,
		     struct prefix *out)
{
	for (size_t i = 0; i < p->n_hosts; i++)
		if (named(&p->hosts[i].addrs, p->hosts[i].name, text, out))
			return true;
	for (size_t i = 0; i < p->n_assets; i++)
		if (named(&p->assets[i].addrs, p->assets[i].name, text, out))
			return true;
	if (prefix_parse(text, strlen(text), out) == PREFIX_OK && out->len == prefix_width(out))
		return true;
	complain("--%s: '%s', expected a single address or the name of a host or asset", option, text);
	return false;
}

static bool read_question(struct opening *o)
{
	const struct service_question *q = o->q;

	o->proto = !strcmp(q->proto, "tcp") ? IPPROTO_TCP : !strcmp(q->proto, "udp") ? IPPROTO_UDP :
		   !strcmp(q->proto, "icmp") ? IPPROTO_ICMP : 0;
	if (!o->proto) {
		complain("--proto: '%s', expected 'tcp', 'udp' or 'icmp'", q->proto);
		return false;
	}
	if ((q->port != NULL) == (o->proto == IPPROTO_ICMP)) {
		complain(q->port ? "--port: given beside --proto icmp, which has none" :
				   "no port, expected --port N beside --proto %s", q->proto);
		return false;
	}
	if (q->port && (!text_number(q->port, strlen(q->port), &o->port) || !o->port ||
			o->port > 65535)) {
		complain("--port: '%s', expected a port (1 to 65535)", q->port);
		return false;
	}
	if (!read_end(o->p, "from", q->from, &o->from) || !read_end(o->p, "to", q->to, &o->to))
		return false;
	if (o->from.family == o->to.family)
		return true;
	complain("--to: '%s' is IPv%u, expected an address of the family of --from, IPv%u", q->to,
		 o->to.family, o->from.family);
	return false;
}

/* ---- the answer ---- */

static bool is_local(const struct opening *o)
{
	for (size_t i = 0; i < o->p->local.n; i++)
		if (prefix_contains(&o->p->local.v[i], &o->to))
			return true;
	return false;
}

/* Without zones: what is no request is the business of three words. */
static enum ks_reason without_zones(const struct opening *o)
{
	if (policy_protects(o->p, &o->from)) {
		if (o->proto != IPPROTO_TCP || !policy_asset_at(o->p, &o->from))
			return KS_R_from_server;
		return o->p->outbound == KS_ALLOW ? KS_R_outbound : KS_R_outbound_denied;
	}
	if (!o->asset)
		return KS_R_not_asset;
	return o->p->other == KS_ALLOW ? KS_R_other_allowed : KS_R_other_denied;
}

static void judge(struct opening *o)
{
	const struct policy *p = o->p;
	bool outside = !policy_protects(p, &o->from);

	o->zone[0] = policy_zone_at(p, &o->from);
	o->zone[1] = policy_zone_at(p, &o->to);
	o->asset = policy_asset_at(p, &o->to);
	if (p->zoned && is_local(o)) {
		o->reason = KS_R_local;
		return;
	}
	if (p->zoned && service_is_tunnel(o->proto, (uint16_t)o->port)) {
		o->reason = KS_R_tunnel;
		return;
	}
	if (p->zoned && (!o->zone[0] || !o->zone[1])) {
		o->reason = KS_R_zone_unknown;
		return;
	}
	if (outside && o->asset &&
	    asset_speaks_on(&p->assets[o->asset - 1], o->proto, (uint16_t)o->port)) {
		o->reason = KS_R_ok;
		return;
	}
	if (!p->zoned) {
		o->reason = without_zones(o);
		return;
	}
	o->conduit = policy_conduit_for(p, o->zone[0], o->zone[1], o->proto, (uint16_t)o->port);
	o->reason = o->conduit ? KS_R_conduit : KS_R_conduit_none;
}

static const char *zone_name(const struct opening *o, int end)
{
	return o->zone[end] ? o->p->zones[o->zone[end] - 1].name : "none";
}

/* What a conduit that does not let it through says to it. */
static void says(const struct opening *o, const struct policy_conduit *c, char *buf, size_t size)
{
	char service[24];

	service_format(o->proto, (uint16_t)o->port, (uint16_t)o->port, service);
	if (!zone_listed(&c->from, o->zone[0]))
		snprintf(buf, size, zone_listed(&c->from, o->zone[1]) &&
			 zone_listed(&c->to, o->zone[0]) ?
			 "goes the other way: zone '%s' only answers there" :
			 "is not from zone '%s'", zone_name(o, 0));
	else if (!zone_listed(&c->to, o->zone[1]))
		snprintf(buf, size, "is not to zone '%s'", zone_name(o, 1));
	else
		snprintf(buf, size, "does not list %s", service);
}

/* The binding that holds for the client, as text; false: none. */
static bool binding_text(const struct policy *p, const struct prefix *address, char buf[BINDING_TEXT_MAX])
{
	const struct ks_binding *b = NULL;
	int longest = -1;

	for (size_t h = 0; h < p->n_hosts; h++)
		for (size_t i = 0; i < p->hosts[h].addrs.n; i++) {
			const struct prefix *x = &p->hosts[h].addrs.v[i];

			if (x->len <= longest || !prefix_contains(x, address) ||
			    (!p->hosts[h].binding.macs && !p->hosts[h].binding.vlans))
				continue;
			longest = x->len;
			b = &p->hosts[h].binding;
		}
	if (b)
		binding_format(b, buf);
	return b != NULL;
}

static json_t *considered(const struct opening *o)
{
	json_t *list = json_array();
	char text[256];

	for (size_t i = 0; i < o->p->n_conduits && o->reason == KS_R_conduit_none; i++) {
		const struct policy_conduit *c = &o->p->conduits[i];

		says(o, c, text, sizeof(text));
		json_array_append_new(list, json_pack("{s:s, s:i, s:s}", "conduit", c->name, "line",
						      (int)c->at.line, "says", text));
	}
	return list;
}

static json_t *answer(const struct opening *o)
{
	char from[PREFIX_TEXT_MAX], to[PREFIX_TEXT_MAX], service[24], bound[BINDING_TEXT_MAX];
	const char *verdict = o->reason == KS_R_ok ? "rules" : reason_passes(o->reason) ? "allow" :
			      name_verdict(o->p->mode == KS_MONITOR ? KS_V_WOULD_DENY : KS_V_DENY);
	json_t *a;

	a = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "verdict", verdict, "reason",
		      o->reason == KS_R_ok ? "rules" : name_reason(o->reason), "file", o->q->path,
		      "from", prefix_format(&o->from, from), "to", prefix_format(&o->to, to),
		      "service", service_format(o->proto, (uint16_t)o->port, (uint16_t)o->port,
						service));
	if (o->p->zoned) {
		json_object_set_new(a, "from_zone", json_string(zone_name(o, 0)));
		json_object_set_new(a, "to_zone", json_string(zone_name(o, 1)));
	}
	if (o->conduit) {
		json_object_set_new(a, "conduit", json_string(o->p->conduits[o->conduit - 1].name));
		json_object_set_new(a, "line", json_integer(o->p->conduits[o->conduit - 1].at.line));
	}
	json_object_set_new(a, "why", json_string(
		o->reason == KS_R_ok ? "requests to an asset: its rules decide, ask with --function, --service, ..." :
				       name_reason_text(o->reason)));
	if (binding_text(o->p, &o->from, bound))
		json_object_set_new(a, "bound", json_string(bound));
	json_object_set_new(a, "considered", considered(o));
	return a;
}

static const char *word(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text ? text : "";
}

static void print_text(const struct opening *o, const json_t *a)
{
	bool passes = reason_passes(o->reason);
	const json_t *row;
	size_t i;

	printf("%s%s: %s%s%s%s -> %s%s%s%s: %s\n",
	       o->reason == KS_R_ok ? "asked of the rules" : passes ? "allowed" : "denied",
	       !passes && o->p->mode == KS_MONITOR ? " ('mode: monitor' lets it pass)" : "",
	       word(a, "from"), o->p->zoned ? " (zone " : "", word(a, "from_zone"),
	       o->p->zoned ? ")" : "", word(a, "to"), o->p->zoned ? " (zone " : "",
	       word(a, "to_zone"), o->p->zoned ? ")" : "", word(a, "service"));
	if (o->conduit)
		printf("decided by conduit '%s' (%s:%u)\n", word(a, "conduit"), o->q->path,
		       o->p->conduits[o->conduit - 1].at.line);
	else
		printf("%s: %s\n", o->reason == KS_R_conduit_none ? "decided by no conduit" :
						     "decided before any conduit", word(a, "why"));
	if (*word(a, "bound"))
		printf("  %s is bound: it counts only from %s\n", word(a, "from"), word(a, "bound"));
	if (json_array_size(json_object_get(a, "considered")))
		puts("conduits considered:");
	json_array_foreach(json_object_get(a, "considered"), i, row)
		printf("  conduit '%s' (%s:%lld): %s\n", word(row, "conduit"), o->q->path,
		       (long long)json_integer_value(json_object_get(row, "line")),
		       word(row, "says"));
}

int explain_service(const struct policy *p, const struct service_question *q)
{
	struct opening o = { .p = p, .q = q };
	json_t *a;

	if (!read_question(&o))
		return EXIT_USAGE;
	judge(&o);
	a = answer(&o);
	if (!a) {
		complain("out of memory");
		return EXIT_ENVIRONMENT;
	}
	if (options.json)
		return print_json(a);
	print_text(&o, a);
	json_decref(a);
	return EXIT_OK;
}
