// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ethertypes and limits of a policy: tables of names, defaults and bounds.
 * Must not read anything about assets or rules.
 */
#include <string.h>

#include "policy_parse.h"

#define ETHERTYPE_MIN	0x0600

/* Non-IP protocols of plant networks; every one of them passes by default. */
const struct ethertype_row ethertype_rows[] = {
	{ "arp", 0x0806, "address resolution" },
	{ "llc", 0, "802.3 length frames: STP, CDP" },
	{ "lldp", 0x88cc, "neighbour discovery" },
	{ "ptp", 0x88f7, "precision time" },
	{ "profinet", 0x8892, "PROFINET real time" },
	{ "dlr", 0x80e1, "EtherNet/IP device level ring" },
	{ "mrp", 0x88e3, "media redundancy" },
	{ "lacp", 0x8809, "link aggregation and other slow protocols" },
	{ "eapol", 0x888e, "port authentication" },
	{ "hsr", 0x892f, "high-availability seamless redundancy" },
	{ "prp", 0x88fb, "parallel redundancy supervision" },
	{ "ethercat", 0x88a4, "EtherCAT" },
	{ "powerlink", 0x88ab, "Ethernet POWERLINK" },
	{ "goose", 0x88b8, "IEC 61850 GOOSE" },
	{ "gse", 0x88b9, "IEC 61850 GSE management" },
	{ "sv", 0x88ba, "IEC 61850 sampled values" },
	{ NULL, 0, NULL },
};

/* Carriers of IP: what is in them must be judged, so no list may pass them. */
static const uint16_t carriers[] = {
	0x0800, 0x86dd, 0x8100, 0x88a8, 0x9100, 0x8847, 0x8848, 0x8863, 0x8864,
};

static void set_ethertype(struct policy *p, uint32_t type)
{
	if (type)
		p->ethertypes[type >> 3] |= (uint8_t)(1 << (type & 7));
	else
		p->llc = true;
}

void ethertypes_default(struct policy *p)
{
	for (size_t i = 0; ethertype_rows[i].name; i++)
		set_ethertype(p, ethertype_rows[i].type);
}

static void read_ethertype(struct parser *ps, const struct ynode *n)
{
	const char *words[sizeof(ethertype_rows) / sizeof(ethertype_rows[0])] = { NULL };
	uint32_t type;
	int w;

	for (size_t i = 0; ethertype_rows[i].name; i++)
		words[i] = ethertype_rows[i].name;
	if (n->kind != Y_SCALAR || !text_number(n->text, n->len, &type)) {
		w = read_word(ps, n, words, NULL);
		if (w >= 0)
			set_ethertype(ps->p, ethertype_rows[w].type);
		return;
	}
	if (!read_number(ps, n, ETHERTYPE_MIN, 0xffff, "a name or an ethertype", &type))
		return;
	for (size_t i = 0; i < sizeof(carriers) / sizeof(carriers[0]); i++) {
		if (type != carriers[i])
			continue;
		diag_error(ps->d, n->at,
			   "'%s' carries IP, expected ethertypes of other protocols",
			   node_quote(ps, n));
		return;
	}
	set_ethertype(ps->p, type);
}

void read_ethertypes(struct parser *ps, const struct ynode *n, void *arg)
{
	(void)arg;
	memset(ps->p->ethertypes, 0, sizeof(ps->p->ethertypes));
	ps->p->llc = false;
	for (size_t i = 0; i < node_count(n); i++)
		read_ethertype(ps, node_at(n, i));
}

/* ---- limits ---- */

static void read_limit(struct parser *ps, const struct ynode *n, uint32_t lo,
		       uint32_t hi, uint32_t *out)
{
	uint32_t v;

	if (read_number(ps, n, lo, hi, "a number", &v))
		*out = v;
}

static void limit_flows(struct parser *ps, const struct ynode *n, void *arg)
{
	read_limit(ps, n, 64, 1048576, &((struct policy_limits *)arg)->flows);
}

static void limit_modbus_rings(struct parser *ps, const struct ynode *n, void *arg)
{
	read_limit(ps, n, 16, 1048576, &((struct policy_limits *)arg)->modbus_rings);
}

static void limit_enip_rings(struct parser *ps, const struct ynode *n, void *arg)
{
	read_limit(ps, n, 16, 262144, &((struct policy_limits *)arg)->enip_rings);
}

static void limit_flows_per_client(struct parser *ps, const struct ynode *n, void *arg)
{
	read_limit(ps, n, 1, 1048576,
		   &((struct policy_limits *)arg)->flows_per_client);
}

static void limit_half_open(struct parser *ps, const struct ynode *n, void *arg)
{
	read_limit(ps, n, 1, 1048576,
		   &((struct policy_limits *)arg)->half_open_per_client);
}

static void limit_event_ring(struct parser *ps, const struct ynode *n, void *arg)
{
	uint32_t v;

	if (!read_number(ps, n, 65536, 1u << 30, "a power of two", &v))
		return;
	if (v & (v - 1))
		node_wrong(ps, n, "a power of two");
	else
		((struct policy_limits *)arg)->event_ring = v;
}

static void limit_event_rate(struct parser *ps, const struct ynode *n, void *arg)
{
	read_limit(ps, n, 1, 1000000, &((struct policy_limits *)arg)->event_rate);
}

static void limit_conduit_flows(struct parser *ps, const struct ynode *n, void *arg)
{
	read_limit(ps, n, 64, 1048576, &((struct policy_limits *)arg)->conduit_flows);
}

static void limit_conduit_client(struct parser *ps, const struct ynode *n, void *arg)
{
	read_limit(ps, n, 1, 1048576,
		   &((struct policy_limits *)arg)->conduit_flows_per_client);
}

static const struct ykey limit_keys[] = {
	{ "flows", limit_flows, false },
	{ "modbus_rings", limit_modbus_rings, false },
	{ "enip_rings", limit_enip_rings, false },
	{ "flows_per_client", limit_flows_per_client, false },
	{ "half_open_per_client", limit_half_open, false },
	{ "event_ring", limit_event_ring, false },
	{ "event_rate", limit_event_rate, false },
	{ "conduit_flows", limit_conduit_flows, false },
	{ "conduit_flows_per_client", limit_conduit_client, false },
	{ NULL, NULL, false },
};

void read_limits(struct parser *ps, const struct ynode *n, void *arg)
{
	(void)arg;
	if (want_map(ps, n, "limits by name"))
		read_map(ps, n, limit_keys, &ps->p->limits, "limits");
}
