/* Packing against hand computation: no position after the last scored one, no item without a scored
 * one, and rows where something is scored. */
#include "core/test.h"
#include "train/examples.h"

static void by_hand(void **state)
{
    (void)state;
    int32_t       ids1[] = { 1, 7, 8, 9, 2 }, targets1[] = { -1, 8, -1, 2, -1 };
    int32_t       ids2[] = { 1, 5 }, targets2[] = { -1, -1 };
    int32_t       ids3[] = { 1, 6, 7 }, targets3[] = { 6, -1, -1 };
    train_example a = { ids1, targets1, 5, 2 }, b = { ids2, targets2, 2, 0 }, c = { ids3, targets3, 3, 1 };
    pack          p = { 0 };
    for (int again = 0; again < 2; again++) {
        pack_clear(&p);
        example_pack(&p, &a);
        example_pack(&p, &b);
        example_pack(&p, &c);
        assert_int_equal(p.batch.n_tokens, 5);
        assert_int_equal(p.batch.n_rows, 3);
        assert_int_equal(p.batch.n_segments, 2);
        assert_memory_equal(p.batch.ids, ((int32_t[]) { 1, 7, 8, 9, 1 }), 20);
        assert_memory_equal(p.batch.pos, ((int32_t[]) { 0, 1, 2, 3, 0 }), 20);
        assert_memory_equal(p.batch.rows, ((int32_t[]) { 1, 3, 4 }), 12);
        assert_memory_equal(p.batch.targets, ((int32_t[]) { 8, 2, 6 }), 12);
        assert_int_equal(p.batch.segments[1].start, 4);
        assert_int_equal(p.batch.segments[1].len, 1);
        assert_int_equal(p.batch.segments[1].prefix, -1);
    }
    pack_clear(&p);
    example_pack(&p, &b);
    assert_int_equal(p.batch.n_tokens, 0);
    assert_int_equal(p.batch.n_rows, 0);
    pack_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(by_hand) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
