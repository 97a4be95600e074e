/* SPDX-License-Identifier: MIT */
/* guest_agent.c - an agent that never stops announcing is not all there is */
#include "cmd/vk-boot/guest_parts.h"
#include "cmd/vk-boot/virtio/vsock.h"

#include "common/scope.h"
#include "tests/tap.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

/* More than is taken in a turn, fewer than a socket holds. */
#define EVENTS 1000
/* Those that are told, and the few that are again while the test runs. */
#define TOLD_MAX 150
/* For a loop that does not come back. */
#define LIMIT_S 60

static struct status status;
static struct guest g;

static void
announce(struct buf *b, enum event kind)
{
	uint8_t payload[] = {(uint8_t)kind, 'a', 'b', 'c'};

	frame_add(b, FRAME_EVENT, 0, payload, sizeof(payload));
}

static unsigned
lines_told(void)
{
	static char text[1 << 20];
	ssize_t n = pread(status.lines.fd, text, sizeof(text), 0);
	unsigned count = 0;

	for (ssize_t i = 0; i < n; i++)
		count += text[i] == '\n';
	return count;
}

/* All of it is heard, whatever a turn takes. */
static void
test_turns(int agent)
{
	struct buf b cleanup_buf = BUF_INIT(1 << 20);
	unsigned turns = 0;

	for (unsigned i = 0; i < EVENTS; i++)
		announce(&b, EVENT_LOG);
	announce(&b, EVENT_POWER_OFF);
	ok(write(agent, b.data, b.len) == (ssize_t)b.len, "many events");
	while (!g.going_down && loop_turn(g.loop, 1000) > 0)
		turns++;
	ok(g.going_down && turns > 1, "are heard in some turns");
	is_int(loop_turn(g.loop, 0), 0, "then it waits");
	ok(lines_told() > 0 && lines_told() < TOLD_MAX, "%u are told",
	    lines_told());
}

/* The agent has 32 bits for the milliseconds that it is given. */
static void
test_stop(int agent)
{
	uint8_t said[64] = {0};
	ssize_t n;

	g.stop_due = true;
	g.stop_timeout_ms = 1ull << 32;
	guest_stop_tell(&g);
	n = recv(agent, said, sizeof(said), MSG_DONTWAIT);
	ok(n > 4 && said[n - 4] == 0xff && said[n - 1] == 0xff,
	    "two months to stop are not cut to nothing");
}

static void
test_flood(int agent)
{
	struct buf b cleanup_buf = BUF_INIT(1 << 20);
	pid_t pid = fork();

	for (unsigned i = 0; i < EVENTS; i++)
		announce(&b, EVENT_OOM);
	while (pid == 0 && write(agent, b.data, b.len) > 0)
		continue;
	if (pid == 0)
		_exit(0);
	for (int i = 0; i < EVENTS; i++)
		loop_turn(g.loop, 1000);
	ok(g.agent.added, "others have their turn beside a flood");
	ok(lines_told() < TOLD_MAX, "of which few are told (%u)", lines_told());
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

int
main(void)
{
	char folder[] = "/tmp/vk-test.XXXXXX";
	struct vsock_config vsock = {0};
	struct guest_config config = {.status = &status};
	static const struct gmem none;
	struct err e = ERR_INIT;
	int ends[2];

	signal(SIGPIPE, SIG_IGN);
	alarm(LIMIT_S);
	status_init(&status, -1, memfd_create("status", MFD_CLOEXEC));
	if (!mkdtemp(folder) || socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0)
		return 1;
	vsock.run_folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	g = (struct guest){.config = &config, .loop = loop_new("main", &e)};
	config.vsock = vsock_new(g.loop, &none, &vsock, &e);
	if (!config.vsock || guest_agent_open(&g, &e) < 0 ||
	    write(g.arrival_writer, ends, sizeof(ends[0])) < 0)
		return 1;
	loop_turn(g.loop, 1000);
	ok(g.agent.added, "an agent calls");
	test_turns(ends[1]);
	test_stop(ends[1]);
	test_flood(ends[1]);
	guest_agent_release(&g);
	virtio_device_free(config.vsock);
	loop_free(g.loop);
	close(ends[1]);
	close(status.lines.fd);
	status_release(&status);
	close(vsock.run_folder);
	rmdir(folder);
	return tap_done();
}
