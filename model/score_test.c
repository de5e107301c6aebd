#include "model/score.h"
#include "model/test_model.h"

/* Reads a list of ids from a JSON array. */
static int32_t *ids_of(const json *array, int64_t *n)
{
    *n           = json_size(array);
    int32_t *ids = mem_alloc((size_t)*n, sizeof *ids), *at = ids;
    for (const json *e = array->child; e; e = e->next) *at++ = (int32_t)e->valuedouble;
    return ids;
}

static void log_probabilities_of_a_real_model(void **state)
{
    (void)state;
    need_data(dir, "models/stories260K-hf");
    need_data(reference, "models/stories260K/reference.json");
    json *doc;
    assert_ok(json_read_file(&doc, reference, 1 << 20));
    for (int f32 = 0; f32 < 2; f32++) {
        model *m;
        assert_ok(model_open(&m, dir, backend_find(f32 ? "cpu" : "ref"), false));
        decoder *d = decoder_new(m);
        for (const json *t = json_find(doc, "logprobs")->child; t; t = t->next) {
            int64_t      n;
            int32_t     *ids = ids_of(json_find(t, "ids"), &n);
            score_item   it  = { .context = ids, .n_context = 1, .cont = ids + 1, .n_cont = n - 1 };
            score_result r, token;
            assert_ok(score_items(d, NULL, &it, 1, 64, &r, NULL, NULL));
            double  tolerance = f32 ? 1e-4 : 1e-8; /* stored with 9 digits */
            int64_t i         = 0;
            for (const json *want = json_find(t, "per_token")->child; want; want = want->next, i++) {
                it = (score_item) { .context = ids, .n_context = i + 1, .cont = ids + i + 1, .n_cont = 1 };
                assert_ok(score_items(d, NULL, &it, 1, 64, &token, NULL, NULL));
                assert_within(fabs(token.ll - want->valuedouble), tolerance);
            }
            assert_int_equal(i, n - 1);
            assert_within(fabs(r.ll - json_find(t, "sum")->valuedouble), tolerance);
            assert_int_equal(r.greedy, json_is_true(json_find(t, "every_token_is_argmax")));
            free(ids);
        }
        decoder_free(d);
        model_close(m);
    }
    json_free(doc);
}

enum { ITEMS = 23 };
static const int32_t text[] = { 1, 5, 7, 2, 9, 4, 4, 11, 3, 6, 12, 8, 0, 10, 5, 5, 1, 2 };

static int64_t forwards, finished;
static void    count_done(void *ctx, int64_t count)
{
    assert_ptr_equal(ctx, &forwards);
    assert_true(count > finished);
    forwards++, finished = count;
}

/* Groups of 1, 4, 2 ... items share a context and have continuations of 1 to 5 tokens. Packed and
 * shared in any way, each item has the numbers that it has alone. */
static void packing_and_sharing_change_nothing(void **state)
{
    (void)state;
    static const int groups[] = { 1, 4, 2, 1, 5, 3, 1, 1, 5 };
    score_item       items[ITEMS];
    int              n = 0;
    for (size_t g = 0; g < sizeof groups / sizeof *groups; g++)
        for (int k = 0; k < groups[g]; k++, n++)
            items[n] = (score_item) { .context   = text + g % 4,
                                      .n_context = 1 + (int64_t)g % 6,
                                      .cont      = text + 6 + (n * 7) % 7,
                                      .n_cont    = 1 + n % 5 };
    assert_int_equal(n, ITEMS);
    for (int f32 = 0; f32 < 2; f32++) {
        model       *m = open_odd(f32 ? "cpu" : "ref", false, false);
        decoder     *d = decoder_new(m);
        pair_arrays *p = random_pairs(m, 1u << SITE_QKV | 1u << SITE_O, 2);
        score_result alone[ITEMS], packed[ITEMS], first[ITEMS];
        for (int i = 0; i < ITEMS; i++) assert_ok(score_items(d, p, &items[i], 1, 1, &alone[i], NULL, NULL));
        static const int64_t sizes[] = { 1, 6, 20, 1000 };
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
            forwards = finished = 0;
            assert_ok(score_items(d, p, items, ITEMS, sizes[s], packed, count_done, &forwards));
            assert_int_equal(finished, ITEMS);
            if (sizes[s] == 1000) assert_int_equal(forwards, 1);
            if (sizes[s] == 1) assert_true(forwards > 15);
            if (!s) memcpy(first, packed, sizeof first);
            /* the bits are equal however the items are packed */
            for (int i = 0; i < ITEMS; i++) assert_true(packed[i].ll == first[i].ll);
            for (int i = 0; i < ITEMS; i++) {
                assert_within(fabs(packed[i].ll - alone[i].ll), f32 ? 1e-5 : 1e-12);
                assert_int_equal(packed[i].greedy, alone[i].greedy);
            }
        }
        free_pairs(m, p);
        decoder_free(d);
        model_close(m);
    }
}

static void impossible_items_are_named(void **state)
{
    (void)state;
    model       *m       = open_odd("cpu", false, false);
    decoder     *d       = decoder_new(m);
    int32_t      ids[64] = { 0 };
    score_result r[2];
    score_item   items[] = { { ids, ids, 1, 1 }, { ids, ids, 21, 21 } };
    assert_input_error(score_items(d, NULL, items, 2, 100, r, NULL, NULL),
                       "item 1: a context of 21 tokens and a continuation of 21");
    items[1].n_cont = 20; /* 40 tokens are fed at 40 positions */
    assert_ok(score_items(d, NULL, items, 2, 100, r, NULL, NULL));
    items[0].n_context = 0;
    assert_input_error(score_items(d, NULL, items, 2, 100, r, NULL, NULL), "item 0");
    assert_ok(score_items(d, NULL, NULL, 0, 100, NULL, NULL, NULL));
    decoder_free(d);
    model_close(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        reference_test(log_probabilities_of_a_real_model),
        cmocka_unit_test(packing_and_sharing_change_nothing),
        cmocka_unit_test(impossible_items_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
