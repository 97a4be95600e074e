/* SPDX-License-Identifier: MIT */
/*
 * trees.c - generated trees, made into images and read back entry by entry
 *
 * Each tree is a random tar: all types, owners, times, attributes and ACLs,
 * entries that replace others of any type, hard links before and after their
 * target, names through symbolic links. A model that knows nothing of the
 * program's own tree says what must come out. Every image is checked with
 * e2fsck, too, and built twice.
 *
 *	VK_TREES       how many (40; soak mkext: 500)
 *	VK_TREES_SEED  the first one's seed (1)
 */
#include "cmd/vk-mkext/look.h"
#include "cmd/vk-mkext/recipe.h"
#include "common/scope.h"
#include "common/size.h"
#include "tests/tap.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#define NAMES   400
#define ENTRIES 90
#define CONTENT (96 << 10)

extern char **environ;

/* ---- chance ------------------------------------------------------------- */

static uint64_t state;

static uint64_t
chance(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state * 0x2545f4914f6cdd1dULL;
}

static uint32_t
below(uint32_t limit)
{
	return (uint32_t)((chance() >> 33) % limit);
}

/* ---- the model ---------------------------------------------------------- */

struct thing {
	unsigned mode;
	uint32_t uid, gid;
	int64_t seconds;
	long nanoseconds;
	char target[300];
	unsigned major, minor;
	char *content;
	size_t size;
	/* Values, some too large for a block; names by their place. */
	char attribute[4][5000];
	size_t attribute_length[4];
	unsigned acl; /* 0: none, else permissions of user 1000, 1 to 7 */
	char default_acl;
};

static const char *const attribute_names[4] = {
    "user.note", "security.capability", "trusted.t", "user.very.long.name"};

static struct {
	char path[600];
	struct thing *thing;
} names[NAMES];
static size_t name_count;
static struct thing *things[4 * ENTRIES];
static size_t thing_count;

static size_t
find(const char *path)
{
	size_t i = 0;

	while (i < name_count && strcmp(names[i].path, path) != 0)
		i++;
	return i;
}

/* Takes a name away, and all below it. */
static void
take_away(const char *path)
{
	size_t length = strlen(path), kept = 0;

	for (size_t i = 0; i < name_count; i++) {
		bool gone = strncmp(names[i].path, path, length) == 0 &&
			    (names[i].path[length] == 0 ||
				names[i].path[length] == '/');

		if (!gone)
			names[kept++] = names[i];
	}
	name_count = kept;
}

static void
put(const char *path, struct thing *t)
{
	size_t i = find(path);

	if (i < name_count && S_ISDIR(t->mode) &&
	    S_ISDIR(names[i].thing->mode)) {
		names[i].thing = t;
		return;
	}
	take_away(path);
	snprintf(names[name_count].path, sizeof(names[0].path), "%s", path);
	names[name_count++].thing = t;
}

/* ---- entries ------------------------------------------------------------ */

static struct thing *
new_thing(unsigned type)
{
	struct thing *t = calloc(1, sizeof(*t));

	things[thing_count++] = t;
	t->mode = type | below(010000);
	t->uid = below(3) ? below(70000) : (uint32_t)chance();
	t->gid = below(3) ? below(70000) : (uint32_t)chance();
	t->seconds = below(2) ? (int64_t)below(2000000000)
			      : (int64_t)(chance() % (UINT64_C(1) << 33)) -
				    INT64_C(2147483648);
	/* There is no -0 s to which a fraction could be added: see
	 * told_seconds. */
	t->nanoseconds =
	    below(2) || t->seconds == -1 ? 0 : (long)below(1000000000);
	return t;
}

static void
add_content(struct thing *t)
{
	static const uint32_t sizes[] = {
	    0, 1, 100, 4095, 4096, 4097, 8192, 20000, 65536, CONTENT};

	t->size = sizes[below(10)];
	t->content = calloc(1, t->size + 1);
	/* Runs of noise and of zeros, cut at any place. */
	for (size_t at = 0; at < t->size;) {
		size_t n = 1 + below(12000);

		if (n > t->size - at)
			n = t->size - at;
		if (below(2))
			for (size_t i = 0; i < n; i++)
				t->content[at + i] = (char)below(256);
		at += n;
	}
}

static void
add_attributes(struct thing *t)
{
	if (S_ISLNK(t->mode) || below(3))
		return;
	for (size_t i = 0; i < 4; i++) {
		if (below(2))
			continue;
		t->attribute_length[i] = 1 + below(below(16) ? 40 : 5000);
		for (size_t k = 0; k < t->attribute_length[i]; k++)
			t->attribute[i][k] = (char)below(256);
	}
	if (below(2))
		t->acl = 1 + below(7);
	t->default_acl = S_ISDIR(t->mode) && below(2);
}

/* A directory that the model has: "" is the root. */
static const char *
some_directory(void)
{
	for (int tries = 0; name_count > 0 && tries < 20; tries++) {
		size_t i = below((uint32_t)name_count);

		if (S_ISDIR(names[i].thing->mode) &&
		    strlen(names[i].path) < 200)
			return names[i].path;
	}
	return "";
}

static void
some_path(char *path, size_t size)
{
	static const char *const odd[] = {"\xff\xfe bytes", "n\303\244me",
	    "new\nline", "a b", "-dash", "\\back"};
	const char *in = some_directory();
	char name[256];

	if (below(12) == 0) {
		memset(name, 'x', 255);
		name[255] = 0;
		snprintf(name, 8, "%07x", below(0xffffff));
		name[7] = 'x';
	} else if (below(8) == 0) {
		snprintf(name, sizeof(name), "%s", odd[below(6)]);
	} else {
		snprintf(name, sizeof(name), "n%u", below(14));
	}
	snprintf(path, size, "%s%s%s", in, *in ? "/" : "", name);
}

/* libarchive takes -4.5 s for -4 s and half a second more, also when it writes.
 */
static int64_t
told_seconds(const struct thing *t)
{
	return t->seconds + (t->seconds < 0 && t->nanoseconds > 0);
}

static long
told_nanoseconds(const struct thing *t)
{
	return t->seconds < 0 && t->nanoseconds > 0
		   ? 1000000000 - t->nanoseconds
		   : t->nanoseconds;
}

/* ---- the tar ------------------------------------------------------------ */

static struct archive_entry *
entry_of(const struct thing *t, const char *path)
{
	struct archive_entry *e = archive_entry_new();

	archive_entry_copy_pathname(e, path);
	archive_entry_set_mode(e, (mode_t)t->mode);
	archive_entry_set_uid(e, t->uid);
	archive_entry_set_gid(e, t->gid);
	archive_entry_set_mtime(e, told_seconds(t), told_nanoseconds(t));
	archive_entry_set_size(e, (la_int64_t)t->size);
	if (S_ISLNK(t->mode))
		archive_entry_copy_symlink(e, t->target);
	if (S_ISCHR(t->mode) || S_ISBLK(t->mode))
		archive_entry_set_rdev(e, makedev(t->major, t->minor));
	for (size_t i = 0; i < 4; i++)
		if (t->attribute_length[i] > 0)
			archive_entry_xattr_add_entry(e, attribute_names[i],
			    t->attribute[i], t->attribute_length[i]);
	return e;
}

static void
add_acls(struct archive_entry *e, int type, unsigned mode, unsigned user)
{
	static const struct {
		int tag, id;
	} rows[] = {{ARCHIVE_ENTRY_ACL_USER_OBJ, -1},
	    {ARCHIVE_ENTRY_ACL_USER, 1000}, {ARCHIVE_ENTRY_ACL_GROUP_OBJ, -1},
	    {ARCHIVE_ENTRY_ACL_MASK, -1}, {ARCHIVE_ENTRY_ACL_OTHER, -1}};
	const unsigned permissions[] = {
	    mode >> 6 & 7, user, 5, mode >> 3 & 7, mode & 7};

	for (size_t i = 0; i < 5; i++)
		archive_entry_acl_add_entry(e, type, (int)permissions[i],
		    rows[i].tag, rows[i].id, rows[i].id >= 0 ? "1000" : NULL);
}

static void
send_thing(struct archive *tar, const struct thing *t, const char *path)
{
	struct archive_entry *e = entry_of(t, path);

	if (t->acl)
		add_acls(e, ARCHIVE_ENTRY_ACL_TYPE_ACCESS, t->mode, t->acl);
	if (t->default_acl)
		add_acls(e, ARCHIVE_ENTRY_ACL_TYPE_DEFAULT, 0750, 5);
	if (archive_write_header(tar, e) < ARCHIVE_WARN)
		printf("# header: %s\n", archive_error_string(tar));
	if (t->size > 0)
		archive_write_data(tar, t->content, t->size);
	archive_entry_free(e);
}

static void
send_link(struct archive *tar, const char *path, const char *target)
{
	struct archive_entry *e = archive_entry_new();

	archive_entry_copy_pathname(e, path);
	archive_entry_set_mode(e, S_IFREG | 0644);
	archive_entry_copy_hardlink(e, target);
	archive_write_header(tar, e);
	archive_entry_free(e);
}

static bool
is_within(const char *path, const char *parent)
{
	size_t length = strlen(parent);

	return strncmp(path, parent, length) == 0 &&
	       (path[length] == 0 || path[length] == '/');
}

static void
link_to_there(struct archive *tar)
{
	char path[600];
	size_t i = below((uint32_t)name_count);
	char target[600];

	some_path(path, sizeof(path));
	snprintf(target, sizeof(target), "%s", names[i].path);
	/* A link may replace a directory, but not the one it leads into. */
	if (S_ISDIR(names[i].thing->mode) || is_within(target, path))
		return;
	send_link(tar, path, target);
	put(path, names[find(target)].thing);
}

static void
link_to_later(struct archive *tar)
{
	char path[600], target[600];
	struct thing *t;

	some_path(path, sizeof(path));
	some_path(target, sizeof(target));
	if (find(target) < name_count || is_within(target, path) ||
	    is_within(path, target))
		return;
	t = new_thing(S_IFREG);
	add_content(t);
	add_attributes(t);
	send_link(tar, path, target);
	put(path, t);
	send_thing(tar, t, target);
	put(target, t);
}

/* A link to a directory, and then a name through it. */
static void
through_link(struct archive *tar)
{
	char path[600], through[700], real[700];
	const char *directory = some_directory();
	struct thing *link, *t;

	if (!*directory)
		return;
	some_path(path, sizeof(path));
	if (is_within(directory, path) || find(path) < name_count)
		return;
	link = new_thing(S_IFLNK);
	snprintf(link->target, sizeof(link->target), "/%s%s",
	    below(2) ? "../../" : "", directory);
	snprintf(real, sizeof(real), "%s/through", directory);
	snprintf(through, sizeof(through), "%s/through", path);
	send_thing(tar, link, path);
	put(path, link);
	t = new_thing(S_IFREG);
	add_content(t);
	send_thing(tar, t, through);
	put(real, t);
}

static void
plain(struct archive *tar)
{
	static const unsigned types[] = {S_IFREG, S_IFREG, S_IFREG, S_IFDIR,
	    S_IFDIR, S_IFLNK, S_IFCHR, S_IFBLK, S_IFIFO};
	struct thing *t = new_thing(types[below(9)]);
	char path[600];

	some_path(path, sizeof(path));
	if (S_ISREG(t->mode))
		add_content(t);
	if (S_ISLNK(t->mode)) {
		memset(t->target, 't', 299);
		t->target[1 + below(250)] = 0;
	}
	if (S_ISCHR(t->mode) || S_ISBLK(t->mode)) {
		t->major = below(below(2) ? 256 : 4096);
		t->minor = below(below(2) ? 256 : 1 << 20);
	}
	add_attributes(t);
	send_thing(tar, t, path);
	put(path, t);
}

static void
generate(const char *file)
{
	struct archive *tar = archive_write_new();
	uint32_t entries = 5 + below(ENTRIES - 5);

	archive_write_set_format_pax(tar);
	archive_write_set_options(tar, "hdrcharset=BINARY");
	archive_write_open_filename(tar, file);
	for (uint32_t i = 0; i < entries && name_count < NAMES - 4; i++) {
		uint32_t what = below(10);

		if (what == 0 && name_count > 0)
			link_to_there(tar);
		else if (what == 1)
			link_to_later(tar);
		else if (what == 2)
			through_link(tar);
		else
			plain(tar);
	}
	archive_write_close(tar);
	archive_write_free(tar);
}

/* ---- reading back ------------------------------------------------------- */

static int wrong;

static void
complain(const char *path, const char *what)
{
	wrong++;
	printf("# %s: %s\n", path, what);
}

static void
compare_content(struct archive *a, const struct thing *t, const char *path)
{
	char *got = calloc(1, t->size + 2);
	la_ssize_t n = archive_read_data(a, got, t->size + 1);

	if (n != (la_ssize_t)t->size || memcmp(got, t->content, t->size) != 0)
		complain(path, "content differs");
	free(got);
}

static void
compare_attributes(
    struct archive_entry *e, const struct thing *t, const char *path)
{
	size_t wanted = 0, length;
	const char *name;
	const void *value;

	for (size_t i = 0; i < 4; i++)
		wanted += t->attribute_length[i] > 0;
	if ((size_t)archive_entry_xattr_reset(e) != wanted)
		complain(path, "another number of attributes");
	while (
	    archive_entry_xattr_next(e, &name, &value, &length) == ARCHIVE_OK) {
		size_t i = 0;

		while (i < 4 && strcmp(attribute_names[i], name) != 0)
			i++;
		if (i == 4 || length != t->attribute_length[i] ||
		    memcmp(value, t->attribute[i], length) != 0)
			complain(path, name);
	}
}

static void
compare_acls(struct archive_entry *e, const struct thing *t, const char *path)
{
	struct archive_entry *model = archive_entry_new();
	char *got, *wanted;

	archive_entry_set_mode(model, (mode_t)t->mode);
	if (t->acl)
		add_acls(model, ARCHIVE_ENTRY_ACL_TYPE_ACCESS, t->mode, t->acl);
	if (t->default_acl)
		add_acls(model, ARCHIVE_ENTRY_ACL_TYPE_DEFAULT, 0750, 5);
	got = archive_entry_acl_to_text(
	    e, NULL, ARCHIVE_ENTRY_ACL_STYLE_EXTRA_ID);
	wanted = archive_entry_acl_to_text(
	    model, NULL, ARCHIVE_ENTRY_ACL_STYLE_EXTRA_ID);
	if (strcmp(got ? got : "", wanted ? wanted : "") != 0) {
		complain(path, "ACL differs");
		printf("# got %s\n# wanted %s\n", got ? got : "(none)",
		    wanted ? wanted : "(none)");
	}
	free(got);
	free(wanted);
	archive_entry_free(model);
}

/* With an ACL libarchive shows the group's own entry in the mode. */
static unsigned
mode_of(const struct thing *t)
{
	return t->acl ? (t->mode & ~070u) | 050 : t->mode;
}

static void
compare(struct archive *a, struct archive_entry *e, const struct thing *t,
    const char *path)
{
	if (archive_entry_mode(e) != mode_of(t)) {
		complain(path, "mode differs");
		printf(
		    "# got %o, wanted %o\n", archive_entry_mode(e), mode_of(t));
	}
	if (archive_entry_uid(e) != t->uid || archive_entry_gid(e) != t->gid)
		complain(path, "owner differs");
	if (archive_entry_mtime(e) != told_seconds(t) ||
	    archive_entry_mtime_nsec(e) != told_nanoseconds(t))
		complain(path, "time differs");
	if (S_ISLNK(t->mode) &&
	    strcmp(archive_entry_symlink(e), t->target) != 0)
		complain(path, "target differs");
	if ((S_ISCHR(t->mode) || S_ISBLK(t->mode)) &&
	    (archive_entry_rdevmajor(e) != t->major ||
		archive_entry_rdevminor(e) != t->minor))
		complain(path, "device differs");
	compare_attributes(e, t, path);
	compare_acls(e, t, path);
	if (S_ISREG(t->mode))
		compare_content(a, t, path);
}

static void
read_back(const char *file)
{
	struct archive *a = archive_read_new();
	struct archive_entry *e;
	size_t seen = 0;

	archive_read_support_format_tar(a);
	archive_read_open_filename(a, file, 65536);
	int code;

	while ((code = archive_read_next_header(a, &e)) == ARCHIVE_OK ||
	       code == ARCHIVE_WARN) {
		const char *path = archive_entry_pathname(e);
		const char *link = archive_entry_hardlink(e);
		size_t i;

		if (strcmp(path, "./") == 0 || strcmp(path, ".") == 0 ||
		    strcmp(path, "./lost+found/") == 0)
			continue;
		path += strncmp(path, "./", 2) == 0 ? 2 : 0;
		char plain_path[700];

		snprintf(plain_path, sizeof(plain_path), "%s", path);
		if (plain_path[strlen(plain_path) - 1] == '/')
			plain_path[strlen(plain_path) - 1] = 0;
		i = find(plain_path);
		if (i == name_count) {
			complain(plain_path, "should not be there");
			continue;
		}
		seen++;
		if (!link) {
			compare(a, e, names[i].thing, plain_path);
			continue;
		}
		link += strncmp(link, "./", 2) == 0 ? 2 : 0;
		if (find(link) == name_count ||
		    names[find(link)].thing != names[i].thing)
			complain(plain_path, "linked to something else");
	}
	if (seen != name_count) {
		wrong++;
		printf("# %zu names there, %zu wanted\n", seen, name_count);
	}
	archive_read_free(a);
}

/* ---- one tree ----------------------------------------------------------- */

static int
e2fsck(const char *image)
{
	char program[] = "e2fsck", flags[] = "-fn";
	char *argv[] = {program, flags, (char *)image, NULL};
	posix_spawn_file_actions_t actions;
	int status = -1;
	pid_t pid;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
	if (posix_spawnp(&pid, "e2fsck", &actions, NULL, argv, environ) == 0)
		waitpid(pid, &status, 0);
	posix_spawn_file_actions_destroy(&actions);
	return status;
}

static int
build(const char *tar, const char *image)
{
	struct err e = ERR_INIT;
	struct recipe r = {.image.bytes = 8 * MIB};
	struct recipe_input in = {.name = "tar"};
	cleanup_fd int from = open(tar, O_RDONLY | O_CLOEXEC);
	cleanup_fd int to =
	    open(image, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	in.fd = from;
	if (recipe_build(&r, &in, to, NULL, &e) == 0)
		return 0;
	printf("# build: %s\n", e.text);
	return -1;
}

/* look_extract writes to stdout. */
static int
extract(const char *image, const char *tar)
{
	struct err e = ERR_INIT;
	cleanup_fd int to =
	    open(tar, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int saved, result;

	fflush(stdout);
	saved = dup(1);
	dup2(to, 1);
	result = look_extract(image, "/", &e);
	dup2(saved, 1);
	close(saved);
	if (result < 0)
		printf("# extract: %s\n", e.text);
	return result;
}

static bool
same_bytes(const char *left, const char *right)
{
	FILE *a = fopen(left, "r"), *b = fopen(right, "r");
	static char x[65536], y[65536];
	bool same = a && b;
	size_t n;

	while (same && (n = fread(x, 1, sizeof(x), a)) > 0)
		same = fread(y, 1, n, b) == n && memcmp(x, y, n) == 0;
	if (same)
		same = fgetc(b) == EOF;
	if (a)
		fclose(a);
	if (b)
		fclose(b);
	return same;
}

static bool
one_tree(uint64_t seed, const char *folder)
{
	char tar[128], image[128], again[128], back[128];

	snprintf(tar, sizeof(tar), "%s/in.tar", folder);
	snprintf(image, sizeof(image), "%s/image", folder);
	snprintf(again, sizeof(again), "%s/again", folder);
	snprintf(back, sizeof(back), "%s/back.tar", folder);
	state = seed * 0x9e3779b97f4a7c15ULL + 1;
	wrong = 0;
	name_count = thing_count = 0;
	generate(tar);
	if (build(tar, image) < 0 || build(tar, again) < 0)
		wrong++;
	else {
		if (!same_bytes(image, again))
			complain("image", "differs the second time");
		if (e2fsck(image) != 0)
			complain("image", "not clean");
		if (extract(image, back) < 0)
			wrong++;
		else
			read_back(back);
	}
	while (thing_count > 0) {
		free(things[--thing_count]->content);
		free(things[thing_count]);
	}
	if (wrong == 0) {
		unlink(tar);
		unlink(image);
		unlink(again);
		unlink(back);
	}
	return wrong == 0;
}

int
main(void)
{
	char *many = getenv("VK_TREES"), *first = getenv("VK_TREES_SEED");
	uint64_t trees = 40, seed = 1, good = 0;
	/* e2fsck waits for the disk, where there is one. */
	const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
	char folder[64];

	if (many)
		number_parse(many, 1000000, &trees);
	if (first)
		number_parse(first, UINT32_MAX, &seed);
	snprintf(folder, sizeof(folder), "%s/vk-trees.XXXXXX", base);
	if (!mkdtemp(folder))
		return 1;
	for (uint64_t i = 0; i < trees; i++) {
		if (one_tree(seed + i, folder)) {
			good++;
			continue;
		}
		printf("# seed %llu: kept in %s\n",
		    (unsigned long long)(seed + i), folder);
		break;
	}
	is_int(good, trees, "%llu trees clean, equal and the same twice",
	    (unsigned long long)trees);
	rmdir(folder);
	return tap_done();
}
