#ifndef TIEBREAK_CLI_VERBS_H
#define TIEBREAK_CLI_VERBS_H
#include "cli/options.h"

extern const verb verb_adapter, verb_base, verb_bench, verb_count, verb_eval, verb_gate, verb_generate, verb_info,
    verb_mini, verb_report, verb_score, verb_sweep, verb_tokenize, verb_train;
/* The tables of eval and train, which say what of a sweep's grid goes where. */
extern const option eval_options[], train_options[];
#endif
