/* SPDX-License-Identifier: MIT */
/* inspect.c - names in first bytes, and how they may not be hidden */
#include "cmd/vk-switch/inspect.h"

#include "common/cursor.h"
#include "tests/tap.h"

static char name[NAME_MAX_TEXT + 1];

static enum inspection
text(const char *request, size_t len)
{
	return inspect_bytes((const uint8_t *)request, len, name);
}
#define HTTP(request) text(request, sizeof(request) - 1)

/* A ClientHello for a server name, in records of so many bytes. */
static size_t
client_hello(
    uint8_t *into, size_t size, const char *host, size_t len, size_t record)
{
	uint8_t hello[512];
	struct writer h = writer_of(hello, sizeof(hello)),
		      w = writer_of(into, size);
	size_t extensions = 9 + len, body = 2 + 32 + 1 + 4 + 2 + 2 + extensions;

	put_be(&h, 1, 1);
	put_be(&h, body, 3);
	put_be(&h, 0x0303, 2);
	put_zeros(&h, 32 + 1);
	put_be(&h, 0x00021301, 4);
	put_be(&h, 0x0100, 2);
	put_be(&h, extensions, 2);
	put_be(&h, 0, 2);
	put_be(&h, len + 5, 2);
	put_be(&h, len + 3, 2);
	put_be(&h, 0, 1);
	put_be(&h, len, 2);
	put_bytes(&h, host, len);
	for (size_t at = 0; at < writer_len(&h); at += record) {
		size_t n = writer_len(&h) - at;

		if (n > record)
			n = record;
		put_be(&w, 0x160301, 3);
		put_be(&w, n, 2);
		put_bytes(&w, hello + at, n);
	}
	return writer_len(&w);
}

static void
test_tls(void)
{
	uint8_t hello[4096];
	size_t len = client_hello(hello, sizeof(hello), "a.example", 9, 4096);
	bool more = true;

	is_int(inspect_bytes(hello, len, name), INSPECT_NAME, "a ClientHello");
	is_str(name, "a.example", "its name");
	for (size_t n = 0; n < len; n++)
		more &= inspect_bytes(hello, n, name) == INSPECT_MORE;
	ok(more, "any part of it is not enough");
	hello[len] = 20; /* what follows: ChangeCipherSpec, early data */
	is_int(inspect_bytes(hello, len + 6, name), INSPECT_NAME,
	    "what follows does not matter");
	len = client_hello(hello, sizeof(hello), "a.example", 9, 3);
	is_int(inspect_bytes(hello, len, name), INSPECT_NAME,
	    "in records of three bytes");
	len = client_hello(hello, sizeof(hello), "a\0evil.net", 10, 4096);
	is_int(inspect_bytes(hello, len, name), INSPECT_BAD, "a NUL in it");
	len = client_hello(hello, sizeof(hello), "", 0, 4096);
	is_int(inspect_bytes(hello, len, name), INSPECT_BAD, "an empty name");
	len = client_hello(hello, sizeof(hello), ".", 1, 4096);
	is_int(inspect_bytes(hello, len, name), INSPECT_BAD, "the root");
}

static void
test_http(void)
{
	is_int(HTTP("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"), INSPECT_NAME,
	    "a request");
	is_str(name, "a.example", "its host");
	is_int(HTTP("GET / HTTP/1.1\r\nhOST:a.example:80 \r\n\r\n"),
	    INSPECT_NAME, "with a port, in any case");
	is_str(name, "a.example", "the same");
	is_int(HTTP("GE"), INSPECT_MORE, "part of a method");
	is_int(HTTP("GET / HTTP/1.1\r\nHost: a.example\r\n"), INSPECT_MORE,
	    "part of a head");
	is_int(HTTP("SSH-2.0-x\r\n"), INSPECT_FOREIGN, "another protocol");
	is_int(HTTP("GET / HTTP/1.1\r\n\r\n"), INSPECT_BAD, "no host");
	is_int(HTTP("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
	    INSPECT_BAD, "two hosts");
	is_int(HTTP("GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n"), INSPECT_BAD,
	    "another host in the target");
	is_int(HTTP("GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n"), INSPECT_NAME,
	    "the same in the target");
	is_int(HTTP("GET / HTTP/1.1\r\nHost : a\r\n\r\n"), INSPECT_BAD,
	    "a blank before the colon");
	is_int(HTTP("GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n"), INSPECT_BAD,
	    "a folded line");
	is_int(
	    HTTP("GET / HTTP/1.1\nHost: a\n\n"), INSPECT_BAD, "bare newlines");
	is_int(
	    HTTP("GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n"), INSPECT_BAD, "a NUL");
	is_int(HTTP("GET / HTTP/1.1\r\nHost: user@a\r\n\r\n"), INSPECT_BAD,
	    "a user");
	is_int(HTTP("CONNECT b:80 HTTP/1.1\r\nHost: a\r\n\r\n"), INSPECT_BAD,
	    "CONNECT to another");
	is_int(HTTP("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), INSPECT_BAD,
	    "HTTP/2 without TLS");
	is_int(HTTP("PROPFIND / HTTP/1.1\r\nHost: a.example\r\n\r\n"),
	    INSPECT_NAME, "any method");
	is_int(HTTP("m-search * HTTP/1.1\r\nHost: a.example\r\n\r\n"),
	    INSPECT_NAME, "in any case");
	is_int(HTTP("\r\n\nGET / HTTP/1.1\r\nHost: a.example\r\n\r\n"),
	    INSPECT_NAME, "behind empty lines");
	is_str(name, "a.example", "its host");
	is_int(HTTP("\r\n"), INSPECT_MORE, "which say nothing yet");
	is_int(HTTP("GET \t/ HTTP/1.1\r\nHost: a\r\n\r\n"), INSPECT_BAD,
	    "more blanks than one");
	is_int(HTTP("PATCH / HTT"), INSPECT_MORE, "part of a version");
	is_int(HTTP("EHLO a.example\r"), INSPECT_FOREIGN, "a line of SMTP");
	is_int(HTTP("GET / GOPHER/1"), INSPECT_FOREIGN, "another version");
	is_int(HTTP("PING\r\n"), INSPECT_FOREIGN, "a word");
	is_int(HTTP("0123456789abcdef0123456789abcdef0"), INSPECT_FOREIGN,
	    "a word too long for a method");
	is_int(HTTP("\0\0\0\10"), INSPECT_FOREIGN, "what is no text");
}

int
main(void)
{
	test_tls();
	test_http();
	return tap_done();
}
