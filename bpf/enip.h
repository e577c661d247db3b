/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * EtherNet/IP encapsulation and Common Packet Format: where a PDU ends, whether
 * its envelope agrees with itself, and where the CIP request in it stands.
 * Pure: bytes in, struct enip_msg out; reads no CIP byte and knows no policy.
 * Reads message bytes only through view_*() with KS_EIP_VIEW.
 */
#ifndef KEYSWITCH_ENIP_H
#define KEYSWITCH_ENIP_H

#include "cursor.h"
#include "reasons.h"
#include "shared.h"

/* Encapsulation header, little-endian. */
#define EIP_COMMAND	0
#define EIP_LENGTH	2
#define EIP_OPTIONS	20
#define EIP_HEADER	24
#define EIP_ITEMS	30	/* CPF item count */
#define EIP_ITEM	32	/* first CPF item */
#define EIP_PDU_MAX	(KS_EIP_VIEW - 8)

enum enip_command {
	EIP_LIST_SERVICES = 0x04,
	EIP_LIST_IDENTITY = 0x63,
	EIP_LIST_INTERFACES = 0x64,
	EIP_REGISTER_SESSION = 0x65,
	EIP_UNREGISTER_SESSION = 0x66,
	EIP_SEND_RR_DATA = 0x6f,
	EIP_SEND_UNIT_DATA = 0x70,
};

enum cpf_type {
	CPF_NULL = 0x0000,
	CPF_CONNECTED = 0x00a1,
	CPF_CONNECTED_DATA = 0x00b1,
	CPF_UNCONNECTED_DATA = 0x00b2,
	CPF_SOCKADDR_OT = 0x8000,
	CPF_SOCKADDR_TO = 0x8001,
};

enum enip_cip { EIP_NO_CIP = 0, EIP_UNCONNECTED = 1, EIP_CONNECTED = 2 };

struct enip_msg {
	__u16 command;
	__u8 cip;		/* enum enip_cip */
	__u8 pad;
	__u32 cip_off;		/* Message Router request, from the PDU's start */
	__u32 cip_len;
	__u32 conn_id;		/* O->T connection id (EIP_CONNECTED) */
};

/*
 * How long is the PDU that starts here: 0 = more header bytes needed, negative =
 * unframeable (options not 0: -KS_R_encap_malformed; longer than EIP_PDU_MAX:
 * -KS_R_message_long), else all its bytes.
 */
static __always_inline int enip_frame(const struct view *v)
{
	__u32 total;

	if (!view_has(v, 0, EIP_HEADER))
		return 0;
	if (view_le32(v, EIP_OPTIONS, KS_EIP_VIEW) != 0)
		return -KS_R_encap_malformed;
	total = EIP_HEADER + view_le16(v, EIP_LENGTH, KS_EIP_VIEW);
	return total > EIP_PDU_MAX ? -KS_R_message_long : (int)total;
}

struct cpf_item {
	__u32 type;
	__u32 off;		/* its data */
	__u32 len;
};

/* The item at *pos; moves *pos behind it. */
static __always_inline int cpf_item(const struct view *v, __u32 *pos, struct cpf_item *item)
{
	__u32 at = *pos;

	if (!view_has(v, at, 4))
		return KS_R_encap_malformed;
	item->type = view_le16(v, at, KS_EIP_VIEW);
	item->len = view_le16(v, at + 2, KS_EIP_VIEW);
	item->off = at + 4;
	if (!view_has(v, item->off, item->len))
		return KS_R_encap_malformed;
	*pos = item->off + item->len;
	return 0;
}

/*
 * Behind address and data only socket addresses may follow, two at most: a second
 * data item would be a request that nobody judged.
 */
static __always_inline int cpf_tail(const struct view *v, __u32 count, __u32 pos)
{
	struct cpf_item item;
	__u32 i;

	for (i = 2; i < 4; i++) {
		if (i >= count)
			break;
		if (cpf_item(v, &pos, &item))
			return KS_R_encap_malformed;
		if ((item.type != CPF_SOCKADDR_OT && item.type != CPF_SOCKADDR_TO) ||
		    item.len != 16)
			return KS_R_encap_malformed;
	}
	return pos == v->len ? 0 : KS_R_encap_malformed;
}

/*
 * SendRRData: Null address and unconnected data; SendUnitData: both connected. The
 * interface handle (0 = CIP) may hold anything: libplctag puts part of an item into
 * it with each Forward_Close, and what follows is judged as CIP whatever it says.
 */
static __always_inline int enip_items(const struct view *v, struct enip_msg *m)
{
	int connected = m->command == EIP_SEND_UNIT_DATA;
	struct cpf_item addr, data;
	__u32 pos = EIP_ITEM, count;

	if (!view_has(v, EIP_ITEMS, 2))
		return KS_R_encap_malformed;
	count = view_le16(v, EIP_ITEMS, KS_EIP_VIEW);
	if (count < 2 || count > 4)
		return KS_R_encap_malformed;
	if (cpf_item(v, &pos, &addr) || cpf_item(v, &pos, &data))
		return KS_R_encap_malformed;
	if (addr.type != (connected ? CPF_CONNECTED : CPF_NULL) ||
	    addr.len != (connected ? 4 : 0) ||
	    data.type != (connected ? CPF_CONNECTED_DATA : CPF_UNCONNECTED_DATA))
		return KS_R_encap_malformed;
	m->cip = EIP_UNCONNECTED;
	m->cip_off = data.off;
	m->cip_len = data.len;
	if (connected) {
		if (data.len < 2) /* the sequence count of transport classes 2 and 3 */
			return KS_R_encap_malformed;
		m->conn_id = view_le32(v, addr.off, KS_EIP_VIEW);
		m->cip = EIP_CONNECTED;
		m->cip_off += 2;
		m->cip_len -= 2;
	}
	return cpf_tail(v, count, pos);
}

static __always_inline int enip_command(const struct view *v, int udp, struct enip_msg *m)
{
	__u32 n = v->len - EIP_HEADER;

	switch (m->command) {
	case EIP_LIST_SERVICES:
	case EIP_LIST_IDENTITY:
	case EIP_LIST_INTERFACES:
		return n == 0 ? 0 : KS_R_encap_malformed;
	case EIP_REGISTER_SESSION:
		return n == 4 && !udp ? 0 : KS_R_encap_malformed;
	case EIP_UNREGISTER_SESSION:
		return n == 0 && !udp ? 0 : KS_R_encap_malformed;
	case EIP_SEND_RR_DATA:
	case EIP_SEND_UNIT_DATA:
		return udp ? KS_R_encap_malformed : enip_items(v, m);
	}
	return 0;
}

/*
 * One whole PDU (v->len is what enip_frame() said, or the UDP datagram) -> m.
 * Returns 0 or KS_R_encap_malformed. Session handle, status and sender context
 * may hold anything. Commands that this does not know carry anything and are
 * left to policy. m best stands in a map value (struct cip_work).
 */
static __always_inline int enip_dissect(const struct view *v, int udp, struct enip_msg *m)
{
	int total = enip_frame(v), err = KS_R_encap_malformed;

	__builtin_memset(m, 0, sizeof(*m));
	if (view_has(v, EIP_COMMAND, 2))
		m->command = view_le16(v, EIP_COMMAND, KS_EIP_VIEW);
	if (total > 0 && (__u32)total == v->len)
		err = enip_command(v, udp, m);
	FORGET_VALUES();
	return err;
}

/* Leaf of a command without CIP. Writes all of leaf: events carry it as it is. */
static __always_inline void enip_leaf_command(const struct enip_msg *m, __u32 length,
					      struct ks_leaf *leaf)
{
	clear_words(leaf, sizeof(*leaf));
	leaf->proto = KS_ENIP;
	leaf->function = m->command;
	leaf->service = m->command < 0x7f ? m->command : 0x7f;
	leaf->key_class = KS_CLASS_ENCAP;
	leaf->has = KS_HAS_FUNCTION;
	leaf->length = length;
}

#endif
