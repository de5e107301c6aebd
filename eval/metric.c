#include "eval/metric.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "core/stats.h"
#include "eval/bleu.h"
#include "eval/choice_metric.h"
#include "eval/gsm8k_metric.h"
#include "eval/likelihood_metric.h"
#include "eval/rouge.h"
#include "eval/squad_metric.h"
#include "eval/uncertainty.h"

#define ROUGE_RULES "|refs:best|case:lower|stem:porter-nltk|version:rouge_score-0.1.2"

/* lm-evaluation-harness caps the resamples of BLEU at 100; with the same number the standard errors are the same. */
enum { BOOTSTRAP_ITERATIONS = 100 };

#define MEAN(of) .scale = (of), .higher = true, .error = STDERR_MEAN, .n_stats = 1
#define RATIO .higher = false, .error = STDERR_JACKKNIFE, .n_stats = 2

static const metric rows[] = {
    { "em", "exact match after SQuAD's normalisation", "squad-em|rules:v1.1", METRIC_TEXT, MEAN(100), .item = squad_em_item },
    { "f1", "word F1 after SQuAD's normalisation", "squad-f1|rules:v1.1", METRIC_TEXT, MEAN(100), .item = squad_f1_item },
    { "em_v2", "exact match, SQuAD 2.0 rules", "squad-em|rules:v2.0", METRIC_TEXT, MEAN(100), .order = 1, .item = squad_em_item },
    { "f1_v2", "word F1, SQuAD 2.0 rules", "squad-f1|rules:v2.0", METRIC_TEXT, MEAN(100), .order = 1, .item = squad_f1_item },
    { "rouge1", "unigram F", "rouge1" ROUGE_RULES, METRIC_TEXT, MEAN(1), .order = 1, .item = rouge_item },
    { "rouge2", "bigram F", "rouge2" ROUGE_RULES, METRIC_TEXT, MEAN(1), .order = 2, .item = rouge_item },
    { "rougeL", "longest common subsequence F", "rougeL" ROUGE_RULES, METRIC_TEXT, MEAN(1), .order = ROUGE_L, .item = rouge_item },
    { "rougeLsum", "summary-level longest common subsequence F", "rougeLsum" ROUGE_RULES, METRIC_TEXT, MEAN(1), .order = ROUGE_LSUM,
      .item = rouge_item },
    { "bleu", "corpus BLEU", bleu_signature, METRIC_TEXT, .higher = true, .error = STDERR_BOOTSTRAP, .n_stats = BLEU_STATS, .item = bleu_item,
      .corpus = bleu_corpus, .sentence = bleu_sentence },
    { "exact_match", "the number after ####, strictly", "gsm8k|filter:strict|version:lm-eval-3", METRIC_TEXT, MEAN(1), .item = gsm8k_match_item },
    { "exact_match_flexible", "the last number in the text", "gsm8k|filter:flexible|version:lm-eval-3", METRIC_TEXT, MEAN(1), .order = 1,
      .item = gsm8k_match_item },
    { "invalid", "share of texts without #### and a number", "gsm8k|filter:strict|version:lm-eval-3", METRIC_TEXT, .scale = 1, .higher = false,
      .n_stats = 1, .item = gsm8k_invalid_item },
    { "acc", "the right choice has the largest log-likelihood", "acc|norm:none", METRIC_CHOICES, MEAN(1), .item = acc_item },
    { "acc_norm", "the same per character", "acc|norm:characters", METRIC_CHOICES, MEAN(1), .item = acc_norm_item },
    { "acc_bytes", "the same per byte", "acc|norm:bytes", METRIC_CHOICES, MEAN(1), .item = acc_bytes_item },
    { "loss", "mean negative log-likelihood of a target token", "nll|unit:token|log:natural", METRIC_LIKELIHOOD, RATIO, .item = per_token_item,
      .corpus = nll_rate },
    { "word_perplexity", "exp of the negative log-likelihood per word", "perplexity|unit:word", METRIC_LIKELIHOOD, RATIO, .item = per_word_item,
      .corpus = perplexity },
    { "byte_perplexity", "the same per byte", "perplexity|unit:byte", METRIC_LIKELIHOOD, RATIO, .item = per_byte_item, .corpus = perplexity },
    { "bits_per_byte", "the same in bits", "bits|unit:byte", METRIC_LIKELIHOOD, RATIO, .item = per_byte_item, .corpus = bits_per_unit },
    { "loglikelihood", "sum over all tokens scored", "ll|log:natural", METRIC_LIKELIHOOD, .higher = true, .error = STDERR_NONE, .n_stats = 2,
      .item = per_token_item, .corpus = sum_of_ll },
    { "tokens", "tokens scored", "count", METRIC_LIKELIHOOD, .higher = false, .error = STDERR_NONE, .n_stats = 2, .item = per_token_item,
      .corpus = sum_of_units },
};

const metric *metric_row(int i) { return i >= 0 && (size_t)i < sizeof rows / sizeof *rows ? &rows[i] : NULL; }

const metric *metric_find(const char *name)
{
    for (int i = 0; metric_row(i); i++)
        if (!strcmp(rows[i].name, name)) return &rows[i];
    return NULL;
}

void metric_item(const metric *m, const metric_input *in, double *stats)
{
    assert(m->n_stats <= METRIC_STATS_MAX);
    m->item(m, in, stats);
}

static double value_of_sums(const void *ctx, const double *sums, int64_t n)
{
    const metric *m = ctx;
    if (m->corpus) return m->corpus(sums, n);
    return m->scale * sums[0] / (double)n;
}

double metric_value(const metric *m, const double *stats, int64_t n)
{
    double sums[METRIC_STATS_MAX] = { 0 };
    if (n < 1) return NAN;
    for (int64_t i = 0; i < n; i++)
        for (int k = 0; k < m->n_stats; k++) sums[k] += stats[i * m->n_stats + k];
    return value_of_sums(m, sums, n);
}

double metric_stderr(const metric *m, const double *stats, int64_t n)
{
    switch (m->error) {
    case STDERR_MEAN: return m->scale * stats_stderr(stats, n);
    case STDERR_JACKKNIFE: return jackknife_stderr(value_of_sums, m, stats, n, m->n_stats);
    case STDERR_BOOTSTRAP: return n < 2 ? NAN : bootstrap_stderr(value_of_sums, m, stats, n, m->n_stats, BOOTSTRAP_ITERATIONS);
    case STDERR_NONE: break;
    }
    return NAN;
}

double metric_sentence(const metric *m, const double *stats) { return m->sentence ? m->sentence(stats) : value_of_sums(m, stats, 1); }
