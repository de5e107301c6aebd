/* The two largest of rows of logits, on every backend: by hand, ties and numbers that are not
 * finite among them. */
#include "kernels/test_check.h"

enum { ROWS = 6 };

static double margin_of(const double *row, int64_t n, int32_t best)
{
    double second = -INFINITY;
    for (int64_t i = 0; i < n; i++)
        if (i != best && row[i] > second) second = row[i];
    return row[best] - second;
}

/* ROWS rows of n small whole numbers, so that there are many ties; `bad`: one number of every
 * other row is no number. */
static void check_size(const backend *be, int64_t n, bool bad)
{
    rng     r    = rng_seed((uint64_t)n);
    double *host = mem_alloc((size_t)(ROWS * n), sizeof *host);
    param  *x    = be->params->alloc(be->params, ROWS * n);
    top_two got[ROWS], *top = be->alloc_bytes(be, sizeof got);
    for (int64_t i = 0; i < ROWS * n; i++) host[i] = (double)rng_below(&r, 6) - 3;
    for (int64_t i = 0; i < ROWS && bad; i += 2)
        host[i * n + (int64_t)rng_below(&r, (uint64_t)n)] = i % 3 == 0 ? NAN : i % 3 == 1 ? INFINITY : -INFINITY;
    be->params->upload(be->params, x, host, ROWS * n);
    be->top_two(be, top, x, ROWS, n);
    be->get(be, got, top, sizeof got);
    assert_ok(be->sync(be));
    for (int64_t i = 0; i < ROWS; i++) {
        const double *row  = host + i * n;
        int32_t       best = 0;
        for (int32_t j = 0; j < n; j++)
            if (row[j] > row[best]) best = j;
        assert_int_equal(got[i].finite, !(bad && i % 2 == 0));
        if (!got[i].finite) continue;
        assert_int_equal(got[i].best, best);
        assert_true(got[i].margin == margin_of(row, n, best));
    }
    free(host);
    be->release(be, x), be->release(be, top);
}

static void check_backend(const backend *be)
{
    static const int64_t sizes[] = { 1, 2, 3, 31, 32, 33, 100, 1023, 1024, 1025, 2100 };
    for (size_t i = 0; i < 2 * sizeof sizes / sizeof *sizes; i++) check_size(be, sizes[i / 2], i % 2);
    be->top_two(be, NULL, NULL, 0, 5);
}

static void the_first_of_equals_wins(void **state)
{
    (void)state;
    check_backend(backend_find("ref"));
    check_backend(backend_find("cpu"));
}

static void check_subject_alone(void) { check_backend(check_subject); }
static void on_cuda_too(void **state)
{
    (void)state;
    check_on_cuda(check_subject_alone);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(the_first_of_equals_wins), cmocka_unit_test(on_cuda_too) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
