/* Folders as other programs leave them, through the verbs: each loads with the value that the
 * program which wrote it computes, or the message says what the folder is. */
#include <sys/wait.h>

#include "cli/test_verb.h"

/* Runs the verb in a process of its own, since its options stay as a run has set them. `said` gets
 * what went to stderr and the error's text. */
static int run_loud(const verb *v, const char *words, str *printed, str *said)
{
    char *dir = test_tmpdir(), *out = path_join(dir, "stdout"), *err = path_join(dir, "stderr");
    int   status = 0;
    pid_t child = fork();
    if (!child) {
        bool ok = freopen(out, "w", stdout) && freopen(err, "w", stderr);
        int  rc = ok ? test_verb(v, words, printed) : 99;
        fwrite(str_c(printed), 1, printed->n, stdout);
        if (rc) fprintf(stderr, "%s\n", error_text());
        fflush(NULL);
        _exit(rc);
    }
    assert_true(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status));
    str_clear(printed);
    str_clear(said);
    assert_ok(file_read(out, 1u << 20, printed));
    assert_ok(file_read(err, 1u << 20, said));
    free(out);
    free(err);
    test_rmdir(dir);
    return WEXITSTATUS(status);
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

/* What a case gives: values, words of the message, or words of a warning beside values. */
typedef struct {
    const char *base, *adapter; /* in field-cases; adapter NULL: the base alone */
    const char *error, *warning;
    double      ll[4]; /* of bases/tok.jsonl, 0: not compared */
} field_case;

static void score_case(const field_case *c, const char *root, const char *options)
{
    char *dir = test_tmpdir(), words[1900], adapter[400] = "", *samples = path_join(dir, "samples.jsonl");
    str   printed = { 0 }, said = { 0 }, lines = { 0 };
    if (c->adapter) snprintf(adapter, sizeof adapter, "--adapter %.200s/%s", root, c->adapter);
    snprintf(words, sizeof words,
             "--model %.200s/%s %s --task tokens --data %.200s/bases/tok.jsonl --out %s --threads 1 %s", root, c->base,
             adapter, root, dir, options);
    int rc = run_loud(&verb_eval, words, &printed, &said);
    if (c->error) {
        if (rc != ERR_INPUT || !strstr(str_c(&said), c->error))
            fail_msg("%s: status %d, %s; wanted \"%s\"", c->adapter ? c->adapter : c->base, rc, str_c(&said), c->error);
    } else {
        if (rc) fail_msg("%s: %s", c->adapter ? c->adapter : c->base, str_c(&said));
        if (c->warning && !strstr(str_c(&said), c->warning))
            fail_msg("%s: wanted a warning \"%s\", got \"%s\"", c->adapter ? c->adapter : c->base, c->warning,
                     str_c(&said));
        if (!c->warning) assert_string_equal(str_c(&said), "");
        assert_ok(file_read(samples, 1u << 20, &lines));
        const char *line;
        size_t      at = 0, n;
        for (int i = 0; i < 4 && c->ll[0] != 0; i++) {
            json *j;
            assert_true(next_line(lines.s, lines.n, &at, &line, &n));
            assert_ok(json_parse(&j, line, n, samples));
            assert_within(fabs(json_number(json_find(j, "loglikelihood")) - c->ll[i]), 3e-5 * fabs(c->ll[i]));
            json_free(j);
        }
    }
    str_free(&printed);
    str_free(&said);
    str_free(&lines);
    free(samples);
    test_rmdir(dir);
}

/* Expected: PEFT 0.21.2 and transformers 5.24 on the same folders. */
static void adapters_load_or_say_why(void **state)
{
    (void)state;
    need_data(found, "field-cases");
    char root[1024];
    snprintf(root, sizeof root, "%s", found);
    static const field_case cases[] = {
        { "bases/llama2",
          "rank-disagrees/adapter",
          "q_proj has rank 64 in the config and 4 in its tensors",
          NULL,
          { 0 } },
        { "bases/llama2", "half-pair/adapter", "layers.1.self_attn.q_proj.lora_B.weight", NULL, { 0 } },
        { "bases/llama2", "adapter-bin-only/adapter", "torch.load('", NULL, { 0 } },
        { "bases/llama2", "adapter-lfs-pointer/adapter", "is a Git LFS pointer", NULL, { 0 } },
        { "bases/llama2", "bases/llama2", "is a model, not an adapter: give it as --model", NULL, { 0 } },
        { "lora-A-default/adapter", NULL, "is an adapter, not a model: give it as --adapter", NULL, { 0 } },
        { "bases/llama2", "prompt-tuning/adapter", "PEFT cannot build it into the base", NULL, { 0 } },
        { "bases/mistral-v03", "other-base/adapter", "record.json: the adapter was trained on a base", NULL, { 0 } },
        { "bases/llama2", "other-base/adapter", NULL, NULL, { 0 } },
        { "bases/llama2",
          "layers-missing/adapter",
          NULL,
          "adapts model.layers.2.self_attn.q_proj, model.layers.2.self_attn.v_proj,",
          { 0 } },
        { "bases/mistral-v03", "lora-A-default/adapter", NULL, "names the base bases/llama2", { 0 } },
        { "bases/llama2",
          "lora-A-default/adapter",
          NULL,
          NULL,
          { -7.562585518752238, -37.3442, -278.3015, -805.5073 } },
        { "bases/llama2",
          "regex-pattern/adapter",
          NULL,
          NULL,
          { -8.429358422131234, -31.984192590542975, -271.2624349575873, -816.4576739269248 } },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) score_case(&cases[i], root, "");
    /* who knows that the base is another one is not told */
    score_case(&(field_case) { "bases/mistral-v03", "other-base/adapter", NULL, NULL, { 0 } }, root, "--base-changed");
    score_case(&(field_case) { "bases/mistral-v03", "lora-A-default/adapter", NULL, NULL, { 0 } }, root,
               "--base-changed");
}

/* Expected: transformers 5.24 on the same folders. */
static void bases_load_as_transformers_loads_them(void **state)
{
    (void)state;
    need_data(found, "field-cases");
    char root[1024];
    snprintf(root, sizeof root, "%s", found);
    static const field_case cases[] = {
        { "save-model-tied", NULL, NULL, NULL, { -6.8044, -41.8532, -281.9670, -793.9901 } },
        { "mistral-window-unreached", NULL, NULL, NULL, { -8.6520, -43.6015, -285.0598, -809.7630 } },
        { "decapoda-config", NULL, NULL, NULL, { 0 } },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) score_case(&cases[i], root, "");
    char words[1900];
    str  printed = { 0 }, said = { 0 };
    snprintf(words, sizeof words, "--model %.200s/count-window --rank 8", root);
    assert_ok(run_loud(&verb_count, words, &printed, &said));
    assert_non_null(strstr(printed.s, "48,352 parameters"));
    str_free(&printed);
    str_free(&said);
}

static void each_target_ends_with_the_end_token(void **state)
{
    (void)state;
    need_data(base, "field-cases/eos-special-tokens-map");
    char *dir     = test_tmpdir(), words[1900];
    str   printed = { 0 }, said = { 0 };
    snprintf(words, sizeof words,
             "--model %s --task squad --data %s/train.json --method lora --rank 8 --steps 1 --batch 16 --lr 1e-3 "
             "--no-shuffle --out %s --threads 1",
             base, base, dir);
    assert_ok(run_loud(&verb_train, words, &printed, &said));
    json *step = last_step(dir);
    assert_int_equal(json_number(json_find(step, "scored")), 33);
    json_free(step);
    str_free(&printed);
    str_free(&said);
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
    const struct CMUnitTest tests[] = { published_test(adapters_load_or_say_why),
                                        published_test(bases_load_as_transformers_loads_them),
                                        published_test(each_target_ends_with_the_end_token),
                                        cmocka_unit_test(no_end_token_is_said) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
