#include "metrics/likelihood.h"

#include <math.h>

void per_token_item(const metric *m, const metric_input *in, double *stats)
{
    (void)m;
    stats[0] = in->ll;
    stats[1] = (double)in->tokens;
}

void per_word_item(const metric *m, const metric_input *in, double *stats)
{
    (void)m;
    stats[0] = in->ll;
    stats[1] = (double)in->words;
}

void per_byte_item(const metric *m, const metric_input *in, double *stats)
{
    (void)m;
    stats[0] = in->ll;
    stats[1] = (double)in->bytes;
}

double nll_rate(const metric *m, const double *sums, int64_t n)
{
    (void)m;
    (void)n;
    return -sums[0] / sums[1];
}

double perplexity(const metric *m, const double *sums, int64_t n) { return exp(nll_rate(m, sums, n)); }
double bits_per_unit(const metric *m, const double *sums, int64_t n) { return nll_rate(m, sums, n) / log(2); }

double sum_of_ll(const metric *m, const double *sums, int64_t n)
{
    (void)m;
    (void)n;
    return sums[0];
}

double sum_of_units(const metric *m, const double *sums, int64_t n)
{
    (void)m;
    (void)n;
    return sums[1];
}
