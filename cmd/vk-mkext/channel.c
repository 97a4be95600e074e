/* SPDX-License-Identifier: MIT */
/* channel.c - libext2fs's blocks, read from and written to our own descriptor
 */
#include "cmd/vk-mkext/channel.h"

#include "common/io.h"
#include "common/size.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

static int
fd_of(io_channel c)
{
	return *(int *)c->private_data;
}

static errcode_t
channel_open(const char *name, int flags, io_channel *into)
{
	io_channel c = calloc(1, sizeof(*c));
	int *fd = calloc(1, sizeof(*fd));
	uint64_t number;

	(void)flags;
	if (c)
		c->name = strdup(name);
	if (!c || !fd || !c->name || number_parse(name, INT_MAX, &number) < 0) {
		if (c)
			free(c->name);
		free(c);
		free(fd);
		return ENOMEM;
	}
	*fd = (int)number;
	c->magic = EXT2_ET_MAGIC_IO_CHANNEL;
	c->manager = &channel_manager;
	c->block_size = 1024; /* until the library says otherwise */
	c->refcount = 1;
	c->private_data = fd;
	*into = c;
	return 0;
}

static errcode_t
channel_close(io_channel c)
{
	if (--c->refcount > 0)
		return 0;
	free(c->private_data);
	free(c->name);
	free(c);
	return 0;
}

static errcode_t
channel_set_blksize(io_channel c, int size)
{
	c->block_size = size;
	return 0;
}

/* Bytes of count blocks; a count below zero is in bytes itself. */
static size_t
length_of(io_channel c, int count)
{
	return count < 0 ? (size_t) - (long)count
			 : (size_t)count * (size_t)c->block_size;
}

static errcode_t
channel_read(io_channel c, unsigned long long block, int count, void *into)
{
	size_t length = length_of(c, count);
	ssize_t got =
	    io_pread(fd_of(c), into, length, block * (unsigned)c->block_size);

	if (got < 0)
		return errno;
	memset((char *)into + got, 0, length - (size_t)got);
	return (size_t)got == length ? 0 : EXT2_ET_SHORT_READ;
}

static errcode_t
channel_write(
    io_channel c, unsigned long long block, int count, const void *from)
{
	return io_pwrite(fd_of(c), from, length_of(c, count),
		   block * (unsigned)c->block_size) < 0
		   ? errno
		   : 0;
}

/* The same with block numbers as they once were. */
static errcode_t
channel_read_old(io_channel c, unsigned long block, int count, void *into)
{
	return channel_read(c, block, count, into);
}

static errcode_t
channel_write_old(
    io_channel c, unsigned long block, int count, const void *from)
{
	return channel_write(c, block, count, from);
}

static errcode_t
channel_flush(io_channel c)
{
	(void)c;
	return 0;
}

struct struct_io_manager channel_manager = {
    .magic = EXT2_ET_MAGIC_IO_MANAGER,
    .name = "vk-mkext",
    .open = channel_open,
    .close = channel_close,
    .set_blksize = channel_set_blksize,
    .read_blk = channel_read_old,
    .write_blk = channel_write_old,
    .flush = channel_flush,
    .read_blk64 = channel_read,
    .write_blk64 = channel_write,
};
