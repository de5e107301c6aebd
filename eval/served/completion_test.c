#include "eval/served/completion.h"

#include "core/test.h"

/* --- what is asked */

static void bodies_are_those_of_the_contract(void **state)
{
    static const int32_t     ids[]   = { 1, 410, 7 };
    static const char *const stops[] = { "Question:", "\n" };
    str                      out     = { 0 };
    (void)state;
    completion_ask_echo(&out, "m", (completion_prompt) { .ids = ids, .n = 3 });
    assert_string_equal(
        out.s,
        "{\"model\":\"m\",\"prompt\":[[1,410,7]],\"temperature\":0,\"seed\":1234,\"max_tokens\":1,\"logprobs\":1,\"echo\":true}");
    str_clear(&out);
    completion_ask_text(&out, "a \"b\"", (completion_prompt) { .text = slice_of("Hi\n") }, 12, stops, 2, ",\"k\":1");
    assert_string_equal(
        out.s,
        "{\"model\":\"a "
        "\\\"b\\\"\",\"prompt\":\"Hi\\n\",\"temperature\":0,\"seed\":1234,\"max_tokens\":12,\"stop\":[\"Question:\",\"\\n\"],\"k\":1}");
    str_clear(&out);
    completion_ask_text(&out, "m", (completion_prompt) { .text = slice_of("x") }, 1, NULL, 0, "");
    assert_string_equal(out.s, "{\"model\":\"m\",\"prompt\":\"x\",\"temperature\":0,\"seed\":1234,\"max_tokens\":1}");
    str_free(&out);
}

/* --- texts */

static int read_text(const char *body, completion_text *out)
{
    return completion_read_text(out, body, strlen(body), "http://h/v1/completions", 8);
}

static void texts_are_read_and_checked(void **state)
{
    completion_text t;
    (void)state;
    assert_ok(read_text(
        "{\"choices\":[{\"text\":\" 7\",\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2}}",
        &t));
    assert_string_equal(str_c(&t.text), " 7");
    assert_true(t.stopped && t.prompt_tokens == 5 && t.completion_tokens == 2);
    str_free(&t.text);
    assert_ok(read_text("{\"choices\":[{\"text\":\"\",\"finish_reason\":\"length\"}]}", &t));
    assert_true(!t.stopped && t.prompt_tokens == -1 && t.completion_tokens == -1 && !t.text.n);
    str_free(&t.text);
    static const char *const bad[][2] = {
        { "", "empty" },
        { "<html>no</html>", "answers with a page" },
        { "{\"choices\":[{\"text\":\"a\"", "not valid JSON" },
        { "[]", "not a JSON object" },
        { "{\"error\":{\"message\":\"no such model\"}}", "no such model" },
        { "{\"choices\":[]}", "one choice" },
        { "{\"choices\":[{\"text\":\"a\"},{\"text\":\"b\"}]}", "one choice" },
        { "{\"choices\":[{\"message\":{\"content\":\"a\"}}]}", "\"text\" is missing" },
        { "{\"choices\":[{\"text\":null}]}", "must be a string" },
        { "{\"choices\":[{\"text\":\"a\",\"finish_reason\":\"content_filter\"}]}", "content_filter" },
        { "{\"choices\":[{\"text\":\"a\"}],\"usage\":{\"completion_tokens\":9}}", "max_tokens is 8" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) assert_input_error(read_text(bad[i][0], &t), bad[i][1]);
}

/* --- echoes */

static completion_echo echo_of(const char *body)
{
    completion_echo e;
    assert_ok(completion_read_echo(&e, body, strlen(body), "http://h/v1/completions"));
    return e;
}

/* The prompt is "a cat sat", of three ids; its continuation " sat" scores -1.25. */
static const char well[] =
    "{\"choices\":[{\"text\":\"a cat sat.\",\"logprobs\":{\"text_offset\":[0,1,5,9],\"token_logprobs\":[null,-0.5,-1.25,-2],"
    "\"tokens\":[\"a\",\" cat\",\" sat\",\".\"],\"top_logprobs\":[null,{\" cat\":-0.5},{\" ran\":-0.75,\" sat\":-1.25},{\".\":-2}]}}],"
    "\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":1}}";

static void sums_over_ids(void **state)
{
    static const int64_t both[] = { 1, 2 };
    completion_sum       sum;
    completion_echo      e = echo_of(well);
    (void)state;
    assert_ok(completion_sum_ids(&e, "h", 3, both, 2, &sum));
    assert_true(sum.ll == -1.75 && !sum.greedy && sum.tokens == 2);
    assert_ok(completion_sum_ids(&e, "h", 3, both, 1, &sum));
    assert_true(sum.ll == -0.5 && sum.greedy && sum.tokens == 1);
    assert_input_error(completion_sum_ids(&e, "h", 3, (int64_t[]) { 0 }, 1, &sum), "sees nothing before it");
    assert_input_error(completion_sum_ids(&e, "h", 9, both, 2, &sum), "does not honour \"echo\"");
    assert_input_error(completion_sum_ids(&e, "h", 2, both, 1, &sum), "tokens of its own");
    completion_echo_free(&e);
}

static void check_text(const char *body, const char *prompt, size_t border, double ll, int64_t tokens)
{
    completion_sum  sum;
    completion_echo e = echo_of(body);
    assert_ok(completion_sum_text(&e, "h", slice_of(prompt), border, &sum));
    if (sum.ll != ll || sum.tokens != tokens)
        fail_msg("%s: %g over %lld tokens, wanted %g over %lld", body, sum.ll, (long long)sum.tokens, ll,
                 (long long)tokens);
    completion_echo_free(&e);
}

/* What servers do with the first token and with the last one. Unless it is said, the prompt is
 * "a cat sat" and " sat" is scored. */
static void the_continuation_is_found_in_text(void **state)
{
    (void)state;
    check_text(well, "a cat sat", 5, -1.25, 1);
    /* A token that spans the border counts. */
    check_text(well, "a cat sat", 3, -1.75, 2);
    check_text(well, "a cat sat", 7, -1.25, 1);
    /* BOS is shown as a token, and a blank stands before the first word (SentencePiece). */
    check_text(
        "{\"choices\":[{\"text\":\"<s> a cat sat.\",\"logprobs\":{\"token_logprobs\":[null,-9,-0.5,-1.25,-2],"
        "\"tokens\":[\"<s>\",\" a\",\" cat\",\" sat\",\".\"],\"top_logprobs\":[null,{\"x\":-9},{\"x\":-9},{\"x\":-9},{\"x\":-9}]}}]}",
        "a cat sat", 5, -1.25, 1);
    /* All of the text after BOS is scored. */
    check_text(
        "{\"choices\":[{\"text\":\"<s> a cat sat.\",\"logprobs\":{\"token_logprobs\":[null,-9,-0.5,-1.25,-2],"
        "\"tokens\":[\"<s>\",\" a\",\" cat\",\" sat\",\".\"],\"top_logprobs\":[null,{\"x\":-9},{\"x\":-9},{\"x\":-9},{\"x\":-9}]}}]}",
        "a cat sat", 0, -10.75, 3);
    /* The new token is BOS, which is counted but not listed (llama-cpp-python 0.3.36). */
    check_text(
        "{\"choices\":[{\"text\":\"a cat sat\",\"logprobs\":{\"text_offset\":[0,2,6],\"token_logprobs\":[null,-0.5,-1.25],"
        "\"tokens\":[\" a\",\" cat\",\" "
        "sat\"],\"top_logprobs\":[null,{\"x\":-9},{\"x\":-9}]}}],\"usage\":{\"prompt_tokens\":4,\"completion_tokens\":1}}",
        "a cat sat", 5, -1.25, 1);
    /* The new token is EOS, which is listed but has no text. */
    check_text(
        "{\"choices\":[{\"text\":\"a cat sat\",\"logprobs\":{\"token_logprobs\":[null,-0.5,-1.25,-7],"
        "\"tokens\":[\"a\",\" cat\",\" sat\",\"</s>\"],\"top_logprobs\":[null,{\"x\":-9},{\"x\":-9},{\"x\":-9}]}}]}",
        "a cat sat", 5, -1.25, 1);
    check_text("{\"choices\":[{\"text\":\"a cat sat\",\"logprobs\":{\"token_logprobs\":[null,-0.5,-1.25,-7],"
               "\"tokens\":[\"a\",\" cat\",\" sat\",\"\"],\"top_logprobs\":[null,{\"x\":-9},{\"x\":-9},{\"x\":-9}]}}]}",
               "a cat sat", 5, -1.25, 1);
    /* The continuation repeats the context. */
    check_text("{\"choices\":[{\"text\":\"no no no\",\"logprobs\":{\"token_logprobs\":[null,-3,-4],"
               "\"tokens\":[\"no\",\" no\",\" no\"],\"top_logprobs\":[null,{\"x\":-9},{\"x\":-9}]}}]}",
               "no no", 2, -3, 1);
    /* A character split over tokens does not matter in the context; in the continuation the offsets
     * say where that begins. */
    check_text(
        "{\"choices\":[{\"text\":\"\xC3\xA9 sat.\",\"logprobs\":{\"token_logprobs\":[null,-1,-1.25,-2],"
        "\"tokens\":[\"\xEF\xBF\xBD\",\"\xEF\xBF\xBD\",\" sat\",\".\"],\"top_logprobs\":[null,{\"x\":-9},{\"x\":-9},{\"x\":-9}]}}]}",
        "\xC3\xA9 sat", 2, -1.25, 1);
    check_text(
        "{\"choices\":[{\"text\":\"a \xC3\xA9.\",\"logprobs\":{\"text_offset\":[0,1,2,2,3],\"token_logprobs\":[null,-1,-2,-4,-8],"
        "\"tokens\":[\"a\",\" \",\"\xEF\xBF\xBD\",\"\xEF\xBF\xBD\",\".\"],\"top_logprobs\":[null,{\"x\":-9},{\"x\":-9},{\"x\":-9},{\"x\":-9}]}}]}",
        "a \xC3\xA9", 1, -7, 3);
}

static void echoes_that_do_not_fit_are_refused(void **state)
{
    static const struct {
        const char *body, *message;
    } bad[] = {
        { "{\"choices\":[{\"text\":\".\",\"logprobs\":{\"token_logprobs\":[-2],\"tokens\":[\".\"],\"top_logprobs\":[{\".\":-2}]}}]}",
          "does not honour \"echo\"" },
        { "{\"choices\":[{\"text\":\"cat sat.\",\"logprobs\":{\"token_logprobs\":[null,-2],\"tokens\":[\"cat\",\" "
          "sat.\"],\"top_logprobs\":[null,{\".\":-2}]}}]}",
          "does not honour \"echo\"" },
        { "{\"choices\":[{\"text\":\"a cat sat.\",\"logprobs\":{\"token_logprobs\":[null,null,null],\"tokens\":[\"a cat\",\" sat\",\".\"],"
          "\"top_logprobs\":[null,null,null]}}]}",
          "is null" },
        { "{\"choices\":[{\"text\":\"a cat "
          "sat.\",\"logprobs\":{\"token_logprobs\":[null,-1],\"tokens\":[\"?\",\"?\"],\"top_logprobs\":[null,{\"x\":-9}]}}]}",
          "cannot be laid on the prompt" },
        { "{\"choices\":[{\"text\":\"a cat sat.\",\"logprobs\":{\"token_logprobs\":[null,-1],\"top_logprobs\":[null,{\"x\":-9}]}}]}",
          "cannot be laid on the prompt" },
    };
    static const struct {
        const char *body, *message;
    } unreadable[] = {
        { "{\"choices\":[{\"text\":\"a\",\"logprobs\":null}]}", "gave none" },
        { "{\"choices\":[{\"text\":\"a\"}]}", "gave none" },
        { "{\"choices\":[{\"text\":\"a\",\"logprobs\":3}]}", "must be an object" },
        { "{\"choices\":[{\"text\":\"a\",\"logprobs\":{\"content\":[]}}]}", "no list \"token_logprobs\"" },
        { "{\"choices\":[{\"text\":\"a\",\"logprobs\":{\"token_logprobs\":[-1]}}]}", "no list \"top_logprobs\"" },
        { "{\"choices\":[{\"text\":\"a\",\"logprobs\":{\"token_logprobs\":[],\"top_logprobs\":[{\"a\":1},{\"a\":1}]}}]}",
          "2 entries" },
        { "{\"choices\":[{\"text\":\"a\",\"logprobs\":{\"token_logprobs\":[0.5],\"top_logprobs\":[{\"a\":0.5}]}}]}",
          "logarithm of a probability" },
        { "{\"choices\":[{\"text\":\"a\",\"logprobs\":{\"token_logprobs\":[\"x\"],\"top_logprobs\":[{\"a\":0.5}]}}]}",
          "logarithm of a probability" },
        { "{\"choices\":[{\"text\":\"a\",\"logprobs\":{\"token_logprobs\":[-1],\"top_logprobs\":[{}]}}]}",
          "top_logprobs" },
        { "{\"choices\":[{\"text\":\"a\",\"logprobs\":{\"token_logprobs\":[-1],\"top_logprobs\":[null]}}]}",
          "top_logprobs" },
        { "{\"choices\":[{\"text\":\"a\",\"logprobs\":{\"token_logprobs\":[NaN]}}]}", "NaN" },
        { "{\"choices\":[{\"text\":\"a\",\"logprobs\":{\"token_logprobs\":[-1e999],\"top_logprobs\":[{\"a\":-1}]}}]}",
          "logarithm of a probability" },
    };
    completion_echo e;
    completion_sum  sum;
    (void)state;
    for (size_t i = 0; i < sizeof unreadable / sizeof *unreadable; i++)
        assert_input_error(completion_read_echo(&e, unreadable[i].body, strlen(unreadable[i].body), "h"),
                           unreadable[i].message);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        e = echo_of(bad[i].body);
        assert_input_error(completion_sum_text(&e, "h", slice_of("a cat sat"), 5, &sum), bad[i].message);
        completion_echo_free(&e);
    }
}

/* --- models */

static void models_are_chosen_by_name(void **state)
{
    static const char list[] = "{\"data\":[{\"id\":\"a\"},{\"id\":\"b\",\"max_model_len\":4096}]}";
    char             *name;
    int64_t           positions;
    (void)state;
    assert_ok(completion_read_models(&name, &positions, NULL, list, sizeof list - 1, "h"));
    assert_true(!strcmp(name, "a") && positions == 0);
    free(name);
    assert_ok(completion_read_models(&name, &positions, "b", list, sizeof list - 1, "h"));
    assert_true(!strcmp(name, "b") && positions == 4096);
    free(name);
    assert_ok(completion_read_models(&name, &positions, "c", list, sizeof list - 1, "h"));
    assert_true(!name && positions == 0); /* a name that is not listed may still be served */
    assert_input_error(completion_read_models(&name, &positions, NULL, "{\"data\":[]}", 11, "h"), "--model-name");
    assert_input_error(completion_read_models(&name, &positions, NULL, "{\"data\":[7]}", 12, "h"), "\"id\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies_are_those_of_the_contract),
        cmocka_unit_test(texts_are_read_and_checked),
        cmocka_unit_test(sums_over_ids),
        cmocka_unit_test(the_continuation_is_found_in_text),
        cmocka_unit_test(echoes_that_do_not_fit_are_refused),
        cmocka_unit_test(models_are_chosen_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
