/* SPDX-License-Identifier: MIT */
/*
 * blob.h - bytes of a file that may still be arriving
 *
 * One thread brings them (or they are all there from the start), others follow
 * it through the file, each at its own pace; the page cache is the buffer
 * between them. A blob may also be a piece of a larger file, as in archives.
 */
#ifndef VK_PULL_BLOB_H
#define VK_PULL_BLOB_H

#include "common/err.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

struct blob {
	pthread_mutex_t lock;
	pthread_cond_t more;
	int fd;           /* -1: none yet */
	bool borrowed;    /* fd is not closed with the blob */
	uint64_t offset;  /* where in fd it starts */
	uint64_t size;    /* what is expected */
	uint64_t have;    /* what is there */
	bool failed;      /* no more will come */
	struct stat seen; /* of fd when blob_mark was called */
};

void blob_init(struct blob *, uint64_t size);
void blob_release(struct blob *); /* closes fd; twice is fine */

/* For who brings the bytes. */
void blob_arrived(struct blob *, int fd, uint64_t offset, uint64_t have);
void blob_fail(struct blob *);

/*
 * Waits for bytes at `at` and reads up to len of them. Returns the count, 0 at
 * the end, -1 with err (status 0 where whoever brings them has the reason).
 */
ssize_t blob_read(
    struct blob *, uint64_t at, void *into, size_t len, struct err *);

/* Remembers the file's state; blob_changed tells if it is another now. */
int blob_mark(struct blob *, struct err *);
bool blob_changed(const struct blob *);

#endif
