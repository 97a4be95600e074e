/* SPDX-License-Identifier: MIT */
/* answer.c - answers, for people and for scripts */
#include "cmd/vk-control/answer.h"

#include "tests/tap.h"

#include <stdlib.h>

/* What is printed of the answer. */
static const char *
printed(const char *json, const char *members)
{
	static char text[1024];
	json_t *answer = json_loads(json, 0, NULL);
	FILE *out = fmemopen(text, sizeof(text), "w");
	struct err e = ERR_INIT;

	memset(text, 0, sizeof(text));
	if (answer_print(answer, members, out, &e) < 0)
		snprintf(text, sizeof(text), "failed: %s", e.text);
	fclose(out);
	json_decref(answer);
	return text;
}

int
main(void)
{
	static const char some[] =
	    "{\"ok\":true,\"a\":\"x\\ny\",\"n\":5,\"none\":null,"
	    "\"b\":{\"c\":[1,{\"d\":true}]}}";
	struct err e = ERR_INIT;
	json_t *answer;

	is_str(printed("{\"ok\":true}", NULL), "", "done: nothing");
	is_str(printed("{\"ok\":true,\"a\":1,\"b\":\"\\u0007\"}", NULL),
	    "{\"a\":1,\"b\":\"\\u0007\"}\n", "all of it");
	is_str(printed(some, "a,n,none,zzz"), "x?y\t5\t-\t-\n", "members");
	is_str(printed(some, "b.c.0,b.c.1.d,b.c.2,b.x.y"), "1\ttrue\t-\t-\n",
	    "members of members");
	is_str(printed(some, ""),
	    "{\"ok\":true,\"a\":\"x\\ny\",\"n\":5,\"none\":null,"
	    "\"b\":{\"c\":[1,{\"d\":true}]}}\n",
	    "the member without a name is the answer");
	answer = json_pack("{s:b,s:s,s:i,s:s}", "ok", 0, "error", "no\nthing",
	    "status", 75, "hint", "wait");
	ok(answer_check(answer, &e) < 0 && e.status == 75 &&
		strcmp(e.text, "no?thing") == 0 && strcmp(e.hint, "wait") == 0,
	    "an error");
	json_decref(answer);
	answer = json_pack("{s:b}", "ok", 0);
	ok(answer_check(answer, &e) < 0 && e.status == EX_UNAVAILABLE,
	    "an error without words");
	json_decref(answer);
	answer = json_pack("{s:s}", "event", "exit");
	ok(answer_check(answer, &e) == 0, "an event is none");
	json_decref(answer);
	return tap_done();
}
