/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a (Large_)Forward_Open asks for and what a reply to one says (CIP Vol 1
 * 3-5.5). Pure: bytes in, numbers out; whether the request is well-formed cip.h has
 * said before.
 */
#ifndef KEYSWITCH_FORWARD_H
#define KEYSWITCH_FORWARD_H

#include "cip_layout.h"

/* Request data, from its start. */
#define FWD_TO_ID	6
#define FWD_SERIAL	10
#define FWD_VENDOR	12
#define FWD_OSERIAL	14
#define FWD_TIMEOUT	18
#define FWD_OT_RPI	22
#define FWD_OT_PARAMS	26
#define FWD_TRANSPORT	34	/* Large: 38 */

/* The request at off, found well-formed, key_class from its leaf -> o. */
static __always_inline void forward_open(const struct view *v, __u32 off, __u32 key_class,
					 struct ks_open *o)
{
	__u32 large = (epath_u8(v, off) & 0x7f) == CIP_LARGE_OPEN;
	__u32 d = off + 2 + 2 * epath_u8(v, off + 1);
	__u32 params = view_le16(v, d + FWD_OT_PARAMS, KS_EIP_VIEW);
	__u32 transport = epath_u8(v, d + FWD_TRANSPORT + (large ? 4 : 0)) & 15;

	o->to_id = view_le32(v, d + FWD_TO_ID, KS_EIP_VIEW);
	o->serial = view_le16(v, d + FWD_SERIAL, KS_EIP_VIEW);
	o->vendor = view_le16(v, d + FWD_VENDOR, KS_EIP_VIEW);
	o->oserial = view_le32(v, d + FWD_OSERIAL, KS_EIP_VIEW);
	o->ot_rpi = view_le32(v, d + FWD_OT_RPI, KS_EIP_VIEW);
	o->timeout = epath_u8(v, d + FWD_TIMEOUT) & 7;
	if (large) {
		o->ot_size = params;
		o->variable = view_le16(v, d + FWD_OT_PARAMS + 2, KS_EIP_VIEW) >> 9 & 1;
	} else {
		o->ot_size = params & 0x1ff;
		o->variable = params >> 9 & 1;
	}
	o->class1 = transport == 1;
	o->kind = key_class == CIP_CONN_MANAGER ? KS_CONN_ROUTER :
		  transport < 2 ? KS_CONN_IO : KS_CONN_OTHER;
}

/* A reply's place in the first bytes of a SendRRData message (Null item, data item). */
#define FWD_REPLY	40
#define FWD_REPLY_DATA	44
#define FWD_REPLY_LEN	60	/* so much of the message tells all */

static __always_inline __u16 reply_le16(const __u8 *at)
{
	return at[0] | at[1] << 8;
}

static __always_inline __u32 reply_le32(const __u8 *at)
{
	return reply_le16(at) | (__u32)reply_le16(at + 2) << 16;
}

/*
 * head: first KS_REPLY_HEAD bytes of a message from the server, have of them are
 * there. Is it the answer to an unconnected request that succeeded? Its service
 * without the reply bit, else 0.
 */
static __always_inline __u32 forward_reply(const __u8 *head, __u32 have)
{
	if (have < FWD_REPLY_DATA + 8 || reply_le16(head) != EIP_SEND_RR_DATA ||
	    reply_le32(head + 8) || reply_le16(head + EIP_ITEMS) < 2 ||
	    reply_le32(head + EIP_ITEM) || reply_le16(head + 36) != CPF_UNCONNECTED_DATA)
		return 0;
	if (!(head[FWD_REPLY] & 0x80) || head[FWD_REPLY + 2] || head[FWD_REPLY + 3])
		return 0;
	return head[FWD_REPLY] & 0x7f;
}

#endif
