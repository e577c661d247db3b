// SPDX-License-Identifier: GPL-2.0-only
/*
 * A request, and what is decided by no rule, in words, see explain_text.h. Must not
 * judge anything.
 */
#include <stdlib.h>
#include <string.h>

#include "explain_text.h"
#include "list_text.h"
#include "names.h"
#include "policy_zones.h"

enum ks_group explain_group(const struct policy_request *q, const struct request_part *part,
			    uint32_t element)
{
	if (!part->modbus)
		return ks_cip_group(q->service, q->key_class);
	return ks_modbus_group(part->function,
			       function_elements(part->function) == ELEMENT_SUB ? element : KS_ANY);
}

static void cip_name(FILE *out, const struct policy_request *q)
{
	const char *name = ks_is_pccc(q->key_class) ?
			   name_pccc(ks_pccc_code(q->service, q->key_class)) :
			   name_service(q->service, q->key_class);

	if (name)
		fputs(name, out);
	else if (ks_is_pccc(q->key_class))
		fprintf(out, "PCCC command 0x%02x/0x%02x",
			ks_pccc_code(q->service, q->key_class) >> 8,
			ks_pccc_code(q->service, q->key_class) & 0xff);
	else
		fprintf(out, "service 0x%02x", q->service);
}

void explain_part_name(FILE *out, const struct policy_request *q,
		       const struct request_part *part, uint32_t element)
{
	bool sub = function_elements(part->function) == ELEMENT_SUB;
	const char *name;

	if (!part->modbus) {
		cip_name(out, q);
		return;
	}
	name = sub ? name_modbus_exact(part->function, element) :
		     name_modbus(part->function, KS_ANY);
	if (name)
		fputs(name, out);
	else if (sub)
		fprintf(out, "function %u/%u", part->function, element);
	else
		fprintf(out, "function %u", part->function);
}

/* As manuals number them; coils have no such form. */
void explain_table_form(FILE *out, uint32_t fc, struct elements of)
{
	static const char digits[] = {
		[TABLE_DISCRETE] = '1', [TABLE_INPUT] = '3', [TABLE_HOLDING] = '4',
	};
	enum modbus_table table = function_table(fc);

	if (table == TABLE_COILS)
		return;
	fprintf(out, " (%cx%u", digits[table], of.lo + 1);
	if (of.hi > of.lo)
		fprintf(out, "-%cx%u", digits[table], of.hi + 1);
	putc(')', out);
}

static bool has_addresses(const struct request_part *part)
{
	return part->modbus && function_elements(part->function) == ELEMENT_ADDRESS;
}

bool explain_has_elements(const struct policy_request *q, const struct request_part *part)
{
	return has_addresses(part) || (!part->modbus && q->has_file);
}

void explain_elements(FILE *out, const struct policy_request *q,
		      const struct request_part *part, struct elements of)
{
	if (!explain_has_elements(q, part))
		return;
	fprintf(out, has_addresses(part) ? "address %u" : "element %u", of.lo);
	if (of.hi > of.lo)
		fprintf(out, "-%u", of.hi);
	if (has_addresses(part))
		explain_table_form(out, part->function, of);
}

/* ---- the decision ---- */

bool explain_allowed(const struct explained *e)
{
	return reason_passes(e->x.reason);
}

bool explain_no_connection(const struct explained *e)
{
	static const uint32_t flags[] = {
		[KS_MODBUS] = KS_PROFILE_MODBUS, [KS_ENIP] = KS_PROFILE_ENIP,
		[KS_IO] = KS_PROFILE_IO,
	};

	return e->x.run && !(e->pair & flags[e->asked.q.proto]);
}

const struct request_part *explain_about(const struct explained *e)
{
	return &e->x.part[e->x.about].part;
}

const char *explain_default_name(const struct explained *e)
{
	static const char *const names[] = {
		[KS_DEFAULT_DENY] = "deny", [KS_DEFAULT_READONLY] = "readonly",
		[KS_DEFAULT_ALLOW] = "allow",
	};

	return names[e->p->dflt];
}

struct pos explain_place(const struct explained *e)
{
	return e->x.run->rule ? e->p->rules[e->x.run->rule - 1].at : e->p->dflt_at;
}

const char *explain_rule_name(const struct explained *e, uint32_t rule)
{
	return rule ? e->p->rules[rule - 1].name : "default";
}

char *explain_line(const struct explained *e)
{
	uint32_t line = explain_place(e).line;
	FILE *f = fopen(e->path, "re");
	char *text = NULL;
	size_t size = 0;
	ssize_t n = -1;

	if (!f)
		return NULL;
	for (uint32_t i = 0; i < line; i++)
		n = getline(&text, &size, f);
	fclose(f);
	if (!line || n < 0) {
		free(text);
		return NULL;
	}
	text[strcspn(text, "\r\n")] = 0;
	memmove(text, text + strspn(text, " \t"), strlen(text + strspn(text, " \t")) + 1);
	return text;
}

void explain_default(FILE *out, const struct explained *e)
{
	enum ks_group g = explain_group(&e->asked.q, explain_about(e), e->x.run->of.lo);

	if (e->x.run->shut) {
		fprintf(out, "rule '%s' has 'tags', so writes by symbol instance need a rule before it",
			e->p->rules[e->x.n_considered - 1].name);
		return;
	}
	explain_part_name(out, &e->asked.q, explain_about(e), e->x.run->of.lo);
	fprintf(out, " is in group '%s': %s", ks_group_name(g), ks_group_text(g));
}

/* ---- before the rules ---- */

/* The prefix that makes the client one of the protected side. */
static void spoofed_text(FILE *out, const struct explained *e)
{
	char address[PREFIX_TEXT_MAX], buf[PREFIX_TEXT_MAX];

	prefix_format(&e->asked.q.client, address);
	for (size_t i = 0; i < e->p->protected.n; i++) {
		if (!prefix_contains(&e->p->protected.v[i], &e->asked.q.client))
			continue;
		fprintf(out, "%s is of the protected side (protected: %s), so as a client it is spoofed",
			address, prefix_format(&e->p->protected.v[i], buf));
		return;
	}
	fprintf(out, "%s is an asset's own address, so as a client it is spoofed", address);
}

static void unlisted_text(FILE *out, const struct explained *e)
{
	char buf[PREFIX_TEXT_MAX];

	if (e->x.asset)
		fprintf(out, "asset '%s' speaks no %s", e->p->assets[e->x.asset - 1].name,
			e->asked.q.proto == KS_MODBUS ? "Modbus" : "EtherNet/IP");
	else
		fprintf(out, "%s is no asset", prefix_format(&e->asked.q.server, buf));
	fprintf(out, " ('unlisted: %s')", e->p->unlisted == KS_ALLOW ? "allow" : "deny");
}

static void zone_text(FILE *out, const struct explained *e)
{
	const struct prefix *who = policy_zone_at(e->p, &e->asked.q.client) ? &e->asked.q.server :
									     &e->asked.q.client;
	char buf[PREFIX_TEXT_MAX];

	fprintf(out, "%s is in no zone, so it talks to nobody through the gateway",
		prefix_format(who, buf));
}

static void opaque_text(FILE *out, const struct explained *e)
{
	const char *asset = e->p->assets[e->x.asset - 1].name;

	if (e->asked.q.proto != KS_MODBUS)
		fprintf(out, "a passthrough of function %u cannot be judged", e->asked.q.function);
	else if (e->asked.q.function == KS_FC_UMAS)
		fprintf(out, "asset '%s' is not said to speak UMAS ('umas: true')", asset);
	else
		fprintf(out, "function %u has no length rule and asset '%s' does not list it under 'opaque'",
			e->asked.q.function, asset);
}

static void unit_text(FILE *out, const struct explained *e)
{
	const struct policy_asset *a = &e->p->assets[e->x.asset - 1];
	struct list l = { .out = out };

	fprintf(out, "asset '%s' lists unit%s ", a->name, a->units.n == 1 ? "" : "s");
	for (size_t i = 0; i < a->units.n; i++)
		list_span(&l, a->units.v[i].lo, a->units.v[i].hi);
	list_end(&l);
	fprintf(out, ", not %u", e->asked.q.unit);
}

void explain_reason(FILE *out, const struct explained *e)
{
	switch (e->x.reason) {
	case KS_R_spoofed:
		spoofed_text(out, e);
		return;
	case KS_R_zone_unknown:
		zone_text(out, e);
		return;
	case KS_R_unlisted: case KS_R_unlisted_allowed:
		unlisted_text(out, e);
		return;
	case KS_R_function_opaque:
		opaque_text(out, e);
		return;
	case KS_R_unit_unlisted:
		unit_text(out, e);
		return;
	default:
		fputs(name_reason_text(e->x.reason), out);
	}
}
