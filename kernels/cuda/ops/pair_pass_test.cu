/* dh and dB' from one pass over dy, against f64: on the emulator in every test run, and on a GPU
 * by scripts/gpu-check. Naive bf16 code has exact sums and rounds every result once; ours may be
 * off by at most twice as much. */
#include "kernels/cuda/test_device.h"
#include "kernels/cuda/ops/pair_pass.h"

struct pass_case {
    int64_t n, out, r, ldy, ldb, ldh, ld_dh;
    bool    add = false, no_dh = false, no_dB = false, turned = false;
    int64_t zeros = 0;
};

/* 512 rows, 256 columns and 32 ranks are where a second part begins. */
static const pass_case cases[] = {
    { 1, 8, 1, 8, 1, 1, 1 },
    { 37, 40, 3, 40, 3, 8, 3 },
    { 64, 96, 16, 96, 16, 16, 16, true },
    { 130, 136, 15, 144, 18, 17, 19, true },
    { 513, 300, 17, 304, 17, 24, 24 },
    { 1030, 39, 8, 40, 8, 8, 8 },
    { 70, 264, 33, 264, 40, 33, 40, true },
    /* h = x A'^T */
    { 67, 300, 15, 304, 303, 15, 16, false, false, true, true },
    { 520, 40, 50, 40, 40, 50, 50, false, false, true, true },
    /* dA' += dh^T x */
    { 67, 300, 15, 304, 303, 16, 15, false, true, false, true },
    { 520, 39, 50, 40, 40, 50, 50, false, true, false, true },
    /* and the rest of what may be asked for */
    { 30, 40, 5, 40, 5, 5, 5, true, false, true, false },
    { 30, 40, 5, 40, 5, 5, 5, false, true, false, false },
    { 30, 40, 35, 40, 43, 35, 35, true, false, false, true },
    /* zeros behind dh */
    { 30, 40, 5, 48, 5, 24, 18, false, false, false, false, 11 },
    { 520, 300, 17, 304, 17, 33, 40, true, false, true, false, 15 },
};
enum { CASES = sizeof cases / sizeof *cases };

static float random_in(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (float)((int64_t)(*state >> 40) - (1 << 23)) / (float)(1 << 23);
}
/* Rows of `width` in strides of ld; between them GAP. */
static bf16 *random_rows(uint64_t *state, int64_t n, int64_t width, int64_t ld)
{
    bf16 *p = host_of<bf16>(n * ld);
    for (int64_t i = 0; i < n * ld; i++) p[i] = i % ld < width ? random_in(state) : GAP;
    return p;
}

/* Off by at most twice what rounding the exact values is; few values may all be rounded as far
 * as rounding goes, or not at all. */
static void compare(const pass_case *c, const char *what, const double *ours, const double *exact, int64_t n)
{
    double off = 0, naive = 0, size = 0;
    for (int64_t i = 0; i < n; i++) {
        bf16 rounded;
        rounded = (float)exact[i];
        off += (ours[i] - exact[i]) * (ours[i] - exact[i]);
        naive += ((double)rounded - exact[i]) * ((double)rounded - exact[i]);
        size += exact[i] * exact[i];
    }
    const double allowed = n < 64 ? 0x1p-7 * sqrt(size) : 2 * sqrt(naive);
    if (!(sqrt(off) <= allowed))
        fail_msg("n %d, out %d, r %d: %s is off by %.3e, allowed %.3e", (int)c->n, (int)c->out, (int)c->r, what,
                 sqrt(off), allowed);
}

typedef struct {
    bf16  *dy, *B, *h, *dh;
    float *dB;
} pass_arrays;

static void run(const pass_case *c, const pass_arrays *host, bf16 *dh, float *dB)
{
    const int64_t of_dh = c->n * c->ld_dh, of_dB = c->out * c->r;
    pass_arrays   on = { put(host->dy, c->n * c->ldy), put(host->B, (c->turned ? c->r : c->out) * c->ldb),
                         put(host->h, c->n * c->ldh), put(host->dh, of_dh), put(host->dB, of_dB) };
    pair_pass     p  = { c->n,   c->out, c->r,     on.dy,  c->ldy, on.B,      on.h, c->ldb,
                         c->ldh, on.dh,  c->ld_dh, c->add, on.dB,  c->turned, BOTH, c->zeros };
    if (c->no_dh) p.want = DB_ALONE, p.dh = NULL, p.B = NULL;
    if (c->no_dB) p.want = DH_ALONE, p.dB = NULL, p.h = NULL;
    assert_true(pair_pass_can(&p));
    cuda_pair_pass(&p);
    get(dh, on.dh, of_dh);
    get(dB, on.dB, of_dB);
    void *all[] = { on.dy, on.B, on.h, on.dh, on.dB };
    for (void *a : all) CUDA_OK(cudaFree(a));
}

static void check_against_f64(const pass_case *c, const pass_arrays *a, const bf16 *dh, const float *dB)
{
    const int64_t n = c->n, out = c->out, r = c->r;
    double       *exact = host_of<double>((n + out) * r), *ours = host_of<double>((n + out) * r);
    for (int64_t t = 0; t < n; t++)
        for (int64_t j = 0; j < r; j++) {
            double sum = c->add || c->no_dh ? (double)a->dh[t * c->ld_dh + j] : 0.0;
            for (int64_t o = 0; o < out && !c->no_dh; o++)
                sum += (double)a->dy[t * c->ldy + o] * (double)a->B[c->turned ? j * c->ldb + o : o * c->ldb + j];
            exact[t * r + j] = sum, ours[t * r + j] = (double)dh[t * c->ld_dh + j];
        }
    compare(c, "dh", ours, exact, n * r);
    for (int64_t o = 0; o < out; o++)
        for (int64_t j = 0; j < r; j++) {
            const int64_t at  = c->turned ? j * out + o : o * r + j;
            double        sum = (double)a->dB[at];
            for (int64_t t = 0; t < n && !c->no_dB; t++)
                sum += (double)a->dy[t * c->ldy + o] * (double)a->h[t * c->ldh + j];
            exact[o * r + j] = sum, ours[o * r + j] = (double)dB[at];
        }
    compare(c, "dB", ours, exact, out * r);
    for (int64_t i = 0; i < n * c->ld_dh; i++)
        if (i % c->ld_dh >= r && (float)dh[i] != (i % c->ld_dh < r + c->zeros ? 0 : GAP))
            fail_msg("behind dh, at %d, is %g", (int)i, (double)(float)dh[i]);
    free(exact), free(ours);
}

static void check_case(const pass_case *c)
{
    uint64_t    state = (uint64_t)(c->n * 1000 + c->r);
    pass_arrays a     = { random_rows(&state, c->n, c->out, c->ldy),
                      c->turned ? random_rows(&state, c->r, c->out, c->ldb) : random_rows(&state, c->out, c->r, c->ldb),
                          random_rows(&state, c->n, c->r, c->ldh), random_rows(&state, c->n, c->r, c->ld_dh),
                          host_of<float>(c->out * c->r) };
    bf16       *dh[2];
    float      *dB[2];
    for (int64_t i = 0; i < c->out * c->r; i++) a.dB[i] = random_in(&state);
    for (int k = 0; k < 2; k++) {
        dh[k] = host_of<bf16>(c->n * c->ld_dh), dB[k] = host_of<float>(c->out * c->r);
        run(c, &a, dh[k], dB[k]);
    }
    check_against_f64(c, &a, dh[0], dB[0]);
    assert_memory_equal(dh[0], dh[1], (size_t)(c->n * c->ld_dh) * sizeof(bf16));
    assert_memory_equal(dB[0], dB[1], (size_t)(c->out * c->r) * sizeof(float));
    void *all[] = { a.dy, a.B, a.h, a.dh, a.dB, dh[0], dh[1], dB[0], dB[1] };
    for (void *p : all) free(p);
}

static void shapes_that_divide_nothing(void **)
{
    need_device();
    for (int i = 0; i < CASES; i++) check_case(&cases[i]);
}

static void every_rank(void **)
{
    need_device();
    for (int64_t r = 1; r <= 256; r = r < 18 ? r + 1 : r < 60 ? r + 15 : r + 66) {
        const pass_case c = { 21, 37, r, 40, r, r, r };
        check_case(&c);
    }
}

static void every_count_of_rows(void **)
{
    need_device();
    for (int64_t n = 1; n <= 64; n++) {
        const pass_case c = { n, 3 * n + 8, 1 + n % 20, (3 * n + 15) / 8 * 8, 1 + n % 20, 24, 24 };
        check_case(&c);
    }
}

/* At n = 8192, out = 12288, r = 16: 16 parts of rows; 192 runs of columns in 16 parts of 12. */
static void bytes_by_hand(void **)
{
    const double n = 8192, out = 12288, r = 16, parts = 4 * (16 * n * r + 16 * out * r);
    double       bytes[2];
    pair_pass    p = { 8192, 12288, 16, NULL, 12288, NULL, NULL, 16, 16, NULL, 16, false, NULL, false, BOTH };
    pair_pass_bytes(&p, bytes);
    assert_within(fabs(pair_pass_flops(&p) - 4 * n * out * r), 0.5);
    assert_within(fabs(bytes[0] - (2 * (n * out + n * r + out * r) + parts)), 0.5);
    assert_within(fabs(bytes[1] - (parts + 2 * n * r + 8 * out * r)), 0.5);
    p.want = DH_ALONE;
    pair_pass_bytes(&p, bytes);
    assert_within(fabs(bytes[0] - (2 * (n * out + out * r) + 4 * 16 * n * r)), 0.5);
    assert_within(fabs(bytes[1] - (4 * 16 * n * r + 2 * n * r)), 0.5);
    assert_true(pair_pass_pays(8192, 12288, 16));
    assert_true(pair_pass_pays(8192, 12288, 2));
    assert_true(!pair_pass_pays(8192, 12288, 64));
    assert_true(!pair_pass_pays(64, 12288, 16));
}

static void rows_that_begin_anywhere_are_left_to_others(void **)
{
    pair_pass p = {};
    p.dy = (const bf16 *)(uintptr_t)4096, p.ldy = 24;
    assert_true(pair_pass_can(&p));
    p.ldy = 28;
    assert_true(!pair_pass_can(&p));
    p.dy = (const bf16 *)(uintptr_t)4104, p.ldy = 24;
    assert_true(!pair_pass_can(&p));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shapes_that_divide_nothing),
        cmocka_unit_test(every_rank),
        cmocka_unit_test(every_count_of_rows),
        cmocka_unit_test(bytes_by_hand),
        cmocka_unit_test(rows_that_begin_anywhere_are_left_to_others),
    };
    start_device();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
