/* SPDX-License-Identifier: MIT */
/*
 * vk-lag.c - a long way to a server of this machine
 *
 *	vk-lag PORT DELAY_MS BYTES
 *
 * Relays connections to PORT on 127.0.0.1. What the server sends arrives
 * DELAY_MS later, and a connection carries at most BYTES a second. Prints its
 * own port, and ends with who started it.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* A turn of the relay carries what the rate allows in it. */
#define TURN_MS 5

static uint64_t delay_ms, rate;

static struct sockaddr_in
loopback(uint16_t port)
{
	return (struct sockaddr_in){.sin_family = AF_INET,
	    .sin_port = htons(port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static void
pause_ms(uint64_t ms)
{
	struct timespec t = {.tv_sec = (time_t)(ms / 1000),
	    .tv_nsec = (long)(ms % 1000) * 1000000};

	nanosleep(&t, NULL);
}

static int
write_all(int fd, const char *data, ssize_t length)
{
	while (length > 0) {
		ssize_t n = write(fd, data, (size_t)length);

		if (n < 0)
			return -1;
		data += n;
		length -= n;
	}
	return 0;
}

/* A request goes on at once, an answer after its delay and at the rate. */
static void
relay(int client, int server)
{
	static char buffer[64 << 10];
	size_t turn = (size_t)(rate * TURN_MS / 1000);
	bool waiting = true;

	if (turn > sizeof(buffer))
		turn = sizeof(buffer);
	for (;;) {
		struct pollfd p[2] = {{client, POLLIN, 0}, {server, POLLIN, 0}};
		ssize_t n;

		if (poll(p, 2, -1) < 0)
			return;
		if (p[0].revents) {
			n = read(client, buffer, sizeof(buffer));
			if (n <= 0 || write_all(server, buffer, n) < 0)
				return;
			waiting = true;
		}
		if (p[1].revents) {
			if (waiting)
				pause_ms(delay_ms);
			waiting = false;
			n = read(server, buffer, turn);
			if (n <= 0 || write_all(client, buffer, n) < 0)
				return;
			pause_ms((uint64_t)n * 1000 / rate);
		}
	}
}

static void
serve(int client, uint16_t port)
{
	struct sockaddr_in to = loopback(port);
	int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (connect(server, (struct sockaddr *)&to, sizeof(to)) == 0)
		relay(client, server);
	_exit(0);
}

int
main(int argc, char **argv)
{
	struct sockaddr_in here = loopback(0);
	socklen_t length = sizeof(here);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (argc != 4)
		return 64;
	delay_ms = strtoull(argv[2], NULL, 10);
	rate = strtoull(argv[3], NULL, 10);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	signal(SIGCHLD, SIG_IGN);
	if (rate < 1000 ||
	    bind(listener, (struct sockaddr *)&here, sizeof(here)) < 0 ||
	    listen(listener, 64) < 0 ||
	    getsockname(listener, (struct sockaddr *)&here, &length) < 0)
		return 71;
	printf("%d\n", ntohs(here.sin_port));
	fflush(stdout);
	for (;;) {
		int client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

		if (client < 0)
			continue;
		if (fork() == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			serve(client, (uint16_t)strtoul(argv[1], NULL, 10));
		}
		close(client);
	}
}
