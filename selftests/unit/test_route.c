/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * bpf/route.h: port segments to text, what two devices could read in two ways, bounds;
 * and the routes that stand in a Forward_Open's connection path (bpf/conn_path.h).
 */
#include "../../bpf/cip.h"
#include "bytes.h"
#include "test.h"

static struct ks_route route;
static struct epath_work work;

/* Walks the bytes as a route path; behind the hops that route has. */
static int append(const char *hex)
{
	struct bytes b = { .len = 0 };
	struct view v;

	bytes_hex(&b, hex);
	v = bytes_exact(b.at, b.len);
	memset(&work, 0xee, sizeof(work));
	return route_walk(&v, 0, b.len / 2, &route, &work);
}

static int walk(const char *hex)
{
	memset(&route, 0, sizeof(route));
	return append(hex);
}

/* The text, and nothing behind it. */
static int is(const char *text)
{
	__u8 want[KS_ROUTE_MAX] = { 0 };

	memcpy(want, text, strlen(text));
	return route.len == strlen(text) && !memcmp(route.text, want, sizeof(want));
}

TEST(route_hops)
{
	CHECK(walk("") == 0 && is("") && route.hops == 0);
	CHECK(walk("0100") == 0 && is("1/0") && route.hops == 1);
	CHECK(walk("0103") == 0 && is("1/3"));
	CHECK(walk("0eff") == 0 && is("14/255"));
	CHECK(walk("0100 0210") == 0 && is("1/0,2/16") && route.hops == 2);
	CHECK(walk("12 09 '10.99.0.2' 00") == 0 && is("2/10.99.0.2"));
	CHECK(walk("12 08 '10.9.0.2'") == 0 && is("2/10.9.0.2"));
	CHECK(walk("0103 12 09 '10.99.0.2' 00 0100") == 0 && is("1/3,2/10.99.0.2,1/0"));
	CHECK(walk("12 05 'PLC-4' 00") == 0 && is("2/plc-4"));
	CHECK(walk("12 07 'fe80::1' 00") == 0 && is("2/fe80::1"));
}

/* A port is its number, whatever the field that holds it. */
TEST(route_large_ports)
{
	CHECK(walk("0f 1200 05") == 0 && is("18/5"));
	CHECK(walk("0f ffff 00") == 0 && is("65535/0"));
	CHECK(walk("0f 0100 03") == 0 && is("1/3"));
	CHECK(walk("1f 08 0200 '10.9.0.2'") == 0 && is("2/10.9.0.2"));
	CHECK(walk("1f 09 0002 '10.99.0.2' 00 0100") == 0 && is("512/10.99.0.2,1/0"));
	CHECK(walk("0f 0000 05") == KS_R_route_malformed);
	CHECK(walk("1f 02 0000 'ab'") == KS_R_route_malformed);
}

TEST(route_every_number)
{
	char text[16];

	for (__u32 port = 0; port < 0x10000; port += port < 300 ? 1 : 97)
		for (__u32 link = 0; link < 256; link += 51) {
			struct bytes b = { .len = 0 };
			struct view v;

			bytes_add(&b, "\x0f", 1);
			bytes_le16(&b, port);
			bytes_add(&b, (__u8[]){ link }, 1);
			v = bytes_exact(b.at, b.len);
			memset(&route, 0, sizeof(route));
			CHECK_AT(!route_walk(&v, 0, 2, &route, &work) == !!port, port);
			snprintf(text, sizeof(text), "%u/%u", port, link);
			CHECK_AT(!port || is(text), port);
		}
}

/* What stands for another hop, another port, a number, or nothing that can be read. */
TEST(route_addresses_of_one_reading)
{
	static const char *const wrong[] = {
		"12 00", "11 01 00 00", "12 02 '16'", "12 03 '123' 00", "12 03 'a,b' 00",
		"12 03 'a/b' 00", "12 03 'a b' 00", "12 02 'a' 00", "12 02 'a' 80",
		"12 03 'a.b' 01", "12 02 0102", "12 02 'a@'", "12 02 'a['", "12 02 '`b'",
		"12 02 '{b'", "12 02 'a;'", "00 01", "10 02 'ab'",
	};

	for (__u32 i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		CHECK_AT(walk(wrong[i]) == KS_R_route_malformed, i);
	CHECK(walk("12 02 'a1'") == 0 && is("2/a1"));
	CHECK(walk("12 02 '1.'") == 0 && is("2/1."));
	CHECK(walk("12 04 'A_Zz'") == 0 && is("2/a_zz"));
}

TEST(route_other_segments)
{
	static const char *const wrong[] = {
		"2001", "2401", "0100 2001", "3404 0000 0000 0000 0000 0100", "4301 0100",
		"9102 'ab' 0100", "8000 0100", "e001", "6162", "0100 a001",
	};

	for (__u32 i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		CHECK_AT(walk(wrong[i]) == KS_R_route_malformed, i);
}

TEST(route_cut)
{
	struct bytes b = { .len = 0 };

	bytes_hex(&b, "0103 1f 09 0002 '10.99.0.2' 00 0f 1234 05 12 02 'ab'");
	for (__u32 n = 0; n <= b.len; n++) {
		struct view v = bytes_exact(b.at, n);
		int whole = n == 0 || n == 2 || n == 16 || n == 20 || n == b.len;

		memset(&route, 0, sizeof(route));
		if (n & 1) {
			CHECK_AT(route_walk(&v, 0, n / 2 + 1, &route, &work) ==
				 KS_R_route_malformed, n);
			continue;
		}
		CHECK_AT(route_walk(&v, 0, n / 2, &route, &work) ==
			 (whole ? 0 : KS_R_route_malformed), n);
	}
	CHECK(is("1/3,512/10.99.0.2,13330/5,2/ab"));
}

TEST(route_bounds)
{
	CHECK(walk("0100 0101 0102 0103") == 0 && is("1/0,1/1,1/2,1/3") && route.hops == 4);
	CHECK(walk("0100 0101 0102 0103 0104") == KS_R_route_long);
	CHECK(walk("0100 0101") == 0 && append("0102 0103") == 0 && is("1/0,1/1,1/2,1/3"));
	CHECK(walk("0100 0101 0102") == 0 && append("0102 0103") == KS_R_route_long);
	/* 32 characters, and one more: the text is cut, the length says so */
	CHECK(walk("12 1e 'abcdefghijklmnopqrstuvwxyz.123'") == 0);
	CHECK(is("2/abcdefghijklmnopqrstuvwxyz.123"));
	CHECK(walk("12 1f 'abcdefghijklmnopqrstuvwxyz.1234' 00") == 0 && route.len == 33);
	CHECK(!memcmp(route.text, "2/abcdefghijklmnopqrstuvwxyz.123", KS_ROUTE_MAX));
	CHECK(append("0100") == 0 && route.len == 37);
	/* what is beyond the text is still looked at */
	CHECK(walk("12 24 'abcdefghijklmnopqrstuvwxyz.12345678,'") == KS_R_route_malformed);
}

TEST(route_comparison)
{
	struct ks_route a, b;

	CHECK(walk("0103") == 0);
	a = b = route;
	CHECK(route_equal(&a, &b));
	for (int i = 0; i < KS_ROUTE_MAX; i++) {
		b.text[i] ^= 0x80;
		CHECK_AT(!route_equal(&a, &b), i);
		b = a;
	}
	route_unknown(&b);
	CHECK(!route_equal(&a, &b) && b.len > KS_ROUTE_MAX);
}

/* ---- connection paths ---- */

static int open_path(const char *hex)
{
	struct bytes b = { .len = 0 };
	struct view v;

	bytes_hex(&b, hex);
	v = bytes_exact(b.at, b.len);
	memset(&route, 0, sizeof(route));
	memset(&work, 0xee, sizeof(work));
	return epath_to_router(&v, 0, b.len / 2, &route, &work);
}

TEST(route_of_connection_paths)
{
	CHECK(open_path("2002 2401") == 0 && is(""));
	CHECK(open_path("0103 2002 2401") == 0 && is("1/3"));
	CHECK(open_path("0103 3404 0000 0000 0000 0000 2002 2401") == 0 && is("1/3"));
	CHECK(open_path("3404 0000 0000 0000 0000 0103 2002 2401") == 0 && is("1/3"));
	CHECK(open_path("0103 12 09 '10.99.0.2' 00 2002 2401") == 0 && is("1/3,2/10.99.0.2"));
	CHECK(open_path("0103 2004 2466 2c65 2c64") == -1 && is("1/3"));
	CHECK(open_path("0103 2004 2466 8001 0102") == -1 && is("1/3") && work.config);
	CHECK(open_path("0103") == -1 && is("1/3"));
	CHECK(open_path("0100 0101 0102 0103 0104 2002 2401") == KS_R_route_long);
	CHECK(open_path("12 02 '16' 2002 2401") == KS_R_route_malformed);
	CHECK(open_path("12 03 'a.b' 01 2002 2401") == KS_R_route_malformed);
}

/* Behind what names an object a port is none of the way to it. */
TEST(route_behind_the_object)
{
	CHECK(open_path("2002 0103 2401") == KS_R_epath_ambiguous);
	CHECK(open_path("2002 2401 0103") == KS_R_epath_ambiguous);
	CHECK(open_path("2004 2466 0103") == KS_R_epath_ambiguous);
	CHECK(open_path("4301 0103 2004 2466") == KS_R_epath_ambiguous);
	CHECK(open_path("8001 0102 0103 2002 2401") == 0 && is("1/3") && work.config);
}

/* ---- through cip.h ---- */

#define REQUEST "4d 02 9102 'ab' c400 0100 01020304"

/* One request behind an Unconnected_Send, on a connection of route `route`. */
static int request(const char *path, const char *carrier, struct ks_leaf *leaf)
{
	struct bytes b = { .len = 0 };
	struct cip_layers l;
	char hex[400];
	struct view v;
	int err = walk(carrier);

	snprintf(hex, sizeof(hex), "52 02 2006 2401 0a05 0e00 " REQUEST " %s", path);
	bytes_hex(&b, hex);
	v = bytes_exact(b.at, b.len);
	memset(leaf, 0xee, sizeof(*leaf));
	err = err ? err : cip_unwrap(&v, 0, b.len, &l, &route, &work);
	return err ? err : cip_leaf(&v, l.off, l.len, 0, &route, leaf, &work);
}

TEST(route_of_the_leaf)
{
	struct ks_leaf leaf;

	CHECK(request("00 00", "", &leaf) == 0 && !(leaf.has & KS_HAS_ROUTE) && !leaf.route.len);
	CHECK(request("01 00 0103", "", &leaf) == 0 && leaf.has & KS_HAS_ROUTE);
	CHECK(leaf.route.len == 3 && !memcmp(leaf.route.text, "1/3\0", 4));
	CHECK(request("01 00 0103", "0100", &leaf) == 0 && leaf.route.len == 7);
	CHECK(!memcmp(leaf.route.text, "1/0,1/3\0", 8));
	CHECK(request("00 00", "0102", &leaf) == 0 && leaf.has & KS_HAS_ROUTE);
	CHECK(!memcmp(leaf.route.text, "1/2\0", 4));
	CHECK(request("03 00 0103 0100", "", &leaf) == KS_R_cip_malformed);
	CHECK(request("02 00 2001 2401", "", &leaf) == KS_R_route_malformed);
	CHECK(request("02 00 0103 0100", "0100 0101 0102", &leaf) == KS_R_route_long);
}

int main(void)
{
	return test_run_all();
}
