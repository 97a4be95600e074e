/* SPDX-License-Identifier: MIT */
/* config.c - /vk/config */
#include "agent/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *words[CONFIG_WORDS_MAX + 1];
	struct config config;

	if (config_parse(&config, (const char *)data, size) == 0)
		for (size_t i = 0; i < config.mounts.count; i++)
			config_words(config.mounts.lines[i], words);
	config_release(&config);
	return 0;
}
