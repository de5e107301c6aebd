#include "metrics/squad_report.h"

#include "metrics/squad.h"
#include "metrics/test_lines.h"

static bool near(double got, double want) { return fabs(got - want) <= 1e-12; }

/* Worked out by hand, for probabilities .1 .2 .2 .9 and a question without a prediction. */
static void reports_by_hand(void **state)
{
    squad_question q[] = {
        { .predicted = true, .has_answer = true, .answered = true, .em = 1, .f1 = 1, .na_prob = 0.1, .na_rank = 0 },
        { .predicted = true, .has_answer = false, .answered = true, .em = 0, .f1 = 0, .na_prob = 0.2, .na_rank = 1 },
        { .predicted = true, .has_answer = true, .answered = true, .em = 0, .f1 = 0.5, .na_prob = 0.2, .na_rank = 2 },
        { .predicted = true, .has_answer = false, .answered = false, .em = 1, .f1 = 1, .na_prob = 0.9, .na_rank = 3 },
        { .has_answer = true },
    };
    (void)state;
    squad_report r = squad_report_of(q, 5, true, 0.5);
    assert_int_equal(r.all.total, 4);
    assert_true(near(r.all.exact, 50) && near(r.all.f1, 62.5));
    assert_true(r.has_answer.total == 2 && near(r.has_answer.exact, 50) && near(r.has_answer.f1, 75));
    assert_true(r.no_answer.total == 2 && near(r.no_answer.exact, 50) && near(r.no_answer.f1, 50));
    assert_true(near(r.best_exact, 75) && r.best_exact_thresh == 0.1);
    assert_true(near(r.best_f1, 75) && r.best_f1_thresh == 0.1);
    assert_true(near(r.pr_exact_ap, 100 / 3.) && near(r.pr_f1_ap, 500 / 12.) && near(r.pr_oracle_ap, 500 / 9.));
    /* Equal probabilities are walked in their file's order: now the half-right answer comes before
     * the wrong one. */
    q[1].na_rank = 2;
    q[2].na_rank = 1;
    r            = squad_report_of(q, 5, true, 0.15);
    assert_true(near(r.best_f1, 87.5) && r.best_f1_thresh == 0.2 && near(r.pr_f1_ap, 500 / 12.));
    /* Above .15 the two unanswerable questions are right and the half-right answer is lost. */
    assert_true(near(r.all.exact, 75) && near(r.all.f1, 75));
    /* The threshold is strict. */
    r = squad_report_of(q, 5, true, 0.2);
    assert_true(near(r.all.f1, 62.5));
}

static void without_probabilities_nothing_is_withdrawn(void **state)
{
    const squad_question q[] = { { .predicted = true, .has_answer = true, .answered = true, .em = 0, .f1 = 0.25 } };
    (void)state;
    squad_report r = squad_report_of(q, 1, false, 1);
    assert_true(!r.with_na_probs && r.all.f1 == 25 && r.has_answer.exact == 0 && r.no_answer.total == 0 &&
                isnan(r.no_answer.f1));
    r = squad_report_of(q, 0, true, 1);
    assert_true(r.all.total == 0 && isnan(r.all.exact));
}

static int64_t read_questions(const json *data, const json *predictions, squad_question *q, int64_t cap)
{
    int64_t n = 0;
    for (const json *article = at(data, "data")->child; article; article = article->next)
        for (const json *p = at(article, "paragraphs")->child; p; p = p->next)
            for (const json *qa = at(p, "qas")->child; qa; qa = qa->next, n++) {
                slice       golds[64];
                int64_t     k       = 0;
                const json *written = json_find(predictions, at(qa, "id")->valuestring);
                assert_true(n < cap);
                for (const json *a = at(qa, "answers")->child; a; a = a->next) golds[k++] = text_at(a, "text");
                slice text = slice_of(written ? written->valuestring : "");
                q[n]       = (squad_question) { .predicted  = written != NULL,
                                                .has_answer = k > 0,
                                                .answered   = text.n > 0,
                                                .em         = squad_em(text, golds, k, SQUAD_V2),
                                                .f1         = squad_f1(text, golds, k, SQUAD_V2) };
            }
    return n;
}

static void agrees_with_the_official_report(void **state)
{
    (void)state;
    need_data(data_path, "squad/dev-v2.0.part.json");
    enum { CAP = 7000 };
    static squad_question q[CAP];
    json                 *data = read_json(data_path), *want = read_json(test_data("squad/expected_scores.json"));
    for (const json *system = want->child; system; system = system->next) {
        char name[128];
        if (strncmp(system->string, "v2.0.", 5)) continue;
        snprintf(name, sizeof name, "squad/predictions/%s.json", system->string);
        json        *predictions = read_json(test_data(name));
        const json  *part        = at(system, "this_part");
        squad_report r           = squad_report_of(q, read_questions(data, predictions, q, CAP), false, 1);
        const struct {
            const squad_average *a;
            const char          *exact, *f1, *total;
        } parts[] = { { &r.all, "exact", "f1", "total" },
                      { &r.has_answer, "HasAns_exact", "HasAns_f1", "HasAns_total" },
                      { &r.no_answer, "NoAns_exact", "NoAns_f1", "NoAns_total" } };
        for (int k = 0; k < 3; k++) {
            assert_within(fabs(parts[k].a->exact - number_at(part, parts[k].exact)), 1e-9);
            assert_within(fabs(parts[k].a->f1 - number_at(part, parts[k].f1)), 1e-9);
            assert_int_equal(parts[k].a->total, (int64_t)number_at(part, parts[k].total));
        }
        json_free(predictions);
    }
    json_free(data);
    json_free(want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reports_by_hand),
        cmocka_unit_test(without_probabilities_nothing_is_withdrawn),
        reference_test(agrees_with_the_official_report),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
