/* SPDX-License-Identifier: MIT */
/*
 * spawn.c - how long commands take from fork to the end, side by side
 *
 *	spawn [-f] COUNT A... [-- B...]...
 *
 * Runs them in turn, so that a disturbance meets all of them, and prints
 * "median 99%" in microseconds for each, on one line. Standard input is
 * /dev/null.
 *
 *	-f  not to the end, but to the first byte of their output; then they
 *	    are killed
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define COMMANDS_MAX 8

extern char **environ;

static int
compare(const void *a, const void *b)
{
	long x = *(const long *)a, y = *(const long *)b;

	return x < y ? -1 : x > y;
}

static pid_t
start(char **argv, int *output)
{
	posix_spawn_file_actions_t actions;
	int ends[2];
	pid_t pid;

	posix_spawn_file_actions_init(&actions);
	if (output) {
		if (pipe2(ends, O_CLOEXEC) < 0) {
			perror("pipe");
			exit(1);
		}
		posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
	}
	errno = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
	if (errno != 0) {
		perror(argv[0]);
		exit(1);
	}
	posix_spawn_file_actions_destroy(&actions);
	if (output) {
		close(ends[1]);
		*output = ends[0];
	}
	return pid;
}

static void
await_byte(pid_t pid, int output, const char *name)
{
	char byte;

	if (read(output, &byte, 1) == 1)
		return;
	fprintf(stderr, "%s: said nothing\n", name);
	kill(pid, SIGKILL);
	exit(1);
}

static void
await_end(pid_t pid, const char *name)
{
	int status;

	waitpid(pid, &status, 0);
	if (status == 0)
		return;
	fprintf(stderr, "%s: status %d\n", name, status);
	exit(1);
}

static long
run(char **argv, bool first)
{
	struct timespec from, to;
	int output;
	pid_t pid;

	clock_gettime(CLOCK_MONOTONIC, &from);
	pid = start(argv, first ? &output : NULL);
	if (first)
		await_byte(pid, output, argv[0]);
	else
		await_end(pid, argv[0]);
	clock_gettime(CLOCK_MONOTONIC, &to);
	if (first) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		close(output);
	}
	return (to.tv_sec - from.tv_sec) * 1000000 +
	       (to.tv_nsec - from.tv_nsec) / 1000;
}

/* Cuts the words at "--". Returns how many commands there are. */
static int
split(char **words, char **commands[COMMANDS_MAX])
{
	int count = 0;

	while (*words && count < COMMANDS_MAX) {
		commands[count++] = words;
		while (*words && strcmp(*words, "--") != 0)
			words++;
		if (*words)
			*words++ = NULL;
	}
	return count;
}

static int
bad_usage(void)
{
	fprintf(stderr, "usage: spawn [-f] COUNT A... [-- B...]...\n");
	return 64;
}

int
main(int argc, char **argv)
{
	bool first = argc > 1 && strcmp(argv[1], "-f") == 0;
	char **words = argv + 1 + first, **commands[COMMANDS_MAX];
	long rounds = *words ? strtol(*words, NULL, 10) : 0;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), count;
	long *times[COMMANDS_MAX];

	if (rounds < 1 || !words[1] || null < 0)
		return bad_usage();
	count = split(words + 1, commands);
	dup2(null, 0);
	for (int i = 0; i < count; i++)
		times[i] = calloc((size_t)rounds, sizeof(long));
	for (long round = 0; round < rounds; round++)
		for (int i = 0; i < count; i++)
			times[i][round] = run(commands[i], first);
	for (int i = 0; i < count; i++) {
		qsort(times[i], (size_t)rounds, sizeof(long), compare);
		printf("%ld %ld%c", times[i][rounds / 2],
		    times[i][rounds * 99 / 100], i + 1 < count ? ' ' : '\n');
	}
	return 0;
}
