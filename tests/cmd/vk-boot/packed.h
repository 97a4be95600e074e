/* SPDX-License-Identifier: MIT */
/* packed.h - for tests: bytes packed by libarchive, files of bytes */
#ifndef VK_TESTS_VK_BOOT_PACKED_H
#define VK_TESTS_VK_BOOT_PACKED_H

#include "tests/tap.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* A file of these bytes that lies nowhere. */
__attribute__((unused)) static int
file_with(const void *bytes, size_t len)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	if (fd < 0 || write(fd, bytes, len) != (ssize_t)len)
		abort();
	return fd;
}

/* Writes them to path. */
__attribute__((unused)) static void
file_at(const char *path, const void *bytes, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, bytes, len) != (ssize_t)len)
		abort();
	close(fd);
}

/* Packs bytes with the named filter ("xz"). Returns the length, 0 if libarchive
 * cannot; out must be large enough. */
__attribute__((unused)) static size_t
pack(const char *filter, const void *bytes, size_t len, void *out, size_t size)
{
	struct archive *archive = archive_write_new();
	struct archive_entry *entry = archive_entry_new();
	size_t used = 0;
	int rc = ARCHIVE_FATAL;

	archive_write_set_format_raw(archive);
	if (archive_write_add_filter_by_name(archive, filter) == ARCHIVE_OK) {
		archive_entry_set_filetype(entry, AE_IFREG);
		archive_write_set_bytes_per_block(archive, 0);
		rc = archive_write_open_memory(archive, out, size, &used);
	}
	if (rc == ARCHIVE_OK) {
		archive_write_header(archive, entry);
		if (archive_write_data(archive, bytes, len) != (ssize_t)len)
			rc = ARCHIVE_FATAL;
		if (archive_write_close(archive) != ARCHIVE_OK)
			rc = ARCHIVE_FATAL;
	}
	archive_entry_free(entry);
	archive_write_free(archive);
	return rc == ARCHIVE_OK ? used : 0;
}

#endif
