/* SPDX-License-Identifier: MIT */
/*
 * proxy.h - the world behind a SOCKS5 or HTTP proxy
 *
 *	socks5://HOST[:PORT]    RFC 1928, with RFC 1929's login
 *	http://HOST[:PORT]      CONNECT, RFC 9110, 9.3.6
 *
 * A flow to the world is then a connection to the proxy, which is asked for
 * the far end; the VM's SYN is answered when the proxy says that it stands,
 * and refused with what the proxy gives as reason. So the VM sees no
 * difference. What is asked is an address: the VM has resolved the name, and
 * policy has judged the address.
 *
 * A proxy carries TCP. Other protocols are refused rather than let out beside
 * it. Services at the gateway and DNS do not go through it.
 *
 * Phases: CONNECT (the TCP connection to it), then, for SOCKS5, METHOD and
 * with a login LOGIN, then ANSWER, then DONE. What the proxy says is peeked at
 * and taken off the socket only when it is whole, so nothing has to be kept,
 * and not a byte behind it is taken: the far end may speak at once.
 */
#ifndef VK_SWITCH_PROXY_H
#define VK_SWITCH_PROXY_H

#include "cmd/vk-switch/addr.h"
#include "common/err.h"

#include <stdbool.h>
#include <sys/types.h>

enum proxy_kind { PROXY_ABSENT, PROXY_SOCKS5, PROXY_HTTP };

enum proxy_phase {
	PROXY_NONE, /* a flow without proxy */
	PROXY_CONNECT,
	PROXY_METHOD,
	PROXY_LOGIN,
	PROXY_ANSWER,
	PROXY_DONE,
};

/* RFC 1929: each is at most 255 bytes. */
#define PROXY_LOGIN_MAX 255
/* The longest request: CONNECT with a login in base64. */
#define PROXY_REQUEST_MAX 1024
/* The head of an HTTP answer; squid's with all its headers has one KiB. */
#define PROXY_ANSWER_MAX 8192
/* A proxy that says nothing; connecting may well take it so long. */
#define PROXY_PATIENCE_MS 60000

struct proxy {
	enum proxy_kind kind;
	struct addr addr;
	uint16_t port;
	char user[PROXY_LOGIN_MAX + 1]; /* empty: no login */
	char password[PROXY_LOGIN_MAX + 1];
};

/* Takes the URL; a name in it is resolved now. Returns 0, -1. */
int proxy_parse(const char *url, struct proxy *, struct err *);
/* "USER:PASSWORD", a newline may follow. Returns 0, -1. */
int proxy_parse_login(
    const char *text, size_t len, struct proxy *, struct err *);

struct proxy_goal {
	struct addr addr;
	uint16_t port;
};

/* What is to be said at the beginning of a phase; returns its length. */
size_t proxy_say(const struct proxy *, enum proxy_phase,
    const struct proxy_goal *, uint8_t into[PROXY_REQUEST_MAX]);

/*
 * Hears what the proxy says in that phase. Returns the length of it, 0 if it
 * is not whole. *phase moves on; *error is 0 or why there is no connection, as
 * an errno number.
 */
size_t proxy_hear(const struct proxy *, enum proxy_phase *, const void *data,
    size_t len, int *error);

struct lan;
struct flow;

/* The connection to the proxy stands, or it has said something. Returns 1 when
 * the connection to the far end stands, 0 for not yet, -1 with errno. */
int proxy_advance(struct lan *, struct flow *);

#endif
