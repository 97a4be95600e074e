/* SPDX-License-Identifier: MIT */
/* talk.c - one request, its answer, and what follows it */
#include "cmd/vk-control/talk.h"

#include "cmd/vk-control/answer.h"
#include "cmd/vk-control/connection.h"
#include "cmd/vk-control/console.h"
#include "cmd/vk-control/request.h"

#include "common/scope.h"
#include "common/size.h"

#include <limits.h>
#include <string.h>

/* Hears an answer that is no error. The caller's, NULL with err. */
static json_t *
hear(struct connection *c, int timeout_ms, struct err *e)
{
	json_t *answer = NULL;
	int result = connection_hear(c, timeout_ms, &answer, e);

	if (result == 0)
		err_set(e, EX_UNAVAILABLE, "%s: ended", c->name);
	if (result <= 0)
		return NULL;
	if (answer_check(answer, e) == 0)
		return answer;
	err_prefix(e, "%s", c->name);
	json_decref(answer);
	return NULL;
}

/* Hears how the VM ended, and waits until it is gone. */
static int
hear_end(struct connection *c, const struct options *o, struct err *e)
{
	json_t *answer = hear(c, -1, e);
	int result = -1;

	if (answer)
		result = answer_print(answer, o->output, stdout, e);
	json_decref(answer);
	return result < 0 ? -1 : connection_outlive(c, e);
}

/* Events that have been, and then those that come until the other end is
 * gone: a line each. */
static int
follow(struct connection *c, const struct options *o, json_t *answer,
    struct err *e)
{
	json_t *past = json_object_get(answer, "past"), *event;
	int result = 1;

	for (size_t i = 0; i < json_array_size(past); i++)
		if (answer_print(
			json_array_get(past, i), o->output, stdout, e) < 0)
			return -1;
	while ((result = connection_hear(c, -1, &event, e)) > 0) {
		result = answer_print(event, o->output, stdout, e);
		json_decref(event);
		if (result < 0)
			return -1;
	}
	return result;
}

/* How long the answer may take: the VM itself waits for a disk to go. */
static int
answer_ms(const struct options *o, const json_t *request)
{
	const char *command =
	    json_string_value(json_object_get(request, "command"));
	const char *text =
	    json_string_value(json_object_get(request, "timeout"));
	uint64_t more_ms;

	if (strcmp(command, "disk-remove") != 0 || !text ||
	    duration_parse(text, &more_ms) < 0 ||
	    more_ms > INT_MAX - o->timeout_ms)
		return (int)o->timeout_ms;
	return (int)(o->timeout_ms + more_ms);
}

static int
talk_over(struct connection *c, const struct options *o, const json_t *request,
    struct err *e)
{
	const char *command =
	    json_string_value(json_object_get(request, "command"));
	json_t *answer;
	int result = 0;

	if (strcmp(command, "wait") == 0)
		return hear_end(c, o, e);
	answer = hear(c, answer_ms(o, request), e);
	if (!answer)
		return -1;
	if (strcmp(command, "events") == 0)
		result = follow(c, o, answer, e);
	else if (strcmp(command, "console") == 0)
		result = console_join(c, e);
	else if (!o->wait)
		result = answer_print(answer, o->output, stdout, e);
	json_decref(answer);
	return result == 0 && o->wait ? hear_end(c, o, e) : result;
}

/* A VM that ends by itself as it is told to says nothing, and is gone all the
 * same: nobody is at its socket any more. */
static bool
is_gone(const struct options *o, const char *name, const json_t *request)
{
	const char *command =
	    json_string_value(json_object_get(request, "command"));
	struct err ignored = ERR_INIT;
	struct connection c;
	int result;

	if (strcmp(command, "stop") != 0 && strcmp(command, "kill") != 0)
		return false;
	result = connection_open(&c, name, o->socket, &ignored);
	connection_close(&c);
	return result < 0;
}

static int
ask(struct connection *c, const struct options *o, json_t *request,
    struct err *e)
{
	json_t *requests = json_pack("[O]", request);
	cleanup_fd int file = -1;
	int result = request_open(request, &file, e);

	if (o->wait)
		json_array_append_new(
		    requests, json_pack("{s:s}", "command", "wait"));
	if (result == 0)
		result = connection_say(c, requests, file, e);
	if (result == 0)
		result = talk_over(c, o, request, e);
	json_decref(requests);
	return result;
}

int
talk(const struct options *o, const char *name, char *const *words,
    struct err *e)
{
	json_t *request = request_make(words, e);
	struct connection c;
	int result;

	if (!request)
		return -1;
	result = connection_open(&c, name, o->socket, e);
	if (result == 0)
		result = ask(&c, o, request, e);
	if (result < 0 && c.ended && is_gone(o, name, request))
		result = connection_outlive(&c, e);
	connection_close(&c);
	json_decref(request);
	return result;
}
