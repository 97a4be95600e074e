/* SPDX-License-Identifier: MIT */
/*
 * http.h - one HTTP request at a time, over libcurl
 *
 * The only file that knows libcurl. Redirects are followed by ourselves, so
 * that it is plain what goes along: nothing secret to another origin (scheme,
 * host and port), never from https to http. Proxies come from the usual
 * variables (https_proxy, http_proxy, no_proxy), as libcurl reads them.
 */
#ifndef VK_PULL_HTTP_H
#define VK_PULL_HTTP_H

#include "common/buf.h"
#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_URL_MAX       8192
#define HTTP_REDIRECTS_MAX 10
/* All WWW-Authenticate headers of one answer. */
#define HTTP_CHALLENGE_MAX 8192
/* Slower than this for the time-out and the other end counts as gone. */
#define HTTP_SPEED_MIN 512

struct http_options {
	const char *ca;      /* file of certificates; NULL: the system's */
	uint64_t timeout_ms; /* without progress */
	bool insecure;       /* certificates are not verified */
	const char *socket;  /* unix socket instead of the network; NULL */
};

struct http; /* keeps connections; for one thread */

/* Once in main, before threads. Returns 0, -1 with err. */
int http_start(struct err *);

struct http *http_new(const struct http_options *); /* NULL: no memory */
void http_free(struct http *);

/* Gets the body as it comes. Returns 0, -1 with err to stop. */
typedef int http_sink(void *into, const void *, size_t len, struct err *);

struct http_request {
	const char *url;
	const char *accept;        /* NULL: none */
	const char *authorization; /* header's value; NULL: none */
	const char *if_none_match; /* ditto */
	const char *post;          /* form to send; NULL: GET */
	uint64_t from;             /* first byte wanted */
	uint64_t to;               /* first one not wanted; 0: all */
	uint64_t length_max;       /* more than this in the body is an error */
	bool plain;                /* http:// is allowed */
	http_sink *sink;           /* for bodies of 2xx answers */
	void *into;
};

struct http_response {
	int status;    /* 0: none came */
	bool again;    /* it failed in a way that may pass */
	bool tls;      /* it failed because the other end speaks no TLS */
	bool strange;  /* it came from another origin than the URL's */
	uint64_t from; /* first byte of the body, of a 206 */
	unsigned retry_after; /* seconds; 0: not told */
	char type[128];       /* Content-Type, without parameters */
	char digest[160];     /* Docker-Content-Digest */
	char location[HTTP_URL_MAX];
	char message[256];    /* start of the body of an error */
	struct buf challenge; /* WWW-Authenticate, joined by ", " */
};

void http_response_release(struct http_response *);

/*
 * Returns 0 with an answer of any status, -1 with err ("HOST: reason") if none
 * came whole. The response must be zeroed, and released in either case.
 */
int http_do(struct http *, const struct http_request *, struct http_response *,
    struct err *);

/*
 * Whether whoever listens at an https:// URL speaks no TLS: connects, and sends
 * no request. What cannot be reached is not said to. Certificates are not
 * looked at, since it takes longer to load those that are trusted than all else
 * that a small request takes; whoever asks has to verify them yet.
 */
bool http_lacks_tls(const struct http_options *, const char *url);

/* The host (with port, if not the scheme's) of a URL; "" if it has none. */
void http_host(const char *url, char *into, size_t size);

#endif
