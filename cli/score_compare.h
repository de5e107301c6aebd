/* `tiebreak score --compare` and `--calibrate`: what they ask, and their output. */
#ifndef TIEBREAK_CLI_SCORE_COMPARE_H
#define TIEBREAK_CLI_SCORE_COMPARE_H
#include <stdbool.h>
#include <stdint.h>

#include "cli/options.h"

typedef struct {
    bool    on, common, json, per_item;
    int64_t resamples, seed; /* resamples 0: sacreBLEU's numbers */
    int64_t calibrate;       /* trials; 0: not asked for */
} score_compare_options;

/* Compare the systems named; prints. */
int score_compare(const score_compare_options *o, const positionals *systems);
/* Print how often the paired tests alarm; ERR_FAILED when one that comparisons go by is off its
 * level. */
int score_calibrate(const score_compare_options *o);
#endif
