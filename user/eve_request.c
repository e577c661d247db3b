// SPDX-License-Identifier: GPL-2.0-only
/*
 * Requests in the words of Suricata's EVE records for Modbus and EtherNet/IP, see eve.h.
 * What Suricata has no word for is not here: `keyswitch.request` has every field.
 */
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "../bpf/reasons.h"
#include "eve.h"
#include "names.h"

#define EIP_COMMAND	0	/* little-endian */
#define MBAP_PROTOCOL	2
#define MODBUS_DATA	10	/* behind function and address */

static void set(json_t *object, const char *key, uint32_t value)
{
	json_object_set_new(object, key, json_integer(value));
}

static uint32_t head16(const struct ks_event *e, size_t at)
{
	return (uint32_t)(e->head[at] << 8 | e->head[at + 1]);
}

static bool head_has(const struct ks_event *e, size_t end)
{
	return e->head_len <= KS_HEAD_MAX && end <= e->head_len;
}

/* FunctionCode of sawp, the parser that Suricata has for Modbus. */
static const char *function_code(uint32_t function)
{
	static const char *const names[] = {
		[1] = "RdCoils", [2] = "RdDiscreteInputs", [3] = "RdHoldRegs", [4] = "RdInputRegs",
		[5] = "WrSingleCoil", [6] = "WrSingleReg", [7] = "RdExcStatus", [8] = "Diagnostic",
		[9] = "Program484", [10] = "Poll484", [11] = "GetCommEventCtr",
		[12] = "GetCommEventLog", [13] = "ProgramController", [14] = "PollController",
		[15] = "WrMultCoils", [16] = "WrMultRegs", [17] = "ReportServerID",
		[18] = "Program884", [19] = "ResetCommLink", [20] = "RdFileRec", [21] = "WrFileRec",
		[22] = "MaskWrReg", [23] = "RdWrMultRegs", [24] = "RdFIFOQueue", [43] = "MEI",
	};

	return function < sizeof(names) / sizeof(names[0]) && names[function] ? names[function] :
										"Unknown";
}

static const char *access_type(uint32_t function)
{
	static const char *const types[] = {
		[1] = "READ | COILS", [2] = "READ | DISCRETES", [3] = "READ | HOLDING",
		[4] = "READ | INPUT", [5] = "WRITE | COILS | SINGLE",
		[6] = "WRITE | HOLDING | SINGLE", [15] = "WRITE | COILS | MULTIPLE",
		[16] = "WRITE | HOLDING | MULTIPLE", [22] = "WRITE | HOLDING",
		[23] = "READ | WRITE | HOLDING | MULTIPLE",
	};

	return function < sizeof(types) / sizeof(types[0]) && types[function] ? types[function] :
										"NONE";
}

static const char *code_category(uint32_t function)
{
	if (strcmp(function_code(function), "Unknown"))
		return "PUBLIC_ASSIGNED";
	if ((function >= 65 && function < 73) || (function >= 100 && function < 111))
		return "USER_DEFINED";
	if ((function >= 41 && function < 43) || function == 90 || function == 91 ||
	    (function >= 125 && function < 128))
		return "RESERVED";
	return function && function < 128 ? "PUBLIC_UNASSIGNED" : "NONE";
}

static bool reads(uint32_t function)
{
	return (function >= 1 && function <= 4) || function == 23;
}

static bool writes(uint32_t function)
{
	return function == 5 || function == 6 || function == 15 || function == 16 ||
	       function == 22 || function == 23;
}

static json_t *span(uint32_t address, uint32_t quantity)
{
	return json_pack("{s:I, s:I}", "address", (json_int_t)address, "quantity",
			 (json_int_t)quantity);
}

static void set_write(json_t *request, const struct ks_event *e)
{
	const struct ks_leaf *leaf = &e->leaf;
	bool both = leaf->has & KS_HAS_WRITE_SPAN;
	json_t *write = span(both ? leaf->waddress : leaf->address,
			     both ? leaf->wquantity : leaf->quantity);

	if (leaf->function == 5 || leaf->function == 6 || leaf->function == 22)
		json_object_del(write, "quantity");
	if ((leaf->function == 5 || leaf->function == 6) && head_has(e, MODBUS_DATA + 2))
		set(write, "data", head16(e, MODBUS_DATA));
	if (leaf->function == 22 && head_has(e, MODBUS_DATA + 4)) {
		set(write, "and_mask", head16(e, MODBUS_DATA));
		set(write, "or_mask", head16(e, MODBUS_DATA + 2));
	}
	json_object_set_new(request, "write", write);
}

static void set_function(json_t *request, const struct ks_event *e)
{
	const struct ks_leaf *leaf = &e->leaf;

	set(request, "function_raw", leaf->function);
	json_object_set_new(request, "function_code", json_string(function_code(leaf->function)));
	json_object_set_new(request, "access_type", json_string(access_type(leaf->function)));
	json_object_set_new(request, "category", json_string(code_category(leaf->function)));
	json_object_set_new(request, "error_flags", json_string(
		e->reason == KS_R_length_mismatch ? "DATA_LENGTH" :
		e->reason == KS_R_malformed ? "DATA_VALUE" : "NONE"));
	if (leaf->has & KS_HAS_SUB && (leaf->function == 8 || leaf->function == 43))
		json_object_set_new(request, leaf->function == 8 ? "diagnostic" : "mei",
				    json_pack("{s:i}", "raw", (int)leaf->sub));
	if (!(leaf->has & KS_HAS_ADDRESS))
		return;
	if (reads(leaf->function))
		json_object_set_new(request, "read", span(leaf->address, leaf->quantity));
	if (writes(leaf->function))
		set_write(request, e);
}

static json_t *modbus_request(const struct ks_event *e)
{
	json_t *request = json_object();

	set(request, "transaction_id", e->leaf.transaction);
	if (head_has(e, MBAP_PROTOCOL + 2))
		set(request, "protocol_id", head16(e, MBAP_PROTOCOL));
	if (e->leaf.has & KS_HAS_UNIT)
		set(request, "unit_id", e->leaf.unit);
	if (e->leaf.has & KS_HAS_FUNCTION)
		set_function(request, e);
	return request;
}

static void add_segment(json_t *path, const struct ks_leaf *leaf, uint32_t flag, const char *type,
			uint32_t value)
{
	if (leaf->has & flag)
		json_array_append_new(path, json_pack("{s:s, s:I}", "segment_type", type, "value",
						      (json_int_t)value));
}

static json_t *cip_request(const struct ks_leaf *leaf)
{
	json_t *path = json_array(), *cip = json_object();
	const char *name = name_service(leaf->service, leaf->key_class);
	char number[16];

	snprintf(number, sizeof(number), "unknown-%u", leaf->service);
	json_object_set_new(cip, "service", json_string(name ? name : number));
	add_segment(path, leaf, KS_HAS_CLASS, "class", leaf->class);
	add_segment(path, leaf, KS_HAS_INSTANCE, "instance", leaf->instance);
	add_segment(path, leaf, KS_HAS_ATTRIBUTE, "attribute", leaf->attribute);
	if (json_array_size(path))
		json_object_set(cip, "path", path);
	json_decref(path);
	name = leaf->has & KS_HAS_CLASS ? name_class(leaf->class) : NULL;
	if (name)
		json_object_set_new(cip, "class_name", json_string(name));
	return cip;
}

/* The command of the encapsulation stands in its header only; implicit I/O has none. */
static void set_command(json_t *request, const struct ks_event *e)
{
	uint32_t command = e->leaf.function;
	const char *name;
	char number[16];

	if (e->leaf.proto != KS_ENIP || e->leaf.key_class == KS_CLASS_IO)
		return;
	if (!(e->leaf.has & KS_HAS_FUNCTION)) {
		if (!head_has(e, EIP_COMMAND + 2))
			return;
		command = (uint32_t)(e->head[EIP_COMMAND] | e->head[EIP_COMMAND + 1] << 8);
	}
	name = name_command(command);
	snprintf(number, sizeof(number), "unknown-%u", command & 0xffff);
	json_object_set_new(request, "command", json_string(name ? name : number));
}

void eve_set_request(json_t *event, const struct ks_event *e)
{
	json_t *request;

	if (e->leaf.proto == KS_MODBUS) {
		request = modbus_request(e);
	} else {
		request = json_object();
		set_command(request, e);
		if (e->leaf.has & KS_HAS_SERVICE && e->leaf.key_class != KS_CLASS_IO)
			json_object_set_new(request, "cip", cip_request(&e->leaf));
	}
	json_object_set_new(event, name_proto(e->leaf.proto), json_pack("{s:o}", "request", request));
}
