/* SPDX-License-Identifier: MIT */
/* tarsparse.c - which pieces of a sparse file a tar holds, as GNU tar writes it
 */
#include "common/tarsparse.h"

#include "common/tarheader.h"
#include "common/tarnumber.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK TAR_BLOCK_SIZE
/* A row: offset and length, 12 bytes each. */
#define NUMBER_LEN 12

static int
bad(struct err *e, const char *what)
{
	return err_set(e, EX_DATAERR, "tar: %s", what);
}

static int
add(struct pax *p, uint64_t offset, uint64_t len, struct err *e)
{
	if (pax_add_segment(p, offset, len) < 0)
		return bad(e, "sparse file with too many pieces");
	return 0;
}

int
sparse_table(struct pax *p, const uint8_t *row, size_t count, struct err *e)
{
	for (size_t i = 0; i < count; i++, row += 2 * NUMBER_LEN) {
		uint64_t offset, len;

		if (row[0] == '\0')
			break;
		if (tar_natural(row, NUMBER_LEN, &offset) < 0 ||
		    tar_natural(row + NUMBER_LEN, NUMBER_LEN, &len) < 0)
			return bad(e, "bad number in a sparse map");
		if (add(p, offset, len, e) < 0)
			return -1;
	}
	return 0;
}

void
sparse_map_begin(struct sparse_map *m)
{
	*m = (struct sparse_map){.want = MAP_COUNT};
}

/* A line is at its end. */
static int
number_done(struct sparse_map *m, struct pax *p, struct err *e)
{
	uint64_t n = m->number;

	if (!m->digits)
		return bad(e, "bad number in a sparse map");
	m->number = 0;
	m->digits = false;
	switch (m->want) {
	case MAP_COUNT:
		/* One of no length may stand for the file's end. */
		if (n > TARIN_SEGMENTS_MAX + 1)
			return bad(e, "sparse file with too many pieces");
		m->left = n;
		m->want = n > 0 ? MAP_OFFSET : MAP_DONE;
		return 0;
	case MAP_OFFSET:
		m->offset = n;
		m->want = MAP_LEN;
		return 0;
	case MAP_LEN:
		if (add(p, m->offset, n, e) < 0)
			return -1;
		m->want = --m->left > 0 ? MAP_OFFSET : MAP_DONE;
		return 0;
	case MAP_DONE:
		break;
	}
	return 0;
}

int
sparse_map_block(
    struct sparse_map *m, struct pax *p, const uint8_t *b, struct err *e)
{
	for (int i = 0; i < BLOCK && m->want != MAP_DONE; i++) {
		if (b[i] == '\n') {
			if (number_done(m, p, e) < 0)
				return -1;
		} else if (b[i] < '0' || b[i] > '9' ||
			   m->number > INT64_MAX / 10 - 1) {
			return bad(e, "bad number in a sparse map");
		} else {
			m->number = m->number * 10 + (uint64_t)(b[i] - '0');
			m->digits = true;
		}
	}
	return m->want == MAP_DONE;
}

int
sparse_check(const struct tar_entry *n, struct err *e)
{
	uint64_t at = 0, sum = 0;

	for (size_t i = 0; i < n->segment_count; i++) {
		const struct tar_segment *s = &n->segments[i];

		if (s->offset < at || s->offset > n->size ||
		    s->len > n->size - s->offset)
			return bad(e, "sparse map out of order or too long");
		at = s->offset + s->len;
		sum += s->len;
	}
	if (sum != n->stored)
		return bad(e, "sparse map and size disagree");
	return 0;
}

int
sparse_walk_begin(struct sparse_walk *w, const struct tar_entry *n)
{
	size_t size = n->segment_count * sizeof(*n->segments);

	sparse_walk_release(w);
	if (!n->sparse) {
		w->whole = (struct tar_segment){0, n->stored};
		w->count = n->stored > 0;
		return 0;
	}
	if (size == 0)
		return 0;
	w->segments = malloc(size);
	if (!w->segments)
		return -1;
	memcpy(w->segments, n->segments, size);
	w->count = n->segment_count;
	return 0;
}

void
sparse_walk_release(struct sparse_walk *w)
{
	free(w->segments);
	*w = (struct sparse_walk){.segments = NULL};
}

size_t
sparse_walk_next(struct sparse_walk *w, size_t len, uint64_t *offset)
{
	const struct tar_segment *s = w->segments ? w->segments : &w->whole;
	uint64_t left;

	if (w->current == w->count)
		return 0;
	s += w->current;
	left = s->len - w->done;
	*offset = s->offset + w->done;
	if (len < left) {
		w->done += len;
		return len;
	}
	w->done = 0;
	w->current++;
	return (size_t)left;
}
