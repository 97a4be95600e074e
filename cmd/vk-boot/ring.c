/* SPDX-License-Identifier: MIT */
/* ring.c - the end of what the guest's console said */
#include "cmd/vk-boot/ring.h"

#include "cmd/vk-boot/loop.h" /* eventfd_give */

#include "common/io.h"
#include "common/scope.h"

#include <pthread.h>
#include <string.h>

const struct filter_call ring_calls[] = {
    CALL(pwrite64),
    CALL_RARE(ftruncate, "console.log is at its limit"),
    CALL_RARE(close, "the disk is full"),
    CALLS_END,
};

struct ring {
	pthread_mutex_t lock;
	size_t at;      /* where the next byte goes */
	size_t len;     /* bytes in use, up to RING_KEEP */
	size_t held;    /* the newest that are not in the file */
	uint64_t total; /* bytes ever added */
	int watcher;    /* an eventfd; -1: none */
	int file;
	size_t written; /* bytes in the file */
	char text[RING_KEEP];
};

struct ring *
ring_new(int file, struct err *e)
{
	struct ring *ring = calloc(1, sizeof(*ring));

	if (!ring || (file >= 0 && ftruncate(file, 0) < 0)) {
		err_errno(e, EX_OSERR, "console");
		fd_close(&file);
		free(ring);
		return NULL;
	}
	pthread_mutex_init(&ring->lock, NULL);
	ring->file = file;
	ring->watcher = -1;
	return ring;
}

/* The byte that came `back` bytes before the next one will. */
static char
byte_at(const struct ring *ring, size_t back)
{
	return ring->text[(ring->at + RING_KEEP - back) % RING_KEEP];
}

/* Writes the newest `count` bytes at offset. 0, -1. */
static int
write_newest(struct ring *ring, size_t count, size_t offset)
{
	size_t from = (ring->at + RING_KEEP - count) % RING_KEEP;
	size_t first = count < RING_KEEP - from ? count : RING_KEEP - from;

	if (io_pwrite(ring->file, ring->text + from, first, offset) < 0)
		return -1;
	return io_pwrite(ring->file, ring->text, count - first, offset + first);
}

/* Cuts the file to what memory has, from the first whole line on. */
static int
start_over(struct ring *ring)
{
	size_t count = ring->len;

	while (count > 0 && byte_at(ring, count) != '\n')
		count--;
	count = count > 0 ? count - 1 : ring->len;
	if (write_newest(ring, count, 0) < 0 ||
	    ftruncate(ring->file, (off_t)count) < 0)
		return -1;
	ring->written = count;
	return 0;
}

static void
flush(struct ring *ring)
{
	int result = 0;

	if (ring->file < 0 || ring->held == 0)
		return;
	if (ring->written + ring->held > RING_FILE_MAX) {
		result = start_over(ring);
	} else {
		result = write_newest(ring, ring->held, ring->written);
		ring->written += ring->held;
	}
	ring->held = 0;
	/* A full disk must not stop a guest: its console is in memory. */
	if (result < 0)
		fd_close(&ring->file);
}

/* Puts len bytes, fewer than RING_KEEP, into memory. */
static void
put(struct ring *ring, const char *text, size_t len)
{
	size_t first = RING_KEEP - ring->at;

	if (first > len)
		first = len;
	memcpy(ring->text + ring->at, text, first);
	memcpy(ring->text, text + first, len - first);
	ring->at = (ring->at + len) % RING_KEEP;
	ring->len = ring->len + len < RING_KEEP ? ring->len + len : RING_KEEP;
	ring->held += len;
	ring->total += len;
}

/* Copies count bytes, of which the first came `back` bytes before the next one
 * will. */
static void
copy_back(const struct ring *ring, size_t back, void *into, size_t count)
{
	size_t from = (ring->at + RING_KEEP - back) % RING_KEEP;
	size_t first = count < RING_KEEP - from ? count : RING_KEEP - from;

	if (count == 0)
		return;
	memcpy(into, ring->text + from, first);
	memcpy((char *)into + first, ring->text, count - first);
}

void
ring_add(struct ring *ring, const void *text, size_t len)
{
	const char *from = text;

	pthread_mutex_lock(&ring->lock);
	while (len > 0) {
		/* In pieces: what is held back is always in memory. */
		size_t n = len < RING_KEEP / 2 ? len : RING_KEEP / 2;

		put(ring, from, n);
		if (ring->held >= RING_HELD || memchr(from, '\n', n))
			flush(ring);
		from += n;
		len -= n;
	}
	if (ring->watcher >= 0)
		eventfd_give(ring->watcher);
	pthread_mutex_unlock(&ring->lock);
}

void
ring_watch(struct ring *ring, int eventfd)
{
	pthread_mutex_lock(&ring->lock);
	ring->watcher = eventfd;
	pthread_mutex_unlock(&ring->lock);
}

size_t
ring_read(struct ring *ring, uint64_t *place, void *into, size_t size)
{
	size_t count;

	pthread_mutex_lock(&ring->lock);
	if (*place > ring->total)
		*place = ring->total;
	if (ring->total - *place > ring->len)
		*place = ring->total - ring->len;
	count = (size_t)(ring->total - *place);
	copy_back(ring, count, into, count < size ? count : size);
	count = count < size ? count : size;
	*place += count;
	pthread_mutex_unlock(&ring->lock);
	return count;
}

void
ring_flush(struct ring *ring)
{
	pthread_mutex_lock(&ring->lock);
	flush(ring);
	pthread_mutex_unlock(&ring->lock);
}

void
ring_free(struct ring *ring)
{
	if (!ring)
		return;
	flush(ring);
	fd_close(&ring->file);
	pthread_mutex_destroy(&ring->lock);
	free(ring);
}

size_t
ring_copy(struct ring *ring, void *into, size_t size)
{
	size_t count;

	pthread_mutex_lock(&ring->lock);
	count = size < ring->len ? size : ring->len;
	copy_back(ring, count, into, count);
	pthread_mutex_unlock(&ring->lock);
	return count;
}

/* How many bytes back the last lines begin. */
static size_t
lines_back(const struct ring *ring, unsigned lines)
{
	size_t back = 0;

	/* The newline at the very end ends the last line. */
	if (ring->len > 0 && byte_at(ring, 1) == '\n')
		back = 1;
	for (; back < ring->len; back++)
		if (byte_at(ring, back + 1) == '\n' && --lines == 0)
			break;
	return back;
}

/* Skips an escape sequence whose ESC was at `back`: "ESC [ ... letter", or two
 * characters. Returns where its last character is. */
static size_t
skip_escape(const struct ring *ring, size_t back)
{
	if (back > 1 && byte_at(ring, back - 1) == '[')
		for (back -= 1; back > 1; back--) {
			char c = byte_at(ring, back - 1);

			if (c >= '@' && c <= '~')
				break;
			if (c < ' ')
				return back;
		}
	return back > 1 ? back - 1 : 1;
}

size_t
ring_last(struct ring *ring, unsigned lines, char *into, size_t size)
{
	size_t len = 0;

	if (size == 0)
		return 0;
	pthread_mutex_lock(&ring->lock);
	for (size_t back = lines ? lines_back(ring, lines) : 0; back > 0;
	     back--) {
		char c = byte_at(ring, back);

		if (c == '\033') {
			back = skip_escape(ring, back);
			continue;
		}
		if (c == '\r')
			continue;
		if ((unsigned char)c < ' ' && c != '\n' && c != '\t')
			c = '?';
		/* Where there is too much, the end is what counts. */
		if (len == size - 1) {
			size_t half = len / 2;

			memmove(into, into + half, len - half);
			len -= half;
		}
		if (len < size - 1)
			into[len++] = c == 0x7f ? '?' : c;
	}
	pthread_mutex_unlock(&ring->lock);
	if (len > 0 && into[len - 1] != '\n') {
		if (len == size - 1)
			len--;
		if (size > 1)
			into[len++] = '\n';
	}
	into[len] = '\0';
	return len;
}
