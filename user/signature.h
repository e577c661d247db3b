/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Signed policies (ed25519, libsodium): POLICY.sig beside POLICY, over the policy's
 * SHA-256. STATE_DIR/require_signature holds the public keys that a gateway takes; while
 * it is there nothing else comes into force. Must not read a policy itself.
 */
#ifndef KEYSWITCH_SIGNATURE_H
#define KEYSWITCH_SIGNATURE_H

#include <stdint.h>

#define KEY_ID_TEXT 17	/* 16 hex digits: the key's SHA-256 begins with them */

/*
 * May this policy come into force here? EXIT_OK, also where no signature is required, or
 * another code after saying which key was expected.
 */
int signature_check(const char *policy, const uint8_t digest[32]);

/* Writes NAME.key and NAME.pub, which must not be there. An enum exit_code, message printed. */
int signature_keygen(const char *name, char id[KEY_ID_TEXT]);
/* Writes POLICY.sig, made with the secret key of a file. Likewise. */
int signature_make(const char *policy, const uint8_t digest[32], const char *key,
		   char id[KEY_ID_TEXT]);

#endif
