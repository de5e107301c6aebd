/* A task is data: one JSON file in eval/tasks (reader, prompt variants, target, decoding, stop,
 * metrics, which way is better, version).
 * Built-in task files are part of the program; a path to another JSON file works the same. */
#ifndef TIEBREAK_TASKS_TASK_H
#define TIEBREAK_TASKS_TASK_H
#include "datasets/dataset.h"
#include "metrics/metric.h"
#include "tokenizer/tokenizer.h"

typedef struct task task;

/* name_or_file: a built-in name or a path ending in .json; prompt: a variant's name, or NULL for
 * the default. A file with unknown members, values of the wrong kind, templates that do not
 * close, metrics that do not exist or point the other way is ERR_INPUT, in whichever variant it
 * is. */
int task_open(task **out, const char *name_or_file, const char *prompt);
/* The same from memory; `where` names it in messages. */
int         task_parse(task **out, const char *text, size_t n, const char *where, const char *prompt);
void        task_close(task *t);
const char *task_name(const task *t);
const char *task_reader(const task *t); /* of its data: a row of datasets/dataset.c */
const char *task_prompt(const task *t); /* the variant in use */
/* As the file says them, for logs: the prompt's and the target's template (NULL: none), the
 * delimiter between them. */
const char *task_prompt_template(const task *t);
const char *task_target_template(const task *t);
const char *task_delimiter(const task *t);
int64_t     task_version(const task *t);
const char *task_builtin_name(int i); /* NULL past the end */

/* How an item is answered, and what is made of the answer: what the harness needs to know. */
typedef enum {
    TASK_GENERATE, /* greedy text after the prompt, cut at the stop strings */
    TASK_CHOICES,  /* log-likelihood of each choice after the prompt */
    /* log-likelihood of the target after the prompt; of the whole text after BOS where the
     * prompt is empty (`text`, `tokens`) */
    TASK_LIKELIHOOD,
} task_answer_kind;
task_answer_kind task_answer(const task *t);
int64_t          task_max_new_tokens(const task *t); /* TASK_GENERATE */
const char      *task_stop(const task *t, int i);    /* i-th stop string, NULL past the end */
bool             task_scores_bos(
                /* TASK_LIKELIHOOD: the text's own BOS is predicted too, after another one, as
                 * lm-evaluation-harness's rolling requests do */
    const task *t);
/* The metrics, with the options that the file says (borrowed). */
const metric_list    *task_metrics(const task *t);
const metric_options *task_metric_options(const task *t);

/* Few-shot examples: each is a prompt with its target, and the separator after it. Whether the
 * pool may hold the item itself. */
const char *task_shot_separator(const task *t);
bool        task_shots_drop_self(const task *t);

/* One record turned into text. choices: what is scored by log-likelihood (n_choices 0: the
 * answer is generated). */
typedef struct {
    char *prompt;
    /* what training learns and --metrics loss scores, with its leading delimiter */
    char   *target;
    char  **choices; /* continuations with their delimiter */
    int64_t n_choices, gold;
    /* bytes at the start of the target and of every choice that are the delimiter: lengths in
     * acc_norm leave them out */
    int64_t delimiter;
    /* right answers as the metrics read them (GSM8K: whole solutions); none: the question has no
     * answer */
    char  **references;
    int64_t n_references;
} task_text;
/* ERR_INPUT naming the field that is missing */
int  task_render(const task *t, const data_item *item, task_text *out);
void task_text_free(task_text *x);

/* A training example: targets[i] is the id to predict at position i, -1 where nothing is scored
 * (prompt tokens). */
typedef struct {
    int32_t *ids, *targets;
    int64_t  n, n_scored;
} train_example;
/* BOS as the tokenizer adds it, prompt, target, EOS (unless the task file says no). tok may be
 * NULL for the task `tokens`. */
int task_encode(const task *t, const data_item *item, const tokenizer *tok, train_example *out);
/* The same of a text that was rendered already, whatever was put before its prompt. */
int  task_encode_text(const task *t, const task_text *text, const tokenizer *tok, train_example *out);
void train_example_free(train_example *x);
int  task_read(const task *t, const char *path, dataset **out);
bool task_needs_tokenizer(const task *t);
#endif
