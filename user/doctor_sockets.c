// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sockets of the gateway itself: a proxy here talks to controllers behind the
 * enforcer's back. Reads /proc/net alone, see doctor.h.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "doctor.h"

enum { TCP_ESTABLISHED = 1, TCP_SYN_SENT = 2, TCP_LISTEN = 10, UDP_BOUND = 7 };

struct sock {
	const char *proto;	/* "tcp", "tcp6", "udp", "udp6" */
	struct prefix local, remote;
	unsigned int lport, rport, state;
	unsigned long inode;
	bool udp;
};

/* /proc prints addresses as words in host order. */
static bool parse_address(struct prefix *p, const char *hex)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	size_t words = strlen(hex) / 8;

	if (words != 1 && words != 4)
		return false;
	*p = (struct prefix){ .family = words == 1 ? 4 : 6, .len = (uint8_t)(words * 32) };
	for (size_t i = 0; i < words; i++) {
		uint32_t word;

		if (sscanf(hex + 8 * i, "%8x", &word) != 1)
			return false;
		memcpy(p->addr + 4 * i, &word, sizeof(word));
	}
	if (words == 4 && !memcmp(p->addr, mapped, sizeof(mapped))) {
		struct prefix v4 = { .family = 4, .len = 32 };

		memcpy(v4.addr, p->addr + 12, 4);
		*p = v4;
	}
	return true;
}

static bool parse_line(struct sock *s, const char *line)
{
	char local[33], remote[33];

	return sscanf(line, "%*d: %32[0-9A-Fa-f]:%x %32[0-9A-Fa-f]:%x %x %*s %*s %*s %*u %*u %lu",
		      local, &s->lport, remote, &s->rport, &s->state, &s->inode) == 6 &&
	       s->lport < 65536 && s->rport < 65536 &&
	       parse_address(&s->local, local) && parse_address(&s->remote, remote);
}

static bool holds_socket(const char *pid, const char *wanted)
{
	char path[PATH_MAX], target[64];
	bool found = false;
	struct dirent *e;
	DIR *fds;

	snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	fds = opendir(path);
	if (!fds)
		return false;
	while (!found && (e = readdir(fds))) {
		ssize_t len = readlinkat(dirfd(fds), e->d_name, target, sizeof(target) - 1);

		target[len < 0 ? 0 : len] = '\0';
		found = !strcmp(target, wanted);
	}
	closedir(fds);
	return found;
}

/* ", process 'NAME' (pid N)", or "" when no process can be named. */
static const char *owner(const struct sock *s, char buf[96])
{
	char wanted[64], path[64], name[32] = "?";
	struct dirent *e;
	DIR *proc = opendir("/proc");
	FILE *f;

	buf[0] = '\0';
	snprintf(wanted, sizeof(wanted), "socket:[%lu]", s->inode);
	while (proc && !buf[0] && (e = readdir(proc))) {
		if (!isdigit((unsigned char)e->d_name[0]) || !holds_socket(e->d_name, wanted))
			continue;
		snprintf(path, sizeof(path), "/proc/%.20s/comm", e->d_name);
		f = fopen(path, "re");
		if (f && fscanf(f, "%31[^\n]", name) != 1)
			strcpy(name, "?");
		if (f)
			fclose(f);
		snprintf(buf, 96, ", process '%s' (pid %.20s)", name, e->d_name);
	}
	if (proc)
		closedir(proc);
	return buf;
}

/* "1.2.3.4:502", "[::1]:502" */
static const char *endpoint(char buf[80], const struct prefix *p, unsigned int port)
{
	char text[INET6_ADDRSTRLEN] = "?";

	inet_ntop(p->family == 4 ? AF_INET : AF_INET6, p->addr, text, sizeof(text));
	snprintf(buf, 80, p->family == 4 ? "%s:%u" : "[%s]:%u", text, port);
	return buf;
}

static bool is_loopback(const struct prefix *p)
{
	static const uint8_t one[16] = { [15] = 1 };

	return p->family == 4 ? p->addr[0] == 127 : !memcmp(p->addr, one, sizeof(one));
}

static void judge_listener(struct doctor *d, const struct sock *s)
{
	char at[80], who[96];

	if (!d->ot->proto[s->lport])
		return;
	doctor_found(d, is_loopback(&s->local) ? DOCTOR_WARNING : DOCTOR_PROBLEM,
		     "%s socket of the gateway listens at %s%s", s->proto,
		     endpoint(at, &s->local, s->lport), owner(s, who));
	doctor_advise(d, "end it if it is a proxy to a controller: what it sends is not judged");
}

static void judge_connection(struct doctor *d, const struct sock *s)
{
	bool ot = d->ot->proto[s->rport], asset = assets_hold(&d->assets, &s->remote);
	char from[80], to[80], who[96];

	/* an asset that is everywhere makes no other connection remarkable */
	if (is_loopback(&s->remote) || (!ot && (!asset || d->assets.everything)))
		return;
	/* to a controller that the policy does not know, or to someone else's */
	doctor_found(d, ot && (asset || !d->attached) ? DOCTOR_PROBLEM : DOCTOR_WARNING,
		     "%s connection of the gateway from %s to %s %s%s", s->proto,
		     endpoint(from, &s->local, s->lport), asset ? "the asset" : "the OT port",
		     endpoint(to, &s->remote, s->rport), owner(s, who));
	doctor_advise(d, "move the program behind the client side: what the gateway itself sends "
		      "is not judged");
}

static void judge(struct doctor *d, const struct sock *s)
{
	if (s->state == (s->udp ? UDP_BOUND : TCP_LISTEN))
		judge_listener(d, s);
	else if (s->state == TCP_ESTABLISHED || (!s->udp && s->state == TCP_SYN_SENT))
		judge_connection(d, s);
}

static void read_table(struct doctor *d, const char *proto)
{
	struct sock s = { .proto = proto, .udp = proto[0] == 'u' };
	char path[32], line[512];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/net/%s", proto);
	f = fopen(path, "re");
	if (!f) {
		/* no IPv6 in this kernel */
		if (errno != ENOENT)
			doctor_found(d, DOCTOR_WARNING, "'%s' is not readable: %s", path,
				     strerror(errno));
		return;
	}
	while (fgets(line, sizeof(line), f))
		if (parse_line(&s, line))
			judge(d, &s);
	fclose(f);
}

void doctor_sockets(struct doctor *d)
{
	read_table(d, "tcp");
	read_table(d, "tcp6");
	read_table(d, "udp");
	read_table(d, "udp6");
}
