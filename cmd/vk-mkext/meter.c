/* SPDX-License-Identifier: MIT */
/* meter.c - how far the work is, on a terminal */
#include "cmd/vk-mkext/meter.h"

#include "common/io.h"
#include "common/size.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FIRST_MS 500
#define EVERY_MS 200

static uint64_t
now_ms(void)
{
	struct timespec t;

	/* Coarse: it is asked for every file. */
	clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void
meter_open(struct meter *m, int fd, bool wanted)
{
	struct stat st;

	*m = (struct meter){.on = wanted && isatty(STDERR_FILENO)};
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		m->total = (uint64_t)st.st_size;
}

static void
show(struct meter *m, uint64_t bytes, uint64_t elapsed_ms)
{
	char line[128], done[SIZE_TEXT_MAX], rate[SIZE_TEXT_MAX];
	char left[48] = "";
	int length;

	if (m->total > bytes && bytes > 0)
		snprintf(left, sizeof(left), ", %" PRIu64 " s left",
		    elapsed_ms * ((m->total - bytes) / 1024) /
			(bytes / 1024 + 1) / 1000);
	length = snprintf(line, sizeof(line), "\r\033[Kvk-mkext: %s, %s/s%s",
	    size_text(bytes, done),
	    size_text(elapsed_ms ? bytes * 1000 / elapsed_ms : 0, rate), left);
	if (length > 0 && (size_t)length < sizeof(line))
		io_write(STDERR_FILENO, line, (size_t)length);
	m->shown = true;
}

void
meter_step(void *with, uint64_t bytes_read)
{
	struct meter *m = with;
	uint64_t now;

	if (!m->on)
		return;
	now = now_ms();
	/* Whoever writes into a pipe may have been long about it. */
	if (m->started_ms == 0) {
		m->started_ms = now;
		m->next_ms = now + FIRST_MS;
	}
	if (now < m->next_ms)
		return;
	m->next_ms = now + EVERY_MS;
	show(m, bytes_read, now - m->started_ms);
}

void
meter_close(struct meter *m)
{
	if (m->shown)
		io_write(STDERR_FILENO, "\r\033[K", 4);
	m->shown = m->on = false;
}
