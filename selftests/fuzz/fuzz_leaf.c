/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * libFuzzer entry for cip_leaf() of bpf/cip.h and bpf/cip_layout.h: bits 0 and 1
 * of byte 0 are the flags CIP_MEMBER and CIP_UCMM, the rest is one request. What
 * its path says is taken from epath_walk() (fuzz_epath.c looks after that); what
 * policy keys on and how long the data may be is said a second time below.
 */
#include "fuzz.h"

#include "../../bpf/cip.h"

#define UNKNOWN KS_CLASS_NONE

struct request {
	uint32_t service;
	const uint8_t *d;	/* data behind the path */
	uint32_t n;
	uint32_t class, key;
	struct ks_route route;	/* in a connection path */
	int named;		/* the path has a symbol */
	int classed;		/* the path has a class */
};

static uint32_t le16(const uint8_t *p)
{
	return p[0] + 256u * p[1];
}

static uint32_t le32(const uint8_t *p)
{
	return le16(p) | le16(p + 2) << 16;
}

static int vendor(uint32_t class)
{
	return (class > 0x63 && class < 0xc8) || (class > 0x2ff && class < 0x10000);
}

static int one_of(uint32_t value, const char *list, size_t n)
{
	return value < 256 && memchr(list, (int)value, n) != NULL;
}

/* Elementary data types of CIP volume 1, appendix C, by their size. */
static uint32_t type_size(uint32_t type)
{
	return one_of(type, "\xc1\xc2\xc6\xd1", 4) ? 1 : one_of(type, "\xc3\xc7\xd2", 3) ? 2 :
	       one_of(type, "\xc4\xc8\xca\xd3", 4) ? 4 : one_of(type, "\xc5\xc9\xcb\xd4", 4) ? 8 : 0;
}

/* Type (structures: and handle), count, (place,) as many bytes as count says. */
static int write_fits(const struct request *r, uint32_t n)
{
	uint32_t head = n >= 2 && le16(r->d) == 0x02a0 ? 6 : 4, size, values, place = 0;

	if (r->service == 0x53)
		head += 4;
	if (n < head)
		return 0;
	values = n - head;
	size = type_size(le16(r->d));
	if (!size)
		return values > 0;
	size *= le16(r->d + 2);
	if (r->service != 0x53)
		return values == size || values == size + size % 2;
	place = le32(r->d + 4);
	if (place > size)
		return 0;
	size -= place;
	return values > 0 && values <= size + size % 2;
}

/* May the data be n bytes? */
static int fits(const struct request *r, uint32_t n)
{
	int tag = r->key == KS_CLASS_TAG || r->key == 0x6b;

	if (r->service == 0x01 || r->service == 0x0e)
		return n == 0 || vendor(r->key);
	if (r->service == 0x03)
		return n >= 2 && n == 2 + 2 * le16(r->d);
	if (tag && r->service == 0x4c)
		return n == 2;
	if (tag && r->service == 0x52)
		return n == 6;
	if (tag && (r->service == 0x4d || r->service == 0x53))
		return write_fits(r, n);
	if (tag && r->service == 0x4e)
		return n > 2 && le16(r->d) && n == 2 + 2 * le16(r->d);
	if (r->key == 6 && r->service == 0x4e)
		return n >= 12 && n == 12 + 2u * r->d[10];
	return 1;
}

/* An empty route path may follow what came without Unconnected_Send. */
static int length_lawful(const struct request *r, uint32_t flags)
{
	return fits(r, r->n) || (flags & CIP_UCMM && r->n >= 2 && !r->d[r->n - 1] &&
				 !r->d[r->n - 2] && fits(r, r->n - 2));
}

/* A path that one device takes for a wrapper and another for something else. */
static int ambiguous(const struct request *r)
{
	if (r->classed && r->class > 0xffff)
		return 1;
	if (r->service == 0x52 && r->classed && r->class == 6)
		return 1;
	if (r->service == 0x0a && (r->named || !r->classed || r->class == 2))
		return 1;
	return r->named && r->classed && !(r->service == 0x55 && r->class == 0x6b);
}

/*
 * Forward_Open: with data in its path it configures; to the Message Router by class 2
 * or 3 it stays class 6; else it is I/O. As a member it is refused.
 */
static int open_lawful(struct request *r, uint32_t flags, struct epath_work *work)
{
	uint32_t words = r->service == 0x5b ? 39 : 35, transport;
	struct view v = { .base = r->d, .len = r->n };
	int target;

	r->key = KS_CLASS_OPEN;
	if (flags & CIP_MEMBER || r->n <= words || r->n != words + 1 + 2u * r->d[words])
		return 0;
	target = epath_to_router(&v, words + 1, r->d[words], &r->route, work);
	transport = r->d[words - 1] & 15;
	if (work->config)
		r->key = KS_CLASS_CONFIG;
	else if (target == 0 && (transport == 2 || transport == 3))
		r->key = 6;
	return target <= 0;
}

static int lawful(const struct view *v, uint32_t flags, struct request *r)
{
	struct epath_work work;
	struct ks_leaf path;
	uint32_t words;

	memset(&path, 0, sizeof(path));
	memset(r, 0, sizeof(*r));
	if (v->len < 2 || v->base[0] > 127)
		return 0;
	r->service = v->base[0];
	words = v->base[1];
	if (2 + 2 * words > v->len || epath_walk(v, 2, words, &path, &work))
		return 0;
	r->d = v->base + 2 + 2 * words;
	r->n = v->len - 2 - 2 * words;
	r->class = path.class;
	r->classed = !!(path.has & KS_HAS_CLASS);
	r->named = !!(path.has & KS_HAS_TAG);
	if ((path.has & KS_HAS_INSTANCE && path.instance == 0xffffffff) ||
	    (path.has & KS_HAS_ATTRIBUTE && path.attribute == 0xffffffff) || ambiguous(r))
		return 0;
	r->key = r->classed ? r->class : r->named ? KS_CLASS_TAG : UNKNOWN;
	if (r->key == 6 && (r->service == 0x54 || r->service == 0x5b))
		return open_lawful(r, flags, &work);
	return length_lawful(r, flags);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view v = { .base = data + 1, .len = size - 1 };
	struct ks_route none = { 0 };
	struct epath_work work;
	struct ks_leaf leaf;
	struct request r;
	int reason;

	if (!size)
		return 0;
	memset(&leaf, 0xee, sizeof(leaf));
	memset(&work, 0xee, sizeof(work));
	reason = cip_leaf(&v, 0, v.len, data[0] & (CIP_MEMBER | CIP_UCMM), &none, &leaf, &work);
	MUST(reason >= 0 && reason < KS_REASONS);
	MUST(!reason == !!lawful(&v, data[0], &r));
	MUST(leaf.proto == KS_ENIP && leaf.offset == 0 && leaf.length == v.len);
	MUST(leaf.function == 0 && leaf.tag_len <= KS_TAG_MAX);
	MUST(!(leaf.has & KS_HAS_ROUTE) == !leaf.route.len);
	if (!reason)
		MUST(leaf.service == r.service && leaf.key_class == r.key &&
		     !memcmp(&leaf.route, &r.route, sizeof(r.route)));
	return 0;
}
