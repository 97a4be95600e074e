/* SPDX-License-Identifier: MIT */
/*
 * corpus.c - images odd and hostile: each has its right tree or refusal
 *
 * Reads tests/cmd/vk-pull/corpus.txt, which says at its top how cases are
 * written, makes the image of each in memory, and pulls it through everything
 * but the network. Of every tree it is also checked that .vk/image.json comes
 * first, folders before their contents, targets before hard links, and no name
 * twice, and that a second pull gives the same bytes.
 */
#include "cmd/vk-pull/emit.h"
#include "cmd/vk-pull/options.h"
#include "cmd/vk-pull/pull.h"
#include "common/io.h"
#include "common/log.h"
#include "common/scope.h"
#include "tests/tap.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <regex.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <zlib.h>
#include <zstd.h>

#define BLOCK      512
#define LAYERS_MAX 300
#define WORDS_MAX  64
#define CONFIG     "{\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[%s]}}"
#define ZERO_ID                                                                \
	"sha256:00000000000000000000000000000000000000000000000000000000000"   \
	"00000"

struct made { /* a blob */
	int fd;
	struct digest digest;
	uint64_t size;
	char type[128];
};

struct image_case {
	char name[128];
	int line;
	struct options options;
	struct buf tar; /* of the layer at hand */
	char packing[16];
	char media[128];
	bool open, no_end;
	size_t cut; /* bytes taken off the packed layer */
	long flip;  /* byte of it that is changed behind its digest's back */
	struct buf tail; /* added to the packed layer */
	struct made layers[LAYERS_MAX];
	size_t count;
	struct buf manifest, config;
	struct buf expected;
	char refusal[256];
	int status;
};

static char *words[WORDS_MAX];
static size_t word_lens[WORDS_MAX];
static size_t word_count;

/* ---- words -------------------------------------------------------------- */

static int
hex(char c)
{
	return isdigit((unsigned char)c) ? c - '0' : tolower(c) - 'a' + 10;
}

/* Takes a line apart in place: blanks part words, quotes and \n \0 \s \xHH
 * work anywhere. */
static void
split(char *line)
{
	char *from = line, *to = line;

	word_count = 0;
	for (;;) {
		bool quoted = false;

		from += strspn(from, " \t");
		if (*from == '\0' || word_count == WORDS_MAX)
			break;
		words[word_count] = to;
		for (; *from && (quoted || !strchr(" \t", *from)); from++) {
			if (*from == '"') {
				quoted = !quoted;
			} else if (*from == '\\' && from[1]) {
				from++;
				switch (*from) {
				case 'n':
					*to++ = '\n';
					break;
				case '0':
					*to++ = '\0';
					break;
				case 's':
					*to++ = ' ';
					break;
				case 'x':
					*to++ = (char)(hex(from[1]) << 4 |
						       hex(from[2]));
					from += 2;
					break;
				default:
					*to++ = *from;
				}
			} else {
				*to++ = *from;
			}
		}
		word_lens[word_count] = (size_t)(to - words[word_count]);
		word_count++;
		if (*from)
			from++;
		*to++ = '\0';
	}
}

/* ---- making tars -------------------------------------------------------- */

static void
put_field(char *field, size_t width, uint64_t value, bool base256)
{
	if (!base256) {
		char text[32];

		snprintf(text, sizeof(text), "%0*llo", (int)width - 1,
		    (unsigned long long)value);
		memcpy(field, text + strlen(text) - (width - 1), width - 1);
		field[width - 1] = '\0';
		return;
	}
	for (size_t i = width; i-- > 0; value >>= 8)
		field[i] = (char)value;
	field[0] = (char)(field[0] | 0x80);
}

static struct edit { /* bytes put into a header last */
	size_t at, len;
	char bytes[64];
} edits[8];
static size_t edit_count;

static void
put_header(struct buf *tar, const char *name, size_t len, char flag,
    uint64_t size, char *h, bool bad_sum)
{
	unsigned sum = 0;

	memcpy(h, name, len < 100 ? len : 100);
	put_field(h + 124, 12, size, false);
	h[156] = flag;
	if (h[257] == '\0')
		memcpy(h + 257, "ustar\00000", 8);
	for (size_t i = 0; i < edit_count; i++)
		memcpy(h + edits[i].at, edits[i].bytes, edits[i].len);
	edit_count = 0;
	memset(h + 148, ' ', 8);
	for (int i = 0; i < BLOCK; i++)
		sum += (unsigned char)h[i];
	put_field(h + 148, 7, sum + bad_sum, false);
	buf_add(tar, h, BLOCK);
}

static void
put_body(struct buf *tar, const char *data, size_t len)
{
	static const char zero[BLOCK];

	buf_add(tar, data, len);
	buf_add(tar, zero, (size_t)(-len & (BLOCK - 1)));
}

static void
put_extended(struct buf *tar, char flag, const char *data, size_t len)
{
	char h[BLOCK] = "";

	put_field(h + 100, 8, 0644, false);
	put_header(tar, "extended", 8, flag, len, h, false);
	put_body(tar, data, len);
}

static void
put_record(struct buf *b, const char *key, const char *value, size_t len)
{
	size_t whole = strlen(key) + len + 4;
	char digits[24];

	while (strlen(key) + len + 3 +
		   (size_t)snprintf(digits, sizeof(digits), "%zu", whole) !=
	       whole)
		whole++;
	buf_printf(b, "%zu %s=", whole, key);
	buf_add(b, value, len);
	buf_add(b, "\n", 1);
}

/* "TYPE PATH [KEY=VALUE]..." */
static void
put_entry(struct image_case *c)
{
	static const char types[] = "fhlcbdp";
	struct buf *tar = &c->tar;
	struct buf pax = BUF_INIT(4 << 20), data = BUF_INIT(1 << 30);
	char h[BLOCK] = "", *name = words[1];
	size_t name_len = word_lens[1];
	const char *type = strchr(types, words[0][0]);
	char flag = type ? (char)('0' + (type - types)) : words[0][0];
	uint64_t uid = 0, gid = 0, size = UINT64_MAX;
	bool base256 = false, bad_sum = false, gnu = false;
	unsigned long mode = flag == '5' ? 0755 : 0644;
	const char *mtime = "0";
	struct edit pending[8];
	size_t pending_count = 0;

	buf_puts(&data, "");
	for (size_t i = 2; i < word_count; i++) {
		char *key = words[i], *value = memchr(key, '=', word_lens[i]);
		size_t len = 0;

		if (value) {
			len = word_lens[i] - (size_t)(value + 1 - key);
			*value++ = '\0';
		}
		if (strcmp(key, "mode") == 0)
			mode = strtoul(value, NULL, 8);
		else if (strcmp(key, "own") == 0)
			sscanf(value, "%ld:%ld", (long *)&uid, (long *)&gid);
		else if (strcmp(key, "mtime") == 0)
			mtime = value;
		else if (strcmp(key, "data") == 0)
			buf_add(&data, value, len);
		else if (strcmp(key, "zeros") == 0) {
			size_t n = strtoul(value, NULL, 0);

			memset(buf_reserve(&data, n), 0, n);
			data.len += n;
		} else if (strcmp(key, "size") == 0)
			size = strtoull(value, NULL, 0);
		else if (strcmp(key, "link") == 0) {
			if (len > 100 && gnu)
				put_extended(tar, 'K', value, len + 1);
			else if (len > 100)
				put_record(&pax, "linkpath", value, len);
			memcpy(h + 157, value, len < 100 ? len : 100);
		} else if (strcmp(key, "dev") == 0) {
			unsigned major = 0, minor = 0;

			sscanf(value, "%u,%u", &major, &minor);
			put_field(h + 329, 8, major, false);
			put_field(h + 337, 8, minor, false);
		} else if (strcmp(key, "prefix") == 0)
			memcpy(h + 345, value, len < 155 ? len : 155);
		else if (strcmp(key, "at") == 0) {
			/* at=OFFSET:BYTES into the header */
			char *end;
			struct edit *edit = &pending[pending_count++];

			edit->at = strtoul(value, &end, 0);
			edit->len = len - (size_t)(end + 1 - value);
			memcpy(edit->bytes, end + 1, edit->len);
		} else if (strcmp(key, "gnu") == 0)
			gnu = true;
		else if (strcmp(key, "base256") == 0)
			base256 = true;
		else if (strcmp(key, "badsum") == 0)
			bad_sum = true;
		else if (strcmp(key, "v7") == 0)
			h[257] = ' ';
		else if (strcmp(key, "flag0") == 0)
			flag = '\0';
		else if (strcmp(key, "pad") == 0)
			while (data.len % BLOCK != 0)
				buf_add(&data, "", 1);
		else if (strncmp(key, "pax:", 4) == 0)
			put_record(&pax, key + 4, value, len);
		else if (strncmp(key, "xattr:", 6) == 0) {
			char full[300];

			snprintf(
			    full, sizeof(full), "SCHILY.xattr.%s", key + 6);
			put_record(&pax, full, value, len);
		} else
			printf("# line %d: unknown key '%s'\n", c->line, key);
	}
	if (name_len > 100 && gnu)
		put_extended(tar, 'L', name, name_len + 1);
	else if (name_len > 100)
		put_record(&pax, "path", name, name_len);
	if (strchr(mtime, '.') || mtime[0] == '-')
		put_record(&pax, "mtime", mtime, strlen(mtime));
	if (pax.len > 0)
		put_extended(tar, 'x', pax.data, pax.len);
	put_field(h + 100, 8, mode, false);
	put_field(h + 108, 8, uid, base256);
	put_field(h + 116, 8, gid, base256);
	if (h[136] == '\0')
		put_field(h + 136, 12, strtoull(mtime, NULL, 10), false);
	memcpy(edits, pending, sizeof(pending));
	edit_count = pending_count;
	put_header(tar, name, name_len, flag,
	    size != UINT64_MAX ? size : data.len, h, bad_sum);
	put_body(tar, data.data, data.len);
	buf_release(&pax);
	buf_release(&data);
}

/* "many N ..." with every %d in the words replaced. */
static void
put_many(struct image_case *c)
{
	long n = strtol(words[1], NULL, 10);
	char *saved[WORDS_MAX];
	size_t count = word_count - 2;

	for (size_t i = 0; i < count; i++)
		saved[i] = strdup(words[i + 2]);
	for (long k = 0; k < n; k++) {
		static char text[WORDS_MAX][2048];

		word_count = count;
		for (size_t i = 0; i < count; i++) {
			const char *mark = strstr(saved[i], "%d");

			if (mark)
				snprintf(text[i], sizeof(text[i]), "%.*s%ld%s",
				    (int)(mark - saved[i]), saved[i], k,
				    mark + 2);
			else
				snprintf(
				    text[i], sizeof(text[i]), "%s", saved[i]);
			words[i] = text[i];
			word_lens[i] = strlen(text[i]);
		}
		put_entry(c);
	}
	for (size_t i = 0; i < count; i++)
		free(saved[i]);
}

/* ---- packing ------------------------------------------------------------ */

static void
pack_gzip(const char *data, size_t len, struct buf *into)
{
	z_stream z = {0};
	size_t bound;

	deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
	bound = deflateBound(&z, len);
	z.next_in = (Bytef *)(data ? data : "");
	z.avail_in = (uInt)len;
	z.next_out = buf_reserve(into, bound);
	z.avail_out = (uInt)bound;
	deflate(&z, Z_FINISH);
	into->len += bound - z.avail_out;
	deflateEnd(&z);
}

static void
pack_zstd(const char *data, size_t len, struct buf *into)
{
	size_t bound = ZSTD_compressBound(len);

	into->len += ZSTD_compress(
	    buf_reserve(into, bound), bound, data ? data : "", len, 3);
}

static void
pack(struct image_case *c, struct buf *into)
{
	const char *data = c->tar.data ? c->tar.data : "";
	size_t len = c->tar.len, half = len / 2;

	if (strcmp(c->packing, "plain") == 0) {
		buf_add(into, data, len);
	} else if (strcmp(c->packing, "zstd") == 0) {
		pack_zstd(data, len, into);
	} else if (strcmp(c->packing, "frames") == 0) {
		/* a skippable frame between two */
		pack_zstd(data, half, into);
		buf_add(into, "\x51\x2a\x4d\x18\x03\0\0\0abc", 11);
		pack_zstd(data + half, len - half, into);
	} else if (strcmp(c->packing, "members") == 0) {
		pack_gzip(data, half, into);
		pack_gzip("", 0, into);
		pack_gzip(data + half, len - half, into);
	} else {
		pack_gzip(data, len, into);
	}
}

static int
memory_file(const char *data, size_t len)
{
	int fd = memfd_create("blob", MFD_CLOEXEC);

	if (fd < 0 || io_pwrite(fd, data, len, 0) < 0)
		abort();
	return fd;
}

static void
end_layer(struct image_case *c)
{
	static const char zeros[2 * BLOCK];
	struct buf packed = BUF_INIT(1 << 30);
	struct made *l = &c->layers[c->count];

	if (!c->open)
		return;
	if (!c->no_end)
		buf_add(&c->tar, zeros, sizeof(zeros));
	buf_puts(&packed, "");
	pack(c, &packed);
	packed.len -= c->cut < packed.len ? c->cut : packed.len;
	buf_add(&packed, c->tail.data ? c->tail.data : "", c->tail.len);
	digest_of(packed.data, packed.len, &l->digest);
	l->size = packed.len;
	if (c->flip >= 0)
		packed.data[c->flip] = (char)(packed.data[c->flip] ^ 1);
	snprintf(l->type, sizeof(l->type), "%s", c->media);
	l->fd = memory_file(packed.data, packed.len);
	c->count++;
	c->open = false;
	buf_release(&packed);
	buf_drop(&c->tar, c->tar.len);
	buf_drop(&c->tail, c->tail.len);
}

static void
start_layer(struct image_case *c)
{
	end_layer(c);
	if (c->count == LAYERS_MAX)
		abort();
	c->open = true;
	c->no_end = false;
	c->cut = 0;
	c->flip = -1;
	snprintf(c->packing, sizeof(c->packing), "%s",
	    word_count > 1 ? words[1] : "gzip");
	snprintf(c->media, sizeof(c->media), "%s",
	    "application/vnd.oci.image.layer.v1.tar+gzip");
}

/* ---- a source ----------------------------------------------------------- */

struct test_source {
	struct source source;
	struct image_case *c;
	struct digest config;
};

static int
test_manifest(struct source *s, const struct descriptor *want, struct buf *b,
    char type[MEDIA_TYPE_MAX], struct digest *digest, struct err *e)
{
	struct test_source *t = (struct test_source *)s;
	struct image_case *c = t->c;

	(void)want;
	if (c->manifest.len > b->max)
		return err_set(e, EX_DATAERR, "larger than the limit");
	buf_add(b, c->manifest.data, c->manifest.len);
	type[0] = '\0';
	digest_of(b->data, b->len, digest);
	return 0;
}

static int
test_fetch(struct source *s, const struct descriptor *d, struct fetch *f,
    struct err *e)
{
	struct test_source *t = (struct test_source *)s;
	struct image_case *c = t->c;

	if (digest_same(&d->digest, &t->config)) {
		blob_arrived(&f->blob,
		    memory_file(c->config.data, c->config.len), 0,
		    c->config.len);
		return 0;
	}
	for (size_t i = 0; i < c->count; i++)
		if (digest_same(&d->digest, &c->layers[i].digest)) {
			blob_arrived(&f->blob,
			    fcntl(c->layers[i].fd, F_DUPFD_CLOEXEC, 3), 0,
			    c->layers[i].size);
			return 0;
		}
	return err_set(e, EX_NOINPUT, "no such blob");
}

static int
test_keep(struct source *s, const struct descriptor *d, struct fetch *f,
    struct err *e)
{
	(void)s;
	(void)d;
	(void)f;
	(void)e;
	return 0;
}

static bool
test_reject(
    struct source *s, const struct descriptor *d, struct fetch *f, bool wrong)
{
	(void)s;
	(void)d;
	(void)f;
	(void)wrong;
	return false;
}

static const struct source_ops test_ops = {
    .manifest = test_manifest,
    .fetch = test_fetch,
    .keep = test_keep,
    .reject = test_reject,
};

static void
make_documents(struct image_case *c, struct test_source *t)
{
	struct buf ids = BUF_INIT(1 << 20);

	for (size_t i = 0; i < c->count; i++)
		buf_printf(&ids, "%s\"" ZERO_ID "\"", i > 0 ? "," : "");
	if (c->config.len == 0)
		buf_printf(&c->config, CONFIG, ids.data ? ids.data : "");
	digest_of(c->config.data, c->config.len, &t->config);
	buf_release(&ids);
	if (c->manifest.len > 0)
		return;
	buf_printf(&c->manifest,
	    "{\"schemaVersion\":2,\"config\":{\"mediaType\":"
	    "\"application/vnd.oci.image.config.v1+json\",\"digest\":\"%s\","
	    "\"size\":%zu},\"layers\":[",
	    t->config.text, c->config.len);
	for (size_t i = 0; i < c->count; i++)
		buf_printf(&c->manifest,
		    "%s{\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":%llu}",
		    i > 0 ? "," : "", c->layers[i].type,
		    c->layers[i].digest.text,
		    (unsigned long long)c->layers[i].size);
	buf_puts(&c->manifest, "]}");
}

/* Pulls the image into *fd. */
static int
pull_case(struct image_case *c, int fd, struct err *e)
{
	struct test_source t = {.source.ops = &test_ops, .c = c};
	struct image m = {0};
	struct tarout out;
	int rc;

	make_documents(c, &t);
	rc = image_resolve(&m, &t.source, &c->options, e);
	if (rc == 0)
		rc = image_configure(&m, &t.source, &c->options, e);
	if (rc == 0)
		rc = image_load(&m, &t.source, &c->options, e);
	if (rc == 0 && tarout_init(&out, fd, "memory", e) == 0) {
		rc = emit(
		    &out, m.merge, &m.config, m.layers, m.image.layer_count, e);
		tarout_release(&out);
	}
	image_release(&m);
	return rc;
}

/* ---- reading it back ---------------------------------------------------- */

struct listing {
	struct buf lines; /* one an entry, separated by newlines */
	struct buf names; /* "\nNAME\n...": what came so far */
	struct buf data;  /* of the file at hand */
	struct buf attrs; /* of it, as text */
	struct tar_entry entry;
	char path[70000], link[70000];
	size_t count;
	bool pending, wrong;
};

static void
put_text(struct buf *b, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char ch = (unsigned char)text[i];

		if (ch == '\\' || ch == '"' || ch == ' ' || ch < 0x20 ||
		    ch >= 0x7f)
			buf_printf(b, "\\x%02x", ch);
		else
			buf_add(b, text + i, 1);
	}
}

static bool
seen(const struct listing *l, const char *name)
{
	char mark[70020];

	snprintf(mark, sizeof(mark), "\n%s\n", name);
	return l->names.data && strstr(l->names.data, mark);
}

static void
complain(struct listing *l, const char *what, const char *name)
{
	printf("# %.100s: %s\n", name, what);
	l->wrong = true;
}

/* The promises that every output keeps. */
static void
check_order(struct listing *l, const struct tar_entry *n)
{
	char folder[70010];
	char *slash;
	size_t len = strlen(n->path);

	if (l->count++ == 0) {
		if (strcmp(n->path, EMIT_CONFIG) != 0)
			complain(l, "is the first entry", n->path);
		buf_puts(&l->names, "\n");
	}
	/* Names are looked up by a scan: only where there are few. */
	if (l->count > 2000)
		return;
	snprintf(folder, sizeof(folder), "%s", n->path);
	if (len > 0 && folder[len - 1] == '/')
		folder[--len] = '\0';
	if (seen(l, folder))
		complain(l, "comes twice", folder);
	if (n->path[0] == '/' || strstr(n->path, "../"))
		complain(l, "leaves the root", n->path);
	if (n->type == TAR_LINK && !seen(l, n->link))
		complain(l, "hard link before its target", n->path);
	buf_puts(&l->names, folder);
	buf_puts(&l->names, "\n");
	slash = strrchr(folder, '/');
	if (slash && strcmp(n->path, EMIT_CONFIG) != 0) {
		*slash = '\0';
		if (!seen(l, folder))
			complain(l, "comes before its folder", n->path);
	}
}

static void
keep_attrs(struct listing *l)
{
	const struct tar_entry *n = &l->entry;
	const uint8_t *value;
	size_t at = 0;
	const char *key;
	uint32_t len;

	while (at < n->attrs_len) {
		key = (const char *)n->attrs + at;
		at += strlen(key) + 1;
		memcpy(&len, n->attrs + at, 4);
		at += 4;
		value = n->attrs + at;
		at += len;
		buf_printf(&l->attrs, " %s=", key);
		put_text(&l->attrs, (const char *)value, len);
	}
}

static void
put_line(struct listing *l)
{
	static const char types[] = "fhlcbdp";
	const struct tar_entry *n = &l->entry;
	struct buf *b = &l->lines;
	unsigned usual = n->type == TAR_DIR ? 0755 : 0644;
	size_t len = strlen(l->path);

	if (!l->pending)
		return;
	l->pending = false;
	if (len > 1 && l->path[len - 1] == '/')
		len--;
	buf_printf(b, "%c ", types[n->type]);
	put_text(b, l->path, len);
	if (n->type == TAR_LINK || n->type == TAR_SYMLINK) {
		buf_puts(b, " -> ");
		put_text(b, l->link, strlen(l->link));
	}
	if (n->type == TAR_LINK) {
		buf_puts(b, "\n");
		return;
	}
	if (n->mode != usual)
		buf_printf(b, " mode=%o", n->mode);
	if (n->uid || n->gid)
		buf_printf(b, " own=%u:%u", n->uid, n->gid);
	if (n->mtime || n->mtime_ns)
		buf_printf(
		    b, " mtime=%lld.%09u", (long long)n->mtime, n->mtime_ns);
	if (n->type == TAR_CHAR || n->type == TAR_BLOCK)
		buf_printf(b, " dev=%u,%u", n->major, n->minor);
	if (n->sparse)
		buf_printf(b, " sparse=%llu/%zu", (unsigned long long)n->size,
		    n->segment_count);
	if (l->attrs.len > 0)
		buf_add(b, l->attrs.data, l->attrs.len);
	if (l->data.len > 40) {
		buf_printf(b, " #%zu", l->data.len);
	} else if (l->data.len > 0) {
		buf_puts(b, " \"");
		put_text(b, l->data.data, l->data.len);
		buf_puts(b, "\"");
	}
	buf_puts(b, "\n");
}

static int
list_entry(void *into, const struct tar_entry *n, struct err *e)
{
	struct listing *l = into;

	(void)e;
	check_order(l, n);
	if (strcmp(n->path, EMIT_CONFIG) == 0)
		return 0;
	snprintf(l->path, sizeof(l->path), "%s", n->path);
	snprintf(l->link, sizeof(l->link), "%s", n->link);
	l->entry = *n;
	buf_drop(&l->data, l->data.len);
	buf_drop(&l->attrs, l->attrs.len);
	keep_attrs(l);
	l->pending = true;
	if (n->stored > 0)
		return 0;
	put_line(l);
	return 0;
}

static int
list_data(void *into, const void *data, size_t len, struct err *e)
{
	struct listing *l = into;

	(void)e;
	if (!l->pending)
		return 0;
	buf_add(&l->data, data, len);
	if (l->data.len < l->entry.stored)
		return 0;
	put_line(l);
	return 0;
}

static int
compare_lines(const void *a, const void *b)
{
	const char *x = *(char *const *)a, *y = *(char *const *)b;

	return strcmp(x + 2, y + 2);
}

/* Sorts lines by name. */
static void
sort_lines(struct buf *b)
{
	size_t count = 0, i = 0;
	char *copy = b->data ? strdup(b->data) : strdup("");
	char **lines, *rest = copy, *line;

	for (size_t k = 0; k < b->len; k++)
		count += b->data[k] == '\n';
	lines = calloc(count + 1, sizeof(*lines));
	while (i < count && (line = strsep(&rest, "\n")))
		lines[i++] = line;
	qsort(lines, count, sizeof(*lines), compare_lines);
	buf_drop(b, b->len);
	for (i = 0; i < count; i++) {
		buf_puts(b, lines[i]);
		buf_puts(b, "\n");
	}
	free(lines);
	free(copy);
}

/* ---- verdicts ----------------------------------------------------------- */

static void
show(const char *what, const char *text)
{
	printf("# %s:\n", what);
	while (text && *text) {
		size_t len = strcspn(text, "\n");

		printf("#   %.*s\n", (int)(len < 300 ? len : 300), text);
		text += len + (text[len] == '\n');
	}
}

static bool
same_tree(struct image_case *c, int fd)
{
	static const struct tarin_ops ops = {
	    .entry = list_entry, .data = list_data};
	struct listing *l = calloc(1, sizeof(*l));
	struct tarin *t = tarin_new(&ops, l, 1 << 16);
	struct err e = ERR_INIT;
	static char chunk[65536];
	uint64_t at = 0;
	ssize_t n;
	int rc = 0;
	bool same;

	buf_init(&l->lines, 1 << 28);
	buf_init(&l->names, 1 << 28);
	buf_init(&l->data, 1 << 28);
	buf_init(&l->attrs, 1 << 28);
	while (rc == 0 && (n = io_pread(fd, chunk, sizeof(chunk), at)) > 0) {
		rc = tarin_feed(t, chunk, (size_t)n, &e);
		at += (uint64_t)n;
	}
	if (rc == 0)
		rc = tarin_end(t, &e);
	if (rc < 0 || !tarin_ended(t))
		complain(l, e.text, "output");
	sort_lines(&l->lines);
	sort_lines(&c->expected);
	same = strcmp(l->lines.len ? l->lines.data : "",
		   c->expected.len ? c->expected.data : "") == 0;
	if (!same && c->expected.len > 0 &&
	    strncmp(c->expected.data, "# ", 2) == 0) {
		/* "# N entries": too many to be written down */
		size_t count = 0;

		for (size_t i = 0; i < l->lines.len; i++)
			count += l->lines.data[i] == '\n';
		same = strtoul(c->expected.data + 2, NULL, 10) == count;
	}
	if (!same) {
		show("got", l->lines.data);
		show("expected", c->expected.data);
	}
	same = same && !l->wrong;
	buf_release(&l->lines);
	buf_release(&l->names);
	buf_release(&l->data);
	buf_release(&l->attrs);
	free(l);
	tarin_free(t);
	return same;
}

static bool
same_bytes(int a, int b)
{
	static char x[65536], y[65536];
	uint64_t at = 0;
	ssize_t n, m;

	do {
		n = io_pread(a, x, sizeof(x), at);
		m = io_pread(b, y, sizeof(y), at);
		if (n != m || n < 0 || memcmp(x, y, (size_t)n) != 0)
			return false;
		at += (uint64_t)n;
	} while (n > 0);
	return true;
}

static bool
refused_rightly(const struct image_case *c, const struct err *e)
{
	regex_t re;
	bool match;

	if (regcomp(&re, c->refusal, REG_EXTENDED | REG_NOSUB) != 0)
		return false;
	match = regexec(&re, e->text, 0, NULL, 0) == 0;
	regfree(&re);
	if (!match || e->status != c->status)
		printf("# got %d: %s\n# expected %d: /%s/\n", e->status,
		    e->text, c->status, c->refusal);
	return match && e->status == c->status;
}

static void
judge_case(struct image_case *c)
{
	cleanup_fd int first = memfd_create("out", MFD_CLOEXEC);
	cleanup_fd int second = memfd_create("out", MFD_CLOEXEC);
	struct err e = ERR_INIT;
	int rc = pull_case(c, first, &e);

	if (c->refusal[0]) {
		off_t written = lseek(first, 0, SEEK_END);

		ok(rc < 0 && written == 0 && refused_rightly(c, &e),
		    "%s is refused", c->name);
		if (rc == 0)
			printf("# it was taken\n");
		return;
	}
	if (rc < 0) {
		ok(false, "%s", c->name);
		printf("# refused: %s\n", e.text);
		return;
	}
	rc = pull_case(c, second, &e);
	ok(same_tree(c, first) && rc == 0 && same_bytes(first, second), "%s",
	    c->name);
}

/* ---- the file of cases -------------------------------------------------- */

static void
release_case(struct image_case *c)
{
	for (size_t i = 0; i < c->count; i++)
		fd_close(&c->layers[i].fd);
	buf_release(&c->tar);
	buf_release(&c->tail);
	buf_release(&c->manifest);
	buf_release(&c->config);
	buf_release(&c->expected);
}

static void
start_case(struct image_case *c, const char *name, int line)
{
	memset(c, 0, sizeof(*c));
	snprintf(c->name, sizeof(c->name), "%.127s", name);
	c->line = line;
	options_default(&c->options);
	c->options.jobs = 2;
	buf_init(&c->tar, 1 << 30);
	buf_init(&c->tail, 1 << 20);
	buf_init(&c->manifest, 1 << 24);
	buf_init(&c->config, 1 << 20);
	buf_init(&c->expected, 1 << 24);
}

static void
finish_case(struct image_case *c)
{
	if (c->name[0] == '\0')
		return;
	end_layer(c);
	judge_case(c);
	release_case(c);
	c->name[0] = '\0';
}

/* A line of a case; false if it is unknown. */
static bool
directive(struct image_case *c, const char *line)
{
	static char copy[1 << 17];
	struct err e = ERR_INIT;

	snprintf(copy, sizeof(copy), "%s", line);
	split(copy);
	if (word_count == 0)
		return true;
	if (strcmp(words[0], "layer") == 0)
		start_layer(c);
	else if (strcmp(words[0], "limit") == 0)
		return limits_set(&c->options.limits, words[1], &e) == 0;
	else if (strcmp(words[0], "platform") == 0)
		return platform_parse(&c->options.platform, words[1], &e) == 0;
	else if (strcmp(words[0], "media") == 0)
		snprintf(c->media, sizeof(c->media), "%.127s", words[1]);
	else if (strcmp(words[0], "noend") == 0)
		c->no_end = true;
	else if (strcmp(words[0], "bytes") == 0)
		buf_add(&c->tar, words[1], word_lens[1]);
	else if (strcmp(words[0], "zeros") == 0)
		for (long n = strtol(words[1], NULL, 0); n > 0; n--)
			buf_add(&c->tar, "", 1);
	else if (strcmp(words[0], "trunc") == 0) {
		c->tar.len = strtoul(words[1], NULL, 0);
		c->no_end = true;
	} else if (strcmp(words[0], "cut") == 0)
		c->cut = strtoul(words[1], NULL, 0);
	else if (strcmp(words[0], "flip") == 0)
		c->flip = strtol(words[1], NULL, 0);
	else if (strcmp(words[0], "tail") == 0)
		buf_add(&c->tail, words[1], word_lens[1]);
	else if (strcmp(words[0], "extended") == 0)
		put_extended(&c->tar, words[1][0], words[2], word_lens[2]);
	else if (strcmp(words[0], "many") == 0)
		put_many(c);
	else if (strcmp(words[0], "manifest") == 0)
		buf_puts(&c->manifest, line + 9);
	else if (strcmp(words[0], "config") == 0)
		buf_puts(&c->config, line + 7);
	else if (strcmp(words[0], "deep") == 0) {
		for (long n = strtol(words[1], NULL, 0); n > 0; n--)
			buf_puts(&c->manifest, "[");
	} else if (strcmp(words[0], "refused") == 0) {
		c->status = (int)strtol(words[1], NULL, 10);
		snprintf(c->refusal, sizeof(c->refusal), "%.255s",
		    strchr(line + 8, ' ') + 1);
	} else if (strlen(words[0]) == 1 && word_count > 1)
		put_entry(c);
	else
		return false;
	return true;
}

static int
read_cases(FILE *f)
{
	static struct image_case c;
	char *line = NULL;
	size_t size = 0;
	ssize_t len;
	bool tree = false;

	for (int number = 1; (len = getline(&line, &size, f)) > 0; number++) {
		char *at = line + strspn(line, " \t");

		line[strcspn(line, "\n")] = '\0';
		if (strncmp(at, "case ", 5) == 0) {
			finish_case(&c);
			start_case(&c, at + 5, number);
			tree = false;
		} else if (strcmp(at, "tree") == 0) {
			tree = true;
		} else if (tree && at[0] && strncmp(at, "# -", 3) != 0) {
			buf_printf(&c.expected, "%s\n", at);
		} else if (at[0] && at[0] != '#' && !directive(&c, at)) {
			printf("Bail out! corpus.txt:%d: %s\n", number, at);
			free(line);
			return -1;
		}
	}
	finish_case(&c);
	free(line);
	return 0;
}

int
main(void)
{
	const char *path = "tests/cmd/vk-pull/corpus.txt";
	FILE *f = fopen(path, "re");
	int rc;

	if (!f) {
		printf("Bail out! %s: %s\n", path, strerror(errno));
		return 1;
	}
	rc = read_cases(f);
	fclose(f);
	return tap_done() || rc < 0;
}
