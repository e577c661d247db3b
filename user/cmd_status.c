// SPDX-License-Identifier: GPL-2.0-only
/*
 * `keyswitch status`: what is attached, how sound it is, what it costs.
 * Must not change anything.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "clock.h"
#include "command.h"
#include "counters.h"
#include "devices.h"
#include "events.h"
#include "history.h"
#include "link_follow.h"
#include "loader.h"
#include "nic.h"
#include "occupancy.h"
#include "options.h"
#include "results.h"
#include "shadow.h"
#include "standing.h"

/* The least that any port sees. */
static enum ks_sight sight(const struct counters *c)
{
	enum ks_sight least = KS_SIGHT_BOTH;

	for (int i = 0; i < KS_PORTS_MAX; i++)
		if (c->ports[i].used && c->ports[i].sight > least)
			least = (enum ks_sight)c->ports[i].sight;
	return least;
}

/* What holds for the present attachment, and why (design section 2). */
static void guarantee(char *buf, size_t size, const struct counters *c,
		      const struct flow_count *flows)
{
	if (c->state.now.mode == KS_MONITOR)
		snprintf(buf, size, "none: mode monitor, everything passes and verdicts are only reported");
	else if (sight(c) == KS_SIGHT_TAP)
		snprintf(buf, size, "none: a tap sees copies, verdicts are only reported there");
	else if (sight(c) == KS_SIGHT_CLIENT)
		snprintf(buf, size, "monitor-grade: the client's NIC alone, the server's numbers are not "
			 "seen; no reset, no assembling");
	else if (flows->adopted)
		snprintf(buf, size, "full on both NICs for every connection whose handshake was seen; "
			 "monitor-grade for the %llu adopted without one, until they reconnect",
			 (unsigned long long)flows->adopted);
	else
		snprintf(buf, size, "full: both NICs, every request of each connection is judged, "
			 "its handshake was seen");
}

/* The kernel's own account of a map. */
static uint64_t map_bytes(int fd)
{
	char path[64], line[128];
	unsigned long long bytes = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "re");
	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "memlock: %llu", &bytes) == 1)
			break;
	fclose(f);
	return bytes;
}

static uint64_t table_bytes(const struct instance *in, enum map_id id)
{
	uint64_t bytes = map_bytes(in->fd[id]);

	for (uint32_t slot = 0; slot < KS_SLOTS && id >= MAP_pol_addrs; slot++) {
		int fd = instance_table(in, id, slot);

		if (fd < 0)
			continue;
		bytes += map_bytes(fd);
		close(fd);
	}
	return bytes;
}

static json_t *memory(const struct instance *in)
{
	json_t *maps = json_object();
	uint64_t total = 0;

	for (int i = 0; i < MAPS; i++) {
		uint64_t bytes = table_bytes(in, (enum map_id)i);

		total += bytes;
		json_object_set_new(maps, map_name((enum map_id)i),
				    json_integer((json_int_t)bytes));
	}
	return json_pack("{s:I, s:o}", "bytes", (json_int_t)total, "maps", maps);
}

/* Does any address of the policy count as "behind the gateway"? */
static bool has_protected(int fd, size_t key_size)
{
	struct ks_addr_rec rec;
	void *key = calloc(1, key_size);
	bool found = false, first = true;

	while (key && !found && !bpf_map_get_next_key(fd, first ? NULL : key, key)) {
		first = false;
		found = !bpf_map_lookup_elem(fd, key, &rec) && rec.flags & KS_ADDR_PROTECTED;
	}
	free(key);
	return found;
}

static bool anti_spoof(const struct counters *c)
{
	int addrs = instance_table(c->in, MAP_pol_addrs, c->state.now.slot);
	int prefixes = instance_table(c->in, MAP_pol_prefixes, c->state.now.slot);
	bool on;

	on = (addrs >= 0 && has_protected(addrs, sizeof(struct ks_addr_key))) ||
	     (prefixes >= 0 && has_protected(prefixes, sizeof(struct ks_lpm_key)));
	if (addrs >= 0)
		close(addrs);
	if (prefixes >= 0)
		close(prefixes);
	return on;
}

static json_t *port_list(const struct counters *c)
{
	struct port_state states[KS_PORTS_MAX];
	size_t n = port_states(states, c);
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++) {
		const struct ks_port_rec *p = states[i].rec;
		bool alone = &c->ports[p->peer % KS_PORTS_MAX] == p;

		/* another network namespace has other NICs under these numbers */
		json_array_append_new(list, json_pack(
			"{s:s, s:I, s:s, s:s, s:s, s:s, s:b}", "name", p->name, "ifindex",
			(json_int_t)p->ifindex, "role", name_role(p->role), "attach",
			name_attach(p->wire, p->sight), "peer",
			alone ? "nothing" : c->ports[p->peer % KS_PORTS_MAX].name, "xdp",
			nic_xdp_name(states[i].here ? states[i].xdp : NIC_XDP_UNKNOWN), "held",
			link_follow_holds(p->name)));
	}
	return list;
}

static json_t *policy_object(const struct counters *c)
{
	struct ks_pol_cfg *cfg = instance_policy(c->in, c->state.now.slot);
	char digest[DIGEST_TEXT], when[64];
	struct tm tm;
	time_t at;
	json_t *o;

	if (!cfg)
		return json_null();
	at = (time_t)cfg->applied_at;
	digest_text(digest, cfg->digest);
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S%z", localtime_r(&at, &tm));
	o = json_pack("{s:I, s:s, s:s, s:I, s:I}", "generation", (json_int_t)cfg->generation,
		      "digest", digest, "applied_at", when, "rules", (json_int_t)cfg->rules,
		      "assets", (json_int_t)cfg->assets);
	free(cfg);
	return o;
}

/* The policy on trial, null without one. */
static json_t *trial_object(const struct counters *c)
{
	struct ks_pol_cfg *before;
	json_t *o;

	if (!c->state.revert_at)
		return json_null();
	before = instance_policy(c->in, c->state.before.slot);
	o = json_pack("{s:I, s:I}", "seconds_left", (json_int_t)state_trial_left(&c->state),
		      "generation_before", (json_int_t)(before ? before->generation : 0));
	free(before);
	return o;
}

/* Seconds that `adopt: audit` still takes over connections that run without an entry. */
static json_int_t taking_over(const struct counters *c, const struct ks_pol_cfg *cfg)
{
	uint64_t now = clock_monotonic();

	if (c->state.adopt != KS_ADOPT_AUDIT || cfg->take_over_until <= now)
		return 0;
	return (json_int_t)((cfg->take_over_until - now) / KS_SECOND);
}

/* Zones in force, and how full the table of connections through conduits is. */
static json_t *segmentation(const struct counters *c)
{
	struct ks_pol_cfg *cfg = instance_policy(c->in, c->state.now.slot);
	struct ks_table_use use = { 0 };
	uint32_t zero = 0;
	json_t *o;

	if (!cfg || bpf_map_lookup_elem(c->in->fd[MAP_table_use], &zero, &use)) {
		free(cfg);
		return json_null();
	}
	o = json_pack("{s:b, s:I, s:I, s:b, s:I, s:I, s:I}", "on", cfg->zoned, "zones",
		      (json_int_t)cfg->zones, "conduits", (json_int_t)cfg->conduits, "bound_hosts",
		      cfg->bound, "connections", (json_int_t)use.conduits, "limit",
		      (json_int_t)use.conduits_max, "taking_over", taking_over(c, cfg));
	free(cfg);
	return o;
}

static bool serve_runs(void)
{
	int fd = events_connect();

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static json_t *collect(const struct counters *c, const struct standing *standing)
{
	struct ks_misc_count misc = { 0 };
	struct flow_count flows;
	char grade[256];

	if (instance_flows(c->in, &flows) || counters_misc(c, &misc))
		return NULL;
	guarantee(grade, sizeof(grade), c, &flows);
	return json_pack(
		"{s:b, s:s, s:o, s:s, s:o, s:I, s:o, s:o, s:s, s:o, s:{s:I, s:I, s:I}, s:b, s:o, s:{s:I, s:I, s:b}, s:o, s:s}",
		"attached", 1, "mode", name_mode(c->state.now.mode),
		"standing", standing_json(standing),
		"guarantee", grade, "ports", port_list(c),
		"generation", (json_int_t)c->names.generation, "policy", policy_object(c),
		"trial", trial_object(c), "boot", standing_boot(c),
		"shadow", shadow_json(c->in, &c->state),
		"flows", "tracked", (json_int_t)flows.flows,
		"limit", (json_int_t)entries_max(c->in->fd[MAP_flows4]),
		"adopted", (json_int_t)flows.adopted,
		"anti_spoof", anti_spoof(c), "segmentation", segmentation(c),
		"events", "lost", (json_int_t)misc.events_lost,
		"suppressed", (json_int_t)misc.events_hidden, "serve", serve_runs(),
		"memory", memory(c->in), "version", KEYSWITCH_VERSION);
}

/* ---- text ---- */

#define LABEL 12
#define WIDTH 80

/* "label       text", broken between words where the line would be too long. */
static void __attribute__((format(printf, 2, 3))) print_line(const char *label, const char *fmt, ...)
{
	char text[512], *word, *rest = text;
	size_t at = LABEL;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	printf("%-*s", LABEL, label);
	while ((word = strsep(&rest, " "))) {
		size_t len = strlen(word);

		if (at > LABEL && at + 1 + len > WIDTH) {
			printf("\n%*s", LABEL, "");
			at = LABEL;
		}
		at += (size_t)printf("%s%s", at > LABEL ? " " : "", word);
	}
	putchar('\n');
}

static long long number(const json_t *o, const char *key)
{
	return (long long)json_integer_value(json_object_get(o, key));
}

static const char *word(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "?";
}

static bool flag(const json_t *o, const char *key)
{
	return json_is_true(json_object_get(o, key));
}

static void print_segmentation(const json_t *s)
{
	const char *bound = flag(s, "bound_hosts") ? "; hosts are bound to MACs or VLANs" : "";
	char over[96] = "";

	if (!json_is_object(s))
		return;
	if (number(s, "taking_over"))
		snprintf(over, sizeof(over), "; those that run already are taken over for %lld s",
			 number(s, "taking_over"));
	if (flag(s, "on"))
		print_line("zones", "on: %lld zones, %lld conduits, %lld entries of %lld for their "
			   "connections%s%s", number(s, "zones"), number(s, "conduits"),
			   number(s, "connections"), number(s, "limit"), over, bound);
	else
		print_line("zones", "off: the policy has none%s%s", over, bound);
}

static void print_policy(const json_t *s)
{
	const json_t *policy = json_object_get(s, "policy"), *trial = json_object_get(s, "trial");
	const json_t *shadow = json_object_get(s, "shadow");

	print_line("policy", "generation %lld of %s, %lld rules, %lld assets, sha256 %.16s...",
		   number(policy, "generation"), word(policy, "applied_at"), number(policy, "rules"),
		   number(policy, "assets"), word(policy, "digest"));
	if (json_is_object(trial))
		print_line("trial", "%lld s left, then generation %lld again; 'keyswitch confirm' "
			   "keeps this one", number(trial, "seconds_left"),
			   number(trial, "generation_before"));
	if (json_is_object(shadow))
		print_line("shadow", "generation %lld judged beside: %lld of %lld would differ",
			   number(shadow, "generation"), number(shadow, "differ"),
			   number(shadow, "judged"));
}

static void print_ports(const json_t *s)
{
	const json_t *port;
	size_t i;

	json_array_foreach(json_object_get(s, "ports"), i, port)
		print_line("port", "%s: %s side, %s to %s, %s XDP%s", word(port, "name"),
			   word(port, "role"), word(port, "attach"), word(port, "peer"),
			   word(port, "xdp"), flag(port, "held") ? ", held down by link_follow" : "");
}

/* What matters first: the line that says how it stands, and what is wrong. */
static void print_standing(const struct standing *standing)
{
	char line[128];

	standing_line(line, sizeof(line), standing);
	puts(line);
	for (size_t i = 0; i < standing->troubles; i++)
		print_line("trouble", "%s", standing->trouble[i]);
	if (!standing->troubles)
		print_line("trouble", "none");
}

static void print_status(const json_t *s, const struct standing *standing)
{
	const json_t *flows = json_object_get(s, "flows"), *events = json_object_get(s, "events");

	print_standing(standing);
	print_line("guarantee", "%s", word(s, "guarantee"));
	print_policy(s);
	print_ports(s);
	print_line("anti-spoof", "%s", flag(s, "anti_spoof") ? "on" :
		   "off: no address of the policy is known to be behind the gateway");
	print_segmentation(json_object_get(s, "segmentation"));
	print_line("flows", "%lld tracked, limit %lld per address family, %lld adopted",
		   number(flows, "tracked"), number(flows, "limit"), number(flows, "adopted"));
	print_line("events", "%lld lost, %lld suppressed, %s", number(events, "lost"),
		   number(events, "suppressed"),
		   flag(events, "serve") ? "read by 'keyswitch serve'" : "no serve runs");
	devices_print_status(s);
	print_line("memory", "%lld bytes in maps", number(json_object_get(s, "memory"), "bytes"));
}

static int show(const struct instance *in)
{
	struct standing standing;
	json_t *status = NULL;
	struct counters c;

	if (!counters_open(&c, in) && !standing_read(&standing, &c))
		status = collect(&c, &standing);
	if (status && devices_latency_json(&c, status)) {
		json_decref(status);
		status = NULL;
	}
	counters_close(&c);
	if (!status) {
		complain("cannot read the instance at '%s'", options.pin_dir);
		return EXIT_ENVIRONMENT;
	}
	if (options.json)
		return print_json(status);
	print_status(status, &standing);
	json_decref(status);
	return EXIT_OK;
}

static int run(int argc, char **argv)
{
	struct one_argument none = { 0 };
	struct instance in;
	int rc;

	parse_plain(argc, argv, "Shows what is attached and in force.", &none);
	if (loader_wire_left()) {
		complain("nothing is attached: the wire at '%s' was left, it forwards uninspected",
			 options.pin_dir);
		hint("'keyswitch detach --yes' ends it");
		return EXIT_PROBLEM;
	}
	rc = instance_open(&in);
	if (rc)
		return rc;
	rc = show(&in);
	instance_close(&in);
	return rc;
}

const struct command cmd_status = {
	.name = "status", .help = "show what is attached and in force", .run = run,
};
