/* SPDX-License-Identifier: MIT */
/*
 * tar.h - tar streams from and to a tree's records
 *
 * POSIX.1-2001 (pax) as written here; read are ustar, pax and GNU's long
 * names and large numbers. Sparse members of GNU tar are refused. A library
 * does this well too, but loading it costs several times what starting a
 * command in a VM may cost.
 */
#ifndef VK_EXEC_TAR_H
#define VK_EXEC_TAR_H

#include "common/err.h"
#include "common/tree.h"

/* Reads a tar from a descriptor to its end, writes the records and END.
 * failed() is told of members that are left out; returns how many, -1 with
 * err. */
int tar_read(int fd, struct tree_writer *, void (*failed)(const struct err *),
    struct err *);

/* Reads records up to END, writes a tar. 0, -1 with err. */
int tar_write(int fd, struct tree_reader *, struct err *);

#endif
