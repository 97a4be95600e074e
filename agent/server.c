/* SPDX-License-Identifier: MIT */
/*
 * server.c - the agent as a whole: who may connect, who is told, how it ends
 *
 * Going down:  RUNNING -> ASKED -> KILLED -> DOWN
 *
 *	ASKED	the main command has its signal; it may take until the deadline
 *	KILLED	everything else gets TERM, a moment, and KILL
 *	DOWN	disks are written and unmounted, the power goes (power.c)
 */
#include "agent/server.h"

#include "agent/clock.h"
#include "agent/connection.h"
#include "agent/freeze.h"
#include "agent/power.h"
#include "agent/session.h"
#include "common/io.h"
#include "common/log.h"
#include "common/scope.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#define STAGES_MAX 24
/* Between TERM and KILL for what is left when the main command is over. */
#define LEFTOVER_MS 500
/* An init that takes longer than a user waits is no fault of ours. */
#define DEADLINE_MS 10000
/* An init drops a signal that it has no handler for yet; it is asked again. */
#define AGAIN_MS 1000
/* Children that are reaped before others get their turn: a fork bomb's may die
 * as fast as they are reaped. */
#define TURN_CHILDREN 256
#define TURN_MS       1
/* No descriptor was free: then it is tried again. */
#define FULL_MS 100
/* How much the host may leave unread before events are dropped. */
#define EVENTS_MAX (FRAME_IMAGE_MAX + 2 * FRAME_DATA_MAX)

static struct {
	struct watch listener, signals, host;
	bool listener_is_unix;
	struct frame_reader reader;
	struct buf out; /* to the host */
	struct timer deadline, again, reaping, listening;
	int stop_signal; /* what the main command is asked by */
	enum { RUNNING, ASKED, KILLED, DOWN } state;
	bool reboot;
	struct {
		uint64_t ns;
		const char *name;
	} stages[STAGES_MAX];
	unsigned stage_count;
	struct agent *agent;
} server = {.listener.fd = -1, .signals.fd = -1, .host.fd = -1};

/* ---- sockets --------------------------------------------------------------
 */

union address {
	struct sockaddr any;
	struct sockaddr_un local;
	struct sockaddr_vm vsock;
};

/* "vsock:PORT" or "unix:PATH". Returns the length, 0 with err. */
static socklen_t
parse_address(const char *text, unsigned cid, union address *a, struct err *e)
{
	*a = (union address){.any.sa_family = AF_UNSPEC};
	if (strncmp(text, "vsock:", 6) == 0) {
		a->vsock.svm_family = AF_VSOCK;
		a->vsock.svm_cid = cid;
		a->vsock.svm_port = (unsigned)strtoul(text + 6, NULL, 10);
		return sizeof(a->vsock);
	}
	if (strncmp(text, "unix:", 5) == 0 &&
	    strlen(text + 5) < sizeof(a->local.sun_path)) {
		a->local.sun_family = AF_UNIX;
		memcpy(a->local.sun_path, text + 5, strlen(text + 5) + 1);
		return sizeof(a->local);
	}
	err_set(e, EX_USAGE, "%s: neither vsock:PORT nor unix:PATH", text);
	return 0;
}

/* By vsock users of the guest can come, too (its loopback), and VMs that the
 * guest runs: what is done here is done as root, for the host alone. */
static bool
is_host(const union address *a)
{
	return a->any.sa_family != AF_VSOCK ||
	       a->vsock.svm_cid == VMADDR_CID_HOST;
}

static void
listen_again(struct timer *t)
{
	(void)t;
	loop_want(&server.agent->loop, &server.listener, EPOLLIN);
}

/* One a turn: whoever knocks all the time does not keep the others waiting, and
 * whoever cannot be let in, for want of descriptors, nobody at all. */
static void
listener_ready(struct watch *w, uint32_t events)
{
	struct loop *loop = &server.agent->loop;
	union address from = {.any.sa_family = AF_UNSPEC};
	socklen_t len = sizeof(from);
	int fd = accept4(w->fd, &from.any, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)events;
	if (fd < 0 && errno != EAGAIN) {
		loop_want(loop, w, 0);
		loop_timer(loop, &server.listening, FULL_MS, listen_again);
	}
	if (fd >= 0 && !is_host(&from))
		close(fd);
	else if (fd >= 0)
		connection_new(server.agent, fd,
		    server.listener_is_unix ? CONNECTION_LINE
					    : CONNECTION_GREETING);
}

int
server_listen(struct agent *agent, const char *text, struct err *e)
{
	union address a;
	socklen_t len = parse_address(text, VMADDR_CID_ANY, &a, e);
	cleanup_fd int fd = -1;

	if (len == 0)
		return -1;
	server.agent = agent;
	server.listener_is_unix = a.any.sa_family == AF_UNIX;
	if (server.listener_is_unix)
		unlink(a.local.sun_path);
	fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, &a.any, len) < 0 || listen(fd, 128) < 0 ||
	    loop_add(&agent->loop, &server.listener, fd, EPOLLET,
		listener_ready) < 0)
		return err_errno(e, EX_OSERR, "%s", text);
	server.listener.events = 0;
	steal_fd(&fd);
	return 0;
}

/* ---- the host -------------------------------------------------------------
 */

static void
flush_host(void)
{
	ssize_t n;

	if (server.host.fd < 0)
		return;
	while (server.out.len > 0) {
		n = send(server.host.fd, server.out.data, server.out.len,
		    MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break;
		buf_drop(&server.out, (size_t)n);
	}
	loop_want(&server.agent->loop, &server.host,
	    server.out.len ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

static void
take_host_frame(const struct frame *f)
{
	struct cursor c = cursor_of(f->data, f->len);
	struct stop_request stop = {0};

	switch (f->type) {
	case FRAME_STOP:
		stop.signal = get_u8(&c);
		stop.reboot = get_u8(&c);
		get_le16(&c);
		stop.deadline_ms = get_le32(&c);
		if (!c.bad && stop.signal < NSIG)
			agent_stop(server.agent, &stop);
		break;
	case FRAME_CLOCK: {
		uint64_t ns = get_le64(&c);

		if (!c.bad && clock_set(ns) < 0)
			log_warn("clock: %s", strerror(errno));
		break;
	}
	default:
		break; /* a later host may say more */
	}
}

static void
host_ready(struct watch *w, uint32_t events)
{
	struct err e = ERR_INIT;
	struct frame f;
	ssize_t n;

	if (events & EPOLLOUT)
		flush_host();
	if (!(events & ~(uint32_t)EPOLLOUT))
		return;
	n = frame_fill(&server.reader, w->fd);
	if (n < 0 && errno == EAGAIN)
		return;
	while (n > 0 && frame_next(&server.reader, &f, &e) > 0)
		take_host_frame(&f);
	if (n <= 0) {
		log_info("the host does not listen any more");
		loop_remove(&server.agent->loop, w);
	}
}

int
server_announce(struct agent *agent, const char *text, struct err *e)
{
	union address a;
	socklen_t len = parse_address(text, VMADDR_CID_HOST, &a, e);
	cleanup_fd int fd = -1;

	if (len == 0)
		return -1;
	server.agent = agent;
	buf_init(&server.out, EVENTS_MAX);
	fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, &a.any, len) < 0 ||
	    frame_reader_init(&server.reader, FRAME_DATA_MAX) < 0 ||
	    loop_add(&agent->loop, &server.host, fd, EPOLLIN, host_ready) < 0)
		return err_errno(e, EX_OSERR, "%s", text);
	steal_fd(&fd);
	return 0;
}

void
agent_event(struct agent *a, enum event event, const char *fmt, ...)
{
	char text[512];
	va_list ap;
	size_t len;

	(void)a;
	va_start(ap, fmt);
	len = frame_text(text, sizeof(text), (int)event, fmt, ap);
	va_end(ap);
	if (server.host.fd >= 0)
		frame_add(&server.out, FRAME_EVENT, 0, text, len);
	flush_host();
}

void
server_stage(const char *name)
{
	struct timespec t;

	if (server.stage_count == STAGES_MAX)
		return;
	clock_gettime(CLOCK_BOOTTIME, &t);
	server.stages[server.stage_count].name = name;
	server.stages[server.stage_count++].ns =
	    (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void
say_hello(void)
{
	uint8_t payload[FRAME_CONTROL_MAX];
	struct writer w = writer_of(payload, sizeof(payload));

	put_le(&w, EXEC_MAGIC, 4);
	put_le(&w, EXEC_VERSION, 2);
	put_le(&w, 0, 2);
	for (unsigned i = 0; i < server.stage_count; i++) {
		const char *name = server.stages[i].name;

		put_le(&w, server.stages[i].ns, 8);
		put_le(&w, strlen(name), 1);
		put_bytes(&w, name, strlen(name));
	}
	frame_add(&server.out, FRAME_HELLO, 0, payload, writer_len(&w));
}

/* The image's own word on what it runs; the host parses it. */
static void
say_image(struct agent *a)
{
	char path[4096];
	cleanup_free char *text = malloc(FRAME_IMAGE_MAX);
	cleanup_fd int fd = -1;
	ssize_t n = 0;

	snprintf(path, sizeof(path), "%s/.vk/image.json",
	    a->policy.root ? a->policy.root : "");
	fd = io_open_regular(path, O_NOFOLLOW);
	if (fd >= 0 && text)
		n = io_read(fd, text, FRAME_IMAGE_MAX);
	frame_add(&server.out, FRAME_IMAGE, 0, text, n > 0 ? (size_t)n : 0);
}

void
server_ready(struct agent *a)
{
	server_stage("ready");
	loop_want(&a->loop, &server.listener, EPOLLIN);
	if (server.host.fd < 0)
		return;
	say_hello();
	say_image(a);
	frame_add(&server.out, FRAME_READY, 0, NULL, 0);
	flush_host();
}

/* ---- going down -----------------------------------------------------------
 */

static void
go_down(struct timer *t)
{
	(void)t;
	server.state = DOWN;
	server.agent->loop.stop = true;
}

/* Whether any process but ours is left (process 1 sees all of them). */
static bool
is_alone(void)
{
	siginfo_t info;

	return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 &&
	       errno == ECHILD;
}

/* Whoever froze the file systems is not waited for: what still writes could
 * not end, and disks could not be closed. */
static void
let_disks_go_on(const struct agent *a)
{
	if (a->policy.is_init && server.state == RUNNING)
		thaw_all(NULL);
}

static void
kill_rest(struct timer *t)
{
	(void)t;
	if (server.state >= KILLED)
		return;
	let_disks_go_on(server.agent);
	server.state = KILLED;
	power_signal_all(server.agent, SIGTERM);
	if (is_alone())
		go_down(NULL);
	else
		loop_timer(&server.agent->loop, &server.deadline, LEFTOVER_MS,
		    go_down);
}

/* The main command had its time: its end is told to its client yet. */
static void
kill_main(struct timer *t)
{
	struct agent *a = server.agent;

	(void)t;
	if (a->main)
		session_kill(a->main, SIGKILL);
	loop_timer(&a->loop, &server.deadline, LEFTOVER_MS, kill_rest);
}

static void
ask_init_again(struct timer *t)
{
	struct agent *a = server.agent;

	if (server.state != ASKED || !a->main || a->main->ended)
		return;
	session_kill(a->main, server.stop_signal);
	loop_timer(&a->loop, t, AGAIN_MS, ask_init_again);
}

void
agent_stop(struct agent *a, const struct stop_request *stop)
{
	int signal = stop->signal;

	if (server.state >= KILLED)
		return;
	if (server.state == RUNNING)
		agent_event(a, stop->reboot ? EVENT_REBOOT : EVENT_POWER_OFF,
		    "as asked");
	let_disks_go_on(a);
	server.state = ASKED;
	server.reboot = server.reboot || stop->reboot;
	if (!a->main || a->main->ended) {
		kill_rest(NULL);
		return;
	}
	if (signal == 0)
		signal = a->main_signal;
	if (signal == 0) /* systemd(1): SIGRTMIN+4 powers off, +5 reboots */
		signal = !a->handed_over ? SIGTERM
			 : stop->reboot  ? 34 + 5
					 : 34 + 4;
	server.stop_signal = signal;
	session_kill(a->main, signal);
	if (a->handed_over)
		loop_timer(&a->loop, &server.again, AGAIN_MS, ask_init_again);
	loop_timer(&a->loop, &server.deadline,
	    stop->deadline_ms ? stop->deadline_ms : DEADLINE_MS,
	    a->handed_over ? kill_rest : kill_main);
}

void
agent_main_over(struct agent *a, bool keep)
{
	if (keep && server.state == RUNNING)
		return;
	if (server.state == RUNNING)
		agent_event(a, EVENT_POWER_OFF, "the main command ended");
	kill_rest(NULL);
}

/* ---- signals and children -------------------------------------------------
 */

static void reap(struct agent *);

static void
reap_more(struct timer *t)
{
	(void)t;
	reap(server.agent);
}

static void
reap(struct agent *a)
{
	siginfo_t info;
	int status, count = 0;

	for (;;) {
		if (count++ == TURN_CHILDREN) {
			loop_timer(
			    &a->loop, &server.reaping, TURN_MS, reap_more);
			return;
		}
		info.si_pid = 0;
		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 ||
		    info.si_pid == 0)
			break;
		status = info.si_code == CLD_EXITED
			     ? (info.si_status & 0xff) << 8
			     : info.si_status |
				   (info.si_code == CLD_DUMPED ? 0x80 : 0);
		session_child_ended(a, info.si_pid, status);
		waitpid(info.si_pid, NULL, 0);
	}
	if (server.state == KILLED && is_alone())
		go_down(NULL);
}

/* What init programs understand, see the table in vk-agent(8). */
static void
take_signal(struct agent *a, int number)
{
	struct stop_request stop = {0};

	if (number == SIGCHLD) {
		reap(a);
		return;
	}
	if (a->handed_over)
		return; /* it is for process 1, which is another's */
	if (a->policy.is_init)
		stop.reboot =
		    number == SIGTERM || number == SIGINT || number == 34 + 5;
	agent_stop(a, &stop);
}

static void
signals_ready(struct watch *w, uint32_t events)
{
	struct signalfd_siginfo info[8];
	ssize_t n = read(w->fd, info, sizeof(info));

	(void)events;
	for (ssize_t i = 0; i < n / (ssize_t)sizeof(info[0]); i++)
		take_signal(server.agent, (int)info[i].ssi_signo);
}

int
server_signals(struct agent *a)
{
	static const int numbers[] = {SIGCHLD, SIGTERM, SIGINT, SIGUSR1,
	    SIGUSR2, SIGPWR, 34 + 3, 34 + 4, 34 + 5};
	sigset_t set;
	int fd;

	server.agent = a;
	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		sigaddset(&set, numbers[i]);
	for (int i = 1; i < NSIG; i++) /* whatever our parent ignored */
		signal(i, SIG_DFL);
	signal(SIGPIPE, SIG_IGN);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -1;
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return -1;
	return loop_add(&a->loop, &server.signals, fd, EPOLLIN, signals_ready);
}

void
agent_moved(struct agent *a)
{
	/* An epoll set waits for the signals of who added the descriptor. */
	loop_remove(&a->loop, &server.signals);
	if (server_signals(a) < 0)
		log_warn("signals: %s", strerror(errno));
	reap(a);
}

void
server_run(struct agent *a)
{
	loop_run(&a->loop);
	flush_host();
	power_down(a, server.reboot);
}
