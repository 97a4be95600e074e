/* SPDX-License-Identifier: MIT */
/*
 * config.h - /vk/config: what vk-boot tells the agent before it starts
 *
 * Lines "key value"; '#' starts a comment. vk-agent(8) lists the keys. A key
 * that is not known is logged and passed over, so that an older agent serves
 * a newer vk-boot. A list keeps its order.
 */
#ifndef VK_AGENT_CONFIG_H
#define VK_AGENT_CONFIG_H

#include "common/err.h"

#include <stddef.h>
#include <stdint.h>

#define CONFIG_LIST_MAX 256
/* The words of one line, and what is behind the last. */
#define CONFIG_WORDS_MAX 16

struct config_list {
	char *lines[CONFIG_LIST_MAX + 1]; /* values; ends with NULL */
	size_t count;
};

struct config {
	char *text, *parameters; /* what all below points into */
	const char *root, *hostname, *cgroup, *listen, *announce;
	struct config_list modules, mounts, tmpfs, symlinks, sysctls, nets, dns,
	    searches, hosts, allow;
	char *wrapper;
	uint64_t time_ns;
	int sandbox, read_only, tmp_on_disk, verbose;
};

/* Parses len bytes (copied). Returns 0, -1 when memory ran out. */
int config_parse(struct config *, const char *text, size_t len);
int config_read(struct config *, const char *path, struct err *);
/* The same keys as kernel parameters, "vk.KEY=VALUE" or "vk.KEY", over what was
 * parsed before; text is /proc/cmdline, copied. A value with spaces stands in
 * double quotes. Once. Returns 0, -1 when memory ran out. */
int config_parse_parameters(struct config *, const char *text, size_t len);
int config_read_parameters(struct config *, const char *path, struct err *);
void config_release(struct config *);

/* Splits a value at white space, in place, into at most CONFIG_WORDS_MAX;
 * words[count] is NULL. Returns the count. */
size_t config_words(char *value, char *words[CONFIG_WORDS_MAX + 1]);

#endif
