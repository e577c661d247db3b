/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * bpf/groups.h: every code in exactly one group, the groups that the design fixes,
 * and names that the policy language can tell apart.
 */
#include <string.h>

#include "../../bpf/groups.h"
#include "test.h"

TEST(groups_modbus)
{
	static const struct { __u32 fc, sub; enum ks_group group; } want[] = {
		{ 1, KS_ANY, KS_G_read }, { 2, KS_ANY, KS_G_read }, { 3, KS_ANY, KS_G_read },
		{ 4, KS_ANY, KS_G_read }, { 20, KS_ANY, KS_G_read }, { 24, KS_ANY, KS_G_read },
		{ 7, KS_ANY, KS_G_diagnostic }, { 11, KS_ANY, KS_G_diagnostic },
		{ 12, KS_ANY, KS_G_diagnostic }, { 8, 0, KS_G_diagnostic },
		{ 8, 2, KS_G_diagnostic }, { 8, 11, KS_G_diagnostic }, { 8, 18, KS_G_diagnostic },
		{ 17, KS_ANY, KS_G_discovery }, { 43, 14, KS_G_discovery },
		{ 5, KS_ANY, KS_G_write }, { 6, KS_ANY, KS_G_write }, { 15, KS_ANY, KS_G_write },
		{ 16, KS_ANY, KS_G_write }, { 21, KS_ANY, KS_G_write }, { 22, KS_ANY, KS_G_write },
		{ 23, KS_ANY, KS_G_write }, { 8, 3, KS_G_config }, { 43, 13, KS_G_config },
		{ 8, 1, KS_G_control }, { 8, 4, KS_G_control }, { 8, 10, KS_G_control },
		{ 8, 20, KS_G_control }, { 90, KS_ANY, KS_G_other }, { 90, 2, KS_G_read },
		{ 90, 0x99, KS_G_other }, { 90, 0x38, KS_G_other }, { 90, 0x41, KS_G_control },
		{ 90, 0x23, KS_G_write }, { 90, 0x29, KS_G_firmware }, { 90, 0x30, KS_G_program },
		{ 126, KS_ANY, KS_G_program }, { 125, KS_ANY, KS_G_firmware },
		{ 8, 19, KS_G_other }, { 8, 21, KS_G_other }, { 8, KS_ANY, KS_G_other },
		{ 43, 15, KS_G_other }, { 43, KS_ANY, KS_G_other }, { 65, KS_ANY, KS_G_other },
		{ 100, KS_ANY, KS_G_other }, { 19, KS_ANY, KS_G_other }, { 0, KS_ANY, KS_G_other },
	};

	for (unsigned int i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		CHECK_AT(ks_modbus_group(want[i].fc, want[i].sub) == want[i].group, i);
}

/* The whole of what `readonly` lets through, from a list typed apart from the table. */
TEST(groups_modbus_readonly)
{
	static const __u8 plain[] = { 1, 2, 3, 4, 7, 11, 12, 17, 20, 24 };

	for (__u32 fc = 0; fc < 256; fc++) {
		int want = memchr(plain, fc, sizeof(plain)) != NULL;

		CHECK_AT(!!(KS_READONLY_GROUPS & 1u << ks_modbus_group(fc, KS_ANY)) == want, fc);
	}
	for (__u32 sub = 0; sub <= 0xffff; sub++) {
		int want = sub == 0 || sub == 2 || (sub >= 11 && sub <= 18);

		CHECK_AT(!!(KS_READONLY_GROUPS & 1u << ks_modbus_group(8, sub)) == want, sub);
		CHECK_AT(!!(KS_READONLY_GROUPS & 1u << ks_modbus_group(43, sub)) == (sub == 14), sub);
	}
}

/* UMAS: what `readonly` lets through, from the reference's list typed apart. */
TEST(groups_umas_readonly)
{
	static const __u8 reads[] = {
		0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x0a, 0x12, 0x20, 0x22, 0x24, 0x26,
		0x27, 0x2a, 0x39, 0x51, 0x52, 0x53, 0x58, 0x65, 0x66, 0x70, 0x72, 0x73, 0x74,
	};

	for (__u32 sub = 0; sub < 0x100; sub++)
		CHECK_AT(!!(KS_READONLY_GROUPS & 1u << ks_modbus_group(90, sub)) ==
			 (memchr(reads, sub, sizeof(reads)) != NULL), sub);
}

TEST(groups_cip)
{
	static const struct { __u32 service, class; enum ks_group group; } want[] = {
		{ 0x01, 0x01, KS_G_discovery }, { 0x03, 0x01, KS_G_discovery },
		{ 0x0e, 0x01, KS_G_discovery }, { 0x05, 0x01, KS_G_control },
		{ 0x0e, 0xf5, KS_G_read }, { 0x10, 0xf5, KS_G_config }, { 0x10, 0xf6, KS_G_config },
		{ 0x4c, 0xf6, KS_G_config }, { 0x10, 0x04, KS_G_write }, { 0x0e, 0x04, KS_G_read },
		{ 0x02, 0x04, KS_G_write }, { 0x04, 0x04, KS_G_write }, { 0x19, 0x04, KS_G_write },
		{ 0x1a, 0x04, KS_G_write }, { 0x1b, 0x04, KS_G_write }, { 0x08, 0x04, KS_G_config },
		{ 0x10, 0x29, KS_G_control }, { 0x10, 0x28, KS_G_write }, { 0x10, 0x8e, KS_G_control },
		{ 0x07, 0x8e, KS_G_control }, { 0x07, 0x64, KS_G_control }, { 0x4b, 0x64, KS_G_program },
		{ 0x54, 0x06, KS_G_session }, { 0x5b, 0x06, KS_G_session }, { 0x4e, 0x06, KS_G_session },
		{ 0x56, 0x06, KS_G_read }, { 0x52, 0x06, KS_G_other },
		{ 0x54, KS_CLASS_OPEN, KS_G_io }, { 0x5b, KS_CLASS_OPEN, KS_G_io },
		{ 0x00, KS_CLASS_IO, KS_G_io },
		{ 0x4c, KS_CLASS_TAG, KS_G_read }, { 0x52, KS_CLASS_TAG, KS_G_read },
		{ 0x4d, KS_CLASS_TAG, KS_G_write }, { 0x4e, KS_CLASS_TAG, KS_G_write },
		{ 0x53, KS_CLASS_TAG, KS_G_write }, { 0x4b, KS_CLASS_TAG, KS_G_other },
		{ 0x10, KS_CLASS_TAG, KS_G_write }, { 0x4d, 0x6b, KS_G_write },
		{ 0x55, 0x6b, KS_G_read }, { 0x08, 0x6b, KS_G_program }, { 0x4c, 0x6c, KS_G_read },
		{ 0x4b, 0x37, KS_G_read }, { 0x4f, 0x37, KS_G_read }, { 0x4c, 0x37, KS_G_firmware },
		{ 0x4e, 0x37, KS_G_firmware }, { 0x50, 0x37, KS_G_firmware },
		{ 0x4b, 0xa1, KS_G_firmware }, { 0x4d, 0xa1, KS_G_firmware },
		{ 0x4e, 0x44, KS_G_read }, { 0x50, 0x44, KS_G_write }, { 0x51, 0x44, KS_G_other },
		{ 0x4b, 0x67, KS_G_other }, { 0x4b, 0x300, KS_G_other }, { 0x10, 0x300, KS_G_other },
		{ 0x0e, 0x300, KS_G_read }, { 0x0e, KS_ANY, KS_G_read }, { 0x4d, KS_ANY, KS_G_other },
		{ 0x08, 0x300, KS_G_config }, { 0x17, 0x300, KS_G_session },
		{ 0x0e, KS_CLASS_NONE, KS_G_other }, { 0x05, KS_CLASS_NONE, KS_G_other },
		{ 0x01, KS_CLASS_ENCAP, KS_G_other }, { 0x04, KS_CLASS_ENCAP, KS_G_discovery },
		{ 0x63, KS_CLASS_ENCAP, KS_G_discovery }, { 0x64, KS_CLASS_ENCAP, KS_G_discovery },
		{ 0x00, KS_CLASS_ENCAP, KS_G_session }, { 0x65, KS_CLASS_ENCAP, KS_G_session },
		{ 0x66, KS_CLASS_ENCAP, KS_G_session }, { 0x7f, KS_CLASS_ENCAP, KS_G_other },
		{ 0x0e, KS_CLASS_ENCAP, KS_G_other }, { 0x6f, KS_CLASS_ENCAP, KS_G_other },
	};

	for (unsigned int i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		CHECK_AT(ks_cip_group(want[i].service, want[i].class) == want[i].group, i);
}

/* PCCC: what `readonly` lets through, from the reference's list typed apart. */
TEST(groups_pccc_readonly)
{
	static const __u32 reads[] = {
		0x0100, 0x0600, 0x0601, 0x0603, 0x0f01, 0x0f04, 0x0f09, 0x0f17, 0x0f29, 0x0f68,
		0x0fa1, 0x0fa2, 0x0fa7,
	};

	for (__u32 code = 0; code < 0x1000; code++) {
		__u32 class = KS_CLASS_PCCC | code >> 8 << 1 | (code >> 7 & 1);
		int want = 0;

		for (unsigned int i = 0; i < sizeof(reads) / sizeof(reads[0]); i++)
			want |= reads[i] == code;
		CHECK_AT(ks_pccc_code(code & 127, class) == code && ks_is_pccc(class), code);
		CHECK_AT(!!(KS_READONLY_GROUPS & 1u << ks_cip_group(code & 127, class)) == want,
			 code);
	}
	CHECK(!ks_is_pccc(KS_CLASS_PCCC - 1) && !ks_is_pccc(KS_CLASS_PCCC + 32) && !ks_is_pccc(KS_ANY));
}

TEST(groups_pccc)
{
	static const struct { __u32 code; enum ks_group group; } want[] = {
		{ 0x0faa, KS_G_write }, { 0x0fa9, KS_G_write }, { 0x0fab, KS_G_write },
		{ 0x0f00, KS_G_write }, { 0x0f67, KS_G_write }, { 0x0f26, KS_G_write },
		{ 0x0800, KS_G_write }, { 0x0500, KS_G_write }, { 0x0f80, KS_G_control },
		{ 0x0f3a, KS_G_control }, { 0x0f07, KS_G_control }, { 0x0700, KS_G_control },
		{ 0x0f50, KS_G_program }, { 0x0f57, KS_G_program }, { 0x0704, KS_G_program },
		{ 0x0f81, KS_G_program }, { 0x0602, KS_G_config }, { 0x060a, KS_G_config },
		{ 0x0f88, KS_G_other }, { 0x0fa3, KS_G_other }, { 0x0300, KS_G_other },
		{ 0x0609, KS_G_other },
	};

	for (unsigned int i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		CHECK_AT(ks_pccc_group(want[i].code) == want[i].group, i);
}

/* Which (service, class) pairs of the wire `readonly` allows, typed apart from the table. */
static int cip_readonly(__u32 service, __u32 class)
{
	switch (service) {
	case 0x01: case 0x03: case 0x0e: case 0x11: case 0x18: case 0x17:
		return 1;
	case 0x4b: case 0x4f:
		return class == 0x37 || (service == 0x4b && class == 0x44);
	case 0x4c:
		return class == 0x44 || class == 0x6b || class == 0x6c || class == 0xb2;
	case 0x4d:
		return class == 0x44;
	case 0x4e:
		return class == 0x44 || class == 0x06;
	case 0x52:
		return class == 0x6b || class == 0x6c;
	case 0x55:
		return class == 0x68 || class == 0x69 || class == 0x6b || class == 0x6c ||
		       class == 0x70;
	case 0x54: case 0x56: case 0x57: case 0x5a: case 0x5b:
		return class == 0x06;
	}
	return 0;
}

TEST(groups_cip_readonly)
{
	for (__u32 class = 0; class < 0x10000; class += class < 0x400 ? 1 : 0x3fff)
		for (__u32 service = 0; service < 0x80; service++)
			CHECK_AT(!!(KS_READONLY_GROUPS & 1u << ks_cip_group(service, class)) ==
				 cip_readonly(service, class), class * 256 + service);
}

/* A class without a row is treated as KS_ANY: the compiler keeps one column for all. */
TEST(groups_unlisted_class_is_any)
{
	const struct ks_class_row *rows;
	const struct ks_cip_row *cip;
	unsigned int n, m;

	rows = ks_class_rows(&n);
	cip = ks_cip_rows(&m);
	for (__u32 class = 0; class < 0x400; class++) {
		int listed = 0;

		for (unsigned int i = 0; i < n; i++)
			listed |= rows[i].class == class;
		for (unsigned int i = 0; i < m; i++)
			CHECK_AT(cip[i].class != class || listed, class);
		for (__u32 service = 0; !listed && service < 0x80; service++)
			CHECK_AT(ks_cip_group(service, class) == ks_cip_group(service, KS_ANY),
				 class * 256 + service);
	}
}

static int is_name(const char *name);

TEST(groups_pccc_names)
{
	const struct ks_pccc_row *rows;
	unsigned int n;

	rows = ks_pccc_rows(&n);
	for (unsigned int i = 0; i < n; i++) {
		CHECK_AT(is_name(rows[i].name), i);
		for (unsigned int j = 0; j < i; j++)
			CHECK_AT(strcmp(rows[i].name, rows[j].name), i);
		for (unsigned int g = 0; g < KS_GROUPS; g++)
			CHECK_AT(strcmp(rows[i].name, ks_group_name(g)), i);
	}
}

static int is_name(const char *name)
{
	return name[0] && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(name);
}

/* Modbus and class names mean one thing; a CIP service name means one service code. */
TEST(groups_names)
{
	const struct ks_modbus_row *mb;
	const struct ks_class_row *class;
	const struct ks_cip_row *cip;
	unsigned int n, i, j;

	mb = ks_modbus_rows(&n);
	for (i = 0; i < n; i++) {
		CHECK_AT(is_name(mb[i].name), i);
		for (j = 0; j < i; j++)
			CHECK_AT(strcmp(mb[i].name, mb[j].name), i);
		CHECK_AT(ks_modbus_group(mb[i].code, mb[i].sub) == mb[i].group, i);
	}
	class = ks_class_rows(&n);
	for (i = 0; i < n; i++) {
		CHECK_AT(is_name(class[i].name), i);
		for (j = 0; j < i; j++)
			CHECK_AT(strcmp(class[i].name, class[j].name), i);
	}
	cip = ks_cip_rows(&n);
	for (i = 0; i < n; i++) {
		CHECK_AT(is_name(cip[i].name) && cip[i].service < 0x80, i);
		for (j = 0; j < i; j++)
			CHECK_AT(strcmp(cip[i].name, cip[j].name) ||
				 cip[i].service == cip[j].service, i);
	}
}

/* No function, service or class is called like a group: policies name both in one list. */
TEST(groups_group_names)
{
	const struct ks_modbus_row *mb;
	const struct ks_cip_row *cip;
	unsigned int n, i, g;

	for (g = 0; g < KS_GROUPS; g++) {
		CHECK_AT(is_name(ks_group_name(g)) && ks_group_text(g)[0], g);
		mb = ks_modbus_rows(&n);
		for (i = 0; i < n; i++)
			CHECK_AT(strcmp(mb[i].name, ks_group_name(g)), i);
		cip = ks_cip_rows(&n);
		for (i = 0; i < n; i++)
			CHECK_AT(strcmp(cip[i].name, ks_group_name(g)), i);
	}
	CHECK(!strcmp(ks_group_name(KS_G_read), "read") && !strcmp(ks_group_name(KS_G_other), "other"));
	CHECK(!strcmp(ks_group_name(KS_GROUPS), "?") && !strcmp(ks_group_text(99), "?"));
}

int main(void)
{
	return test_run_all();
}
