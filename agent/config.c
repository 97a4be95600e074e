/* SPDX-License-Identifier: MIT */
/* config.c - /vk/config: what vk-boot tells the agent before it starts */
#include "agent/config.h"

#include "common/io.h"
#include "common/log.h"
#include "common/scope.h"
#include "common/size.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Some hundred modules' lines are 20 KiB. */
#define FILE_MAX ((size_t)1 << 20)

enum value_kind { TEXT, LIST, FLAG, NUMBER };

static const struct {
	const char *key;
	enum value_kind kind;
	size_t offset;
} keys[] = {
    {"root", TEXT, offsetof(struct config, root)},
    {"hostname", TEXT, offsetof(struct config, hostname)},
    {"cgroup", TEXT, offsetof(struct config, cgroup)},
    {"listen", TEXT, offsetof(struct config, listen)},
    {"announce", TEXT, offsetof(struct config, announce)},
    {"module", LIST, offsetof(struct config, modules)},
    {"mount", LIST, offsetof(struct config, mounts)},
    {"tmpfs", LIST, offsetof(struct config, tmpfs)},
    {"symlink", LIST, offsetof(struct config, symlinks)},
    {"sysctl", LIST, offsetof(struct config, sysctls)},
    {"net", LIST, offsetof(struct config, nets)},
    {"dns", LIST, offsetof(struct config, dns)},
    {"search", LIST, offsetof(struct config, searches)},
    {"host", LIST, offsetof(struct config, hosts)},
    {"exec-allow", LIST, offsetof(struct config, allow)},
    {"exec-wrapper", TEXT, offsetof(struct config, wrapper)},
    {"time", NUMBER, offsetof(struct config, time_ns)},
    {"sandbox", FLAG, offsetof(struct config, sandbox)},
    {"read-only", FLAG, offsetof(struct config, read_only)},
    {"tmp-on-disk", FLAG, offsetof(struct config, tmp_on_disk)},
    {"verbose", FLAG, offsetof(struct config, verbose)},
};

static void
take(struct config *config, size_t i, char *value)
{
	char *field = (char *)config + keys[i].offset;
	struct config_list *list = (struct config_list *)(void *)field;

	switch (keys[i].kind) {
	case TEXT:
		memcpy(field, &value, sizeof(value));
		break;
	case FLAG:
		*(int *)(void *)field = 1;
		break;
	case NUMBER:
		if (number_parse(value, UINT64_MAX, (uint64_t *)(void *)field) <
		    0)
			log_warn("configuration: %s %s: not a number",
			    keys[i].key, value);
		break;
	case LIST:
		if (list->count == CONFIG_LIST_MAX)
			log_warn("configuration: too many of %s", keys[i].key);
		else
			list->lines[list->count++] = value;
		break;
	}
}

static void
take_pair(struct config *config, const char *key, char *value)
{
	const size_t count = sizeof(keys) / sizeof(keys[0]);
	size_t i = 0;

	while (i < count && strcmp(keys[i].key, key) != 0)
		i++;
	if (i == count)
		log_warn("configuration: %s: not known here", key);
	else
		take(config, i, value);
}

static void
take_line(struct config *config, char *line)
{
	char *value;

	line += strspn(line, " \t");
	if (*line == '\0' || *line == '#')
		return;
	value = line + strcspn(line, " \t");
	if (*value)
		*value++ = '\0';
	value += strspn(value, " \t");
	take_pair(config, line, value);
}

int
config_parse(struct config *config, const char *text, size_t len)
{
	char *next;

	*config = (struct config){.text = malloc(len + 1)};
	if (!config->text)
		return -1;
	memcpy(config->text, text, len);
	config->text[len] = '\0';
	next = config->text;
	while (next)
		take_line(config, strsep(&next, "\n"));
	return 0;
}

/* The next kernel parameter, without its quotes; NULL: there is none. */
static char *
next_parameter(char **at)
{
	char *from = *at + strspn(*at, " \t\n"), *to = from, *start = from;
	int quoted = 0;

	if (*from == '\0')
		return NULL;
	for (; *from && (quoted || !strchr(" \t\n", *from)); from++)
		if (*from == '"')
			quoted = !quoted;
		else
			*to++ = *from;
	*at = *from ? from + 1 : from;
	*to = '\0';
	return start;
}

int
config_parse_parameters(struct config *config, const char *text, size_t len)
{
	char *at, *parameter, *value;

	config->parameters = at = malloc(len + 1);
	if (!at)
		return -1;
	memcpy(at, text, len);
	at[len] = '\0';
	while ((parameter = next_parameter(&at))) {
		if (strncmp(parameter, "vk.", 3) != 0)
			continue;
		value = parameter + strcspn(parameter, "=");
		if (*value)
			*value++ = '\0';
		take_pair(config, parameter + 3, value);
	}
	return 0;
}

static int
read_by(int (*parse)(struct config *, const char *, size_t),
    struct config *config, const char *path, struct err *e)
{
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	cleanup_free char *text = malloc(FILE_MAX);
	ssize_t len;

	if (fd < 0 || !text)
		return err_errno(e, 0, "%s", path);
	len = io_read(fd, text, FILE_MAX);
	if (len < 0 || parse(config, text, (size_t)len) < 0)
		return err_errno(e, 0, "%s", path);
	return 0;
}

int
config_read(struct config *config, const char *path, struct err *e)
{
	return read_by(config_parse, config, path, e);
}

int
config_read_parameters(struct config *config, const char *path, struct err *e)
{
	return read_by(config_parse_parameters, config, path, e);
}

void
config_release(struct config *config)
{
	free(config->text);
	free(config->parameters);
	*config = (struct config){.text = NULL};
}

size_t
config_words(char *value, char *words[CONFIG_WORDS_MAX + 1])
{
	size_t count = 0;

	while (value && count < CONFIG_WORDS_MAX) {
		value += strspn(value, " \t");
		if (*value == '\0')
			break;
		words[count++] = strsep(&value, " \t");
	}
	words[count] = NULL;
	return count;
}
