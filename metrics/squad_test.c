#include "metrics/squad.h"

#include "metrics/test_lines.h"

static void normalises_as_the_official_script_does(void **state)
{
    /* Expected: evaluate-v1.1.py's normalize_answer under Python 3.11. */
    static const struct {
        const char *why, *text, *normal;
    } cases[] = {
        { "articles, case, blanks", "  The  Cat sat on AN\ta mat ", "cat sat on mat" },
        { "punctuation leaves no blank", "U.S.A. is-not it's", "usa isnot its" },
        { "an underscore is punctuation", "a_b", "ab" },
        { "punctuation goes before articles are looked for", "a-n apple (the)", "apple" },
        { "a curly apostrophe ends a word", "l’a", "l’" },
        { "a combining mark ends a word", "a\xCC\x81", "\xCC\x81" },
        { "dashes that are not ASCII stay", "1990–1995", "1990–1995" },
        { "numerals are word characters", "a½ ²the", "a½ ²the" },
        { "blanks of all kinds", "x\xC2\xA0\xE3\x80\x80y", "x y" },
        { "nothing is left", "The ...", "" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        str got = { 0 };
        squad_normalize(slice_of(cases[i].text), &got);
        if (strcmp(str_c(&got), cases[i].normal)) fail_msg("%s: \"%s\"", cases[i].why, str_c(&got));
        str_free(&got);
    }
}

static void scores_the_edges_of_both_rules(void **state)
{
    const slice empty[] = { { "", 0 } }, dot_or_word[] = { slice_of("."), slice_of("word") },
                cat[] = { slice_of("a black cat") };
    (void)state;
    /* For two empty answers v1.1 gives EM 1 and F1 0; v2.0 gives 1 for both. */
    assert_true(squad_em(slice_of("the"), empty, 1, SQUAD_V1) == 1 &&
                squad_f1(slice_of("the"), empty, 1, SQUAD_V1) == 0);
    assert_true(squad_em(slice_of("the"), empty, 1, SQUAD_V2) == 1 &&
                squad_f1(slice_of("the"), empty, 1, SQUAD_V2) == 1);
    /* A reference that normalises to nothing counts in v1.1 and is dropped in v2.0. */
    assert_true(squad_em(slice_of("!"), dot_or_word, 2, SQUAD_V1) == 1);
    assert_true(squad_em(slice_of("!"), dot_or_word, 2, SQUAD_V2) == 0);
    /* There is no answer at all. */
    assert_true(squad_f1(slice_of(""), NULL, 0, SQUAD_V1) == 1 && squad_f1(slice_of("x"), NULL, 0, SQUAD_V2) == 0);
    /* The overlap is of multisets: prediction "cat cat" has precision 1/2 and recall 1/2. */
    assert_within(fabs(squad_f1(slice_of("cat cat"), cat, 1, SQUAD_V1) - 0.5), 1e-15);
}

static const json *prediction_of(const json *predictions, const char *id) { return json_find(predictions, id); }

typedef struct {
    double  em, f1;
    int64_t n;
} totals;

static void score_question(const json *qa, const json *predictions, squad_rules rules, totals *t)
{
    slice       answers[64];
    int64_t     n       = 0;
    const json *written = prediction_of(predictions, at(qa, "id")->valuestring);
    for (const json *a = at(qa, "answers")->child; a; a = a->next) answers[n++] = text_at(a, "text");
    t->n++;
    if (!written) return; /* in v1.1 a missing prediction scores 0 */
    t->em += squad_em(slice_of(written->valuestring), answers, n, rules);
    t->f1 += squad_f1(slice_of(written->valuestring), answers, n, rules);
}

/* answered: only questions with answers (+1), only those without (-1), or all (0). */
static totals score_file(const json *data, const json *predictions, squad_rules rules, int answered)
{
    totals t = { 0 };
    for (const json *article = at(data, "data")->child; article; article = article->next)
        for (const json *p = at(article, "paragraphs")->child; p; p = p->next)
            for (const json *qa = at(p, "qas")->child; qa; qa = qa->next)
                if (!answered || (answered > 0) == (at(qa, "answers")->child != NULL))
                    score_question(qa, predictions, rules, &t);
    return t;
}

static void compare(totals t, const json *want, const char *em, const char *f1, const char *total)
{
    assert_int_equal(t.n, (int64_t)number_at(want, total));
    assert_within(fabs(100 * t.em / (double)t.n - number_at(want, em)), 1e-9);
    assert_within(fabs(100 * t.f1 / (double)t.n - number_at(want, f1)), 1e-9);
}

static void agrees_with_the_official_v1_scores(void **state)
{
    (void)state;
    need_data(data_path, "squad/dev-v1.1.part.json");
    json *data = read_json(data_path), *want = read_json(test_data("squad/expected_scores.json"));
    for (const json *system = want->child; system; system = system->next) {
        char name[128];
        if (strncmp(system->string, "1.1.", 4)) continue;
        snprintf(name, sizeof name, "squad/predictions/%s.json", system->string);
        json *predictions = read_json(test_data(name));
        compare(score_file(data, predictions, SQUAD_V1, 0), at(system, "this_part"), "exact_match", "f1", "total");
        json_free(predictions);
    }
    json_free(data);
    json_free(want);
}

static void agrees_with_the_official_v2_scores(void **state)
{
    (void)state;
    need_data(data_path, "squad/dev-v2.0.part.json");
    json *data = read_json(data_path), *want = read_json(test_data("squad/expected_scores.json"));
    for (const json *system = want->child; system; system = system->next) {
        char name[128];
        if (strncmp(system->string, "v2.0.", 5)) continue;
        snprintf(name, sizeof name, "squad/predictions/%s.json", system->string);
        json       *predictions = read_json(test_data(name));
        const json *part        = at(system, "this_part");
        compare(score_file(data, predictions, SQUAD_V2, 0), part, "exact", "f1", "total");
        compare(score_file(data, predictions, SQUAD_V2, 1), part, "HasAns_exact", "HasAns_f1", "HasAns_total");
        compare(score_file(data, predictions, SQUAD_V2, -1), part, "NoAns_exact", "NoAns_f1", "NoAns_total");
        json_free(predictions);
    }
    json_free(data);
    json_free(want);
}

static void agrees_with_the_harness_item_by_item(void **state)
{
    (void)state;
    need_data(path, "lm-eval-reference/squad.jsonl");
    json *lines = read_lines(path);
    for (const json *j = lines->child; j; j = j->next) {
        slice   golds[16];
        int64_t n = 0;
        for (const json *g = at(j, "golds")->child; g; g = g->next) golds[n++] = slice_of(g->valuestring);
        slice text = text_at(j, "text");
        assert_within(
            fabs(squad_em(text, golds, n, SQUAD_V1) - at(at(at(j, "scores"), "v1.1"), "exact_match")->valuedouble),
            1e-12);
        assert_within(fabs(squad_f1(text, golds, n, SQUAD_V1) - at(at(at(j, "scores"), "v1.1"), "f1")->valuedouble),
                      1e-12);
        assert_within(fabs(squad_em(text, golds, n, SQUAD_V2) - at(at(at(j, "scores"), "v2.0"), "exact")->valuedouble),
                      1e-12);
        assert_within(fabs(squad_f1(text, golds, n, SQUAD_V2) - at(at(at(j, "scores"), "v2.0"), "f1")->valuedouble),
                      1e-12);
    }
    json_free(lines);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(normalises_as_the_official_script_does), cmocka_unit_test(scores_the_edges_of_both_rules),
        reference_test(agrees_with_the_official_v1_scores),       reference_test(agrees_with_the_official_v2_scores),
        reference_test(agrees_with_the_harness_item_by_item),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
