/* `tiebreak score`: what scripts read, and that a refusal prints nothing that could be taken for
 * a score. */
#include <fcntl.h>

#include "cli/verbs.h"
#include "core/file.h"
#include "core/json.h"
#include "core/str.h"
#include "core/test.h"

enum { ARGS = 32 };

static char *dir;

static int set_up(void **state)
{
    (void)state;
    dir = test_tmpdir();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    test_rmdir(dir);
    return 0;
}

/* Runs the verb on words separated by blanks in the test's folder. The caller frees *printed. */
static int score(const char *words, str *printed)
{
    char copy[1024], *argv[ARGS], *path = path_join(dir, "stdout"), *home = realpath(".", NULL);
    int  argc = 0, rc, keep = dup(1), file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    assert_true(file >= 0 && keep >= 0);
    snprintf(copy, sizeof copy, "score %s", words);
    for (char *w = strtok(copy, " "); w && argc < ARGS; w = strtok(NULL, " ")) argv[argc++] = w;
    fflush(stdout);
    dup2(file, 1);
    assert_int_equal(chdir(dir), 0);
    rc = verb_score.run(argc, argv);
    fflush(stdout);
    assert_int_equal(chdir(home), 0);
    dup2(keep, 1);
    close(keep);
    close(file);
    str_clear(printed);
    assert_ok(file_read(path, 1u << 20, printed));
    free(path);
    free(home);
    return rc;
}

static void write_file(const char *name, const char *text)
{
    char *path = path_join(dir, name);
    assert_ok(file_write_atomic(path, text, strlen(text)));
    free(path);
}

static const char lines[] =
    "{\"id\":\"a\",\"prediction\":\"the cat sat on the mat\",\"references\":[\"the cat sat on the mat\"]}\n"
    "{\"id\":\"b\",\"prediction\":\"no\",\"references\":[\"yes\"]}\n";

static double number_of(const json *j, const char *a, const char *b, const char *c)
{
    return json_number(json_find(json_find(json_find(j, a), b), c));
}

static void json_has_metrics_and_items(void **state)
{
    (void)state;
    str   out = { 0 };
    json *j;
    write_file("in.jsonl", lines);
    assert_int_equal(score("--metric bleu,squad-v1.1,rouge1 --input in.jsonl --json --per-item", &out), OK);
    assert_ok(json_parse(&j, out.s, out.n, "stdout"));
    assert_within(fabs(json_find(j, "n")->valuedouble - 2), 0);
    assert_within(fabs(number_of(j, "metrics", "em", "value") - 50), 0);
    assert_within(fabs(number_of(j, "metrics", "em", "stderr") - 50), 1e-12);
    assert_non_null(json_text(json_find(json_find(json_find(j, "metrics"), "bleu"), "signature")));
    const json *items = json_find(j, "items");
    assert_int_equal(json_size(items), 2);
    assert_string_equal(json_find(items->child, "id")->valuestring, "a");
    /* exp of a mean of logs */
    assert_within(fabs(json_find(items->child, "bleu")->valuedouble - 100), 1e-10);
    assert_within(fabs(json_find(items->child->next, "rouge1")->valuedouble), 0);
    assert_int_equal(json_size(json_items(items)), 5); /* id, bleu, em, f1, rouge1 */
    json_free(j);

    assert_int_equal(score("--metric squad-v1.1 --input in.jsonl --json", &out), OK);
    assert_ok(json_parse(&j, out.s, out.n, "stdout"));
    assert_int_equal(json_size(j), 2); /* n and metrics alone */
    json_free(j);
    str_free(&out);
}

static void the_table_names_value_error_and_signature(void **state)
{
    (void)state;
    str out = { 0 };
    write_file("in.jsonl", lines);
    assert_int_equal(score("--metric squad-v1.1,rougeL --stemmer --multi first --input in.jsonl", &out), OK);
    assert_non_null(strstr(out.s, "2 items"));
    assert_non_null(strstr(out.s, "50.0000 ±  50.0000 "));
    assert_non_null(strstr(out.s, " squad-em|rules:v1.1\n"));
    assert_non_null(strstr(out.s, "refs:first|stem:porter-nltk"));
    str_free(&out);
}

static void a_task_with_its_data(void **state)
{
    (void)state;
    str   out = { 0 };
    json *j;
    write_file("data.jsonl",
               "{\"question\":\"q\",\"answer\":\"#### 5\"}\n{\"question\":\"r\",\"answer\":\"#### 6\"}\n");
    write_file("out.txt", "#### 5\nseven\n");
    assert_int_equal(score("--task gsm8k --data data.jsonl --predictions out.txt --json --per-item", &out), OK);
    assert_ok(json_parse(&j, out.s, out.n, "stdout"));
    assert_within(fabs(number_of(j, "metrics", "exact_match", "value") - 0.5), 0);
    assert_within(fabs(number_of(j, "metrics", "invalid", "value") - 0.5), 0);
    assert_within(fabs(json_find(json_find(j, "items")->child->next, "id")->valuedouble - 1), 0);
    json_free(j);
    write_file(
        "dev.json",
        "{\"data\":[{\"paragraphs\":[{\"context\":\"c\",\"qas\":[{\"id\":\"q\",\"question\":\"?\",\"is_impossible\":true,\"answers\":[]}]}]}]}");
    write_file("p.json", "{\"q\":\"\"}");
    assert_int_equal(score("--task squad --data dev.json --predictions p.json --json", &out), OK);
    assert_ok(json_parse(&j, out.s, out.n, "stdout"));
    assert_within(fabs(json_find(json_find(j, "squad-v2.0"), "NoAns_exact")->valuedouble - 100), 0);
    json_free(j);
    str_free(&out);
}

/* Standard input is the file `name` while the verb runs. */
static int score_stdin(const char *name, const char *words, str *printed)
{
    char *path = path_join(dir, name);
    int   keep = dup(0), file = open(path, O_RDONLY), rc;
    assert_true(file >= 0 && keep >= 0);
    dup2(file, 0);
    close(file);
    rewind(stdin);
    rc = score(words, printed);
    dup2(keep, 0);
    close(keep);
    free(path);
    return rc;
}

static void standard_input_is_a_file_too(void **state)
{
    (void)state;
    str file = { 0 }, piped = { 0 };
    write_file("in.jsonl", lines);
    write_file("empty", "");
    assert_int_equal(score("--metric bleu,squad-v1.1 --input in.jsonl --json --per-item", &file), OK);
    assert_int_equal(score_stdin("in.jsonl", "--metric bleu,squad-v1.1 --input - --json --per-item", &piped), OK);
    assert_string_equal(piped.s, file.s);
    write_file("data.jsonl", "{\"question\":\"q\",\"answer\":\"#### 5\"}\n");
    write_file("p.json", "{\"0\":\n\"#### 5\"}");
    assert_int_equal(score("--task gsm8k --data data.jsonl --predictions p.json --json", &file), OK);
    assert_int_equal(score_stdin("p.json", "--task gsm8k --data data.jsonl --predictions - --json", &piped), OK);
    assert_string_equal(piped.s, file.s);
    assert_input_error(score_stdin("empty", "--metric bleu --input -", &piped), "stdin: is empty");
    str_free(&file);
    str_free(&piped);
}

static void a_sample_log_alone_shows_its_scores(void **state)
{
    (void)state;
    str   out = { 0 };
    json *j;
    write_file("samples.jsonl", "{\"doc_id\":0,\"filter\":\"none\",\"metrics\":[\"acc\"],\"acc\":1.0}\n"
                                "{\"doc_id\":1,\"filter\":\"none\",\"metrics\":[\"acc\"],\"acc\":0.0}\n");
    assert_int_equal(score(". --json --per-item", &out), OK);
    assert_ok(json_parse(&j, out.s, out.n, "stdout"));
    assert_within(fabs(number_of(j, "metrics", "acc", "value") - 0.5), 0);
    assert_int_equal(json_size(json_find(j, "items")), 2);
    json_free(j);
    str_free(&out);
}

static void refusals_print_no_score(void **state)
{
    (void)state;
    static const struct {
        const char *words, *message;
    } cases[] = {
        { "", "say what to score" },
        { "--metric bleu", "say what to score" },
        { "--task gsm8k --data data.jsonl", "--task gsm8k: needs --data FILE and --predictions FILE" },
        { "--metric bleu --input in.jsonl --task gsm8k", "--input goes with --metric alone" },
        { "--metric bleu --predictions in.jsonl", "go with --task" },
        { "--metric blue --input in.jsonl", "did you mean bleu" },
        { "--metric bleu --input in.jsonl --tokenize 14a", "--tokenize 14a: must be one of 13a, intl, char, none" },
        { "--metric bleu --input in.jsonl --smooth exp --smooth-value 1", "smooth_value" },
        { "--metric bleu --input in.jsonl --multi some", "must be one of max, first, mean" },
        { "--metric bleu --input in.jsonl --per-item", "--per-item goes with --json" },
        { "--metric bleu --input in.jsonl --limit 1", "go with --task T" },
        { "--task gsm8k --data d --predictions p --multi mean", "the task's own metrics have the task's own options" },
        { "in.jsonl", "\"scores\" is missing" },
        { "a b", "--compare A B compares them" },
        { "in.jsonl --metric bleu", "a sample log alone shows the scores in it" },
        { "--metric bleu --input bad.jsonl --json --per-item", "line 2: \"prediction\" is missing" },
        { "--metric bleu --input nothere.jsonl", "nothere.jsonl: not found" },
        { "--metric bleu --input empty.jsonl", "is empty" },
        { "--metric bleu --input .", "is a folder" },
        { "--task gsm8k --data d --predictions p --form xml", "must be one of any, lines, json" },
    };
    str out = { 0 };
    write_file("in.jsonl", lines);
    write_file("empty.jsonl", "");
    write_file("bad.jsonl", "{\"prediction\":\"a\",\"references\":[\"a\"]}\n{\"references\":[\"a\"]}\n");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_input_error(score(cases[i].words, &out), cases[i].message);
        assert_int_equal(out.n, 0);
    }
    str_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(json_has_metrics_and_items, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_table_names_value_error_and_signature, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_task_with_its_data, set_up, tear_down),
        cmocka_unit_test_setup_teardown(standard_input_is_a_file_too, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_sample_log_alone_shows_its_scores, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refusals_print_no_score, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
