// SPDX-License-Identifier: GPL-2.0-only
/*
 * Denied packets from their ring to a file, see denied.h.
 * Must not decide when to end.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "capture.h"
#include "clock.h"
#include "command.h"
#include "denied.h"
#include "env.h"
#include "leaf.h"
#include "names.h"
#include "options.h"

#define NO_INTERFACE UINT32_MAX

/* ---- one packet ---- */

static void address(FILE *out, const char *word, int version, const uint8_t *addr, bool ports,
		    uint16_t port)
{
	char text[INET6_ADDRSTRLEN];

	inet_ntop(version == 4 ? AF_INET : AF_INET6, addr, text, sizeof(text));
	fprintf(out, ports && version == 6 ? ", %s [%s]" : ", %s %s", word, text);
	if (ports)
		fprintf(out, ":%u", port);
}

/* Who asked whom, out of the packet itself: a record has no room for what it holds. */
static void ends(FILE *out, const struct ks_denied *d)
{
	const struct frame frame = { .data = d->bytes, .len = d->bytes_len };
	bool from_client = d->role == KS_CLIENT;
	struct packet p;

	packet_parse(&frame, &p);
	if (!p.ip_version)
		return;
	address(out, from_client ? "client" : "server", p.ip_version, p.src, p.ports, p.sport);
	address(out, from_client ? "server" : "client", p.ip_version, p.dst, p.ports, p.dport);
}

static void request(FILE *out, const struct ks_denied *d, const struct names *names)
{
	json_t *fields = json_object();

	fprintf(out, ", rule %s", names_rule(names, d->leaf.rule));
	if (d->leaf.alert)
		fprintf(out, ", alert %s", names_rule(names, d->leaf.alert));
	fprintf(out, ", %s", name_proto(d->leaf.proto));
	leaf_fields(fields, &d->leaf);
	leaf_phrase(out, fields);
	json_decref(fields);
}

/* The comment of a packet; names: of its generation, or of none. malloc'ed, NULL: no memory. */
static char *denied_comment(const struct ks_denied *d, const struct names *names)
{
	uint32_t asset = d->leaf.proto ? d->leaf.asset : d->asset;
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	fprintf(out, "%s: %s (%s)", d->mode == KS_MONITOR ? "would be denied" : "denied",
		name_reason_text(d->reason), name_reason(d->reason));
	if (d->leaf.proto)
		request(out, d, names);
	if (asset)
		fprintf(out, ", asset %s", names_asset(names, asset));
	ends(out, d);
	if (d->reset)
		fputs(", connection reset", out);
	fprintf(out, ", policy generation %u", d->generation);
	if (!fclose(out))
		return text;
	free(text);
	return NULL;
}

static int write_packet(struct denied_reader *d, const struct ks_denied *record)
{
	struct names none = { 0 };
	struct pcapng_packet packet = {
		.interface = d->interface[record->port], .ns = d->real + record->t,
		.len = record->len, .bytes = record->bytes, .bytes_len = record->bytes_len,
	};
	char *comment;
	int err;

	names_follow(&d->names, d->in, record->generation);
	comment = denied_comment(record, d->names.generation == record->generation ? &d->names :
										     &none);
	if (!comment)
		return -ENOMEM;
	packet.comment = comment;
	err = pcapng_packet(d->out, &packet);
	free(comment);
	if (err)
		return err;
	d->written[record->port]++;
	d->packets++;
	return 0;
}

/* Those of a reader before, and beyond what was asked for, are not ours. */
static int on_record(void *arg, void *data, size_t size)
{
	struct denied_reader *d = arg;
	const struct ks_denied *record = data;

	if (size < sizeof(*record) || record->t < d->began || d->err ||
	    (d->count && d->packets == d->count) || record->port >= KS_PORTS_MAX ||
	    d->interface[record->port] == NO_INTERFACE ||
	    record->bytes_len > KS_DENIED_BYTES)
		return 0;
	d->err = write_packet(d, record);
	return 0;
}

/* ---- the file ---- */

static int write_head(struct denied_reader *d)
{
	int err = pcapng_section(d->out, "keyswitch " KEYSWITCH_VERSION);
	uint32_t n = 0;

	for (uint32_t i = 0; i < KS_PORTS_MAX && !err; i++) {
		const struct ks_port_rec *port = &d->ports[i];
		char what[64];

		d->interface[i] = NO_INTERFACE;
		if (!port->used)
			continue;
		snprintf(what, sizeof(what), "%s side, %s", name_role(port->role),
			 name_attach(port->wire, port->sight));
		err = pcapng_interface(d->out, port->name, what, KS_DENIED_BYTES);
		d->interface[i] = n++;
	}
	return err ? err : pcapng_flush(d->out);
}

int denied_lost(const struct denied_reader *d, uint32_t port, struct ks_denied_count *count)
{
	int err = instance_sum(d->in, MAP_denied_counts, &port, (uint64_t *)count,
			       sizeof(*count) / sizeof(uint64_t));

	count->sent -= d->before[port].sent;
	count->lost -= d->before[port].lost;
	return err;
}

static int write_statistics(struct denied_reader *d)
{
	uint64_t now = clock_monotonic();
	int err = 0;

	for (uint32_t i = 0; i < KS_PORTS_MAX && !err; i++) {
		struct ks_denied_count count;
		struct pcapng_statistics s = {
			.interface = d->interface[i], .ns = d->real + now,
			.began = d->real + d->began,
		};

		if (d->interface[i] == NO_INTERFACE)
			continue;
		err = denied_lost(d, i, &count);
		s.received = count.sent + count.lost;
		s.lost = count.lost;
		if (!err)
			err = pcapng_statistics(d->out, &s);
	}
	return err;
}

/* ---- the reader ---- */

static int read_counts(struct denied_reader *d)
{
	int err = instance_ports(d->in, d->ports);

	for (uint32_t i = 0; i < KS_PORTS_MAX && !err; i++)
		err = denied_lost(d, i, &d->before[i]);
	return err;
}

int denied_open(struct denied_reader *d, const struct instance *in, struct pcapng *out,
		uint64_t count, bool all)
{
	memset(d, 0, sizeof(*d));
	d->in = in;
	d->out = out;
	d->count = count;
	d->all = all;
	d->lock = env_lock("capture.lock", 0);
	if (d->lock < 0) {
		if (errno != EWOULDBLOCK)
			return EXIT_ENVIRONMENT;
		complain("another 'keyswitch capture' reads the denied packets of '%s'",
			 options.run_dir);
		return EXIT_PROBLEM;
	}
	d->ring = ring_buffer__new(in->fd[MAP_denied], on_record, d, NULL);
	if (d->ring && !read_counts(d))
		return EXIT_OK;
	complain("cannot read the ring of denied packets: %s", strerror(errno));
	denied_close(d);
	return EXIT_ENVIRONMENT;
}

static int set_lease(const struct denied_reader *d, uint64_t until)
{
	const struct ks_denied_ctl ctl = { .until = until, .all = d->all };
	uint32_t zero = 0;

	return bpf_map_update_elem(d->in->fd[MAP_denied_ctl], &zero, &ctl, BPF_ANY);
}

int denied_renew(struct denied_reader *d)
{
	uint64_t now = clock_monotonic();
	int err = 0;

	/* the clock of the day may be set meanwhile */
	d->real = clock_real() - now;
	if (!d->began) {
		d->began = now;
		err = write_head(d);
	}
	return err ? err : set_lease(d, now + KS_DENIED_LEASE);
}

int denied_fd(const struct denied_reader *d)
{
	return ring_buffer__epoll_fd(d->ring);
}

int denied_take(struct denied_reader *d)
{
	int n = ring_buffer__consume(d->ring);

	if (n < 0)
		return n;
	if (!d->err)
		d->err = pcapng_flush(d->out);
	return d->err ? d->err : d->count && d->packets == d->count;
}

int denied_end(struct denied_reader *d)
{
	int err = set_lease(d, 0), n = d->err ? d->err : denied_take(d);

	if (n < 0)
		err = n;
	if (!err)
		err = write_statistics(d);
	return err ? err : pcapng_flush(d->out);
}

void denied_close(struct denied_reader *d)
{
	ring_buffer__free(d->ring);
	names_free(&d->names);
	if (d->lock >= 0)
		close(d->lock);
	d->ring = NULL;
	d->lock = -1;
}
