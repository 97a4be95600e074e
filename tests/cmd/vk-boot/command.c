/* SPDX-License-Identifier: MIT */
#include "cmd/vk-boot/command.h"

#include "tests/tap.h"

#include <stdlib.h>

static struct command command;
static struct err e;

/* Joins, and gives argv as one line. */
static const char *
join(const char *json, const struct command_wish *wish)
{
	static char line[256];
	size_t at = 0;

	command_release(&command);
	e = (struct err)ERR_INIT;
	if (command_make(&command, json, strlen(json), wish, &e) < 0)
		return NULL;
	line[0] = '\0';
	for (size_t i = 0; i < command.argv.count; i++)
		at += (size_t)snprintf(line + at, sizeof(line) - at, "[%s]",
		    command.argv.words[i]);
	return line;
}

#define IMAGE(members) "{\"architecture\":\"amd64\",\"config\":{" members "}}"
#define BOTH           IMAGE("\"Entrypoint\":[\"/e\",\"x y\"],\"Cmd\":[\"c\",\"d\"]")

int
main(void)
{
	char ls[] = "ls", option[] = "-l", *argv[] = {ls, option, NULL};
	struct word_list env = {0};
	struct command_wish none = {0};
	struct command_wish wish = {.argv = argv};
	struct command_wish entry = {.entrypoint = "/mine"};
	struct command_wish empty = {.argv = argv, .entrypoint = ""};

	is_str(join(BOTH, &none), "[/e][x y][c][d]", "Entrypoint and Cmd");
	is_str(join(BOTH, &wish), "[/e][x y][ls][-l]", "a command for Cmd");
	is_str(join(BOTH, &entry), "[/mine]", "an entrypoint drops Cmd");
	is_str(join(BOTH, &empty), "[ls][-l]", "no entrypoint");
	is_str(join(IMAGE("\"Entrypoint\":null,\"Cmd\":[\"c\"]"), &none), "[c]",
	    "null is none");
	is_str(join("{}", &wish), "[ls][-l]", "no configuration");
	is_str(join("", &wish), "[ls][-l]", "nothing at all");

	ok(!join("", &none), "nothing to run");
	is_int(e.status, EX_USAGE, "is a usage error");
	ok(!join("[1]", &wish) && e.status == EX_DATAERR, "not an object");
	ok(!join("{\"config\"", &wish) && e.status == EX_DATAERR, "truncated");
	ok(!join(IMAGE("\"Cmd\":\"sh\""), &none), "Cmd is not an array");
	ok(!join(IMAGE("\"Cmd\":[1]"), &none), "Cmd of numbers");
	ok(!join(IMAGE("\"Cmd\":[\"a\\u0000b\"]"), &none), "a NUL inside");
	ok(!join(IMAGE("\"User\":[]"), &wish), "User is not a string");

	word_list_add(&env, "A=2");
	wish.env = &env;
	join(IMAGE("\"Env\":[\"PATH=/bin\",\"A=1\"],\"User\":\"u:g\","
		   "\"WorkingDir\":\"/w\",\"StopSignal\":\"SIGQUIT\""),
	    &wish);
	is_int(command.env.count, 3, "environments are joined");
	is_str(command.env.words[2], "A=2", "the user's come last");
	is_str(command.user, "u:g", "User");
	is_str(command.dir, "/w", "WorkingDir");
	is_int(command.stop_signal, 3, "StopSignal by name");
	join(IMAGE("\"StopSignal\":\"RTMIN+3\",\"User\":\"\""), &wish);
	is_int(command.stop_signal, 37, "StopSignal of systemd");
	ok(!command.user, "an empty User is none");
	join(IMAGE("\"StopSignal\":\"9\""), &wish);
	is_int(command.stop_signal, 9, "StopSignal by number");
	wish.user = "root";
	wish.dir = "/";
	join(IMAGE("\"User\":\"u\",\"WorkingDir\":\"/w\""), &wish);
	is_str(command.user, "root", "the user's user");
	is_str(command.dir, "/", "the user's directory");

	command_release(&command);
	command_release(&command);
	word_list_release(&env);
	return tap_done();
}
