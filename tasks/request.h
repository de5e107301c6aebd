/* One item of a task made ready for a model: rendered, encoded, and cut to what the model takes. */
#ifndef TIEBREAK_TASKS_REQUEST_H
#define TIEBREAK_TASKS_REQUEST_H
#include "tasks/task.h"

/* What the model is asked. REQUEST_TARGET scores what training learns (the task's prompt, target
 * and end), whatever the task's own answer is. */
typedef enum { REQUEST_GENERATE, REQUEST_CHOICES, REQUEST_TEXT, REQUEST_TARGET } request_kind;
enum { REQUEST_KINDS = REQUEST_TARGET + 1 };

typedef struct {
    request_kind kind;
    int64_t      positions; /* the most tokens one sequence of the model can have */
    int64_t      max_new;   /* REQUEST_GENERATE: 1 .. positions - 1 */
    bool         as_text;   /* no ids are made: a served model has the tokenizer */
} request_rules;

typedef struct {
    task_text text;  /* empty for a task without text */
    ids       input; /* GENERATE: the prompt, cut; CHOICES: the context, whole; else the sequence */
    /* CHOICES: the continuations. [text.n_choices] */
    ids *choices;
    /* TEXT, TARGET: targets[i] is scored at input i, -1: nothing there. The last scored input is
     * the last one. */
    int32_t *targets;
    int64_t  row;    /* the first scored input */
    int64_t  scored; /* predictions scored: all choices' together, or of the target */
    int64_t  cut;    /* tokens left out on the left (CHOICES: of the choice that lost most) */
    int64_t  cost;   /* tokens the model will see at least: items are ordered by it */
} request;

/* shots: what stands before the prompt, "" for nothing. Errors name the item: what is missing,
 * or too long for the model. tok may be NULL for a task that needs none. */
int  request_make(request *out, const task *t, const data_item *item, const char *shots, const tokenizer *tok,
                  request_rules rules);
void request_free(request *r);

/* Tokens to cut from the left of a context before a continuation: the last positions + 1 tokens
 * stay, the last of which is not fed. */
int64_t request_context_cut(int64_t n_context, int64_t n_cont, int64_t positions);
#endif
