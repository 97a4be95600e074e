/* SPDX-License-Identifier: MIT */
/* net.c - the guest's interfaces, as the configuration has them */
#include "agent/net.h"

#include "agent/dhcp.h"
#include "agent/netlink.h"
#include "common/io.h"
#include "common/log.h"
#include "common/scope.h"
#include "common/size.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* A switch of ours answers at once; others within a second or two. */
#define DHCP_WAIT_MS 6000

/* The index of the interface of that name or MAC address; 0: none. */
static int
find(const char *wanted)
{
	struct if_nameindex *all = if_nameindex();
	int index = 0;

	for (struct if_nameindex *i = all; i && i->if_index; i++) {
		char path[64], mac[32] = "";
		cleanup_fd int fd = -1;
		ssize_t n;

		snprintf(path, sizeof(path), "/sys/class/net/%s/address",
		    i->if_name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		n = fd < 0 ? 0 : io_read(fd, mac, sizeof(mac) - 1);
		mac[n > 0 ? n : 0] = '\0';
		mac[strcspn(mac, "\n")] = '\0';
		if (strcmp(i->if_name, wanted) == 0 ||
		    strcasecmp(mac, wanted) == 0)
			index = (int)i->if_index;
	}
	if_freenameindex(all);
	return index;
}

static int
add_route(int index, const char *to_text, const char *via_text)
{
	struct netlink_address to, via;
	const struct netlink_route route = {
	    .index = index, .to = to_text ? &to : NULL, .via = &via};

	if ((to_text && netlink_parse(to_text, &to) < 0) ||
	    netlink_parse(via_text, &via) < 0) {
		errno = EINVAL;
		return -1;
	}
	return netlink_add_route(&route);
}

static int
apply(struct agent *a, int index, char **words)
{
	struct netlink_link link = {.index = index};
	struct netlink_address address;
	const char *what = words[1], *value = words[2];
	uint64_t mtu;

	errno = EINVAL;
	if (strcmp(what, "dhcp") == 0)
		return dhcp_start(a, index);
	if (strcmp(what, "up") == 0) {
		link.up = 1;
		return netlink_set_link(&link);
	}
	if (!value)
		return -1;
	if (strcmp(what, "mtu") == 0) {
		if (number_parse(value, 65535, &mtu) < 0)
			return -1;
		link.mtu = (uint32_t)mtu;
		return netlink_set_link(&link);
	}
	if (strcmp(what, "name") == 0) {
		link.name = value;
		return strlen(value) < IFNAMSIZ ? netlink_set_link(&link) : -1;
	}
	if (strcmp(what, "address") == 0)
		return netlink_parse(value, &address) < 0
			   ? -1
			   : netlink_add_address(index, &address);
	if (strcmp(what, "gateway") == 0)
		return add_route(index, NULL, value);
	if (strcmp(what, "route") == 0 && words[3])
		return add_route(index, value, words[3]);
	return -1;
}

static void
net_line(struct agent *a, const char *line)
{
	char text[512], *words[CONFIG_WORDS_MAX + 1];
	struct netlink_link link = {.up = 1};

	snprintf(text, sizeof(text), "%s", line);
	if (config_words(text, words) < 2) {
		log_warn("net %s: what of it?", line);
		return;
	}
	link.index = find(words[0]);
	if (link.index == 0) {
		log_warn("net %s: no such interface", words[0]);
		return;
	}
	if (strcmp(words[1], "name") != 0 && strcmp(words[1], "mtu") != 0 &&
	    netlink_set_link(&link) < 0)
		log_warn("net %s: %s", words[0], strerror(errno));
	if (apply(a, link.index, words) < 0)
		log_warn("net %s: %s", line, strerror(errno));
}

void
net_start(struct agent *a, const struct config *config)
{
	struct netlink_link loopback = {.index = find("lo"), .up = 1};
	int64_t until = loop_now_ms() + DHCP_WAIT_MS;

	if (loopback.index && netlink_set_link(&loopback) < 0)
		log_warn("loopback: %s", strerror(errno));
	for (size_t i = 0; i < config->nets.count; i++)
		net_line(a, config->nets.lines[i]);
	while (dhcp_waiting() > 0 && loop_now_ms() < until)
		loop_turn(&a->loop, until - loop_now_ms());
}
