/* SPDX-License-Identifier: MIT */
/* header.c - the header of a qcow2 image, checked */
#include "cmd/vk-boot/qcow2/header.h"

#include "common/cursor.h"

#include <string.h>

#define MAGIC          0x514649fbu /* "QFI\xfb" */
#define VERSION_2_SIZE 72
#define VERSION_3_SIZE 104 /* the least */

#define CLUSTER_BITS_MIN 9
#define CLUSTER_BITS_MAX 21
#define REFCOUNT_ORDER   4 /* version 2 */
#define REFCOUNT_MAX     6
#define SECTOR           512

#define EXTENSION_END            0
#define EXTENSION_BACKING_FORMAT 0xe2792acau

static int
malformed(struct err *e, const char *what)
{
	return err_set(e, EX_DATAERR, "not a sound qcow2 image: %s", what);
}

/* Whether a table of that many bytes lies in the file, at a cluster. */
static bool
lies_in_file(const struct qcow2_header *h, uint64_t offset, uint64_t bytes,
    uint64_t file_size)
{
	return offset % (1ull << h->cluster_bits) == 0 && offset > 0 &&
	       offset <= file_size && bytes <= file_size - offset;
}

static int
check_tables(const struct qcow2_header *h, uint64_t file_size, struct err *e)
{
	unsigned covered_bits = 2 * h->cluster_bits - 3; /* by an L1 entry */
	uint64_t needed = (h->size >> covered_bits) +
			  ((h->size & ((1ull << covered_bits) - 1)) != 0);
	uint64_t l1_bytes = (uint64_t)h->l1_entries * 8;
	uint64_t reftable_bytes = (uint64_t)h->reftable_clusters
				  << h->cluster_bits;

	if (l1_bytes > QCOW2_TABLE_MAX || h->l1_entries < needed)
		return malformed(e, "its first table does not fit its size");
	if (l1_bytes > 0 && !lies_in_file(h, h->l1_offset, l1_bytes, file_size))
		return malformed(e, "its first table is outside of the file");
	if (reftable_bytes > QCOW2_TABLE_MAX ||
	    !lies_in_file(h, h->reftable_offset, reftable_bytes, file_size))
		return malformed(
		    e, "its table of counts is outside of the file");
	return 0;
}

static void
copy_text(char *into, size_t size, const uint8_t *from, size_t len)
{
	if (len >= size)
		len = size - 1;
	memcpy(into, from, len);
	into[len] = '\0';
}

static int
parse_extensions(struct qcow2_header *h, struct cursor c, struct err *e)
{
	while (c.left >= 8) {
		uint32_t type = get_be32(&c), len = get_be32(&c);
		const uint8_t *data = get_bytes(&c, len);

		if (type == EXTENSION_END)
			return 0;
		if (!data)
			return malformed(e, "an extension is too long");
		if (type == EXTENSION_BACKING_FORMAT)
			copy_text(h->backing_format, sizeof(h->backing_format),
			    data, len);
		get_bytes(&c, -len & 7u);
	}
	return 0;
}

static int
parse_features(
    struct qcow2_header *h, struct cursor *c, uint32_t *size, struct err *e)
{
	uint32_t order;

	h->incompatible = get_be(c, 8);
	get_be(c, 8); /* compatible ones need nothing of us */
	h->autoclear = get_be(c, 8);
	order = get_be32(c);
	*size = get_be32(c);
	if (c->bad || *size < VERSION_3_SIZE || *size % 8 != 0)
		return malformed(e, "its header has a wrong length");
	if (order > REFCOUNT_MAX)
		return malformed(e, "its counts are too wide");
	h->refcount_order = order;
	if (h->incompatible &
	    ~(QCOW2_DIRTY | QCOW2_CORRUPT | QCOW2_COMPRESSION))
		return err_set(e, EX_DATAERR,
		    "a qcow2 image with features that are not known here "
		    "(%#jx)",
		    (uintmax_t)h->incompatible);
	if (*size > VERSION_3_SIZE) {
		uint8_t type = get_u8(c);

		if (type > QCOW2_ZSTD)
			return malformed(e, "compressed in an unknown way");
		h->compression = (enum qcow2_compression)type;
	}
	return 0;
}

/* Where the backing file's name is, by its header fields. */
static int
take_backing(struct qcow2_header *h, const uint8_t *data, size_t len,
    uint64_t offset, uint32_t size, struct err *e)
{
	if (offset == 0)
		return 0;
	if (size == 0 || size > QCOW2_NAME_MAX || offset > len ||
	    size > len - offset)
		return malformed(e, "the backing file's name is outside of it");
	if (memchr(data + offset, '\0', size))
		return malformed(e, "the backing file's name is cut");
	copy_text(h->backing, sizeof(h->backing), data + offset, size);
	return 0;
}

int
qcow2_header_parse(struct qcow2_header *h, const uint8_t *data, size_t len,
    uint64_t file_size, struct err *e)
{
	struct cursor c = cursor_of(data, len);
	uint32_t backing_size, crypt, size = VERSION_2_SIZE;
	uint64_t backing_offset;

	*h = (struct qcow2_header){.refcount_order = REFCOUNT_ORDER};
	if (get_be32(&c) != MAGIC)
		return err_set(e, EX_DATAERR, "not a qcow2 image");
	h->version = get_be32(&c);
	backing_offset = get_be(&c, 8);
	backing_size = get_be32(&c);
	h->cluster_bits = get_be32(&c);
	h->size = get_be(&c, 8);
	crypt = get_be32(&c);
	h->l1_entries = get_be32(&c);
	h->l1_offset = get_be(&c, 8);
	h->reftable_offset = get_be(&c, 8);
	h->reftable_clusters = get_be32(&c);
	h->snapshots = get_be32(&c);
	get_be(&c, 8); /* where they are */
	if (c.bad)
		return malformed(e, "it ends in its header");
	if (h->version != 2 && h->version != 3)
		return err_set(e, EX_DATAERR,
		    "a qcow2 image of version %u: not known", h->version);
	if (crypt != 0)
		return err_set(e, EX_DATAERR, "an encrypted qcow2 image");
	if (h->cluster_bits < CLUSTER_BITS_MIN ||
	    h->cluster_bits > CLUSTER_BITS_MAX)
		return malformed(e, "clusters of no possible size");
	if (h->size == 0 || h->size % SECTOR != 0 || h->size > INT64_MAX)
		return malformed(e, "a disk of no possible size");
	if (h->version == 3 && parse_features(h, &c, &size, e) < 0)
		return -1;
	if (check_tables(h, file_size, e) < 0 ||
	    take_backing(h, data, len, backing_offset, backing_size, e) < 0)
		return -1;
	if (size > len)
		return malformed(e, "its header has a wrong length");
	return parse_extensions(h, cursor_of(data + size, len - size), e);
}
