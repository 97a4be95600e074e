/* SPDX-License-Identifier: MIT */
/* auth.c - which name and password belong to a registry */
#include "cmd/vk-pull/auth.h"

#include "cmd/vk-pull/helper.h"
#include "cmd/vk-pull/json.h"
#include "common/buf.h"
#include "common/io.h"
#include "common/scope.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

/* A file of logins. */
#define FILE_MAX  (1u << 20)
#define PATH_SIZE 4096

/* ---- secrets ------------------------------------------------------------ */

static void
wipe(char **at)
{
	if (*at)
		explicit_bzero(*at, strlen(*at));
	free(*at);
	*at = NULL;
}

void
credentials_release(struct credentials *c)
{
	wipe(&c->name);
	wipe(&c->password);
	wipe(&c->identity_token);
}

char *
credentials_basic(const struct credentials *c)
{
	struct buf plain = BUF_INIT(64u << 10);
	char *header;
	size_t len;

	buf_printf(&plain, "%s:%s", c->name, c->password ? c->password : "");
	len = 4 * ((plain.len + 2) / 3);
	header = malloc(6 + len + 1);
	if (header && !plain.failed) {
		memcpy(header, "Basic ", 6);
		EVP_EncodeBlock((unsigned char *)header + 6,
		    (const unsigned char *)plain.data, (int)plain.len);
	}
	if (plain.data)
		explicit_bzero(plain.data, plain.len);
	buf_release(&plain);
	return header;
}

/* "NAME:PASSWORD" */
static int
split(const char *text, struct credentials *c)
{
	const char *colon = strchr(text, ':');

	if (!colon || colon == text)
		return -1;
	c->name = strndup(text, (size_t)(colon - text));
	c->password = strdup(colon + 1);
	return c->name && c->password ? 0 : -1;
}

/* The "auth" member: base64 of the same. */
static int
decode(const char *text, struct credentials *c)
{
	size_t len = strlen(text);
	unsigned char *plain = calloc(1, len + 4);
	int rc = -1;

	if (plain && len % 4 == 0 && len < FILE_MAX &&
	    EVP_DecodeBlock(plain, (const unsigned char *)text, (int)len) >= 0)
		rc = split((char *)plain, c);
	if (plain)
		explicit_bzero(plain, len);
	free(plain);
	return rc;
}

/* ---- keys --------------------------------------------------------------- */

/* Whether a key of "auths" or "credHelpers" means place (HOST or
 * HOST/REPOSITORY): docker writes URLs, others do not. */
static bool
means(const char *key, const char *place)
{
	size_t len = strlen(place);

	if (strncmp(key, "https://", 8) == 0)
		key += 8;
	else if (strncmp(key, "http://", 7) == 0)
		key += 7;
	if (strcmp(place, "docker.io") == 0 &&
	    strncmp(key, "index.docker.io", 15) == 0)
		key += 6;
	if (strncmp(key, place, len) != 0)
		return false;
	key += len;
	return *key == '\0' || strcmp(key, "/") == 0 ||
	       strcmp(key, "/v1/") == 0 || strcmp(key, "/v2/") == 0 ||
	       strcmp(key, "/v1") == 0;
}

static json_t *
find_key(json_t *object, const char *place)
{
	const char *key;
	json_t *entry;

	json_object_foreach(
	    object, key, entry) if (means(key, place)) return entry;
	return NULL;
}

/* ---- one file ----------------------------------------------------------- */

/* Returns 1 if the helper knows, 0 if it does not, -1 with err. */
static int
ask_helper(const char *name, const struct auth_wanted *w, struct credentials *c,
    struct err *e)
{
	struct helper helper = {
	    .name = name,
	    .server = strcmp(w->host, "docker.io") == 0
			  ? "https://index.docker.io/v1/"
			  : w->host,
	    .timeout_ms = w->timeout_ms,
	};
	cleanup_json json_t *j = NULL;
	struct buf answer = BUF_INIT(64u << 10);
	int known = helper_get(&helper, &answer, e);

	if (known <= 0) {
		buf_release(&answer);
		return known;
	}
	j = json_parse(answer.data ? answer.data : "", answer.len, "answer",
	    &limits_default, e);
	if (answer.data)
		explicit_bzero(answer.data, answer.len);
	buf_release(&answer);
	if (!j)
		return err_prefix(e, "docker-credential-%s", name);
	if (strcmp(json_text(j, "Username"), "<token>") == 0) {
		c->identity_token = strdup(json_text(j, "Secret"));
	} else {
		c->name = strdup(json_text(j, "Username"));
		c->password = strdup(json_text(j, "Secret"));
	}
	return 1;
}

/* Returns 1 if j's auths know place, 0 if not, -1 with err. */
static int
ask_auths(json_t *j, const char *place, struct credentials *c, struct err *e)
{
	json_t *entry = find_key(json_object_get(j, "auths"), place);
	const char *text = json_text(entry, "auth");
	const char *token = json_text(entry, "identitytoken");

	if (token[0]) {
		c->identity_token = strdup(token);
		return 1;
	}
	if (text[0]) {
		if (decode(text, c) == 0)
			return 1;
		return err_set(e, EX_CONFIG,
		    "auths: %s: 'auth' is not "
		    "NAME:PASSWORD in base64",
		    place);
	}
	if (json_text(entry, "username")[0]) {
		c->name = strdup(json_text(entry, "username"));
		c->password = strdup(json_text(entry, "password"));
		return 1;
	}
	return 0;
}

static int
ask_file(json_t *j, const struct auth_wanted *w, struct credentials *c,
    struct err *e)
{
	char place[1024];
	json_t *helper = find_key(json_object_get(j, "credHelpers"), w->host);
	const char *store = json_text(j, "credsStore");
	int rc;

	if (json_string_value(helper))
		return ask_helper(json_string_value(helper), w, c, e);
	/* HOST/a/b, HOST/a, HOST: the longest that there is. */
	snprintf(place, sizeof(place), "%s/%s", w->host, w->name);
	for (;;) {
		char *slash = strrchr(place, '/');

		rc = ask_auths(j, place, c, e);
		if (rc != 0 || !slash)
			break;
		*slash = '\0';
	}
	if (rc != 0)
		return rc;
	return store[0] ? ask_helper(store, w, c, e) : 0;
}

static int
try_file(const char *path, const struct auth_wanted *w, struct credentials *c,
    struct err *e)
{
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	cleanup_free char *text = NULL;
	cleanup_json json_t *j = NULL;
	ssize_t len;
	int rc;

	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR
			   ? 0
			   : err_errno(e, 0, "%s", path);
	text = malloc(FILE_MAX);
	if (!text)
		return err_set(e, EX_OSERR, "out of memory");
	len = io_read(fd, text, FILE_MAX);
	if (len < 0)
		return err_errno(e, EX_IOERR, "%s", path);
	j = json_parse(text, (size_t)len, path, &limits_default, e);
	explicit_bzero(text, (size_t)len);
	if (!j) {
		e->status = EX_CONFIG;
		return -1;
	}
	rc = ask_file(j, w, c, e);
	return rc < 0 ? err_prefix(e, "%s", path) : rc;
}

/* ---- all of them -------------------------------------------------------- */

static void
file_name(char *into, const char *variable, const char *behind)
{
	const char *folder = getenv(variable);

	into[0] = '\0';
	if (folder && folder[0])
		snprintf(into, PATH_SIZE, "%s%s", folder, behind);
}

int
auth_find(
    const struct auth_wanted *wanted, struct credentials *c, struct err *e)
{
	static const struct {
		const char *variable, *behind;
	} files[] = {
	    {"REGISTRY_AUTH_FILE", ""},
	    {"XDG_RUNTIME_DIR", "/containers/auth.json"},
	    {"XDG_CONFIG_HOME", "/containers/auth.json"},
	    {"HOME", "/.config/containers/auth.json"},
	    {"DOCKER_CONFIG", "/config.json"},
	    {"HOME", "/.docker/config.json"},
	};
	struct auth_wanted w = *wanted;
	char path[PATH_SIZE];
	int rc = 0;

	*c = (struct credentials){0};
	if (w.user) {
		if (split(w.user, c) < 0)
			return err_set(
			    e, EX_USAGE, "--user: not NAME:PASSWORD");
		return 0;
	}
	if (strcmp(w.host, "registry-1.docker.io") == 0)
		w.host = "docker.io";
	for (size_t i = 0; rc == 0 && i < sizeof(files) / sizeof(files[0]);
	     i++) {
		file_name(path, files[i].variable, files[i].behind);
		if (path[0])
			rc = try_file(path, &w, c, e);
	}
	return rc < 0 ? -1 : 0;
}
