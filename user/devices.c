// SPDX-License-Identifier: GPL-2.0-only
/*
 * Errors and latencies of devices, see devices.h.
 * Must not change a counter.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include <bpf/bpf.h>

#include "clock.h"
#include "devices.h"

#define STATUS_LINES 4	/* of assets, the slowest first */

/* ---- names ---- */

/* Modbus Application Protocol 1.1b3, section 7 (9 is reserved). */
static const char *const modbus_exceptions[] = {
	[1] = "illegal_function", [2] = "illegal_data_address", [3] = "illegal_data_value",
	[4] = "server_device_failure", [5] = "acknowledge", [6] = "server_device_busy",
	[7] = "negative_acknowledge", [8] = "memory_parity_error",
	[10] = "gateway_path_unavailable", [11] = "gateway_target_failed",
};

/* CIP Volume 1, appendix B-1. */
static const char *const general_status[] = {
	[0x01] = "connection_failure", [0x02] = "resource_unavailable",
	[0x03] = "invalid_parameter_value", [0x04] = "path_segment_error",
	[0x05] = "path_destination_unknown", [0x06] = "partial_transfer",
	[0x07] = "connection_lost", [0x08] = "service_not_supported",
	[0x09] = "invalid_attribute_value", [0x0a] = "attribute_list_error",
	[0x0b] = "already_in_requested_state", [0x0c] = "object_state_conflict",
	[0x0d] = "object_already_exists", [0x0e] = "attribute_not_settable",
	[0x0f] = "privilege_violation", [0x10] = "device_state_conflict",
	[0x11] = "reply_data_too_large", [0x12] = "fragmentation_of_primitive",
	[0x13] = "not_enough_data", [0x14] = "attribute_not_supported",
	[0x15] = "too_much_data", [0x16] = "object_does_not_exist",
	[0x17] = "no_fragmentation_in_progress", [0x18] = "no_stored_attribute_data",
	[0x19] = "store_operation_failure", [0x1a] = "routing_request_too_large",
	[0x1b] = "routing_response_too_large", [0x1c] = "missing_attribute_list_entry",
	[0x1d] = "invalid_attribute_value_list", [0x1e] = "embedded_service_error",
	[0x1f] = "vendor_specific_error", [0x20] = "invalid_parameter",
	[0x21] = "write_once_already_written", [0x22] = "invalid_reply",
	[0x25] = "key_failure_in_path", [0x26] = "path_size_invalid",
	[0x27] = "unexpected_attribute_in_list", [0x28] = "invalid_member_id",
	[0x29] = "member_not_settable",
};

/* CIP Volume 2, table 2-3.3. */
static const char *const encapsulation_status[] = {
	[0x01] = "invalid_command", [0x02] = "out_of_memory", [0x03] = "incorrect_data",
	[0x64] = "invalid_session", [0x65] = "invalid_length",
	[0x69] = "unsupported_protocol",
};

#define NAMES(table) { table, sizeof(table) / sizeof((table)[0]) }

static const struct {
	const char *const *names;
	size_t n;
} statuses[KS_ANSWER_MAX] = {
	[KS_ANSWER_MODBUS] = NAMES(modbus_exceptions),
	[KS_ANSWER_CIP] = NAMES(general_status),
	[KS_ANSWER_ENCAP] = NAMES(encapsulation_status),
};

const char *exception_kind(uint32_t kind)
{
	static const char *const kinds[] = {
		[KS_ANSWER_MODBUS] = "modbus", [KS_ANSWER_CIP] = "cip",
		[KS_ANSWER_ENCAP] = "encapsulation",
	};

	return kind < KS_ANSWER_MAX ? kinds[kind] : "?";
}

const char *exception_name(uint32_t kind, uint32_t status)
{
	const char *name = kind < KS_ANSWER_MAX && status < statuses[kind].n ?
				   statuses[kind].names[status] : NULL;

	return name ? name : "other";
}

/* ---- rows ---- */

static void set_client(struct exception_row *r, const struct ks_client_key *client)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	bool four = !memcmp(client->addr, mapped, sizeof(mapped));

	inet_ntop(four ? AF_INET : AF_INET6, client->addr + (four ? sizeof(mapped) : 0), r->client,
		  sizeof(r->client));
}

int devices_exceptions(const struct counters *c, bool by_client,
		       void (*row)(void *arg, const struct exception_row *r), void *arg)
{
	int fd = c->in->fd[by_client ? MAP_exception_clients : MAP_exceptions];
	struct ks_exception_client key; /* its first member is the other map's key */
	void *last = NULL;
	uint64_t now = clock_monotonic();
	/* entries come and go: a walk that starts over must still end */
	uint32_t left = 2 * KS_EXCEPTIONS;

	while (left-- && !bpf_map_get_next_key(fd, last, &key)) {
		struct ks_exception_count count;
		struct exception_row r = {
			.asset = names_asset(&c->names, key.what.asset), .kind = key.what.kind,
			.status = key.what.status,
		};

		last = &key;
		if (key.what.numbering != c->names.numbering ||
		    bpf_map_lookup_elem(fd, &key, &count))
			continue;
		if (by_client)
			set_client(&r, &key.client);
		r.replies = count.replies;
		r.ago = now > count.last ? (now - count.last) / KS_SECOND : 0;
		row(arg, &r);
	}
	return 0;
}

int devices_latency(const struct counters *c,
		    void (*row)(void *arg, const struct latency_row *r), void *arg)
{
	struct ks_latency_key key, *last = NULL;
	uint32_t left = 2 * KS_LATENCY_ASSETS;

	while (left-- && !bpf_map_get_next_key(c->in->fd[MAP_latency], last, &key)) {
		struct latency_row r = { .asset = names_asset(&c->names, key.asset) };
		int err;

		last = &key;
		if (key.numbering != c->names.numbering)
			continue;
		err = instance_sum(c->in, MAP_latency, &key, (uint64_t *)&r.times,
				   sizeof(r.times) / sizeof(uint64_t));
		if (err == -ENOENT)
			continue;
		if (err)
			return err;
		for (int n = 0; n < KS_LATENCY_BUCKETS; n++)
			r.samples += r.times.samples[n];
		row(arg, &r);
	}
	return 0;
}

uint64_t latency_limit(uint32_t n)
{
	return 1ull << n;
}

/* Within a bucket samples are taken to be spread evenly, as Prometheus does. */
/* Seconds below which a share q of the samples is, as far as buckets tell. */
static double latency_quantile(const struct latency_row *r, double q)
{
	double wanted = q * (double)r->samples, below = 0;

	for (uint32_t n = 0; n + 1 < KS_LATENCY_BUCKETS; n++) {
		double low = n ? (double)latency_limit(n - 1) : 0, high = (double)latency_limit(n);
		double here = (double)r->times.samples[n];

		if (here > 0 && below + here >= wanted)
			return (low + (high - low) * (wanted - below) / here) / 1e6;
		below += here;
	}
	return (double)latency_limit(KS_LATENCY_BUCKETS - 2) / 1e6;
}

/* ---- JSON ---- */

static void add_exception(void *arg, const struct exception_row *r)
{
	json_t *all = arg, *o;

	if (r->kind == KS_ANSWER_UNREAD) {
		json_array_append_new(json_object_get(all, "replies_unread"),
				      json_pack("{s:s, s:I}", "asset", r->asset, "segments",
						(json_int_t)r->replies));
		return;
	}
	o = json_pack("{s:s, s:s, s:I, s:s, s:I, s:I}", "asset", r->asset, "kind",
		      exception_kind(r->kind), "status", (json_int_t)r->status, "name",
		      exception_name(r->kind, r->status), "replies", (json_int_t)r->replies,
		      "seconds_ago", (json_int_t)r->ago);
	if (*r->client)
		json_object_set_new(o, "client", json_string(r->client));
	json_array_append_new(json_object_get(all, *r->client ? "exceptions_by_client" :
							       "exceptions"), o);
}

static void add_latency(void *arg, const struct latency_row *r)
{
	json_array_append_new(arg, json_pack(
		"{s:s, s:I, s:f, s:f, s:f}", "asset", r->asset, "samples",
		(json_int_t)r->samples, "mean_seconds",
		r->samples ? (double)r->times.us / 1e6 / (double)r->samples : 0.0, "p50_seconds",
		latency_quantile(r, 0.5), "p99_seconds", latency_quantile(r, 0.99)));
}

int devices_latency_json(const struct counters *c, json_t *all)
{
	json_t *latency = json_array();

	json_object_set_new(all, "latency", latency);
	return latency ? devices_latency(c, add_latency, latency) : -ENOMEM;
}

int devices_json(const struct counters *c, json_t *all)
{
	static const char *const lists[] = { "exceptions", "exceptions_by_client",
					     "replies_unread" };
	int err;

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		json_object_set_new(all, lists[i], json_array());
	err = devices_exceptions(c, false, add_exception, all);
	if (!err)
		err = devices_exceptions(c, true, add_exception, all);
	return err ? err : devices_latency_json(c, all);
}

/* ---- text ---- */

static const char *text(const json_t *row, const char *key)
{
	return json_string_value(json_object_get(row, key));
}

static long long number(const json_t *row, const char *key)
{
	return (long long)json_integer_value(json_object_get(row, key));
}

static double milliseconds(const json_t *row, const char *key)
{
	return json_number_value(json_object_get(row, key)) * 1e3;
}

void devices_print(const json_t *all)
{
	const json_t *row, *list = json_object_get(all, "exceptions_by_client");
	size_t i;

	if (json_array_size(json_object_get(all, "exceptions")))
		puts("errors that devices answered");
	json_array_foreach(json_object_get(all, "exceptions"), i, row)
		printf("  %12lld  %-16s  %s %lld %s, last %lld s ago\n", number(row, "replies"),
		       text(row, "asset"), text(row, "kind"), number(row, "status"),
		       text(row, "name"), number(row, "seconds_ago"));
	json_array_foreach(list, i, row)
		printf("  %12lld  %-16s  %s %lld %s to %s\n", number(row, "replies"),
		       text(row, "asset"), text(row, "kind"), number(row, "status"),
		       text(row, "name"), text(row, "client"));
	json_array_foreach(json_object_get(all, "replies_unread"), i, row)
		printf("  %12lld  %-16s  segments of replies not read\n", number(row, "segments"),
		       text(row, "asset"));
	if (json_array_size(json_object_get(all, "latency")))
		puts("latency (samples, half below, 99 of 100 below)");
	json_array_foreach(json_object_get(all, "latency"), i, row)
		printf("  %12lld  %9.2f ms  %9.2f ms  %s\n", number(row, "samples"),
		       milliseconds(row, "p50_seconds"), milliseconds(row, "p99_seconds"),
		       text(row, "asset"));
}

/* The slowest that is faster than `than`, later in the list where they are equal; else NULL. */
static const json_t *next_slowest(const json_t *list, const json_t *than)
{
	const json_t *row, *found = NULL;
	bool behind = !than;
	size_t i;

	json_array_foreach(list, i, row) {
		double p99 = milliseconds(row, "p99_seconds");
		double limit = than ? milliseconds(than, "p99_seconds") : p99;

		if ((p99 < limit || (behind && p99 <= limit)) &&
		    (!found || p99 > milliseconds(found, "p99_seconds")))
			found = row;
		behind |= row == than;
	}
	return found;
}

void devices_print_status(const json_t *all)
{
	const json_t *list = json_object_get(all, "latency"), *row = NULL;
	size_t n = json_array_size(list);

	for (int i = 0; i < STATUS_LINES && (row = next_slowest(list, row)); i++)
		printf("%-12s%s: half of %lld replies within %.2f ms, 99 of 100 within %.2f ms\n",
		       i ? "" : "latency", text(row, "asset"), number(row, "samples"),
		       milliseconds(row, "p50_seconds"), milliseconds(row, "p99_seconds"));
	if (n > STATUS_LINES)
		printf("%-12sand %zu faster assets: 'keyswitch counters'\n", "", n - STATUS_LINES);
}
