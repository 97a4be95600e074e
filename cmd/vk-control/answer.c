/* SPDX-License-Identifier: MIT */
/* answer.c - what a control socket said, for people and for scripts */
#include "cmd/vk-control/answer.h"

#include "common/scope.h"

#include <string.h>
#include <unistd.h>

int
answer_check(const json_t *answer, struct err *e)
{
	const json_t *ok = json_object_get(answer, "ok");
	const json_t *status = json_object_get(answer, "status");
	const char *text = json_string_value(json_object_get(answer, "error"));
	const char *hint = json_string_value(json_object_get(answer, "hint"));

	if (!json_is_false(ok))
		return 0;
	err_set(e,
	    json_is_integer(status) ? (int)json_integer_value(status)
				    : EX_UNAVAILABLE,
	    "%s", text ? text : "refused");
	return hint ? err_hint(e, "%s", hint) : -1;
}

/* "balloon.actual", "devices.0.name": borrowed, NULL where it is not there. */
static const json_t *
find(const json_t *at, const char *name, size_t len)
{
	while (at && len > 0) {
		const char *dot = memchr(name, '.', len);
		size_t part = dot ? (size_t)(dot - name) : len;
		char key[ANSWER_NAME_MAX];

		if (part >= sizeof(key))
			return NULL;
		memcpy(key, name, part);
		key[part] = '\0';
		at = json_is_array(at)
			 ? json_array_get(at, strtoul(key, NULL, 10))
			 : json_object_get(at, key);
		name += part + (dot != NULL);
		len -= part + (dot != NULL);
	}
	return at;
}

static void
print_value(const json_t *value, FILE *out)
{
	cleanup_free char *text = NULL;

	if (!value || json_is_null(value)) {
		fputc('-', out);
		return;
	}
	text = json_is_string(value)
		   ? strdup(json_string_value(value))
		   : json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY |
					   JSON_PRESERVE_ORDER |
					   JSON_ENSURE_ASCII);
	if (!text)
		return;
	err_printable(text);
	fputs(text, out);
}

static void
print_members(const json_t *answer, const char *members, FILE *out)
{
	for (;;) {
		size_t len = strcspn(members, ",");

		print_value(find(answer, members, len), out);
		if (!members[len])
			break;
		fputc('\t', out);
		members += len + 1;
	}
	fputc('\n', out);
}

static void
print_all(json_t *answer, FILE *out)
{
	size_t flags = JSON_PRESERVE_ORDER | JSON_ENSURE_ASCII;

	json_object_del(answer, "ok");
	if (json_object_size(answer) == 0)
		return;
	flags |= isatty(fileno(out)) ? JSON_INDENT(2) : JSON_COMPACT;
	json_dumpf(answer, out, flags);
	fputc('\n', out);
}

int
answer_print(json_t *answer, const char *members, FILE *out, struct err *e)
{
	if (members)
		print_members(answer, members, out);
	else
		print_all(answer, out);
	return fflush(out) < 0 ? err_errno(e, EX_IOERR, "stdout") : 0;
}
