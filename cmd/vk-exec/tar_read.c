/* SPDX-License-Identifier: MIT */
/* tar_read.c - a tar stream to a tree's records */
#include "cmd/vk-exec/tar.h"

#include "common/cursor.h"
#include "common/io.h"
#include "common/scope.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK 512
/* Names, attributes: what comes before a member and is held in memory. */
#define EXTENDED_MAX ((size_t)1 << 20)
#define XATTR_PREFIX "SCHILY.xattr."

struct tar {
	int fd;
	struct tree_writer *writer;
	void (*failed)(const struct err *);
	int failures;
	struct err *e;
	char *extended; /* pax records of the next member; NULL: none */
	size_t extended_len;
	char *path, *target; /* from pax or GNU; NULL: the header's */
	char header_path[512], header_target[128];
};

static int
read_all(struct tar *t, void *into, size_t len)
{
	ssize_t n = io_read(t->fd, into, len);

	if (n < 0)
		return err_errno(t->e, EX_IOERR, "tar");
	if ((size_t)n < len)
		return err_set(t->e, EX_DATAERR, "tar: cut off");
	return 0;
}

/* Octal, or base 256 where the first bit is set. */
static int64_t
number(const uint8_t *field, size_t size)
{
	uint64_t value = 0;

	if (field[0] & 0x80) {
		value = field[0] & 0x40 ? UINT64_MAX : 0;
		for (size_t i = 0; i < size; i++)
			value = value << 8 |
				(i == 0 && !(field[0] & 0x40) ? field[0] & 0x3f
							      : field[i]);
		return (int64_t)value;
	}
	for (size_t i = 0; i < size && field[i]; i++)
		if (field[i] >= '0' && field[i] <= '7')
			value = value << 3 | (uint64_t)(field[i] - '0');
	return (int64_t)value;
}

static bool
is_header(const uint8_t *h)
{
	unsigned sum = 0;

	for (size_t i = 0; i < BLOCK; i++)
		sum += i >= 148 && i < 156 ? ' ' : h[i];
	return sum == (uint64_t)number(h + 148, 8);
}

static size_t
padding(uint64_t size)
{
	return (size_t)(-size & (BLOCK - 1));
}

/* Reads a member that is held in memory. NULL with err. */
static char *
read_extended(struct tar *t, uint64_t size)
{
	cleanup_free char *text = NULL;
	char pad[BLOCK];

	if (size > EXTENDED_MAX) {
		err_set(t->e, EX_DATAERR, "tar: a header of %llu bytes",
		    (unsigned long long)size);
		return NULL;
	}
	text = calloc(1, (size_t)size + 1);
	if (!text) {
		err_set(t->e, EX_OSERR, "out of memory");
		return NULL;
	}
	if (read_all(t, text, (size_t)size) < 0 ||
	    read_all(t, pad, padding(size)) < 0)
		return NULL;
	return steal_ptr(&text);
}

/* ---- pax records ----------------------------------------------------------
 */

struct pax {
	const char *key, *value;
	size_t value_len;
};

/* "LEN key=value\n". 1, 0 at the end, -1 malformed. */
static int
next_pax(char **at, const char *end, struct pax *p)
{
	char *start = *at, *space, *equals;
	unsigned long len;

	if (start >= end)
		return 0;
	len = strtoul(start, &space, 10);
	if (space == start || *space != ' ' || len > (size_t)(end - start) ||
	    len < (size_t)(space - start) + 3 || start[len - 1] != '\n')
		return -1;
	equals = memchr(space + 1, '=', (size_t)(start + len - space - 1));
	if (!equals)
		return -1;
	*equals = '\0';
	start[len - 1] = '\0';
	p->key = space + 1;
	p->value = equals + 1;
	p->value_len = (size_t)(start + len - 1 - p->value);
	*at = start + len;
	return 1;
}

/* "123.456" */
static void
parse_time(const char *text, struct tree_entry *entry)
{
	char *end;
	uint32_t part = 0, scale = 100000000;

	entry->seconds = strtoll(text, &end, 10);
	if (*end == '.')
		for (end++; *end >= '0' && *end <= '9' && scale; end++) {
			part += (uint32_t)(*end - '0') * scale;
			scale /= 10;
		}
	entry->nanoseconds = part;
	if (*text == '-' && part) {
		entry->seconds--;
		entry->nanoseconds = 1000000000 - part;
	}
}

static int
take_pax(struct tar *t, const struct pax *p, struct tree_entry *entry)
{
	if (strcmp(p->key, "path") == 0)
		entry->path = p->value;
	else if (strcmp(p->key, "linkpath") == 0)
		entry->target = p->value;
	else if (strcmp(p->key, "size") == 0)
		entry->size = strtoull(p->value, NULL, 10);
	else if (strcmp(p->key, "uid") == 0)
		entry->uid = (uint32_t)strtoul(p->value, NULL, 10);
	else if (strcmp(p->key, "gid") == 0)
		entry->gid = (uint32_t)strtoul(p->value, NULL, 10);
	else if (strcmp(p->key, "mtime") == 0)
		parse_time(p->value, entry);
	else if (strncmp(p->key, "GNU.sparse.", 11) == 0)
		return err_set(
		    t->e, EX_DATAERR, "tar: sparse members are not understood");
	return 0;
}

/* All records but attributes, which are for after the entry. */
static int
apply_extended(struct tar *t, struct tree_entry *entry)
{
	char *at = t->extended, *end = at ? at + t->extended_len : NULL;
	struct pax p;
	int got = 0;

	while (at && (got = next_pax(&at, end, &p)) > 0)
		if (take_pax(t, &p, entry) < 0)
			return -1;
	return got < 0 ? err_set(t->e, EX_DATAERR, "tar: broken pax header")
		       : 0;
}

static int
put_xattrs(struct tar *t, const char *extended, size_t len)
{
	cleanup_free char *copy = malloc(len + 1);
	char *at = copy;
	const size_t prefix = strlen(XATTR_PREFIX);
	struct pax p;

	if (!copy)
		return err_set(t->e, EX_OSERR, "out of memory");
	memcpy(copy, extended, len);
	copy[len] = '\0';
	while (next_pax(&at, copy + len, &p) > 0)
		if (strncmp(p.key, XATTR_PREFIX, prefix) == 0 &&
		    strlen(p.key + prefix) < 256 &&
		    tree_put_xattr(t->writer, p.key + prefix, p.value,
			p.value_len, t->e) < 0)
			return -1;
	return 0;
}

/* ---- members --------------------------------------------------------------
 */

/* "./a//b/" to "a/b"; NULL if it would lead out. */
static char *
clean_path(char *path)
{
	char *from = path, *to = path;

	while (*from) {
		size_t len = strcspn(from, "/");

		if (len == 2 && from[0] == '.' && from[1] == '.')
			return NULL;
		if (len > 0 && !(len == 1 && from[0] == '.')) {
			if (to != path)
				*to++ = '/';
			memmove(to, from, len);
			to += len;
		}
		from += len;
		from += *from == '/';
	}
	*to = '\0';
	return path;
}

static int
kind_of(char type, const char *path)
{
	switch (type) {
	case '\0':
	case '0':
	case '7':
		/* Before POSIX, a directory was a file with a slash. */
		return *path && path[strlen(path) - 1] == '/' ? TREE_DIR
							      : TREE_FILE;
	case '1':
		return TREE_LINK;
	case '2':
		return TREE_SYMLINK;
	case '3':
		return TREE_CHAR;
	case '4':
		return TREE_BLOCK;
	case '5':
		return TREE_DIR;
	case '6':
		return TREE_FIFO;
	default:
		return 0;
	}
}

static void
parse_header(struct tar *t, const uint8_t *h, struct tree_entry *entry)
{
	bool prefix = memcmp(h + 257, "ustar\0", 6) == 0 && h[345];

	snprintf(t->header_path, sizeof(t->header_path), "%.*s%s%.*s",
	    prefix ? 155 : 0, (const char *)h + 345, prefix ? "/" : "", 100,
	    (const char *)h);
	snprintf(t->header_target, sizeof(t->header_target), "%.*s", 100,
	    (const char *)h + 157);
	*entry =
	    (struct tree_entry){.mode = (uint32_t)number(h + 100, 8) & 07777,
		.uid = (uint32_t)number(h + 108, 8),
		.gid = (uint32_t)number(h + 116, 8),
		.size = (uint64_t)number(h + 124, 12),
		.seconds = number(h + 136, 12),
		.major = (uint32_t)number(h + 329, 8),
		.minor = (uint32_t)number(h + 337, 8),
		.path = t->path ? t->path : t->header_path,
		.target = t->target ? t->target : t->header_target};
}

/* Zeros become a hole, which no tar but a sparse one tells. */
static bool
is_hole(const char *chunk, size_t len)
{
	return chunk[0] == 0 && memcmp(chunk, chunk + 1, len - 1) == 0;
}

/* Copies a member's bytes, or (put false) passes over them. */
static int
copy_data(struct tar *t, uint64_t size, bool put)
{
	char chunk[65536];
	uint64_t at = 0;

	while (at < size) {
		size_t want = sizeof(chunk);

		if (size - at < want)
			want = (size_t)(size - at);
		if (read_all(t, chunk, want) < 0 ||
		    (put && !is_hole(chunk, want) &&
			tree_put_data(t->writer, at, chunk, want, t->e) < 0))
			return -1;
		at += want;
	}
	return read_all(t, chunk, padding(size));
}

static void
left_out(struct tar *t, const char *path, const char *why)
{
	struct err e = ERR_INIT;

	err_set(&e, EX_DATAERR, "%s: %s", path, why);
	t->failures++;
	if (t->failed)
		t->failed(&e);
}

static void
forget_extended(struct tar *t)
{
	free(t->extended);
	free(t->path);
	free(t->target);
	t->extended = t->path = t->target = NULL;
	t->extended_len = 0;
}

static int
put_member(struct tar *t, struct tree_entry *entry, const char *attributes)
{
	char *path = clean_path((char *)(uintptr_t)entry->path);
	bool is_file = entry->kind == TREE_FILE;
	uint64_t size = entry->size;

	if (entry->kind == TREE_LINK)
		entry->target = clean_path((char *)(uintptr_t)entry->target);
	if (!path || !entry->target || !tree_path_valid(path) ||
	    size > INT64_MAX ||
	    ((entry->kind == TREE_LINK || entry->kind == TREE_SYMLINK) &&
		!*entry->target)) {
		left_out(t, entry->path, "not a path below the destination");
		return copy_data(t, size > INT64_MAX ? 0 : size, false);
	}
	entry->path = path;
	if (!is_file)
		entry->size = 0;
	if (tree_put_entry(t->writer, entry, t->e) < 0 ||
	    (attributes && entry->kind != TREE_LINK &&
		put_xattrs(t, attributes, t->extended_len) < 0) ||
	    copy_data(t, size, is_file) < 0)
		return -1;
	return is_file ? tree_put_close(t->writer, t->e) : 0;
}

/* One header and what belongs to it. */
static int
take_header(struct tar *t, const uint8_t *h)
{
	cleanup_free char *attributes = NULL;
	struct tree_entry entry;
	uint64_t size = (uint64_t)number(h + 124, 12);
	char type = (char)h[156];
	int status;

	switch (type) {
	case 'x':
		free(t->extended);
		t->extended = read_extended(t, size);
		t->extended_len = (size_t)size;
		return t->extended ? 0 : -1;
	case 'L':
		free(t->path);
		t->path = read_extended(t, size);
		return t->path ? 0 : -1;
	case 'K':
		free(t->target);
		t->target = read_extended(t, size);
		return t->target ? 0 : -1;
	case 'g':
		return copy_data(t, size, false);
	default:
		break;
	}
	parse_header(t, h, &entry);
	if (t->extended) {
		/* Parsing puts NULs in; the attributes come later. */
		attributes = malloc(t->extended_len + 1);
		if (!attributes)
			return err_set(t->e, EX_OSERR, "out of memory");
		memcpy(attributes, t->extended, t->extended_len + 1);
	}
	if (apply_extended(t, &entry) < 0)
		return -1;
	entry.kind = (enum tree_kind)kind_of(type, entry.path);
	if (entry.kind == 0) {
		left_out(t, entry.path, "of a kind that is not understood");
		status = copy_data(t, entry.size, false);
	} else {
		status = put_member(t, &entry, attributes);
	}
	forget_extended(t);
	return status;
}

int
tar_read(int fd, struct tree_writer *writer, void (*failed)(const struct err *),
    struct err *e)
{
	static const uint8_t zeros[BLOCK];
	struct tar t = {.fd = fd, .writer = writer, .failed = failed, .e = e};
	uint8_t header[BLOCK];
	int status = 0;

	while (status == 0) {
		status = read_all(&t, header, BLOCK);
		if (status < 0 || memcmp(header, zeros, BLOCK) == 0)
			break;
		status = is_header(header)
			     ? take_header(&t, header)
			     : err_set(e, EX_DATAERR, "stdin: not a tar");
	}
	/* What pads the last record is read, so that its writer can end. */
	while (status == 0 && io_read(fd, header, BLOCK) > 0)
		continue;
	forget_extended(&t);
	if (status == 0)
		status = tree_put_end(writer, e);
	return status < 0 ? -1 : t.failures;
}
