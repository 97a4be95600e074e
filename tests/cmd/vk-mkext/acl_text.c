/* SPDX-License-Identifier: MIT */
/* acl_text.c - ACLs in the words of star, GNU tar and libarchive */
#include "cmd/vk-mkext/acl_text.h"
#include "tests/tap.h"

#include <inttypes.h>

/* The list of a text, "tag.permissions.name or number" each; "error" if it is
 * not well formed. From a static buffer. */
static const char *
read_text(const char *text)
{
	static char all[512];
	struct acl_text t = {.at = text, .left = strlen(text)};
	struct err e = ERR_INIT;
	struct acl_entry x;
	size_t at = 0;
	int more;

	all[0] = '\0';
	while ((more = acl_text_next(&t, &x, &e)) > 0) {
		char number[16];

		snprintf(number, sizeof(number), "%" PRIu32, x.id);
		at += (size_t)snprintf(all + at, sizeof(all) - at, "%x.%u.%s ",
		    x.tag, x.permissions, t.name[0] ? t.name : number);
	}
	return more < 0 ? "error" : all;
}

static void
forms(void)
{
	is_str(read_text("user::rw-\nuser:1000:r-x\ngroup::r--\nmask::r-x\n"
			 "other::---\n"),
	    "1.6.0 2.5.1000 4.4.0 10.5.0 20.0.0 ", "GNU tar's numbers");
	is_str(read_text("user::rwx,user:joe:r--:1000,group::r-x,"
			 "group:adm:-w-:4,mask::rwx,other::r-x"),
	    "1.7.0 2.4.1000 4.5.0 8.2.4 10.7.0 20.5.0 ", "star's");
	is_str(read_text("u::rw,g::r,g:4294967294:x,m:rw,o:r"),
	    "1.6.0 4.4.0 8.1.4294967294 10.6.0 20.4.0 ", "initials, in brief");
	is_str(read_text("default:user::rwx,d:user:7:r-x,default:other::---"),
	    "1.7.0 2.5.7 20.0.0 ", "of a directory, said so");
	is_str(read_text("user:joe:rwx,user::rw-"), "2.7.joe 1.6.0 ",
	    "a name without a number");
	is_str(read_text(" user : : r-- \t#effective: none\n\n# remark\n,,"
			 "other::--x # more"),
	    "1.4.0 20.1.0 ", "blanks and remarks");
	is_str(read_text(""), "", "nothing");
}

static void
faults(void)
{
	static const char *const texts[] = {"user",
	    "user:", "user::", "user::rwz", "user:::rwx", "user:rwx",
	    "nobody::rwx", "mask:1:rwx", "other:joe:r--", "default",
	    "default:user:", ":::", ":", "us::r--", "a:b:c:d:e:f",
	    "default:user:1:r--:1:1", "user::r--,x"};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		is_str(read_text(texts[i]), "error", "refused: '%s'", texts[i]);
}

static void
writing(void)
{
	static const struct acl a = {.count = 6,
	    .entries = {{ACL_OWNER, 7, 0}, {ACL_USER, 5, 1000},
		{ACL_OWNING_GROUP, 4, 0}, {ACL_GROUP, 2, 4294967295},
		{ACL_MASK, 6, 0}, {ACL_OTHER, 0, 0}}};
	cleanup_buf struct buf b = BUF_INIT(1024);

	acl_text_write(&b, &a);
	is_str(b.data,
	    "user::rwx,user:1000:r-x,group::r--,group:4294967295:-w-,"
	    "mask::rw-,other::---",
	    "written");
	is_str(read_text(b.data),
	    "1.7.0 2.5.1000 4.4.0 8.2.4294967295 10.6.0 20.0.0 ",
	    "and read again");
}

int
main(void)
{
	forms();
	faults();
	writing();
	return tap_done();
}
