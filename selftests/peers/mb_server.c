// SPDX-License-Identifier: GPL-2.0-only
/*
 * A real Modbus/TCP server on libmodbus: the controller of the namespace
 * tests.  It owns one listening socket (IPv4 and IPv6), any number of clients
 * and a register map; every request that its application read is one JSON line
 * in the log, flushed at once: that log is the oracle of the tests.
 * It must not judge, repair or skip a request: what libmodbus read is what is
 * written down.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <modbus/modbus.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAP_SIZE 2000
#define BACKLOG	 64

struct server {
	modbus_t *ctx;
	modbus_mapping_t *map;
	FILE *log;
	int listener;
	int highest;
	fd_set all;
};

static volatile sig_atomic_t stopping;

static void on_signal(int sig)
{
	(void)sig;
	stopping = 1;
}

static void log_request(struct server *s, int fd, const uint8_t *req, int len)
{
	struct sockaddr_storage sa = { 0 };
	socklen_t salen = sizeof(sa);
	char host[NI_MAXHOST] = "?", port[NI_MAXSERV] = "0";

	if (!getpeername(fd, (struct sockaddr *)&sa, &salen))
		getnameinfo((struct sockaddr *)&sa, salen, host, sizeof(host), port, sizeof(port),
			    NI_NUMERICHOST | NI_NUMERICSERV);
	fprintf(s->log, "{\"client\":\"%s\",\"port\":%s,\"unit\":%d,\"function\":%d,\"bytes\":\"",
		strncmp(host, "::ffff:", 7) ? host : host + 7, port, req[6], req[7]);
	for (int i = 0; i < len; i++)
		fprintf(s->log, "%02x", req[i]);
	fputs("\"}\n", s->log);
	fflush(s->log);
}

static void drop_client(struct server *s, int fd)
{
	close(fd);
	FD_CLR(fd, &s->all);
}

static void serve_client(struct server *s, int fd)
{
	uint8_t req[MODBUS_TCP_MAX_ADU_LENGTH];
	int len;

	modbus_set_socket(s->ctx, fd);
	len = modbus_receive(s->ctx, req);
	if (len > 0) {
		log_request(s, fd, req, len);
		if (modbus_reply(s->ctx, req, len, s->map) < 0)
			drop_client(s, fd);
	} else if (len < 0) {
		drop_client(s, fd);
	}
}

static void accept_client(struct server *s)
{
	static const struct timeval patience = { .tv_sec = 1 };
	int fd = accept(s->listener, NULL, NULL);

	if (fd < 0)
		return;
	if (fd >= FD_SETSIZE) {
		close(fd);
		return;
	}
	/* one that reads no replies, or sends half a request, must not stop the others */
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	FD_SET(fd, &s->all);
	if (fd > s->highest)
		s->highest = fd;
}

static int serve(struct server *s)
{
	while (!stopping) {
		fd_set ready = s->all;

		if (select(s->highest + 1, &ready, NULL, NULL, NULL) < 0) {
			if (errno == EINTR)
				continue;
			perror("select");
			return 1;
		}
		for (int fd = 0; fd <= s->highest; fd++) {
			if (!FD_ISSET(fd, &ready))
				continue;
			if (fd == s->listener)
				accept_client(s);
			else
				serve_client(s, fd);
		}
	}
	return 0;
}

static int start(struct server *s, const char *address, const char *port)
{
	s->ctx = modbus_new_tcp_pi(address, port);
	s->map = modbus_mapping_new(MAP_SIZE, MAP_SIZE, MAP_SIZE, MAP_SIZE);
	if (!s->ctx || !s->map)
		return -1;
	s->listener = modbus_tcp_pi_listen(s->ctx, BACKLOG);
	if (s->listener < 0)
		return -1;
	s->highest = s->listener;
	FD_ZERO(&s->all);
	FD_SET(s->listener, &s->all);
	for (int i = 0; i < MAP_SIZE; i++)
		s->map->tab_registers[i] = (uint16_t)i;
	return 0;
}

int main(int argc, char **argv)
{
	const char *address = "::", *port = "502", *path = NULL;
	struct sigaction sa = { .sa_handler = on_signal };
	struct server s = { 0 };
	uint32_t pause = 0; /* it sleeps so long after a function that it does not know */
	int opt, err;

	while ((opt = getopt(argc, argv, "a:p:l:r:")) != -1) {
		if (opt == 'a')
			address = optarg;
		else if (opt == 'p')
			port = optarg;
		else if (opt == 'l')
			path = optarg;
		else if (opt == 'r')
			pause = (uint32_t)atoi(optarg) * 1000;
		else
			return 2;
	}
	s.log = path ? fopen(path, "a") : stdout;
	if (!s.log) {
		perror(path);
		return 1;
	}
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
	if (start(&s, address, port)) {
		fprintf(stderr, "cannot listen on '%s' port '%s': %s\n", address, port,
			modbus_strerror(errno));
		return 1;
	}
	if (pause)
		modbus_set_response_timeout(s.ctx, 0, pause);
	err = serve(&s);
	modbus_mapping_free(s.map);
	close(s.listener);
	modbus_free(s.ctx);
	return err;
}
