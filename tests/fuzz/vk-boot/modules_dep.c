/* SPDX-License-Identifier: MIT */
/*
 * modules_dep.c - fuzz target: depmod's lists
 *
 * The input is modules.dep, modules.builtin, modules.softdep and
 * modules.alias, with a zero byte between them.
 */
#include "cmd/vk-boot/modules.h"

#include "common/io.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct part {
	const uint8_t *at;
	size_t len;
};

static int
open_part(void *owner, const char *path, struct err *e)
{
	static const char *const names[] = {"modules.dep", "modules.builtin",
	    "modules.softdep", "modules.alias"};
	const struct part *parts = owner;
	int fd;

	for (size_t i = 0; i < 4; i++) {
		if (strcmp(path, names[i]) != 0)
			continue;
		fd = memfd_create(path, MFD_CLOEXEC);
		if (fd < 0 || io_pwrite(fd, parts[i].at, parts[i].len, 0) < 0)
			abort();
		return fd;
	}
	if (path[0] == '/' || strstr(path, ".."))
		abort(); /* it would lead out of the folder */
	fd = strlen(path) % 8 ? memfd_create("module", MFD_CLOEXEC) : -1;
	return fd < 0 ? err_set(e, EX_NOINPUT, "not there") : fd;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = {
	    "virtio_blk", "ext4", "crypto-crc32c", "a"};
	struct part parts[4];
	struct module_files files = {open_part, parts};
	struct buf config = BUF_INIT(65536);
	struct initramfs fs;
	struct modules modules;
	struct err e = ERR_INIT;

	for (size_t i = 0; i < 4; i++) {
		const uint8_t *zero = size ? memchr(data, 0, size) : NULL;

		parts[i] =
		    (struct part){data, zero ? (size_t)(zero - data) : size};
		data += parts[i].len + (zero ? 1 : 0);
		size -= parts[i].len + (zero ? 1 : 0);
	}
	initramfs_init(&fs);
	if (modules_open_files(&modules, &files, "M", &e) == 0) {
		for (size_t i = 0; i < 4; i++)
			modules_want(&modules, names[i], &e);
		modules_put(&modules, &fs, &config, &e);
	}
	modules_close(&modules);
	initramfs_release(&fs);
	buf_release(&config);
	return 0;
}
