/* SPDX-License-Identifier: MIT */
/* dns.c - answers of a DNS server that is an enemy: loops, bombs, lies */
#include "cmd/vk-switch/dns.h"
#include "tests/tap.h"

#include <time.h>

static const uint8_t question[] = "\0\1\1\0\0\1\0\0\0\0\0\0\3www\7example\0"
				  "\0\1\0\1";
#define QUESTION_LEN (sizeof(question) - 1)
/* Where a record behind the question begins. */
#define FIRST QUESTION_LEN

static struct dns_query query;
static uint8_t message[65536];

/* The beginning of an answer, with so many records. */
static struct writer
begin(unsigned records)
{
	struct writer w = writer_of(message, sizeof(message));

	put_bytes(&w, question, QUESTION_LEN);
	message[2] = 0x81; /* a response */
	message[3] = 0x80;
	message[6] = (uint8_t)(records >> 8);
	message[7] = (uint8_t)records;
	return w;
}

static void
put_record(struct writer *w, uint16_t type, uint32_t ttl_s, const void *data,
    size_t len)
{
	put_be(w, type, 2);
	put_be(w, 1, 2);
	put_be(w, ttl_s, 4);
	put_be(w, len, 2);
	put_bytes(w, data, len);
}

static int
walk(const struct writer *w, struct dns_records *r)
{
	return dns_walk_answer(message, writer_len(w), &query, 0, r);
}

/* What was computed so far. */
static double
spent_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
honest(void)
{
	struct dns_records r;
	struct writer w = begin(2);

	put_be(&w, 0xc00c, 2);
	put_record(&w, DNS_CNAME, 60, "\1a\xc0\x10", 4);
	put_be(&w, 0xc000 | (FIRST + 12), 2); /* the name in there */
	put_record(&w, DNS_A, 30, "\300\0\2\1", 4);
	ok(walk(&w, &r) == 0 && r.addr_count == 1,
	    "an alias and its address, with pointers");
	is_int(r.ttl_s, 30, "for as long as the shorter lives");
}

/* A name that begins behind the question, and a record of it. */
static int
named(const void *name, size_t len)
{
	struct dns_records r;
	struct writer w = begin(1);

	put_bytes(&w, name, len);
	put_record(&w, DNS_A, 60, "\300\0\2\1", 4);
	return walk(&w, &r);
}

static void
loops(void)
{
	uint8_t long_name[300];
	struct writer w = writer_of(long_name, sizeof(long_name));

	is_int(named((const uint8_t[]){0xc0, FIRST}, 2), -1,
	    "a pointer to itself");
	is_int(named((const uint8_t[]){0xc0, FIRST + 2}, 2), -1,
	    "a pointer forwards");
	is_int(named((const uint8_t[]){1, 'a', 0xc0, FIRST}, 4), -1,
	    "a label and back to it");
	is_int(named((const uint8_t[]){0xff, 0xff}, 2), -1,
	    "a pointer past the end");
	is_int(named((const uint8_t[]){0x40, 'a', 0}, 3), -1,
	    "a kind of label that is none");
	for (int i = 0; i < 130; i++)
		put_be(&w, 0x0161, 2);
	put_be(&w, 0, 1);
	is_int(named(long_name, writer_len(&w)), -1,
	    "a name of more than 255 bytes");
	is_int(named("\77aaaa", 5), -1, "a label that is not all there");
}

/* Pointers that each lead to the one before, and as many records at the end of
 * them: the work must not be their product. */
static void
chain(void)
{
	struct dns_records r;
	struct writer w = begin(4000);
	size_t before = DNS_HEADER, at;
	double start;

	/* As the data of a record of a type that nobody reads. */
	put_be(&w, 0xc00c, 2);
	put_be(&w, 16, 2);
	put_be(&w, 1, 2);
	put_be(&w, 60, 4);
	put_be(&w, 8000 * 2, 2);
	for (int i = 0; i < 8000; i++) {
		at = writer_len(&w);
		put_be(&w, 0xc000 | before, 2);
		if (at < 0x3fff)
			before = at;
	}
	for (int i = 1; i < 4000; i++) {
		put_be(&w, 0xc000 | before, 2);
		put_record(&w, 16, 60, "", 0);
	}
	start = spent_s();
	walk(&w, &r);
	ok(!w.bad && spent_s() - start < 0.5,
	    "a chain of thousands of pointers costs little");
}

static void
bombs(void)
{
	static uint8_t text[40000];
	struct dns_records r = {.addr_count = 0};
	struct writer w = begin(65535);
	double start;

	is_int(walk(&w, &r), -1, "65,535 records of which none is there");

	w = begin(1);
	put_be(&w, 0xc00c, 2);
	put_record(&w, 16, 60, text, sizeof(text));
	ok(walk(&w, &r) == 0 && r.addr_count == 0, "a text of 40,000 bytes");

	w = begin(3000);
	for (int i = 0; i < 3000; i++) {
		uint8_t addr[4] = {192, 0, (uint8_t)(i >> 8), (uint8_t)i};

		put_be(&w, 0xc00c, 2);
		put_record(&w, DNS_A, 60, addr, 4);
	}
	start = spent_s();
	ok(walk(&w, &r) == 0 && r.addr_count == 64 && !r.complete,
	    "of 3,000 addresses some, and it is known that there are more");
	ok(spent_s() - start < 0.5, "quickly");

	w = begin(2);
	put_be(&w, 0xc00c, 2);
	put_record(&w, DNS_CNAME, 60, "\1b\0", 3);
	put_be(&w, 0x0162, 2);
	put_be(&w, 0, 1);
	put_record(&w, DNS_CNAME, 60, "\xc0\x0c", 2);
	ok(walk(&w, &r) <= 0 && r.addr_count == 0, "aliases in a circle");
	for (size_t i = 0; i < writer_len(&w); i++)
		dns_walk_answer(message, i, &query, 0, &r);
	ok(true, "cut anywhere");
}

int
main(void)
{
	enum dns_code code;

	ok(dns_parse_query(question, QUESTION_LEN, &query, &code) == 0 &&
		code == DNS_NOERROR,
	    "a question");
	honest();
	loops();
	chain();
	bombs();
	return tap_done();
}
