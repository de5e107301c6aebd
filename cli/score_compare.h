/* `tiebreak score --compare` and `--calibrate`: what they ask, and their output. */
#ifndef TIEBREAK_CLI_SCORE_COMPARE_H
#define TIEBREAK_CLI_SCORE_COMPARE_H
#include <stdbool.h>
#include <stdint.h>

#include "cli/options.h"

typedef struct {
    bool    on, common, json, per_item;
    int64_t resamples, seed; /* resamples 0: sacreBLEU's numbers */
} score_compare_options;

/* Compare the systems named; prints. */
int score_compare(const score_compare_options *o, const positionals *systems);
#endif
