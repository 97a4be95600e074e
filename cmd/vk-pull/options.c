/* SPDX-License-Identifier: MIT */
/* options.c - what the user asked for */
#include "cmd/vk-pull/options.h"

#include "common/size.h"

#include <string.h>
#include <unistd.h>

/* More layers at a time than this is no use to anyone. */
#define JOBS_MAX    64
#define RETRIES_MAX 100

void
options_default(struct options *o)
{
	*o = (struct options){
	    .http.timeout_ms = 60000,
	    .limits = limits_default,
	    .jobs = 4,
	    .retries = 4,
	};
	platform_host(&o->platform);
}

static int
set_action(struct options *o, enum action action, struct err *e)
{
	if (o->action != ACTION_TAR)
		return err_set(e, EX_USAGE, "one thing at a time");
	o->action = action;
	return 0;
}

static int
set_config(void *into, const char *value, struct err *e)
{
	(void)value;
	return set_action(into, ACTION_CONFIG, e);
}

static int
set_manifest(void *into, const char *value, struct err *e)
{
	(void)value;
	return set_action(into, ACTION_MANIFEST, e);
}

static int
set_digest(void *into, const char *value, struct err *e)
{
	(void)value;
	return set_action(into, ACTION_DIGEST, e);
}

static int
set_list(void *into, const char *value, struct err *e)
{
	(void)value;
	return set_action(into, ACTION_LIST, e);
}

static int
set_gc(void *into, const char *value, struct err *e)
{
	if (keep_parse(&((struct options *)into)->gc, value, e) < 0)
		return -1;
	return set_action(into, ACTION_GC, e);
}

static int
set_purge(void *into, const char *value, struct err *e)
{
	(void)value;
	return set_action(into, ACTION_PURGE, e);
}

static int
set_mirror(void *into, const char *value, struct err *e)
{
	char host[256];

	http_host(value, host, sizeof(host));
	if ((strncmp(value, "https://", 8) != 0 &&
		strncmp(value, "http://", 7) != 0) ||
	    !host[0])
		return err_set(e, EX_USAGE, "%s: not a URL", value);
	((struct options *)into)->mirror = value;
	return 0;
}

static int
set_platform(void *into, const char *value, struct err *e)
{
	return platform_parse(&((struct options *)into)->platform, value, e);
}

static int
set_policy(void *into, const char *value, struct err *e)
{
	static const char *const names[] = {
	    [POLICY_ALWAYS] = "always",
	    [POLICY_MISSING] = "missing",
	    [POLICY_NEVER] = "never",
	};

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(value, names[i]) == 0) {
			((struct options *)into)->policy = (enum policy)i;
			return 0;
		}
	return err_set(e, EX_USAGE, "%s: not always, missing or never", value);
}

static int
set_offline(void *into, const char *value, struct err *e)
{
	(void)value;
	return set_policy(into, "never", e);
}

static int
set_user(void *into, const char *value, struct err *e)
{
	if (!strchr(value, ':') || value[0] == ':')
		return err_set(e, EX_USAGE, "not NAME:PASSWORD");
	((struct options *)into)->user = value;
	return 0;
}

static int
set_ca(void *into, const char *value, struct err *e)
{
	if (access(value, R_OK) < 0)
		return err_errno(e, 0, "%s", value);
	((struct options *)into)->http.ca = value;
	return 0;
}

static int
set_limit(void *into, const char *value, struct err *e)
{
	return limits_set(&((struct options *)into)->limits, value, e);
}

static int
set_timeout(void *into, const char *value, struct err *e)
{
	struct options *o = into;

	if (duration_parse(value, &o->http.timeout_ms) < 0 ||
	    o->http.timeout_ms == 0)
		return err_set(e, EX_USAGE, "%s: not a duration", value);
	return 0;
}

static int
set_count(const char *value, uint64_t least, uint64_t most, unsigned *into,
    struct err *e)
{
	uint64_t n;

	if (number_parse(value, most, &n) < 0 || n < least)
		return err_set(e, EX_USAGE,
		    "%s: not a number from %llu to "
		    "%llu",
		    value, (unsigned long long)least, (unsigned long long)most);
	*into = (unsigned)n;
	return 0;
}

static int
set_retries(void *into, const char *value, struct err *e)
{
	return set_count(
	    value, 0, RETRIES_MAX, &((struct options *)into)->retries, e);
}

static int
set_jobs(void *into, const char *value, struct err *e)
{
	return set_count(
	    value, 1, JOBS_MAX, &((struct options *)into)->jobs, e);
}

static const struct opt table[] = {
    {0, "platform", "OS/ARCH[/VARIANT]", "instead of this machine's",
	.set = set_platform},
    {0, "config", NULL, "print the image's configuration", .set = set_config},
    {0, "manifest", NULL, "print what the reference names",
	.set = set_manifest},
    {0, "digest", NULL, "print the digest of what it names", .set = set_digest},
    {0, "pull", "WHEN", "ask the registry: always, missing or never",
	.set = set_policy},
    {0, "offline", NULL, "the same as --pull never", .set = set_offline},
    {'u', "user", "NAME:PASSWORD", "for the registry", .set = set_user},
    {0, "mirror", "URL", "ask there before the registry", .set = set_mirror},
    {0, "ca", "FILE", "certificates to trust besides the system's",
	.set = set_ca},
    {0, "insecure", NULL, "allow plain HTTP and unverified certificates",
	OPT_FLAG(struct options, http.insecure)},
    {0, "timeout", "DURATION", "without progress, 60s", .set = set_timeout},
    {0, "retries", "N", "of a request that failed in passing, 4",
	.set = set_retries},
    {'j', "jobs", "N", "layers at a time, 4", .set = set_jobs},
    {0, "limit", "NAME=VALUE", "how much the image may ask of us",
	.set = set_limit},
    {0, "list", NULL, "print what the cache holds", .set = set_list},
    {0, "gc", "AGE|SIZE", "take what was unused for so long out of the cache",
	.set = set_gc},
    {0, "purge", NULL, "take everything out of the cache", .set = set_purge},
    {'q', "quiet", NULL, "no progress", OPT_FLAG(struct options, quiet)},
    {'v', "verbose", NULL, "say more", .set = opt_set_verbose},
};

const struct opt_command options_command = {
    .name = "vk-pull",
    .synopsis = "[options] REFERENCE | --list | --gc AGE|SIZE | --purge",
    .purpose = "Pull a container image and write its file system as one tar.",
    .options = table,
    .count = OPT_COUNT(table),
};
