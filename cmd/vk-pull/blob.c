/* SPDX-License-Identifier: MIT */
/* blob.c - bytes of a file that may still be arriving */
#include "cmd/vk-pull/blob.h"

#include "common/io.h"
#include "common/scope.h"

void
blob_init(struct blob *b, uint64_t size)
{
	*b = (struct blob){.fd = -1, .size = size};
	pthread_mutex_init(&b->lock, NULL);
	pthread_cond_init(&b->more, NULL);
}

void
blob_release(struct blob *b)
{
	if (!b->borrowed)
		fd_close(&b->fd);
	b->fd = -1;
}

void
blob_arrived(struct blob *b, int fd, uint64_t offset, uint64_t have)
{
	pthread_mutex_lock(&b->lock);
	b->fd = fd;
	b->offset = offset;
	b->have = have;
	pthread_cond_broadcast(&b->more);
	pthread_mutex_unlock(&b->lock);
}

void
blob_fail(struct blob *b)
{
	pthread_mutex_lock(&b->lock);
	b->failed = true;
	pthread_cond_broadcast(&b->more);
	pthread_mutex_unlock(&b->lock);
}

ssize_t
blob_read(struct blob *b, uint64_t at, void *into, size_t len, struct err *e)
{
	uint64_t have;
	bool failed;
	ssize_t n;

	if (at >= b->size)
		return 0;
	pthread_mutex_lock(&b->lock);
	while (b->have <= at && !b->failed)
		pthread_cond_wait(&b->more, &b->lock);
	have = b->have;
	failed = b->failed;
	pthread_mutex_unlock(&b->lock);
	if (failed) {
		e->status = 0;
		return -1;
	}
	if (len > have - at)
		len = (size_t)(have - at);
	n = io_pread(b->fd, into, len, b->offset + at);
	if (n < 0)
		return err_errno(e, EX_IOERR, "cache");
	if ((size_t)n < len)
		return err_set(e, EX_DATAERR, "file became shorter");
	return n;
}

int
blob_mark(struct blob *b, struct err *e)
{
	if (fstat(b->fd, &b->seen) < 0)
		return err_errno(e, EX_IOERR, "blob");
	return 0;
}

bool
blob_changed(const struct blob *b)
{
	struct stat now;

	/* The link count and so the ctime change when another vk-pull moves
	 * or removes the name, so that cannot be held against it. */
	return fstat(b->fd, &now) < 0 || now.st_size != b->seen.st_size ||
	       now.st_mtim.tv_sec != b->seen.st_mtim.tv_sec ||
	       now.st_mtim.tv_nsec != b->seen.st_mtim.tv_nsec;
}
