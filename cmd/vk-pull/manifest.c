/* SPDX-License-Identifier: MIT */
/* manifest.c - indexes, manifests and configurations of images */
#include "cmd/vk-pull/manifest.h"

#include "cmd/vk-pull/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#define OCI    "application/vnd.oci.image."
#define DOCKER "application/vnd.docker.distribution.manifest."

const char manifest_accept[] =
    OCI "index.v1+json, " OCI "manifest.v1+json, " DOCKER
	"list.v2+json, " DOCKER "v2+json";

/* ---- platforms ---------------------------------------------------------- */

/* uname(2)'s machine -> GOARCH and variant, as images are labelled. */
static const struct {
	const char *machine, *architecture, *variant;
} machines[] = {
    {"x86_64", "amd64", ""},
    {"i686", "386", ""},
    {"i386", "386", ""},
    {"aarch64", "arm64", "v8"},
    {"armv7l", "arm", "v7"},
    {"armv6l", "arm", "v6"},
    {"riscv64", "riscv64", ""},
    {"ppc64le", "ppc64le", ""},
    {"s390x", "s390x", ""},
    {"loongarch64", "loong64", ""},
};

void
platform_host(struct platform *p)
{
	struct utsname u;

	*p = (struct platform){.os = "linux"};
	if (uname(&u) < 0)
		return;
	snprintf(p->architecture, sizeof(p->architecture), "%.31s", u.machine);
	for (size_t i = 0; i < sizeof(machines) / sizeof(machines[0]); i++) {
		if (strcmp(u.machine, machines[i].machine) != 0)
			continue;
		snprintf(p->architecture, sizeof(p->architecture), "%s",
		    machines[i].architecture);
		snprintf(
		    p->variant, sizeof(p->variant), "%s", machines[i].variant);
	}
}

int
platform_parse(struct platform *p, const char *text, struct err *e)
{
	char *parts[] = {p->os, p->architecture, p->variant};
	const char *at = text;

	*p = (struct platform){.os = ""};
	for (size_t i = 0; i < 3; i++) {
		size_t len = strcspn(at, "/");

		if (len == 0 || len >= sizeof(p->os))
			break;
		memcpy(parts[i], at, len);
		at += len;
		if (*at == '\0')
			return i > 0 ? 0
				     : err_set(e, EX_USAGE,
					   "%s: no architecture", text);
		at++;
	}
	return err_set(e, EX_USAGE, "%s: not os/architecture[/variant]", text);
}

/* How well an index entry's platform fits: 0 not at all. */
static int
platform_fit(const json_t *p, const struct platform *wanted)
{
	const char *variant = json_text(p, "variant");

	if (strcmp(json_text(p, "os"), wanted->os) != 0 ||
	    strcmp(json_text(p, "architecture"), wanted->architecture) != 0)
		return 0;
	if (strcmp(variant, wanted->variant) == 0)
		return 3;
	/* arm: v7 runs v6 and v5. Without one it is the oldest, or for arm64
	 * the only. A wish without variant takes any. */
	if (variant[0] == '\0' || wanted->variant[0] == '\0')
		return 2;
	if (strcmp(wanted->architecture, "arm") == 0 && variant[0] == 'v' &&
	    strcmp(variant, wanted->variant) < 0)
		return 1;
	return 0;
}

/* ---- descriptors -------------------------------------------------------- */

static int
descriptor_of(const json_t *j, struct descriptor *d, struct err *e)
{
	const char *type = json_text(j, "mediaType");
	const json_t *size = json_object_get(j, "size");

	if (!json_is_object(j))
		return err_set(e, EX_DATAERR, "a descriptor is no object");
	if (strlen(type) >= sizeof(d->type))
		return err_set(e, EX_DATAERR, "a media type is too long");
	snprintf(d->type, sizeof(d->type), "%s", type);
	if (digest_parse(&d->digest, json_text(j, "digest")) < 0)
		return err_set(e, EX_DATAERR, "'%.100s' is not a digest",
		    json_text(j, "digest"));
	if (!json_is_integer(size) || json_integer_value(size) < 0)
		return err_set(e, EX_DATAERR, "%.19s: no size", d->digest.text);
	d->size = (uint64_t)json_integer_value(size);
	return 0;
}

static bool
is_one_of(const char *type, const char *const *types)
{
	for (; *types; types++)
		if (strcmp(type, *types) == 0)
			return true;
	return false;
}

/* Layers that lie elsewhere are never fetched from there. */
static int
check_layer_type(const struct descriptor *d, struct err *e)
{
	static const char *const good[] = {
	    OCI "layer.v1.tar",
	    OCI "layer.v1.tar+gzip",
	    OCI "layer.v1.tar+zstd",
	    "application/vnd.docker.image.rootfs.diff.tar",
	    "application/vnd.docker.image.rootfs.diff.tar.gzip",
	    "application/vnd.docker.image.rootfs.diff.tar.zstd",
	    NULL,
	};

	if (is_one_of(d->type, good))
		return 0;
	if (strstr(d->type, "foreign") || strstr(d->type, "nondistributable"))
		return err_set(e, EX_DATAERR,
		    "%.19s: layer of type %s is kept elsewhere and not "
		    "fetched",
		    d->digest.text, d->type);
	return err_set(e, EX_DATAERR, "%.19s: layer of unknown type '%s'",
	    d->digest.text, d->type);
}

/* ---- indexes ------------------------------------------------------------ */

static void
list_platforms(const json_t *entries, char *into, size_t size)
{
	const json_t *entry;
	size_t i, at = 0;

	into[0] = '\0';
	json_array_foreach(entries, i, entry)
	{
		const json_t *p = json_object_get(entry, "platform");
		const char *variant = json_text(p, "variant");
		int n;

		if (!p || strcmp(json_text(p, "os"), "unknown") == 0)
			continue;
		n = snprintf(into + at, size - at, "%s%s/%s%s%s",
		    at > 0 ? ", " : "", json_text(p, "os"),
		    json_text(p, "architecture"), variant[0] ? "/" : "",
		    variant);
		if (n < 0 || (size_t)n >= size - at) {
			into[at] = '\0';
			return;
		}
		at += (size_t)n;
	}
}

static int
parse_index(struct manifest *m, const json_t *j, const struct platform *wanted,
    struct err *e)
{
	const json_t *entries = json_object_get(j, "manifests"), *entry;
	const json_t *best = NULL;
	char platforms[ERR_HINT_MAX - 32];
	int best_fit = 0;
	size_t i;

	m->kind = MANIFEST_INDEX;
	if (!json_is_array(entries))
		return err_set(e, EX_DATAERR, "index: no list of manifests");
	json_array_foreach(entries, i, entry)
	{
		const json_t *p = json_object_get(entry, "platform");
		/* An index may be there for other reasons than platforms. */
		int fit =
		    p ? platform_fit(p, wanted) : json_array_size(entries) == 1;

		if (fit > best_fit) {
			best = entry;
			best_fit = fit;
		}
	}
	if (best) {
		if (descriptor_of(best, &m->chosen, e) < 0)
			return err_prefix(e, "index");
		return 0;
	}
	list_platforms(entries, platforms, sizeof(platforms));
	err_set(e, EX_UNAVAILABLE, "no image for %s/%s%s%s", wanted->os,
	    wanted->architecture, wanted->variant[0] ? "/" : "",
	    wanted->variant);
	return platforms[0] ? err_hint(e, "--platform may be %s", platforms)
			    : -1;
}

/* ---- images ------------------------------------------------------------- */

static int
parse_layers(struct manifest *m, const json_t *layers,
    const struct limits *limits, struct err *e)
{
	uint64_t total = 0;

	m->layer_count = json_array_size(layers);
	if (m->layer_count > limits->layers)
		return err_set(e, EX_DATAERR,
		    "%zu layers, more than the limit of %llu (layers)",
		    m->layer_count, (unsigned long long)limits->layers);
	m->layers = calloc(m->layer_count + 1, sizeof(*m->layers));
	if (!m->layers)
		return err_set(e, EX_OSERR, "out of memory");
	for (size_t i = 0; i < m->layer_count; i++) {
		struct descriptor *d = &m->layers[i];

		if (descriptor_of(json_array_get(layers, i), d, e) < 0)
			return err_prefix(e, "layer %zu", i + 1);
		if (check_layer_type(d, e) < 0)
			return -1;
		if (d->size > limits->download - total)
			return err_set(e, EX_DATAERR,
			    "%.19s: larger than the limit of %llu bytes for "
			    "all layers (download)",
			    d->digest.text,
			    (unsigned long long)limits->download);
		total += d->size;
	}
	return 0;
}

static int
parse_image(struct manifest *m, const json_t *j, const struct limits *limits,
    struct err *e)
{
	const json_t *layers = json_object_get(j, "layers");
	static const char *const config_types[] = {
	    OCI "config.v1+json",
	    "application/vnd.docker.container.image.v1+json",
	    "application/octet-stream", /* very old Docker */
	    NULL,
	};

	m->kind = MANIFEST_IMAGE;
	if (!json_is_array(layers))
		return err_set(e, EX_DATAERR, "manifest: no list of layers");
	if (descriptor_of(json_object_get(j, "config"), &m->config, e) < 0)
		return err_prefix(e, "manifest: config");
	if (!is_one_of(m->config.type, config_types))
		return err_set(e, EX_DATAERR, "not a container image but '%s'",
		    m->config.type);
	if (m->config.size > limits->manifest)
		return err_set(e, EX_DATAERR,
		    "configuration larger than the limit of %llu bytes "
		    "(manifest)",
		    (unsigned long long)limits->manifest);
	if (parse_layers(m, layers, limits, e) < 0)
		return err_prefix(e, "manifest");
	return 0;
}

static int
refuse_schema1(struct err *e)
{
	err_set(e, EX_DATAERR,
	    "Docker schema 1 manifest, which cannot be verified by digest");
	return err_hint(e, "push the image again with a docker from 2016 or "
			   "later, or with skopeo");
}

int
manifest_parse(struct manifest *m, const char *data, size_t len,
    const char *type, const struct platform *platform,
    const struct limits *limits, struct err *e)
{
	cleanup_json json_t *j = json_parse(data, len, "manifest", limits, e);
	static const char *const indexes[] = {
	    OCI "index.v1+json", DOCKER "list.v2+json", NULL};
	static const char *const images[] = {
	    OCI "manifest.v1+json", DOCKER "v2+json", NULL};
	const char *own;

	*m = (struct manifest){.kind = MANIFEST_IMAGE};
	if (!j)
		return -1;
	own = json_text(j, "mediaType");
	if (strstr(type, "manifest.v1+prettyjws") ||
	    strcmp(type, DOCKER "v1+json") == 0 ||
	    json_integer_value(json_object_get(j, "schemaVersion")) == 1)
		return refuse_schema1(e);
	if (json_integer_value(json_object_get(j, "schemaVersion")) != 2)
		return err_set(e, EX_DATAERR,
		    "manifest: schemaVersion is "
		    "not 2");
	/* One document must not pass for two things (CVE-2021-41190). */
	if (json_object_get(j, "manifests") &&
	    (json_object_get(j, "layers") || json_object_get(j, "config")))
		return err_set(
		    e, EX_DATAERR, "manifest: both an index and an image");
	if (own[0] && (is_one_of(type, indexes) || is_one_of(type, images)) &&
	    strcmp(own, type) != 0)
		return err_set(e, EX_DATAERR,
		    "manifest: says it is %.80s, was announced as %.80s", own,
		    type);
	if (!own[0])
		own = type;
	if (is_one_of(own, indexes))
		return parse_index(m, j, platform, e);
	if (is_one_of(own, images))
		return parse_image(m, j, limits, e);
	/* Neither says what it is: OCI lets both be silent. */
	if (own[0] && strncmp(own, "application/json", 16) != 0 &&
	    strncmp(own, "text/plain", 10) != 0 &&
	    strcmp(own, "application/octet-stream") != 0)
		return err_set(
		    e, EX_DATAERR, "manifest of unknown type '%.100s'", own);
	if (json_object_get(j, "manifests"))
		return parse_index(m, j, platform, e);
	return parse_image(m, j, limits, e);
}

void
manifest_release(struct manifest *m)
{
	free(m->layers);
	m->layers = NULL;
	m->layer_count = 0;
}

/* ---- layouts ------------------------------------------------------------ */

int
manifest_of_layout(const char *data, size_t len, const char *tag,
    const struct limits *limits, struct descriptor *d, struct err *e)
{
	cleanup_json json_t *j = json_parse(data, len, "index.json", limits, e);
	const json_t *entries = json_object_get(j, "manifests"), *entry;
	const json_t *found = NULL;
	size_t i;

	if (!j)
		return -1;
	if (!json_is_array(entries))
		return err_set(
		    e, EX_DATAERR, "index.json: no list of manifests");
	json_array_foreach(entries, i, entry)
	{
		const char *name =
		    json_text(json_object_get(entry, "annotations"),
			"org.opencontainers.image.ref.name");

		if (tag[0] && strcmp(name, tag) != 0)
			continue;
		if (found)
			return err_set(e, EX_USAGE,
			    tag[0] ? "more than one image called '%s'"
				   : "more than one image; name one%s",
			    tag);
		found = entry;
	}
	if (!found)
		return err_set(e, EX_NOINPUT,
		    tag[0] ? "no image called '%s'" : "no image%s", tag);
	if (descriptor_of(found, d, e) < 0)
		return err_prefix(e, "index.json");
	return 0;
}

/* ---- docker-archive ----------------------------------------------------- */

/* "busybox:1" is also what others call "docker.io/library/busybox:1". */
static bool
tag_means(const char *tag, const char *name)
{
	static const char *const usual[] = {"", "docker.io/", "library/"};
	size_t len = strlen(name);

	for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++) {
		size_t skip = strlen(usual[i]);

		if (strncmp(tag, usual[i], skip) == 0)
			tag += skip;
		if (strncmp(tag, name, len) == 0 &&
		    (tag[len] == '\0' || strcmp(tag + len, ":latest") == 0))
			return true;
	}
	return false;
}

static bool
has_name(const json_t *image, const char *name)
{
	const json_t *tags = json_object_get(image, "RepoTags"), *tag;
	size_t i;

	json_array_foreach(tags, i, tag)
	{
		const char *text = json_string_value(tag);

		if (text && tag_means(text, name))
			return true;
	}
	return false;
}

static int
archive_image(struct archive_manifest *m, const json_t *image,
    const struct limits *limits, struct err *e)
{
	const json_t *layers = json_object_get(image, "Layers");
	size_t count = json_array_size(layers);

	if (count > limits->layers)
		return err_set(e, EX_DATAERR,
		    "%zu layers, more than the limit of %llu (layers)", count,
		    (unsigned long long)limits->layers);
	m->layers = calloc(count + 1, sizeof(*m->layers));
	m->config = strdup(json_text(image, "Config"));
	if (!m->layers || !m->config)
		return err_set(e, EX_OSERR, "out of memory");
	for (; m->layer_count < count; m->layer_count++) {
		const char *name =
		    json_string_value(json_array_get(layers, m->layer_count));

		if (!name)
			return err_set(
			    e, EX_DATAERR, "manifest.json: bad layer name");
		m->layers[m->layer_count] = strdup(name);
		if (!m->layers[m->layer_count])
			return err_set(e, EX_OSERR, "out of memory");
	}
	return 0;
}

int
archive_manifest_parse(struct archive_manifest *m, const char *data, size_t len,
    const char *name, const struct limits *limits, struct err *e)
{
	cleanup_json json_t *j =
	    json_parse(data, len, "manifest.json", limits, e);
	const json_t *image, *found = NULL;
	size_t i;

	*m = (struct archive_manifest){0};
	if (!j)
		return -1;
	if (!json_is_array(j))
		return err_set(e, EX_DATAERR, "manifest.json: not a list");
	json_array_foreach(j, i, image)
	{
		if (name[0] && !has_name(image, name))
			continue;
		if (found)
			return err_set(
			    e, EX_USAGE, "more than one image; name one");
		found = image;
	}
	if (!found)
		return err_set(e, EX_NOINPUT,
		    name[0] ? "no image called '%s'" : "no image%s", name);
	return archive_image(m, found, limits, e);
}

void
archive_manifest_release(struct archive_manifest *m)
{
	for (size_t i = 0; i < m->layer_count; i++)
		free(m->layers[i]);
	free(m->layers);
	free(m->config);
	*m = (struct archive_manifest){0};
}

/* ---- configurations ----------------------------------------------------- */

int
config_check(const char *data, size_t len, size_t layer_count,
    const struct limits *limits, struct digest *diff_ids, struct err *e)
{
	cleanup_json json_t *j =
	    json_parse(data, len, "configuration", limits, e);
	const json_t *ids =
	    json_object_get(json_object_get(j, "rootfs"), "diff_ids");

	if (!j)
		return -1;
	if (!json_is_object(j))
		return err_set(e, EX_DATAERR, "configuration: no object");
	if (!json_is_array(ids))
		return err_set(e, EX_DATAERR, "configuration: no diff_ids");
	if (json_array_size(ids) != layer_count)
		return err_set(e, EX_DATAERR,
		    "configuration names %zu layers, the manifest %zu",
		    json_array_size(ids), layer_count);
	for (size_t i = 0; i < layer_count; i++) {
		const char *text = json_string_value(json_array_get(ids, i));
		struct digest d;

		if (!text || digest_parse(&d, text) < 0)
			return err_set(e, EX_DATAERR,
			    "configuration: diff_id %zu is no digest", i + 1);
		if (diff_ids)
			diff_ids[i] = d;
	}
	return 0;
}

int
config_is_for(const struct platform *wanted, const char *data, size_t len,
    const struct limits *limits, struct err *e)
{
	cleanup_json json_t *j =
	    json_parse(data, len, "configuration", limits, e);
	const char *os, *architecture;

	if (!j)
		return -1;
	os = json_text(j, "os");
	architecture = json_text(j, "architecture");
	if ((os[0] == '\0' || strcmp(os, wanted->os) == 0) &&
	    (architecture[0] == '\0' ||
		strcmp(architecture, wanted->architecture) == 0))
		return 0;
	err_set(e, EX_UNAVAILABLE, "the image is for %.40s/%.40s, not %s/%s",
	    os, architecture, wanted->os, wanted->architecture);
	err_printable(e->text);
	return err_hint(e, "--platform says which is wanted");
}
