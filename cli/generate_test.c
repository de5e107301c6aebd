#include "core/test.h"

#include "cli/verbs.h"
#include "core/file.h"
#include "core/json.h"

/* Runs the verb with stdout into a file; returns its status and the text. */
static int run_verb(const char *const *args, int n, str *out)
{
    char *dir = test_tmpdir(), *path = path_join(dir, "stdout");
    fflush(stdout);
    int saved = dup(STDOUT_FILENO);
    if (!freopen(path, "w", stdout)) fail_msg("no stdout");
    int rc = verb_generate.run(n, (char **)(uintptr_t)args);
    fflush(stdout);
    dup2(saved, STDOUT_FILENO);
    close(saved);
    assert_ok(file_read(path, 1 << 20, out));
    free(path);
    test_rmdir(dir);
    return rc;
}

static void the_published_text_comes_out(void **state)
{
    (void)state;
    need_data(dir, "models/stories260K-hf");
    need_data(reference, "models/stories260K/reference.json");
    const char *args[] = { "generate", "--model", dir, "--prompt", "", "--max-new-tokens", "256", "--json" };
    str         text   = { 0 };
    json       *got, *doc;
    assert_ok(run_verb(args, 8, &text));
    assert_ok(json_parse(&got, text.s, text.n, "stdout"));
    assert_ok(json_read_file(&doc, reference, 1 << 20));
    const json *want = json_find(doc, "greedy")->child;
    assert_string_equal(json_find(got, "text")->valuestring, json_find(want, "text")->valuestring);
    assert_true(json_equal(json_find(got, "ids"), json_find(want, "new_ids")));
    json_free(got);
    json_free(doc);
    str_free(&text);
}

static void what_cannot_be_is_named(void **state)
{
    (void)state;
    need_data(dir, "models/stories260K-hf");
    static char model[1024];
    snprintf(model, sizeof model, "%s", dir);
    static const struct {
        const char *args[9];
        int         n;
        const char *message;
    } cases[] = {
        { { "generate", "--model", model }, 3, "--prompt" },
        { { "generate", "--model", "/nowhere", "--prompt", "x" }, 5, "/nowhere" },
        { { "generate", "--model", model, "--prompt", "x", "--max-new-tokens", "600" },
          7,
          "512 positions and the prompt takes 3, which leaves 509" },
        { { "generate", "--model", model, "--prompt", "x", "--device", "abacus" }, 7, "abacus" },
        { { "generate", "--model", model, "--prompt", "\xFF" }, 5, "UTF-8" },
        { { "generate", "--model", model, "--prompt", "x", "--adapter", model }, 7, "is a model, not an adapter" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        str text = { 0 };
        assert_input_error(run_verb(cases[i].args, cases[i].n, &text), cases[i].message);
        assert_int_equal(text.n, 0);
        str_free(&text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { reference_test(the_published_text_comes_out),
                                        cmocka_unit_test(what_cannot_be_is_named) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
