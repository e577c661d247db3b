// SPDX-License-Identifier: GPL-2.0-only
/*
 * Judged requests as JSON and text, see leaf.h.
 * Must not judge anything.
 */
#include <stdbool.h>
#include <string.h>

#include "../bpf/groups.h"
#include "../bpf/pccc.h"
#include "leaf.h"
#include "names.h"

static void set(json_t *object, const char *key, uint32_t value)
{
	json_object_set_new(object, key, json_integer(value));
}

/* Bytes of the wire: printable ASCII as it is, the rest as \xNN, so that it is UTF-8. */
static void set_tag(json_t *object, const struct ks_leaf *leaf)
{
	size_t len = leaf->tag_len < KS_TAG_MAX ? leaf->tag_len : KS_TAG_MAX;
	char text[KS_TAG_MAX * 4 + 1];
	char *out = text;

	for (size_t i = 0; i < len; i++) {
		unsigned char c = leaf->tag[i];

		if (c >= 0x20 && c < 0x7f)
			*out++ = (char)c;
		else
			out += sprintf(out, "\\x%02x", c);
	}
	*out = '\0';
	json_object_set_new(object, "tag", json_string(text));
	if (leaf->has & KS_HAS_TAG_LONG)
		json_object_set_new(object, "tag_cut", json_true());
}

static void span_fields(json_t *object, const struct ks_leaf *leaf)
{
	if (leaf->has & KS_HAS_ADDRESS) {
		set(object, "address", leaf->address);
		set(object, "quantity", leaf->quantity);
	}
	if (leaf->has & KS_HAS_WRITE_SPAN) {
		set(object, "write_address", leaf->waddress);
		set(object, "write_quantity", leaf->wquantity);
	}
}

/* The element that was refused for what would be written there. */
static void value_fields(json_t *object, const struct ks_leaf *leaf)
{
	json_t *value = NULL;
	float real;

	switch (leaf->value_type) {
	case KS_VT_NONE:
		return;
	case KS_VT_INT16:
		value = json_integer((int16_t)leaf->value);
		break;
	case KS_VT_INT32:
		value = json_integer((int32_t)leaf->value);
		break;
	case KS_VT_FLOAT32:
		memcpy(&real, &leaf->value, sizeof(real));
		value = json_real((double)real); /* NULL of what is no number */
		break;
	default:
		value = json_integer(leaf->value);
	}
	set(object, "value_address", leaf->value_at);
	json_object_set_new(object, "value", value ? value : json_null());
	json_object_set_new(object, "value_type", json_string(name_value_type(leaf->value_type)));
}

/* The sub-function of UMAS comes with the session key that was shown. */
static void sub_fields(json_t *object, const struct ks_leaf *leaf)
{
	if (!(leaf->has & KS_HAS_SUB))
		return;
	set(object, "subfunction", leaf->sub);
	if (leaf->function == KS_FC_UMAS)
		set(object, "umas_key", leaf->umas_key);
}

static void pccc_fields(json_t *object, const struct ks_leaf *leaf)
{
	if (!(leaf->has & KS_HAS_PCCC))
		return;
	set(object, "pccc_transaction", leaf->transaction);
	set(object, "pccc_command", leaf->sub >> 8);
	if (pccc_has_function(leaf->sub >> 8))
		set(object, "pccc_function", leaf->sub & 0xff);
	if (!(leaf->has & KS_HAS_FILE))
		return;
	set(object, "file", leaf->file);
	if (pccc_says_type(leaf))
		set(object, "file_type", leaf->file_type);
	set(object, "element", leaf->address);
	set(object, "sub_element", leaf->sub_element);
	set(object, "elements", leaf->quantity);
}

/* What rules can name it by; a longer one is cut, which no rule matches. */
static void set_route(json_t *object, const struct ks_leaf *leaf)
{
	bool cut = leaf->route.len > KS_ROUTE_MAX;

	json_object_set_new(object, "route",
			    json_stringn((const char *)leaf->route.text,
					 cut ? KS_ROUTE_MAX : leaf->route.len));
	if (cut)
		json_object_set_new(object, "route_cut", json_true());
}

static void enip_fields(json_t *object, const struct ks_leaf *leaf)
{
	static const char *const io[] = {
		[KS_IO_RUN] = "run", [KS_IO_IDLE] = "idle", [KS_IO_STATIC] = "static",
	};

	if (leaf->key_class == KS_CLASS_IO && leaf->service <= KS_IO_STATIC)
		json_object_set_new(object, "io", json_string(io[leaf->service]));
	if (leaf->has & KS_HAS_FUNCTION)
		set(object, "command", leaf->function);
	if (leaf->has & KS_HAS_SERVICE && leaf->key_class != KS_CLASS_IO)
		set(object, "service", leaf->service);
	if (leaf->has & KS_HAS_CLASS)
		set(object, "class", leaf->class);
	if (leaf->has & KS_HAS_INSTANCE)
		set(object, "instance", leaf->instance);
	if (leaf->has & KS_HAS_ATTRIBUTE)
		set(object, "attribute", leaf->attribute);
	if (leaf->has & KS_HAS_TAG)
		set_tag(object, leaf);
	if (leaf->key_class == KS_CLASS_TAG && leaf->quantity)
		set(object, "elements", leaf->quantity);
	if (leaf->has & KS_HAS_ROUTE)
		set_route(object, leaf);
	if (leaf->has & KS_HAS_MODBUS)
		set(object, "modbus_function", leaf->sub);
	span_fields(object, leaf);
	value_fields(object, leaf);
	pccc_fields(object, leaf);
}

void leaf_fields(json_t *object, const struct ks_leaf *leaf)
{
	if (leaf->proto != KS_MODBUS) {
		enip_fields(object, leaf);
		return;
	}
	if (leaf->has & KS_HAS_UNIT)
		set(object, "unit", leaf->unit);
	if (leaf->has & KS_HAS_FUNCTION)
		set(object, "function", leaf->function);
	sub_fields(object, leaf);
	span_fields(object, leaf);
	value_fields(object, leaf);
}

/* false if the key is absent */
static bool get(const json_t *fields, const char *key, uint32_t *value)
{
	const json_t *v = json_object_get(fields, key);

	*value = (uint32_t)json_integer_value(v);
	return v != NULL;
}

static void phrase_number(FILE *out, const json_t *fields, const char *key, const char *word)
{
	uint32_t v;

	if (get(fields, key, &v))
		fprintf(out, " %s %u", word, v);
}

static void phrase_function(FILE *out, const json_t *fields)
{
	uint32_t function, sub = KS_ANY, value;
	const char *name;

	if (get(fields, "subfunction", &value))
		sub = value;
	if (!get(fields, "function", &function))
		return;
	name = name_modbus(function, sub);
	if (name)
		fprintf(out, " %s", name);
	else
		fprintf(out, " function %u", function);
	if (sub != KS_ANY && name == name_modbus(function, KS_ANY))
		fprintf(out, " subfunction 0x%02x", sub);
}

static void phrase_pccc(FILE *out, const json_t *fields)
{
	uint32_t command, function = 0, file, type, element, elements;
	const char *name;

	if (!get(fields, "pccc_command", &command))
		return;
	get(fields, "pccc_function", &function);
	name = name_pccc(command << 8 | function);
	if (name)
		fprintf(out, " %s", name);
	else
		fprintf(out, " pccc 0x%02x/0x%02x", command, function);
	if (!get(fields, "file", &file))
		return;
	name = get(fields, "file_type", &type) ? name_file_type(type) : "";
	if (name)
		fprintf(out, " file %s%u", name, file);
	else
		fprintf(out, " file %u of type 0x%02x", file, type);
	if (get(fields, "element", &element) && get(fields, "elements", &elements)) {
		fprintf(out, ":%u", element);
		if (elements > 1)
			fprintf(out, "-%u", element + elements - 1);
	}
}

static void phrase_service(FILE *out, const json_t *fields)
{
	uint32_t service, class = KS_ANY, value;
	const char *name = NULL;

	if (json_object_get(fields, "tag"))
		class = KS_CLASS_TAG;
	else if (get(fields, "class", &value))
		class = value;
	if (get(fields, "service", &service)) {
		name = name_service(service, class);
		if (!name)
			fprintf(out, " service 0x%02x", service);
	} else if (get(fields, "command", &value)) {
		name = name_command(value);
		if (!name)
			fprintf(out, " command 0x%04x", value);
	}
	if (name)
		fprintf(out, " %s", name);
}

static void phrase_value(FILE *out, const json_t *fields)
{
	const json_t *value = json_object_get(fields, "value");

	if (json_is_integer(value))
		fprintf(out, ", writes %lld", (long long)json_integer_value(value));
	else if (json_is_real(value))
		fprintf(out, ", writes %.9g", json_real_value(value));
	else if (value)
		fputs(", writes what is no number", out);
	phrase_number(out, fields, "value_address", "at");
}

void leaf_phrase(FILE *out, const json_t *fields)
{
	const char *tag = json_string_value(json_object_get(fields, "tag"));
	const char *route = json_string_value(json_object_get(fields, "route"));
	const char *io = json_string_value(json_object_get(fields, "io"));
	uint32_t class, elements;

	phrase_number(out, fields, "unit", "unit");
	phrase_function(out, fields);
	phrase_service(out, fields);
	if (io)
		fprintf(out, " implicit I/O, %s", io);
	if (get(fields, "class", &class))
		fprintf(out, " class 0x%02x", class);
	phrase_number(out, fields, "instance", "instance");
	phrase_number(out, fields, "attribute", "attribute");
	if (tag)
		fprintf(out, " tag %s", tag);
	if (tag && get(fields, "elements", &elements) && elements > 1)
		fprintf(out, " %u elements", elements);
	if (route)
		fprintf(out, " route %s", route);
	phrase_pccc(out, fields);
	phrase_number(out, fields, "modbus_function", "modbus function");
	phrase_number(out, fields, "address", "address");
	phrase_number(out, fields, "quantity", "quantity");
	phrase_number(out, fields, "write_address", "write address");
	phrase_number(out, fields, "write_quantity", "quantity");
	phrase_value(out, fields);
}
