/* SPDX-License-Identifier: MIT */
/* blk.c - a hostile driver of the block device, over a disk with an overlay */
#include "tests/fuzz/vk-boot/device.h"

#include "cmd/vk-boot/virtio/blk.h"

#include "common/scope.h"

#include <stdio.h>
#include <sys/mman.h>

#define DISK_SIZE (64 * 1024 + 512)

/* Requests that would be rare among chains at random: two queues, a header
 * that may well be right, data, a status. */
static void
request(struct fuzz *f)
{
	uint8_t what = get_u8(&f->in), sector = get_u8(&f->in);
	uint64_t at = DRIVER_BUFFERS + 0x8000 + (uint64_t)(what >> 4) * 64;
	uint64_t header[2] = {what & 15, sector};
	struct driver_part parts[3] = {
	    {at, sizeof(header), false},
	    {fuzz_gpa(f), fuzz_len(f), what & 1 ? false : true},
	    {at + 32, 1, true},
	};

	memcpy(driver_at(&f->d, at, sizeof(header)), header, sizeof(header));
	driver_add(&f->d, what >> 7, parts, 3);
	driver_kick(&f->d, what >> 7);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_fd int fd = memfd_create("fuzz", MFD_CLOEXEC);
	struct fuzz f = {.special = request};
	struct err e = ERR_INIT;
	char path[64];
	struct disk disk;
	struct disk_config file = {.path = path, .write = size % 2 == 0};
	struct blk_config config = {
	    .disk = &disk,
	    .serial = "fuzz",
	    .queues = 2,
	};

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (fd < 0 || ftruncate(fd, DISK_SIZE) < 0 ||
	    disk_open(&disk, &file, &e) < 0)
		__builtin_trap();
	driver_init(&f.d);
	driver_use(&f.d, blk_new(f.d.loop, &f.d.mem, &config, &e));
	fuzz_run(&f, data, size);
	driver_release(&f.d);
	disk_close(&disk);
	return 0;
}
