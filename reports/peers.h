/* Records of kind "peer": another project's code beside ours on the same GPU in the same run.
 *
 *   asked  = { "comparison": "layer" | "train" | "generate" | "memory", "peer": "peft", "method",
 *              "precision": "default" | "bf16", "compiled": bool, "op", "rank", "tokens",
 *              "d_in", "d_out", ... }
 *   result = { "ratio": the peer's over ours, so more is better for ours, "ratio_low",
 *              "ratio_high": its 95 % interval, "ours": which of our variants, ... }
 *
 * A rehearsal says so by a true "rehearsal" in its "where". */
#ifndef TIEBREAK_REPORTS_PEERS_H
#define TIEBREAK_REPORTS_PEERS_H
#include "core/json.h"
#include "reports/table.h"

void peers_table(json *const *records, int64_t n, table *t);
#endif
