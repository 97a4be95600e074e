/* SPDX-License-Identifier: MIT */
/* flags.c - flags of files by their names in a tar */
#include "cmd/vk-mkext/flags.h"
#include "tests/tap.h"

static uint32_t
parse(const char *text)
{
	return flags_parse(text, strlen(text));
}

int
main(void)
{
	cleanup_buf struct buf b = BUF_INIT(1024);

	is_int(parse("schg,nodump"), FS_IMMUTABLE_FL | FS_NODUMP_FL, "two");
	is_int(parse("sappend,unheard-of,,sync"), FS_APPEND_FL | FS_SYNC_FL,
	    "another name, and what is not kept");
	is_int(parse("sch"), 0, "half a name");
	is_int(parse(""), 0, "none");
	flags_write(&b, FLAGS_KEPT | FS_COMPR_FL);
	is_str(b.data, "schg,sappnd,nodump,noatime,sync,dirsync", "all kept");
	is_int(parse(b.data), FLAGS_KEPT, "and read again");
	return tap_done();
}
