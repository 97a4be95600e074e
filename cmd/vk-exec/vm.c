/* SPDX-License-Identifier: MIT */
/* vm.c - the VM that is meant, and sessions with it */
#include "cmd/vk-exec/vm.h"

#include "common/run_folder.h"
#include "common/scope.h"

#include <errno.h>
#include <libgen.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

#define WAIT_MS 60000
/* Between two tries where nothing in the run folder tells. */
#define RETRY_MS 50

int
vm_find(struct vm *vm, const char *name, const char *socket, struct err *e)
{
	vm->name = name ? name : socket;
	if (!socket)
		return run_path(name, "vsock", vm->path, sizeof(vm->path), e);
	if (strlen(socket) >= sizeof(vm->path))
		return err_set(
		    e, EX_USAGE, "%s: too long for a socket", socket);
	snprintf(vm->path, sizeof(vm->path), "%s", socket);
	return 0;
}

static int
no_such(const struct vm *vm, struct err *e)
{
	err_set(e, EX_NOINPUT, "%s: no such VM runs", vm->name);
	return err_hint(e, "its socket would be %s", vm->path);
}

int
vm_expect(const struct vm *vm, struct err *e)
{
	return access(vm->path, F_OK) < 0 && errno == ENOENT ? no_such(vm, e)
							     : 0;
}

void
vm_lines(const struct vm *vm, char front[VM_LINES_MAX])
{
	snprintf(front, VM_LINES_MAX, "vk-exec: %s: ", vm->name);
}

int
vm_session(const struct vm *vm, struct session_request *r,
    struct session_result *result, struct err *e)
{
	cleanup_fd int fd = session_connect(vm->path, e);

	if (fd < 0)
		return e->status == EX_NOINPUT ? no_such(vm, e) : -1;
	r->port = EXEC_PORT;
	if (session_run(fd, r, result, e) == 0)
		return 0;
	if (e->status == EX_UNAVAILABLE)
		err_hint(e, "it may be starting: --wait-ready waits for that");
	return err_prefix(e, "%s", vm->name);
}

int
vm_ping(const struct vm *vm, int64_t limit_ms, struct err *e)
{
	struct session_request r = SESSION_REQUEST_INIT;
	struct session_result result;

	r.kind = OPEN_PING;
	if (limit_ms < r.greeting_ms)
		r.greeting_ms = limit_ms > 0 ? (unsigned)limit_ms : 0;
	return vm_session(vm, &r, &result, e);
}

static int64_t
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int
vm_wait(const struct vm *vm, uint64_t timeout_ms, struct err *e)
{
	int64_t until = now_ms() + (int64_t)(timeout_ms ? timeout_ms : WAIT_MS);
	cleanup_fd int watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	char folder[sizeof(vm->path)], events[4096];

	memcpy(folder, vm->path, sizeof(folder));
	while (vm_ping(vm, until - now_ms(), e) < 0) {
		struct pollfd p = {.fd = watch, .events = POLLIN};

		/* A version that does not fit will never. */
		if (e->status == EX_PROTOCOL || now_ms() >= until)
			return -1;
		if (watch >= 0) {
			/* status.json is renamed to when the VM is ready. */
			memcpy(folder, vm->path, sizeof(folder));
			inotify_add_watch(
			    watch, dirname(folder), IN_CREATE | IN_MOVED_TO);
		}
		if (poll(&p, 1, RETRY_MS) > 0 &&
		    read(watch, events, sizeof(events)) < 0)
			continue;
	}
	return 0;
}
