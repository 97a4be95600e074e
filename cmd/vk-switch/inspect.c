/* SPDX-License-Identifier: MIT */
/* inspect.c - what name a connection asks for */
#include "cmd/vk-switch/inspect.h"

#include "cmd/vk-switch/lan.h"
#include "common/cursor.h"

#include <ctype.h>
#include <strings.h>
#include <sys/socket.h>

/* The longest registered one has 17 letters. */
#define METHOD_MAX 32

/* ---- TLS ---------------------------------------------------------------- */

static enum inspection
take_name(const uint8_t *from, size_t len, char *name)
{
	if (!from || len == 0 || len > NAME_MAX_TEXT)
		return INSPECT_BAD;
	for (size_t i = 0; i < len; i++)
		if (!isalnum(from[i]) && from[i] != '-' && from[i] != '_' &&
		    from[i] != '.')
			return INSPECT_BAD; /* a NUL too */
	memcpy(name, from, len);
	if (name[len - 1] == '.')
		len--;
	name[len] = '\0';
	return len ? INSPECT_NAME : INSPECT_BAD;
}

static enum inspection
server_name(struct cursor *extension, char *name)
{
	uint16_t list = get_be16(extension);
	uint8_t type = get_u8(extension);
	uint16_t len = get_be16(extension);
	const uint8_t *host = get_bytes(extension, len);

	if (extension->bad || type != 0 || list != len + 3u || extension->left)
		return INSPECT_BAD;
	return take_name(host, len, name);
}

/* RFC 8446, 4.1.2, whole. */
static enum inspection
client_hello(struct cursor c, char *name)
{
	enum inspection found = INSPECT_BAD;
	bool seen = false;

	get_bytes(&c, 2 + 32);
	get_bytes(&c, get_u8(&c));
	get_bytes(&c, get_be16(&c));
	get_bytes(&c, get_u8(&c));
	if (get_be16(&c) != c.left)
		return INSPECT_BAD;
	while (c.left > 0 && !c.bad) {
		uint16_t type = get_be16(&c), len = get_be16(&c);
		const uint8_t *at = get_bytes(&c, len);
		struct cursor extension;

		if (!at)
			return INSPECT_BAD;
		if (type != 0)
			continue;
		if (seen)
			return INSPECT_BAD;
		seen = true;
		extension = cursor_of(at, len);
		found = server_name(&extension, name);
	}
	return found;
}

/* The size of the handshake message at the front, its header with it; 0: that
 * is not whole. */
static size_t
message_size(const uint8_t *message, size_t have)
{
	struct cursor c = cursor_of(message, have);
	size_t size;

	get_u8(&c);
	size = (size_t)get_be(&c, 3);
	return c.bad ? 0 : size + 4;
}

/* Puts the handshake message together out of its records; what follows it is
 * nobody's business. */
static enum inspection
inspect_tls(const uint8_t *data, size_t len, char *name)
{
	static uint8_t message[INSPECT_SIZE];
	struct writer w = writer_of(message, sizeof(message));
	struct cursor c = cursor_of(data, len), hello;
	size_t size = 0;

	while (c.left >= 5 && (size == 0 || writer_len(&w) < size)) {
		uint8_t type = get_u8(&c), major = get_u8(&c);
		size_t record;

		get_u8(&c);
		record = get_be16(&c);
		if (type != 22 || major != 3 || record == 0 ||
		    record > INSPECT_SIZE)
			return INSPECT_BAD;
		if (record > c.left)
			record = c.left;
		put_bytes(&w, get_bytes(&c, record), record);
		size = message_size(message, writer_len(&w));
		if (size > INSPECT_SIZE - 256 ||
		    (writer_len(&w) > 0 && message[0] != 1))
			return INSPECT_BAD; /* no ClientHello */
	}
	if (size == 0 || writer_len(&w) < size)
		return INSPECT_MORE;
	hello = cursor_of(message, size);
	get_be32(&hello);
	return client_hello(hello, name);
}

/* ---- HTTP/1 ------------------------------------------------------------- */

static bool
is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

/* RFC 9110, 5.6.2 */
static bool
is_token(uint8_t c)
{
	return isalnum(c) || (c && strchr("!#$%&'*+-.^_`|~", c));
}

/*
 * A request line, of any method and written as servers take it (RFC 9112, 3):
 * -1: it is none; 0: it may become one; 1: it is one. Lines of other protocols
 * have ended by then, or something is in them that is in none of these.
 */
static int
is_http(const uint8_t *data, size_t len)
{
	static const char version[] = "HTTP/";
	size_t i = 0, target, n = sizeof(version) - 1;

	while (i < len && i < METHOD_MAX && is_token(data[i]))
		i++;
	if (i == len)
		return 0;
	if (i == 0 || !is_blank(data[i]))
		return -1;
	while (i < len && is_blank(data[i]))
		i++;
	for (target = i; i < len && data[i] > ' '; i++)
		continue;
	if (i == len)
		return 0;
	if (i == target || !is_blank(data[i]))
		return -1;
	while (i < len && is_blank(data[i]))
		i++;
	if (n > len - i)
		n = len - i;
	if (memcmp(data + i, version, n) != 0)
		return -1;
	return n == sizeof(version) - 1;
}

/* "host", "host:port" or "[v6]:port"; takes the host. */
static enum inspection
authority(const char *at, size_t len, char *name)
{
	const char *colon = memchr(at, ':', len);

	if (colon)
		len = (size_t)(colon - at);
	return take_name((const uint8_t *)at, len, name);
}

/* The target of the request line: a path, "*", or something with a name. */
static enum inspection
request_target(const char *line, size_t len, char *name)
{
	const char *at = memchr(line, ' ', len), *end;
	bool connect = strncmp(line, "CONNECT ", 8) == 0;

	if (!at || strncmp(line, "PRI ", 4) == 0)
		return INSPECT_BAD;
	at++;
	end = memchr(at, ' ', len - (size_t)(at - line));
	if (!end)
		return INSPECT_BAD;
	if (connect)
		return authority(at, (size_t)(end - at), name);
	if (*at == '/' || *at == '*')
		return INSPECT_FOREIGN;
	at = memmem(at, (size_t)(end - at), "://", 3);
	if (!at)
		return INSPECT_BAD;
	at += 3;
	len = (size_t)(end - at);
	for (size_t i = 0; i < len; i++)
		if (at[i] == '/' || at[i] == '?' || at[i] == '#')
			len = i;
	return authority(at, len, name);
}

static enum inspection
host_header(const char *line, size_t len, char *name)
{
	const char *at = line + 5, *end = line + len;

	while (at < end && (*at == ' ' || *at == '\t'))
		at++;
	while (end > at && isspace((unsigned char)end[-1]))
		end--;
	return authority(at, (size_t)(end - at), name);
}

/* Everything that names a host in the head must name the same. */
static enum inspection
inspect_http(const char *text, size_t len, char *name)
{
	const char *head_end = memmem(text, len, "\r\n\r\n", 4);
	char other[NAME_MAX_TEXT + 1];
	bool first = true;
	size_t count = 0;

	if (!head_end)
		return memmem(text, len, "\n\n", 2) ? INSPECT_BAD
						    : INSPECT_MORE;
	for (const char *line = text; line < head_end + 2;) {
		const char *end =
		    memmem(line, (size_t)(head_end + 2 - line), "\r\n", 2);
		size_t n = (size_t)(end - line);
		enum inspection result = INSPECT_FOREIGN;

		if (memchr(line, '\n', n) || memchr(line, '\r', n) ||
		    (!first && (*line == ' ' || *line == '\t')))
			return INSPECT_BAD; /* RFC 9112, 2.2 and 5.2 */
		if (first)
			result = request_target(line, n, other);
		else if (n >= 5 && strncasecmp(line, "host:", 5) == 0)
			result = host_header(line, n, other);
		else if (n >= 4 && strncasecmp(line, "host", 4) == 0 &&
			 (line[4] == ' ' || line[4] == '\t'))
			result = INSPECT_BAD; /* RFC 9112, 5.1 */
		if (result == INSPECT_BAD)
			return result;
		if (result == INSPECT_NAME) {
			if (count++ > 0 && strcasecmp(name, other) != 0)
				return INSPECT_BAD;
			memcpy(name, other, sizeof(other));
		}
		first = false;
		line = end + 2;
	}
	return count ? INSPECT_NAME : INSPECT_BAD;
}

enum inspection
inspect_bytes(const uint8_t *data, size_t len, char name[NAME_MAX_TEXT + 1])
{
	int http;

	if (len == 0)
		return INSPECT_MORE;
	if (data[0] == 22)
		return len > 1 && data[1] != 3 ? INSPECT_FOREIGN
					       : inspect_tls(data, len, name);
	/* RFC 9112, 2.2: a server passes over empty lines. */
	while (len > 0 && (*data == '\r' || *data == '\n')) {
		data++;
		len--;
	}
	http = is_http(data, len);
	if (http < 0)
		return INSPECT_FOREIGN;
	if (http == 0)
		return INSPECT_MORE;
	return inspect_http((const char *)data, len, name);
}

/* ---- flows -------------------------------------------------------------- */

bool
inspect_start(struct lan *lan, struct flow *f)
{
	const struct share_table t = {.places = lan->inspections,
	    .size = sizeof(struct inspect_place),
	    .count = INSPECTIONS_MAX,
	    .limit = INSPECTIONS_PER_PORT};
	struct inspect_place *place = share_place(&t, f->port);

	if (!place)
		return false;
	if (place->share.used)
		flow_evict(lan, &lan->flows.flows[place->flow]);
	place->share = (struct share){true, f->port, lan->loop.now_ms};
	place->flow = flow_index(lan, f);
	place->have = 0;
	f->tcp.inspect = (uint16_t)(place - lan->inspections + 1);
	return true;
}

void
inspect_free(struct lan *lan, struct flow *f)
{
	if (f->tcp.inspect)
		lan->inspections[f->tcp.inspect - 1].share.used = false;
	f->tcp.inspect = 0;
}

uint32_t
inspect_room(const struct lan *lan, const struct flow *f)
{
	return (
	    uint32_t)(INSPECT_SIZE - lan->inspections[f->tcp.inspect - 1].have);
}

/* The ports where TLS and HTTP are at home. */
static bool
must_show_name(uint16_t port)
{
	return port == 80 || port == 443 || port == 8080 || port == 8443;
}

static void
refuse(struct lan *lan, struct flow *f, const char *reason)
{
	policy_refused(lan, &lan->ports[f->port], &f->far, f->far_port, reason);
	f->tcp.failed = true;
}

static void
pass(struct lan *lan, struct flow *f)
{
	const struct inspect_place *p = &lan->inspections[f->tcp.inspect - 1];

	/* The connection is new: its buffer takes this, or something is
	 * wrong with it. */
	if (send(f->fd, p->data, p->have, MSG_DONTWAIT | MSG_NOSIGNAL) !=
	    (ssize_t)p->have)
		f->tcp.failed = true;
	f->bytes_out += p->have;
	inspect_free(lan, f);
}

/* What it shows is known: a name, or (NULL) that there is none. */
static void
decide(struct lan *lan, struct flow *f, const char *name, const char *reason)
{
	struct flow_key k = flow_key_of(f);

	if (policy_allows_shown(lan, &lan->ports[f->port], &k, name))
		pass(lan, f);
	else
		refuse(lan, f, reason);
}

void
inspect_end(struct lan *lan, struct flow *f)
{
	if (lan->inspections[f->tcp.inspect - 1].have == 0)
		inspect_free(lan, f);
	else
		decide(lan, f, NULL, "it shows no name");
}

void
inspect_take(struct lan *lan, struct flow *f, const uint8_t *data, size_t len)
{
	struct inspect_place *p = &lan->inspections[f->tcp.inspect - 1];
	char name[NAME_MAX_TEXT + 1];

	if (f->tcp.failed)
		return;
	if (len > INSPECT_SIZE - p->have)
		len = INSPECT_SIZE - p->have;
	memcpy(p->data + p->have, data, len);
	p->have += len;
	f->tcp.received += (uint32_t)len;
	f->tcp.ack_now = true;
	switch (inspect_bytes(p->data, p->have, name)) {
	case INSPECT_MORE:
		if (p->have == INSPECT_SIZE)
			decide(lan, f, NULL, "it shows no name");
		break;
	case INSPECT_NAME:
		decide(lan, f, name, "it asks for another name");
		break;
	case INSPECT_FOREIGN:
		if (must_show_name(f->far_port))
			decide(lan, f, NULL, "neither TLS nor HTTP");
		else
			pass(lan, f);
		break;
	case INSPECT_BAD:
		decide(lan, f, NULL, "it hides the name that it asks for");
		break;
	}
}
