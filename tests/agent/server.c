/* SPDX-License-Identifier: MIT */
/*
 * server.c - the agent as vk-boot sees it: the announcing connection, the main
 * command, and how it all ends. The agent runs as an ordinary process.
 */
#include "common/announce.h"
#include "common/io.h"
#include "common/scope.h"
#include "common/session.h"
#include "tests/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define EARLY 10 /* tries: it is a race */

static char folder[64];
static pid_t agent_pid;
static int host = -1; /* the agent's announcing connection */
static struct announce announce;

static const char *
path_of(const char *name)
{
	static char path[2][108];
	static int turn;

	turn = !turn;
	snprintf(path[turn], sizeof(path[turn]), "%s/%s", folder, name);
	return path[turn];
}

static int
listen_at(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	unlink(path);
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, 8) < 0)
		perror(path);
	return fd;
}

/* Starts an agent and takes its announcing connection. */
static void
start_agent(void)
{
	const char *build = getenv("BUILD");
	char program[256], listen_arg[128], announce_arg[128];
	cleanup_fd int listener = listen_at(path_of("announce"));

	snprintf(
	    program, sizeof(program), "%s/vk-agent", build ? build : "build");
	snprintf(listen_arg, sizeof(listen_arg), "unix:%s", path_of("vsock"));
	snprintf(
	    announce_arg, sizeof(announce_arg), "unix:%s", path_of("announce"));
	agent_pid = fork();
	if (agent_pid == 0) {
		execl(program, program, "--listen", listen_arg, "--announce",
		    announce_arg, (char *)NULL);
		perror(program);
		_exit(127);
	}
	host = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	announce_init(&announce);
}

static int
next(struct announce_event *event)
{
	struct err e = ERR_INIT;
	int got = announce_next(&announce, host, event, &e);

	if (got < 0)
		printf("# %s\n", e.text);
	return got;
}

/* Reads announcements up to READY. */
static void
await_ready(void)
{
	struct announce_event event;

	while (next(&event) == ANNOUNCE_EVENT && event.type != FRAME_READY)
		continue;
}

/* Until a command has set its traps, it removes the file that it was given. */
static void
await_traps(const char *unready)
{
	const struct timespec moment = {.tv_nsec = 20000000};

	for (int i = 0; i < 3000 && access(unready, F_OK) == 0; i++)
		nanosleep(&moment, NULL);
}

/* Waits for the agent's end. Returns its status; -1 after half a minute. */
static int
agent_end(void)
{
	const struct timespec moment = {.tv_nsec = 10000000};
	int status = -1;

	for (int i = 0; i < 3000; i++) {
		if (waitpid(agent_pid, &status, WNOHANG) == agent_pid) {
			announce_release(&announce);
			fd_close(&host);
			return status;
		}
		nanosleep(&moment, NULL);
	}
	kill(agent_pid, SIGKILL);
	waitpid(agent_pid, NULL, 0);
	return -1;
}

/* A session whose stdout is caught in text. */
static int
run(struct session_request *r, struct session_result *result, char *text,
    size_t size)
{
	struct err e = ERR_INIT;
	cleanup_fd int fd = session_connect(path_of("vsock"), &e);
	int ends[2], status;
	ssize_t n;

	if (fd < 0 || pipe2(ends, O_CLOEXEC) < 0)
		return -1;
	r->port = EXEC_PORT;
	r->out = ends[1];
	r->err = STDERR_FILENO;
	status = session_run(fd, r, result, &e);
	close(ends[1]);
	n = io_read(ends[0], text, size - 1);
	text[n > 0 ? n : 0] = '\0';
	close(ends[0]);
	if (status < 0)
		printf("# %s\n", e.text);
	return status;
}

static void
test_announcement(void)
{
	struct announce_event event;

	start_agent();
	is_int(next(&event), ANNOUNCE_EVENT, "something is announced");
	is_int(event.type, FRAME_HELLO, "HELLO first");
	ok(event.stage_count >= 1 &&
		strcmp(event.stages[event.stage_count - 1].name, "ready") == 0,
	    "with the boot's stages");
	is_int(next(&event), ANNOUNCE_EVENT, "more");
	is_int(event.type, FRAME_IMAGE, "the image's configuration");
	is_int(event.image_len, 0, "which is empty here");
	is_int(next(&event), ANNOUNCE_EVENT, "more");
	is_int(event.type, FRAME_READY, "READY");
}

/* The environment of `docker run`, word by word. */
static void
test_main(void)
{
	const char *argv[] = {"sh", "-c", "env | sort; pwd; exit 42", NULL};
	const char *env[] = {"PATH=/usr/bin:/bin", "A=b c", NULL};
	struct session_request r = SESSION_REQUEST_INIT;
	struct session_result result;
	struct announce_event event;
	char text[4096], expected[512], name[65] = "", dir[128];

	gethostname(name, sizeof(name) - 1);
	snprintf(dir, sizeof(dir), "%s/made/for/it", folder);
	snprintf(expected, sizeof(expected),
	    "A=b c\nHOME=/root\nHOSTNAME=%s\nPATH=/usr/bin:/bin\nPWD=%s\n%s\n",
	    name, dir, dir);
	r.argv = (char *const *)argv;
	r.env = (char *const *)env;
	r.dir = dir;
	r.flags = OPEN_MAIN;
	is_int(run(&r, &result, text, sizeof(text)), 0, "the main command");
	is_int(session_status(&result), 42, "its status");
	is_str(text, expected, "its environment; its directory was made");
	is_int(next(&event), ANNOUNCE_EVENT, "its end is told");
	ok(event.type == FRAME_EVENT && event.kind == EVENT_EXITED &&
		strcmp(event.text, "exit 42") == 0,
	    "with its status (%s)", event.text);
	is_int(next(&event), ANNOUNCE_EVENT, "and that it goes down");
	is_int(event.kind, EVENT_POWER_OFF, "power off");
	is_int(agent_end(), 0, "the agent ends with its main command");
}

/* Later commands ask for what the main one was given. */
static void *
run_main(void *context)
{
	struct session_request *r = context;
	struct session_result *result = malloc(sizeof(*result));
	struct err e = ERR_INIT;
	cleanup_fd int fd = session_connect(path_of("vsock"), &e);

	r->port = EXEC_PORT;
	if (session_run(fd, r, result, &e) < 0)
		printf("# %s\n", e.text);
	return result;
}

static void
test_defaults_and_stop(void)
{
	char unready[] = "/tmp/vk-test.XXXXXX";
	const char *main_argv[] = {"sh", "-c",
	    "trap 'exit 9' USR1; rm \"$0\"; while :; do sleep 0.1; done",
	    unready, NULL};
	const char *env[] = {"FROM=main", "BOTH=main", NULL};
	const char *argv[] = {"sh", "-c", "echo $FROM $BOTH $PWD", NULL};
	const char *own[] = {"BOTH=own", NULL};
	struct session_request m = SESSION_REQUEST_INIT, r = m;
	struct session_result result, *main_result;
	struct announce_stop stop = {.deadline_ms = 5000};
	pthread_t thread;
	char text[512];
	const struct timespec moment = {.tv_nsec = 20000000};

	close(mkstemp(unready));
	start_agent();
	await_ready();
	m.argv = (char *const *)main_argv;
	m.env = (char *const *)env;
	m.dir = "/usr";
	m.flags = OPEN_MAIN;
	m.signal = SIGUSR1; /* the image's StopSignal */
	pthread_create(&thread, NULL, run_main, &m);
	r.argv = (char *const *)argv;
	r.env = (char *const *)own;
	r.flags = OPEN_DEFAULTS;
	for (int i = 0; i < 1000; i++) { /* until the main one was opened */
		run(&r, &result, text, sizeof(text));
		if (strncmp(text, "main", 4) == 0)
			break;
		nanosleep(&moment, NULL);
	}
	is_str(text, "main own /usr\n",
	    "OPEN_DEFAULTS: the main command's environment and directory");
	r.flags = OPEN_DEFAULTS | OPEN_NO_ENV;
	run(&r, &result, text, sizeof(text));
	is_str(text, "own /usr\n", "OPEN_NO_ENV: without the environment");
	r.flags = OPEN_MAIN;
	run(&r, &result, text, sizeof(text));
	is_int(session_status(&result), 125, "a second main is refused");
	await_traps(unready);
	ok(announce_stop(host, &stop) == 0, "STOP is said");
	pthread_join(thread, (void **)&main_result);
	is_int(session_status(main_result), 9,
	    "the main command had its own signal");
	free(main_result);
	is_int(agent_end(), 0, "and the agent ends");
}

/* A main command that ignores everything, and a host that is gone. */
static void
test_deadlines(void)
{
	char unready[] = "/tmp/vk-test.XXXXXX";
	const char *argv[] = {"sh", "-c",
	    "trap '' TERM; rm \"$0\"; while :; do sleep 1; done", unready,
	    NULL};
	struct session_request m = SESSION_REQUEST_INIT;
	struct announce_stop stop = {.deadline_ms = 200};
	struct session_result *result;
	struct timespec before, after;
	pthread_t thread;
	struct err e = ERR_INIT;

	close(mkstemp(unready));
	start_agent();
	await_ready();
	m.argv = (char *const *)argv;
	m.flags = OPEN_MAIN;
	pthread_create(&thread, NULL, run_main, &m);
	await_traps(unready);
	clock_gettime(CLOCK_MONOTONIC, &before);
	announce_stop(host, &stop);
	pthread_join(thread, (void **)&result);
	is_int(session_status(result), 137, "its client is told");
	free(result);
	is_int(agent_end(), 0, "the deadline ends what ignores TERM");
	clock_gettime(CLOCK_MONOTONIC, &after);
	ok(after.tv_sec - before.tv_sec < 8, "before ten seconds are over");

	start_agent();
	await_ready();
	(void)e;
	kill(agent_pid, SIGTERM);
	is_int(agent_end(), 0, "SIGTERM ends an agent that serves nobody");
}

/* A signal that follows at once what it is for. */
static void
test_early_signals(void)
{
	const char *argv[] = {"sleep", "3", NULL};
	const uint8_t number = SIGUSR1;
	struct session_result result;
	int reached = 0, ends[2];
	char text[64];

	start_agent();
	await_ready();
	for (int i = 0; i < EARLY; i++) {
		struct session_request r = SESSION_REQUEST_INIT;

		if (pipe2(ends, O_CLOEXEC) < 0 ||
		    write(ends[1], &number, 1) < 0)
			return;
		r.argv = (char *const *)argv;
		r.signals = ends[0];
		run(&r, &result, text, sizeof(text));
		reached += session_status(&result) == 128 + SIGUSR1;
		close(ends[0]);
		close(ends[1]);
	}
	is_int(reached, EARLY, "signals reach commands that have just begun");
	kill(agent_pid, SIGTERM);
	agent_end();
}

/* A client of another version, and clients that break the rules. */
static void
say_raw(const void *bytes, size_t len, char *answer, size_t size)
{
	struct err e = ERR_INIT;
	cleanup_fd int fd = session_connect(path_of("vsock"), &e);
	char line[16];
	ssize_t n;

	if (io_write(fd, "CONNECT 30315\n", 14) < 0 ||
	    io_read(fd, line, 9) != 9 || io_write(fd, bytes, len) < 0)
		perror("write");
	shutdown(fd, SHUT_WR);
	n = io_read(fd, answer, size - 1);
	answer[n > 0 ? n : 0] = '\0';
	for (ssize_t i = 0; i < n; i++)
		if (answer[i] == '\0')
			answer[i] = ' ';
}

static void
test_breaches(void)
{
	static const uint8_t version[] = {
	    8, 0, 0, 0, 1, 0, 0, 0, 'v', 'k', 'x', 'e', 99, 0, 0, 0};
	static const uint8_t long_open[] = {8, 0, 0, 0, 1, 0, 0, 0, 'v', 'k',
	    'x', 'e', 1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0};
	static const uint8_t bad_item[] = {8, 0, 0, 0, 1, 0, 0, 0, 'v', 'k',
	    'x', 'e', 1, 0, 0, 0, 7, 0, 0, 0, 2, 0, 0, 0, 0xff, 0xff, 0, 0, 1,
	    0, 1};
	char answer[512];
	struct session_request r = SESSION_REQUEST_INIT;
	struct session_result result;
	const char *argv[] = {"true", NULL};

	start_agent();
	await_ready();
	say_raw(version, sizeof(version), answer, sizeof(answer));
	ok(strstr(answer, "speaks version 99") != NULL,
	    "another version is told so");
	say_raw(long_open, sizeof(long_open), answer, sizeof(answer));
	ok(strlen(answer) <= 16, "a length that lies: no answer, no memory");
	say_raw(bad_item, sizeof(bad_item), answer, sizeof(answer));
	ok(strstr(answer, "malformed") != NULL, "malformed items are refused");
	say_raw("GET / HTTP/1.0\r\n\r\n", 18, answer, sizeof(answer));
	r.argv = (char *const *)argv;
	is_int(run(&r, &result, answer, sizeof(answer)), 0,
	    "others are served all the while");
	kill(agent_pid, SIGTERM);
	is_int(agent_end(), 0, "and it ends in order");
}

int
main(void)
{
	snprintf(folder, sizeof(folder), "/tmp/vk-test.XXXXXX");
	if (!mkdtemp(folder))
		return 1;
	unsetenv("LANG");
	signal(SIGPIPE, SIG_IGN);
	test_announcement();
	test_main();
	test_defaults_and_stop();
	test_deadlines();
	test_early_signals();
	test_breaches();
	unlink(path_of("vsock"));
	unlink(path_of("announce"));
	rmdir(path_of("made/for/it"));
	rmdir(path_of("made/for"));
	rmdir(path_of("made"));
	rmdir(folder);
	return tap_done();
}
