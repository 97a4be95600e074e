/* SPDX-License-Identifier: MIT */
/* manifest.c - manifests, indexes, configurations, layouts, archives */
#include "cmd/vk-pull/manifest.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct platform platform = {.os = "linux", .architecture = "amd64"};
	const char *text = (const char *)data;
	struct archive_manifest a;
	struct descriptor d;
	struct err e = ERR_INIT;
	struct manifest m;

	if (manifest_parse(
		&m, text, size, "", &platform, &limits_default, &e) == 0)
		for (size_t i = 0; i < m.layer_count; i++)
			assert(m.layers[i].digest.text[0] &&
			       m.layers[i].size <= limits_default.download);
	manifest_release(&m);
	manifest_of_layout(text, size, "", &limits_default, &d, &e);
	archive_manifest_parse(&a, text, size, "", &limits_default, &e);
	archive_manifest_release(&a);
	config_check(text, size, 1, &limits_default, NULL, &e);
	return 0;
}
