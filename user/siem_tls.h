/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * TLS 1.2 and 1.3 by GnuTLS on a socket that does not block, for syslog (RFC 5425). The
 * receiver is always verified. Must not open or close sockets.
 */
#ifndef KEYSWITCH_SIEM_TLS_H
#define KEYSWITCH_SIEM_TLS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct siem_tls;

/* Files are read now. NULL: message printed. name: a DNS name or an address. */
struct siem_tls *siem_tls_new(const char *ca, const char *cert, const char *key,
			      const char *name);
void siem_tls_free(struct siem_tls *t);

/* A new session on a connected socket; 0 or a negative errno. */
int siem_tls_begin(struct siem_tls *t, int fd);
void siem_tls_end(struct siem_tls *t);

/* 0: done; -EAGAIN: go on when the socket is ready; else siem_tls_error() says why not. */
int siem_tls_shake(struct siem_tls *t);
/* Does the handshake wait for room to write? */
int siem_tls_wants_write(const struct siem_tls *t);
const char *siem_tls_error(const struct siem_tls *t);

/* Bytes, or a negative errno; after -EAGAIN the same bytes have to be offered again. */
ssize_t siem_tls_send(struct siem_tls *t, const void *data, size_t len);
ssize_t siem_tls_recv(struct siem_tls *t, void *data, size_t len);
/* Bytes given to the socket so far, records and all. */
uint64_t siem_tls_written(const struct siem_tls *t);

#endif
