/* SPDX-License-Identifier: MIT */
/*
 * qcow2.c - a hostile qcow2 image: opened, read, and written if it may be
 *
 * The last 16 bytes of the input say what is done with the disk, the rest is
 * the image.
 */
#include "cmd/vk-boot/qcow2/qcow2.h"

#include "common/io.h"
#include "common/scope.h"

#include <stdio.h>
#include <sys/mman.h>

#define OPERATIONS 16
/* More is not read in one go: an image may say that it is enormous. */
#define PIECE 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
read_some(struct qcow2 *q, uint64_t offset, uint64_t len)
{
	static uint8_t into[PIECE];

	while (len > 0) {
		struct disk_run run = qcow2_where(q, offset, len);

		if (run.len > len || (run.len == 0 && run.fd >= 0))
			__builtin_trap();
		if (disk_run_read(&run, into) < 0)
			return;
		offset += run.len;
		len -= run.len;
	}
}

static void
write_some(struct qcow2 *q, uint64_t offset, uint64_t len)
{
	static const uint8_t from[PIECE];
	struct disk_run run;

	while (len > 0) {
		if (qcow2_prepare(q, offset, len, &run) < 0)
			return;
		if (run.len == 0 || run.len > len)
			__builtin_trap();
		if (io_pwrite(run.fd, from, run.len, run.offset) < 0 ||
		    qcow2_written(q, offset, run.len) < 0)
			return;
		offset += run.len;
		len -= run.len;
	}
}

static void
use(struct qcow2 *q, const uint8_t *operations, bool write)
{
	for (int i = 0; i < OPERATIONS; i++) {
		uint8_t what = operations[i];
		uint64_t sectors = qcow2_size(q) / 512;
		uint64_t offset =
		    (what & 0x80 ? sectors - 1 - (what & 0x1f) % sectors
				 : (uint64_t)(what & 0x1f) * 37 % sectors) *
		    512;
		uint64_t len = qcow2_size(q) - offset;

		if (len > PIECE)
			len = PIECE;
		if (!write || (what & 0x60) == 0)
			read_some(q, offset, len);
		else if ((what & 0x60) == 0x20)
			write_some(q, offset, len);
		else if ((what & 0x60) == 0x40)
			qcow2_zero(q, offset, len);
		else
			qcow2_flush(q);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_fd int fd = memfd_create("fuzz", MFD_CLOEXEC);
	char path[64];

	if (size < OPERATIONS || fd < 0 ||
	    io_pwrite(fd, data, size - OPERATIONS, 0) < 0)
		return 0;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	for (int write = 0; write < 2; write++) {
		struct qcow2_config config = {
		    .path = path,
		    .write = write,
		    .unsafe = true,
		};
		struct err e = ERR_INIT;
		struct qcow2 *q = qcow2_open(&config, &e);

		if (q)
			use(q, data + size - OPERATIONS, write);
		qcow2_close(q);
	}
	return 0;
}
