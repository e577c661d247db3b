// SPDX-License-Identifier: GPL-2.0-only
/*
 * Community ID, see community.h: base64 of the SHA-1 over seed, ordered
 * endpoints and protocol. Must only be asked about TCP and UDP.
 */
#include <arpa/inet.h>
#include <string.h>

#include <nettle/base64.h>
#include <nettle/sha1.h>

#include "community.h"

struct endpoint {
	const __u8 *addr;
	__u16 port;	/* wire order */
};

static int compare(const struct endpoint *a, const struct endpoint *b, size_t len)
{
	int order = memcmp(a->addr, b->addr, len);

	return order ? order : memcmp(&a->port, &b->port, sizeof(a->port));
}

static void digest_of(uint8_t digest[SHA1_DIGEST_SIZE], const struct ks_event *e)
{
	size_t len = e->ip_version == 4 ? 4 : 16, skip = 16 - len;
	struct endpoint a = { e->src + skip, htons(e->sport) };
	struct endpoint b = { e->dst + skip, htons(e->dport) }, swap;
	const __u8 seed[2] = { 0, 0 }, proto[2] = { e->ip_proto, 0 };
	struct sha1_ctx sha;

	if (compare(&a, &b, len) > 0) {
		swap = a;
		a = b;
		b = swap;
	}
	sha1_init(&sha);
	sha1_update(&sha, sizeof(seed), seed);
	sha1_update(&sha, len, a.addr);
	sha1_update(&sha, len, b.addr);
	sha1_update(&sha, sizeof(proto), proto);
	sha1_update(&sha, sizeof(a.port), (const __u8 *)&a.port);
	sha1_update(&sha, sizeof(b.port), (const __u8 *)&b.port);
	sha1_digest(&sha, SHA1_DIGEST_SIZE, digest);
}

const char *community_id(char out[COMMUNITY_ID_MAX], const struct ks_event *e)
{
	uint8_t digest[SHA1_DIGEST_SIZE];

	digest_of(digest, e);
	memcpy(out, "1:", 2);
	base64_encode_raw(out + 2, sizeof(digest), digest);
	out[2 + BASE64_ENCODE_RAW_LENGTH(sizeof(digest))] = '\0';
	return out;
}

uint64_t community_number(const struct ks_event *e)
{
	uint8_t digest[SHA1_DIGEST_SIZE];
	uint64_t number = 0;

	digest_of(digest, e);
	for (size_t i = 0; i < sizeof(number); i++)
		number = number << 8 | digest[i];
	return number;
}
