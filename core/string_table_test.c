#include "core/string_table.h"

#include "core/memory.h"
#include "core/test.h"

static void texts_keep_their_first_number(void **state)
{
    static const char same[] = "aXbXaX"; /* "a" stands in it twice, as two keys of one text */
    string_table      t      = { 0 };
    (void)state;
    assert_int_equal(string_table_get(&t, "a", 1), -1);
    assert_int_equal(string_table_put(&t, same, 1, 7), -1);
    assert_int_equal(string_table_put(&t, same + 2, 1, 8), -1);
    assert_int_equal(string_table_put(&t, same + 4, 1, 9), 7);
    assert_int_equal(string_table_get(&t, "a", 1), 7);
    assert_int_equal(string_table_get(&t, "b", 1), 8);
    assert_int_equal(string_table_get(&t, "aX", 2), -1);
    assert_int_equal(string_table_get(&t, "", 0), -1);
    assert_int_equal(string_table_put(&t, "", 0, 0), -1);
    assert_int_equal(string_table_get(&t, "x", 0), 0);
    assert_int_equal(t.n, 3);
    string_table_clear(&t);
    assert_int_equal(t.n, 0);
    assert_int_equal(string_table_get(&t, "a", 1), -1);
    assert_int_equal(string_table_put(&t, "a", 1, 3), -1);
    assert_int_equal(string_table_get(&t, "a", 1), 3);
    string_table_free(&t);
}

/* Lengths on both sides of the eight bytes that are hashed at once, with bytes that differ in one
 * place only, NUL among them. */
static void every_byte_counts(void **state)
{
    enum { LONGEST = 40, TEXTS = LONGEST * (LONGEST + 1) / 2 };
    string_table t        = { 0 };
    char(*texts)[LONGEST] = mem_alloc(TEXTS, sizeof *texts);
    int64_t made          = 0;
    (void)state;
    for (size_t n = 1; n <= LONGEST; n++)
        for (size_t at = 0; at < n; at++, made++) {
            texts[made][at] = 'x';
            assert_int_equal(string_table_put(&t, texts[made], n, made), -1);
        }
    assert_int_equal(made, TEXTS);
    made = 0;
    for (size_t n = 1; n <= LONGEST; n++)
        for (size_t at = 0; at < n; at++, made++) assert_int_equal(string_table_get(&t, texts[made], n), made);
    string_table_free(&t);
    free(texts);
}

static void many_numbers_are_found_again(void **state)
{
    enum { MANY = 100000, WIDTH = 16 };
    string_table t      = { 0 };
    char(*texts)[WIDTH] = mem_alloc(MANY, sizeof *texts);
    (void)state;
    for (int i = 0; i < MANY; i++) {
        int n = snprintf(texts[i], WIDTH, "item-%d", i);
        assert_int_equal(string_table_put(&t, texts[i], (size_t)n, i), -1);
    }
    for (int i = 0; i < MANY; i++) assert_int_equal(string_table_get(&t, texts[i], strlen(texts[i])), i);
    assert_int_equal(string_table_get(&t, "item-100000", 11), -1);
    assert_true(t.cap >= 2 * t.n && t.cap <= 4 * t.n);
    string_table_free(&t);
    free(texts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_keep_their_first_number),
        cmocka_unit_test(every_byte_counts),
        cmocka_unit_test(many_numbers_are_found_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
