/* SPDX-License-Identifier: MIT */
/* kernel.c - a kernel's file: what it is and what is to be loaded of it */
#include "cmd/vk-boot/kernel.h"

#include "cmd/vk-boot/digest.h"
#include "cmd/vk-boot/unpack.h"
#include "cmd/vk-boot/x86/bzimage.h"
#include "cmd/vk-boot/x86/elf.h"
#include "common/io.h"
#include "common/log.h"
#include "common/packed.h"
#include "common/scope.h"
#include "common/size.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

/* A vmlinux with all its debugging information is about half of this. */
#define FILE_MAX (1ull << 30)
/* What a vmlinux without a setup header is taken to accept, as all have. */
#define INITRD_MAX_DEFAULT  0x7fffffffu
#define CMDLINE_MAX_DEFAULT 2047u

#define BLOCK ((size_t)256 << 10)

/* ---- the file ----------------------------------------------------------- */

/* Replaces kernel->fd by a copy of its bytes that nobody else can write to. */
static int
copy_file(struct kernel *kernel, struct err *e)
{
	cleanup_fd int copy = memfd_create("vk-kernel", MFD_CLOEXEC);
	cleanup_free char *block = malloc(BLOCK);
	uint64_t size = 0;
	ssize_t got;

	if (copy < 0 || !block)
		return err_errno(e, EX_OSERR, "copy");
	while ((got = io_read(kernel->fd, block, BLOCK)) > 0) {
		if ((uint64_t)got > FILE_MAX - size)
			return err_set(
			    e, EX_DATAERR, "not a kernel: larger than 1 GiB");
		if (io_write(copy, block, (size_t)got) < 0)
			return err_errno(e, EX_OSERR, "copy");
		size += (uint64_t)got;
	}
	if (got < 0)
		return err_errno(e, 0, "read");
	fd_close(&kernel->fd);
	kernel->fd = steal_fd(&copy);
	kernel->size = size;
	return 0;
}

/* Finds out the size. What is no regular file (a pipe) is copied. */
static int
take_size(struct kernel *kernel, struct err *e)
{
	struct stat st;

	if (fstat(kernel->fd, &st) < 0)
		return err_errno(e, EX_IOERR, "stat");
	if (S_ISDIR(st.st_mode)) {
		errno = EISDIR;
		return err_errno(e, EX_NOINPUT, "read");
	}
	if (!S_ISREG(st.st_mode))
		return copy_file(kernel, e);
	kernel->size = (uint64_t)st.st_size;
	return 0;
}

static int
check_digest(struct kernel *kernel, const char *wanted, struct err *e)
{
	char digest[DIGEST_HEX];

	if (strlen(wanted) != DIGEST_HEX - 1 ||
	    strspn(wanted, "0123456789abcdefABCDEF") != DIGEST_HEX - 1)
		return err_set(e, EX_USAGE,
		    "#sha256=%s: not 64 hexadecimal digits", wanted);
	if (copy_file(kernel, e) < 0 ||
	    digest_file(kernel->fd, 0, kernel->size, digest, e) < 0)
		return -1;
	if (strcasecmp(digest, wanted) != 0)
		return err_set(e, EX_DATAERR,
		    "digest is sha256:%s, not the one asked for", digest);
	return 0;
}

/* ---- what it is --------------------------------------------------------- */

/* Makes kernel the ELF file inside packed bytes of it. */
static int
unpack_elf(struct kernel *kernel, const struct unpack *unpack, struct err *e)
{
	struct kernel inner = *kernel;
	struct stat st;

	inner.format = KERNEL_ELF;
	inner.alignment = 0;
	inner.fd = unpack_open(unpack, e);
	if (inner.fd < 0)
		return -1;
	if (fstat(inner.fd, &st) < 0) {
		err_errno(e, EX_IOERR, "unpacked file");
		goto fail;
	}
	inner.size = (uint64_t)st.st_size;
	if (elf_read(&inner, e) < 0)
		goto fail;
	fd_close(&kernel->fd);
	*kernel = inner;
	return 0;
fail:
	fd_close(&inner.fd);
	return -1;
}

static int
open_bzimage(struct kernel *kernel, const char *cache, struct err *e)
{
	struct bzimage_payload payload;
	struct err why = ERR_INIT;

	if (bzimage_read(kernel, &payload, e) < 0)
		return -1;
	if (payload.len > 0) {
		struct unpack unpack = {
		    .fd = kernel->fd,
		    .offset = payload.offset,
		    .len = payload.len,
		    .max = payload.unpacked < FILE_MAX ? payload.unpacked
						       : FILE_MAX,
		    .folder = cache,
		};

		if (unpack_elf(kernel, &unpack, &why) == 0)
			return 0;
	} else
		err_set(&why, EX_DATAERR, "has no payload");
	log_info(
	    "%s: %s: left to its own decompressor", kernel->path, why.text);
	return 0;
}

static int
open_elf(struct kernel *kernel, struct err *e)
{
	kernel->format = KERNEL_ELF;
	return elf_read(kernel, e);
}

static int
open_packed(
    struct kernel *kernel, const char *format, const char *cache, struct err *e)
{
	struct unpack unpack = {
	    .fd = kernel->fd,
	    .len = kernel->size,
	    .max = FILE_MAX,
	    .folder = cache,
	};

	if (unpack_elf(kernel, &unpack, e) < 0)
		return err_prefix(e, "%s", format);
	return 0;
}

static int
open_any(struct kernel *kernel, const char *cache, struct err *e)
{
	uint8_t start[BZIMAGE_MAGIC_LEN];
	ssize_t got = io_pread(kernel->fd, start, sizeof(start), 0);
	const char *format;

	if (got < 0)
		return err_errno(e, 0, "read");
	if (bzimage_is(start, (size_t)got))
		return open_bzimage(kernel, cache, e);
	if (got >= SELFMAG && memcmp(start, ELFMAG, SELFMAG) == 0)
		return open_elf(kernel, e);
	format = packed_format(start, (size_t)got);
	if (format)
		return open_packed(kernel, format, cache, e);
	if (got == 0)
		return err_set(e, EX_DATAERR, "not a Linux kernel (empty)");
	return err_set(
	    e, EX_DATAERR, "not a Linux kernel (neither bzImage nor ELF)");
}

/* ---- opening ------------------------------------------------------------ */

static int
open_file(
    struct kernel *kernel, const char *digest, const char *cache, struct err *e)
{
	kernel->initrd_max = INITRD_MAX_DEFAULT;
	kernel->cmdline_max = CMDLINE_MAX_DEFAULT;
	if (take_size(kernel, e) < 0 ||
	    (digest && check_digest(kernel, digest, e) < 0) ||
	    open_any(kernel, cache, e) < 0) {
		kernel_close(kernel);
		return err_prefix(e, "%s", kernel->path);
	}
	return 0;
}

int
kernel_open_fd(struct kernel *kernel, int fd, const char *path,
    const char *cache, struct err *e)
{
	*kernel = (struct kernel){.fd = fd};
	snprintf(kernel->path, sizeof(kernel->path), "%s", path);
	return open_file(kernel, NULL, cache, e);
}

int
kernel_open(
    struct kernel *kernel, const char *path, const char *cache, struct err *e)
{
	static const char mark[] = "#sha256=";
	char *digest;
	int n;

	*kernel = (struct kernel){.fd = -1};
	n = snprintf(kernel->path, sizeof(kernel->path), "%s", path);
	if (n < 0 || (size_t)n >= sizeof(kernel->path))
		return err_set(e, EX_USAGE, "kernel: path too long");
	digest = strstr(kernel->path, mark);
	if (digest) {
		*digest = '\0';
		digest += sizeof(mark) - 1;
	}
	kernel->fd = open(kernel->path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (kernel->fd < 0)
		return err_errno(e, 0, "%s", kernel->path);
	return open_file(kernel, digest, cache, e);
}

void
kernel_close(struct kernel *kernel)
{
	fd_close(&kernel->fd);
}

/* ---- the version of an ELF file ----------------------------------------- */

static void
take_version(struct kernel *kernel, const char *banner, size_t len)
{
	size_t n = 0;

	if (len == 0 || banner[0] < '0' || banner[0] > '9')
		return;
	while (n < len && n < sizeof(kernel->version) - 1 && banner[n] > ' ' &&
	       banner[n] < 0x7f)
		n++;
	memcpy(kernel->version, banner, n);
	kernel->version[n] = '\0';
}

/* linux_banner is "Linux version 6.1.0-1-amd64 (...". Blocks overlap by more
 * than that has. */
void
kernel_find_version(struct kernel *kernel)
{
	static const char mark[] = "Linux version ";
	const size_t overlap = sizeof(mark) + KERNEL_VERSION_MAX;
	cleanup_free char *block = malloc(BLOCK);
	uint64_t offset = 0;
	ssize_t got;

	while (block && kernel->version[0] == '\0' &&
	       (got = io_pread(kernel->fd, block, BLOCK, offset)) > 0) {
		const char *end = block + got, *at = block;

		while (kernel->version[0] == '\0' &&
		       (at = memmem(at, (size_t)(end - at), mark,
			    sizeof(mark) - 1)) != NULL) {
			at += sizeof(mark) - 1;
			take_version(kernel, at, (size_t)(end - at));
		}
		if ((size_t)got < BLOCK)
			return;
		offset += BLOCK - overlap;
	}
}
