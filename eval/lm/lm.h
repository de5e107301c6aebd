/* The model under test: whatever answers requests. Two make one: local.h a model that runs here,
 * eval/served/endpoint.h one behind HTTP. Who asks need not know which it has.
 *
 *     lm_batch batch = { .requests = requests, .n = n, .rules = rules, .max_tokens = 2048 };
 *     int rc = m->answer(m, &batch, answers, (lm_listener) { .answered = keep, .ctx = &kept });
 *     if (rc) return error_context(rc, "item 0 to %lld", (long long)n);
 *     m->close(m); */
#ifndef TIEBREAK_EVAL_LM_LM_H
#define TIEBREAK_EVAL_LM_LM_H
#include "eval/lm/stop.h"
#include "kernels/backend.h"
#include "tasks/request.h"

/* What came back for one request. */
typedef struct {
    /* GENERATE */
    str         text;       /* after the cut at a stop string */
    const char *stopped;    /* the stop string that ended it, of the batch's list; NULL: the length */
    double      min_margin; /* the smallest gap between the two best logits; INFINITY: not known */
    /* CHOICES: [n_choices]; TEXT, TARGET: [1] */
    int64_t  n_ll;
    double  *ll;     /* log-likelihoods */
    bool    *greedy; /* whether every token is the likeliest */
    int64_t *tokens; /* tokens scored, as the model counts them */
    /* What the model read, and what it generated (the stop string's tokens included). */
    int64_t prompt_tokens, completion_tokens;
} answer;
void answer_free(answer *a);
/* Room for n log-likelihoods: sums of 0, greedy so far. */
void answer_sums(answer *a, int64_t n);

/* Requests that are asked together. */
typedef struct {
    const request *const *requests;
    int64_t               n;
    request_rules         rules;
    const stop_list      *stops;      /* GENERATE */
    int64_t               sequences;  /* GENERATE: how many may be decoded at once */
    int64_t               max_tokens; /* else: tokens of one forward; a longer request gets its own */
} lm_batch;

/* What is told while a batch is answered; both calls may be NULL. */
typedef struct {
    void (*progress)(void *ctx, int64_t count); /* so many requests of the batch are done */
    int (*answered)(void *ctx, int64_t i);      /* answers[i] is whole; an error ends the batch */
    void *ctx;
} lm_listener;

/* How far an adapter moves the base's logits, over some prompts' last places. */
typedef struct {
    int64_t items, rows;    /* prompts looked at, and the places in them */
    double  max_abs_logit;  /* over all places and the whole vocabulary; 0: nothing is changed there */
    double  mean_abs_logit; /* likewise */
    int64_t argmax_changed; /* places where another token is now the likeliest */
} adapter_delta;

typedef struct lm lm;
struct lm {
    const tokenizer    *tok;     /* NULL: the task needs none, or prompts go out as text */
    const model_config *cfg;     /* NULL: its server has it */
    const char         *adapter; /* its folder; NULL: the base alone */
    /* Tokens of one sequence, and by kind of request how many of them its prompt may not use. */
    int64_t max_length, reserved[REQUEST_KINDS];
    int64_t group; /* requests that are best asked together; 0: as many as their tokens allow */
    /* A batch that was broken off must be asked again whole: the same requests in one forward are
     * what makes the same bits. */
    bool           whole_batches;
    const backend *be;                       /* where it runs; NULL: elsewhere */
    const char    *device;                   /* that place's name, for the record */
    int            threads;                  /* in use here */
    int64_t        trainable, adapter_bytes; /* of the adapter, for the record */

    /* Answer a batch; what comes out depends on nothing but the model and these requests in this
     * order. answers [n], zeroed, the caller's to free. A log-likelihood that is not a number is an
     * error that names the model. */
    int (*answer)(lm *m, const lm_batch *b, answer *answers, lm_listener l);
    /* How far the adapter moves the logits of the first requests of n. NULL: there is none to look
     * at. */
    int (*probe)(lm *m, const request *requests, int64_t n, int64_t positions, adapter_delta *out);
    /* Members of a record's "asked" that say which model this is: "base", "adapter", and what else
     * makes it another cell. *asked is the caller's. */
    int (*describe)(const lm *m, json **asked);
    /* Add members to a record's "result" that say what the answers took. NULL: nothing to say. */
    void (*account)(const lm *m, json *result);
    void (*close)(lm *m);
};
#endif
