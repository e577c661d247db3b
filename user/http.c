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

#include "clock.h"
#include "command.h"
#include "endpoint.h"
#include "exposition.h"
#include "http.h"
#include "options.h"

#define PLAIN "text/plain; version=0.0.4; charset=utf-8"
#define OPENMETRICS "application/openmetrics-text; version=1.0.0; charset=utf-8"
/*
 * From a connection's begin to its end. While every place is taken others wait for one, and
 * whoever does not ask at once or take the answer has to go.
 */
#define LONGEST_MS 10000
#define FULL_ANSWER_MS 2000
#define FULL_ASK_MS 200
#define REQUEST_BYTES 8192	/* kept of a request, and of the head of its answer */

/* ---- clients ---- */

/* The library sees the end of the connection and closes it. */
static void cut(struct http *http, struct http_client *c)
{
	c->ended = true;
	http->cut++;
	shutdown(c->fd, SHUT_RDWR);
}

static void on_connection(void *arg, struct MHD_Connection *connection, void **context,
			  enum MHD_ConnectionNotificationCode code)
{
	struct http *http = arg;

	if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
		if (*context)
			((struct http_client *)*context)->fd = -1;
		*context = NULL;
		http->closed = true;
		return;
	}
	for (size_t i = 0; i < HTTP_CLIENTS && !*context; i++) {
		if (http->clients[i].fd >= 0)
			continue;
		http->clients[i] = (struct http_client){
			.fd = MHD_get_connection_info(connection,
						      MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd,
			.since = clock_monotonic(),
		};
		*context = &http->clients[i];
	}
}

static uint64_t allowed_ns(const struct http_client *c, bool full)
{
	if (!full)
		return LONGEST_MS * 1000000ull;
	return (c->asked ? FULL_ANSWER_MS : FULL_ASK_MS) * 1000000ull;
}

/* Ends those whose time is over; ms until the next one's is, -1 = there is none. */
static int end_old(struct http *http)
{
	uint64_t now = clock_monotonic(), next = UINT64_MAX;
	size_t n = 0;

	for (size_t i = 0; i < HTTP_CLIENTS; i++)
		n += http->clients[i].fd >= 0;
	for (size_t i = 0; i < HTTP_CLIENTS; i++) {
		struct http_client *c = &http->clients[i];
		uint64_t end = c->since + allowed_ns(c, n == HTTP_CLIENTS);

		if (c->fd < 0 || c->ended)
			continue;
		if (now >= end)
			cut(http, c);
		else if (end - now < next)
			next = end - now;
	}
	return next == UINT64_MAX ? -1 : (int)(next / 1000000u) + 1;
}

/* ---- answers ---- */

static struct MHD_Response *response(char *text, size_t size, enum MHD_ResponseMemoryMode mode,
				     const char *type)
{
	struct MHD_Response *r = MHD_create_response_from_buffer(size, text, mode);

	if (!r)
		return NULL;
	MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	/* a connection is for one question: none waits for the next with nothing to do */
	MHD_add_response_header(r, MHD_HTTP_HEADER_CONNECTION, "close");
	return r;
}

static enum MHD_Result refuse(struct MHD_Connection *connection, unsigned int status,
			      const char *text)
{
	struct MHD_Response *r = response((char *)text, strlen(text), MHD_RESPMEM_PERSISTENT, PLAIN);
	enum MHD_Result result = r ? MHD_queue_response(connection, status, r) : MHD_NO;

	if (r)
		MHD_destroy_response(r);
	return result;
}

static void drop(struct http_text *text)
{
	if (text->response)
		MHD_destroy_response(text->response);
	text->response = NULL;
}

/*
 * Making a text reads the whole instance. One that cost so much of the CPU is good for as
 * long again, so that scrapers never have more than half of it; that somebody else had the
 * CPU meanwhile makes no text older.
 */
static struct MHD_Response *fresh(struct http *http, bool openmetrics)
{
	struct http_text *text = &http->texts[openmetrics];
	uint64_t spent = clock_spent();
	char *bytes = NULL;
	size_t size = 0;
	FILE *out;
	int err;

	if (text->response && clock_monotonic() < text->until)
		return text->response;
	drop(text);
	out = open_memstream(&bytes, &size);
	if (!out)
		return NULL;
	err = http->write(out, openmetrics, http->arg);
	if (!fclose(out) && !err)
		text->response = response(bytes, size, MHD_RESPMEM_MUST_FREE,
					  openmetrics ? OPENMETRICS : PLAIN);
	if (!text->response)
		free(bytes);
	text->until = clock_monotonic() + clock_spent() - spent;
	return text->response;
}

static enum MHD_Result metrics(struct http *http, struct MHD_Connection *connection)
{
	const char *accept = MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
							 MHD_HTTP_HEADER_ACCEPT);
	struct MHD_Response *r = fresh(http, exposition_wants_openmetrics(accept));

	if (!r)
		return refuse(connection, MHD_HTTP_SERVICE_UNAVAILABLE,
			      "the counters are not readable\n");
	http->answered++;
	return MHD_queue_response(connection, MHD_HTTP_OK, r);
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url,
				  const char *method, const char *version, const char *data,
				  size_t *size, void **state)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	(void)version;
	(void)data;
	(void)size;
	(void)state;
	if (info && info->socket_context)
		((struct http_client *)info->socket_context)->asked = true;
	if (strcmp(method, MHD_HTTP_METHOD_GET) && strcmp(method, MHD_HTTP_METHOD_HEAD))
		return refuse(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD\n");
	if (strcmp(url, "/metrics"))
		return refuse(connection, MHD_HTTP_NOT_FOUND, "only /metrics is here\n");
	return metrics(arg, connection);
}

int http_open(struct http *http, const char *listen, http_write write, void *arg)
{
	struct sockaddr_storage addr;
	unsigned int flags = MHD_USE_EPOLL;

	*http = (struct http){ .write = write, .arg = arg };
	for (size_t i = 0; i < HTTP_CLIENTS; i++)
		http->clients[i].fd = -1;
	if (!endpoint_parse(listen, &addr)) {
		complain("'%s' is no address to listen on, expected ADDRESS:PORT", listen);
		return EXIT_USAGE;
	}
	if (addr.ss_family == AF_INET6)
		flags |= MHD_USE_IPv6;
	http->daemon = MHD_start_daemon(flags, 0, NULL, NULL, on_request, http,
					MHD_OPTION_SOCK_ADDR, &addr,
					MHD_OPTION_CONNECTION_LIMIT, (unsigned int)HTTP_CLIENTS,
					MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)REQUEST_BYTES,
					MHD_OPTION_NOTIFY_CONNECTION, on_connection, http,
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
	drop(&http->texts[0]);
	drop(&http->texts[1]);
}

int http_fd(const struct http *http)
{
	return MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
}

void http_run(struct http *http)
{
	end_old(http);
	http->closed = false;
	MHD_run(http->daemon);
	/* with every place taken it had stopped to listen, and looks at that in its next run */
	if (http->closed)
		MHD_run(http->daemon);
}

int http_timeout(struct http *http)
{
	MHD_UNSIGNED_LONG_LONG ms;
	int old = end_old(http);

	if (MHD_get_timeout(http->daemon, &ms) != MHD_YES || (old >= 0 && ms > (unsigned int)old))
		return old;
	return ms > INT_MAX ? INT_MAX : (int)ms;
}
