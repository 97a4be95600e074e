/* SPDX-License-Identifier: MIT */
/* inject.c - files of this machine put into the image */
#include "cmd/vk-mkext/inject.h"

#include "common/io.h"
#include "common/scope.h"
#include "common/size.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define PIECE ((size_t)64 << 10)

static int
malformed(struct inject *x, const char *text, struct err *e)
{
	inject_release(x);
	return err_set(e, EX_USAGE, "%s: not HOST:GUEST:MODE[:UID:GID]", text);
}

static int
parse_mode(const char *text, uint16_t *mode)
{
	unsigned value = 0;

	if (!*text || strlen(text) > 5)
		return -1;
	for (; *text; text++) {
		if (*text < '0' || *text > '7')
			return -1;
		value = value << 3 | (unsigned)(*text - '0');
	}
	*mode = (uint16_t)value;
	return value > 07777 ? -1 : 0;
}

int
inject_parse(struct inject *x, const char *text, struct err *e)
{
	char *field[5] = {NULL}, *rest;
	size_t count = 0;
	uint64_t uid = 0, gid = 0;

	*x = (struct inject){.text = text, .host = strdup(text)};
	if (!x->host)
		return err_set(e, EX_OSERR, "out of memory");
	for (rest = x->host; rest && count < 5;)
		field[count++] = strsep(&rest, ":");
	if (rest || (count != 3 && count != 5) || !*field[0] || !*field[1])
		return malformed(x, text, e);
	x->guest = field[1];
	if (parse_mode(field[2], &x->mode) < 0 ||
	    (count == 5 && (number_parse(field[3], UINT32_MAX, &uid) < 0 ||
			       number_parse(field[4], UINT32_MAX, &gid) < 0)))
		return malformed(x, text, e);
	x->uid = (uint32_t)uid;
	x->gid = (uint32_t)gid;
	return 0;
}

void
inject_release(struct inject *x)
{
	free(x->host);
	x->host = x->guest = NULL;
}

static int
make_object(const struct inject *x, struct intake *in, struct moment now,
    uint32_t *object, struct err *e)
{
	struct meta m = {.mode = (uint16_t)(S_IFREG | x->mode),
	    .uid = x->uid,
	    .gid = x->gid,
	    .modified = now,
	    .accessed = now,
	    .changed = now};
	uint32_t there = tree_find(in->tree, x->guest, true);

	if (there && S_ISDIR(tree_object(in->tree, there)->mode))
		return err_set(
		    e, EX_DATAERR, "%s: a directory in the image", x->guest);
	return tree_make_through(in->tree, x->guest, &m, object, e);
}

int
inject_apply(const struct inject *x, struct intake *in, struct sum *sum,
    struct moment now, struct err *e)
{
	cleanup_fd int fd = open(x->host, O_RDONLY | O_CLOEXEC);
	cleanup_free uint8_t *piece = malloc(PIECE);
	uint64_t at = 0;
	uint32_t object;
	ssize_t got;

	if (!piece)
		return err_set(e, EX_OSERR, "out of memory");
	if (fd < 0)
		return err_errno(e, 0, "%s", x->host);
	if (in) {
		if (make_object(x, in, now, &object, e) < 0 ||
		    store_open(in->store, object, e) < 0)
			return -1;
	}
	while ((got = io_read(fd, piece, PIECE)) > 0) {
		if (sum)
			sum_add(sum, piece, (size_t)got);
		if (in && store_write(in->store, at, piece, (size_t)got, e) < 0)
			return err_prefix(e, "%s", x->host);
		at += (uint64_t)got;
	}
	if (got < 0)
		return err_errno(e, 0, "%s", x->host);
	return in ? store_close(in->store, at, e) : 0;
}
