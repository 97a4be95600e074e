/* SPDX-License-Identifier: MIT */
/* order.c - requests of the control socket */
#include "cmd/vk-boot/order.h"

#include "tests/tap.h"

static struct order order;
static struct err e;

static int
parse(const char *line)
{
	e = (struct err)ERR_INIT;
	return order_parse(&order, line, strlen(line), &e);
}

static void
refused(const char *line, const char *why)
{
	ok(parse(line) < 0 && e.status == EX_USAGE && strstr(e.text, why),
	    "%s: %s", line, e.text);
}

int
main(void)
{
	static char line[ORDER_LINE_MAX + 2];

	for (int i = 0; i < ORDER_KINDS; i++)
		ok(order_name((enum order_kind)i) != NULL, "kind %d is named",
		    i);
	ok(parse("{\"command\":\"status\"}") == 0 && order.kind == ORDER_STATUS,
	    "status");
	ok(parse("{\"timeout\":\"1500ms\",\"command\":\"stop\"}") == 0 &&
		order.kind == ORDER_STOP && order.has_timeout &&
		order.timeout_ms == 1500,
	    "members in any order; a duration");
	ok(parse("{\"command\":\"stop\",\"timeout\":3}") == 0 &&
		order.timeout_ms == 3000,
	    "a number is seconds");
	ok(parse("{\"command\":\"stop\"}") == 0 && !order.has_timeout,
	    "no timeout");
	ok(parse("{\"command\":\"balloon\",\"size\":\"64M\"}") == 0 &&
		order.has_size && order.size == 64 << 20,
	    "a size");
	ok(parse("{\"command\":\"balloon\",\"size\":4096}") == 0 &&
		order.size == 4096,
	    "a number is bytes");

	ok(parse("{\"command\":\"disk-add\",\"id\":\"data\",\"ro\":true,"
		 "\"file\":\"/a b\"}") == 0 &&
		order.read_only && strcmp(order.id, "data") == 0 &&
		strcmp(order.file, "/a b") == 0,
	    "a disk");
	ok(parse("{\"command\":\"disk-remove\",\"id\":"
		 "\"01234567890123456789\"}") == 0 &&
		!order.has_timeout,
	    "the longest id");

	refused("{\"command\":\"disk-add\",\"id\":\"data\"}", "no file");
	refused("{\"command\":\"disk-add\",\"file\":\"x\"}", "no id");
	refused(
	    "{\"command\":\"disk-add\",\"file\":\"\"}", "not a file's name");
	refused("{\"command\":\"disk-add\",\"ro\":1}", "not true or false");
	refused("{\"command\":\"disk-remove\",\"id\":\"\"}", "not a name");
	refused("{\"command\":\"disk-remove\",\"id\":\"a/b\"}", "not a name");
	refused(
	    "{\"command\":\"disk-remove\",\"id\":\"012345678901234567890\"}",
	    "not a name");
	refused("{\"command\":\"disk-remove\",\"id\":\"a\",\"file\":\"x\"}",
	    "unknown member");
	refused("", "JSON");
	refused("{", "JSON");
	refused("{}x", "JSON");
	refused("[]", "object");
	refused("1", "JSON");
	refused("{}", "no command");
	refused("{\"command\":1}", "no command");
	refused("{\"command\":\"dance\"}", "dance: unknown");
	refused("{\"command\":\"a\\nb\"}", "a?b: unknown");
	refused("{\"command\":\"stop\",\"command\":\"kill\"}", "JSON");
	refused("{\"command\":\"stop\",\"x\":1}", "x: unknown member");
	refused("{\"command\":\"stop\",\"size\":1}", "size: unknown member");
	refused("{\"command\":\"stop\",\"timeout\":-1}", "not a duration");
	refused("{\"command\":\"stop\",\"timeout\":1.5}", "not a duration");
	refused("{\"command\":\"stop\",\"timeout\":null}", "not a duration");
	refused("{\"command\":\"stop\",\"timeout\":9999999999999}",
	    "not a duration");
	refused("{\"command\":\"balloon\"}", "no size");
	refused("{\"command\":\"balloon\",\"size\":-1}", "not a size");
	refused("{\"command\":\"balloon\",\"size\":{}}", "not a size");
	memset(line, '[', sizeof(line) - 1);
	refused(line, "longer");
	line[ORDER_LINE_MAX] = '\0';
	ok(parse(line) < 0, "depth");
	return tap_done();
}
