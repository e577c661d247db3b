/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * bpf/enip.h: encapsulation framing, the length of every command, the rules of the
 * Common Packet Format, and where the CIP request stands. Reads no CIP.
 */
#include "../../bpf/enip.h"
#include "bytes.h"
#include "test.h"

/* One whole PDU: header with a session handle and a sender context, then data. */
static struct bytes pdu(__u32 command, const char *data)
{
	struct bytes b = { .len = 0 }, d = { .len = 0 };

	bytes_hex(&d, data);
	bytes_le16(&b, command);
	bytes_le16(&b, d.len);
	bytes_hex(&b, "34120000 00000000 '_known_ ' 00000000");
	bytes_add(&b, d.at, d.len);
	return b;
}

static int dissect_on(int udp, const struct bytes *b, struct enip_msg *m)
{
	struct view v = bytes_exact(b->at, b->len);

	memset(m, 0xee, sizeof(*m));
	return enip_dissect(&v, udp, m);
}

static int dissect(__u32 command, const char *data, struct enip_msg *m)
{
	struct bytes b = pdu(command, data);

	return dissect_on(0, &b, m);
}

static int reason(__u32 command, const char *data)
{
	struct enip_msg m;

	return dissect(command, data, &m);
}

#define RR	"00000000 0a00 | 0200 0000 0000 b200 0800 | 0e03 2001 2401 3001"
#define UNIT	"00000000 0000 | 0200 a100 0400 58e39730 b100 0a00 | 0100 0e03 2001 2401 3001"
#define SOCKADDR "0180 1000 0002 08ae 00000000 0000000000000000"

TEST(enip_frame_needs_header)
{
	struct bytes b = pdu(0x6f, RR);

	for (__u32 n = 0; n <= b.len; n++) {
		struct view v = bytes_exact(b.at, n);

		CHECK_AT(enip_frame(&v) == (n < 24 ? 0 : (int)b.len), n);
	}
}

TEST(enip_frame_length_and_options)
{
	struct bytes b = pdu(0x6f, "");
	struct view v;

	for (__u32 n = 0; n <= 0xffff; n++) {
		b.at[2] = n;
		b.at[3] = n >> 8;
		v = bytes_exact(b.at, b.len);
		if (24 + n <= EIP_PDU_MAX)
			CHECK_AT(enip_frame(&v) == (int)(24 + n), n);
		else
			CHECK_AT(enip_frame(&v) == -KS_R_message_long, n);
	}
	for (__u32 at = 20; at < 24; at++) {
		b = pdu(0x6f, RR);
		b.at[at] = 1;
		v = bytes_exact(b.at, b.len);
		CHECK_AT(enip_frame(&v) == -KS_R_encap_malformed, at);
	}
}

/* Header length against bytes given, both ways; a cut PDU is never judged as whole. */
TEST(enip_truncated_everywhere)
{
	static const struct { __u32 command; const char *data; } all[] = {
		{ 0x6f, RR }, { 0x70, UNIT }, { 0x65, "0100 0000" }, { 0x63, "" }, { 0, "aabb" },
	};

	for (__u32 i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		struct bytes b = pdu(all[i].command, all[i].data);
		struct enip_msg m;
		__u32 whole = b.len;

		CHECK_AT(dissect_on(0, &b, &m) == 0, i);
		for (b.len = 0; b.len < whole; b.len++)
			CHECK_AT(dissect_on(0, &b, &m) == KS_R_encap_malformed, b.len);
		b.len = whole + 1;
		CHECK_AT(dissect_on(0, &b, &m) == KS_R_encap_malformed, i);
	}
}

TEST(enip_command_lengths)
{
	static const struct { __u32 command; __u32 len; } fixed[] = {
		{ 0x04, 0 }, { 0x63, 0 }, { 0x64, 0 }, { 0x65, 4 }, { 0x66, 0 },
	};

	for (__u32 i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++) {
		for (__u32 n = 0; n <= 40; n++) {
			struct bytes b = pdu(fixed[i].command, "");
			struct enip_msg m;

			b.at[2] = n;
			b.len += n;
			memset(b.at + 24, 0, n);
			CHECK_AT((dissect_on(0, &b, &m) == 0) == (n == fixed[i].len), n);
			CHECK_AT(m.command == fixed[i].command && !m.cip, n);
		}
	}
	CHECK(reason(0x00, "") == 0 && reason(0x00, "0102030405") == 0);
	CHECK(reason(0x01, "00") == 0 && reason(0xc8, "00") == 0 && reason(0xec3e, "") == 0);
}

TEST(enip_udp)
{
	struct bytes b;
	struct enip_msg m;

	for (__u32 command = 0; command <= 0xffff; command++) {
		b = pdu(command, command == 0x65 ? "0100 0000" : command == 0x6f ? RR :
				 command == 0x70 ? UNIT : "");
		if (command == 0x65 || command == 0x66 || command == 0x6f || command == 0x70)
			CHECK_AT(dissect_on(1, &b, &m) == KS_R_encap_malformed, command);
		else
			CHECK_AT(dissect_on(1, &b, &m) == 0, command);
	}
	b = pdu(0x63, "00");
	CHECK(dissect_on(1, &b, &m) == KS_R_encap_malformed);
}

TEST(enip_unconnected)
{
	struct enip_msg m;

	CHECK(dissect(0x6f, RR, &m) == 0);
	CHECK(m.command == 0x6f && m.cip == EIP_UNCONNECTED && m.cip_off == 40 && m.cip_len == 8);
	CHECK(dissect(0x6f, "0200a100 0100 | 0200 0000 0000 b200 0200 | 0100", &m) == 0);
	CHECK(dissect(0x6f, "00000000 0a00 | 0200 0000 0000 b200 0000", &m) == 0 && m.cip_len == 0);
}

TEST(enip_connected)
{
	struct enip_msg m;

	CHECK(dissect(0x70, UNIT, &m) == 0);
	CHECK(m.cip == EIP_CONNECTED && m.cip_off == 46 && m.cip_len == 8);
	CHECK(m.conn_id == 0x3097e358);
	CHECK(dissect(0x70, "00000000 0000 | 0200 a100 0400 01000000 b100 0200 | 0100", &m) == 0);
	CHECK(m.cip_len == 0);
	CHECK(reason(0x70, "00000000 0000 | 0200 a100 0400 01000000 b100 0100 | 01") ==
	      KS_R_encap_malformed);
}

TEST(enip_items_mixed)
{
	/* A1 + B2, Null + B1, both of them under the wrong command, order turned round */
	CHECK(reason(0x6f, "00000000 0a00 0200 a100 0400 01000000 b200 0200 0100") != 0);
	CHECK(reason(0x70, "00000000 0a00 0200 a100 0400 01000000 b200 0200 0100") != 0);
	CHECK(reason(0x6f, "00000000 0a00 0200 0000 0000 b100 0400 01000100") != 0);
	CHECK(reason(0x70, "00000000 0a00 0200 0000 0000 b100 0400 01000100") != 0);
	CHECK(reason(0x6f, "00000000 0a00 0200 a100 0000 b200 0200 0100") != 0);
	CHECK(reason(0x70, "00000000 0000 0200 0000 0400 01000000 b100 0400 01000100") != 0);
	CHECK(reason(0x6f, UNIT) != 0 && reason(0x70, RR) != 0);
	CHECK(reason(0x6f, "00000000 0a00 0200 b200 0200 0100 0000 0000") != 0);
	CHECK(reason(0x6f, "00000000 0a00 0200 0000 0200 0000 b200 0200 0100") != 0);
	CHECK(reason(0x70, "00000000 0000 0200 a100 0600 010000000000 b100 0400 01000100") != 0);
}

TEST(enip_items_count)
{
	for (__u32 count = 0; count <= 300; count++) {
		struct bytes b = pdu(0x6f, RR);
		struct enip_msg m;

		b.at[30] = count;
		b.at[31] = count >> 8;
		CHECK_AT((dissect_on(0, &b, &m) == 0) == (count == 2), count);
	}
}

TEST(enip_items_behind_data)
{
	static const char *const head = "00000000 0a00 | %02x00 0000 0000 b200 0200 0100";
	char two[64], three[64], four[64], five[64], data[400];

	snprintf(two, sizeof(two), head, 2);
	snprintf(three, sizeof(three), head, 3);
	snprintf(four, sizeof(four), head, 4);
	snprintf(five, sizeof(five), head, 5);
	snprintf(data, sizeof(data), "%s %s", three, SOCKADDR);
	CHECK(reason(0x6f, data) == 0);
	snprintf(data, sizeof(data), "%s %s %s", four, SOCKADDR, SOCKADDR);
	CHECK(reason(0x6f, data) == 0);
	snprintf(data, sizeof(data), "%s %s %s %s", five, SOCKADDR, SOCKADDR, SOCKADDR);
	CHECK(reason(0x6f, data) == KS_R_encap_malformed);
	snprintf(data, sizeof(data), "%s %s", two, SOCKADDR);
	CHECK(reason(0x6f, data) == KS_R_encap_malformed);
	snprintf(data, sizeof(data), "%s %s %s", five, SOCKADDR, SOCKADDR);
	CHECK(reason(0x6f, data) == KS_R_encap_malformed);
	snprintf(data, sizeof(data), "%s b200 1000 10022004246530030000000000000000", three);
	CHECK(reason(0x6f, data) == KS_R_encap_malformed);
	snprintf(data, sizeof(data), "%s b200 0200 0500", three);
	CHECK(reason(0x6f, data) == KS_R_encap_malformed);
	snprintf(data, sizeof(data), "%s b100 0200 0500", three);
	CHECK(reason(0x6f, data) == KS_R_encap_malformed);
	snprintf(data, sizeof(data), "%s 0000 0000", three);
	CHECK(reason(0x6f, data) == KS_R_encap_malformed);
	snprintf(data, sizeof(data), "%s 0180 0200 0500", three);
	CHECK(reason(0x6f, data) == KS_R_encap_malformed);
	snprintf(data, sizeof(data), "%s 00", two);
	CHECK(reason(0x6f, data) == KS_R_encap_malformed);
}

/* Every item length but the right one leaves a byte over or asks for one too many. */
TEST(enip_item_lengths)
{
	static const struct { __u32 command; const char *data; __u32 at; } all[] = {
		{ 0x6f, RR, 34 }, { 0x6f, RR, 38 }, { 0x70, UNIT, 34 }, { 0x70, UNIT, 42 },
	};

	for (__u32 i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		struct bytes right = pdu(all[i].command, all[i].data), b;
		struct enip_msg m;

		for (__u32 n = 0; n <= 0xffff; n++) {
			b = right;
			b.at[all[i].at] = n;
			b.at[all[i].at + 1] = n >> 8;
			if (!memcmp(b.at, right.at, right.len))
				continue;
			CHECK_AT(dissect_on(0, &b, &m) == KS_R_encap_malformed, n);
		}
	}
}

TEST(enip_leaf_of_command)
{
	struct enip_msg m;
	struct ks_leaf leaf;

	CHECK(dissect(0x65, "0100 0000", &m) == 0);
	memset(&leaf, 0xee, sizeof(leaf));
	enip_leaf_command(&m, 28, &leaf);
	CHECK(leaf.proto == KS_ENIP && leaf.function == 0x65 && leaf.service == 0x65);
	CHECK(leaf.key_class == KS_CLASS_ENCAP && leaf.has == KS_HAS_FUNCTION);
	CHECK(leaf.length == 28 && leaf.tag_len == 0 && leaf.rule == 0);
	CHECK(dissect(0x7e, "", &m) == 0);
	enip_leaf_command(&m, 24, &leaf);
	CHECK(leaf.service == 0x7e);
	CHECK(dissect(0x7f, "", &m) == 0);
	enip_leaf_command(&m, 24, &leaf);
	CHECK(leaf.service == 0x7f && leaf.function == 0x7f);
	CHECK(dissect(0x0163, "", &m) == 0);
	enip_leaf_command(&m, 24, &leaf);
	CHECK(leaf.service == 0x7f && leaf.function == 0x163);
}

int main(void)
{
	return test_run_all();
}
