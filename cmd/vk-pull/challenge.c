/* SPDX-License-Identifier: MIT */
/* challenge.c - what a registry answers who may not yet */
#include "cmd/vk-pull/challenge.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

static const char *
skip_blanks(const char *at)
{
	return at + strspn(at, " \t,");
}

/* token, RFC 9110 5.6.2 */
static size_t
token_len(const char *at)
{
	size_t n = 0;

	while (isalnum((unsigned char)at[n]) ||
	       (at[n] && strchr("!#$%&'*+-.^_`|~", at[n])))
		n++;
	return n;
}

/* A value, quoted or not, into `into` (NULL: dropped). Returns what follows,
 * NULL if it is malformed or too long. */
static const char *
value(const char *at, char *into)
{
	size_t len = 0;
	bool quoted = *at == '"';

	if (quoted)
		at++;
	while (*at && (quoted ? *at != '"' : !strchr(" \t,", *at))) {
		if (quoted && *at == '\\' && at[1])
			at++;
		if (len + 1 >= CHALLENGE_VALUE_MAX || (unsigned char)*at < 0x20)
			return NULL;
		if (into)
			into[len] = *at;
		len++;
		at++;
	}
	if (into)
		into[len] = '\0';
	if (!quoted)
		return at;
	return *at == '"' ? at + 1 : NULL;
}

/* The parameters of one challenge; stops in front of the next scheme. */
static const char *
parameters(const char *at, struct challenge *c)
{
	for (;;) {
		size_t len;
		const char *equals;
		char *into = NULL;

		at = skip_blanks(at);
		len = token_len(at);
		equals = at + len + strspn(at + len, " \t");
		if (len == 0 || *equals != '=')
			return *at == '\0' || len > 0 ? at : NULL;
		if (len == 5 && strncasecmp(at, "realm", 5) == 0)
			into = c->realm;
		else if (len == 7 && strncasecmp(at, "service", 7) == 0)
			into = c->service;
		else if (len == 5 && strncasecmp(at, "scope", 5) == 0)
			into = c->scope;
		at = value(equals + 1 + strspn(equals + 1, " \t"), into);
		if (!at)
			return NULL;
	}
}

int
challenge_parse(struct challenge *c, const char *header)
{
	const char *at = skip_blanks(header);
	bool found = false;

	while (at && *at) {
		size_t len = token_len(at);
		struct challenge one = {.scheme = CHALLENGE_BASIC};
		bool bearer = len == 6 && strncasecmp(at, "Bearer", 6) == 0;
		bool basic = len == 5 && strncasecmp(at, "Basic", 5) == 0;

		if (len == 0)
			break;
		at = parameters(at + len, &one);
		if (!at)
			break;
		if (bearer && one.realm[0]) {
			one.scheme = CHALLENGE_BEARER;
			*c = one;
			return 0;
		}
		if (basic && !found) {
			*c = one;
			found = true;
		}
	}
	return found ? 0 : -1;
}

/* application/x-www-form-urlencoded */
static void
add_encoded(struct buf *b, const char *name, const char *text)
{
	buf_printf(b, "%s=", name);
	for (; *text; text++) {
		if (isalnum((unsigned char)*text) || strchr("-._~", *text))
			buf_add(b, text, 1);
		else
			buf_printf(b, "%%%02X", (unsigned char)*text);
	}
}

static void
add_scope(struct buf *b, const struct challenge *c, const char *name)
{
	char pull[512];

	/* What we are here for, whatever else the challenge has in mind. */
	snprintf(pull, sizeof(pull), "repository:%.400s:pull", name);
	add_encoded(b, "scope", c->scope[0] ? c->scope : pull);
}

int
challenge_request(const struct challenge *c, const char *name,
    const struct credentials *login, struct buf *url, struct buf *form)
{
	if (strncasecmp(c->realm, "https://", 8) != 0 &&
	    strncasecmp(c->realm, "http://", 7) != 0)
		return -1;
	buf_puts(url, c->realm);
	if (login->identity_token) {
		buf_puts(form, "grant_type=refresh_token&client_id=vk-pull&");
		add_encoded(form, "service", c->service);
		buf_puts(form, "&");
		add_scope(form, c, name);
		buf_puts(form, "&");
		add_encoded(form, "refresh_token", login->identity_token);
	} else {
		buf_puts(url, strchr(c->realm, '?') ? "&" : "?");
		if (c->service[0]) {
			add_encoded(url, "service", c->service);
			buf_puts(url, "&");
		}
		add_scope(url, c, name);
	}
	return url->failed || form->failed ? -1 : 0;
}
