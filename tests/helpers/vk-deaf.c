/* SPDX-License-Identifier: MIT */
/*
 * vk-deaf.c - asks for a VM's events, and does not read them
 *
 *	vk-deaf CONTROL-SOCKET COUNT
 *
 * Beside that it has the VM paused and resumed COUNT times, which are as many
 * events twice over, and hears each answer. Exits with 0 if all came.
 */
#include "common/endpoint.h"
#include "common/io.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int
dial(const char *path)
{
	union endpoint address = {.local = {.sun_family = AF_UNIX}};

	snprintf(
	    address.local.sun_path, sizeof(address.local.sun_path), "%s", path);
	return endpoint_connect(&address, sizeof(address.local), 0);
}

static int
say(int fd, const char *command)
{
	char line[64];

	snprintf(line, sizeof(line), "{\"command\":\"%s\"}\n", command);
	return io_write(fd, line, strlen(line));
}

/* Asks, and hears a line. */
static int
ask(int fd, const char *command)
{
	char byte = 0;

	if (say(fd, command) < 0)
		return -1;
	while (byte != '\n')
		if (io_read(fd, &byte, 1) != 1)
			return -1;
	return 0;
}

int
main(int argc, char **argv)
{
	unsigned long count = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;
	int deaf, fd;

	if (count == 0)
		return 64;
	deaf = dial(argv[1]);
	fd = dial(argv[1]);
	if (deaf < 0 || fd < 0 || say(deaf, "events") < 0)
		return 1;
	while (count-- > 0)
		if (ask(fd, "pause") < 0 || ask(fd, "resume") < 0)
			return 1;
	return 0;
}
