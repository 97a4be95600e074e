/* SPDX-License-Identifier: MIT */
/*
 * tarin.c - a reader of tar streams that loses nothing
 *
 * A state machine over 512-byte blocks. A file is described by its header
 * block and by what precedes it: GNU 'L' and 'K' entries (long name, long
 * target) and a pax 'x' entry (records "length key=value\n"). Those are
 * gathered in `pending` until the header they belong to is complete; sparse
 * files may add blocks behind it. Then the entry is reported, then its data.
 *
 *	HEADER -> EXTENDED -> HEADER          'x' 'g' 'L' 'K' and their body
 *	HEADER -> SPARSE -> DATA              old GNU sparse tables
 *	HEADER -> MAP -> DATA                 GNU sparse 1.0, map in the data
 *	HEADER -> DATA -> PADDING -> HEADER
 *	HEADER -> END                         two blocks of zeros
 *
 * What others do is followed where POSIX leaves a choice, Go's archive/tar
 * first since it writes most layers: a type without data has none whatever its
 * size field says, global pax headers are skipped, an archive may end without
 * its zero blocks. Of GNU tar's own types a volume's label is skipped, as is
 * the list of names behind a directory of an incremental archive.
 *
 * Why not libarchive: the images of tests/cmd/vk-pull/corpus.txt, read and
 * written again by libarchive 3.6, keep types, owners, times and names, also
 * those that are not UTF-8 (with a warning for each). But attributes change:
 * names get escaped ("user.a b" becomes "user.a%20b"), their order is turned
 * round, and ACLs are written anew, with rows and numbers that were not there.
 * An image is bytes, which we carry on as they are. Beside that, a reader that
 * is pushed needs no thread, and to load libarchive with all that it needs
 * takes some milliseconds of every start.
 */
#include "common/tarin.h"

#include "common/buf.h"
#include "common/pax.h"
#include "common/tarheader.h"
#include "common/tarsparse.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK TAR_BLOCK_SIZE
/* Pieces of a sparse file in a block behind its header, and "more follow". */
#define EXTENSION_PIECES 21
#define EXTENSION_MORE   504

enum state {
	HEADER,
	EXTENDED, /* the body of 'x', 'g', 'L' or 'K' */
	SPARSE,   /* old GNU sparse extension blocks */
	MAP,      /* GNU sparse 1.0: the map in front of the data */
	DATA,
	PADDING,
	END,
};

struct tarin {
	const struct tarin_ops *ops;
	void *into;
	size_t name_max;

	enum state state;
	uint8_t block[BLOCK]; /* a block that arrives in pieces */
	size_t block_len;
	uint64_t left;    /* bytes of this state that are still to come */
	unsigned padding; /* behind them */
	unsigned zeros;   /* zero blocks in a row */
	bool begun;       /* there was a header */
	uint64_t unheard; /* bytes behind the header at hand that are no data */
	char extended;    /* type of the entry whose body is read */

	struct pax pax;         /* what preceded the header */
	struct buf long_name;   /* GNU 'L' */
	struct buf long_link;   /* GNU 'K' */
	struct buf body;        /* an extended header in the making */
	struct tar_entry entry; /* the one at hand */
	char name[TAR_NAME_SIZE], link[TAR_LINK_SIZE]; /* the header's own */
	struct sparse_map map; /* in front of the data */
};

struct tarin *
tarin_new(const struct tarin_ops *ops, void *into, size_t name_max)
{
	struct tarin *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->ops = ops;
	t->into = into;
	t->name_max = name_max;
	pax_init(&t->pax);
	buf_init(&t->long_name, TARIN_PAX_MAX);
	buf_init(&t->long_link, TARIN_PAX_MAX);
	buf_init(&t->body, TARIN_PAX_MAX);
	return t;
}

void
tarin_free(struct tarin *t)
{
	if (!t)
		return;
	pax_release(&t->pax);
	buf_release(&t->long_name);
	buf_release(&t->long_link);
	buf_release(&t->body);
	free(t);
}

bool
tarin_ended(const struct tarin *t)
{
	return t->state == END;
}

bool
tarin_marked(const struct tarin *t)
{
	return t->zeros > 0;
}

static int
bad(struct err *e, const char *what)
{
	return err_set(e, EX_DATAERR, "tar: %s", what);
}

/* ---- an entry is complete ----------------------------------------------- */

static void
forget_pending(struct tarin *t)
{
	pax_clear(&t->pax);
	buf_drop(&t->long_name, t->long_name.len);
	buf_drop(&t->long_link, t->long_link.len);
}

static int
report(struct tarin *t, struct err *e)
{
	struct tar_entry *n = &t->entry;

	if (n->sparse) {
		n->segments = t->pax.segments;
		n->segment_count = t->pax.segment_count;
		if (sparse_check(n, e) < 0)
			return err_prefix(e, "%s", n->path);
	}
	n->attrs = (const uint8_t *)t->pax.attrs.data;
	n->attrs_len = t->pax.attrs.len;
	if (t->ops->entry(t->into, n, e) < 0)
		return -1;
	forget_pending(t);
	t->left = n->stored + t->unheard;
	t->state = DATA;
	return 0;
}

/* ---- header blocks ------------------------------------------------------ */

/* The name fields: pax over GNU over the header's own. */
static int
take_names(struct tarin *t, const uint8_t *b, struct err *e)
{
	struct tar_entry *n = &t->entry;

	tar_header_names(b, t->name, t->link);
	n->path = t->pax.path.len > 0    ? t->pax.path.data
		  : t->long_name.len > 0 ? t->long_name.data
					 : t->name;
	n->link = t->pax.link.len > 0    ? t->pax.link.data
		  : t->long_link.len > 0 ? t->long_link.data
					 : t->link;
	if (strlen(n->path) > t->name_max || strlen(n->link) > t->name_max)
		return err_set(e, EX_DATAERR,
		    "%.40s...: name longer than the limit of %zu (name)",
		    n->path, t->name_max);
	return 0;
}

/* GNU's old form: the table starts in the header. */
static int
old_sparse(struct tarin *t, const uint8_t *b, struct err *e)
{
	bool more;

	if (tar_header_sparse(b, &t->pax, &t->entry.size, &more, e) < 0)
		return -1;
	t->entry.sparse = true;
	if (!more)
		return report(t, e);
	t->state = SPARSE;
	return 0;
}

static int
file_header(struct tarin *t, const uint8_t *b, struct err *e)
{
	struct tar_entry *n = &t->entry;
	uint8_t flag = tar_header_flag(b);
	int known;

	if (take_names(t, b, e) < 0)
		return -1;
	known = tar_type(flag, n->path, &n->type);
	if (known < 0 || (known == 0 && !t->ops->any_type))
		return err_set(e, EX_DATAERR,
		    "tar: %s: entry of unknown type 0x%02x", n->path, flag);
	if (tar_header_numbers(b, &t->pax, n, e) < 0)
		return err_prefix(e, "%s", n->path);
	t->unheard = flag == 'D' ? n->stored : 0;
	if (n->type != TAR_FILE)
		n->stored = 0;
	if (n->type != TAR_LINK && n->type != TAR_SYMLINK)
		n->link = "";
	n->size = n->stored;
	n->sparse = false;
	n->segments = NULL;
	n->segment_count = 0;
	t->padding = (unsigned)(-(n->stored + t->unheard) & (BLOCK - 1));
	if (flag == 'S')
		return old_sparse(t, b, e);
	if (n->type == TAR_FILE && t->pax.sparse) {
		if (!(t->pax.has & PAX_REALSIZE))
			return bad(e, "sparse file without its size");
		n->sparse = true;
		n->size = t->pax.realsize;
		if (t->pax.sparse == PAX_SPARSE_MAP_IN_DATA) {
			sparse_map_begin(&t->map);
			t->state = MAP;
			return 0;
		}
	}
	return report(t, e);
}

static int
header_block(struct tarin *t, const uint8_t *b, struct err *e)
{
	uint8_t flag = tar_header_flag(b);
	uint64_t size;

	if (tar_header_empty(b)) {
		if (++t->zeros == 2)
			t->state = END;
		return 0;
	}
	if (t->zeros > 0)
		return bad(e, "a single block of zeros between entries");
	if (!tar_header_right(b))
		return err_set(e, EX_DATAERR, "%star: header checksum is wrong",
		    t->begun ? "" : "not a ");
	t->begun = true;
	switch (flag) {
	case 'V': /* GNU: the volume's label */
		forget_pending(t);
		return 0;
	case 'X': /* Solaris, before POSIX */
	case 'x':
	case 'g':
	case 'L':
	case 'K':
		if (tar_header_size(b, &size) < 0 || size > TARIN_PAX_MAX)
			return bad(e, "extended header too large");
		t->extended = flag == 'X' ? 'x' : (char)flag;
		t->left = size;
		t->padding = (unsigned)(-size & (BLOCK - 1));
		t->state = EXTENDED;
		return 0;
	default:
		return file_header(t, b, e);
	}
}

/* ---- what precedes a header --------------------------------------------- */

static int
extended_done(struct tarin *t, struct err *e)
{
	struct buf *b = &t->body;
	int rc = 0;

	switch (t->extended) {
	case 'x':
		pax_clear(&t->pax);
		rc = pax_parse(&t->pax, b->data, b->len, e);
		break;
	case 'L':
	case 'K': {
		struct buf *into =
		    t->extended == 'L' ? &t->long_name : &t->long_link;
		size_t len = b->data ? strnlen(b->data, b->len) : 0;

		buf_drop(into, into->len);
		if (buf_add(into, b->data, len) < 0)
			rc = err_set(e, EX_OSERR, "out of memory");
		break;
	}
	default: /* 'g' is not applied: see the top */
		break;
	}
	buf_drop(b, b->len);
	t->left = t->padding;
	t->state = PADDING;
	return rc;
}

/* ---- the machine -------------------------------------------------------- */

static int
map_block(struct tarin *t, const uint8_t *b, struct err *e)
{
	struct tar_entry *n = &t->entry;
	int whole;

	if (n->stored < BLOCK)
		return bad(e, "sparse map longer than its file");
	n->stored -= BLOCK;
	whole = sparse_map_block(&t->map, &t->pax, b, e);
	return whole > 0 ? report(t, e) : whole;
}

static int
extension_block(struct tarin *t, const uint8_t *b, struct err *e)
{
	if (sparse_table(&t->pax, b, EXTENSION_PIECES, e) < 0)
		return -1;
	return b[EXTENSION_MORE] ? 0 : report(t, e);
}

static int
block_done(struct tarin *t, const uint8_t *b, struct err *e)
{
	switch (t->state) {
	case HEADER:
		return header_block(t, b, e);
	case SPARSE:
		return extension_block(t, b, e);
	case MAP:
		return map_block(t, b, e);
	default:
		assert(!"a state without blocks");
		return -1;
	}
}

/* One whole block out of data, or a piece of it kept for later. Returns what
 * was used, -1 with err. */
static ssize_t
feed_block(struct tarin *t, const uint8_t *data, size_t len, struct err *e)
{
	size_t take = BLOCK - t->block_len;

	if (t->block_len == 0 && len >= BLOCK)
		return block_done(t, data, e) < 0 ? -1 : BLOCK;
	if (take > len)
		take = len;
	memcpy(t->block + t->block_len, data, take);
	t->block_len += take;
	if (t->block_len == BLOCK) {
		t->block_len = 0;
		if (block_done(t, t->block, e) < 0)
			return -1;
	}
	return (ssize_t)take;
}

static ssize_t
feed_left(struct tarin *t, const uint8_t *data, size_t len, struct err *e)
{
	size_t take = t->left < len ? (size_t)t->left : len;

	if (t->state == EXTENDED && buf_add(&t->body, data, take) < 0)
		return err_set(e, EX_OSERR, "out of memory");
	if (t->state == DATA && t->ops->data && take > 0 && !t->unheard &&
	    t->ops->data(t->into, data, take, e) < 0)
		return -1;
	t->left -= take;
	return (ssize_t)take;
}

/* Leaves states that have nothing more to read. */
static int
settle(struct tarin *t, struct err *e)
{
	while (t->left == 0) {
		if (t->state == EXTENDED) {
			if (extended_done(t, e) < 0)
				return -1;
		} else if (t->state == DATA) {
			t->left = t->padding;
			t->state = PADDING;
		} else if (t->state == PADDING) {
			t->state = HEADER;
		} else {
			break;
		}
	}
	return 0;
}

static bool
all_zeros(const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (data[i] != 0)
			return false;
	return true;
}

int
tarin_feed(struct tarin *t, const void *data, size_t len, struct err *e)
{
	const uint8_t *at = data;

	while (len > 0 && t->state != END) {
		ssize_t used;

		if (t->state == HEADER || t->state == SPARSE || t->state == MAP)
			used = feed_block(t, at, len, e);
		else
			used = feed_left(t, at, len, e);
		if (used < 0 || settle(t, e) < 0)
			return -1;
		at += used;
		len -= (size_t)used;
	}
	/* An image of a disk: its first sectors are no end of anything. */
	if (!t->begun && t->state == END && !all_zeros(at, len))
		return err_set(
		    e, EX_DATAERR, "not a tar: it begins with zeros");
	return 0;
}

int
tarin_end(struct tarin *t, struct err *e)
{
	bool pending =
	    t->long_name.len > 0 || t->long_link.len > 0 || t->pax.has;

	if (!t->begun && t->block_len > 0)
		return err_set(
		    e, EX_DATAERR, "not a tar: shorter than a header");
	if (t->state != END && (t->state != HEADER || t->block_len > 0))
		return bad(e, "ends in the middle of an entry");
	if (pending)
		return bad(e, "ends with an extended header without its entry");
	return 0;
}

uint64_t
tarin_skip(struct tarin *t)
{
	uint64_t skipped = 0;

	if (t->state == DATA) {
		skipped = t->left + t->padding;
		t->state = HEADER;
		t->left = 0;
	} else if (t->state == PADDING) {
		skipped = t->left;
		t->state = HEADER;
		t->left = 0;
	}
	return skipped;
}
