/* The allocator against hand computation: budgets, scores, ties, phases, refusals. PEFT's own
 * 30-step trace is in train/peft_reference_test.c. */
#include "core/test.h"
#include "train/test_adalora.h"
#include "train/adalora.h"

enum { STEPS = 6 };
static const adalora_options base_options = {
    .target_rank = 1, .tinit = 1, .tfinal = 1, .delta_t = 1, .beta1 = 0.5, .beta2 = 0.25
};

/* The example of the AdaLoRA authors' schedule: 56 matrices, ranks 64 to 32. m(2500) = 1 -
 * 2300/4300; 1792 m^3 + 1792 = 1972.9. */
static void budgets(void **state)
{
    (void)state;
    adalora_module modules[56];
    for (int i = 0; i < 56; i++)
        modules[i] = (adalora_module) { .rank = 64, .in = 1, .out = 1, .u = 0, .A = -1, .B = -1 };
    adalora        *a;
    adalora_options o = { .target_rank = 32, .tinit = 200, .tfinal = 500, .delta_t = 1 };
    assert_ok(adalora_new(&a, &o, 5000, modules, 56, 64));
    assert_int_equal(adalora_budget(a, 200), 3584);
    assert_int_equal(adalora_budget(a, 2500), 1972);
    assert_int_equal(adalora_budget(a, 4500), 1792);
    assert_int_equal(adalora_budget(a, 5000), 1792);
    adalora_free(a);
}

/* Two modules of rank 2. theta holds u u | A 2x2 | B 1x2, then the second module's u alone. */
static const adalora_module two[] = { { .rank = 2, .in = 2, .out = 1, .u = 0, .A = 2, .B = 6 },
                                      { .rank = 2, .in = 9, .out = 9, .u = 8, .A = -1, .B = -1 } };

static void importance_and_scores(void **state)
{
    (void)state;
    adalora *a;
    assert_ok(adalora_new(&a, &base_options, STEPS, two, 2, 10));
    double theta[10] = { 2, -1, 1, 1, 1, 1, 1, 1, 3, 0.5 }, grad[10] = { 1, 2, 4, 8, 0, -2, 1, -1, 1, 4 };
    adalora_observe(a, theta, grad, 2);
    /* first element: s = |2 * 2| = 4, I = 0.5 * 4 = 2, U = 0.75 * |4 - 2| = 1.5 */
    assert_within(fabs(a->sensitivity[0] - 2), 0);
    assert_within(fabs(a->uncertainty[0] - 1.5), 0);
    adalora_observe(a, theta, grad, 1);
    /* then s = 2: I = 1 + 1 = 2, U = 0.25 * 1.5 + 0.75 * |2 - 2| = 0.375 */
    assert_within(fabs(a->sensitivity[0] - 2), 0);
    assert_within(fabs(a->uncertainty[0] - 0.375), 0);
    adalora_score(a);
    double iu[10];
    for (int i = 0; i < 10; i++) iu[i] = a->sensitivity[i] * a->uncertainty[i];
    assert_within(fabs(a->scores[0] - (iu[0] + (iu[2] + iu[3]) / 2 + iu[6])), 1e-15);
    assert_within(fabs(a->scores[1] - (iu[1] + (iu[4] + iu[5]) / 2 + iu[7])), 1e-15);
    assert_within(fabs(a->scores[3] - iu[9]), 1e-15);
    adalora_free(a);
}

static void set_importance(adalora *a, const double u[4])
{
    const int at[] = { 0, 1, 8, 9 };
    for (int i = 0; i < 4; i++) a->sensitivity[at[i]] = u[i], a->uncertainty[at[i]] = 1;
}

static void ties_go_and_losers_return(void **state)
{
    (void)state;
    adalora *a;
    assert_ok(adalora_new(&a, &base_options, STEPS, two, 2, 10));
    assert_false(adalora_allocate(a, 1)); /* warm-up */
    set_importance(a, (double[]) { 1, 2, 3, 4 });
    assert_true(adalora_allocate(a, 4)); /* budget 2 + int(2 (1/4)^3) = 2: two go */
    assert_memory_equal(a->kept, ((unsigned char[]) { 0, 0, 1, 1 }), 4);
    assert_within(fabs(a->threshold - 2), 0);
    set_importance(a, (double[]) { 9, 1, 2, 2 });
    assert_true(adalora_observes(a, 4));
    assert_false(adalora_observes(a, 5));
    /* in the final mask a tie at the threshold goes too, so one of two places is taken */
    assert_true(adalora_allocate(a, 5));
    assert_memory_equal(a->kept, ((unsigned char[]) { 1, 0, 0, 0 }), 4);
    assert_int_equal(kept_of(a, 0), 1);
    assert_int_equal(kept_of(a, 1), 0);
    set_importance(a, (double[]) { 0, 1, 2, 2 });
    assert_true(adalora_allocate(a, 6)); /* after it importance no longer counts */
    assert_memory_equal(a->kept, ((unsigned char[]) { 1, 0, 0, 0 }), 4);
    adalora_free(a);
}

static void nothing_to_prune(void **state)
{
    (void)state;
    adalora        *a;
    adalora_options o = base_options;
    o.target_rank     = 2;
    assert_ok(adalora_new(&a, &o, STEPS, two, 2, 10));
    for (int t = 1; t <= 6; t++) adalora_allocate(a, t);
    assert_memory_equal(a->kept, ((unsigned char[]) { 1, 1, 1, 1 }), 4);
    adalora_free(a);
}

static void refusals(void **state)
{
    (void)state;
    adalora        *a;
    adalora_options o = base_options;
    o.tinit           = 5;
    assert_input_error(adalora_new(&a, &o, STEPS, two, 2, 10),
                       "--tinit 5: must be below the step of the final mask, 5 = 6 steps - tfinal 1");
    o             = base_options;
    o.target_rank = 3;
    assert_input_error(adalora_new(&a, &o, STEPS, two, 2, 10), "--target-rank 3: must be 0..2");
    o         = base_options;
    o.delta_t = 0;
    assert_input_error(adalora_new(&a, &o, STEPS, two, 2, 10), "--delta-t 0");
    o       = base_options;
    o.tinit = 0;
    assert_input_error(adalora_new(&a, &o, 2, two, 2, 10), "before any importance is known");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(budgets), cmocka_unit_test(importance_and_scores),
                                        cmocka_unit_test(ties_go_and_losers_return), cmocka_unit_test(nothing_to_prune),
                                        cmocka_unit_test(refusals) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
