/* SPDX-License-Identifier: MIT */
/* load.h - for fuzz targets: an input as a file, a kernel into little memory */
#ifndef VK_FUZZ_VK_BOOT_LOAD_H
#define VK_FUZZ_VK_BOOT_LOAD_H

#include "cmd/vk-boot/x86/loader.h"
#include "common/io.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define FUZZ_MEMORY ((uint64_t)24 << 20)

/* One file serves all inputs. */
__attribute__((unused)) static int
input_file(const uint8_t *data, size_t size)
{
	static int fd = -1;

	if (fd < 0)
		fd = memfd_create("input", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, 0) < 0 || io_pwrite(fd, data, size, 0) < 0)
		abort();
	return fd;
}

/* Loads by each entry. The entry has to lie in the memory that was given. */
__attribute__((unused)) static void
input_load(const struct kernel *kernel)
{
	static struct gmem mem;
	struct loader loader = {.mem = &mem, .kernel = kernel, .cmdline = "a"};
	struct entry entry;
	struct err e = ERR_INIT;

	if (mem.count == 0) {
		if (gmem_add(&mem, 0, FUZZ_MEMORY, 0, &e) < 0)
			abort();
		/* What is cleared after each input shall be little. */
		madvise(mem.regions[0].hva, FUZZ_MEMORY, MADV_NOHUGEPAGE);
	}
	for (loader.mode = ENTRY_LINUX64; loader.mode <= ENTRY_PVH;
	     loader.mode++)
		if (loader_load(&loader, &entry, &e) == 0 &&
		    !gmem_at(&mem, entry.rip, 1))
			abort();
	madvise(mem.regions[0].hva, FUZZ_MEMORY, MADV_DONTNEED);
}

#endif
