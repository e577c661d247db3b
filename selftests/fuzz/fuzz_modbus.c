/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * libFuzzer entry for bpf/modbus.h: byte 0 is the function code that the asset
 * lists as opaque (0 = none, 128 and above = all), 90 that it speaks UMAS; the rest
 * is a TCP stream of ADUs.
 * Besides reads beyond the input it looks for I4: what passes must be as long as
 * its function code says, by the table below, which is written from the
 * specification, and what the leaf says must stand in the bytes.
 */
#include "fuzz.h"

#include "../../bpf/modbus.h"

/* Request bytes of the PDU, function code included; 0 = by the functions below. */
static const uint8_t fixed[128] = {
	[1] = 5, [2] = 5, [3] = 5, [4] = 5, [5] = 5, [6] = 5, [7] = 1, [8] = 5,
	[11] = 1, [12] = 1, [17] = 1, [22] = 7, [24] = 3,
};

static uint32_t word(const uint8_t *p)
{
	return 256u * p[0] + p[1];
}

/* FC 15, 16 and 23: quantity and byte count at these places, count bytes behind. */
static int counted(const uint8_t *p, uint32_t n, uint32_t quantity, uint32_t bits)
{
	uint32_t count = quantity + 2;

	return n > count && n - count - 1 == p[count] &&
	       p[count] == (word(p + quantity) * bits + 7) / 8;
}

/* FC 20 and 21: byte count, then references: 6, file, record, length (, records). */
static int references(const uint8_t *p, uint32_t n, int write)
{
	uint32_t at = 2;

	if (n < 9 || p[1] != n - 2)
		return 0;
	while (at < n) {
		if (n - at < 7 || p[at] != 6)
			return 0;
		at += write ? 7 + 2 * word(p + at + 5) : 7;
	}
	return at == n;
}

static int lawful(const uint8_t *p, uint32_t n, int listed)
{
	switch (p[0]) {
	case 5:
		return n == 5 && p[4] == 0 && (p[3] == 0 || p[3] == 255);
	case 15:
		return counted(p, n, 3, 1);
	case 16:
		return counted(p, n, 3, 16);
	case 20: case 21:
		return references(p, n, p[0] == 21);
	case 23:
		return counted(p, n, 7, 16);
	case 90:
		return listed && n > 2 &&
		       (p[2] != 0x38 || (n > 38 && p[36] == 90 && p[38] != 0x38));
	case 43:
		return n > 1 && (p[1] == 14 ? n == 4 : listed);
	}
	if (p[0] > 0 && p[0] < 128 && fixed[p[0]])
		return n == fixed[p[0]];
	return p[0] > 0 && p[0] < 128 && listed;
}

/* The span that policy judges is the one on the wire. */
static void check_leaf(const struct ks_leaf *leaf, const uint8_t *adu, uint32_t n)
{
	static const uint8_t spans[] = { 1, 2, 3, 4, 5, 6, 15, 16, 22, 23, 24 };
	const uint8_t *p = adu + 7;
	int span = memchr(spans, p[0], sizeof(spans)) != NULL;
	int one = p[0] == 5 || p[0] == 6 || p[0] == 22 || p[0] == 24;

	MUST(leaf->function == p[0] && leaf->unit == adu[6] && leaf->transaction == word(adu));
	MUST(leaf->proto == KS_MODBUS && leaf->offset == 0 && leaf->length == n);
	MUST(leaf->tag_len == 0 && leaf->class == 0 && leaf->service == 0);
	MUST(!(leaf->has & KS_HAS_ADDRESS) == !span);
	if (span)
		MUST(leaf->address == word(p + 1) && leaf->quantity == (one ? 1 : word(p + 3)));
	MUST(!(leaf->has & KS_HAS_WRITE_SPAN) == (p[0] != 23));
	if (p[0] == 23)
		MUST(leaf->waddress == word(p + 5) && leaf->wquantity == word(p + 7));
	if (p[0] == 8)
		MUST(leaf->has & KS_HAS_SUB && leaf->sub == word(p + 1));
	if (p[0] == 43)
		MUST(leaf->has & KS_HAS_SUB && leaf->sub == p[1]);
	if (p[0] == 90)
		MUST(leaf->has & KS_HAS_SUB && leaf->sub == (p[2] == 0x38 ? p[38] : p[2]) &&
		     leaf->umas_key == (p[2] == 0x38 ? p[37] : p[1]));
}

static void check_adu(const struct view *v, uint8_t listed)
{
	uint8_t opaque[16] = { 0 };
	struct ks_leaf leaf;
	const uint8_t *pdu = v->base + 7;
	int reason;

	if (listed >= 128)
		memset(opaque, 0xff, sizeof(opaque));
	else
		opaque[listed / 8] = 1 << listed % 8;
	memset(&leaf, 0xee, sizeof(leaf));
	reason = modbus_dissect(v, listed ? opaque : NULL, &leaf);
	MUST(!reason == !!lawful(pdu, v->len - 7, listed >= 128 || (listed && listed == pdu[0])));
	if (reason)
		MUST(reason == KS_R_malformed || reason == KS_R_length_mismatch ||
		     reason == KS_R_function_opaque || (pdu[0] == 90 && reason == KS_R_nesting));
	else
		check_leaf(&leaf, v->base, v->len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view v;
	int umas;

	if (!size)
		return 0;
	umas = data[0] == 90 || data[0] >= 128;
	v = (struct view){ .base = data + 1, .len = size - 1 };
	while (v.len) {
		int n = modbus_frame(&v, umas);
		struct view one = { .base = v.base, .len = n };

		if (n <= 0 || (uint32_t)n > v.len)
			break;
		MUST(n >= 8 && n <= (umas && v.base[7] == 90 ? 2048 : 260));
		check_adu(&one, data[0]);
		v = (struct view){ .base = v.base + n, .len = v.len - n };
	}
	return 0;
}
