// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reading of captures with libpcap and the link headers that it may hold, see
 * capture.h. Must not judge a frame.
 */
#include <net/ethernet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <pcap/pcap.h>

#include "capture.h"
#include "options.h"

#define SECOND 1000000000ull
#define HEAD 14			/* Ethernet */
#define SLL_HEAD 16
#define SLL2_HEAD 20
#define NULL_HEAD 4

struct capture {
	pcap_t *pcap;
	const char *path;
	int link;
	bool muted;
	uint32_t number;
	uint8_t *buf;		/* frame behind a made Ethernet header */
	size_t size;
};

static bool known(int link)
{
	switch (link) {
	case DLT_EN10MB: case DLT_LINUX_SLL: case DLT_LINUX_SLL2: case DLT_RAW:
	case DLT_IPV4: case DLT_IPV6: case DLT_NULL: case DLT_LOOP:
		return true;
	}
	return false;
}

struct capture *capture_open(const char *path)
{
	struct capture *c = calloc(1, sizeof(*c));
	char error[PCAP_ERRBUF_SIZE] = "";

	if (!c)
		return NULL;
	c->path = path;
	c->pcap = pcap_open_offline_with_tstamp_precision(path, PCAP_TSTAMP_PRECISION_NANO,
							  error);
	if (!c->pcap) {
		complain("cannot read the capture '%s': %s", path, error);
		capture_close(c);
		return NULL;
	}
	c->link = pcap_datalink(c->pcap);
	if (known(c->link))
		return c;
	complain("capture '%s' has link type '%s', expected Ethernet, Linux cooked, loopback or "
		 "raw IP", path, pcap_datalink_val_to_name(c->link));
	capture_close(c);
	return NULL;
}

void capture_close(struct capture *c)
{
	if (!c)
		return;
	if (c->pcap)
		pcap_close(c->pcap);
	free(c->buf);
	free(c);
}

void capture_mute(struct capture *c)
{
	c->muted = true;
}

/* Ethertype of an IP packet by its version; 0xffff: none. */
static uint16_t ip_type(const uint8_t *data, uint32_t len)
{
	if (!len)
		return 0xffff;
	return data[0] >> 4 == 4 ? ETHERTYPE_IP : data[0] >> 4 == 6 ? ETHERTYPE_IPV6 : 0xffff;
}

/* Length of the link header and what follows it; false: cut short. */
static bool link_header(int link, const uint8_t *data, uint32_t len, uint32_t *head,
			uint16_t *type)
{
	switch (link) {
	case DLT_LINUX_SLL:
		*head = SLL_HEAD;
		*type = len < SLL_HEAD ? 0 : (uint16_t)(data[14] << 8 | data[15]);
		break;
	case DLT_LINUX_SLL2:
		*head = SLL2_HEAD;
		*type = len < SLL2_HEAD ? 0 : (uint16_t)(data[0] << 8 | data[1]);
		break;
	case DLT_NULL:
	case DLT_LOOP:
		*head = NULL_HEAD;
		*type = len < NULL_HEAD ? 0 : ip_type(data + NULL_HEAD, len - NULL_HEAD);
		break;
	default:
		*head = 0;
		*type = ip_type(data, len);
	}
	return len >= *head;
}

static int as_ethernet(struct capture *c, struct frame *frame)
{
	uint32_t head = 0;
	uint16_t type = 0;
	uint8_t *buf;

	if (!link_header(c->link, frame->data, frame->len, &head, &type))
		head = frame->len;
	if (frame->len - head + HEAD > c->size) {
		buf = realloc(c->buf, frame->len - head + HEAD);
		if (!buf)
			return -1;
		c->buf = buf;
		c->size = frame->len - head + HEAD;
	}
	/* addresses of no NIC */
	memset(c->buf, 0, 12);
	c->buf[0] = c->buf[6] = 0x02;
	c->buf[12] = (uint8_t)(type >> 8);
	c->buf[13] = (uint8_t)type;
	memcpy(c->buf + HEAD, frame->data + head, frame->len - head);
	frame->data = c->buf;
	frame->len += HEAD - head;
	return 1;
}

int capture_next(struct capture *c, struct frame *frame)
{
	struct pcap_pkthdr *h;
	int rc = pcap_next_ex(c->pcap, &h, &frame->data);

	if (rc == PCAP_ERROR_BREAK)
		return 0;
	if (rc != 1) {
		if (!c->muted)
			complain("capture '%s' is broken after frame %u: %s", c->path, c->number,
				 pcap_geterr(c->pcap));
		return -1;
	}
	frame->number = ++c->number;
	frame->len = h->caplen;
	/* tv_usec holds nanoseconds, as asked for at opening */
	frame->time = (uint64_t)h->ts.tv_sec * SECOND + (uint64_t)h->ts.tv_usec;
	return c->link == DLT_EN10MB ? 1 : as_ethernet(c, frame);
}
