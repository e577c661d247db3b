// SPDX-License-Identifier: GPL-2.0-only
/*
 * Unit tests of what replay does before the data path: headers, roles, cutting
 * of long frames; and of the community id. No kernel, no capture file.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "capture.h"
#include "community.h"
#include "leaf.h"
#include "names.h"
#include "roles.h"
#include "test.h"

#define SYN 0x02
#define ACK 0x10
#define PSH 0x08
#define FIN 0x01

static void put16(uint8_t *p, unsigned int v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

struct made {
	uint8_t bytes[16384];
	struct frame frame;
};

/* An Ethernet frame with `tags` VLAN tags and a TCP segment of n payload bytes. */
static void make4(struct made *m, int tags, const char *src, const char *dst, uint16_t sport,
		  uint16_t dport, uint8_t flags, uint32_t n)
{
	uint8_t *p = m->bytes;

	memset(m, 0, sizeof(*m));
	p += 12;
	for (int i = 0; i < tags; i++, p += 4)
		put16(p, 0x8100);
	put16(p, 0x0800);
	p += 2;
	p[0] = 0x45;
	put16(p + 2, 40 + n);
	p[9] = IPPROTO_TCP;
	inet_pton(AF_INET, src, p + 12);
	inet_pton(AF_INET, dst, p + 16);
	p += 20;
	put16(p, sport);
	put16(p + 2, dport);
	put16(p + 4, 0xffff);	/* sequence number 0xffffff00: it wraps */
	put16(p + 6, 0xff00);
	p[12] = 0x50;
	p[13] = flags;
	p += 20;
	for (uint32_t i = 0; i < n; i++)
		*p++ = (uint8_t)(i * 7 + i / 256);
	m->frame = (struct frame){ .data = m->bytes, .len = (uint32_t)(p - m->bytes), .number = 9 };
}

static int role(struct roles *r, const char *src, const char *dst, uint16_t sport, uint16_t dport,
		uint8_t flags)
{
	static struct made m;
	struct packet p;

	make4(&m, 0, src, dst, sport, dport, flags, 0);
	packet_parse(&m.frame, &p);
	return roles_of(r, &p);
}

static struct ks_pol_ports ports;

static struct roles fresh(void)
{
	ports.proto[502] = KS_PORT_MODBUS;
	ports.proto[44818] = KS_PORT_ENIP;
	ports.proto[2222] = KS_PORT_IO;
	return (struct roles){ .ports = &ports };
}

TEST(role_from_port)
{
	struct roles r = fresh();

	CHECK(role(&r, "10.0.0.1", "10.0.0.2", 4000, 502, ACK) == KS_CLIENT);
	CHECK(role(&r, "10.0.0.2", "10.0.0.1", 502, 4000, ACK) == KS_SERVER);
	CHECK(role(&r, "10.0.0.1", "10.0.0.2", 4000, 80, ACK) == ROLE_UNKNOWN);
	CHECK(role(&r, "10.0.0.1", "10.0.0.2", 502, 44818, ACK) == ROLE_UNKNOWN);
	/* TCP 2222 is no protocol's */
	CHECK(role(&r, "10.0.0.1", "10.0.0.2", 4000, 2222, ACK) == ROLE_UNKNOWN);
	roles_free(&r);
}

TEST(role_from_handshake)
{
	struct roles r = fresh();

	/* the controller opens a connection from a protocol's port */
	CHECK(role(&r, "10.0.0.2", "10.0.0.1", 502, 4000, SYN) == KS_CLIENT);
	CHECK(role(&r, "10.0.0.1", "10.0.0.2", 4000, 502, SYN | ACK) == KS_SERVER);
	CHECK(role(&r, "10.0.0.2", "10.0.0.1", 502, 4000, ACK) == KS_CLIENT);
	CHECK(role(&r, "10.0.0.1", "10.0.0.2", 4000, 502, ACK) == KS_SERVER);
	/* the same ports again, the other way round */
	CHECK(role(&r, "10.0.0.1", "10.0.0.2", 4000, 502, SYN) == KS_CLIENT);
	CHECK(role(&r, "10.0.0.2", "10.0.0.1", 502, 4000, ACK) == KS_SERVER);
	CHECK(r.connections == 1);
	/* only the SYN-ACK was captured */
	CHECK(role(&r, "10.0.0.2", "10.0.0.1", 80, 4001, SYN | ACK) == KS_SERVER);
	CHECK(role(&r, "10.0.0.1", "10.0.0.2", 4001, 80, ACK) == KS_CLIENT);
	CHECK(r.connections == 2);
	roles_free(&r);
}

TEST(role_from_prefix)
{
	struct prefix server = { .family = 4, .len = 24, .addr = { 10, 0, 2, 0 } };
	struct roles r = fresh();

	r.server = &server;
	CHECK(role(&r, "10.0.1.1", "10.0.2.2", 502, 44818, ACK) == KS_CLIENT);
	CHECK(role(&r, "10.0.2.1", "10.0.1.2", 502, 44818, ACK) == KS_SERVER);
	CHECK(role(&r, "10.0.2.1", "10.0.2.2", 502, 44818, ACK) == ROLE_UNKNOWN);
	/* ports tell more than the prefix */
	CHECK(role(&r, "10.0.2.1", "10.0.1.2", 4000, 502, ACK) == KS_CLIENT);
	roles_free(&r);
}

TEST(role_of_io_from_the_hosts_connections)
{
	struct packet io = {
		.ip_version = 4, .proto = IPPROTO_UDP, .ports = true, .sport = 2222, .dport = 2222,
		.src = { 10, 0, 0, 1 }, .dst = { 10, 0, 0, 2 },
	};
	struct roles r = fresh();

	CHECK(roles_of(&r, &io) == ROLE_UNKNOWN);
	CHECK(roles_protocol_port(&r, &io));
	CHECK(role(&r, "10.0.0.1", "10.0.0.2", 4000, 44818, ACK) == KS_CLIENT);
	CHECK(roles_of(&r, &io) == KS_CLIENT);
	io.src[3] = 2;
	io.dst[3] = 1;
	CHECK(roles_of(&r, &io) == KS_SERVER);
	roles_free(&r);
}

TEST(headers_behind_tags)
{
	static struct made m;
	struct packet p;

	for (int tags = 0; tags <= 2; tags++) {
		make4(&m, tags, "10.0.0.1", "10.0.0.2", 4000, 502, ACK, 12);
		packet_parse(&m.frame, &p);
		CHECK_AT(p.ip_version == 4 && p.ports && p.sport == 4000 && p.dport == 502, tags);
		CHECK_AT(p.l3 == 14 + 4u * (unsigned int)tags && p.payload == p.l3 + 40, tags);
		CHECK_AT(p.end == m.frame.len, tags);
	}
}

/* Every length: no byte behind the frame is read (the sanitizer looks). */
TEST(headers_cut_short)
{
	static struct made m;

	make4(&m, 1, "10.0.0.1", "10.0.0.2", 4000, 502, ACK, 12);
	for (uint32_t len = 0; len < m.frame.len; len++) {
		uint8_t exact[128];
		struct frame f = { .data = exact + sizeof(exact) - len, .len = len };
		struct packet p;

		memcpy(exact + sizeof(exact) - len, m.bytes, len);
		packet_parse(&f, &p);
		CHECK_AT(p.end <= len, len);
		CHECK_AT(p.ports == (len >= 14 + 4 + 20 + 20), len);
	}
}

static void check_pieces(const struct made *m, const struct packet *p)
{
	uint32_t total = p->end - p->payload, done = 0;
	uint8_t buf[FRAME_MAX];
	struct frame piece;
	struct packet q;
	unsigned int i;

	for (i = 0; capture_cut(&m->frame, p, i, buf, &piece) == 1; i++) {
		packet_parse(&piece, &q);
		CHECK_AT(piece.number == 9 && piece.len == q.end, i);
		CHECK_AT(get32(buf + q.l4 + 4) == 0xffffff00u + done, i);
		CHECK_AT(!memcmp(buf + q.payload, m->bytes + p->payload + done,
				 q.end - q.payload), i);
		done += q.end - q.payload;
		CHECK_AT(q.flags == (done == total ? ACK | PSH | FIN : ACK), i);
	}
	CHECK(done == total && i == (total + CUT_PAYLOAD - 1) / CUT_PAYLOAD);
}

TEST(long_frame_cut_into_segments)
{
	static struct made m;
	struct packet p;

	for (uint32_t n = 1; n <= 9000; n += 1333) {
		make4(&m, 1, "10.0.0.1", "10.0.0.2", 4000, 502, ACK | PSH | FIN, n);
		packet_parse(&m.frame, &p);
		check_pieces(&m, &p);
	}
	/* captured in front of the offload: the IP length is not set yet */
	make4(&m, 0, "10.0.0.1", "10.0.0.2", 4000, 502, ACK | PSH | FIN, 5000);
	put16(m.bytes + 16, 0);
	packet_parse(&m.frame, &p);
	check_pieces(&m, &p);
}

TEST(long_frame_that_is_no_tcp)
{
	static struct made m;
	uint8_t buf[FRAME_MAX];
	struct frame piece;
	struct packet p;

	make4(&m, 0, "10.0.0.1", "10.0.0.2", 4000, 502, ACK, 5000);
	m.bytes[23] = IPPROTO_UDP;
	packet_parse(&m.frame, &p);
	CHECK(capture_cut(&m.frame, &p, 0, buf, &piece) == -1);
}

/* The examples of the specification's reference implementation. */
TEST(community_id_of_tcp)
{
	struct ks_event e = {
		.ip_version = 4, .ip_proto = IPPROTO_TCP, .sport = 34855, .dport = 80,
		.src = { [10] = 0xff, [11] = 0xff, 128, 232, 110, 120 },
		.dst = { [10] = 0xff, [11] = 0xff, 66, 35, 250, 204 },
	};
	char id[COMMUNITY_ID_MAX];
	__u8 swap[16];

	CHECK(!strcmp(community_id(id, &e), "1:LQU9qZlK+B5F3KDmev6m5PMibrg="));
	memcpy(swap, e.src, 16);
	memcpy(e.src, e.dst, 16);
	memcpy(e.dst, swap, 16);
	e.sport = 80;
	e.dport = 34855;
	CHECK(!strcmp(community_id(id, &e), "1:LQU9qZlK+B5F3KDmev6m5PMibrg="));
}

TEST(function_names)
{
	char name[FUNCTION_NAME_MAX];

	CHECK(!strcmp(name_function(name, KS_MODBUS, 0, 6), "write_single_register"));
	CHECK(!strcmp(name_function(name, KS_MODBUS, 0, 65), "fc_65"));
	CHECK(!strcmp(name_function(name, KS_ENIP, KS_CLASS_TAG, 0x4d), "write_tag/tag"));
	CHECK(!strcmp(name_function(name, KS_ENIP, 0x300, 0x4b), "service_0x4b/class_0x300"));
	CHECK(!strcmp(name_function(name, KS_ENIP, KS_CLASS_ENCAP, 0x63), "list_identity"));
	CHECK(!strcmp(name_function(name, KS_ENIP, KS_CLASS_ENCAP, 0x1234), "command_0x1234"));
	CHECK(!strcmp(name_function(name, KS_IO, 0, 0), "implicit_io"));
	CHECK(!strcmp(name_function(name, KS_ENIP, KS_CLASS_PCCC | 0x1f, 0x0fa2),
		      "typed_logical_read_3/pccc"));
	CHECK(!strcmp(name_function(name, KS_ENIP, KS_CLASS_PCCC | 0x1f, 0x0fa3),
		      "pccc_0x0f_0xa3/pccc"));
	CHECK(!strcmp(name_reason(10000), "?"));
}

/* The sentence of a leaf is made of its JSON; both are looked at. */
static void check_leaf(const struct ks_leaf *leaf, const char *json, const char *phrase)
{
	json_t *object = json_object(), *want = json_loads(json, 0, NULL);
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	leaf_fields(object, leaf);
	leaf_phrase(f, object);
	fclose(f);
	if (!CHECK(want && json_equal(object, want)) || !CHECK(!strcmp(text, phrase))) {
		json_dumpf(object, stdout, 0);
		printf("\n%s\n", text);
	}
	free(text);
	json_decref(object);
	json_decref(want);
}

TEST(leaves_of_inner_requests)
{
	struct ks_leaf leaf = {
		.proto = KS_MODBUS, .unit = 1, .function = 90, .sub = 0x22, .umas_key = 9,
		.has = KS_HAS_UNIT | KS_HAS_FUNCTION | KS_HAS_SUB,
	};

	check_leaf(&leaf, "{\"unit\": 1, \"function\": 90, \"subfunction\": 34, \"umas_key\": 9}",
		   " unit 1 umas_read_variables");
	leaf.sub = 0x99;
	check_leaf(&leaf, "{\"unit\": 1, \"function\": 90, \"subfunction\": 153, \"umas_key\": 9}",
		   " unit 1 umas subfunction 0x99");
	leaf = (struct ks_leaf){
		.proto = KS_ENIP, .service = 0x4b, .class = 0x67, .sub = 0x0faa, .transaction = 5,
		.file = 7, .file_type = 0x89, .address = 3, .quantity = 4,
		.has = KS_HAS_SERVICE | KS_HAS_CLASS | KS_HAS_PCCC | KS_HAS_FILE,
	};
	check_leaf(&leaf, "{\"service\": 75, \"class\": 103, \"pccc_transaction\": 5, "
		   "\"pccc_command\": 15, \"pccc_function\": 170, \"file\": 7, \"file_type\": 137, "
		   "\"element\": 3, \"sub_element\": 0, \"elements\": 4}",
		   " execute_pccc class 0x67 typed_logical_write_3 file N7:3-6");
	leaf.sub = 0x0f00;
	leaf.quantity = 1;
	check_leaf(&leaf, "{\"service\": 75, \"class\": 103, \"pccc_transaction\": 5, "
		   "\"pccc_command\": 15, \"pccc_function\": 0, \"file\": 7, "
		   "\"element\": 3, \"sub_element\": 0, \"elements\": 1}",
		   " execute_pccc class 0x67 word_range_write file 7:3");
	leaf = (struct ks_leaf){
		.proto = KS_ENIP, .service = 0x51, .class = 0x44, .sub = 16, .address = 100,
		.quantity = 2,
		.has = KS_HAS_SERVICE | KS_HAS_CLASS | KS_HAS_MODBUS | KS_HAS_ADDRESS,
	};
	check_leaf(&leaf, "{\"service\": 81, \"class\": 68, \"modbus_function\": 16, "
		   "\"address\": 100, \"quantity\": 2}",
		   " modbus_passthrough class 0x44 modbus function 16 address 100 quantity 2");
}

int main(void)
{
	return test_run_all();
}
