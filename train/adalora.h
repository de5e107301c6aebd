/* AdaLoRA's rank allocator (Zhang et al. 2023, "AdaLoRA"), step for step as PEFT 0.21.2 runs it.
 * Arrays and places in them, nothing else: it does not know a model, a file or a method's name.
 *
 *     adalora *a;
 *     int rc = adalora_new(&a, options, modules, n_modules, theta_count);
 *     ... after optimiser step t = 1, 2, ... over theta:
 *     if (adalora_observes(a, t)) adalora_observe(a, theta, grad, clip);
 *     if (adalora_allocate(a, t)) ... set u to 0 wherever !a->kept[triplet] ...
 *
 * A triplet is one rank of one module: u_i, row i of A, column i of B. With last = total - tfinal:
 *   t < last            importance moves: s = |w g|, I = b1 I + (1 - b1) s, U = b2 U + (1 - b2)
 *   |s - I|; w is the value after the step, g the
 * gradient of it (clipped, regulariser included) t <= tinit          warm-up: nothing more tinit
 * < t < last    pruning: where delta_t divides t, all triplets compete for budget(t) places;
 * between two masks the losers move and may return t = last            the final mask, on the
 * importance of step last - 1 t > last            the final mask is put back after every step
 * Score of a triplet: I U of u_i + mean over row i of A + mean over column i of B. The smallest
 * (initial - budget) go, and whatever ties with them. */
#ifndef TIEBREAK_TRAIN_ADALORA_H
#define TIEBREAK_TRAIN_ADALORA_H
#include <stdbool.h>
#include <stdint.h>

typedef struct {
    int64_t target_rank;            /* mean rank of a module at the end */
    int64_t tinit, tfinal, delta_t; /* steps: warm-up, after the final mask, between masks */
    int64_t total;                  /* optimiser steps of the run */
    double  beta1, beta2;
    /* weight of the regulariser (train/orthogonality.h): kept here with its method's other options */
    double orth;
} adalora_options;

/* Where one module's factors lie in theta; -1: not trained, it adds nothing to the score. */
typedef struct {
    int64_t rank, in, out;
    int64_t u, A, B; /* u [rank], A [rank, in], B [out, rank]; u is required */
} adalora_module;

typedef enum { ADALORA_WARM_UP, ADALORA_PRUNING, ADALORA_FINAL_MASK, ADALORA_RE_MASK } adalora_phase;

typedef struct {
    adalora_options options;
    int64_t         n_modules, n_triplets, theta_count;
    adalora_module *modules;                   /* own copy */
    int64_t         target;                    /* triplets at the end; at the start n_triplets */
    double         *sensitivity, *uncertainty; /* I, U [theta_count] */
    double         *scores, *sorted;           /* [n_triplets], module by module */
    /* [n_triplets] by the latest mask: 1 before the first */
    unsigned char *kept;
    double         threshold; /* of the latest mask */
} adalora;

/* ERR_INPUT naming the option when the schedule cannot be run: tinit past the final mask, target
 * above what there is. */
int  adalora_new(adalora **out, adalora_options o, const adalora_module *modules, int64_t n_modules,
                 int64_t theta_count);
void adalora_free(adalora *a); /* NULL is fine */

adalora_phase adalora_phase_at(const adalora *a, int64_t step);
const char   *adalora_phase_name(adalora_phase p);
int64_t       adalora_budget(const adalora *a, int64_t step); /* triplets in all */

bool adalora_observes(const adalora *a, int64_t step);
/* theta after the step, grad before it; gradients count times clip. */
void adalora_observe(adalora *a, const double *theta, const double *grad, double clip);
void adalora_score(adalora *a); /* fills scores from I and U */
/* Masks anew where this step does. True: u of every triplet not kept has to be 0 now. */
bool adalora_allocate(adalora *a, int64_t step);
/* Triplets kept in module m by the latest mask. */
int64_t adalora_kept(const adalora *a, int64_t m);
#endif
