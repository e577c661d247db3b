/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Writing of pcapng files (draft-ietf-opsawg-pcapng): section, interfaces, packets with
 * comments, statistics. By ourselves because libpcap writes neither comments nor
 * several interfaces. Must not know where packets come from.
 */
#ifndef KEYSWITCH_PCAPNG_H
#define KEYSWITCH_PCAPNG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is written ends with a whole block, whatever stops the writer. */
struct pcapng {
	int fd;
	bool file;		/* a plain file: can be cut behind the last whole block */
	int64_t whole;		/* bytes written to it so far, all of them whole blocks */
	size_t len;		/* bytes that wait in buf */
	uint8_t buf[1 << 16];
};

struct pcapng_packet {
	uint32_t interface;	/* n-th that was described, from 0 */
	uint64_t ns;		/* since 1970 */
	uint32_t len;		/* on the wire */
	const uint8_t *bytes;
	uint32_t bytes_len;
	const char *comment;
};

struct pcapng_statistics {
	uint32_t interface;
	uint64_t ns;
	uint64_t began;		/* ns since 1970 */
	uint64_t received;
	uint64_t lost;
};

/* Takes the descriptor, which stays the caller's to close. */
void pcapng_init(struct pcapng *p, int fd);

/* 0 or a negative errno, after which the file ends behind the last whole block. */
int pcapng_section(struct pcapng *p, const char *application);
int pcapng_interface(struct pcapng *p, const char *name, const char *description,
		     uint32_t longest);
int pcapng_packet(struct pcapng *p, const struct pcapng_packet *packet);
int pcapng_statistics(struct pcapng *p, const struct pcapng_statistics *statistics);
int pcapng_flush(struct pcapng *p);

#endif
