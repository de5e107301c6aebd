#include "metrics/metric.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/memory.h"
#include "core/nearest.h"
#include "core/stats.h"
#include "metrics/bleu.h"
#include "metrics/choice.h"
#include "metrics/chrf.h"
#include "metrics/gsm8k.h"
#include "metrics/gsm8k_peft.h"
#include "metrics/likelihood.h"
#include "metrics/rouge.h"
#include "metrics/squad.h"
#include "metrics/uncertainty.h"

#define ROUGE_RULES "|case:lower|version:rouge_score-0.1.2"

/* lm-evaluation-harness takes at most 100 resamples for BLEU and chrF; the same number gives the
 * same standard errors. */
enum { BOOTSTRAP_ITERATIONS = 100 };

/* chrF has three statistics for each order; METRIC_STATS_MAX has room for all of them. */
enum { CHAR_ORDER_MAX = 12, WORD_ORDER_MAX = 4, BETA_MAX = 1000, SMOOTH_VALUE_MAX = 1000000 };

#define MEAN(of) .scale = (of), .higher = true, .error = STDERR_MEAN, .n_stats = 1
#define RATIO .higher = false, .error = STDERR_JACKKNIFE, .n_stats = 2

static const metric rows[] = {
    { "em", "exact match after SQuAD's normalisation", "squad-em|rules:v1.1", METRIC_TEXT, MEAN(100),
      .item = squad_em_item },
    { "f1", "word F1 after SQuAD's normalisation", "squad-f1|rules:v1.1", METRIC_TEXT, MEAN(100),
      .item = squad_f1_item },
    { "em_v2", "exact match, SQuAD 2.0 rules", "squad-em|rules:v2.0", METRIC_TEXT, MEAN(100), .order = 1,
      .no_references = true, .item = squad_em_item },
    { "f1_v2", "word F1, SQuAD 2.0 rules", "squad-f1|rules:v2.0", METRIC_TEXT, MEAN(100), .order = 1,
      .no_references = true, .item = squad_f1_item },
    { "rouge1", "unigram F", "rouge1" ROUGE_RULES, METRIC_TEXT, MEAN(1), .order = 1, .sign = rouge_sign,
      .item = rouge_item },
    { "rouge2", "bigram F", "rouge2" ROUGE_RULES, METRIC_TEXT, MEAN(1), .order = 2, .sign = rouge_sign,
      .item = rouge_item },
    { "rouge3", "trigram F", "rouge3" ROUGE_RULES, METRIC_TEXT, MEAN(1), .order = 3, .sign = rouge_sign,
      .item = rouge_item },
    { "rouge4", "4-gram F", "rouge4" ROUGE_RULES, METRIC_TEXT, MEAN(1), .order = 4, .sign = rouge_sign,
      .item = rouge_item },
    { "rouge5", "5-gram F", "rouge5" ROUGE_RULES, METRIC_TEXT, MEAN(1), .order = 5, .sign = rouge_sign,
      .item = rouge_item },
    { "rouge6", "6-gram F", "rouge6" ROUGE_RULES, METRIC_TEXT, MEAN(1), .order = 6, .sign = rouge_sign,
      .item = rouge_item },
    { "rouge7", "7-gram F", "rouge7" ROUGE_RULES, METRIC_TEXT, MEAN(1), .order = 7, .sign = rouge_sign,
      .item = rouge_item },
    { "rouge8", "8-gram F", "rouge8" ROUGE_RULES, METRIC_TEXT, MEAN(1), .order = 8, .sign = rouge_sign,
      .item = rouge_item },
    { "rouge9", "9-gram F", "rouge9" ROUGE_RULES, METRIC_TEXT, MEAN(1), .order = 9, .sign = rouge_sign,
      .item = rouge_item },
    { "rougeL", "longest common subsequence F", "rougeL" ROUGE_RULES, METRIC_TEXT, MEAN(1), .order = ROUGE_L,
      .sign = rouge_sign, .item = rouge_item },
    { "rougeLsum", "summary-level longest common subsequence F", "rougeLsum" ROUGE_RULES, METRIC_TEXT, MEAN(1),
      .order = ROUGE_LSUM, .sign = rouge_sign, .item = rouge_item },
    { "bleu", "corpus BLEU", "BLEU", METRIC_TEXT, .sign = bleu_sign, .higher = true, .error = STDERR_BOOTSTRAP,
      .n_stats = BLEU_STATS, .item = bleu_item, .corpus = bleu_corpus, .sentence = bleu_sentence },
    { "chrf", "character n-gram F", "chrF", METRIC_TEXT, .prepare = chrf_prepare, .sign = chrf_sign, .higher = true,
      .error = STDERR_BOOTSTRAP, .n_stats = 18, .item = chrf_item, .corpus = chrf_corpus },
    { "chrf++", "character and word n-gram F", "chrF", METRIC_TEXT, .order = 2, .prepare = chrf_prepare,
      .sign = chrf_sign, .higher = true, .error = STDERR_BOOTSTRAP, .n_stats = 24, .item = chrf_item,
      .corpus = chrf_corpus },
    { "exact_match", "the number after ####, strictly", "gsm8k|filter:strict|version:lm-eval-3", METRIC_TEXT, MEAN(1),
      .item = gsm8k_match_item },
    { "exact_match_flexible", "the last number in the text", "gsm8k|filter:flexible|version:lm-eval-3", METRIC_TEXT,
      MEAN(1), .order = 1, .item = gsm8k_match_item },
    { "gsm8k-peft", "the answer as PEFT's comparison of methods reads it", "gsm8k|filter:peft|version:013424400c",
      METRIC_TEXT, MEAN(1), .item = gsm8k_peft_item },
    { "gsm8k-cot-strict", "the number after The answer is", "gsm8k_cot|filter:strict|version:lm-eval-3", METRIC_TEXT,
      MEAN(1), .order = 2, .item = gsm8k_match_item },
    { "invalid", "share of texts without #### and a number", "gsm8k|filter:strict|version:lm-eval-3", METRIC_TEXT,
      .scale = 1, .higher = false, .n_stats = 1, .item = gsm8k_invalid_item },
    { "invalid_flexible", "share of texts without a number", "gsm8k|filter:flexible|version:lm-eval-3", METRIC_TEXT,
      .scale = 1, .higher = false, .n_stats = 1, .order = 1, .item = gsm8k_invalid_item },
    { "acc", "the right choice has the largest log-likelihood", "acc|norm:none", METRIC_CHOICES, MEAN(1),
      .item = acc_item },
    { "acc_norm", "the same per character", "acc|norm:characters", METRIC_CHOICES, MEAN(1), .lengths = true,
      .item = acc_norm_item },
    { "acc_bytes", "the same per byte", "acc|norm:bytes", METRIC_CHOICES, MEAN(1), .lengths = true,
      .item = acc_bytes_item },
    { "loss", "mean negative log-likelihood of a target token", "nll|unit:token|log:natural", METRIC_LIKELIHOOD, RATIO,
      .item = per_token_item, .corpus = nll_rate },
    { "word_perplexity", "exp of the negative log-likelihood per word", "perplexity|unit:word", METRIC_LIKELIHOOD,
      RATIO, .item = per_word_item, .corpus = perplexity },
    { "byte_perplexity", "the same per byte", "perplexity|unit:byte", METRIC_LIKELIHOOD, RATIO, .item = per_byte_item,
      .corpus = perplexity },
    { "bits_per_byte", "the same in bits", "bits|unit:byte", METRIC_LIKELIHOOD, RATIO, .item = per_byte_item,
      .corpus = bits_per_unit },
    { "loglikelihood", "sum over all tokens scored", "ll|log:natural", METRIC_LIKELIHOOD, .higher = true,
      .error = STDERR_NONE, .n_stats = 2, .item = per_token_item, .corpus = sum_of_ll },
    { "tokens", "tokens scored", "count", METRIC_LIKELIHOOD, .higher = false, .error = STDERR_NONE, .n_stats = 2,
      .item = per_token_item, .corpus = sum_of_units },
};

enum { ROWS = sizeof rows / sizeof *rows };

const metric *metric_row(int i) { return i >= 0 && i < ROWS ? &rows[i] : NULL; }

const metric *metric_find(const char *name)
{
    for (int i = 0; metric_row(i); i++)
        if (!strcmp(rows[i].name, name)) return &rows[i];
    return NULL;
}

/* --- lists */

/* The name of a reference tool's task, the rows it stands for, and the tool's own names for
 * them. */
static const struct {
    const char *name;
    const char *row[2], *shown[2];
} groups[] = {
    { "squad-v1.1", { "em", "f1" }, { "em", "f1" } },
    { "squad-v2.0", { "em_v2", "f1_v2" }, { "em", "f1" } },
    { "gsm8k-strict", { "exact_match" }, { "gsm8k-strict" } },
    { "gsm8k-flexible", { "exact_match_flexible" }, { "gsm8k-flexible" } },
};
enum { GROUPS = sizeof groups / sizeof *groups };

const char *metric_list_name(int i)
{
    if (i < ROWS) return rows[i].name;
    return i < ROWS + GROUPS ? groups[i - ROWS].name : NULL;
}

static int no_such_metric(const char *where, const char *name)
{
    const char *names[ROWS + GROUPS + 1] = { 0 };
    str         all                      = { 0 };
    for (int i = 0; i < ROWS + GROUPS; i++) {
        names[i] = metric_list_name(i);
        str_item(&all, " ", names[i]);
    }
    int rc = input_error("%s: %.40s: no such metric%s; there are %s", where, name, did_you_mean(name, names).text,
                         str_c(&all));
    str_free(&all);
    return rc;
}

static bool has_name(const metric_list *list, const char *name)
{
    for (int i = 0; i < list->n; i++)
        if (!strcmp(list->rows[i].name, name)) return true;
    return false;
}

/* Adds a row and shows it as `shown`, where that name is still free. `shown` must be of static
 * storage; NULL means the row's own name. */
static int add_row(metric_list *list, const char *name, const char *shown, const metric_options *options,
                   const char *where)
{
    const metric *row = metric_find(name);
    if (!row) return no_such_metric(where, name);
    if (!shown || has_name(list, shown)) shown = row->name;
    if (has_name(list, shown)) return input_error("%s: %s: is named twice", where, name);
    if (list->n == METRICS_MAX) return input_error("%s: more than %d metrics", where, METRICS_MAX);
    metric *m = &list->rows[list->n++];
    *m        = *row;
    m->name   = shown;
    if (options) m->options = *options;
    if (m->prepare) m->prepare(m);
    return OK;
}

int metric_list_add(metric_list *list, const char *name, const metric_options *options, const char *where)
{
    int rc = OK;
    for (int g = 0; g < GROUPS; g++) {
        if (strcmp(groups[g].name, name)) continue;
        for (int i = 0; i < 2 && groups[g].row[i] && !rc; i++)
            rc = add_row(list, groups[g].row[i], groups[g].shown[i], options, where);
        return rc;
    }
    return add_row(list, name, NULL, options, where);
}

int metric_list_parse(metric_list *list, const char *names, const metric_options *options, const char *where)
{
    char *own = mem_strdup(names), *save = NULL;
    int   rc = OK, before = list->n;
    for (char *name = strtok_r(own, ",", &save); name && !rc; name = strtok_r(NULL, ",", &save))
        rc = metric_list_add(list, name, options, where);
    free(own);
    if (!rc && list->n == before) rc = input_error("%s \"%s\": names no metric", where, names);
    return rc;
}

int metric_options_check(const metric_options *o, const char *where)
{
    bool valued = o->smooth == BLEU_FLOOR || o->smooth == BLEU_ADD_K;
    if (o->smooth_value != 0 && !valued)
        return input_error("%s: smooth_value %g: only the smoothings floor and add-k take a value; leave it out", where,
                           o->smooth_value);
    if (!(o->smooth_value >= 0 && o->smooth_value <= SMOOTH_VALUE_MAX))
        return input_error("%s: smooth_value %g: must be above 0, at most %d", where, o->smooth_value,
                           SMOOTH_VALUE_MAX);
    if (o->char_order < 0 || o->char_order > CHAR_ORDER_MAX)
        return input_error("%s: char_order %d: must be 1..%d", where, o->char_order, CHAR_ORDER_MAX);
    if (o->word_order < 0 || o->word_order > WORD_ORDER_MAX)
        return input_error("%s: word_order %d: must be 1..%d; for none take the metric chrf without it", where,
                           o->word_order, WORD_ORDER_MAX);
    if (o->beta < 0 || o->beta > BETA_MAX) return input_error("%s: beta %d: must be 1..%d", where, o->beta, BETA_MAX);
    return OK;
}

/* --- scores */

void metric_item(const metric *m, const metric_input *in, double *stats)
{
    assert(m->n_stats <= METRIC_STATS_MAX);
    m->item(m, in, stats);
}

double metric_of_sums(const void *ctx, const double *sums, int64_t n)
{
    const metric *m = ctx;
    if (m->corpus) return m->corpus(m, sums, n);
    return m->scale * sums[0] / (double)n;
}

double metric_value(const metric *m, const double *stats, int64_t n)
{
    double sums[METRIC_STATS_MAX] = { 0 };
    if (n < 1) return NAN;
    for (int64_t i = 0; i < n; i++)
        for (int k = 0; k < m->n_stats; k++) sums[k] += stats[i * m->n_stats + k];
    return metric_of_sums(m, sums, n);
}

double metric_stderr(const metric *m, const double *stats, int64_t n)
{
    switch (m->error) {
    case STDERR_MEAN: return m->scale * stats_stderr(stats, n);
    case STDERR_JACKKNIFE: return jackknife_stderr(metric_of_sums, m, stats, n, m->n_stats);
    case STDERR_BOOTSTRAP:
        return n < 2 ? NAN : bootstrap_stderr(metric_of_sums, m, stats, n, m->n_stats, BOOTSTRAP_ITERATIONS);
    case STDERR_NONE: break;
    }
    return NAN;
}

double metric_sentence(const metric *m, const double *stats)
{
    return m->sentence ? m->sentence(m, stats) : metric_of_sums(m, stats, 1);
}

void metric_signature(const metric *m, int64_t n_refs, str *out)
{
    str_puts(out, m->rules);
    if (m->sign) m->sign(m, n_refs, out);
}
