/* SPDX-License-Identifier: MIT */
/* tar.c - a tar from anywhere: what comes out of it is a well-formed tree */
#include "cmd/vk-exec/tar.h"
#include "tests/fuzz/common/feed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tree_writer writer;
	struct tree_reader reader;
	struct tree_record record;
	struct err e = ERR_INIT;
	int in = feed(data, size), out = memfd_create("tree", MFD_CLOEXEC);
	int status, got;

	tree_writer_init(&writer, out);
	/* A size that is claimed is not written: the input has to hold it. */
	status = tar_read(in, &writer, NULL, &e);
	tree_writer_release(&writer);
	if (status >= 0) {
		lseek(out, 0, SEEK_SET);
		if (tree_reader_init(&reader, out) < 0)
			abort();
		while ((got = tree_next(&reader, &record, &e)) > 0)
			continue;
		if (got < 0)
			abort();
		tree_reader_release(&reader);
	}
	close(in);
	close(out);
	return 0;
}
