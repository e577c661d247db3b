// SPDX-License-Identifier: GPL-2.0-only
/*
 * A question and its answer as one object, see explain_text.h. Must not judge anything.
 */
#include <stdlib.h>
#include <string.h>

#include "../bpf/pccc.h"
#include "command.h"
#include "explain_text.h"
#include "leaf.h"
#include "names.h"
#include "options.h"

/* ---- the request's fields ---- */

static void modbus_leaf(const struct policy_request *q, struct ks_leaf *leaf)
{
	uint32_t fc = q->function;

	leaf->proto = KS_MODBUS;
	leaf->unit = (__u8)q->unit;
	leaf->function = (__u16)fc;
	leaf->has = KS_HAS_UNIT | KS_HAS_FUNCTION;
	if (function_elements(fc) == ELEMENT_SUB) {
		leaf->sub = (__u16)q->own.lo;
		leaf->has |= KS_HAS_SUB;
	} else if (function_is_compound(fc) || function_elements(fc) == ELEMENT_ADDRESS) {
		leaf->address = q->own.lo;
		leaf->quantity = q->own.hi - q->own.lo + 1;
		leaf->has |= KS_HAS_ADDRESS;
	}
	if (!function_is_compound(fc))
		return;
	leaf->waddress = q->written.lo;
	leaf->wquantity = q->written.hi - q->written.lo + 1;
	leaf->has |= KS_HAS_WRITE_SPAN;
}

static void pccc_leaf(const struct policy_request *q, struct ks_leaf *leaf)
{
	leaf->sub = (__u16)ks_pccc_code(q->service, q->key_class);
	leaf->service = PCCC_EXECUTE;
	leaf->class = PCCC_CLASS;
	leaf->has |= KS_HAS_PCCC | KS_HAS_CLASS;
	if (!q->has_file)
		return;
	leaf->file = (__u16)q->file;
	leaf->file_type = (__u8)(q->type ? KS_PCCC_TYPES + q->type - 1 : 0);
	leaf->address = q->own.lo;
	leaf->quantity = q->own.hi - q->own.lo + 1;
	leaf->has |= KS_HAS_FILE;
}

/* Keys that are no class of the wire say more than the class that they come from. */
static void cip_class(const struct policy_request *q, struct ks_leaf *leaf)
{
	if (q->key_class == KS_CLASS_OPEN || q->key_class == KS_CLASS_CONFIG)
		leaf->class = 0x06;
	else if (q->key_class < KS_CLASS_TAG)
		leaf->class = q->key_class;
	else
		return;
	leaf->has |= KS_HAS_CLASS;
}

static void cip_leaf_of(const struct policy_request *q, struct ks_leaf *leaf)
{
	leaf->service = (__u8)q->service;
	leaf->has |= KS_HAS_SERVICE;
	if (ks_is_pccc(q->key_class))
		pccc_leaf(q, leaf);
	else
		cip_class(q, leaf);
	if (q->instance != KS_NO_VALUE) {
		leaf->instance = q->instance;
		leaf->has |= KS_HAS_INSTANCE;
	}
	if (q->attribute != KS_NO_VALUE) {
		leaf->attribute = q->attribute;
		leaf->has |= KS_HAS_ATTRIBUTE;
	}
	if (q->key_class == KS_CLASS_TAG) {
		leaf->tag_len = (__u8)strlen(q->tag);
		memcpy(leaf->tag, q->tag, leaf->tag_len);
		leaf->has |= KS_HAS_TAG;
	}
	if (q->function) {
		leaf->sub = (__u16)q->function;
		leaf->address = q->own.lo;
		leaf->quantity = q->own.hi - q->own.lo + 1;
		leaf->has |= KS_HAS_MODBUS | KS_HAS_ADDRESS;
	}
}

static void enip_leaf(const struct policy_request *q, struct ks_leaf *leaf)
{
	leaf->proto = KS_ENIP;
	if (q->key_class == KS_CLASS_ENCAP) {
		leaf->function = (__u16)q->service;
		leaf->has |= KS_HAS_FUNCTION;
	} else if (q->proto != KS_IO) {
		cip_leaf_of(q, leaf);
	}
	if (!*q->route)
		return;
	leaf->route.len = (__u32)strlen(q->route);
	memcpy(leaf->route.text, q->route, leaf->route.len);
	leaf->has |= KS_HAS_ROUTE;
}

json_t *explain_fields(const struct policy_request *q)
{
	struct ks_leaf leaf = { 0 };
	json_t *o = json_object();

	if (q->proto == KS_MODBUS)
		modbus_leaf(q, &leaf);
	else
		enip_leaf(q, &leaf);
	if (!o)
		return NULL;
	json_object_set_new(o, "proto", json_string(name_proto(q->proto)));
	leaf_fields(o, &leaf);
	if (q->n_values) {
		json_t *values = json_array();

		for (size_t i = 0; i < q->n_values; i++)
			json_array_append_new(values, json_integer(q->values[i]));
		json_object_set_new(o, "values", values);
	}
	/* the session's key is no part of what is asked */
	json_object_del(o, "umas_key");
	if (q->proto == KS_IO)
		json_object_set_new(o, "io", json_string(name_service(q->service, KS_CLASS_IO)));
	else if (q->proto == KS_ENIP && q->key_class > KS_CLASS_ENCAP && !ks_is_pccc(q->key_class))
		json_object_set_new(o, "class_name", json_string(name_class(q->key_class)));
	return o;
}

/* ---- the answer ---- */

/* Text that goes into an object. */
struct memo {
	FILE *out;
	char *text;
	size_t size;
};

static FILE *memo_open(struct memo *m)
{
	m->text = NULL;
	m->out = open_memstream(&m->text, &m->size);
	if (m->out)
		return m->out;
	complain("out of memory");
	exit(EXIT_ENVIRONMENT);
}

static json_t *memo_json(struct memo *m)
{
	json_t *text;

	fclose(m->out);
	text = json_string(m->text);
	free(m->text);
	return text;
}

static void set_text(json_t *o, const char *key, const char *text)
{
	if (text)
		json_object_set_new(o, key, json_string(text));
}

static json_t *who_json(const char *name, const struct prefix *address)
{
	char buf[PREFIX_TEXT_MAX];
	json_t *o = json_pack("{s:s}", "address", prefix_format(address, buf));

	set_text(o, "name", name);
	return o;
}

static void add_decision(const struct explained *e, json_t *o)
{
	struct pos at = explain_place(e);
	char *line = explain_line(e);
	struct memo m;

	set_text(o, "rule", explain_rule_name(e, e->x.run->rule));
	if (at.line)
		json_object_set_new(o, "line", json_integer(at.line));
	set_text(o, "text", line);
	free(line);
	set_text(o, "group", ks_group_name(explain_group(&e->asked.q, explain_about(e), e->x.run->of.lo)));
	if (e->x.run->rule)
		return;
	set_text(o, "default", explain_default_name(e));
	explain_default(memo_open(&m), e);
	json_object_set_new(o, "why", memo_json(&m));
}

static json_t *runs_json(const struct explained *e)
{
	json_t *list = json_array();

	for (size_t i = 0; i < e->x.n_parts; i++) {
		const struct part_answer *a = &e->x.part[i];

		for (size_t k = 0; k < a->n; k++) {
			const struct decided *d = &a->run[k];
			struct memo m;
			json_t *o;

			explain_part_name(memo_open(&m), &e->asked.q, &a->part, d->of.lo);
			o = json_pack("{s:o, s:s, s:s}", "request", memo_json(&m), "verdict",
				      name_verdict(d->allow ? KS_V_ALLOW : KS_V_DENY), "rule",
				      explain_rule_name(e, d->rule));
			json_object_set_new(o, "first", json_integer(d->of.lo));
			json_object_set_new(o, "last", json_integer(d->of.hi));
			if (d->alert)
				set_text(o, "alert", explain_rule_name(e, d->alert));
			json_array_append_new(list, o);
		}
	}
	return list;
}

static json_t *considered_json(const struct explained *e)
{
	json_t *list = json_array();

	for (size_t i = 0; i < e->x.n_considered; i++) {
		struct memo m;

		explain_rule(memo_open(&m), e, i);
		json_array_append_new(list,
			json_pack("{s:s, s:i, s:b, s:o}", "rule", e->p->rules[i].name, "line",
				  (int)e->p->rules[i].at.line, "decides",
				  e->x.considered[i] <= RULE_SHUTS, "says", memo_json(&m)));
	}
	return list;
}

json_t *explain_json(const struct explained *e)
{
	enum ks_verdict verdict = explain_allowed(e) ? KS_V_ALLOW :
				  e->p->mode == KS_MONITOR ? KS_V_WOULD_DENY : KS_V_DENY;
	json_t *o = json_pack("{s:s, s:s, s:s, s:o, s:o, s:o}", "verdict", name_verdict(verdict),
			      "reason", name_reason(e->x.reason), "file", e->path, "from",
			      who_json(e->asked.from, &e->asked.q.client), "to",
			      who_json(e->asked.to, &e->asked.q.server), "request",
			      explain_fields(&e->asked.q));
	struct memo m;

	if (!o)
		return NULL;
	if (e->x.asset)
		set_text(o, "asset", e->p->assets[e->x.asset - 1].name);
	if (!e->x.run) {
		explain_reason(memo_open(&m), e);
		json_object_set_new(o, "why", memo_json(&m));
		return o;
	}
	if (explain_no_connection(e))
		set_text(o, "connection", name_reason(KS_R_pair_denied));
	add_decision(e, o);
	if (e->x.alert)
		set_text(o, "alert", explain_rule_name(e, e->x.alert));
	if (e->x.run->valued && e->x.run->value.known) {
		explain_value(memo_open(&m), e->p->rules[e->x.run->value_rule].modbus->values,
			      e->x.run->value.lo);
		json_object_set_new(o, "value", memo_json(&m));
	}
	json_object_set_new(o, "element", json_integer(e->x.run->of.lo));
	json_object_set_new(o, "decided", runs_json(e));
	json_object_set_new(o, "considered", considered_json(e));
	return o;
}
