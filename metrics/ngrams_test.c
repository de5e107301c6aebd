#include "metrics/ngrams.h"

#include "core/rng.h"
#include "core/test.h"

static bool same(const token_list *a, int64_t i, const token_list *b, int64_t j, int order)
{
    return !memcmp(a->ids + i, b->ids + j, (size_t)order * sizeof *a->ids);
}

static int64_t count(const token_list *in, const token_list *of, int64_t at, int order)
{
    int64_t n = 0;
    for (int64_t i = 0; i + order <= in->n; i++) n += same(in, i, of, at, order);
    return n;
}

/* The definition, one n-gram at a time. */
static int64_t matches_by_definition(const token_list *hyp, const token_list *refs, int64_t n_refs, int order)
{
    int64_t sum = 0;
    for (int64_t i = 0; i + order <= hyp->n; i++) {
        bool    seen = false;
        int64_t most = 0;
        for (int64_t k = 0; k < i; k++) seen |= same(hyp, k, hyp, i, order);
        if (seen) continue;
        for (int64_t r = 0; r < n_refs; r++) {
            int64_t c = count(&refs[r], hyp, i, order);
            if (c > most) most = c;
        }
        int64_t own = count(hyp, hyp, i, order);
        sum += own < most ? own : most;
    }
    return sum;
}

static void fill(token_list *t, rng *r, uint64_t length, uint64_t alphabet)
{
    tokens_clear(t);
    for (uint64_t n = rng_below(r, length + 1); n > 0; n--) tokens_add(t, (int32_t)rng_below(r, alphabet));
}

static void equals_the_definition_on_random_sequences(void **state)
{
    enum { REFS = 3, ORDERS = 9 };
    static token_list    hyp, refs[REFS];
    static ngram_counter c;
    rng                  r = rng_seed(7);
    (void)state;
    for (int trial = 0; trial < 400; trial++) {
        int64_t  matches[ORDERS], n_refs = (int64_t)rng_below(&r, REFS) + 1;
        uint64_t alphabet = 1 + rng_below(&r, 6);
        fill(&hyp, &r, 40, alphabet);
        for (int k = 0; k < REFS; k++) fill(&refs[k], &r, 40, alphabet + 1);
        /* The references have tokens that the hypothesis lacks. In every other trial the width is
         * large enough to make it hash. */
        ngrams_match(&c, &hyp, (int32_t)(trial % 2 ? alphabet : 1 << 20), refs, n_refs, ORDERS, matches);
        for (int order = 1; order <= ORDERS; order++)
            if (matches[order - 1] != matches_by_definition(&hyp, refs, n_refs, order))
                fail_msg("trial %d, order %d", trial, order);
    }
}

static void numbers_tokens_by_their_bytes(void **state)
{
    static vocabulary v;
    static token_list t;
    (void)state;
    for (int round = 0; round < 3; round++) {
        vocabulary_clear(&v);
        tokens_clear(&t);
        vocabulary_split(&v,
                         slice_of(" the cat\xC2\xA0the\xE3\x80\x80"
                                  "cats\n"),
                         &t);
        assert_true(t.n == 4 && t.ids[0] == 0 && t.ids[1] == 1 && t.ids[2] == 0 && t.ids[3] == 2);
        char word[16];
        for (int i = 0; i < 5000; i++)
            assert_int_equal(vocabulary_add(&v, word, (size_t)snprintf(word, sizeof word, "w%d", i)), i + 3);
        for (int i = 0; i < 5000; i += 7)
            assert_int_equal(vocabulary_add(&v, word, (size_t)snprintf(word, sizeof word, "w%d", i)), i + 3);
        slice last = vocabulary_token(&v, 5002);
        assert_true(last.n == 5 && !memcmp(last.s, "w4999", 5));
        /* A byte 0 is a byte like others. */
        assert_true(vocabulary_add(&v, "a\0b", 3) != vocabulary_add(&v, "a\0c", 3));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_the_definition_on_random_sequences),
        cmocka_unit_test(numbers_tokens_by_their_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
