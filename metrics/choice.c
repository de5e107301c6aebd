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

static void choice_item(const metric *m, const metric_input *in, double *stats)
{
    const int64_t *const lengths[] = { NULL, in->choice_chars, in->choice_bytes };
    *stats                         = choice_argmax(in->choice_ll, lengths[m->order], in->n_choices) == in->gold;
}

/* order: what a log-likelihood is divided by. 0 = nothing, 1 = characters (code points, as the
 * harness's code counts them), 2 = bytes of UTF-8. */
const metric metric_rows_choice[] = {
    { "acc", "the right choice has the largest log-likelihood", "acc|norm:none", METRIC_CHOICES, METRIC_MEAN(1),
      .item = choice_item },
    { "acc_norm", "the same per character", "acc|norm:characters", METRIC_CHOICES, METRIC_MEAN(1), .order = 1,
      .lengths = true, .item = choice_item },
    { "acc_bytes", "the same per byte", "acc|norm:bytes", METRIC_CHOICES, METRIC_MEAN(1), .order = 2, .lengths = true,
      .item = choice_item },
    { 0 },
};
