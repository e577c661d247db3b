/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * bpf/modbus.h: framing, the exact length of every function code, the fields of
 * the leaf, and everything that must be refused. Knows no policy.
 */
#include "../../bpf/modbus.h"
#include "bytes.h"
#include "test.h"

/* One whole ADU around a PDU; unit 0x11, transaction 0x0102. */
static struct bytes adu(const __u8 *pdu, __u32 n)
{
	struct bytes b = { .len = 0 };

	bytes_hex(&b, "01 02 00 00");
	bytes_add(&b, (__u8[]){ (n + 1) >> 8, (n + 1) & 0xff, 0x11 }, 3);
	bytes_add(&b, pdu, n);
	return b;
}

static int judge_opaque(const __u8 *pdu, __u32 n, const __u8 *opaque, struct ks_leaf *leaf)
{
	struct bytes b = adu(pdu, n);
	struct view v = bytes_exact(b.at, b.len);

	memset(leaf, 0xee, sizeof(*leaf));
	CHECK(modbus_frame(&v, 0) == (int)b.len);
	return modbus_dissect(&v, opaque, leaf);
}

static int judge(const char *pdu, struct ks_leaf *leaf)
{
	struct bytes b = { .len = 0 };

	bytes_hex(&b, pdu);
	return judge_opaque(b.at, b.len, NULL, leaf);
}

static int reason(const char *pdu)
{
	struct ks_leaf leaf;

	return judge(pdu, &leaf);
}

/* Every public function code with a PDU as the specification shapes it. */
static const char *const valid[] = {
	"01 0013 0025", "02 00c4 0016", "03 006b 0003", "04 0008 0001",
	"05 00ac ff00", "05 00ac 0000", "06 0001 0003", "07", "08 0000 a537",
	"08 0001 ff00", "08 0004 0000", "08 000a 0000", "0b", "0c",
	"0f 0013 000a 02 cd01", "0f 0000 0001 01 01", "10 0001 0002 04 000a 0102", "11",
	"14 07 06 0004 0001 0002", "14 0e 06 0004 0001 0002 06 0003 0009 0002",
	"15 0d 06 0004 0007 0003 06af 04be 100d",
	"15 12 06 0004 0007 0001 06af 06 0003 0007 0001 0203",
	"16 0004 00f2 0025", "17 0003 0006 000e 0003 06 00ff 00ff 00ff", "18 04de",
	"2b 0e 01 00", "2b 0e 04 ff",
};

#define VALID (sizeof(valid) / sizeof(valid[0]))

TEST(modbus_valid_lengths)
{
	for (__u32 i = 0; i < VALID; i++)
		CHECK_AT(reason(valid[i]) == 0, i);
}

/* Same function code and first bytes, every other number of bytes behind them. */
TEST(modbus_every_wrong_length)
{
	for (__u32 i = 0; i < VALID; i++) {
		struct bytes right = { .len = 0 }, pdu;
		struct ks_leaf leaf;

		bytes_hex(&right, valid[i]);
		for (__u32 n = 1; n <= 253; n++) {
			pdu = right;
			memset(pdu.at + right.len, 0, sizeof(pdu.at) - right.len);
			if (n == right.len)
				continue;
			CHECK_AT(judge_opaque(pdu.at, n, NULL, &leaf) == KS_R_length_mismatch,
				 i * 1000 + n);
		}
	}
}

/* The MBAP length says more than there is: never judged as whole, never read beyond. */
TEST(modbus_truncated_everywhere)
{
	for (__u32 i = 0; i < VALID; i++) {
		struct bytes pdu = { .len = 0 }, b;
		struct ks_leaf leaf;

		bytes_hex(&pdu, valid[i]);
		b = adu(pdu.at, pdu.len);
		for (__u32 n = 0; n < b.len; n++) {
			struct view v = bytes_exact(b.at, n);

			CHECK_AT(modbus_frame(&v, 0) == (n < 6 ? 0 : (int)b.len), n);
			if (pdu.at[0] == 8 && pdu.at[2] == 0 && n >= 10)
				continue;
			CHECK_AT(modbus_dissect(&v, NULL, &leaf) != 0, i * 1000 + n);
		}
	}
}

TEST(modbus_frame_limits)
{
	__u8 head[6] = { 0, 0, 0, 0, 0, 0 };
	struct view v;

	for (__u32 length = 0; length <= 0xffff; length++) {
		head[4] = length >> 8;
		head[5] = length;
		v = bytes_exact(head, 6);
		if (length >= 2 && length <= 254)
			CHECK_AT(modbus_frame(&v, 0) == (int)(6 + length), length);
		else
			CHECK_AT(modbus_frame(&v, 0) < 0, length);
	}
	for (__u32 at = 2; at <= 3; at++) {
		__u8 other[4] = { 0, 0, 0, 0 };

		other[at] = 1;
		v = bytes_exact(other, 4);
		CHECK_AT(modbus_frame(&v, 0) < 0, at);
	}
}

TEST(modbus_fields_of_spans)
{
	struct ks_leaf leaf;
	__u16 has = KS_HAS_UNIT | KS_HAS_FUNCTION | KS_HAS_ADDRESS;

	CHECK(judge("03 006b 0003", &leaf) == 0);
	CHECK(leaf.proto == KS_MODBUS && leaf.transaction == 0x0102 && leaf.unit == 0x11);
	CHECK(leaf.function == 3 && leaf.address == 0x6b && leaf.quantity == 3 && leaf.has == has);
	CHECK(leaf.offset == 0 && leaf.length == 12 && leaf.tag_len == 0 && leaf.rule == 0);
	CHECK(judge("06 1234 abcd", &leaf) == 0);
	CHECK(leaf.address == 0x1234 && leaf.quantity == 1 && leaf.has == has);
	CHECK(judge("10 fffe 0002 04 0000 0000", &leaf) == 0);
	CHECK(leaf.address == 0xfffe && leaf.quantity == 2 && leaf.has == has);
	CHECK(judge("16 0004 00f2 0025", &leaf) == 0);
	CHECK(leaf.address == 4 && leaf.quantity == 1 && leaf.has == has);
	CHECK(judge("18 04de", &leaf) == 0);
	CHECK(leaf.address == 0x4de && leaf.quantity == 1 && leaf.has == has);
	CHECK(judge("17 0003 0006 000e 0003 06 00ff 00ff 00ff", &leaf) == 0);
	CHECK(leaf.address == 3 && leaf.quantity == 6);
	CHECK(leaf.waddress == 14 && leaf.wquantity == 3);
	CHECK(leaf.has == (has | KS_HAS_WRITE_SPAN));
	CHECK(judge("14 07 06 0004 0001 0002", &leaf) == 0);
	CHECK(leaf.has == (KS_HAS_UNIT | KS_HAS_FUNCTION));
}

/* Quantities that only the device can refuse stay as they are on the wire. */
TEST(modbus_quantity_as_on_the_wire)
{
	struct ks_leaf leaf;

	CHECK(judge("03 ffff 0002", &leaf) == 0);
	CHECK(leaf.address == 0xffff && leaf.quantity == 2);
	CHECK(judge("01 0000 0000", &leaf) == 0 && leaf.quantity == 0);
	CHECK(judge("01 0000 ffff", &leaf) == 0 && leaf.quantity == 0xffff);
	CHECK(judge("10 0000 0000 00", &leaf) == 0 && leaf.quantity == 0);
	CHECK(judge("0f 0000 0000 00", &leaf) == 0 && leaf.quantity == 0);
}

/* Byte count against quantity and against the MBAP length, each alone wrong. */
TEST(modbus_byte_counts)
{
	CHECK(reason("0f 0013 000a 03 cd0100") == KS_R_length_mismatch);
	CHECK(reason("0f 0013 0011 02 cd01") == KS_R_length_mismatch);
	CHECK(reason("0f 0013 000a 01 cd01") == KS_R_length_mismatch);
	CHECK(reason("10 0001 0002 04 000a") == KS_R_length_mismatch);
	CHECK(reason("10 0001 0001 04 000a 0102") == KS_R_length_mismatch);
	CHECK(reason("10 0001 0002 02 000a 0102") == KS_R_length_mismatch);
	CHECK(reason("10 0001 8002 04 000a 0102") == KS_R_length_mismatch);
	CHECK(reason("17 0003 0006 000e 0002 06 00ff 00ff 00ff") == KS_R_length_mismatch);
	CHECK(reason("17 0003 0006 000e 0003 04 00ff 00ff 00ff") == KS_R_length_mismatch);
}

/* libmodbus frames by function code: what lies behind its 12 bytes runs as well. */
TEST(modbus_hidden_write)
{
	CHECK(reason("03 0000 0001 | 0001 0000 0006 11 05 0001 ff00") == KS_R_length_mismatch);
	CHECK(reason("11 | 0001 0000 0006 11 05 0001 ff00") == KS_R_length_mismatch);
}

TEST(modbus_malformed)
{
	struct ks_leaf leaf;
	__u8 pdu[5] = { 0, 0, 1, 0, 1 };
	__u8 all[16];

	memset(all, 0xff, sizeof(all));
	for (__u32 fc = 0; fc <= 255; fc++) {
		if (fc && fc < 0x80)
			continue;
		pdu[0] = fc;
		CHECK_AT(judge_opaque(pdu, 5, all, &leaf) == KS_R_malformed, fc);
		CHECK_AT(judge_opaque(pdu, 2, all, &leaf) == KS_R_malformed, fc);
	}
	for (__u32 value = 0; value <= 0xffff; value++) {
		__u8 coil[5] = { 5, 0, 1, value >> 8, value };
		int good = value == 0xff00 || value == 0;

		CHECK_AT(judge_opaque(coil, 5, NULL, &leaf) == (good ? 0 : KS_R_malformed), value);
	}
}

/* Replies sent as requests; those of FC 5, 6, 15 echo and 22 equal their requests. */
TEST(modbus_response_shaped)
{
	CHECK(reason("83 02") == KS_R_malformed);
	CHECK(reason("03 02 0001") == KS_R_length_mismatch);
	CHECK(reason("03 04 0001 0002") == KS_R_length_mismatch);
	CHECK(reason("01 01 05") == KS_R_length_mismatch);
	CHECK(reason("10 0001 0002") == KS_R_length_mismatch);
	CHECK(reason("0f 0013 000a") == KS_R_length_mismatch);
	CHECK(reason("07 6d") == KS_R_length_mismatch);
	CHECK(reason("0b ffff 0108") == KS_R_length_mismatch);
	CHECK(reason("11 02 0b ff") == KS_R_length_mismatch);
	CHECK(reason("14 06 05 06 0dfe 0020") == KS_R_length_mismatch);
	CHECK(reason("17 04 00fe 0acd") == KS_R_length_mismatch);
	CHECK(reason("18 0006 0002 01b8 1284") == KS_R_length_mismatch);
	CHECK(reason("2b 0e 01 01 00 00 01 00 04 'ACME'") == KS_R_length_mismatch);
}

TEST(modbus_diagnostics)
{
	struct ks_leaf leaf;

	for (__u32 sub = 0; sub <= 0xffff; sub++) {
		__u8 one[7] = { 8, sub >> 8, sub, 0, 0, 0, 0 };

		CHECK_AT(judge_opaque(one, 5, NULL, &leaf) == 0 && leaf.sub == sub, sub);
		CHECK(leaf.has == (KS_HAS_UNIT | KS_HAS_FUNCTION | KS_HAS_SUB));
		CHECK_AT(judge_opaque(one, 7, NULL, &leaf) == KS_R_length_mismatch, sub);
	}
	CHECK(reason("08") == KS_R_length_mismatch && reason("08 00") == KS_R_length_mismatch);
}

TEST(modbus_file_records)
{
	CHECK(reason("14 00") == KS_R_length_mismatch);
	CHECK(reason("14") == KS_R_length_mismatch);
	CHECK(reason("15") == KS_R_length_mismatch);
	CHECK(reason("14 06 06 0004 0001 00") == KS_R_length_mismatch);
	CHECK(reason("14 08 06 0004 0001 0002 06") == KS_R_length_mismatch);
	CHECK(reason("14 07 05 0004 0001 0002") == KS_R_malformed);
	CHECK(reason("14 0e 06 0004 0001 0002 07 0003 0009 0002") == KS_R_malformed);
	CHECK(reason("15 0d 05 0004 0007 0003 06af 04be 100d") == KS_R_malformed);
	CHECK(reason("15 0d 06 0004 0007 0002 06af 04be 100d") == KS_R_length_mismatch);
	CHECK(reason("15 0d 06 0004 0007 0004 06af 04be 100d") == KS_R_length_mismatch);
	CHECK(reason("15 0d 06 0004 0007 8003 06af 04be 100d") == KS_R_length_mismatch);
	CHECK(reason("15 07 06 0004 0007 0000") == 0);
}

TEST(modbus_most_file_records)
{
	struct bytes b = { .len = 0 };
	struct ks_leaf leaf;

	bytes_hex(&b, "14 f5");
	for (int i = 0; i < 35; i++)
		bytes_hex(&b, "06 0004 0001 0002");
	CHECK(judge_opaque(b.at, b.len, NULL, &leaf) == 0);
	b.at[2 + 34 * 7] = 7;
	CHECK(judge_opaque(b.at, b.len, NULL, &leaf) == KS_R_malformed);
}

TEST(modbus_tunnels)
{
	struct ks_leaf leaf;
	__u8 opaque[16] = { 0 };

	CHECK(judge("2b 0e 01 00", &leaf) == 0 && leaf.sub == 14 && leaf.has & KS_HAS_SUB);
	CHECK(modbus_ruled(&leaf));
	CHECK(judge("2b 0d 01 02 03", &leaf) == KS_R_function_opaque && leaf.sub == 13);
	CHECK(!modbus_ruled(&leaf));
	CHECK(judge("2b 01", &leaf) == KS_R_function_opaque && leaf.sub == 1);
	CHECK(judge("2b", &leaf) == KS_R_length_mismatch);
	CHECK(judge("5a 00 02", &leaf) == KS_R_function_opaque && leaf.sub == 2);
	CHECK(leaf.has == (KS_HAS_UNIT | KS_HAS_FUNCTION | KS_HAS_SUB));
	CHECK(judge("5a", &leaf) == KS_R_function_opaque && !(leaf.has & KS_HAS_SUB));
	opaque[43 / 8] = 1 << 43 % 8;
	CHECK(judge_opaque((__u8[]){ 0x2b, 13, 1 }, 3, opaque, &leaf) == 0 && leaf.sub == 13);
	CHECK(judge_opaque((__u8[]){ 0x2b, 14, 1 }, 3, opaque, &leaf) == KS_R_length_mismatch);
}

/* Codes without a length rule: refused, unless their own bit is set; rules stay rules. */
TEST(modbus_opaque_codes)
{
	static const __u8 ruled[] = { 1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 15, 16, 17, 20, 21, 22, 23, 24 };
	__u8 pdu[9] = { 0, 0, 0, 0xff, 0, 0xff }, one[16], others[16];
	struct ks_leaf leaf;

	for (__u32 fc = 1; fc < 128; fc++) {
		int has_rule = memchr(ruled, fc, sizeof(ruled)) != NULL;

		if (fc == 43)
			continue;
		memset(one, 0, sizeof(one));
		one[fc / 8] = 1 << fc % 8;
		for (int i = 0; i < 16; i++)
			others[i] = ~one[i];
		pdu[0] = fc;
		pdu[1] = has_rule ? 1 : 0;
		CHECK_AT(judge_opaque(pdu, 9, NULL, &leaf) ==
			 (has_rule ? KS_R_length_mismatch : KS_R_function_opaque), fc);
		CHECK_AT(judge_opaque(pdu, 9, others, &leaf) ==
			 (has_rule ? KS_R_length_mismatch : KS_R_function_opaque), fc);
		CHECK_AT(judge_opaque(pdu, 9, one, &leaf) ==
			 (has_rule ? KS_R_length_mismatch : 0), fc);
		CHECK_AT(leaf.function == fc, fc);
		CHECK_AT(modbus_ruled(&leaf) == has_rule, fc);
	}
}

int main(void)
{
	return test_run_all();
}
