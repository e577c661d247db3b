// SPDX-License-Identifier: GPL-2.0-only
/*
 * A Modbus/TCP client on libmodbus: reads or writes with any function code,
 * once or in a loop, one outstanding request at a time.  It prints what became
 * of each transaction (or only the totals with -q) and exits 0 when none was
 * lost, 1 otherwise.  SIGTERM ends the loop behind a whole transaction.  It owns one connection; it must not reconnect by itself,
 * because a lost connection is a result.
 */
#include <errno.h>
#include <modbus/modbus.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct options {
	const char *host, *port, *bind;
	int unit, loops, interval_us, timeout_ms, quiet, stay;
	const char *times;
	int function, address, quantity, value;
	uint8_t raw[MODBUS_TCP_MAX_ADU_LENGTH];
	int raw_len;
};

struct totals {
	int ok, exceptions, lost;
	FILE *times;
};

static const char usage[] =
	"usage: mb_client [-p PORT] [-b SOURCE] [-u UNIT] [-n LOOPS] [-i USEC] [-t MSEC] [-q] [-k]\n"
	"                 [-w FILE] HOST FUNCTION [ADDRESS [QUANTITY-OR-VALUE]]\n"
	"       mb_client ... HOST raw HEX      (HEX = unit id and PDU)\n"
	"  -k  go on after a lost transaction\n"
	"  -w  write the ns of each transaction to FILE, a line each\n";

static int bind_source(int fd, int family, const char *source)
{
	struct addrinfo hints = { .ai_family = family, .ai_flags = AI_NUMERICHOST }, *ai;
	int err;

	if (!source)
		return 0;
	if (getaddrinfo(source, NULL, &hints, &ai))
		return -1;
	err = bind(fd, ai->ai_addr, ai->ai_addrlen);
	freeaddrinfo(ai);
	return err;
}

static int connect_to(const struct options *o)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *ai;
	struct timeval tv = { o->timeout_ms / 1000, o->timeout_ms % 1000 * 1000 };
	int fd, one = 1;

	if (getaddrinfo(o->host, o->port, &hints, &ai))
		return -1;
	fd = socket(ai->ai_family, SOCK_STREAM, 0);
	/* SO_SNDTIMEO bounds connect() too */
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (bind_source(fd, ai->ai_family, o->bind) || connect(fd, ai->ai_addr, ai->ai_addrlen)) {
		close(fd);
		fd = -1;
	}
	freeaddrinfo(ai);
	return fd;
}

static int write_many(modbus_t *ctx, const struct options *o)
{
	uint8_t bits[MODBUS_MAX_WRITE_BITS] = { 1 };
	uint16_t regs[MODBUS_MAX_WRITE_REGISTERS], in[MODBUS_MAX_WR_READ_REGISTERS];

	for (size_t i = 0; i < sizeof(regs) / sizeof(regs[0]); i++)
		regs[i] = 0x4b53;
	switch (o->function) {
	case 15:
		return modbus_write_bits(ctx, o->address, o->quantity, bits);
	case 16:
		return modbus_write_registers(ctx, o->address, o->quantity, regs);
	default:
		return modbus_write_and_read_registers(ctx, o->address, o->quantity, regs,
						       o->address, o->quantity, in);
	}
}

/* send_raw_request takes unit and PDU; the reply has the size of a whole ADU */
static int transact_raw(modbus_t *ctx, const struct options *o)
{
	uint8_t rsp[MODBUS_TCP_MAX_ADU_LENGTH];
	int len;

	if (modbus_send_raw_request(ctx, (uint8_t *)o->raw, o->raw_len) < 0)
		return -1;
	len = modbus_receive_confirmation(ctx, rsp);
	if (len >= 9 && rsp[7] & 0x80) {
		errno = MODBUS_ENOBASE + rsp[8];
		return -1;
	}
	return len;
}

static int transact(modbus_t *ctx, const struct options *o)
{
	uint8_t bits[MODBUS_MAX_READ_BITS];
	uint16_t regs[MODBUS_MAX_READ_REGISTERS];

	switch (o->function) {
	case 0:
		return transact_raw(ctx, o);
	case 1:
		return modbus_read_bits(ctx, o->address, o->quantity, bits);
	case 2:
		return modbus_read_input_bits(ctx, o->address, o->quantity, bits);
	case 3:
		return modbus_read_registers(ctx, o->address, o->quantity, regs);
	case 4:
		return modbus_read_input_registers(ctx, o->address, o->quantity, regs);
	case 5:
		return modbus_write_bit(ctx, o->address, o->value);
	case 6:
		return modbus_write_register(ctx, o->address, o->value);
	case 15:
	case 16:
	case 23:
		return write_many(ctx, o);
	case 17:
		return modbus_report_slave_id(ctx, sizeof(bits), bits);
	case 22:
		return modbus_mask_write_register(ctx, o->address, 0xf0f0, 0x0101);
	default:
		fprintf(stderr, "function %d: use 'raw'\n", o->function);
		exit(2);
	}
}

static volatile sig_atomic_t ended;

static void end(int sig)
{
	(void)sig;
	ended = 1;
}

static int is_exception(int err)
{
	return err > MODBUS_ENOBASE && err <= MODBUS_ENOBASE + 11;
}

static long long now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ll + ts.tv_nsec;
}

static void run(modbus_t *ctx, const struct options *o, struct totals *t)
{
	for (int i = 0; i < o->loops && !ended; i++) {
		long long begun = now_ns();
		int rc = transact(ctx, o), err = errno;

		if (t->times)
			fprintf(t->times, "%lld\n", now_ns() - begun);
		if (rc >= 0)
			t->ok++;
		else if (is_exception(err))
			t->exceptions++;
		else
			t->lost++;
		if (!o->quiet)
			printf("%d %s\n", i, rc >= 0 ? "ok" : modbus_strerror(err));
		if (rc < 0 && !is_exception(err) && !o->stay) {
			t->lost += o->loops - i - 1;
			return;
		}
		if (o->interval_us)
			usleep(o->interval_us);
	}
}

static int parse_hex(struct options *o, const char *hex)
{
	size_t len = strlen(hex);

	if (len % 2 || len / 2 > sizeof(o->raw))
		return -1;
	for (size_t i = 0; i < len; i += 2) {
		unsigned int byte;

		if (sscanf(hex + i, "%2x", &byte) != 1)
			return -1;
		o->raw[o->raw_len++] = (uint8_t)byte;
	}
	return 0;
}

static int parse_options(int argc, char **argv, struct options *o)
{
	int opt;

	while ((opt = getopt(argc, argv, "p:b:u:n:i:t:w:qk")) != -1) {
		switch (opt) {
		case 'p':
			o->port = optarg;
			break;
		case 'b':
			o->bind = optarg;
			break;
		case 'u':
			o->unit = atoi(optarg);
			break;
		case 'n':
			o->loops = atoi(optarg);
			break;
		case 'i':
			o->interval_us = atoi(optarg);
			break;
		case 't':
			o->timeout_ms = atoi(optarg);
			break;
		case 'w':
			o->times = optarg;
			break;
		case 'q':
			o->quiet = 1;
			break;
		case 'k':
			o->stay = 1;
			break;
		default:
			return -1;
		}
	}
	if (argc - optind < 2)
		return -1;
	o->host = argv[optind];
	if (!strcmp(argv[optind + 1], "raw"))
		return argc - optind == 3 ? parse_hex(o, argv[optind + 2]) : -1;
	o->function = atoi(argv[optind + 1]);
	if (argc - optind > 2)
		o->address = atoi(argv[optind + 2]);
	if (argc - optind > 3)
		o->quantity = o->value = atoi(argv[optind + 3]);
	return 0;
}

int main(int argc, char **argv)
{
	struct options o = {
		.port = "502", .unit = 1, .loops = 1, .timeout_ms = 3000, .quantity = 1, .value = 1
	};
	struct totals t = { 0 };
	modbus_t *ctx;
	int fd;

	if (parse_options(argc, argv, &o)) {
		fputs(usage, stderr);
		return 2;
	}
	fd = connect_to(&o);
	ctx = modbus_new_tcp_pi(o.host, o.port);
	if (fd < 0 || !ctx) {
		printf("{\"ok\":0,\"exceptions\":0,\"lost\":%d,\"error\":\"connect\"}\n", o.loops);
		return 1;
	}
	modbus_set_socket(ctx, fd);
	modbus_set_slave(ctx, o.unit);
	modbus_set_response_timeout(ctx, o.timeout_ms / 1000, o.timeout_ms % 1000 * 1000);
	signal(SIGTERM, end);
	t.times = o.times ? fopen(o.times, "w") : NULL;
	if (o.times && !t.times) {
		perror(o.times);
		return 2;
	}
	run(ctx, &o, &t);
	if (t.times)
		fclose(t.times);
	printf("{\"ok\":%d,\"exceptions\":%d,\"lost\":%d}\n", t.ok, t.exceptions, t.lost);
	modbus_close(ctx);
	modbus_free(ctx);
	return t.lost ? 1 : 0;
}
