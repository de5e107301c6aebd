/* Records of kind "peer": another project's code beside ours on the same machine in the same run
 * (`comparison` and `compared` in core/RECORDS.md). */
#ifndef TIEBREAK_REPORTS_PEERS_H
#define TIEBREAK_REPORTS_PEERS_H
#include "core/json.h"
#include "core/table.h"

void peers_table(json *const *records, int64_t n, table *t);
#endif
