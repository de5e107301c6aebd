#include "metrics/uncertainty.h"

#include "core/memory.h"
#include "core/stats.h"
#include "metrics/metric.h"
#include "metrics/test_lines.h"

static double mean(const void *ctx, const double *sums, int64_t n)
{
    (void)ctx;
    return sums[0] / (double)n;
}

static double exp_of_negative_mean(const void *ctx, const double *sums, int64_t n)
{
    (void)ctx;
    return exp(-sums[0] / (double)n);
}

static void the_jackknife_of_a_mean_is_its_standard_error(void **state)
{
    const double x[] = { 3, 1, 4, 1, 5, 9, 2, 6 };
    (void)state;
    assert_within(fabs(jackknife_stderr(mean, NULL, x, 8, 1) - stats_stderr(x, 8)), 1e-14);
    assert_true(isnan(jackknife_stderr(mean, NULL, x, 1, 1)));
}

/* The jackknife of a ratio of sums R = sum a / sum b is near the delta method's answer,
 * sqrt(n/(n-1) sum (a - R b)^2) / sum b. */
static void the_jackknife_of_a_ratio_is_near_the_delta_method(void **state)
{
    enum { N = 400 };
    double stats[2 * N], a = 0, b = 0, squares = 0;
    (void)state;
    for (int i = 0; i < N; i++) {
        stats[2 * i]     = -30 - (i * 37 % 101) * 0.21;
        stats[2 * i + 1] = 20 + i * 53 % 17;
        a += stats[2 * i];
        b += stats[2 * i + 1];
    }
    for (int i = 0; i < N; i++) squares += pow(stats[2 * i] - a / b * stats[2 * i + 1], 2);
    double delta = sqrt(N / (N - 1.) * squares) / fabs(b), loss = metric_stderr(metric_find("loss"), stats, N);
    /* They agree to O(1/n). */
    assert_within(fabs(loss / delta - 1), 3.0 / N);
    double perplexity = metric_value(metric_find("byte_perplexity"), stats, N);
    assert_within(fabs(perplexity - exp(-a / b)), 1e-12);
    assert_within(fabs(metric_stderr(metric_find("byte_perplexity"), stats, N) / (perplexity * delta) - 1), 10.0 / N);
}

typedef struct {
    double *x;
    int64_t n;
} column;

static column read_column(const char *path, double value(const json *))
{
    json  *lines = read_lines(path);
    column c     = { .n = json_size(lines) };
    c.x          = mem_alloc((size_t)c.n, sizeof *c.x);
    int64_t i    = 0;
    for (const json *j = lines->child; j; j = j->next) c.x[i++] = value(j);
    json_free(lines);
    return c;
}

static double squad_f1_of(const json *j) { return at(at(at(j, "scores"), "v1.1"), "f1")->valuedouble; }
static double accuracy_of(const json *j) { return number_at(j, "acc"); }

static double rouge_l_of(const json *j)
{
    double best = 0;
    for (const json *r = at(at(at(j, "rouge"), "stem"), "rougeL")->child; r; r = r->next)
        if (r->child->next->next->valuedouble > best) best = r->child->next->next->valuedouble;
    return best;
}

static double gold_ll_per_token(const json *j)
{
    const json *gold = json_at(at(j, "choices"), (int)number_at(j, "gold"));
    return number_at(gold, "ll") / json_size(at(gold, "ids"));
}

/* --- statistics that are no means, as functions of sums all the same */

static double rouge_1_of(const json *j)
{
    return at(at(at(j, "rouge"), "nostem"), "rouge1")->child->child->next->next->valuedouble;
}

/* Item i is the i-th unit vector, so the sums say how often each was drawn; ctx holds the items.
 * lm-evaluation-harness takes the upper middle as the median. */
static double upper_median(const void *ctx, const double *counts, int64_t n)
{
    const column *c    = ctx;
    double        low  = -INFINITY;
    int64_t       seen = 0;
    while (seen <= n / 2) {
        double next = INFINITY;
        for (int64_t i = 0; i < c->n; i++)
            if (c->x[i] > low && c->x[i] < next) next = c->x[i];
        low = next;
        for (int64_t i = 0; i < c->n; i++) seen += c->x[i] == low ? (int64_t)counts[i] : 0;
    }
    return low;
}

enum { CHOICES = 4 };

/* The sums are a confusion matrix: the count of (gold, pred) is at gold * CHOICES + pred. */
static double f1_of_choice_0(const void *ctx, const double *m, int64_t n)
{
    (void)ctx;
    (void)n;
    double right = m[0], predicted = 0, gold = 0;
    for (int i = 0; i < CHOICES; i++) gold += m[i], predicted += m[CHOICES * i];
    return predicted + gold > 0 ? 2 * right / (predicted + gold) : 0;
}

/* Gorodkin 2004, equation 8, as scikit-learn has it. */
static double matthews(const void *ctx, const double *m, int64_t n)
{
    (void)ctx;
    double right = 0, both = 0, gold_squares = 0, predicted_squares = 0, squares = (double)n * (double)n;
    for (int i = 0; i < CHOICES; i++) {
        double gold = 0, predicted = 0;
        for (int k = 0; k < CHOICES; k++) gold += m[CHOICES * i + k], predicted += m[CHOICES * k + i];
        right += m[CHOICES * i + i];
        both += gold * predicted;
        gold_squares += gold * gold;
        predicted_squares += predicted * predicted;
    }
    double under = (squares - gold_squares) * (squares - predicted_squares);
    return under > 0 ? (right * (double)n - both) / sqrt(under) : 0;
}

static double confusion_of(const json *j) { return number_at(j, "gold") * CHOICES + number_at(j, "pred"); }

#define SQUAD "lm-eval-reference/squad.jsonl"
#define DIALOGSUM "lm-eval-reference/dialogsum.jsonl"
#define HELLASWAG "lm-eval-reference/hellaswag_0shot.jsonl"

/* classes: an item is a unit vector of this many entries, with the 1 at its value (0: the item is
 * the value itself; -1: each item has an entry of its own). */
static const struct {
    const char *name, *file;
    double (*value)(const json *);
    statistic *f;
    int        classes;
} bootstraps[] = {
    { "squad f1, 1000", SQUAD, squad_f1_of, mean, 0 },
    { "squad f1, 100000", SQUAD, squad_f1_of, mean, 0 },
    { "dialogsum rougeL max stem, 1000", DIALOGSUM, rouge_l_of, mean, 0 },
    { "dialogsum rougeL max stem, 100000", DIALOGSUM, rouge_l_of, mean, 0 },
    { "hellaswag acc, 1000", HELLASWAG, accuracy_of, mean, 0 },
    { "hellaswag acc, 100000", HELLASWAG, accuracy_of, mean, 0 },
    { "hellaswag gold perplexity, 1000", HELLASWAG, gold_ll_per_token, exp_of_negative_mean, 0 },
    { "hellaswag gold perplexity, 100000", HELLASWAG, gold_ll_per_token, exp_of_negative_mean, 0 },
    { "rouge1 median, 1000", DIALOGSUM, rouge_1_of, upper_median, -1 },
    { "hellaswag f1 of (gold == 0, pred == 0), 1000", HELLASWAG, confusion_of, f1_of_choice_0, CHOICES *CHOICES },
    { "hellaswag mcc of (gold, pred), 1000", HELLASWAG, confusion_of, matthews, CHOICES *CHOICES },
};
enum { BOOTSTRAPS = sizeof bootstraps / sizeof *bootstraps };

static double *unit_vectors(const column *c, int width, bool one_each)
{
    double *stats = mem_alloc((size_t)(c->n * width), sizeof *stats);
    for (int64_t i = 0; i < c->n; i++) stats[i * width + (one_each ? i : (int64_t)c->x[i])] = 1;
    return stats;
}

static void bootstraps_draw_for_draw_like_the_harness(void **state)
{
    (void)state;
    need_data(path, "lm-eval-reference/results.json");
    json *want = read_json(path);
    for (int i = 0; i < BOOTSTRAPS; i++) {
        const json *w     = at(at(want, "bootstrap"), bootstraps[i].name);
        column      c     = read_column(test_data(bootstraps[i].file), bootstraps[i].value);
        int         width = bootstraps[i].classes < 0 ? (int)c.n : bootstraps[i].classes ? bootstraps[i].classes : 1;
        double     *stats = bootstraps[i].classes ? unit_vectors(&c, width, bootstraps[i].classes < 0) : c.x;
        assert_int_equal(c.n, (int64_t)number_at(w, "n"));
        double e = bootstrap_stderr(bootstraps[i].f, &c, stats, c.n, width, (int64_t)number_at(w, "iterations"));
        assert_within(fabs(e - number_at(w, "stderr")), 1e-9);
        if (stats != c.x) free(stats);
        free(c.x);
    }
    json_free(want);
}

/* BLEU, chrF and chrF++ of real outputs, 100 resamples each. */
static void corpus_metrics_have_the_harness_error(void **state)
{
    static const char *const names[] = { "bleu", "chrf", "chrf++" };
    (void)state;
    need_data(path, "lm-eval-reference/results.json");
    need_data(file, "lm-eval-reference/iwslt_de_en.jsonl");
    json   *want = read_json(path), *lines = read_lines(file);
    int64_t n = json_size(lines), i;
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        const metric *m     = metric_find(names[k]);
        const json   *w     = at(at(want, "bootstrap"), names[k]);
        double       *stats = mem_alloc((size_t)(n * m->n_stats), sizeof *stats);
        i                   = 0;
        for (const json *j = lines->child; j; j = j->next, i++) {
            slice        reference = text_at(j, "reference");
            metric_input in        = { .prediction = text_at(j, "text"), .references = &reference, .n_references = 1 };
            metric_item(m, &in, stats + i * m->n_stats);
        }
        assert_within(fabs(metric_value(m, stats, n) - number_at(w, "value")), 1e-9);
        assert_within(fabs(metric_stderr(m, stats, n) - number_at(w, "stderr")), 1e-9);
        free(stats);
    }
    json_free(lines);
    json_free(want);
}

static double em_of(const json *j) { return at(at(at(j, "scores"), "v1.1"), "exact_match")->valuedouble; }
static double norm_accuracy_of(const json *j) { return number_at(j, "acc_norm"); }

static double rouge_1_max_of(const json *j)
{
    double best = 0;
    for (const json *r = at(at(at(j, "rouge"), "stem"), "rouge1")->child; r; r = r->next)
        best = fmax(best, r->child->next->next->valuedouble);
    return best;
}

static void means_have_the_closed_form(void **state)
{
    /* The row that has the closed form, and its scale. */
    static const struct {
        const char *name, *file, *metric;
        double (*value)(const json *);
    } cases[] = {
        { "hellaswag_0shot acc", HELLASWAG, "acc", accuracy_of },
        { "hellaswag_0shot acc_norm", HELLASWAG, "acc_norm", norm_accuracy_of },
        { "squad v1.1 f1", SQUAD, "f1", squad_f1_of },
        { "squad v1.1 exact_match", SQUAD, "em", em_of },
        { "dialogsum rouge1 max stem", DIALOGSUM, "rouge1", rouge_1_max_of },
    };
    enum { CASES = sizeof cases / sizeof *cases };
    (void)state;
    need_data(path, "lm-eval-reference/results.json");
    json *want = read_json(path);
    for (int i = 0; i < CASES; i++) {
        const json   *w = at(at(want, "analytic"), cases[i].name);
        const metric *m = metric_find(cases[i].metric);
        column        c = read_column(test_data(cases[i].file), cases[i].value);
        assert_int_equal(c.n, (int64_t)number_at(w, "n"));
        assert_within(fabs(metric_value(m, c.x, c.n) / m->scale - number_at(w, "mean")), 1e-12 * number_at(w, "mean"));
        assert_within(fabs(metric_stderr(m, c.x, c.n) / m->scale - number_at(w, "stderr")),
                      1e-12 * number_at(w, "stderr"));
        assert_true(isnan(metric_stderr(m, c.x, 1)));
        free(c.x);
    }
    /* The file's pooled error of two tasks' groups is nothing that this program computes. */
    assert_int_equal(json_size(at(want, "analytic")), CASES + 1);
    /* Every bootstrap of the file has its test here, except that of TER, which is none of our
     * metrics. */
    assert_int_equal(json_size(at(want, "bootstrap")), BOOTSTRAPS + 4);
    assert_true(json_has(at(want, "bootstrap"), "ter"));
    json_free(want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_jackknife_of_a_mean_is_its_standard_error),
        cmocka_unit_test(the_jackknife_of_a_ratio_is_near_the_delta_method),
        reference_test(bootstraps_draw_for_draw_like_the_harness),
        reference_test(corpus_metrics_have_the_harness_error),
        reference_test(means_have_the_closed_form),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
