/* What a log-likelihood says by itself: loss per token, perplexity per word and per byte, bits per
 * byte. Each is a function of two sums. */
#include <math.h>

#include "metrics/metric.h"

static void likelihood_item(const metric *m, const metric_input *in, double *stats)
{
    const int64_t units[] = { in->tokens, in->words, in->bytes };
    stats[0]              = in->ll;
    stats[1]              = (double)units[m->order];
}

static double nll_rate(const metric *m, const double *sums, int64_t n) { return -sums[0] / sums[1]; }
static double perplexity(const metric *m, const double *sums, int64_t n) { return exp(nll_rate(m, sums, n)); }
static double bits_per_unit(const metric *m, const double *sums, int64_t n) { return nll_rate(m, sums, n) / log(2); }
static double sum_of_ll(const metric *m, const double *sums, int64_t n) { return sums[0]; }
static double sum_of_units(const metric *m, const double *sums, int64_t n) { return sums[1]; }

/* stats: the log-likelihood, and the number of units. order: 0 = tokens, 1 = words, 2 = bytes. */
const metric metric_rows_likelihood[] = {
    { "loss", "mean negative log-likelihood of a target token", "nll|unit:token|log:natural", METRIC_LIKELIHOOD,
      METRIC_RATIO, .item = likelihood_item, .corpus = nll_rate },
    { "word_perplexity", "exp of the negative log-likelihood per word", "perplexity|unit:word", METRIC_LIKELIHOOD,
      METRIC_RATIO, .order = 1, .item = likelihood_item, .corpus = perplexity },
    { "byte_perplexity", "the same per byte", "perplexity|unit:byte", METRIC_LIKELIHOOD, METRIC_RATIO, .order = 2,
      .item = likelihood_item, .corpus = perplexity },
    { "bits_per_byte", "the same in bits", "bits|unit:byte", METRIC_LIKELIHOOD, METRIC_RATIO, .order = 2,
      .item = likelihood_item, .corpus = bits_per_unit },
    { "loglikelihood", "sum over all tokens scored", "ll|log:natural", METRIC_LIKELIHOOD, .higher = true,
      .error = STDERR_NONE, .n_stats = 2, .item = likelihood_item, .corpus = sum_of_ll },
    { "tokens", "tokens scored", "count", METRIC_LIKELIHOOD, .higher = false, .error = STDERR_NONE, .n_stats = 2,
      .item = likelihood_item, .corpus = sum_of_units },
    { 0 },
};
