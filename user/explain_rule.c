// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a rule says to a request, in words, see explain_text.h. Must not judge anything.
 */
#include <string.h>

#include "explain_text.h"
#include "list_text.h"
#include "names.h"

const char *explain_rate(const struct policy_rate *r, char text[RATE_TEXT_MAX])
{
	snprintf(text, RATE_TEXT_MAX, r->burst == r->count ? "%u/%s" : "%u/%s (%u at once)", r->count,
		 r->per == 1 ? "s" : r->per == 60 ? "min" : "h", r->burst);
	return text;
}

/* ---- selectors as lists ---- */

static void list_sources(struct list *l, const struct policy *p, const struct policy_rule *r)
{
	char buf[PREFIX_TEXT_MAX];

	for (size_t i = 0; i < r->n_from; i++) {
		const struct source *s = &r->from[i];

		list_add(l, "%s", s->kind == SOURCE_HOST ? p->hosts[s->index].name :
			 s->kind == SOURCE_GROUP ? p->groups[s->index].name :
			 prefix_format(&s->literal, buf));
	}
}

static void list_spans(struct list *l, const struct spans *s)
{
	for (size_t i = 0; i < s->n; i++)
		list_span(l, s->v[i].lo, s->v[i].hi);
}

static void list_functions(struct list *l, const struct modbus_match *m)
{
	for (size_t i = 0; i < m->n_functions; i++) {
		const struct function_sel *f = &m->functions[i];
		const char *name = f->kind == FN_GROUP ? ks_group_name(f->code) :
				   f->kind == FN_CODE ? name_modbus(f->code, KS_ANY) :
				   name_modbus_exact(f->code, f->sub);

		if (name)
			list_add(l, "%s", name);
		else if (f->kind == FN_SUB)
			list_add(l, "%u/%u", f->code, f->sub);
		else
			list_add(l, "%u", f->code);
	}
}

static void list_services(struct list *l, const struct cip_match *m)
{
	const struct ks_cip_row *rows;
	unsigned int n;

	rows = ks_cip_rows(&n);
	for (size_t i = 0; i < m->n_services; i++) {
		const struct service_sel *s = &m->services[i];
		const char *name = s->kind == SV_GROUP ? ks_group_name(s->code) :
				   s->kind == SV_NAMED ? rows[s->code].name :
				   m->pccc ? name_pccc(s->code) : name_service(s->code, KS_ANY);

		if (name)
			list_add(l, "%s", name);
		else if (m->pccc)
			list_add(l, "0x%02x/0x%02x", s->code >> 8, s->code & 0xff);
		else
			list_add(l, "0x%02x", s->code);
	}
}

static void list_classes(struct list *l, const struct cip_match *m)
{
	for (size_t i = 0; i < m->classes.n; i++) {
		const char *name = name_class(m->classes.v[i].lo);

		if (name)
			list_add(l, "%s", name);
		else
			list_add(l, "0x%02x", m->classes.v[i].lo);
	}
}

static void list_files(struct list *l, const struct cip_match *m)
{
	for (size_t i = 0; i < m->n_files; i++) {
		const struct file_sel *f = &m->files[i];
		const char *type = name_file_type(KS_PCCC_TYPES + f->type - 1);

		if (f->span.lo == 0 && f->span.hi == 0xffff)
			list_add(l, "%s%u", type, f->file);
		else if (f->span.lo == f->span.hi)
			list_add(l, "%s%u:%u", type, f->file, f->span.lo);
		else
			list_add(l, "%s%u:%u-%u", type, f->file, f->span.lo, f->span.hi);
	}
}

/* ---- what a rule says ---- */

static void begin(FILE *out, size_t n, const char *one, const char *many)
{
	fprintf(out, "%s ", n == 1 ? one : many);
}

static void holds_not(const struct list *l)
{
	list_end(l);
	fputs(l->n == 1 ? " does not hold " : " do not hold ", l->out);
}

static void number(FILE *out, uint32_t v)
{
	if (v == KS_NO_VALUE)
		fputs("a path without one", out);
	else
		fprintf(out, "%u", v);
}

static void against_cip(FILE *out, const struct cip_match *m, const struct policy_request *q,
			enum rule_says says)
{
	struct list l = { .out = out };

	switch (says) {
	case RULE_OTHER_CLASS:
		begin(out, m->classes.n, "class", "classes");
		list_classes(&l, m);
		holds_not(&l);
		if (ks_is_pccc(q->key_class))
			fputs("pccc", out);
		else if (name_class(q->key_class))
			fputs(name_class(q->key_class), out);
		else
			fprintf(out, "0x%02x", q->key_class);
		return;
	case RULE_OTHER_INSTANCE:
		begin(out, m->instances.n, "instance", "instances");
		list_spans(&l, &m->instances);
		holds_not(&l);
		number(out, q->instance);
		return;
	default:
		begin(out, m->attributes.n, "attribute", "attributes");
		list_spans(&l, &m->attributes);
		holds_not(&l);
		number(out, q->attribute);
	}
}

static void against_service(FILE *out, const struct cip_match *m, const struct policy_request *q,
			    const struct request_part *part)
{
	struct list l = { .out = out };

	if (m->pccc)
		begin(out, m->n_services, "function", "functions");
	else
		begin(out, m->n_services, "service", "services");
	list_services(&l, m);
	holds_not(&l);
	explain_part_name(out, q, part, 0);
}

static void against_tag(FILE *out, const struct cip_match *m, const struct policy_request *q)
{
	struct list l = { .out = out };

	begin(out, m->n_tags, "tag", "tags");
	for (size_t i = 0; i < m->n_tags; i++)
		list_add(&l, "%s", m->tags[i]);
	holds_not(&l);
	fputs(q->key_class == KS_CLASS_TAG ? q->tag : "a path that is no tag", out);
}

static void against_file(FILE *out, const struct cip_match *m, const struct policy_request *q,
			 uint32_t element)
{
	struct list l = { .out = out };
	const char *type = name_file_type(KS_PCCC_TYPES + q->type - 1);

	begin(out, m->n_files, "file", "files");
	list_files(&l, m);
	holds_not(&l);
	if (q->has_file)
		fprintf(out, "%s%u:%u", q->type && type ? type : "", q->file, element);
	else
		fputs("a command without one", out);
}

static void against_route(FILE *out, const struct policy_rule *r, const char *route)
{
	const struct routes *said = r->cip ? &r->cip->routes : NULL;
	struct list l = { .out = out };

	if (!said || !said->given) {
		fprintf(out, "without 'route' it opens the asset alone, not what is behind it by %s",
			route);
		return;
	}
	begin(out, said->n + said->direct, "route", "routes");
	if (said->direct)
		list_add(&l, "direct");
	for (size_t i = 0; i < said->n; i++)
		list_add(&l, "%s", said->v[i]);
	holds_not(&l);
	fputs(*route ? route : "direct", out);
}

static void against_protocol(FILE *out, const struct policy_rule *r)
{
	fprintf(out, "is about %s", r->io ? "implicit I/O" : r->cip && r->cip->pccc ? "PCCC" :
		r->cip ? "CIP" : r->modbus->umas ? "UMAS" : "Modbus");
}

static void against_io(FILE *out, const struct policy_rule *r, const struct policy_request *q)
{
	if (!r->io)
		fputs("'io: static' alone allows datagrams of no connection", out);
	else if (q->key_class != KS_CLASS_IO)
		fputs("is about implicit I/O", out);
	else if (q->service == KS_IO_STATIC)
		fputs("'io' is not 'static', so it needs a connection", out);
	else
		fputs("'io: idle-only' does not hold datagrams that count", out);
}

static void against_unit(FILE *out, const struct policy_rule *r, uint32_t unit)
{
	struct list l = { .out = out };

	if (!r->modbus || !r->modbus->units.n) {
		fputs("without 'unit' it allows broadcasts (unit 0) to read alone", out);
		return;
	}
	begin(out, r->modbus->units.n, "unit", "units");
	list_spans(&l, &r->modbus->units);
	holds_not(&l);
	fprintf(out, "%u", unit);
}

static void against_function(FILE *out, const struct policy_rule *r, const struct policy_request *q,
			     const struct request_part *part, uint32_t element)
{
	struct list l = { .out = out };

	if (r->modbus->umas && part->function != KS_FC_UMAS) {
		against_protocol(out, r);
		return;
	}
	if (!r->modbus->n_functions) {
		fputs("'addresses' hold no function without an address", out);
		return;
	}
	begin(out, r->modbus->n_functions, "function", "functions");
	list_functions(&l, r->modbus);
	holds_not(&l);
	explain_part_name(out, q, part, element);
}

static void against_address(FILE *out, const struct policy_rule *r,
			    const struct request_part *part, uint32_t element)
{
	struct list l = { .out = out };

	begin(out, r->modbus->n_addresses, "address", "addresses");
	for (size_t i = 0; i < r->modbus->n_addresses; i++)
		list_add(&l, "%s", r->modbus->addresses[i].text);
	holds_not(&l);
	fprintf(out, "%u", element);
	if (function_elements(part->function) == ELEMENT_ADDRESS)
		explain_table_form(out, part->function, (struct elements){ element, element });
}

/* Bits as a number of the rule's type. */
void explain_value(FILE *out, const struct value_match *m, uint32_t bits)
{
	float real;

	switch (m->type) {
	case KS_VT_INT16:
		fprintf(out, "%d", (int16_t)bits);
		return;
	case KS_VT_INT32:
		fprintf(out, "%d", (int32_t)bits);
		return;
	case KS_VT_FLOAT32:
		memcpy(&real, &bits, sizeof(real));
		fprintf(out, "%.9g", (double)real);
		return;
	default:
		fprintf(out, "%u", bits);
	}
}

void explain_written(FILE *out, const struct explained *e)
{
	const struct decided *run = e->x.run;

	if (!run->valued || !e->asked.q.n_values)
		return;
	fputs(", where ", out);
	if (run->value.known)
		explain_value(out, e->p->rules[run->value_rule].modbus->values, run->value.lo);
	else
		fputs("less than a value", out);
	fputs(" is written", out);
}

static void against_value(FILE *out, const struct explained *e, const struct policy_rule *r,
			  const struct request_part *part, uint32_t element)
{
	const struct value_match *m = r->modbus->values;
	struct written w = request_written(&e->asked.q, part, r->modbus, element);
	struct list l = { .out = out };

	if (!e->asked.q.n_values) {
		fputs("has 'values', and no --value was given", out);
		return;
	}
	if (!w.known) {
		fputs("has 'values' of two registers, which are not written together", out);
		return;
	}
	begin(out, m->n, "value", "values");
	for (size_t i = 0; i < m->n; i++)
		list_add(&l, "%s", m->text[i]);
	holds_not(&l);
	if (w.lo == w.hi) {
		explain_value(out, m, w.lo);
	} else {
		fputs("all that the masks may write, ", out);
		explain_value(out, m, w.lo);
		fputs(" to ", out);
		explain_value(out, m, w.hi);
	}
}

static void against_who(FILE *out, const struct explained *e, const struct policy_rule *r,
			enum rule_says says)
{
	const struct policy *p = e->p;
	struct list l = { .out = out };
	char buf[PREFIX_TEXT_MAX];

	if (says == RULE_OTHER_FROM) {
		fputs("from ", out);
		list_sources(&l, p, r);
		holds_not(&l);
		fputs(prefix_format(&e->asked.q.client, buf), out);
		return;
	}
	fputs("to ", out);
	for (size_t i = 0; i < r->n_to; i++)
		list_add(&l, "%s", p->assets[r->to[i]].name);
	holds_not(&l);
	fputs(p->assets[e->x.asset - 1].name, out);
}

void explain_rule(FILE *out, const struct explained *e, size_t i)
{
	const struct policy_rule *r = &e->p->rules[i];
	const struct policy_request *q = &e->asked.q;
	const struct request_part *part = explain_about(e);
	enum rule_says says = e->x.considered[i];
	uint32_t element = e->x.run->of.lo;
	char rate[RATE_TEXT_MAX];

	switch (says) {
	case RULE_DECIDES:
		fputs(r->allow ? "allows it" : "denies it", out);
		if (r->rate.count)
			fprintf(out, ", at most %s", explain_rate(&r->rate, rate));
		return;
	case RULE_SHUTS:
		fputs("has 'tags', so writes by symbol instance are refused from here on", out);
		return;
	case RULE_OTHER_FROM: case RULE_OTHER_TO:
		against_who(out, e, r, says);
		return;
	case RULE_OTHER_PROTOCOL:
		against_protocol(out, r);
		return;
	case RULE_OTHER_UNIT:
		against_unit(out, r, part->unit);
		return;
	case RULE_OTHER_FUNCTION:
		against_function(out, r, q, part, element);
		return;
	case RULE_OTHER_ADDRESS:
		against_address(out, r, part, element);
		return;
	case RULE_OTHER_VALUE:
		against_value(out, e, r, part, element);
		return;
	case RULE_MARKS:
		fputs("marks it", out);
		return;
	case RULE_OTHER_ROUTE:
		against_route(out, r, q->route);
		return;
	case RULE_OTHER_IO:
		against_io(out, r, q);
		return;
	case RULE_OTHER_SERVICE:
		against_service(out, r->cip, q, part);
		return;
	case RULE_OTHER_TAG:
		against_tag(out, r->cip, q);
		return;
	case RULE_OTHER_FILE:
		against_file(out, r->cip, q, element);
		return;
	case RULE_OTHER_CLASS: case RULE_OTHER_INSTANCE: case RULE_OTHER_ATTRIBUTE:
		against_cip(out, r->cip, q, says);
		return;
	}
}
