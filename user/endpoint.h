/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * "ADDRESS:PORT" as a socket address. Must not resolve names: that would wait.
 */
#ifndef KEYSWITCH_ENDPOINT_H
#define KEYSWITCH_ENDPOINT_H

#include <stdbool.h>
#include <sys/socket.h>

/* "10.1.2.3:502" or "[fd00::1]:502" */
bool endpoint_parse(const char *text, struct sockaddr_storage *out);
socklen_t endpoint_len(const struct sockaddr_storage *addr);

#endif
