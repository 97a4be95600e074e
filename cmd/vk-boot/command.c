/* SPDX-License-Identifier: MIT */
/* command.c - what runs in the guest */
#include "cmd/vk-boot/command.h"

#include "common/scope.h"

#include <jansson.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

int
word_list_add(struct word_list *list, const char *word)
{
	char **words, *copy;

	if (list->count == COMMAND_WORDS_MAX) {
		errno = E2BIG;
		return -1;
	}
	words = realloc(list->words, (list->count + 2) * sizeof(*words));
	if (!words)
		return -1;
	list->words = words;
	copy = strdup(word);
	words[list->count] = copy;
	if (!copy)
		return -1;
	words[++list->count] = NULL;
	return 0;
}

void
word_list_release(struct word_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->words[i]);
	free(list->words);
	*list = (struct word_list){0};
}

static int
malformed(struct err *e, const char *member)
{
	return err_set(e, EX_DATAERR, "/.vk/image.json: %s: malformed", member);
}

/* Adds the strings of an array member; one that is not there has none. */
static int
add_strings(struct word_list *list, const json_t *config, const char *member,
    struct err *e)
{
	const json_t *array = json_object_get(config, member);
	size_t i;
	json_t *item;

	if (!array || json_is_null(array))
		return 0;
	if (!json_is_array(array))
		return malformed(e, member);
	json_array_foreach(array, i, item)
	{
		const char *text = json_string_value(item);

		if (!text || strlen(text) != json_string_length(item))
			return malformed(e, member);
		if (word_list_add(list, text) < 0)
			return err_errno(
			    e, EX_DATAERR, "/.vk/image.json: %s", member);
	}
	return 0;
}

/* A string member's value: NULL where it is not there or empty. */
static int
take_string(
    char **into, const json_t *config, const char *member, struct err *e)
{
	const json_t *value = json_object_get(config, member);

	if (!value || json_is_null(value))
		return 0;
	if (!json_is_string(value))
		return malformed(e, member);
	if (json_string_length(value) == 0)
		return 0;
	*into = strdup(json_string_value(value));
	return *into ? 0 : err_errno(e, EX_OSERR, "image configuration");
}

/* "SIGTERM", "TERM" or "15"; 0 where it is none of them. */
static int
signal_number(const char *name)
{
	char *end;
	long number = strtol(name, &end, 10);

	if (end != name && *end == '\0')
		return number > 0 && number < NSIG ? (int)number : 0;
	if (strncasecmp(name, "SIG", 3) == 0)
		name += 3;
	for (int i = 1; i < NSIG; i++) {
		const char *known = sigabbrev_np(i);

		if (known && strcasecmp(known, name) == 0)
			return i;
	}
	if (strncasecmp(name, "RTMIN+", 6) == 0) {
		number = strtol(name + 6, &end, 10);
		/* The guest's libc keeps 32 and 33 for itself, as ours. */
		if (*end == '\0' && number >= 0 && number <= 30)
			return 34 + (int)number;
	}
	return 0;
}

/* What the image says; argv is made elsewhere. */
static int
from_image(struct command *command, const json_t *config, struct err *e)
{
	cleanup_free char *signal_name = NULL;

	if (add_strings(&command->env, config, "Env", e) < 0 ||
	    take_string(&command->user, config, "User", e) < 0 ||
	    take_string(&command->dir, config, "WorkingDir", e) < 0 ||
	    take_string(&signal_name, config, "StopSignal", e) < 0)
		return -1;
	if (signal_name)
		command->stop_signal = signal_number(signal_name);
	return 0;
}

static int
make_argv(struct command *command, const json_t *config,
    const struct command_wish *wish, struct err *e)
{
	bool own_entry = wish->entrypoint && *wish->entrypoint;

	if (own_entry && word_list_add(&command->argv, wish->entrypoint) < 0)
		return err_errno(e, EX_OSERR, "command");
	if (!wish->entrypoint &&
	    add_strings(&command->argv, config, "Entrypoint", e) < 0)
		return -1;
	for (size_t i = 0; wish->argv && wish->argv[i]; i++)
		if (word_list_add(&command->argv, wish->argv[i]) < 0)
			return err_errno(e, EX_USAGE, "command");
	if (!wish->argv && !wish->entrypoint &&
	    add_strings(&command->argv, config, "Cmd", e) < 0)
		return -1;
	if (command->argv.count > 0)
		return 0;
	err_set(e, EX_USAGE, "no command, and the image names none");
	return err_hint(e, "give one: vk-boot IMAGE -- COMMAND");
}

static int
replace(char **into, const char *with, struct err *e)
{
	if (!with)
		return 0;
	free(*into);
	*into = strdup(with);
	return *into ? 0 : err_errno(e, EX_OSERR, "command");
}

int
command_make(struct command *command, const void *json, size_t len,
    const struct command_wish *wish, struct err *e)
{
	json_error_t why;
	json_t *root = NULL;
	const json_t *config;
	int result = -1;

	*command = (struct command){0};
	if (len > 0) {
		root = json_loadb(json, len, JSON_REJECT_DUPLICATES, &why);
		if (!json_is_object(root)) {
			json_decref(root);
			return err_set(e, EX_DATAERR, "/.vk/image.json: %s",
			    root ? "not an object" : why.text);
		}
	}
	config = json_object_get(root, "config");
	if (from_image(command, config, e) == 0 &&
	    make_argv(command, config, wish, e) == 0)
		result = 0;
	json_decref(root);
	for (size_t i = 0; result == 0 && wish->env && i < wish->env->count;
	     i++)
		if (word_list_add(&command->env, wish->env->words[i]) < 0)
			result = err_errno(e, EX_USAGE, "environment");
	if (result == 0 && (replace(&command->user, wish->user, e) < 0 ||
			       replace(&command->dir, wish->dir, e) < 0))
		result = -1;
	if (result < 0)
		command_release(command);
	return result;
}

void
command_release(struct command *command)
{
	word_list_release(&command->argv);
	word_list_release(&command->env);
	free(command->user);
	free(command->dir);
	command->user = command->dir = NULL;
}

bool
command_is_init(const struct command *command)
{
	static const char *const inits[] = {"/sbin/init", "/usr/sbin/init",
	    "/bin/init", "/usr/bin/init", "/lib/systemd/systemd",
	    "/usr/lib/systemd/systemd", "/bin/systemd", "/usr/bin/systemd",
	    "/sbin/openrc-init", "/usr/sbin/openrc-init"};

	for (size_t i = 0; i < sizeof(inits) / sizeof(inits[0]); i++)
		if (command->argv.count > 0 &&
		    strcmp(command->argv.words[0], inits[i]) == 0)
			return true;
	return false;
}
