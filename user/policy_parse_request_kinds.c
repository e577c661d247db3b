// SPDX-License-Identifier: GPL-2.0-only
/*
 * Words of one kind put together to a request: what goes with a Modbus function, with
 * a CIP service and its class, with a PCCC command. Must not look at rules.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "../bpf/cip_modbus.h"
#include "../bpf/pccc.h"
#include "names.h"
#include "policy_parse_request.h"

bool word_wrong(struct reading *r, const char *option, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	diag_error(r->ps.d, ((struct pos){ 0 }), "--%s: %s", option, text);
	return false;
}

/* ---- Modbus ---- */

/* A numbered address must be of the function's own table. */
static bool address_fits(struct reading *r, enum request_word w, const struct address_sel *a,
			 enum modbus_table table)
{
	static const char *const names[] = {
		[TABLE_COILS] = "coils", [TABLE_DISCRETE] = "discrete inputs",
		[TABLE_INPUT] = "input registers", [TABLE_HOLDING] = "holding registers",
	};

	if (a->table == TABLE_OWN || a->table == table)
		return true;
	return word_wrong(r, request_option(w), "'%s' is an address of %s, expected one of %s",
		     r->in->word[w], names[a->table], names[table]);
}

static bool function_span(struct reading *r, enum request_word w, const struct address_sel *a,
			  enum modbus_table table, struct elements *out)
{
	if (!given(r, w))
		return word_wrong(r, "function", "function %u has addresses, expected --%s",
			     r->q->function, request_option(w));
	*out = (struct elements){ a->span.lo, a->span.hi };
	return address_fits(r, w, a, table);
}

bool modbus_request(struct reading *r)
{
	const struct function_sel *s = &r->function;
	struct policy_request *q = r->q;

	q->proto = KS_MODBUS;
	q->function = s->code;
	q->own = (struct elements){ s->sub, s->sub };
	if (function_is_compound(s->code))
		return function_span(r, WORD_ADDRESS, &r->address, TABLE_HOLDING, &q->own) &&
		       function_span(r, WORD_WRITE_ADDRESS, &r->written, TABLE_HOLDING,
				     &q->written);
	if (given(r, WORD_WRITE_ADDRESS))
		return word_wrong(r, "write-address", "function %u is not 23, expected none", s->code);
	if (function_elements(s->code) == ELEMENT_ADDRESS)
		return function_span(r, WORD_ADDRESS, &r->address, function_table(s->code),
				     &q->own);
	if (given(r, WORD_ADDRESS))
		return word_wrong(r, "address", "function %u has no addresses, expected none", s->code);
	if (function_elements(s->code) != ELEMENT_SUB || s->kind == FN_SUB)
		return true;
	if (s->code == KS_FC_UMAS)
		return word_wrong(r, "function", "function 90 is UMAS, expected --umas");
	return word_wrong(r, "function", "function %u has sub-functions, expected one as in '%u/%u'",
		     s->code, s->code, s->code == 8 ? 0 : 14);
}

/* ---- CIP ---- */

/* The only class on which a name is a service; false after a diagnostic. */
static bool class_of_name(struct reading *r, const char *name)
{
	const struct ks_cip_row *rows;
	const char *words[16] = { NULL };
	bool tag = false;
	unsigned int n;
	size_t found = 0;

	rows = ks_cip_rows(&n);
	for (unsigned int i = 0; i < n && found < 15; i++) {
		if (strcmp(rows[i].name, name))
			continue;
		r->class = rows[i].class;
		if (r->class == KS_CLASS_TAG)
			tag = true;
		else
			words[found++] = name_class(r->class);
	}
	if (found + tag == 1)
		return true;
	return word_wrong(r, "service", "'%s' is a service of several classes, expected %s--class %s",
		     name, tag ? "--tag, or " : "", diag_join(r->ps.d, words));
}

/* The code of a name on the class. */
static bool service_of_class(struct reading *r, const char *name)
{
	const struct ks_cip_row *rows;
	unsigned int n;

	rows = ks_cip_rows(&n);
	for (unsigned int i = 0; i < n; i++) {
		if (strcmp(rows[i].name, name) || rows[i].class != r->class)
			continue;
		r->q->service = rows[i].service;
		return true;
	}
	return word_wrong(r, "service", "'%s' is no service of the class given, expected one of it or its code",
		     name);
}

static bool find_class(struct reading *r)
{
	const struct ks_cip_row *rows;
	unsigned int n;

	rows = ks_cip_rows(&n);
	r->q->service = r->service.code;
	if (given(r, WORD_TAG)) {
		if (given(r, WORD_CLASS) || given(r, WORD_INSTANCE))
			return word_wrong(r, "tag", "given beside --%s, expected a tag alone: a symbolic path has no class",
				     given(r, WORD_CLASS) ? "class" : "instance");
		r->class = KS_CLASS_TAG;
	} else if (!given(r, WORD_CLASS)) {
		if (r->service.kind == SV_CODE)
			return word_wrong(r, "service", "'%s' without its class, expected --class, or --tag",
				     r->in->word[WORD_SERVICE]);
		if (!class_of_name(r, rows[r->service.code].name))
			return false;
	}
	return r->service.kind == SV_CODE || service_of_class(r, rows[r->service.code].name);
}

/* Requests that are judged as something else than themselves. */
static bool judged_as_itself(struct reading *r)
{
	const char *text = r->in->word[WORD_SERVICE];
	uint32_t service = r->q->service;

	if (r->class == KS_CLASS_IO)
		return word_wrong(r, "service", "'%s' is implicit I/O, expected --io", text);
	if (r->class == KS_CLASS_TAG && !given(r, WORD_TAG))
		return word_wrong(r, "service", "'%s' of a tag, expected --tag", text);
	if (r->class == PCCC_CLASS && service == PCCC_EXECUTE)
		return word_wrong(r, "service", "'%s' is judged as the command in it, expected --pccc",
			     text);
	if ((r->class == KS_CLASS_ENCAP && (service == 0x6f || service == 0x70)) ||
	    (r->class == 0x06 && service == 0x52) || (r->class == 0x02 && service == 0x0a))
		return word_wrong(r, "service", "'%s' is judged as what it carries, expected that", text);
	return true;
}

/* Class 0x44: which Modbus request the service stands for. */
static bool inner_modbus(struct reading *r)
{
	static const uint8_t codes[] = { 2, 1, 4, 3, 15, 16 };
	struct policy_request *q = r->q;
	bool passes = q->service == CIP_MODBUS_PASS;
	bool inner = r->class == CIP_MODBUS && q->service >= CIP_MODBUS_READ &&
		     q->service <= CIP_MODBUS_PASS;

	if (given(r, WORD_FUNCTION) != (inner && passes))
		return word_wrong(r, "service", inner && passes ? "the request in it is not known, expected --function" :
			     "only 'modbus_passthrough' holds a function, expected no --function");
	if (!inner && given(r, WORD_ADDRESS))
		return word_wrong(r, "address", "only services of class 'modbus' have one, expected none");
	if (!inner)
		return true;
	q->function = passes ? r->function.code : codes[q->service - CIP_MODBUS_READ];
	if (function_elements(q->function) == ELEMENT_ADDRESS)
		return function_span(r, WORD_ADDRESS, &r->address, function_table(q->function),
				     &q->own);
	return true;
}

bool cip_request(struct reading *r)
{
	struct policy_request *q = r->q;

	q->proto = KS_ENIP;
	if (!find_class(r) || !judged_as_itself(r))
		return false;
	q->key_class = r->class;
	if (r->class == KS_CLASS_ENCAP &&
	    (given(r, WORD_INSTANCE) || given(r, WORD_ATTRIBUTE) || given(r, WORD_ROUTE)))
		return word_wrong(r, "service", "'%s' is a command, expected neither --instance, --attribute nor --route",
			     r->in->word[WORD_SERVICE]);
	return inner_modbus(r);
}

/* The commands whose elements are known. */
static bool pccc_has_file(uint32_t code, bool *typed)
{
	switch (code) {
	case 0xfa1: case 0xfa2: case 0xfa9: case 0xfaa: case 0xfab:
		*typed = true;
		return true;
	case 0xf00: case 0xf01: case 0xf67: case 0xf68:
		*typed = false;
		return true;
	}
	return false;
}

bool pccc_request(struct reading *r)
{
	struct policy_request *q = r->q;
	uint32_t code = r->pccc.code;
	bool typed;

	q->proto = KS_ENIP;
	q->service = code & 127;
	q->key_class = KS_CLASS_PCCC | code >> 8 << 1 | (code >> 7 & 1);
	q->has_file = given(r, WORD_FILE);
	if (!q->has_file)
		return true;
	if (!pccc_has_file(code, &typed))
		return word_wrong(r, "file", "elements of '%s' are not known, expected none",
			     r->in->word[WORD_PCCC]);
	q->type = typed ? r->file.type : 0;
	q->file = r->file.file;
	q->own = (struct elements){ r->file.span.lo, r->file.span.hi };
	return true;
}
