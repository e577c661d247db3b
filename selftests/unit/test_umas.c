/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * bpf/umas.h and what bpf/modbus.h does with it: key and sub-function, the signed
 * wrapper, the longer frames, and that nothing of it holds for other servers.
 */
#include "../../bpf/modbus.h"
#include "bytes.h"
#include "test.h"

static const __u8 speaks[16] = { [90 / 8] = 1 << 90 % 8 };

/* One whole ADU around what stands behind the function code. */
static struct bytes adu(const char *data, __u32 filler)
{
	struct bytes b = { .len = 0 }, body = { .len = 0 };

	bytes_hex(&body, data);
	while (filler--)
		bytes_add(&body, "", 1);
	bytes_hex(&b, "01 02 00 00");
	bytes_add(&b, (__u8[]){ (body.len + 2) >> 8, (body.len + 2) & 0xff, 1, 90 }, 4);
	bytes_add(&b, body.at, body.len);
	return b;
}

static int judge(const char *data, struct ks_leaf *leaf)
{
	struct bytes b = adu(data, 0);
	struct view v = bytes_exact(b.at, b.len);

	memset(leaf, 0xee, sizeof(*leaf));
	CHECK(modbus_frame(&v, 1) == (int)b.len);
	return modbus_dissect(&v, speaks, leaf);
}

#define SIGNATURE \
	"00 00010203 04050607 08090a0b 0c0d0e0f 10111213 14151617 18191a1b 1c1d1e1f"

TEST(umas_fields)
{
	struct ks_leaf leaf;

	CHECK(judge("00 02", &leaf) == 0 && leaf.sub == 2 && leaf.umas_key == 0);
	CHECK(leaf.has == (KS_HAS_UNIT | KS_HAS_FUNCTION | KS_HAS_SUB));
	CHECK(judge("9d 22 0102 0304", &leaf) == 0 && leaf.sub == 0x22 && leaf.umas_key == 0x9d);
	CHECK(judge("00", &leaf) == KS_R_length_mismatch && !(leaf.has & KS_HAS_SUB));
	CHECK(judge("", &leaf) == KS_R_length_mismatch);
}

/* The sub-function of a signed request is that of the request inside, once. */
TEST(umas_signed)
{
	struct ks_leaf leaf;

	CHECK(judge("00 38 " SIGNATURE "5a 77 41 00", &leaf) == 0);
	CHECK(leaf.sub == 0x41 && leaf.umas_key == 0x77);
	CHECK(judge("00 38 " SIGNATURE "5a 77 22", &leaf) == 0 && leaf.sub == 0x22);
	CHECK(judge("00 38 " SIGNATURE "5b 77 22", &leaf) == KS_R_malformed);
	CHECK(judge("00 38 " SIGNATURE "5a 77 38", &leaf) == KS_R_nesting);
	CHECK(judge("00 38 " SIGNATURE "5a 77 38 " SIGNATURE "5a 77 02", &leaf) == KS_R_nesting);
}

TEST(umas_signed_truncated_everywhere)
{
	struct bytes b = adu("00 38 " SIGNATURE "5a 77 41", 0);
	struct ks_leaf leaf;

	CHECK(b.len == 46);
	for (__u32 n = 0; n < b.len; n++) {
		struct view v;

		b.at[5] = n > 6 ? n - 6 : 0;
		v = bytes_exact(b.at, n);
		CHECK_AT(modbus_dissect(&v, speaks, &leaf) != 0, n);
	}
}

/* Servers that do not speak it might take the data of such a request for the next one. */
TEST(umas_only_where_spoken)
{
	static const char *const all[] = { "00 02", "00", "", "00 38 " SIGNATURE "5a 77 38" };
	struct ks_leaf leaf;
	__u8 others[16];

	for (__u32 i = 0; i < 16; i++)
		others[i] = ~speaks[i];
	for (__u32 i = 0; i < 4; i++) {
		struct bytes b = adu(all[i], 0);
		struct view v = bytes_exact(b.at, b.len);

		CHECK_AT(modbus_dissect(&v, NULL, &leaf) == KS_R_function_opaque, i);
		CHECK_AT(modbus_dissect(&v, others, &leaf) == KS_R_function_opaque, i);
	}
}

/* Above 254 the length is one of FC 90 alone, up to what is looked at. */
TEST(umas_frame_limits)
{
	__u8 head[8] = { 0, 0, 0, 0, 0, 0, 1, 90 };

	for (__u32 length = 255; length <= 0xffff; length++) {
		int want = length + 6 <= 2048 ? (int)length + 6 : -KS_R_message_long;
		struct view v;

		head[4] = length >> 8;
		head[5] = length;
		head[7] = 90;
		v = bytes_exact(head, 8);
		CHECK_AT(modbus_frame(&v, 1) == want, length);
		CHECK_AT(modbus_frame(&v, 0) == -KS_R_malformed, length);
		v = bytes_exact(head, 7);
		CHECK_AT(modbus_frame(&v, 1) == 0, length);
		CHECK_AT(modbus_frame(&v, 0) == -KS_R_malformed, length);
		head[7] = 16;
		v = bytes_exact(head, 8);
		CHECK_AT(modbus_frame(&v, 1) == -KS_R_malformed, length);
	}
}

TEST(umas_longest)
{
	struct bytes b = adu("00 29", 2038);
	struct view v = bytes_exact(b.at, b.len);
	struct ks_leaf leaf;

	CHECK(b.len == 2048 && modbus_frame(&v, 1) == 2048);
	CHECK(modbus_dissect(&v, speaks, &leaf) == 0 && leaf.sub == 0x29 && leaf.length == 2048);
}

int main(void)
{
	return test_run_all();
}
