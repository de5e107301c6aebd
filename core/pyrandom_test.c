#include "core/pyrandom.h"

#include "core/file.h"
#include "core/json.h"
#include "core/memory.h"
#include "core/test.h"

/* CPython 3.11.7 and NumPy 2.4.6 printed the numbers that come from no file. */

#define assert_numbers(got, ...)                                                                                       \
    do {                                                                                                               \
        const int64_t want_[] = { __VA_ARGS__ };                                                                       \
        for (size_t i_ = 0; i_ < sizeof want_ / sizeof *want_; i_++)                                                   \
            if ((got)[i_] != want_[i_])                                                                                \
                fail_msg("%s[%zu] = %lld, wanted %lld", #got, i_, (long long)(got)[i_], (long long)want_[i_]);         \
    } while (0)

static void random_draws_fractions_and_ranges(void **state)
{
    static const int64_t ranges[] = { 1, 2, 3, 1000, INT64_C(1) << 32, (INT64_C(1) << 33) + 1, INT64_C(1) << 62 };
    mt19937              m;
    int64_t              got[7];
    (void)state;
    py_seed(&m, 0);
    assert_true(py_random(&m) == 0x1.b0580f98a7dbep-1);
    assert_true(py_random(&m) == 0x1.84129978f9c1ap-1);
    py_seed(&m, 42);
    for (int i = 0; i < 7; i++) got[i] = py_randbelow(&m, ranges[i]);
    assert_numbers(got, 0, 0, 2, 281, 1051802512, 2342331444, 3891541965315671145);
    py_seed(&m, (UINT64_C(1) << 40) + 5); /* a seed of two 32-bit words */
    for (int i = 0; i < 7; i++) got[i] = py_randbelow(&m, ranges[i]);
    assert_numbers(got, 0, 0, 2, 776, 3829167211, 710650538, 2204157653306086543);
}

static void samples_take_the_way_python_takes(void **state)
{
    /* The sizes lie on both sides of where a pool gives way to rejection. The generator's second
     * sample is compared as the sum of i * v_i. */
    static const struct {
        int64_t n, k, first[5], second;
    } cases[] = {
        { 21, 5, { 7, 18, 17, 4, 11 }, 57 },
        { 22, 5, { 7, 18, 17, 4, 11 }, 117 },
        { 85, 6, { 30, 75, 69, 16, 47 }, 565 },
        { 86, 6, { 30, 75, 69, 16, 47 }, 565 },
        { 1000, 40, { 243, 606, 557, 133, 378 }, 418351 },
    };
    (void)state;
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        mt19937 m;
        int64_t got[40], sum = 0;
        py_seed(&m, 3);
        py_sample(&m, cases[c].n, cases[c].k, got);
        for (int i = 0; i < 5; i++) assert_int_equal(got[i], cases[c].first[i]);
        py_sample(&m, cases[c].n, cases[c].k, got);
        for (int64_t i = 0; i < cases[c].k; i++) sum += i * got[i];
        assert_int_equal(sum, cases[c].second);
    }
    mt19937 m;
    int64_t shots[5];
    py_seed(&m, 1234);
    py_sample(&m, 7473, 5, shots);
    /* lm-evaluation-harness's first five of gsm8k */
    assert_numbers(shots, 6374, 3610, 957, 61, 742);
}

static void few_shot_draws_equal_the_harness(void **state)
{
    (void)state;
    need_data(path, "lm-eval-reference/fewshot_draws.jsonl");
    str         text = { 0 };
    const char *line;
    size_t      at    = 0, length;
    int64_t     draws = 0;
    assert_ok(file_read(path, 1 << 20, &text));
    while (next_line(text.s, text.n, &at, &line, &length)) {
        json   *j;
        int64_t seed, pool, k;
        mt19937 m;
        assert_ok(json_parse(&j, line, length, path));
        assert_ok(json_get_int(j, path, "seed", 0, INT64_C(1) << 53, &seed));
        assert_ok(json_get_int(j, path, "pool", 1, 1 << 20, &pool));
        assert_ok(json_get_int(j, path, "k", 0, pool, &k));
        int64_t *got = mem_alloc((size_t)k, sizeof *got);
        py_seed(&m, (uint64_t)seed);
        for (const json *draw = json_find(j, "draws")->child; draw; draw = draw->next, draws++) {
            const json *want = draw->child;
            py_sample(&m, pool, k, got);
            for (int64_t i = 0; i < k; i++, want = want->next) assert_int_equal(got[i], (int64_t)want->valuedouble);
            assert_null(want);
        }
        free(got);
        json_free(j);
    }
    assert_true(draws > 1000);
    str_free(&text);
}

static uint64_t hashed(uint64_t h, uint64_t x) { return h * 31 + x; }

static void numpy_draws_words_integers_and_bools(void **state)
{
    static const struct {
        uint64_t seed, want[3];
    } seeds[] = {
        { 0, { 11749869230777074271u, 4976686463289251617u, 755828109848996024u } },
        { 12345, { 4193609425186963869u, 5843160025838961886u, 14708796524633321433u } },
        { (UINT64_C(1) << 40) + 5, { 87427594128977387u, 6872972437549564694u, 10832470946844950135u } },
    };
    (void)state;
    for (size_t i = 0; i < sizeof seeds / sizeof *seeds; i++) {
        numpy_rng g = numpy_seed(seeds[i].seed);
        int64_t   half[6]; /* the low half of a word comes first */
        numpy_integers(&g, INT64_C(1) << 32, 6, half);
        for (int k = 0; k < 3; k++)
            assert_true(((uint64_t)half[2 * k + 1] << 32 | (uint64_t)half[2 * k]) == seeds[i].want[k]);
    }
    /* One generator goes through every kind of draw, so that a kept half or a dropped bit shows. */
    static const char bits[] = "1000011000100011001100010001100010100", more[] = "001";
    numpy_rng         g = numpy_seed(12345);
    int64_t           got[20];
    bool              b[37];
    numpy_integers(&g, 7, 20, got);
    assert_numbers(got, 4, 1, 5, 2, 1, 5, 4, 4, 6, 2, 5, 2, 3, 4, 1, 1, 1, 4, 4, 6);
    numpy_integers(&g, 3000000000, 5, got);
    assert_numbers(got, 744737143, 2846643454, 2197300642, 2001712358, 391877584);
    numpy_bools(&g, 37, b);
    for (int i = 0; i < 37; i++) assert_int_equal(b[i], bits[i] - '0');
    numpy_bools(&g, 3, b);
    for (int i = 0; i < 3; i++) assert_int_equal(b[i], more[i] - '0');
    numpy_integers(&g, INT64_C(1) << 32, 3, got);
    assert_numbers(got, 310984978, 3807402262, 2035922534);
    numpy_integers(&g, 1, 2, got);
    assert_numbers(got, 0, 0);
    numpy_integers(&g, 5, 3, got);
    assert_numbers(got, 3, 1, 1);
}

/* sacreBLEU's draws for 888 segments and 1000 resamples, and for 50 segments and 10000 swaps; each
 * is compared as one polynomial hash. */
static void whole_matrices_of_draws_equal_numpy(void **state)
{
    enum { N = 888, SEGMENTS = 50 };
    numpy_rng g = numpy_seed(12345);
    int64_t   row[N];
    bool      swap[10 * SEGMENTS];
    uint64_t  h = 0;
    (void)state;
    for (int i = 0; i < 1000; i++) {
        numpy_integers(&g, N, N, row);
        for (int k = 0; k < N; k++) h = hashed(h, (uint64_t)row[k]);
    }
    assert_true(h == 11277111492649684110u);
    bool *all = mem_alloc(10000, SEGMENTS);
    g         = numpy_seed(12345);
    h         = 0;
    numpy_bools(&g, 10000 * SEGMENTS, all);
    for (int i = 0; i < 10000 * SEGMENTS; i++) h = hashed(h, all[i]);
    assert_true(h == 12460322105798940807u);
    /* Drawing in parts that are multiples of 32 gives the same bits. */
    g = numpy_seed(12345);
    numpy_bools(&g, 480, swap);
    assert_memory_equal(swap, all, 480);
    free(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_draws_fractions_and_ranges),   cmocka_unit_test(samples_take_the_way_python_takes),
        reference_test(few_shot_draws_equal_the_harness),      cmocka_unit_test(numpy_draws_words_integers_and_bools),
        cmocka_unit_test(whole_matrices_of_draws_equal_numpy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
