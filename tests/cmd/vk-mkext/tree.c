/* SPDX-License-Identifier: MIT */
/* tree.c - paths inside the root, replacing, links */
#include "cmd/vk-mkext/tree.h"
#include "tests/tap.h"

#include <sys/stat.h>

static struct tree t;
static struct err e;

static uint32_t
make(const char *path, unsigned mode, const char *target)
{
	struct meta m = {.mode = (uint16_t)mode, .target = target};
	uint32_t object = 0;

	return tree_make(&t, path, &m, &object, &e) < 0 ? 0 : object;
}

static void
paths(void)
{
	uint32_t a = make("usr/lib/a", S_IFREG, NULL), found;

	ok(a, "a file");
	is_int(tree_find(&t, "/usr/lib/a", false), a, "an absolute path");
	is_int(tree_find(&t, "./usr//lib/./a", false), a, "dots and slashes");
	is_int(tree_find(&t, "../../usr/lib/../lib/a", false), a,
	    "out of the root is the root");
	make("lib", S_IFLNK, "usr/lib");
	make("up", S_IFLNK, "../../../usr");
	make("abs", S_IFLNK, "/usr/lib/");
	is_int(tree_find(&t, "lib/a", false), a, "through a link");
	is_int(tree_find(&t, "up/lib/a", false), a, "through one up and out");
	is_int(tree_find(&t, "abs/a", false), a, "through an absolute one");
	is_int(make("abs/b", S_IFREG, NULL), tree_find(&t, "usr/lib/b", false),
	    "made through a link");
	make("dangling", S_IFLNK, "not/there");
	is_int(tree_find(&t, "dangling", true), 0, "a link to nothing");
	is_int(tree_find(&t, "not", false), 0, "looking makes nothing");
	found = make("dangling/x", S_IFREG, NULL);
	is_int(tree_find(&t, "not/there/x", false), found, "but making does");
	is_int(tree_find(&t, "/", true), TREE_ROOT, "the root");
	is_int(tree_find(&t, "usr/..", true), TREE_ROOT, "the root again");
	make("self", S_IFLNK, "self");
	is_int(tree_find(&t, "self", true), 0, "a link to itself");
	is_int(make("self/x", S_IFREG, NULL), 0, "is no parent");
}

static void
through(void)
{
	struct meta m = {.mode = S_IFREG | 0600};
	uint32_t object = 0;

	make("etc/resolv.conf", S_IFLNK, "../run/resolv.conf");
	ok(tree_make_through(&t, "etc/resolv.conf", &m, &object, &e) == 0,
	    "made through the last link");
	is_int(
	    tree_find(&t, "run/resolv.conf", false), object, "where it leads");
	ok(S_ISLNK(
	       tree_object(&t, tree_find(&t, "etc/resolv.conf", false))->mode),
	    "the link stays");
}

static void
links(void)
{
	uint32_t one = 0, two = 0, file;

	ok(tree_link(&t, "h/one", "h/later", &one, &e) == 0, "a promise");
	ok(tree_link(&t, "h/two", "h/later", &two, &e) == 0, "another");
	is_int(one, two, "of the same file");
	file = make("h/later", S_IFREG | 0640, NULL);
	is_int(file, one, "which then comes");
	is_int(tree_object(&t, file)->links, 3, "with three names");
	make("h/one", S_IFREG, NULL);
	is_int(tree_object(&t, file)->links, 2, "one is replaced");
	make("h", S_IFREG, NULL);
	is_int(tree_object(&t, file)->links, 0, "all of it is replaced");
	ok(tree_number(&t, &e) == 0, "numbered");
	is_int(tree_object(&t, TREE_ROOT)->inode, 2, "the root is 2");
	is_int(tree_object(&t, TREE_LOST_FOUND)->inode, 11, "lost+found is 11");
	ok(tree_link(&t, "p", "never", &one, &e) == 0, "a promise");
	ok(tree_number(&t, &e) < 0, "that is broken");
	ok(strstr(e.text, "never"), "is told of");
}

static uint32_t
hash_in(struct tree *tree, const char *path)
{
	struct meta m = {.mode = S_IFREG};
	uint32_t object;

	if (tree_init(tree, &e) < 0 ||
	    tree_make(tree, path, &m, &object, &e) < 0)
		return 0;
	return tree_name(tree, tree->name_count - 1)->hash;
}

/* Who knows the names shall not know which of them meet in one chain. */
static void
hashes(void)
{
	struct tree one, two;

	ok(hash_in(&one, "a name") != hash_in(&two, "a name"),
	    "a name's hash is another in each tree");
	tree_release(&one);
	tree_release(&two);
}

int
main(void)
{
	if (tree_init(&t, &e) < 0)
		return 1;
	paths();
	through();
	links();
	hashes();
	tree_release(&t);
	tree_release(&t);
	return tap_done();
}
