// SPDX-License-Identifier: GPL-2.0-only
/*
 * Words for numbers, all taken from the lists of bpf/, see names.h.
 * Must not hold a list of its own that bpf/ also has.
 */
#include <stdio.h>
#include <string.h>

#include "../bpf/groups.h"
#include "../bpf/reasons.h"
#include "../bpf/shared.h"
#include "names.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *pick(const char *const *names, size_t n, uint32_t i)
{
	return i < n && names[i] ? names[i] : "?";
}

const char *name_reason(uint32_t reason)
{
#define KS_ROW(sym, effect, kind, text) #sym,
	static const char *const names[] = { KS_REASON_LIST(KS_ROW) };
#undef KS_ROW

	return pick(names, COUNT(names), reason);
}

const char *name_reason_text(uint32_t reason)
{
#define KS_ROW(sym, effect, kind, text) text,
	static const char *const texts[] = { KS_REASON_LIST(KS_ROW) };
#undef KS_ROW

	return pick(texts, COUNT(texts), reason);
}

uint32_t reason_effect(uint32_t reason)
{
	enum { PASS = KS_A_PASS, DROP = KS_A_DROP, TX = KS_A_TX };
#define KS_ROW(sym, effect, kind, text) effect,
	static const unsigned char effects[] = { KS_REASON_LIST(KS_ROW) };
#undef KS_ROW

	return reason < COUNT(effects) ? effects[reason] : KS_A_DROP;
}

int reason_passes(uint32_t reason)
{
	return reason_effect(reason) == KS_A_PASS;
}

const char *name_verdict(uint32_t verdict)
{
	static const char *const names[] = {
		[KS_V_ALLOW] = "allow", [KS_V_DENY] = "deny", [KS_V_WOULD_DENY] = "would_deny",
	};

	return pick(names, COUNT(names), verdict);
}

const char *name_action(uint32_t action)
{
	static const char *const names[] = {
		[KS_A_PASS] = "pass", [KS_A_DROP] = "drop", [KS_A_TRIM] = "trim",
		[KS_A_TX] = "tx", [KS_A_KILL] = "kill", [KS_A_JOIN] = "join",
	};

	return pick(names, COUNT(names), action);
}

const char *name_proto(uint32_t proto)
{
	static const char *const names[] = {
		[KS_PROTO_NONE] = "none", [KS_MODBUS] = "modbus", [KS_ENIP] = "enip",
		/* cyclic data of EtherNet/IP, told apart by its function */
		[KS_IO] = "enip",
	};

	return pick(names, COUNT(names), proto);
}

const char *name_mode(uint32_t mode)
{
	static const char *const names[] = {
		[KS_ENFORCE] = "enforce", [KS_MONITOR] = "monitor",
	};

	return pick(names, COUNT(names), mode);
}

const char *name_role(uint32_t role)
{
	static const char *const names[] = {
		[KS_CLIENT] = "client", [KS_SERVER] = "protected",
	};

	return pick(names, COUNT(names), role);
}

const char *name_event_kind(uint32_t kind)
{
	static const char *const names[] = {
		[KS_EV_DENY] = "deny", [KS_EV_STREAM] = "stream", [KS_EV_PACKET] = "packet",
		[KS_EV_FLOW] = "flow", [KS_EV_ALERT] = "alert", [KS_EV_ALLOW] = "allow",
	};

	return pick(names, COUNT(names), kind);
}

const char *name_value_type(uint32_t type)
{
	static const char *const names[] = {
		[KS_VT_UINT16] = "uint16", [KS_VT_INT16] = "int16", [KS_VT_UINT32] = "uint32",
		[KS_VT_INT32] = "int32", [KS_VT_FLOAT32] = "float32",
	};

	return pick(names, COUNT(names), type);
}

const char *name_modbus_exact(uint32_t function, uint32_t sub)
{
	const struct ks_modbus_row *rows;
	unsigned int n;

	rows = ks_modbus_rows(&n);
	for (unsigned int i = 0; i < n; i++)
		if (rows[i].code == function && rows[i].sub == sub)
			return rows[i].name;
	return NULL;
}

const char *name_modbus(uint32_t function, uint32_t sub)
{
	const char *name = name_modbus_exact(function, sub);

	return name || sub == KS_ANY ? name : name_modbus_exact(function, KS_ANY);
}

const char *name_service(uint32_t service, uint32_t class)
{
	const struct ks_cip_row *rows;
	unsigned int n;

	rows = ks_cip_rows(&n);
	for (unsigned int i = 0; i < n; i++)
		if (rows[i].service == service && rows[i].class == class)
			return rows[i].name;
	return class == KS_ANY ? NULL : name_service(service, KS_ANY);
}

const char *name_command(uint32_t command)
{
	const struct ks_cip_row *rows;
	unsigned int n;

	rows = ks_cip_rows(&n);
	for (unsigned int i = 0; i < n; i++)
		if (rows[i].class == KS_CLASS_ENCAP && rows[i].service == command &&
		    command < 0x7f)
			return rows[i].name;
	return NULL;
}

const char *name_class(uint32_t class)
{
	const struct ks_class_row *rows;
	unsigned int n;

	rows = ks_class_rows(&n);
	for (unsigned int i = 0; i < n; i++)
		if (rows[i].class == class)
			return rows[i].name;
	return NULL;
}

const char *name_pccc(uint32_t code)
{
	const struct ks_pccc_row *rows;
	unsigned int n;

	rows = ks_pccc_rows(&n);
	for (unsigned int i = 0; i < n; i++)
		if (rows[i].code == code)
			return rows[i].name;
	return NULL;
}

const char *name_file_type(uint32_t type)
{
	const struct ks_pccc_type *types;
	unsigned int n;

	types = ks_pccc_types(&n);
	for (unsigned int i = 0; i < n; i++)
		if (types[i].code == type)
			return types[i].name;
	return NULL;
}

static void pccc_label(char *buf, uint32_t code)
{
	const char *name = name_pccc(code);

	if (name)
		snprintf(buf, FUNCTION_NAME_MAX, "%s/pccc", name);
	else
		snprintf(buf, FUNCTION_NAME_MAX, "pccc_0x%02x_0x%02x/pccc", code >> 8 & 0xff,
			 code & 0xff);
}

static void service_label(char *buf, uint32_t service, uint32_t class)
{
	const char *name = name_service(service, class);
	char number[32];
	int n;

	n = name ? snprintf(buf, FUNCTION_NAME_MAX, "%s/", name) :
		   snprintf(buf, FUNCTION_NAME_MAX, "service_0x%02x/", service);
	name = name_class(class);
	if (!name) {
		snprintf(number, sizeof(number), "class_0x%02x", class);
		/* classes that neither policy nor tables name are counted together */
		name = class ? number : "other_class";
	}
	snprintf(buf + n, FUNCTION_NAME_MAX - (size_t)n, "%s", name);
}

const char *name_function(char buf[FUNCTION_NAME_MAX], uint32_t proto, uint32_t class,
			  uint32_t function)
{
	const char *name;

	if (proto == KS_MODBUS) {
		name = name_modbus(function, KS_ANY);
		if (name)
			snprintf(buf, FUNCTION_NAME_MAX, "%s", name);
		else
			snprintf(buf, FUNCTION_NAME_MAX, "fc_%u", function);
	} else if (proto == KS_IO || class == KS_CLASS_IO) {
		name = name_service(function, KS_CLASS_IO);
		snprintf(buf, FUNCTION_NAME_MAX, "%s", name ? name : "implicit_io");
	} else if (class == KS_CLASS_ENCAP) {
		name = name_command(function);
		if (name)
			snprintf(buf, FUNCTION_NAME_MAX, "%s", name);
		else
			snprintf(buf, FUNCTION_NAME_MAX, "command_0x%04x", function);
	} else if (ks_is_pccc(class)) {
		pccc_label(buf, function);
	} else {
		service_label(buf, function, class);
	}
	return buf;
}

const char *name_attach(uint32_t wire, uint32_t sight)
{
	static const char *const names[] = {
		[KS_SIGHT_BOTH] = "inline", [KS_SIGHT_CLIENT] = "client-only",
		[KS_SIGHT_TAP] = "tap",
	};

	return wire && sight == KS_SIGHT_BOTH ? "wire" : pick(names, COUNT(names), sight);
}
