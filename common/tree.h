/* SPDX-License-Identifier: MIT */
/*
 * tree.h - files and directories as a stream of records
 *
 * What "vk-exec cp" carries between host and guest, in either direction; the
 * streams are OPEN_PUT's stdin and OPEN_GET's stdout. A record, little endian:
 *
 *	u32 length of the payload | u8 type | payload
 *
 *	ENTRY	u8 kind, u32 mode, uid, gid, u64 seconds, u32 nanoseconds,
 *		u64 size, u32 major, u32 minor, u16 + path, u16 + target
 *	XATTR	u16 + name, value; of the last entry
 *	DATA	u64 offset, bytes; of the last entry, rising; what is left out
 *		is a hole
 *	CLOSE	the last entry, a file, is whole
 *	END	all is whole: a stream without it was cut
 *
 * Paths are relative, without ".", ".." and empty components: checked by the
 * reader, so that whoever uses it need not. A directory comes before what is
 * in it. Nothing is compressed; a hole costs nothing.
 *
 * Each thing that was asked for comes under the last component of its path
 * (tree_name); so a reader who knows what that was lets nothing else in: a
 * guest who is asked for "log" does not get to write ".profile" beside it.
 */
#ifndef VK_COMMON_TREE_H
#define VK_COMMON_TREE_H

#include "common/buf.h"
#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define TREE_DATA_MAX   65536
#define TREE_PATH_MAX   4095 /* what a system call takes */
#define TREE_XATTR_MAX  65536
#define TREE_RECORD_MAX (TREE_XATTR_MAX + 512)

enum tree_type {
	TREE_ENTRY = 1,
	TREE_XATTR,
	TREE_DATA,
	TREE_CLOSE,
	TREE_END,
};

enum tree_kind {
	TREE_FILE = 1,
	TREE_DIR,
	TREE_SYMLINK, /* target is where it leads */
	TREE_LINK,    /* target is the path of an entry before */
	TREE_CHAR,
	TREE_BLOCK,
	TREE_FIFO,
	TREE_SOCKET, /* never sent: nothing can be made of it */
};

struct tree_entry {
	enum tree_kind kind;
	uint32_t mode; /* permissions, set-id and sticky bits */
	uint32_t uid, gid;
	int64_t seconds;
	uint32_t nanoseconds;
	uint64_t size;
	uint32_t major, minor;
	const char *path, *target; /* never NULL */
};

struct tree_record {
	enum tree_type type;
	struct tree_entry entry; /* ENTRY */
	const char *name;        /* XATTR */
	uint64_t offset;         /* DATA */
	const uint8_t *data;     /* XATTR, DATA */
	size_t len;
};

/* Writes records to a blocking descriptor. 0, -1 with err. */
struct tree_writer {
	int fd;
	struct buf out;
};
void tree_writer_init(struct tree_writer *, int fd);
void tree_writer_release(struct tree_writer *);
int tree_put_entry(
    struct tree_writer *, const struct tree_entry *, struct err *);
int tree_put_xattr(struct tree_writer *, const char *name, const void *value,
    size_t len, struct err *);
int tree_put_data(struct tree_writer *, uint64_t offset, const void *,
    size_t len, struct err *);
int tree_put_close(struct tree_writer *, struct err *);
/* The end; everything is written then. */
int tree_put_end(struct tree_writer *, struct err *);

/* What was asked of the other side. */
struct tree_wanted {
	char *const *paths; /* ends with NULL */
	bool recursive;     /* directories, too, and links as they are */
};

/* Reads them from one. What a record points to holds until the next. */
struct tree_reader {
	int fd;
	const struct tree_wanted *wanted; /* NULL: all that comes */
	uint8_t *data;
	size_t used, have, size;
	char path[TREE_PATH_MAX + 1], target[TREE_PATH_MAX + 1];
	char name[256];
	bool ended;
};
int tree_reader_init(struct tree_reader *, int fd);
void tree_reader_release(struct tree_reader *);
/* 1, 0 after END, -1 with err (EX_PROTOCOL malformed, or an entry that nobody
 * asked for, EX_IOERR cut off). */
int tree_next(struct tree_reader *, struct tree_record *, struct err *);

/* Whether a path is one that an entry may have. "" is the top itself. */
bool tree_path_valid(const char *path);

/* What a copy of path is called, its last component. "" for "/", "." and "..",
 * whose content goes straight to the destination. */
void tree_name(const char *path, char *into, size_t size);

/* Of what comes from where nobody is trusted: the bits of a mode, and whether
 * an attribute is one of the user's own. */
#define TREE_HARMLESS_MODE 01777
bool tree_xattr_harmless(const char *name);

#endif
