/* SPDX-License-Identifier: MIT */
/*
 * channel.h - libext2fs's blocks, read from and written to our own descriptor
 *
 * The library's own channel waits for the disk (fsync) when it is opened,
 * which takes longer than all the rest of making an image, and keeps a cache
 * that nobody here reads twice from.
 *
 * The name that the library is given to open is the descriptor's number. It
 * stays the caller's.
 */
#ifndef VK_MKEXT_CHANNEL_H
#define VK_MKEXT_CHANNEL_H

#include <ext2fs/ext2_fs.h>
#include <ext2fs/ext2fs.h>

extern struct struct_io_manager channel_manager;

#endif
