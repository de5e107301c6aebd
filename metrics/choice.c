#include "metrics/choice.h"

#include <math.h>

int64_t choice_argmax(const double *ll, const int64_t *length, int64_t n)
{
    int64_t best = 0;
    double  most = -INFINITY;
    for (int64_t i = 0; i < n; i++) {
        double x = !length ? ll[i] : length[i] ? ll[i] / (double)length[i] : -INFINITY;
        if (x > most) most = x, best = i;
    }
    return best;
}

static void right(const metric_input *in, const int64_t *length, double *stats)
{
    *stats = choice_argmax(in->choice_ll, length, in->n_choices) == in->gold;
}

static void acc_item(const metric *m, const metric_input *in, double *stats)
{
    (void)m;
    right(in, NULL, stats);
}

static void acc_norm_item(const metric *m, const metric_input *in, double *stats)
{
    (void)m;
    right(in, in->choice_chars, stats);
}

static void acc_bytes_item(const metric *m, const metric_input *in, double *stats)
{
    (void)m;
    right(in, in->choice_bytes, stats);
}

/* By the sum; per character (code points, as the harness's code counts them); per UTF-8 byte. */
const metric metric_rows_choice[] = {
    { "acc", "the right choice has the largest log-likelihood", "acc|norm:none", METRIC_CHOICES, METRIC_MEAN(1),
      .item = acc_item },
    { "acc_norm", "the same per character", "acc|norm:characters", METRIC_CHOICES, METRIC_MEAN(1), .lengths = true,
      .item = acc_norm_item },
    { "acc_bytes", "the same per byte", "acc|norm:bytes", METRIC_CHOICES, METRIC_MEAN(1), .lengths = true,
      .item = acc_bytes_item },
    { 0 },
};
