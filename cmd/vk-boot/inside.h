/* SPDX-License-Identifier: MIT */
/*
 * inside.h - files inside an ext4 image, read by a process of its own
 *
 * The image is hostile, and the library that reads it is large: so it runs in
 * a child (child.h) that holds the image, a socket and nothing else. It answers
 *a path with a descriptor of the file's bytes in memory. Whatever the image
 *does to it, the caller sees a file, an error, or the reader's death, which is
 *an error too.
 *
 * Messages (SOCK_SEQPACKET), a question and an answer each in turn:
 *
 *	question	struct: what, limit in bytes; then the path
 *	answer		struct: status (0, or of sysexits(3)) and text; with
 *			status 0 a descriptor (SCM_RIGHTS)
 *
 * Links are followed inside the image only. A journal that has not been played
 * back is not looked at: what was written last may be missing.
 */
#ifndef VK_BOOT_INSIDE_H
#define VK_BOOT_INSIDE_H

#include "common/err.h"

#include <stdint.h>
#include <sys/types.h>

struct inside {
	pid_t pid; /* 0: it is closed */
	int socket;
};

/*
 * Starts a reader of the image, which stays the caller's. To be called before
 * there are threads. Returns 0, -1 with err (also if it is not an ext4 file
 * system that can be read).
 */
int inside_open(struct inside *, int image_fd, struct err *);

/* A descriptor, in memory, of the regular file at path, at most max bytes of
 * it. -1 with err (EX_NOINPUT: there is none). */
int inside_file(struct inside *, const char *path, uint64_t max, struct err *);

/* The same of the names in a folder, each followed by a newline; names that
 * have one are left out, and so are "." and "..". */
int inside_list(struct inside *, const char *path, uint64_t max, struct err *);

/* The same of the whole image, as a newc archive (ext2_reader.h). *size is what
 * that takes, even if it is more than max (EX_USAGE); 0: unknown. */
int inside_tree(struct inside *, uint64_t max, uint64_t *size, struct err *);

/* Ends the reader. May be called twice, and on one that is all zeros. */
void inside_close(struct inside *);

#endif
