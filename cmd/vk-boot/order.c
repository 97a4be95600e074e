/* SPDX-License-Identifier: MIT */
/* order.c - a request of the control socket, read and checked */
#include "cmd/vk-boot/order.h"

#include "common/run_folder.h"
#include "common/size.h"

#include <jansson.h>
#include <string.h>

enum member {
	TIMEOUT = 1 << 0,
	SIZE = 1 << 1,
	FILE_NAME = 1 << 2,
	ID = 1 << 3,
	READ_ONLY = 1 << 4,
};

static const struct {
	const char *name;
	unsigned takes; /* enum member */
	unsigned needs;
} kinds[ORDER_KINDS] = {
    [ORDER_STATUS] = {"status", 0, 0},
    [ORDER_STATS] = {"stats", 0, 0},
    [ORDER_EVENTS] = {"events", 0, 0},
    [ORDER_WAIT] = {"wait", 0, 0},
    [ORDER_STOP] = {"stop", TIMEOUT, 0},
    [ORDER_KILL] = {"kill", 0, 0},
    [ORDER_PAUSE] = {"pause", 0, 0},
    [ORDER_RESUME] = {"resume", 0, 0},
    [ORDER_POWER_BUTTON] = {"power-button", 0, 0},
    [ORDER_BALLOON] = {"balloon", SIZE, SIZE},
    [ORDER_MEMORY] = {"memory", SIZE, SIZE},
    [ORDER_DISK_ADD] = {"disk-add", FILE_NAME | ID | READ_ONLY, FILE_NAME | ID},
    [ORDER_DISK_REMOVE] = {"disk-remove", ID | TIMEOUT, ID},
    [ORDER_CONSOLE] = {"console", 0, 0},
};

const char *
order_name(enum order_kind kind)
{
	return kinds[kind].name;
}

static int
read_timeout(struct order *order, json_t *value)
{
	json_int_t seconds = json_integer_value(value);

	order->has_timeout = true;
	if (json_is_string(value))
		return duration_parse(
		    json_string_value(value), &order->timeout_ms);
	if (!json_is_integer(value) || seconds < 0 || seconds > UINT32_MAX)
		return -1;
	order->timeout_ms = (uint64_t)seconds * 1000;
	return 0;
}

static int
read_size(struct order *order, json_t *value)
{
	order->has_size = true;
	if (json_is_string(value))
		return size_parse(json_string_value(value), &order->size);
	if (!json_is_integer(value) || json_integer_value(value) < 0)
		return -1;
	order->size = (uint64_t)json_integer_value(value);
	return 0;
}

static int
read_file(struct order *order, json_t *value)
{
	const char *text = json_string_value(value);

	if (!text || !*text || strlen(text) >= sizeof(order->file))
		return -1;
	memcpy(order->file, text, strlen(text) + 1);
	return 0;
}

static int
read_id(struct order *order, json_t *value)
{
	const char *text = json_string_value(value);

	if (!text || strlen(text) > ORDER_ID_MAX || !run_name_valid(text))
		return -1;
	memcpy(order->id, text, strlen(text) + 1);
	return 0;
}

static int
read_read_only(struct order *order, json_t *value)
{
	order->read_only = json_is_true(value);
	return json_is_boolean(value) ? 0 : -1;
}

static const struct {
	const char *name;
	enum member member;
	const char *what;
	int (*read)(struct order *, json_t *value);
} members[] = {
    {"timeout", TIMEOUT, "a duration", read_timeout},
    {"size", SIZE, "a size", read_size},
    {"file", FILE_NAME, "a file's name", read_file},
    {"id", ID, "a name (letters, digits, _ . -; at most 20)", read_id},
    {"ro", READ_ONLY, "true or false", read_read_only},
};

#define MEMBERS (sizeof(members) / sizeof(members[0]))

static int
read_kind(struct order *order, const json_t *root, struct err *e)
{
	const char *name = json_string_value(json_object_get(root, "command"));

	if (!name)
		return err_set(e, EX_USAGE, "no command");
	for (unsigned i = 0; i < ORDER_KINDS; i++)
		if (strcmp(kinds[i].name, name) == 0) {
			order->kind = (enum order_kind)i;
			return 0;
		}
	return err_set(e, EX_USAGE, "%s: unknown command", name);
}

static int
read_member(struct order *order, const char *name, json_t *value,
    unsigned *seen, struct err *e)
{
	const char *command = kinds[order->kind].name;

	for (size_t i = 0; i < MEMBERS; i++) {
		if (strcmp(members[i].name, name) != 0 ||
		    !(kinds[order->kind].takes & members[i].member))
			continue;
		*seen |= members[i].member;
		if (members[i].read(order, value) == 0)
			return 0;
		return err_set(e, EX_USAGE, "%s: %s: not %s", command, name,
		    members[i].what);
	}
	return err_set(e, EX_USAGE, "%s: %s: unknown member", command, name);
}

static int
read_members(struct order *order, json_t *root, struct err *e)
{
	unsigned needs = kinds[order->kind].needs, seen = 0;
	const char *name;
	json_t *value;

	json_object_foreach(root, name,
	    value) if (strcmp(name, "command") != 0 &&
		       read_member(order, name, value, &seen, e) < 0) return -1;
	for (size_t i = 0; i < MEMBERS; i++)
		if (needs & members[i].member & ~seen)
			return err_set(e, EX_USAGE, "%s: no %s",
			    kinds[order->kind].name, members[i].name);
	return 0;
}

int
order_parse(struct order *order, const char *line, size_t len, struct err *e)
{
	json_error_t error;
	json_t *root;
	int result;

	*order = (struct order){.kind = ORDER_STATUS};
	if (len > ORDER_LINE_MAX)
		return err_set(e, EX_USAGE, "a request is longer than %d bytes",
		    ORDER_LINE_MAX);
	root = json_loadb(line, len, JSON_REJECT_DUPLICATES, &error);
	if (!root)
		return err_set(e, EX_USAGE, "not JSON: %s", error.text);
	if (!json_is_object(root))
		result = err_set(e, EX_USAGE, "not an object");
	else if (read_kind(order, root, e) < 0)
		result = -1;
	else
		result = read_members(order, root, e);
	json_decref(root);
	return result;
}
