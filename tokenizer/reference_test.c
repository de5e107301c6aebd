/* Ids and texts of whole tokenizers against other programs: the tokenizers library 0.23.3 and
 * llama.cpp. */
#include "core/file.h"
#include "core/json.h"
#include "core/test.h"
#include "tokenizer/tokenizer.h"

/* cJSON ends a string at U+0000. The files have U+F8FF in its place, which becomes a NUL byte again
 * in a text with a length. */
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

static bool same_ids(const ids *got, const json *want)
{
    size_t k    = 0;
    bool   same = (int)got->n == json_size(want);
    for (const json *w = want->child; w && same; w = w->next) same = got->ids[k++] == (int32_t)w->valuedouble;
    return same;
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

/* Checks one line: encoded as it is and with special tokens as plain text, decoded with and without
 * special tokens, and encoded with the template's prefix. */
static const char *check_line(const tokenizer *t, const char *line, size_t n, int32_t prefix)
{
    json       *j       = parse_line(line, n);
    bool        has_nul = memmem(line, n, "\\u0000", 6) != NULL;
    const json *want = json_find(j, "ids"), *skip = json_find(j, "decoded_skip"), *plain = json_find(j, "ids_plain");
    str         input = text_of(json_find(j, "text"), has_nul);
    ids         got   = { 0 };
    const char *wrong = NULL;
    assert_ok(tokenizer_encode(t, str_c(&input), input.n, false, &got));
    if (!same_ids(&got, want)) wrong = "ids";
    ids_clear(&got);
    assert_ok(tokenizer_encode_plain(t, str_c(&input), input.n, false, &got));
    if (!same_ids(&got, plain ? plain : want)) wrong = "ids_plain";
    ids_clear(&got);
    assert_ok(tokenizer_encode(t, str_c(&input), input.n, true, &got));
    if (got.n != (size_t)json_size(want) + (prefix >= 0) || (prefix >= 0 && got.ids[0] != prefix)) wrong = "prefix";
    ids_clear(&got);
    for (const json *w = want->child; w; w = w->next) ids_push(&got, (int32_t)w->valuedouble);
    if (!decodes_to(t, &got, false, json_find(j, "decoded"), has_nul)) wrong = "decoded";
    if (skip && !decodes_to(t, &got, true, skip, has_nul)) wrong = "decoded_skip";
    ids_free(&got);
    str_free(&input);
    json_free(j);
    return wrong;
}

/* The kinds of tokenizers: each has a folder, a name in the stored slices and a file of lines. A
 * kind that only one of the two places has is passed over in the other. */
static const struct {
    const char *folder, *name, *lines;
} kinds[] = {
    { "tokenizers/gpt2", "gpt2", "tokenizers/reference/gpt2.jsonl" },
    { "tokenizers/phi-3-mini", "phi-3-mini", "tokenizers/reference/phi-3-mini.jsonl" },
    { "tokenizers/llama3", "llama3", "tokenizers/reference/llama3.jsonl" },
    { "models/stories260K-hf", "stories260K", "tokenizers/reference/stories260K.jsonl" },
    { "tokenizers/gpt2-style", "gpt2-style", "tokenizers/gpt2-style/lines.jsonl" },
    { "tokenizers/llama2-style", "llama2-style", "tokenizers/llama2-style/lines.jsonl" },
    { "tokenizers/llama3-style", "llama3-style", "tokenizers/llama3-style/lines.jsonl" },
    { "tokenizers/qwen2-style", "qwen2-style", "tokenizers/qwen2-style/lines.jsonl" },
};
enum { KINDS = sizeof kinds / sizeof *kinds };

/* Checks every line of the stored ids and texts of one tokenizer. */
static void check_reference(int kind)
{
    tokenizer  *t;
    str         text = { 0 };
    const char *line, *path = test_data(kinds[kind].lines);
    size_t      pos = 0, n, lines = 0, wrong = 0;
    ids         first = { 0 };
    assert_ok(tokenizer_open(&t, test_data(kinds[kind].folder)));
    assert_ok(file_read(path, 64u << 20, &text));
    /* what the template puts in front of an empty text */
    assert_ok(tokenizer_encode(t, "", 0, true, &first));
    assert_true(first.n <= 1);
    while (next_line(text.s, text.n, &pos, &line, &n)) {
        const char *what = check_line(t, line, n, first.n ? first.ids[0] : -1);
        lines++;
        if (what && wrong++ < 5) print_message("%s line %zu: %s differ\n", kinds[kind].name, lines, what);
    }
    assert_true(lines > 200);
    assert_int_equal(wrong, 0);
    ids_free(&first);
    str_free(&text);
    tokenizer_close(t);
}

static void lines_of_every_kind_agree(void **state)
{
    (void)state;
    int seen = 0;
    for (int k = 0; k < KINDS; k++)
        if (test_data(kinds[k].lines)) check_reference(k), seen++;
    assert_true(seen >= 4);
}

static void slices_decode_like_the_reference(void **state)
{
    (void)state;
    need_data(path, "tokenizers/reference/decode_slices.jsonl");
    tokenizer  *t[KINDS] = { 0 };
    str         text     = { 0 };
    const char *line;
    size_t      pos = 0, n, lines = 0, wrong = 0;
    ids         v = { 0 };
    assert_ok(file_read(path, 64u << 20, &text));
    while (next_line(text.s, text.n, &pos, &line, &n)) {
        json *j = parse_line(line, n);
        int   k = 0;
        while (strcmp(kinds[k].name, json_find(j, "tokenizer")->valuestring)) k++;
        if (!t[k]) assert_ok(tokenizer_open(&t[k], test_data(kinds[k].folder)));
        ids_clear(&v);
        for (const json *w = json_find(j, "ids")->child; w; w = w->next) ids_push(&v, (int32_t)w->valuedouble);
        lines++;
        if (!decodes_to(t[k], &v, false, json_find(j, "decoded"), memmem(line, n, "\\u0000", 6) != NULL) && wrong++ < 5)
            print_message("slice %zu differs\n", lines);
        json_free(j);
    }
    assert_true(lines > 100);
    assert_int_equal(wrong, 0);
    for (int k = 0; k < KINDS; k++) tokenizer_close(t[k]);
    ids_free(&v);
    str_free(&text);
}

/* Checks llama.cpp's vectors: texts between separators, and a line of ids for each. */
static void check_vectors(const char *folder, const char *texts, const char *vectors)
{
    static const char separator[] = "\n__ggml_vocab_test__\n";
    tokenizer        *t;
    str               in = { 0 }, out = { 0 };
    need_data(root, folder);
    need_data(in_path, texts);
    need_data(out_path, vectors);
    assert_ok(tokenizer_open(&t, root));
    assert_ok(file_read(in_path, 1u << 20, &in));
    assert_ok(file_read(out_path, 1u << 20, &out));
    const char *line;
    size_t      pos = 0, from = 0, n, count = 0;
    while (next_line(out.s, out.n, &pos, &line, &n) && from <= in.n) {
        const char *end    = memmem(in.s + from, in.n - from, separator, sizeof separator - 1);
        size_t      length = end ? (size_t)(end - in.s) - from : in.n - from;
        ids         v      = { 0 };
        str         got = { 0 }, want = { 0 };
        assert_ok(tokenizer_encode(t, in.s + from, length, false, &v));
        for (size_t i = 0; i < v.n; i++) str_printf(&got, " %d", v.ids[i]);
        str_add(&want, line, n);
        if (strcmp(str_c(&got), str_c(&want)))
            fail_msg("%s, text %zu: %s, not %s", vectors, count, str_c(&got), str_c(&want));
        from += length + sizeof separator - 1;
        count++;
        ids_free(&v);
        str_free(&got);
        str_free(&want);
    }
    assert_int_equal(count, 46);
    str_free(&in);
    str_free(&out);
    tokenizer_close(t);
}

/* And of llama.cpp's own files, one that somebody's editor has damaged. */
static void llama_cpp_agrees(void **state)
{
    (void)state;
    check_vectors("tokenizers/gpt2", "tokenizers/gpt2/test_vectors.inp", "tokenizers/gpt2/test_vectors.out");
    check_vectors("tokenizers/llama3", "tokenizers/gpt2/test_vectors.inp",
                  "tokenizers/reference/llama3.test_vectors.out");
    check_vectors("tokenizers/phi-3-mini", "tokenizers/llama2/test_vectors.inp", "tokenizers/llama2/test_vectors.out");
    tokenizer *t;
    need_data(damaged, "tokenizers/llama2/tokenizer.json");
    assert_input_error(tokenizer_open(&t, damaged), "merge 18918: ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        reference_test(lines_of_every_kind_agree),
        reference_test(slices_decode_like_the_reference),
        published_test(llama_cpp_agrees),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
