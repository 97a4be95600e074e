/* SPDX-License-Identifier: MIT */
/* copy.c - "vk-exec cp": files into a VM, out of it, and between two */
#include "cmd/vk-exec/copy.h"

#include "cmd/vk-exec/relay.h"
#include "cmd/vk-exec/tar.h"
#include "cmd/vk-exec/vm.h"
#include "common/io.h"
#include "common/log.h"
#include "common/run_folder.h"
#include "common/scope.h"
#include "common/session.h"
#include "common/tree_receive.h"
#include "common/tree_send.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

struct copy {
	const struct options *options;
	struct place *from;
	char **paths; /* of from, ends with NULL */
	size_t count;
	struct place to;
	struct tree_wanted wanted; /* of a VM: no more than that comes */
};

void
place_parse(struct place *p, const char *text, bool by_socket)
{
	size_t len = strcspn(text, ":/");

	*p = (struct place){.path = text};
	if (strcmp(text, "-") == 0) {
		p->is_stream = true;
		return;
	}
	if (text[len] != ':' || len > RUN_NAME_MAX)
		return;
	memcpy(p->vm, text, len);
	p->vm[len] = '\0';
	if (!(by_socket && len == 0) && !run_name_valid(p->vm)) {
		p->vm[0] = '\0';
		return;
	}
	p->is_remote = true;
	p->path = text + len + 1;
	if (*p->path == '\0')
		p->path = "/";
}

static void
tell(const struct err *e)
{
	log_warn("%s", e->text);
}

/* ---- sessions -------------------------------------------------------------
 */

static int
run(const struct copy *c, const struct place *vm_of, struct session_request *r,
    struct err *e)
{
	struct session_result result;
	char lines[VM_LINES_MAX];
	struct vm vm;

	if (vm_find(&vm, vm_of->vm, c->options->socket, e) < 0)
		return -1;
	vm_lines(&vm, lines);
	r->err_lines = lines;
	r->err = STDERR_FILENO;
	if (vm_session(&vm, r, &result, e) < 0)
		return -1;
	if (result.end == SESSION_FAILED)
		return err_set(
		    e, EX_UNAVAILABLE, "%s: %s", vm.name, result.text);
	return session_status(&result);
}

/* The VM's end of the stream in: takes it in. */
static int
put(const struct copy *c, int in, struct err *e)
{
	struct session_request r = SESSION_REQUEST_INIT;
	char *paths[] = {(char *)(uintptr_t)c->to.path, NULL};

	r.kind = OPEN_PUT;
	r.flags = OPEN_STDIN;
	if (c->count > 1 || c->from[0].is_stream ||
	    c->to.path[strlen(c->to.path) - 1] == '/')
		r.flags |= OPEN_INTO;
	r.paths = paths;
	r.in = in;
	return run(c, &c->to, &r, e);
}

/* The VM's end of the stream out. */
static int
get(const struct copy *c, int out, struct err *e)
{
	struct session_request r = SESSION_REQUEST_INIT;

	r.kind = OPEN_GET;
	r.flags = c->wanted.recursive ? OPEN_RECURSIVE : 0;
	r.paths = c->paths;
	r.out = out;
	return run(c, &c->from[0], &r, e);
}

/* ---- the other side -------------------------------------------------------
 */

/* What is here into the stream. An exit status, -1 with err. */
static int
send_local(const struct copy *c, int out, struct err *e)
{
	struct tree_sender sender;
	int status = 0;

	if (tree_sender_init(&sender, out) < 0)
		return err_set(e, EX_OSERR, "out of memory");
	sender.recursive = c->options->recursive;
	sender.failed = tell;
	if (c->from[0].is_stream) {
		status = tar_read(STDIN_FILENO, &sender.writer, tell, e);
		sender.failures += status > 0;
	}
	for (size_t i = 0; status == 0 && !c->from[0].is_stream && i < c->count;
	     i++)
		status = tree_send(&sender, c->paths[i], NULL, e);
	if (status == 0 && !c->from[0].is_stream)
		status = tree_send_end(&sender, e);
	if (status >= 0)
		status = sender.failures > 0;
	tree_sender_release(&sender);
	return status;
}

/* The stream into what is here. The same. */
static int
receive_local(const struct copy *c, int in, struct err *e)
{
	static struct tree_receiver receiver;
	const char *path = c->to.path;
	int status;

	if (tree_receiver_init(&receiver, path,
		c->count > 1 || path[strlen(path) - 1] == '/', e) < 0)
		return -1;
	receiver.failed = tell;
	receiver.wanted = &c->wanted;
	status = tree_receive(&receiver, in, e);
	if (status == 0)
		status = receiver.failures > 0;
	tree_receiver_release(&receiver);
	return status;
}

static int
receive_tar(const struct copy *c, int in, struct err *e)
{
	struct tree_reader reader;
	int status;

	if (tree_reader_init(&reader, in) < 0)
		return err_set(e, EX_OSERR, "out of memory");
	reader.wanted = &c->wanted;
	status = tar_write(STDOUT_FILENO, &reader, e);
	tree_reader_release(&reader);
	return status;
}

/* What a VM sends on its way to another. */
struct between {
	const struct copy *copy;
	int from, to;
	int status; /* as of other_side() */
};

static void *
pass_on(void *context)
{
	struct between *b = context;
	struct err e = ERR_INIT;

	b->status = relay_tree(b->from, b->to, &b->copy->wanted, tell, &e) != 0;
	if (e.text[0])
		tell(&e);
	fd_close(&b->from); /* the VM is told to stop */
	return NULL;
}

static int
get_for_other(const struct copy *c, int end, struct err *e)
{
	struct between b = {.copy = c, .to = end};
	pthread_t thread;
	int ends[2], status;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_errno(e, EX_OSERR, "pipe");
	b.from = ends[0];
	if (pthread_create(&thread, NULL, pass_on, &b) != 0)
		return err_set(e, EX_OSERR, "no thread can be had");
	status = get(c, ends[1], e);
	fd_close(&ends[1]);
	pthread_join(thread, NULL);
	return status == 0 ? b.status : status;
}

/* The child's part: its end of the pipe. */
static int
other_side(const struct copy *c, int end, struct err *e)
{
	if (!c->from[0].is_remote)
		return send_local(c, end, e);
	if (c->to.is_remote)
		return get_for_other(c, end, e);
	return c->to.is_stream ? receive_tar(c, end, e)
			       : receive_local(c, end, e);
}

/* ---- both -----------------------------------------------------------------
 */

static int
join(const struct copy *c, struct err *e)
{
	/* The child feeds the pipe, except where it takes what GET brings. */
	bool child_writes = !c->from[0].is_remote || c->to.is_remote;
	pid_t parent = getpid(), pid;
	int ends[2], status, child = 0;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_errno(e, EX_OSERR, "pipe");
	pid = fork();
	if (pid < 0)
		return err_errno(e, EX_OSERR, "fork");
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		if (getppid() != parent)
			_exit(1);
		/* Who gave the pipe up has said why. */
		signal(SIGPIPE, SIG_DFL);
		close(ends[!child_writes]);
		status = other_side(c, ends[child_writes], e);
		if (status < 0)
			tell(e);
		_exit(status < 0 ? 1 : status);
	}
	close(ends[child_writes]);
	status = child_writes ? put(c, ends[0], e) : get(c, ends[1], e);
	close(ends[!child_writes]);
	waitpid(pid, &child, 0);
	if (status < 0)
		return -1;
	/* 141: the agent's side, whose stream the child gave up. */
	if (child != 0 && (status == 0 || status == 128 + SIGPIPE))
		return 1;
	return status;
}

/* Before both sides begin, each of which would tell of the other's end. */
static int
expect(const struct copy *c, const struct place *p, struct err *e)
{
	struct vm vm;

	if (!p->is_remote)
		return 0;
	return vm_find(&vm, p->vm, c->options->socket, e) < 0
		   ? -1
		   : vm_expect(&vm, e);
}

static int
check(const struct copy *c, struct err *e)
{
	for (size_t i = 1; i < c->count; i++)
		if (strcmp(c->from[i].vm, c->from[0].vm) != 0 ||
		    c->from[i].is_remote != c->from[0].is_remote ||
		    c->from[i].is_stream || c->from[0].is_stream)
			return err_set(
			    e, EX_USAGE, "sources are of one VM, or of here");
	if (!c->from[0].is_remote && !c->to.is_remote) {
		err_set(e, EX_USAGE, "neither side is a VM's");
		return err_hint(e, "a file of a VM is VM:PATH");
	}
	if (c->from[0].is_stream && isatty(STDIN_FILENO))
		return err_set(e, EX_USAGE, "-: a tar is not typed");
	if (c->to.is_stream && isatty(STDOUT_FILENO))
		return err_set(
		    e, EX_USAGE, "-: a tar is not written to a terminal");
	return 0;
}

int
copy_run(const struct options *o, char **operands, struct err *e)
{
	struct copy c = {.options = o};
	cleanup_free struct place *from = NULL;
	cleanup_free char **paths = NULL;

	while (operands[c.count])
		c.count++;
	if (c.count < 2)
		return err_set(e, EX_USAGE, "what, and where to?");
	place_parse(&c.to, operands[--c.count], o->socket);
	c.from = from = calloc(c.count, sizeof(*from));
	c.paths = paths = calloc(c.count + 1, sizeof(*paths));
	if (!from || !paths)
		return err_set(e, EX_OSERR, "out of memory");
	for (size_t i = 0; i < c.count; i++) {
		place_parse(&from[i], operands[i], o->socket);
		paths[i] = (char *)(uintptr_t)from[i].path;
	}
	if (check(&c, e) < 0 || expect(&c, &c.from[0], e) < 0 ||
	    expect(&c, &c.to, e) < 0)
		return -1;
	c.wanted = (struct tree_wanted){
	    .paths = paths, .recursive = o->recursive || c.to.is_stream};
	io_allow_descriptors(); /* one for each level */
	return join(&c, e);
}
