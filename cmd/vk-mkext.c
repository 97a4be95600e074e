/* SPDX-License-Identifier: MIT */
/* vk-mkext.c - a tar becomes an ext4 image */
#include "cmd/vk-mkext/options.h"
#include "cmd/vk-mkext/output.h"
#include "cmd/vk-mkext/tar.h"
#include "common/die.h"
#include "common/scope.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static int
open_input(const char *path, struct err *e)
{
	int fd;

	if (path && strcmp(path, "-") != 0) {
		fd = open(path, O_RDONLY | O_CLOEXEC);
		return fd < 0 ? err_errno(e, 0, "%s", path) : fd;
	}
	if (isatty(STDIN_FILENO)) {
		err_set(e, EX_USAGE, "a tar is not read from a terminal");
		return err_hint(e, "usage: vk-mkext [options] [TAR|-]");
	}
	return STDIN_FILENO;
}

/* Reads the input into the image at fd. */
static int
build(struct options *o, const char *name, int input, int fd, struct err *e)
{
	struct sum *sum = sum_new(e);
	struct feed *feed = sum ? feed_new(input, sum, e) : NULL;
	struct fingerprint *print = fingerprint_new(e);
	struct tree tree = {.object_count = 0};
	struct space space;
	struct store store = {.fd = -1};
	uint8_t digest[SUM_SIZE];
	int result = -1;

	space_init(&space, SPACE_BLOCKS_MAX);
	if (!feed || !print || tree_init(&tree, e) < 0 ||
	    store_init(&store, fd, &tree, &space, e) < 0)
		goto out;
	if (tar_read(feed, &tree, &store, e) < 0) {
		err_prefix(e, "%s", name);
		goto out;
	}
	if (sum_finish(sum, digest, e) < 0)
		goto out;
	fingerprint_add(print, "tar", digest, sizeof(digest));
	if (fingerprint_uuid(print, o->image.uuid, e) < 0)
		goto out;
	o->image.time = tree.newest.seconds > 0 ? tree.newest.seconds : 1;
	result = image_finish(fd, &tree, &space, &store, &o->image, e);
out:
	feed_free(feed);
	sum_free(sum);
	fingerprint_free(print);
	store_release(&store);
	tree_release(&tree);
	return result;
}

int
main(int argc, char **argv)
{
	struct options o;
	struct output output;
	struct err e = ERR_INIT;
	const char *input;
	int first, fd;

	options_init(&o);
	switch (opt_parse(&options_command, argc, argv, &o, &first, &e)) {
	case OPT_ANSWERED:
		return 0;
	case OPT_ERROR:
		die_err(&e);
	case OPT_RUN:
		break;
	}
	if (argc - first > 1)
		die(EX_USAGE, "%s: one input is enough", argv[first + 1]);
	input = first < argc ? argv[first] : "-";
	fd = open_input(input, &e);
	if (fd < 0 || output_open(&output, o.output, &e) < 0)
		die_err(&e);
	if (build(&o, strcmp(input, "-") == 0 ? "stdin" : input, fd, output.fd,
		&e) < 0 ||
	    output_commit(&output, o.sync, &e) < 0) {
		output_close(&output);
		die_err(&e);
	}
	output_close(&output);
	return 0;
}
