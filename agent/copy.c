/* SPDX-License-Identifier: MIT */
/* copy.c - the guest's end of "vk-exec cp"; children's work */
#include "agent/copy.h"

#include "common/io.h"
#include "common/tree_receive.h"
#include "common/tree_send.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static void
tell(const struct err *e)
{
	fprintf(stderr, "%s\n", e->text);
}

int
copy_put(const struct request *r)
{
	static struct tree_receiver receiver;
	struct err e = ERR_INIT;
	int status;

	if (r->path_count != 1) {
		fprintf(stderr, "one destination is needed\n");
		return 1;
	}
	umask(0);
	io_allow_descriptors(); /* one for each level */
	if (tree_receiver_init(
		&receiver, r->paths[0], r->flags & OPEN_INTO, &e) < 0) {
		tell(&e);
		return 1;
	}
	receiver.trusted = true;
	receiver.failed = tell;
	status = tree_receive(&receiver, STDIN_FILENO, &e);
	if (status < 0)
		tell(&e);
	status = status < 0 || receiver.failures > 0;
	tree_receiver_release(&receiver);
	return status;
}

int
copy_get(const struct request *r)
{
	struct tree_sender sender;
	struct err e = ERR_INIT;
	int status = 0;

	io_allow_descriptors(); /* one for each level */
	if (tree_sender_init(&sender, STDOUT_FILENO) < 0) {
		fprintf(stderr, "out of memory\n");
		return 1;
	}
	sender.recursive = r->flags & OPEN_RECURSIVE;
	sender.failed = tell;
	for (char **at = r->paths; status == 0 && *at; at++)
		status = tree_send(&sender, *at, NULL, &e);
	if (status == 0)
		status = tree_send_end(&sender, &e);
	if (status < 0)
		tell(&e);
	status = status < 0 || sender.failures > 0;
	tree_sender_release(&sender);
	return status;
}
