/* SPDX-License-Identifier: MIT */
/* open.c - what each kind of OPEN does */
#include "agent/open.h"

#include "agent/clock.h"
#include "agent/copy.h"
#include "agent/forward.h"
#include "agent/freeze.h"
#include "agent/logs.h"
#include "agent/processes.h"
#include "agent/session.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

/* ---- questions that are answered at once ----------------------------------
 */

/* All of OPEN_LIST, which waits to be sent as a whole. */
#define LIST_MAX ((size_t)3 * FRAME_DATA_MAX)

/* One line of OPEN_LIST: id, pid, state, client, terminal, start, command. */
static void
add_session(struct buf *b, const struct agent *a, const struct session *s)
{
	const char *state = s->ended ? "ended" : "running";
	/* An equal part for each: no command hides other sessions. */
	size_t end = b->len + LIST_MAX / a->session_count - sizeof(" \n");
	size_t command;

	if (s->pid == 0)
		return; /* a forwarded connection */
	buf_printf(b, "%u\t%d\t%s\t%s\t%s\t%lld\t%s\t", s->id, (int)s->pid,
	    s == a->main ? "main" : "exec", state,
	    s->connection ? "attached" : "detached", (long long)s->started_s,
	    s->is_tty ? "tty" : "-");
	command = b->len;
	for (char **at = s->request.argv; *at && b->len < end; at++)
		buf_printf(b, "%s%.*s", at == s->request.argv ? "" : " ",
		    (int)(end - b->len), *at);
	/* A line is a line whatever the arguments hold. */
	for (; command < b->len; command++)
		if (strchr("\n\r\t", b->data[command]))
			b->data[command] = ' ';
	buf_puts(b, "\n");
}

static void
open_list(struct connection *c)
{
	struct buf b cleanup_buf = BUF_INIT(LIST_MAX);

	for (struct session *s = c->agent->sessions; s; s = s->next)
		add_session(&b, c->agent, s);
	for (size_t at = 0, n; at < b.len; at += n) {
		n = b.len - at < FRAME_DATA_MAX ? b.len - at : FRAME_DATA_MAX;
		connection_say(c, FRAME_DATA, STREAM_OUT, b.data + at, n);
	}
	connection_exited(c, 0);
}

static void
open_kill(struct connection *c, const struct request *r)
{
	struct session *s;

	if (r->flags & OPEN_ALL) {
		for (s = c->agent->sessions; s; s = s->next)
			session_kill(s, r->signal);
		connection_exited(c, 0);
		return;
	}
	s = session_find(c->agent, r->id);
	if (!s)
		connection_failed(c, 125, "there is no session %u", r->id);
	else if (session_kill(s, r->signal) < 0)
		connection_failed(
		    c, 125, "session %u: %s", r->id, strerror(errno));
	else
		connection_exited(c, 0);
}

static void
open_attach(struct connection *c, const struct request *r)
{
	struct session *s = session_find(c->agent, r->id);

	if (!s || s->pid == 0)
		connection_failed(c, 125, "there is no session %u", r->id);
	else
		session_attach(c, s, r);
}

static void
open_clock(struct connection *c, const struct request *r)
{
	if (clock_set(r->clock_ns) < 0)
		connection_failed(c, 125, "clock: %s", strerror(errno));
	else
		connection_exited(c, 0);
}

static void
open_stop(struct connection *c, const struct request *r)
{
	struct stop_request stop = {
	    .signal = r->signal, .deadline_ms = r->grace_ms};

	connection_exited(c, 0);
	agent_stop(c->agent, &stop);
}

/* Where commands are restricted, so is all that gets around them. */
static bool
is_restricted(const struct agent *a, enum open_kind kind)
{
	if (!a->policy.wrapper && !a->policy.allow)
		return false;
	switch (kind) {
	case OPEN_EXEC:
	case OPEN_ATTACH:
	case OPEN_LIST:
	case OPEN_PS:
	case OPEN_LOGS:
	case OPEN_CLOCK:
	case OPEN_PING:
	case OPEN_STOP:
		return false;
	default:
		return true;
	}
}

void
open_request(struct connection *c, struct request *r)
{
	if (is_restricted(c->agent, r->kind)) {
		connection_failed(c, 126, "not allowed in this VM");
		return;
	}
	switch (r->kind) {
	case OPEN_EXEC:
		session_exec(c, r, NULL);
		break;
	case OPEN_ATTACH:
		open_attach(c, r);
		break;
	case OPEN_LIST:
		open_list(c);
		break;
	case OPEN_KILL:
		open_kill(c, r);
		break;
	case OPEN_PS:
		session_exec(c, r, processes_list);
		break;
	case OPEN_LOGS:
		logs_open(c, r);
		break;
	case OPEN_CONNECT:
		forward_connect(c, r);
		break;
	case OPEN_LISTEN:
		forward_listen(c, r);
		break;
	case OPEN_JOIN:
		forward_join(c, r);
		break;
	case OPEN_PUT:
		session_exec(c, r, copy_put);
		break;
	case OPEN_GET:
		session_exec(c, r, copy_get);
		break;
	case OPEN_FREEZE:
		session_exec(c, r, freeze_all);
		break;
	case OPEN_THAW:
		session_exec(c, r, thaw_all);
		break;
	case OPEN_CLOCK:
		open_clock(c, r);
		break;
	case OPEN_PING:
		connection_exited(c, 0);
		break;
	case OPEN_STOP:
		open_stop(c, r);
		break;
	}
}
