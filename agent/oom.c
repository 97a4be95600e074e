/* SPDX-License-Identifier: MIT */
/* oom.c - tells the host when the kernel kills for want of memory */
#include "agent/oom.h"

#include "common/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The kernel's longest record with its head. */
#define RECORD_MAX 8192

static struct watch kernel = {.fd = -1};
static struct agent *agent;

/* "6,339,5140900,-;Out of memory: Killed process 123 (name) ..." and the same
 * behind "Memory cgroup out of memory:". */
bool
oom_message(const char *message, size_t len, char *text, size_t size)
{
	const char *body = memchr(message, ';', len), *kill, *end;

	if (!body)
		return false;
	body++;
	len -= (size_t)(body - message);
	kill = memmem(body, len, "Killed process ", 15);
	if (!kill || !memmem(body, (size_t)(kill - body), "ut of memory", 12))
		return false;
	len -= (size_t)(kill - body);
	end = memchr(kill, ')', len);
	snprintf(text, size, "%.*s",
	    (int)(end ? end + 1 - kill : (long)strnlen(kill, len)), kill);
	return true;
}

static void
ready(struct watch *w, uint32_t events)
{
	char record[RECORD_MAX], text[256];
	ssize_t n = read(w->fd, record, sizeof(record));

	(void)events;
	/* One a turn. EPIPE: records were lost, the next read goes on behind
	 * them. */
	if (n > 0 && oom_message(record, (size_t)n, text, sizeof(text)))
		agent_event(agent, EVENT_OOM, "%s", text);
}

void
oom_watch(struct agent *a)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	agent = a;
	if (fd < 0)
		return;
	lseek(fd, 0, SEEK_END);
	if (loop_add(&a->loop, &kernel, fd, EPOLLIN, ready) < 0)
		close(fd);
}
