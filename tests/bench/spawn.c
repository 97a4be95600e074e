/* SPDX-License-Identifier: MIT */
/*
 * spawn.c - how long commands take from fork to the end, side by side
 *
 *	spawn COUNT A... -- B...
 *
 * Runs the two in turn, so that a disturbance meets both, and prints
 * "median_a p99_a median_b p99_b" in microseconds. Streams are /dev/null.
 */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static int
compare(const void *a, const void *b)
{
	long x = *(const long *)a, y = *(const long *)b;

	return x < y ? -1 : x > y;
}

static long
run(char **argv)
{
	struct timespec from, to;
	int status;
	pid_t pid;

	clock_gettime(CLOCK_MONOTONIC, &from);
	errno = posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ);
	if (errno != 0) {
		perror(argv[0]);
		exit(1);
	}
	waitpid(pid, &status, 0);
	clock_gettime(CLOCK_MONOTONIC, &to);
	if (status != 0) {
		fprintf(stderr, "%s: status %d\n", argv[0], status);
		exit(1);
	}
	return (to.tv_sec - from.tv_sec) * 1000000 +
	       (to.tv_nsec - from.tv_nsec) / 1000;
}

int
main(int argc, char **argv)
{
	long count = argc > 4 ? strtol(argv[1], NULL, 10) : 0, *times[2];
	char **second = argv + 2;
	int null = open("/dev/null", O_RDWR);

	while (*second && strcmp(*second, "--") != 0)
		second++;
	if (count < 1 || !*second || !second[1] || null < 0) {
		fprintf(stderr, "usage: spawn COUNT A... -- B...\n");
		return 64;
	}
	*second++ = NULL;
	dup2(null, 0);
	for (int i = 0; i < 2; i++)
		times[i] = calloc((size_t)count, sizeof(long));
	for (long i = 0; i < count; i++) {
		times[0][i] = run(argv + 2);
		times[1][i] = run(second);
	}
	for (int i = 0; i < 2; i++) {
		qsort(times[i], (size_t)count, sizeof(long), compare);
		printf("%ld %ld%c", times[i][count / 2],
		    times[i][count * 99 / 100], i ? '\n' : ' ');
	}
	return 0;
}
