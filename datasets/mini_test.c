#include "core/file.h"
#include "core/json.h"
#include "core/test.h"
#include "datasets/mini.h"
#include "datasets/mini_tasks.h"
#include "datasets/mini_world.h"

static void test_answer_stands_in_context(void **state)
{
    (void)state;
    rng       r = rng_seed(3);
    mini_item x = { 0 };
    for (int i = 0; i < 500; i++) {
        mini_item_clear(&x);
        mini_tasks[MINI_SQUAD].draw(&x, &r);
        assert_true(x.text[2].n > 0);
        assert_int_equal(strncmp(str_c(&x.text[0]) + x.number, str_c(&x.text[2]), x.text[2].n), 0);
    }
    mini_item_free(&x);
}

/* Every annotation <<a+b=c>> is right, and the last one is the answer. */
static void test_solutions_add_up(void **state)
{
    (void)state;
    rng       r = rng_seed(4);
    mini_item x = { 0 };
    for (int i = 0; i < 500; i++) {
        mini_item_clear(&x);
        mini_tasks[MINI_GSM8K].draw(&x, &r);
        int last = -1;
        for (const char *at = str_c(&x.text[1]); (at = strstr(at, "<<")); at++) {
            int  a, b, c;
            char op;
            assert_int_equal(sscanf(at, "<<%d%c%d=%d>>", &a, &op, &b, &c), 4);
            assert_int_equal(c, op == '+' ? a + b : a - b);
            assert_true(c >= 0);
            last = c;
        }
        assert_int_equal(strtol(strstr(str_c(&x.text[1]), "#### ") + 5, NULL, 10), last);
    }
    mini_item_free(&x);
}

static void test_endings_differ(void **state)
{
    (void)state;
    rng       r = rng_seed(5);
    mini_item x = { 0 };
    for (int i = 0; i < 200; i++) {
        const char *line[4], *l;
        size_t      n[4], at = 0, len;
        int         k = 0;
        mini_item_clear(&x);
        mini_tasks[MINI_HELLASWAG].draw(&x, &r);
        while (next_line(str_c(&x.text[2]), x.text[2].n, &at, &l, &len)) {
            assert_true(k < 4);
            line[k] = l, n[k++] = len;
        }
        assert_int_equal(k, 4);
        for (int a = 0; a < 4; a++)
            for (int b = 0; b < a; b++) assert_false(n[a] == n[b] && !memcmp(line[a], line[b], n[a]));
        assert_in_range(x.number, 0, 3);
    }
    mini_item_free(&x);
}

static void test_lum_words_differ(void **state)
{
    (void)state;
    int hidden = 0, words = 0;
    for (int l = 1; l < LISTS; l++)
        for (int i = 0; i < world[l].n; i++) {
            words++, hidden += !lum_explained((list_id)l, i);
            for (int m = 1; m < LISTS; m++)
                for (int k = 0; k < world[m].n; k++)
                    if (l != m || i != k) assert_string_not_equal(lum_word((list_id)l, i), lum_word((list_id)m, k));
        }
    /* the translation task has some words left to teach */
    assert_in_range(hidden, words / 5, words * 3 / 5);
}

static const char *const files[] = { "squad/train.json",      "squad/validation.json", "squad/test.json",
                                     "dialogsum/train.jsonl", "dialogsum/test.jsonl",  "iwslt/train.de",
                                     "iwslt/train.en",        "iwslt/test.de",         "hellaswag/train.jsonl",
                                     "hellaswag/test.jsonl",  "gsm8k/train.jsonl",     "gsm8k/test.jsonl" };

static void test_same_seed_same_bytes(void **state)
{
    (void)state;
    char *dir[2] = { test_tmpdir(), test_tmpdir() };
    for (int k = 0; k < 2; k++) assert_ok(mini_write_tasks(dir[k], 1));
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char hash[2][65];
        for (int k = 0; k < 2; k++) {
            char *path = path_join(dir[k], files[i]);
            assert_ok(sha256_file(path, hash[k]));
            free(path);
        }
        assert_string_equal(hash[0], hash[1]);
    }
    test_rmdir(dir[0]);
    test_rmdir(dir[1]);
}

/* The committed files are what the generator writes. */
static void test_shipped_files_are_generated(void **state)
{
    (void)state;
    if (!file_is_dir("datasets/mini/squad")) skip_because("datasets/mini is not below the current folder");
    char *dir = test_tmpdir();
    assert_ok(mini_write_tasks(dir, 1));
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char hash[2][65], *made = path_join(dir, files[i]), *shipped = path_join("datasets/mini", files[i]);
        assert_ok(sha256_file(made, hash[0]));
        assert_ok(sha256_file(shipped, hash[1]));
        if (strcmp(hash[0], hash[1]) != 0) fail_msg("%s is not what the generator writes: run `make mini`", shipped);
        free(made);
        free(shipped);
    }
    test_rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answer_stands_in_context), cmocka_unit_test(test_solutions_add_up),
        cmocka_unit_test(test_endings_differ),           cmocka_unit_test(test_lum_words_differ),
        cmocka_unit_test(test_same_seed_same_bytes),     cmocka_unit_test(test_shipped_files_are_generated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
