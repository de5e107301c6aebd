/* Predictions of real systems give their published or stored scores, and every kind of wrong file
 * is refused with the reason. */
#include "score/offline.h"
#include "score/test_files.h"

static squad_report by_task(offline_request q, scored *out)
{
    squad_report report;
    assert_ok(score_by_task(&q, out, &report, NULL));
    return report;
}

/* --- reference data */

static void squad_systems_have_their_official_scores(void **state)
{
    (void)state;
    need_data(expected, "squad/expected_scores.json");
    json *all = read_json(expected);
    for (const json *system = all->child; system; system = system->next) {
        const bool v2 = !strncmp(system->string, "v2.0.", 5);
        char       name[256];
        snprintf(name, sizeof name, "squad/predictions/%s.json", system->string);
        const char *data  = test_data(v2 ? "squad/dev-v2.0.part.json" : "squad/dev-v1.1.part.json"),
                   *file  = test_data(name);
        const json  *want = at(system, "this_part");
        scored       s;
        squad_report r = by_task(
            (offline_request) { .task = "squad", .data = data, .predictions = file, .na_threshold = 1 }, &s);
        assert_int_equal(s.n, (int64_t)number_at(want, "total"));
        assert_within(fabs(value(&s, "em") - number_at(want, v2 ? "exact" : "exact_match")), 1e-9);
        assert_within(fabs(value(&s, "f1") - number_at(want, "f1")), 1e-9);
        assert_int_equal(r.all.total, v2 ? s.n : 0);
        if (v2) {
            json *got = squad_report_json(&r);
            for (const json *m = got->child; m; m = m->next)
                assert_within(fabs(m->valuedouble - number_at(want, m->string)), 1e-9);
            assert_int_equal(json_size(got), 9);
            json_free(got);
        }
        scored_free(&s);
    }
    json_free(all);
}

static void dialogsum_output_has_its_rouge(void **state)
{
    (void)state;
    need_data(expected, "dialogsum/expected_rouge.json");
    need_data(data, "dialogsum/dialogsum.test.part.jsonl");
    need_data(output, "dialogsum/bart_large_output.test.part.txt");
    static const struct {
        const char  *name;
        metric_multi multi;
    } ways[]         = { { "mean_over_refs", REFERENCES_MEAN }, { "max_over_refs", REFERENCES_MAX } };
    json       *all  = read_json(expected);
    const json *part = all->child;
    while (!json_find(part, "n")) part = part->next;
    for (size_t i = 0; i < 2; i++) {
        scored      s;
        const json *want = at(part, ways[i].name);
        by_task((offline_request) { .task        = "dialogsum",
                                    .data        = data,
                                    .predictions = output,
                                    .metrics     = "rouge1,rouge2,rougeL",
                                    .options     = { .multi = ways[i].multi } },
                &s);
        assert_int_equal(s.n, (int64_t)number_at(part, "n"));
        assert_int_equal(s.n_refs, 3);
        for (const json *m = want->child; m; m = m->next)
            assert_within(fabs(value(&s, m->string) - m->valuedouble), 1e-12);
        scored_free(&s);
    }
    json_free(all);
}

static void hellaswag_log_likelihoods_choose_as_expected(void **state)
{
    (void)state;
    need_data(expected, "hellaswag/expected_accuracy.json");
    json *all = read_json(expected);
    for (const json *file = all->child; file; file = file->next) {
        char name[256];
        snprintf(name, sizeof name, "hellaswag/loglikelihood/%s", file->string);
        const char *data = test_data("hellaswag/hellaswag_val.part.txt"), *csv = test_data(name);
        scored      s;
        by_task((offline_request) { .task = "hellaswag", .data = data, .predictions = csv }, &s);
        assert_int_equal(s.n, (int64_t)number_at(file, "part/n"));
        assert_within(fabs(value(&s, "acc") - number_at(file, "part/acc")), 1e-15);
        assert_within(fabs(value(&s, "acc") * (double)s.n - number_at(file, "part/correct")), 1e-9);
        scored_free(&s);
    }
    json_free(all);
}

/* The solutions end in "A: 18", and OpenAI's verdicts are about that number. So with "#### 18" both
 * filters must agree with them. */
static void gsm8k_solutions_get_their_verdicts(void **state)
{
    (void)state;
    need_data(solutions, "gsm8k/example_model_solutions.part.jsonl");
    need_data(data, "gsm8k/test.jsonl");
    json         *all = read_lines(solutions);
    const int64_t n   = json_size(all);
    for (const json *system = all->child->child; system; system = system->next) {
        if (!json_find(system, "solution")) continue;
        str    lines = { 0 };
        scored s;
        for (const json *one = all->child; one; one = one->next) {
            const char *text = at(at(one, system->string), "solution")->valuestring, *mark = NULL;
            for (const char *c = text; (c = strstr(c, "A: ")); c++) mark = c;
            str   changed = { 0 };
            json *line    = json_object();
            str_add(&changed, text, mark ? (size_t)(mark - text) : strlen(text));
            if (mark) str_printf(&changed, "#### %s", mark + 3);
            json_set_str(line, "prediction", str_c(&changed));
            json_print(line, &lines, false);
            str_putc(&lines, '\n');
            json_free(line);
            str_free(&changed);
        }
        const char *file = file_of("solutions.jsonl", lines.s, lines.n);
        by_task((offline_request) { .task = "gsm8k", .data = data, .predictions = file, .limit = n }, &s);
        assert_int_equal(s.n, n);
        assert_int_equal(s.metrics.n, 4); /* the shares of [invalid] are among them */
        int64_t i = 0;
        for (const json *one = all->child; one; one = one->next, i++) {
            bool right = json_is_true(at(at(one, system->string), "is_correct"));
            assert_int_equal(item_value(&s, "exact_match", i) > 0, right);
            assert_int_equal(item_value(&s, "exact_match_flexible", i) > 0, right);
        }
        scored_free(&s);
        str_free(&lines);
    }
    json_free(all);
}

static void logs_of_the_harness_are_scored_as_it_did(void **state)
{
    (void)state;
    need_data(hellaswag, "lm-eval-reference/logs/samples_hellaswag_3shot_2026-11-23T19-07-21.508005.jsonl");
    need_data(docs, "lm-eval-reference/data/hellaswag_3shot.docs.jsonl");
    scored s;
    by_task((offline_request) { .task = "hellaswag", .data = docs, .predictions = hellaswag }, &s);
    json *log = read_lines(hellaswag);
    assert_int_equal(s.n, json_size(log));
    assert_true(s.numbers);
    int64_t i = 0;
    for (const json *line = log->child; line; line = line->next, i++) {
        assert_within(fabs(item_value(&s, "acc", i) - number_at(line, "acc")), 0);
        assert_within(fabs(item_value(&s, "acc_norm", i) - number_at(line, "acc_norm")), 0);
    }
    json_free(log);
    scored_free(&s);

    need_data(gsm8k, "lm-eval-reference/logs/samples_gsm8k_2026-11-23T19-07-49.959289.jsonl");
    need_data(questions, "lm-eval-reference/data/gsm8k.docs.jsonl");
    need_data(said, "lm-eval-reference/logs/results_2026-11-23T19-07-49.959289.json");
    by_task((offline_request) { .task = "gsm8k", .data = questions, .predictions = gsm8k }, &s);
    log            = read_lines(gsm8k);
    double invalid = 0; /* the share that the harness extracted */
    for (const json *line = log->child; line; line = line->next)
        invalid += !strcmp(at(line, "filter")->valuestring, "strict-match") &&
                   !strcmp(at(line, "filtered_resps")->child->valuestring, "[invalid]");
    assert_int_equal(2 * s.n, json_size(log)); /* two filters */
    json       *results = read_json(said);
    const json *scores  = at(results, "results/gsm8k");
    assert_within(fabs(value(&s, "exact_match") - number_at(scores, "exact_match,strict-match")), 1e-12);
    assert_within(fabs(value(&s, "exact_match_flexible") - number_at(scores, "exact_match,flexible-extract")), 1e-12);
    assert_within(fabs(value(&s, "invalid") * (double)s.n - invalid), 1e-12);
    json_free(results);
    json_free(log);
    scored_free(&s);
}

/* --- by hand */

static const char questions[] =
    "{\"question\":\"a\",\"answer\":\"x #### 1\"}\n{\"question\":\"b\",\"answer\":\"#### 2\"}\n"
    "{\"question\":\"c\",\"answer\":\"#### 3,000\"}\n";
static const char squad_v2[] =
    "{\"version\":\"2.0\",\"data\":[{\"title\":\"t\",\"paragraphs\":[{\"context\":\"one two three\",\"qas\":["
    "{\"id\":\"q1\",\"question\":\"?\",\"is_impossible\":false,\"answers\":[{\"text\":\"one\",\"answer_start\":0}]},"
    "{\"id\":\"q2\",\"question\":\"?\",\"is_impossible\":true,\"answers\":[]},"
    "{\"id\":\"q3\",\"question\":\"?\",\"is_impossible\":false,\"answers\":[{\"text\":\"two three\",\"answer_start\":4}]}"
    "]}]}]}";
static const char endings[] =
    "{\"ind\":1,\"activity_label\":\"A\",\"ctx_a\":\"b\",\"ctx_b\":\"\",\"ctx\":\"b\",\"label\":1,\"endings\":[\"u\",\"vvvv\",\"w\",\"x\"]}\n"
    "{\"ind\":2,\"activity_label\":\"A\",\"ctx_a\":\"b\",\"ctx_b\":\"\",\"ctx\":\"b\",\"label\":0,\"endings\":[\"u\",\"v\",\"w\",\"x\"]}\n";

static void every_form_of_predictions_gives_the_same(void **state)
{
    (void)state;
    static const char *const forms[] = {
        "#### 1\nno number\n#### 3000\n",
        "#### 1\r\nno number\r\n#### 3000",
        "\"#### 1\"\n\"no number\"\n\"#### 3000\"\n",
        "{\"prediction\":\"#### 1\"}\n\n{\"prediction\":\"no number\"}\n{\"prediction\":\"#### 3000\"}\n",
        "{\"id\":2,\"prediction\":\"#### 3000\"}\n{\"id\":\"0\",\"prediction\":\"#### 1\",\"scores\":{}}\n{\"id\":1,\"prediction\":\"no number\"}\n",
        "{\"2\":\"#### 3000\",\"1\":\"no number\",\n\"0\":\"#### 1\"}",
        "{\"doc_id\":1,\"resps\":[[\"no number\"]],\"filter\":\"a\"}\n{\"doc_id\":0,\"resps\":[[\"#### 1\"]],\"filter\":\"a\"}\n"
        "{\"doc_id\":2,\"resps\":[[\"#### 3000\"]],\"filter\":\"a\"}\n{\"doc_id\":0,\"resps\":[[\"#### 1\"]],\"filter\":\"b\"}\n",
        "{\"doc_id\":1,\"filtered_resps\":[\"no number\"]}\n{\"doc_id\":0,\"filtered_resps\":[\"#### 1\"]}\n{\"doc_id\":2,\"filtered_resps\":[\"#### "
        "3000\"]}\n",
    };
    const char *data = text_file("data.jsonl", questions);
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        scored s;
        by_task((offline_request) { .task = "gsm8k", .data = data, .predictions = text_file("p", forms[i]) }, &s);
        assert_int_equal(s.n, 3);
        assert_within(fabs(item_value(&s, "exact_match", 0) - 1), 0);
        assert_within(fabs(item_value(&s, "exact_match", 1) - 0), 0);
        assert_within(fabs(item_value(&s, "exact_match", 2) - 1), 0);
        assert_within(fabs(item_value(&s, "invalid", 1) - 1), 0);
        assert_string_equal(s.ids[2], "2");
        scored_free(&s);
    }
}

static void choices_come_as_indices_or_log_likelihoods(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool        lengths;
    } forms[] = {
        { "1\n2\n", false },
        { "{\"prediction\":1}\n{\"prediction\":2}\n", false },
        { "-3,-2,-9,-9\n-5,-6,-2,-8\n", true },
        { "a,b,c,d\n-3\t-2  -9,-9\n -5, -6, -2, -8\n", true },
        { "[-3,-2,-9,-9]\n[-5,-6,-2,-8]\n", true },
        { "{\"id\":1,\"loglikelihoods\":[-5,-6,-2,-8],\"gold\":0}\n{\"id\":0,\"loglikelihoods\":[-3,-2,-9,-9]}\n",
          true },
        { "{\"doc_id\":0,\"target\":\"1\",\"resps\":[[[\"-3\",\"False\"]],[[\"-2\",\"True\"]],[[-9,false]],[[-9,false]]]}\n"
          "{\"doc_id\":1,\"target\":0,\"resps\":[[[-5,\"False\"]],[[-6,\"True\"]],[[-2,false]],[[-8,false]]]}\n",
          true },
    };
    const char *data = text_file("data.jsonl", endings);
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        scored s;
        by_task((offline_request) { .task = "hellaswag", .data = data, .predictions = text_file("p", forms[i].text) },
                &s);
        assert_int_equal(s.metrics.n, forms[i].lengths ? 2 : 1);
        assert_within(fabs(item_value(&s, "acc", 0) - 1), 0);
        assert_within(fabs(item_value(&s, "acc", 1) - 0), 0);
        /* -3/1 < -2/4 */
        if (forms[i].lengths) assert_within(fabs(item_value(&s, "acc_norm", 0) - 1), 0);
        scored_free(&s);
    }
}

static void questions_without_answer_follow_the_second_rules(void **state)
{
    (void)state;
    scored      s;
    const char *data    = text_file("dev.json", squad_v2),
               *answers = text_file("p.json", "{\"q1\":\"one\",\"q2\":\"one\",\"q3\":\"three\"}");
    const char *missing = text_file("m.json", "{\"q1\":\"one\",\"other\":\"\",\"q2\":\"\"}"),
               *na      = text_file("na.json", "{\"q1\":0.1,\"q2\":0.9,\"q3\":0.6}");
    squad_report r      = by_task(
             (offline_request) { .task = "squad", .data = data, .predictions = answers, .na_threshold = 1 }, &s);
    assert_within(fabs(value(&s, "em") - 100.0 / 3), 1e-12);
    /* "three" against "two three" has precision 1 and recall 1/2 */
    assert_within(fabs(value(&s, "f1") - 100 * (1 + 2.0 / 3) / 3), 1e-12);
    assert_int_equal(r.has_answer.total, 2);
    scored_free(&s);
    /* above 0.5 there is no answer, which is right for q2 and wrong for q3 */
    r = by_task(
        (offline_request) {
            .task = "squad", .data = data, .predictions = answers, .na_probs = na, .na_threshold = 0.5 },
        &s);
    assert_within(fabs(value(&s, "em") - 200.0 / 3), 1e-12);
    assert_within(fabs(item_value(&s, "f1", 2)), 0);
    assert_within(fabs(r.all.exact - value(&s, "em")), 1e-12);
    assert_within(fabs(r.best_f1 - 100 * (1 + 2.0 / 3 + 1) / 3), 1e-12);
    scored_free(&s);
    /* q3 is left out, and the unknown id is skipped */
    r = by_task((offline_request) { .task = "squad", .data = data, .predictions = missing, .na_threshold = 1 }, &s);
    assert_int_equal(s.n, 2);
    assert_within(fabs(value(&s, "em") - 100), 0);
    assert_int_equal(r.all.total, 2);
    scored_free(&s);
}

/* --- refusals by task */

static void wrong_predictions_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *task, *text, *message;
    } cases[] = {
        { "gsm8k", "", "holds no prediction" },
        { "gsm8k", "a\nb\n", "has 2 predictions, but there are 3 items" },
        { "gsm8k", "a\nb\nc\nd\n", "has 4 predictions, but there are 3 items" },
        { "gsm8k", "a\nb\xffz\nc\n", "line 2, byte 2: 0xFF is not valid UTF-8" },
        { "gsm8k", "{\"prediction\":\"a\"}\n{\"prediction\":\"\xc3\"}\n", "line 2, column 16: not valid UTF-8" },
        { "gsm8k", "{\"id\":0,\"prediction\":\"a\"}\n{\"id\":1,\"prediction\":\"a\"}\n", "1 of the 3 items of" },
        { "gsm8k", "{\"id\":0,\"prediction\":\"a\"}\n{\"id\":0,\"prediction\":\"b\"}\n",
          "line 2: the id \"0\" stands in line 1 too" },
        { "gsm8k",
          "{\"id\":0,\"prediction\":\"a\"}\n{\"id\":7,\"prediction\":\"b\"}\n{\"id\":8,\"prediction\":\"b\"}\n",
          "2 of 3 ids are not in" },
        { "gsm8k", "{\"id\":0,\"prediction\":\"a\"}\n{\"prediction\":\"b\"}\n", "line 2: lacks an id, unlike" },
        { "gsm8k", "{\"prediction\":\"a\"}\n{\"id\":1,\"prediction\":\"b\"}\n", "line 2: has an id, unlike" },
        { "gsm8k", "{\"id\":1,\"prediction\":\"a\",\"prediction\":\"b\"}\n",
          "line 1: \"prediction\" stands there twice" },
        { "gsm8k", "{\"id\":[1],\"prediction\":\"a\"}\n", "\"id\": [1]: must be a text or a whole number" },
        { "gsm8k", "{\"prediction\":1}\n", "line 1: \"prediction\": 1: must be a text" },
        { "gsm8k", "{\"prediction\":null}\n", "line 1: \"prediction\": null: must be a text" },
        { "gsm8k", "{\"id\":1,\"scores\":{}}\n", "line 1: \"prediction\" is missing" },
        { "gsm8k", "{\"0\":\"a\",\"0\":\"b\"}", "the id \"0\" stands there twice" },
        { "gsm8k", "{\"0\":\"a\",\"1\":2}", "\"1\": 2: must be a text" },
        { "gsm8k", "{\"0\":\"a\",\n\"1\":", "line 2, column 4: not valid JSON" },
        { "gsm8k", "{\"prediction\":\"a\"}\n{\"prediction\":\"b\"\n", "line 2, column" },
        { "gsm8k", "\"a\"\n\"b\"\n3\n", "line 3: must be a text, or an object" },
        { "gsm8k", "{\"doc_id\":0,\"resps\":[[\"a\",\"b\"]]}\n", "has 2 answers to one question" },
        { "gsm8k", "{\"doc_id\":0,\"resps\":\"a\"}\n", "\"resps\": \"a\": must be" },
        { "gsm8k", "{\"resps\":[[\"a\"]]}\n", "\"doc_id\" is missing" },
        { "gsm8k", "{\"doc_id\":0,\"resps\":[[\"a\"]]}\n{\"doc_id\":0,\"resps\":[[\"a\"]]}\n",
          "line 2: document 0 stands in line 1 too" },
        { "gsm8k",
          "{\"doc_id\":0,\"resps\":[[\"a\"]],\"filter\":\"x\"}\n{\"doc_id\":0,\"resps\":[[\"b\"]],\"filter\":\"y\"}\n",
          "line 2: document 0 has another answer than in line 1" },
        { "gsm8k", "{\"doc_id\":0,\"resps\":[[\"a\"]]}\n{\"id\":1,\"prediction\":\"a\"}\n",
          "line 2: is of another kind" },
        { "gsm8k", "{\"doc_id\":3,\"resps\":[[\"a\"]]}\n", "1 of 1 ids are not in" },
        { "hellaswag", "-1,-2,-3,-4\n", "has 1 predictions, but there are 2 items" },
        { "hellaswag", "-1,-2,-3\n-1,-2,-3,-4\n", "line 1: has 3 log-likelihoods, but the item \"0\" has 4 choices" },
        { "hellaswag", "-1,-2,-3,nan\n-1,-2,-3,-4\n", "line 1: log-likelihood 4: nan: must be finite" },
        { "hellaswag", "-1,-2,-3,-4\n-inf,-2,-3,-4\n", "line 2: log-likelihood 1: -inf: must be finite" },
        { "hellaswag", "3.5,4,5,6\n", "line 1: log-likelihood 1: 3.5: must be at most 0" },
        { "hellaswag", "-1,-2,x,-4\n", "line 1: \"x\": must be a number" },
        { "hellaswag", "-1,0x2,-3,-4\n", "\"0x2\": must be a number" },
        { "hellaswag", "4\n0\n", "line 1: chooses 4, but the item \"0\" has the choices 0..3" },
        { "hellaswag", "1.5\n0\n", "line 1: 1.5: a number alone is the index" },
        { "hellaswag", "1\n-1,-2,-3,-4\n", "line 2: has log-likelihoods, unlike" },
        { "hellaswag", "1\n\n", "line 2: is blank" },
        { "hellaswag", "[-1,-2,-3,null]\n", "must be a number (log-likelihoods must be finite)" },
        { "hellaswag", "{\"loglikelihoods\":[-1,-2,-3,NaN]}\n{\"loglikelihoods\":[-1,-2,-3,-4]}\n",
          "line 1: holds NaN" },
        { "hellaswag", "[-1,-2,-3,-4]\n[-1,-2,-3,-Infinity]\n", "line 2: holds -Infinity" },
        { "hellaswag", "{\"loglikelihoods\":[-1,-2,-3,1e999]}\n", "must be finite" },
        { "hellaswag", "{\"loglikelihoods\":[]}\n", "must be an array, a log-likelihood for each choice" },
        { "hellaswag", "{\"prediction\":\"1\"}\n", "must be the index of the chosen one" },
        { "hellaswag", "{\"doc_id\":0,\"resps\":[[[\"nan\",\"False\"]],[[-1,true]],[[-1,true]],[[-1,true]]]}\n",
          "log-likelihood 1: nan: must be finite" },
        { "hellaswag", "{\"doc_id\":0,\"resps\":[[-1],[[-1,true]]]}\n", "must be a number" },
        { "hellaswag",
          "{\"id\":0,\"loglikelihoods\":[-3,-2,-9,-9],\"gold\":2}\n{\"id\":1,\"loglikelihoods\":[-3,-2,-9,-9]}\n",
          "do the files belong together?" },
        { "squad", "{\"x\":\"a\"}", "1 of 1 ids are not in" },
        { "squad", "{\"q1\":\n NaN}", "line 2: holds NaN" },
        { "squad", "[1]", "line 1: must be a text, or an object" },
    };
    const char *gsm8k = text_file("gsm8k.jsonl", questions), *hellaswag = text_file("hellaswag.jsonl", endings),
               *squad = text_file("squad.json", squad_v2);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        scored          s;
        squad_report    r;
        const char     *task = cases[i].task;
        offline_request q    = { .task         = task,
                                 .data         = *task == 'g'   ? gsm8k
                                                 : *task == 'h' ? hellaswag
                                                                : squad,
                                 .na_threshold = 1 };
        q.predictions        = text_file("p", cases[i].text);
        assert_input_error(score_by_task(&q, &s, &r, NULL), cases[i].message);
    }
}

static void what_does_not_go_together_is_refused(void **state)
{
    (void)state;
    const char *gsm8k = text_file("gsm8k.jsonl", questions), *squad = text_file("squad.json", squad_v2),
               *hellaswag = text_file("h.jsonl", endings);
    const char *three     = text_file("three", "a\nb\nc\n"),
               *answers   = text_file("p.json", "{\"q1\":\"one\",\"q2\":\"\",\"q3\":\"\"}");
    const char *picks = text_file("picks", "0\n1\n"), *na = text_file("na.json", "{\"q1\":0.5}"),
               *bad_na = text_file("bad.json", "{\"q1\":\"0.5\"}");
    const struct {
        offline_request q;
        const char     *message;
    } cases[] = {
        { { .task = "gsm8k", .data = gsm8k, .predictions = three, .metrics = "acc" },
          "does not go with the task gsm8k" },
        { { .task = "gsm8k", .data = gsm8k, .predictions = three, .metrics = "nonsense" }, "no such metric" },
        { { .task = "gsm8k", .data = gsm8k, .predictions = three, .rules = "v1.1" }, "--rules: only SQuAD" },
        { { .task = "gsm8k", .data = gsm8k, .predictions = "/nonexistent/p" }, "not found" },
        { { .task = "gsm8k", .data = gsm8k, .predictions = dir }, "is a folder" },
        { { .task = "gsm8k", .data = "/nonexistent/d", .predictions = three }, "/nonexistent/d" },
        { { .task = "nosuch", .data = gsm8k, .predictions = three }, "nosuch" },
        { { .task = "text", .data = three, .predictions = three }, "there are no predictions to score" },
        { { .task = "hellaswag", .data = hellaswag, .predictions = picks, .metrics = "acc_norm" },
          "needs log-likelihoods" },
        { { .task = "squad", .data = squad, .predictions = answers, .rules = "v1.1" },
          "has questions without an answer" },
        { { .task = "squad", .data = squad, .predictions = answers, .rules = "v3" }, "must be v1.1 or v2.0" },
        { { .task = "squad", .data = squad, .predictions = answers, .rules = "v2.0", .metrics = "squad-v2.0" },
          "leave one out" },
        { { .task = "squad", .data = squad, .predictions = answers, .na_probs = na },
          "2 questions that have a prediction have no probability there, the first is \"q2\"" },
        { { .task = "squad", .data = squad, .predictions = answers, .na_probs = bad_na },
          "\"q1\": \"0.5\": must be a finite number" },
        { { .task = "squad", .data = squad, .predictions = answers, .na_probs = three }, "not valid JSON" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        scored       s;
        squad_report r;
        assert_input_error(score_by_task(&cases[i].q, &s, &r, NULL), cases[i].message);
    }
}

static void the_longest_line_has_a_limit(void **state)
{
    (void)state;
    scored       s;
    squad_report r;
    const char  *path = huge_file(), *gsm8k = text_file("gsm8k.jsonl", questions);
    for (int form = PREDICTIONS_ANY; form <= PREDICTIONS_JSON; form++) {
        offline_request q = { .task = "gsm8k", .data = gsm8k, .predictions = path, .form = (prediction_form)form };
        assert_input_error(score_by_task(&q, &s, &r, NULL), "line 1: is longer than 16 MiB");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        REFERENCE_IN_FOLDER(squad_systems_have_their_official_scores),
        REFERENCE_IN_FOLDER(dialogsum_output_has_its_rouge),
        REFERENCE_IN_FOLDER(hellaswag_log_likelihoods_choose_as_expected),
        REFERENCE_IN_FOLDER(gsm8k_solutions_get_their_verdicts),
        reference_test(logs_of_the_harness_are_scored_as_it_did),
        IN_FOLDER(every_form_of_predictions_gives_the_same),
        IN_FOLDER(choices_come_as_indices_or_log_likelihoods),
        IN_FOLDER(questions_without_answer_follow_the_second_rules),
        IN_FOLDER(wrong_predictions_are_refused),
        IN_FOLDER(what_does_not_go_together_is_refused),
        IN_FOLDER(the_longest_line_has_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
