/* The model under test: whatever answers requests. local.h makes one of a model that runs here,
 * eval/served/endpoint.h one of a model behind HTTP; the harness need not know which it has.
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
    str         text;       /* cut at the stop string */
    const char *stopped;    /* the stop string that ended it, in the batch's list; NULL: its length did */
    double      min_margin; /* smallest gap between the two best logits of a step; INFINITY: not known */
    /* CHOICES: [n_choices]; TEXT, TARGET: [1] */
    int64_t  n_ll;
    double  *ll;     /* log-likelihoods */
    bool    *greedy; /* whether every token is the likeliest */
    int64_t *tokens; /* tokens scored, as the model counts them */
    /* Tokens the model read and tokens it generated, those of the stop string included. */
    int64_t prompt_tokens, completion_tokens;
} answer;
void answer_free(answer *a);
/* Allocates n log-likelihoods that nothing was added to yet: 0, greedy, of no tokens. */
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

/* Whom to tell while a batch is answered; either call may be NULL. */
typedef struct {
    void (*progress)(void *ctx, int64_t count); /* `count` requests of the batch are done */
    int (*answered)(void *ctx, int64_t i);      /* answers[i] is whole; an error ends the batch */
    void *ctx;
} lm_listener;

/* How far an adapter moves the base's logits at the last places of some prompts. */
typedef struct {
    int64_t items, rows;    /* prompts looked at, and the places in them */
    double  max_abs_logit;  /* over all places and the whole vocabulary; 0: nothing is changed there */
    double  mean_abs_logit; /* likewise */
    int64_t argmax_changed; /* places where another token is now the likeliest */
} adapter_delta;

typedef struct lm lm;
struct lm {
    const tokenizer    *tok;                     /* NULL: the task needs none, or prompts go out as text */
    const model_config *cfg;                     /* NULL: only its server knows */
    const char         *adapter;                 /* folder, for messages; NULL: the base alone */
    int64_t             max_length;              /* tokens of one sequence */
    int64_t             reserved[REQUEST_KINDS]; /* how many of these a request may not use */
    int64_t             group;                   /* requests best asked together; 0: as many as their tokens allow */
    /* A batch that was broken off must be asked again whole, because only forwards of the same
     * requests give the same bits. */
    bool whole_batches;
    /* For the record: where it runs (be NULL: elsewhere), and the adapter's size. */
    const backend *be;
    const char    *device;
    int            threads;
    int64_t        trainable, adapter_bytes;

    /* Answers a batch. What comes out depends on nothing but the model and these requests in this
     * order. answers: [n], zeroed; the caller frees them, also after an error. A log-likelihood
     * that is not finite is an error that names the model. */
    int (*answer)(lm *m, const lm_batch *b, answer *answers, lm_listener l);
    /* Measures how far the adapter moves the logits of the first requests. NULL: there is no
     * adapter, or no way to take it off. */
    int (*probe)(lm *m, const request *requests, int64_t n, int64_t positions, adapter_delta *out);
    /* Makes the members of a record's "asked" that say which model this is: "base", "adapter", and
     * whatever else makes it another cell. The caller frees *asked. */
    int (*describe)(const lm *m, json **asked);
    /* Adds members to a record's "result" that say what the answers took. NULL: it has none. */
    void (*account)(const lm *m, json *result);
    void (*close)(lm *m);
};
#endif
