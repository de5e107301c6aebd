#include "core/file.h"
#include "core/json.h"
#include "core/test.h"
#include "eval/task.h"

/* Prompts and continuations of every stored item, as strings. */
static void check_prompts(const char *name, const char *data, const char *reference, const char *prompt_key)
{
    const char *path = test_data(data), *want = test_data(reference);
    if (!path || !want) skip_because("lm-eval-reference is not on this machine");
    task       *t;
    dataset    *d;
    str         lines = { 0 };
    const char *line;
    size_t      pos = 0, n;
    assert_ok(task_open(&t, name, "lm-eval"));
    assert_ok(task_read(t, path, &d));
    assert_ok(file_read(want, 64u << 20, &lines));
    int64_t i = 0;
    for (; next_line(lines.s, lines.n, &pos, &line, &n); i++) {
        json     *j;
        task_text x;
        assert_ok(json_parse(&j, line, n, reference));
        assert_ok(task_render(t, &d->items[(int64_t)json_find(j, "doc_id")->valuedouble], &x));
        assert_string_equal(x.prompt, json_find(j, prompt_key)->valuestring);
        const json *choices = json_find(j, "choices");
        for (int64_t c = 0; c < x.n_choices; c++) {
            assert_string_equal(x.choices[c], json_find(cJSON_GetArrayItem(choices, (int)c), "continuation")->valuestring);
            if (c == x.gold) assert_string_equal(x.target, x.choices[c]);
        }
        if (x.n_choices) assert_int_equal(x.gold, (int)json_find(j, "gold")->valuedouble);
        task_text_free(&x);
        json_free(j);
    }
    assert_int_equal(i, d->n);
    str_free(&lines);
    dataset_free(d);
    task_close(t);
}

#define LM "lm-eval-reference/"
static void hellaswag_prompts(void **s)
{
    (void)s, check_prompts("hellaswag", LM "data/hellaswag.docs.jsonl", LM "hellaswag_0shot.jsonl", "context");
}
static void hellaswag_edges(void **s)
{
    (void)s, check_prompts("hellaswag", LM "data/hellaswag_edge.docs.jsonl", LM "hellaswag_edge.jsonl", "context");
}
static void gsm8k_prompts(void **s) { (void)s, check_prompts("gsm8k", LM "data/gsm8k.docs.jsonl", LM "gsm8k_0shot.jsonl", "prompt"); }
static void squad_prompts(void **s) { (void)s, check_prompts("squad", LM "data/squad.docs.json", LM "squad.jsonl", "prompt"); }
static void dialogsum_prompts(void **s) { (void)s, check_prompts("dialogsum", LM "data/dialogsum.docs.jsonl", LM "dialogsum.jsonl", "prompt"); }
static void iwslt_prompts(void **s) { (void)s, check_prompts("iwslt", LM "data/iwslt.docs.de", LM "iwslt_de_en.jsonl", "prompt"); }

static dataset *one(const char *reader, const char *text)
{
    dataset *d;
    assert_ok(dataset_parse(&d, reader, text, strlen(text), NULL, 0, "f"));
    return d;
}

static void default_prompts_are_the_tied_lora_authors(void **state)
{
    (void)state;
    task     *t;
    task_text x;
    dataset  *d = one("gsm8k", "{\"question\":\"How many?\",\"answer\":\"Two.\\n#### 2\"}");
    assert_ok(task_open(&t, "gsm8k", NULL));
    assert_ok(task_render(t, &d->items[0], &x));
    assert_string_equal(x.prompt, "How many? Answer:");
    assert_string_equal(x.target, " Two.\n#### 2");
    assert_string_equal(x.references[0], "Two.\n#### 2");
    assert_string_equal(task_prompt(t), "tied-lora");
    task_text_free(&x);
    dataset_free(d);
    task_close(t);

    d = one(
        "squad",
        "{\"data\":[{\"paragraphs\":[{\"context\":\"C.\",\"qas\":[{\"id\":\"7\",\"question\":\"Q?\",\"answers\":[{\"text\":\"a\"},{\"text\":\"b\"}]},"
        "{\"id\":\"8\",\"question\":\"R?\",\"answers\":[]}]}]}]}");
    assert_ok(task_open(&t, "squad", NULL));
    assert_ok(task_render(t, &d->items[0], &x));
    assert_string_equal(x.prompt, "Context: C. Question: Q? Answer:");
    assert_string_equal(x.target, " a");
    assert_int_equal(x.n_references, 2);
    task_text_free(&x);
    assert_ok(task_render(t, &d->items[1], &x));
    assert_string_equal(x.target, " unanswerable");
    assert_int_equal(x.n_references, 0);
    task_text_free(&x);
    dataset_free(d);
    task_close(t);

    d = one("hellaswag",
            "{\"activity_label\":\"A\",\"ctx_a\":\"x\",\"ctx_b\":\"y\",\"ctx\":\"x y\",\"endings\":[\"p\",\"q\",\"r\",\"s\"],\"label\":2}");
    assert_ok(task_open(&t, "hellaswag", "tied-lora"));
    assert_ok(task_render(t, &d->items[0], &x));
    assert_string_equal(x.prompt, "Text: x y Endings: 1:p 2:q 3:r 4:s Answer:");
    assert_string_equal(x.target, " 3");
    task_text_free(&x);
    dataset_free(d);
    task_close(t);
}

static void labels_are_predicted_one_place_earlier(void **state)
{
    (void)state;
    task         *t;
    train_example x;
    dataset      *d = one("tokens", "{\"input_ids\":[1,5,6,7],\"labels\":[1,-100,6,7]}");
    assert_ok(task_open(&t, "tokens", NULL));
    assert_false(task_needs_tokenizer(t));
    assert_ok(task_encode(t, &d->items[0], NULL, &x));
    static const int32_t want[] = { -1, 6, 7, -1 };
    assert_int_equal(x.n, 4);
    assert_int_equal(x.n_scored, 2);
    assert_memory_equal(x.targets, want, sizeof want);
    train_example_free(&x);
    dataset_free(d);
    task_close(t);
}

static void training_scores_the_answer_and_eos(void **state)
{
    (void)state;
    need_data(model, "models/stories260K-hf");
    task         *t;
    tokenizer    *tok;
    train_example x;
    dataset      *d = one("gsm8k", "{\"question\":\"Once upon\",\"answer\":\"a time\"}");
    assert_ok(task_open(&t, "gsm8k", NULL));
    assert_ok(tokenizer_open(&tok, model));
    assert_ok(task_encode(t, &d->items[0], tok, &x));
    str text = { 0 };
    assert_int_equal(x.ids[0], tokenizer_bos(tok));
    assert_int_equal(x.ids[x.n - 1], tokenizer_eos(tok));
    int64_t first = 0;
    while (x.targets[first] < 0) first++;
    for (int64_t i = first; i + 1 < x.n; i++) assert_int_equal(x.targets[i], x.ids[i + 1]);
    assert_ok(tokenizer_decode(tok, x.ids + first + 1, (size_t)(x.n - first - 2), true, &text));
    assert_string_equal(text.s, "a time"); /* the decoder takes the first blank away */
    str_free(&text);
    train_example_free(&x);
    dataset_free(d);
    tokenizer_close(tok);
    task_close(t);
}

static void a_users_own_file_works_and_bad_ones_are_refused(void **state)
{
    (void)state;
    static const char good[] =
        "{\"task\":\"mine\",\"version\":3,\"reader\":\"gsm8k\",\"references\":{\"each\":\"answer\"},\"target\":\"{answer|strip}\","
        "\"metrics\":[\"exact_match\"],\"default\":\"a\",\"prompts\":{\"a\":{\"prompt\":\"{{Q}} {question}\"}}}";
    static const struct {
        const char *from, *to, *part;
    } edits[] = {
        { "\"version\"", "\"verzion\"", "did you mean \"version\"?" },
        { "3", "\"x\"", "\"version\": must be a whole number" },
        { "|strip", "|strp", "did you mean strip?" },
        { "{question}", "{question", "never closed" },
        { "{answer|strip}", "}", "lone }" },
        { "\"each\"", "\"every\"", "\"references\"" },
        { "[\"exact_match\"]", "[]", "names no metric" },
        { "\"default\":\"a\"", "\"default\":\"b\"", "no such variant" },
    };
    char *dir = test_tmpdir(), *path = path_join(dir, "mine.json");
    task *t;
    assert_ok(file_write_atomic(path, good, strlen(good)));
    assert_ok(task_open(&t, path, NULL));
    dataset  *d = one("gsm8k", "{\"question\":\"q\",\"answer\":\" a \"}");
    task_text x;
    assert_ok(task_render(t, &d->items[0], &x));
    assert_string_equal(x.prompt, "{Q} q");
    assert_string_equal(x.target, " a");
    task_text_free(&x);
    dataset_free(d);
    task_close(t);
    for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
        const char *at   = strstr(good, edits[i].from);
        str         text = { 0 };
        str_add(&text, good, (size_t)(at - good));
        str_puts(&text, edits[i].to);
        str_puts(&text, at + strlen(edits[i].from));
        assert_ok(file_write_atomic(path, text.s, text.n));
        assert_input_error(task_open(&t, path, NULL), edits[i].part);
        assert_null(t);
        str_free(&text);
    }
    assert_input_error(task_open(&t, "gsm8", NULL), "did you mean gsm8k?");
    assert_input_error(task_open(&t, "gsm8k", "lmeval"), "did you mean lm-eval?");
    free(path);
    test_rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hellaswag_prompts),
        cmocka_unit_test(hellaswag_edges),
        cmocka_unit_test(gsm8k_prompts),
        cmocka_unit_test(squad_prompts),
        cmocka_unit_test(dialogsum_prompts),
        cmocka_unit_test(iwslt_prompts),
        cmocka_unit_test(default_prompts_are_the_tied_lora_authors),
        cmocka_unit_test(labels_are_predicted_one_place_earlier),
        cmocka_unit_test(training_scores_the_answer_and_eos),
        cmocka_unit_test(a_users_own_file_works_and_bad_ones_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
