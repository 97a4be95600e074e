/* SPDX-License-Identifier: MIT */
#include "cmd/vk-boot/virtio/vsock.h"

#include "tests/cmd/vk-boot/vsock_driver.h"
#include "tests/tap.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static char folder[] = "/tmp/vk-vsock.XXXXXX";
static int folder_fd = -1;

static unsigned
open_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned count = 0;

	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

#define BURST 100

/* Reads what is there; the count, 0 at the end, -1 if there is nothing. */
static ssize_t
take(int fd, void *into, size_t len)
{
	return recv(fd, into, len, MSG_DONTWAIT);
}

static bool
at_end(int fd)
{
	char c;

	return take(fd, &c, 1) == 0;
}

static int
unix_socket(const char *name, struct sockaddr_un *address)
{
	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	snprintf(address->sun_path, sizeof(address->sun_path), "%s/%s", folder,
	    name);
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static int
client(struct guest *g, const char *text)
{
	struct sockaddr_un address;
	int fd = unix_socket("vsock", &address);

	if (connect(fd, (void *)&address, sizeof(address)) < 0)
		return -1;
	if (send(fd, text, strlen(text), MSG_NOSIGNAL) < 0)
		return -1;
	driver_turn(&g->d);
	return fd;
}

static int
server(const char *name)
{
	struct sockaddr_un address;
	int fd = unix_socket(name, &address);

	unlink(address.sun_path);
	bind(fd, (void *)&address, sizeof(address));
	listen(fd, 4);
	return fd;
}

/* A connection that the host dialled and the guest has accepted. */
static int
dialled(struct guest *g, struct end *end, uint32_t alloc)
{
	struct vsock_header h;
	int fd = vsock_dial(g->d.dev, 1024);

	driver_turn(&g->d);
	while (guest_receive(g, &h, NULL) && h.op != VSOCK_OP_REQUEST)
		;
	*end = (struct end){
	    .port = 1024,
	    .peer = h.src_port,
	    .alloc = alloc,
	    .peer_alloc = h.buf_alloc,
	};
	guest_send(g, end, VSOCK_OP_RESPONSE, 0);
	return fd;
}

static unsigned
connections(struct guest *g)
{
	struct vsock_stats stats;

	vsock_stats(g->d.dev, &stats);
	return stats.connections;
}

static void
test_dial(struct guest *g)
{
	char bytes[RX_SIZE];
	struct vsock_header h;
	struct end end;
	int fd = vsock_dial(g->d.dev, 52);

	driver_turn(&g->d);
	is_int(guest_op(g, &h), VSOCK_OP_REQUEST, "dialling asks the guest");
	ok(h.src_cid == 2 && h.dst_cid == 3 && h.dst_port == 52 &&
		h.src_port >= 1u << 30 && h.type == VSOCK_TYPE_STREAM &&
		h.len == 0 && h.buf_alloc == 256 << 10 && h.fwd_cnt == 0,
	    "from the host's CID, a port of its own, with credit");
	ok(driver_called(&g->d, RX), "and interrupts it");
	end = (struct end){52, h.src_port, 65536, 0, h.buf_alloc, 0};
	ok(write(fd, "early", 5) == 5, "bytes before the answer");
	driver_turn(&g->d);
	is_int(guest_op(g, NULL), 0, "wait for it");
	guest_send(g, &end, VSOCK_OP_RESPONSE, 0);
	ok(guest_receive(g, &h, bytes) && h.op == VSOCK_OP_RW && h.len == 5 &&
		memcmp(bytes, "early", 5) == 0,
	    "and come with it");
	guest_data(g, &end, "answer", 6);
	ok(take(fd, bytes, sizeof(bytes)) == 6 && !memcmp(bytes, "answer", 6),
	    "the guest's bytes");

	guest_send(g, &end, VSOCK_OP_SHUTDOWN, VSOCK_SHUT_SEND);
	ok(at_end(fd), "the guest's half close");
	ok(write(fd, "more", 4) == 4, "leaves the other direction");
	driver_turn(&g->d);
	ok(guest_receive(g, &h, bytes) && h.op == VSOCK_OP_RW && h.len == 4,
	    "which goes on");
	shutdown(fd, SHUT_WR);
	driver_turn(&g->d);
	ok(guest_op(g, &h) == VSOCK_OP_SHUTDOWN && h.flags == VSOCK_SHUT_BOTH,
	    "the host's half close ends both");
	guest_send(g, &end, VSOCK_OP_RST, 0);
	is_int(connections(g), 0, "gone with the guest's RST");
	is_int(guest_op(g, NULL), 0, "which is not answered");
	close(fd);

	fd = vsock_dial(g->d.dev, 53);
	driver_turn(&g->d);
	guest_op(g, &h);
	end.port = 53;
	end.peer = h.src_port;
	guest_send(g, &end, VSOCK_OP_RST, 0);
	ok(at_end(fd), "a refused connection ends");
	is_int(connections(g), 0, "and is gone");
	close(fd);
}

static void
test_host_closes(struct guest *g)
{
	char bytes[RX_SIZE];
	struct vsock_header h;
	struct end end;
	int fd = dialled(g, &end, 65536);

	is_int(write(fd, "last words", 10), 10, "written");
	close(fd);
	driver_turn(&g->d);
	ok(guest_receive(g, &h, bytes) && h.op == VSOCK_OP_RW && h.len == 10,
	    "last words arrive after the host closed");
	ok(guest_op(g, &h) == VSOCK_OP_SHUTDOWN && h.flags == VSOCK_SHUT_BOTH,
	    "then the end of both directions");
	guest_data(g, &end, "unheard", 7);
	is_int(
	    guest_op(g, NULL), 0, "the guest's bytes on the way are dropped");
	guest_send(g, &end, VSOCK_OP_RST, 0);
	is_int(connections(g), 0, "gone");

	/* half open: the host half closes, the guest goes on */
	fd = dialled(g, &end, 65536);
	shutdown(fd, SHUT_WR);
	driver_turn(&g->d);
	ok(guest_op(g, &h) == VSOCK_OP_SHUTDOWN && h.flags == VSOCK_SHUT_SEND,
	    "the host's half close");
	guest_data(g, &end, "heard", 5);
	is_int(take(fd, bytes, sizeof(bytes)), 5, "leaves the guest's half");
	guest_send(g, &end, VSOCK_OP_SHUTDOWN, VSOCK_SHUT_BOTH);
	is_int(guest_op(g, &h), VSOCK_OP_RST, "the guest's close has its RST");
	ok(at_end(fd), "and the host its end");
	is_int(connections(g), 0, "gone");
	close(fd);

	/* both half close, and the guest takes nothing: no wake-ups */
	fd = dialled(g, &end, 0);
	guest_send(g, &end, VSOCK_OP_SHUTDOWN, VSOCK_SHUT_SEND);
	is_int(write(fd, "kept", 4), 4, "written to a guest without room");
	shutdown(fd, SHUT_WR);
	driver_turn(&g->d);
	is_int(loop_turn(g->d.loop, 20), 0, "nobody spins");
	end.alloc = 100;
	guest_send(g, &end, VSOCK_OP_CREDIT_UPDATE, 0);
	ok(guest_receive(g, &h, bytes) && h.op == VSOCK_OP_RW && h.len == 4 &&
		guest_op(g, &h) == VSOCK_OP_SHUTDOWN &&
		h.flags == VSOCK_SHUT_BOTH,
	    "its bytes come when it has");
	guest_send(g, &end, VSOCK_OP_RST, 0);
	close(fd);

	/* the client leaves before the guest has answered */
	fd = vsock_dial(g->d.dev, 9);
	driver_turn(&g->d);
	is_int(guest_op(g, &h), VSOCK_OP_REQUEST, "asked");
	close(fd);
	driver_turn(&g->d);
	is_int(guest_op(g, &h), VSOCK_OP_RST, "and taken back");
	is_int(connections(g), 0, "gone");
}

static void
test_run_folder(struct guest *g)
{
	char bytes[RX_SIZE], line[64];
	struct vsock_header h;
	struct end end = {.alloc = 65536};
	int fd = client(g, "CONNECT 52\nhello"), s, n;

	is_int(guest_op(g, &h), VSOCK_OP_REQUEST, "CONNECT asks the guest");
	is_int(h.dst_port, 52, "for its port");
	is_int(take(fd, bytes, 1), -1, "no answer before the guest's");
	end.port = 52;
	end.peer = h.src_port;
	guest_send(g, &end, VSOCK_OP_RESPONSE, 0);
	snprintf(line, sizeof(line), "OK %u\n", h.src_port);
	n = (int)take(fd, bytes, sizeof(bytes) - 1);
	bytes[n < 0 ? 0 : n] = 0;
	is_str(bytes, line, "OK, with the port on the host's side");
	ok(guest_receive(g, &h, bytes) && h.len == 5 &&
		memcmp(bytes, "hello", 5) == 0,
	    "what followed the line is the guest's");
	guest_send(g, &end, VSOCK_OP_RST, 0);
	ok(at_end(fd), "RST ends it");
	close(fd);

	fd = client(g, "CONNECT 53\n");
	guest_op(g, &h);
	end.port = 53;
	end.peer = h.src_port;
	guest_send(g, &end, VSOCK_OP_RST, 0);
	ok(at_end(fd), "refused: closed without an answer");
	close(fd);

	fd = client(g, "CONN");
	is_int(guest_op(g, NULL), 0, "half a line");
	n = (int)write(fd, "ECT 7\n", 6);
	driver_turn(&g->d);
	ok(n == 6 && guest_op(g, &h) == VSOCK_OP_REQUEST && h.dst_port == 7,
	    "and its other half");
	close(fd);
	driver_turn(&g->d);
	guest_op(g, NULL);
	for (unsigned i = 0; i < 6; i++) {
		static const char *const wrong[] = {
		    "CONNECT\n",
		    "CONNECT -1\n",
		    "CONNECT 4294967296\n",
		    "CONNECT 5 6\n",
		    "\n",
		    "GET / HTTP/1.1 and no line end at all",
		};

		fd = client(g, wrong[i]);
		snprintf(line, sizeof(line), "wrong greeting %u: closed", i);
		ok(at_end(fd) || errno == ECONNRESET, "%s", line);
		close(fd);
	}
	fd = client(g, "CONN");
	shutdown(fd, SHUT_WR);
	driver_turn(&g->d);
	ok(at_end(fd) || errno == ECONNRESET,
	    "half a greeting and no more: closed");
	close(fd);
	is_int(guest_op(g, NULL), 0, "the guest hears of none");

	end = (struct end){.port = 4000, .peer = 77, .alloc = 65536};
	guest_send(g, &end, VSOCK_OP_REQUEST, 0);
	is_int(guest_op(g, &h), VSOCK_OP_RST, "no vsock_77: refused");
	ok(h.src_cid == 2 && h.dst_cid == 3 && h.src_port == 77 &&
		h.dst_port == 4000,
	    "to who asked");
	s = server("vsock_77");
	guest_send(g, &end, VSOCK_OP_REQUEST, 0);
	is_int(guest_op(g, &h), VSOCK_OP_RESPONSE, "vsock_77: accepted");
	fd = accept(s, NULL, NULL);
	guest_data(g, &end, "hello", 5);
	ok(take(fd, bytes, 5) == 5 && !memcmp(bytes, "hello", 5), "joined");
	guest_send(g, &end, VSOCK_OP_REQUEST, 0);
	is_int(guest_op(g, &h), VSOCK_OP_RST, "asked a second time: reset");
	ok(at_end(fd), "and ended");
	is_int(connections(g), 0, "gone");
	close(fd);
	close(s);
}

/* A connected socket in the folder. */
static int
connect_to(const char *name)
{
	struct sockaddr_un address;
	int fd = unix_socket(name, &address);

	return connect(fd, (void *)&address, sizeof(address)) < 0 ? -1 : fd;
}

static bool
parses(const char *text, uint32_t port, const char *path, bool listens)
{
	struct vsock_port_wish wish = {0};
	struct err e = ERR_INIT;
	bool same = vsock_port_parse(&wish, text, &e) == 0 &&
		    wish.port == port && wish.listens == listens &&
		    !wish.path == !path &&
		    (!path || strcmp(wish.path, path) == 0);

	free(wish.path);
	return same;
}

/* More come between two turns of the loop than may keep silent. */
static void
test_burst(struct guest *g)
{
	static const char line[] = "CONNECT 60\n";
	struct sockaddr_un address;
	struct vsock_header h;
	unsigned asked = 0;
	int fds[BURST];

	for (int i = 0; i < BURST; i++) {
		fds[i] = unix_socket("vsock", &address);
		connect(fds[i], (void *)&address, sizeof(address));
		send(fds[i], line, sizeof(line) - 1, MSG_NOSIGNAL);
	}
	driver_turn(&g->d);
	while (guest_receive(g, &h, NULL))
		asked += h.op == VSOCK_OP_REQUEST;
	is_int(asked, BURST, "all who come at once are served");
	for (int i = 0; i < BURST; i++)
		close(fds[i]);
	driver_turn(&g->d);
	while (guest_receive(g, &h, NULL))
		continue;
	is_int(connections(g), 0, "and gone");
}

static void
test_port_parse(void)
{
	static const char *const wrong[] = {"", "0", "-1", "4294967295", "x",
	    "5=", "5=/x", "5=unix:", "=unix:/x"};

	ok(parses("7", 7, NULL, true), "a port alone");
	ok(parses("7=unix:/a,b", 7, "/a,b", false), "and a path");
	ok(parses("7=unix:x,listen", 7, "x", true), "to listen on");
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		struct vsock_port_wish wish = {0};
		struct err e = ERR_INIT;

		is_int(vsock_port_parse(&wish, wrong[i], &e), -1,
		    "'%s' is none", wrong[i]);
		free(wish.path);
	}
}

/* A port that the host listens for, and one that it connects for. */
static void
test_ports(bool hyperkit)
{
	static char there[64], here[64];
	struct vsock_port_wish ports[] = {
	    {.port = 9, .path = there},
	    {.port = 10, .path = here, .listens = true},
	    {.port = 11, .listens = true},
	};
	struct vsock_config config = {
	    .run_folder = folder_fd,
	    .hyperkit = hyperkit,
	    .ports = ports,
	    .port_count = 3,
	};
	struct end end = {.port = 4000, .peer = 9, .alloc = 65536};
	struct vsock_header h;
	char bytes[RX_SIZE];
	struct guest g;
	int s, fd;

	snprintf(there, sizeof(there), "%s/there", folder);
	snprintf(here, sizeof(here), "%s/here", folder);
	/* As one that was killed leaves it. */
	close(server("here"));
	guest_init(&g, &config, true);
	guest_send(&g, &end, VSOCK_OP_REQUEST, 0);
	is_int(guest_op(&g, &h), VSOCK_OP_RST, "nobody is there: refused");
	s = server("there");
	guest_send(&g, &end, VSOCK_OP_REQUEST, 0);
	is_int(guest_op(&g, &h), VSOCK_OP_RESPONSE, "the port's socket");
	fd = accept(s, NULL, NULL);
	guest_data(&g, &end, "hello", 5);
	ok(take(fd, bytes, 5) == 5 && !memcmp(bytes, "hello", 5), "joined");
	close(fd);
	close(s);
	driver_turn(&g.d);
	while (guest_receive(&g, &h, bytes))
		continue;

	fd = connect_to("here");
	driver_turn(&g.d);
	ok(guest_op(&g, &h) == VSOCK_OP_REQUEST && h.dst_port == 10,
	    "a client of the port's socket is the guest's, without a word");
	end = (struct end){.port = 10, .peer = h.src_port, .alloc = 65536};
	guest_send(&g, &end, VSOCK_OP_RESPONSE, 0);
	guest_data(&g, &end, "again", 5);
	ok(take(fd, bytes, 5) == 5 && !memcmp(bytes, "again", 5), "joined");
	guest_send(&g, &end, VSOCK_OP_RST, 0);
	ok(at_end(fd), "RST ends it");
	close(fd);

	fd = connect_to(hyperkit ? "guest.0000000b" : "guest_11");
	driver_turn(&g.d);
	ok(guest_op(&g, &h) == VSOCK_OP_REQUEST && h.dst_port == 11,
	    "one in the run folder");
	close(fd);
	driver_turn(&g.d);
	guest_op(&g, NULL);
	if (hyperkit) {
		s = server("00000002.00000010");
		end = (struct end){.port = 1, .peer = 16, .alloc = 65536};
		guest_send(&g, &end, VSOCK_OP_REQUEST, 0);
		is_int(guest_op(&g, &h), VSOCK_OP_RESPONSE,
		    "and what HyperKit's guests reach");
		close(s);
		unlinkat(folder_fd, "00000002.00000010", 0);
	}
	driver_release(&g.d);
	unlinkat(folder_fd, "there", 0);
}

static int answered_fd;

static void
answered(void *owner, int fd)
{
	answered_fd = fd;
	++*(int *)owner;
}

static void
test_answer(struct guest *g)
{
	struct end end = {.port = 4001, .peer = 30315, .alloc = 65536};
	struct vsock_header h;
	char bytes[16];
	int count = 0;

	ok(vsock_answer(g->d.dev, 30315, answered, &count) == 0, "answer");
	guest_send(g, &end, VSOCK_OP_REQUEST, 0);
	is_int(guest_op(g, &h), VSOCK_OP_RESPONSE, "accepted in-process");
	is_int(count, 1, "handed over once");
	guest_data(g, &end, "ready", 5);
	is_int(take(answered_fd, bytes, sizeof(bytes)), 5, "joined");
	guest_send(g, &end, VSOCK_OP_SHUTDOWN, VSOCK_SHUT_BOTH);
	is_int(guest_op(g, &h), VSOCK_OP_RST, "closed");
	close(answered_fd);
	vsock_answer(g->d.dev, 30315, NULL, NULL);
	guest_send(g, &end, VSOCK_OP_REQUEST, 0);
	is_int(guest_op(g, &h), VSOCK_OP_RST, "taken back: refused");
	for (unsigned i = 0; i < VSOCK_ANSWERS_MAX; i++)
		vsock_answer(g->d.dev, i + 1, answered, &count);
	is_int(vsock_answer(g->d.dev, 99, answered, &count), -1,
	    "one answer too many");
	for (unsigned i = 0; i < VSOCK_ANSWERS_MAX; i++)
		vsock_answer(g->d.dev, i + 1, NULL, NULL);
}

static void
test_credit(struct guest *g)
{
	static char bytes[100000];
	struct vsock_header h;
	struct end end;
	uint32_t got = 0;
	int fd = dialled(g, &end, 10000);

	fcntl(fd, F_SETFL, O_NONBLOCK);
	is_int(write(fd, bytes, sizeof(bytes)), sizeof(bytes), "a lot");
	driver_turn(&g->d);
	while (guest_receive(g, &h, NULL))
		got += h.op == VSOCK_OP_RW ? h.len : 0;
	is_int(got, 10000, "no more than the guest has room for");
	end.forwarded = 20000;
	guest_send(g, &end, VSOCK_OP_CREDIT_UPDATE, 0);
	is_int(guest_op(g, NULL), 0, "credit for what was never sent");
	end.forwarded = (uint32_t)-1;
	guest_send(g, &end, VSOCK_OP_CREDIT_UPDATE, 0);
	is_int(guest_op(g, NULL), 0, "credit below zero");
	end.forwarded = 3000;
	guest_send(g, &end, VSOCK_OP_CREDIT_UPDATE, 0);
	for (got = 0; guest_receive(g, &h, NULL); got += h.len)
		;
	is_int(got, 3000, "credit for 3000");
	end.forwarded = 2000;
	guest_send(g, &end, VSOCK_OP_CREDIT_UPDATE, 0);
	is_int(guest_op(g, NULL), 0, "an older stamp changes nothing");
	end.alloc = 1000;
	end.forwarded = 13000;
	guest_send(g, &end, VSOCK_OP_CREDIT_UPDATE, 0);
	for (got = 0; guest_receive(g, &h, NULL); got += h.len)
		;
	is_int(got, 1000, "a buffer made smaller");
	end.alloc = UINT32_MAX;
	guest_send(g, &end, VSOCK_OP_CREDIT_UPDATE, 0);
	for (got = 0; guest_receive(g, &h, NULL); got += h.len)
		;
	is_int(got, sizeof(bytes) - 14000, "and endless");
	guest_send(g, &end, VSOCK_OP_CREDIT_REQUEST, 0);
	ok(guest_op(g, &h) == VSOCK_OP_CREDIT_UPDATE &&
		h.buf_alloc == 256 << 10 && h.fwd_cnt == 0,
	    "asked for credit: answered");
	guest_send(g, &end, VSOCK_OP_RST, 0);
	close(fd);
}

static void
pattern(uint8_t *bytes, size_t len, uint32_t *state)
{
	for (size_t i = 0; i < len; i++) {
		*state = *state * 1664525u + 1013904223u;
		bytes[i] = (uint8_t)(*state >> 24);
	}
}

static void
test_backlog(struct guest *g)
{
	static uint8_t bytes[65536], expected[65536];
	uint32_t seed = 1, check = 1, total = 0, got = 0, on_the_way = 0;
	struct vsock_header h = {0};
	struct end end;
	bool same = true;
	int fd = dialled(g, &end, 65536);

	/* until the credit is used up; the reader sleeps */
	while (end.peer_alloc - on_the_way > 0) {
		uint32_t len = end.peer_alloc - on_the_way < 50001
				   ? end.peer_alloc - on_the_way
				   : 50001;

		pattern(bytes, len, &seed);
		guest_data(g, &end, bytes, len);
		total += len;
		while (guest_receive(g, &h, NULL))
			end.peer_forwarded = h.fwd_cnt;
		on_the_way = total - end.peer_forwarded;
	}
	ok(total > 256 << 10, "%u bytes before the credit is used up", total);
	while (got < total) {
		ssize_t n = take(fd, bytes, 3000);

		if (n <= 0)
			break;
		pattern(expected, (size_t)n, &check);
		same &= memcmp(bytes, expected, (size_t)n) == 0;
		got += (uint32_t)n;
		driver_turn(&g->d);
	}
	is_int(got, total, "all of it arrives at a slow reader");
	ok(same, "in order");
	h.op = 0;
	while (guest_receive(g, &h, NULL))
		;
	ok(h.op == VSOCK_OP_CREDIT_UPDATE && total - h.fwd_cnt < 128 << 10,
	    "new credit is told");

	/* one byte too many */
	for (;;) {
		on_the_way = total - h.fwd_cnt;
		if (end.peer_alloc == on_the_way)
			break;
		if (end.peer_alloc - on_the_way > sizeof(bytes))
			on_the_way = end.peer_alloc - sizeof(bytes);
		total += end.peer_alloc - on_the_way;
		guest_data(g, &end, bytes, end.peer_alloc - on_the_way);
		while (guest_receive(g, &h, NULL))
			;
	}
	guest_data(g, &end, bytes, 1);
	is_int(guest_op(g, &h), VSOCK_OP_RST, "one byte beyond: reset");
	while (take(fd, bytes, sizeof(bytes)) > 0)
		driver_turn(&g->d);
	ok(at_end(fd), "and ended");
	is_int(connections(g), 0, "gone");
	close(fd);
}

/* The guest closes while the host still reads. */
static void
test_drain(struct guest *g, bool reset)
{
	static uint8_t bytes[65536];
	struct vsock_header h;
	struct end end;
	uint32_t total = 0;
	ssize_t n;
	int fd = dialled(g, &end, 65536);

	for (; total < 5 * sizeof(bytes); total += sizeof(bytes))
		guest_data(g, &end, bytes, sizeof(bytes));
	while (guest_op(g, NULL))
		;
	if (reset) {
		guest_send(g, &end, VSOCK_OP_RST, 0);
		is_int(guest_op(g, &h), 0, "no answer to RST");
	} else {
		guest_send(g, &end, VSOCK_OP_SHUTDOWN, VSOCK_SHUT_BOTH);
		is_int(guest_op(g, &h), VSOCK_OP_RST, "the guest is let go");
	}
	is_int(connections(g), 1, "while bytes drain");
	guest_send(g, &end, VSOCK_OP_CREDIT_REQUEST, 0);
	is_int(guest_op(g, &h), VSOCK_OP_RST, "for the guest it is no more");
	while ((n = take(fd, bytes, sizeof(bytes))) > 0) {
		total -= (uint32_t)n;
		driver_turn(&g->d);
	}
	ok(n == 0 && total == 0, "all arrives, then the end");
	is_int(connections(g), 0, "gone");
	close(fd);
}

static void
test_wrong_packets(struct guest *g)
{
	struct end end = {.port = 5, .peer = 6, .alloc = 1000};
	struct vsock_header h, got;
	int fd;

	h = end_header(&end, VSOCK_OP_REQUEST);
	h.src_cid = 4;
	guest_send_raw(g, &h, NULL);
	is_int(guest_op(g, NULL), 0, "another guest's CID is ignored");
	h = end_header(&end, VSOCK_OP_REQUEST);
	h.dst_cid = 1ull << 40 | 7;
	guest_send_raw(g, &h, NULL);
	ok(guest_op(g, &got) == VSOCK_OP_RST && got.src_cid == h.dst_cid,
	    "another host's CID is refused in its name");
	h = end_header(&end, VSOCK_OP_REQUEST);
	h.type = 2;
	guest_send_raw(g, &h, NULL);
	ok(guest_op(g, &got) == VSOCK_OP_RST && got.type == 2,
	    "a type that was not offered");
	for (unsigned op = 0; op < 12; op++) {
		if (op == VSOCK_OP_RST)
			continue;
		guest_send(g, &end, (uint16_t)op, 3);
		is_int(guest_op(g, NULL), VSOCK_OP_RST,
		    "op %u for no connection", op);
	}
	for (unsigned i = 0; i < 5; i++) {
		static const uint16_t ops[] = {0, 1, 2, 8, 0xffff};

		fd = dialled(g, &end, 1000);
		guest_send(g, &end, ops[i], 0);
		is_int(guest_op(g, NULL), VSOCK_OP_RST,
		    "op %u within a connection", ops[i]);
		ok(at_end(fd), "ends it");
		close(fd);
	}
	fd = dialled(g, &end, 1000);
	h = end_header(&end, VSOCK_OP_RW);
	h.len = 100;
	guest_send_raw(g, &h, NULL);
	is_int(guest_op(g, NULL), VSOCK_OP_RST, "data that is not there");
	close(fd);
	fd = dialled(g, &end, 1000);
	guest_send(g, &end, VSOCK_OP_SHUTDOWN, VSOCK_SHUT_SEND);
	guest_data(g, &end, "x", 1);
	is_int(guest_op(g, NULL), VSOCK_OP_RST, "data after the half close");
	close(fd);
	fd = dialled(g, &end, 1000);
	guest_data(g, &end, "", 0);
	is_int(guest_op(g, NULL), 0, "no data at all is fine");
	guest_send(g, &end, VSOCK_OP_RST, 0);
	close(fd);
	fd = vsock_dial(g->d.dev, 5);
	end = (struct end){.port = 5, .alloc = 1000};
	driver_turn(&g->d);
	guest_op(g, &h);
	end.peer = h.src_port;
	guest_data(g, &end, "x", 1);
	is_int(guest_op(g, NULL), VSOCK_OP_RST, "data before the answer");
	ok(at_end(fd), "ends it");
	close(fd);
	is_int(connections(g), 0, "none is left");
	ok(!g->d.needs_reset, "the device goes on");
}

/* A guest that posts no buffers gets nothing, and holds nothing up. */
static void
test_no_buffers(void)
{
	struct vsock_config config = {.run_folder = -1};
	struct vsock_header h;
	struct guest g;
	unsigned sent = 0, resets = 0;
	struct end end = {.port = 1, .peer = 1};
	int fd;

	guest_init(&g, &config, false);
	fd = vsock_dial(g.d.dev, 1);
	for (; sent < 1000; sent++) {
		struct driver_part part = {g.tx_gpa, 44, false};

		end.port = sent;
		h = end_header(&end, VSOCK_OP_REQUEST);
		memcpy(driver_at(&g.d, g.tx_gpa, 44), &h, 44);
		if (driver_add(&g.d, TX, &part, 1) < 0)
			break;
		driver_kick(&g.d, TX);
		while (driver_used(&g.d, TX, NULL) >= 0)
			;
	}
	is_int(sent, 512, "two queues of packets, then it has to listen");
	is_int(loop_turn(g.d.loop, 20), 0, "the host sleeps meanwhile");
	guest_post_all(&g);
	g.hold = false;
	while (guest_receive(&g, &h, NULL))
		resets += h.op == VSOCK_OP_RST;
	is_int(resets, 512, "all are answered then");
	close(fd);
	driver_release(&g.d);

	guest_init(&g, &config, false);
	fd = vsock_dial(g.d.dev, 1);
	close(fd);
	driver_turn(&g.d);
	guest_post_all(&g);
	is_int(guest_op(&g, NULL), 0, "a client that gave up is never told of");
	driver_release(&g.d);
}

static void
test_limits(void)
{
	struct vsock_config config = {.run_folder = folder_fd, .limit = 8};
	struct end end = {.peer = 77, .alloc = 1000};
	struct guest g;
	struct vsock_header h;
	unsigned accepted = 0;
	int s = server("vsock_77"), fds[9];

	listen(s, 100);
	guest_init(&g, &config, true);
	for (end.port = 0; end.port < 20; end.port++) {
		guest_send(&g, &end, VSOCK_OP_REQUEST, 0);
		accepted += guest_op(&g, &h) == VSOCK_OP_RESPONSE;
	}
	is_int(accepted, 4, "a guest may open half of them");
	for (unsigned i = 0; i < 9; i++)
		fds[i] = vsock_dial(g.d.dev, 1);
	ok(fds[3] >= 0 && fds[4] < 0 && errno == ENOBUFS,
	    "the others are the host's");
	virtio_device_stop(g.d.dev);
	is_int(connections(&g), 0, "a reset ends all");
	ok(at_end(fds[0]), "and the host sees it");
	is_int(vsock_dial(g.d.dev, 1), -1, "no dialling without a driver");
	is_int(errno, ENOTCONN, "ENOTCONN");
	guest_start(&g, true);
	for (unsigned i = 0; i < 9; i++)
		close(fds[i]);
	fds[0] = vsock_dial(g.d.dev, 1);
	driver_turn(&g.d);
	is_int(guest_op(&g, &h), VSOCK_OP_REQUEST, "the next driver is served");
	close(fds[0]);
	close(s);
	driver_release(&g.d);
	ok(faccessat(folder_fd, "vsock", F_OK, 0) < 0, "the socket is removed");
}

static void
test_breaches(void)
{
	struct vsock_config config = {.run_folder = -1};
	struct driver_part part;
	struct guest g;
	int fd;

	guest_init(&g, &config, true);
	part = (struct driver_part){g.tx_gpa, 43, false};
	fd = vsock_dial(g.d.dev, 1);
	driver_add(&g.d, TX, &part, 1);
	driver_kick(&g.d, TX);
	ok(g.d.needs_reset, "43 bytes are no packet");
	ok(at_end(fd), "connections end with the device");
	close(fd);
	is_int(vsock_dial(g.d.dev, 1), -1, "and no new ones begin");
	guest_start(&g, false);
	ok(!g.d.needs_reset, "until reset");
	fd = vsock_dial(g.d.dev, 1);
	guest_post(&g, driver_alloc(&g.d, 44), 44, 0);
	driver_kick(&g.d, RX);
	ok(g.d.needs_reset, "a buffer without room for a byte");
	close(fd);
	guest_start(&g, true);
	driver_avail(&g.d, TX)->idx = 300;
	driver_kick(&g.d, TX);
	ok(g.d.needs_reset, "an index that jumps");
	driver_release(&g.d);
}

/* Both directions at once, odd sizes, a slow reader on either side. */
static void
test_bulk(struct guest *g)
{
	enum { TOTAL = 3000000 };
	static uint8_t bytes[65536], expected[65536];
	uint32_t to = 7, to_check = 7, from = 9, from_check = 9, size = 3;
	uint32_t sent = 0, received = 0, up = 0, down = 0;
	bool same = true;
	struct vsock_header h;
	struct end end;
	int fd = dialled(g, &end, 30000);

	for (unsigned i = 0; i < 100000 && (received < TOTAL || down < TOTAL);
	     i++) {
		uint32_t len, credit;
		ssize_t n;

		size = size * 1664525u + 1013904223u;
		len = size >> 20; /* up to 4 KiB */
		if (sent < TOTAL) {
			uint32_t before = to;

			pattern(bytes, len, &to);
			n = send(fd, bytes, len, MSG_DONTWAIT);
			to = before;
			if (n > 0) {
				pattern(bytes, (size_t)n, &to);
				sent += (uint32_t)n;
			}
			driver_turn(&g->d);
		}
		while (guest_receive(g, &h, bytes)) {
			end.peer_forwarded = h.fwd_cnt;
			pattern(expected, h.len, &to_check);
			same &= memcmp(bytes, expected, h.len) == 0;
			received += h.len;
			end.forwarded += h.len;
		}
		credit = end.peer_alloc - (up - end.peer_forwarded);
		len = (size >> 13) % 65537;
		if (len > credit)
			len = credit;
		pattern(bytes, len, &from);
		guest_data(g, &end, bytes, len);
		up += len;
		n = take(fd, bytes, 1 + (size >> 14) % 60000);
		if (n > 0) {
			pattern(expected, (size_t)n, &from_check);
			same &= memcmp(bytes, expected, (size_t)n) == 0;
			down += (uint32_t)n;
			driver_turn(&g->d);
		}
	}
	ok(received >= TOTAL && down >= TOTAL, "3 MB each way at once");
	ok(same, "unchanged");
	close(fd);
	guest_send(g, &end, VSOCK_OP_RST, 0);
	while (guest_op(g, NULL))
		;
	is_int(connections(g), 0, "gone");
}

static void
test_many(struct guest *g)
{
	enum { MANY = 300 };
	static struct end ends[MANY];
	int fds[MANY];
	bool good = true;
	char bytes[64];

	for (unsigned i = 0; i < MANY; i++)
		fds[i] = dialled(g, &ends[i], 65536);
	is_int(connections(g), MANY, "300 connections");
	for (unsigned i = 0; i < MANY; i++)
		good &= write(fds[i], &i, sizeof(i)) == sizeof(i);
	driver_turn(&g->d);
	for (unsigned i = 0; i < MANY; i++) {
		struct vsock_header h;
		unsigned value = MANY;

		good &= guest_receive(g, &h, bytes) && h.len == sizeof(value);
		memcpy(&value, bytes, sizeof(value));
		good &= value < MANY && h.src_port == ends[value].peer;
	}
	ok(good, "each carries its own");
	good = true;
	for (unsigned i = 0; i < MANY; i++) {
		unsigned value = MANY;

		guest_data(g, &ends[i], &i, sizeof(i));
		good &= take(fds[i], &value, sizeof(value)) == 4 && value == i;
	}
	ok(good, "both ways");
	for (unsigned i = 0; i < MANY; i++) {
		guest_send(g, &ends[i], VSOCK_OP_SHUTDOWN, VSOCK_SHUT_BOTH);
		guest_op(g, NULL);
		close(fds[i]);
	}
	is_int(connections(g), 0, "all gone");
}

int
main(void)
{
	struct vsock_config config;
	unsigned before;
	struct guest g;
	uint64_t cid;

	if (!mkdtemp(folder))
		return 1;
	before = open_descriptors();
	folder_fd = open(folder, O_DIRECTORY | O_CLOEXEC);
	config = (struct vsock_config){.run_folder = folder_fd};
	guest_init(&g, &config, true);
	virtio_config_read(g.d.dev, 0, &cid, 8);
	is_int(cid, 3, "the guest's CID in configuration space");
	test_dial(&g);
	test_host_closes(&g);
	test_run_folder(&g);
	test_burst(&g);
	test_answer(&g);
	test_credit(&g);
	test_backlog(&g);
	test_drain(&g, false);
	test_drain(&g, true);
	test_wrong_packets(&g);
	test_bulk(&g);
	test_many(&g);
	driver_release(&g.d);
	test_no_buffers();
	test_limits();
	test_breaches();
	test_port_parse();
	test_ports(false);
	test_ports(true);
	unlinkat(folder_fd, "vsock_77", 0);
	close(folder_fd);
	is_int(rmdir(folder), 0, "nothing is left in the folder");
	is_int(open_descriptors(), before, "no descriptor is left open");
	return tap_done();
}
