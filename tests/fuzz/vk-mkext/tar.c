/* SPDX-License-Identifier: MIT */
/*
 * tar.c - fuzz target: any tar becomes an image or an error
 *
 * The checksums of headers are made right first, as nearly no change of a tar
 * would get past them. VK_FUZZ_IMAGE=FILE keeps the image, for e2fsck.
 */
#include "cmd/vk-mkext/recipe.h"
#include "common/io.h"
#include "common/scope.h"
#include "common/size.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define BLOCK    512u
#define CHECKSUM 148u

/* What most files of a file system that is not ours could take. */
#define INPUT_MAX (256u << 10)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t
octal(const uint8_t *field, size_t length)
{
	uint64_t value = 0;

	for (size_t i = 0; i < length && field[i] >= '0' && field[i] <= '7';
	     i++)
		value = value << 3 | (field[i] & 7u);
	return value;
}

static void
mend_checksums(uint8_t *tar, size_t size)
{
	size_t at = 0;

	while (size - at >= BLOCK) {
		uint8_t *header = tar + at;
		unsigned sum = 0;
		uint64_t skip;
		char text[9];

		if (header[0] == 0)
			return;
		memset(header + CHECKSUM, ' ', 8);
		for (size_t i = 0; i < BLOCK; i++)
			sum += header[i];
		snprintf(text, sizeof(text), "%06o", sum);
		memcpy(header + CHECKSUM, text, 7);
		skip = (octal(header + 124, 12) + BLOCK - 1) / BLOCK;
		if (skip >= (size - at) / BLOCK)
			return;
		at += (size_t)(skip + 1) * BLOCK;
	}
}

static int
output(void)
{
	const char *path = getenv("VK_FUZZ_IMAGE");

	return path ? open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)
		    : memfd_create("image", MFD_CLOEXEC);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct recipe recipe = {.uuid = true, .image.bytes = MIB};
	struct recipe_input input = {.name = "tar"};
	struct err e = ERR_INIT;
	cleanup_fd int from = memfd_create("tar", MFD_CLOEXEC);
	cleanup_fd int to = output();
	cleanup_free uint8_t *tar = malloc(size + 1);

	if (size > INPUT_MAX || from < 0 || to < 0 || !tar)
		return 0;
	memcpy(tar, data, size);
	mend_checksums(tar, size);
	if (io_write(from, tar, size) < 0 || lseek(from, 0, SEEK_SET) < 0)
		return 0;
	input.fd = from;
	recipe.image.uuid[0] = 1;
	if (recipe_build(&recipe, &input, to, NULL, &e) < 0 &&
	    (!e.text[0] || !e.status))
		abort(); /* an error that says nothing */
	return 0;
}
