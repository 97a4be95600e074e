/* SPDX-License-Identifier: MIT */
/* gate.c - nobody goes on before all have come */
#include "cmd/vk-boot/gate.h"

#include "tests/tap.h"

#include <linux/filter.h>
#include <stdatomic.h>

#define THREADS 4
#define ROUNDS  200

static struct gate gate;
static struct filter unbound; /* not compiled: it binds nobody */
static atomic_uint come, gone_on, early;
static unsigned all;

static void *
come_in(void *with)
{
	atomic_fetch_add(&come, 1);
	if (gate_enter(&gate, with)) {
		if (atomic_load(&come) < all)
			atomic_fetch_add(&early, 1);
		atomic_fetch_add(&gone_on, 1);
	}
	return NULL;
}

static unsigned
start(pthread_t *threads, struct filter *last)
{
	unsigned made = 0;

	come = gone_on = early = 0;
	all = THREADS;
	gate_init(&gate);
	while (made < THREADS) {
		struct filter *filter =
		    last && made == THREADS - 1 ? last : &unbound;

		if (pthread_create(&threads[made], NULL, come_in, filter) != 0)
			break;
		gate_expect(&gate);
		made++;
	}
	return made;
}

static void
join(pthread_t *threads, unsigned made)
{
	while (made > 0)
		pthread_join(threads[--made], NULL);
	gate_release(&gate);
}

static void
test_opens(bool await)
{
	unsigned through = 0, too_early = 0, refused = 0;

	for (unsigned i = 0; i < ROUNDS; i++) {
		struct err e = ERR_INIT;
		pthread_t threads[THREADS];
		unsigned made = start(threads, NULL);

		if (await && gate_await(&gate, &e) < 0)
			refused++;
		if (await)
			too_early += gone_on;
		if (gate_open(&gate, &e) < 0 || !gate_is_open(&gate))
			refused++;
		gate_cancel(&gate); /* is too late */
		join(threads, made);
		through += gone_on;
		too_early += early;
	}
	is_int(refused, 0, "opened %u times", ROUNDS);
	is_int(through, ROUNDS * THREADS, "all went on");
	is_int(too_early, 0, "none before all had come%s",
	    await ? ", and it was opened" : "");
}

static void
test_cancelled(void)
{
	struct err e = ERR_INIT;
	pthread_t threads[THREADS];
	unsigned made = start(threads, NULL);

	gate_await(&gate, &e);
	gate_cancel(&gate);
	join(threads, made);
	is_int(gone_on, 0, "cancelled: none went on");
}

/* A program that the kernel does not take. */
static void
test_failed(void)
{
	struct sock_filter code = BPF_STMT(BPF_LD | BPF_W | BPF_IND, 0);
	struct filter broken = {
	    .name = "broken", .program = &code, .length = 1};
	struct err e = ERR_INIT;
	pthread_t threads[THREADS];
	unsigned made = start(threads, &broken);

	is_int(gate_open(&gate, &e), -1, "a thread that cannot be bound");
	ok(strstr(e.text, "broken: filter") != NULL, "is told: %s", e.text);
	ok(!gate_is_open(&gate), "it is not opened");
	gate_cancel(&gate);
	join(threads, made);
	is_int(gone_on, 0, "and none went on");
}

int
main(void)
{
	test_opens(false);
	test_opens(true);
	test_cancelled();
	test_failed();
	return tap_done();
}
