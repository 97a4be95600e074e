/* SPDX-License-Identifier: MIT */
/* output.c - what goes to stdout: the tar, or what was asked for instead */
#include "cmd/vk-pull/output.h"

#include "cmd/vk-pull/emit.h"
#include "cmd/vk-pull/progress.h"
#include "cmd/vk-pull/pull.h"
#include "common/io.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int
print(const void *data, size_t len, struct err *e)
{
	if (io_write(STDOUT_FILENO, data, len) < 0)
		return err_errno(e, EX_IOERR, "stdout");
	return 0;
}

static int
print_digest(const struct digest *d, struct err *e)
{
	char line[DIGEST_TEXT_MAX + 1];

	snprintf(line, sizeof(line), "%s\n", d->text);
	return print(line, strlen(line), e);
}

/* What reads a pipe shows how far it is; two would write over each other. */
static bool
is_pipe(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode);
}

static int
write_tar(const struct options *o, struct image *m, struct err *e)
{
	struct progress progress;
	struct tarout out;
	int rc;

	if (tarout_init(&out, STDOUT_FILENO, "stdout", e) < 0)
		return -1;
	progress_write(&progress, &out.written, m->totals.size,
	    o->quiet || is_pipe(STDOUT_FILENO));
	rc = emit(
	    &out, m->merge, &m->config, m->layers, m->image.layer_count, e);
	progress_stop(&progress);
	tarout_release(&out);
	return rc;
}

static int
print_image(
    const struct options *o, struct source *s, struct image *m, struct err *e)
{
	if (image_resolve(m, s, o, e) < 0)
		return -1;
	if (o->action == ACTION_DIGEST)
		return print_digest(&m->digest, e);
	if (o->action == ACTION_MANIFEST)
		return print(m->manifest.data, m->manifest.len, e);
	if (image_configure(m, s, o, e) < 0)
		return -1;
	if (o->action == ACTION_CONFIG)
		return print(m->config.data, m->config.len, e);
	if (image_load(m, s, o, e) < 0)
		return -1;
	return write_tar(o, m, e);
}

int
output(const struct options *o, struct source *s, struct err *e)
{
	struct image image = {0};
	int rc = print_image(o, s, &image, e);

	image_release(&image);
	return rc;
}
