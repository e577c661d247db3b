// SPDX-License-Identifier: GPL-2.0-only
/*
 * `keyswitch doctor`: the ways round the enforcer on this gateway, and whether the
 * machine goes on enforcing and telling. Collects what the checks of doctor_*.c need,
 * runs them and prints. Must not change anything.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>

#include "command.h"
#include "doctor.h"
#include "env.h"
#include "guard.h"
#include "loader.h"
#include "nft.h"
#include "nic.h"
#include "options.h"
#include "results.h"

static const struct {
	const char *name;
	void (*run)(struct doctor *d);
	const char *content;	/* nothing was found */
} checks[] = {
	{ "attachment", doctor_attachment, "every NIC's program is where it belongs" },
	{ "service", doctor_service, "nothing is attached and nothing should be" },
	{ "driver", doctor_driver, "no NIC to look at" },
	{ "kernel", doctor_kernel, "the kernel has what the data path needs" },
	{ "disk", doctor_disk, "there is room for policies, locks and events" },
	{ "clock", doctor_clock, "the clock is right" },
	{ "mtu", doctor_mtu, "every NIC's MTU is within XDP's limit" },
	{ "offload", doctor_offload, "no NIC hides, merges or forwards frames by itself" },
	{ "sockets", doctor_sockets, "no socket of the gateway at an OT port or toward an asset" },
	{ "nat", doctor_nat, "no rule translates destinations behind the inspection" },
	{ "iptables", doctor_legacy_tables, "no 'nat' table of iptables-legacy" },
	{ "conntrack", doctor_conntrack, "no conntrack helper" },
	{ "shortcuts", doctor_shortcuts, "no flowtable or nft forward past the guard" },
	{ "forwarding", doctor_forwarding, "no other NIC's packets are routed on" },
	{ "bridges", doctor_bridges, "no bridge joins a NIC with one that is not keyswitch's" },
	{ "wires", doctor_wires, "the kernel keeps away from the wires" },
	{ "tunnels", doctor_tunnels, "no tunnel ends here" },
	{ "subinterfaces", doctor_uppers, "nothing else stands on the NICs" },
	{ "filters", doctor_filters, "no tc filter behind the inspection" },
	{ "guard", doctor_guard, "the guard is complete, or there is nothing to guard" },
};

static const char *const severities[] = { "ok", "note", "warning", "problem" };

void doctor_found(struct doctor *d, enum severity severity, const char *fmt, ...)
{
	char seen[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(seen, sizeof(seen), fmt, ap);
	va_end(ap);
	d->count[severity]++;
	json_array_append_new(d->findings, json_pack("{s:s, s:s, s:s}", "severity",
						     severities[severity], "check", d->check,
						     "seen", seen));
}

void doctor_advise(struct doctor *d, const char *fmt, ...)
{
	json_t *last = json_array_get(d->findings, json_array_size(d->findings) - 1);
	char advice[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(advice, sizeof(advice), fmt, ap);
	va_end(ap);
	json_object_set_new(last, "advice", json_string(advice));
}

const struct ks_port_rec *doctor_port(const struct doctor *d, uint32_t ifindex)
{
	for (int i = 0; i < KS_PORTS_MAX && ifindex; i++)
		if (d->ports[i].used && d->ports[i].ifindex == ifindex)
			return &d->ports[i];
	return NULL;
}

/* ---- what the checks need ---- */

static int take_instance(struct doctor *d)
{
	int rc = instance_open(&d->in), err;

	if (rc)
		return rc;
	d->attached = true;
	err = instance_state(&d->in, &d->state);
	if (!err)
		err = instance_ports(&d->in, d->ports);
	if (!err)
		err = assets_load(&d->assets, &d->in, &d->state);
	if (!err)
		err = bpf_map_lookup_elem(d->in.fd[MAP_pol_ports], &d->state.now.slot, d->ot);
	if (err) {
		complain("cannot read the instance at '%s': %s", options.pin_dir, strerror(-err));
		return EXIT_ENVIRONMENT;
	}
	d->guarded = d->state.guard;
	for (int i = 0; i < KS_PORTS_MAX; i++)
		d->has_inline |= guard_covers(&d->ports[i]);
	return EXIT_OK;
}

/* The protocols' own ports: Modbus/TCP, EtherNet/IP and its implicit I/O. */
static void assume_ports(struct doctor *d)
{
	d->ot->proto[502] = KS_PORT_MODBUS;
	d->ot->proto[44818] = KS_PORT_ENIP;
	d->ot->proto[2222] = KS_PORT_IO;
}

static int gather(struct doctor *d)
{
	int rc = EXIT_OK, err;

	d->findings = json_array();
	d->ot = calloc(1, sizeof(*d->ot));
	if (!d->findings || !d->ot) {
		complain("out of memory");
		return EXIT_ENVIRONMENT;
	}
	if (instance_exists() && !loader_wire_left())
		rc = take_instance(d);
	else
		assume_ports(d);
	if (rc)
		return rc;
	err = rtnl_links_load(&d->links);
	if (err) {
		complain("cannot list the NICs: %s", strerror(-err));
		return EXIT_ENVIRONMENT;
	}
	d->rules = nft_ruleset();
	return EXIT_OK;
}

static void release(struct doctor *d)
{
	if (d->attached)
		instance_close(&d->in);
	rtnl_links_free(&d->links);
	assets_free(&d->assets);
	json_decref(d->rules);
	json_decref(d->findings);
	free(d->ot);
}

/* ---- the run ---- */

static void examine(struct doctor *d)
{
	d->check = "scope";
	if (!d->attached) {
		doctor_found(d, DOCTOR_WARNING, "nothing is attached at '%s': what needs a policy or "
			     "a pair was not looked at", options.pin_dir);
		doctor_advise(d, d->ports[0].used ? "ask again after attach" :
			      "name the NICs: 'keyswitch doctor NIC...'");
	}
	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
		size_t before = json_array_size(d->findings);

		d->check = checks[i].name;
		checks[i].run(d);
		if (json_array_size(d->findings) == before)
			doctor_found(d, DOCTOR_OK, "%s", checks[i].content);
	}
}

static const char *text_of(const json_t *finding, const char *key)
{
	return json_string_value(json_object_get(finding, key));
}

static void print_count(unsigned int n, const char *what, const char *then)
{
	printf("%u %s%s%s", n, what, n == 1 ? "" : "s", then);
}

static void print_findings(const struct doctor *d)
{
	const json_t *f;
	size_t i;

	json_array_foreach(d->findings, i, f) {
		const char *advice = text_of(f, "advice");

		printf("%-8s %s: %s\n", text_of(f, "severity"), text_of(f, "check"),
		       text_of(f, "seen"));
		if (advice)
			printf("         %s\n", advice);
	}
	print_count(d->count[DOCTOR_PROBLEM], "problem", ", ");
	print_count(d->count[DOCTOR_WARNING], "warning", ", ");
	print_count(d->count[DOCTOR_NOTE], "note", "\n");
}

/* The worst first: what a pager shows of it. */
static void print_worst(const struct doctor *d, enum severity worst)
{
	const json_t *f;
	size_t i;

	json_array_foreach(d->findings, i, f)
		if (!strcmp(text_of(f, "severity"), severities[worst])) {
			printf(", %s: %s", text_of(f, "check"), text_of(f, "seen"));
			return;
		}
}

/* One line and the exit code of a monitoring plugin: 0 ok, 1 warning, 2 critical. */
static int report_plugin(const struct doctor *d)
{
	static const char *const words[] = { "OK", "WARNING", "CRITICAL" };
	int code = d->count[DOCTOR_PROBLEM] ? 2 : d->count[DOCTOR_WARNING] ? 1 : 0;

	printf("KEYSWITCH %s - ", words[code]);
	print_count(d->count[DOCTOR_PROBLEM], "problem", ", ");
	print_count(d->count[DOCTOR_WARNING], "warning", "");
	if (code)
		print_worst(d, code == 2 ? DOCTOR_PROBLEM : DOCTOR_WARNING);
	printf(" | problems=%u warnings=%u\n", d->count[DOCTOR_PROBLEM], d->count[DOCTOR_WARNING]);
	return code;
}

static int report(struct doctor *d)
{
	int rc = EXIT_OK;

	if (options.json)
		rc = print_json(json_pack("{s:b, s:i, s:i, s:i, s:O}", "attached", d->attached,
					  "problems", (int)d->count[DOCTOR_PROBLEM], "warnings",
					  (int)d->count[DOCTOR_WARNING], "notes",
					  (int)d->count[DOCTOR_NOTE], "findings", d->findings));
	else
		print_findings(d);
	return !rc && d->count[DOCTOR_PROBLEM] ? EXIT_PROBLEM : rc;
}

#define PLUGIN_UNKNOWN 3

enum { KEY_NAGIOS = 0x2000 };

static const struct argp_option table[] = {
	{ "nagios", KEY_NAGIOS, NULL, 0, "One line and exit code as a monitoring plugin: 0 ok, "
	  "1 warnings, 2 problems, 3 could not look", 0 },
	{ 0 }
};

struct arguments {
	const char *nics[KS_PORTS_MAX];
	int n;
	bool nagios;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct arguments *args = state->input;

	if (key == KEY_NAGIOS) {
		args->nagios = true;
		return 0;
	}
	if (key != ARGP_KEY_ARG)
		return ARGP_ERR_UNKNOWN;
	if (args->n == KS_PORTS_MAX)
		argp_error(state, "more than %d NICs", KS_PORTS_MAX);
	args->nics[args->n++] = arg;
	return 0;
}

static int take_nics(struct doctor *d, const struct arguments *args)
{
	if (d->attached && args->n) {
		complain("unexpected argument '%s': the NICs are those of the instance at '%s'",
			 args->nics[0], options.pin_dir);
		return EXIT_USAGE;
	}
	for (int i = 0; i < args->n; i++) {
		struct ks_port_rec *p = &d->ports[i];

		p->ifindex = nic_index(args->nics[i]);
		if (!p->ifindex) {
			complain("no NIC '%s' in this network namespace", args->nics[i]);
			return EXIT_ENVIRONMENT;
		}
		p->used = 1;
		snprintf(p->name, sizeof(p->name), "%s", args->nics[i]);
	}
	return EXIT_OK;
}

static int run(int argc, char **argv)
{
	static const struct argp argp = {
		.options = table, .parser = parse, .children = options_child,
		.args_doc = "[NIC...]",
		.doc = "Looks for ways round the enforcer on this gateway, and at service, drivers, "
		       "kernel, disk and clock; changes nothing. NICs are named when nothing is "
		       "attached.\vExits with 1 if there is a "
		       "problem; warnings alone exit with 0.",
	};
	struct arguments args = { 0 };
	struct doctor d = { 0 };
	int rc;

	argp_parse(&argp, argc, argv, 0, NULL, &args);
	env_quiet_libbpf();
	rc = env_check_kernel();
	if (!rc)
		rc = env_check_privileges();
	if (!rc)
		rc = gather(&d);
	if (!rc)
		rc = take_nics(&d, &args);
	if (!rc) {
		examine(&d);
		rc = args.nagios ? report_plugin(&d) : report(&d);
	} else if (args.nagios) {
		rc = PLUGIN_UNKNOWN;
	}
	release(&d);
	return rc;
}

const struct command cmd_doctor = {
	.name = "doctor", .help = "look for ways round the enforcer, and at the machine", .run = run,
};
