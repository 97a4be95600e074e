/* SPDX-License-Identifier: MIT */
/* http.c - one HTTP request at a time, over libcurl */
#include "cmd/vk-pull/http.h"

#include "common/size.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define CONNECT_TIMEOUT_MS 20000
/* A pipe-like buffer for fast networks; libcurl's own is 16 KiB. */
#define RECEIVE_BUFFER (256L << 10)
/* Headers of one answer, together. */
#define HEADERS_MAX (64u << 10)

struct http {
	CURL *curl;
	struct http_options options;
};

struct exchange { /* one request and its answer, without redirects */
	const struct http_request *request;
	struct http_response *response;
	uint64_t body;
	size_t headers;
	struct err *e;
	bool stopped; /* by the sink or by us; e says why */
	char host[256];
};

int
http_start(struct err *e)
{
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return err_set(e, EX_SOFTWARE, "libcurl cannot start");
	return 0;
}

struct http *
http_new(const struct http_options *options)
{
	struct http *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	h->options = *options;
	h->curl = curl_easy_init();
	if (!h->curl) {
		free(h);
		return NULL;
	}
	return h;
}

void
http_free(struct http *h)
{
	if (!h)
		return;
	curl_easy_cleanup(h->curl);
	free(h);
}

void
http_response_release(struct http_response *r)
{
	buf_release(&r->challenge);
}

/* ---- URLs --------------------------------------------------------------- */

struct origin {
	char scheme[8], host[256], port[8];
};

/* One part of a URL; "" if it has none. False if it is too long. */
static bool
url_part(CURLU *u, CURLUPart part, unsigned flags, char *into, size_t size)
{
	char *text = NULL;
	bool fits;

	into[0] = '\0';
	if (curl_url_get(u, part, &text, flags) != CURLUE_OK)
		return true;
	fits = strlen(text) < size;
	if (fits)
		snprintf(into, size, "%s", text);
	curl_free(text);
	return fits;
}

static int
origin_of(const char *url, struct origin *o)
{
	CURLU *u = curl_url();
	int rc = -1;

	if (u && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK &&
	    url_part(u, CURLUPART_SCHEME, 0, o->scheme, sizeof(o->scheme)) &&
	    url_part(u, CURLUPART_HOST, 0, o->host, sizeof(o->host)) &&
	    url_part(u, CURLUPART_PORT, CURLU_DEFAULT_PORT, o->port,
		sizeof(o->port)) &&
	    o->host[0])
		rc = 0;
	curl_url_cleanup(u);
	return rc;
}

static bool
same_origin(const struct origin *a, const struct origin *b)
{
	return strcasecmp(a->scheme, b->scheme) == 0 &&
	       strcasecmp(a->host, b->host) == 0 &&
	       strcmp(a->port, b->port) == 0;
}

void
http_host(const char *url, char *into, size_t size)
{
	struct origin o;
	bool usual;

	into[0] = '\0';
	if (origin_of(url, &o) < 0)
		return;
	usual =
	    strcmp(o.port, strcmp(o.scheme, "http") == 0 ? "80" : "443") == 0;
	snprintf(into, size, "%s%s%s", o.host, usual ? "" : ":",
	    usual ? "" : o.port);
}

/* Location, which may be relative, seen from url. */
static int
join(const char *url, const char *location, char *into, size_t size)
{
	CURLU *u = curl_url();
	int rc = -1;

	if (u && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK &&
	    curl_url_set(u, CURLUPART_URL, location, 0) == CURLUE_OK &&
	    /* Not ours, and libcurl would send it. */
	    curl_url_set(u, CURLUPART_USER, NULL, 0) == CURLUE_OK &&
	    curl_url_set(u, CURLUPART_PASSWORD, NULL, 0) == CURLUE_OK &&
	    url_part(u, CURLUPART_URL, 0, into, size) && into[0])
		rc = 0;
	curl_url_cleanup(u);
	return rc;
}

/* ---- what libcurl calls ------------------------------------------------- */

/* If line is "name: value", copies the value without blanks at its ends. */
static bool
header_is(
    const char *line, size_t len, const char *name, char *into, size_t size)
{
	size_t name_len = strlen(name);

	if (len <= name_len || line[name_len] != ':' ||
	    strncasecmp(line, name, name_len) != 0)
		return false;
	line += name_len + 1;
	len -= name_len + 1;
	while (len > 0 && (*line == ' ' || *line == '\t')) {
		line++;
		len--;
	}
	while (len > 0 && strchr(" \t\r\n", line[len - 1]))
		len--;
	if (len >= size)
		len = 0; /* nothing is better than half of it */
	memcpy(into, line, len);
	into[len] = '\0';
	return true;
}

static void
take_header(struct http_response *r, const char *line, size_t len)
{
	char value[HTTP_URL_MAX];
	uint64_t n;

	if (header_is(line, len, "Content-Type", r->type, sizeof(r->type)))
		r->type[strcspn(r->type, "; ")] = '\0';
	header_is(
	    line, len, "Docker-Content-Digest", r->digest, sizeof(r->digest));
	header_is(line, len, "Location", r->location, sizeof(r->location));
	if (header_is(line, len, "Retry-After", value, sizeof(value)) &&
	    number_parse(value, 86400, &n) == 0)
		r->retry_after = (unsigned)n;
	if (header_is(line, len, "Content-Range", value, sizeof(value)) &&
	    strncasecmp(value, "bytes ", 6) == 0) {
		value[6 + strcspn(value + 6, "-")] = '\0';
		if (number_parse(value + 6, INT64_MAX, &n) == 0)
			r->from = n;
	}
	if (header_is(line, len, "WWW-Authenticate", value, sizeof(value))) {
		if (r->challenge.len > 0)
			buf_puts(&r->challenge, ", ");
		buf_puts(&r->challenge, value);
	}
}

/* "HTTP/1.1 200 OK": 200. */
static int
status_of(const char *line, size_t len)
{
	const char *space = memchr(line, ' ', len);

	if (!space || line + len - space < 4)
		return 0;
	return (space[1] - '0') * 100 + (space[2] - '0') * 10 +
	       (space[3] - '0');
}

static size_t
on_header(char *line, size_t one, size_t len, void *into)
{
	struct exchange *x = into;
	struct http_response *r = x->response;

	(void)one;
	x->headers += len;
	if (x->headers > HEADERS_MAX) {
		x->stopped = true;
		err_set(x->e, EX_PROTOCOL, "%s: headers too long", x->host);
		return 0;
	}
	/* A new answer begins, after "100 Continue" or a proxy's. */
	if (len > 5 && memcmp(line, "HTTP/", 5) == 0) {
		buf_release(&r->challenge);
		*r = (struct http_response){.again = false};
		buf_init(&r->challenge, HTTP_CHALLENGE_MAX);
		r->status = status_of(line, len);
	}
	take_header(r, line, len);
	return len;
}

static size_t
on_body(char *data, size_t one, size_t len, void *into)
{
	struct exchange *x = into;
	const struct http_request *q = x->request;

	(void)one;
	x->body += len;
	if (x->response->status / 100 != 2) {
		/* The start of an error's text; the rest is not read. */
		struct http_response *r = x->response;
		size_t have = strlen(r->message);
		size_t room = sizeof(r->message) - 1 - have;
		size_t n = len < room ? len : room;

		memcpy(r->message + have, data, n);
		r->message[have + n] = '\0';
		return x->body > HEADERS_MAX ? 0 : len;
	}
	if (x->body > q->length_max) {
		x->stopped = true;
		err_set(x->e, EX_PROTOCOL,
		    "%s: sends more than the %llu "
		    "bytes that were announced",
		    x->host, (unsigned long long)q->length_max);
		return 0;
	}
	if (q->sink && q->sink(q->into, data, len, x->e) < 0) {
		x->stopped = true;
		return 0;
	}
	return len;
}

/* ---- one exchange ------------------------------------------------------- */

/* A handshake that was broken off is none that failed, though libcurl calls
 * both the same. */
static bool
broken_off(CURL *c, CURLcode code)
{
	long number = 0;

	return code == CURLE_SSL_CONNECT_ERROR &&
	       curl_easy_getinfo(c, CURLINFO_OS_ERRNO, &number) == CURLE_OK &&
	       (number == ECONNRESET || number == EPIPE);
}

static bool
passes(CURL *c, CURLcode code)
{
	switch (code) {
	case CURLE_COULDNT_CONNECT:
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_OPERATION_TIMEDOUT:
	case CURLE_GOT_NOTHING:
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
	case CURLE_PARTIAL_FILE:
	case CURLE_HTTP2:
	case CURLE_HTTP2_STREAM:
		return true;
	default:
		return broken_off(c, code);
	}
}

static void
add_header(struct curl_slist **list, const char *name, const char *value)
{
	struct buf line = BUF_INIT(HTTP_URL_MAX + 64);
	struct curl_slist *longer;

	if (!value)
		return;
	buf_printf(&line, "%s: %s", name, value);
	if (!line.failed && (longer = curl_slist_append(*list, line.data)))
		*list = longer;
	buf_release(&line);
}

/* How another end is reached, and how long that may take. */
static void
set_way(CURL *c, const struct http_options *o, const char *url)
{
	curl_easy_setopt(c, CURLOPT_URL, url);
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS,
	    o->timeout_ms < CONNECT_TIMEOUT_MS ? (long)o->timeout_ms
					       : (long)CONNECT_TIMEOUT_MS);
	if (o->socket)
		curl_easy_setopt(c, CURLOPT_UNIX_SOCKET_PATH, o->socket);
}

static void
verify_nobody(CURL *c)
{
	curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 0L);
	curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 0L);
}

bool
http_lacks_tls(const struct http_options *options, const char *url)
{
	CURL *c = curl_easy_init();
	CURLcode code;
	bool lacks;

	if (!c)
		return false;
	set_way(c, options, url);
	verify_nobody(c);
	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "https");
	curl_easy_setopt(c, CURLOPT_CONNECT_ONLY, 1L);
	code = curl_easy_perform(c);
	lacks = code == CURLE_SSL_CONNECT_ERROR && !broken_off(c, code);
	curl_easy_cleanup(c);
	return lacks;
}

static void
set_options(struct http *h, struct exchange *x, const char *url,
    struct curl_slist *headers)
{
	const struct http_request *q = x->request;
	long stall = (long)((h->options.timeout_ms + 999) / 1000);
	CURL *c = h->curl;

	curl_easy_reset(c); /* keeps connections */
	set_way(c, &h->options, url);
	curl_easy_setopt(
	    c, CURLOPT_PROTOCOLS_STR, q->plain ? "http,https" : "https");
	curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(c, CURLOPT_USERAGENT, "vk-pull");
	curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(c, CURLOPT_HEADERDATA, x);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, x);
	curl_easy_setopt(c, CURLOPT_BUFFERSIZE, RECEIVE_BUFFER);
	curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, (long)HTTP_SPEED_MIN);
	curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, stall > 0 ? stall : 1L);
	if (h->options.ca)
		curl_easy_setopt(c, CURLOPT_CAINFO, h->options.ca);
	if (h->options.insecure)
		verify_nobody(c);
	if (q->post)
		curl_easy_setopt(c, CURLOPT_POSTFIELDS, q->post);
}

static int
exchange(struct http *h, const struct http_request *q, const char *url,
    bool secret, struct http_response *r, struct err *e)
{
	struct exchange x = {.request = q, .response = r, .e = e};
	struct curl_slist *headers = NULL;
	char range[64], why[CURL_ERROR_SIZE] = "";
	CURLcode code;

	http_host(url, x.host, sizeof(x.host));
	add_header(&headers, "Accept", q->accept);
	add_header(&headers, "If-None-Match", q->if_none_match);
	if (secret)
		add_header(&headers, "Authorization", q->authorization);
	if (q->from > 0 || q->to > 0) {
		int n = snprintf(range, sizeof(range), "bytes=%llu-",
		    (unsigned long long)q->from);

		if (q->to > 0)
			snprintf(range + n, sizeof(range) - (size_t)n, "%llu",
			    (unsigned long long)q->to - 1);
		add_header(&headers, "Range", range);
	}
	set_options(h, &x, url, headers);
	curl_easy_setopt(h->curl, CURLOPT_ERRORBUFFER, why);
	code = curl_easy_perform(h->curl);
	curl_slist_free_all(headers);
	/* The rest of an error's body is not waited for. */
	if (code == CURLE_WRITE_ERROR && !x.stopped)
		code = CURLE_OK;
	if (code == CURLE_OK)
		return 0;
	if (x.stopped)
		return -1;
	r->again = passes(h->curl, code);
	r->tls = code == CURLE_SSL_CONNECT_ERROR && !r->again;
	return err_set(e,
	    code == CURLE_UNSUPPORTED_PROTOCOL ? EX_PROTOCOL : EX_UNAVAILABLE,
	    "%s: %s", x.host, why[0] ? why : curl_easy_strerror(code));
}

/* ---- redirects ---------------------------------------------------------- */

static bool
is_redirect(const struct http_response *r)
{
	return r->location[0] &&
	       (r->status == 301 || r->status == 302 || r->status == 303 ||
		   r->status == 307 || r->status == 308);
}

int
http_do(struct http *h, const struct http_request *q, struct http_response *r,
    struct err *e)
{
	char url[HTTP_URL_MAX], next[HTTP_URL_MAX];
	struct origin first, now;
	bool same = true;

	snprintf(url, sizeof(url), "%s", q->url);
	if (strlen(q->url) >= sizeof(url) || origin_of(url, &first) < 0)
		return err_set(e, EX_USAGE, "%.200s: not a URL", q->url);
	for (int hops = 0;; hops++) {
		if (exchange(h, q, url, same, r, e) < 0)
			return -1;
		r->strange = !same;
		if (!is_redirect(r))
			return 0;
		if (hops == HTTP_REDIRECTS_MAX)
			return err_set(e, EX_PROTOCOL,
			    "%s: more than %d redirects", first.host,
			    HTTP_REDIRECTS_MAX);
		if (q->post)
			return err_set(e, EX_PROTOCOL,
			    "%s: redirects a request with a secret in it",
			    first.host);
		if (join(url, r->location, next, sizeof(next)) < 0 ||
		    origin_of(next, &now) < 0)
			return err_set(e, EX_PROTOCOL,
			    "%s: redirects to what is no URL", first.host);
		if (strcasecmp(now.scheme, "https") != 0 &&
		    (strcasecmp(now.scheme, "http") != 0 || !q->plain))
			return err_set(e, EX_PROTOCOL,
			    "%s: redirects to %s://%s, not https", first.host,
			    now.scheme, now.host);
		/* Once away, what was secret stays at home. */
		same = same && same_origin(&first, &now);
		memcpy(url, next, sizeof(url));
	}
}
