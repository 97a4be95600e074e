/* SPDX-License-Identifier: MIT */
/* pax.c - the records of a pax extended header */
#include "common/pax.h"

#include <stdlib.h>
#include <string.h>

void
pax_init(struct pax *p)
{
	*p = (struct pax){0};
	buf_init(&p->path, TARIN_PAX_MAX);
	buf_init(&p->link, TARIN_PAX_MAX);
	buf_init(&p->attrs, 2 * TARIN_PAX_MAX);
}

void
pax_release(struct pax *p)
{
	buf_release(&p->path);
	buf_release(&p->link);
	buf_release(&p->attrs);
	free(p->segments);
	p->segments = NULL;
}

void
pax_clear(struct pax *p)
{
	p->has = 0;
	buf_drop(&p->path, p->path.len);
	buf_drop(&p->link, p->link.len);
	buf_drop(&p->attrs, p->attrs.len);
	p->attr_count = 0;
	p->sparse = PAX_SPARSE_NONE;
	p->segment_count = 0;
}

int
pax_add_segment(struct pax *p, uint64_t offset, uint64_t len)
{
	if (len == 0)
		return 0;
	if (p->segment_count == p->segment_size) {
		size_t size = p->segment_size ? 2 * p->segment_size : 16;
		void *grown;

		if (size > TARIN_SEGMENTS_MAX)
			return -1;
		grown = realloc(p->segments, size * sizeof(*p->segments));
		if (!grown)
			return -1;
		p->segments = grown;
		p->segment_size = size;
	}
	p->segments[p->segment_count++] =
	    (struct tar_segment){.offset = offset, .len = len};
	return 0;
}

/* ---- attributes to carry on --------------------------------------------- */

int
pax_add_attr(struct buf *attrs, const char *key, size_t key_len,
    const void *value, size_t len)
{
	uint32_t len32 = (uint32_t)len;

	if (buf_add(attrs, key, key_len) < 0 || buf_add(attrs, "", 1) < 0 ||
	    buf_add(attrs, &len32, sizeof(len32)) < 0 ||
	    buf_add(attrs, value, len) < 0)
		return -1;
	return 0;
}

bool
pax_next_attr(const uint8_t *attrs, size_t attrs_len, size_t *at,
    const char **key, const uint8_t **value, uint32_t *len)
{
	if (*at >= attrs_len)
		return false;
	*key = (const char *)attrs + *at;
	*at += strlen(*key) + 1;
	memcpy(len, attrs + *at, sizeof(*len));
	*at += sizeof(*len);
	*value = attrs + *at;
	*at += *len;
	return true;
}

/* ---- values ------------------------------------------------------------- */

struct value {
	const char *at;
	size_t len;
};

/* Digits only, the whole value. */
static int
value_number(struct value v, uint64_t max, uint64_t *number)
{
	uint64_t n = 0;

	if (v.len == 0)
		return -1;
	for (size_t i = 0; i < v.len; i++) {
		uint64_t digit = (uint64_t)(v.at[i] - '0');

		if (digit > 9 || digit > max || n > (max - digit) / 10)
			return -1;
		n = n * 10 + digit;
	}
	*number = n;
	return 0;
}

/* "-1.25": seconds and nanoseconds, the latter never negative. */
static int
value_time(struct value v, struct tar_time *time)
{
	const char *point = memchr(v.at, '.', v.len);
	struct value whole = {v.at, point ? (size_t)(point - v.at) : v.len};
	bool negative = whole.len > 0 && whole.at[0] == '-';
	uint32_t ns = 0, unit = 100000000;
	uint64_t s;

	if (negative)
		whole = (struct value){whole.at + 1, whole.len - 1};
	if (value_number(whole, INT64_MAX / 2, &s) < 0)
		return -1;
	for (const char *p = point ? point + 1 : v.at + v.len; p < v.at + v.len;
	     p++, unit /= 10) {
		if (*p < '0' || *p > '9')
			return -1;
		ns += (uint32_t)(*p - '0') * unit;
	}
	time->seconds = negative ? -(int64_t)s : (int64_t)s;
	if (negative && ns > 0) {
		time->seconds -= 1;
		ns = 1000000000 - ns;
	}
	time->nanoseconds = ns;
	return 0;
}

/* GNU sparse 0.1: "offset,len,offset,len..." */
static int
value_map(struct pax *p, struct value v)
{
	const char *end = v.at + v.len;
	uint64_t pair[2];
	int have = 0;

	p->segment_count = 0;
	while (v.at < end) {
		const char *comma = memchr(v.at, ',', (size_t)(end - v.at));
		const char *stop = comma ? comma : end;

		if (value_number((struct value){v.at, (size_t)(stop - v.at)},
			INT64_MAX, &pair[have]) < 0)
			return -1;
		v.at = comma ? comma + 1 : end;
		have = !have;
		if (!have && pax_add_segment(p, pair[0], pair[1]) < 0)
			return -1;
	}
	return have ? -1 : 0;
}

static int
value_name(struct buf *into, struct value v)
{
	if (v.len > 0 && memchr(v.at, '\0', v.len))
		return -1;
	buf_drop(into, into->len);
	return buf_add(into, v.at, v.len);
}

static int
base64_digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static int
base64(struct value v, struct buf *into)
{
	uint32_t bits = 0;
	int have = 0;

	for (size_t i = 0; i < v.len && v.at[i] != '='; i++) {
		int digit = base64_digit(v.at[i]);
		uint8_t byte;

		if (digit < 0)
			return -1;
		bits = bits << 6 | (uint32_t)digit;
		have += 6;
		if (have < 8)
			continue;
		have -= 8;
		byte = (uint8_t)(bits >> have);
		if (buf_add(into, &byte, 1) < 0)
			return -1;
	}
	return 0;
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

size_t
pax_decode_name(char *into, const char *name, size_t len)
{
	size_t have = 0;

	for (size_t i = 0; i < len; i++) {
		char c = name[i];

		if (c == '%' && len - i > 2 && hex_digit(name[i + 1]) >= 0 &&
		    hex_digit(name[i + 2]) >= 0) {
			c = (char)(hex_digit(name[i + 1]) << 4 |
				   hex_digit(name[i + 2]));
			i += 2;
		}
		into[have++] = c;
	}
	into[have] = '\0';
	return have;
}

void
pax_encode_name(struct buf *b, const char *name)
{
	for (; *name; name++)
		if (*name == '=' || *name == '%')
			buf_printf(b, "%%%02X", *name);
		else
			buf_add(b, name, 1);
}

/* LIBARCHIVE.xattr.NAME: more of the name is %XX than others understand, and
 * the value is in base64. Gives the key that they have for it. */
static int
libarchive_key(struct value name, char *key, size_t size)
{
	cleanup_buf struct buf b = BUF_INIT(size - 1);
	char plain[TARIN_ATTR_NAME_MAX + 1];
	size_t len = pax_decode_name(plain, name.at, name.len);

	if (strlen(plain) != len)
		return -1;
	buf_puts(&b, "SCHILY.xattr.");
	pax_encode_name(&b, plain);
	if (b.failed)
		return -1;
	memcpy(key, b.data, b.len + 1);
	return 0;
}

/* The last record of a key counts: an earlier one goes. Linear in the number
 * of attributes of one file, which TARIN_PAX_MAX bounds. */
static bool
drop_attr(struct buf *attrs, const char *name)
{
	size_t at = 0, start = 0;
	const uint8_t *value;
	const char *key;
	uint32_t len;

	while (pax_next_attr((const uint8_t *)attrs->data, attrs->len, &at,
	    &key, &value, &len)) {
		if (strcmp(key, name) == 0) {
			memmove(attrs->data + start, attrs->data + at,
			    attrs->len - at);
			attrs->len -= at - start;
			return true;
		}
		start = at;
	}
	return false;
}

/* ---- records ------------------------------------------------------------ */

/* True if key starts with prefix; *rest is what follows. */
static bool
under(struct value key, const char *prefix, struct value *rest)
{
	size_t len = strlen(prefix);

	if (key.len <= len || memcmp(key.at, prefix, len) != 0)
		return false;
	*rest = (struct value){key.at + len, key.len - len};
	return true;
}

static bool
same(struct value key, const char *name)
{
	return key.len == strlen(name) && memcmp(key.at, name, key.len) == 0;
}

static int
record_sparse(struct pax *p, struct value key, struct value v)
{
	uint64_t n;

	if (same(key, "major") || same(key, "minor")) {
		/* 1.0 is the only one that tells its version. */
		if (value_number(v, 1, &n) < 0 || n != same(key, "major"))
			return -1;
		p->sparse = PAX_SPARSE_MAP_IN_DATA;
	} else if (same(key, "name")) {
		return value_name(&p->path, v);
	} else if (same(key, "realsize") || same(key, "size")) {
		p->has |= PAX_REALSIZE;
		if (!p->sparse)
			p->sparse = PAX_SPARSE_MAP_HERE;
		return value_number(v, INT64_MAX, &p->realsize);
	} else if (same(key, "map")) {
		p->sparse = PAX_SPARSE_MAP_HERE;
		return value_map(p, v);
	} else if (same(key, "offset")) {
		p->sparse = PAX_SPARSE_MAP_HERE;
		return value_number(v, INT64_MAX, &p->offset_told);
	} else if (same(key, "numbytes")) {
		if (value_number(v, INT64_MAX, &n) < 0)
			return -1;
		return pax_add_segment(p, p->offset_told, n);
	}
	return 0; /* numblocks: counted by ourselves */
}

static int
record_attr(struct pax *p, struct value key, struct value v)
{
	char name[32 + 3 * TARIN_ATTR_NAME_MAX + 1];
	cleanup_buf struct buf plain = BUF_INIT(TARIN_PAX_MAX);
	bool libarchive = false;
	struct value rest = key;

	if (under(key, "LIBARCHIVE.xattr.", &rest))
		libarchive = true;
	else if (!under(key, "RHT.security.", &rest) &&
		 !under(key, "SCHILY.xattr.", &rest) &&
		 !under(key, "SCHILY.acl.", &rest) &&
		 !same(key, "SCHILY.fflags"))
		return 0;
	if (rest.len > TARIN_ATTR_NAME_MAX)
		return -1;
	if (libarchive && (libarchive_key(rest, name, sizeof(name)) < 0 ||
			      base64(v, &plain) < 0))
		return -1;
	if (libarchive)
		v = (struct value){plain.data, plain.len};
	else if (key.at[0] == 'R')
		snprintf(name, sizeof(name), "SCHILY.xattr.security.%.*s",
		    (int)rest.len, rest.at);
	else
		snprintf(name, sizeof(name), "%.*s", (int)key.len, key.at);
	if (!drop_attr(&p->attrs, name) && p->attr_count++ >= TARIN_ATTRS_MAX)
		return -1;
	return pax_add_attr(&p->attrs, name, strlen(name), v.at, v.len);
}

static int
record_time(struct pax *p, unsigned bit, struct tar_time *time, struct value v)
{
	if (value_time(v, time) < 0)
		return -1;
	p->has |= bit;
	return 0;
}

static int
record_number(struct pax *p, struct value key, struct value v)
{
	bool size = same(key, "size");
	uint64_t n;

	if (value_number(v, size ? INT64_MAX : UINT32_MAX, &n) < 0)
		return -1;
	if (size) {
		p->has |= PAX_SIZE;
		p->size = n;
	} else if (same(key, "uid")) {
		p->has |= PAX_UID;
		p->uid = (uint32_t)n;
	} else {
		p->has |= PAX_GID;
		p->gid = (uint32_t)n;
	}
	return 0;
}

static int
record(struct pax *p, struct value key, struct value v)
{
	bool number = same(key, "size") || same(key, "uid") || same(key, "gid");
	bool time =
	    same(key, "mtime") || same(key, "atime") || same(key, "ctime");
	struct value rest;

	if (key.len == 0 || memchr(key.at, '\0', key.len))
		return -1;
	if (same(key, "path"))
		return value_name(&p->path, v);
	if (same(key, "linkpath"))
		return value_name(&p->link, v);
	if (under(key, "GNU.sparse.", &rest))
		return record_sparse(p, rest, v);
	if (!number && !time)
		return record_attr(p, key, v);
	/* POSIX: an empty value takes an earlier one back. */
	if (v.len == 0)
		return 0;
	if (number)
		return record_number(p, key, v);
	if (key.at[0] == 'm')
		return record_time(p, PAX_MTIME, &p->mtime, v);
	if (key.at[0] == 'a')
		return record_time(p, PAX_ATIME, &p->atime, v);
	return record_time(p, PAX_CTIME, &p->ctime, v);
}

int
pax_parse(struct pax *p, const char *data, size_t len, struct err *e)
{
	p->has |= PAX_ANY;
	while (len > 0) {
		const char *space = memchr(data, ' ', len < 20 ? len : 20);
		const char *equals;
		uint64_t whole;
		size_t head;

		if (!space ||
		    value_number((struct value){data, (size_t)(space - data)},
			len, &whole) < 0)
			return err_set(e, EX_DATAERR, "tar: bad pax record");
		head = (size_t)(space - data) + 1;
		if (whole <= head || data[whole - 1] != '\n')
			return err_set(e, EX_DATAERR, "tar: bad pax record");
		equals = memchr(data + head, '=', whole - head - 1);
		if (!equals ||
		    record(p,
			(struct value){
			    data + head, (size_t)(equals - data) - head},
			(struct value){equals + 1,
			    (size_t)(data + whole - 1 - (equals + 1))}) < 0)
			return err_set(e, EX_DATAERR,
			    "tar: bad pax record '%.*s'",
			    (int)(equals && equals - data - head < 40
				      ? (size_t)(equals - data) - head
				      : 0),
			    data + head);
		data += whole;
		len -= whole;
	}
	return 0;
}
