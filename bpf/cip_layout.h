/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How long the data of a CIP request may be, for the services whose layout we
 * know (design: exact lengths, I4). Looks at data and at the leaf's key class,
 * never decides what a request is.
 */
#ifndef KEYSWITCH_CIP_LAYOUT_H
#define KEYSWITCH_CIP_LAYOUT_H

#include "cursor.h"
#include "epath.h"
#include "reasons.h"
#include "shared.h"

#define CIP_MESSAGE_ROUTER	2	/* classes */
#define CIP_CONN_MANAGER	6
#define CIP_SYMBOL		0x6b

#define CIP_ATTRIBUTES_ALL	0x01	/* services */
#define CIP_ATTRIBUTE_LIST	0x03
#define CIP_MULTIPLE		0x0a
#define CIP_ATTRIBUTE_SINGLE	0x0e
#define CIP_READ_TAG		0x4c
#define CIP_WRITE_TAG		0x4d
#define CIP_READ_MODIFY_WRITE	0x4e
#define CIP_FORWARD_CLOSE	0x4e	/* class 6 */
#define CIP_READ_FRAGMENT	0x52
#define CIP_UNCONNECTED_SEND	0x52	/* class 6 */
#define CIP_WRITE_FRAGMENT	0x53
#define CIP_FORWARD_OPEN	0x54
#define CIP_INSTANCE_LIST	0x55
#define CIP_LARGE_OPEN		0x5b

/* flags of cip_leaf() */
#define CIP_MEMBER		1	/* inside a Multiple_Service_Packet */
#define CIP_UCMM		2	/* SendRRData without Unconnected_Send around it */

struct cip_head {
	__u32 service;
	__u32 path, words;
	__u32 data, n;		/* request data and its bytes */
};

/* Bounds of a request's data; max 0 with min 1 fits nothing. */
struct cip_layout {
	__u32 min, max;
};

#define CIP_ANY_LENGTH 0xffffffffu

static __always_inline struct cip_layout cip_exactly(__u32 n)
{
	return (struct cip_layout){ n, n };
}

/* Bytes of one element of an atomic type (C1 BOOL ... D4 LWORD), 0 = unknown. */
static __always_inline __u32 cip_type_size(__u32 type)
{
	switch (type) {
	case 0xc1: case 0xc2: case 0xc6: case 0xd1:
		return 1;
	case 0xc3: case 0xc7: case 0xd2:
		return 2;
	case 0xc4: case 0xc8: case 0xca: case 0xd3:
		return 4;
	case 0xc5: case 0xc9: case 0xcb: case 0xd4:
		return 8;
	}
	return 0;
}

/*
 * Write Tag (Fragmented): type (A0 02: and a structure handle), count, (byte
 * offset,) values. One byte of padding to an even length is what libplctag sends.
 */
static __always_inline struct cip_layout cip_write_layout(const struct view *v,
							  const struct cip_head *h)
{
	int fragment = h->service == CIP_WRITE_FRAGMENT;
	__u32 type, head, size, total, gone = 0;

	if (h->n < 4)
		return cip_exactly(4);
	type = view_le16(v, h->data, KS_EIP_VIEW);
	head = (type == 0x02a0 ? 6 : 4) + (fragment ? 4 : 0);
	size = cip_type_size(type);
	if (h->n < head)
		return cip_exactly(head);
	if (!size)
		return (struct cip_layout){ head + 1, CIP_ANY_LENGTH };
	total = size * view_le16(v, h->data + 2, KS_EIP_VIEW);
	if (fragment)
		gone = view_le32(v, h->data + 4, KS_EIP_VIEW);
	if (gone > total)
		return (struct cip_layout){ 1, 0 };
	total -= gone;
	return (struct cip_layout){ head + (fragment ? 1 : total), head + total + (total & 1) };
}

static __always_inline struct cip_layout cip_tag_layout(const struct view *v,
							const struct cip_head *h)
{
	__u32 mask;

	switch (h->service) {
	case CIP_READ_TAG:
		return cip_exactly(2);
	case CIP_READ_FRAGMENT:
		return cip_exactly(6);
	case CIP_WRITE_TAG:
	case CIP_WRITE_FRAGMENT:
		return cip_write_layout(v, h);
	case CIP_READ_MODIFY_WRITE:
		mask = h->n < 2 ? 0 : view_le16(v, h->data, KS_EIP_VIEW);
		return mask ? cip_exactly(2 + 2 * mask) : (struct cip_layout){ 1, 0 };
	}
	return (struct cip_layout){ 0, CIP_ANY_LENGTH };
}

/* Elements that a tag service reads or writes, 0 where its data do not say. */
static __always_inline __u32 cip_tag_elements(const struct view *v, const struct cip_head *h)
{
	__u32 at = h->data;

	if (h->service == CIP_WRITE_TAG || h->service == CIP_WRITE_FRAGMENT)
		at += view_le16(v, h->data, KS_EIP_VIEW) == 0x02a0 ? 4 : 2;
	else if (h->service != CIP_READ_TAG && h->service != CIP_READ_FRAGMENT)
		return 0;
	return view_le16(v, at, KS_EIP_VIEW);
}

/*
 * Vendor classes may give even the common services data of their own: Studio 5000
 * reads class AC with Get_Attributes_All and two bytes behind the path.
 */
static __always_inline int cip_vendor_class(__u32 class)
{
	return (class >= 0x64 && class <= 0xc7) || (class >= 0x300 && class <= 0xffff);
}

static __always_inline struct cip_layout cip_layout(const struct view *v, const struct cip_head *h,
						    const struct ks_leaf *leaf)
{
	switch (h->service) {
	case CIP_ATTRIBUTES_ALL:
	case CIP_ATTRIBUTE_SINGLE:
		return (struct cip_layout){
			0, cip_vendor_class(leaf->key_class) ? CIP_ANY_LENGTH : 0
		};
	case CIP_ATTRIBUTE_LIST:
		return cip_exactly(h->n < 2 ? 2 : 2 + 2 * view_le16(v, h->data, KS_EIP_VIEW));
	}
	if (leaf->key_class == KS_CLASS_TAG || leaf->key_class == CIP_SYMBOL)
		return cip_tag_layout(v, h);
	if (leaf->key_class == CIP_CONN_MANAGER && h->service == CIP_FORWARD_CLOSE)
		return cip_exactly(h->n < 12 ? 12 : 12 + 2 * epath_u8(v, h->data + 10));
	return (struct cip_layout){ 0, CIP_ANY_LENGTH };
}

/* A direct UCMM request may end in an empty route path, 00 00 (pycomm3). */
static __always_inline int cip_length(const struct view *v, const struct cip_head *h, __u32 flags,
				      const struct ks_leaf *leaf)
{
	struct cip_layout fit = cip_layout(v, h, leaf);
	__u32 end = h->data + h->n;

	if (h->n >= fit.min && h->n <= fit.max)
		return 0;
	if (flags & CIP_UCMM && h->n >= 2 && view_le16(v, end - 2, KS_EIP_VIEW) == 0 &&
	    h->n - 2 >= fit.min && h->n - 2 <= fit.max)
		return 0;
	return KS_R_length_mismatch;
}

#endif
