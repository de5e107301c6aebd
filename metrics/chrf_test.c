#include "metrics/metric.h"

#include "core/memory.h"
#include "metrics/test_lines.h"

static metric prepared(const char *name, metric_options o)
{
    metric_list list = { 0 };
    assert_ok(metric_list_add(&list, name, &o, "test"));
    return list.rows[0];
}

/* Expected: sacrebleu 2.6.0, CHRF(word_order=0, ...).sentence_score(text, [reference]).score, and
 * the same with word_order=2, which is chrF++. */
static void scores_sentences_as_sacrebleu_does(void **state)
{
    static const struct {
        const char    *text, *reference;
        metric_options o;
        double         chrf, chrfpp;
    } cases[] = {
        { "(hi) there.", "hi there", { 0 }, 48.88786247586029, 41.92967108983681 },
        { "The cat sat.", "the cat sat on the mat", { 0 }, 41.02020534508246, 37.97734308647585 },
        { "The cat sat.", "the cat sat on the mat", { .lowercase = true }, 48.799381412970725, 48.77866929772433 },
        { "abc", "abd", { .char_order = 2 }, 58.33333333333333, 38.888888888888886 },
        { "a b", "a  b", { .whitespace = true }, 50.14749262536872, 70.38626609442059 },
        { "ab", "abc", { .eps_smoothing = true }, 21.16402116402116, 15.873015873015872 },
        { "", "abc", { 0 }, 0, 0 },
        { "abc", "", { 0 }, 0, 0 },
        { "", "", { .eps_smoothing = true }, 1.0000000000000002e-14, 1.0000000000000002e-14 },
        { "x", "yyyyyyyy", { .eps_smoothing = true }, 1.6666666666666666e-15, 3.75e-15 },
        { "naïve Straße …", "naive Strasse ...", { 0 }, 32.62630612592355, 24.46972959444266 },
        { "语言 模型。", "语言模型!", { 0 }, 54.333333333333336, 38.80952380952381 },
        { "one two three", "two one three", { .beta = 1 }, 51.40873015873015, 51.056547619047606 },
        { "one two three", "two one three", { .word_order = 4 }, 45.38359788359788, 45.38359788359788 },
        { "ab", "ab", { 0 }, 100, 100 },
        { "'a' \"b\" c- -d", "a b c d", { 0 }, 19.23076923076923, 19.817073170731707 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const slice        reference = slice_of(cases[i].reference);
        const metric_input in = { .prediction = slice_of(cases[i].text), .references = &reference, .n_references = 1 };
        for (int words = 0; words < 2; words++) {
            double stats[METRIC_STATS_MAX], want = words ? cases[i].chrfpp : cases[i].chrf;
            metric m = prepared(words ? "chrf++" : "chrf", cases[i].o);
            metric_item(&m, &in, stats);
            if (!(fabs(metric_sentence(&m, stats) - want) <= 1e-12 * (want + 1e-15)))
                fail_msg("\"%s\": %.17g, wanted %.17g", cases[i].text, metric_sentence(&m, stats), want);
        }
    }
}

static void takes_the_best_reference_and_sums_over_segments(void **state)
{
    /* Expected: CHRF().corpus_score(texts, [[first references], [second ones]]).score */
    const slice        refs[3][2] = { { slice_of("the cat sat down"), slice_of("cat") },
                                      { slice_of("dog a"), slice_of("a dog") },
                                      { slice_of("") } };
    const metric_input in[3] = { { .prediction = slice_of("the cat sat"), .references = refs[0], .n_references = 2 },
                                 { .prediction = slice_of("a dog"), .references = refs[1], .n_references = 2 },
                                 { .prediction = slice_of("x"), .references = refs[2], .n_references = 1 } };
    double             stats[3 * 18];
    metric             m = prepared("chrf", (metric_options) { 0 });
    (void)state;
    assert_int_equal(m.n_stats, 18);
    for (int i = 0; i < 3; i++) metric_item(&m, &in[i], stats + i * m.n_stats);
    assert_within(fabs(metric_value(&m, stats, 3) - 69.6189127168048), 1e-12);
}

static void signs_as_sacrebleu_does(void **state)
{
    str    sign = { 0 };
    metric m    = prepared("chrf++", (metric_options) { 0 });
    (void)state;
    metric_signature(&m, 3, &sign);
    assert_string_equal(sign.s, "chrF2++|nrefs:3|case:mixed|eff:yes|nc:6|nw:2|space:no|version:2.6.0");
    str_clear(&sign);
    m = prepared("chrf", (metric_options) { .char_order    = 4,
                                            .word_order    = 1,
                                            .beta          = 3,
                                            .lowercase     = true,
                                            .whitespace    = true,
                                            .eps_smoothing = true });
    metric_signature(&m, 0, &sign);
    assert_string_equal(sign.s, "chrF3+|nrefs:var|case:lc|eff:no|nc:4|nw:1|space:yes|version:2.6.0");
    str_free(&sign);
    m = prepared("chrf", (metric_options) { .char_order = 12, .word_order = 4 });
    assert_true(m.n_stats <= METRIC_STATS_MAX);
}

static void agrees_with_sacrebleu_on_iwslt(void **state)
{
    (void)state;
    need_data(path, "lm-eval-reference/iwslt_de_en.jsonl");
    json *lines = read_lines(path), *want = read_json(test_data("lm-eval-reference/results.json"));
    for (int words = 0; words < 2; words++) {
        const char *name  = words ? "chrf++" : "chrf";
        metric      m     = prepared(name, (metric_options) { 0 });
        double     *stats = mem_alloc((size_t)json_size(lines) * (size_t)m.n_stats, sizeof *stats);
        int64_t     n     = 0;
        for (const json *j = lines->child; j; j = j->next, n++) {
            slice        reference = text_at(j, "reference");
            metric_input in        = { .prediction = text_at(j, "text"), .references = &reference, .n_references = 1 };
            metric_item(&m, &in, stats + n * m.n_stats);
            assert_within(fabs(metric_sentence(&m, stats + n * m.n_stats) - at(at(j, "sentence"), name)->valuedouble),
                          1e-12);
        }
        const json *drawn = at(at(want, "bootstrap"), name);
        assert_within(fabs(metric_value(&m, stats, n) - number_at(drawn, "value")), 1e-9);
        assert_within(fabs(metric_stderr(&m, stats, n) - number_at(drawn, "stderr")), 1e-9);
        slice line = text_at(at(at(want, "tasks/iwslt_de_en/official"), name), "line");
        str   sign = { 0 };
        metric_signature(&m, 1, &sign);
        assert_true(!strncmp(line.s, sign.s, sign.n));
        str_free(&sign);
        free(stats);
    }
    json_free(lines);
    json_free(want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scores_sentences_as_sacrebleu_does),
        cmocka_unit_test(takes_the_best_reference_and_sums_over_segments),
        cmocka_unit_test(signs_as_sacrebleu_does),
        reference_test(agrees_with_sacrebleu_on_iwslt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
