/* SPDX-License-Identifier: MIT */
/* config.c - the agent's configuration, from its file and from the kernel's
 * parameters */
#include "agent/config.h"

#include "tests/tap.h"

static void
test_file(void)
{
	static const char text[] = "# a comment\n"
				   "\n"
				   "root /dev/vda ext4 rw,noatime\n"
				   "  hostname \t box\n"
				   "dns 10.0.0.1\n"
				   "dns 10.0.0.2\n"
				   "sandbox\n"
				   "time 1700000000123456789\n"
				   "no-such-key x\n"
				   "cgroup hybrid";
	struct config c;
	char *words[CONFIG_WORDS_MAX + 1], line[] = " a\tb  c ";

	is_int(config_parse(&c, text, sizeof(text) - 1), 0, "parsed");
	is_str(c.root, "/dev/vda ext4 rw,noatime", "a value is a line's rest");
	is_str(c.hostname, "box", "white space around it is dropped");
	is_int(c.dns.count, 2, "a list");
	is_str(c.dns.lines[1], "10.0.0.2", "in its order");
	ok(c.dns.lines[2] == NULL, "which ends with NULL");
	ok(c.sandbox && !c.read_only, "a flag is there or not");
	ok(c.time_ns == 1700000000123456789u, "a number");
	is_str(c.cgroup, "hybrid", "the last line needs no end");
	is_int(config_words(line, words), 3, "words");
	is_str(words[2], "c", "of a value");
	config_release(&c);
}

static void
test_limits(void)
{
	static char text[(CONFIG_LIST_MAX + 10) * 8];
	char many[] = "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18";
	char *words[CONFIG_WORDS_MAX + 1];
	struct config c;
	size_t len = 0;

	for (int i = 0; i < CONFIG_LIST_MAX + 10; i++)
		len += (size_t)snprintf(
		    text + len, sizeof(text) - len, "host x\n");
	is_int(config_parse(&c, text, len), 0, "more than a list holds");
	is_int(c.hosts.count, CONFIG_LIST_MAX, "is left out");
	config_release(&c);
	is_int(config_words(many, words), CONFIG_WORDS_MAX, "so are words");
	is_int(config_parse(&c, "", 0), 0, "nothing");
	config_release(&c);
}

static void
test_parameters(void)
{
	static const char file[] = "cgroup 2\nhost first\n";
	static const char line[] =
	    "root=/dev/vda quiet vk.cgroup=1 "
	    "vk.exec-wrapper=\"nice -n 5\" \"vk.host=a b\" vk.sandbox "
	    "novk.cgroup=none vk.\n";
	struct config c;

	config_parse(&c, file, sizeof(file) - 1);
	is_int(config_parse_parameters(&c, line, sizeof(line) - 1), 0,
	    "kernel parameters");
	is_str(c.cgroup, "1", "go over the file");
	is_str(c.wrapper, "nice -n 5", "quotes hold words together");
	is_int(c.hosts.count, 2, "lists grow");
	is_str(c.hosts.lines[1], "a b", "quotes around all of it");
	ok(c.sandbox, "a flag");
	config_release(&c);
}

int
main(void)
{
	test_file();
	test_limits();
	test_parameters();
	return tap_done();
}
