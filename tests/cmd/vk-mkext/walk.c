/* SPDX-License-Identifier: MIT */
/* walk.c - directories of this machine that are odd */
#include "cmd/vk-mkext/recipe.h"
#include "tests/tap.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static char top[] = "/tmp/vk-walk.XXXXXX";

int
main(void)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX, .sun_path = "one"};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), result;
	struct recipe recipe = {.part_count = 0};
	struct recipe_input in = {.name = "."};
	struct err e = ERR_INIT;

	if (!mkdtemp(top) || chdir(top) < 0 ||
	    bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 ||
	    link("one", "two") < 0)
		return 1;
	in.fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	result = recipe_build(
	    &recipe, &in, memfd_create("image", MFD_CLOEXEC), NULL, &e);
	is_int(result, 0, "a socket with two names is left out: %s", e.text);
	if (unlink("one") < 0 || unlink("two") < 0 || rmdir(top) < 0)
		perror(top);
	return tap_done();
}
