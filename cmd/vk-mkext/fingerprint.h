/* SPDX-License-Identifier: MIT */
/*
 * fingerprint.h - what an image was made from, as its UUID
 *
 * A fingerprint is a version 8 UUID (RFC 9562): 122 bits of a SHA-256 over
 * labelled parts, each in the order in which it is added. Two images with the
 * same fingerprint were made from the same input with the same options, so
 * that "is this image stale?" compares two UUIDs.
 *
 * The input itself can be one of the parts, as a sum over all its bytes. A
 * SHA-256 over it would take longer than all the rest of the work, so the sum
 * is a GMAC (AES-128, a fixed key), which is as fast as memory. It tells
 * changes apart (a chance of 2^-122 to miss one), but it is no defence
 * against somebody who makes two inputs for the purpose: the key is no secret.
 * Where that matters, the digest that vk-pull has verified is the part to give
 * (--part), and then the input need not be summed at all.
 */
#ifndef VK_MKEXT_FINGERPRINT_H
#define VK_MKEXT_FINGERPRINT_H

#include "common/err.h"

#include <stddef.h>
#include <stdint.h>

#define UUID_SIZE 16
#define UUID_TEXT 37 /* with the NUL */

#define SUM_SIZE 16

/* The sum of an input. */
struct sum;
struct sum *sum_new(struct err *);
void sum_free(struct sum *); /* NULL is allowed */
void sum_add(struct sum *, const void *data, size_t length);
/* Once, after the last byte. */
int sum_finish(struct sum *, uint8_t sum[SUM_SIZE], struct err *);

struct fingerprint;
struct fingerprint *fingerprint_new(struct err *);
void fingerprint_free(struct fingerprint *); /* NULL is allowed */
/* A failure inside is kept and told by fingerprint_uuid. */
void fingerprint_add(
    struct fingerprint *, const char *label, const void *data, size_t length);
int fingerprint_uuid(
    struct fingerprint *, uint8_t uuid[UUID_SIZE], struct err *);

/* "01234567-89ab-...": both directions; uuid_parse returns 0 or -1. */
void uuid_text(const uint8_t uuid[UUID_SIZE], char text[UUID_TEXT]);
int uuid_parse(const char *text, uint8_t uuid[UUID_SIZE]);

#endif
