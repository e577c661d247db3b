// SPDX-License-Identifier: GPL-2.0-only
/*
 * GET /metrics over HTTP, see http.h.
 * Must not know what the text says.
 */
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <microhttpd.h>

#include "command.h"
#include "endpoint.h"
#include "http.h"
#include "options.h"

#define CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"
#define CONNECTIONS 16
#define IDLE_SECONDS 10

static enum MHD_Result reply(struct MHD_Connection *connection, unsigned int status, char *text,
			     size_t size)
{
	struct MHD_Response *r;
	enum MHD_Result result;

	r = MHD_create_response_from_buffer(size, text, MHD_RESPMEM_MUST_COPY);
	if (!r)
		return MHD_NO;
	MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, CONTENT_TYPE);
	result = MHD_queue_response(connection, status, r);
	MHD_destroy_response(r);
	return result;
}

static enum MHD_Result metrics(struct http *http, struct MHD_Connection *connection)
{
	char *text = NULL, failed[] = "the counters are not readable\n";
	enum MHD_Result result;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	int err;

	if (!out)
		return MHD_NO;
	err = http->write(out, http->arg);
	if (fclose(out))
		err = -ENOMEM;
	if (err)
		result = reply(connection, MHD_HTTP_SERVICE_UNAVAILABLE, failed, strlen(failed));
	else
		result = reply(connection, MHD_HTTP_OK, text, size);
	free(text);
	return result;
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url,
				  const char *method, const char *version, const char *data,
				  size_t *size, void **state)
{
	char lost[] = "only /metrics is here\n", refused[] = "only GET\n";

	(void)version;
	(void)data;
	(void)size;
	(void)state;
	if (strcmp(method, MHD_HTTP_METHOD_GET))
		return reply(connection, MHD_HTTP_METHOD_NOT_ALLOWED, refused, strlen(refused));
	if (strcmp(url, "/metrics"))
		return reply(connection, MHD_HTTP_NOT_FOUND, lost, strlen(lost));
	return metrics(arg, connection);
}

int http_open(struct http *http, const char *listen, int (*write)(FILE *out, void *arg), void *arg)
{
	struct sockaddr_storage addr;
	unsigned int flags = MHD_USE_EPOLL;

	http->write = write;
	http->arg = arg;
	if (!endpoint_parse(listen, &addr)) {
		complain("'%s' is no address to listen on, expected ADDRESS:PORT", listen);
		return EXIT_USAGE;
	}
	if (addr.ss_family == AF_INET6)
		flags |= MHD_USE_IPv6;
	http->daemon = MHD_start_daemon(flags, 0, NULL, NULL, on_request, http,
					MHD_OPTION_SOCK_ADDR, &addr,
					MHD_OPTION_CONNECTION_LIMIT, (unsigned int)CONNECTIONS,
					MHD_OPTION_CONNECTION_TIMEOUT, (unsigned int)IDLE_SECONDS,
					MHD_OPTION_LISTENING_ADDRESS_REUSE, 1u, MHD_OPTION_END);
	if (http->daemon)
		return EXIT_OK;
	complain("cannot listen on '%s': %s", listen, strerror(errno));
	return EXIT_ENVIRONMENT;
}

void http_close(struct http *http)
{
	if (http->daemon)
		MHD_stop_daemon(http->daemon);
	http->daemon = NULL;
}

int http_fd(const struct http *http)
{
	return MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
}

void http_run(struct http *http)
{
	MHD_run(http->daemon);
}

int http_timeout(const struct http *http)
{
	MHD_UNSIGNED_LONG_LONG ms;

	if (MHD_get_timeout(http->daemon, &ms) != MHD_YES)
		return -1;
	return ms > INT_MAX ? INT_MAX : (int)ms;
}
