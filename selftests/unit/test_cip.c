/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * bpf/cip.h and bpf/epath.h: wrappers, members, paths in every encoding, tags,
 * exact layouts, Forward_Open, and what must be refused. Requests are written from
 * the service byte on; test_enip.c covers what stands around them.
 */
#include "../../bpf/cip.h"
#include "bytes.h"
#include "test.h"

/* What came out of one Message Router request, as the data path would walk it. */
struct result {
	int reason;		/* the first of any step */
	__u32 leaves;
	__u32 routed;
	struct ks_leaf leaf[KS_MSP_MAX];
};

static struct result out;

static void run_leaf(const struct view *v, __u32 off, __u32 len, __u32 flags,
		     const struct ks_route *route)
{
	struct epath_work work;
	struct ks_leaf *leaf = &out.leaf[out.leaves++];
	int reason;

	memset(leaf, 0xee, sizeof(*leaf));
	reason = cip_leaf(v, off, len, flags, route, leaf, &work);
	if (!out.reason)
		out.reason = reason;
}

static int run_bytes(const __u8 *at, __u32 n, int direct)
{
	struct view v = bytes_exact(at, n);
	struct ks_route route = { 0 };
	struct epath_work work;
	struct cip_layers l;
	__u32 off = 0, len = 0;

	memset(&out, 0, sizeof(out));
	out.reason = cip_unwrap(&v, 0, n, &l, &route, &work);
	out.routed = l.routed;
	if (out.reason)
		return out.reason;
	if (!l.members)
		run_leaf(&v, l.off, l.len, direct && !l.routed ? CIP_UCMM : 0, &route);
	for (__u32 i = 0; i < l.members && !out.reason; i++) {
		out.reason = cip_member(&v, &l, i, &off, &len);
		if (!out.reason)
			run_leaf(&v, off, len, CIP_MEMBER, &route);
	}
	return out.reason;
}

static int run(const char *hex)
{
	struct bytes b = { .len = 0 };

	bytes_hex(&b, hex);
	return run_bytes(b.at, b.len, 0);
}

static int run_direct(const char *hex)
{
	struct bytes b = { .len = 0 };

	bytes_hex(&b, hex);
	return run_bytes(b.at, b.len, 1);
}

static int is_tag(const struct ks_leaf *leaf, const char *name)
{
	return leaf->has & KS_HAS_TAG && leaf->key_class == KS_CLASS_TAG &&
	       leaf->tag_len == strlen(name) && !memcmp(leaf->tag, name, leaf->tag_len);
}

#define LOGICAL (KS_HAS_SERVICE | KS_HAS_CLASS | KS_HAS_INSTANCE)

/* ---- byte vectors seen on the wire ---- */

TEST(cip_wire_get_attribute)
{
	CHECK(run("0e 03 2001 2401 3001") == 0 && out.leaves == 1 && !out.routed);
	CHECK(out.leaf[0].proto == KS_ENIP && out.leaf[0].service == 0x0e);
	CHECK(out.leaf[0].class == 1 && out.leaf[0].instance == 1 && out.leaf[0].attribute == 1);
	CHECK(out.leaf[0].key_class == 1);
	CHECK(out.leaf[0].has == (LOGICAL | KS_HAS_ATTRIBUTE));
	CHECK(out.leaf[0].offset == 0 && out.leaf[0].length == 8);
	CHECK(out.leaf[0].function == 0 && out.leaf[0].tag_len == 0);
}

TEST(cip_wire_unconnected_send)
{
	CHECK(run("52 02 2006 2401 0a 05 1800 | 52 08 91 0d 'TestDINTArray' 00 0a00 00000000 |"
		  "01 00 01 00") == 0);
	CHECK(out.leaves == 1 && out.routed == 1 && out.leaf[0].service == 0x52);
	CHECK(is_tag(&out.leaf[0], "TestDINTArray"));
	CHECK(out.leaf[0].offset == 10 && out.leaf[0].length == 24);
	CHECK(out.leaf[0].has == (KS_HAS_SERVICE | KS_HAS_TAG | KS_HAS_ROUTE));
	CHECK(out.leaf[0].route.len == 3 && !memcmp(out.leaf[0].route.text, "1/0", 4));
}

TEST(cip_wire_tags)
{
	CHECK(run("52 07 91 0c 'TestBigArray' 0a00 00000000") == 0);
	CHECK(is_tag(&out.leaf[0], "TestBigArray"));
	CHECK(run("4e 09 91 0d 'TestDINTArray' 00 28 03 | 0400 | 00000200 ffffffff") == 0);
	CHECK(is_tag(&out.leaf[0], "TestDINTArray[3]") && out.leaf[0].service == 0x4e);
	CHECK(out.leaf[0].has == (KS_HAS_SERVICE | KS_HAS_TAG | KS_HAS_MEMBER));
}

TEST(cip_wire_wide_segments)
{
	CHECK(run("10 06 2100 0400 2500 9700 3100 0300 | 0102") == 0);
	CHECK(out.leaf[0].class == 4 && out.leaf[0].instance == 151 && out.leaf[0].attribute == 3);
	CHECK(run("0e 05 2001 27 00 01000000 3001") == KS_R_epath_malformed);
}

TEST(cip_wire_pccc)
{
	CHECK(run("4b 02 2067 2401 | 07 3df3 45435021 | 0f 00 64ea | aa 14 07 89 00 00 | 0102") == 0);
	CHECK(out.leaf[0].key_class == 0x67 && out.leaf[0].service == 0x4b);
}

TEST(cip_wire_stop)
{
	CHECK(run("52 02 2006 2401 0a 05 0600 | 07 02 2064 2401 | 01 00 01 00") == 0);
	CHECK(out.leaf[0].service == 7 && out.leaf[0].key_class == 0x64 && out.routed);
}

/* ---- wrappers ---- */

#define MSP2 "0a 02 2002 2401 | 0200 0600 0e00 | 0e03 2001 2401 3001 | 05 02 2001 2401 00"

TEST(cip_members)
{
	CHECK(run(MSP2) == 0 && out.leaves == 2);
	CHECK(out.leaf[0].service == 0x0e && out.leaf[0].offset == 12 && out.leaf[0].length == 8);
	CHECK(out.leaf[1].service == 0x05 && out.leaf[1].offset == 20 && out.leaf[1].length == 7);
	CHECK(run("52 02 2006 2401 0a 05 1b00 |" MSP2 "| 00 | 01 00 01 00") == 0);
	CHECK(out.leaves == 2 && out.routed && out.leaf[1].service == 5);
	CHECK(run_direct(MSP2) == 0 && out.leaves == 2);
}

/* Two members of six bytes behind an offset table whose second entry is this. */
static int members_at(const char *second)
{
	char hex[200];

	snprintf(hex, sizeof(hex), "0a 02 2002 2401 | 0200 0600 %s | 1002 2004 2464 1002 2004 2465",
		 second);
	return run(hex);
}

TEST(cip_members_offsets)
{
	/* equal, not ascending, into the table, at and behind the end */
	CHECK(members_at("0600") == KS_R_msp_malformed);
	CHECK(members_at("0500") == KS_R_msp_malformed);
	CHECK(members_at("0200") == KS_R_msp_malformed);
	CHECK(members_at("1200") == KS_R_msp_malformed);
	CHECK(members_at("1300") == KS_R_msp_malformed);
	CHECK(members_at("0cff") == KS_R_msp_malformed);
	CHECK(members_at("0c00") == 0);
	/* a hole in front, a first offset inside the table */
	CHECK(run("0a 02 2002 2401 | 0100 0600 0000 | 0102 2001 2401") == KS_R_msp_malformed);
	CHECK(run("0a 02 2002 2401 | 0100 0000 | 0102 2001 2401") == KS_R_msp_malformed);
}

/* Each member by itself: the table is no place for a request. */
TEST(cip_member_alone)
{
	struct bytes b = { .len = 0 };
	struct ks_route route = { 0 };
	struct epath_work work;
	struct cip_layers l;
	struct view v;
	__u32 off = 0, len = 0;

	bytes_hex(&b, "0a 02 2002 2401 | 0300 0800 0200 0e00 | 1002 2004 2464 1002 2004 2465");
	v = bytes_exact(b.at, b.len);
	CHECK(cip_unwrap(&v, 0, b.len, &l, &route, &work) == 0 && l.members == 3);
	CHECK(cip_member(&v, &l, 0, &off, &len) == KS_R_msp_malformed);
	CHECK(cip_member(&v, &l, 1, &off, &len) == KS_R_msp_malformed);
	CHECK(cip_member(&v, &l, 2, &off, &len) == 0 && off == 20 && len == 6);
	CHECK(cip_member(&v, &l, 3, &off, &len) == KS_R_msp_malformed);
	CHECK(cip_member(&v, &l, 1000, &off, &len) == KS_R_msp_malformed);
}

TEST(cip_members_count)
{
	struct bytes b = { .len = 0 };

	CHECK(run("0a 02 2002 2401") == KS_R_msp_malformed);
	CHECK(run("0a 02 2002 2401 | 0000") == KS_R_msp_malformed);
	CHECK(run("0a 02 2002 2401 | 0000 0200") == KS_R_msp_malformed);
	CHECK(run("0a 02 2002 2401 | 0200 0600") == KS_R_msp_malformed);
	CHECK(run("0a 02 2002 2401 | 0100 0400") == KS_R_msp_malformed);
	for (__u32 count = 1; count <= KS_MSP_MAX + 1; count++) {
		b.len = 0;
		bytes_hex(&b, "0a 02 2002 2401");
		bytes_le16(&b, count);
		for (__u32 i = 0; i < count; i++)
			bytes_le16(&b, 2 + 2 * count + 6 * i);
		for (__u32 i = 0; i < count; i++)
			bytes_hex(&b, "01 02 2001 2401");
		CHECK_AT(run_bytes(b.at, b.len, 0) ==
			 (count > KS_MSP_MAX ? KS_R_msp_members : 0), count);
		CHECK_AT(out.leaves == (count > KS_MSP_MAX ? 0 : count), count);
	}
	b.at[6] = b.at[7] = 0xff;
	CHECK(run_bytes(b.at, b.len, 0) == KS_R_msp_members);
}

TEST(cip_nesting)
{
	/* Unconnected_Send in itself, in a packet; a packet in a packet */
	CHECK(run("52 02 2006 2401 0a 05 1000 | 52 02 2006 2401 0a05 0200 4c00 01000100 | 01000100")
	      == KS_R_nesting);
	CHECK(run("52 02 2006 2401 0a 05 1200 | 52 03 2100 0600 2401 0a05 0200 4c00 0100 0100 |"
		  "01000100") == KS_R_nesting);
	CHECK(run("0a 02 2002 2401 | 0100 0400 | 52 02 2006 2401 0a05 0200 4c00 0100 0100")
	      == KS_R_nesting);
	CHECK(run("0a 02 2002 2401 | 0100 0400 | 0a 02 2002 2401 0100 0400 0102 2001 2401")
	      == KS_R_nesting);
}

/* The same object in every encoding is the same wrapper. */
TEST(cip_wrapper_encodings)
{
	static const char *const class[] = { "20%02x", "2100 %02x00", "2200 %02x00 0000" };
	static const char *const inst[] = { "2401", "2500 0100", "2600 0100 0000" };
	static const int words[] = { 1, 2, 3 };
	char path[64], hex[300];

	for (int c = 0; c < 3; c++)
		for (int i = 0; i < 3; i++) {
			snprintf(path, sizeof(path), class[c], 6);
			snprintf(hex, sizeof(hex),
				 "52 %02x %s %s 0a05 0600 1002 2004 2464 0100 0100",
				 words[c] + words[i], path, inst[i]);
			CHECK_AT(run(hex) == 0 && out.routed && out.leaf[0].service == 0x10,
				 c * 10 + i);
			snprintf(path, sizeof(path), class[c], 2);
			snprintf(hex, sizeof(hex), "0a %02x %s %s 0100 0400 1002 2004 2464",
				 words[c] + words[i], path, inst[i]);
			CHECK_AT(run(hex) == 0 && out.leaf[0].service == 0x10, c * 10 + i);
			CHECK_AT(out.leaf[0].class == 4 && out.leaf[0].instance == 0x64, c);
		}
}

/* Not exactly class and instance 1: devices differ in whether that is the wrapper. */
TEST(cip_wrapper_paths)
{
	static const char *const wrong[] = {
		"52 02 2006 2402", "52 02 2006 2400", "52 01 2006", "52 03 2006 2401 3001",
		"0a 02 2002 2402", "0a 01 2002", "0a 03 2002 2401 3001", "0a 00",
		"0a 03 91 04 'Math'", "0a 01 2401", "52 05 2006 2600 0100 0100",
		"0a 05 2002 2600 0100 0100",
	};
	char hex[200];

	for (__u32 i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		snprintf(hex, sizeof(hex), "%s 0100 0400 1002 2004 2464 0100", wrong[i]);
		CHECK_AT(run(hex) == KS_R_epath_ambiguous, i);
	}
	CHECK(run("52 03 2101 0600 2401 0a05 0600 1002 2004 2464 0100 0100")
	      == KS_R_epath_malformed);
	CHECK(run("0a 02 2004 2401 0100") == 0 && out.leaves == 1);
	CHECK(out.leaf[0].service == 0x0a && out.leaf[0].key_class == 4);
}

TEST(cip_embedded_lengths)
{
	static const char *const head = "52 02 2006 2401 0a 05";
	char hex[200];

	/* odd length with its pad byte, without, route path too short, too long */
	snprintf(hex, sizeof(hex), "%s 0700 | 05 02 2001 2401 00 | 00 | 01 00 01 00", head);
	CHECK(run(hex) == 0 && out.leaf[0].length == 7);
	snprintf(hex, sizeof(hex), "%s 0700 | 05 02 2001 2401 00 | 01 00 01 00", head);
	CHECK(run(hex) == KS_R_cip_malformed);
	snprintf(hex, sizeof(hex), "%s 0600 | 05 02 2001 2401 | 01 00 01", head);
	CHECK(run(hex) == KS_R_cip_malformed);
	snprintf(hex, sizeof(hex), "%s 0600 | 05 02 2001 2401 | 02 00 01 00", head);
	CHECK(run(hex) == KS_R_cip_malformed);
	snprintf(hex, sizeof(hex), "%s 0600 | 05 02 2001 2401 | 00 00 01 00", head);
	CHECK(run(hex) == KS_R_cip_malformed);
	snprintf(hex, sizeof(hex), "%s 0600 | 05 02 2001 2401 | 01 01 01 00", head);
	CHECK(run(hex) == KS_R_cip_malformed);
	snprintf(hex, sizeof(hex), "%s 0600 | 05 02 2001 2401 | 00 00", head);
	CHECK(run(hex) == 0 && out.routed);
	snprintf(hex, sizeof(hex), "%s ffff | 05 02 2001 2401 | 00 00", head);
	CHECK(run(hex) == KS_R_cip_malformed);
	snprintf(hex, sizeof(hex), "%s 0100 | 05 00 | 00 00", head);
	CHECK(run(hex) == KS_R_cip_malformed);
	snprintf(hex, sizeof(hex), "%s 0600 | 85 02 2001 2401 | 00 00", head);
	CHECK(run(hex) == KS_R_cip_malformed);
}

/* ---- paths ---- */

TEST(cip_head_malformed)
{
	CHECK(run("") == KS_R_cip_malformed && run("0e") == KS_R_cip_malformed);
	CHECK(run("0e 04 2001 2401 3001") == KS_R_cip_malformed);
	CHECK(run("8e 00 00 00") == KS_R_cip_malformed);
	for (__u32 service = 0; service < 256; service++) {
		struct bytes b = { .len = 0 };

		bytes_hex(&b, "00 03 20f5 2401 3003");
		b.at[0] = service;
		CHECK_AT((run_bytes(b.at, b.len, 0) == KS_R_cip_malformed) == (service >= 0x80),
			 service);
	}
}

TEST(epath_encodings)
{
	CHECK(run("0e 09 2200 3412 0000 2600 7856 3412 3200 bc9a 0100") == 0);
	CHECK(out.leaf[0].class == 0x1234 && out.leaf[0].instance == 0x12345678);
	CHECK(out.leaf[0].attribute == 0x19abc && out.leaf[0].key_class == 0x1234);
	CHECK(run("0e 06 20ff 2500 ff00 2500 0100 3001") == KS_R_epath_ambiguous);
	CHECK(run("18 05 2004 2465 3003 2900 0102 | 00") == 0);
	CHECK(out.leaf[0].has == (LOGICAL | KS_HAS_ATTRIBUTE | KS_HAS_MEMBER));
	/* a class that a 16-bit device cuts to the Connection Manager */
	CHECK(run("52 04 2200 0600 0100 2401 00") == KS_R_epath_ambiguous);
	CHECK(out.leaf[0].class == 0x10006 && out.leaf[0].key_class == KS_CLASS_NONE);
	/* pad byte not 0 */
	CHECK(run("0e 03 2101 0100 2401") == KS_R_epath_malformed);
	CHECK(run("0e 04 2001 2601 0100 0000") == KS_R_epath_malformed);
	/* cut inside a segment */
	CHECK(run("0e 02 2001 2500") == KS_R_epath_malformed);
	CHECK(run("0e 03 2001 2600 0100") == KS_R_epath_malformed);
}

TEST(epath_reserved_formats)
{
	for (__u32 type = 0; type < 8; type++) {
		struct bytes b = { .len = 0 };

		bytes_hex(&b, "0e 03 00 00 0100 0000");
		b.at[2] = 0x23 | type << 2;
		CHECK_AT(run_bytes(b.at, b.len, 0) == KS_R_epath_malformed, type);
	}
	/* an electronic key is 34 04 and eight bytes */
	CHECK(run("0e 07 3405 0000 0000 0000 0000 2001 2401") == KS_R_epath_malformed);
	CHECK(run("0e 04 3404 0000 0000 0000") == KS_R_epath_malformed);
	CHECK(run("0e 02 2001 e001") == KS_R_epath_malformed);
	CHECK(run("0e 02 2001 9001") == KS_R_epath_malformed);
	CHECK(run("0e 02 2001 0001") == KS_R_epath_malformed);
}

/* A repeat, another order, a mix, and segments that belong into no request. */
TEST(epath_ambiguous)
{
	static const char *const paths[] = {
		"04 2001 2001 2401 3001", "04 2001 2401 2402 3001", "04 2001 2401 3001 3002",
		"02 2401 2001", "03 2001 3001 2401", "02 3001 2001", "02 2801 2001",
		"03 2001 2801 2401", "04 2001 2401 2801 3001", "02 2001 2801",
		"04 2001 2401 9102 'ab'", "04 9102 'ab' 2001 2401", "03 9102 'ab' 2401",
		"03 9102 'ab' 3001", "04 9102 'ab' 2801 206b", "06 206b 2401 2801 9102 'ab' 2801",
		"03 2001 2c01 3001", "03 2001 2401 2c01", "02 0100 2001", "05 1202 'abcd' 2001 2401",
		"07 3404 0000 0000 0000 0000 2001 2401", "02 2001 3801", "02 2001 3c01",
		"02 2001 4301", "03 2001 8001 0102", "02 2001 a001", "02 2001 c001",
		"03 2001 5001 0000",
	};
	char hex[200];

	for (__u32 i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		snprintf(hex, sizeof(hex), "0e %s", paths[i]);
		CHECK_AT(run(hex) == KS_R_epath_ambiguous, i);
		CHECK_AT(out.leaf[0].key_class == KS_CLASS_NONE, i);
	}
}

TEST(epath_program_scope)
{
	CHECK(run("55 0a 91 0c 'Program:Main' 206b 2500 0000 | 0200 0100 0200") == 0);
	CHECK(out.leaf[0].key_class == 0x6b && out.leaf[0].has == (LOGICAL | KS_HAS_TAG));
	CHECK(run("4d 0a 91 0c 'Program:Main' 206b 2500 0500 | c400 0100 01000000")
	      == KS_R_epath_ambiguous);
	CHECK(run("55 0a 91 0c 'Program:Main' 206c 2500 0000 | 0200 0100 0200")
	      == KS_R_epath_ambiguous);
	CHECK(run("55 0b 91 0c 'Program:Main' 206b 2500 0000 2801 | 0200 0100 0200")
	      == KS_R_epath_ambiguous);
	CHECK(run("55 0b 91 0c 'Program:Main' 2801 206b 2500 0000 | 0200 0100 0200")
	      == KS_R_epath_ambiguous);
	CHECK(run("55 09 91 0c 'Program:Main' 2801 206b | 0200 0100 0200")
	      == KS_R_epath_ambiguous);
	CHECK(run("55 0a 206b 2500 0000 91 0c 'Program:Main' | 0200 0100 0200")
	      == KS_R_epath_ambiguous);
}

TEST(epath_without_class)
{
	CHECK(run("4c 00 | 0100") == 0 && out.leaf[0].key_class == KS_CLASS_NONE);
	CHECK(out.leaf[0].has == KS_HAS_SERVICE);
	CHECK(run("0e 02 2401 3001") == 0 && out.leaf[0].key_class == KS_CLASS_NONE);
	CHECK(run("0e 01 2001") == 0 && out.leaf[0].key_class == 1);
	CHECK(!(out.leaf[0].has & (KS_HAS_INSTANCE | KS_HAS_ATTRIBUTE)));
}

TEST(epath_segment_limit)
{
	for (__u32 n = 1; n <= 100; n++) {
		struct bytes b = { .len = 0 };

		bytes_hex(&b, "4c 00 91 02 'ab'");
		for (__u32 i = 1; i < n; i++)
			bytes_hex(&b, "2801");
		b.at[1] = (b.len - 2) / 2;
		bytes_hex(&b, "0100");
		CHECK_AT(run_bytes(b.at, b.len, 0) == (n > KS_EPATH_MAX ? KS_R_epath_long : 0), n);
	}
}

TEST(epath_tag_text)
{
	CHECK(run("4c 0c 91 0c 'Program:Main' 91 05 'Speed' 00 28 07 | 0100") == 0);
	CHECK(is_tag(&out.leaf[0], "Program:Main.Speed[7]"));
	CHECK(run("4c 0a 91 01 'A' 00 2a00 ffff ffff 2900 0001 9101 'b' 00 2800 | 0100") == 0);
	CHECK(is_tag(&out.leaf[0], "A[4294967295][256].b[0]"));
	CHECK(run("4c 04 9101 'A' 00 2a00 00ca 9a3b | 0100") == KS_R_epath_malformed);
	CHECK(run("4c 05 9101 'A' 00 2a00 00ca 9a3b | 0100") == 0);
	CHECK(is_tag(&out.leaf[0], "A[1000000000]"));
	CHECK(run("4c 03 65 'Speed' | 0100") == 0 && is_tag(&out.leaf[0], "Speed"));
	CHECK(run("4c 03 64 'Spee' 00 | 0100") == 0 && is_tag(&out.leaf[0], "Spee"));
	CHECK(run("4c 02 9102 c3a4 | 0100") == 0 && is_tag(&out.leaf[0], "\xc3\xa4"));
	CHECK(run("4c 03 64 'Spee' 01 | 0100") == KS_R_epath_malformed);
	CHECK(run("4c 02 9101 'A' 01 | 0100") == KS_R_epath_malformed);
	CHECK(run("4c 01 9100 | 0100") == KS_R_epath_malformed);
	CHECK(run("4c 01 6000 | 0100") == KS_R_epath_malformed);
	CHECK(run("4c 02 9104 'Sp' | 0100") == KS_R_epath_malformed);
	CHECK(run("4c 02 9104 'Sp'") == KS_R_epath_malformed);
	CHECK(run("4c 02 9103 'Sp' | 0100") == KS_R_epath_malformed);
	CHECK(run("4c 02 6f 'Spe' | 0100") == KS_R_epath_malformed);
	CHECK(run("4c 02 9102 'A' 00 | 0100") == KS_R_epath_malformed);
	CHECK(run("4c 02 9102 0a 'A' | 0100") == KS_R_epath_malformed);
	CHECK(run("4c 02 9102 'A' 7f | 0100") == KS_R_epath_malformed);
}

TEST(epath_tag_length)
{
	for (__u32 n = 1; n <= 255; n++) {
		struct bytes b = { .len = 0 };
		struct ks_leaf *leaf = &out.leaf[0];
		__u32 kept = n < KS_TAG_MAX ? n : KS_TAG_MAX;

		bytes_hex(&b, "4c 00 91");
		b.at[1] = (2 + n + (n & 1)) / 2;
		bytes_add(&b, (__u8[]){ n }, 1);
		for (__u32 i = 0; i < n + (n & 1); i++)
			bytes_add(&b, i < n ? "a" : "", 1);
		bytes_hex(&b, "0100");
		CHECK_AT(run_bytes(b.at, b.len, 0) == 0, n);
		CHECK_AT(leaf->tag_len == kept, n);
		CHECK_AT(!!(leaf->has & KS_HAS_TAG_LONG) == (n > KS_TAG_MAX), n);
		for (__u32 i = 0; i < KS_TAG_MAX; i++)
			CHECK_AT(leaf->tag[i] == (i < kept ? 'a' : 0), i);
	}
}

/* ---- layouts ---- */

struct layout_case {
	const char *request;	/* with the right number of data bytes */
	__u32 less, more;	/* how many bytes fewer or more still fit */
};

#define ANY 1000

static const struct layout_case layouts[] = {
	{ "0e 03 2001 2401 3001", 0, 0 },
	{ "01 02 2001 2401", 0, 0 },
	{ "0e 02 9102 'ab'", 0, 0 },
	{ "03 02 2001 2401 0200 0100 0200", 0, 0 },
	{ "03 02 206b 2401 0000", 0, 0 },
	{ "01 02 20ac 2401 0100", 2, ANY },
	{ "01 03 2100 0003 2401 0100", 2, ANY },
	{ "01 03 2100 ff02 2401", 0, 0 },
	{ "4c 02 9102 'ab' 0100", 0, 0 },
	{ "4c 02 206b 2405 0100", 0, 0 },
	{ "52 02 9102 'ab' 0100 00000000", 0, 0 },
	{ "4d 02 9102 'ab' c400 0100 01020304", 0, 0 },
	{ "4d 02 206b 2405 c400 0200 0102030405060708", 0, 0 },
	{ "4d 02 9102 'ab' c300 0300 010203040506", 0, 0 },
	{ "4d 02 9102 'ab' cb00 0100 0102030405060708", 0, 0 },
	{ "4d 02 9102 'ab' ca00 0100 01020304", 0, 0 },
	{ "4d 02 9102 'ab' d300 0100 01020304", 0, 0 },
	{ "4d 02 9102 'ab' c200 0100 01", 0, 1 },
	{ "4d 02 9102 'ab' c100 0200 0101", 0, 0 },
	{ "4d 02 9102 'ab' a002 ce0f 0100 01", 0, ANY },
	{ "4d 02 9102 'ab' d000 0100 01", 0, ANY },
	{ "4d 02 9102 'ab' c401 0100 01", 0, ANY },
	{ "53 02 9102 'ab' c400 0300 00000000 01020304 05060708 0102 0304", 11, 0 },
	{ "53 02 9102 'ab' c400 0300 08000000 01020304", 3, 0 },
	{ "53 02 9102 'ab' c200 0300 00000000 010203", 2, 1 },
	{ "53 02 9102 'ab' a002 ce0f 0100 00000000 01", 0, ANY },
	{ "4e 02 9102 'ab' 0400 00000000 ffffffff", 0, 0 },
	{ "4e 02 9102 'ab' 0100 00 ff", 0, 0 },
	{ "4e 02 2006 2401 0a05 0100 3412 78563412 03 00 0100 2002 2401", 0, 0 },
	{ "4e 02 2037 2401 0102", 2, ANY },
	{ "10 03 2004 2464 3003 0102", 2, ANY },
	{ "4c 02 2037 2401", 0, ANY },
};

TEST(cip_layouts)
{
	for (__u32 i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++) {
		struct bytes b = { .len = 0 };
		__u32 head, right;

		bytes_hex(&b, layouts[i].request);
		head = 2 + 2 * b.at[1];
		right = b.len;
		memset(b.at + right, 0x55, 40);
		for (__u32 n = head; n <= right + 40; n++) {
			int fits = n + layouts[i].less >= right && n <= right + layouts[i].more;

			CHECK_AT(run_bytes(b.at, n, 0) == (fits ? 0 : KS_R_length_mismatch),
				 i * 1000 + n);
		}
		for (__u32 n = 0; n < head; n++)
			CHECK_AT(run_bytes(b.at, n, 0) == KS_R_cip_malformed, i * 1000 + n);
	}
}

TEST(cip_layout_impossible)
{
	CHECK(run("4e 02 9102 'ab' 0000") == KS_R_length_mismatch);
	CHECK(run("53 02 9102 'ab' c400 0100 05000000 01") == KS_R_length_mismatch);
	CHECK(run("53 02 9102 'ab' c400 0100 ffffffff 01") == KS_R_length_mismatch);
	CHECK(run("53 02 9102 'ab' c400 0100 04000000") == KS_R_length_mismatch);
	CHECK(run("4d 02 9102 'ab' c400 0100 01020304 | 4d 02") == KS_R_length_mismatch);
	CHECK(run("4d 02 9102 'ab' c400 ffff 01020304") == KS_R_length_mismatch);
}

/* pycomm3's empty route path: behind direct UCMM requests only, and only zeros. */
TEST(cip_ucmm_tail)
{
	CHECK(run_direct("0e 03 2001 2401 3001 | 0000") == 0);
	CHECK(run_direct("03 02 2001 2401 0100 0100 | 0000") == 0);
	CHECK(run_direct("4c 02 9102 'ab' 0100 | 0000") == 0);
	CHECK(run("0e 03 2001 2401 3001 | 0000") == KS_R_length_mismatch);
	CHECK(run_direct("0e 03 2001 2401 3001 | 0001") == KS_R_length_mismatch);
	CHECK(run_direct("0e 03 2001 2401 3001 | 0100") == KS_R_length_mismatch);
	CHECK(run_direct("0e 03 2001 2401 3001 | 00") == KS_R_length_mismatch);
	CHECK(run_direct("0e 03 2001 2401 3001 | 0000 0000") == KS_R_length_mismatch);
	CHECK(run_direct("52 02 2006 2401 0a05 0a00 0e03 2001 2401 3001 0000 0100 0100")
	      == KS_R_length_mismatch);
	CHECK(run_direct("0a 02 2002 2401 0100 0400 0e03 2001 2401 3001 0000")
	      == KS_R_length_mismatch);
}

/* ---- Forward_Open ---- */

#define OPEN_HEAD(svc) svc " 02 2006 2401 | 0a05 00000000 01000020 3412 3df3 45435021 01 000000"
#define OPEN_SMALL OPEN_HEAD("54") "80841e00 f443 80841e00 f443"
#define OPEN_LARGE OPEN_HEAD("5b") "80841e00 a20f0042 80841e00 a20f0042"

/* Key class of an open with this transport byte and connection path, 0 = refused. */
static __u32 open_key(int large, __u32 transport, __u32 words, const char *path)
{
	char hex[800];

	snprintf(hex, sizeof(hex), "%s %02x %02x %s", large ? OPEN_LARGE : OPEN_SMALL, transport,
		 words, path);
	return run(hex) == 0 ? out.leaf[0].key_class : 0;
}

TEST(cip_open_to_router)
{
	for (int large = 0; large < 2; large++) {
		CHECK(open_key(large, 0xa3, 2, "2002 2401") == 6);
		CHECK(open_key(large, 0xa2, 2, "2002 2401") == 6);
		CHECK(open_key(large, 0xa3, 3, "0100 2002 2401") == 6);
		CHECK(open_key(large, 0xa3, 8, "0100 3404 0000 0000 0000 0000 2002 2401") == 6);
		CHECK(open_key(large, 0xa3, 4, "2100 0200 2500 0100") == 6);
		CHECK(open_key(large, 0xa3, 6, "2200 0200 0000 2600 0100 0000") == 6);
		CHECK(open_key(large, 0xa3, 8, "12 09 '10.99.0.2' 00 2002 2401") == 6);
		CHECK(open_key(large, 0xa3, 4, "0f05 2002 2002 2401") == 6);
	}
	CHECK(out.leaf[0].has == (LOGICAL | KS_HAS_ROUTE) && out.leaf[0].service == 0x5b);
}

TEST(cip_open_elsewhere)
{
	static const struct { __u32 transport, words; const char *path; } opens[] = {
		{ 0x01, 2, "2002 2401" }, { 0xa0, 2, "2002 2401" }, { 0xa1, 2, "2002 2401" },
		{ 0xa3, 2, "2004 2401" }, { 0xa3, 2, "2002 2402" }, { 0xa3, 1, "2002" },
		{ 0xa3, 0, "" }, { 0xa3, 1, "0100" }, { 0xa3, 2, "2401 2002" },
		{ 0xa3, 3, "2002 2401 2c65" }, { 0xa3, 3, "2002 2401 3001" },
		{ 0x01, 3, "4305 2004 2466" },
		{ 0x01, 4, "2004 2466 2c65 2c64" }, { 0xa3, 3, "20a6 2401 2c01" },
		{ 0xa3, 4, "2002 2401 2002 2401" },
		{ 0xa3, 3, "4301 2002 2401" }, { 0xa3, 2, "9102 'ab'" },
	};

	for (__u32 i = 0; i < sizeof(opens) / sizeof(opens[0]); i++)
		for (int large = 0; large < 2; large++)
			CHECK_AT(open_key(large, opens[i].transport, opens[i].words,
					  opens[i].path) == KS_CLASS_OPEN, i);
}

TEST(cip_open_configures)
{
	static const struct { __u32 words; const char *path; } opens[] = {
		{ 4, "2002 2401 8001 0102" }, { 4, "8001 0102 2002 2401" },
		{ 8, "2004 2466 2c65 2c64 8003 010203040506" }, { 1, "8000" }, { 2, "2002 a003" },
	};

	for (__u32 i = 0; i < sizeof(opens) / sizeof(opens[0]); i++)
		for (int large = 0; large < 2; large++)
			CHECK_AT(open_key(large, 0xa3, opens[i].words, opens[i].path) ==
				 KS_CLASS_CONFIG, i);
	CHECK(run(OPEN_SMALL "a3 02 2002 8001") == KS_R_epath_malformed);
}

TEST(cip_open_lengths)
{
	for (int large = 0; large < 2; large++) {
		struct bytes b = { .len = 0 };
		__u32 right;

		bytes_hex(&b, large ? OPEN_LARGE : OPEN_SMALL);
		bytes_hex(&b, "a3 02 2002 2401");
		right = b.len;
		memset(b.at + right, 0, 40);
		CHECK(run_bytes(b.at, right, 0) == 0);
		for (__u32 n = 6; n <= right + 40; n++)
			CHECK_AT((run_bytes(b.at, n, 0) == 0) == (n == right), n);
		CHECK(run_bytes(b.at, right - 1, 0) == KS_R_length_mismatch);
		CHECK(out.leaf[0].key_class == KS_CLASS_OPEN);
	}
	CHECK(run(OPEN_SMALL "a3 02 2002 2701") == KS_R_epath_malformed);
	CHECK(run(OPEN_SMALL "a3 02 0000 2002") == KS_R_epath_malformed);
}

TEST(cip_open_path_too_long)
{
	struct bytes b = { .len = 0 };

	bytes_hex(&b, OPEN_SMALL "a3 1c");
	for (int i = 0; i < 26; i++)
		bytes_hex(&b, "2002");
	bytes_hex(&b, "2002 2401");
	CHECK(run_bytes(b.at, b.len, 0) == KS_R_epath_long);
}

/* Every request above cut after every byte: judged without a read beyond the cut. */
TEST(cip_truncated_wrappers)
{
	static const char *const all[] = {
		MSP2, "52 02 2006 2401 0a 05 1b00 |" MSP2 "| 00 | 01 00 01 00",
		OPEN_LARGE "a3 03 0100 2002 2401",
		"4c 0c 91 0c 'Program:Main' 91 05 'Speed' 00 28 07 | 0100",
	};

	for (__u32 i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		struct bytes b = { .len = 0 };

		bytes_hex(&b, all[i]);
		CHECK_AT(run_bytes(b.at, b.len, 0) == 0, i);
		for (__u32 n = 0; n < b.len; n++) {
			if (i == 0 && n == b.len - 1)
				continue; /* Reset without its optional byte is whole */
			CHECK_AT(run_bytes(b.at, n, 0) != 0, i * 1000 + n);
		}
	}
}

TEST(cip_leaf_start_of_refused)
{
	struct bytes b = { .len = 0 };
	struct ks_route route = { 0 };
	struct ks_leaf leaf;
	struct view v;

	bytes_hex(&b, "d2 02 2006 2401");
	v = bytes_exact(b.at, b.len);
	memset(&leaf, 0xee, sizeof(leaf));
	cip_leaf_start(&v, 0, b.len, &route, &leaf);
	CHECK(leaf.service == 0x52 && leaf.has == KS_HAS_SERVICE && leaf.length == 6);
	CHECK(leaf.key_class == KS_CLASS_NONE && leaf.tag_len == 0 && leaf.tag[63] == 0);
	cip_leaf_start(&v, 4, 3, &route, &leaf);
	CHECK(leaf.has == 0 && leaf.service == 0);
}

int main(void)
{
	return test_run_all();
}
