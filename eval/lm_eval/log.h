/* A finished run in the files that lm-evaluation-harness 0.4.13 writes with --log_samples, for
 * its viewers and for tools that read its logs.
 *
  *     lm_eval_run r = { .task = t, .data = set, .record = record, .samples = "x/samples.jsonl" };
 *     int rc = lm_eval_log_write(&r, "logs");
 *
 * DIR/samples_TASK_DATE.jsonl: a line for each document and filter with doc_id, doc, target,
 * arguments, resps, filtered_resps, filter, metrics, the three hashes and each metric's value.
 * DIR/results_DATE.json: values and standard errors as "metric,filter". DATE is the record's, so
 * writing again writes the same files.
 *
 * For the same task and data these are the same to the byte: documents, prompts, arguments,
 * targets, filters, doc_hash, prompt_hash and target_hash. These differ:
 *   - `doc` is the data file's own item where a line is one JSON object, else an object made from
 *     the fields; numbers written as 2.0 become 2. Multiple choice adds query, choices and gold, as
 *     HellaSwag's process_docs does.
 *   - Log-likelihoods are sums in float64, printed in full.
 *   - Tasks that the harness does not have, and squad, log our metrics (the harness's squadv2 logs
 *     raw pairs).
 *   - The environment is ours and names no versions of Python packages. */
#ifndef TIEBREAK_EVAL_LM_EVAL_LOG_H
#define TIEBREAK_EVAL_LM_EVAL_LOG_H
#include "core/json.h"
#include "tasks/task.h"
#include "model/config.h"

typedef struct {
    const task         *task;
    const dataset      *data;
    const char         *data_file;
    const int64_t      *chosen; /* [n] places in the data of the samples' items */
    int64_t             n;
    const json         *record;          /* of the finished run */
    const char         *samples;         /* the run's samples.jsonl */
    const char         *model, *adapter; /* folders; adapter NULL: none */
    const model_config *cfg;             /* NULL: not known */
    const tokenizer    *tok;             /* NULL: none */
} lm_eval_run;

int lm_eval_log_write(const lm_eval_run *r, const char *dir);

/* Private: the results file. hash is the sha256 over the samples' hashes. */
json *lm_eval_results(const lm_eval_run *r, const char *hash);
/* Private: how a text is generated, in the words of the harness's tasks ("until" and others). */
json *lm_eval_generation_kwargs(const lm_eval_run *r);
/* Private: the harness's name for a metric of ours, and the filter it belongs to, often "none". */
void lm_eval_metric(const char *ours, const char **theirs, const char **filter);
#endif
