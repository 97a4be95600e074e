/* SPDX-License-Identifier: MIT */
/*
 * ext2_reader.h - what is read from an ext4 image, by libext2fs
 *
 * The library is opened, not linked: only a child (inside.h) ever needs it.
 * There is one image; all functions return 0, -1 with err.
 */
#ifndef VK_BOOT_EXT2_READER_H
#define VK_BOOT_EXT2_READER_H

#include "common/err.h"

#include <ext2fs/ext2fs.h>
#include <stdint.h>

#define EXT2_FUNCTIONS(f)                                                      \
	f(open2, ext2fs_open2) f(namei, ext2fs_namei_follow)                   \
	    f(read_inode, ext2fs_read_inode) f(file_open, ext2fs_file_open)    \
		f(file_close, ext2fs_file_close)                               \
		    f(file_read, ext2fs_file_read)                             \
			f(file_size, ext2fs_file_get_lsize)                    \
			    f(dir_iterate, ext2fs_dir_iterate2)                \
				f(add_messages, initialize_ext2_error_table)   \
				    f(message, error_message)

struct ext2_reader {
#define EXT2_MEMBER(member, name) __typeof__(&name) member;
	EXT2_FUNCTIONS(EXT2_MEMBER)
	io_manager *io;
	ext2_filsys fs;
};

extern struct ext2_reader ext2;

/* Opens the image that fd holds. */
int ext2_open_image(int fd, struct err *);

/* Writes the bytes of inode number, at most max, to a descriptor; name is for
 * messages. *size is what was written. */
int ext2_copy(ext2_ino_t number, const char *name, uint64_t max, int to,
    uint64_t *size, struct err *);

/* The regular file at path; the names in the folder at path, each with a
 * newline. */
int ext2_file(const char *path, uint64_t max, int to, struct err *);
int ext2_list(const char *path, uint64_t max, int to, struct err *);

/*
 * All of the image, as a newc archive (initramfs.h) of at most max bytes;
 * *size is what it takes, even if that is more (EX_USAGE). It has owners,
 * modes, times, hard links, devices. Extended attributes have no place in that
 * format, nor have files of 4 GiB.
 */
int ext2_tree(uint64_t max, int to, uint64_t *size, struct err *);

#endif
