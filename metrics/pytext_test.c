#include "metrics/pytext.h"

#include "metrics/test_lines.h"

static void lowers_as_python_does(void **state)
{
    /* Expected: Python 3.11's str.lower(). */
    static const struct {
        const char *why, *text, *lower;
    } cases[] = {
        { "ASCII", "Tie-Break 3", "tie-break 3" },
        { "sigma at a word's end", "ΟΔΥΣΣΕΥΣ", "οδυσσευς" },
        { "sigma inside a word", "ΣΑΣΑ", "σασα" },
        { "sigma alone", "Σ", "σ" },
        { "sigma after a blank", "Α Σ", "α σ" },
        { "case-ignorable characters are skipped on both sides", "Α.Σ'", "α.ς'" },
        { "a letter behind the skipped ones", "ΑΣ'Β", "ασ'β" },
        { "a digit does not continue a word", "ΑΣ1", "ας1" },
        { "a feminine ordinal is cased", "ªΣ", "ªς" },
        { "I with dot becomes two characters", "İx", "i̇x" },
        { "Kelvin sign", "\xE2\x84\xAA", "k" },
        { "title-case digraph", "ǅ", "ǆ" },
        { "beyond the basic plane", "𐐀", "𐐨" },
        { "sharp s stays", "ẞß", "ßß" },
        { "bytes that are no UTF-8 stay", "A\xFF\xC3", "a\xFF\xC3" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        str got = { 0 };
        py_lower(slice_of(cases[i].text), &got);
        if (strcmp(str_c(&got), cases[i].lower)) fail_msg("%s: \"%s\"", cases[i].why, str_c(&got));
        str_free(&got);
    }
}

static void words_are_letters_numbers_and_underscore(void **state)
{
    static const unsigned word[]  = { 'a', 'Z', '0', '_', 0xBD, 0xB2, 0x2167, 0x661, 0x65E5, 0xAA, 0x1D7D8 };
    static const unsigned other[] = { ' ', '-', '.', 0x2019, 0x301, 0x903, 0xA0, 0x20AC, 0x1F642, 0x200B, 0xFFFFFFFF };
    (void)state;
    for (size_t i = 0; i < sizeof word / sizeof *word; i++)
        if (!py_is_word(word[i])) fail_msg("U+%04X is a word character", word[i]);
    for (size_t i = 0; i < sizeof other / sizeof *other; i++)
        if (py_is_word(other[i])) fail_msg("U+%04X is not a word character", other[i]);
}

static void splits_and_strips_at_all_29_blanks(void **state)
{
    /* U+200B and U+FEFF are no blanks. */
    slice rest = slice_of(" \xC2\xA0one\x1C two\xE2\x80\xA8three\xE3\x80\x80\xE2\x80\x8B \n"), word;
    (void)state;
    assert_text(py_strip(rest), slice_of("one\x1C two\xE2\x80\xA8three\xE3\x80\x80\xE2\x80\x8B"));
    assert_text(py_rstrip(slice_of("x\xC2\x85\t")), slice_of("x"));
    assert_text(py_strip(slice_of(" \t\xC2\xA0")), slice_of(""));
    static const char *const words[] = { "one", "two", "three", "\xE2\x80\x8B" };
    for (int i = 0; i < 4; i++) {
        assert_true(py_next_word(&rest, &word));
        assert_text(word, slice_of(words[i]));
    }
    assert_false(py_next_word(&rest, &word));
}

static void counts_words_as_re_split(void **state)
{
    (void)state;
    assert_int_equal(py_resplit_words(slice_of("")), 1);
    assert_int_equal(py_resplit_words(slice_of("one two")), 2);
    assert_int_equal(py_resplit_words(slice_of(" one  two\n")), 4);
    assert_int_equal(py_length(slice_of("aß日🙂")), 4);
}

static void reads_digits_of_all_scripts(void **state)
{
    /* Expected: unicodedata.decimal(character, -1). */
    static const struct {
        unsigned cp;
        int      digit;
    } cases[] = { { '7', 7 },     { 0x663, 3 },   { 0x96F, 9 },   { 0x1A80, 0 },  { 0x1A99, 9 },
                  { 0x1D7CE, 0 }, { 0x1D7D7, 9 }, { 0x1D7D8, 0 }, { 0x1D7FF, 9 }, { 0xFF15, 5 },
                  { 'a', -1 },    { 0xB2, -1 },   { 0xBD, -1 },   { 0x2167, -1 } };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) assert_int_equal(py_digit(cases[i].cp), cases[i].digit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lowers_as_python_does),
        cmocka_unit_test(words_are_letters_numbers_and_underscore),
        cmocka_unit_test(splits_and_strips_at_all_29_blanks),
        cmocka_unit_test(counts_words_as_re_split),
        cmocka_unit_test(reads_digits_of_all_scripts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
