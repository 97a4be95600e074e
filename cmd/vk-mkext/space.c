/* SPDX-License-Identifier: MIT */
/* space.c - blocks of the image, handed out from the front to the back */
#include "cmd/vk-mkext/space.h"

#include "common/size.h"

static bool
is_power_of(uint64_t number, uint64_t base)
{
	while (number > 1 && number % base == 0)
		number /= base;
	return number == 1;
}

bool
space_has_super(uint64_t group)
{
	return group <= 1 || is_power_of(group, 3) || is_power_of(group, 5) ||
	       is_power_of(group, 7);
}

void
space_init(struct space *s, uint64_t limit)
{
	*s = (struct space){.limit = limit};
}

static int
full(const struct space *s, struct err *e)
{
	char text[SIZE_TEXT_MAX];

	err_set(e, EX_DATAERR, "the content needs more than %s",
	    size_text(s->limit * BLOCK_SIZE, text));
	return err_hint(e, "a larger size can be given with -s");
}

/* Steps over the head of a group that has one; gives the blocks up to the
 * next group with a head. */
static uint64_t
piece(struct space *s)
{
	uint64_t group = s->next / GROUP_BLOCKS;
	uint64_t head = group * GROUP_BLOCKS + 1 + SPACE_DESCRIPTORS;

	if (space_has_super(group) && s->next < head)
		s->next = head;
	do
		group++;
	while (!space_has_super(group) &&
	       group * GROUP_BLOCKS - s->next < UINT32_MAX / 2);
	return group * GROUP_BLOCKS - s->next;
}

uint64_t
space_take(struct space *s, uint64_t wanted, uint64_t *got, struct err *e)
{
	uint64_t first, there = piece(s);

	if (s->next >= s->limit) {
		full(s, e);
		return 0;
	}
	if (there > s->limit - s->next)
		there = s->limit - s->next;
	*got = wanted < there ? wanted : there;
	first = s->next;
	s->next += *got;
	return first;
}

uint64_t
space_take_whole(struct space *s, uint64_t count, struct err *e)
{
	uint64_t first, there = piece(s);

	if (there < count) {
		s->next += there;
		there = piece(s);
	}
	if (s->next >= s->limit || count > s->limit - s->next ||
	    count > there) {
		full(s, e);
		return 0;
	}
	first = s->next;
	s->next += count;
	return first;
}
