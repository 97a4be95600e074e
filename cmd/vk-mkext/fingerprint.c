/* SPDX-License-Identifier: MIT */
/* fingerprint.c - what an image was made from, as its UUID */
#include "cmd/vk-mkext/fingerprint.h"

#include "common/buf.h"
#include "common/cursor.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Chosen once; another value means other fingerprints everywhere. */
static const uint8_t sum_key[16] = "vk-mkext content";
static const uint8_t sum_nonce[12] = "fingerprint";

struct sum {
	EVP_MAC_CTX *mac; /* NULL: not begun */
	bool failed;
};

/* What is hashed for the UUID is short: a recipe and some sums. */
#define FINGERPRINT_MAX (4u << 20)

struct fingerprint {
	struct buf text;
};

/* Before libcrypto is used. What a machine's openssl.cnf says must not change a
 * fingerprint, and reading it takes longer than all else here. */
static void
begin_library(void)
{
	OPENSSL_init_crypto(
	    OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, NULL);
}

struct sum *
sum_new(struct err *e)
{
	struct sum *s = calloc(1, sizeof(*s));

	if (!s)
		err_set(e, EX_OSERR, "out of memory");
	return s;
}

void
sum_free(struct sum *s)
{
	if (s)
		EVP_MAC_CTX_free(s->mac);
	free(s);
}

static bool
begin(struct sum *s)
{
	char cipher[] = "AES-128-GCM";
	uint8_t nonce[sizeof(sum_nonce)];
	OSSL_PARAM params[] = {
	    OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_CIPHER, cipher, 0),
	    OSSL_PARAM_construct_octet_string(
		OSSL_MAC_PARAM_IV, nonce, sizeof(nonce)),
	    OSSL_PARAM_construct_end(),
	};
	EVP_MAC *gmac;

	begin_library();
	memcpy(nonce, sum_nonce, sizeof(nonce));
	gmac = EVP_MAC_fetch(NULL, "GMAC", NULL);
	if (gmac)
		s->mac = EVP_MAC_CTX_new(gmac);
	EVP_MAC_free(gmac);
	return s->mac &&
	       EVP_MAC_init(s->mac, sum_key, sizeof(sum_key), params) == 1;
}

void
sum_add(struct sum *s, const void *data, size_t length)
{
	if (!s->failed && !s->mac)
		s->failed = !begin(s);
	if (!s->failed)
		s->failed = EVP_MAC_update(s->mac, data, length) != 1;
}

int
sum_finish(struct sum *s, uint8_t sum[SUM_SIZE], struct err *e)
{
	size_t length = 0;

	sum_add(s, "", 0);
	if (s->failed || EVP_MAC_final(s->mac, sum, &length, SUM_SIZE) != 1 ||
	    length != SUM_SIZE)
		return err_set(e, EX_SOFTWARE, "libcrypto: GMAC failed");
	return 0;
}

struct fingerprint *
fingerprint_new(struct err *e)
{
	struct fingerprint *f = calloc(1, sizeof(*f));

	if (!f) {
		err_set(e, EX_OSERR, "out of memory");
		return NULL;
	}
	buf_init(&f->text, FINGERPRINT_MAX);
	return f;
}

void
fingerprint_free(struct fingerprint *f)
{
	if (f)
		buf_release(&f->text);
	free(f);
}

void
fingerprint_add(
    struct fingerprint *f, const char *label, const void *data, size_t length)
{
	uint8_t head[8];
	struct writer w = writer_of(head, sizeof(head));

	put_le(&w, length, sizeof(head));
	buf_add(&f->text, label, strlen(label) + 1);
	buf_add(&f->text, head, sizeof(head));
	buf_add(&f->text, data, length);
}

int
fingerprint_uuid(struct fingerprint *f, uint8_t uuid[UUID_SIZE], struct err *e)
{
	uint8_t digest[EVP_MAX_MD_SIZE];

	if (f->text.failed)
		return err_set(e, EX_DATAERR, "too many options");
	begin_library();
	if (EVP_Digest(f->text.data, f->text.len, digest, NULL, EVP_sha256(),
		NULL) != 1)
		return err_set(e, EX_SOFTWARE, "libcrypto: SHA-256 failed");
	memcpy(uuid, digest, UUID_SIZE);
	uuid[6] = (uint8_t)((uuid[6] & 0x0f) | 0x80); /* version 8 */
	uuid[8] = (uint8_t)((uuid[8] & 0x3f) | 0x80); /* RFC 9562 variant */
	return 0;
}

void
uuid_text(const uint8_t uuid[UUID_SIZE], char text[UUID_TEXT])
{
	char *at = text;

	for (size_t i = 0; i < UUID_SIZE; i++)
		at += snprintf(at, (size_t)(text + UUID_TEXT - at), "%s%02x",
		    i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", uuid[i]);
}

static int
hex_digit(char c)
{
	const char *digits = "0123456789abcdef0123456789ABCDEF";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) % 16 : -1;
}

int
uuid_parse(const char *text, uint8_t uuid[UUID_SIZE])
{
	for (size_t i = 0; i < UUID_SIZE; i++) {
		int high, low;

		if ((i == 4 || i == 6 || i == 8 || i == 10) && *text++ != '-')
			return -1;
		high = hex_digit(text[0]);
		low = high < 0 ? -1 : hex_digit(text[1]);
		if (low < 0)
			return -1;
		uuid[i] = (uint8_t)(high << 4 | low);
		text += 2;
	}
	return *text ? -1 : 0;
}
