#include "eval/harness.h"

#include "tasks/encode.h"
#include "eval/test_model.h"
#include "core/rng.h"
#include "adapters/adapter.h"
#include "model/score.h"

/* A run of the harness over a reference's data file, and the samples it made, as JSON. */
typedef struct {
    test_model     model;
    task          *task;
    dataset       *data;
    harness_plan   plan;
    harness_result result;
    json          *samples;
} reference_run;

typedef struct {
    const char *task, *prompt, *data, *metrics;
    int64_t     limit, max_new, max_length;
    int64_t     fewshot;
    const char *pool;
    int64_t     batch;
    int         threads; /* 0: one */
    bool        adapted; /* with made-up weights in a rank-8 LoRA on every site */
} reference_case;

static adapter *random_adapter(const test_model *t)
{
    adapter_spec spec = { .rank = 8, .alpha = 8, .seed = 1 };
    rng          r    = rng_seed(11);
    adapter     *a;
    assert_ok(method_find(&spec.method, "lora"));
    assert_ok(site_set_parse(&spec.sites, "all"));
    assert_ok(adapter_new(&a, t->model->be, &t->model->cfg, spec));
    double *theta = mem_alloc((size_t)a->theta_count, sizeof *theta);
    for (int64_t i = 0; i < a->theta_count; i++) theta[i] = 0.05 * rng_normal(&r);
    a->be->upload(a->be, a->theta, theta, a->theta_count);
    adapter_expand(a);
    free(theta);
    return a;
}

static reference_run run_reference(const char *dir, reference_case c)
{
    char          pool[1024] = "", data[1024];
    reference_run r          = { .model = open_test_model(dir) };
    if (c.pool) snprintf(pool, sizeof pool, "%s", test_data(c.pool));
    snprintf(data, sizeof data, "%s", test_data(c.data));
    if (c.threads) r.model.model->be->set_threads(r.model.model->be, c.threads);
    assert_ok(task_open(&r.task, c.task, c.prompt));
    assert_ok(task_read(r.task, data, &r.data));
    adapter *a = c.adapted ? random_adapter(&r.model) : NULL;
    local_lm m = local_over(r.model.dec, a ? adapter_pairs(a) : NULL, r.model.tok, c.max_length);
    assert_ok(plan_and_run(&(harness) { .lm             = &m.lm,
                                        .task           = r.task,
                                        .data           = r.data,
                                        .where          = data,
                                        .limit          = c.limit,
                                        .shots          = { .k = c.fewshot, .data = pool, .seed = 1234 },
                                        .batch          = c.batch,
                                        .max_new_tokens = c.max_new,
                                        .metrics        = c.metrics,
                                        .quiet          = true },
                           &r.plan, &r.result));
    adapter_free(a);
    r.samples = json_array();
    for (int64_t i = 0; i < r.result.n; i++) {
        json *one;
        assert_ok(json_parse(&one, r.result.items.items[i].sample, strlen(r.result.items.items[i].sample), "sample"));
        json_push(r.samples, one);
    }
    return r;
}

static void end_reference(reference_run *r)
{
    json_free(r->samples);
    harness_result_free(&r->result);
    harness_plan_free(&r->plan);
    dataset_free(r->data);
    task_close(r->task);
    close_test_model(&r->model);
}

static int metric_index(const reference_run *r, const char *name)
{
    for (int i = 0; i < r->plan.metrics.n; i++)
        if (!strcmp(r->plan.metrics.rows[i].name, name)) return i;
    fail_msg("the task has no metric %s", name);
    return 0;
}

/* --- multiple choice */

static void check_metric(const reference_run *r, const char *name, double value, double error)
{
    int i = metric_index(r, name);
    assert_within(fabs(r->result.value[i] - value), 1e-9);
    if (!isnan(error)) assert_within(fabs(r->result.error[i] - error), 1e-9);
}

static int64_t check_choices(const json *got, const json *want)
{
    int64_t k = 0, cut = 0;
    for (const json *c = at(want, "choices")->child; c; c = c->next, k++) {
        double ll = cJSON_GetArrayItem(at(got, "loglikelihoods"), (int)k)->valuedouble;
        assert_text(slice_of(cJSON_GetArrayItem(at(got, "choices"), (int)k)->valuestring), text_at(c, "continuation"));
        assert_int_equal((int)cJSON_GetArrayItem(at(got, "tokens"), (int)k)->valuedouble,
                         cJSON_GetArraySize(at(c, "ids")));
        assert_within(fabs(ll - number_at(c, "ll_f64")), ll_tolerance(number_at(c, "ll_f64")));
        assert_int_equal(cJSON_IsTrue(cJSON_GetArrayItem(at(got, "greedy"), (int)k)), cJSON_IsTrue(at(c, "is_greedy")));
        if (number_at(c, "truncated") > (double)cut) cut = (int64_t)number_at(c, "truncated");
    }
    return cut;
}

/* result: the run's name in results.json, or NULL for a run of only some items. */
static void check_hellaswag(const char *reference, reference_case c, const char *result)
{
    need_data(dir, "models/stories260K-hf");
    need_data(path, "lm-eval-reference/results.json");
    char lines_file[128];
    snprintf(lines_file, sizeof lines_file, "lm-eval-reference/%s.jsonl", reference);
    c.task              = "hellaswag";
    c.prompt            = "lm-eval";
    json         *lines = read_lines(test_data(lines_file)), *results = read_json(path);
    reference_run r    = run_reference(dir, c);
    const json   *want = lines->child;
    for (const json *got = r.samples->child; got; got = got->next, want = want->next) {
        assert_text(text_at(got, "prompt"), text_at(want, "context"));
        assert_int_equal(check_choices(got, want), (int64_t)number_at(got, "cut"));
        assert_true(number_at(got, "scores/acc") == number_at(want, "acc"));
        assert_true(number_at(got, "scores/acc_norm") == number_at(want, "acc_norm"));
    }
    if (result) {
        assert_null(want);
        const json *reported = at(at(results, "tasks"), result);
        check_metric(&r, "acc", number_at(reported, "acc,none"), number_at(reported, "acc_stderr,none"));
        check_metric(&r, "acc_norm", number_at(reported, "acc_norm,none"), number_at(reported, "acc_norm_stderr,none"));
    }
    json_free(lines);
    json_free(results);
    end_reference(&r);
}

/* A limit of n items, or of all items of a reference with $TIEBREAK_ALL_ITEMS. */
static int64_t some_items(int64_t n) { return getenv("TIEBREAK_ALL_ITEMS") ? 0 : test_part(n); }

static void hellaswag_agrees(void **state)
{
    (void)state;
    int64_t n = some_items(40);
    check_hellaswag("hellaswag_0shot",
                    (reference_case) { .data = "lm-eval-reference/data/hellaswag.docs.jsonl", .limit = n },
                    n ? NULL : "hellaswag_0shot");
}

static void hellaswag_after_three_examples_agrees(void **state)
{
    (void)state;
    int64_t n = some_items(20);
    check_hellaswag("hellaswag_3shot",
                    (reference_case) { .data    = "lm-eval-reference/data/hellaswag_3shot.docs.jsonl",
                                       .pool    = "lm-eval-reference/data/hellaswag_3shot.pool.jsonl",
                                       .fewshot = 3,
                                       .limit   = n },
                    n ? NULL : "hellaswag_3shot");
}

static void hellaswag_cut_from_the_left_agrees(void **state)
{
    (void)state;
    check_hellaswag(
        "hellaswag_maxlen192",
        (reference_case) { .data = "lm-eval-reference/data/hellaswag.docs.jsonl", .limit = 50, .max_length = 192 },
        "hellaswag_maxlen192");
}

static void hellaswag_text_rules_agree(void **state)
{
    (void)state;
    check_hellaswag("hellaswag_edge", (reference_case) { .data = "lm-eval-reference/data/hellaswag_edge.docs.jsonl" },
                    NULL);
}

/* --- texts */

/* Below this gap between the two best logits, another order of summation may choose the other
 * token. */
static const double margin_of_doubt = 3e-4;

static void check_texts(const reference_run *r, const json *lines)
{
    int64_t     doubtful = 0;
    const json *want     = lines->child;
    for (const json *got = r->samples->child; got; got = got->next, want = want->next) {
        assert_text(text_at(got, "prompt"), text_at(want, "prompt"));
        assert_int_equal((int64_t)number_at(got, "cut"), (int64_t)number_at(want, "truncated"));
        if (number_at(want, "min_margin_f64") < margin_of_doubt) {
            doubtful++;
            continue;
        }
        assert_text(text_at(got, "prediction"), text_at(want, "text"));
        assert_within(fabs(number_at(got, "min_margin") - number_at(want, "min_margin_f64")), 1e-4);
    }
    assert_null(want);
    assert_true(doubtful * 10 <= json_size(lines));
}

static void check_gsm8k(const char *reference, const char *result, reference_case c)
{
    need_data(dir, "models/stories260K-hf");
    need_data(path, "lm-eval-reference/results.json");
    char lines_file[128];
    snprintf(lines_file, sizeof lines_file, "lm-eval-reference/%s.jsonl", reference);
    c.task              = "gsm8k";
    c.prompt            = "lm-eval";
    c.data              = "lm-eval-reference/data/gsm8k.docs.jsonl";
    c.max_new           = 64;
    json         *lines = read_lines(test_data(lines_file)), *results = read_json(path);
    reference_run r = run_reference(dir, c);
    check_texts(&r, lines);
    const json *got = r.samples->child, *reported = at(at(results, "tasks"), result);
    for (const json *want = lines->child; want; want = want->next, got = got->next) {
        assert_true(number_at(got, "scores/exact_match") == at(at(want, "exact_match"), "strict-match")->valuedouble);
        assert_true(number_at(got, "scores/exact_match_flexible") ==
                    at(at(want, "exact_match"), "flexible-extract")->valuedouble);
    }
    check_metric(&r, "exact_match", number_at(reported, "exact_match,strict-match"),
                 number_at(reported, "exact_match_stderr,strict-match"));
    json_free(lines);
    json_free(results);
    end_reference(&r);
}

static void gsm8k_agrees(void **state)
{
    (void)state;
    check_gsm8k("gsm8k_0shot", "gsm8k_0shot", (reference_case) { 0 });
}

static void gsm8k_after_one_example_agrees(void **state)
{
    (void)state;
    check_gsm8k("gsm8k_1shot", "gsm8k_1shot",
                (reference_case) { .pool = "lm-eval-reference/data/gsm8k.pool.jsonl", .fewshot = 1 });
}

/* The harness's second request for each question: how likely the model is to say that there is no
 * answer. */
static void check_unanswerable(const reference_run *r, const json *want)
{
    ids          context = { 0 }, cont = { 0 };
    slice        text   = text_at(want, "unanswerable/continuation");
    const json  *wanted = at(want, "unanswerable");
    score_result got;
    assert_ok(encode_continuations(r->model.tok, text_at(want, "prompt"), &text, 1, &context, &cont));
    assert_ids(cont.ids, (int64_t)cont.n, at(wanted, "ids"));
    int64_t    cut  = request_context_cut((int64_t)context.n, (int64_t)cont.n, r->model.model->cfg.positions);
    score_item item = { context.ids + cut, cont.ids, (int64_t)context.n - cut, (int64_t)cont.n };
    assert_int_equal(cut, (int64_t)number_at(wanted, "truncated"));
    assert_ok(score_items(r->model.dec, NULL, &item, 1, 1024, &got, NULL, NULL));
    assert_within(fabs(got.ll - number_at(wanted, "ll_f64")), ll_tolerance(number_at(wanted, "ll_f64")));
    ids_free(&context);
    ids_free(&cont);
}

static void squad_agrees(void **state)
{
    (void)state;
    need_data(dir, "models/stories260K-hf");
    need_data(path, "lm-eval-reference/squad.jsonl");
    json         *lines = read_lines(path), *results = read_json(test_data("lm-eval-reference/results.json"));
    reference_run r = run_reference(dir, (reference_case) { .task    = "squad",
                                                            .prompt  = "lm-eval",
                                                            .data    = "lm-eval-reference/data/squad.docs.json",
                                                            .max_new = 32 });
    check_texts(&r, lines);
    const json *got = r.samples->child;
    for (const json *want = lines->child; want; want = want->next, got = got->next) {
        assert_text(text_at(got, "id"), text_at(want, "id"));
        assert_text(text_at(got, "target"), text_at(want, "target"));
        check_unanswerable(&r, want);
        assert_within(fabs(number_at(got, "scores/f1") / 100 - at(at(at(want, "scores"), "v1.1"), "f1")->valuedouble),
                      1e-9);
    }
    const json *reported = at(at(results, "tasks"), "squad");
    check_metric(&r, "f1", number_at(at(reported, "official_v1.1"), "f1"),
                 100 * number_at(at(at(results, "analytic"), "squad v1.1 f1"), "stderr"));
    const json *em = at(at(results, "analytic"), "squad v1.1 exact_match");
    check_metric(&r, "em", 100 * number_at(em, "mean"), 100 * number_at(em, "stderr"));
    json_free(lines);
    json_free(results);
    end_reference(&r);
}

static void dialogsum_agrees(void **state)
{
    static const char *const names[] = { "rouge1", "rouge2", "rougeL" };
    (void)state;
    need_data(dir, "models/stories260K-hf");
    need_data(path, "lm-eval-reference/dialogsum.jsonl");
    json         *lines = read_lines(path), *results = read_json(test_data("lm-eval-reference/results.json"));
    reference_run r = run_reference(dir, (reference_case) { .task    = "dialogsum",
                                                            .prompt  = "lm-eval",
                                                            .data    = "lm-eval-reference/data/dialogsum.docs.jsonl",
                                                            .max_new = 48 });
    check_texts(&r, lines);
    for (int i = 0; i < 3; i++) {
        char value[64], error[64];
        snprintf(value, sizeof value, "%s,none", names[i]);
        snprintf(error, sizeof error, "%s_stderr,none", names[i]);
        const json *reported = at(at(results, "tasks"), "dialogsum");
        check_metric(&r, names[i], number_at(reported, value), number_at(reported, error));
    }
    json_free(lines);
    json_free(results);
    end_reference(&r);
}

static void iwslt_agrees(void **state)
{
    (void)state;
    need_data(dir, "models/stories260K-hf");
    need_data(path, "lm-eval-reference/iwslt_de_en.jsonl");
    json         *lines = read_lines(path), *results = read_json(test_data("lm-eval-reference/results.json"));
    reference_run r = run_reference(
        dir, (reference_case) {
                 .task = "iwslt", .prompt = "lm-eval", .data = "lm-eval-reference/data/iwslt.docs.de", .max_new = 48 });
    /* A text with a doubtful step may come out otherwise. Where none did, the corpus score is the
     * same too. */
    check_texts(&r, lines);
    bool        same = true;
    const json *got  = r.samples->child;
    for (const json *want = lines->child; want; want = want->next, got = got->next)
        same &= !strcmp(at(got, "prediction")->valuestring, at(want, "text")->valuestring);
    const json *reported = at(at(results, "tasks"), "iwslt_de_en");
    if (same) check_metric(&r, "bleu", number_at(reported, "bleu,none"), number_at(reported, "bleu_stderr,none"));
    json_free(lines);
    json_free(results);
    end_reference(&r);
}

/* --- whole texts */

static void rolling_likelihoods_agree(void **state)
{
    (void)state;
    need_data(dir, "models/stories260K-hf");
    need_data(path, "lm-eval-reference/rolling.jsonl");
    json         *lines = read_lines(path), *results = read_json(test_data("lm-eval-reference/results.json"));
    reference_run r = run_reference(
        dir,
        (reference_case) { .task = "text", .prompt = "lm-eval", .data = "lm-eval-reference/data/rolling.docs.jsonl" });
    const json *want = lines->child;
    for (const json *got = r.samples->child; got; got = got->next, want = want->next) {
        double ll = number_at(want, "ll_f64");
        assert_int_equal((int64_t)number_at(got, "tokens"), cJSON_GetArraySize(at(want, "ids")));
        /* Each window may be off by the README's tolerance. */
        assert_within(fabs(number_at(got, "loglikelihood") - ll),
                      ll_tolerance(ll) * cJSON_GetArraySize(at(want, "windows")));
        assert_within(fabs(number_at(got, "scores/bits_per_byte") / number_at(want, "bits_per_byte") - 1), 1e-5);
    }
    const json *reported = at(at(results, "tasks"), "rolling");
    assert_within(
        fabs(r.result.value[metric_index(&r, "word_perplexity")] / number_at(reported, "word_perplexity,none") - 1),
        1e-5);
    assert_within(
        fabs(r.result.value[metric_index(&r, "byte_perplexity")] / number_at(reported, "byte_perplexity,none") - 1),
        1e-5);
    assert_within(
        fabs(r.result.value[metric_index(&r, "bits_per_byte")] / number_at(reported, "bits_per_byte,none") - 1), 1e-5);
    json_free(lines);
    json_free(results);
    end_reference(&r);
}

static void plain_likelihoods_agree_with_the_model_reference(void **state)
{
    (void)state;
    need_data(dir, "models/stories260K-hf");
    need_data(path, "models/stories260K/reference.json");
    json *reference = read_json(path);
    char *tmp = test_tmpdir(), *file = path_join(tmp, "texts.jsonl");
    str   texts = { 0 };
    for (const json *j = at(reference, "logprobs")->child; j; j = j->next) {
        json *line = json_object();
        json_set_str(line, "text", at(j, "text")->valuestring);
        json_print(line, &texts, false);
        str_putc(&texts, '\n');
        json_free(line);
    }
    assert_ok(file_write_atomic(file, texts.s, texts.n));
    reference_run r = { .model = open_test_model(dir) };
    local_lm      m = local_over(r.model.dec, NULL, r.model.tok, 0);
    assert_ok(task_open(&r.task, "text", NULL));
    assert_ok(task_read(r.task, file, &r.data));
    assert_ok(
        plan_and_run(&(harness) { .lm = &m.lm, .task = r.task, .data = r.data, .quiet = true }, &r.plan, &r.result));
    int64_t i = 0;
    for (const json *j = at(reference, "logprobs")->child; j; j = j->next, i++) {
        json *got;
        assert_ok(json_parse(&got, r.result.items.items[i].sample, strlen(r.result.items.items[i].sample), "sample"));
        assert_int_equal((int64_t)number_at(got, "tokens"), cJSON_GetArraySize(at(j, "ids")) - 1);
        assert_within(fabs(number_at(got, "loglikelihood") - number_at(j, "sum")), 1e-4);
        json_free(got);
    }
    assert_int_equal(i, r.result.n);
    end_reference(&r);
    json_free(reference);
    str_free(&texts);
    free(file);
    test_rmdir(tmp);
}

/* --- the same whatever the batch; requests that make no sense */

/* Samples are the same to the byte, because every op sums in a fixed order, whatever else is in the
 * batch and however many threads work. */
static void samples_do_not_depend_on_batch_or_threads(void **state)
{
    (void)state;
    need_data(found, "models/stories260K-hf");
    need_data(path, "lm-eval-reference/data/hellaswag.docs.jsonl");
    (void)path;
    char dir[1024];
    snprintf(dir, sizeof dir, "%s", found);
    static const reference_case asked[] = {
        { .task = "hellaswag", .data = "lm-eval-reference/data/hellaswag.docs.jsonl", .limit = 40 },
        { .task       = "hellaswag", /* some items are cut, and some are longer than one forward */
          .data       = "lm-eval-reference/data/hellaswag_3shot.docs.jsonl",
          .pool       = "lm-eval-reference/data/hellaswag_3shot.pool.jsonl",
          .fewshot    = 2,
          .max_length = 256,
          .limit      = 4 },
        { .task    = "squad",
          .prompt  = "lm-eval",
          .data    = "lm-eval-reference/data/squad.docs.json",
          .limit   = 12,
          .max_new = 16 },
        { .task    = "gsm8k",
          .prompt  = "lm-eval",
          .data    = "lm-eval-reference/data/gsm8k.docs.jsonl",
          .limit   = 12,
          .max_new = 16 },
        { .task = "hellaswag", .data = "lm-eval-reference/data/hellaswag.docs.jsonl", .limit = 12, .adapted = true },
        { .task    = "gsm8k",
          .data    = "lm-eval-reference/data/gsm8k.docs.jsonl",
          .limit   = 9,
          .max_new = 12,
          .adapted = true },
        { .task = "iwslt", .data = "lm-eval-reference/data/iwslt.docs.de", .limit = 5, .max_new = 12 },
        { .task = "gsm8k", .data = "lm-eval-reference/data/gsm8k.docs.jsonl", .limit = 4, .metrics = "loss" },
        { .task = "text", .data = "lm-eval-reference/data/rolling.docs.jsonl", .limit = 1 },
    };
    static const struct {
        int64_t batch;
        int     threads;
    } ways[] = { { 7, 2 }, { 64, 1 }, { 0, 1 } };
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
        reference_case one = asked[i];
        one.limit          = test_part(one.limit);
        one.batch          = 1;
        reference_run a    = run_reference(dir, one);
        for (size_t w = 0; w < sizeof ways / sizeof *ways; w++) {
            one.batch       = ways[w].batch;
            one.threads     = ways[w].threads;
            reference_run b = run_reference(dir, one);
            for (int64_t k = 0; k < a.result.n; k++)
                assert_string_equal(a.result.items.items[k].sample, b.result.items.items[k].sample);
            for (int m = 0; m < a.plan.metrics.n; m++) {
                assert_true(a.result.value[m] == b.result.value[m] && isfinite(a.result.value[m]));
                assert_true(a.result.error[m] == b.result.error[m] || isnan(a.result.error[m]));
            }
            assert_memory_equal(&a.result.delta, &b.result.delta, sizeof a.result.delta);
            assert_true((a.result.delta.max_abs_logit > 0.1) == asked[i].adapted);
            end_reference(&b);
        }
        end_reference(&a);
    }
}

static void requests_that_do_not_fit_are_refused(void **state)
{
    static const struct {
        const char *task;
        harness     asked;
        const char *refused; /* part of the message; NULL: it is not refused */
    } cases[] = {
        { "hellaswag", { .max_new_tokens = 8 }, "nothing is generated" },
        { "gsm8k", { .max_new_tokens = 512 }, "1..511" },
        { "gsm8k", { .max_new_tokens = 8, .metrics = "loss" }, "nothing is generated" },
        { "gsm8k", { .max_new_tokens = 511 }, NULL },
    };
    metric_list  metrics;
    request_kind kind;
    task        *t;
    dataset      none = { 0 };
    lm           m    = { .max_length = 512 };
    (void)state;
    assert_ok(task_open(&t, "hellaswag", NULL));
    assert_input_error(harness_metrics(t, "bleu", &metrics, &kind), "multiple choice");
    assert_input_error(harness_metrics(t, "blue", &metrics, &kind), "no such metric");
    assert_input_error(harness_metrics(t, ",", &metrics, &kind), "names no metric");
    assert_ok(harness_metrics(t, "acc_bytes,acc", &metrics, &kind));
    assert_true(metrics.n == 2 && kind == REQUEST_CHOICES);
    assert_ok(harness_metrics(t, "loss", &metrics, &kind));
    assert_true(metrics.n == 1 && kind == REQUEST_TARGET);
    task_close(t);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        harness      h = cases[i].asked;
        harness_plan plan;
        assert_ok(task_open(&t, cases[i].task, NULL));
        h.lm   = &m;
        h.task = t;
        h.data = &none;
        if (cases[i].refused) {
            assert_input_error(harness_make_plan(&h, &plan), cases[i].refused);
        } else {
            assert_ok(harness_make_plan(&h, &plan));
            assert_int_equal(plan.rules.max_new, h.max_new_tokens);
            assert_int_equal(plan.rules.positions, m.max_length);
        }
        harness_plan_free(&plan);
        task_close(t);
    }
}

static void a_model_is_opened_for_no_more_than_its_positions(void **state)
{
    (void)state;
    need_data(dir, "models/stories260K-hf");
    lm *m;
    assert_input_error(local_open(&m, &(local_options) { .model = dir, .max_length = 513 }), "2..512");
    assert_null(m);
    assert_ok(local_open(&m, &(local_options) { .model = dir, .max_length = 192 }));
    assert_int_equal(m->max_length, 192);
    m->close(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        reference_test(hellaswag_agrees),
        reference_test(hellaswag_after_three_examples_agrees),
        reference_test(hellaswag_cut_from_the_left_agrees),
        reference_test(hellaswag_text_rules_agree),
        reference_test(gsm8k_agrees),
        reference_test(gsm8k_after_one_example_agrees),
        reference_test(squad_agrees),
        reference_test(dialogsum_agrees),
        reference_test(iwslt_agrees),
        reference_test(rolling_likelihoods_agree),
        reference_test(plain_likelihoods_agree_with_the_model_reference),
        cmocka_unit_test(samples_do_not_depend_on_batch_or_threads),
        cmocka_unit_test(requests_that_do_not_fit_are_refused),
        cmocka_unit_test(a_model_is_opened_for_no_more_than_its_positions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
