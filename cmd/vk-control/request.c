/* SPDX-License-Identifier: MIT */
/* request.c - the words of a command line as a request */
#include "cmd/vk-control/request.h"

#include "common/scope.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>

static int
add_member(json_t *request, const char *word, struct err *e)
{
	const char *equals = strchr(word, '=');
	cleanup_free char *name = NULL;
	json_error_t error;
	json_t *value;
	size_t len;

	if (!equals || equals == word || strncmp(word, ":=", 2) == 0)
		return err_set(e, EX_USAGE, "%s: not NAME=VALUE", word);
	len = (size_t)(equals - word);
	if (word[len - 1] == ':') {
		len--;
		value = json_loads(equals + 1, JSON_DECODE_ANY, &error);
	} else {
		value = json_string(equals + 1);
	}
	name = strndup(word, len);
	if (!value)
		return err_set(e, EX_USAGE, "%s: not JSON, nor UTF-8", word);
	if (!name || json_object_set_new(request, name, value) < 0)
		return err_set(e, EX_USAGE, "%s: not UTF-8", word);
	return 0;
}

json_t *
request_make(char *const *words, struct err *e)
{
	json_t *request = json_object();

	if (json_object_set_new(request, "command", json_string(*words)) < 0) {
		json_decref(request);
		err_set(e, EX_USAGE, "%s: not UTF-8", *words);
		return NULL;
	}
	for (words++; *words; words++)
		if (add_member(request, *words, e) < 0) {
			json_decref(request);
			return NULL;
		}
	return request;
}

int
request_open(const json_t *request, int *fd, struct err *e)
{
	const char *command =
	    json_string_value(json_object_get(request, "command"));
	const char *path = json_string_value(json_object_get(request, "file"));
	bool read_only = json_is_true(json_object_get(request, "ro"));

	*fd = -1;
	if (strcmp(command, "disk-add") != 0 || !path)
		return 0;
	*fd =
	    open(path, (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NOCTTY);
	return *fd < 0 ? err_errno(e, 0, "%s", path) : 0;
}
