/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * libFuzzer entry for bpf/pccc.h and bpf/cip_modbus.h: byte 0 is a service of class
 * 0x44, or 0x80 and above for Execute_PCCC; the rest is the request's data. Besides
 * reads beyond the input it looks at what passes: a request of known layout must hold
 * exactly the bytes that it announces, and its span every element that these reach.
 */
#include "fuzz.h"

#include "../../bpf/cip_modbus.h"
#include "../../bpf/pccc.h"

/* A number of one byte, or of two behind 0xff. */
static uint32_t number(const uint8_t **at)
{
	uint32_t n = *(*at)++;

	if (n != 0xff)
		return n;
	n = (*at)[0] | (*at)[1] << 8;
	*at += 2;
	return n;
}

/* Longest element of a type that any controller has, in bytes. */
static uint32_t longest(uint32_t type)
{
	return type == 0x8d ? 84 : type >= 0x86 && type <= 0x88 ? 6 :
	       type == 0x8a || type == 0x91 ? 4 : 2;
}

/* Typed logical commands that passed: size, file, type, element, sub-element, values. */
static void check_logical(const uint8_t *data, size_t size, const struct ks_leaf *leaf)
{
	const uint8_t *at = data + 12;
	uint32_t fnc = data[11], bytes = *at++, sub = 0, values, last;

	MUST(leaf->file == number(&at));
	MUST(leaf->file_type == *at++);
	MUST(leaf->address == number(&at));
	if (fnc == 0xa2 || fnc >= 0xaa)
		sub = number(&at);
	values = fnc < 0xa9 ? 0 : fnc == 0xab ? bytes + 2 : bytes;
	MUST((size_t)(data + size - at) == values);
	last = 2 * sub + (bytes ? bytes - 1 : 0);
	MUST(leaf->sub_element == sub && leaf->quantity == 1 + last / longest(leaf->file_type));
}

/* Word range and typed commands: offset, total, levels, then size or values. */
static void check_range(const uint8_t *data, size_t size, const struct ks_leaf *leaf)
{
	uint32_t offset = data[12] | data[13] << 8, total = data[14] | data[15] << 8, sub = 0, n;
	const uint8_t *at = data + 17;
	size_t left;

	MUST((data[16] & 6) == 6 && !(data[16] & 0xf0));
	if (data[16] & 1)
		MUST(number(&at) == 0);
	MUST(leaf->file == number(&at) && leaf->address == number(&at));
	if (data[16] & 8)
		sub = number(&at);
	left = data + size - at;
	switch (data[11]) {
	case 0x00:
		MUST(left > 0);
		n = (left + 1) / 2;
		break;
	case 0x01:
		MUST(left == 1);
		n = (*at + 1) / 2;
		break;
	case 0x67:
		MUST(left > 0);
		n = left;
		break;
	default:
		MUST(data[11] == 0x68 && left == 2);
		n = at[0] | at[1] << 8;
	}
	MUST(leaf->quantity > 0 && leaf->quantity >= sub + total);
	MUST(leaf->quantity >= sub + offset + n && leaf->sub_element == sub);
}

static void check_pccc(const uint8_t *data, size_t size)
{
	struct view v = { .base = data, .len = size };
	struct ks_leaf leaf;
	int reason;

	memset(&leaf, 0, sizeof(leaf));
	reason = pccc_dissect(&v, 0, size, &leaf);
	MUST(!reason || reason == KS_R_pccc_malformed || reason == KS_R_length_mismatch ||
	     reason == KS_R_nesting);
	if (reason)
		return;
	MUST(size >= 11 && data[0] == 7 && data[7] < 16 && leaf.has & KS_HAS_PCCC);
	MUST(leaf.sub >> 8 == data[7] && leaf.transaction == (data[9] | data[10] << 8));
	if (data[7] == 6 || data[7] == 7 || data[7] == 15)
		MUST(size >= 12 && (leaf.sub & 0xff) == data[11]);
	else
		MUST(!(leaf.sub & 0xff));
	MUST(leaf.key_class == (KS_CLASS_PCCC | leaf.sub >> 8 << 1 | (leaf.sub >> 7 & 1)));
	MUST(leaf.sub != 0x0f88);
	if (!(leaf.has & KS_HAS_FILE))
		return;
	if (pccc_says_type(&leaf))
		check_logical(data, size, &leaf);
	else
		check_range(data, size, &leaf);
}

/* Address, quantity and values of what passes as the Modbus request `sub`. */
static void check_modbus(uint8_t service, const uint8_t *data, size_t size)
{
	struct view v = { .base = data, .len = size };
	struct ks_leaf leaf;
	uint32_t bytes;

	memset(&leaf, 0, sizeof(leaf));
	leaf.service = service;
	if (cip_modbus_dissect(&v, 0, size, &leaf))
		return;
	if (service < 0x4b || service > 0x51) {
		MUST(!(leaf.has & KS_HAS_MODBUS));
		return;
	}
	MUST(leaf.has & KS_HAS_MODBUS && leaf.has & KS_HAS_ADDRESS);
	bytes = leaf.sub == 16 ? 2 * leaf.quantity : leaf.sub == 15 ? (leaf.quantity + 7) / 8 : 0;
	if (service != 0x51) {
		MUST(size == 4 + bytes && leaf.address == (uint32_t)(data[0] | data[1] << 8));
		return;
	}
	MUST(leaf.sub == data[0] && leaf.address == 256u * data[1] + data[2]);
	MUST(size == (leaf.sub == 22 ? 7 : leaf.sub >= 15 ? 6 + bytes : 5));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	if (data[0] < 0x80)
		check_modbus(data[0], data + 1, size - 1);
	else
		check_pccc(data + 1, size - 1);
	return 0;
}
