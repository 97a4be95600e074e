/* SPDX-License-Identifier: MIT */
/*
 * output.h - where the image is made, and how it gets to where it belongs
 *
 * An image needs a file that can be written anywhere. So:
 *   -o FILE         a file without a name in FILE's directory, which gets the
 *                   name when it is whole: whatever ends us before, even
 *                   kill -9, leaves nothing. (If there is a FILE, it has
 *                   another name for the moment before it takes that one's
 *                   place.) Where FILE is a symbolic link,
 *                   what it leads to is meant.
 *   > FILE          that file itself, opened again for reading and writing;
 *                   what does not become whole is cut to nothing.
 *   | PROGRAM       a file without a name in TMPDIR, which is copied out when
 *                   it is whole, holes as zeros.
 * A terminal is refused.
 */
#ifndef VK_MKEXT_OUTPUT_H
#define VK_MKEXT_OUTPUT_H

#include "common/err.h"

#include <stdbool.h>

enum output_kind { OUTPUT_NAMED, OUTPUT_REDIRECTED, OUTPUT_STREAMED };

struct output {
	enum output_kind kind;
	int fd;          /* of the image, read and write */
	char *path;      /* OUTPUT_NAMED: the final name */
	char *temporary; /* its name until then, where it needs one */
};

/* path NULL or "-": stdout. */
int output_open(struct output *, const char *path, struct err *);

/* The image is whole: gives it its name or copies it out. With sync all of that
 * is on the disk then. */
int output_commit(struct output *, bool sync, struct err *);

/* Without a commit before, nothing is left. May be called twice. */
void output_close(struct output *);

#endif
