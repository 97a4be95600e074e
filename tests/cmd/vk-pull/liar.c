/* SPDX-License-Identifier: MIT */
/*
 * liar.c - a registry that lies: each lie ends in one clear line, in time
 *
 * A server on loopback, in threads of this test, answers every request by the
 * script of the case at hand; the client is all of vk-pull but its main.
 * After each lie the same image is pulled from the same cache of an honest
 * server, which must succeed: what was left behind did no harm.
 */
#include "cmd/vk-pull/emit.h"
#include "cmd/vk-pull/options.h"
#include "cmd/vk-pull/pull.h"
#include "cmd/vk-pull/registry.h"
#include "common/io.h"
#include "common/scope.h"
#include "tests/tap.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <regex.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

/* No lie may take longer: the client's time-out is 1 s where it matters. */
#define CASE_SECONDS_MAX 40

struct honest { /* the image */
	char manifest[1024], config[256];
	char layer[40000];
	size_t layer_len;
	struct digest manifest_digest, config_digest, layer_digest;
};

static struct honest image;
static char other[64]; /* address of a second port */

struct request {
	int fd;
	char method[16], path[512];
	char authorization[1024], range[64], none_match[256];
	bool elsewhere; /* it came in at the second port */
};

/* ---- the honest answers ------------------------------------------------- */

static void
put(int fd, const char *text)
{
	if (io_write(fd, text, strlen(text)) < 0)
		return;
}

static void
answer(int fd, const char *status, const char *headers, const void *body,
    size_t len)
{
	char head[4096];

	snprintf(head, sizeof(head),
	    "HTTP/1.1 %s\r\n%sContent-Length: %zu\r\nConnection: "
	    "close\r\n\r\n",
	    status, headers, len);
	put(fd, head);
	io_write(fd, body, len);
}

static bool
wants(const struct request *r, const char *what)
{
	return strstr(r->path, what) != NULL;
}

#define OCI_MANIFEST                                                           \
	"Content-Type: application/vnd.oci.image.manifest.v1+json\r\n"

static void
honest(const struct request *r)
{
	if (wants(r, "/manifests/"))
		answer(r->fd, "200 OK", OCI_MANIFEST, image.manifest,
		    strlen(image.manifest));
	else if (wants(r, image.config_digest.text))
		answer(r->fd, "200 OK", "", image.config, strlen(image.config));
	else if (wants(r, image.layer_digest.text))
		answer(r->fd, "200 OK", "", image.layer, image.layer_len);
	else
		answer(r->fd, "404 Not Found", "", "", 0);
}

/* ---- lies --------------------------------------------------------------- */

static unsigned hits; /* requests of the case at hand */
static bool leaked;   /* a secret went where it does not belong */

static bool
is_layer(const struct request *r)
{
	return wants(r, image.layer_digest.text);
}

static void
manifest_html(const struct request *r)
{
	static const char page[] = "<html><body>Please sign in</body></html>";

	answer(r->fd, "200 OK", "Content-Type: text/html\r\n", page,
	    sizeof(page) - 1);
}

static void
manifest_empty(const struct request *r)
{
	answer(r->fd, "200 OK", OCI_MANIFEST, "", 0);
}

static void
manifest_digest_header(const struct request *r)
{
	answer(r->fd, "200 OK",
	    OCI_MANIFEST
	    "Docker-Content-Digest: sha256:"
	    "00000000000000000000000000000000000000000000000000000000000000"
	    "00\r\n",
	    image.manifest, strlen(image.manifest));
}

static void
manifest_other_type(const struct request *r)
{
	answer(r->fd, "200 OK",
	    "Content-Type: application/vnd.docker.distribution.manifest."
	    "v1+prettyjws\r\n",
	    image.manifest, strlen(image.manifest));
}

/* A body without end. */
static void
manifest_endless(const struct request *r)
{
	static char chunk[65536];

	memset(chunk, ' ', sizeof(chunk));
	put(r->fd, "HTTP/1.1 200 OK\r\n" OCI_MANIFEST "\r\n");
	for (int i = 0; i < 2000; i++)
		if (io_write(r->fd, chunk, sizeof(chunk)) < 0)
			return;
}

static void
headers_endless(const struct request *r)
{
	put(r->fd, "HTTP/1.1 200 OK\r\n");
	for (int i = 0; i < 200000; i++)
		if (io_write(r->fd, "X-More: and more\r\n", 18) < 0)
			return;
}

static void
garbage(const struct request *r)
{
	put(r->fd, "SSH-2.0-OpenSSH_9.2\r\n");
}

static void
hang_up(const struct request *r)
{
	(void)r;
}

static void
silence(const struct request *r)
{
	struct pollfd p = {.fd = r->fd, .events = POLLRDHUP};

	poll(&p, 1, 20000);
}

/* A byte now and then. */
static void
drip(const struct request *r)
{
	struct timespec pause = {.tv_nsec = 100000000};

	put(r->fd, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
	for (int i = 0; i < 200; i++) {
		if (send(r->fd, "x", 1, MSG_NOSIGNAL) < 0)
			return;
		nanosleep(&pause, NULL);
	}
}

static void
layer_wrong(const struct request *r)
{
	static char wrong[sizeof(image.layer)];

	if (!is_layer(r)) {
		honest(r);
		return;
	}
	memcpy(wrong, image.layer, image.layer_len);
	wrong[600] ^= 1;
	answer(r->fd, "200 OK", "", wrong, image.layer_len);
}

static void
layer_short(const struct request *r)
{
	if (is_layer(r))
		answer(r->fd, "200 OK", "", image.layer, image.layer_len / 2);
	else
		honest(r);
}

/* Says more than it sends, then hangs up. */
static void
layer_truncated(const struct request *r)
{
	char head[256];

	if (!is_layer(r)) {
		honest(r);
		return;
	}
	snprintf(head, sizeof(head),
	    "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", image.layer_len);
	put(r->fd, head);
	io_write(r->fd, image.layer, 1000);
}

static void
layer_endless(const struct request *r)
{
	static char chunk[65536];

	if (!is_layer(r)) {
		honest(r);
		return;
	}
	put(r->fd, "HTTP/1.1 200 OK\r\n\r\n");
	for (int i = 0; i < 2000; i++)
		if (io_write(r->fd, chunk, sizeof(chunk)) < 0)
			return;
}

static void
layer_empty(const struct request *r)
{
	if (is_layer(r))
		answer(r->fd, "200 OK", "", "", 0);
	else
		honest(r);
}

static void
layer_other_range(const struct request *r)
{
	if (is_layer(r))
		answer(r->fd, "206 Partial Content",
		    "Content-Range: bytes 999-1999/2000\r\n", image.layer,
		    1000);
	else
		honest(r);
}

static void
layer_missing(const struct request *r)
{
	static const char words[] = "{\"errors\":[{\"code\":\"BLOB_UNKNOWN\","
				    "\"message\":\"blob unknown\"}]}";

	if (is_layer(r))
		answer(r->fd, "404 Not Found", "", words, sizeof(words) - 1);
	else
		honest(r);
}

static void
escape(const struct request *r)
{
	static const char words[] =
	    "{\"errors\":[{\"message\":\"\\u001b[31mred\\nline\"}]}";

	answer(r->fd, "403 Forbidden", "", words, sizeof(words) - 1);
}

static void
redirect_loop(const struct request *r)
{
	answer(r->fd, "302 Found", "Location: /v2/loop/manifests/again\r\n", "",
	    0);
}

static void
redirect_file(const struct request *r)
{
	answer(r->fd, "302 Found", "Location: file:///etc/passwd\r\n", "", 0);
}

static void
redirect_nowhere(const struct request *r)
{
	answer(r->fd, "302 Found", "Location: http://[::bad\r\n", "", 0);
}

/* A redirect to the other port: what is secret must not go along. */
static void
redirect_away(const struct request *r)
{
	char location[1024];

	if (r->elsewhere) {
		leaked = leaked || r->authorization[0];
		honest(r);
	} else if (!r->authorization[0]) {
		answer(r->fd, "401 Unauthorized",
		    "WWW-Authenticate: Basic realm=\"x\"\r\n", "", 0);
	} else if (is_layer(r)) {
		snprintf(location, sizeof(location),
		    "Location: http://%s%s\r\n", other, r->path);
		answer(r->fd, "307 Temporary Redirect", location, "", 0);
	} else {
		honest(r);
	}
}

/* The place that it leads to wants a name and password too. */
static void
redirect_asks(const struct request *r)
{
	if (r->elsewhere) {
		leaked = leaked || r->authorization[0];
		answer(r->fd, "401 Unauthorized",
		    "WWW-Authenticate: Basic realm=\"give\"\r\n", "", 0);
	} else {
		redirect_away(r);
	}
}

static void
refuse_always(const struct request *r)
{
	answer(r->fd, "401 Unauthorized",
	    "WWW-Authenticate: Basic realm=\"x\"\r\n", "", 0);
}

static void
refuse_oddly(const struct request *r)
{
	answer(r->fd, "401 Unauthorized",
	    "WWW-Authenticate: Bearer realm=\"unterminated\r\n", "", 0);
}

/* The token realm is this server; tokens are never good enough. */
static void
token_loop(const struct request *r)
{
	char header[256];

	if (wants(r, "/token")) {
		answer(r->fd, "200 OK", "", "{\"token\":\"abc\"}", 15);
		return;
	}
	snprintf(header, sizeof(header),
	    "WWW-Authenticate: Bearer realm=\"http://%s/token\"\r\n", other);
	answer(r->fd, "401 Unauthorized", header, "", 0);
}

static void
token_empty(const struct request *r)
{
	if (wants(r, "/token"))
		answer(r->fd, "200 OK", "", "{}", 2);
	else
		token_loop(r);
}

static void
token_two_lines(const struct request *r)
{
	static const char token[] = "{\"token\":\"a\\r\\nX-Evil: 1\"}";

	if (wants(r, "/token"))
		answer(r->fd, "200 OK", "", token, sizeof(token) - 1);
	else
		token_loop(r);
}

static void
token_html(const struct request *r)
{
	if (wants(r, "/token"))
		answer(r->fd, "200 OK", "", "<html>", 6);
	else
		token_loop(r);
}

static void
token_realm_file(const struct request *r)
{
	answer(r->fd, "401 Unauthorized",
	    "WWW-Authenticate: Bearer realm=\"file:///etc/passwd\"\r\n", "", 0);
}

static void
token_realm_away(const struct request *r)
{
	leaked = leaked || r->authorization[0];
	answer(r->fd, "401 Unauthorized",
	    "WWW-Authenticate: Bearer realm=\"http://192.0.2.1/t\"\r\n", "", 0);
}

static void
busy(const struct request *r)
{
	answer(r->fd, "429 Too Many Requests", "Retry-After: 1\r\n", "", 0);
}

static void
broken(const struct request *r)
{
	answer(r->fd, "500 Internal Server Error", "", "", 0);
}

/* These are no lies in the end: the client gets over them. */
static void
busy_once(const struct request *r)
{
	if (hits == 1)
		busy(r);
	else
		honest(r);
}

static void
token_busy_once(const struct request *r)
{
	if (!wants(r, "/token") && r->authorization[0])
		honest(r);
	else if (wants(r, "/token") && hits == 2)
		busy(r);
	else
		token_loop(r);
}

static void
dies_halfway_once(const struct request *r)
{
	static unsigned seen;

	if (is_layer(r) && seen++ == 0)
		layer_truncated(r);
	else if (is_layer(r) && strcmp(r->range, "bytes=1000-") == 0)
		answer(r->fd, "206 Partial Content",
		    "Content-Range: bytes 1000-/*\r\n", image.layer + 1000,
		    image.layer_len - 1000);
	else
		honest(r);
}

/* Never heard of ranges: sends everything again. */
static void
dies_halfway_without_ranges(const struct request *r)
{
	static unsigned seen;

	if (is_layer(r) && seen++ == 0)
		layer_truncated(r);
	else
		honest(r);
}

/* A document has no ranges: it comes again, from its start. */
static void
manifest_halfway_once(const struct request *r)
{
	char head[128];

	if (hits > 1) {
		honest(r);
		return;
	}
	snprintf(head, sizeof(head),
	    "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n",
	    strlen(image.manifest));
	put(r->fd, head);
	io_write(r->fd, image.manifest, strlen(image.manifest) / 2);
}

static void
no_type(const struct request *r)
{
	if (wants(r, "/manifests/"))
		answer(r->fd, "200 OK", "", image.manifest,
		    strlen(image.manifest));
	else
		honest(r);
}

/* The whole is told in the handshake: see serve_one. What comes without TLS has
 * lost what TLS was to keep. */
static void
handshake_reset(const struct request *r)
{
	leaked = true;
	honest(r);
}

struct lie {
	const char *name;
	void (*tell)(const struct request *);
	int status;         /* 0: the pull succeeds */
	const char *regex;  /* of the message */
	const char *user;   /* --user */
	unsigned hits_most; /* requests; 0: not counted */
};

static const struct lie lies[] = {
    {"nothing", honest, 0, NULL, NULL, 3},
    {"HTML for a manifest", manifest_html, 65, "HTML where JSON|text/html",
	NULL, 1},
    {"an empty manifest", manifest_empty, 65, "not JSON", NULL, 1},
    {"a digest header that is not true", manifest_digest_header, 76,
	"not what its digest header says", NULL, 1},
    {"a manifest called schema 1", manifest_other_type, 65, "schema 1", NULL,
	1},
    {"a manifest without type", no_type, 0, NULL, NULL, 3},
    {"a manifest without end", manifest_endless, 65,
	"larger than the limit of 4194304", NULL, 1},
    {"headers without end", headers_endless, 76, "headers too long|too large",
	NULL, 1},
    {"another protocol", garbage, 76, "127.0.0.1:", NULL, 3},
    {"hanging up at once", hang_up, 69, "127.0.0.1:", NULL, 3},
    {"saying nothing", silence, 69, "imeout|timed out|[Ss]low|fast", NULL, 3},
    {"a byte now and then", drip, 69, "imeout|timed out|[Ss]low|fast", NULL, 3},
    {"a layer with one byte changed", layer_wrong, 65, "digest is wrong", NULL,
	4},
    {"a layer that ends early, in order", layer_short, 76, "ended after|digest",
	NULL, 6},
    {"a layer that breaks off", layer_truncated, 69, "127.0.0.1", NULL, 12},
    {"a layer without end", layer_endless, 76, "more than the", NULL, 4},
    {"an empty layer", layer_empty, 76, "ended after 0 of", NULL, 5},
    {"another range than asked for", layer_other_range, 76, "another range",
	NULL, 4},
    {"no such layer", layer_missing, 66, "404 not found: blob unknown", NULL,
	4},
    {"a message for the terminal", escape, 77, "\\?\\[31mred\\?line", NULL, 1},
    {"redirects in a circle", redirect_loop, 76, "more than 10 redirects", NULL,
	11},
    {"a redirect to a file", redirect_file, 76, "no URL|not https", NULL, 1},
    {"a redirect to nonsense", redirect_nowhere, 76, "no URL", NULL, 1},
    {"a redirect of a layer to another port", redirect_away, 0, NULL, "u:p", 0},
    {"a redirect to where a password is asked for", redirect_asks, 77,
	"401 unauthorized", "u:p", 0},
    {"refusing everyone", refuse_always, 77, "401 unauthorized", "u:p", 4},
    {"refusing who has no password", refuse_always, 77, "401 unauthorized",
	NULL, 1},
    {"a challenge that cannot be read", refuse_oddly, 77, "401 unauthorized",
	NULL, 1},
    {"tokens that are never good", token_loop, 77, "401 unauthorized", NULL, 6},
    {"a token answer without token", token_empty, 76, "without a token", NULL,
	2},
    {"a token of two lines", token_two_lines, 76, "without a token", NULL, 2},
    {"HTML for a token", token_html, 65, "HTML|JSON", NULL, 2},
    {"a token realm that is a file", token_realm_file, 76, "no URL", NULL, 1},
    {"a token realm elsewhere without TLS", token_realm_away, 76, "not https",
	"u:p", 1},
    {"a handshake that is reset", handshake_reset, 69, "reset", "u:p", 3},
    {"always too many requests", busy, 75, "429 too many", NULL, 3},
    {"always broken", broken, 75, "500 server error", NULL, 3},
    {"too many requests, once", busy_once, 0, NULL, NULL, 4},
    {"no tokens for a moment", token_busy_once, 0, NULL, NULL, 7},
    {"breaking off once", dies_halfway_once, 0, NULL, NULL, 4},
    {"a manifest that breaks off once", manifest_halfway_once, 0, NULL, NULL,
	4},
    {"breaking off once, without ranges", dies_halfway_without_ranges, 0, NULL,
	NULL, 4},
};

/* ---- the server --------------------------------------------------------- */

static const struct lie *now; /* what is being told */

static void
take_line(const char *head, const char *name, char *into, size_t size)
{
	const char *at = strcasestr(head, name);

	into[0] = '\0';
	if (at)
		snprintf(into, size, "%.*s",
		    (int)strcspn(at + strlen(name), "\r\n"), at + strlen(name));
}

struct server {
	int fd;
	bool second;
};

static void *
serve_one(void *into)
{
	struct request *r = into;
	char head[16384];
	size_t have = 0;
	ssize_t n;

	while (have < sizeof(head) - 1 &&
	       (n = read(r->fd, head + have, sizeof(head) - 1 - have)) > 0) {
		have += (size_t)n;
		head[have] = '\0';
		if (head[0] == 0x16 && now->tell == handshake_reset) {
			static const struct linger at_once = {.l_onoff = 1};

			__atomic_fetch_add(&hits, 1, __ATOMIC_SEQ_CST);
			setsockopt(r->fd, SOL_SOCKET, SO_LINGER, &at_once,
			    sizeof(at_once));
			break;
		}
		/* TLS is not spoken here. */
		if (head[0] == 0x16) {
			put(r->fd, "HTTP/1.1 400 Bad Request\r\n\r\n");
			break;
		}
		if (!strstr(head, "\r\n\r\n"))
			continue;
		sscanf(head, "%15s %511s", r->method, r->path);
		take_line(head, "\r\nAuthorization: ", r->authorization,
		    sizeof(r->authorization));
		take_line(head, "\r\nRange: ", r->range, sizeof(r->range));
		__atomic_fetch_add(&hits, 1, __ATOMIC_SEQ_CST);
		now->tell(r);
		break;
	}
	close(r->fd);
	free(r);
	return NULL;
}

static void *
serve(void *into)
{
	const struct server *s = into;
	pthread_attr_t detached;
	int fd;

	pthread_attr_init(&detached);
	pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
	while ((fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		struct request *r = calloc(1, sizeof(*r));
		pthread_t thread;

		r->fd = fd;
		r->elsewhere = s->second;
		pthread_create(&thread, &detached, serve_one, r);
	}
	return NULL;
}

static int
listen_on_loopback(char *address, size_t size)
{
	struct sockaddr_in sin = {
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&sin, sizeof(sin)) < 0 ||
	    listen(fd, 64) < 0 ||
	    getsockname(fd, (struct sockaddr *)&sin, &len) < 0)
		return -1;
	snprintf(address, size, "127.0.0.1:%u", ntohs(sin.sin_port));
	return fd;
}

/* ---- the image ---------------------------------------------------------- */

static void
make_image(void)
{
	char *h = image.layer;
	unsigned sum = 0;

	/* One file of 30,000 bytes that do not repeat, in a plain tar. */
	snprintf(h, 100, "file");
	snprintf(h + 100, 8, "0000644");
	snprintf(h + 108, 8, "0000000");
	snprintf(h + 116, 8, "0000000");
	snprintf(h + 124, 12, "%011o", 30000);
	snprintf(h + 136, 12, "%011o", 0);
	memset(h + 148, ' ', 8);
	h[156] = '0';
	memcpy(h + 257, "ustar\00000", 8);
	for (int i = 0; i < 512; i++)
		sum += (unsigned char)h[i];
	snprintf(h + 148, 7, "%06o", sum);
	for (unsigned i = 0, x = 1; i < 30000; i++) {
		x = x * 1103515245 + 12345;
		h[512 + i] = (char)(x >> 16);
	}
	image.layer_len = 512 + 30208 + 1024;
	digest_of(image.layer, image.layer_len, &image.layer_digest);
	snprintf(image.config, sizeof(image.config),
	    "{\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"%s\"]}}",
	    image.layer_digest.text);
	digest_of(image.config, strlen(image.config), &image.config_digest);
	snprintf(image.manifest, sizeof(image.manifest),
	    "{\"schemaVersion\":2,\"config\":{\"mediaType\":"
	    "\"application/vnd.oci.image.config.v1+json\",\"digest\":\"%s\","
	    "\"size\":%zu},\"layers\":[{\"mediaType\":"
	    "\"application/vnd.oci.image.layer.v1.tar\",\"digest\":\"%s\","
	    "\"size\":%zu}]}",
	    image.config_digest.text, strlen(image.config),
	    image.layer_digest.text, image.layer_len);
}

/* ---- pulling ------------------------------------------------------------ */

/* Returns bytes written, -1 with err. */
static off_t
pull(const char *address, const char *user, struct err *e)
{
	struct options o;
	struct image m = {0};
	struct cache cache;
	struct tarout out;
	struct source *s;
	struct ref ref;
	char text[128];
	cleanup_fd int fd = memfd_create("out", MFD_CLOEXEC);
	int rc;

	options_default(&o);
	o.http.timeout_ms =
	    now->tell == silence || now->tell == drip ? 1000 : 20000;
	o.retries = 1;
	o.user = user;
	snprintf(text, sizeof(text), "%s/a/b:c", address);
	if (ref_parse(&ref, text, e) < 0 || cache_open(&cache, e) < 0)
		return -1;
	s = registry_new(&o, &cache, &ref, e);
	rc = s ? image_resolve(&m, s, &o, e) : -1;
	if (rc == 0)
		rc = image_configure(&m, s, &o, e);
	if (rc == 0)
		rc = image_load(&m, s, &o, e);
	if (rc == 0 && tarout_init(&out, fd, "memory", e) == 0) {
		rc = emit(
		    &out, m.merge, &m.config, m.layers, m.image.layer_count, e);
		tarout_release(&out);
	}
	image_release(&m);
	if (s)
		s->ops->release(s);
	cache_close(&cache);
	return rc < 0 ? -1 : lseek(fd, 0, SEEK_END);
}

static bool
matches(const char *text, const char *regex)
{
	regex_t re;
	bool match;

	if (regcomp(&re, regex, REG_EXTENDED | REG_NOSUB) != 0)
		return false;
	match = regexec(&re, text, 0, NULL, 0) == 0;
	regfree(&re);
	return match;
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
	(void)st;
	(void)type;
	(void)where;
	return remove(path);
}

static void
try_lie(const struct lie *lie, const char *address, off_t right)
{
	char folder[] = "/tmp/vk-liar.XXXXXX";
	static const struct lie truth = {.name = "", .tell = honest};
	struct err e = ERR_INIT;
	time_t start = time(NULL);
	off_t written;
	long took;

	if (!mkdtemp(folder))
		return;
	setenv("XDG_CACHE_HOME", folder, 1);
	now = lie;
	hits = 0;
	leaked = false;
	written = pull(address, lie->user, &e);
	took = (long)(time(NULL) - start);
	if (lie->status == 0)
		ok(written == right, "%s: the client gets over it", lie->name);
	else
		ok(written < 0 && e.status == lie->status &&
			matches(e.text, lie->regex),
		    "%s: refused", lie->name);
	printf("# %s%d: %s (%u requests, %ld s)\n",
	    written < 0 ? "" : "no error ", e.status, e.text, hits, took);
	if (took > CASE_SECONDS_MAX ||
	    (lie->hits_most && hits > lie->hits_most) || leaked ||
	    strchr(e.text, '\n') || strchr(e.text, '\033'))
		ok(false, "%s: in time, in few requests, without a secret",
		    lie->name);
	now = &truth;
	e = (struct err)ERR_INIT;
	written = pull(address, NULL, &e);
	if (!ok(written == right, "%s: the cache is good", lie->name))
		printf("# %d: %s\n", e.status, e.text);
	nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

int
main(void)
{
	static struct server first, second = {.second = true};
	struct err e = ERR_INIT;
	char address[64];
	pthread_t a, b;
	off_t right = (off_t)(512 * 2 + 512 + 30208 + 1024);

	unsetenv("REGISTRY_AUTH_FILE");
	unsetenv("DOCKER_CONFIG");
	setenv("HOME", "/nonexistent", 1);
	setenv("no_proxy", "*", 1);
	signal(SIGPIPE, SIG_IGN);
	make_image();
	first.fd = listen_on_loopback(address, sizeof(address));
	second.fd = listen_on_loopback(other, sizeof(other));
	if (first.fd < 0 || second.fd < 0 || http_start(&e) < 0) {
		printf("Bail out! no server: %s\n", strerror(errno));
		return 1;
	}
	pthread_create(&a, NULL, serve, &first);
	pthread_create(&b, NULL, serve, &second);
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++)
		try_lie(&lies[i], address, right);
	return tap_done();
}
