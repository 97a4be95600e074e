/* SPDX-License-Identifier: MIT */
/* ref.c - references: taken apart, or refused */
#include "cmd/vk-pull/ref.h"
#include "tests/tap.h"

#define D64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void
is_image(const char *text, const char *host, const char *name, const char *tag)
{
	struct err e = ERR_INIT;
	struct ref r;

	if (!ok(ref_parse(&r, text, &e) == 0, "%.60s", text))
		return;
	is_str(r.host, host, "its host");
	is_str(r.name, name, "its name");
	is_str(r.tag, tag, "its tag");
}

static void
is_path(const char *text, enum ref_kind kind, const char *path, const char *tag)
{
	struct err e = ERR_INIT;
	struct ref r;

	ok(ref_parse(&r, text, &e) == 0 && r.kind == kind &&
		strcmp(r.path, path) == 0 && strcmp(r.tag, tag) == 0,
	    "%s", text);
}

static void
is_refused(const char *text)
{
	struct err e = ERR_INIT;
	struct ref r;

	ok(ref_parse(&r, text, &e) < 0 && e.status == EX_USAGE,
	    "'%.60s' is refused", text);
}

int
main(void)
{
	static const char *const bad[] = {"", ":", "/", "A", "a/", "/a", "a//b",
	    "a b", "a\n", "-a", "a-", "a..b", "a___b", "a:", "a:-t", "a:b:c",
	    "a@sha256:12", "a@" D64, "a@md5:" D64, "host:port/a", "a:b/c",
	    "127.0.0.1:123456/a", "[::1/a", "a?b", "a#b", "a%2fb", "../a",
	    "host.example/../a",
	    "oci:", "oci:x:", "docker-daemon:", "docker-daemon:a b",
	    "docker-archive:", "HOST.example/A"};
	struct err e = ERR_INIT;
	struct ref r;

	is_image("alpine", "", "alpine", "");
	is_image("alpine:3.20", "", "alpine", "3.20");
	is_image("a/b/c:v1", "", "a/b/c", "v1");
	is_image("localhost/a", "localhost", "a", "");
	is_image("127.0.0.1:5000/a/b:c", "127.0.0.1:5000", "a/b", "c");
	is_image("[::1]:5000/a", "[::1]:5000", "a", "");
	is_image(
	    "ghcr.io/x/y__z-1.2:A_b.c-d", "ghcr.io", "x/y__z-1.2", "A_b.c-d");
	is_image("docker.io/alpine", "docker.io", "library/alpine", "");
	is_image("index.docker.io/a/b", "docker.io", "a/b", "");
	is_image("docker://alpine", "", "alpine", "");
	is_image("a:b@sha256:" D64, "", "a", "b");
	ref_parse(&r, "a:b@sha256:" D64, &e);
	is_str(r.digest.text, "sha256:" D64, "and a digest");
	is_path("oci:dir", REF_OCI, "dir", "");
	is_path("oci:/a/dir:tag:more", REF_OCI, "/a/dir", "tag:more");
	is_path("oci-archive:f.tar:t", REF_OCI_ARCHIVE, "f.tar", "t");
	is_path("docker-archive:-:a:1", REF_DOCKER_ARCHIVE, "-", "a:1");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		is_refused(bad[i]);

	ok(ref_is_loopback("127.0.0.1:5000") && ref_is_loopback("localhost") &&
		ref_is_loopback("127.1.2.3") && ref_is_loopback("[::1]:1"),
	    "loopback");
	ok(!ref_is_loopback("127.evil.org") && !ref_is_loopback("10.0.0.1") &&
		!ref_is_loopback("localhost.evil.org") &&
		!ref_is_loopback("[::2]") && !ref_is_loopback("1270.0.0.1"),
	    "not loopback");
	return tap_done();
}
