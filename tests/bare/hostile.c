/* SPDX-License-Identifier: MIT */
/*
 * hostile.c - a guest that misuses every device in every way we know
 *
 * Parameters (vk-boot -a):
 *
 *	case=N	  only the Nth, counted as the output does
 *	rounds=N  all of it so many times; a line "# round" after each
 *	hold=1	  halt at the end instead of powering off
 *
 * Prints the name of each case when it begins, and what came of all of them
 * at the end, behind what the cases themselves let the console say: the Test
 * Anything Protocol. Ends in a triple fault if anything failed.
 */
#include "tests/bare/hostile/case.h"

#define RUNS_MAX 2048

enum outcome { FINE, WRONG_ANSWER, DEAD_AFTERWARDS };

static const char *const remarks[] = {
    [WRONG_ANSWER] = "\n# not the right answer",
    [DEAD_AFTERWARDS] = "\n# does not work afterwards",
};

static struct device devices[7];
static unsigned device_count;

static struct run {
	const struct device *device;
	const struct misuse *misuse;
	enum outcome outcome;
} runs[RUNS_MAX];

static unsigned run_count;

static void
print_run(const char *before, unsigned i)
{
	const struct run *run = &runs[i];

	print(before);
	print_number(i + 1);
	print(" - ");
	print(run->device->name);
	print(": ");
	print(run->misuse->name);
	if (remarks[run->outcome])
		print(remarks[run->outcome]);
	print("\n");
}

static void
list_cases(const struct misuse *cases)
{
	for (unsigned i = 0; i < device_count; i++)
		for (const struct misuse *m = cases; m->name; m++)
			if (!m->type || m->type == devices[i].type)
				runs[run_count++] =
				    (struct run){&devices[i], m, FINE};
}

static void
try_case(unsigned i)
{
	struct run *run = &runs[i];
	bool answered;

	print_run("\n# ", i);
	answered = run->misuse->run(run->device);
	if (!device_works(run->device))
		run->outcome = DEAD_AFTERWARDS;
	else if (!answered)
		run->outcome = WRONG_ANSWER;
}

static void
find_devices(void)
{
	static const uint16_t types[] = {
	    BLK, NET, CONSOLE, RNG, BALLOON, VSOCK, MEM};

	for (unsigned i = 0; i < sizeof(types) / sizeof(*types); i++)
		if (device_find(&devices[device_count], types[i]))
			device_count++;
}

/* Whether all went well. */
static bool
report(void)
{
	bool good = true;

	print("\n");
	for (unsigned i = 0; i < run_count; i++) {
		print_run(runs[i].outcome == FINE ? "ok " : "not ok ", i);
		good = good && runs[i].outcome == FINE;
	}
	print("1..");
	print_number(run_count);
	print("\n");
	return good && run_count > 0;
}

bool
guest_main(const char *parameters)
{
	const char *only = parameter(parameters, "case");
	const char *rounds = parameter(parameters, "rounds");
	uint64_t first = only ? number(only) - 1 : 0;
	bool hold = parameter(parameters, "hold"), good;

	find_devices();
	list_cases(queue_cases);
	list_cases(place_cases);
	list_cases(register_cases);
	list_cases(device_cases);
	list_cases(memory_cases);
	for (uint64_t n = rounds ? number(rounds) : 1; n > 0; n--) {
		for (uint64_t i = first; i < run_count; i++) {
			try_case((unsigned)i);
			if (only)
				break;
		}
		print("\n# round\n");
	}
	good = report();
	while (hold)
		__asm__ volatile("hlt");
	return good;
}
