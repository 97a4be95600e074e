/* SPDX-License-Identifier: MIT */
/* environment.c - what a command finds in its environment */
#include "agent/environment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
environment_release(struct environment *env)
{
	for (size_t i = 0; i < env->count; i++)
		free(env->list[i]);
	free(env->list);
	*env = (struct environment){.list = NULL};
}

/* The index of the variable that text ("NAME" or "NAME=...") names. */
static size_t
find(const struct environment *env, const char *text, size_t name_len)
{
	size_t i = 0;

	while (i < env->count && !(strncmp(env->list[i], text, name_len) == 0 &&
				     env->list[i][name_len] == '='))
		i++;
	return i;
}

static int
put(struct environment *env, size_t at, char *owned)
{
	if (!owned)
		return -1;
	if (at < env->count) {
		free(env->list[at]);
		env->list[at] = owned;
		return 0;
	}
	if (env->count + 2 > env->size) {
		size_t size = env->size ? env->size * 2 : 32;
		char **list = realloc(env->list, size * sizeof(*list));

		if (!list) {
			free(owned);
			return -1;
		}
		env->list = list;
		env->size = size;
	}
	env->list[env->count++] = owned;
	env->list[env->count] = NULL;
	return 0;
}

int
environment_set(struct environment *env, const char *assignment)
{
	size_t name_len = strcspn(assignment, "=");

	if (name_len == 0 || assignment[name_len] == '\0')
		return 0;
	return put(env, find(env, assignment, name_len), strdup(assignment));
}

int
environment_default(
    struct environment *env, const char *name, const char *value)
{
	char *assignment;

	if (find(env, name, strlen(name)) < env->count)
		return 0;
	if (asprintf(&assignment, "%s=%s", name, value) < 0)
		return -1;
	return put(env, env->count, assignment);
}

const char *
environment_get(const struct environment *env, const char *name)
{
	size_t i = find(env, name, strlen(name));

	return i < env->count ? env->list[i] + strlen(name) + 1 : NULL;
}
