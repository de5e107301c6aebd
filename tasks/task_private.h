/* Inside the task: what a task file says, read and checked once. */
#ifndef TIEBREAK_TASKS_TASK_PRIVATE_H
#define TIEBREAK_TASKS_TASK_PRIVATE_H
#include "core/json.h"
#include "metrics/metric.h"
#include "tasks/task.h"

/* What a variant may say; what it leaves out, the file says for all of them. Strings and lists
 * belong to the document. */
typedef struct {
    const char *answer;
    const char *prompt, *target, *target_if_absent, *delimiter;
    const json *prompt_filters, *stop;
    int64_t     max_new_tokens;
    bool        scores_bos, append_eos;
    const json *metrics; /* name -> "higher" or "lower" */
    const json *metric_options;
    const json *references; /* {"each": FIELD} */
    const json *choices;    /* {"each": FIELD} or {"list": [...]}, with "filters" */
    const char *gold;
    const json *fewshot; /* {"separator": TEXT, "drop_self": true} */
    /* of the objects above */
    bool        stemmer;
    const char *multi;
    const char *references_each, *choices_each;
    const json *choices_list, *choices_filters;
    const char *shot_separator;
    bool        shots_drop_self;
} task_rules;

struct task {
    json            *doc;
    char            *where; /* the file, in messages */
    const char      *name, *about, *reader, *default_variant, *variant;
    const json      *prompts;
    int64_t          version;
    task_rules       rules;
    task_answer_kind answer;
    metric_options   options;
    metric_list      metrics;
};
#endif
