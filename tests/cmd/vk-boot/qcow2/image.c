/* SPDX-License-Identifier: MIT */
/* qcow2 images of all kinds against qemu-img and a plain array. */
#include "cmd/vk-boot/disk.h"

#include "common/io.h"
#include "common/scope.h"

#include "tests/tap.h"

#include <endian.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Not a whole number of most clusters. */
#define SIZE ((3u << 20) + 7 * 512)

static char folder[] = "/tmp/vk-qcow2.XXXXXX";
static uint8_t model[SIZE], seen[SIZE];
static struct err e;
static uint32_t state = 2463534242;

static uint32_t
next(void)
{
	state ^= state << 13;
	state ^= state >> 17;
	state ^= state << 5;
	return state;
}

__attribute__((format(printf, 1, 2))) static int
shell(const char *fmt, ...)
{
	char command[1024];
	va_list ap;
	int status;

	va_start(ap, fmt);
	vsnprintf(command, sizeof(command), fmt, ap);
	va_end(ap);
	status = system(command); /* NOLINT: our own words */
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int
open_image(struct disk *disk, const char *path, bool write)
{
	struct disk_config config = {
	    .path = path,
	    .format = DISK_QCOW2,
	    .cache = DISK_UNSAFE, /* the order is the same, and it is quick */
	    .write = write,
	    .read_only = !write,
	};

	e = (struct err)ERR_INIT;
	return disk_open(disk, &config, &e);
}

static int
read_range(struct disk *disk, uint64_t offset, uint64_t len)
{
	while (len > 0) {
		struct disk_run run = disk_where(disk, offset, len);

		if (run.len > len || disk_run_read(&run, seen + offset) < 0)
			return -1;
		offset += run.len;
		len -= run.len;
	}
	return 0;
}

static int
write_range(struct disk *disk, uint64_t offset, uint64_t len)
{
	while (len > 0) {
		struct disk_run run;

		if (disk_prepare(disk, offset, len, &run) < 0 || run.len == 0 ||
		    run.len > len ||
		    io_pwrite(run.fd, model + offset, run.len, run.offset) <
			0 ||
		    disk_written(disk, offset, run.len) < 0)
			return -1;
		offset += run.len;
		len -= run.len;
	}
	return 0;
}

static bool
same(struct disk *disk)
{
	return read_range(disk, 0, SIZE) == 0 && memcmp(seen, model, SIZE) == 0;
}

/* One operation at a random place, short or long. */
static bool
operate(struct disk *disk)
{
	uint64_t sectors = SIZE / 512, first = next() % sectors;
	uint64_t count = 1 + next() % (next() % 4 ? 40 : 600);
	uint64_t offset = first * 512, len;

	if (count > sectors - first)
		count = sectors - first;
	len = count * 512;
	switch (next() % 8) {
	case 0:
		memset(model + offset, 0, len);
		return disk_zero(disk, offset, len, next() & 1) == 0;
	case 1:
		return read_range(disk, offset, len) == 0 &&
		       memcmp(seen + offset, model + offset, len) == 0;
	case 2:
		return next() % 4 || disk_flush(disk) == 0;
	default:
		for (uint64_t i = 0; i < len; i++)
			model[offset + i] = (uint8_t)next();
		return write_range(disk, offset, len) == 0;
	}
}

static bool
exercise(struct disk *disk)
{
	for (int i = 0; i < 300; i++)
		if (!operate(disk))
			return false;
	return same(disk);
}

/* What qemu-img makes of it. */
static bool
converts(const char *path)
{
	cleanup_fd int fd = -1;

	if (shell("qemu-img convert -f qcow2 -O raw %s out.raw", path) != 0)
		return false;
	fd = open("out.raw", O_RDONLY);
	return io_pread(fd, seen, SIZE, 0) == SIZE &&
	       memcmp(seen, model, SIZE) == 0;
}

static int
check(const char *path)
{
	return shell("qemu-img check -q -f qcow2 %s >check 2>&1", path);
}

/* An image that holds what base.raw does, made with these options. */
static void
test_kind(const char *name, const char *options)
{
	struct disk disk;
	cleanup_fd int raw = open("base.raw", O_RDONLY);

	io_pread(raw, model, SIZE, 0);
	is_int(shell("qemu-img convert -f raw -O qcow2 %s base.raw i.qcow2",
		   options),
	    0, "%s", name);
	is_int(open_image(&disk, "i.qcow2", false), 0, "%s: read-only", name);
	is_int(disk.size, SIZE, "%s: its size", name);
	ok(same(&disk), "%s: reads what qemu-img wrote", name);
	disk_close(&disk);

	ok(open_image(&disk, "i.qcow2", true) == 0, "%s: for writing: %s", name,
	    e.text);
	ok(exercise(&disk), "%s: reads what was written", name);
	disk_close(&disk);
	is_int(check("i.qcow2"), 0, "%s: qemu-img check", name);
	ok(converts("i.qcow2"), "%s: qemu-img reads what was written", name);
	is_int(open_image(&disk, "i.qcow2", true), 0, "%s: again", name);
	ok(same(&disk), "%s: it is still there", name);
	ok(exercise(&disk), "%s: and can be written on", name);
	disk_close(&disk);
	is_int(check("i.qcow2"), 0, "%s: qemu-img check", name);
	ok(converts("i.qcow2"), "%s: qemu-img reads it", name);
}

static void
test_kinds(void)
{
	test_kind("usual", "");
	test_kind("version 2", "-o compat=0.10");
	test_kind("clusters of 512", "-o cluster_size=512");
	test_kind("clusters of 4K", "-o cluster_size=4K");
	test_kind("clusters of 2M", "-o cluster_size=2M");
	test_kind("counts of 8 bits", "-o refcount_bits=8");
	test_kind("counts of 64 bits", "-o refcount_bits=64,cluster_size=1K");
	test_kind("zlib", "-c -o cluster_size=8K");
	test_kind("zstd", "-c -o compression_type=zstd");
	test_kind("zlib, version 2", "-c -o compat=0.10");
}

/* A chain: raw, qcow2 that is compressed, qcow2; each shorter or longer. */
static void
test_backing(void)
{
	cleanup_fd int raw = open("base.raw", O_RDONLY);
	struct disk disk;
	struct disk_config over = {
	    .path = "c.qcow2",
	    .format = DISK_QCOW2,
	    .overlay = "c.overlay",
	};

	io_pread(raw, model, SIZE, 0);
	is_int(shell("truncate -s 1M short.raw && dd if=base.raw of=short.raw "
		     "bs=1M count=1 conv=notrunc 2>/dev/null && "
		     "qemu-img create -q -f qcow2 -F raw -b short.raw b.qcow2 "
		     "%u && qemu-img create -q -f qcow2 -F qcow2 -b b.qcow2 "
		     "c.qcow2",
		   SIZE),
	    0, "a chain");
	memset(model + (1 << 20), 0, SIZE - (1 << 20));
	ok(open_image(&disk, "c.qcow2", true) == 0, "opens: %s", e.text);
	ok(same(&disk), "reads through it");
	ok(exercise(&disk), "reads what was written");
	disk_close(&disk);
	is_int(check("c.qcow2"), 0, "qemu-img check");
	ok(converts("c.qcow2"), "qemu-img reads what was written");
	is_int(check("b.qcow2"), 0, "what is below is in order");
	is_int(shell("cmp -n 1048576 base.raw short.raw"), 0,
	    "and has not changed");

	is_int(disk_open(&disk, &over, &e), 0, "an overlay over an image");
	ok(exercise(&disk), "reads what was written");
	disk_close(&disk);
	is_int(disk_open(&disk, &over, &e), 0, "again");
	ok(same(&disk), "it is still there");
	disk_close(&disk);
}

static void
refused(const char *path, bool write, const char *why)
{
	struct disk disk;

	ok(open_image(&disk, path, write) < 0 && strstr(e.text, why), "%s: %s",
	    why, e.text);
	disk_close(&disk);
}

static void
test_refusals(void)
{
	struct disk disk, second;

	refused("base.raw", false, "not a qcow2 image");
	refused("nothing", false, "No such file");
	shell("mkdir in; ln -s /etc/passwd in/link; cp base.raw in/b.raw; "
	      "q='qemu-img create -q -f qcow2 -F raw'; "
	      "$q -u -b ../base.raw in/o.qcow2 1M; "
	      "$q -u -b /etc/passwd in/a.qcow2 1M; "
	      "$q -u -b link in/l.qcow2 1M; $q -u -b no.raw in/m.qcow2 1M; "
	      "$q -b $PWD/in/b.raw in/abs.qcow2");
	refused("in/m.qcow2", false, "no.raw: No such file");
	refused("in/o.qcow2", false, "outside of the image's folder");
	refused("in/a.qcow2", false, "outside of the image's folder");
	refused("in/l.qcow2", false, "outside of the image's folder");
	is_int(open_image(&disk, "in/abs.qcow2", false), 0,
	    "an absolute path into the folder is in it");
	disk_close(&disk);

	/* qemu-img would not make these. */
	shell("qemu-img create -q -u -f qcow2 -F qcow2 -b l2.qcow2 l1.qcow2 1M;"
	      "qemu-img create -q -u -f qcow2 -F qcow2 -b l1.qcow2 l2.qcow2 "
	      "1M");
	refused("l1.qcow2", false, "among its own backing files");
	shell("for i in $(seq 0 20); do qemu-img create -q -u -f qcow2 -F "
	      "qcow2 -b d$((i + 1)).qcow2 d$i.qcow2 1M; done");
	refused("d0.qcow2", false, "more than");

	shell("qemu-img create -q -f qcow2 s.qcow2 1M && "
	      "qemu-img snapshot -c one s.qcow2");
	refused("s.qcow2", true, "snapshots");
	is_int(open_image(&disk, "s.qcow2", false), 0, "but it can be read");
	disk_close(&disk);
	shell("qemu-img create -q -f qcow2 m.qcow2 1M && "
	      "qemu-img bitmap --add m.qcow2 b");
	refused("m.qcow2", true, "bitmaps");
	shell("qemu-img create -q -f qcow2 -o extended_l2=on x.qcow2 1M");
	refused("x.qcow2", false, "not known");

	shell("qemu-img create -q -f qcow2 k.qcow2 1M");
	is_int(open_image(&disk, "k.qcow2", true), 0, "one writes");
	ok(open_image(&second, "k.qcow2", false) < 0 && e.status == EX_TEMPFAIL,
	    "nobody else reads");
	disk_close(&second);
	disk_close(&disk);
}

/* Writes and flushes until it is killed; tells of each flush by what the
 * flushed disk holds. */
_Noreturn static void
write_for_ever(int report)
{
	struct disk disk;

	if (open_image(&disk, "kill.qcow2", true) < 0 ||
	    read_range(&disk, 0, SIZE) < 0)
		_exit(1);
	for (uint32_t i = 1;; i++) {
		uint64_t offset = next() % (SIZE / 512) * 512;

		for (int j = 0; j < 64; j++)
			memcpy(model + offset + j * 8, &i, sizeof(i));
		if (write_range(&disk, offset, 512) < 0)
			_exit(1);
		if (i % 16 == 0) {
			if (disk_flush(&disk) < 0)
				_exit(1);
			/* The last that is flushed, and where. */
			if (write(report, &(uint64_t[]){i, offset}, 16) != 16)
				_exit(1);
		}
	}
}

static void
test_kill(void)
{
	bool sound = true, kept = true;
	int leaks = 0;

	shell("qemu-img convert -f raw -O qcow2 -c -o cluster_size=4K base.raw "
	      "kill.qcow2");
	for (int round = 0; round < 12; round++) {
		uint64_t told[2], last[2] = {0};
		uint32_t found;
		struct disk disk;
		int ends[2];
		pid_t pid;

		state += 77u * (unsigned)round;
		if (pipe(ends) < 0)
			return;
		pid = fork();
		if (pid == 0)
			write_for_ever(ends[1]);
		close(ends[1]);
		for (int i = 0;
		     i < 3 + round && read(ends[0], told, sizeof(told)) == 16;
		     i++)
			memcpy(last, told, sizeof(last));
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		while (read(ends[0], told, sizeof(told)) == 16)
			memcpy(last, told, sizeof(last));
		close(ends[0]);
		switch (check("kill.qcow2")) {
		case 0:
			break;
		case 3: /* in the middle of a flush */
			leaks++;
			shell("qemu-img check -q -r leaks -f qcow2 kill.qcow2");
			break;
		default:
			sound = false;
			shell("sed 's/^/# /' check");
		}
		if (open_image(&disk, "kill.qcow2", false) < 0 ||
		    read_range(&disk, last[1], 512) < 0)
			kept = false;
		memcpy(&found, seen + last[1] + 8, sizeof(found));
		/* Or what was written there later. */
		kept &= found >= last[0];
		disk_close(&disk);
	}
	ok(sound, "killed while it writes: nothing is wrong with it");
	ok(kept, "and what was flushed is there");
	printf("# leaks (killed inside of a flush): %d of 12\n", leaks);
}

/* Every byte of the tables changed, one at a time: an error or not, but no
 * harm. */
static void
test_damage(void)
{
	cleanup_fd int fd = -1;
	struct stat st;
	unsigned opened = 0;

	shell("head -c 65536 base.raw >small.raw; qemu-img convert -f raw -O "
	      "qcow2 -c -o cluster_size=512 small.raw d.qcow2");
	fd = open("d.qcow2", O_RDWR);
	if (fd < 0 || fstat(fd, &st) < 0)
		return;
	for (off_t at = 0; at < 4096 && at < st.st_size; at++) {
		uint8_t was, byte;
		struct disk disk;

		if (pread(fd, &was, 1, at) != 1)
			break;
		byte = (uint8_t)(was ^ (1u << next() % 8));
		if (pwrite(fd, &byte, 1, at) != 1)
			break;
		if (open_image(&disk, "d.qcow2", false) == 0) {
			opened++;
			if (disk.size <= SIZE)
				read_range(&disk, 0, disk.size);
		}
		disk_close(&disk);
		if (pwrite(fd, &was, 1, at) != 1)
			break;
	}
	ok(opened > 0, "damaged at each place, it is read or refused (%u read)",
	    opened);
}

/* Counts of 64 bits in clusters of 512 bytes: 64 in a block, of which the table
 * has 64. The file ends where a block's last cluster is the next new one, which
 * becomes that block itself. */
static void
test_last_of_block(void)
{
	static uint8_t data[512] = {1};
	struct disk_run run;
	struct disk disk;

	shell("qemu-img create -q -f qcow2 -o cluster_size=512,refcount_bits=64"
	      " b.qcow2 64K && cp b.qcow2 f.qcow2 && "
	      "truncate -s $((383 * 512)) b.qcow2 && "
	      "truncate -s $((4095 * 512)) f.qcow2");
	is_int(open_image(&disk, "b.qcow2", true), 0, "the end of a block");
	ok(disk_prepare(&disk, 0, 512, &run) == 0 &&
		io_pwrite(run.fd, data, 512, run.offset) == 0 &&
		disk_written(&disk, 0, 512) == 0 && disk_flush(&disk) == 0,
	    "is written behind");
	disk_close(&disk);
	is_int(check("b.qcow2"), 0, "qemu-img check");

	is_int(open_image(&disk, "f.qcow2", true), 0, "the end of all blocks");
	ok(disk_prepare(&disk, 0, 512, &run) < 0, "nothing is written there");
	is_int(disk_flush(&disk), 0, "which is no harm");
	disk_close(&disk);
	is_int(check("f.qcow2"), 0, "qemu-img check");
}

/* A disk that is full here: a guest that tries on and on to write uses up none
 * of the room that the image's tables have. */
static void
test_failed_writes(void)
{
	static uint8_t junk[3 * 4096];
	struct disk_run run;
	struct disk disk;
	struct stat st;
	bool good = true;

	memset(junk, 0xee, sizeof(junk));
	memset(model, 0, SIZE);
	shell(
	    "qemu-img create -q -f qcow2 -o cluster_size=4K w.qcow2 %u", SIZE);
	is_int(open_image(&disk, "w.qcow2", true), 0, "an image");
	for (unsigned i = 0; i < 1000; i++)
		good &= disk_prepare(&disk, 512, sizeof(junk), &run) == 0 &&
			io_pwrite(run.fd, junk, run.len / 2, run.offset) == 0;
	ok(good, "a thousand writes that are not done");
	ok(exercise(&disk), "reads what was written then");
	disk_close(&disk);
	is_int(check("w.qcow2"), 0, "qemu-img check");
	ok(converts("w.qcow2"), "qemu-img reads what was written");
	ok(stat("w.qcow2", &st) == 0 && st.st_size < 2 * SIZE,
	    "and it is not larger for that");
}

/* What one table of 512 bytes speaks of, and more tables than are kept. */
#define REACH  (64 * 512)
#define TABLES 2048u

static bool
write_sector(struct disk *disk, uint64_t offset)
{
	static uint8_t data[512];
	struct disk_run run;

	memset(data, (int)(offset / REACH * 3 + 1), sizeof(data));
	return disk_prepare(disk, offset, sizeof(data), &run) == 0 &&
	       io_pwrite(run.fd, data, sizeof(data), run.offset) == 0 &&
	       disk_written(disk, offset, sizeof(data)) == 0;
}

static bool
read_sector(const struct disk *disk, uint64_t offset)
{
	struct disk_run run = disk_where(disk, offset, 512);
	uint8_t data[512];

	return run.len == 512 && disk_run_read(&run, data) == 0 &&
	       data[0] == (uint8_t)(offset / REACH * 3 + 1) &&
	       data[511] == data[0];
}

/* Nothing can be written, as on a full disk, and tables that are kept have
 * changed: what is in the others can be read all the same. */
static void
test_full(void)
{
	struct rlimit limit, none;
	bool good = true;
	struct disk disk;

	shell("qemu-img create -q -f qcow2 -o cluster_size=512 full.qcow2 64M");
	is_int(open_image(&disk, "full.qcow2", true), 0, "an image");
	for (uint64_t i = 0; i < TABLES; i++)
		good &= write_sector(&disk, i * REACH);
	ok(good, "with many tables");
	disk_close(&disk);

	is_int(open_image(&disk, "full.qcow2", true), 0, "opened again");
	for (uint64_t i = 0; i < TABLES / 2; i++)
		good &= write_sector(&disk, i * REACH + 512);
	getrlimit(RLIMIT_FSIZE, &limit);
	none = limit;
	none.rlim_cur = 0;
	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &none);
	for (uint64_t i = 0; i < TABLES; i++)
		good &= read_sector(&disk, i * REACH);
	setrlimit(RLIMIT_FSIZE, &limit);
	ok(good, "all is read while nothing can be written");
	for (uint64_t i = 0; i < TABLES / 2; i++)
		good &= read_sector(&disk, i * REACH + 512);
	ok(good && disk_flush(&disk) == 0, "and nothing is lost");
	disk_close(&disk);
	is_int(check("full.qcow2"), 0, "qemu-img check");
}

static uint64_t
resident(void)
{
	cleanup_fd int fd = open("/proc/self/statm", O_RDONLY);
	char text[64] = "", *at = text;

	io_read(fd, text, sizeof(text) - 1);
	strtoull(text, &at, 10);
	return strtoull(at, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t
get_entry(int fd, uint64_t offset)
{
	uint64_t entry = 0;

	io_pread(fd, &entry, sizeof(entry), offset);
	return be64toh(entry) & 0x00fffffffffffe00;
}

static void
put_entry(int fd, uint64_t offset, uint64_t entry)
{
	entry = htobe64(entry);
	io_pwrite(fd, &entry, sizeof(entry), offset);
}

/* A small file whose tables speak of clusters all over 50 terabytes, and have
 * their counts in one and the same block: each was a block in memory. */
static void
test_far_clusters(void)
{
	const uint64_t cluster = 2u << 20, counted = cluster / 8 * cluster;
	uint64_t before, table, counts;
	struct disk_run run;
	struct disk disk;
	bool good = true;
	int fd;

	shell("qemu-img create -q -f qcow2 -o cluster_size=2M,refcount_bits=64"
	      " far.qcow2 1G");
	is_int(open_image(&disk, "far.qcow2", true), 0, "an image");
	ok(disk_prepare(&disk, 0, cluster, &run) == 0 &&
		disk_written(&disk, 0, cluster) == 0,
	    "with a table");
	disk_close(&disk);
	fd = open("far.qcow2", O_RDWR);
	table = get_entry(fd, get_entry(fd, 40)); /* the header: L1's */
	counts = get_entry(fd, 48);               /* and the counts' */
	for (uint64_t i = 1; i < 100; i++) {
		put_entry(fd, table + i * 8, i * counted);
		put_entry(fd, counts + i * 8, get_entry(fd, counts));
	}
	fd_close(&fd);

	is_int(open_image(&disk, "far.qcow2", true), 0, "which lies");
	before = resident();
	for (uint64_t i = 1; i < 100; i++)
		good &= disk_prepare(&disk, i * cluster, cluster, &run) == 0 &&
			disk_written(&disk, i * cluster, cluster) == 0;
	ok(good && disk_flush(&disk) == 0, "is written to");
	ok(resident() - before < 64 << 20, "and takes no memory for that");
	disk_close(&disk);
}

int
main(void)
{
	if (shell("command -v qemu-img >/dev/null") != 0) {
		skip("qemu-img is not installed", "qcow2");
		return tap_done();
	}
	if (!mkdtemp(folder) || chdir(folder) < 0)
		return 1;
	/* Half of it compresses well, a quarter is zeros. */
	for (size_t i = 0; i < SIZE; i++)
		model[i] = i % (1 << 18) < 1 << 17   ? (uint8_t)next()
			   : i % (1 << 18) < 3 << 16 ? 0
						     : (uint8_t)(i / 999);
	{
		cleanup_fd int fd = open("base.raw", O_WRONLY | O_CREAT, 0600);

		io_write(fd, model, SIZE);
	}
	test_kinds();
	test_backing();
	test_refusals();
	test_kill();
	test_damage();
	test_last_of_block();
	test_failed_writes();
	test_full();
	test_far_clusters();
	shell("rm -rf %s", folder);
	return tap_done();
}
