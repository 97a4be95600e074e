/* SPDX-License-Identifier: MIT */
/* challenge.c - WWW-Authenticate, and the token requests that come of it */
#include "cmd/vk-pull/challenge.h"
#include "tests/tap.h"

static void
is_challenge(const char *header, enum challenge_scheme scheme,
    const char *realm, const char *service)
{
	struct challenge c;

	if (!ok(challenge_parse(&c, header) == 0, "%.70s", header))
		return;
	is_int(c.scheme, scheme, "its scheme");
	is_str(c.realm, realm, "its realm");
	is_str(c.service, service, "its service");
}

static void
is_none(const char *header)
{
	struct challenge c;

	ok(challenge_parse(&c, header) < 0, "'%.60s' is none", header);
}

static void
is_request(const char *header, const char *expected)
{
	struct buf url = BUF_INIT(8192), form = BUF_INIT(8192);
	struct credentials login = {0};
	struct challenge c = {0};
	int rc;

	challenge_parse(&c, header);
	rc = challenge_request(&c, "a/b", &login, &url, &form);
	if (expected)
		is_str(rc == 0 ? url.data : "refused", expected, "%s", header);
	else
		ok(rc < 0, "no URL: %s", header);
	buf_release(&url);
	buf_release(&form);
}

int
main(void)
{
	struct buf url = BUF_INIT(8192), form = BUF_INIT(8192);
	char token[] = "a b&c";
	struct credentials login = {.identity_token = token};
	struct challenge c;

	is_challenge("Basic realm=\"x y\"", CHALLENGE_BASIC, "x y", "");
	is_challenge("basic realm=x", CHALLENGE_BASIC, "x", "");
	is_challenge("Bearer realm=\"https://a/t\",service=\"s\",scope=\"q\"",
	    CHALLENGE_BEARER, "https://a/t", "s");
	is_challenge("BEARER  service = \"s\" , realm = \"https://a/t\"",
	    CHALLENGE_BEARER, "https://a/t", "s");
	is_challenge("Basic realm=\"b\", Bearer realm=\"https://a\"",
	    CHALLENGE_BEARER, "https://a", "");
	is_challenge(
	    "Negotiate abc, Basic realm=\"b\"", CHALLENGE_BASIC, "b", "");
	is_challenge("Digest realm=\"d\", nonce=\"n, \\\"Basic\", Basic "
		     "realm=\"b\"",
	    CHALLENGE_BASIC, "b", "");
	is_none("");
	is_none("Negotiate");
	is_none("Bearer");
	is_none("Bearer realm=");
	is_none("Bearer realm=\"open");
	is_none("\"Basic\"");
	is_none("Bearer realm=\"a\nb\"");

	is_request("Bearer realm=\"https://a/t\",service=\"s t\"",
	    "https://a/t?service=s%20t&scope=repository%3Aa%2Fb%3Apull");
	is_request("Bearer realm=\"https://a/t?x=1\",scope=\"mine\"",
	    "https://a/t?x=1&scope=mine");
	is_request("Bearer realm=\"file:///etc/passwd\"", NULL);
	is_request("Bearer realm=\"/t\"", NULL);

	challenge_parse(&c, "Bearer realm=\"https://a/t\",service=\"s\"");
	ok(challenge_request(&c, "a/b", &login, &url, &form) == 0,
	    "with an identity token");
	is_str(url.data, "https://a/t", "the token is not in the URL");
	ok(strstr(form.data, "refresh_token=a%%20b%%26c") ||
		strstr(form.data, "refresh_token=a%20b%26c"),
	    "but in the form");
	buf_release(&url);
	buf_release(&form);
	return tap_done();
}
