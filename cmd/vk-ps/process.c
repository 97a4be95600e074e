/* SPDX-License-Identifier: MIT */
/* process.c - what a process and its descendants use, from proc(5) */
#include "cmd/vk-ps/process.h"

#include "common/io.h"
#include "common/scope.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* A list of children is the longest of these; a VM has a handful. */
#define FILE_MAX 4096

/* The beginning of /proc/PID/NAME as text. Returns 0, -1 with errno. */
static int
read_file(pid_t pid, const char *name, char text[FILE_MAX])
{
	char path[64];
	cleanup_fd int fd = -1;
	ssize_t len;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	len = fd < 0 ? -1 : io_read(fd, text, FILE_MAX - 1);
	if (len < 0)
		return -1;
	text[len] = '\0';
	return 0;
}

/* Fields 14, 15 and 22 of proc_pid_stat(5), in ticks. */
static int
parse_stat(const char *text, unsigned long long *cpu, unsigned long long *start)
{
	unsigned long long user, kernel;
	/* The name may hold anything, also ")". */
	const char *p = strrchr(text, ')');

	if (!p || sscanf(p + 1,
		      " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu "
		      "%*d %*d %*d %*d %*d %*d %llu",
		      &user, &kernel, start) != 3) {
		errno = EPROTO;
		return -1;
	}
	*cpu = user + kernel;
	return 0;
}

static uint64_t
parse_memory(const char *text)
{
	const char *line = strstr(text, "\nPss:");

	return line ? strtoull(line + 5, NULL, 10) * 1024 : 0;
}

/* Adds a process, and what descends from it. */
static int
add(pid_t pid, unsigned depth, unsigned long long *start,
    struct process_use *use)
{
	uint64_t per_second = (uint64_t)sysconf(_SC_CLK_TCK);
	char text[FILE_MAX], list[32], *p;
	unsigned long long cpu, ignored;

	if (read_file(pid, "stat", text) < 0 ||
	    parse_stat(text, &cpu, start ? start : &ignored) < 0)
		return -1;
	use->cpu_ms += cpu * 1000 / per_second;
	if (read_file(pid, "smaps_rollup", text) == 0)
		use->memory += parse_memory(text);
	snprintf(list, sizeof(list), "task/%d/children", (int)pid);
	if (depth == PROCESS_DEPTH_MAX || read_file(pid, list, text) < 0)
		return 0;
	p = text;
	for (long child; (child = strtol(p, &p, 10)) > 0;)
		add((pid_t)child, depth + 1, NULL, use);
	return 0;
}

int
process_use(pid_t pid, struct process_use *use)
{
	uint64_t per_second = (uint64_t)sysconf(_SC_CLK_TCK);
	unsigned long long start;
	struct timespec now;
	uint64_t now_ms, start_ms;

	*use = (struct process_use){0};
	if (add(pid, 0, &start, use) < 0)
		return -1;
	clock_gettime(CLOCK_BOOTTIME, &now);
	now_ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
	start_ms = start * 1000 / per_second;
	use->up_ms = now_ms > start_ms ? now_ms - start_ms : 0;
	return 0;
}
