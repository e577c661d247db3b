/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Modbus/TCP dissector: where an ADU ends, what it asks for, and whether its
 * length is the one that its function code implies (design: exact lengths, I4).
 * Pure: bytes in, struct ks_leaf out; no map, no helper, no clock, no policy.
 * What function code 90 carries is in umas.h. Reads message bytes only through
 * view_*() with KS_MB_VIEW.
 */
#ifndef KEYSWITCH_MODBUS_H
#define KEYSWITCH_MODBUS_H

#include "cursor.h"
#include "reasons.h"
#include "shared.h"
#include "umas.h"

/* Offsets in an ADU (MBAP header, then the PDU). */
#define MB_PROTOCOL	2
#define MB_LENGTH	4
#define MB_UNIT		6
#define MB_FUNCTION	7
#define MB_DATA		8

#define MB_LENGTH_MIN	2	/* unit id and function code */
#define MB_LENGTH_MAX	254
#define MB_FILE_REF	7	/* bytes of one sub-request of FC 20 and 21, before data */
#define MB_FILE_REFS	36	/* more than fit into 251 bytes */

/* A length that only UMAS may have, and only where the asset speaks it. */
static __always_inline int modbus_frame_long(const struct view *v, __u32 length, int umas)
{
	if (!umas)
		return -KS_R_malformed;
	if (!view_has(v, MB_FUNCTION, 1))
		return 0;
	if (view_u8(v, MB_FUNCTION, KS_MB_VIEW) != KS_FC_UMAS)
		return -KS_R_malformed;
	return MB_UNIT + length > UMAS_MAX ? -KS_R_message_long : (int)(MB_UNIT + length);
}

/*
 * How long is the ADU that starts here: 0 = more header bytes needed, negative =
 * unframeable (protocol id not 0, length outside 2..254; UMAS, where the asset speaks
 * it, is -KS_R_message_long above UMAS_MAX bytes), else all its bytes.
 */
static __always_inline int modbus_frame(const struct view *v, int umas)
{
	__u32 length;

	if (!view_has(v, MB_PROTOCOL, 2))
		return 0;
	if (view_be16(v, MB_PROTOCOL, KS_MB_VIEW) != 0)
		return -KS_R_malformed;
	if (!view_has(v, MB_LENGTH, 2))
		return 0;
	length = view_be16(v, MB_LENGTH, KS_MB_VIEW);
	if (length > MB_LENGTH_MAX)
		return modbus_frame_long(v, length, umas);
	if (length < MB_LENGTH_MIN)
		return -KS_R_malformed;
	return MB_UNIT + length;
}

/* Walk over the sub-requests of FC 20 and 21; kept in one struct for the loop. */
struct mb_files {
	struct view v;
	__u32 pos;
	__u32 end;
	__u32 write;		/* FC 21: each sub-request carries its records */
	__u32 reason;
};

static long modbus_file_step(__u64 i, void *data)
{
	struct mb_files *f = data;
	__u32 size = MB_FILE_REF;

	(void)i;
	if (f->pos == f->end)
		return 1;
	f->reason = KS_R_length_mismatch;
	if (f->end - f->pos < MB_FILE_REF)
		return 1;
	if (f->write)
		size += 2 * view_be16(&f->v, f->pos + 5, KS_MB_VIEW);
	if (size > f->end - f->pos)
		return 1;
	if (view_u8(&f->v, f->pos, KS_MB_VIEW) != 6) {
		f->reason = KS_R_malformed;
		return 1;
	}
	f->pos += size;
	f->reason = 0;
	return 0;
}

/* n: bytes after the function code; their first is the byte count. */
static __always_inline int modbus_files(const struct view *v, __u32 n, __u32 write)
{
	struct mb_files f = { .v = *v, .pos = MB_DATA + 1, .end = MB_DATA + n, .write = write };

	if (n < 1 + MB_FILE_REF || view_u8(v, MB_DATA, KS_MB_VIEW) != n - 1)
		return KS_R_length_mismatch;
	ks_loop(MB_FILE_REFS, modbus_file_step, &f);
	return f.reason;
}

static __always_inline void modbus_span(const struct view *v, __u32 quantity, struct ks_leaf *leaf)
{
	leaf->address = view_be16(v, MB_DATA, KS_MB_VIEW);
	leaf->quantity = quantity;
	leaf->has |= KS_HAS_ADDRESS;
}

/* FC 15 and 16: byte count at 12, values behind it. bits: per element, 1 or 16. */
static __always_inline int modbus_write_many(const struct view *v, __u32 n, __u32 bits,
					     struct ks_leaf *leaf)
{
	__u32 quantity, bytes;

	if (n < 5)
		return KS_R_length_mismatch;
	quantity = view_be16(v, MB_DATA + 2, KS_MB_VIEW);
	bytes = view_u8(v, MB_DATA + 4, KS_MB_VIEW);
	modbus_span(v, quantity, leaf);
	if (n != 5 + bytes || bytes != (quantity * bits + 7) / 8)
		return KS_R_length_mismatch;
	return 0;
}

/* FC 23: read span at 8, write span at 12, byte count at 16. */
static __always_inline int modbus_read_write(const struct view *v, __u32 n, struct ks_leaf *leaf)
{
	__u32 bytes;

	if (n < 9)
		return KS_R_length_mismatch;
	modbus_span(v, view_be16(v, MB_DATA + 2, KS_MB_VIEW), leaf);
	leaf->waddress = view_be16(v, MB_DATA + 4, KS_MB_VIEW);
	leaf->wquantity = view_be16(v, MB_DATA + 6, KS_MB_VIEW);
	leaf->has |= KS_HAS_WRITE_SPAN;
	bytes = view_u8(v, MB_DATA + 8, KS_MB_VIEW);
	if (n != 9 + bytes || bytes != 2 * leaf->wquantity)
		return KS_R_length_mismatch;
	return 0;
}

static __always_inline int modbus_listed(const __u8 *opaque, __u32 fc)
{
	__u64 at = fc >> 3;

	BOUND_OFFSET(at, 16);
	return opaque && (opaque[at] & 1u << (fc & 7));
}

static __always_inline int modbus_opaque(const __u8 *opaque, __u32 fc)
{
	return modbus_listed(opaque, fc) ? 0 : KS_R_function_opaque;
}

/* Does its length follow from its function code? Then no list has to name it. */
static __always_inline int modbus_ruled(const struct ks_leaf *leaf)
{
	switch (leaf->function) {
	case 1: case 2: case 3: case 4: case 5: case 6: case 7: case 8: case 11: case 12:
	case 15: case 16: case 17: case 20: case 21: case 22: case 23: case 24:
		return 1;
	}
	return leaf->function == 43 && leaf->sub == 14;
}

/*
 * FC 8: one word of data. "Return query data" (0) may carry more by V1.1b3 6.8.1,
 * but servers that do not know the function take what is behind it for a request.
 */
static __always_inline int modbus_diagnostics(const struct view *v, __u32 n, struct ks_leaf *leaf)
{
	if (n < 2)
		return KS_R_length_mismatch;
	leaf->sub = view_be16(v, MB_DATA, KS_MB_VIEW);
	leaf->has |= KS_HAS_SUB;
	return n == 4 ? 0 : KS_R_length_mismatch;
}

/* FC 43: only MEI 14 has a length of its own. */
static __always_inline int modbus_mei(const struct view *v, __u32 n, const __u8 *opaque,
				      struct ks_leaf *leaf)
{
	if (n < 1)
		return KS_R_length_mismatch;
	leaf->sub = view_u8(v, MB_DATA, KS_MB_VIEW);
	leaf->has |= KS_HAS_SUB;
	if (leaf->sub == 14)
		return n == 3 ? 0 : KS_R_length_mismatch;
	return modbus_opaque(opaque, leaf->function);
}

/*
 * FC 90: no length follows from the sub-function, so that only servers which speak
 * UMAS, and end its messages where the MBAP header does, may be given one.
 */
static __always_inline int modbus_umas(const struct view *v, const __u8 *opaque,
				       struct ks_leaf *leaf)
{
	int err = umas_dissect(v, leaf);

	return modbus_listed(opaque, KS_FC_UMAS) ? err : KS_R_function_opaque;
}

/* n: bytes after the function code. */
static __always_inline int modbus_request(const struct view *v, __u32 n, const __u8 *opaque,
					  struct ks_leaf *leaf)
{
	__u32 value;

	switch (leaf->function) {
	case 1: case 2: case 3: case 4: case 5: case 6:
		if (n != 4)
			return KS_R_length_mismatch;
		value = view_be16(v, MB_DATA + 2, KS_MB_VIEW);
		modbus_span(v, leaf->function <= 4 ? value : 1, leaf);
		if (leaf->function == 5 && value != 0xff00 && value != 0)
			return KS_R_malformed;
		return 0;
	case 15:
		return modbus_write_many(v, n, 1, leaf);
	case 16:
		return modbus_write_many(v, n, 16, leaf);
	case 22:
		if (n != 6)
			return KS_R_length_mismatch;
		modbus_span(v, 1, leaf);
		return 0;
	case 23:
		return modbus_read_write(v, n, leaf);
	case 24:
		if (n != 2)
			return KS_R_length_mismatch;
		modbus_span(v, 1, leaf);
		return 0;
	case 7: case 11: case 12: case 17:
		return n == 0 ? 0 : KS_R_length_mismatch;
	case 8:
		return modbus_diagnostics(v, n, leaf);
	case 20: case 21:
		return modbus_files(v, n, leaf->function == 21);
	case 43:
		return modbus_mei(v, n, opaque, leaf);
	case KS_FC_UMAS:
		return modbus_umas(v, opaque, leaf);
	}
	return modbus_opaque(opaque, leaf->function);
}

static __always_inline int modbus_adu(const struct view *v, const __u8 *opaque,
				      struct ks_leaf *leaf)
{
	if (!view_has(v, 0, MB_DATA))
		return KS_R_malformed;
	leaf->transaction = view_be16(v, 0, KS_MB_VIEW);
	leaf->unit = view_u8(v, MB_UNIT, KS_MB_VIEW);
	leaf->function = view_u8(v, MB_FUNCTION, KS_MB_VIEW);
	leaf->has = KS_HAS_UNIT | KS_HAS_FUNCTION;
	if (leaf->function == 0 || leaf->function >= 0x80)
		return KS_R_malformed;
	return modbus_request(v, v->len - MB_DATA, opaque, leaf);
}

/*
 * One whole ADU (v->len is what modbus_frame() said) -> leaf. opaque: the asset's
 * bitmap of function codes that pass without a length rule, 16 bytes, may be NULL;
 * that of UMAS says that the asset speaks it. Returns 0, KS_R_malformed,
 * KS_R_length_mismatch, KS_R_function_opaque or KS_R_nesting; all of leaf but tag[] is written (tag_len is 0), as far as known also on error.
 * Quantities stand as on the wire, 0 and beyond the map included: the device
 * answers those with an exception.
 */
static __always_inline int modbus_dissect(const struct view *v, const __u8 *opaque,
					  struct ks_leaf *leaf)
{
	int err;

	__builtin_memset(leaf, 0, __builtin_offsetof(struct ks_leaf, tag));
	leaf->proto = KS_MODBUS;
	leaf->length = v->len;
	err = modbus_adu(v, opaque, leaf);
	FORGET_VALUES();
	return err;
}

#endif
