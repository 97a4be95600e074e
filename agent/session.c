/* SPDX-License-Identifier: MIT */
/* session.c - a command in the guest and its streams */
#include "agent/session.h"

#include "agent/groups.h"
#include "agent/init.h"
#include "agent/session_parts.h"
#include "agent/spawn.h"
#include "agent/terminal.h"
#include "common/log.h"
#include "common/scope.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Ended sessions that nobody has attached to are kept for a later question. */
#define ENDED_MAX 32

static bool
is_main(const struct session *s)
{
	return s->request.flags & OPEN_MAIN;
}

struct session *
session_find(struct agent *a, uint32_t id)
{
	struct session *s = a->sessions;

	if (id == 0 && a->main)
		return a->main;
	while (s && (id == 0 ? !is_main(s) : s->id != id))
		s = s->next;
	return s;
}

int
session_kill(struct session *s, int signal)
{
	if (s->pid <= 0 || s->ended) {
		errno = ESRCH;
		return -1;
	}
	/* An init is alone in what it may be told, and so is who has not come
	 * to have a group of its own yet. */
	if (s->pid != 1 && kill(-s->pid, signal) == 0)
		return 0;
	return kill(s->pid, signal);
}

/* ---- life and death
 * -------------------------------------------------------
 */

static void
session_free(struct session *s)
{
	struct session **at = &s->agent->sessions;
	struct loop *l = &s->agent->loop;

	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	s->agent->session_count--;
	loop_remove(l, &s->report);
	loop_remove(l, &s->in.watch);
	for (int i = STREAM_OUT; i < STREAM_COUNT; i++)
		loop_remove(l, &s->out[i].watch);
	loop_timer_stop(l, &s->grace);
	buf_release(&s->in.waiting);
	backlog_free(s->backlog);
	request_release(&s->request);
	free(s);
}

static struct session *
session_new(struct agent *a, struct request *request)
{
	struct session *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->agent = a;
	s->id = ++a->next_id;
	s->started_s = time(NULL);
	s->request = *request;
	*request = (struct request){.bytes = NULL};
	s->report.fd = s->in.watch.fd = -1;
	for (int i = STREAM_OUT; i < STREAM_COUNT; i++)
		s->out[i].watch.fd = -1;
	s->in.granted = STREAM_WINDOW;
	buf_init(&s->in.waiting, STREAM_WINDOW);
	s->next = a->sessions;
	a->sessions = s;
	a->session_count++;
	return s;
}

/* Keeps only the latest ended ones. */
static void
evict_ended(struct agent *a)
{
	struct session *oldest;
	unsigned count;

	do {
		oldest = NULL;
		count = 0;
		for (struct session *s = a->sessions; s; s = s->next)
			if (s->ended && !s->connection && !is_main(s)) {
				oldest = s; /* new ones are put in front */
				count++;
			}
		if (count > ENDED_MAX)
			session_free(oldest);
	} while (count > ENDED_MAX);
}

/* No client, no process: is it worth keeping? */
static void
settle(struct session *s)
{
	struct agent *a = s->agent;

	if (s->connection || (s->pid && !s->ended))
		return;
	if (s == a->main) {
		bool keep = s->request.flags & OPEN_KEEP;

		a->main = NULL;
		if (!keep)
			session_free(s);
		agent_main_over(a, keep);
		return;
	}
	if (s->backlog)
		evict_ended(a);
	else
		session_free(s);
}

bool
session_is_over(const struct session *s)
{
	return s->ended && !session_out_any(s);
}

/* Tells the client what there is to tell, and lets it go at the end. */
void
session_check_end(struct session *s)
{
	struct connection *c = s->connection;

	if (!s->pid && !s->ended && s->in.eof && s->in.waiting.len == 0 &&
	    !session_out_any(s)) {
		s->ended = true; /* a socket, both halves of it closed */
		if (c)
			connection_say_u32(c, FRAME_EXITED, 0, 0);
	}
	if (!session_is_over(s) || s->report.fd >= 0)
		return;
	session_out_follow(s);
	if (c && s != s->agent->main) {
		s->connection = NULL;
		connection_close(c);
	} else if (c) {
		/* The main's client is to be seen closing. */
		connection_flush(c);
	}
	if (!s->connection)
		settle(s);
}

/* ---- to the command
 * -------------------------------------------------------
 */

static int
take_eof(struct session *s, const struct frame *f)
{
	if (f->stream != STREAM_IN) { /* nobody reads this any more */
		s->out[f->stream].told = true;
		session_out_end(s, f->stream);
		session_check_end(s);
		return 0;
	}
	s->in.eof = true;
	if (s->in.waiting.len == 0)
		session_in_close(s);
	session_check_end(s);
	return 0;
}

static void
resize(struct session *s, const struct winsize *size)
{
	if (s->is_tty && s->out[STREAM_OUT].open)
		ioctl(s->out[STREAM_OUT].watch.fd, TIOCSWINSZ, size);
}

static int
take_window(struct session *s, struct cursor *c)
{
	struct winsize size = {.ws_row = get_le16(c)};

	size.ws_col = get_le16(c);
	size.ws_xpixel = get_le16(c);
	size.ws_ypixel = get_le16(c);
	if (c->bad)
		return -1;
	resize(s, &size);
	return 0;
}

static int
take_frame(void *context, const struct frame *f)
{
	struct session *s = context;
	struct cursor c = cursor_of(f->data, f->len);

	switch (f->type) {
	case FRAME_DATA:
		return session_in_data(s, f);
	case FRAME_EOF:
		return take_eof(s, f);
	case FRAME_SIGNAL:
		session_kill(s, get_u8(&c) % NSIG);
		return c.bad ? -1 : 0;
	case FRAME_WINDOW:
		return take_window(s, &c);
	default:
		return -1;
	}
}

/* ---- clients come and go
 * --------------------------------------------------
 */

static void
room(void *context)
{
	struct session *s = context;

	for (unsigned i = STREAM_OUT; i < STREAM_COUNT; i++)
		session_out_pump(s, i);
	session_check_end(s);
}

static void
grace_passed(struct timer *t)
{
	struct session *s = container_of(t, struct session, grace);

	if (s->pid > 0 && !s->ended && groups_kill(s->id) < 0)
		terminal_kill_all(s->pid, SIGKILL);
}

/* The client went away before the command: it is ended. */
static void
end_command(struct session *s)
{
	session_in_close(s);
	for (unsigned i = STREAM_OUT; i < STREAM_COUNT; i++)
		session_out_end(s, i);
	if (s->pid == 0) {
		session_free(s);
		return;
	}
	if (s->ended) {
		settle(s);
		return;
	}
	s->ending = true;
	session_kill(s, SIGTERM);
	session_kill(s, SIGCONT);
	loop_timer(
	    &s->agent->loop, &s->grace, s->request.grace_ms, grace_passed);
}

static bool
stays(const struct session *s)
{
	uint32_t flags = s->request.flags;

	return s->pid && ((flags & (OPEN_DETACH | OPEN_INIT)) ||
			     ((flags & OPEN_MAIN) && (flags & OPEN_KEEP)));
}

static void
client_lost(void *context)
{
	struct session *s = context;

	s->connection = NULL;
	if (!stays(s)) {
		end_command(s);
		return;
	}
	for (unsigned i = STREAM_OUT; i < STREAM_COUNT; i++)
		if (s->out[i].open)
			session_out_pump(s, i);
	session_check_end(s);
}

static const struct connection_user session_user = {
    .frame = take_frame, .room = room, .lost = client_lost};

static void
say_started(struct session *s)
{
	uint8_t payload[8];
	struct writer w = writer_of(payload, sizeof(payload));

	put_le(&w, s->id, 4);
	put_le(&w, (uint64_t)s->pid, 4);
	connection_say(
	    s->connection, FRAME_STARTED, 0, payload, sizeof(payload));
}

/* The report ended: empty, the command runs; else it says why it does
 * not. */
void
session_report_ready(struct watch *w, uint32_t events)
{
	struct session *s = container_of(w, struct session, report);
	struct connection *c = s->connection;
	char text[ERR_TEXT_MAX];
	ssize_t n = read(w->fd, text, sizeof(text) - 1);

	(void)events;
	if (n < 0 && errno == EAGAIN)
		return;
	loop_remove(&s->agent->loop, w);
	if (n > 0) {
		text[n] = '\0';
		log_info("%s", text + 1);
		s->connection = NULL;
		if (c)
			connection_failed(c, text[0], "%s", text + 1);
		if (s == s->agent->main)
			agent_event(s->agent, EVENT_EXITED, "did not start: %s",
			    text + 1);
		backlog_free(steal_ptr(&s->backlog));
		session_check_end(s);
		return;
	}
	s->running = true;
	if (c && session_start_awaited(s)) {
		say_started(s);
		connection_flush(c);
	}
	if (c && (s->request.flags & OPEN_DETACH)) {
		s->connection = NULL;
		connection_close(c);
	}
	session_check_end(s);
}

void
session_child_ended(struct agent *a, pid_t pid, int status)
{
	struct session *s = a->sessions;

	while (s && (s->pid != pid || s->ended))
		s = s->next;
	if (!s)
		return;
	if (s->ending) /* what it left behind goes with it */
		terminal_kill_all(pid, SIGKILL);
	if (s->report.fd >= 0)
		session_report_ready(&s->report, EPOLLIN);
	s->status = status;
	s->ended = true;
	loop_timer_stop(&a->loop, &s->grace);
	if (s->connection)
		connection_say_u32(
		    s->connection, FRAME_EXITED, 0, (uint32_t)status);
	if (s == a->main && s->running)
		agent_event(a, EVENT_EXITED, "%s %d",
		    WIFEXITED(status) ? "exit" : "signal",
		    WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
	for (unsigned i = STREAM_OUT; i < STREAM_COUNT; i++) {
		session_out_count_left(s, i);
		session_out_pump(s, i);
	}
	session_in_close(s);
	if (s->connection)
		connection_flush(s->connection);
	groups_leave(s->id);
	session_check_end(s);
}

/* ---- starting
 * -------------------------------------------------------------
 */

void
session_exec(struct connection *c, struct request *request,
    int (*inside)(const struct request *))
{
	struct agent *a = c->agent;
	struct err e = ERR_INIT;
	struct session *s;

	if (!inside && request->argc == 0) {
		connection_failed(c, 125, "no command was given");
		return;
	}
	if ((request->flags & OPEN_MAIN) && a->main) {
		connection_failed(c, 125, "there is a main command already");
		return;
	}
	if (a->session_count >= SESSIONS_MAX) {
		connection_failed(
		    c, 125, "%d sessions are too many", a->session_count);
		return;
	}
	if ((request->flags & OPEN_MAIN) &&
	    session_keep_defaults(a, request) < 0) {
		connection_failed(c, 125, "out of memory");
		return;
	}
	s = session_new(a, request);
	if (!s) {
		connection_failed(c, 125, "out of memory");
		return;
	}
	s->connection = c;
	if (s->request.flags & (OPEN_MAIN | OPEN_DETACH))
		s->backlog = backlog_new();
	if (s->request.flags & OPEN_INIT)
		init_prepare();
	if (session_start(s, inside, &e) < 0) {
		session_free(s);
		connection_failed(c, 125, "%s", e.text);
		return;
	}
	if (is_main(s)) {
		a->main = s;
		a->main_signal = s->request.signal;
		if (s->request.flags & OPEN_INIT)
			init_took_over(a);
	}
	connection_use(c, &session_user, s);
	/* Goes out with our greeting: that it does not run may follow. */
	if (!session_start_awaited(s))
		say_started(s);
}

void
session_socket(struct connection *c, struct request *request, int fd)
{
	struct session *s = session_new(c->agent, request);
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);

	if (!s || copy < 0 || session_watch_out(s, STREAM_OUT, &fd) < 0 ||
	    session_watch_in(s, &copy) < 0) {
		if (s)
			session_free(s);
		fd_close(&fd);
		fd_close(&copy);
		connection_failed(c, 125, "out of memory");
		return;
	}
	s->connection = c;
	s->in.is_socket = true;
	connection_say(c, FRAME_EOF, STREAM_ERR, NULL, 0);
	connection_use(c, &session_user, s);
}

void
session_attach(struct connection *c, struct session *s, const struct request *r)
{
	const struct winsize size = terminal_size(r);
	uint64_t at = 0;
	unsigned stream;
	uint8_t *into;
	size_t n;

	if (s->connection) {
		connection_failed(c, 125, "session %u has a client", s->id);
		return;
	}
	s->connection = c;
	s->in.granted = STREAM_WINDOW - (uint32_t)s->in.waiting.len;
	s->in.consumed = 0;
	s->in.eof = s->in.watch.fd < 0;
	if (r->rows)
		resize(s, &size);
	connection_use(c, &session_user, s);
	say_started(s);
	if (s->in.eof)
		connection_say(c, FRAME_EOF, STREAM_IN, NULL, 0);
	while (
	    s->backlog && (into = connection_room(c, FRAME_DATA_MAX)) != NULL &&
	    (n = backlog_read(s->backlog, &at, &stream, into, FRAME_DATA_MAX)) >
		0)
		connection_sent(c, stream, n);
	for (unsigned i = STREAM_OUT; i < STREAM_COUNT; i++)
		if (!s->out[i].open)
			connection_say(c, FRAME_EOF, i, NULL, 0);
	if (s->ended)
		connection_say_u32(c, FRAME_EXITED, 0, (uint32_t)s->status);
	connection_flush(c);
	room(s);
}
