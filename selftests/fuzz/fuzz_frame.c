/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Framing of both protocols over a stream that arrives in pieces. Byte 0 chooses
 * the protocol (bit 1: toward an asset that speaks UMAS), byte 1 how many pieces are cut off, then one length byte for each;
 * the rest is the stream. The borders that modbus_frame() and enip_frame() give
 * must be those of the whole stream, by the layout of the headers, whatever the cuts.
 */
#include "fuzz.h"

#include "../../bpf/enip.h"
#include "../../bpf/modbus.h"

#define PIECES	15
#define BORDERS	8192	/* 64 KiB of ADUs of 8 bytes */

struct borders {
	uint32_t at[BORDERS];
	uint32_t n;
	int refused;	/* the bytes behind the last border are no message */
};

struct stream {
	const uint8_t *s;
	uint32_t n;
	int enip;
	int umas;
};

static int frame(const struct stream *t, uint32_t from, uint32_t to)
{
	uint32_t most = t->enip ? KS_EIP_VIEW : KS_MB_VIEW, have = to - from;
	struct view v = { .base = t->s + from, .len = have < most ? have : most };

	return t->enip ? enip_frame(&v) : modbus_frame(&v, t->umas);
}

/* MBAP: transaction, protocol 0, length of what follows it: 2 to 254 bytes. */
static int adu(const uint8_t *s, uint32_t n, uint32_t *size)
{
	*size = 0;
	if (n >= 4 && (s[2] || s[3]))
		return -1;
	if (n < 6)
		return 0;
	*size = 6 + 256 * s[4] + s[5];
	return *size < 8 || *size > 260 ? -1 : 0;
}

/* The same where UMAS is spoken: its function, and no other, may have up to 2048 bytes. */
static int umas_adu(const uint8_t *s, uint32_t n, uint32_t *size)
{
	int refused = adu(s, n, size);

	if (!refused || *size < 8 || (s[2] || s[3]))
		return refused;
	if (n < 8) {
		*size = 0;
		return 0;
	}
	return s[7] == 90 && *size <= 2048 ? 0 : -1;
}

/* Command, length of the data, session, status, context, options 0: 24 bytes, then data. */
static int pdu(const uint8_t *s, uint32_t n, uint32_t *size)
{
	*size = 0;
	if (n < 24)
		return 0;
	*size = 24 + s[2] + 256 * s[3];
	return s[20] || s[21] || s[22] || s[23] || *size > 8192 - 8 ? -1 : 0;
}

static void borders_of_whole(const struct stream *t, struct borders *b)
{
	uint32_t at = 0, size;

	b->n = 0;
	for (;;) {
		b->refused = (t->enip ? pdu : t->umas ? umas_adu : adu)(t->s + at, t->n - at, &size);
		if (b->refused || !size || size > t->n - at)
			return;
		at += size;
		MUST(b->n < BORDERS);
		b->at[b->n++] = at;
	}
}

/* What has been answered once for a message stays the answer when more of it comes. */
static void borders_of_pieces(const struct stream *t, const uint8_t *cut, uint32_t cuts,
			      struct borders *b)
{
	uint32_t have = 0, start = 0;
	int answer = 0, said;

	b->n = 0;
	b->refused = 0;
	for (uint32_t i = 0; i <= cuts; i++) {
		uint32_t more = i < cuts ? 1u + cut[i] : t->n - have;

		have = more < t->n - have ? have + more : t->n;
		while ((said = frame(t, start, have)) != 0) {
			MUST(answer == 0 || said == answer);
			answer = said;
			if (said < 0 || (uint32_t)said > have - start)
				break;
			start += said;
			answer = 0;
			MUST(b->n < BORDERS);
			b->at[b->n++] = start;
		}
		MUST(said || !answer);
		if (said < 0) {
			MUST(said == -KS_R_malformed || said == -KS_R_encap_malformed ||
			     said == -KS_R_message_long);
			b->refused = -1;
			return;
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct borders whole, pieces;
	struct stream t;
	uint32_t cuts;

	if (size < 2)
		return 0;
	cuts = data[1] & PIECES;
	if (size < 2 + cuts)
		return 0;
	t = (struct stream){ data + 2 + cuts, size - 2 - cuts, data[0] & 1, data[0] & 2 };
	borders_of_whole(&t, &whole);
	borders_of_pieces(&t, data + 2, cuts, &pieces);
	MUST(whole.n == pieces.n && whole.refused == pieces.refused);
	MUST(!memcmp(whole.at, pieces.at, whole.n * sizeof(whole.at[0])));
	return 0;
}
