// SPDX-License-Identifier: GPL-2.0-only
/*
 * Signatures of policies and the keys for them, see signature.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "command.h"
#include "options.h"
#include "signature.h"

#define REQUIRED	"require_signature"
#define WORD_PUBLIC	"ed25519"
#define WORD_SECRET	"ed25519-secret"
#define BASE64		sodium_base64_VARIANT_ORIGINAL
#define LINE		1024
#define KEYS_MAX	64

struct key {
	unsigned char public[crypto_sign_PUBLICKEYBYTES];
	char id[KEY_ID_TEXT];
	char comment[64];
};

struct keys {
	struct key v[KEYS_MAX];
	size_t n;
};

struct signature {
	char id[KEY_ID_TEXT];
	unsigned char bytes[crypto_sign_BYTES];
};

/* What is signed: the word keeps a signature from standing for anything else. */
struct message {
	char word[24];
	uint8_t digest[32];
};

static struct message message_of(const uint8_t digest[32])
{
	struct message m = { .word = "keyswitch policy 1" };

	memcpy(m.digest, digest, sizeof(m.digest));
	return m;
}

static void id_of(char id[KEY_ID_TEXT], const unsigned char public[crypto_sign_PUBLICKEYBYTES])
{
	unsigned char hash[crypto_hash_sha256_BYTES];

	crypto_hash_sha256(hash, public, crypto_sign_PUBLICKEYBYTES);
	sodium_bin2hex(id, KEY_ID_TEXT, hash, KEY_ID_TEXT / 2);
}

static bool from_base64(unsigned char *out, size_t size, const char *text)
{
	const char *end;
	size_t len;

	return !sodium_base642bin(out, size, text, strlen(text), NULL, &len, &end, BASE64) &&
	       !*end && len == size;
}

/* ---- the keys that this gateway takes ---- */

static bool parse_key(struct key *key, const char *line)
{
	char word[16], text[128];
	int comment = 0;

	if (sscanf(line, "%15s %127s %n", word, text, &comment) < 2 ||
	    strcmp(word, WORD_PUBLIC) || !from_base64(key->public, sizeof(key->public), text))
		return false;
	snprintf(key->comment, sizeof(key->comment), "%.*s", (int)strcspn(line + comment, "\r\n"),
		 line + comment);
	id_of(key->id, key->public);
	return true;
}

static bool is_blank(const char *line)
{
	line += strspn(line, " \t\r\n");
	return !*line || *line == '#';
}

static int read_keys(struct keys *keys, FILE *f, const char *path)
{
	char line[LINE];
	int number = 0;

	while (fgets(line, sizeof(line), f)) {
		number++;
		if (is_blank(line))
			continue;
		if (keys->n == KEYS_MAX || !parse_key(&keys->v[keys->n], line)) {
			complain("%s:%d: no public key, expected 'ed25519 BASE64 NAME', at most %d",
				 path, number, KEYS_MAX);
			return EXIT_PROBLEM;
		}
		keys->n++;
	}
	if (keys->n && !ferror(f))
		return EXIT_OK;
	complain("'%s' holds no public key: no policy can come into force", path);
	return EXIT_PROBLEM;
}

/* Who can write the list can take himself in. */
static int check_owner(int fd, const char *path)
{
	struct stat st;

	if (!fstat(fd, &st) && !st.st_uid && !(st.st_mode & (S_IWGRP | S_IWOTH)))
		return EXIT_OK;
	complain("'%s' may be written by others, expected owner root and mode 0644", path);
	return EXIT_PROBLEM;
}

/* No file: none is required, n stays 0. */
static int load_keys(struct keys *keys)
{
	char path[PATH_MAX];
	FILE *f = NULL;
	int fd, rc;

	snprintf(path, sizeof(path), "%s/" REQUIRED, options.state_dir);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return EXIT_OK;
	if (fd >= 0)
		f = fdopen(fd, "r");
	if (!f) {
		complain("cannot read '%s': %s", path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return EXIT_ENVIRONMENT;
	}
	rc = check_owner(fd, path);
	if (!rc)
		rc = read_keys(keys, f, path);
	fclose(f);
	return rc;
}

static const struct key *find_key(const struct keys *keys, const char *id)
{
	for (size_t i = 0; i < keys->n; i++)
		if (!strcmp(keys->v[i].id, id))
			return &keys->v[i];
	return NULL;
}

static void say_expected(const struct keys *keys)
{
	for (size_t i = 0; i < keys->n; i++)
		hint("expected a signature by key %s%s%s%s", keys->v[i].id,
		     *keys->v[i].comment ? " (" : "", keys->v[i].comment,
		     *keys->v[i].comment ? ")" : "");
}

/* ---- check ---- */

static int read_signature(struct signature *s, const char *policy)
{
	char path[PATH_MAX], line[LINE] = "", word[16], text[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s.sig", policy);
	f = fopen(path, "re");
	if (!f) {
		complain("'%s' is not signed: cannot read '%s': %s", policy, path, strerror(errno));
		return EXIT_PROBLEM;
	}
	if (fgets(line, sizeof(line), f) && sscanf(line, "%15s %16s %127s", word, s->id, text) == 3 &&
	    !strcmp(word, WORD_PUBLIC) && from_base64(s->bytes, sizeof(s->bytes), text)) {
		fclose(f);
		return EXIT_OK;
	}
	fclose(f);
	complain("'%s' is no signature, expected 'ed25519 KEY SIGNATURE'", path);
	return EXIT_PROBLEM;
}

static int verify(const struct keys *keys, const struct signature *s, const char *policy,
		  const uint8_t digest[32])
{
	const struct message m = message_of(digest);
	const struct key *key = find_key(keys, s->id);

	if (!key) {
		complain("'%s' is signed by key %s, which this gateway does not take", policy, s->id);
		return EXIT_PROBLEM;
	}
	if (!crypto_sign_verify_detached(s->bytes, (const unsigned char *)&m, sizeof(m),
					 key->public))
		return EXIT_OK;
	complain("the signature of '%s' by key %s does not hold: one of the two was changed", policy,
		 s->id);
	return EXIT_PROBLEM;
}

static int start(void)
{
	if (sodium_init() >= 0)
		return EXIT_OK;
	complain("libsodium does not start");
	return EXIT_ENVIRONMENT;
}

int signature_check(const char *policy, const uint8_t digest[32])
{
	struct keys keys = { 0 };
	struct signature s;
	int rc = start();

	if (!rc)
		rc = load_keys(&keys);
	if (rc || !keys.n)
		return rc;
	rc = read_signature(&s, policy);
	if (!rc)
		rc = verify(&keys, &s, policy, digest);
	if (rc)
		say_expected(&keys);
	return rc;
}

/* ---- keys and signatures made ---- */

/* A new file, or another's place taken as a whole. */
static int write_line(const char *path, mode_t mode, bool replace, const char *line)
{
	char fresh[PATH_MAX + 8];
	int fd, err;

	snprintf(fresh, sizeof(fresh), replace ? "%s.new" : "%s", path);
	fd = open(fresh, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | (replace ? O_TRUNC : O_EXCL),
		  mode);
	err = fd < 0 || write(fd, line, strlen(line)) != (ssize_t)strlen(line) || fsync(fd);
	if (fd >= 0 && close(fd))
		err = 1;
	if (!err && replace)
		err = rename(fresh, path);
	if (!err)
		return EXIT_OK;
	complain("cannot write '%s': %s", path, strerror(errno));
	if (fd >= 0)
		unlink(fresh);
	return EXIT_ENVIRONMENT;
}

static int write_key(const char *name, const char *suffix, mode_t mode, const char *word,
		     const unsigned char *bytes, size_t size)
{
	const char *slash = strrchr(name, '/');
	char path[PATH_MAX], text[128], line[LINE];
	int rc;

	snprintf(path, sizeof(path), "%s%s", name, suffix);
	sodium_bin2base64(text, sizeof(text), bytes, size, BASE64);
	snprintf(line, sizeof(line), "%s %s %.200s\n", word, text, slash ? slash + 1 : name);
	rc = write_line(path, mode, false, line);
	sodium_memzero(text, sizeof(text));
	sodium_memzero(line, sizeof(line));
	return rc;
}

int signature_keygen(const char *name, char id[KEY_ID_TEXT])
{
	unsigned char public[crypto_sign_PUBLICKEYBYTES], secret[crypto_sign_SECRETKEYBYTES];
	char path[PATH_MAX];
	int rc = start();

	if (rc)
		return rc;
	crypto_sign_keypair(public, secret);
	id_of(id, public);
	rc = write_key(name, ".key", 0600, WORD_SECRET, secret, sizeof(secret));
	if (!rc) {
		rc = write_key(name, ".pub", 0644, WORD_PUBLIC, public, sizeof(public));
		/* a secret key without its public one is of no use */
		snprintf(path, sizeof(path), "%s.key", name);
		if (rc)
			unlink(path);
	}
	sodium_memzero(secret, sizeof(secret));
	return rc;
}

static int read_secret(unsigned char secret[crypto_sign_SECRETKEYBYTES], const char *path)
{
	char line[LINE] = "", word[16] = "", text[128] = "";
	FILE *f = fopen(path, "re");
	int rc = EXIT_OK;

	if (!f) {
		complain("cannot read '%s': %s", path, strerror(errno));
		return EXIT_PROBLEM;
	}
	if (!fgets(line, sizeof(line), f) || sscanf(line, "%15s %127s", word, text) != 2 ||
	    strcmp(word, WORD_SECRET) || !from_base64(secret, crypto_sign_SECRETKEYBYTES, text)) {
		complain("'%s' is no secret key, expected one that 'keyswitch keygen' made", path);
		rc = EXIT_PROBLEM;
	}
	fclose(f);
	sodium_memzero(line, sizeof(line));
	sodium_memzero(text, sizeof(text));
	return rc;
}

int signature_make(const char *policy, const uint8_t digest[32], const char *key,
		   char id[KEY_ID_TEXT])
{
	unsigned char secret[crypto_sign_SECRETKEYBYTES], public[crypto_sign_PUBLICKEYBYTES];
	const struct message m = message_of(digest);
	char path[PATH_MAX], text[128], line[LINE];
	unsigned char bytes[crypto_sign_BYTES];
	int rc = start();

	if (!rc)
		rc = read_secret(secret, key);
	if (rc)
		return rc;
	crypto_sign_detached(bytes, NULL, (const unsigned char *)&m, sizeof(m), secret);
	crypto_sign_ed25519_sk_to_pk(public, secret);
	sodium_memzero(secret, sizeof(secret));
	id_of(id, public);
	sodium_bin2base64(text, sizeof(text), bytes, sizeof(bytes), BASE64);
	snprintf(line, sizeof(line), WORD_PUBLIC " %s %s\n", id, text);
	snprintf(path, sizeof(path), "%s.sig", policy);
	return write_line(path, 0644, true, line);
}
