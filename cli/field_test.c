/* Folders as other programs leave them, through the verbs: each loads with the value that the
 * program which wrote it computes, or the message says what the folder is. */
#include "cli/test_verb.h"

/* What the verb wrote to stderr is kept in `said`. */
static int run_loud(const verb *v, const char *words, str *printed, str *said)
{
    char path[] = "/tmp/tiebreak-stderr-XXXXXX";
    int  file = mkstemp(path), keep = dup(2);
    assert_true(file >= 0 && keep >= 0);
    fflush(stderr);
    dup2(file, 2);
    int rc = test_verb(v, words, printed);
    fflush(stderr);
    dup2(keep, 2);
    close(keep);
    close(file);
    str_clear(said);
    assert_ok(file_read(path, 1u << 20, said));
    unlink(path);
    return rc;
}

/* The last line of a training's log. */
static json *last_step(const char *dir)
{
    char *path = path_join(dir, "train_log.jsonl");
    str   text = { 0 };
    json *j    = NULL;
    assert_ok(file_read(path, 1u << 20, &text));
    text.s[--text.n] = '\0';
    const char *last = strrchr(text.s, '\n') ? strrchr(text.s, '\n') + 1 : text.s;
    assert_ok(json_parse(&j, last, strlen(last), path));
    str_free(&text);
    free(path);
    return j;
}

static void each_target_ends_with_the_end_token(void **state)
{
    (void)state;
    need_data(base, "field-cases/eos-special-tokens-map");
    char *dir     = test_tmpdir(), words[1900];
    str   printed = { 0 };
    snprintf(words, sizeof words,
             "--model %s --task squad --data %s/train.json --method lora --rank 8 --steps 1 --batch 16 --lr 1e-3 "
             "--no-shuffle --out %s --threads 1",
             base, base, dir);
    assert_ok(test_verb(&verb_train, words, &printed));
    json *step = last_step(dir);
    assert_int_equal(json_number(json_find(step, "scored")), 33);
    json_free(step);
    str_free(&printed);
    test_rmdir(dir);
}

/* A copy of the miniature base without any word of an end. */
static char *endless_base(void)
{
    char *dir = test_tmpdir(), command[1024];
    snprintf(
        command, sizeof command,
        "cp datasets/mini/base/* '%s' && chmod u+w '%s'/* && rm -f '%s'/tokenizer_config.json "
        "'%s'/generation_config.json && sed -i 's/\"eos_token_id\": *[0-9]*/\"eos_token_id\": null/' '%s'/config.json",
        dir, dir, dir, dir, dir);
    assert_int_equal(system(command), 0);
    return dir;
}

static void no_end_token_is_said(void **state)
{
    (void)state;
    char *base = endless_base(), *out = test_tmpdir(), words[1900];
    str   printed = { 0 }, said = { 0 };
    snprintf(words, sizeof words,
             "--model %s --task squad --data datasets/mini/squad/test.json --method lora --rank 2 --steps 1 --batch 1 "
             "--lr 1e-3 --out %s/train --threads 1",
             base, out);
    assert_ok(run_loud(&verb_train, words, &printed, &said));
    assert_non_null(strstr(said.s, "does not learn to stop"));
    snprintf(words, sizeof words, "--model %s --prompt The --max-new-tokens 2 --threads 1", base);
    assert_ok(run_loud(&verb_generate, words, &printed, &said));
    assert_non_null(strstr(said.s, "no end token"));
    snprintf(words, sizeof words,
             "--model %s --task squad --data datasets/mini/squad/test.json --limit 1 --out %s/eval --threads 1", base,
             out);
    assert_ok(run_loud(&verb_eval, words, &printed, &said));
    assert_non_null(strstr(said.s, "no end token"));
    snprintf(words, sizeof words,
             "--model datasets/mini/base --task squad --data datasets/mini/squad/test.json --limit 1 --out %s/ok "
             "--threads 1",
             out);
    assert_ok(run_loud(&verb_eval, words, &printed, &said));
    assert_null(strstr(str_c(&said), "no end token"));
    str_free(&printed);
    str_free(&said);
    test_rmdir(base);
    test_rmdir(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = { published_test(each_target_ends_with_the_end_token),
                                        cmocka_unit_test(no_end_token_is_said) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
