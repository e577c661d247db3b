/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * libFuzzer entry for bpf/epath.h and bpf/conn_path.h: byte 0 is the path size in words that the
 * request claims, the rest are the bytes that are there. The path is read a second
 * time below into a word of one letter a segment; what a request may address, and
 * which connection paths end at the Message Router, are patterns of such words.
 */
#include "fuzz.h"

#include <regex.h>

#include "../../bpf/conn_path.h"
#include "route.h"

#define SEGMENTS 255

/* C class, I instance, M member, A attribute, S symbol, P port, K key, D data */
struct path {
	char word[SEGMENTS + 1];
	uint32_t value[SEGMENTS];
	uint32_t at[SEGMENTS];	/* where it begins */
	uint32_t n;
	int good;		/* each segment is one of those, none is cut */
	char text[4096];	/* the name that symbols and members spell */
	size_t text_len;
};

static int matches(regex_t *re, const char *pattern, const char *word)
{
	if (!re->re_nsub && regcomp(re, pattern, REG_EXTENDED))
		abort();
	return regexec(re, word, 0, NULL, 0) == 0;
}

/* Class, instance, attribute in this order, then members; a name; a scope and a class. */
static int addresses_one_thing(const char *word)
{
	static regex_t re;

	return matches(&re, "^((C?(IA?|A)M*)|(C?)|(S[SM]*)|(S+CI?))$", word);
}

/* Number of the path's last segment of a kind, which there is. */
static uint32_t value_of(const struct path *p, char kind)
{
	return p->value[strrchr(p->word, kind) - p->word];
}

/* Configuration may stand anywhere in it. */
static int ends_at_router(const struct path *p)
{
	static regex_t re;

	return matches(&re, "^([PKD]*CD*ID*)$", p->word) && value_of(p, 'C') == 2 &&
	       value_of(p, 'I') == 1;
}

static uint32_t even(uint32_t n)
{
	return n + n % 2;
}

static void spell(struct path *p, const uint8_t *from, uint32_t n)
{
	memcpy(p->text + p->text_len, from, n);
	p->text_len += n;
}

/* 0x6n or 0x91 and a count, characters, a zero to make it even. */
static uint32_t symbol(struct path *p, const uint8_t *s, uint32_t left)
{
	uint32_t head = s[0] == 0x91 ? 2 : 1, n = s[0] == 0x91 ? s[1] : s[0] & 31;
	uint32_t size = even(head + n);

	if (n == 0 || size > left || (size > head + n && s[size - 1]))
		return 0;
	if (p->text_len)
		p->text[p->text_len++] = '.';
	for (uint32_t i = head; i < head + n; i++)
		if (s[i] < 32 || s[i] == 127)
			return 0;
	spell(p, s + head, n);
	p->word[p->n] = 'S';
	return size;
}

static uint32_t logical(struct path *p, const uint8_t *s, uint32_t left)
{
	static const uint8_t sizes[] = { 2, 4, 6, 0 };
	uint32_t size = sizes[s[0] & 3], value = 0;
	char index[16];

	if (s[0] == 0x34) {
		p->word[p->n] = 'K';
		return s[1] == 4 && left >= 10 ? 10 : 0;
	}
	p->word[p->n] = "CIM?A???"[s[0] >> 2 & 7];
	if (p->word[p->n] == '?' || !size || size > left || (size > 2 && s[1]))
		return 0;
	for (uint32_t i = size; i-- > (size > 2 ? 2 : 1);)
		value = value << 8 | s[i];
	p->value[p->n] = value;
	if (p->word[p->n] == 'M' && p->text_len) {
		snprintf(index, sizeof(index), "[%u]", value);
		spell(p, (uint8_t *)index, strlen(index));
	}
	return size;
}

/* Bit 4: a link address of that many bytes; port 15: two bytes more that name it. */
static uint32_t port(struct path *p, const uint8_t *s, uint32_t left)
{
	uint32_t size = 2 + ((s[0] & 15) == 15 ? 2 : 0) + (s[0] & 16 ? even(s[1]) : 0);

	p->word[p->n] = 'P';
	return s[0] & 15 && size <= left ? size : 0;
}

/* 0x80, a count, that many words. */
static uint32_t data(struct path *p, const uint8_t *s, uint32_t left)
{
	uint32_t size = 2 + 2 * s[1];

	p->word[p->n] = 'D';
	return size <= left ? size : 0;
}

static void read_path(struct path *p, const uint8_t *s, uint32_t n)
{
	uint32_t at = 0, size;

	memset(p->word, 0, sizeof(p->word));
	p->n = p->text_len = p->good = 0;
	while (at < n) {
		if (s[at] < 0x20)
			size = port(p, s + at, n - at);
		else if (s[at] < 0x40)
			size = logical(p, s + at, n - at);
		else if ((s[at] & 0xe0) == 0x60 || s[at] == 0x91)
			size = symbol(p, s + at, n - at);
		else if (s[at] == 0x80)
			size = data(p, s + at, n - at);
		else
			return;
		if (!size)
			return;
		p->at[p->n++] = at;
		at += size;
	}
	p->good = 1;
}

static void check_leaf(const struct ks_leaf *leaf, const struct path *p)
{
	uint32_t has = 0, len = p->text_len < KS_TAG_MAX ? p->text_len : KS_TAG_MAX;

	for (uint32_t i = 0; i < p->n; i++) {
		has |= p->word[i] == 'C' ? KS_HAS_CLASS : p->word[i] == 'I' ? KS_HAS_INSTANCE :
		       p->word[i] == 'A' ? KS_HAS_ATTRIBUTE : p->word[i] == 'M' ? KS_HAS_MEMBER :
					   KS_HAS_TAG;
		MUST(p->word[i] != 'C' || leaf->class == p->value[i]);
		MUST(p->word[i] != 'I' || leaf->instance == p->value[i]);
		MUST(p->word[i] != 'A' || leaf->attribute == p->value[i]);
	}
	if (p->text_len > KS_TAG_MAX)
		has |= KS_HAS_TAG_LONG;
	MUST(leaf->has == has && leaf->tag_len == len);
	MUST(!memcmp(leaf->tag, p->text, len));
}

static void check_request(const struct view *v, uint32_t words, const struct path *p)
{
	struct epath_work work;
	struct ks_leaf leaf;
	int reason;

	memset(&leaf, 0, sizeof(leaf));
	memset(&work, 0xee, sizeof(work));
	reason = epath_walk(v, 0, words, &leaf, &work);
	MUST(reason == 0 || reason == KS_R_epath_malformed || reason == KS_R_epath_ambiguous ||
	     reason == KS_R_epath_long);
	MUST(!reason == (p->good && p->n <= KS_EPATH_MAX && addresses_one_thing(p->word)));
	if (!reason)
		check_leaf(&leaf, p);
}

/* Ports stand in front of what names an object, with keys and data among them. */
static void read_route(struct hops *h, const struct path *p, const uint8_t *s, uint32_t n)
{
	size_t lead = strspn(p->word, "PKD");

	memset(h, 0, sizeof(*h));
	h->good = !strchr(p->word + lead, 'P');
	for (size_t i = 0; i < lead && h->good; i++)
		if (p->word[i] == 'P')
			h->good = hop(h, s + p->at[i], n - p->at[i]) && h->n <= KS_ROUTE_HOPS;
}

static void check_connection(const struct view *v, uint32_t words, const struct path *p)
{
	struct ks_route route = { 0 };
	struct epath_work work;
	struct hops h;
	int target, whole = p->good && p->n <= KS_EPATH_MAX;

	memset(&work, 0xee, sizeof(work));
	target = epath_to_router(v, 0, words, &route, &work);
	MUST(target == 0 || target == -1 || target == KS_R_epath_malformed ||
	     target == KS_R_epath_long || target == KS_R_epath_ambiguous ||
	     target == KS_R_route_malformed || target == KS_R_route_long);
	if (whole)
		read_route(&h, p, v->base, 2 * words);
	MUST(!target == (whole && h.good && ends_at_router(p)) || (!target && work.config));
	if (!whole)
		return;
	MUST((target <= 0) == h.good);
	if (target > 0)
		return;
	MUST(work.config == (strchr(p->word, 'D') != NULL));
	check_route(&route, &h);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct path p;
	struct view v = { .base = data + 1, .len = size - 1 };
	int router;

	if (!size)
		return 0;
	p.good = 0;
	if (2u * data[0] <= v.len)
		read_path(&p, data + 1, 2u * data[0]);
	check_request(&v, data[0], &p);
	check_connection(&v, data[0], &p);
	router = p.good && !strcmp(p.word, "CI") && p.value[0] == 2 && p.value[1] == 1;
	MUST(!epath_is(&v, 0, data[0], 2, 1) == !router);
	return 0;
}
