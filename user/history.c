// SPDX-License-Identifier: GPL-2.0-only
/*
 * The history of policies on disk, see history.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <nettle/sha2.h>

#include "history.h"
#include "options.h"
#include "results.h"

#define POLICY_BYTES_MAX (64u << 20)
#define TIME_TEXT	32
#define TIME_FORMAT	"%Y-%m-%dT%H:%M:%SZ"
#define BOOT		"boot"
#define POLICIES	"policies/"
#define OBJECTS		"objects/"

static int fail(const char *what, const char *path)
{
	complain("cannot %s '%s': %s", what, path, strerror(errno));
	return -1;
}

static void state_path(char path[PATH_MAX], const char *name)
{
	snprintf(path, PATH_MAX, "%s/%s", options.state_dir, name);
}

void history_copy(const char *digest, char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s/policies/%s.yaml", options.state_dir, digest);
}

/* The directory STATE_DIR/<name>/ and all above it. */
static int make_directories(const char *name)
{
	char path[PATH_MAX];

	state_path(path, name);
	for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(path, strlen(path) < strlen(options.state_dir) ? 0755 : 0750) &&
		    errno != EEXIST)
			return fail("make the directory", path);
		*slash = '/';
	}
	return 0;
}

/* The names in a directory are on disk. */
static int sync_directory(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), err;

	if (fd < 0)
		return -1;
	err = fsync(fd);
	close(fd);
	return err;
}

static int write_all(int fd, const void *bytes, size_t len)
{
	for (const char *at = bytes; len;) {
		ssize_t n = write(fd, at, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

/* The file's bytes from malloc(), NULL after saying why. */
static char *read_policy(const char *path, size_t *len)
{
	FILE *f = fopen(path, "re");
	struct stat st;
	char *bytes = NULL;

	if (!f || fstat(fileno(f), &st)) {
		fail("read", path);
	} else if (st.st_size >= 0 && st.st_size <= POLICY_BYTES_MAX) {
		bytes = malloc((size_t)st.st_size + 1);
		*len = bytes ? fread(bytes, 1, (size_t)st.st_size, f) : 0;
	}
	if (f)
		fclose(f);
	return bytes;
}

static void digest_of(uint8_t digest[SHA256_DIGEST_SIZE], const void *bytes, size_t len)
{
	struct sha256_ctx ctx;

	sha256_init(&ctx);
	sha256_update(&ctx, len, bytes);
	sha256_digest(&ctx, SHA256_DIGEST_SIZE, digest);
}

/* A whole file or none: written beside its place, then renamed. */
static int write_file(const char *path, const void *bytes, size_t len)
{
	char temporary[PATH_MAX + 8], folder[PATH_MAX];
	int fd, err;

	/* one name: what a power cut leaves is written over */
	snprintf(temporary, sizeof(temporary), "%s.new", path);
	fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return fail("write", temporary);
	err = write_all(fd, bytes, len) || fsync(fd);
	if (close(fd) || err || rename(temporary, path)) {
		fail("write", path);
		unlink(temporary);
		return -1;
	}
	snprintf(folder, sizeof(folder), "%.*s", (int)(strrchr(path, '/') - path), path);
	return sync_directory(folder) ? fail("write", folder) : 0;
}

/* Beside the copy, before it: a copy without its signature might be of no use. */
static int keep_signature(const char *from, const char *copy)
{
	char source[PATH_MAX + 8], target[PATH_MAX + 8], *bytes;
	size_t len = 0;
	int err;

	snprintf(source, sizeof(source), "%s.sig", from);
	snprintf(target, sizeof(target), "%s.sig", copy);
	if (access(source, F_OK) || !strcmp(from, copy))
		return 0;
	bytes = read_policy(source, &len);
	if (!bytes)
		return -1;
	err = write_file(target, bytes, len);
	free(bytes);
	return err;
}

int history_keep(const char *from, const uint8_t digest[32])
{
	uint8_t found[SHA256_DIGEST_SIZE];
	char path[PATH_MAX], text[DIGEST_TEXT];
	size_t len = 0;
	char *bytes;
	int err;

	digest_text(text, digest);
	history_copy(text, path);
	if (make_directories(POLICIES))
		return -1;
	if (keep_signature(from, path))
		return -1;
	if (!access(path, F_OK))
		return 0;
	bytes = read_policy(from, &len);
	if (!bytes)
		return -1;
	digest_of(found, bytes, len);
	err = memcmp(found, digest, sizeof(found)) ? -1 : write_file(path, bytes, len);
	if (err && memcmp(found, digest, sizeof(found)))
		complain("'%s' changed while it was read", from);
	free(bytes);
	return err;
}

/* Who: behind sudo the one who called it. */
static const char *user_name(void)
{
	const char *sudo = getenv("SUDO_USER");
	const struct passwd *pw;

	if (sudo && *sudo && !geteuid())
		return sudo;
	pw = getpwuid(getuid());
	return pw ? pw->pw_name : "";
}

static void time_text(char text[TIME_TEXT], time_t at)
{
	struct tm utc;

	gmtime_r(&at, &utc);
	strftime(text, TIME_TEXT, TIME_FORMAT, &utc);
}

/* When, who and what; the rest is the change's own. */
static json_t *describe(const char *action, const char *file, const char *note)
{
	char when[TIME_TEXT], path[PATH_MAX];

	time_text(when, time(NULL));
	return json_pack("{s:s, s:s, s:s, s:i, s:s, s:s*}", "time", when, "action", action, "user",
			 user_name(), "uid", (int)getuid(), "file",
			 realpath(file, path) ? path : file, "note", note);
}

/* A power cut may have left the last line without its end. */
static bool is_cut(int fd)
{
	char last = '\n';
	off_t end = lseek(fd, 0, SEEK_END);

	return end > 0 && pread(fd, &last, 1, end - 1) == 1 && last != '\n';
}

static int append(const char *line)
{
	char path[PATH_MAX];
	int fd, err;

	state_path(path, "history");
	fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (fd < 0)
		return fail("open", path);
	err = (is_cut(fd) && write_all(fd, "\n", 1)) || write_all(fd, line, strlen(line)) ||
	      fsync(fd);
	if (err)
		fail("write", path);
	close(fd);
	return err || sync_directory(options.state_dir) ? -1 : 0;
}

int history_check_copy(const char *path, const uint8_t digest[32])
{
	char text[DIGEST_TEXT];

	digest_text(text, digest);
	if (strstr(path, text))
		return 0;
	complain("'%s' is not what was in force: its SHA-256 is %s", path, text);
	return -1;
}

bool history_intact(const char *path)
{
	uint8_t digest[SHA256_DIGEST_SIZE];
	char text[DIGEST_TEXT];
	size_t len = 0;
	char *bytes = access(path, R_OK) ? NULL : read_policy(path, &len);

	if (!bytes)
		return false;
	digest_of(digest, bytes, len);
	free(bytes);
	digest_text(text, digest);
	return strstr(path, text);
}

/* The entry as a line; it is released. */
static int append_entry(json_t *entry)
{
	char *text = entry ? json_dumps(entry, JSON_COMPACT) : NULL, *line = NULL;
	int err = -1;

	if (text && asprintf(&line, "%s\n", text) >= 0)
		err = append(line);
	free(line);
	free(text);
	json_decref(entry);
	return err;
}

/* The link is the old one or the new one, whenever the power goes. */
static int point_boot(const char *digest)
{
	char link[PATH_MAX], fresh[PATH_MAX], target[PATH_MAX];

	state_path(link, BOOT);
	state_path(fresh, BOOT ".new");
	snprintf(target, sizeof(target), "policies/%s.yaml", digest);
	if (unlink(fresh) && errno != ENOENT)
		return fail("remove", fresh);
	if (symlink(target, fresh) || rename(fresh, link))
		return fail("write", link);
	return sync_directory(options.state_dir) ? fail("write", link) : 0;
}

int history_boot(char path[PATH_MAX])
{
	char link[PATH_MAX];

	state_path(link, BOOT);
	return realpath(link, path) ? 0 : -1;
}

int history_record(const struct history_change *change)
{
	char digest[DIGEST_TEXT];
	json_t *entry;
	int err;

	digest_text(digest, change->digest);
	if (history_keep(change->path, change->digest))
		return -1;
	entry = describe(change->action, change->path, change->note);
	json_object_set_new(entry, "generation", json_integer(change->generation));
	json_object_set_new(entry, "digest", json_string(digest));
	if (change->trial)
		json_object_set_new(entry, "trial", json_integer(change->trial));
	err = append_entry(entry);
	if (!err && !change->trial)
		err = point_boot(digest);
	return err;
}

static int keep_object(const void *object, size_t size, char digest[DIGEST_TEXT])
{
	uint8_t raw[SHA256_DIGEST_SIZE];
	char name[DIGEST_TEXT + 32], path[PATH_MAX];

	digest_of(raw, object, size);
	digest_text(digest, raw);
	snprintf(name, sizeof(name), OBJECTS "%s.bpf.o", digest);
	state_path(path, name);
	if (make_directories(OBJECTS))
		return -1;
	return access(path, F_OK) ? write_file(path, object, size) : 0;
}

int history_keep_object(const void *object, size_t size)
{
	char digest[DIGEST_TEXT];

	return keep_object(object, size, digest);
}

int history_upgrade(const char *path, const void *object, size_t size)
{
	char digest[DIGEST_TEXT];
	json_t *entry;

	if (keep_object(object, size, digest))
		return -1;
	entry = describe("upgrade", path, NULL);
	json_object_set_new(entry, "object", json_string(digest));
	return append_entry(entry);
}

static const char *text_of(const json_t *change, const char *key)
{
	const char *text = json_string_value(json_object_get(change, key));

	return text ? text : "";
}

/* A trial ends by `confirm` or `rollback`; whatever else came next came after its time. */
static bool ended_by_word(const json_t *next)
{
	return !strcmp(text_of(next, "action"), "confirm") ||
	       !strcmp(text_of(next, "action"), "rollback");
}

/* The change that the clock made, between a trial and what came after it (NULL: nothing). */
static json_t *expiry(const json_t *trial, const json_t *next, const json_t *before)
{
	json_int_t seconds = json_integer_value(json_object_get(trial, "trial"));
	char when[TIME_TEXT];
	struct tm utc = { 0 };
	time_t at;

	if (!seconds || !strptime(text_of(trial, "time"), TIME_FORMAT, &utc))
		return NULL;
	at = timegm(&utc) + seconds;
	time_text(when, at);
	if (next ? ended_by_word(next) && strcmp(text_of(next, "time"), when) <= 0 :
		   at > time(NULL))
		return NULL;
	if (next && strcmp(text_of(next, "time"), when) < 0) /* a new attach */
		snprintf(when, sizeof(when), "%s", text_of(next, "time"));
	return json_pack("{s:s, s:s, s:s, s:O*, s:O*}", "time", when, "action", "expired", "user",
			 "", "generation", json_object_get(before, "generation"), "digest",
			 json_object_get(before, "digest"));
}

static json_t *with_expiries(json_t *all)
{
	json_t *whole = json_array(), *before = NULL, *one;
	size_t i;

	json_array_foreach(all, i, one) {
		json_t *end = expiry(one, json_array_get(all, i + 1), before);

		json_array_append(whole, one);
		if (end)
			json_array_append_new(whole, end);
		if (!json_object_get(one, "trial"))
			before = one;
	}
	json_decref(all);
	return whole;
}

/* A line that a power cut left unfinished is no change. */
json_t *history_read(void)
{
	json_t *all = json_array(), *entry;
	char path[PATH_MAX], *line = NULL;
	size_t room = 0;
	FILE *f;

	state_path(path, "history");
	f = fopen(path, "re");
	if (!f && errno != ENOENT) {
		fail("read", path);
		json_decref(all);
		return NULL;
	}
	while (f && getline(&line, &room, f) > 0) {
		entry = json_loads(line, 0, NULL);
		if (json_is_object(entry))
			json_array_append(all, entry);
		json_decref(entry);
	}
	free(line);
	if (f)
		fclose(f);
	return with_expiries(all);
}

int history_before(const char *digest, char path[PATH_MAX])
{
	json_t *all = history_read();
	const char *other = NULL;
	bool seen = false;

	for (size_t i = json_array_size(all); i-- && !other;) {
		json_t *change = json_array_get(all, i);
		const char *one = json_string_value(json_object_get(change, "digest"));

		if (json_object_get(change, "trial"))
			continue;
		if (one && !strcmp(one, digest))
			seen = true;
		else if (one && seen)
			other = one;
	}
	if (other)
		history_copy(other, path);
	else if (all)
		complain("no policy before the one in force in '%s'", options.state_dir);
	json_decref(all);
	return other ? 0 : -1;
}
