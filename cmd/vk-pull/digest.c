/* SPDX-License-Identifier: MIT */
/* digest.c - "sha256:HEX": what names a blob and what it is held against */
#include "cmd/vk-pull/digest.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct algorithm {
	const char *name;
	size_t digits;
	const EVP_MD *(*md)(void);
} algorithms[] = {
    {"sha256", 64, EVP_sha256},
    {"sha512", 128, EVP_sha512},
};

struct hash {
	EVP_MD_CTX *context;
	const struct algorithm *algorithm;
};

static const struct algorithm *
algorithm_of(const char *text)
{
	for (size_t i = 0; i < sizeof(algorithms) / sizeof(algorithms[0]);
	     i++) {
		size_t len = strlen(algorithms[i].name);

		if (strncmp(text, algorithms[i].name, len) == 0 &&
		    text[len] == ':')
			return &algorithms[i];
	}
	return NULL;
}

int
digest_parse(struct digest *d, const char *text)
{
	const struct algorithm *a = algorithm_of(text);
	const char *hex = text + strcspn(text, ":") + 1;

	d->text[0] = '\0';
	if (!a || strlen(hex) != a->digits ||
	    strspn(hex, "0123456789abcdef") != a->digits)
		return -1;
	snprintf(d->text, sizeof(d->text), "%s", text);
	return 0;
}

bool
digest_same(const struct digest *a, const struct digest *b)
{
	return a->text[0] != '\0' && strcmp(a->text, b->text) == 0;
}

const char *
digest_hex(const struct digest *d)
{
	return d->text + 7;
}

struct hash *
hash_new(const struct digest *like)
{
	struct hash *h = calloc(1, sizeof(*h));
	const struct algorithm *a = algorithm_of(like->text);

	if (!h)
		return NULL;
	h->algorithm = a ? a : &algorithms[0];
	h->context = EVP_MD_CTX_new();
	if (!h->context ||
	    EVP_DigestInit_ex(h->context, h->algorithm->md(), NULL) != 1) {
		hash_free(h);
		return NULL;
	}
	return h;
}

void
hash_free(struct hash *h)
{
	if (!h)
		return;
	EVP_MD_CTX_free(h->context);
	free(h);
}

void
hash_add(struct hash *h, const void *data, size_t len)
{
	EVP_DigestUpdate(h->context, data, len);
}

void
hash_digest(struct hash *h, struct digest *d)
{
	unsigned char sum[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	int at;

	EVP_DigestFinal_ex(h->context, sum, &len);
	at = snprintf(d->text, sizeof(d->text), "%s:", h->algorithm->name);
	for (unsigned i = 0; i < len; i++)
		at += snprintf(
		    d->text + at, sizeof(d->text) - (size_t)at, "%02x", sum[i]);
}

static void
digest_like(
    const void *data, size_t len, const struct digest *like, struct digest *d)
{
	struct hash *h = hash_new(like);

	d->text[0] = '\0';
	if (!h)
		return;
	hash_add(h, data, len);
	hash_digest(h, d);
	hash_free(h);
}

bool
digest_of_is(const void *data, size_t len, const struct digest *expected)
{
	struct digest d;

	digest_like(data, len, expected, &d);
	return digest_same(&d, expected);
}

void
digest_of(const void *data, size_t len, struct digest *d)
{
	digest_like(data, len, &(struct digest){"sha256:"}, d);
}
