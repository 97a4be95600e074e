/* SPDX-License-Identifier: MIT */
/* session_start.c - streams and process of a new session */
#include "agent/groups.h"
#include "agent/session_parts.h"
#include "agent/spawn.h"
#include "agent/terminal.h"
#include "common/scope.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int
session_watch_out(struct session *s, unsigned i, int *fd)
{
	struct outflow *o = &s->out[i];

	o->session = s;
	if (loop_add(&s->agent->loop, &o->watch, *fd, EPOLLIN,
		session_out_ready) < 0)
		return -1;
	*fd = -1;
	o->open = true;
	return 0;
}

int
session_watch_in(struct session *s, int *fd)
{
	if (loop_add(&s->agent->loop, &s->in.watch, *fd, EPOLLET,
		session_in_ready) < 0)
		return -1;
	s->in.watch.events = 0;
	*fd = -1;
	return 0;
}

/* One for all who have no stdin. */
static int
take_null(void)
{
	static int null = -1;

	if (null < 0)
		null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	return null < 0 ? -1 : fcntl(null, F_DUPFD_CLOEXEC, 3);
}

/* Pipes: stdin if it is wanted, stdout and stderr. */
static int
make_pipes(struct session *s, struct spawn *child)
{
	int ours[STREAM_COUNT] = {-1, -1, -1};
	int status = 0, ends[2];

	for (int i = 0; i < STREAM_COUNT; i++) {
		if (i == STREAM_IN && !(s->request.flags & OPEN_STDIN)) {
			child->streams[i] = take_null();
			s->in.eof = true;
		} else if (pipe2(ends, O_CLOEXEC) == 0) {
			ours[i] = ends[i == STREAM_IN];
			child->streams[i] = ends[i != STREAM_IN];
		}
		if (child->streams[i] < 0)
			status = -1;
	}
	for (unsigned i = STREAM_OUT; status == 0 && i < STREAM_COUNT; i++)
		status = session_watch_out(s, i, &ours[i]);
	if (status == 0 && ours[STREAM_IN] >= 0)
		status = session_watch_in(s, &ours[STREAM_IN]);
	for (int i = 0; i < STREAM_COUNT; i++)
		fd_close(&ours[i]);
	return status;
}

static int
make_terminal(struct session *s, struct spawn *child)
{
	int slave, copy, master = terminal_open(&s->request, &slave);

	if (master < 0)
		return -1;
	s->is_tty = true;
	for (int i = 0; i < STREAM_COUNT; i++)
		child->streams[i] = slave;
	copy = fcntl(master, F_DUPFD_CLOEXEC, 3);
	if (copy < 0 || session_watch_out(s, STREAM_OUT, &master) < 0 ||
	    session_watch_in(s, &copy) < 0) {
		fd_close(&master);
		fd_close(&copy);
		return -1;
	}
	if (s->connection)
		connection_say(s->connection, FRAME_EOF, STREAM_ERR, NULL, 0);
	return 0;
}

bool
session_start_awaited(const struct session *s)
{
	return s->request.flags & (OPEN_MAIN | OPEN_DETACH);
}

/* Streams and process of a session that is otherwise made. */
int
session_start(
    struct session *s, int (*inside)(const struct request *), struct err *e)
{
	struct agent *a = s->agent;
	struct spawn child = {.request = &s->request,
	    .defaults = &a->defaults,
	    .policy = &a->policy,
	    .inside = inside,
	    .session = s->request.flags & OPEN_MAIN ? GROUP_MAIN : s->id,
	    .streams = {-1, -1, -1},
	    .report = -1};
	int report[2] = {-1, -1}, status;

	status = s->request.flags & OPEN_TTY ? make_terminal(s, &child)
					     : make_pipes(s, &child);
	if (status == 0)
		status = pipe2(report, O_CLOEXEC | O_NONBLOCK);
	if (status < 0)
		err_errno(e, EX_OSERR, "streams");
	child.report = report[1];
	if (status == 0) {
		s->pid = spawn(&child, e);
		status = s->pid < 0 ? -1 : 0;
	} else {
		spawn_close(&child);
	}
	/* What the report says is read at the command's end in any case: to
	 * be woken for it is for those who wait. */
	if (status == 0 && !session_start_awaited(s))
		loop_hold(&s->report, report[0]);
	else if (status == 0 && loop_add(&a->loop, &s->report, report[0],
				    EPOLLIN, session_report_ready) < 0)
		status = err_errno(e, EX_OSERR, "streams");
	if (status < 0)
		fd_close(&report[0]);
	return status;
}

/* What the main command was given is what later ones may ask for. */
int
session_keep_defaults(struct agent *a, const struct request *r)
{
	struct defaults *d = &a->defaults;

	for (char **at = d->env; at && *at; at++)
		free(*at);
	free(d->env);
	free(d->user);
	free(d->dir);
	*d =
	    (struct defaults){.env = calloc(r->env_count + 1, sizeof(*d->env))};
	if (!d->env)
		return -1;
	for (size_t i = 0; i < r->env_count; i++)
		if (!(d->env[i] = strdup(r->env[i])))
			return -1;
	d->user = r->user ? strdup(r->user) : NULL;
	d->dir = r->dir ? strdup(r->dir) : NULL;
	return (r->user && !d->user) || (r->dir && !d->dir) ? -1 : 0;
}
