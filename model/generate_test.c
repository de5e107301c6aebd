#include "model/generate.h"
#include "model/score.h"
#include "model/test_model.h"

static void the_published_text_is_generated(void **state)
{
    (void)state;
    need_data(dir, "models/stories260K-hf");
    need_data(reference, "models/stories260K/reference.json");
    json *doc;
    assert_ok(json_read_file(&doc, reference, 1 << 20));
    const json *greedy = json_find(doc, "greedy")->child, *want = json_find(greedy, "new_ids");
    int64_t     n = cJSON_GetArraySize(want);
    assert_int_equal(n, 256);
    for (int f32 = 0; f32 < 2; f32++) {
        model  *m;
        int32_t bos = 1, other[] = { 1, 291, 280 }, ids[2][256];
        assert_ok(model_open(&m, dir, backend_find(f32 ? "cpu" : "ref"), false));
        decoder      *d       = decoder_new(m);
        generate_item items[] = { { .prompt = &bos, .n_prompt = 1, .max_new = n, .ids = ids[0] },
                                  { .prompt = other, .n_prompt = 3, .max_new = 40, .ids = ids[1] } };
        assert_ok(generate_items(d, NULL, items, 2, (generate_options) { .batch = 2 }));
        assert_int_equal(items[0].n_new, n);
        const json *e = want->child;
        for (int64_t i = 0; i < n; i++, e = e->next) assert_int_equal(ids[0][i], (int)e->valuedouble);
        double margin = json_find(greedy, "smallest_top1_top2_logit_margin")->valuedouble;
        assert_within(fabs(items[0].min_margin - margin), f32 ? 1e-4 : 1e-12);
        decoder_free(d);
        model_close(m);
    }
    json_free(doc);
}

enum { ITEMS = 9, NEW = 12 };

/* Greedy by computing the whole text again for every token. */
static void naive(decoder *d, const pair_arrays *pairs, generate_item *it)
{
    int32_t ids[64], pos[64];
    int64_t n = it->n_prompt;
    memcpy(ids, it->prompt, (size_t)n * sizeof *ids);
    for (int i = 0; i < 64; i++) pos[i] = i;
    it->min_margin = INFINITY;
    for (it->n_new = 0; it->n_new < it->max_new; n++) {
        int32_t last  = (int32_t)n - 1;
        segment whole = { 0, (int32_t)n, -1 };
        batch   b     = {
                  .n_tokens = n, .n_segments = 1, .n_rows = 1, .ids = ids, .pos = pos, .segments = &whole, .rows = &last
        };
        double row[13];
        assert_ok(decoder_forward(d, &b, pairs, false));
        assert_ok(decoder_logits(d, 0, 1, row));
        top_two        t;
        const backend *ref = backend_find("ref");
        ref->top_two(ref, &t, (param *)row, 1, 13);
        it->min_margin = fmin(it->min_margin, t.margin);
        ids[n] = it->ids[it->n_new++] = t.best;
    }
}

static int  calls[ITEMS];
static bool stop_at_3(void *ctx, int64_t item, const int32_t *ids, int64_t n)
{
    (void)item;
    return *(bool *)ctx && ids[n - 1] == 3;
}
static void count_call(void *ctx, int64_t item)
{
    (void)ctx;
    calls[item]++;
}

/* Prompts of different lengths, more of them than places: each text is the one it has alone, and
 * its margins are to the bit those of a batch of 1. */
static void texts_do_not_depend_on_the_batch(void **state)
{
    (void)state;
    static const int32_t text[] = { 1, 5, 7, 2, 9, 4, 4, 11, 3, 6, 12, 8, 0, 10 };
    for (int f32 = 0; f32 < 2; f32++) {
        model        *m = open_odd(f32 ? "cpu" : "ref", false, true);
        decoder      *d = decoder_new(m);
        pair_arrays  *p = random_pairs(m, f32 ? 1u << SITE_QKV : (1u << SITE_COUNT) - 2, 2);
        generate_item want[ITEMS], got[ITEMS];
        int32_t       want_ids[ITEMS][NEW], got_ids[ITEMS][NEW];
        double        margin_alone[ITEMS] = { 0 };
        for (int i = 0; i < ITEMS; i++) {
            want[i] = (generate_item) {
                .prompt = text + i % 5, .n_prompt = 1 + (i * 5) % 9, .max_new = i == 4 ? 0 : 3 + i, .ids = want_ids[i]
            };
            got[i]     = want[i];
            got[i].ids = got_ids[i];
            naive(d, p, &want[i]);
        }
        for (int64_t places = 1; places <= 12; places += places < 4 ? 1 : 8)
            for (int stops = 0; stops < 2; stops++) {
                bool stopping = stops;
                memset(calls, 0, sizeof calls);
                assert_ok(generate_items(
                    d, p, got, ITEMS,
                    (generate_options) { .batch = places, .stop = stop_at_3, .done = count_call, .ctx = &stopping }));
                for (int i = 0; i < ITEMS; i++) {
                    int64_t n = 0;
                    while (n < want[i].max_new && !(n && stopping && want_ids[i][n - 1] == 3)) n++;
                    assert_int_equal(got[i].n_new, n);
                    assert_memory_equal(got_ids[i], want_ids[i], (size_t)n * sizeof(int32_t));
                    if (!stopping && n) assert_within(fabs(got[i].min_margin - want[i].min_margin), f32 ? 1e-4 : 1e-12);
                    if (!stopping && places == 1) margin_alone[i] = got[i].min_margin;
                    if (!stopping) assert_true(got[i].min_margin == margin_alone[i]);
                    assert_int_equal(calls[i], 1);
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
    model        *m       = open_odd("cpu", true, false);
    decoder      *d       = decoder_new(m);
    int32_t       ids[64] = { 0 }, out[64];
    generate_item it      = { .prompt = ids, .n_prompt = 30, .max_new = 11, .ids = out };
    assert_input_error(generate_items(d, NULL, &it, 1, (generate_options) { .batch = 1 }),
                       "item 0: a prompt of 30 tokens and 11 new ones");
    it.max_new = 10;
    assert_ok(generate_items(d, NULL, &it, 1, (generate_options) { .batch = 1 }));
    assert_int_equal(it.n_new, 10);
    double nan = NAN;
    m->be->upload(m->be, m->norm, &nan, 1);
    assert_input_error(generate_items(d, NULL, &it, 1, (generate_options) { .batch = 1 }), "are not finite");
    assert_ok(generate_items(d, NULL, NULL, 0, (generate_options) { .batch = 4 }));
    decoder_free(d);
    model_close(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        reference_test(the_published_text_is_generated),
        cmocka_unit_test(texts_do_not_depend_on_the_batch),
        cmocka_unit_test(impossible_items_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
