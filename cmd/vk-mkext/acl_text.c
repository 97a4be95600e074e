/* SPDX-License-Identifier: MIT */
/* acl_text.c - POSIX access control lists as a tar holds them */
#include "cmd/vk-mkext/acl_text.h"

#include "common/size.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define FIELDS_MAX 5 /* "default", word, name, permissions, number */

struct field {
	const char *at;
	size_t len;
};

static bool
same(struct field f, const char *word)
{
	return f.len == strlen(word) && memcmp(f.at, word, f.len) == 0;
}

/* The whole word, or its initial. */
static bool
means(struct field f, const char *word)
{
	return same(f, word) || (f.len == 1 && f.at[0] == word[0]);
}

static struct field
trimmed(const char *from, const char *to)
{
	while (from < to && (*from == ' ' || *from == '\t'))
		from++;
	while (to > from && (to[-1] == ' ' || to[-1] == '\t'))
		to--;
	return (struct field){from, (size_t)(to - from)};
}

/* Returns how many there are; FIELDS_MAX + 1: too many. */
static size_t
split(struct field row, struct field fields[FIELDS_MAX])
{
	const char *end = row.at + row.len;
	size_t count = 0;

	for (const char *at = row.at;; at++) {
		const char *colon = memchr(at, ':', (size_t)(end - at));

		if (count == FIELDS_MAX)
			return FIELDS_MAX + 1;
		fields[count++] = trimmed(at, colon ? colon : end);
		if (!colon)
			return count;
		at = colon;
	}
}

/* The next row that says something: what follows a '#' is a remark. */
static bool
next_row(struct acl_text *t, struct field *row)
{
	do {
		size_t n = 0, remark;

		if (t->left == 0)
			return false;
		while (n < t->left && t->at[n] != ',' && t->at[n] != '\n')
			n++;
		for (remark = 0; remark < n && t->at[remark] != '#';)
			remark++;
		*row = trimmed(t->at, t->at + remark);
		n += n < t->left;
		t->at += n;
		t->left -= n;
	} while (row->len == 0);
	return true;
}

static int
permissions_of(struct field f, uint16_t *permissions)
{
	*permissions = 0;
	for (size_t i = 0; i < f.len; i++)
		switch (f.at[i]) {
		case 'r':
			*permissions |= 4;
			break;
		case 'w':
			*permissions |= 2;
			break;
		case 'x':
			*permissions |= 1;
			break;
		case '-':
			break;
		default:
			return -1;
		}
	return f.len > 0 ? 0 : -1;
}

static bool
number_of(struct field f, uint32_t *number)
{
	char text[16];
	uint64_t value;

	snprintf(text, sizeof(text), "%.*s", (int)f.len, f.at);
	if (f.len >= sizeof(text) || number_parse(text, UINT32_MAX, &value) < 0)
		return false;
	*number = (uint32_t)value;
	return true;
}

static uint16_t
tag_of(struct field word, bool named)
{
	if (means(word, "user"))
		return named ? ACL_USER : ACL_OWNER;
	if (means(word, "group"))
		return named ? ACL_GROUP : ACL_OWNING_GROUP;
	if (named)
		return 0;
	if (means(word, "mask"))
		return ACL_MASK;
	return means(word, "other") ? ACL_OTHER : 0;
}

static int
entry_of(struct acl_text *t, struct field *f, size_t count, struct acl_entry *x)
{
	struct field name, permissions;
	bool brief;

	if (count > 0 && means(f[0], "default")) {
		f++;
		count--;
	}
	brief = count == 2;
	if (count < 2 || count > 4)
		return -1;
	name = brief ? (struct field){"", 0} : f[1];
	permissions = brief ? f[1] : f[2];
	*x = (struct acl_entry){.tag = tag_of(f[0], name.len > 0)};
	if (!x->tag || (brief && x->tag != ACL_MASK && x->tag != ACL_OTHER) ||
	    permissions_of(permissions, &x->permissions) < 0)
		return -1;
	if (name.len > 0 && !(count == 4 && number_of(f[3], &x->id)) &&
	    !number_of(name, &x->id))
		snprintf(
		    t->name, sizeof(t->name), "%.*s", (int)name.len, name.at);
	return 0;
}

int
acl_text_next(struct acl_text *t, struct acl_entry *x, struct err *e)
{
	struct field row, fields[FIELDS_MAX];

	t->name[0] = '\0';
	if (!next_row(t, &row))
		return 0;
	if (entry_of(t, fields, split(row, fields), x) < 0)
		return err_set(e, EX_DATAERR,
		    "an ACL that is not well formed: '%.*s'",
		    row.len < 40 ? (int)row.len : 40, row.at);
	return 1;
}

void
acl_text_write(struct buf *b, const struct acl *a)
{
	for (size_t i = 0; i < a->count; i++) {
		const struct acl_entry *x = &a->entries[i];
		const char *word = x->tag & (ACL_OWNER | ACL_USER) ? "user"
				   : x->tag & (ACL_OWNING_GROUP | ACL_GROUP)
				       ? "group"
				   : x->tag == ACL_MASK ? "mask"
							: "other";

		buf_printf(b, "%s%s:", i > 0 ? "," : "", word);
		if (x->tag & (ACL_USER | ACL_GROUP))
			buf_printf(b, "%" PRIu32, x->id);
		buf_printf(b, ":%c%c%c", x->permissions & 4 ? 'r' : '-',
		    x->permissions & 2 ? 'w' : '-',
		    x->permissions & 1 ? 'x' : '-');
	}
}
