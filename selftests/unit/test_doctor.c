// SPDX-License-Identifier: GPL-2.0-only
/*
 * Unit tests of findings that need more than the kernel under test may have:
 * flowtables, 802.1Q, IPVLAN, MACsec, WireGuard, a switch's port. The others are
 * made for real by selftests/net. Input is typed from libnftables-json(5).
 */
#include <stdlib.h>
#include <string.h>

#include "doctor.h"
#include "test.h"

static void open_doctor(struct doctor *d, const char *rules)
{
	memset(d, 0, sizeof(*d));
	d->check = "test";
	d->attached = true;
	d->findings = json_array();
	d->rules = json_loads(rules, 0, NULL);
	CHECK(d->findings && d->rules);
	d->ports[0] = (struct ks_port_rec){ .ifindex = 7, .used = 1, .name = "kc" };
}

static void close_doctor(struct doctor *d)
{
	json_decref(d->findings);
	json_decref(d->rules);
}

static const char *seen(const struct doctor *d, size_t i)
{
	const char *s = json_string_value(json_object_get(json_array_get(d->findings, i), "seen"));

	return s ? s : "";
}

TEST(flowtable)
{
	static const struct { const char *dev; unsigned int problems; } cases[] = {
		{ "[\"kc\", \"eth9\"]", 1 }, { "[\"eth9\", \"kc\"]", 1 }, { "\"kc\"", 1 },
		{ "\"eth9\"", 0 }, { "[\"eth9\", \"kc0\"]", 0 },
	};
	char rules[256];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct doctor d;

		snprintf(rules, sizeof(rules), "[{\"flowtable\": {\"family\": \"inet\", "
			 "\"table\": \"t\", \"name\": \"f\", \"handle\": 1, \"hook\": \"ingress\", "
			 "\"prio\": 0, \"dev\": %s}}]", cases[i].dev);
		open_doctor(&d, rules);
		doctor_shortcuts(&d);
		CHECK_AT(d.count[DOCTOR_PROBLEM] == cases[i].problems, i);
		CHECK_AT(!cases[i].problems || strstr(seen(&d, 0), "'f' of table 'inet t'"), i);
		close_doctor(&d);
	}
}

TEST(links)
{
	static struct rtnl_link links[] = {
		{ .index = 1, .name = "lo", .up = true, .loopback = true },
		{ .index = 7, .name = "kc", .up = true },
		{ .index = 8, .name = "kc.5", .kind = "vlan", .lower = 7 },
		{ .index = 9, .name = "ipv0", .kind = "ipvlan", .lower = 7 },
		{ .index = 10, .name = "sec0", .kind = "macsec", .lower = 7 },
		{ .index = 11, .name = "eth9.5", .kind = "vlan", .lower = 3 },
		{ .index = 12, .name = "wgup", .kind = "wireguard", .up = true },
		{ .index = 13, .name = "wgdown", .kind = "wireguard" },
	};
	struct doctor d;

	open_doctor(&d, "[]");
	d.links = (struct rtnl_links){ .v = links, .n = sizeof(links) / sizeof(links[0]) };
	doctor_uppers(&d);
	CHECK(d.count[DOCTOR_PROBLEM] == 1 && d.count[DOCTOR_WARNING] == 2);
	CHECK(strstr(seen(&d, 0), "'kc.5' (vlan)"));
	CHECK(strstr(seen(&d, 1), "'ipv0' (ipvlan)"));
	CHECK(strstr(seen(&d, 2), "'sec0' (macsec)"));
	doctor_tunnels(&d);
	CHECK(json_array_size(d.findings) == 4 && strstr(seen(&d, 3), "'wgup' (wireguard)"));
	close_doctor(&d);
}

TEST(switch_port)
{
	/* lo is a NIC that is everywhere; its number there is 1 */
	static struct rtnl_link links[] = {
		{ .index = 1, .name = "lo", .up = true, .switched = true },
	};
	struct doctor d;

	open_doctor(&d, "[]");
	d.links = (struct rtnl_links){ .v = links, .n = 1 };
	d.ports[0] = (struct ks_port_rec){ .ifindex = 1, .used = 1, .name = "lo" };
	doctor_offload(&d);
	CHECK(json_array_size(d.findings) == 1 && strstr(seen(&d, 0), "hardware switch"));
	links[0].switched = false;
	doctor_offload(&d);
	CHECK(json_array_size(d.findings) == 1);
	close_doctor(&d);
}

int main(void)
{
	return test_run_all();
}
