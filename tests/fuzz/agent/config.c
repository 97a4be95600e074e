/* SPDX-License-Identifier: MIT */
/* config.c - /vk/config */
#include "agent/config.h"

#include <fcntl.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int quiet;
	char *words[CONFIG_WORDS_MAX + 1];
	struct config config;
	int null;

	if (!quiet++ && (null = open("/dev/null", O_WRONLY)) >= 0)
		dup2(null, 2); /* a line for each unknown key */
	if (config_parse(&config, (const char *)data, size) == 0)
		for (size_t i = 0; i < config.mounts.count; i++)
			config_words(config.mounts.lines[i], words);
	config_release(&config);
	return 0;
}
