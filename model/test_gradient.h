/* For tests: a little batch with everything in it, and gradients against central differences. */
#ifndef TIEBREAK_MODEL_TEST_GRADIENT_H
#define TIEBREAK_MODEL_TEST_GRADIENT_H
#include "model/test_batch.h"
#include "model/test_model.h"

/* Two texts, one with two continuations of a shared prefix; some rows wanted. */
static const int32_t odd_ids[]     = { 1, 5, 7, 2, 9, 1, 4, 4, 11, 3, 6, 12, 8, 0 };
static const int32_t odd_pos[]     = { 0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 5, 4, 5, 6 };
static const segment odd_segs[]    = { { 0, 5, -1 }, { 5, 4, -1 }, { 9, 2, 1 }, { 11, 3, 1 } };
static const int32_t odd_rows[]    = { 1, 2, 4, 7, 8, 8, 9, 10, 12, 13 };
static const int32_t odd_targets[] = { 7, 2, 3, 11, 6, 8, -1, 5, 0, 1 };
static const batch   odd_batch     = { .n_tokens   = 14,
                                       .n_segments = 4,
                                       .n_rows     = 10,
                                       .ids        = odd_ids,
                                       .pos        = odd_pos,
                                       .segments   = odd_segs,
                                       .rows       = odd_rows,
                                       .targets    = odd_targets };

static inline double loss_of(decoder *d, const batch *b, const pair_arrays *pairs)
{
    double *nll = mem_alloc((size_t)b->n_rows, sizeof *nll), sum = 0;
    assert_ok(decoder_forward(d, b, pairs, false));
    assert_ok(decoder_nll(d, nll, NULL));
    for (int64_t i = 0; i < b->n_rows; i++) sum += nll[i];
    free(nll);
    return sum;
}

static inline double loss_at(double *x, double value, decoder *d, const batch *b, const pair_arrays *pairs)
{
    const double keep = *x;
    *x                = value;
    double loss       = loss_of(d, b, pairs);
    *x                = keep;
    return loss;
}

/* Central differences of the fourth order over an array of the f64 reference. */
static inline void check_differences(decoder *d, const batch *b, const pair_arrays *pairs, void *x_, const void *g,
                                     int64_t n, double scale, const char *what)
{
    double *x = x_, *want = mem_alloc((size_t)n, sizeof *want), h = 3e-4;
    for (int64_t i = 0; i < n; i++) {
        double near = loss_at(&x[i], x[i] + h, d, b, pairs) - loss_at(&x[i], x[i] - h, d, b, pairs);
        double far  = loss_at(&x[i], x[i] + 2 * h, d, b, pairs) - loss_at(&x[i], x[i] - 2 * h, d, b, pairs);
        want[i]     = scale * (8 * near - far) / (12 * h);
    }
    double err = rel_err(g, want, n);
    /* h^4 of the fifth derivative */
    if (!(err <= 1e-6)) fail_msg("%s: gradient off by %.3e from central differences", what, err);
    free(want);
}
#endif
