/* Compares our files with those that lm-evaluation-harness 0.4.13 wrote for the same runs: a 3-shot
 * hellaswag and a 1-shot gsm8k. */
#include "eval/lm_eval/log.h"

#include <dirent.h>

#include "eval/cell.h"
#include "score/scored.h"
#include "eval/test_model.h"

static char base[1024], data[1024], pool[1024];
static void keep(char out[1024], const char *path) { snprintf(out, 1024, "%s", path); }

/* The path of the one file in a folder whose name begins so; the caller frees it. */
static char *find_file(const char *dir, const char *start)
{
    char *path = NULL;
    DIR  *d    = opendir(dir);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));)
        if (!strncmp(e->d_name, start, strlen(start))) {
            assert_null(path);
            path = path_join(dir, e->d_name);
        }
    closedir(d);
    assert_non_null(path);
    return path;
}

static void assert_same(const json *got, const json *want)
{
    if (cJSON_Compare(got, want, true)) return;
    str a = { 0 }, b = { 0 };
    json_print(got, &a, false);
    json_print(want, &b, false);
    fail_msg("%s: got %.300s, wanted %.300s", want->string ? want->string : "?", a.s, b.s);
}

/* In [[["-70.75", "False"]], ...] the log-likelihoods may differ as two float32 programs do, and
 * the rest is the same text. */
static void assert_same_responses(const json *got, const json *want)
{
    if (cJSON_IsArray(want)) {
        assert_int_equal(cJSON_GetArraySize(got), cJSON_GetArraySize(want));
        for (const json *g = got->child, *w = want->child; w; g = g->next, w = w->next) assert_same_responses(g, w);
        return;
    }
    char  *end_got, *end_want;
    double x = strtod(got->valuestring, &end_got), y = strtod(want->valuestring, &end_want);
    if (*want->valuestring && !*end_want && !*end_got)
        assert_within(fabs(x - y), 4e-4 + 2e-6 * fabs(y));
    else
        assert_string_equal(got->valuestring, want->valuestring);
}

/* Whether the text of that document has a step whose two best logits lie too near each other. */
static bool is_doubtful(const json *texts, const json *doc_id)
{
    const json *text = texts ? json_at(texts, (int)doc_id->valuedouble) : NULL;
    return text && number_at(text, "min_margin_f64") < 3e-4;
}

/* The lines have the same members in the same order. texts [NULL: none]: the reference of what was
 * generated, which says where float32 code may decide otherwise. */
static void check_lines(const char *got_file, const char *want_file, const json *texts)
{
    json       *got_lines = read_lines(got_file), *want_lines = read_lines(want_file);
    const json *got = got_lines->child;
    for (const json *want = want_lines->child; want; want = want->next, got = got->next) {
        assert_non_null(got);
        const json *g = got->child;
        for (const json *w = want->child; w; w = w->next, g = g->next) {
            assert_non_null(g);
            assert_string_equal(g->string, w->string);
            if (strcmp(w->string, "resps") && strcmp(w->string, "filtered_resps"))
                assert_same(g, w);
            else if (!is_doubtful(texts, at(want, "doc_id")))
                assert_same_responses(g, w);
        }
        assert_null(g);
    }
    assert_null(got);
    json_free(got_lines);
    json_free(want_lines);
}

static void check_run(const eval_request *asked, const char *reference, const char *results_file,
                      const char *texts_file)
{
    char *dir = test_tmpdir(), *out = path_join(dir, "cell"), *logs = path_join(dir, "logs"), start[64], theirs[1024];
    json *record;
    eval_request q = *asked;
    q.model        = base;
    q.data         = data;
    q.fewshot_data = pool;
    q.fewshot_seed = 1234;
    q.prompt       = "lm-eval";
    q.out          = out;
    q.threads      = 1;
    q.quiet        = true;
    assert_ok(eval_run(&q, &record));
    json_free(record);
    q.lm_eval_logs = logs; /* asked for when the cell is finished already */
    assert_ok(eval_run(&q, &record));
    snprintf(start, sizeof start, "samples_%s_", q.task);
    snprintf(theirs, sizeof theirs, "%s", test_data(reference));
    char *lines = find_file(logs, start), *results = find_file(logs, "results_");
    json *texts = texts_file ? read_lines(test_data(texts_file)) : NULL;
    check_lines(lines, theirs, texts);
    json_free(texts);

    json       *got = read_json(results), *want = read_json(test_data(results_file));
    const json *values = at(at(got, "results"), q.task)->child, *hash = at(at(got, "task_hashes"), q.task);
    const char *name = at(want, "results")->child->string;
    for (const json *v = at(at(want, "results"), name)->child; v; v = v->next, values = values->next) {
        assert_non_null(values);
        assert_string_equal(values->string, v->string);
        if (cJSON_IsNumber(v)) assert_within(fabs(values->valuedouble - v->valuedouble), 1e-12);
    }
    assert_null(values);
    /* sha256 over the hashes of every document, prompt and target, in order */
    assert_string_equal(hash->valuestring, at(at(want, "task_hashes"), name)->valuestring);
    static const char *const same[] = { "group_subtasks", "tokenizer_eos_token", "tokenizer_bos_token",
                                        "eot_token_id",   "max_length",          "chat_template" };
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) assert_same(at(got, same[i]), at(want, same[i]));
    assert_same(at(at(got, "n-shot"), q.task), at(at(want, "n-shot"), name));
    assert_same(at(at(got, "n-samples"), q.task), at(at(want, "n-samples"), name));
    assert_same(at(at(got, "higher_is_better"), q.task), at(at(want, "higher_is_better"), name));
    json_free(got);
    json_free(want);
    json_free(record);
    free(lines);
    free(results);
    free(logs);
    free(out);
    test_rmdir(dir);
}

static void hellaswag_logs_agree(void **state)
{
    (void)state;
    need_data(model_dir, "models/stories260K-hf");
    keep(base, model_dir);
    need_data(docs, "lm-eval-reference/data/hellaswag_3shot.docs.jsonl");
    keep(data, docs);
    keep(pool, test_data("lm-eval-reference/data/hellaswag_3shot.pool.jsonl"));
    check_run(&(eval_request) { .task = "hellaswag", .fewshot = 3 },
              "lm-eval-reference/logs/samples_hellaswag_3shot_2026-11-23T19-07-21.508005.jsonl",
              "lm-eval-reference/logs/results_2026-11-23T19-07-21.508005.json", NULL);
}

static void gsm8k_logs_agree(void **state)
{
    (void)state;
    need_data(model_dir, "models/stories260K-hf");
    keep(base, model_dir);
    need_data(docs, "lm-eval-reference/data/gsm8k.docs.jsonl");
    keep(data, docs);
    keep(pool, test_data("lm-eval-reference/data/gsm8k.pool.jsonl"));
    check_run(&(eval_request) { .task = "gsm8k", .fewshot = 1, .max_new_tokens = 64 },
              "lm-eval-reference/logs/samples_gsm8k_2026-11-23T19-07-49.959289.jsonl",
              "lm-eval-reference/logs/results_2026-11-23T19-07-49.959289.json", "lm-eval-reference/gsm8k_1shot.jsonl");
}

/* Logs of tasks that the harness does not have still have its shape, and a reader of its logs, ours
 * for one, makes the same scores of them. */
static void other_tasks_have_the_same_shape(void **state)
{
    (void)state;
    static const struct {
        eval_request asked;
        const char  *data, *request; /* what the first argument holds, "" for anything */
    } cases[] = {
        { { .task = "iwslt", .max_new_tokens = 8, .limit = 6 }, "lm-eval-reference/data/iwslt.docs.de", "until" },
        { { .task = "squad", .max_new_tokens = 8, .limit = 6 }, "lm-eval-reference/data/squad.docs.json", "until" },
        { { .task = "dialogsum", .max_new_tokens = 8, .limit = 6 },
          "lm-eval-reference/data/dialogsum.docs.jsonl",
          "until" },
        { { .task = "text", .limit = 2 }, "lm-eval-reference/data/rolling.docs.jsonl", "" },
        { { .task = "gsm8k", .metrics = "loss", .limit = 3 }, "lm-eval-reference/data/gsm8k.docs.jsonl", "" },
    };
    need_data(model_dir, "models/stories260K-hf");
    keep(base, model_dir);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char        *dir = test_tmpdir(), *out = path_join(dir, "cell"), *logs = path_join(dir, "logs"), start[64];
        json        *record;
        eval_request q = cases[i].asked;
        keep(data, test_data(cases[i].data));
        q.model        = base;
        q.data         = data;
        q.out          = out;
        q.threads      = 1;
        q.quiet        = true;
        q.lm_eval_logs = logs;
        assert_ok(eval_run(&q, &record));
        snprintf(start, sizeof start, "samples_%s_", q.task);
        char  *file  = find_file(logs, start);
        json  *lines = read_lines(file);
        scored s;
        for (const json *l = lines->child; l; l = l->next) {
            static const char *const keys[] = { "doc",     "target",   "resps",       "filtered_resps", "filter",
                                                "metrics", "doc_hash", "prompt_hash", "target_hash" };
            for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) at(l, keys[k]);
            if (*cases[i].request) at(l, "arguments/gen_args_0/arg_1/until");
            for (const json *m = at(l, "metrics")->child; m; m = m->next) at(l, m->valuestring);
        }
        assert_ok(scored_read(&s, file));
        assert_int_equal(s.n, q.limit);
        for (int m = 0; m < s.metrics.n; m++) {
            char        name[64];
            const json *mine;
            snprintf(name, sizeof name, "%.*s", (int)strcspn(s.metrics.rows[m].name, ","), s.metrics.rows[m].name);
            mine = at(at(at(record, "result"), "metrics"), name);
            assert_within(fabs(metric_value(&s.metrics.rows[m], s.stats[m], s.n) - number_at(mine, "value")), 1e-9);
        }
        scored_free(&s);
        json_free(lines);
        json_free(record);
        free(file);
        free(logs);
        free(out);
        test_rmdir(dir);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { reference_test(hellaswag_logs_agree), reference_test(gsm8k_logs_agree),
                                        cmocka_unit_test(other_tasks_have_the_same_shape) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
