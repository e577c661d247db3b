// SPDX-License-Identifier: GPL-2.0-only
/*
 * One host: its addresses, and the MACs and VLANs that its packets come from.
 * Must not look at other hosts.
 */
#include <ctype.h>
#include <string.h>

#include "policy_parse.h"

#define MAC_TEXT 17	/* aa:bb:cc:dd:ee:ff */

static bool text_mac(const char *text, size_t len, uint8_t out[6])
{
	if (len != MAC_TEXT)
		return false;
	for (size_t i = 0; i < MAC_TEXT; i++) {
		int c = tolower((unsigned char)text[i]);

		if (i % 3 == 2) {
			if (c != ':' && c != '-')
				return false;
			continue;
		}
		if (!isxdigit(c))
			return false;
		out[i / 3] = (uint8_t)(out[i / 3] << 4 | (isdigit(c) ? c - '0' : c - 'a' + 10));
	}
	return true;
}

static bool room_for(struct parser *ps, const struct ynode *n, size_t used, const char *what)
{
	if (used < KS_BINDINGS)
		return true;
	diag_error(ps->d, n->at, "%s '%s' is one too many, expected at most %d", what,
		   node_quote(ps, n), KS_BINDINGS);
	return false;
}

static void host_mac(struct parser *ps, const struct ynode *n, void *arg)
{
	static const char expected[] = "a MAC address as 02:00:00:00:00:01";
	struct policy_host *h = arg;
	struct ks_binding *b = &h->binding;

	h->mac_at = n->at;
	if (n->kind == Y_LIST && !n->n)
		diag_error(ps->d, n->at, "empty list, expected %s", expected);
	for (size_t i = 0; i < node_count(n); i++) {
		const struct ynode *m = node_at(n, i);
		uint8_t mac[6] = { 0 };

		if (!want_scalar(ps, m, expected))
			continue;
		if (!text_mac(m->text, m->len, mac))
			node_wrong(ps, m, expected);
		else if (mac[0] & 1)
			diag_error(ps->d, m->at, "'%s' is a group address, expected that of a host",
				   node_quote(ps, m));
		else if (room_for(ps, m, b->macs, "MAC"))
			memcpy(b->mac[b->macs++], mac, sizeof(mac));
	}
}

static void host_vlan(struct parser *ps, const struct ynode *n, void *arg)
{
	struct ks_binding *b = &((struct policy_host *)arg)->binding;

	if (n->kind == Y_LIST && !n->n)
		diag_error(ps->d, n->at, "empty list, expected a VLAN id, 0 for untagged");
	for (size_t i = 0; i < node_count(n); i++) {
		const struct ynode *m = node_at(n, i);
		uint32_t id;

		if (read_number(ps, m, 0, 4094, "a VLAN id, 0 for untagged", &id) &&
		    room_for(ps, m, b->vlans, "VLAN id"))
			b->vlan[b->vlans++] = (uint16_t)id;
	}
}

static void host_address(struct parser *ps, const struct ynode *n, void *arg)
{
	read_prefixes(ps, n, &((struct policy_host *)arg)->addrs);
}

static const struct ykey host_keys[] = {
	{ "address", host_address, true },
	{ "mac", host_mac, false },
	{ "vlan", host_vlan, false },
	{ NULL, NULL, false },
};

void read_host(struct parser *ps, const struct ynode *n, struct policy_host *h)
{
	if (n->kind == Y_MAP)
		read_map(ps, n, host_keys, h, "host");
	else
		read_prefixes(ps, n, &h->addrs);
}
