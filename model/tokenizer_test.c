#include "core/file.h"
#include "core/json.h"
#include "core/test.h"
#include "model/tokenizer.h"

static const char byte_level[] =
    "{\"added_tokens\":[{\"id\":7,\"content\":\"<s>\",\"special\":true}],\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false},"
    "\"decoder\":{\"type\":\"ByteLevel\"},\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"<s>\"}},{"
    "\"Sequence\":"
    "{\"id\":\"A\"}}],\"special_tokens\":{\"<s>\":{\"ids\":[7]}}},\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"c\":2,\"\xC4\xA0\":3,"
    "\"ab\":4,"
    "\"abc\":5,\"\xC4\xA0"
    "a\":6},\"merges\":[\"a b\",[\"ab\",\"c\"],\"\xC4\xA0 a\"]}}";

static int open_text(tokenizer **t, const char *text)
{
    char *dir = test_tmpdir(), *path = path_join(dir, "tokenizer.json");
    assert_ok(file_write_atomic(path, text, strlen(text)));
    int rc = tokenizer_open(t, dir);
    free(path);
    test_rmdir(dir);
    return rc;
}

static void merges_lowest_rank_first_and_cuts_added_tokens(void **state)
{
    (void)state;
    tokenizer *t;
    ids        v = { 0 };
    str        s = { 0 };
    assert_ok(open_text(&t, byte_level));
    assert_ok(tokenizer_encode(t, "abc ab<s>a", 10, true, &v));
    static const int32_t want[] = { 7, 5, 3, 4, 7, 0 };
    assert_int_equal(v.n, 6);
    assert_memory_equal(v.ids, want, sizeof want);
    assert_ok(tokenizer_decode(t, v.ids, v.n, true, &s));
    assert_string_equal(s.s, "abc aba");
    str_clear(&s);
    assert_ok(tokenizer_decode(t, v.ids, v.n, false, &s));
    assert_string_equal(s.s, "<s>abc ab<s>a");
    assert_int_equal(tokenizer_bos(t), 7);
    assert_int_equal(tokenizer_eos(t), -1);
    assert_input_error(tokenizer_encode(t, "a\xFF", 2, false, &v), "byte 1");
    assert_input_error(tokenizer_decode(t, (int32_t[]) { 99 }, 1, false, &s), "id 99");
    ids_free(&v);
    str_free(&s);
    tokenizer_close(t);
}

static void bad_files_are_refused_with_the_place(void **state)
{
    (void)state;
    static const struct {
        const char *text, *part;
    } cases[] = {
        { "[]", "must be a JSON object" },
        { "{}", "\"model\" is missing" },
        { "{\"model\":{\"type\":\"Unigram\"}}", "only BPE" },
        { "{\"model\":{\"vocab\":{},\"merges\":[]}}", "vocab is empty" },
        { "{\"model\":{\"vocab\":{\"a\":-1},\"merges\":[]}}", "vocab \"a\"" },
        { "{\"model\":{\"vocab\":{\"a\":1e9},\"merges\":[]}}", "whole number" },
        { "{\"model\":{\"vocab\":{\"a\":16000000},\"merges\":[]}}", "only 1 tokens" },
        { "{\"model\":{\"vocab\":{\"a\":0,\"b\":0},\"merges\":[]}}", "id 0 stands for" },
        { "{\"model\":{\"vocab\":{\"a\":0,\"a\":1},\"merges\":[]}}", "stands twice" },
        { "{\"model\":{\"vocab\":{\"a\":0},\"merges\":[\"a b\"]}}", "merge 1: its part \"b\"" },
        { "{\"model\":{\"vocab\":{\"a\":0},\"merges\":[\"a a\"]}}", "merge 1: its result" },
        { "{\"model\":{\"vocab\":{\"a\":0},\"merges\":[7]}}", "merge 1" },
        { "{\"model\":{\"vocab\":{\"a\":0},\"merges\":[],\"unk_token\":\"u\"}}", "unk_token" },
        { "{\"model\":{\"vocab\":{\"a\":0},\"merges\":[],\"dropout\":0.1}}", "dropout" },
        { "{\"model\":{\"vocab\":{\"a\":0},\"merges\":[]},\"normalizer\":{\"type\":\"Precompiled\"}}", "Precompiled" },
        { "{\"model\":{\"vocab\":{\"a\":0},\"merges\":[]},\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(\"},\"behavior\":"
          "\"Isolated\"}}",
          "does not compile" },
        { "{\"model\":{\"vocab\":{\"a\":0},\"merges\":[]},\"decoder\":{\"type\":\"WordPiece\"}}", "WordPiece" },
        { "{\"model\":{\"vocab\":{\"a\":0},\"merges\":[]},\"post_processor\":{\"type\":\"BertProcessing\"}}", "BertProcessing" },
        { "{\"added_tokens\":[{\"id\":0,\"content\":\"x\"}],\"model\":{\"vocab\":{\"a\":0},\"merges\":[]}}", "which stands for" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tokenizer *t;
        assert_input_error(open_text(&t, cases[i].text), cases[i].part);
        assert_null(t);
    }
    need_data(damaged, "tokenizers/llama2/tokenizer.json");
    tokenizer *t;
    assert_input_error(tokenizer_open(&t, damaged), "merge 18918");
}

/* cJSON ends a string at U+0000: such characters travel as U+F8FF, and come back as NUL bytes in a text with a length. */
static json *parse_line(const char *line, size_t n)
{
    str   copy = { 0 };
    json *j;
    for (size_t i = 0; i < n;) {
        bool nul = i + 6 <= n && !memcmp(line + i, "\\u0000", 6);
        str_add(&copy, nul ? "\\uf8ff" : line + i, nul ? 6 : 1);
        i += nul ? 6 : 1;
    }
    assert_ok(json_parse(&j, copy.s, copy.n, "reference"));
    str_free(&copy);
    return j;
}

static str text_of(const json *j, bool has_nul)
{
    str out = { 0 };
    for (const char *c = j->valuestring; *c; c++) {
        if (has_nul && !strncmp(c, "\xEF\xA3\xBF", 3)) {
            str_putc(&out, '\0');
            c += 2;
        } else {
            str_putc(&out, *c);
        }
    }
    return out;
}

static bool decodes_to(const tokenizer *t, const ids *v, bool skip, const json *want, bool has_nul)
{
    str got = { 0 }, text = text_of(want, has_nul);
    assert_ok(tokenizer_decode(t, v->ids, v->n, skip, &got));
    bool same = got.n == text.n && !memcmp(str_c(&got), str_c(&text), got.n);
    str_free(&got);
    str_free(&text);
    return same;
}

/* Every line of the stored ids and texts of one tokenizer. */
static void check_reference(const char *folder, const char *name)
{
    char        reference[256];
    tokenizer  *t;
    str         text = { 0 };
    const char *root = test_data(folder);
    snprintf(reference, sizeof reference, "tokenizers/reference/%s.jsonl", name);
    const char *path = test_data(reference);
    if (!root || !path) skip_because("reference tokenizers are not on this machine");
    assert_ok(tokenizer_open(&t, root));
    assert_ok(file_read(path, 64u << 20, &text));
    const char *line;
    size_t      pos = 0, n, lines = 0, wrong = 0;
    ids         got = { 0 };
    while (next_line(text.s, text.n, &pos, &line, &n)) {
        json       *j       = parse_line(line, n);
        bool        has_nul = memmem(line, n, "\\u0000", 6) != NULL;
        const json *want = json_find(j, "ids"), *skip = json_find(j, "decoded_skip");
        str         input = text_of(json_find(j, "text"), has_nul);
        lines++;
        ids_clear(&got);
        assert_ok(tokenizer_encode(t, str_c(&input), input.n, false, &got));
        bool   same = (int)got.n == cJSON_GetArraySize(want);
        size_t k    = 0;
        for (const json *w = want->child; w && same; w = w->next) same = got.ids[k++] == (int32_t)w->valuedouble;
        ids_clear(&got);
        for (const json *w = want->child; w; w = w->next) ids_push(&got, (int32_t)w->valuedouble);
        bool text_same = decodes_to(t, &got, false, json_find(j, "decoded"), has_nul) && (!skip || decodes_to(t, &got, true, skip, has_nul));
        if ((!same || !text_same) && wrong++ < 5) print_message("%s line %zu: %s\n", name, lines, same ? "text differs" : "ids differ");
        str_free(&input);
        json_free(j);
    }
    assert_true(lines > 3000);
    assert_int_equal(wrong, 0);
    ids_free(&got);
    str_free(&text);
    tokenizer_close(t);
}

static void gpt2_lines(void **state) { (void)state, check_reference("tokenizers/gpt2", "gpt2"); }
static void phi3_lines(void **state) { (void)state, check_reference("tokenizers/phi-3-mini", "phi-3-mini"); }
static void llama3_lines(void **state) { (void)state, check_reference("tokenizers/llama3", "llama3"); }
static void stories_lines(void **state) { (void)state, check_reference("models/stories260K-hf", "stories260K"); }

static void slices_decode_like_the_reference(void **state)
{
    (void)state;
    static const char *const names[] = { "gpt2", "phi-3-mini", "llama3", "stories260K" };
    static const char *const dirs[]  = { "tokenizers/gpt2", "tokenizers/phi-3-mini", "tokenizers/llama3", "models/stories260K-hf" };
    need_data(path, "tokenizers/reference/decode_slices.jsonl");
    tokenizer *t[4];
    str        text = { 0 };
    assert_ok(file_read(path, 64u << 20, &text));
    for (int i = 0; i < 4; i++) assert_ok(tokenizer_open(&t[i], test_data(dirs[i])));
    const char *line;
    size_t      pos = 0, n, lines = 0, wrong = 0;
    ids         v = { 0 };
    while (next_line(text.s, text.n, &pos, &line, &n)) {
        json *j = parse_line(line, n);
        int   k = 0;
        while (strcmp(names[k], json_find(j, "tokenizer")->valuestring)) k++;
        ids_clear(&v);
        for (const json *w = json_find(j, "ids")->child; w; w = w->next) ids_push(&v, (int32_t)w->valuedouble);
        lines++;
        if (!decodes_to(t[k], &v, false, json_find(j, "decoded"), memmem(line, n, "\\u0000", 6) != NULL) && wrong++ < 5)
            print_message("slice %zu differs\n", lines);
        json_free(j);
    }
    assert_true(lines > 100);
    assert_int_equal(wrong, 0);
    for (int i = 0; i < 4; i++) tokenizer_close(t[i]);
    ids_free(&v);
    str_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(merges_lowest_rank_first_and_cuts_added_tokens),
        cmocka_unit_test(bad_files_are_refused_with_the_place),
        cmocka_unit_test(gpt2_lines),
        cmocka_unit_test(phi3_lines),
        cmocka_unit_test(llama3_lines),
        cmocka_unit_test(stories_lines),
        cmocka_unit_test(slices_decode_like_the_reference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
