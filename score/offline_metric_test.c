/* Lines that bring their own references are scored, or refused with the reason. */
#include "score/offline.h"
#include "score/test_files.h"

static void gsm8k_filters_agree_with_the_harness(void **state)
{
    (void)state;
    need_data(path, "lm-eval-reference/gsm8k_filters.jsonl");
    need_data(results, "lm-eval-reference/results.json");
    json  *all = read_lines(path), *said = read_json(results);
    str    lines = { 0 };
    scored s;
    for (const json *one = all->child; one; one = one->next) {
        json *line = json_object(), *references = json_array();
        json_set_str(line, "prediction", at(one, "response")->valuestring);
        json_push(references, json_of_text(at(one, "target")->valuestring));
        json_set(line, "references", references);
        json_print(line, &lines, false);
        str_putc(&lines, '\n');
        json_free(line);
    }
    offline_request q = { .metrics = "gsm8k-strict,gsm8k-flexible,invalid,invalid_flexible",
                          .input   = file_of("in.jsonl", lines.s, lines.n) };
    assert_ok(score_by_metric(&q, &s, NULL));
    int64_t i = 0;
    for (const json *one = all->child; one; one = one->next, i++) {
        assert_within(fabs(item_value(&s, "gsm8k-strict", i) - number_at(one, "exact_match/strict-match")), 0);
        assert_within(fabs(item_value(&s, "gsm8k-flexible", i) - number_at(one, "exact_match/flexible-extract")), 0);
    }
    assert_int_equal(s.n, i);
    assert_within(fabs(value(&s, "gsm8k-strict") - number_at(said, "tasks/gsm8k_filters/strict-match/exact_match")),
                  1e-15);
    assert_within(
        fabs(value(&s, "invalid") * (double)i - number_at(said, "tasks/gsm8k_filters/strict-match/[invalid]")), 1e-9);
    assert_within(
        fabs(value(&s, "gsm8k-flexible") - number_at(said, "tasks/gsm8k_filters/flexible-extract/exact_match")), 1e-15);
    assert_within(fabs(value(&s, "invalid_flexible") * (double)i -
                       number_at(said, "tasks/gsm8k_filters/flexible-extract/[invalid]")),
                  1e-9);
    scored_free(&s);
    str_free(&lines);
    json_free(all);
    json_free(said);
}

static void lines_are_scored_by_metric(void **state)
{
    (void)state;
    scored      s;
    const char *input = text_file(
        "in.jsonl", "\xEF\xBB\xBF{\"id\":\"a\",\"prediction\":\"the cat\",\"references\":[\"The cat!\",\"dog\"]}\n"
                    "\n{\"prediction\":\"a dog\",\"references\":[\"two dogs\"],\"note\":null}");
    offline_time time;
    assert_ok(score_by_metric(&(offline_request) { .metrics = "squad-v1.1,rouge1,bleu", .input = input }, &s, &time));
    assert_int_equal(s.n, 2);
    assert_int_equal(s.n_refs, 0); /* it varies */
    assert_string_equal(s.ids[0], "a");
    assert_string_equal(s.ids[1], "3"); /* the line's number */
    assert_false(s.numbers);
    assert_within(fabs(value(&s, "em") - 50), 0);
    assert_within(fabs(item_value(&s, "rouge1", 0) - 1), 0);
    assert_within(fabs(item_value(&s, "rouge1", 1) - 0), 0);
    assert_true(time.read_s >= 0 && time.score_s >= 0);
    scored_free(&s);
}

/* The file has more than one block of the reader, and lines that end where blocks do. */
static void long_files_are_read_block_by_block(void **state)
{
    (void)state;
    str   text = { 0 };
    char *word = mem_alloc(100001, 1);
    memset(word, 'x', 100000);
    for (int i = 0; i < 90; i++)
        str_printf(&text, "{\"prediction\":\"%.*s\",\"references\":[\"%s\"]}\n", 100000 - i, word, word);
    scored s;
    assert_ok(score_by_metric(
        &(offline_request) { .metrics = "squad-v1.1", .input = file_of("long.jsonl", text.s, text.n) }, &s, NULL));
    assert_int_equal(s.n, 90);
    assert_string_equal(s.ids[89], "90");
    assert_within(fabs(item_value(&s, "em", 0) - 100), 0);
    assert_within(fabs(item_value(&s, "em", 89)), 0);
    assert_within(fabs(value(&s, "em") - 100.0 / 90), 1e-12);
    scored_free(&s);
    str_free(&text);
    free(word);
}

static void wrong_lines_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *metrics, *text, *message;
    } cases[] = {
        { "bleu", "", "is empty" },
        { "bleu", "\n  \n", "is empty" },
        { "bleu",
          "{\"prediction\":\"a\",\"references\":[\"a\"]}\n{\"id\":1,\"prediction\":\"a\",\"references\":[\"a\"]}\n",
          "the id \"1\" stands in line 1 too" },
        { "bleu", "[]", "line 1: must be an object" },
        { "bleu", "{\"references\":[\"a\"]}", "\"prediction\" is missing" },
        { "bleu", "{\"prediction\":[\"a\"],\"references\":[\"a\"]}", "\"prediction\": is no text" },
        { "bleu", "{\"prediction\":\"a\"}", "\"references\" is missing" },
        { "bleu", "{\"prediction\":\"a\",\"references\":\"a\"}", "\"references\" is no array" },
        { "bleu", "{\"prediction\":\"a\",\"references\":[]}", "\"references\" is empty" },
        { "squad-v2.0,bleu", "{\"prediction\":\"a\",\"references\":[]}", "\"references\" is empty" },
        { "squad-v1.1", "{\"prediction\":\"a\",\"references\":[]}", "\"references\" is empty" },
        { "bleu", "{\"prediction\":\"a\",\"references\":[\"b\",2]}", "\"references\"[1]: is no text" },
        { "bleu", "{\"prediction\":\"a\",\"prediction\":\"b\",\"references\":[\"a\"]}",
          "\"prediction\" stands there twice" },
        { "bleu", "{\"id\":1e300,\"prediction\":\"a\",\"references\":[\"a\"]}", "must be a text or a whole number" },
        { "bleu", "{\"id\":\"\",\"prediction\":\"a\",\"references\":[\"a\"]}", "must be a text or a whole number" },
        { "bleu", "{\"prediction\":\"a\xed\xa0\x80\",\"references\":[\"a\"]}", "line 1, column 17: not valid UTF-8" },
        { "bleu", "{\"prediction\":\"a\",\"references\":[\"a\"]}\n{\"prediction\":\"a\",", "line 2, column" },
        { "bleu", "{\"prediction\":\"a\\u0000b\",\"references\":[\"a\"]}", "\\u0000" },
        { "acc", "{\"prediction\":\"a\",\"references\":[\"a\"]}", "--metric acc: compares no texts" },
        { "", "{\"prediction\":\"a\",\"references\":[\"a\"]}", "names no metric" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        scored          s;
        offline_request q = { .metrics = cases[i].metrics, .input = text_file("in", cases[i].text) };
        assert_input_error(score_by_metric(&q, &s, NULL), cases[i].message);
    }
    scored s;
    assert_input_error(
        score_by_metric(&(offline_request) { .metrics = "bleu", .input = file_of("nul", "{}\n\0\n", 5) }, &s, NULL),
        "line 2, byte 1: a NUL");
}

static void the_longest_line_has_a_limit(void **state)
{
    (void)state;
    scored      s;
    const char *path = huge_file();
    assert_input_error(score_by_metric(&(offline_request) { .metrics = "bleu", .input = path }, &s, NULL),
                       "line 1: is longer than 16 MiB");
}

static void a_table_too_large_is_refused(void **state)
{
    (void)state;
    const size_t half = 1 << 19;
    str          line = { 0 };
    scored       s;
    str_puts(&line, "{\"prediction\":\"");
    for (size_t i = 0; i < half / 2; i++) str_puts(&line, "a ");
    str_puts(&line, "\",\"references\":[\"x\",\"");
    for (size_t i = 0; i < half / 2; i++) str_puts(&line, "a ");
    str_puts(&line, "\"]}");
    const char *path = file_of("long", line.s, line.n);
    assert_input_error(
        score_by_metric(&(offline_request) { .metrics = "squad-v1.1,rougeLsum", .input = path }, &s, NULL),
        "line 1: rougeLsum compares line with line");
    assert_ok(score_by_metric(&(offline_request) { .metrics = "squad-v1.1", .input = path }, &s, NULL));
    scored_free(&s);
    str_free(&line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        REFERENCE_IN_FOLDER(gsm8k_filters_agree_with_the_harness),
        IN_FOLDER(lines_are_scored_by_metric),
        IN_FOLDER(long_files_are_read_block_by_block),
        IN_FOLDER(wrong_lines_are_refused),
        IN_FOLDER(the_longest_line_has_a_limit),
        IN_FOLDER(a_table_too_large_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
