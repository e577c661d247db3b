// SPDX-License-Identifier: GPL-2.0-only
/*
 * Addresses and ports of a captured frame, and cutting of frames that are
 * longer than the wire's, see capture.h. Must not judge a frame.
 */
#include <net/ethernet.h>
#include <netinet/in.h>
#include <string.h>

#include "capture.h"

#define ETH_HEAD 14
#define TAG 4
#define TAGS_MAX 4
#define IP4_HEAD 20
#define IP6_HEAD 40
#define TCP_HEAD 20
#define UDP_HEAD 8
#define PROVIDER_BRIDGE 0x88a8
#define FIN_PSH 0x09

static uint16_t be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static uint32_t be32(const uint8_t *p)
{
	return (uint32_t)be16(p) << 16 | be16(p + 2);
}

static uint32_t smaller(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static uint16_t ethertype(const struct frame *f, uint32_t *l3)
{
	uint16_t type;

	*l3 = ETH_HEAD;
	if (f->len < ETH_HEAD)
		return 0;
	type = be16(f->data + ETH_HEAD - 2);
	for (int i = 0; i < TAGS_MAX && (type == ETHERTYPE_VLAN || type == PROVIDER_BRIDGE); i++) {
		if (f->len < *l3 + TAG)
			return 0;
		type = be16(f->data + *l3 + 2);
		*l3 += TAG;
	}
	return type;
}

static bool parse_ip4(const struct frame *f, struct packet *p)
{
	const uint8_t *ip = f->data + p->l3;
	uint32_t total;

	if (f->len < p->l3 + IP4_HEAD || ip[0] >> 4 != 4 || (ip[0] & 15) < 5)
		return false;
	p->ip_version = 4;
	p->proto = ip[9];
	memcpy(p->src, ip + 12, 4);
	memcpy(p->dst, ip + 16, 4);
	p->l4 = p->l3 + (ip[0] & 15) * 4u;
	total = be16(ip + 2);
	/* captured before segmentation offload: no length was set yet */
	p->end = total ? smaller(p->l3 + total, f->len) : f->len;
	return !(be16(ip + 6) & 0x1fff);
}

static bool parse_ip6(const struct frame *f, struct packet *p)
{
	const uint8_t *ip = f->data + p->l3;
	uint32_t length;

	if (f->len < p->l3 + IP6_HEAD || ip[0] >> 4 != 6)
		return false;
	p->ip_version = 6;
	p->proto = ip[6];
	memcpy(p->src, ip + 8, 16);
	memcpy(p->dst, ip + 24, 16);
	p->l4 = p->l3 + IP6_HEAD;
	length = be16(ip + 4);
	p->end = length ? smaller(p->l4 + length, f->len) : f->len;
	return true;
}

void packet_parse(const struct frame *f, struct packet *p)
{
	uint16_t type;
	bool whole;

	memset(p, 0, sizeof(*p));
	type = ethertype(f, &p->l3);
	whole = type == ETHERTYPE_IP ? parse_ip4(f, p) :
		type == ETHERTYPE_IPV6 ? parse_ip6(f, p) : false;
	if (!whole || (p->proto != IPPROTO_TCP && p->proto != IPPROTO_UDP) ||
	    p->end < p->l4 + (p->proto == IPPROTO_TCP ? TCP_HEAD : UDP_HEAD))
		return;
	p->ports = true;
	p->sport = be16(f->data + p->l4);
	p->dport = be16(f->data + p->l4 + 2);
	if (p->proto == IPPROTO_TCP) {
		p->flags = f->data[p->l4 + 13];
		p->payload = p->l4 + (uint32_t)(f->data[p->l4 + 12] >> 4) * 4;
	}
}

int capture_cut(const struct frame *f, const struct packet *p, unsigned int i,
		uint8_t buf[FRAME_MAX], struct frame *out)
{
	uint32_t skip = i * CUT_PAYLOAD, n, seq;

	if (!p->payload || p->payload > p->end || p->payload + CUT_PAYLOAD > FRAME_MAX)
		return -1;
	if (p->payload + skip >= p->end)
		return 0;
	n = smaller(p->end - p->payload - skip, CUT_PAYLOAD);
	memcpy(buf, f->data, p->payload);
	memcpy(buf + p->payload, f->data + p->payload + skip, n);
	if (p->ip_version == 4)
		put16(buf + p->l3 + 2, p->payload - p->l3 + n);
	else
		put16(buf + p->l3 + 4, p->payload - p->l4 + n);
	seq = be32(f->data + p->l4 + 4) + skip;
	put16(buf + p->l4 + 4, seq >> 16);
	put16(buf + p->l4 + 6, seq);
	if (p->payload + skip + n < p->end)
		buf[p->l4 + 13] &= (uint8_t)~FIN_PSH;
	*out = *f;
	out->data = buf;
	out->len = p->payload + n;
	return 1;
}
