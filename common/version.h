/* SPDX-License-Identifier: MIT */
/* version.h - one version for all of vk; the Makefile adds the commit */
#ifndef VK_COMMON_VERSION_H
#define VK_COMMON_VERSION_H

#ifndef VK_COMMIT
#define VK_COMMIT "$Format:%h$" /* filled in by "git archive" */
#endif
#define VK_VERSION "0.1 (" VK_COMMIT ")"

#endif
