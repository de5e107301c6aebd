#include "metrics/rouge.h"

#include "metrics/test_lines.h"

typedef struct {
    const char *why, *reference, *prediction;
    int         order;
    bool        stem;
    double      precision, recall;
} rouge_case;

static rouge_score rouge_one(slice reference, slice prediction, int order, bool stem)
{
    return rouge(&reference, 1, prediction, order, stem);
}

static void scores_by_hand(void **state)
{
    /* Worked out by hand from the definitions; rouge_score 0.1.2 gives the same. */
    static const rouge_case cases[] = {
        { "half of it", "the cat sat", "the cat ran away", 1, false, 2. / 4, 2. / 3 },
        { "counts are clipped", "the cat", "the the the", 1, false, 1. / 3, 1. / 2 },
        { "bigrams", "the cat sat down", "a cat sat down", 2, false, 2. / 3, 2. / 3 },
        { "too short for a bigram", "cat", "cat", 2, false, 0, 0 },
        { "only [a-z0-9] are tokens", "#Person1#: naïve!", "person1 na ve", 1, false, 1, 1 },
        { "a Kelvin sign lowers to k", "\xE2\x84\xAA 5", "k 5", 1, false, 1, 1 },
        { "no Latin letters, no score", "这是摘要", "这是摘要", 1, false, 0, 0 },
        { "an empty prediction", "cat", "", 1, false, 0, 0 },
        { "stemming joins forms", "running quickly", "run quick", 1, true, 1. / 2, 1. / 2 },
        { "three letters are not stemmed", "was", "wa", 1, true, 0, 0 },
        { "a subsequence skips", "a b c d", "a x c d", ROUGE_L, false, 3. / 4, 3. / 4 },
        { "newlines do not matter to L", "a b\nc d", "c d\na b", ROUGE_L, false, 2. / 4, 2. / 4 },
        { "Lsum unites over lines", "a b\nc d", "c d\na b", ROUGE_LSUM, false, 1, 1 },
        { "Lsum counts a token once", "a a", "a\na\na", ROUGE_LSUM, false, 1. / 3, 1. / 2 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const rouge_case *c = &cases[i];
        rouge_score       s = rouge_one(slice_of(c->reference), slice_of(c->prediction), c->order, c->stem);
        if (!(fabs(s.precision - c->precision) <= 1e-15 && fabs(s.recall - c->recall) <= 1e-15))
            fail_msg("%s: P %.17g R %.17g", c->why, s.precision, s.recall);
    }
}

static void the_best_reference_counts_the_first_on_ties(void **state)
{
    const slice refs[] = { slice_of("x y"), slice_of("cat"), slice_of("cat sat") };
    (void)state;
    rouge_score s = rouge(refs, 3, slice_of("cat"), 1, false);
    assert_true(s.precision == 1 && s.recall == 1);
    /* F is 2/3 against both references: precision 1 and recall 1/2, then the reverse. */
    const slice tied[] = { slice_of("a b"), slice_of("a") };
    s                  = rouge(tied, 2, slice_of("a"), 1, false);
    assert_true(s.f == 1);
}

/* Ten words against the same words moved by one: 10 - n of the 11 - n n-grams are shared. */
static void counts_up_to_9_grams(void **state)
{
    const slice reference = slice_of("one two three four five six seven eight nine ten");
    char        name[8]   = "rouge1";
    (void)state;
    for (int n = 1; n <= ROUGE_ORDER_MAX; n++) {
        double x;
        name[5] = (char)('0' + n);
        metric_item(metric_find(name),
                    &(metric_input) { .prediction   = slice_of("zero one two three four five six seven eight nine"),
                                      .references   = &reference,
                                      .n_references = 1 },
                    &x);
        assert_within(fabs(x - (10. - n) / (11. - n)), 1e-15);
    }
    assert_null(metric_find("rouge10"));
}

static void several_references_by_name(void **state)
{
    static const struct {
        metric_multi multi;
        double       f;
        const char  *sign;
    } cases[]          = { { REFERENCES_MAX, 1, "max" },
                           { REFERENCES_FIRST, 0, "first" },
                           { REFERENCES_MEAN, (0 + 1 + 2. / 3) / 3, "mean" } };
    const slice refs[] = { slice_of("x y"), slice_of("cat"), slice_of("cat sat") };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        metric_list list = { 0 };
        double      x;
        str         sign = { 0 }, want = { 0 };
        assert_ok(
            metric_list_add(&list, "rouge1", &(metric_options) { .multi = cases[i].multi, .stemmer = i == 0 }, "test"));
        metric_item(&list.rows[0],
                    &(metric_input) { .prediction = slice_of("cat"), .references = refs, .n_references = 3 }, &x);
        assert_within(fabs(x - cases[i].f), 1e-15);
        metric_signature(&list.rows[0], 3, &sign);
        str_printf(&want, "rouge1|case:lower|version:rouge_score-0.1.2|refs:%s|stem:%s", cases[i].sign,
                   i == 0 ? "porter-nltk" : "no");
        assert_string_equal(str_c(&sign), str_c(&want));
        str_free(&sign);
        str_free(&want);
    }
}

static const struct {
    const char *name;
    int         order;
} types[] = { { "rouge1", 1 }, { "rouge2", 2 }, { "rougeL", ROUGE_L }, { "rougeLsum", ROUGE_LSUM } };

static void agrees_with_rouge_score_on_dialogsum(void **state)
{
    (void)state;
    need_data(path, "lm-eval-reference/dialogsum.jsonl");
    json *lines = read_lines(path);
    for (const json *j = lines->child; j; j = j->next)
        for (int stem = 0; stem < 2; stem++)
            for (int t = 0; t < 4; t++) {
                const json *want = at(at(at(j, "rouge"), stem ? "stem" : "nostem"), types[t].name)->child;
                for (const json *r = at(j, "references")->child; r; r = r->next, want = want->next) {
                    rouge_score s = rouge_one(slice_of(r->valuestring), text_at(j, "text"), types[t].order, stem);
                    assert_within(fabs(s.precision - want->child->valuedouble), 1e-12);
                    assert_within(fabs(s.recall - want->child->next->valuedouble), 1e-12);
                    assert_within(fabs(s.f - want->child->next->next->valuedouble), 1e-12);
                }
            }
    json_free(lines);
}

static void agrees_on_stored_summaries(void **state)
{
    (void)state;
    need_data(path, "dialogsum/dialogsum.test.part.jsonl");
    static const char *const keys[] = { "summary1", "summary2", "summary3" };
    json                    *docs = read_lines(path), *want = read_json(test_data("dialogsum/expected_rouge.json"));
    str                      text = { 0 };
    size_t                   pos  = 0, n;
    const char              *line;
    double                   best[3] = { 0 }, mean[3] = { 0 };
    int64_t                  count = 0;
    assert_ok(file_read(test_data("dialogsum/bart_large_output.test.part.txt"), 1 << 20, &text));
    for (const json *d = docs->child; d && next_line(str_c(&text), text.n, &pos, &line, &n); d = d->next, count++) {
        slice refs[3];
        for (int k = 0; k < 3; k++) refs[k] = text_at(d, keys[k]);
        for (int t = 0; t < 3; t++) {
            best[t] += rouge(refs, 3, (slice) { line, n }, types[t].order, false).f;
            for (int k = 0; k < 3; k++) mean[t] += rouge_one(refs[k], (slice) { line, n }, types[t].order, false).f / 3;
        }
    }
    const json *part = want->child;
    while (!json_find(part, "n")) part = part->next;
    assert_int_equal(count, (int64_t)number_at(part, "n"));
    for (int t = 0; t < 3; t++) {
        assert_within(fabs(best[t] / (double)count - at(at(part, "max_over_refs"), types[t].name)->valuedouble), 1e-9);
        assert_within(fabs(mean[t] / (double)count - at(at(part, "mean_over_refs"), types[t].name)->valuedouble), 1e-9);
    }
    str_free(&text);
    json_free(docs);
    json_free(want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scores_by_hand),
        cmocka_unit_test(the_best_reference_counts_the_first_on_ties),
        cmocka_unit_test(counts_up_to_9_grams),
        cmocka_unit_test(several_references_by_name),
        reference_test(agrees_with_rouge_score_on_dialogsum),
        reference_test(agrees_on_stored_summaries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
