#include "eval/served/endpoint.h"

#include <sys/stat.h>

#include "eval/cell.h"
#include "eval/served/completion.h"
#include "eval/served/test_server.h"
#include "tokenizer/bpe_train.h"
#include "model/test_model.h"

/* --- a small random model with a tokenizer, and data */

static char *home, *base;

static void put(const char *dir, const char *name, const str *text)
{
    char *path = path_join(dir, name);
    assert_ok(file_write_atomic(path, str_c(text), text->n));
    free(path);
}

static void put_text(const char *dir, const char *name, const char *text)
{
    put(dir, name, &(str) { .s = (char *)(uintptr_t)text, .n = strlen(text) });
}

static const char questions[] =
    "{\"question\": \"Ann has 3 apples and buys 4. How many?\", \"answer\": \"3 + 4 = 7\\n#### 7\"}\n"
    "{\"question\": \"Two and two?\", \"answer\": \"2 + 2 = 4\\n#### 4\"}\n"
    "{\"question\": \"Ein sch\xC3\xB6ner Tag: 5 - 1?\", \"answer\": \"5 - 1 = 4\\n#### 4\"}\n"
    "{\"question\": \"A long one. Tom has ten boxes with ten pens in each of them, gives away ninety-nine pens, and counts "
    "what is left over and over until he is sure. How many pens has he got in the end?\", \"answer\": \"#### 1\"}\n"
    "{\"question\": \"One?\", \"answer\": \"#### 1\"}\n";
static const char endings[] =
    "{\"ind\": 1, \"activity_label\": \"Cooking\", \"ctx_a\": \"A man stirs a pot.\", \"ctx_b\": \"he\", \"ctx\": \"A man stirs a "
    "pot. he\", \"endings\": [\"tastes the soup.\", \"flies away.\", \"is a pot.\", \"th\xC3\xA9\"], \"label\": \"0\", \"split\": "
    "\"val\", \"source_id\": \"x\", \"split_type\": \"indomain\"}\n"
    "{\"ind\": 2, \"activity_label\": \"Running\", \"ctx_a\": \"Two dogs run.\", \"ctx_b\": \"they\", \"ctx\": \"Two dogs run. they\", "
    "\"endings\": [\"stop.\", \"sing a song about the sea.\", \"are cats.\", \"x\"], \"label\": \"2\", \"split\": \"val\", "
    "\"source_id\": \"x\", \"split_type\": \"indomain\"}\n";
static const char texts[] =
    "Short.\nOnce upon a time there was a small model that could not say much, and whoever asked it anything at all got the same "
    "few words again, until somebody counted them, one by one, and wrote every number down, and nobody believed any of it, for "
    "there were too many digits and too few words. So it goes. The end of the story is here, or here, or perhaps over there.\n"
    "A third line.\n";
static const char tokens[] = "{\"input_ids\": [0, 70, 71, 72, 73, 80], \"labels\": [-100, -100, 71, 72, -100, 80]}\n";

static int make_home(void **state)
{
    model_config c      = { .layers    = 2,
                            .hidden    = 32,
                            .inter     = 48,
                            .heads     = 4,
                            .kv_heads  = 2,
                            .head_dim  = 8,
                            .vocab     = 300,
                            .positions = 512,
                            .norm_eps  = 1e-5,
                            .rope      = { { .theta = 10000 } },
                            .bos       = 1,
                            .n_eos     = 1,
                            .eos       = { 2 } };
    bpe_options  b      = { .vocab = 300, .bos = "<|bos|>", .eos = "<|eos|>", .pattern = BPE_PATTERN };
    str          learnt = { 0 }, config = { 0 };
    int64_t      n;
    (void)state;
    home = test_tmpdir();
    base = path_join(home, "base");
    assert_ok(file_make_dirs(base));
    test_config_write(&c, base);
    tensor_view *t    = test_weights(&c, 5, &n);
    char        *file = path_join(base, "model.safetensors");
    assert_ok(safetensors_write(file, t, n));
    test_weights_free(t, n);
    free(file);
    assert_ok(bpe_train(&learnt, texts, sizeof texts - 1, b));
    bpe_tokenizer_config(&config, b);
    put(base, "tokenizer.json", &learnt);
    put(base, "tokenizer_config.json", &config);
    put_text(home, "gsm8k.jsonl", questions);
    put_text(home, "hellaswag.jsonl", endings);
    put_text(home, "texts.txt", texts);
    put_text(home, "tokens.jsonl", tokens);
    str_free(&learnt);
    str_free(&config);
    return 0;
}

static int remove_home(void **state)
{
    (void)state;
    free(base);
    test_rmdir(home);
    return 0;
}

/* --- runs of the harness */

typedef struct {
    const char *task, *prompt, *data, *metrics;
    int64_t     max_new;
} asked_case;

static const asked_case all_kinds[] = {
    { "gsm8k", "lm-eval", "gsm8k.jsonl", NULL, 12 }, { "hellaswag", NULL, "hellaswag.jsonl", NULL, 0 },
    { "gsm8k", NULL, "gsm8k.jsonl", "loss", 0 },     { "text", NULL, "texts.txt", NULL, 0 },
    { "text", "lm-eval", "texts.txt", NULL, 0 },     { "tokens", NULL, "tokens.jsonl", NULL, 0 },
};

static int run_case(asked_case c, lm *m, json **samples)
{
    task          *k;
    dataset       *data;
    harness_plan   plan;
    harness_result r;
    char          *path = path_join(home, c.data);
    assert_ok(task_open(&k, c.task, c.prompt));
    assert_ok(task_read(k, path, &data));
    *samples = json_array();
    int rc   = plan_and_run(
          &(harness) {
              .lm = m, .task = k, .data = data, .max_new_tokens = c.max_new, .metrics = c.metrics, .quiet = true },
          &plan, &r);
    for (int64_t i = 0; !rc && i < r.n; i++) {
        json *one;
        assert_ok(json_parse(&one, r.items.items[i].sample, strlen(r.items.items[i].sample), "sample"));
        json_push(*samples, one);
    }
    if (!rc) harness_result_free(&r);
    harness_plan_free(&plan);
    dataset_free(data);
    task_close(k);
    free(path);
    return rc;
}

static lm *open_endpoint(const test_server *s, const char *tok, int64_t max_length)
{
    lm *m;
    assert_ok(endpoint_open(&m, &(endpoint_options) { .url        = s->url,
                                                      .tokenizer  = tok,
                                                      .max_length = max_length,
                                                      .retries    = 2,
                                                      .timeout_s  = 20,
                                                      .backoff_s  = 0.01 }));
    return m;
}

static endpoint   *as_endpoint(lm *m) { return (endpoint *)m; }
static http_counts counted(lm *m) { return http_counted(as_endpoint(m)->http); }

static void assert_near(const json *a, const json *b, const char *key)
{
    const json *x = json_find(a, key), *y = json_find(b, key);
    if (!x) return;
    assert_non_null(y);
    if (!cJSON_IsArray(x)) {
        assert_within(fabs(x->valuedouble - y->valuedouble), 1e-6);
        return;
    }
    assert_int_equal(cJSON_GetArraySize(x), cJSON_GetArraySize(y));
    for (x = x->child, y = y->child; x; x = x->next, y = y->next)
        assert_within(fabs(x->valuedouble - y->valuedouble), 1e-6);
}

static void assert_same(const json *a, const json *b, const char *key)
{
    const json *x = json_find(a, key), *y = json_find(b, key);
    if (!x) return;
    if (!y || !cJSON_Compare(x, y, true)) {
        str u = { 0 }, v = { 0 };
        json_print(x, &u, false);
        if (y) json_print(y, &v, false);
        fail_msg("%s: %s here, %s served", key, str_c(&u), str_c(&v));
    }
}

/* Where prompts go out as text nobody knows the text of EOS, so "stopped" is not compared. */
static void assert_same_samples(const json *local, const json *served, bool with_ids)
{
    static const char *const same[] = { "id", "prompt", "target", "prediction", "greedy", "tokens", "cut", "gold" };
    const json              *b      = served->child;
    assert_int_equal(cJSON_GetArraySize(local), cJSON_GetArraySize(served));
    for (const json *a = local->child; a; a = a->next, b = b->next) {
        for (size_t i = 0; i < sizeof same / sizeof *same; i++) assert_same(a, b, same[i]);
        if (with_ids) assert_same(a, b, "stopped");
        assert_near(a, b, "loglikelihoods");
        assert_near(a, b, "loglikelihood");
    }
}

/* The server takes max_length tokens, the new one among them. A local model with one position less
 * cuts texts at the same places; for log-likelihoods it is two less, because a local model need not
 * be fed the last token. */
static void compare(const char *dir, const asked_case *cases, size_t n, int64_t max_length, bool with_ids)
{
    test_model   local = open_test_model(dir);
    test_server *s     = start_server(dir, SERVE_WELL);
    for (size_t i = 0; i < n; i++) {
        json    *here, *there;
        lm      *e = open_endpoint(s, with_ids ? dir : NULL, max_length);
        local_lm m = local_over(local.dec, NULL, local.tok, max_length - (cases[i].max_new > 0 ? 1 : 2));
        assert_ok(run_case(cases[i], &m.lm, &here));
        assert_ok(run_case(cases[i], e, &there));
        assert_same_samples(here, there, with_ids);
        assert_true(here->child && counted(e).requests > 0);
        json_free(here);
        json_free(there);
        e->close(e);
    }
    stop_server(s);
    close_test_model(&local);
}

static void scores_through_http_are_the_local_ones(void **state)
{
    (void)state;
    compare(base, all_kinds, sizeof all_kinds / sizeof *all_kinds, 512, true);
}

static void prompts_that_are_too_long_are_cut_as_here(void **state)
{
    (void)state;
    compare(base, all_kinds, 5, 60, true);
}

/* Without a tokenizer the continuation is found by the answer's own tokens. */
static void text_prompts_give_the_same_scores(void **state)
{
    (void)state;
    compare(base, all_kinds, 2, 512, false);
    compare(base, all_kinds + 3, 1, 512, false);
}

/* Compares with numbers that this program did not make: lm-evaluation-harness's in float64, through
 * the server by ids and by text. */
static void served_scores_are_the_reference_s(void **state)
{
    (void)state;
    need_data(found, "models/stories260K-hf");
    need_data(path, "lm-eval-reference/hellaswag_0shot.jsonl");
    need_data(docs, "lm-eval-reference/data/hellaswag.docs.jsonl");
    test_server *s     = start_server(found, SERVE_WELL);
    json        *lines = read_lines(path);
    str          first = { 0 };
    size_t       end   = 0;
    assert_ok(file_read(docs, 64u << 20, &first));
    for (int i = 0; i < 8; i++) end = (size_t)(strchr(first.s + end, '\n') - first.s) + 1;
    first.n = end;
    put(home, "first.jsonl", &first);
    for (int as_text = 0; as_text < 2; as_text++) {
        json       *samples;
        lm         *e    = open_endpoint(s, as_text ? NULL : found, 512);
        const json *want = lines->child;
        assert_ok(run_case((asked_case) { "hellaswag", "lm-eval", "first.jsonl", NULL, 0 }, e, &samples));
        for (const json *got = samples->child; got; got = got->next, want = want->next)
            for (int c = 0; c < 4; c++) {
                const json *choice = cJSON_GetArrayItem(at(want, "choices"), c);
                double      ll     = cJSON_GetArrayItem(at(got, "loglikelihoods"), c)->valuedouble,
                       ll_f64      = number_at(choice, "ll_f64");
                assert_within(fabs(ll - ll_f64), ll_tolerance(ll_f64));
                assert_int_equal(cJSON_IsTrue(cJSON_GetArrayItem(at(got, "greedy"), c)),
                                 cJSON_IsTrue(at(choice, "is_greedy")));
                assert_int_equal((int)cJSON_GetArrayItem(at(got, "tokens"), c)->valuedouble,
                                 cJSON_GetArraySize(at(choice, "ids")));
            }
        json_free(samples);
        e->close(e);
    }
    str_free(&first);
    json_free(lines);
    stop_server(s);
}

static void what_an_api_cannot_score_is_refused(void **state)
{
    static const struct {
        asked_case  c;
        const char *message;
    } cases[] = {
        { { "tokens", NULL, "labels.jsonl", NULL, 0 }, "a label differs from the token that follows" },
        /* Only the tokenizer knows how a text ends. */
        { { "gsm8k", NULL, "gsm8k.jsonl", "loss", 0 }, "--metrics loss needs --tokenizer" },
        { { "text", "lm-eval", "texts.txt", NULL, 0 }, "needs --tokenizer" },
    };
    (void)state;
    test_server *s = start_server(base, SERVE_WELL);
    lm          *e = open_endpoint(s, NULL, 512);
    put_text(home, "labels.jsonl", "{\"input_ids\": [0, 70, 71, 72], \"labels\": [-100, -100, 99, 72]}\n");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json *samples;
        assert_input_error(run_case(cases[i].c, e, &samples), cases[i].message);
        json_free(samples);
    }
    assert_int_equal(atomic_load(&s->completions), 0);
    e->close(e);
    stop_server(s);
}

/* --- servers that fail */

typedef struct {
    serving     how;
    int         rc;      /* status of log-likelihoods */
    const char *message; /* part of the message */
    int64_t     retries;
    int         rc_text; /* status of generated texts */
} failing;

static void every_failure_has_its_message(void **state)
{
    static const failing cases[] = {
        { SERVE_NO_ECHO, ERR_INPUT, "does not honour \"echo\"", 0, OK },
        { SERVE_500_TWICE, OK, NULL, 2, OK },
        { SERVE_429_ONCE, OK, NULL, 1, OK },
        { SERVE_500, ERR_FAILED, "HTTP status 500: {\"error\":\"out of memory\"}; tried 3 times", 2, ERR_FAILED },
        { SERVE_400, ERR_INPUT, "HTTP status 400: {\"error\":\"out of memory\"}", 0, ERR_INPUT },
        { SERVE_CUT_JSON, ERR_INPUT, "not valid JSON", 0, ERR_INPUT },
        { SERVE_CUT_SHORT, ERR_FAILED, "tried 3 times", 2, ERR_FAILED },
        { SERVE_HANG_UP, ERR_FAILED, "tried 3 times", 2, ERR_FAILED },
        { SERVE_PAGE, ERR_INPUT, "answers with a page", 0, ERR_INPUT },
        { SERVE_NULLS, ERR_INPUT, "is null", 0, OK },
        { SERVE_NANS, ERR_INPUT, "NaN", 0, ERR_INPUT },
        { SERVE_CHAT_STYLE, ERR_INPUT, "no list \"token_logprobs\"", 0, OK },
        { SERVE_ONE_MORE, ERR_INPUT, "tokens of its own", 0, OK },
        { SERVE_ERROR, ERR_INPUT, "the model is loading", 0, ERR_INPUT },
    };
    (void)state;
    test_server *s = start_server(base, SERVE_WELL);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const failing *f = &cases[i];
        for (int text = 0; text < 2; text++) {
            json *samples;
            lm   *e;
            int   want = text ? f->rc_text : f->rc;
            s->how     = f->how;
            atomic_store(&s->completions, 0);
            assert_ok(endpoint_open(&e, &(endpoint_options) { .url         = s->url,
                                                              .tokenizer   = base,
                                                              .max_length  = 128,
                                                              .concurrency = 1,
                                                              .retries     = 2,
                                                              .backoff_s   = 0.01 }));
            error_clear();
            int rc = run_case(all_kinds[text ? 0 : 1], e, &samples);
            if (rc != want || (rc && (!strstr(error_text(), f->message) || !strstr(error_text(), s->url))))
                fail_msg("server %d: status %d, \"%s\"; wanted %d, \"%s\"", (int)f->how, rc, error_text(), want,
                         f->message ? f->message : "");
            assert_int_equal(counted(e).retries, want == f->rc ? f->retries : 0);
            json_free(samples);
            e->close(e);
        }
    }
    stop_server(s);
}

static void a_slow_server_is_waited_for_until_the_limit(void **state)
{
    (void)state;
    asked_case   one = all_kinds[5]; /* one request */
    test_server *s   = start_server(base, SERVE_SLOWLY);
    json        *samples;
    lm          *e;
    assert_ok(endpoint_open(
        &e,
        &(endpoint_options) { .url = s->url, .max_length = 128, .timeout_s = 0.3, .backoff_s = 0.01, .retries = 0 }));
    error_clear();
    assert_int_equal(run_case(one, e, &samples), ERR_FAILED);
    assert_non_null(strstr(error_text(), "timed out"));
    json_free(samples);
    e->close(e);
    assert_ok(endpoint_open(&e, &(endpoint_options) { .url = s->url, .max_length = 128, .timeout_s = 10 }));
    assert_ok(run_case(one, e, &samples));
    json_free(samples);
    e->close(e);
    stop_server(s);
}

static void nobody_listens(void **state)
{
    (void)state;
    lm *e;
    error_clear();
    assert_int_equal(
        endpoint_open(&e, &(endpoint_options) { .url = "http://127.0.0.1:9/v1", .retries = 1, .backoff_s = 0.01 }),
        ERR_FAILED);
    assert_non_null(strstr(error_text(), "http://127.0.0.1:9/v1/models"));
    assert_non_null(strstr(error_text(), "tried 2 times"));
    assert_null(e);
}

/* --- names, keys, records */

static void model_name_key_and_address(void **state)
{
    char         url[96];
    json        *samples;
    lm          *e;
    test_server *s = start_server(base, SERVE_WELL);
    (void)state;
    snprintf(url, sizeof url, "%s/completions/", s->url);
    setenv("TIEBREAK_TEST_KEY", "sk-12345", 1);
    assert_ok(endpoint_open(&e, &(endpoint_options) { .url = url, .key_env = "TIEBREAK_TEST_KEY", .max_length = 128 }));
    assert_string_equal(as_endpoint(e)->url, s->url);
    assert_string_equal(as_endpoint(e)->model, "stand-in");
    assert_string_equal(s->authorization, "Bearer sk-12345");
    e->close(e);
    assert_ok(endpoint_open(&e, &(endpoint_options) { .url = url, .model = "another", .max_length = 128 }));
    assert_ok(run_case(all_kinds[5], e, &samples));
    assert_non_null(strstr(str_c(&s->asked), "\"model\":\"another\""));
    json_free(samples);
    e->close(e);
    setenv("TIEBREAK_TEST_KEY", "sk 1\r\nX: y", 1);
    assert_input_error(endpoint_open(&e, &(endpoint_options) { .url = url, .key_env = "TIEBREAK_TEST_KEY" }),
                       "blank or a control character");
    assert_input_error(endpoint_open(&e, &(endpoint_options) { .url = url, .key_env = "TIEBREAK_NO_SUCH" }),
                       "TIEBREAK_NO_SUCH");
    snprintf(url, sizeof url, "%.*s/v2", (int)(strlen(s->url) - 3), s->url);
    assert_input_error(endpoint_open(&e, &(endpoint_options) { .url = url }), "HTTP status 404: no such page");
    /* There is no /models, but with a name it is not needed. */
    assert_ok(endpoint_open(&e, &(endpoint_options) { .url = url, .model = "another" }));
    assert_true(e->max_length == 2048);
    e->close(e);
    unsetenv("TIEBREAK_TEST_KEY");
    stop_server(s);
}

static void a_sampler_that_is_not_greedy_is_noticed(void **state)
{
    static const serving hows[] = { SERVE_WELL, SERVE_PENALTY, SERVE_CHAT_STYLE };
    (void)state;
    for (size_t i = 0; i < sizeof hows / sizeof *hows; i++) {
        test_server *s = start_server(base, hows[i]);
        lm          *e;
        json        *samples;
        assert_ok(endpoint_open(
            &e, &(endpoint_options) { .url = s->url, .gen_kwargs = "{\"repeat_penalty\": 1}", .max_length = 512 }));
        assert_ok(run_case(all_kinds[0], e, &samples));
        assert_true((as_endpoint(e)->not_greedy > 0) == (hows[i] == SERVE_PENALTY));
        assert_non_null(strstr(str_c(&s->asked), ",\"repeat_penalty\":1"));
        json_free(samples);
        e->close(e);
        assert_input_error(endpoint_open(&e, &(endpoint_options) { .url = s->url, .gen_kwargs = "{\"stop\": []}" }),
                           "\"stop\" is set");
        assert_input_error(endpoint_open(&e, &(endpoint_options) { .url = s->url, .gen_kwargs = "[1]" }),
                           "JSON object");
        stop_server(s);
    }
}

static str read_whole(const char *dir, const char *name)
{
    str   text = { 0 };
    char *path = path_join(dir, name);
    assert_ok(file_read(path, 16 << 20, &text));
    free(path);
    return text;
}

/* A run whose server fails keeps what was answered. The same command goes on and ends with the same
 * bytes as a run that was never disturbed. */
static void a_failed_run_goes_on_where_it_was(void **state)
{
    (void)state;
    char *whole = path_join(home, "whole"), *failed = path_join(home, "failed"), *data = path_join(home, "gsm8k.jsonl");
    test_server *s = start_server(base, SERVE_WELL);
    json        *record;
    eval_request q = { .model          = s->url,
                       .tokenizer      = base,
                       .task           = "gsm8k",
                       .prompt         = "lm-eval",
                       .data           = data,
                       .max_length     = 128,
                       .max_new_tokens = 8,
                       .http           = { .concurrency = 1, .retries = 0 },
                       .quiet          = true };
    q.out          = whole;
    assert_ok(eval_run(&q, &record));
    assert_true(cJSON_IsNull(at(record, "asked/base/sha256")));
    assert_string_equal(at(record, "asked/base/name")->valuestring, "stand-in");
    assert_string_equal(at(record, "asked/base/url")->valuestring, s->url);
    assert_string_equal(at(record, "where/device")->valuestring, "http");
    assert_int_equal((int)number_at(record, "asked/max_length"), 128);
    /* Five items, one request for the models, and one more for the first text. */
    assert_int_equal((int)number_at(record, "result/http/requests"), 7);
    assert_int_equal((int)number_at(record, "result/http/other_than_greedy"), 0);
    json_free(record);
    q.out   = failed;
    s->how  = SERVE_500;
    s->good = atomic_load(&s->completions) + 3;
    assert_int_equal(eval_run(&q, &record), ERR_FAILED);
    char *log = path_join(failed, "journal.jsonl"), *samples = path_join(failed, "samples.jsonl");
    assert_true(file_exists(log) && !file_exists(samples));
    s->how     = SERVE_WELL;
    int before = atomic_load(&s->completions);
    assert_ok(eval_run(&q, &record));
    assert_int_equal(atomic_load(&s->completions) - before, 4); /* two of five were kept */
    str a = read_whole(whole, "samples.jsonl"), b = read_whole(failed, "samples.jsonl");
    assert_true(a.n == b.n && !memcmp(a.s, b.s, a.n));
    q.adapter = base;
    assert_input_error(eval_run(&q, &(json *) { NULL }), "--adapter");
    q.adapter = NULL, q.model = base;
    assert_input_error(eval_run(&q, &(json *) { NULL }), "are for a served model");
    json_free(record);
    str_free(&a);
    str_free(&b);
    stop_server(s);
    char *all[] = { whole, failed, data, log, samples };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scores_through_http_are_the_local_ones),
        cmocka_unit_test(prompts_that_are_too_long_are_cut_as_here),
        cmocka_unit_test(text_prompts_give_the_same_scores),
        reference_test(served_scores_are_the_reference_s),
        cmocka_unit_test(what_an_api_cannot_score_is_refused),
        cmocka_unit_test(every_failure_has_its_message),
        cmocka_unit_test(a_slow_server_is_waited_for_until_the_limit),
        cmocka_unit_test(nobody_listens),
        cmocka_unit_test(model_name_key_and_address),
        cmocka_unit_test(a_sampler_that_is_not_greedy_is_noticed),
        cmocka_unit_test(a_failed_run_goes_on_where_it_was),
    };
    return cmocka_run_group_tests(tests, make_home, remove_home);
}
