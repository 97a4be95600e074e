/* SPDX-License-Identifier: MIT */
/* packed.c - compressed bytes, unpacked as they come */
#include "common/packed.h"

#include <archive.h>
#include <archive_entry.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

const char *
packed_format(const void *start, size_t len)
{
	static const struct {
		const char *name;
		uint8_t len;
		uint8_t magic[PACKED_MAGIC_LEN];
	} formats[] = {
	    {"gzip", 3, {0x1f, 0x8b, 8}},
	    {"bzip2", 3, {'B', 'Z', 'h'}},
	    {"lzma", 3, {0x5d, 0, 0}},
	    {"xz", 6, {0xfd, '7', 'z', 'X', 'Z', 0}},
	    {"lz4", 4, {0x04, 0x22, 0x4d, 0x18}},
	    {"lz4", 4, {0x02, 0x21, 0x4c, 0x18}}, /* the kernel's framing */
	    {"zstd", 4, {0x28, 0xb5, 0x2f, 0xfd}},
	};

	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
		if (len >= formats[i].len &&
		    memcmp(start, formats[i].magic, formats[i].len) == 0)
			return formats[i].name;
	return NULL;
}

/* The functions that are used, of the types its header gives: name in the
 * structure, name in the library. */
#define ARCHIVE_FUNCTIONS(f)                                                   \
	f(new, archive_read_new) f(free, archive_read_free) f(open,            \
	    archive_read_open) f(next, archive_read_next_header) f(block,      \
	    archive_read_data_block) f(error, archive_error_string)            \
	    f(fail, archive_set_error) f(raw, archive_read_support_format_raw) \
		f(gzip, archive_read_support_filter_gzip)                      \
		    f(bzip2, archive_read_support_filter_bzip2)                \
			f(lzma, archive_read_support_filter_lzma)              \
			    f(xz, archive_read_support_filter_xz)              \
				f(lz4, archive_read_support_filter_lz4)        \
				    f(zstd, archive_read_support_filter_zstd)

static struct {
#define MEMBER(member, name) __typeof__(&name) member;
	ARCHIVE_FUNCTIONS(MEMBER)
	bool ready;
} library;

static int
open_library(struct err *e)
{
	static const char *const names[] = {
	    "libarchive.so.13", "libarchive.so"};
	void *handle = NULL;
	bool found = true;

	if (library.ready)
		return 0;
	for (size_t i = 0; !handle && i < 2; i++)
		handle = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
	if (!handle)
		return err_set(e, EX_UNAVAILABLE, "libarchive: %s", dlerror());
#define FIND(member, name)                                                     \
	found &= (library.member = dlsym(handle, #name)) != NULL;
	ARCHIVE_FUNCTIONS(FIND)
	if (!found)
		return err_set(e, EX_UNAVAILABLE,
		    "libarchive: functions are missing in it");
	library.ready = true;
	return 0;
}

struct packed {
	struct archive *archive;
	ssize_t (*source)(void *with, const void **data);
	void *with;
};

static la_ssize_t
read_source(struct archive *archive, void *with, const void **data)
{
	struct packed *p = with;
	ssize_t got = p->source(p->with, data);

	if (got < 0)
		library.fail(archive, errno, "%s", strerror(errno));
	return got;
}

static void
damaged(struct packed *p, struct err *e)
{
	const char *text = library.error(p->archive);

	err_set(e, EX_DATAERR, "damaged: %s", text ? text : "unpacking");
}

struct packed *
packed_open(
    ssize_t (*source)(void *with, const void **data), void *with, struct err *e)
{
	struct archive_entry *entry;
	struct packed *p;

	if (open_library(e) < 0)
		return NULL;
	p = calloc(1, sizeof(*p));
	if (p)
		p->archive = library.new();
	if (!p || !p->archive) {
		err_set(e, EX_OSERR, "out of memory");
		free(p);
		return NULL;
	}
	p->source = source;
	p->with = with;
	library.raw(p->archive);
	library.gzip(p->archive);
	library.bzip2(p->archive);
	library.lzma(p->archive);
	library.xz(p->archive);
	library.lz4(p->archive);
	library.zstd(p->archive);
	if (library.open(p->archive, p, NULL, read_source, NULL) ==
		ARCHIVE_OK &&
	    library.next(p->archive, &entry) == ARCHIVE_OK)
		return p;
	damaged(p, e);
	packed_close(p);
	return NULL;
}

void
packed_close(struct packed *p)
{
	if (p)
		library.free(p->archive);
	free(p);
}

ssize_t
packed_next(struct packed *p, const void **data, struct err *e)
{
	la_int64_t offset;
	size_t len = 0;
	int code;

	/* A raw file has no holes: pieces follow each other. */
	do
		code = library.block(p->archive, data, &len, &offset);
	while (code == ARCHIVE_OK && len == 0);
	if (code == ARCHIVE_OK)
		return (ssize_t)len;
	if (code == ARCHIVE_EOF)
		return 0;
	damaged(p, e);
	return -1;
}
