/* Cross-entropy over rows of logits, the definition. Contract: kernels/xent.h. */
#include <math.h>

#include "kernels/ref.h"

/* log sum exp of a row, through its maximum; *best its first argmax. */
static double log_sum_exp(const double *row, int64_t vocab, int32_t *best)
{
    int64_t top = 0;
    double  sum = 0;
    for (int64_t j = 1; j < vocab; j++)
        if (row[j] > row[top]) top = j;
    for (int64_t j = 0; j < vocab; j++) sum += exp(row[j] - row[top]);
    *best = (int32_t)top;
    return row[top] + log(sum);
}

void xent_fwd_ref(const backend *be, double *nll, int32_t *best, const param *logits_, const int32_t *targets,
                  int64_t n, int64_t vocab)
{
    for (int64_t t = 0; t < n; t++) {
        const double *row = (const double *)logits_ + t * vocab;
        int32_t       top;
        double        lse = log_sum_exp(row, vocab, &top);
        nll[t]            = targets[t] < 0 ? 0 : lse - row[targets[t]];
        if (best) best[t] = top;
    }
}

void xent_bwd_ref(const backend *be, param *logits_, double *nll, const int32_t *targets, int64_t n, int64_t vocab,
                  double scale)
{
    for (int64_t t = 0; t < n; t++) {
        double *row = (double *)logits_ + t * vocab;
        int32_t top;
        double  lse = log_sum_exp(row, vocab, &top);
        if (nll) nll[t] = targets[t] < 0 ? 0 : lse - row[targets[t]];
        for (int64_t j = 0; j < vocab; j++)
            row[j] = targets[t] < 0 ? 0 : (exp(row[j] - lse) - (j == targets[t])) * scale;
    }
}
