#include "eval/cell.h"

#include "core/record.h"
#include "eval/test_model.h"
#include "adapters/adapter.h"

/* test_data's own buffers are reused. */
static char base[1024], docs[1024];
static void keep_path(char kept[1024], const char *path) { snprintf(kept, 1024, "%s", path); }

static str read_whole(const char *dir, const char *name)
{
    str   text = { 0 };
    char *path = path_join(dir, name);
    assert_ok(file_read(path, 16 << 20, &text));
    free(path);
    return text;
}

static void assert_same_file(const char *a, const char *b, const char *name)
{
    str x = read_whole(a, name), y = read_whole(b, name);
    assert_true(x.n == y.n && !memcmp(x.s, y.s, x.n));
    str_free(&x);
    str_free(&y);
}

static eval_request small(const char *out)
{
    return (eval_request) { .model          = base,
                            .task           = "gsm8k",
                            .prompt         = "lm-eval",
                            .data           = docs,
                            .out            = out,
                            .limit          = 10,
                            .batch          = 2,
                            .threads        = 1,
                            .max_new_tokens = 8,
                            .quiet          = true };
}

/* Leaves what a kill leaves: the journal without its last lines, and half of one more. */
static void run_halfway(const char *out, const char *id, double share)
{
    test_model     t = open_test_model(base);
    local_lm       m = local_over(t.dec, NULL, t.tok, 0);
    task          *k;
    dataset       *data;
    harness_plan   plan;
    harness_result r;
    char          *log = path_join(out, "journal.jsonl");
    eval_request   q   = small(out);
    assert_ok(file_make_dirs(out));
    assert_ok(task_open(&k, q.task, q.prompt));
    assert_ok(task_read(k, q.data, &data));
    assert_ok(plan_and_run(&(harness) { .lm             = &m.lm,
                                        .task           = k,
                                        .data           = data,
                                        .limit          = q.limit,
                                        .batch          = q.batch,
                                        .max_new_tokens = q.max_new_tokens,
                                        .journal        = log,
                                        .cell           = id,
                                        .quiet          = true },
                           &plan, &r));
    str text = read_whole(out, "journal.jsonl");
    assert_int_equal(truncate(log, (off_t)((double)text.n * share)), 0);
    str_free(&text);
    harness_result_free(&r);
    harness_plan_free(&plan);
    dataset_free(data);
    task_close(k);
    close_test_model(&t);
    free(log);
}

static void a_killed_run_ends_with_the_same_bytes(void **state)
{
    (void)state;
    need_data(found, "models/stories260K-hf");
    keep_path(base, found);
    need_data(questions, "lm-eval-reference/data/gsm8k.docs.jsonl");
    keep_path(docs, questions);
    char *dir = test_tmpdir(), *whole = path_join(dir, "whole"), *killed = path_join(dir, "killed"),
         *log = path_join(killed, "journal.jsonl");
    json        *first, *second;
    eval_request q = small(whole);
    assert_ok(eval_run(&q, &first));
    q.out = killed;
    run_halfway(killed, at(first, "id")->valuestring, 0.6);
    assert_ok(eval_run(&q, &second));
    assert_same_file(whole, killed, "samples.jsonl");
    json *a = cJSON_Duplicate(at(at(first, "result"), "metrics"), true),
         *b = cJSON_Duplicate(at(at(second, "result"), "metrics"), true);
    assert_true(cJSON_Compare(a, b, true));
    assert_false(file_exists(log));
    json_free(a);
    json_free(b);
    json_free(first);
    json_free(second);
    free(log);
    free(whole);
    free(killed);
    test_rmdir(dir);
}

static void a_finished_cell_is_left_as_it_is_and_another_is_refused(void **state)
{
    (void)state;
    need_data(found, "models/stories260K-hf");
    keep_path(base, found);
    need_data(questions, "lm-eval-reference/data/gsm8k.docs.jsonl");
    keep_path(docs, questions);
    char        *dir = test_tmpdir(), *out = path_join(dir, "cell"), *file = path_join(out, "record.json");
    json        *first, *again;
    eval_request q = small(out);
    assert_ok(eval_run(&q, &first));
    str before = read_whole(out, "record.json");
    assert_ok(eval_run(&q, &again));
    str after = read_whole(out, "record.json");
    assert_true(before.n == after.n && !memcmp(before.s, after.s, before.n));
    assert_true(cJSON_Compare(first, again, true));
    json_free(again);
    q.limit = 3;
    assert_input_error(eval_run(&q, &again), "limit is 10 there and 3 here");
    q.limit = 10;
    assert_int_equal(remove(file), 0);
    assert_input_error(eval_run(&q, &again), "samples of an unknown run");
    str_free(&before);
    str_free(&after);
    json_free(first);
    free(file);
    free(out);
    test_rmdir(dir);
}

/* The record is one that reports can read, and the samples say what was asked and answered. */
static void record_and_samples_hold_what_the_contract_says(void **state)
{
    (void)state;
    need_data(found, "models/stories260K-hf");
    keep_path(base, found);
    need_data(questions, "lm-eval-reference/data/gsm8k.docs.jsonl");
    keep_path(docs, questions);
    char *dir = test_tmpdir(), *out = path_join(dir, "cell"), *file = path_join(out, "record.json"),
         *lines = path_join(out, "samples.jsonl");
    json        *made, *read;
    eval_request q = small(out);
    assert_ok(eval_run(&q, &made));
    assert_ok(record_read(&read, file));
    const json *asked = at(read, "asked"), *result = at(read, "result");
    assert_string_equal(at(asked, "task")->valuestring, "gsm8k");
    assert_string_equal(at(asked, "prompt")->valuestring, "lm-eval");
    assert_string_equal(at(at(asked, "base"), "name")->valuestring, "base");
    assert_true(cJSON_IsNull(at(asked, "adapter")));
    assert_true(number_at(result, "n") == 10 && number_at(result, "trainable") == 0);
    assert_true(number_at(result, "wall_s") > 0 && number_at(result, "tokens_per_s") > 0 &&
                number_at(result, "peak_bytes") > 1e6);
    assert_true(number_at(at(at(result, "metrics"), "exact_match"), "value") == 0);
    json   *samples = read_lines(lines);
    int64_t n       = 0;
    for (const json *s = samples->child; s; s = s->next, n++) {
        static const char *const keys[] = { "id", "prompt", "target", "prediction", "scores", "tokens" };
        for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) at(s, keys[i]);
    }
    assert_int_equal(n, 10);
    json_free(samples);
    json_free(read);
    json_free(made);
    free(lines);
    free(file);
    free(out);
    test_rmdir(dir);
}

/* --- adapters that do nothing, and options */

static void save_untrained(const char *dir)
{
    adapter_spec spec = { .rank = 2, .alpha = 2, .seed = 1 };
    adapter     *a;
    test_model   t = open_test_model(base);
    assert_ok(method_find(&spec.method, "lora"));
    assert_ok(site_set_parse(&spec.sites, "q,v"));
    assert_ok(adapter_new(&a, t.model->be, &t.model->cfg, spec));
    assert_ok(adapter_save(a, dir, "base", NULL, NULL));
    adapter_free(a);
    close_test_model(&t);
}

static void an_adapter_that_does_nothing_fails_the_run(void **state)
{
    (void)state;
    need_data(found, "models/stories260K-hf");
    keep_path(base, found);
    need_data(questions, "lm-eval-reference/data/gsm8k.docs.jsonl");
    keep_path(docs, questions);
    char *dir = test_tmpdir(), *out = path_join(dir, "cell"), *untrained = path_join(dir, "adapter"),
         *file = path_join(out, "record.json");
    json        *record;
    eval_request q = small(out);
    save_untrained(untrained);
    q.adapter = untrained;
    error_clear();
    assert_int_equal(eval_run(&q, &record), ERR_FAILED);
    assert_non_null(strstr(error_text(), "changes no logit of the first 4 items"));
    assert_non_null(strstr(error_text(), "--allow-identity"));
    assert_null(record);
    assert_false(file_exists(file));
    q.allow_identity = true;
    assert_ok(eval_run(&q, &record));
    assert_true(number_at(record, "result/adapter_delta/items") == 4 &&
                number_at(record, "result/adapter_delta/max_abs_logit") == 0);
    json_free(record);
    free(file);
    free(untrained);
    free(out);
    test_rmdir(dir);
}

/* What is asked is part of the cell; what is not asked leaves no trace, so that old cells keep
 * their ids. */
static void options_are_part_of_the_cell(void **state)
{
    (void)state;
    need_data(found, "models/stories260K-hf");
    keep_path(base, found);
    need_data(questions, "lm-eval-reference/data/gsm8k.docs.jsonl");
    keep_path(docs, questions);
    need_data(examples, "lm-eval-reference/data/gsm8k.pool.jsonl");
    char        *dir = test_tmpdir(), *out = path_join(dir, "cell"), *other = path_join(dir, "other");
    json        *plain, *asked;
    eval_request q = small(out), few = small(other);
    q.limit   = 2;
    few.limit = 2;
    assert_ok(eval_run(&q, &plain));
    few.fewshot      = 1;
    few.fewshot_data = examples;
    few.fewshot_seed = 1234;
    few.shuffled     = true;
    few.shuffle_seed = 7;
    few.max_length   = 256;
    assert_ok(eval_run(&few, &asked));
    assert_null(json_find(at(plain, "asked"), "fewshot"));
    assert_null(json_find(at(plain, "asked"), "max_length"));
    assert_null(json_find(at(plain, "asked"), "shuffle_seed"));
    assert_true(number_at(asked, "asked/fewshot/k") == 1 && number_at(asked, "asked/fewshot/seed") == 1234);
    assert_string_equal(at(asked, "asked/fewshot/draw")->valuestring, "random");
    assert_string_equal(at(asked, "asked/fewshot/data/name")->valuestring, "gsm8k.pool.jsonl");
    assert_true(number_at(asked, "asked/max_length") == 256 && number_at(asked, "asked/shuffle_seed") == 7);
    assert_int_equal(strlen(at(asked, "result/prompt_sha256")->valuestring), 64);
    assert_string_not_equal(at(asked, "result/prompt_sha256")->valuestring,
                            at(plain, "result/prompt_sha256")->valuestring);
    char *lines   = path_join(other, "samples.jsonl");
    json *samples = read_lines(lines);
    /* sorted(random.Random(7).sample(range(20), 2)) = [4, 10] */
    assert_string_equal(at(samples->child, "id")->valuestring, "4");
    assert_string_equal(at(samples->child->next, "id")->valuestring, "10");
    json_free(samples);
    json_free(plain);
    json_free(asked);
    few         = small(other);
    few.limit   = 2;
    few.fewshot = 0;
    assert_input_error(eval_run(&few, &asked), "there and absent here");
    q.shuffled = true;
    q.limit    = 0;
    assert_input_error(eval_run(&q, &plain), "give --limit too");
    q         = small(out);
    q.fewshot = 2;
    assert_input_error(eval_run(&q, &plain), "give --fewshot-data");
    q.fewshot      = 0;
    q.fewshot_data = examples;
    assert_input_error(eval_run(&q, &plain), "give --fewshot K");
    q.fewshot      = 1;
    q.fewshot_draw = "last";
    assert_input_error(eval_run(&q, &plain), "must be random or first");
    free(lines);
    free(other);
    free(out);
    test_rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_killed_run_ends_with_the_same_bytes),
        cmocka_unit_test(a_finished_cell_is_left_as_it_is_and_another_is_refused),
        cmocka_unit_test(an_adapter_that_does_nothing_fails_the_run),
        cmocka_unit_test(options_are_part_of_the_cell),
        cmocka_unit_test(record_and_samples_hold_what_the_contract_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
