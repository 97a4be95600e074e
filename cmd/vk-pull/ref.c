/* SPDX-License-Identifier: MIT */
/* ref.c - what a user calls an image */
#include "cmd/vk-pull/ref.h"

#include <stdio.h>
#include <string.h>

#define LOWER_DIGITS   "abcdefghijklmnopqrstuvwxyz0123456789"
#define LETTERS_DIGITS "ABCDEFGHIJKLMNOPQRSTUVWXYZ" LOWER_DIGITS

static int
bad(struct err *e, const char *text, const char *what)
{
	return err_set(e, EX_USAGE, "%.256s: %s", text, what);
}

/* [a-z0-9]+((\.|_|__|-+)[a-z0-9]+)* from at to end. */
static bool
good_component(const char *at, const char *end)
{
	while (at < end) {
		size_t n = strspn(at, LOWER_DIGITS);

		if (n == 0 || at + n > end)
			return false;
		at += n;
		if (at == end)
			return true;
		n = strspn(at, "-");
		if (n == 0 && *at == '_')
			n = at[1] == '_' ? 2 : 1;
		if (n == 0 && *at == '.')
			n = 1;
		if (n == 0)
			return false;
		at += n;
	}
	return false;
}

static bool
good_name(const char *name)
{
	for (const char *at = name;;) {
		const char *end = at + strcspn(at, "/");

		if (!good_component(at, end))
			return false;
		if (*end == '\0')
			return true;
		at = end + 1;
	}
}

static bool
good_tag(const char *tag)
{
	size_t len = strlen(tag);

	return len > 0 && len <= REF_TAG_MAX && tag[0] != '.' &&
	       tag[0] != '-' && strspn(tag, LETTERS_DIGITS "_.-") == len;
}

/* host, host:port, [v6], [v6]:port */
static bool
good_host(const char *host)
{
	size_t n;

	if (host[0] == '[') {
		n = strspn(host + 1, "0123456789abcdefABCDEF:.") + 1;
		if (n < 3 || host[n++] != ']')
			return false;
	} else {
		n = strspn(host, LETTERS_DIGITS ".-_");
		if (n == 0 || host[0] == '.' || host[0] == '-')
			return false;
	}
	if (host[n] == '\0')
		return true;
	return host[n] == ':' && host[n + 1] != '\0' &&
	       strlen(host + n + 1) <= 5 &&
	       strspn(host + n + 1, "0123456789") == strlen(host + n + 1);
}

static bool
is_host(const char *first, size_t len)
{
	return memchr(first, '.', len) || memchr(first, ':', len) ||
	       first[0] == '[' ||
	       (len == 9 && memcmp(first, "localhost", 9) == 0);
}

/* Copies at most size - 1 bytes; false if that is not all. */
static bool
copy(char *into, size_t size, const char *from, size_t len)
{
	if (len >= size)
		return false;
	memcpy(into, from, len);
	into[len] = '\0';
	return true;
}

/* Cuts "@DIGEST" off the end of text. */
static int
take_digest(struct ref *r, char *text, struct err *e)
{
	char *at = strrchr(text, '@');

	if (!at)
		return 0;
	if (digest_parse(&r->digest, at + 1) < 0)
		return bad(e, r->text, "not a digest behind '@'");
	*at = '\0';
	return 0;
}

/* Cuts ":TAG" off the end of text; a colon in front of a slash is a port's. */
static int
take_tag(struct ref *r, char *text, struct err *e)
{
	char *colon = strrchr(text, ':');

	if (!colon || strchr(colon, '/'))
		return 0;
	if (!good_tag(colon + 1))
		return bad(e, r->text, "not a tag behind ':'");
	copy(r->tag, sizeof(r->tag), colon + 1, strlen(colon + 1));
	*colon = '\0';
	return 0;
}

/* With what would be one, or what a path would have to begin with. */
static int
bad_name(struct err *e, const struct ref *r, const char *why)
{
	bad(e, r->text, why);
	return r->text[0] == '/' || r->text[0] == '.'
		   ? err_hint(e, "files are docker-archive:FILE and "
				 "oci-archive:FILE, a folder is oci:FOLDER")
		   : err_hint(e, "names are lower-case letters, digits and "
				 "single '.', '_', '-' between them");
}

static int
parse_name(struct ref *r, const char *from, struct err *e)
{
	char text[REF_TEXT_MAX];
	char *name = text, *slash;

	snprintf(text, sizeof(text), "%s", from);
	if (take_digest(r, text, e) < 0 || take_tag(r, text, e) < 0)
		return -1;
	slash = strchr(text, '/');
	if (slash && is_host(text, (size_t)(slash - text))) {
		*slash = '\0';
		name = slash + 1;
		if (!copy(r->host, sizeof(r->host), text, strlen(text)) ||
		    !good_host(r->host))
			return bad_name(e, r, "not a host in front of '/'");
	}
	if (strlen(name) + strlen(r->host) > REF_NAME_MAX)
		return bad(e, r->text, "longer than 255 characters");
	if (!good_name(name)) {
		return bad_name(e, r, "not an image name");
	}
	copy(r->name, sizeof(r->name), name, strlen(name));
	if (strcmp(r->host, "index.docker.io") == 0)
		ref_on(r, "docker.io");
	else if (r->host[0])
		ref_on(r, r->host);
	return 0;
}

/* FILE[:TAG]: the tag is what follows the last colon, if no slash does. */
static int
parse_path(struct ref *r, const char *from, struct err *e)
{
	const char *colon = strchr(from, ':');
	size_t len = colon ? (size_t)(colon - from) : strlen(from);

	if (len == 0 || !copy(r->path, sizeof(r->path), from, len))
		return bad(e, r->text, "no file name");
	if (!colon)
		return 0;
	if (colon[1] == '\0')
		return bad(e, r->text, "no tag behind ':'");
	/* In a layout any text may be a tag; in docker's it is NAME:TAG. */
	copy(r->tag, sizeof(r->tag), colon + 1, strlen(colon + 1));
	return 0;
}

int
ref_parse(struct ref *r, const char *text, struct err *e)
{
	static const struct {
		const char *scheme;
		enum ref_kind kind;
	} schemes[] = {
	    {"docker://", REF_REGISTRY},
	    {"oci:", REF_OCI},
	    {"oci-archive:", REF_OCI_ARCHIVE},
	    {"docker-archive:", REF_DOCKER_ARCHIVE},
	    {"docker-daemon:", REF_DOCKER_DAEMON},
	};

	*r = (struct ref){.kind = REF_REGISTRY};
	if (!copy(r->text, sizeof(r->text), text, strlen(text)))
		return bad(e, text, "too long");
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		size_t len = strlen(schemes[i].scheme);

		if (strncmp(text, schemes[i].scheme, len) != 0)
			continue;
		r->kind = schemes[i].kind;
		text += len;
		break;
	}
	if (r->kind == REF_DOCKER_DAEMON) {
		/* The engine knows what its names mean. */
		if (*text == '\0' || strlen(text) > REF_NAME_MAX ||
		    strspn(text, LETTERS_DIGITS "_.-:/@") != strlen(text))
			return bad(e, r->text, "not an image name");
		return copy(r->name, sizeof(r->name), text, strlen(text)) - 1;
	}
	if (r->kind != REF_REGISTRY)
		return parse_path(r, text, e);
	return parse_name(r, text, e);
}

void
ref_on(struct ref *r, const char *host)
{
	char name[sizeof(r->name)];

	memmove(r->host, host, strlen(host) + 1);
	if (strcmp(host, "docker.io") != 0 || strchr(r->name, '/'))
		return;
	memcpy(name, r->name, sizeof(name));
	snprintf(r->name, sizeof(r->name), "library/%.*s",
	    (int)sizeof(r->name) - 9, name);
}

bool
ref_is_loopback(const char *host)
{
	size_t len = strcspn(host, ":");

	if (host[0] == '[')
		return strncmp(host, "[::1]", 5) == 0 &&
		       (host[5] == '\0' || host[5] == ':');
	if (len == 9 && memcmp(host, "localhost", 9) == 0)
		return true;
	/* 127.0.0.0/8, as four numbers and not as a name like 127.evil.org */
	return strncmp(host, "127.", 4) == 0 && len > 4 &&
	       strspn(host, "0123456789.") == len;
}

int
ref_set_host(struct ref *r, const char *host, struct err *e)
{
	if (strlen(host) >= sizeof(r->host) || !good_host(host))
		return err_set(e, EX_CONFIG, "%.255s: not a host", host);
	ref_on(r, host);
	return 0;
}
