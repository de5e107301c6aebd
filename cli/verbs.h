#ifndef TIEBREAK_CLI_VERBS_H
#define TIEBREAK_CLI_VERBS_H
#include "cli/options.h"

extern const verb verb_adapter, verb_base, verb_bench, verb_count, verb_eval, verb_generate, verb_info, verb_mini,
    verb_report, verb_score, verb_sweep, verb_tokenize, verb_train;
/* The table of eval, which says what of a sweep's grid goes there. */
extern const option eval_options[];
#endif
