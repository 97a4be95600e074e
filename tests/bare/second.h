/* SPDX-License-Identifier: MIT */
/*
 * second.h - the second processor
 *
 * It is woken as processors are (INIT, then a start-up IPI to a page of real
 * mode code), is led to where the first one is, on a stack of its own, and
 * runs what it was given for as long as that runs.
 */
#ifndef TESTS_BARE_SECOND_H
#define TESTS_BARE_SECOND_H

#include <stdbool.h>

/* Returns true once it runs; false if there is none (vk-boot -c 2). */
bool second_start(void (*run)(void));

#endif
