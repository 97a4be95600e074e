/* SPDX-License-Identifier: MIT */
/*
 * look.c - fuzz target: any image is listed and extracted, or an error
 *
 * The seeds have no checksums of metadata, which hardly any change would leave
 * right: one as mke2fs makes it, one with maps of blocks, one with data in its
 * inodes.
 */
#include "cmd/vk-mkext/look.h"
#include "common/io.h"
#include "common/scope.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

/* As long as the seeds and some more. */
#define INPUT_MAX (512u << 10)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int nowhere = -1;
	cleanup_fd int fd = memfd_create("image", MFD_CLOEXEC);
	struct err e = ERR_INIT;
	char path[32];

	if (nowhere < 0) {
		nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
		dup2(nowhere, STDOUT_FILENO);
	}
	if (size > INPUT_MAX || io_write(fd, data, size) < 0)
		return 0;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	look_list(path, "/", &e);
	look_extract(path, "/", &e);
	return 0;
}
