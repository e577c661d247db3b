// SPDX-License-Identifier: GPL-2.0-only
/*
 * Blocks of pcapng, see pcapng.h. Numbers are in this machine's order, which the section's
 * magic number tells; each block is padded to four bytes and has its length at both ends.
 * Must not know where packets come from.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pcapng.h"

/* Longest block: the bytes of a packet, a comment, and what stands around them. */
#define BLOCK_MAX	8192
#define COMMENT_MAX	4096
#define NAME_TEXT_MAX	256

enum block {
	BLOCK_SECTION = 0x0a0d0d0a, BLOCK_INTERFACE = 1, BLOCK_STATISTICS = 5, BLOCK_PACKET = 6,
};
enum option {
	OPT_END = 0, OPT_COMMENT = 1,
	SHB_USERAPPL = 4,
	IF_NAME = 2, IF_DESCRIPTION = 3, IF_TSRESOL = 9,
	EPB_FLAGS = 2,
	ISB_STARTTIME = 2, ISB_ENDTIME = 3, ISB_IFRECV = 4, ISB_IFDROP = 5,
};

#define BYTE_ORDER_MAGIC	0x1a2b3c4du
#define LINKTYPE_ETHERNET	1
#define NANOSECONDS		9	/* if_tsresol: 10^-9 */
#define EPB_INBOUND		1	/* epb_flags */

/* ---- bytes ---- */

void pcapng_init(struct pcapng *p, int fd)
{
	struct stat st;
	off_t at = lseek(fd, 0, SEEK_CUR);

	p->fd = fd;
	p->len = 0;
	p->file = at >= 0 && !fstat(fd, &st) && S_ISREG(st.st_mode);
	p->whole = p->file ? at : 0;
}

/* What cannot be written takes no half of a block with it. */
int pcapng_flush(struct pcapng *p)
{
	size_t done = 0;
	int err = 0;

	while (done < p->len && !err) {
		ssize_t n = write(p->fd, p->buf + done, p->len - done);

		if (n > 0)
			done += (size_t)n;
		else if (n == 0 || errno != EINTR)
			err = n ? -errno : -EIO;
	}
	if (!err)
		p->whole += (int64_t)p->len;
	else if (p->file && ftruncate(p->fd, p->whole))
		err = -errno;
	p->len = 0;
	return err;
}

static void put(struct pcapng *p, const void *bytes, size_t n)
{
	memcpy(p->buf + p->len, bytes, n);
	p->len += n;
	while (p->len % 4)
		p->buf[p->len++] = 0;
}

static void put16(struct pcapng *p, uint32_t a, uint32_t b)
{
	const uint16_t two[2] = { (uint16_t)a, (uint16_t)b };

	put(p, two, sizeof(two));
}

static void put32(struct pcapng *p, uint32_t v)
{
	put(p, &v, sizeof(v));
}

/* Timestamps have their upper half first, whatever the byte order. */
static void put_time(struct pcapng *p, uint64_t ns)
{
	put32(p, (uint32_t)(ns >> 32));
	put32(p, (uint32_t)ns);
}

static void put_option(struct pcapng *p, enum option code, const void *value, size_t n)
{
	put16(p, code, (uint32_t)n);
	put(p, value, n);
}

/* Cut to its first `max` bytes, between characters. */
static void put_text(struct pcapng *p, enum option code, const char *text, size_t max)
{
	size_t n = strnlen(text, max + 1);

	if (n > max)
		for (n = max; n && ((unsigned char)text[n] & 0xc0) == 0x80; n--)
			;
	put_option(p, code, text, n);
}

static void put_option_time(struct pcapng *p, enum option code, uint64_t ns)
{
	const uint32_t halves[2] = { (uint32_t)(ns >> 32), (uint32_t)ns };

	put_option(p, code, halves, sizeof(halves));
}

/* ---- blocks ---- */

static int begin(struct pcapng *p, enum block type, size_t *at)
{
	int err = p->len + BLOCK_MAX > sizeof(p->buf) ? pcapng_flush(p) : 0;

	*at = p->len;
	if (err)
		return err;
	put32(p, type);
	put32(p, 0);
	return 0;
}

static int end(struct pcapng *p, size_t at)
{
	uint32_t total;

	put16(p, OPT_END, 0);
	total = (uint32_t)(p->len - at) + 4;
	put32(p, total);
	memcpy(p->buf + at + 4, &total, sizeof(total));
	return 0;
}

int pcapng_section(struct pcapng *p, const char *application)
{
	const int64_t unknown = -1; /* length of the section */
	size_t at;
	int err = begin(p, BLOCK_SECTION, &at);

	if (err)
		return err;
	put32(p, BYTE_ORDER_MAGIC);
	put16(p, 1, 0); /* version */
	put(p, &unknown, sizeof(unknown));
	put_text(p, SHB_USERAPPL, application, NAME_TEXT_MAX);
	return end(p, at);
}

int pcapng_interface(struct pcapng *p, const char *name, const char *description,
		     uint32_t longest)
{
	const uint8_t resolution = NANOSECONDS;
	size_t at;
	int err = begin(p, BLOCK_INTERFACE, &at);

	if (err)
		return err;
	put16(p, LINKTYPE_ETHERNET, 0);
	put32(p, longest);
	put_text(p, IF_NAME, name, NAME_TEXT_MAX);
	put_text(p, IF_DESCRIPTION, description, NAME_TEXT_MAX);
	put_option(p, IF_TSRESOL, &resolution, sizeof(resolution));
	return end(p, at);
}

int pcapng_packet(struct pcapng *p, const struct pcapng_packet *packet)
{
	const uint32_t flags = EPB_INBOUND;
	size_t at;
	int err;

	if (packet->bytes_len > BLOCK_MAX - COMMENT_MAX - NAME_TEXT_MAX)
		return -EMSGSIZE;
	err = begin(p, BLOCK_PACKET, &at);
	if (err)
		return err;
	put32(p, packet->interface);
	put_time(p, packet->ns);
	put32(p, packet->bytes_len);
	put32(p, packet->len);
	put(p, packet->bytes, packet->bytes_len);
	put_text(p, OPT_COMMENT, packet->comment, COMMENT_MAX);
	put_option(p, EPB_FLAGS, &flags, sizeof(flags));
	return end(p, at);
}

int pcapng_statistics(struct pcapng *p, const struct pcapng_statistics *s)
{
	size_t at;
	int err = begin(p, BLOCK_STATISTICS, &at);

	if (err)
		return err;
	put32(p, s->interface);
	put_time(p, s->ns);
	put_option_time(p, ISB_STARTTIME, s->began);
	put_option_time(p, ISB_ENDTIME, s->ns);
	put_option(p, ISB_IFRECV, &s->received, sizeof(s->received));
	put_option(p, ISB_IFDROP, &s->lost, sizeof(s->lost));
	return end(p, at);
}
