#include "metrics/choice.h"

#include "core/memory.h"
#include "metrics/test_lines.h"

static void the_first_maximum_wins_and_nothing_divides_by_zero(void **state)
{
    const double  ll[]    = { -4, -2, -2, -9 };
    const int64_t chars[] = { 4, 1, 2, 0 };
    (void)state;
    assert_int_equal(choice_argmax(ll, NULL, 4), 1);
    assert_int_equal(choice_argmax(ll, chars, 4), 0);
    assert_int_equal(choice_argmax((const double[]) { 0, -1 }, (const int64_t[]) { 0, 1 }, 2), 1);
    assert_int_equal(choice_argmax((const double[]) { -INFINITY, -INFINITY }, NULL, 2), 0);
}

/* The labels of the text form: each task has 6 lines, and the second is the label's digit. */
static int64_t *read_labels(const char *path, int64_t *n)
{
    str         text = { 0 };
    size_t      pos = 0, len, cap = 0;
    const char *line;
    int64_t    *labels = NULL;
    assert_ok(file_read(path, 16 << 20, &text));
    *n = 0;
    for (int64_t i = 0; next_line(str_c(&text), text.n, &pos, &line, &len); i++) {
        if (i % 6 != 1) continue;
        if ((size_t)*n == cap) labels = mem_grow(labels, &cap, sizeof *labels);
        labels[(*n)++] = line[0] - '0';
    }
    str_free(&text);
    return labels;
}

static void agrees_on_stored_log_likelihoods(void **state)
{
    (void)state;
    need_data(path, "hellaswag/hellaswag_val.part.txt");
    json   *want = read_json(test_data("hellaswag/expected_accuracy.json"));
    int64_t n, *labels = read_labels(path, &n);
    double *stats = mem_alloc((size_t)n, sizeof *stats);
    for (const json *system = want->child; system; system = system->next) {
        char        name[128];
        str         text = { 0 };
        size_t      pos  = 0, len;
        const char *line;
        snprintf(name, sizeof name, "hellaswag/loglikelihood/%s", system->string);
        assert_ok(file_read(test_data(name), 4 << 20, &text));
        assert_true(next_line(str_c(&text), text.n, &pos, &line, &len));
        for (int64_t i = 0; i < n; i++) {
            double ll[4];
            assert_true(next_line(str_c(&text), text.n, &pos, &line, &len));
            assert_int_equal(sscanf(line, "%lf,%lf,%lf,%lf", &ll[0], &ll[1], &ll[2], &ll[3]), 4);
            metric_item(metric_find("acc"), &(metric_input) { .choice_ll = ll, .n_choices = 4, .gold = labels[i] },
                        &stats[i]);
        }
        const json *part = at(system, "part");
        assert_int_equal(n, (int64_t)number_at(part, "n"));
        assert_within(fabs(metric_value(metric_find("acc"), stats, n) - number_at(part, "acc")), 1e-12);
        str_free(&text);
    }
    free(labels);
    free(stats);
    json_free(want);
}

static void agrees_with_the_harness(const char *path, const json *want)
{
    static const char *const names[] = { "acc", "acc_norm" };
    json                    *lines   = read_lines(path);
    int64_t                  n       = json_size(lines);
    for (int k = 0; k < 2; k++) {
        const metric *m     = metric_find(names[k]);
        double       *stats = mem_alloc((size_t)n, sizeof *stats);
        char          error[64];
        int64_t       i = 0;
        for (const json *j = lines->child; j; j = j->next, i++) {
            double  ll[4];
            int64_t chars[4];
            for (int c = 0; c < 4; c++) {
                ll[c]    = number_at(json_at(at(j, "choices"), c), "ll");
                chars[c] = (int64_t)json_at(at(j, "chars"), c)->valuedouble;
            }
            metric_item(
                m,
                &(metric_input) {
                    .choice_ll = ll, .choice_chars = chars, .n_choices = 4, .gold = (int64_t)number_at(j, "gold") },
                &stats[i]);
            assert_true(stats[i] == number_at(j, names[k]));
        }
        snprintf(error, sizeof error, "%s,none", names[k]);
        assert_within(fabs(metric_value(m, stats, n) - number_at(want, error)), 1e-12);
        snprintf(error, sizeof error, "%s_stderr,none", names[k]);
        assert_within(fabs(metric_stderr(m, stats, n) - number_at(want, error)), 1e-12);
        free(stats);
    }
    json_free(lines);
}

static void agrees_with_the_harness_on_every_hellaswag_file(void **state)
{
    (void)state;
    need_data(results, "lm-eval-reference/results.json");
    static const char *const files[] = { "hellaswag_0shot", "hellaswag_3shot", "hellaswag_maxlen192",
                                         "hellaswag_edge" };
    json                    *want    = read_json(results);
    for (int f = 0; f < 4; f++) {
        char name[128];
        snprintf(name, sizeof name, "lm-eval-reference/%s.jsonl", files[f]);
        agrees_with_the_harness(test_data(name), at(at(want, "tasks"), files[f]));
    }
    json_free(want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_maximum_wins_and_nothing_divides_by_zero),
        reference_test(agrees_on_stored_log_likelihoods),
        reference_test(agrees_with_the_harness_on_every_hellaswag_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
