/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * bpf/pccc.h and bpf/cip_modbus.h: what Execute_PCCC and the services of class 0x44
 * carry, their exact lengths, and everything that must be refused. Knows no policy.
 */
#include "../../bpf/cip_modbus.h"
#include "../../bpf/pccc.h"
#include "bytes.h"
#include "test.h"

#define WHO "07 4d00 12345678 "

/* Request data as hex, in a block of exactly its length. */
static int judge(const char *hex, struct ks_leaf *leaf)
{
	struct bytes b = { .len = 0 };
	struct view v;

	bytes_hex(&b, hex);
	v = bytes_exact(b.at, b.len);
	memset(leaf, 0, sizeof(*leaf));
	return pccc_dissect(&v, 0, b.len, leaf);
}

static int reason(const char *hex)
{
	struct ks_leaf leaf;

	return judge(hex, &leaf);
}

/* One of each layout that is known, with the elements that it may touch. */
static const struct {
	const char *hex;
	__u32 sub;
	__u32 type, file, element, sub_element, elements;
} valid[] = {
	{ WHO "0f 00 0100 a2 14 07 89 00 00", 0x0fa2, 0x89, 7, 0, 0, 10 },
	{ WHO "0f 00 0100 a2 02 07 89 ff2c01 00", 0x0fa2, 0x89, 7, 300, 0, 1 },
	{ WHO "0f 00 0100 a2 02 ff0001 89 05 00", 0x0fa2, 0x89, 256, 5, 0, 1 },
	{ WHO "0f 00 0100 a2 03 07 89 05 00", 0x0fa2, 0x89, 7, 5, 0, 2 },
	{ WHO "0f 00 0100 a2 00 07 89 05 00", 0x0fa2, 0x89, 7, 5, 0, 1 },
	{ WHO "0f 00 0100 a2 0c 08 8a 02 00", 0x0fa2, 0x8a, 8, 2, 0, 3 },
	{ WHO "0f 00 0100 a2 06 04 86 02 00", 0x0fa2, 0x86, 4, 2, 0, 1 },
	{ WHO "0f 00 0100 a2 02 04 86 02 02", 0x0fa2, 0x86, 4, 2, 2, 1 },
	{ WHO "0f 00 0100 a2 04 04 86 02 02", 0x0fa2, 0x86, 4, 2, 2, 2 },
	{ WHO "0f 00 0100 a2 54 09 8d 01 00", 0x0fa2, 0x8d, 9, 1, 0, 1 },
	{ WHO "0f 00 0100 a2 55 09 8d 01 00", 0x0fa2, 0x8d, 9, 1, 0, 2 },
	{ WHO "0f 00 0100 a2 2c 00 00 00 00", 0x0fa2, 0, 0, 0, 0, 22 },
	{ WHO "0f 00 0100 a1 04 07 89 03", 0x0fa1, 0x89, 7, 3, 0, 2 },
	{ WHO "0f 00 0100 a9 04 07 89 03 01020304", 0x0fa9, 0x89, 7, 3, 0, 2 },
	{ WHO "0f 00 0100 aa 04 07 89 03 00 01020304", 0x0faa, 0x89, 7, 3, 0, 2 },
	{ WHO "0f 00 0100 ab 02 03 85 01 00 0400 0400", 0x0fab, 0x85, 3, 1, 0, 1 },
	{ WHO "0f 00 0100 01 0000 0500 06 07 03 0a", 0x0f01, 0, 7, 3, 0, 5 },
	{ WHO "0f 00 0100 01 0000 0100 07 00 07 03 0a", 0x0f01, 0, 7, 3, 0, 5 },
	{ WHO "0f 00 0100 01 0200 0100 0e 04 02 01 02", 0x0f01, 0, 4, 2, 1, 4 },
	{ WHO "0f 00 0100 00 0000 0100 06 07 03 0102", 0x0f00, 0, 7, 3, 0, 1 },
	{ WHO "0f 00 0100 00 0300 0500 06 07 03 01020304", 0x0f00, 0, 7, 3, 0, 5 },
	{ WHO "0f 00 0100 00 0000 6400 06 07 03 01020304", 0x0f00, 0, 7, 3, 0, 100 },
	{ WHO "0f 00 0100 68 0000 0500 06 07 ff0001 0500", 0x0f68, 0, 7, 256, 0, 5 },
	{ WHO "0f 00 0100 67 0000 0200 06 07 03 42 0100 0200", 0x0f67, 0, 7, 3, 0, 5 },
};

#define VALID (sizeof(valid) / sizeof(valid[0]))

TEST(pccc_files)
{
	struct ks_leaf leaf;

	for (__u32 i = 0; i < VALID; i++) {
		CHECK_AT(judge(valid[i].hex, &leaf) == 0, i);
		CHECK_AT(leaf.has == (KS_HAS_PCCC | KS_HAS_FILE), i);
		CHECK_AT(leaf.sub == valid[i].sub && leaf.transaction == 1, i);
		CHECK_AT(leaf.file_type == valid[i].type && leaf.file == valid[i].file, i);
		CHECK_AT(leaf.address == valid[i].element, i);
		CHECK_AT(leaf.sub_element == valid[i].sub_element, i);
		CHECK_AT(leaf.quantity == valid[i].elements, i);
	}
}

/* The last field is there to the byte, and nothing behind it; writes of 00, 67 end anywhere. */
TEST(pccc_truncated_everywhere)
{
	for (__u32 i = 0; i < VALID; i++) {
		struct bytes b = { .len = 0 };
		struct ks_leaf leaf = { 0 };
		int open = valid[i].sub == 0x0f00 || valid[i].sub == 0x0f67;

		bytes_hex(&b, valid[i].hex);
		for (__u32 n = 0; n < b.len; n++) {
			struct view v = bytes_exact(b.at, n);
			int err = pccc_dissect(&v, 0, n, &leaf);

			/* the address is all there: what is left may be values */
			if (open && n > 7 + 5 + 4 + 3)
				continue;
			CHECK_AT(err == (n < 12 ? KS_R_pccc_malformed : KS_R_length_mismatch),
				 i * 100 + n);
		}
		bytes_add(&b, "", 1);
		CHECK_AT((pccc_dissect(&(struct view){ b.at, b.len }, 0, b.len, &leaf) == 0) == open, i);
	}
}

TEST(pccc_requestor)
{
	CHECK(reason("") == KS_R_pccc_malformed);
	CHECK(reason("07") == KS_R_pccc_malformed);
	CHECK(reason("00 4d00 12345678 06 00 0100 03") == KS_R_pccc_malformed);
	CHECK(reason("06 4d00 123456 06 00 0100 03") == KS_R_pccc_malformed);
	CHECK(reason("08 4d00 12345678 09 06 00 0100 03") == KS_R_pccc_malformed);
	CHECK(reason("01 06 00 0100 03 000000000000") == KS_R_pccc_malformed);
	CHECK(reason(WHO "06 00 0100 03") == 0);
}

TEST(pccc_commands)
{
	struct ks_leaf leaf;

	CHECK(judge(WHO "06 00 0201 03", &leaf) == 0 && leaf.sub == 0x0603);
	CHECK(leaf.transaction == 0x0102 && leaf.has == KS_HAS_PCCC);
	CHECK(leaf.key_class == (KS_CLASS_PCCC | 0x0c));
	CHECK(judge(WHO "06 00 0201 00 'any'", &leaf) == 0 && leaf.sub == 0x0600);
	CHECK(judge(WHO "0f 00 0100 80 07", &leaf) == 0 && leaf.sub == 0x0f80);
	CHECK(leaf.key_class == (KS_CLASS_PCCC | 0x1f));
	CHECK(judge(WHO "0f 00 0100 a3 6280", &leaf) == 0 && leaf.sub == 0x0fa3);
	CHECK(judge(WHO "08 00 0100 3412 0102", &leaf) == 0 && leaf.sub == 0x0800);
	CHECK(leaf.key_class == (KS_CLASS_PCCC | 0x10));
	CHECK(judge(WHO "01 00 0100", &leaf) == 0 && leaf.sub == 0x0100);
	CHECK(judge(WHO "0f f0 0100 a2 14 07 89 00 00", &leaf) == 0);
	CHECK(reason(WHO "06 00 0100 03 00") == KS_R_length_mismatch);
	CHECK(reason(WHO "0f 00 0100 80") == KS_R_length_mismatch);
	CHECK(reason(WHO "0f 00 0100 3a 0100") == KS_R_length_mismatch);
	CHECK(reason(WHO "0f 00 0100") == KS_R_pccc_malformed);
	CHECK(reason(WHO "07 00 0100") == KS_R_pccc_malformed);
	CHECK(reason(WHO "0f 00 01") == KS_R_pccc_malformed);
	CHECK(judge(WHO "0f 00 0100 88 01 05 a2 02 07 89 00 00", &leaf) == KS_R_nesting);
	CHECK(leaf.sub == 0x0f88);
}

/* Replies and bits that are 0 in every request. */
TEST(pccc_command_bits)
{
	struct bytes b = { .len = 0 };
	struct ks_leaf leaf;

	bytes_hex(&b, WHO "06 00 0100 03");
	for (__u32 cmd = 0; cmd < 256; cmd++) {
		b.at[7] = cmd;
		CHECK_AT((pccc_dissect(&(struct view){ b.at, b.len }, 0, b.len, &leaf) == 0) ==
			 (cmd < 16), cmd);
	}
}

/* Addresses that are not file and element: no file, and no length either. */
TEST(pccc_other_addresses)
{
	static const char *const other[] = {
		WHO "0f 00 0100 01 0000 0500 00 '$N7:0' 00 0a",
		WHO "0f 00 0100 01 0000 0500 02 07 0a",
		WHO "0f 00 0100 01 0000 0500 07 01 07 03 0a",
		WHO "0f 00 0100 01 0000 0500 16 07 03 01 0a",
		WHO "0f 00 0100 26 06 07 03 ff00 0100",
		WHO "0f 00 0100 af 02 0100 0000 89 0102",
	};
	struct ks_leaf leaf;

	for (__u32 i = 0; i < sizeof(other) / sizeof(other[0]); i++) {
		CHECK_AT(judge(other[i], &leaf) == 0, i);
		CHECK_AT(leaf.has == KS_HAS_PCCC, i);
	}
}

/* The request may stand anywhere in a view; what is behind it is not read. */
TEST(pccc_inside_a_view)
{
	struct bytes b = { .len = 0 };
	struct ks_leaf leaf = { 0 };
	struct view v;

	bytes_hex(&b, "4b02 2067 2401 " WHO "0f 00 0100 aa 04 07 89 03 00 01020304 ffff");
	v = bytes_exact(b.at, b.len);
	CHECK(pccc_dissect(&v, 6, b.len - 8, &leaf) == 0 && leaf.address == 3);
	CHECK(pccc_dissect(&v, 6, b.len - 6, &leaf) == KS_R_length_mismatch);
	CHECK(pccc_dissect(&v, 6, b.len - 5, &leaf) == KS_R_pccc_malformed);
}

/* ---- class 0x44 ---- */

static int modbus(__u32 service, const char *hex, struct ks_leaf *leaf)
{
	struct bytes b = { .len = 0 };
	struct view v;

	bytes_hex(&b, hex);
	v = bytes_exact(b.at, b.len);
	memset(leaf, 0, sizeof(*leaf));
	leaf->service = service;
	return cip_modbus_dissect(&v, 0, b.len, leaf);
}

TEST(cip_modbus_services)
{
	static const __u8 codes[] = { 2, 1, 4, 3 };
	struct ks_leaf leaf;

	for (__u32 i = 0; i < 4; i++) {
		CHECK_AT(modbus(0x4b + i, "6400 0300", &leaf) == 0, i);
		CHECK_AT(leaf.sub == codes[i] && leaf.address == 100 && leaf.quantity == 3, i);
		CHECK_AT(leaf.has == (KS_HAS_MODBUS | KS_HAS_ADDRESS), i);
		CHECK_AT(modbus(0x4b + i, "6400 03", &leaf) == KS_R_length_mismatch, i);
		CHECK_AT(modbus(0x4b + i, "6400 0300 00", &leaf) == KS_R_length_mismatch, i);
	}
	CHECK(modbus(0x4f, "6400 0900 ff01", &leaf) == 0 && leaf.sub == 15 && leaf.quantity == 9);
	CHECK(modbus(0x4f, "6400 0900 ff", &leaf) == KS_R_length_mismatch);
	CHECK(modbus(0x50, "6400 0200 01000200", &leaf) == 0 && leaf.sub == 16);
	CHECK(leaf.address == 100 && leaf.quantity == 2);
	CHECK(modbus(0x50, "6400 0200 010002", &leaf) == KS_R_length_mismatch);
	CHECK(modbus(0x50, "6400 0200 0100020000", &leaf) == KS_R_length_mismatch);
	CHECK(modbus(0x50, "", &leaf) == KS_R_length_mismatch);
	CHECK(modbus(0x0e, "00", &leaf) == 0 && leaf.has == 0);
	CHECK(modbus(0x52, "00", &leaf) == 0 && leaf.has == 0);
}

TEST(cip_modbus_passthrough)
{
	static const char *const good[] = {
		"01 0064 0003", "02 0064 0003", "03 0064 0003", "04 0064 0003", "05 0064 ff00",
		"06 0064 0003", "0f 0064 0003 01 07", "10 0064 0001 02 0007", "16 0064 ffff 0000",
	};
	struct ks_leaf leaf;

	for (__u32 i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct bytes b = { .len = 0 };

		CHECK_AT(modbus(0x51, good[i], &leaf) == 0, i);
		bytes_hex(&b, good[i]);
		CHECK_AT(leaf.sub == b.at[0] && leaf.address == 100, i);
		CHECK_AT(leaf.has == (KS_HAS_MODBUS | KS_HAS_ADDRESS), i);
		leaf.service = 0x51;
		for (__u32 n = 0; n < b.len; n++) {
			struct view v = bytes_exact(b.at, n);

			CHECK_AT(cip_modbus_dissect(&v, 0, n, &leaf) == KS_R_length_mismatch,
				 i * 100 + n);
		}
		bytes_add(&b, "", 1);
		CHECK_AT(cip_modbus_dissect(&(struct view){ b.at, b.len }, 0, b.len, &leaf) ==
			 KS_R_length_mismatch, i);
	}
	CHECK(modbus(0x51, "05 0064 0001", &leaf) == KS_R_malformed);
	CHECK(modbus(0x51, "10 0064 0002 02 0007", &leaf) == KS_R_length_mismatch);
	for (__u32 fc = 0; fc < 256; fc++) {
		struct bytes b = { .len = 5 };
		int known = (fc >= 1 && fc <= 6) || fc == 15 || fc == 16 || fc == 22;

		b.at[0] = fc;
		leaf.service = 0x51;
		CHECK_AT((cip_modbus_dissect(&(struct view){ b.at, 5 }, 0, 5, &leaf) ==
			  KS_R_function_opaque) == !known, fc);
	}
}

int main(void)
{
	return test_run_all();
}
