// SPDX-License-Identifier: GPL-2.0-only
/*
 * GnuTLS for syslog, see siem_tls.h.
 * Must never wait.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include "options.h"
#include "siem_tls.h"

#define PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

struct siem_tls {
	gnutls_certificate_credentials_t credentials;
	gnutls_session_t session;
	const char *name;
	int fd;
	int again;		/* a record waits inside GnuTLS for room */
	uint64_t written;
	char error[512];
};

static int load_trust(struct siem_tls *t, const char *ca)
{
	int n = ca ? gnutls_certificate_set_x509_trust_file(t->credentials, ca, GNUTLS_X509_FMT_PEM) :
		     gnutls_certificate_set_x509_system_trust(t->credentials);

	if (n > 0)
		return 0;
	complain("no certificates to trust in '%s': %s", ca ? ca : "the system's store",
		 n ? gnutls_strerror(n) : "expected PEM");
	return -1;
}

static int load_own(struct siem_tls *t, const char *cert, const char *key)
{
	int err;

	if (!cert)
		return 0;
	err = gnutls_certificate_set_x509_key_file(t->credentials, cert, key, GNUTLS_X509_FMT_PEM);
	if (err >= 0)
		return 0;
	complain("cannot use certificate '%s' with key '%s': %s", cert, key, gnutls_strerror(err));
	return -1;
}

struct siem_tls *siem_tls_new(const char *ca, const char *cert, const char *key,
			      const char *name)
{
	struct siem_tls *t = calloc(1, sizeof(*t));

	if (!t || gnutls_certificate_allocate_credentials(&t->credentials)) {
		complain("no memory for TLS");
		free(t);
		return NULL;
	}
	t->name = name;
	t->fd = -1;
	if (!load_trust(t, ca) && !load_own(t, cert, key))
		return t;
	siem_tls_free(t);
	return NULL;
}

void siem_tls_free(struct siem_tls *t)
{
	if (!t)
		return;
	siem_tls_end(t);
	gnutls_certificate_free_credentials(t->credentials);
	free(t);
}

static ssize_t push(gnutls_transport_ptr_t arg, const void *data, size_t len)
{
	struct siem_tls *t = arg;
	ssize_t n = send(t->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0)
		gnutls_transport_set_errno(t->session, errno);
	else
		t->written += (uint64_t)n;
	return n;
}

static ssize_t pull(gnutls_transport_ptr_t arg, void *data, size_t len)
{
	struct siem_tls *t = arg;
	ssize_t n = recv(t->fd, data, len, MSG_DONTWAIT);

	if (n < 0)
		gnutls_transport_set_errno(t->session, errno);
	return n;
}

static int is_address(const char *name)
{
	uint8_t bytes[16];

	return inet_pton(AF_INET, name, bytes) == 1 || inet_pton(AF_INET6, name, bytes) == 1;
}

int siem_tls_begin(struct siem_tls *t, int fd)
{
	siem_tls_end(t);
	*t->error = '\0';
	if (gnutls_init(&t->session, GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL))
		return -ENOMEM;
	t->fd = fd;
	t->written = 0;
	t->again = 0;
	if (gnutls_priority_set_direct(t->session, PRIORITIES, NULL) ||
	    gnutls_credentials_set(t->session, GNUTLS_CRD_CERTIFICATE, t->credentials)) {
		siem_tls_end(t);
		return -ENOMEM;
	}
	gnutls_session_set_verify_cert(t->session, t->name, 0);
	if (!is_address(t->name))
		gnutls_server_name_set(t->session, GNUTLS_NAME_DNS, t->name, strlen(t->name));
	gnutls_transport_set_ptr(t->session, t);
	gnutls_transport_set_push_function(t->session, push);
	gnutls_transport_set_pull_function(t->session, pull);
	return 0;
}

void siem_tls_end(struct siem_tls *t)
{
	if (t->session) {
		/* says that nothing was cut off, if there is room for it */
		if (t->fd >= 0)
			gnutls_bye(t->session, GNUTLS_SHUT_WR);
		gnutls_deinit(t->session);
	}
	t->session = NULL;
	t->fd = -1;
}

static int failed(struct siem_tls *t, int err)
{
	gnutls_datum_t words = { 0 };

	if (err == GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR &&
	    !gnutls_certificate_verification_status_print(
		    gnutls_session_get_verify_cert_status(t->session), GNUTLS_CRT_X509, &words, 0))
		snprintf(t->error, sizeof(t->error), "%s", (char *)words.data);
	else if (err == GNUTLS_E_FATAL_ALERT_RECEIVED || err == GNUTLS_E_WARNING_ALERT_RECEIVED)
		snprintf(t->error, sizeof(t->error), "it said: %s",
			 gnutls_alert_get_name(gnutls_alert_get(t->session)));
	else
		snprintf(t->error, sizeof(t->error), "%s", gnutls_strerror(err));
	gnutls_free(words.data);
	return -EPROTO;
}

int siem_tls_shake(struct siem_tls *t)
{
	int err;

	do
		err = gnutls_handshake(t->session);
	while (err == GNUTLS_E_INTERRUPTED || err == GNUTLS_E_WARNING_ALERT_RECEIVED);
	if (err == GNUTLS_E_AGAIN)
		return -EAGAIN;
	return err ? failed(t, err) : 0;
}

int siem_tls_wants_write(const struct siem_tls *t)
{
	return gnutls_record_get_direction(t->session);
}

const char *siem_tls_error(const struct siem_tls *t)
{
	return t->error;
}

ssize_t siem_tls_send(struct siem_tls *t, const void *data, size_t len)
{
	ssize_t n;

	do
		n = gnutls_record_send(t->session, t->again ? NULL : data, t->again ? 0 : len);
	while (n == GNUTLS_E_INTERRUPTED);
	t->again = n == GNUTLS_E_AGAIN;
	if (t->again)
		return -EAGAIN;
	return n < 0 ? failed(t, (int)n) : n;
}

ssize_t siem_tls_recv(struct siem_tls *t, void *data, size_t len)
{
	ssize_t n;

	do
		n = gnutls_record_recv(t->session, data, len);
	while (n == GNUTLS_E_INTERRUPTED || n == GNUTLS_E_WARNING_ALERT_RECEIVED);
	if (n == GNUTLS_E_AGAIN)
		return -EAGAIN;
	/* a receiver may end without a word */
	if (n == GNUTLS_E_PREMATURE_TERMINATION)
		return 0;
	return n < 0 ? failed(t, (int)n) : n;
}

uint64_t siem_tls_written(const struct siem_tls *t)
{
	return t->written;
}
