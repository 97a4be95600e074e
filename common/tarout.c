/* SPDX-License-Identifier: MIT */
/* tarout.c - a writer of pax archives whose bytes depend on nothing else */
#include "common/tarout.h"

#include "common/io.h"
#include "common/pax.h"
#include "common/tarheader.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#define BLOCK TAR_BLOCK_SIZE

static const char type_flags[] = {
    [TAR_FILE] = '0',
    [TAR_LINK] = '1',
    [TAR_SYMLINK] = '2',
    [TAR_CHAR] = '3',
    [TAR_BLOCK] = '4',
    [TAR_DIR] = '5',
    [TAR_FIFO] = '6',
};

int
tarout_init(struct tarout *o, int fd, const char *name, struct err *e)
{
	*o = (struct tarout){.fd = fd, .name = name};
	buf_init(&o->records, TARIN_PAX_MAX);
	buf_init(&o->map, TARIN_SEGMENTS_MAX * 42 + BLOCK);
	o->buffer = malloc(TAROUT_BUFFER);
	return o->buffer ? 0 : err_set(e, EX_OSERR, "out of memory");
}

void
tarout_release(struct tarout *o)
{
	free(o->buffer);
	o->buffer = NULL;
	buf_release(&o->records);
	buf_release(&o->map);
}

/* ---- bytes -------------------------------------------------------------- */

static int
failed(struct tarout *o, struct err *e)
{
	return err_errno(e, EX_IOERR, "%s", o->name);
}

static int
flush(struct tarout *o, struct err *e)
{
	if (io_write(o->fd, o->buffer, o->len) < 0)
		return failed(o, e);
	o->len = 0;
	return 0;
}

static int
put(struct tarout *o, const void *data, size_t len, struct err *e)
{
	atomic_fetch_add_explicit(&o->written, len, memory_order_relaxed);
	if (len > TAROUT_BUFFER - o->len && flush(o, e) < 0)
		return -1;
	/* What would fill the buffer alone need not pass through it. */
	if (len >= TAROUT_BUFFER)
		return io_write(o->fd, data, len) < 0 ? failed(o, e) : 0;
	memcpy(o->buffer + o->len, data, len);
	o->len += len;
	return 0;
}

static int
put_zero(struct tarout *o, size_t len, struct err *e)
{
	static const uint8_t zero[2 * BLOCK];

	assert(len <= sizeof(zero));
	return put(o, zero, len, e);
}

static unsigned
padding_of(uint64_t len)
{
	return (unsigned)(-len & (BLOCK - 1));
}

/* ---- headers ------------------------------------------------------------ */

/* width - 1 octal digits and a NUL; the value fits or is told by pax. */
static void
octal(uint8_t *field, size_t width, uint64_t value)
{
	field[width - 1] = '\0';
	for (size_t i = width - 1; i-- > 0; value >>= 3)
		field[i] = (uint8_t)('0' + (value & 7));
}

static bool
fits(uint64_t value, size_t width)
{
	return value < (uint64_t)1 << 3 * (width - 1);
}

static int
put_header(struct tarout *o, struct tar_header *h, struct err *e)
{
	unsigned sum = 0;

	memcpy(h->magic, "ustar", 6);
	memcpy(h->version, "00", 2);
	memset(h->checksum, ' ', sizeof(h->checksum));
	for (size_t i = 0; i < sizeof(*h); i++)
		sum += ((const uint8_t *)h)[i];
	octal(h->checksum, 7, sum);
	return put(o, h, sizeof(*h), e);
}

/* "len key=value\n", where len counts itself. */
static void
record(struct buf *b, const char *key, const void *value, size_t len)
{
	size_t rest = strlen(key) + len + 3; /* ' ', '=', '\n' */
	size_t whole = rest + 1;

	for (;;) {
		size_t digits = 0;

		for (size_t n = whole; n > 0; n /= 10)
			digits++;
		if (whole == rest + digits)
			break;
		whole = rest + digits;
	}
	buf_printf(b, "%zu %s=", whole, key);
	buf_add(b, value, len);
	buf_add(b, "\n", 1);
}

__attribute__((format(printf, 3, 4))) static void
record_text(struct buf *b, const char *key, const char *fmt, ...)
{
	char text[64];
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	record(b, key, text, (size_t)len);
}

/* Well-formed UTF-8, RFC 3629: no overlong forms, no surrogates. */
static bool
is_utf8(const char *s)
{
	const uint8_t *p = (const uint8_t *)s;

	while (*p) {
		uint32_t c = *p++;
		int more = c < 0x80   ? 0
			   : c < 0xc2 ? -1
			   : c < 0xe0 ? 1
			   : c < 0xf0 ? 2
			   : c < 0xf5 ? 3
				      : -1;
		uint32_t least = more == 2 ? 0x800 : more == 3 ? 0x10000 : 0;

		if (more < 0)
			return false;
		if (more > 0)
			c &= 0x3fu >> more;
		for (int i = 0; i < more; i++, p++) {
			if ((*p & 0xc0) != 0x80)
				return false;
			c = c << 6 | (*p & 0x3f);
		}
		if (c < least || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
			return false;
	}
	return true;
}

static void
time_record(struct buf *b, int64_t seconds, uint32_t ns)
{
	char fraction[12] = "";
	const char *sign = "";
	uint64_t whole = (uint64_t)seconds;

	if (seconds < 0) {
		/* -2 s + 750 ms is written as -1.25 */
		sign = "-";
		whole = -(uint64_t)seconds;
		if (ns > 0) {
			whole -= 1;
			ns = 1000000000 - ns;
		}
	}
	if (ns > 0) {
		size_t len = (size_t)snprintf(
		    fraction, sizeof(fraction), ".%09" PRIu32, ns);
		while (fraction[len - 1] == '0')
			fraction[--len] = '\0';
	}
	record_text(b, "mtime", "%s%" PRIu64 "%s", sign, whole, fraction);
}

/* Everything the ustar header has no room for. */
static void
gather_records(struct buf *b, const struct tar_entry *n, uint64_t body)
{
	bool long_path = strlen(n->path) > TAR_NAME_MAX;
	bool long_link = strlen(n->link) > TAR_NAME_MAX;
	const uint8_t *value;
	const char *key;
	size_t at = 0;
	uint32_t len;

	if ((long_path && !is_utf8(n->path)) ||
	    (long_link && !is_utf8(n->link)))
		record_text(b, "hdrcharset", "BINARY");
	if (n->sparse) {
		record_text(b, "GNU.sparse.major", "1");
		record_text(b, "GNU.sparse.minor", "0");
		record(b, "GNU.sparse.name", n->path, strlen(n->path));
		record_text(b, "GNU.sparse.realsize", "%" PRIu64, n->size);
	} else if (long_path) {
		record(b, "path", n->path, strlen(n->path));
	}
	if (long_link)
		record(b, "linkpath", n->link, strlen(n->link));
	if (!fits(body, 12))
		record_text(b, "size", "%" PRIu64, body);
	if (!fits(n->uid, 8))
		record_text(b, "uid", "%" PRIu32, n->uid);
	if (!fits(n->gid, 8))
		record_text(b, "gid", "%" PRIu32, n->gid);
	if (n->mtime_ns > 0 || n->mtime < 0 || !fits((uint64_t)n->mtime, 12))
		time_record(b, n->mtime, n->mtime_ns);
	while (pax_next_attr(n->attrs, n->attrs_len, &at, &key, &value, &len))
		record(b, key, value, len);
}

static void
copy_name(uint8_t *field, size_t size, const char *name)
{
	size_t len = strlen(name);

	memcpy(field, name, len < size ? len : size);
}

static int
put_pax(struct tarout *o, const struct tar_entry *n, struct err *e)
{
	const struct buf *b = &o->records;
	struct tar_header h = {.type = 'x'};

	if (b->failed)
		return err_set(e, EX_DATAERR,
		    "%s: names and attributes too large to be written",
		    n->path);
	copy_name(h.name, sizeof(h.name), "PaxHeaders/");
	copy_name(h.name + 11, sizeof(h.name) - 11, n->path);
	octal(h.mode, sizeof(h.mode), 0644);
	octal(h.uid, sizeof(h.uid), 0);
	octal(h.gid, sizeof(h.gid), 0);
	octal(h.size, sizeof(h.size), b->len);
	octal(h.mtime, sizeof(h.mtime), 0);
	if (put_header(o, &h, e) < 0 || put(o, b->data, b->len, e) < 0)
		return -1;
	return put_zero(o, padding_of(b->len), e);
}

/* GNU sparse 1.0: the map, decimal lines, in front of the data. A hole at the
 * end has a piece of no length behind it, or GNU tar makes the file without. */
static void
gather_map(struct buf *b, const struct tar_entry *n)
{
	const struct tar_segment *last =
	    n->segment_count ? &n->segments[n->segment_count - 1] : NULL;
	bool hole = !last || last->offset + last->len < n->size;

	buf_printf(b, "%zu\n", n->segment_count + hole);
	for (size_t i = 0; i < n->segment_count; i++)
		buf_printf(b, "%" PRIu64 "\n%" PRIu64 "\n",
		    n->segments[i].offset, n->segments[i].len);
	if (hole)
		buf_printf(b, "%" PRIu64 "\n0\n", n->size);
	while (b->len % BLOCK != 0 && buf_add(b, "", 1) == 0)
		;
}

int
tarout_entry(struct tarout *o, const struct tar_entry *n, struct err *e)
{
	struct tar_header h = {.type = (uint8_t)type_flags[n->type]};
	uint64_t body = n->stored;

	assert(o->left == 0);
	buf_drop(&o->records, o->records.len);
	buf_drop(&o->map, o->map.len);
	if (n->sparse)
		gather_map(&o->map, n);
	body += o->map.len;
	gather_records(&o->records, n, body);
	if (o->records.len > 0 && put_pax(o, n, e) < 0)
		return -1;
	copy_name(h.name, sizeof(h.name), n->path);
	copy_name(h.link, sizeof(h.link), n->link);
	octal(h.mode, sizeof(h.mode), n->mode);
	octal(h.uid, sizeof(h.uid), fits(n->uid, 8) ? n->uid : 0);
	octal(h.gid, sizeof(h.gid), fits(n->gid, 8) ? n->gid : 0);
	octal(h.size, sizeof(h.size), fits(body, 12) ? body : 0);
	octal(h.mtime, sizeof(h.mtime),
	    n->mtime >= 0 && fits((uint64_t)n->mtime, 12) ? (uint64_t)n->mtime
							  : 0);
	if (n->type == TAR_CHAR || n->type == TAR_BLOCK) {
		octal(h.major, sizeof(h.major), n->major);
		octal(h.minor, sizeof(h.minor), n->minor);
	}
	if (put_header(o, &h, e) < 0)
		return -1;
	if (o->map.len > 0 && put(o, o->map.data, o->map.len, e) < 0)
		return -1;
	o->left = n->stored;
	o->padding = padding_of(body);
	return 0;
}

int
tarout_data(struct tarout *o, const void *data, size_t len, struct err *e)
{
	assert(len <= o->left);
	if (put(o, data, len, e) < 0)
		return -1;
	o->left -= len;
	return o->left == 0 && len > 0 ? put_zero(o, o->padding, e) : 0;
}

int
tarout_end(struct tarout *o, struct err *e)
{
	assert(o->left == 0);
	if (put_zero(o, 2 * BLOCK, e) < 0)
		return -1;
	return flush(o, e);
}
