/* What a run's results say of its metrics, for the sample log beside them. */
#ifndef TIEBREAK_SCORE_SCORED_PRIVATE_H
#define TIEBREAK_SCORE_SCORED_PRIVATE_H
#include "score/scored.h"

/* `log` is FOLDER/samples.jsonl; without FOLDER/record.json nothing happens. Rules, options and the
 * number of references are taken from the signatures, so that what is read signs itself as the run
 * did. Where that cannot be, a warning says so. A file that is no record is ERR_INPUT. */
int scored_read_record(scored *s, const char *log);
/* The same for lm-evaluation-harness: `log` is FOLDER/samples_TASK_DATE.jsonl, and
 * FOLDER/results_DATE.json says which way each metric is better. */
int scored_read_results(scored *s, const char *log);
#endif
