/* Every epoch holds every item once. Batches do not matter, epochs and seeds differ. */
#include "core/test.h"
#include "train/order.h"

enum { N = 37 };

static void take(int64_t *out, int64_t from, int64_t count, uint64_t seed, bool shuffle)
{
    example_order o;
    example_order_init(&o, N, seed, shuffle);
    for (int64_t k = 0; k < count; k++) out[k] = example_order_at(&o, from + k);
    example_order_free(&o);
}

static void every_epoch_is_a_permutation(void **state)
{
    (void)state;
    int64_t order[3 * N], seen[N];
    take(order, 0, 3 * N, 5, true);
    for (int e = 0; e < 3; e++) {
        memset(seen, 0, sizeof seen);
        for (int i = 0; i < N; i++) seen[order[e * N + i]]++;
        for (int i = 0; i < N; i++) assert_int_equal(seen[i], 1);
    }
    assert_memory_not_equal(order, order + N, sizeof seen);
    assert_memory_not_equal(order + N, order + 2 * N, sizeof seen);
}

static void any_start_gives_the_same_stream(void **state)
{
    (void)state;
    int64_t whole[3 * N], part[N], other[3 * N];
    take(whole, 0, 3 * N, 5, true);
    take(part, N + 20, N, 5, true); /* a resumed run begins in the middle, across an epoch's end */
    assert_memory_equal(part, whole + N + 20, sizeof part);
    take(other, 0, 3 * N, 6, true);
    assert_memory_not_equal(other, whole, sizeof whole);
}

static void without_shuffling_the_file_s_order(void **state)
{
    (void)state;
    int64_t order[2 * N];
    take(order, 0, 2 * N, 5, false);
    for (int i = 0; i < 2 * N; i++) assert_int_equal(order[i], i % N);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(every_epoch_is_a_permutation),
                                        cmocka_unit_test(any_start_gives_the_same_stream),
                                        cmocka_unit_test(without_shuffling_the_file_s_order) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
