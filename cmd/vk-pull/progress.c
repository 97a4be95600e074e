/* SPDX-License-Identifier: MIT */
/* progress.c - how far a pull is, on a terminal */
#include "cmd/vk-pull/progress.h"

#include "common/buf.h"
#include "common/io.h"
#include "common/size.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define INTERVAL_MS 200
/* Layers shown at a time: what fits on any terminal. */
#define LINES_MAX 12
#define FRAME_MAX 4096

static uint64_t
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* "12.3 MiB of 45.6 MiB" */
static void
put_amount(struct buf *b, uint64_t done, uint64_t all)
{
	char have[SIZE_TEXT_MAX], want[SIZE_TEXT_MAX];

	buf_printf(b, "%s of %s", size_text(done, have), size_text(all, want));
}

/* Rate since the start and what it means for the rest. */
static void
put_rate(struct buf *b, const struct progress *p, uint64_t done, uint64_t all)
{
	uint64_t ms = now_ms() - p->begun_ms, rate;
	char text[SIZE_TEXT_MAX];

	if (ms < 500 || done <= p->first)
		return;
	rate = (done - p->first) * 1000 / ms;
	buf_printf(b, "  %s/s", size_text(rate, text));
	if (rate > 0 && all > done)
		buf_printf(b, "  %llu s left",
		    (unsigned long long)((all - done) / rate));
}

static void
put_layers(struct buf *b, struct progress *p)
{
	uint64_t done = 0, all = 0;
	size_t finished = 0;

	for (size_t i = 0; i < p->count; i++) {
		struct layer *l = &p->layers[i];
		uint64_t have = atomic_load(&l->done);

		done += have;
		all += l->descriptor.size;
		finished += have >= l->descriptor.size;
		if (have == 0 || have >= l->descriptor.size ||
		    p->lines >= LINES_MAX)
			continue;
		buf_printf(b, "  %.12s  ", digest_hex(&l->descriptor.digest));
		put_amount(b, have, l->descriptor.size);
		buf_puts(b, "\033[K\n");
		p->lines++;
	}
	buf_printf(b, "%zu of %zu layers  ", finished, p->count);
	put_amount(b, done, all);
	put_rate(b, p, done, all);
}

static void
draw(struct progress *p)
{
	cleanup_buf struct buf b = BUF_INIT(FRAME_MAX);

	buf_puts(&b, "\r");
	if (p->lines > 0)
		buf_printf(&b, "\033[%uA", p->lines);
	p->lines = 0;
	if (p->written) {
		uint64_t done = atomic_load(p->written);

		buf_puts(&b, "writing  ");
		put_amount(&b, done, p->expected);
		put_rate(&b, p, done, p->expected);
	} else {
		put_layers(&b, p);
	}
	/* The rest of this line and everything below. */
	buf_puts(&b, "\033[K\033[J");
	if (!b.failed)
		io_write(STDERR_FILENO, b.data, b.len);
}

static void *
run(void *into)
{
	struct progress *p = into;

	pthread_mutex_lock(&p->lock);
	while (!p->stop) {
		struct timespec until;

		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += INTERVAL_MS * 1000000L;
		if (until.tv_nsec >= 1000000000L) {
			until.tv_sec++;
			until.tv_nsec -= 1000000000L;
		}
		pthread_cond_timedwait(&p->stopping, &p->lock, &until);
		if (!p->stop)
			draw(p);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

static void
start(struct progress *p, bool quiet)
{
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->stopping, NULL);
	p->begun_ms = now_ms();
	p->started = !quiet && isatty(STDERR_FILENO) &&
		     pthread_create(&p->thread, NULL, run, p) == 0;
}

void
progress_load(
    struct progress *p, struct layer *layers, size_t count, bool quiet)
{
	*p = (struct progress){.layers = layers, .count = count};
	start(p, quiet);
}

void
progress_write(struct progress *p, _Atomic uint64_t *written, uint64_t expected,
    bool quiet)
{
	*p = (struct progress){.written = written, .expected = expected};
	start(p, quiet);
}

void
progress_stop(struct progress *p)
{
	char clear[32];
	int len;

	if (!p->started)
		return;
	pthread_mutex_lock(&p->lock);
	p->stop = true;
	pthread_cond_signal(&p->stopping);
	pthread_mutex_unlock(&p->lock);
	pthread_join(p->thread, NULL);
	p->started = false;
	len = snprintf(clear, sizeof(clear), "\r");
	if (p->lines > 0)
		len = snprintf(clear, sizeof(clear), "\r\033[%uA", p->lines);
	len += snprintf(clear + len, sizeof(clear) - (size_t)len, "\033[J");
	io_write(STDERR_FILENO, clear, (size_t)len);
}
