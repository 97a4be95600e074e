/* SPDX-License-Identifier: MIT */
/*
 * io.h - whole reads and writes on descriptors
 *
 * All of them go on after EINTR and short counts. They are for blocking
 * descriptors; EAGAIN is an error here.
 */
#ifndef VK_COMMON_IO_H
#define VK_COMMON_IO_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Opens a regular file for reading, by a name that somebody else has given:
 * nothing that waits (a FIFO), or acts (a device), is opened. flags: more of
 * open(2). Returns the descriptor, -1 with errno. */
int io_open_regular(const char *path, int flags);

/* Reads until len bytes or end of file. Returns the count, -1 with errno. */
ssize_t io_read(int fd, void *into, size_t len);

/* The same at an offset of a file. */
ssize_t io_pread(int fd, void *into, size_t len, uint64_t offset);

/* Writes all of it. Returns 0, -1 with errno. */
int io_write(int fd, const void *from, size_t len);
int io_pwrite(int fd, const void *from, size_t len, uint64_t offset);

/* Sets or clears O_NONBLOCK. Returns 0, -1 with errno. */
int io_nonblock(int fd, int on);

/* Allows this process as many descriptors as it may allow itself (the hard
 * limit). How many that are; 0 with errno, and all is as it was. */
uint64_t io_allow_descriptors(void);

/* First in a program: what of descriptors 0 to 2 is closed becomes /dev/null,
 * so that nothing else that is opened is taken for standard input, output or
 * error. To read the first and to write the second fails as it did. */
void io_keep_standard(void);

#endif
