/* One item of a task made ready for a model: rendered, encoded, and cut to what the model takes. */
#ifndef TIEBREAK_TASKS_REQUEST_H
#define TIEBREAK_TASKS_REQUEST_H
#include "tasks/task.h"

/* What the model is asked for: a text, log-likelihoods of choices, or that of a text. TARGET is the
 * log-likelihood of what training learns (the task's prompt, target and end), whatever the task
 * itself asks for. */
typedef enum { REQUEST_GENERATE, REQUEST_CHOICES, REQUEST_TEXT, REQUEST_TARGET } request_kind;
enum { REQUEST_KINDS = REQUEST_TARGET + 1 };

typedef struct {
    request_kind kind;
    int64_t      positions; /* the most tokens one sequence of the model can have */
    int64_t      max_new;   /* REQUEST_GENERATE: 1 .. positions - 1 */
    bool         as_text;   /* no ids are made, because only the model's server has its tokenizer */
} request_rules;

typedef struct {
    task_text text;    /* empty for a task without text */
    ids       input;   /* GENERATE: the prompt, cut; CHOICES: the context, whole; else the sequence */
    ids      *choices; /* CHOICES: [text.n_choices] the continuations */
    /* TEXT, TARGET: [input.n] the id that is scored at each input, -1 where nothing is. The last
     * input is scored. */
    int32_t *targets;
    int64_t  row;    /* the first scored input */
    int64_t  scored; /* how many predictions are scored, all choices' together */
    int64_t  cut;    /* tokens left out on the left (CHOICES: by the choice that lost most) */
    int64_t  cost;   /* the least number of tokens that the model will read; items are ordered by it */
} request;

/* shots: what stands before the prompt, or "". Errors name the item and what is missing in it or
 * too long for the model. tok may be NULL for a task that needs none, and with as_text. */
int  request_make(request *out, const task *t, const data_item *item, const char *shots, const tokenizer *tok,
                  request_rules rules);
void request_free(request *r);

/* How many tokens to cut from the left of a context so that it fits with a continuation. The last
 * positions + 1 tokens of both stay, because the very last one is not fed. */
int64_t request_context_cut(int64_t n_context, int64_t n_cont, int64_t positions);
#endif
