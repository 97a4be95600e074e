/* SPDX-License-Identifier: MIT */
/* request.c - a command line's words as a request */
#include "cmd/vk-control/request.h"

#include "tests/tap.h"

#include <stdlib.h>

static void
is_request(const char *const *words, const char *expected)
{
	struct err e = ERR_INIT;
	json_t *request = request_make((char *const *)words, &e);
	char *text = request ? json_dumps(request, JSON_COMPACT) : NULL;

	is_str(text ? text : e.text, expected, "%s", expected);
	free(text);
	json_decref(request);
}

#define WORDS(...)                                                             \
	(const char *[])                                                       \
	{                                                                      \
		__VA_ARGS__, NULL                                              \
	}

int
main(void)
{
	is_request(WORDS("status"), "{\"command\":\"status\"}");
	is_request(WORDS("stop", "timeout=5", "a=b=\"c\""),
	    "{\"command\":\"stop\",\"timeout\":\"5\",\"a\":\"b=\\\"c\\\"\"}");
	is_request(WORDS("flows", "from:=7", "x:=[null]", "y:="),
	    "y:=: not JSON, nor UTF-8");
	is_request(WORDS("flows", "from:=7", "x:=[null]"),
	    "{\"command\":\"flows\",\"from\":7,\"x\":[null]}");
	is_request(WORDS("x", "a="), "{\"command\":\"x\",\"a\":\"\"}");
	is_request(WORDS("x", "a"), "a: not NAME=VALUE");
	is_request(WORDS("x", "=a"), "=a: not NAME=VALUE");
	is_request(WORDS("x", ":=1"), ":=1: not NAME=VALUE");
	is_request(WORDS("\xff"), "\xff: not UTF-8");
	is_request(WORDS("x", "a=\xff"), "a=\xff: not JSON, nor UTF-8");
	return tap_done();
}
