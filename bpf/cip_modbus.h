/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * CIP class 0x44, which translates to Modbus: which Modbus request a service stands
 * for, and which one the passthrough carries. Pure: bytes in, fields of a leaf out;
 * knows no policy. Reads message bytes only through view_*() with KS_EIP_VIEW.
 */
#ifndef KEYSWITCH_CIP_MODBUS_H
#define KEYSWITCH_CIP_MODBUS_H

#include "cursor.h"
#include "reasons.h"
#include "shared.h"

#define CIP_MODBUS		0x44	/* class */
#define CIP_MODBUS_READ		0x4b	/* first of four services that read ... */
#define CIP_MODBUS_WRITE	0x4f	/* ... two that write ... */
#define CIP_MODBUS_PASS		0x51	/* ... and the one that carries a Modbus PDU */

static __always_inline void cip_modbus_span(struct ks_leaf *leaf, __u32 fc, __u32 address,
					    __u32 quantity)
{
	leaf->sub = fc;
	leaf->address = address;
	leaf->quantity = quantity;
	leaf->has |= KS_HAS_MODBUS | KS_HAS_ADDRESS;
}

/* Little-endian address and quantity; a write's values fill the rest exactly. */
static __always_inline int cip_modbus_service(const struct view *v, __u32 off, __u32 n,
					      struct ks_leaf *leaf)
{
	static const __u8 codes[6] = { 2, 1, 4, 3, 15, 16 };
	__u64 i = leaf->service - CIP_MODBUS_READ;
	__u32 quantity, bytes = 0;

	if (n < 4)
		return KS_R_length_mismatch;
	quantity = view_le16(v, off + 2, KS_EIP_VIEW);
	if (i > 5)
		return KS_R_malformed;
	cip_modbus_span(leaf, codes[i], view_le16(v, off, KS_EIP_VIEW), quantity);
	if (leaf->sub == 15)
		bytes = (quantity + 7) / 8;
	else if (leaf->sub == 16)
		bytes = 2 * quantity;
	return n == 4 + bytes ? 0 : KS_R_length_mismatch;
}

/* FC 15, 16: quantity, byte count, values, as in Modbus. */
static __always_inline int cip_modbus_many(const struct view *v, __u32 off, __u32 n, __u32 bits,
					   struct ks_leaf *leaf)
{
	__u32 quantity, bytes;

	if (n < 6)
		return KS_R_length_mismatch;
	quantity = view_be16(v, off + 3, KS_EIP_VIEW);
	bytes = view_u8(v, off + 5, KS_EIP_VIEW);
	cip_modbus_span(leaf, leaf->sub, view_be16(v, off + 1, KS_EIP_VIEW), quantity);
	return n == 6 + bytes && bytes == (quantity * bits + 7) / 8 ? 0 : KS_R_length_mismatch;
}

/*
 * The Modbus PDU of the passthrough. Functions whose elements are not a single span
 * of one table are refused: nothing could judge them.
 */
static __always_inline int cip_modbus_pdu(const struct view *v, __u32 off, __u32 n,
					  struct ks_leaf *leaf)
{
	__u32 value;

	if (n < 1)
		return KS_R_length_mismatch;
	leaf->sub = view_u8(v, off, KS_EIP_VIEW);
	switch (leaf->sub) {
	case 1: case 2: case 3: case 4: case 5: case 6:
		if (n != 5)
			return KS_R_length_mismatch;
		value = view_be16(v, off + 3, KS_EIP_VIEW);
		if (leaf->sub == 5 && value != 0xff00 && value != 0)
			return KS_R_malformed;
		cip_modbus_span(leaf, leaf->sub, view_be16(v, off + 1, KS_EIP_VIEW),
				leaf->sub <= 4 ? value : 1);
		return 0;
	case 15:
		return cip_modbus_many(v, off, n, 1, leaf);
	case 16:
		return cip_modbus_many(v, off, n, 16, leaf);
	case 22:
		if (n != 7)
			return KS_R_length_mismatch;
		cip_modbus_span(leaf, 22, view_be16(v, off + 1, KS_EIP_VIEW), 1);
		return 0;
	}
	return KS_R_function_opaque;
}

/*
 * The data [off, off + n) of a request to class 0x44, inside the view -> leaf: for the
 * services that reach Modbus sub (function code), address and quantity, with
 * KS_HAS_MODBUS; others stay as they are. Returns 0, KS_R_malformed,
 * KS_R_length_mismatch or KS_R_function_opaque.
 */
static __always_inline int cip_modbus_dissect(const struct view *v, __u32 off, __u32 n,
					      struct ks_leaf *leaf)
{
	int err = KS_R_cip_malformed;

	if (leaf->service < CIP_MODBUS_READ || leaf->service > CIP_MODBUS_PASS)
		return 0;
	if (view_has(v, off, n))
		err = leaf->service == CIP_MODBUS_PASS ? cip_modbus_pdu(v, off, n, leaf) :
							 cip_modbus_service(v, off, n, leaf);
	FORGET_VALUES();
	return err;
}

#endif
