/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * PCCC, the commands of SLC 500, MicroLogix and PLC-5 (DF1 manual, 1770-6.5.16),
 * inside CIP's Execute_PCCC: requestor, command, function, and the data-table file
 * and elements of those whose layout is known. Pure: bytes in, fields of a leaf out;
 * knows no policy. Reads message bytes only through view_*() with KS_EIP_VIEW.
 */
#ifndef KEYSWITCH_PCCC_H
#define KEYSWITCH_PCCC_H

#include "cursor.h"
#include "reasons.h"
#include "shared.h"

#define PCCC_EXECUTE	0x4b	/* service */
#define PCCC_CLASS	0x67
#define PCCC_REQUESTOR	7	/* its length byte, vendor, serial number */
#define PCCC_HEAD	4	/* CMD, STS, TNS */
#define PCCC_MULTIPLE	0x88	/* FNC of command 0F */

/* A walk over a command's fields; `bad` once one was not there. */
struct pccc_cursor {
	__u32 pos;
	__u32 end;
	__u32 bad;
};

static __always_inline __u32 pccc_byte(const struct view *v, struct pccc_cursor *c)
{
	if (c->pos >= c->end) {
		c->bad = 1;
		return 0;
	}
	return view_u8(v, c->pos++, KS_EIP_VIEW);
}

static __always_inline __u32 pccc_word(const struct view *v, struct pccc_cursor *c)
{
	__u32 low = pccc_byte(v, c);

	return low | pccc_byte(v, c) << 8;
}

/* One byte, or two behind 0xff. */
static __always_inline __u32 pccc_number(const struct view *v, struct pccc_cursor *c)
{
	__u32 n = pccc_byte(v, c);

	return n == 0xff ? pccc_word(v, c) : n;
}

/*
 * Bytes of one element, never more than a controller's: then a span may come out too
 * long for a rule, not too short. Sub-elements are counted in words.
 */
static __always_inline __u32 pccc_element_size(__u32 type)
{
	switch (type) {
	case 0x86: case 0x87: case 0x88:	/* timer, counter, control */
		return 6;
	case 0x8a: case 0x91:			/* float, long integer */
		return 4;
	case 0x8d:				/* string */
		return 84;
	}
	return 2;
}

/* What follows the address of a typed logical command: bytes, 0xffff = not one of these. */
static __always_inline __u32 pccc_logical_data(__u32 fnc, __u32 size)
{
	switch (fnc) {
	case 0xa1: case 0xa2:
		return 0;
	case 0xa9: case 0xaa:
		return size;
	case 0xab:
		return 2 + size;		/* mask, values */
	}
	return 0xffff;
}

/*
 * SLC: protected typed logical read and write with two address fields (A1, A9) or
 * three (A2, AA, AB): byte size, file number, file type, element, sub-element.
 */
static __always_inline int pccc_logical(const struct view *v, struct pccc_cursor *c, __u32 fnc,
					struct ks_leaf *leaf)
{
	__u32 size, sub = 0, unit, last;

	size = pccc_byte(v, c);
	leaf->file = pccc_number(v, c);
	leaf->file_type = pccc_byte(v, c);
	leaf->address = pccc_number(v, c);
	if (fnc != 0xa1 && fnc != 0xa9)
		sub = pccc_number(v, c);
	if (c->bad || c->end - c->pos != pccc_logical_data(fnc, size))
		return KS_R_length_mismatch;
	leaf->sub_element = sub;
	unit = pccc_element_size(leaf->file_type);
	last = 2 * sub + (size ? size - 1 : 0);
	leaf->quantity = 1 + last / unit;
	leaf->has |= KS_HAS_FILE;
	return 0;
}

/*
 * A PLC-5 logical binary address: a mask of the levels that follow, area (0 where it
 * is left out), file, element, sub-element. 0: some other form of address.
 */
static __always_inline int pccc_levels(const struct view *v, struct pccc_cursor *c,
				       struct ks_leaf *leaf)
{
	__u32 mask = pccc_byte(v, c);

	if ((mask & ~9u) != 6)
		return 0;
	if (mask & 1 && pccc_number(v, c) != 0)
		return 0;
	leaf->file = pccc_number(v, c);
	leaf->address = pccc_number(v, c);
	leaf->sub_element = mask & 8 ? pccc_number(v, c) : 0;
	return 1;
}

/* Words or elements that a PLC-5 command says it is about, behind its address. */
static __always_inline __u32 pccc_amount(const struct view *v, struct pccc_cursor *c, __u32 fnc)
{
	__u32 left;

	if (fnc == 0x01)
		return (pccc_byte(v, c) + 1) / 2;
	if (fnc == 0x68)
		return pccc_word(v, c);
	left = c->end - c->pos;
	c->bad |= left == 0;
	c->pos = c->end;
	/* typed write: what the values are is told by the values; each takes a byte or more */
	return fnc == 0x00 ? (left + 1) / 2 : left;
}

/*
 * PLC-5: word range write and read (00, 01), typed write and read (67, 68): packet
 * offset, total transaction, address, then size or values. Where an element is longer
 * than a word the span is too long, never too short.
 */
static __always_inline int pccc_range(const struct view *v, struct pccc_cursor *c, __u32 fnc,
				      struct ks_leaf *leaf)
{
	__u32 offset = pccc_word(v, c);
	__u32 total = pccc_word(v, c);
	__u32 n;

	if (!pccc_levels(v, c, leaf))
		return c->bad ? KS_R_length_mismatch : 0;
	n = offset + pccc_amount(v, c, fnc);
	if (c->bad || c->pos != c->end)
		return KS_R_length_mismatch;
	n = n > total ? n : total;
	leaf->quantity = (n ? n : 1) + leaf->sub_element;
	leaf->has |= KS_HAS_FILE;
	return 0;
}

/* Command 0F. */
static __always_inline int pccc_function(const struct view *v, struct pccc_cursor *c, __u32 fnc,
					 struct ks_leaf *leaf)
{
	switch (fnc) {
	case 0xa1: case 0xa2: case 0xa9: case 0xaa: case 0xab:
		return pccc_logical(v, c, fnc, leaf);
	case 0x00: case 0x01: case 0x67: case 0x68:
		return pccc_range(v, c, fnc, leaf);
	case 0x3a: case 0x80:			/* one byte: the mode */
		return c->end - c->pos == 1 ? 0 : KS_R_length_mismatch;
	case PCCC_MULTIPLE:			/* commands that nobody would judge */
		return KS_R_nesting;
	}
	return 0;
}

/* With KS_HAS_FILE: does the command say the file's type, which may be 0? */
static __always_inline int pccc_says_type(const struct ks_leaf *leaf)
{
	return (leaf->sub & 0xff) >= 0xa1;
}

/* Only these commands have a function byte. */
static __always_inline int pccc_has_function(__u32 cmd)
{
	return cmd == 0x06 || cmd == 0x07 || cmd == 0x0f;
}

static __always_inline int pccc_command(const struct view *v, __u32 off, __u32 n,
					struct ks_leaf *leaf)
{
	struct pccc_cursor c = { .pos = off + PCCC_REQUESTOR, .end = off + n };
	__u32 cmd, fnc = 0;

	/* a longer requestor is legal, but not every controller looks at its length */
	if (n < PCCC_REQUESTOR + PCCC_HEAD || view_u8(v, off, KS_EIP_VIEW) != PCCC_REQUESTOR)
		return KS_R_pccc_malformed;
	cmd = pccc_byte(v, &c);
	if (cmd & 0xf0) /* a reply, or bits that mean nothing in a request */
		return KS_R_pccc_malformed;
	leaf->transaction = view_le16(v, c.pos + 1, KS_EIP_VIEW);
	c.pos += 3;
	if (pccc_has_function(cmd)) {
		fnc = pccc_byte(v, &c);
		if (c.bad)
			return KS_R_pccc_malformed;
	}
	leaf->sub = cmd << 8 | fnc;
	leaf->has |= KS_HAS_PCCC;
	leaf->key_class = KS_CLASS_PCCC | cmd << 1 | fnc >> 7;
	if (cmd == 0x06 && fnc == 0x03)
		return c.pos == c.end ? 0 : KS_R_length_mismatch;
	return cmd == 0x0f ? pccc_function(v, &c, fnc, leaf) : 0;
}

/*
 * The request data [off, off + n) of Execute_PCCC, inside the view -> leaf: sub
 * (command << 8 | function), key_class, transaction and, with KS_HAS_FILE, file,
 * file_type (where pccc_says_type()), sub_element, address and quantity (element
 * and how many it may touch). Returns 0, KS_R_pccc_malformed, KS_R_length_mismatch or
 * KS_R_nesting (commands inside a command).
 */
static __always_inline int pccc_dissect(const struct view *v, __u32 off, __u32 n,
					struct ks_leaf *leaf)
{
	int err = KS_R_pccc_malformed;

	if (view_has(v, off, n))
		err = pccc_command(v, off, n, leaf);
	FORGET_VALUES();
	return err;
}

#endif
