/* Records of kind "peer": another project's code beside ours on the same GPU in the same run.
 *
 *   asked  = { "comparison": "layer" | "train" | "generate" | "memory", "peer": "peft",
 *   "method", "precision": "default" | "bf16", "compiled": bool,
 *              "op", "rank", "tokens", "d_in", "d_out", ... }
 *   result = { "ratio": peer over ours, so more is better for ours, "ratio_low", "ratio_high"
 *   (95 %), "goal": the least ratio, where it depends on
 * what was measured, "ours": what of ours, ... } Of a rehearsal "where"."rehearsal" is true, and
 * no goal is met by it. */
#ifndef TIEBREAK_REPORTS_PEERS_H
#define TIEBREAK_REPORTS_PEERS_H
#include "core/json.h"
#include "reports/table.h"

/* Adds rows to a goals table (reports/limit.h). */
void peer_goals(json *const *records, int64_t n, table *t);
void peers_table(json *const *records, int64_t n, table *t);
#endif
