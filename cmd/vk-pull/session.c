/* SPDX-License-Identifier: MIT */
/* session.c - requests to one registry: scheme, authorization, retries */
#include "cmd/vk-pull/session.h"

#include "cmd/vk-pull/auth.h"
#include "cmd/vk-pull/challenge.h"
#include "cmd/vk-pull/json.h"
#include "cmd/vk-pull/ref.h"
#include "common/log.h"
#include "common/scope.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

/* Connections kept for later. */
#define IDLE_MAX 16
/* Between tries: 0.5 s, 1, 2, 4 ... and never more than this, whatever a
 * Retry-After asks for. */
#define DELAY_FIRST_MS 500
#define DELAY_MAX_MS   60000
/* An image's name has 255 bytes at most; a mirror's path is as long as a line
 * of options may be, and what is cut off is not found. */
#define MIRROR_NAME_MAX 1024
/* A token, as it comes. */
#define TOKEN_MAX (64u << 10)

struct session {
	const struct options *options;
	char host[256];
	char name[MIRROR_NAME_MAX]; /* with the path of a mirror before it */
	const char *user;           /* --user, which a mirror does not get */
	pthread_mutex_t lock;
	bool may_plain;      /* http:// may be tried */
	bool plain;          /* and is what the other end speaks */
	bool asked;          /* it has been asked what it speaks */
	char *authorization; /* header's value; NULL: none yet */
	unsigned
	    generation; /* of it: who was refused with an old one retries */
	struct http *idle[IDLE_MAX];
	size_t idle_count;
};

static struct session *
new_session(const struct options *options, const char *name)
{
	struct session *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->options = options;
	snprintf(s->name, sizeof(s->name), "%s", name);
	pthread_mutex_init(&s->lock, NULL);
	return s;
}

struct session *
session_new(const struct options *options, const char *host, const char *name)
{
	struct session *s = new_session(options, name);

	if (!s)
		return NULL;
	/* Docker Hub's registry does not have the name that its images have. */
	snprintf(s->host, sizeof(s->host), "%s",
	    strcmp(host, "docker.io") == 0 ? "registry-1.docker.io" : host);
	s->user = options->user;
	s->may_plain = options->http.insecure || ref_is_loopback(host);
	return s;
}

struct session *
session_new_mirror(
    const struct options *options, const char *url, const char *name)
{
	struct session *s = new_session(options, name);
	const char *path = strchr(strstr(url, "://") + 3, '/');
	size_t len;

	if (!s)
		return NULL;
	http_host(url, s->host, sizeof(s->host));
	if (path) {
		path += strspn(path, "/");
		len = strlen(path);
		while (len > 0 && path[len - 1] == '/')
			len--;
		snprintf(s->name, sizeof(s->name), "%.*s%s%s", (int)len, path,
		    len ? "/" : "", name);
	}
	s->may_plain = options->http.insecure || ref_is_loopback(s->host);
	return s;
}

void
session_free(struct session *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->idle_count; i++)
		http_free(s->idle[i]);
	free(s->authorization);
	free(s);
}

static struct http *
take_http(struct session *s)
{
	struct http *h = NULL;

	pthread_mutex_lock(&s->lock);
	if (s->idle_count > 0)
		h = s->idle[--s->idle_count];
	pthread_mutex_unlock(&s->lock);
	return h ? h : http_new(&s->options->http);
}

static void
put_http(struct session *s, struct http *h)
{
	pthread_mutex_lock(&s->lock);
	if (s->idle_count < IDLE_MAX) {
		s->idle[s->idle_count++] = h;
		h = NULL;
	}
	pthread_mutex_unlock(&s->lock);
	http_free(h);
}

/* ---- what an answer means ----------------------------------------------- */

/* The registry's own words: {"errors": [{"message": ...}]} */
static void
registry_words(const struct http_response *r, char *into, size_t size)
{
	struct err ignored = ERR_INIT;
	cleanup_json json_t *j = json_parse(
	    r->message, strlen(r->message), "", &limits_default, &ignored);
	const json_t *first = json_array_get(json_object_get(j, "errors"), 0);
	const char *words = json_text(first, "message");

	if (!words[0])
		words = json_text(first, "code");
	snprintf(into, size, "%s%.160s", words[0] ? ": " : "", words);
}

static const char *
status_words(int status)
{
	switch (status) {
	case 401:
		return "unauthorized";
	case 403:
		return "forbidden";
	case 404:
		return "not found";
	case 429:
		return "too many requests";
	default:
		return status >= 500 ? "server error" : "unexpected answer";
	}
}

static int
refused(struct session *s, const struct http_response *r, struct err *e)
{
	char words[192];
	int status = EX_PROTOCOL;

	registry_words(r, words, sizeof(words));
	if (r->status == 401 || r->status == 403)
		status = EX_NOPERM;
	else if (r->status == 404)
		status = EX_NOINPUT;
	else if (r->status == 429 || r->status >= 500)
		status = EX_TEMPFAIL;
	err_set(e, status, "%s: %d %s%s", s->host, r->status,
	    status_words(r->status), words);
	if (r->status == 401 || r->status == 403)
		err_hint(e,
		    "run 'docker login %s' or pass --user NAME:PASSWORD",
		    strcmp(s->host, "registry-1.docker.io") == 0 ? "docker.io"
								 : s->host);
	return -1;
}

static bool
worth_a_retry(const struct http_response *r)
{
	return r->status == 408 || r->status == 429 || r->status == 500 ||
	       r->status == 502 || r->status == 503 || r->status == 504;
}

/* ---- authorization ------------------------------------------------------ */

static int
token_sink(void *into, const void *data, size_t len, struct err *e)
{
	if (buf_add(into, data, len) < 0)
		return err_set(e, EX_PROTOCOL, "token too long");
	return 0;
}

/* Asks the realm for a token: a header's value to free, or NULL. *r becomes its
 * answer. */
static char *
get_token(struct session *s, struct http *h, const struct challenge *c,
    const struct credentials *login, struct http_response *r, struct err *e)
{
	cleanup_buf struct buf url = BUF_INIT(HTTP_URL_MAX);
	cleanup_buf struct buf form = BUF_INIT(TOKEN_MAX);
	cleanup_buf struct buf answer = BUF_INIT(TOKEN_MAX);
	cleanup_buf struct buf header = BUF_INIT(TOKEN_MAX + 16);
	cleanup_free char *basic = NULL;
	struct http_request q = {
	    .length_max = TOKEN_MAX, .sink = token_sink, .into = &answer};
	cleanup_json json_t *j = NULL;
	const char *token;
	char host[256];

	http_response_release(r);
	*r = (struct http_response){0};
	if (challenge_request(c, s->name, login, &url, &form) < 0) {
		err_set(
		    e, EX_PROTOCOL, "%s: its token realm is no URL", s->host);
		return NULL;
	}
	q.url = url.data;
	http_host(q.url, host, sizeof(host));
	q.plain = s->options->http.insecure || ref_is_loopback(host);
	if (!q.plain && strncasecmp(q.url, "https:", 6) != 0) {
		err_set(e, EX_PROTOCOL,
		    "%s: its token realm at %s is not https", s->host, host);
		return NULL;
	}
	if (form.len > 0)
		q.post = form.data;
	else if (login->name)
		q.authorization = basic = credentials_basic(login);
	if (http_do(h, &q, r, e) < 0)
		return NULL;
	if (r->status != 200) {
		refused(s, r, e);
		if (strcmp(host, s->host) != 0)
			err_prefix(e, "%s", host);
		return NULL;
	}
	j = json_parse(answer.data ? answer.data : "", answer.len, "token",
	    &s->options->limits, e);
	if (!j) {
		err_prefix(e, "%s", s->host);
		return NULL;
	}
	token = json_text(j, "token");
	if (!token[0])
		token = json_text(j, "access_token");
	/* What cannot be a header's value could be two headers. */
	if (!token[0] || token[strcspn(token, "\r\n")] != '\0') {
		err_set(e, EX_PROTOCOL, "%s: token without a token", s->host);
		return NULL;
	}
	buf_printf(&header, "Bearer %s", token);
	return buf_take(&header);
}

/* Answers a 401. Returns 0 if it is worth another try, -1 with err; *r is then
 * what failed. */
static int
authorize(struct session *s, struct http *h, unsigned generation,
    struct http_response *r, struct err *e)
{
	struct auth_wanted wanted = {.user = s->user,
	    .host = s->host,
	    .name = s->name,
	    .timeout_ms = s->options->http.timeout_ms};
	struct credentials login = {0};
	char *authorization = NULL;
	struct challenge c;
	int rc = 0;

	pthread_mutex_lock(&s->lock);
	if (s->generation != generation) {
		/* Someone else was here meanwhile. */
		pthread_mutex_unlock(&s->lock);
		return 0;
	}
	if (challenge_parse(&c, r->challenge.data ? r->challenge.data : "") < 0)
		rc = refused(s, r, e);
	if (rc == 0)
		rc = auth_find(&wanted, &login, e);
	if (rc == 0 && c.scheme == CHALLENGE_BEARER) {
		authorization = get_token(s, h, &c, &login, r, e);
		rc = authorization ? 0 : -1;
	} else if (rc == 0 && login.name) {
		authorization = credentials_basic(&login);
	} else if (rc == 0) {
		rc = refused(s, r, e);
	}
	if (rc == 0) {
		free(s->authorization);
		s->authorization = authorization;
		s->generation++;
	}
	credentials_release(&login);
	pthread_mutex_unlock(&s->lock);
	return rc;
}

/* ---- tries -------------------------------------------------------------- */

static void
pause_ms(uint64_t ms)
{
	struct timespec t = {.tv_sec = (time_t)(ms / 1000),
	    .tv_nsec = (long)(ms % 1000) * 1000000};

	while (nanosleep(&t, &t) < 0)
		;
}

/* Between try and try + 1. Spread by a quarter, so that many who were turned
 * away together do not come back together. */
static void
back_off(unsigned try, unsigned retry_after)
{
	uint64_t ms = (uint64_t)DELAY_FIRST_MS << (try < 10 ? try : 10);
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	ms += ms * (uint64_t)(now.tv_nsec / 1000 % 256) / 1024;
	if (ms < retry_after * (uint64_t)1000)
		ms = retry_after * (uint64_t)1000;
	pause_ms(ms < DELAY_MAX_MS ? ms : DELAY_MAX_MS);
}

static char *
dup_authorization(struct session *s, bool *plain, unsigned *generation)
{
	char *copy;

	pthread_mutex_lock(&s->lock);
	copy = s->authorization ? strdup(s->authorization) : NULL;
	*plain = s->plain;
	*generation = s->generation;
	pthread_mutex_unlock(&s->lock);
	return copy;
}

/* Before the first request to who may speak plain HTTP. Where nobody is
 * verified the request itself finds out as cheaply: see judge. */
static void
ask_scheme(struct session *s)
{
	char url[HTTP_URL_MAX];

	pthread_mutex_lock(&s->lock);
	if (s->may_plain && !s->asked && !s->options->http.insecure) {
		snprintf(url, sizeof(url), "https://%s/", s->host);
		s->plain = http_lacks_tls(&s->options->http, url);
	}
	s->asked = true;
	pthread_mutex_unlock(&s->lock);
}

/* One request as things stand. Returns as http_do. */
static int
once(struct session *s, struct http *h, const char *path,
    struct http_request *q, struct http_response *r, unsigned *generation,
    struct err *e)
{
	char url[HTTP_URL_MAX];
	cleanup_free char *authorization = NULL;
	bool plain;

	authorization = dup_authorization(s, &plain, generation);
	snprintf(url, sizeof(url), "%s://%s/v2/%s/%s", plain ? "http" : "https",
	    s->host, s->name, path);
	q->url = url;
	q->plain = plain;
	q->authorization = authorization;
	return http_do(h, q, r, e);
}

enum verdict { DONE, AGAIN, LATER, FAILED };

/* What to do after an attempt. */
static enum verdict
judge(struct session *s, struct http *h, int rc, struct http_response *r,
    unsigned generation, int *refusals, struct err *e)
{
	if (rc < 0 && r->tls && s->may_plain && !s->plain) {
		pthread_mutex_lock(&s->lock);
		s->plain = true;
		pthread_mutex_unlock(&s->lock);
		return AGAIN;
	}
	if (rc < 0)
		return r->again ? LATER : FAILED;
	if (r->status / 100 == 2 || r->status == 304)
		return DONE;
	/* A 401 from where we were redirected to is not ours to answer. */
	if (r->status == 401 && !r->strange && *refusals < 2) {
		if (authorize(s, h, generation, r, e) == 0) {
			++*refusals;
			return AGAIN;
		}
		return r->again || worth_a_retry(r) ? LATER : FAILED;
	}
	refused(s, r, e);
	return worth_a_retry(r) ? LATER : FAILED;
}

/* Somebody who waits at a terminal is told for what. */
static void
tell_retry(const struct session *s, const struct err *e)
{
	if (isatty(STDERR_FILENO) && !s->options->quiet)
		log_warn("%s; trying again", e->text);
	else
		log_info("%s; trying again", e->text);
}

int
session_get(struct session *s, const char *path, struct http_request *q,
    uint64_t (*resume)(void *into), struct http_response *r, struct err *e)
{
	struct http *h = take_http(s);
	unsigned tries = 0, generation;
	int refusals = 0, rc = -1;
	enum verdict verdict;

	if (!h)
		return err_set(e, EX_OSERR, "out of memory");
	ask_scheme(s);
	do {
		http_response_release(r);
		*r = (struct http_response){0};
		q->from = resume(q->into);
		rc = once(s, h, path, q, r, &generation, e);
		verdict = judge(s, h, rc, r, generation, &refusals, e);
		if (verdict == LATER) {
			if (tries >= s->options->retries)
				break;
			tell_retry(s, e);
			back_off(tries++, r->retry_after);
		}
	} while (verdict == AGAIN || verdict == LATER);
	put_http(s, h);
	return verdict == DONE ? 0 : -1;
}
