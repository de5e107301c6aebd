/* What a log-likelihood says by itself: loss per token, perplexity per word and per byte, bits per
 * byte. Each is a function of two sums. */
#include <math.h>

#include "metrics/metric.h"

static void per_token_item(const metric *m, const metric_input *in, double *stats)
{
    (void)m;
    stats[0] = in->ll;
    stats[1] = (double)in->tokens;
}

static void per_word_item(const metric *m, const metric_input *in, double *stats)
{
    (void)m;
    stats[0] = in->ll;
    stats[1] = (double)in->words;
}

static void per_byte_item(const metric *m, const metric_input *in, double *stats)
{
    (void)m;
    stats[0] = in->ll;
    stats[1] = (double)in->bytes;
}

static double nll_rate(const metric *m, const double *sums, int64_t n)
{
    (void)m;
    (void)n;
    return -sums[0] / sums[1];
}

static double perplexity(const metric *m, const double *sums, int64_t n) { return exp(nll_rate(m, sums, n)); }
static double bits_per_unit(const metric *m, const double *sums, int64_t n) { return nll_rate(m, sums, n) / log(2); }

static double sum_of_ll(const metric *m, const double *sums, int64_t n)
{
    (void)m;
    (void)n;
    return sums[0];
}

static double sum_of_units(const metric *m, const double *sums, int64_t n)
{
    (void)m;
    (void)n;
    return sums[1];
}

/* stats: the log-likelihood, and the number of units. */
const metric metric_rows_likelihood[] = {
    { "loss", "mean negative log-likelihood of a target token", "nll|unit:token|log:natural", METRIC_LIKELIHOOD,
      METRIC_RATIO, .item = per_token_item, .corpus = nll_rate },
    { "word_perplexity", "exp of the negative log-likelihood per word", "perplexity|unit:word", METRIC_LIKELIHOOD,
      METRIC_RATIO, .item = per_word_item, .corpus = perplexity },
    { "byte_perplexity", "the same per byte", "perplexity|unit:byte", METRIC_LIKELIHOOD, METRIC_RATIO,
      .item = per_byte_item, .corpus = perplexity },
    { "bits_per_byte", "the same in bits", "bits|unit:byte", METRIC_LIKELIHOOD, METRIC_RATIO, .item = per_byte_item,
      .corpus = bits_per_unit },
    { "loglikelihood", "sum over all tokens scored", "ll|log:natural", METRIC_LIKELIHOOD, .higher = true,
      .error = STDERR_NONE, .n_stats = 2, .item = per_token_item, .corpus = sum_of_ll },
    { "tokens", "tokens scored", "count", METRIC_LIKELIHOOD, .higher = false, .error = STDERR_NONE, .n_stats = 2,
      .item = per_token_item, .corpus = sum_of_units },
    { 0 },
};
