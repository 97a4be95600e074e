/* SPDX-License-Identifier: MIT */
/*
 * values.h - values of extended attributes that have inodes of their own
 *
 * Such an inode has no name and a link count of 1; the flag EA_INODE says what
 * it is. How many blocks of attributes refer to it is in its i_version, the
 * hash of its bytes in its access time. It has no holes: Linux does not look
 * for them there.
 */
#ifndef VK_MKEXT_VALUES_H
#define VK_MKEXT_VALUES_H

#include "cmd/vk-mkext/fingerprint.h"
#include "cmd/vk-mkext/store.h"
#include "cmd/vk-mkext/tree.h"
#include "common/err.h"

/* Makes and writes those of all sets that are in use; once, when no more
 * objects with attributes come and before inodes are numbered. */
int values_make(
    struct tree *, struct store *, const uint8_t uuid[UUID_SIZE], struct err *);

#endif
