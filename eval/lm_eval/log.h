/* A finished run in the files that lm-evaluation-harness 0.4.13 writes with --log_samples, for
 * its viewers and for tools that read its logs.
 *
 *     lm_eval_log_write(&(lm_eval_run) { .task = t, .data = set, .data_file = "val.jsonl", .record = record, .samples = "runs/x/samples.jsonl", ...
 * }, "logs");
 *
 * DIR/samples_TASK_DATE.jsonl: a line for each document and filter with doc_id, doc, target,
 * arguments, resps, filtered_resps, filter, metrics, the three hashes and each metric's value.
 * DIR/results_DATE.json: values and standard errors as "metric,filter". DATE is the record's, so
 * writing again writes the same files.
 *
 * What is the same to the byte when task and data are: documents, prompts, arguments, targets,
 * filters, doc_hash, prompt_hash, target_hash. What differs:
 *   - `doc` is the data file's own record where that is one JSON object a line, else an object
 *     made from the fields; numbers written as 2.0 become 2. Multiple choice adds query, choices
 *     and gold, as HellaSwag's process_docs does.
 *   - Log-likelihoods are sums in float64, printed in full.
 *   - Tasks that are no tasks of the harness (dialogsum, iwslt de-en), and squad, log our
 *     metrics; the harness's squadv2 logs raw pairs.
 *   - The environment is ours: no versions of Python packages. */
#ifndef TIEBREAK_EVAL_LM_EVAL_LOG_H
#define TIEBREAK_EVAL_LM_EVAL_LOG_H
#include "core/json.h"
#include "tasks/task.h"
#include "model/config.h"

typedef struct {
    const task         *task;
    const dataset      *data;
    const char         *data_file;
    const int64_t      *chosen; /* [n]: places in the data of the samples' items */
    int64_t             n;
    const json         *record;          /* the run's, with its result */
    const char         *samples;         /* its samples.jsonl */
    const char         *model, *adapter; /* folders; adapter NULL: none */
    const model_config *cfg;             /* NULL: not known */
    const tokenizer    *tok;             /* NULL: none */
} lm_eval_run;

int lm_eval_log_write(const lm_eval_run *r, const char *dir);

/* Inside: the results file. hash: sha256 over the samples' hashes. */
json *lm_eval_results(const lm_eval_run *r, const char *hash);
/* Inside: how a text is generated, as the harness's tasks say it: "until" and the rest. */
json *lm_eval_generation_kwargs(const lm_eval_run *r);
/* What the harness calls a metric of ours, and the filter it belongs to ("none" for most). */
void lm_eval_metric(const char *ours, const char **theirs, const char **filter);
#endif
