/* SPDX-License-Identifier: MIT */
/* request.c - what a client asks for with OPEN */
#include "agent/request.h"

#include <stdlib.h>
#include <string.h>

#define GRACE_MS 1000

/* How many items of each list there are, so that each is allocated once. */
static int
count(struct request *r, struct cursor c)
{
	struct item_view item;
	int got;

	while ((got = item_next(&c, &item)) > 0) {
		r->argc += item.tag == ITEM_ARG;
		r->env_count += item.tag == ITEM_ENV;
		r->path_count += item.tag == ITEM_PATH;
	}
	return got;
}

static int
take_string(const struct item_view *item, const char **into)
{
	*into = item_string(item);
	return *into ? 0 : -1;
}

static int
take_number(
    const struct item_view *item, size_t width, void *into, uint64_t max)
{
	uint64_t value;

	if (item_number(item, width, &value) < 0 || value > max)
		return -1;
	/* Both sides are little endian on every machine we build for. */
	memcpy(into, &value, width);
	return 0;
}

static int
take_window(struct request *r, const struct item_view *item)
{
	struct cursor c = cursor_of(item->data, item->len);

	r->rows = get_le16(&c);
	r->columns = get_le16(&c);
	r->x_pixels = get_le16(&c);
	r->y_pixels = get_le16(&c);
	return c.bad || c.left > 0 ? -1 : 0;
}

static int
append(char **list, size_t *at, const struct item_view *item)
{
	const char *text = item_string(item);

	if (!text)
		return -1;
	list[(*at)++] = (char *)(uintptr_t)text;
	return 0;
}

struct fill {
	size_t args, env, paths;
};

static int
take_item(struct request *r, const struct item_view *item, struct fill *at)
{
	uint8_t kind = 0;

	switch (item->tag) {
	case ITEM_KIND:
		if (r->kind || take_number(item, 1, &kind, OPEN_STOP) < 0)
			return -1;
		r->kind = (enum open_kind)kind;
		return 0;
	case ITEM_FLAGS:
		return take_number(item, 4, &r->flags, UINT32_MAX);
	case ITEM_ARG:
		return append(r->argv, &at->args, item);
	case ITEM_ENV:
		return append(r->env, &at->env, item);
	case ITEM_PATH:
		return append(r->paths, &at->paths, item);
	case ITEM_USER:
		return take_string(item, &r->user);
	case ITEM_DIR:
		return take_string(item, &r->dir);
	case ITEM_TERM:
		return take_string(item, &r->term);
	case ITEM_TARGET:
		return take_string(item, &r->target);
	case ITEM_WINDOW:
		return take_window(r, item);
	case ITEM_ID:
		return take_number(item, 4, &r->id, UINT32_MAX);
	case ITEM_SIGNAL:
		return take_number(item, 1, &r->signal, 64);
	case ITEM_GRACE_MS:
		return take_number(item, 4, &r->grace_ms, UINT32_MAX);
	case ITEM_TOKEN:
		return take_number(item, 8, &r->token, UINT64_MAX);
	case ITEM_CLOCK_NS:
		return take_number(item, 8, &r->clock_ns, UINT64_MAX);
	default:
		return item->tag & ITEM_CRITICAL ? -1 : 0;
	}
}

int
request_parse(
    struct request *r, const uint8_t *payload, size_t len, struct err *e)
{
	struct item_view item;
	struct fill at = {0};
	struct cursor c;

	*r = (struct request){.grace_ms = GRACE_MS};
	r->bytes = malloc(len ? len : 1);
	if (!r->bytes)
		return err_set(e, EX_OSERR, "out of memory");
	memcpy(r->bytes, payload, len);
	c = cursor_of(r->bytes, len);
	if (count(r, c) < 0)
		return err_set(e, EX_PROTOCOL, "malformed request");
	r->argv = calloc(r->argc + 1, sizeof(*r->argv));
	r->env = calloc(r->env_count + 1, sizeof(*r->env));
	r->paths = calloc(r->path_count + 1, sizeof(*r->paths));
	if (!r->argv || !r->env || !r->paths)
		return err_set(e, EX_OSERR, "out of memory");
	while (item_next(&c, &item) > 0)
		if (take_item(r, &item, &at) < 0)
			return err_set(e, EX_PROTOCOL,
			    "malformed request: item %u", item.tag);
	if (r->kind == 0)
		return err_set(e, EX_PROTOCOL, "the request has no kind");
	return 0;
}

void
request_release(struct request *r)
{
	free(r->bytes);
	free(r->argv);
	free(r->env);
	free(r->paths);
	*r = (struct request){.bytes = NULL};
}
