#include "tasks/fewshot.h"

#include "metrics/test_lines.h"

/* --- lm-evaluation-harness's own runs */

static void check_reference(const char *name, const char *data, const char *pool, const char *lines_file, int64_t k,
                            const char *prompt_key)
{
    char         items_path[1024], pool_path[1024];
    task        *t;
    dataset     *items;
    shot_set     s;
    int64_t      i     = 0;
    json        *lines = read_lines(test_data(lines_file));
    shot_options asked = { .k = k, .data = pool_path, .seed = 1234 };
    snprintf(items_path, sizeof items_path, "%s", test_data(data));
    snprintf(pool_path, sizeof pool_path, "%s", test_data(pool));
    assert_ok(task_open(&t, name, "lm-eval"));
    assert_ok(task_read(t, items_path, &items));
    assert_ok(shots_open(&s, &asked, t));
    assert_ok(shots_draw(&s, items, items_path, items->n));
    for (const json *want = lines->child; want; want = want->next, i++) {
        str       text = { 0 };
        task_text own;
        int64_t   j = 0;
        for (const json *shot = at(want, "shots")->child; shot; shot = shot->next, j++)
            assert_int_equal(s.drawn[i * k + j], (int64_t)shot->valuedouble);
        assert_int_equal(j, k);
        assert_ok(shots_text(&s, i, &text));
        assert_ok(task_render(t, &items->items[i], &own));
        str_puts(&text, own.prompt);
        assert_text(((slice) { text.s, text.n }), text_at(want, prompt_key));
        task_text_free(&own);
        str_free(&text);
    }
    assert_int_equal(i, items->n);
    json_free(lines);
    shots_close(&s);
    dataset_free(items);
    task_close(t);
}

/* No split is named for the examples, so one more is drawn and the item itself is dropped; 40 of
 * the 100 items are in the pool. */
static void hellaswag_draws_and_prompts_agree(void **state)
{
    (void)state;
    need_data(path, "lm-eval-reference/hellaswag_3shot.jsonl");
    (void)path;
    check_reference("hellaswag", "lm-eval-reference/data/hellaswag_3shot.docs.jsonl",
                    "lm-eval-reference/data/hellaswag_3shot.pool.jsonl", "lm-eval-reference/hellaswag_3shot.jsonl", 3,
                    "context");
}

static void gsm8k_draws_and_prompts_agree(void **state)
{
    (void)state;
    need_data(path, "lm-eval-reference/gsm8k_1shot.jsonl");
    (void)path;
    check_reference("gsm8k", "lm-eval-reference/data/gsm8k.docs.jsonl", "lm-eval-reference/data/gsm8k.pool.jsonl",
                    "lm-eval-reference/gsm8k_1shot.jsonl", 1, "prompt");
}

/* --- small pools of our own */

static const char asking[] =
    "{\"task\":\"quiz\",\"version\":1,\"reader\":\"gsm8k\",\"answer\":\"generate\",\"references\":{\"each\":\"answer\"},"
    "\"target\":\"{answer}\",\"max_new_tokens\":4,\"metrics\":{\"exact_match\":\"higher\"},\"default\":\"drop\",\"prompts\":{"
    "\"drop\":{\"prompt\":\"{question}=\",\"fewshot\":{\"drop_self\":true}},"
    "\"keep\":{\"prompt\":\"{question}=\",\"fewshot\":{\"separator\":\"; \"}}}}";

typedef struct {
    char    *dir, *items_path, *pool_path;
    task    *task;
    dataset *items;
} quiz;

static quiz open_quiz(const char *variant, const char *items, const char *pool)
{
    quiz q       = { .dir = test_tmpdir() };
    q.items_path = path_join(q.dir, "items.jsonl");
    q.pool_path  = path_join(q.dir, "pool.jsonl");
    assert_ok(file_write_atomic(q.items_path, items, strlen(items)));
    assert_ok(file_write_atomic(q.pool_path, pool, strlen(pool)));
    assert_ok(task_parse(&q.task, asking, strlen(asking), "quiz", variant));
    assert_ok(task_read(q.task, q.items_path, &q.items));
    return q;
}

static void close_quiz(quiz *q)
{
    dataset_free(q->items);
    task_close(q->task);
    free(q->items_path);
    free(q->pool_path);
    test_rmdir(q->dir);
}

#define RECORD(question, number) "{\"question\":\"" question "\",\"answer\":\"" #number "\",\"n\":" #number "}\n"
#define A_OF(n) "{\"question\":\"a\",\"answer\":\"1\",\"n\":" #n "}\n"

/* The pool holds three copies of one item. After a draw with two of them, k are drawn anew from
 * the others. The item with another "n" is a different one, although the task does not read "n".
 * Expected: lm_eval 0.4.13, ContextSampler(pool, rnd=1234).sample(2, eval_doc) for these documents
 * in turn. */
static void copies_of_an_item_are_all_dropped(void **state)
{
    (void)state;
    static const char    pool[]     = A_OF(0) A_OF(0) A_OF(0) A_OF(1) RECORD("b", 2) RECORD("c", 3);
    static const char    items[]    = A_OF(0) A_OF(0) A_OF(1) RECORD("b", 2) A_OF(0) A_OF(0) RECORD("c", 3) A_OF(0);
    static const int64_t want[8][2] = {
        { 3, 4 }, { 4, 5 }, { 5, 0 }, { 0, 0 }, { 5, 4 }, { 4, 3 }, { 0, 0 }, { 4, 3 }
    };
    quiz     q = open_quiz("drop", items, pool);
    shot_set s;
    assert_ok(shots_open(&s, &(shot_options) { .k = 2, .data = q.pool_path, .seed = 1234 }, q.task));
    assert_ok(shots_draw(&s, q.items, q.items_path, 8));
    for (int64_t i = 0; i < 8; i++)
        for (int64_t j = 0; j < 2; j++) {
            int64_t got = s.drawn[i * 2 + j];
            assert_int_equal(got < 3 ? 0 : got, want[i][j]);
        }
    shots_close(&s);
    close_quiz(&q);
}

/* Whatever the task file says, a pool that is the data itself shows no item its own answer. */
static void no_item_of_the_data_sees_itself(void **state)
{
    (void)state;
    static const char records[] = RECORD("a", 1) RECORD("b", 2) RECORD("c", 3);
    quiz              q         = open_quiz("keep", records, records);
    for (int64_t first = 0; first < 2; first++) {
        shot_set s;
        assert_ok(shots_open(&s, &(shot_options) { .k = 2, .data = q.pool_path, .seed = 5, .first = first }, q.task));
        assert_ok(shots_draw(&s, q.items, q.items_path, 3));
        for (int64_t i = 0; i < 3; i++) {
            str text = { 0 };
            assert_true(s.drawn[i * 2] != i && s.drawn[i * 2 + 1] != i && s.drawn[i * 2] != s.drawn[i * 2 + 1]);
            assert_ok(shots_text(&s, i, &text));
            assert_int_equal(text.n, strlen("b= 2; c= 3; "));
            if (first && i == 0) assert_string_equal(text.s, "b= 2; c= 3; ");
            if (first && i == 1) assert_string_equal(text.s, "a= 1; c= 3; ");
            str_free(&text);
        }
        shots_close(&s);
    }
    close_quiz(&q);
}

static void pools_that_do_not_do_are_refused(void **state)
{
    (void)state;
    quiz     q = open_quiz("drop", RECORD("a", 1), RECORD("a", 1) RECORD("b", 2) RECORD("b", 2));
    shot_set s;
    task    *t;
    assert_input_error(shots_open(&s, &(shot_options) { .k = 4, .data = q.pool_path }, q.task),
                       "holds 3 items and --fewshot 4");
    assert_ok(shots_open(&s, &(shot_options) { .k = 3, .data = q.pool_path }, q.task));
    assert_input_error(shots_draw(&s, q.items, q.items_path, 1), "give at least 4");
    shots_close(&s);
    assert_ok(shots_open(&s, &(shot_options) { .k = 3, .data = q.pool_path, .first = true }, q.task));
    assert_input_error(shots_draw(&s, q.items, q.items_path, 1), "only 2 items differ from item 0");
    shots_close(&s);
    assert_input_error(shots_open(&s, &(shot_options) { .k = 1, .data = "nowhere.jsonl" }, q.task), "nowhere.jsonl");
    assert_ok(task_open(&t, "text", NULL));
    assert_input_error(shots_open(&s, &(shot_options) { .k = 1, .data = q.pool_path }, t), "no example to show");
    task_close(t);
    close_quiz(&q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        reference_test(hellaswag_draws_and_prompts_agree),   reference_test(gsm8k_draws_and_prompts_agree),
        cmocka_unit_test(copies_of_an_item_are_all_dropped), cmocka_unit_test(no_item_of_the_data_sees_itself),
        cmocka_unit_test(pools_that_do_not_do_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
