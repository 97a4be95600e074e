/* SPDX-License-Identifier: MIT */
/*
 * tar.h - tar streams from and to a tree's records
 *
 * Read is what tarin.h reads, written is what tarout.h writes. Of an archive's
 * attributes the extended ones are taken, not ACLs and flags.
 */
#ifndef VK_EXEC_TAR_H
#define VK_EXEC_TAR_H

#include "common/err.h"
#include "common/tree.h"

/* Reads a tar from a descriptor to its end, writes the records and END; a run
 * of zeros becomes a hole. failed() is told of members that are left out;
 * returns how many, -1 with err. */
int tar_read(int fd, struct tree_writer *, void (*failed)(const struct err *),
    struct err *);

/* Reads records up to END, writes a tar. 0, -1 with err. */
int tar_write(int fd, struct tree_reader *, struct err *);

#endif
