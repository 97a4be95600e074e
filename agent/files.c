/* SPDX-License-Identifier: MIT */
/* files.c - the host's name and the resolver's files */
#include "agent/files.h"

#include "agent/mounts.h"
#include "common/buf.h"
#include "common/io.h"
#include "common/log.h"
#include "common/scope.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOLDER   "/run/.vk"
#define TEXT_MAX 65536
#define HOST_MAX 64
#define DNS_MAX  8

static char hostname[HOST_MAX + 1];
static char dns[DNS_MAX][64], search[DNS_MAX][256];
static unsigned dns_count, search_count;
static bool written;

/* Which of the three had to be made. */
static const char *const names[] = {
    "/etc/hostname", "/etc/hosts", "/etc/resolv.conf"};
enum { HOSTNAME, HOSTS, RESOLV, FILE_COUNT };
static struct {
	bool bound, made;
} done[FILE_COUNT];

/* In a list of texts of so many bytes each; a lease may come again. */
static bool
is_known(const char *list, size_t size, unsigned count, const char *text)
{
	for (unsigned i = 0; i < count; i++)
		if (strcmp(list + i * size, text) == 0)
			return true;
	return false;
}

void
files_add_dns(const char *address)
{
	if (dns_count < DNS_MAX &&
	    !is_known(dns[0], sizeof(dns[0]), dns_count, address))
		snprintf(dns[dns_count++], sizeof(dns[0]), "%s", address);
}

/* A name from the network goes into a file that programs parse. */
static bool
is_domain(const char *text)
{
	for (const char *p = text; *p; p++)
		if (!isalnum((unsigned char)*p) && !strchr("-._", *p))
			return false;
	return *text != '\0';
}

void
files_add_search(const char *domain)
{
	if (search_count < DNS_MAX && is_domain(domain) &&
	    !is_known(search[0], sizeof(search[0]), search_count, domain))
		snprintf(
		    search[search_count++], sizeof(search[0]), "%s", domain);
}

/* The image's own name, where nobody gave one. */
static void
read_image_name(void)
{
	cleanup_fd int fd = io_open_regular("/etc/hostname", 0);
	char text[HOST_MAX + 1];
	ssize_t n = fd < 0 ? 0 : io_read(fd, text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = '\0';
	text[strcspn(text, " \t\r\n")] = '\0';
	snprintf(hostname, sizeof(hostname), "%s", *text ? text : "vm");
}

void
files_hostname(const struct config *config, char *into)
{
	if (config->hostname)
		snprintf(hostname, sizeof(hostname), "%s", config->hostname);
	else
		read_image_name();
	if (sethostname(hostname, strlen(hostname)) < 0)
		log_warn("hostname %s: %s", hostname, strerror(errno));
	memcpy(into, hostname, sizeof(hostname));
}

void
files_dns(const struct config *config)
{
	for (size_t i = 0; i < config->dns.count; i++)
		files_add_dns(config->dns.lines[i]);
	for (size_t i = 0; i < config->searches.count; i++)
		files_add_search(config->searches.lines[i]);
}

static int
write_file(const char *path, const struct buf *b)
{
	cleanup_fd int fd = open(path,
	    O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC,
	    0644);

	return fd < 0 || fchmod(fd, 0644) < 0 || b->failed
		   ? -1
		   : io_write(fd, b->data ? b->data : "", b->len);
}

/* A dangling link (systemd's resolv.conf) leads into /run: its file is made
 * there, so that the link holds. Returns whether that is so. */
static bool
is_led_to_run(const char *name, char *target)
{
	char text[PATH_MAX];
	ssize_t n = readlink(name, text, sizeof(text) - 1);

	if (n <= 0)
		return false;
	text[n] = '\0';
	if (strncmp(text, "../run/", 7) == 0)
		snprintf(target, PATH_MAX, "%s", text + 2);
	else
		snprintf(target, PATH_MAX, "%s", text);
	return strncmp(target, "/run/", 5) == 0 && !strstr(target, "..");
}

static int
write_target(char *target, const struct buf *b)
{
	char *slash = strrchr(target, '/');

	*slash = '\0';
	if (mounts_make_dir(target) < 0)
		return -1;
	*slash = '/';
	return write_file(target, b);
}

static void
place(unsigned which, struct buf *b)
{
	const char *name = names[which];
	char path[64], target[PATH_MAX];
	struct stat st;
	int fd;

	if (lstat(name, &st) == 0 && S_ISLNK(st.st_mode)) {
		if (is_led_to_run(name, target) && write_target(target, b) < 0)
			log_warn("%s: %s", target, strerror(errno));
		return;
	}
	snprintf(path, sizeof(path), FOLDER "/%u", which);
	if (write_file(path, b) < 0) {
		log_warn("%s: %s", name, strerror(errno));
		return;
	}
	if (done[which].bound)
		return;
	if (mounts_make_dir("/etc") < 0)
		log_info("/etc: %s", strerror(errno));
	fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	done[which].made = fd >= 0;
	fd_close(&fd);
	done[which].bound = mount(path, name, NULL, MS_BIND, NULL) == 0;
	if (!done[which].bound)
		log_warn("%s: %s", name, strerror(errno));
}

static void
write_hosts(const struct config *config)
{
	struct buf b cleanup_buf = BUF_INIT(TEXT_MAX);

	buf_printf(&b,
	    "127.0.0.1\tlocalhost\n"
	    "::1\tlocalhost ip6-localhost ip6-loopback\n"
	    "ff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n"
	    "127.0.1.1\t%s\n",
	    hostname);
	for (size_t i = 0; i < config->hosts.count; i++)
		buf_printf(&b, "%s\n", config->hosts.lines[i]);
	place(HOSTS, &b);
}

void
files_write_dns(void)
{
	struct buf b cleanup_buf = BUF_INIT(TEXT_MAX);

	if (!written || dns_count == 0)
		return; /* the image's own is as good as any */
	for (unsigned i = 0; i < search_count; i++)
		buf_printf(&b, "%s %s", i ? "" : "search", search[i]);
	buf_puts(&b, search_count ? "\n" : "");
	for (unsigned i = 0; i < dns_count; i++)
		buf_printf(&b, "nameserver %s\n", dns[i]);
	place(RESOLV, &b);
}

void
files_write(const struct config *config)
{
	struct buf b cleanup_buf = BUF_INIT(TEXT_MAX);

	if (mounts_make_dir(FOLDER) < 0)
		log_warn(FOLDER ": %s", strerror(errno));
	buf_printf(&b, "%s\n", hostname);
	place(HOSTNAME, &b);
	write_hosts(config);
	written = true;
	files_write_dns();
}

void
files_remove(void)
{
	for (unsigned i = 0; i < FILE_COUNT; i++) {
		if (done[i].bound)
			umount2(names[i], MNT_DETACH);
		if (done[i].made && unlink(names[i]) < 0)
			log_info("%s: %s", names[i], strerror(errno));
		done[i].bound = done[i].made = false;
	}
}
