/* SPDX-License-Identifier: MIT */
/*
 * digest.h - SHA-256 of a file's bytes
 *
 * By libcrypto, which is opened with the first digest: most starts need none.
 */
#ifndef VK_BOOT_DIGEST_H
#define VK_BOOT_DIGEST_H

#include "common/err.h"

#include <stdint.h>

#define DIGEST_HEX 65 /* 64 digits and a NUL */

/* Writes the digest of [offset, offset + len) of fd as lower-case hex. Returns
 * 0, -1 with err; a file that is shorter is an error. */
int digest_file(
    int fd, uint64_t offset, uint64_t len, char hex[DIGEST_HEX], struct err *);

#endif
