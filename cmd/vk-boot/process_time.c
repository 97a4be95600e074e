/* SPDX-License-Identifier: MIT */
/* process_time.c - the processor time of a process and all its descendants */
#include "cmd/vk-boot/process_time.h"

#include "common/io.h"
#include "common/scope.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

/* Of the list of one process's children: a thousand. */
#define CHILDREN_MAX 8192

struct walk {
	unsigned count;
	pid_t pids[PROCESS_TIME_MAX]; /* found; the first `next` are done */
};

/* A file of /proc as text. Its length, -1. */
static ssize_t
read_text(int proc, const char *path, char *into, size_t size)
{
	cleanup_fd int fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : io_read(fd, into, size - 1);

	if (n >= 0)
		into[n] = '\0';
	return n;
}

/* Ticks of one process and of the children that it waited for (proc(5)). */
static int
own_ticks(int proc, pid_t pid, uint64_t *ticks)
{
	unsigned long user, system;
	long children_user, children_system;
	char path[64], text[1024], *at;

	snprintf(path, sizeof(path), "%d/stat", (int)pid);
	if (read_text(proc, path, text, sizeof(text)) < 0)
		return -1;
	at = strrchr(text, ')'); /* a name may hold anything */
	if (!at || sscanf(at,
		       ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu "
		       "%ld %ld",
		       &user, &system, &children_user, &children_system) != 4)
		return -1;
	*ticks = user + system + (unsigned long)children_user +
		 (unsigned long)children_system;
	return 0;
}

static void
add_children(struct walk *walk, int proc, pid_t pid)
{
	char path[64], text[CHILDREN_MAX], *at = text, *end;

	snprintf(path, sizeof(path), "%d/task/%d/children", (int)pid, (int)pid);
	if (read_text(proc, path, text, sizeof(text)) <= 0)
		return;
	while (walk->count < PROCESS_TIME_MAX) {
		long child = strtol(at, &end, 10);

		if (end == at || child <= 0)
			return;
		walk->pids[walk->count++] = (pid_t)child;
		at = end;
	}
}

int
process_time(int proc, pid_t pid, uint64_t *ms)
{
	uint64_t per_second = (uint64_t)sysconf(_SC_CLK_TCK), all = 0, ticks;
	cleanup_free struct walk *walk = calloc(1, sizeof(*walk));

	if (!walk || own_ticks(proc, pid, &all) < 0)
		return -1;
	walk->pids[walk->count++] = pid;
	for (unsigned next = 0; next < walk->count; next++) {
		if (next > 0 && own_ticks(proc, walk->pids[next], &ticks) == 0)
			all += ticks;
		add_children(walk, proc, walk->pids[next]);
	}
	*ms = all * 1000 / per_second;
	return 0;
}
