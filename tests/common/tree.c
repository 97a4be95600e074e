/* SPDX-License-Identifier: MIT */
/* tree.c - a tree's records: what is sent arrives, and what is hostile stays
 * below the destination */
#include "common/tree_receive.h"
#include "common/tree_send.h"
#include "tests/tap.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

static char top[] = "/tmp/vk-tree.XXXXXX";
static struct tree_receiver receiver;
static struct tree_writer writer;
static int stream = -1;
static char told[ERR_TEXT_MAX];
static uint64_t size_told; /* of the entries that follow */

static void
tell(const struct err *e)
{
	snprintf(told, sizeof(told), "%s", e->text);
}

static void
begin(void)
{
	if (stream >= 0)
		close(stream);
	stream = memfd_create("tree", MFD_CLOEXEC);
	tree_writer_init(&writer, stream);
}

/* Receives what was written. The status; failures are counted. */
static int
receive(const char *into, bool trusted, struct err *e)
{
	int status;

	tree_writer_release(&writer);
	lseek(stream, 0, SEEK_SET);
	*e = (struct err)ERR_INIT;
	told[0] = '\0';
	if (tree_receiver_init(&receiver, into, true, e) < 0)
		return -2;
	receiver.trusted = trusted;
	receiver.failed = tell;
	status = tree_receive(&receiver, stream, e);
	tree_receiver_release(&receiver);
	return status;
}

static void
entry(enum tree_kind kind, const char *path, const char *target, uint32_t mode)
{
	struct err e = ERR_INIT;
	struct tree_entry t = {.kind = kind,
	    .mode = mode,
	    .uid = getuid(),
	    .gid = getgid(),
	    .seconds = 981173106,
	    .nanoseconds = 789,
	    .size = size_told,
	    .path = path,
	    .target = target};

	tree_put_entry(&writer, &t, &e);
}

static void
file(const char *path, const char *text)
{
	struct err e = ERR_INIT;

	size_told = strlen(text);
	entry(TREE_FILE, path, "", 0644);
	tree_put_data(&writer, 0, text, strlen(text), &e);
	tree_put_close(&writer, &e);
}

static void
finish(void)
{
	struct err e = ERR_INIT;

	tree_put_end(&writer, &e);
}

static bool
holds(const char *path, const char *expected)
{
	char text[256] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	return n >= 0 && strcmp(text, expected) == 0;
}

static void
test_paths(void)
{
	static const char *const good[] = {"", "a", "a/b", "...", "a b/\n"};
	static const char *const bad[] = {"/", "/a", "..", "../a", "a/..",
	    "a/../b", ".", "a/./b", "a//b", "a/"};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		ok(tree_path_valid(good[i]), "good path '%zu'", i);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ok(!tree_path_valid(bad[i]), "bad path %s", bad[i]);
}

static void
test_receive(void)
{
	struct err e;
	struct stat st;

	begin();
	entry(TREE_DIR, "d", "", 0750);
	file("d/f", "text");
	entry(TREE_LINK, "d/g", "d/f", 0);
	entry(TREE_SYMLINK, "d/s", "f", 0777);
	entry(TREE_FIFO, "d/p", "", 0600);
	finish();
	ok(receive("in", true, &e) == 0, "a tree %s", e.text);
	is_int(receiver.failures, 0, "all of it");
	ok(holds("in/d/f", "text") && holds("in/d/s", "text"), "contents");
	ok(stat("in/d/f", &st) == 0 && st.st_nlink == 2, "a hard link");
	ok(st.st_mtim.tv_sec == 981173106 && st.st_mtim.tv_nsec == 789,
	    "times to the nanosecond");
	ok(stat("in/d", &st) == 0 && (st.st_mode & 07777) == 0750 &&
		st.st_mtim.tv_sec == 981173106,
	    "a directory's mode and time, after what is in it");
	ok(lstat("in/d/p", &st) == 0 && S_ISFIFO(st.st_mode), "a fifo");
}

static void
test_untrusted(void)
{
	struct err e;
	struct stat st;

	begin();
	size_told = 0;
	entry(TREE_FILE, "set", "", 06755);
	tree_put_close(&writer, &e);
	entry(TREE_CHAR, "null", "", 0666);
	finish();
	is_int(receive("in", false, &e), 0, "from one that is not trusted");
	ok(stat("in/set", &st) == 0 && (st.st_mode & 07000) == 0,
	    "no set-id bits");
	ok(lstat("in/null", &st) < 0, "no devices: %s", told);
}

/* Each tries to leave "in" and reach "beside". */
static void
test_escapes(void)
{
	struct err e;

	begin();
	entry(TREE_SYMLINK, "out", "..", 0777);
	file("out/beside", "reached");
	finish();
	receive("in", false, &e);
	ok(holds("beside", "whole"), "not through a link that came before: %s",
	    told);
	begin();
	entry(TREE_SYMLINK, "beside", "../beside", 0777);
	file("beside", "reached");
	finish();
	receive("in", false, &e);
	ok(holds("beside", "whole"), "nor by writing to a link");
	begin();
	entry(TREE_LINK, "hard", "../beside", 0);
	finish();
	ok(receive("in", false, &e) < 0 && e.status == EX_PROTOCOL,
	    "nor by a hard link: %s", e.text);
	begin();
	entry(TREE_FILE, "../beside", "", 0644);
	finish();
	ok(receive("in", false, &e) < 0, "nor by a path: %s", e.text);
}

static void
test_cut(void)
{
	struct err e;

	begin();
	size_told = 100;
	entry(TREE_FILE, "big", "", 0644);
	tree_put_data(&writer, 0, "half", 4, &e);
	/* written out, but neither closed nor ended */
	if (writer.out.len > 0 &&
	    write(stream, writer.out.data, writer.out.len) < 0)
		perror("stream");
	ok(receive("in", false, &e) < 0, "a stream that is cut off: %s",
	    e.text);
	ok(access("in/big", F_OK) < 0, "leaves no half file");
}

static void
test_back(void)
{
	static struct tree_sender sender;
	struct err e = ERR_INIT;
	struct stat st;
	char value[16] = "";
	int fd = open("from", O_RDWR | O_CREAT | O_CLOEXEC, 0640);

	if (ftruncate(fd, 8 << 20) < 0 || pwrite(fd, "x", 1, 5 << 20) != 1)
		perror("from");
	close(fd);
	if (setxattr("from", "user.vk", "value", 5, 0) < 0)
		snprintf(value, sizeof(value), "value"); /* none here */
	stream = (close(stream), memfd_create("tree", MFD_CLOEXEC));
	tree_writer_init(&writer, stream);
	tree_sender_init(&sender, stream);
	is_int(
	    tree_send(&sender, "from", "to", &e), 0, "a sparse file is sent");
	is_int(tree_send_end(&sender, &e), 0, "to its end");
	tree_sender_release(&sender);
	ok(lseek(stream, 0, SEEK_END) < 1 << 20, "without its holes");
	is_int(receive("in", false, &e), 0, "and received");
	ok(stat("in/to", &st) == 0 && st.st_size == 8 << 20 &&
		st.st_blocks < 2048 && (st.st_mode & 07777) == 0640,
	    "with them");
	getxattr("in/to", "user.vk", value, sizeof(value) - 1);
	is_str(value, "value", "and its attributes");
}

/* Behind a first file of so many bytes, the next one's record fills what is
 * written at a time. */
#define BEFORE (TREE_DATA_MAX - 100)

/* In a process of its own: a pipe's writer may have to wait. */
_Noreturn static void
send_two(int to)
{
	static struct tree_sender sender;
	struct err e = ERR_INIT;

	tree_sender_init(&sender, to);
	_exit(tree_send(&sender, "before", "f1", &e) < 0 ||
	      tree_send(&sender, "log", "f2", &e) < 0 ||
	      tree_send_end(&sender, &e) < 0);
}

/* A file that is written to while it is sent, and its reader is slow. */
static void
test_growing(void)
{
	static char bytes[BEFORE];
	struct err e = ERR_INIT;
	int ends[2], status = -1;
	struct pollfd p;
	pid_t pid;
	int fd = open("before", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	int log = open("log", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	memset(bytes, 'x', sizeof(bytes));
	if (write(fd, bytes, sizeof(bytes)) < 0 || write(log, "one\n", 4) < 0 ||
	    pipe2(ends, O_CLOEXEC) < 0)
		perror("log");
	fcntl(ends[1], F_SETPIPE_SZ, 4096);
	pid = fork();
	if (pid == 0)
		send_two(ends[1]);
	close(ends[1]);
	/* It writes: the log's size is in what it writes. */
	p = (struct pollfd){.fd = ends[0], .events = POLLIN};
	poll(&p, 1, 10000);
	ok(write(log, "two\n", 4) == 4, "(a log that grows)");
	if (tree_receiver_init(&receiver, "in", true, &e) < 0)
		perror("in");
	is_int(tree_receive(&receiver, ends[0], &e), 0, "is sent %s", e.text);
	tree_receiver_release(&receiver);
	close(ends[0]);
	waitpid(pid, &status, 0);
	is_int(status, 0, "to its end");
	ok(holds("in/f2", "one\n"), "as long as it was");
	close(fd);
	close(log);
}

int
main(void)
{
	if (!mkdtemp(top) || chdir(top) < 0 || mkdir("in", 0700) < 0)
		return 1;
	close(open("beside", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	if (truncate("beside", 0) == 0) {
		int fd = open("beside", O_WRONLY | O_CLOEXEC);

		ok(write(fd, "whole", 5) == 5, "(a file beside)");
		close(fd);
	}
	test_paths();
	test_receive();
	test_untrusted();
	test_escapes();
	test_cut();
	test_back();
	test_growing();
	if (system("rm -rf \"$PWD\"") != 0)
		perror(top);
	return tap_done();
}
