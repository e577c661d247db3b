// SPDX-License-Identifier: GPL-2.0-only
/*
 * Errors and latency of assets, and links that follow, see metrics_devices.h.
 * Must not serve them.
 */
#include "devices.h"
#include "link_follow.h"
#include "metrics_devices.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* No device answers within 2^LATENCY_FIRST us: what is below stands in that bucket. */
#define LATENCY_FIRST 4
#define LATENCY_SHOWN (KS_LATENCY_BUCKETS - LATENCY_FIRST)

static void on_exception(void *arg, const struct exception_row *r)
{
	char status[8];
	const struct label labels[] = {
		{ "asset", r->asset }, { "kind", exception_kind(r->kind) }, { "status", status },
		{ "name", exception_name(r->kind, r->status) },
	};

	snprintf(status, sizeof(status), "%u", r->status);
	if (r->kind != KS_ANSWER_UNREAD)
		exposition_sample(arg, labels, COUNT(labels), r->replies);
}

static void on_unread(void *arg, const struct exception_row *r)
{
	if (r->kind == KS_ANSWER_UNREAD)
		exposition_sample(arg, &(struct label){ "asset", r->asset }, 1, r->replies);
}

static void on_latency(void *arg, const struct latency_row *r)
{
	uint64_t counts[LATENCY_SHOWN] = { 0 };
	double limits[LATENCY_SHOWN];

	for (uint32_t n = 0; n < KS_LATENCY_BUCKETS; n++) {
		uint32_t at = n < LATENCY_FIRST ? 0 : n - LATENCY_FIRST;

		counts[at] += r->times.samples[n];
		limits[at] = (double)latency_limit(n) / 1e6;
	}
	exposition_histogram(arg, &(struct label){ "asset", r->asset }, limits, counts,
			     LATENCY_SHOWN, (double)r->times.us / 1e6);
}

int metrics_devices(struct exposition *e, const struct counters *c)
{
	static const struct family errors = { "keyswitch_asset_exceptions", FAMILY_COUNTER, NULL,
		"Errors that an asset answered: Modbus exceptions, CIP and encapsulation status." };
	static const struct family unread = { "keyswitch_asset_replies_unread", FAMILY_COUNTER,
		NULL, "Segments of an asset's replies in which no reply could be read." };
	static const struct family latency = { "keyswitch_asset_latency_seconds", FAMILY_HISTOGRAM,
		"seconds", "From a request that goes on to the first data that acknowledges it." };
	int err;

	exposition_family(e, &errors);
	err = devices_exceptions(c, false, on_exception, e);
	exposition_family(e, &unread);
	if (!err)
		err = devices_exceptions(c, false, on_unread, e);
	exposition_family(e, &latency);
	return err ? err : devices_latency(c, on_latency, e);
}

void metrics_links(struct exposition *e, const struct link_follow *links)
{
	static const struct family held = { "keyswitch_link_held", FAMILY_GAUGE, NULL,
		"1 = the wire's other port has no carrier and link_follow holds this one down." };
	static const struct family holds = { "keyswitch_link_holds", FAMILY_COUNTER, NULL,
		"Times that link_follow of this process took the port down." };

	exposition_family(e, &held);
	for (int i = 0; i < KS_PORTS_MAX; i++)
		if (links->ports[i].ifindex)
			exposition_sample(e, &(struct label){ "port", links->ports[i].name }, 1,
					  links->ports[i].held);
	exposition_family(e, &holds);
	for (int i = 0; i < KS_PORTS_MAX; i++)
		if (links->ports[i].ifindex)
			exposition_sample(e, &(struct label){ "port", links->ports[i].name }, 1,
					  links->ports[i].downs);
}
