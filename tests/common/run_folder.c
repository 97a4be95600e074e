/* SPDX-License-Identifier: MIT */
/* run_folder.c - where a running VM is found by its name */
#include "common/run_folder.h"

#include "common/scope.h"
#include "tests/tap.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct err e;
static unsigned listed, alive;

static int
count(void *context, const char *name, bool is_alive)
{
	(void)context;
	(void)name;
	listed++;
	alive += is_alive;
	return 0;
}

static void
list(void)
{
	listed = alive = 0;
	run_folder_list(count, NULL, &e);
}

static void
test_names(void)
{
	static const char *const good[] = {"a", "web-1.example_x", "0"};
	static const char *const bad[] = {
	    "", ".", "..", "a/b", "-a", ".a", "a b", "a\n", "\303\244"};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		ok(run_name_valid(good[i]), "%s is a name", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ok(!run_name_valid(bad[i]), "bad name %zu", i);
}

static void
test_life(void)
{
	struct run_folder a, b, c;
	char path[RUN_PATH_MAX];

	is_int(run_folder_create(&a, "one", &e), 0, "a name is taken");
	is_str(run_folder_name(&a), "one", "and told");
	is_int(run_folder_create(&b, "one", &e), -1, "not twice");
	is_str(e.text, "one: a VM of that name runs", "which is said");
	is_int(e.status, EX_TEMPFAIL, "and may be over later");
	is_int(run_folder_alive("one", &e), 1, "it lives");
	is_int(run_folder_alive("two", &e), 0, "another does not");
	is_int(run_folder_create(&c, NULL, &e), 0, "a name is made up");
	list();
	ok(listed == 2 && alive == 2, "both are listed");
	close(openat(a.dir, "status.json", O_CREAT | O_WRONLY, 0600));
	snprintf(path, sizeof(path), "%s", a.path);
	run_folder_release(&a);
	run_folder_release(&a);
	ok(access(path, F_OK) < 0, "nothing is left");
	run_folder_release(&c);
	list();
	is_int(listed, 0, "nor listed");
}

/* kill -9 of the holder: the name is free, and what it left is cleared. */
static void
test_kill(void)
{
	struct run_folder f;
	int ends[2], status = pipe(ends);
	pid_t pid = fork();
	char byte;

	(void)status;
	if (pid == 0) {
		run_folder_create(&f, "dead", &e);
		close(openat(f.dir, "vsock", O_CREAT | O_WRONLY, 0600));
		if (write(ends[1], "x", 1) == 1)
			pause();
		_exit(1);
	}
	is_int(read(ends[0], &byte, 1), 1, "somebody takes a name");
	is_int(run_folder_alive("dead", &e), 1, "and lives");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	is_int(run_folder_alive("dead", &e), 0, "until killed");
	list();
	ok(listed == 1 && alive == 0, "the folder is there still");
	is_int(run_folder_create(&f, "dead", &e), 0, "the name is free");
	is_int(faccessat(f.dir, "vsock", F_OK, 0), -1, "its remains are gone");
	run_folder_release(&f);
}

/* Who only looks whether a VM is there does not keep it from starting. */
static void
test_looker(void)
{
	const struct timespec moment = {.tv_nsec = 200000000};
	struct run_folder f;
	int ends[2], status = pipe(ends), lock;
	pid_t pid;
	char byte;

	(void)status;
	run_folder_create(&f, "seen", &e);
	pid = fork();
	if (pid == 0) {
		lock = openat(f.dir, "lock", O_RDONLY);
		run_folder_leave(&f);
		if (flock(lock, LOCK_SH) == 0 && write(ends[1], "x", 1) == 1)
			nanosleep(&moment, NULL);
		_exit(0);
	}
	run_folder_leave(&f);
	is_int(read(ends[0], &byte, 1), 1, "somebody looks at it for long");
	is_int(run_folder_create(&f, "seen", &e), 0, "the name is free");
	waitpid(pid, NULL, 0);
	run_folder_release(&f);
}

static void
test_foreign(const char *base)
{
	struct run_folder f;
	char path[64];

	snprintf(path, sizeof(path), "%s/vk", base);
	chmod(path, 0777);
	is_int(run_folder_create(&f, "x", &e), -1,
	    "a base that others may write to is refused");
	chmod(path, 0700);
}

int
main(void)
{
	char base[] = "/tmp/vk-test.XXXXXX", path[64];

	if (!mkdtemp(base))
		return 1;
	setenv("XDG_RUNTIME_DIR", base, 1);
	test_names();
	test_life();
	test_kill();
	test_looker();
	test_foreign(base);
	snprintf(path, sizeof(path), "%s/vk", base);
	rmdir(path);
	rmdir(base);
	return tap_done();
}
