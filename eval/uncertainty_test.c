#include "eval/uncertainty.h"

#include "core/memory.h"
#include "core/stats.h"
#include "eval/metric.h"
#include "eval/test_lines.h"

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

/* A ratio of sums: near the delta method's answer, which for R = sum a / sum b is sqrt(n/(n-1) sum (a - R b)^2) / sum b. */
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
    column c     = { .n = cJSON_GetArraySize(lines) };
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
    const json *gold = cJSON_GetArrayItem(at(j, "choices"), (int)number_at(j, "gold"));
    return number_at(gold, "ll") / cJSON_GetArraySize(at(gold, "ids"));
}

static void bootstraps_draw_for_draw_like_the_harness(void **state)
{
    static const struct {
        const char *name, *file;
        double (*value)(const json *);
        statistic *f;
    } cases[] = {
        { "squad f1, 1000", "lm-eval-reference/squad.jsonl", squad_f1_of, mean },
        { "squad f1, 100000", "lm-eval-reference/squad.jsonl", squad_f1_of, mean },
        { "dialogsum rougeL max stem, 1000", "lm-eval-reference/dialogsum.jsonl", rouge_l_of, mean },
        { "hellaswag acc, 1000", "lm-eval-reference/hellaswag_0shot.jsonl", accuracy_of, mean },
        { "hellaswag gold perplexity, 1000", "lm-eval-reference/hellaswag_0shot.jsonl", gold_ll_per_token, exp_of_negative_mean },
    };
    (void)state;
    need_data(path, "lm-eval-reference/results.json");
    json *want = read_json(path);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const json *w = at(at(want, "bootstrap"), cases[i].name);
        column      c = read_column(test_data(cases[i].file), cases[i].value);
        double      e = bootstrap_stderr(cases[i].f, NULL, c.x, c.n, 1, (int64_t)number_at(w, "iterations"));
        assert_within(fabs(e - number_at(w, "stderr")), 1e-9);
        free(c.x);
    }
    json_free(want);
}

static void means_have_the_closed_form(void **state)
{
    (void)state;
    need_data(path, "lm-eval-reference/results.json");
    json       *want = read_json(path);
    const json *w    = at(at(want, "analytic"), "squad v1.1 f1");
    column      c    = read_column(test_data("lm-eval-reference/squad.jsonl"), squad_f1_of);
    /* The row's scale is 100. */
    assert_within(fabs(metric_value(metric_find("f1"), c.x, c.n) / (100 * number_at(w, "mean")) - 1), 1e-12);
    assert_within(fabs(metric_stderr(metric_find("f1"), c.x, c.n) / (100 * number_at(w, "stderr")) - 1), 1e-12);
    assert_true(isnan(metric_stderr(metric_find("f1"), c.x, 1)));
    free(c.x);
    json_free(want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_jackknife_of_a_mean_is_its_standard_error),
        cmocka_unit_test(the_jackknife_of_a_ratio_is_near_the_delta_method),
        cmocka_unit_test(bootstraps_draw_for_draw_like_the_harness),
        cmocka_unit_test(means_have_the_closed_form),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
