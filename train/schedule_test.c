/* Compares with transformers' own rates, two steps past the total (reference data), and with hand
 * computation. */
#include "core/file.h"
#include "core/json.h"
#include "core/test.h"
#include "train/schedule.h"

static void equals_transformers(void **state)
{
    (void)state;
    need_data(path, "peft-reference/schedules.json");
    json  *doc;
    double lr;
    int    lists = 0;
    assert_ok(json_read_file(&doc, path, 1u << 20));
    assert_ok(json_get_num(doc, path, "lr", 0, 1, &lr));
    for (const json *list = doc->child; list; list = list->next) {
        char            name[32];
        long long       warmup, total, step = 0;
        const schedule *s;
        if (!cJSON_IsArray(list)) continue;
        assert_int_equal(sscanf(list->string, "%31s warmup %lld total %lld", name, &warmup, &total), 3);
        assert_ok(schedule_find(&s, name));
        /* A rate may differ by one rounding of a number up to lr: the same few operations come in
         * another order. */
        for (const json *x = list->child; x; x = x->next)
            assert_within(fabs(schedule_lr(s, lr, ++step, warmup, total) - x->valuedouble), 2.3e-16 * lr);
        assert_int_equal(step, total + 2);
        lists++;
    }
    assert_int_equal(lists, 12);
    json_free(doc);
}

static void by_hand(void **state)
{
    (void)state;
    const schedule *s;
    assert_ok(schedule_find(&s, "linear"));
    assert_within(fabs(schedule_lr(s, 2, 1, 0, 4) - 2.0), 0);
    assert_within(fabs(schedule_lr(s, 2, 2, 0, 4) - 1.5), 0);
    assert_within(fabs(schedule_lr(s, 2, 5, 0, 4) - 0.0), 0);
    assert_within(fabs(schedule_lr(s, 2, 1, 2, 4) - 0.0), 0);
    assert_within(fabs(schedule_lr(s, 2, 2, 2, 4) - 1.0), 0);
    assert_ok(schedule_find(&s, "cosine"));
    assert_within(fabs(schedule_lr(s, 2, 3, 0, 4) - 1.0), 1e-15);
    assert_input_error(schedule_find(&s, "cosin"), "--schedule cosin: must be constant, linear or cosine");
}

int main(void)
{
    const struct CMUnitTest tests[] = { reference_test(equals_transformers), cmocka_unit_test(by_hand) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
