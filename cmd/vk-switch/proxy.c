/* SPDX-License-Identifier: MIT */
/* proxy.c - the world behind a SOCKS5 or HTTP proxy */
#include "cmd/vk-switch/proxy.h"

#include "cmd/vk-switch/lan.h"
#include "common/size.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <sys/socket.h>

#define SOCKS_VERSION  5
#define SOCKS_NO_LOGIN 0
#define SOCKS_LOGIN    2
#define SOCKS_CONNECT  1

enum socks_address { SOCKS_IPV4 = 1, SOCKS_NAME = 3, SOCKS_IPV6 = 4 };

/* ---- the command line --------------------------------------------------- */

static int
resolve(const char *host, struct proxy *p, struct err *e)
{
	const struct addrinfo want = {.ai_socktype = SOCK_STREAM};
	struct addrinfo *found = NULL;
	struct sockaddr_storage ss = {.ss_family = AF_UNSPEC};
	uint16_t port;
	int result;

	if (addr_parse(host, &p->addr) == 0)
		return 0;
	result = getaddrinfo(host, NULL, &want, &found);
	if (result != 0)
		return err_set(e, EX_NOHOST, "%s: %s", host,
		    result == EAI_SYSTEM ? strerror(errno)
					 : gai_strerror(result));
	if (found->ai_addrlen <= sizeof(ss))
		memcpy(&ss, found->ai_addr, found->ai_addrlen);
	freeaddrinfo(found);
	if (addr_from_sock(&ss, &p->addr, &port) < 0)
		return err_set(e, EX_NOHOST, "%s: has no address", host);
	return 0;
}

/* "HOST", "HOST:PORT", "[V6]:PORT" up to an optional "/". */
static int
parse_authority(const char *text, struct proxy *p, struct err *e)
{
	const char *bracket = text[0] == '[' ? strchr(text, ']') : NULL;
	const char *start = bracket ? text + 1 : text;
	size_t host_len =
	    bracket ? (size_t)(bracket - start) : strcspn(text, ":/");
	const char *rest = bracket ? bracket + 1 : text + host_len;
	char host[256], digits[8];
	uint64_t port;

	if (host_len == 0 || host_len >= sizeof(host))
		return err_set(e, EX_USAGE, "%s: no host", text);
	snprintf(host, sizeof(host), "%.*s", (int)host_len, start);
	if (*rest == ':') {
		size_t n = strcspn(rest + 1, "/");

		snprintf(digits, sizeof(digits), "%.*s", (int)n, rest + 1);
		if (n > 5 || number_parse(digits, 65535, &port) < 0 || !port)
			return err_set(e, EX_USAGE, "%s: bad port", rest + 1);
		p->port = (uint16_t)port;
		rest += 1 + n;
	}
	if (*rest && strcmp(rest, "/") != 0)
		return err_set(e, EX_USAGE, "%s: unexpected", rest);
	return resolve(host, p, e);
}

int
proxy_parse(const char *url, struct proxy *p, struct err *e)
{
	const char *at;

	if (strncmp(url, "socks5://", 9) == 0) {
		p->kind = PROXY_SOCKS5;
		p->port = 1080;
		at = url + 9;
	} else if (strncmp(url, "http://", 7) == 0) {
		p->kind = PROXY_HTTP;
		p->port = 8080;
		at = url + 7;
	} else {
		return err_set(e, EX_USAGE,
		    "%s: neither socks5://HOST nor http://HOST", url);
	}
	if (strchr(at, '@')) {
		err_set(e, EX_USAGE, "--proxy: a login does not stand in it");
		return err_hint(e, "others can read command lines: give it "
				   "with --proxy-login FILE");
	}
	return parse_authority(at, p, e);
}

int
proxy_parse_login(const char *text, size_t len, struct proxy *p, struct err *e)
{
	const char *colon = memchr(text, ':', len), *end = text + len;
	size_t user;

	while (end > text && (end[-1] == '\n' || end[-1] == '\r'))
		end--;
	user = colon ? (size_t)(colon - text) : 0;
	if (user == 0 || user > PROXY_LOGIN_MAX || colon >= end ||
	    end - colon - 1 > PROXY_LOGIN_MAX ||
	    memchr(text, '\n', (size_t)(end - text)) ||
	    memchr(text, '\0', (size_t)(end - text)))
		return err_set(e, EX_CONFIG, "not USER:PASSWORD");
	snprintf(p->user, sizeof(p->user), "%.*s", (int)user, text);
	snprintf(p->password, sizeof(p->password), "%.*s",
	    (int)(end - colon - 1), colon + 1);
	return 0;
}

/* ---- what is said ------------------------------------------------------- */

static void
say_text(struct writer *w, const char *text)
{
	put_bytes(w, text, strlen(text));
}

static void
say_base64(struct writer *w, const uint8_t *data, size_t len)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "abcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < len; i += 3) {
		uint32_t three = (uint32_t)data[i] << 16;

		if (i + 1 < len)
			three |= (uint32_t)data[i + 1] << 8;
		if (i + 2 < len)
			three |= data[i + 2];
		put_bytes(w, &digits[three >> 18], 1);
		put_bytes(w, &digits[three >> 12 & 63], 1);
		put_bytes(w, i + 1 < len ? &digits[three >> 6 & 63] : "=", 1);
		put_bytes(w, i + 2 < len ? &digits[three & 63] : "=", 1);
	}
}

static void
say_connect(
    struct writer *w, const struct proxy *p, const struct proxy_goal *goal)
{
	char addr[ADDR_TEXT_MAX], host[ADDR_TEXT_MAX + 16];
	char login[2 * PROXY_LOGIN_MAX + 2];
	bool four = addr_is4(&goal->addr);

	snprintf(host, sizeof(host), four ? "%s:%u" : "[%s]:%u",
	    addr_text(&goal->addr, addr), goal->port);
	say_text(w, "CONNECT ");
	say_text(w, host);
	say_text(w, " HTTP/1.1\r\nHost: ");
	say_text(w, host);
	if (p->user[0]) {
		int n = snprintf(
		    login, sizeof(login), "%s:%s", p->user, p->password);

		say_text(w, "\r\nProxy-Authorization: Basic ");
		say_base64(w, (const uint8_t *)login, (size_t)n);
	}
	say_text(w, "\r\n\r\n");
}

/* RFC 1928, 4 */
static void
say_socks_request(struct writer *w, const struct proxy_goal *goal)
{
	bool four = addr_is4(&goal->addr);

	put_be(w, SOCKS_VERSION, 1);
	put_be(w, SOCKS_CONNECT, 1);
	put_be(w, 0, 1);
	put_be(w, four ? SOCKS_IPV4 : SOCKS_IPV6, 1);
	put_bytes(w, goal->addr.b + (four ? 12 : 0), four ? 4 : 16);
	put_be(w, goal->port, 2);
}

size_t
proxy_say(const struct proxy *p, enum proxy_phase phase,
    const struct proxy_goal *goal, uint8_t into[PROXY_REQUEST_MAX])
{
	struct writer w = writer_of(into, PROXY_REQUEST_MAX);

	switch (phase) {
	case PROXY_METHOD: /* RFC 1928, 3: the one that we can do */
		put_be(&w, SOCKS_VERSION, 1);
		put_be(&w, 1, 1);
		put_be(&w, p->user[0] ? SOCKS_LOGIN : SOCKS_NO_LOGIN, 1);
		break;
	case PROXY_LOGIN: /* RFC 1929, 2 */
		put_be(&w, 1, 1);
		put_be(&w, strlen(p->user), 1);
		say_text(&w, p->user);
		put_be(&w, strlen(p->password), 1);
		say_text(&w, p->password);
		break;
	case PROXY_ANSWER:
		if (p->kind == PROXY_HTTP)
			say_connect(&w, p, goal);
		else
			say_socks_request(&w, goal);
		break;
	default:
		break;
	}
	return writer_len(&w);
}

/* ---- what is heard ------------------------------------------------------ */

static size_t
hear_method(
    const struct proxy *p, enum proxy_phase *phase, struct cursor c, int *error)
{
	uint8_t version = get_u8(&c), method = get_u8(&c);

	if (c.bad)
		return 0;
	if (version != SOCKS_VERSION ||
	    method != (p->user[0] ? SOCKS_LOGIN : SOCKS_NO_LOGIN))
		*error = EACCES;
	else
		*phase = p->user[0] ? PROXY_LOGIN : PROXY_ANSWER;
	return 2;
}

static size_t
hear_login(enum proxy_phase *phase, struct cursor c, int *error)
{
	uint8_t version = get_u8(&c), status = get_u8(&c);

	if (c.bad)
		return 0;
	if (version != 1 || status != 0)
		*error = EACCES;
	else
		*phase = PROXY_ANSWER;
	return 2;
}

/* RFC 1928, 6; what the address in it is does not matter to us. */
static size_t
hear_socks_answer(enum proxy_phase *phase, struct cursor c, int *error)
{
	static const int errors[] = {0, ECONNREFUSED, EACCES, ENETUNREACH,
	    EHOSTUNREACH, ECONNREFUSED, EHOSTUNREACH};
	const uint8_t *start = c.at;
	uint8_t version = get_u8(&c), code = get_u8(&c), type;

	get_u8(&c);
	type = get_u8(&c);
	if (c.bad)
		return 0;
	if (version != SOCKS_VERSION) {
		*error = EPROTO;
		return 4;
	}
	if (code != 0) {
		*error = code < sizeof(errors) / sizeof(errors[0])
			     ? errors[code]
			     : ECONNREFUSED;
		return 4;
	}
	switch (type) {
	case SOCKS_IPV4:
		get_bytes(&c, 4 + 2);
		break;
	case SOCKS_IPV6:
		get_bytes(&c, 16 + 2);
		break;
	case SOCKS_NAME:
		get_bytes(&c, get_u8(&c) + 2u);
		break;
	default:
		*error = EPROTO;
		return 4;
	}
	if (c.bad)
		return 0;
	*phase = PROXY_DONE;
	return (size_t)(c.at - start);
}

static int
http_error(unsigned status)
{
	switch (status) {
	case 401:
	case 403:
	case 407:
		return EACCES;
	case 404: /* as some say for a name */
	case 502:
	case 503:
		return EHOSTUNREACH;
	case 504:
		return ETIMEDOUT;
	default:
		return ECONNREFUSED;
	}
}

static size_t
hear_http(enum proxy_phase *phase, const char *text, size_t len, int *error)
{
	const char *end = memmem(text, len, "\r\n\r\n", 4);
	unsigned status = 0;

	if (memcmp(text, "HTTP/1.", len < 7 ? len : 7) != 0) {
		*error = EPROTO;
		return len;
	}
	if (len < 12)
		return 0;
	for (int i = 9; i < 12; i++) {
		if (text[i] < '0' || text[i] > '9') {
			*error = EPROTO;
			return len;
		}
		status = status * 10 + (unsigned)(text[i] - '0');
	}
	if (!end && len >= PROXY_ANSWER_MAX)
		*error = EPROTO;
	if (!end)
		return *error ? len : 0;
	/* RFC 9110, 15.2: there may be some before the answer. */
	if (status >= 200 && status < 300)
		*phase = PROXY_DONE;
	else if (status >= 200)
		*error = http_error(status);
	return (size_t)(end - text) + 4;
}

size_t
proxy_hear(const struct proxy *p, enum proxy_phase *phase, const void *data,
    size_t len, int *error)
{
	struct cursor c = cursor_of(data, len);

	*error = 0;
	if (len == 0)
		return 0;
	if (*phase == PROXY_METHOD)
		return hear_method(p, phase, c, error);
	if (*phase == PROXY_LOGIN)
		return hear_login(phase, c, error);
	if (p->kind == PROXY_HTTP)
		return hear_http(phase, data, len, error);
	return hear_socks_answer(phase, c, error);
}

/* ---- flows -------------------------------------------------------------- */

static int
speak(struct lan *lan, struct flow *f)
{
	struct proxy_goal goal = {.addr = f->far, .port = f->far_port};
	uint8_t text[PROXY_REQUEST_MAX];
	size_t len =
	    proxy_say(&lan->proxy, (enum proxy_phase)f->tcp.proxy, &goal, text);
	ssize_t n = send(f->fd, text, len, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n == (ssize_t)len)
		return 0;
	/* A fresh connection takes a thousand bytes, or is of no use. */
	if (n >= 0)
		errno = EPROTO;
	return -1;
}

/* Takes one answer off the socket. Returns 1, 0 if it is not whole, -1. */
static int
listen_once(struct lan *lan, struct flow *f)
{
	enum proxy_phase phase = (enum proxy_phase)f->tcp.proxy;
	ssize_t n =
	    recv(f->fd, lan->waste, PROXY_ANSWER_MAX, MSG_PEEK | MSG_DONTWAIT);
	int error;
	size_t len;

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	if (n == 0)
		return errno = EPROTO, -1;
	len = proxy_hear(&lan->proxy, &phase, lan->waste, (size_t)n, &error);
	if (error)
		return errno = error, -1;
	if (len == 0)
		return 0;
	if (recv(f->fd, lan->waste, len, MSG_DONTWAIT) != (ssize_t)len)
		return errno = EPROTO, -1;
	f->tcp.proxy = (uint8_t)phase;
	return 1;
}

int
proxy_advance(struct lan *lan, struct flow *f)
{
	bool socks = lan->proxy.kind == PROXY_SOCKS5;

	if (f->tcp.proxy == PROXY_CONNECT) {
		f->tcp.proxy = socks ? PROXY_METHOD : PROXY_ANSWER;
		return speak(lan, f);
	}
	while (f->tcp.proxy != PROXY_DONE) {
		uint8_t before = f->tcp.proxy;
		int result = listen_once(lan, f);

		if (result <= 0)
			return result;
		if (f->tcp.proxy != before && f->tcp.proxy != PROXY_DONE &&
		    speak(lan, f) < 0)
			return -1;
	}
	return 1;
}
