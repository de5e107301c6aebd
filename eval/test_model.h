/* For tests: a model folder that is opened here, and the harness planned and run in one step. */
#ifndef TIEBREAK_EVAL_TEST_MODEL_H
#define TIEBREAK_EVAL_TEST_MODEL_H
#include "eval/harness.h"
#include "eval/lm/local.h"
#include "metrics/test_lines.h"

typedef struct {
    model     *model;
    tokenizer *tok;
    decoder   *dec;
} test_model;

static inline test_model open_test_model(const char *dir)
{
    test_model     t  = { 0 };
    const backend *be = backend_find("cpu");
    assert_non_null(be);
    be->set_threads(be, 1);
    assert_ok(model_open(&t.model, dir, be, false));
    /* The random bases of the adapter reference have no tokenizer. */
    char *file = path_join(dir, "tokenizer.json");
    if (file_exists(file)) assert_ok(tokenizer_open(&t.tok, dir));
    free(file);
    t.dec = decoder_new(t.model);
    return t;
}

static inline void close_test_model(test_model *t)
{
    decoder_free(t->dec);
    tokenizer_close(t->tok);
    model_close(t->model);
}

static inline int plan_and_run(const harness *h, harness_plan *plan, harness_result *r)
{
    int rc = harness_make_plan(h, plan);
    return rc ? rc : harness_run(h, plan, r);
}

/* How far float32 code may lie from the reference's float64 numbers, as its README says. */
static inline double ll_tolerance(double ll_f64) { return 2e-4 + 1e-6 * fabs(ll_f64); }

static inline void assert_ids(const int32_t *got, int64_t n, const json *want)
{
    assert_int_equal(n, cJSON_GetArraySize(want));
    int64_t i = 0;
    for (const json *x = want->child; x; x = x->next, i++) assert_int_equal(got[i], (int32_t)x->valuedouble);
}
#endif
