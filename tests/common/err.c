/* SPDX-License-Identifier: MIT */
#include "common/err.h"

#include "tests/tap.h"

#include <errno.h>

int
main(void)
{
	struct err e = ERR_INIT;
	char longer[2 * ERR_TEXT_MAX];

	is_int(err_set(&e, EX_USAGE, "%s: bad", "name"), -1, "returns -1");
	is_str(e.text, "name: bad", "the text");
	is_int(e.status, EX_USAGE, "the status");

	errno = ENOENT;
	err_errno(&e, 0, "root.ext4");
	is_str(e.text, "root.ext4: No such file or directory", "errno's text");
	is_int(e.status, EX_NOINPUT, "errno's status");
	is_int(errno, ENOENT, "errno is kept");

	err_prefix(&e, "disk %d", 2);
	is_str(e.text, "disk 2: root.ext4: No such file or directory",
	    "where it was goes in front");
	err_hint(&e, "make one");
	is_str(e.hint, "make one", "a hint");
	err_set(&e, EX_USAGE, "x");
	is_str(e.hint, "", "a new error has no hint");

	err_set(&e, EX_DATAERR, "a\nb\033[31mc\x7f");
	is_str(e.text, "a?b?[31mc?", "control characters do not get out");

	err_set(&e, EX_DATAERR,
	    "\xc2\x9b"
	    "1m\xc2\xa9\xc3\x9b\xc2");
	is_str(e.text, "??1m\xc2\xa9\xc3\x9b\xc2",
	    "nor do those that UTF-8 has beside them");

	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	err_set(&e, EX_DATAERR, "%s", longer);
	is_int(strlen(e.text), ERR_TEXT_MAX - 1, "cut at the limit");
	is_str(e.text + ERR_TEXT_MAX - 4, "...", "and marked");
	err_prefix(&e, "%s", longer);
	is_int(strlen(e.text), ERR_TEXT_MAX - 1, "a prefix that fills it");
	for (size_t i = 0; i + 2 < sizeof(longer); i += 2)
		memcpy(longer + i, "\xc3\xa9", 2);
	err_set(&e, EX_DATAERR, "%s", longer);
	is_str(
	    e.text + strlen(e.text) - 5, "\xc3\xa9...", "a character is whole");
	err_prefix(&e, "x");
	is_str(e.text + strlen(e.text) - 5, "\xc3\xa9...", "wherever it lies");
	return tap_done();
}
