/* SPDX-License-Identifier: MIT */
/* digest.c - SHA-256 of a file's bytes */
#include "cmd/vk-boot/digest.h"

#include "common/io.h"
#include "common/scope.h"

#include <dlfcn.h>
#include <openssl/evp.h>
#include <stdio.h>

#define BLOCK ((size_t)256 << 10)

/* The functions of libcrypto that are used, of the types its header gives. */
static struct {
	__typeof__(&EVP_MD_CTX_new) new;
	__typeof__(&EVP_MD_CTX_free) free;
	__typeof__(&EVP_sha256) sha256;
	__typeof__(&EVP_DigestInit_ex) init;
	__typeof__(&EVP_DigestUpdate) update;
	__typeof__(&EVP_DigestFinal_ex) final;
} crypto;

static int
open_library(struct err *e)
{
	static const char *const names[] = {"libcrypto.so.3", "libcrypto.so"};
	void *library = NULL;

	if (crypto.new)
		return 0;
	for (size_t i = 0; !library && i < 2; i++)
		library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
	if (!library)
		return err_set(e, EX_UNAVAILABLE, "libcrypto: %s", dlerror());
	crypto.free = dlsym(library, "EVP_MD_CTX_free");
	crypto.sha256 = dlsym(library, "EVP_sha256");
	crypto.init = dlsym(library, "EVP_DigestInit_ex");
	crypto.update = dlsym(library, "EVP_DigestUpdate");
	crypto.final = dlsym(library, "EVP_DigestFinal_ex");
	if (!crypto.free || !crypto.sha256 || !crypto.init || !crypto.update ||
	    !crypto.final)
		return err_set(e, EX_UNAVAILABLE, "libcrypto: %s", dlerror());
	crypto.new = dlsym(library, "EVP_MD_CTX_new");
	return crypto.new
		   ? 0
		   : err_set(e, EX_UNAVAILABLE, "libcrypto: %s", dlerror());
}

/* Feeds the range to a context that was begun. */
static int
feed(EVP_MD_CTX *context, int fd, uint64_t offset, uint64_t len, struct err *e)
{
	cleanup_free char *block = malloc(BLOCK);

	if (!block)
		return err_errno(e, EX_OSERR, "digest");
	while (len > 0) {
		size_t want = len < BLOCK ? (size_t)len : BLOCK;
		ssize_t got = io_pread(fd, block, want, offset);

		if (got < 0)
			return err_errno(e, EX_IOERR, "read");
		if ((size_t)got < want)
			return err_set(e, EX_DATAERR, "truncated");
		if (!crypto.update(context, block, want))
			return err_set(e, EX_SOFTWARE, "libcrypto: sha256");
		offset += want;
		len -= want;
	}
	return 0;
}

int
digest_file(
    int fd, uint64_t offset, uint64_t len, char hex[DIGEST_HEX], struct err *e)
{
	unsigned char raw[EVP_MAX_MD_SIZE];
	EVP_MD_CTX *context;
	unsigned size = 0;
	int rc = -1;

	if (open_library(e) < 0)
		return -1;
	context = crypto.new();
	if (!context || !crypto.init(context, crypto.sha256(), NULL))
		err_set(e, EX_SOFTWARE, "libcrypto: sha256");
	else if (feed(context, fd, offset, len, e) == 0) {
		if (crypto.final(context, raw, &size) && size == 32)
			rc = 0;
		else
			err_set(e, EX_SOFTWARE, "libcrypto: sha256");
	}
	crypto.free(context);
	for (unsigned i = 0; rc == 0 && i < size; i++)
		snprintf(hex + 2 * i, 3, "%02x", raw[i]);
	return rc;
}
