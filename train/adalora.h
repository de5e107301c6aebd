/* AdaLoRA's rank allocator (Zhang et al. 2023), step for step as PEFT 0.21.2 runs it. It sees
 * arrays and places in them, but no model, no file and no method's name.
 *
 *     adalora *a;
 *     int rc = adalora_new(&a, &options, total, modules, n_modules, theta_count);
 *     ... after optimiser step t = 1, 2, ... over theta:
 *     if (adalora_observes(a, t)) adalora_observe(a, theta, grad, clip);
 *     if (adalora_allocate(a, t)) ... set u to 0 wherever !a->kept[triplet] ...
 *
 * A triplet is one rank of one module: u_i, row i of A and column i of B. The final mask falls on
 * step last = total - tfinal.
 *
 *   t < last           The importance moves: s = |w g|, I = b1 I + (1 - b1) s and
 *                      U = b2 U + (1 - b2) |s - I|, where w is the value after the step and g its
 *                      gradient, clipped and with the regulariser's part.
 *   t <= tinit         Warm-up: nothing else happens.
 *   tinit < t < last   Pruning: where delta_t divides t, all triplets compete for budget(t) places.
 *                      Between two masks the losers move, and they may return.
 *   t = last           The final mask, on the importance of step last - 1.
 *   t > last           The final mask is put back after every step.
 *
 * A triplet's score is I U of u_i, plus the mean of I U over row i of A, plus its mean over column
 * i of B. The (initial - budget) smallest go, and whatever ties with them. */
#ifndef TIEBREAK_TRAIN_ADALORA_H
#define TIEBREAK_TRAIN_ADALORA_H
#include <stdbool.h>
#include <stdint.h>

#include "core/memory.h"

/* The settings that a user chooses, in one list: X(member, type, field, peft, option, min, max,
 * def, help). `field` is the record's (core/record_fields.def), `peft` is PEFT's name, and from
 * `option` on it is an option of `tiebreak train`. Whole numbers are INT, others NUM. `orth` is the
 * weight of the regulariser (train/orthogonality.h), kept here with its method's other settings. */
#define ADALORA_OPTIONS(X)                                                                                             \
    X(target_rank, INT, target_rank, "target_r", "target-rank", 1, RANK_MAX, "8", "mean rank at the end (target_r)")   \
    X(tinit, INT, tinit, "tinit", "tinit", 0, 1e12, "0", "steps before pruning begins")                                \
    X(tfinal, INT, tfinal, "tfinal", "tfinal", 0, 1e12, "0", "steps after the final mask")                             \
    X(delta_t, INT, delta_t, "deltaT", "delta-t", 1, 1e12, "1", "steps between masks (deltaT)")                        \
    X(beta1, NUM, allocator_beta1, "beta1", "beta1", 0, 1, "0.85", "smoothing of the importance")                      \
    X(beta2, NUM, allocator_beta2, "beta2", "beta2", 0, 1, "0.85", "smoothing of its uncertainty")                     \
    X(orth, NUM, orth_reg, "orth_reg_weight", "orth-reg", 0, 1e6, "0.5",                                               \
      "weight of the orthogonality term; the logged loss leaves it out")

#define ADALORA_INT int64_t
#define ADALORA_NUM double
#define ADALORA_MEMBER(member, type, field, peft, option, min, max, def, help) ADALORA_##type member;
typedef struct {
    ADALORA_OPTIONS(ADALORA_MEMBER)
} adalora_options;
#undef ADALORA_INT
#undef ADALORA_NUM
#undef ADALORA_MEMBER

/* Where one module's factors lie in theta. A factor at -1 is not trained and adds no score. */
typedef struct {
    int64_t rank, in, out;
    int64_t u, A, B; /* u [rank], A [rank, in], B [out, rank]; u is required */
} adalora_module;

typedef enum { ADALORA_WARM_UP, ADALORA_PRUNING, ADALORA_FINAL_MASK, ADALORA_RE_MASK } adalora_phase;

typedef struct {
    const adalora_options *options; /* the caller's */
    int64_t                total;   /* optimiser steps of the run */
    int64_t                n_modules, n_triplets, theta_count;
    adalora_module        *modules;                   /* own copy */
    int64_t                target;                    /* triplets at the end; at the start n_triplets */
    double                *sensitivity, *uncertainty; /* I, U [theta_count] */
    double                *scores, *sorted;           /* [n_triplets], module by module */
    unsigned char         *kept;                      /* [n_triplets] by the latest mask; 1 before the first */
    double                 threshold;                 /* of the latest mask */
    arena                  memory;                    /* of these arrays */
} adalora;

/* For a run of `total` optimiser steps; borrows the options. ERR_INPUT naming the option when the
 * schedule cannot be run: tinit past the final mask, or a target above what there is. */
int  adalora_new(adalora **out, const adalora_options *o, int64_t total, const adalora_module *modules,
                 int64_t n_modules, int64_t theta_count);
void adalora_free(adalora *a); /* NULL is fine */

adalora_phase adalora_phase_at(const adalora *a, int64_t step);
int64_t       adalora_budget(const adalora *a, int64_t step); /* triplets in all */

bool adalora_observes(const adalora *a, int64_t step);
/* Moves the importance by theta after the step and by clip times grad, which is before it. */
void adalora_observe(adalora *a, const double *theta, const double *grad, double clip);
void adalora_score(adalora *a); /* fills scores from I and U */
/* Makes a new mask where the schedule has one. True: u of every triplet not kept must be 0 now. */
bool adalora_allocate(adalora *a, int64_t step);
#endif
