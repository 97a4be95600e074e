/* SPDX-License-Identifier: MIT */
/*
 * reload.h - files that are read again: rules, and the host's DNS servers
 *
 * The confined switch can open no file, and files are replaced by renaming, so
 * keeping them open would not do. Therefore a process of its own, the reader,
 * stays outside. It is forked before anything else is opened, holds nothing
 * but its end of a socket pair, and knows the paths of the command line. Asked
 * for one of them, by its number, it sends what the file holds; it
 * understands none of it, and ends when the switch does.
 *
 *	switch   1 byte: the number of the item
 *	reader   4 bytes, big-endian: length, or an errno number and the bit
 *	         READER_ERROR; then so many bytes
 *
 * What is wrong with a file is told and what held before stays. Connections
 * that stand are not touched.
 */
#ifndef VK_SWITCH_RELOAD_H
#define VK_SWITCH_RELOAD_H

#include "cmd/vk-switch/policy.h"
#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A policy or resolv.conf that is larger is none. */
#define RELOAD_TEXT_MAX (256 * 1024)
/* Each policy, and the servers. */
#define RELOAD_ITEMS_MAX (POLICIES_MAX + 1)
#define READER_ERROR     0x80000000u

struct reload_item {
	const char *path; /* borrowed */
	bool servers;     /* resolv.conf(5); else rules */
	uint32_t policy;  /* these: 0 of all, else of a VM */
};

struct reload {
	int fd; /* to the reader; -1: none */
	uint32_t count;
	struct reload_item items[RELOAD_ITEMS_MAX];
	/* Rules of options, which stand before those of the file. */
	const char *const *rules;
	unsigned rule_count;
	uint32_t current; /* asked for; count: nothing is */
	bool again;       /* once more after this */
	size_t have;
	char text[4 + RELOAD_TEXT_MAX + 1];
};

struct lan;

void reload_init(struct lan *);
void reload_release(struct lan *);

void reload_add(struct lan *, const struct reload_item *);
/* Reads all of them, here, for the first time. */
int reload_first(struct lan *, struct err *);
/* Forks the reader; before anything is open that it should not hold. */
int reload_start(struct lan *, struct err *);
/* Reads all of them again. Returns 0, -1 where there are none. */
int reload_begin(struct lan *, struct err *);

#endif
