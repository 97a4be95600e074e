/* SPDX-License-Identifier: MIT */
/* tarheader.c - what a tar header says by itself */
#include "common/tarheader.h"

#include "common/tarnumber.h"
#include "common/tarsparse.h"

#include <string.h>

/* What seven octal digits hold; Linux has 12 and 20 bits. */
#define DEVICE_MAX 07777777

/* A field and its length. */
#define FIELD(f) (f), sizeof(f)

_Static_assert(sizeof(struct tar_header) == TAR_BLOCK_SIZE, "one block");

static const struct tar_header *
header(const uint8_t *block)
{
	return (const struct tar_header *)block;
}

static int
bad(struct err *e, const char *what)
{
	return err_set(e, EX_DATAERR, "tar: %s", what);
}

/* ---- the block ---------------------------------------------------------- */

bool
tar_header_empty(const uint8_t *b)
{
	for (int i = 0; i < TAR_BLOCK_SIZE; i++)
		if (b[i])
			return false;
	return true;
}

/* Sum of all bytes with the sum's own field as spaces; old archives added
 * signed chars. */
bool
tar_header_right(const uint8_t *b)
{
	const uint8_t *sum = header(b)->checksum;
	const size_t len = sizeof(header(b)->checksum);
	int plain = 0, high = 0;
	int64_t told;

	for (int i = 0; i < TAR_BLOCK_SIZE; i++)
		plain += b[i];
	for (size_t i = 0; i < len; i++)
		plain += ' ' - sum[i];
	if (tar_number(sum, len, &told) < 0)
		return false;
	if (told == plain)
		return true;
	for (int i = 0; i < TAR_BLOCK_SIZE; i++)
		high += b[i] >= 0x80;
	for (size_t i = 0; i < len; i++)
		high -= sum[i] >= 0x80;
	return told == plain - 0x100 * high;
}

uint8_t
tar_header_flag(const uint8_t *b)
{
	return header(b)->type;
}

int
tar_header_size(const uint8_t *b, uint64_t *size)
{
	return tar_natural(FIELD(header(b)->size), size);
}

/* ---- its fields --------------------------------------------------------- */

void
tar_header_names(
    const uint8_t *b, char name[TAR_NAME_SIZE], char link[TAR_LINK_SIZE])
{
	const struct tar_header *h = header(b);
	size_t prefix = 0;

	if (memcmp(h->magic, "ustar", 6) == 0)
		prefix = strnlen((const char *)h->prefix,
		    memcmp(h->star, "tar", 4) == 0 ? 131 : TAR_PREFIX_MAX);
	if (prefix > 0) {
		memcpy(name, h->prefix, prefix);
		name[prefix++] = '/';
	}
	memcpy(name + prefix, h->name, TAR_NAME_MAX);
	name[prefix + TAR_NAME_MAX] = '\0';
	memcpy(link, h->link, TAR_NAME_MAX);
	link[TAR_NAME_MAX] = '\0';
}

int
tar_type(uint8_t flag, const char *name, enum tar_type *type)
{
	size_t len = strlen(name);

	switch (flag) {
	case '\0': /* v7: directories by their name only */
		*type = len > 0 && name[len - 1] == '/' ? TAR_DIR : TAR_FILE;
		return 1;
	case '0':
	case '7': /* contiguous: as a file, says POSIX */
	case 'S': /* GNU sparse */
		*type = TAR_FILE;
		return 1;
	case '1':
		*type = TAR_LINK;
		return 1;
	case '2':
		*type = TAR_SYMLINK;
		return 1;
	case '3':
		*type = TAR_CHAR;
		return 1;
	case '4':
		*type = TAR_BLOCK;
		return 1;
	case '5':
	case 'D': /* GNU, incremental */
		*type = TAR_DIR;
		return 1;
	case '6':
		*type = TAR_FIFO;
		return 1;
	case 'M': /* GNU: it began in another volume */
		return -1;
	default:
		*type = TAR_FILE;
		return 0;
	}
}

/* A time beside that of modification, if GNU tar put it into the header. */
static void
take_gnu_time(
    struct pax *p, unsigned bit, struct tar_time *time, const uint8_t *field)
{
	if (p->has & bit || field[0] == '\0' ||
	    tar_number(field, 12, &time->seconds) < 0)
		return;
	time->nanoseconds = 0;
	p->has |= bit;
}

static void
take_times(const struct tar_header *h, struct pax *p, struct tar_entry *n)
{
	if (memcmp(h->magic, "ustar ", 6) == 0 &&
	    memcmp(h->version, " ", 2) == 0) {
		take_gnu_time(p, PAX_ATIME, &p->atime, h->gnu.atime);
		take_gnu_time(p, PAX_CTIME, &p->ctime, h->gnu.ctime);
	}
	n->atime = p->has & PAX_ATIME ? &p->atime : NULL;
	n->ctime = p->has & PAX_CTIME ? &p->ctime : NULL;
}

int
tar_header_numbers(
    const uint8_t *b, struct pax *p, struct tar_entry *n, struct err *e)
{
	const struct tar_header *h = header(b);
	uint32_t mode;

	if (tar_natural32(FIELD(h->mode), &mode) < 0 ||
	    tar_natural(FIELD(h->size), &n->stored) < 0 ||
	    tar_number(FIELD(h->mtime), &n->mtime) < 0)
		return bad(e, "bad number in a header");
	n->mode = mode & 07777;
	n->mtime_ns = 0;
	if (p->has & PAX_UID)
		n->uid = p->uid;
	else if (tar_natural32(FIELD(h->uid), &n->uid) < 0)
		return bad(e, "bad owner in a header");
	if (p->has & PAX_GID)
		n->gid = p->gid;
	else if (tar_natural32(FIELD(h->gid), &n->gid) < 0)
		return bad(e, "bad group in a header");
	if (p->has & PAX_SIZE)
		n->stored = p->size;
	if (n->stored > INT64_MAX - TAR_BLOCK_SIZE)
		return bad(e, "size out of range");
	if (p->has & PAX_MTIME) {
		n->mtime = p->mtime.seconds;
		n->mtime_ns = p->mtime.nanoseconds;
	}
	take_times(h, p, n);
	n->major = n->minor = 0;
	if ((n->type == TAR_CHAR || n->type == TAR_BLOCK) &&
	    (tar_natural32(FIELD(h->major), &n->major) < 0 ||
		tar_natural32(FIELD(h->minor), &n->minor) < 0 ||
		n->major > DEVICE_MAX || n->minor > DEVICE_MAX))
		return bad(e, "bad device number in a header");
	return 0;
}

int
tar_header_sparse(
    const uint8_t *b, struct pax *p, uint64_t *size, bool *more, struct err *e)
{
	const struct tar_header *h = header(b);

	if (tar_natural(FIELD(h->gnu.realsize), size) < 0)
		return bad(e, "bad size of a sparse file");
	*more = h->gnu.extended;
	return sparse_table(p, h->gnu.sparse, 4, e);
}
