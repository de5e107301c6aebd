/* A task is data: one JSON file (reader, prompt variants, target, decoding, stop strings, metrics,
 * which way is better, version). The built-in ones, tasks/builtin/NAME.json, are part of the
 * program; a path to another file works the same. */
#ifndef TIEBREAK_TASKS_TASK_H
#define TIEBREAK_TASKS_TASK_H
#include "core/json.h"
#include "datasets/dataset.h"
#include "metrics/metric.h"
#include "tokenizer/tokenizer.h"

/* How an item is answered, and what is made of the answer: what the harness needs to know. */
typedef enum {
    TASK_GENERATE, /* greedy text after the prompt, cut at the stop strings */
    TASK_CHOICES,  /* log-likelihood of each choice after the prompt */
    /* log-likelihood of the target after the prompt; of the whole text after BOS where the
     * prompt is empty (`text`, `tokens`) */
    TASK_LIKELIHOOD,
} task_answer_kind;

/* What a prompt variant says; where it says nothing, the file says it for all variants. Strings
 * and lists belong to the document. */
typedef struct {
    const char *answer;
    /* Templates: the prompt's, and the target's (NULL: none) with the delimiter before it. */
    const char *prompt, *target, *target_if_absent, *delimiter;
    const json *prompt_filters;
    const json *stop; /* list of strings that end a generated text; NULL: none */
    int64_t     max_new_tokens;
    /* TASK_LIKELIHOOD: the text's own BOS is predicted too, after another one, as
     * lm-evaluation-harness's rolling requests do. */
    bool        scores_bos;
    bool        append_eos; /* to a training example */
    const json *metrics;    /* name -> "higher" or "lower" */
    const json *metric_options;
    const json *references; /* {"each": FIELD} */
    const json *choices;    /* {"each": FIELD} or {"list": [...]}, with "filters" */
    const char *gold;
    const json *fewshot; /* {"separator": TEXT, "drop_self": true} */
    /* The members of the objects above. */
    bool        stemmer;
    const char *multi;
    const char *references_each, *choices_each;
    const json *choices_list, *choices_filters;
    /* A few-shot example is a prompt with its target and this after it; drop_self: the examples'
     * file may hold the item itself. */
    const char *shot_separator;
    bool        shots_drop_self;
} task_rules;

/* An opened task, in one of its prompt variants. Read it; only task.c writes it. */
typedef struct {
    const char      *name, *about;
    const char      *reader; /* reads its data: a row of datasets/dataset.c */
    int64_t          version;
    const char      *variant, *default_variant;
    task_rules       rules; /* of the variant in use */
    task_answer_kind answer;
    metric_list      metrics;
    metric_options   options; /* the metrics' options in the file */
    char            *where;   /* the file, in messages */
    json            *doc;     /* owns every string and list above */
    const json      *prompts; /* the variants */
} task;

/* name_or_file: a built-in name or a path ending in .json; prompt: a variant's name, or NULL for
 * the default. ERR_INPUT, in whichever variant it is, for unknown members, values of the wrong
 * kind, templates that do not close, and metrics that do not exist or point the other way. */
int task_open(task **out, const char *name_or_file, const char *prompt);
/* The same from memory; `where` names it in messages. */
int         task_parse(task **out, const char *text, size_t n, const char *where, const char *prompt);
void        task_close(task *t);
const char *task_builtin_name(int i);            /* NULL past the end */
bool        task_needs_tokenizer(const task *t); /* false: its items are ready-made ids */
/* Read a data file with the task's reader. */
int task_read(const task *t, const char *path, dataset **out);

/* One item turned into text. */
typedef struct {
    char   *prompt;
    char   *target;    /* what training learns and --metrics loss scores, after its delimiter */
    char  **choices;   /* continuations, each after its delimiter; NULL: the answer is generated */
    int64_t n_choices; /* 0: the answer is generated */
    int64_t gold;      /* the right choice */
    int64_t delimiter; /* its bytes, which acc_norm's lengths leave out */
    /* Right answers as the metrics read them (whole solutions, for GSM8K). A question without any
     * has no answer. */
    char  **references;
    int64_t n_references;
} task_text;
/* ERR_INPUT names the field that is missing. */
int  task_render(const task *t, const data_item *item, task_text *out);
void task_text_free(task_text *x);

/* A training example: targets[i] is the id to predict at position i, -1 where nothing is scored, as
 * within the prompt. */
typedef struct {
    int32_t *ids, *targets;
    int64_t  n, n_scored;
} train_example;
/* Encodes BOS as the tokenizer adds it, prompt, target, and EOS unless the task file says no. tok
 * may be NULL for the task `tokens`. */
int task_encode(const task *t, const data_item *item, const tokenizer *tok, train_example *out);
/* The same for a text that is rendered already, whatever was put before its prompt. */
int  task_encode_text(const task *t, const task_text *text, const tokenizer *tok, train_example *out);
void train_example_free(train_example *x);
#endif
