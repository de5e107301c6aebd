/* A device fails in the middle of a step. The message is the device's, and does not say that
 * training diverged, although what is read back is NaN. */
#include "model/test_model.h"
#include "train/trainer.h"

static const backend *be;

/* Asks for more than any device has. The error shows at the next sync; nothing is computed until
 * then. */
static void fail_here(void) { be->release(be, be->alloc(be, INT64_C(1) << 40)); }

static void failing_xent_bwd(const backend *f, param *logits, double *nll, const int32_t *targets, int64_t n,
                             int64_t vocab, double scale)
{
    fail_here();
    be->xent_bwd(be, logits, nll, targets, n, vocab, scale);
}
static double failing_sum_squares(const backend *f, const param *x, int64_t count)
{
    fail_here();
    return be->sum_squares(be, x, count);
}

static const int32_t       tokens[] = { 1, 5, 7, 2 }, targets[] = { 5, 7, 2, 3 };
static const train_example item = {
    .ids = (int32_t *)(uintptr_t)tokens, .targets = (int32_t *)(uintptr_t)targets, .n = 4, .n_scored = 4
};

static void the_device_s_message_is_kept(void **state)
{
    (void)state;
    be = backend_find("cuda-emulated");
    if (!be) skip_because("%s", error_text());
    model               *m        = open_odd("cuda-emulated", true, false);
    backend              failing  = *be;
    const train_example *items[1] = { &item };
    m->be                         = &failing;
    trainer              *t;
    step_result           result;
    const trainer_options options = { .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8 };
    assert_ok(trainer_new(&t, m, NULL, &options, 1));
    for (int where = 0; where < 2; where++) {
        failing = *be;
        assert_ok(trainer_step(t, items, 1, 1, 1e-3, &result));
        if (where == 0) failing.xent_bwd = failing_xent_bwd;
        if (where == 1) failing.sum_squares = failing_sum_squares;
        error_clear();
        assert_int_equal(trainer_step(t, items, 1, 1, 1e-3, &result), ERR_FAILED);
        if (!strstr(error_text(), "are free")) fail_msg("\"%s\"", error_text());
    }
    failing = *be;
    assert_ok(trainer_step(t, items, 1, 1, 1e-3, &result)); /* nothing was harmed */
    trainer_free(t);
    m->be = be;
    model_close(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(the_device_s_message_is_kept) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
