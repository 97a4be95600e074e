/* SPDX-License-Identifier: MIT */
/* proxy.c - what is said to proxies, and what they say, in any pieces */
#include "cmd/vk-switch/proxy.h"

#include "tests/tap.h"

#include <errno.h>

static struct proxy p;
static struct err e;

static void
parsing(void)
{
	static const char *const bad[] = {"", "1.2.3.4:80", "socks4://1.2.3.4",
	    "http://", "http://:80", "http://1.2.3.4:0", "http://1.2.3.4:99999",
	    "http://1.2.3.4:80/path", "http://u:p@1.2.3.4", "http://[::1",
	    "socks5://[]:1"};
	char text[ADDR_TEXT_MAX];

	ok(proxy_parse("socks5://192.0.2.1", &p, &e) == 0 && p.port == 1080,
	    "SOCKS has its port");
	ok(proxy_parse("http://[2001:db8::1]:3128/", &p, &e) == 0 &&
		p.port == 3128 && p.kind == PROXY_HTTP,
	    "IPv6 and a port");
	is_str(addr_text(&p.addr, text), "2001:db8::1", "its address");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ok(proxy_parse(bad[i], &p, &e) < 0, "\"%s\": %s", bad[i],
		    e.text);
	ok(proxy_parse_login("user:pass:word\n", 15, &p, &e) == 0, "a login");
	is_str(p.user, "user", "the user");
	is_str(p.password, "pass:word", "a password with a colon");
	ok(proxy_parse_login("user", 4, &p, &e) < 0, "without a colon");
	ok(proxy_parse_login(":x", 2, &p, &e) < 0, "without a user");
	ok(proxy_parse_login("a:b\nc", 5, &p, &e) < 0, "of two lines");
}

static void
saying(void)
{
	static const uint8_t v4[] = {5, 1, 0, 1, 192, 0, 2, 9, 1, 0xbb},
			     login[] = "\1\4user\4pass";
	struct proxy_goal goal = {.port = 443};
	uint8_t text[PROXY_REQUEST_MAX + 1];
	size_t len;

	addr_parse("192.0.2.9", &goal.addr);
	p = (struct proxy){
	    .kind = PROXY_SOCKS5, .user = "user", .password = "pass"};
	len = proxy_say(&p, PROXY_METHOD, &goal, text);
	ok(len == 3 && memcmp(text, "\5\1\2", 3) == 0, "SOCKS: login offered");
	len = proxy_say(&p, PROXY_LOGIN, &goal, text);
	ok(len == sizeof(login) - 1 && memcmp(text, login, len) == 0,
	    "SOCKS: login");
	len = proxy_say(&p, PROXY_ANSWER, &goal, text);
	ok(len == sizeof(v4) && memcmp(text, v4, len) == 0, "SOCKS: IPv4");
	addr_parse("2001:db8::9", &goal.addr);
	len = proxy_say(&p, PROXY_ANSWER, &goal, text);
	ok(len == 22 && text[3] == 4, "SOCKS: IPv6");
	p.kind = PROXY_HTTP;
	len = proxy_say(&p, PROXY_ANSWER, &goal, text);
	text[len] = '\0';
	is_str((char *)text,
	    "CONNECT [2001:db8::9]:443 HTTP/1.1\r\nHost: "
	    "[2001:db8::9]:443\r\nProxy-Authorization: Basic "
	    "dXNlcjpwYXNz\r\n\r\n",
	    "HTTP: CONNECT with a login");
	memset(p.user, 'u', PROXY_LOGIN_MAX);
	memset(p.password, 'p', PROXY_LOGIN_MAX);
	len = proxy_say(&p, PROXY_ANSWER, &goal, text);
	ok(len < PROXY_REQUEST_MAX &&
		memcmp(text + len - 4, "\r\n\r\n", 4) == 0,
	    "the longest login fits");
}

/* The whole of it is understood, and no part of it is. */
static void
hears(const char *name, enum proxy_phase phase, const char *text, size_t len,
    size_t want, enum proxy_phase to, int want_error)
{
	enum proxy_phase now = phase;
	int error;
	size_t part = 0;

	while (part < len && proxy_hear(&p, &now, text, part, &error) == 0 &&
	       !error)
		part++;
	ok(part >= (want_error ? 0 : want), "%s: not before it is whole", name);
	now = phase;
	is_int((long)proxy_hear(&p, &now, text, len, &error), (long)want,
	    "%s: length", name);
	is_int(error, want_error, "%s: error", name);
	is_int(now, want_error ? phase : to, "%s: phase", name);
}
#define HEARS(name, phase, text, want, to, error)                              \
	hears(name, phase, text, sizeof(text) - 1, want, to, error)

static void
hearing(void)
{
	p = (struct proxy){.kind = PROXY_SOCKS5};
	HEARS("method", PROXY_METHOD, "\5\0", 2, PROXY_ANSWER, 0);
	HEARS("a login we have not", PROXY_METHOD, "\5\2", 2, PROXY_ANSWER,
	    EACCES);
	HEARS("IPv4", PROXY_ANSWER, "\5\0\0\1\1\2\3\4\0\120SSH", 10, PROXY_DONE,
	    0);
	HEARS("IPv6", PROXY_ANSWER,
	    "\5\0\0\4\1\2\3\4\5\6\7\10\11\12\13\14\15\16\17\20\0\120", 22,
	    PROXY_DONE, 0);
	HEARS("a name", PROXY_ANSWER, "\5\0\0\3\3abc\0\120", 10, PROXY_DONE, 0);
	HEARS("refused", PROXY_ANSWER, "\5\5\0\1", 4, PROXY_DONE, ECONNREFUSED);
	HEARS("no host", PROXY_ANSWER, "\5\4\0\1", 4, PROXY_DONE, EHOSTUNREACH);
	HEARS(
	    "no network", PROXY_ANSWER, "\5\3\0\1", 4, PROXY_DONE, ENETUNREACH);
	HEARS("not SOCKS", PROXY_ANSWER, "HTTP", 4, PROXY_DONE, EPROTO);
	p.user[0] = 'u';
	HEARS("login wanted", PROXY_METHOD, "\5\2", 2, PROXY_LOGIN, 0);
	HEARS("login taken", PROXY_LOGIN, "\1\0", 2, PROXY_ANSWER, 0);
	HEARS("login refused", PROXY_LOGIN, "\1\1", 2, PROXY_ANSWER, EACCES);
	p = (struct proxy){.kind = PROXY_HTTP};
	HEARS("200", PROXY_ANSWER, "HTTP/1.1 200 OK\r\nA: b\r\n\r\nSSH-2.0", 25,
	    PROXY_DONE, 0);
	HEARS("100 first", PROXY_ANSWER, "HTTP/1.1 100 Wait\r\n\r\n", 21,
	    PROXY_ANSWER, 0);
	HEARS("403", PROXY_ANSWER, "HTTP/1.1 403 No\r\n\r\n", 19, PROXY_DONE,
	    EACCES);
	HEARS("504", PROXY_ANSWER, "HTTP/1.0 504 Time\r\n\r\n", 21, PROXY_DONE,
	    ETIMEDOUT);
	HEARS(
	    "not HTTP", PROXY_ANSWER, "SSH-2.0-x\r\n", 11, PROXY_DONE, EPROTO);
}

int
main(void)
{
	parsing();
	saying();
	hearing();
	return tap_done();
}
