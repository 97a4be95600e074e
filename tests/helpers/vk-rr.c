/* SPDX-License-Identifier: MIT */
/*
 * vk-rr.c - request and response over TCP, for latency
 *
 *	vk-rr serve ADDR PORT
 *	vk-rr rr|crr ADDR PORT CONCURRENCY SECONDS
 *
 * One byte there and one back. rr keeps its connections, crr makes a new one
 * for each request. Prints "RATE P50 P99": per second, microseconds.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONCURRENCY_MAX 1024
#define SAMPLES_MAX     (1 << 20)

static struct sockaddr_storage address;
static socklen_t address_len;
static uint64_t started_ns[CONCURRENCY_MAX];
static int sockets[CONCURRENCY_MAX];
static uint32_t samples_ns[SAMPLES_MAX];
static size_t count, failures;

static uint64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static int
parse_address(const char *addr, const char *port)
{
	struct sockaddr_in *in = (void *)&address;
	struct sockaddr_in6 *in6 = (void *)&address;

	in->sin_port = htons((uint16_t)strtoul(port, NULL, 10));
	if (inet_pton(AF_INET, addr, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		address_len = sizeof(*in);
		return 0;
	}
	in6->sin6_family = AF_INET6;
	address_len = sizeof(*in6);
	return inet_pton(AF_INET6, addr, &in6->sin6_addr) == 1 ? 0 : -1;
}

static int
serve(void)
{
	int listener = socket(address.ss_family, SOCK_STREAM, 0);
	int epoll = epoll_create1(0), one = 1;
	struct epoll_event e = {.events = EPOLLIN, .data.fd = listener};

	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(listener, (void *)&address, address_len) < 0 ||
	    listen(listener, 4096) < 0)
		return 1;
	epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &e);
	puts("ready");
	fflush(stdout);
	for (;;) {
		struct epoll_event events[64];
		int n = epoll_wait(epoll, events, 64, -1);

		for (int i = 0; i < n; i++) {
			int fd = events[i].data.fd;
			char byte;

			if (fd == listener) {
				fd = accept(listener, NULL, NULL);
				setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one,
				    sizeof(one));
				e.data.fd = fd;
				epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e);
			} else if (read(fd, &byte, 1) != 1 ||
				   write(fd, &byte, 1) != 1) {
				close(fd);
			}
		}
	}
}

static void
open_one(int epoll, int i)
{
	int one = 1;
	struct epoll_event e = {.events = EPOLLOUT, .data.u32 = (uint32_t)i};

	sockets[i] = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
	setsockopt(sockets[i], IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	started_ns[i] = now_ns();
	if (connect(sockets[i], (void *)&address, address_len) < 0 &&
	    errno != EINPROGRESS)
		failures++;
	epoll_ctl(epoll, EPOLL_CTL_ADD, sockets[i], &e);
}

static void
handle(int epoll, int i, uint32_t events, bool fresh)
{
	struct epoll_event e = {.events = EPOLLIN, .data.u32 = (uint32_t)i};
	char byte = 'x';

	if (events & EPOLLOUT) { /* connected */
		if (!fresh)
			started_ns[i] = now_ns();
		if (write(sockets[i], &byte, 1) != 1)
			failures++;
		epoll_ctl(epoll, EPOLL_CTL_MOD, sockets[i], &e);
		return;
	}
	if (read(sockets[i], &byte, 1) != 1) {
		failures++;
		close(sockets[i]);
		open_one(epoll, i);
		return;
	}
	samples_ns[count++ % SAMPLES_MAX] =
	    (uint32_t)(now_ns() - started_ns[i]);
	if (fresh) {
		close(sockets[i]);
		open_one(epoll, i);
		return;
	}
	started_ns[i] = now_ns();
	if (write(sockets[i], &byte, 1) != 1)
		failures++;
}

static int
compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static int
measure(bool fresh, int concurrency, double seconds)
{
	int epoll = epoll_create1(0);
	uint64_t start = now_ns(), end = start + (uint64_t)(seconds * 1e9);
	size_t kept;

	for (int i = 0; i < concurrency; i++)
		open_one(epoll, i);
	while (now_ns() < end) {
		struct epoll_event events[64];
		int n = epoll_wait(epoll, events, 64, 100);

		for (int k = 0; k < n; k++)
			handle(epoll, (int)events[k].data.u32, events[k].events,
			    fresh);
	}
	kept = count < SAMPLES_MAX ? count : SAMPLES_MAX;
	if (kept == 0)
		return 1;
	qsort(samples_ns, kept, sizeof(samples_ns[0]), compare);
	printf("%.0f %.1f %.1f\n",
	    (double)count * 1e9 / (double)(now_ns() - start),
	    samples_ns[kept / 2] / 1e3, samples_ns[kept * 99 / 100] / 1e3);
	if (failures)
		fprintf(stderr, "vk-rr: %zu failures\n", failures);
	return failures > 0;
}

int
main(int argc, char **argv)
{
	int concurrency;

	signal(SIGPIPE, SIG_IGN);
	if (argc == 4 && strcmp(argv[1], "serve") == 0 &&
	    parse_address(argv[2], argv[3]) == 0)
		return serve();
	if (argc != 6 || parse_address(argv[2], argv[3]) < 0)
		return 64;
	concurrency = (int)strtol(argv[4], NULL, 10);
	if (concurrency < 1 || concurrency > CONCURRENCY_MAX)
		return 64;
	return measure(
	    strcmp(argv[1], "crr") == 0, concurrency, strtod(argv[5], NULL));
}
