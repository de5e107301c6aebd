#include "core/file.h"
#include "core/json.h"
#include "core/test.h"
#include "metrics/capitalize.h"
#include "tasks/task.h"

/* The stored right answers, under the key each reference file has for them. */
static void check_answers(const json *j, const task_text *x)
{
    const json *target = json_find(j, "target"), *list = json_find(j, "references"),
               *one_reference = json_find(j, "reference");
    if (target) assert_string_equal(x->target + (target->valuestring[0] != ' '), target->valuestring);
    if (json_find(j, "golds")) list = json_find(j, "golds");
    if (list) assert_int_equal(x->n_references, cJSON_GetArraySize(list));
    for (int i = 0; list && i < x->n_references; i++)
        assert_string_equal(x->references[i], cJSON_GetArrayItem(list, i)->valuestring);
    if (one_reference) assert_string_equal(x->references[0], one_reference->valuestring);
}

/* Prompts, continuations and answers of every stored item, as strings. */
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
            assert_string_equal(x.choices[c],
                                json_find(cJSON_GetArrayItem(choices, (int)c), "continuation")->valuestring);
            if (c == x.gold) assert_string_equal(x.target, x.choices[c]);
        }
        check_answers(j, &x);
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
static void gsm8k_prompts(void **s)
{
    (void)s, check_prompts("gsm8k", LM "data/gsm8k.docs.jsonl", LM "gsm8k_0shot.jsonl", "prompt");
}
static void squad_flat_prompts(void **s)
{
    (void)s, check_prompts("squad", LM "data/squad.flat.jsonl", LM "squad.jsonl", "prompt");
}
static void iwslt_json_prompts(void **s)
{
    (void)s, check_prompts("iwslt", LM "data/iwslt.docs.jsonl", LM "iwslt_de_en.jsonl", "prompt");
}
static void squad_prompts(void **s)
{
    (void)s, check_prompts("squad", LM "data/squad.docs.json", LM "squad.jsonl", "prompt");
}
static void dialogsum_prompts(void **s)
{
    (void)s, check_prompts("dialogsum", LM "data/dialogsum.docs.jsonl", LM "dialogsum.jsonl", "prompt");
}
static void iwslt_prompts(void **s)
{
    (void)s, check_prompts("iwslt", LM "data/iwslt.docs.de", LM "iwslt_de_en.jsonl", "prompt");
}

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
    assert_string_equal(t->variant, "tied-lora");
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

    d = one(
        "hellaswag",
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
    assert_string_equal(text.s, "a time"); /* the decoder drops the first blank */
    str_free(&text);
    train_example_free(&x);
    dataset_free(d);
    tokenizer_close(tok);
    task_close(t);
}

static const char own_task[] =
    "{\"task\":\"mine\",\"version\":3,\"reader\":\"gsm8k\",\"references\":{\"each\":\"answer\"},\"target\":\"{answer|strip}\",\"max_new_tokens\":8,"
    "\"metrics\":{\"exact_match\":\"higher\"},\"default\":\"a\",\"prompts\":{\"a\":{\"prompt\":\"{{Q}} {question}\"},"
    "\"b\":{\"prompt\":\"{question:0|capitalize|strip}\",\"stop\":[\"\\n\"]}}}";

static void a_users_own_file_works(void **state)
{
    (void)state;
    char *dir = test_tmpdir(), *path = path_join(dir, "mine.json");
    task *t;
    assert_ok(file_write_atomic(path, own_task, strlen(own_task)));
    assert_ok(task_open(&t, path, NULL));
    dataset  *d = one("gsm8k", "{\"question\":\"q\",\"answer\":\" a \"}");
    task_text x;
    assert_ok(task_render(t, &d->items[0], &x));
    assert_string_equal(t->name, "mine");
    assert_int_equal(t->version, 3);
    assert_string_equal(x.prompt, "{Q} q");
    assert_string_equal(x.target, " a");
    assert_null(t->rules.stop);
    task_text_free(&x);
    task_close(t);
    assert_ok(task_open(&t, path, "b"));
    assert_ok(task_render(t, &d->items[0], &x));
    assert_string_equal(x.prompt, "Q");
    assert_string_equal(t->rules.stop->child->valuestring, "\n");
    task_text_free(&x);
    task_close(t);
    dataset_free(d);
    assert_input_error(task_open(&t, "gsm8", NULL), "did you mean gsm8k?");
    assert_input_error(task_open(&t, "gsm8k", "lmeval"), "did you mean lm-eval?");
    assert_input_error(task_open(&t, "no/such.json", NULL), "no/such.json: cannot be read");
    free(path);
    test_rmdir(dir);
}

/* Each row edits the file above in one place, and the message names that place. */
static void bad_task_files_are_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to, *part;
    } edits[] = {
        { "\"version\"", "\"verzion\"", "f: \"verzion\": there is no such member here; did you mean \"version\"?" },
        { "3", "\"x\"", "f: \"version\": \"x\": must be a whole number 1..1000000" },
        { "3", "0", "\"version\": 0: must be" },
        { "\"version\":3,", "", "\"version\" is missing" },
        { "\"reader\":\"gsm8k\"", "\"reader\":\"gsm9k\"", "\"reader\": \"gsm9k\": there are squad" },
        { "|strip}\",\"max", "|strp}\",\"max", "did you mean strip?" },
        { "|strip}\",\"max", "|}\",\"max", "filter \"\"" },
        { "Q}} {question}", "Q}} {question", "f: prompts.a: template \"{{Q}} {question\": { is never closed" },
        { "{answer|strip}", "}", "lone }" },
        { "{answer|strip}", "{|strip}", "{|strip}: a field's name is missing" },
        { "{question:0|", "{question:x|", "f: prompts.b: template: {question:x}: after the colon" },
        { "{question:0|", "{question:|", "after the colon" },
        { "\"each\"", "\"every\"", "\"every\": there is no such member here; there are each" },
        { "{\"each\":\"answer\"}", "{}", "\"references\": must be" },
        { "{\"exact_match\":\"higher\"}", "{}", "\"metrics\": names none" },
        { "{\"exact_match\":\"higher\"}", "[\"exact_match\"]", "\"metrics\": [\"exact_match\"]: must be an object" },
        { "\"higher\"", "\"lower\"", "\"exact_match\": must be \"higher\"" },
        { "\"exact_match\"", "\"exact_mach\"", "did you mean exact_match?" },
        { "\"default\":\"a\"", "\"default\":\"c\"", "\"default\": c: the task has no such variant" },
        { "\"max_new_tokens\":8,", "", "\"max_new_tokens\" is missing" },
        { "[\"\\n\"]", "[\"\"]", "f: prompts.b: \"stop\": an empty string" },
        { "\"stop\":[\"\\n\"]", "\"answer\":\"guess\"",
          "f: prompts.b: \"answer\": \"guess\": must be generate, choices or likelihood" },
        { "\"stop\":[\"\\n\"]", "\"metric_options\":{\"multi\":\"all\"}",
          "f: prompts.b: metric_options: \"multi\": \"all\": must be max, first or mean" },
        { "[\"\\n\"]", "[7]", "f: prompts.b: \"stop\": [7]: must be a list of strings" },
        { "[\"\\n\"]", "[],\"stop\":[]", "\"stop\": is there twice" },
        { "\"stop\"", "\"reader\"", "f: prompts.b: \"reader\": there is no such member here" },
        { "\"references\"", "\"answer\":\"choose\",\"references\"",
          "\"choose\": must be generate, choices or likelihood" },
        { "\"references\"", "\"answer\":\"choices\",\"references\"", "\"choices\": must be" },
        { "\"references\"", "\"fewshot\":3,\"references\"", "\"fewshot\": 3: must be an object" },
        { "\"references\"", "\"fewshot\":{\"drop\":true},\"references\"",
          "\"drop\": there is no such member here; did you mean \"drop_self\"" },
        { "\"references\"", "\"fewshot\":{\"separator\":1},\"references\"", "\"separator\": 1: must be a string" },
        { "\"references\"", "\"answer\":\"choices\",\"choices\":{\"list\":[\"x\"]},\"references\"",
          "\"gold\" is missing" },
        { "{\"task\"", "[\"task\"", "f: line 1" },
    };
    for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
        const char *at   = strstr(own_task, edits[i].from);
        str         text = { 0 };
        task       *t;
        assert_non_null(at);
        str_add(&text, own_task, (size_t)(at - own_task));
        str_puts(&text, edits[i].to);
        str_puts(&text, at + strlen(edits[i].from));
        assert_input_error(task_parse(&t, text.s, text.n, "f", NULL), edits[i].part);
        assert_null(t);
        str_free(&text);
    }
}

static void an_item_that_lacks_a_field_is_named(void **state)
{
    (void)state;
    task     *t;
    task_text x;
    dataset  *d = one("dialogsum", "{\"dialogue\":\"d\",\"summary\":\"s\"}\n{\"dialogue\":\"d\"}");
    assert_ok(task_open(&t, "dialogsum", NULL));
    assert_input_error(task_render(t, &d->items[1], &x),
                       "line 2: the field \"summary\" is missing; the item has dialogue");
    task_close(t);
    dataset_free(d);
    d = one(
        "hellaswag",
        "{\"activity_label\":\"A\",\"ctx_a\":\"x\",\"ctx_b\":\"y\",\"ctx\":\"x y\",\"endings\":[\"p\",\"q\",\"r\",\"s\"]}");
    assert_ok(task_open(&t, "hellaswag", NULL));
    assert_input_error(task_render(t, &d->items[0], &x),
                       "line 1: the field \"label\" is missing: the right choice is not known");
    task_close(t);
    dataset_free(d);
}

static void assert_has_metric(const task *t, const char *name)
{
    int k = 0;
    while (k < t->metrics.n && strcmp(t->metrics.rows[k].name, name) != 0) k++;
    assert_true(k < t->metrics.n);
}

/* Every built-in file opens in each of its variants, and these have the metrics that their data
 * sets are known by. */
static void built_in_tasks_are_whole(void **state)
{
    (void)state;
    static const struct {
        const char *name, *metrics[3];
    } want[] = {
        { "squad", { "em", "f1" } },    { "dialogsum", { "rouge1", "rouge2", "rougeL" } },
        { "iwslt", { "bleu" } },        { "hellaswag", { "acc", "acc_norm" } },
        { "gsm8k", { "exact_match" } }, { "text", { "word_perplexity", "byte_perplexity", "bits_per_byte" } },
        { "tokens", { "loss" } },
    };
    size_t found = 0, n = sizeof want / sizeof *want;
    for (int i = 0; task_builtin_name(i); i++) {
        task  *t, *one;
        size_t w = 0;
        assert_ok(task_open(&t, task_builtin_name(i), NULL));
        assert_string_equal(t->name, task_builtin_name(i));
        while (w < n && strcmp(want[w].name, t->name) != 0) w++;
        found += w < n;
        for (const json *v = t->prompts->child; v; v = v->next) {
            assert_ok(task_open(&one, t->name, v->string));
            for (int m = 0; w < n && m < 3 && want[w].metrics[m]; m++) assert_has_metric(one, want[w].metrics[m]);
            task_close(one);
        }
        task_close(t);
    }
    assert_int_equal(found, n);
}

/* Python 3.11: [s.capitalize() for s in (...)]. */
static void capitalize_is_pythons(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        { "", "" },
        { "iPhone X", "Iphone x" },
        { "\xC3\x9FTRASSE", "Sstrasse" }, /* sharp s */
        { "\xEF\xAC\x83x", "Ffix" },      /* ligature ffi */
        { "\xC7\x86"
          "EP",
          "\xC7\x85"
          /* dz with caron: a title-case letter of its own */
          "ep" },
        /* a final sigma */
        { "\xCE\x9F\xCE\x94\xCE\x9F\xCE\xA3", "\xCE\x9F\xCE\xB4\xCE\xBF\xCF\x82" },
        /* I with dot: long in lower case */
        { "\xC4\xB0\xC4\xB0", "\xC4\xB0i\xCC\x87" },
        /* alpha with perispomeni and iota below */
        { "\xE1\xBE\xB7q", "\xCE\x91\xCD\x82\xCD\x85q" },
        { " \xC3\x89T\xC3\x89", " \xC3\xA9t\xC3\xA9" },
        { "\xD6\x87", "\xD4\xB5\xD6\x82" }, /* Armenian ech yiwn */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        str out = { 0 };
        py_capitalize(slice_of(cases[i][0]), &out);
        assert_string_equal(str_c(&out), cases[i][1]);
        str_free(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        reference_test(hellaswag_prompts),
        reference_test(hellaswag_edges),
        reference_test(gsm8k_prompts),
        reference_test(squad_prompts),
        reference_test(squad_flat_prompts),
        reference_test(iwslt_json_prompts),
        reference_test(dialogsum_prompts),
        reference_test(iwslt_prompts),
        cmocka_unit_test(default_prompts_are_the_tied_lora_authors),
        cmocka_unit_test(labels_are_predicted_one_place_earlier),
        cmocka_unit_test(training_scores_the_answer_and_eos),
        cmocka_unit_test(a_users_own_file_works),
        cmocka_unit_test(bad_task_files_are_refused_by_name),
        cmocka_unit_test(an_item_that_lacks_a_field_is_named),
        cmocka_unit_test(built_in_tasks_are_whole),
        cmocka_unit_test(capitalize_is_pythons),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
