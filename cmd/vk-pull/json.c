/* SPDX-License-Identifier: MIT */
/* json.c - JSON from strangers, through jansson */
#include "cmd/vk-pull/json.h"

#include <stdbool.h>

/* How deep brackets nest; strings do not count. */
static size_t
depth_of(const char *data, size_t len)
{
	size_t depth = 0, most = 0;
	bool quoted = false;

	for (size_t i = 0; i < len; i++) {
		if (quoted && data[i] == '\\')
			i++;
		else if (data[i] == '"')
			quoted = !quoted;
		else if (quoted)
			continue;
		else if (data[i] == '{' || data[i] == '[')
			most = ++depth > most ? depth : most;
		else if ((data[i] == '}' || data[i] == ']') && depth > 0)
			depth--;
	}
	return most;
}

json_t *
json_parse(const char *data, size_t len, const char *what,
    const struct limits *limits, struct err *e)
{
	json_error_t where;
	json_t *j;

	if (depth_of(data, len) > limits->depth) {
		err_set(e, EX_DATAERR,
		    "%s: nested deeper than the limit of %llu (depth)", what,
		    (unsigned long long)limits->depth);
		return NULL;
	}
	j = json_loadb(data, len, JSON_REJECT_DUPLICATES, &where);
	if (!j) {
		if (len > 0 && data[0] == '<')
			err_set(e, EX_DATAERR,
			    "%s: HTML where JSON was expected", what);
		else
			err_set(e, EX_DATAERR, "%s: not JSON: line %d: %s",
			    what, where.line, where.text);
	}
	return j;
}

const char *
json_text(const json_t *object, const char *member)
{
	const char *text = json_string_value(json_object_get(object, member));

	return text ? text : "";
}
