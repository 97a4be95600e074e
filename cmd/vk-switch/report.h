/* SPDX-License-Identifier: MIT */
/* report.h - the tables of the switch as JSON, for control.h */
#ifndef VK_SWITCH_REPORT_H
#define VK_SWITCH_REPORT_H

#include "common/cursor.h"

struct lan;

/* A JSON string with its quotes; bytes that are no printable ASCII become
 * escapes. */
void report_string(struct writer *, const char *);
void report_text(struct writer *, const char *); /* as it is */

/* Each writes members of an object that is open, without a comma before. */
void report_ports(struct lan *, struct writer *);
void report_leases(struct lan *, struct writer *);
void report_counters(struct lan *, struct writer *);
void report_published(struct lan *, struct writer *);
/* From place `from` of the table on, as many as fit. */
void report_flows(struct lan *, struct writer *, uint32_t from);

#endif
