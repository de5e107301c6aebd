/* The regulariser against hand computation and central differences in f64, and cpu compared with
 * ref. */
#include "core/rng.h"
#include "core/test.h"
#include "train/orthogonality.h"

enum { ROWS = 3, COLS = 7, TALL = 11, RANK = 4, N_A = ROWS * COLS, N_B = TALL * RANK };

typedef struct {
    const backend *be;
    param         *p, *g; /* A [3, 7] | B [11, 4] */
    orthogonality *o;
} fixture;

static fixture make(const char *name, const double *values)
{
    fixture f = { .be = backend_find(name) };
    f.p       = f.be->alloc(f.be, N_A + N_B);
    f.g       = f.be->alloc(f.be, N_A + N_B);
    f.be->upload(f.be, f.p, values, N_A + N_B);
    orthogonality_item items[] = { { f.p, f.g, ROWS, COLS, true },
                                   { param_at(f.be, f.p, N_A), param_at(f.be, f.g, N_A), TALL, RANK, false } };
    f.o                        = orthogonality_new(f.be, items, 2);
    return f;
}

static double run(fixture *f, double weight, double *grad)
{
    f->be->zero(f->be, f->g, N_A + N_B);
    double r = orthogonality_add(f->o, weight);
    if (grad) f->be->download(f->be, grad, f->g, N_A + N_B);
    return r;
}

static void release(fixture *f)
{
    orthogonality_free(f->o);
    f->be->release(f->be, f->p);
    f->be->release(f->be, f->g);
}

static void draw(double *x)
{
    rng r = rng_seed(7);
    for (int i = 0; i < N_A + N_B; i++) x[i] = rng_normal(&r);
}

static void central_differences(void **state)
{
    (void)state;
    double x[N_A + N_B], g[N_A + N_B];
    draw(x);
    fixture f = make("ref", x);
    run(&f, 0.5, g);
    for (int i = 0; i < N_A + N_B; i++) {
        double h = 1e-5, keep = x[i], up, down;
        x[i] = keep + h;
        f.be->upload(f.be, f.p, x, N_A + N_B);
        up   = run(&f, 0.5, NULL);
        x[i] = keep - h;
        f.be->upload(f.be, f.p, x, N_A + N_B);
        down = run(&f, 0.5, NULL);
        x[i] = keep;
        /* h^2 times a third derivative of order 1, and rounding of 1e-16 / h: 1e-9 leaves a decade
         * of room. */
        assert_within(fabs(g[i] - 0.5 * (up - down) / (2 * h)), 1e-9);
    }
    release(&f);
}

static void by_hand(void **state)
{
    (void)state;
    double x[N_A + N_B] = { 0 }, g[N_A + N_B];
    /* A A^T - I = 3 I: norm 3 sqrt 3; B = 0: norm sqrt 4 */
    for (int i = 0; i < ROWS; i++) x[i * COLS + i] = 2;
    fixture f = make("ref", x);
    assert_within(fabs(run(&f, 1, g) - (3 * sqrt(3) + 2) / 2), 1e-14);
    /* 2 (3 I) A / (3 sqrt 3) / 2 tensors: 2 / sqrt 3 on the diagonal */
    assert_within(fabs(g[0] - 2 / sqrt(3)), 1e-14);
    for (int i = N_A; i < N_A + N_B; i++) assert_within(fabs(g[i]), 0);
    release(&f);
}

static void orthonormal_has_no_gradient(void **state)
{
    (void)state;
    double x[N_A + N_B] = { 0 }, g[N_A + N_B];
    for (int i = 0; i < ROWS; i++) x[i * COLS + i] = 1;
    for (int i = 0; i < RANK; i++) x[N_A + i * RANK + i] = -1;
    fixture f = make("ref", x);
    assert_within(run(&f, 1, g), 0);
    for (int i = 0; i < N_A + N_B; i++) assert_within(fabs(g[i]), 0);
    release(&f);
}

static void cpu_agrees(void **state)
{
    (void)state;
    double x[N_A + N_B], want[N_A + N_B], got[N_A + N_B];
    draw(x);
    fixture ref = make("ref", x), cpu = make("cpu", x);
    double  a = run(&ref, 0.5, want), b = run(&cpu, 0.5, got);
    /* f32 sums of up to 11 products of numbers of order 1 round by a few times 6e-8 */
    assert_within(fabs(a - b) / a, 1e-6);
    assert_within(rel_err(got, want, N_A + N_B), 1e-6);
    release(&ref);
    release(&cpu);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(central_differences), cmocka_unit_test(by_hand),
                                        cmocka_unit_test(orthonormal_has_no_gradient), cmocka_unit_test(cpu_agrees) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
