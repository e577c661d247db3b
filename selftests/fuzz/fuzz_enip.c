/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * libFuzzer entry for bpf/enip.h: bit 0 of byte 0 says UDP, the rest is a stream
 * of encapsulation PDUs. The envelope is read a second time below as a list of
 * items; both must agree on what passes and where its CIP request stands. What
 * passes goes on to bpf/cip.h, where every byte must be covered by one leaf.
 */
#include "fuzz.h"

#include "../../bpf/cip.h"

struct item {
	uint32_t type, len;
	const uint8_t *data;
};

struct envelope {
	const uint8_t *cip;
	uint32_t cip_len, conn_id;
};

static uint32_t le16(const uint8_t *p)
{
	return p[0] + 256u * p[1];
}

/* All items up to the end of the PDU, none cut; -1 if that cannot be. */
static int items_of(const uint8_t *p, uint32_t n, struct item *item, uint32_t most)
{
	uint32_t count, at = 8;

	if (n < 8)
		return -1;
	count = le16(p + 6);
	if (count > most)
		return -1;
	for (uint32_t i = 0; i < count; i++) {
		if (n - at < 4 || n - at - 4 < le16(p + at + 2))
			return -1;
		item[i] = (struct item){ le16(p + at), le16(p + at + 2), p + at + 4 };
		at += 4 + item[i].len;
	}
	return at == n ? (int)count : -1;
}

/* p: the data of SendRRData or SendUnitData. */
static int items_lawful(const uint8_t *p, uint32_t n, int connected, struct envelope *e)
{
	struct item item[4];
	int count = items_of(p, n, item, 4);

	if (count < 2)
		return 0;
	for (int i = 2; i < count; i++)
		if ((item[i].type | 1) != 0x8001 || item[i].len != 16)
			return 0;
	e->cip = item[1].data + (connected ? 2 : 0);
	e->cip_len = item[1].len - (connected ? 2 : 0);
	if (!connected)
		return item[0].type == 0 && item[0].len == 0 && item[1].type == 0xb2;
	if (item[0].type != 0xa1 || item[0].len != 4 || item[1].type != 0xb1 || item[1].len < 2)
		return 0;
	e->conn_id = le16(item[0].data) | le16(item[0].data + 2) << 16;
	return 1;
}

static int lawful(const uint8_t *p, uint32_t n, int udp, struct envelope *e)
{
	uint32_t command = le16(p);

	memset(e, 0, sizeof(*e));
	if (command == 0x65)
		return !udp && n == 28;
	if (command == 0x66)
		return !udp && n == 24;
	if (command == 0x6f || command == 0x70)
		return !udp && items_lawful(p + 24, n - 24, command == 0x70, e);
	return (command != 0x04 && command != 0x63 && command != 0x64) || n == 24;
}

static void check_leaf(const struct ks_leaf *leaf, uint32_t off, uint32_t len)
{
	uint32_t logical = KS_HAS_CLASS | KS_HAS_INSTANCE | KS_HAS_ATTRIBUTE;

	MUST(leaf->offset == off && leaf->length == len && len >= 2);
	MUST(leaf->tag_len <= KS_TAG_MAX && leaf->service < 0x80);
	MUST(!(leaf->has & KS_HAS_TAG) == (leaf->tag_len == 0));
	if (leaf->key_class == KS_CLASS_TAG)
		MUST((leaf->has & (KS_HAS_TAG | logical)) == KS_HAS_TAG);
	else if (leaf->key_class < 0x10000)
		MUST(leaf->has & KS_HAS_CLASS && leaf->class == leaf->key_class);
	MUST(!(leaf->service == 0x52 && leaf->key_class == 6));
	MUST(!(leaf->service == 0x0a && leaf->key_class == 2));
}

static void check_cip(const struct view *v, struct cip_work *w)
{
	struct cip_layers *l = &w->layers;
	uint32_t i, off = l->off, len = l->len, covered;
	struct ks_leaf leaf;

	if (!l->members) {
		if (!cip_leaf(v, off, len, l->routed ? 0 : CIP_UCMM, &w->route, &leaf, &w->path))
			check_leaf(&leaf, off, len);
		return;
	}
	MUST(l->members <= KS_MSP_MAX);
	covered = 2 + 2 * l->members;
	for (i = 0; i < l->members; i++) {
		if (cip_member(v, l, i, &off, &len))
			return;
		MUST(off == l->table + covered);
		covered += len;
		if (!cip_leaf(v, off, len, CIP_MEMBER, &w->route, &leaf, &w->path))
			check_leaf(&leaf, off, len);
	}
	MUST(covered == l->table_len);
}

static void check_pdu(const struct view *v, int udp, struct cip_work *w)
{
	struct enip_msg *m = &w->msg;
	struct envelope e;
	int reason;

	memset(w, 0xee, sizeof(*w));
	reason = enip_dissect(v, udp, m);
	MUST(reason == 0 || reason == KS_R_encap_malformed);
	MUST(!reason == !!lawful(v->base, v->len, udp, &e));
	MUST(m->command == le16(v->base));
	if (reason)
		return;
	MUST(!m->cip == !e.cip);
	if (!m->cip)
		return;
	MUST(m->cip == (m->command == 0x70 ? EIP_CONNECTED : EIP_UNCONNECTED));
	MUST(v->base + m->cip_off == e.cip && m->cip_len == e.cip_len);
	MUST(m->conn_id == e.conn_id);
	memset(&w->route, 0, sizeof(w->route));
	if (!cip_unwrap(v, m->cip_off, m->cip_len, &w->layers, &w->route, &w->path))
		check_cip(v, w);
}

/* A whole PDU by its own header, then the same bytes cut short and one too many. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct cip_work w;
	struct view v;

	if (!size)
		return 0;
	v = (struct view){ .base = data + 1, .len = size - 1 };
	while (v.len) {
		int n = enip_frame(&v);
		struct view one = { .base = v.base, .len = n };

		if (n <= 0 || (uint32_t)n > v.len)
			break;
		MUST(n >= EIP_HEADER && n <= EIP_PDU_MAX);
		check_pdu(&one, data[0] & 1, &w);
		one.len = n - 1;
		MUST(enip_dissect(&one, data[0] & 1, &w.msg) == KS_R_encap_malformed);
		one.len = n + 1;
		if (one.len <= v.len)
			MUST(enip_dissect(&one, data[0] & 1, &w.msg) == KS_R_encap_malformed);
		v = (struct view){ .base = v.base + n, .len = v.len - n };
	}
	return 0;
}
