/* x and h from one kernel in bf16, on the emulator in every test run and on a GPU by
 * scripts/gpu-check: x has the bits of the op before, h is that of the x that was written, for
 * several adapters of any ranks, and the same for a row in any batch. */
#define TIEBREAK_BF16
#include "kernels/cuda/test_device.h"
#include "kernels/cuda/ops/producer.h"
#include "kernels/cuda/working.h"

/* n over 2048 puts more than 16 rows into a block; 8 divides `in` and the strides where rows are
 * read in vectors. */
typedef struct {
    int64_t n, in, ldx;
    int     ranks[4];
} produce_case;
static const produce_case cases[] = {
    { 1, 33, 33, { 1 } },          { 37, 75, 80, { 5, 16, 1, 33 } },
    { 300, 64, 64, { 16 } },       { 130, 272, 288, { 8, 3, 40 } },
    { 2100, 24, 24, { 7, 2, 7 } }, { 9, 520, 520, { 256 } },
    { 3, 40, 48, { 17, 200 } },
};
enum { CASES = sizeof cases / sizeof *cases, MOST = 4 };

static bf16 *filled(int64_t n, float value)
{
    bf16 *host = host_of<bf16>(n);
    for (int64_t i = 0; i < n; i++) host[i] = value;
    bf16 *p = put(host, n);
    free(host);
    return p;
}
static bf16 *random_host(int64_t n, uint64_t seed)
{
    bf16 *host = host_of<bf16>(n);
    for (int64_t i = 0; i < n; i++) {
        seed    = seed * 6364136223846793005u + 1442695040888963407u;
        host[i] = (float)((int64_t)(seed >> 40) - (1 << 23)) / (float)(1 << 23);
    }
    return host;
}

/* Everything of one call. `hot`: row j of A' is 1 at column (7 j) % in and 0 elsewhere. */
typedef struct {
    produce_case c;
    bool         norm;
    int          count;
    bf16        *from, *g, *x, *A[MOST], *h[MOST], *host_A[MOST];
    float       *rstd;
    int64_t      lda[MOST], ldh[MOST];
} setup;

static setup setup_of(const produce_case *c, bool norm, bool hot)
{
    setup         s    = { *c, norm, 0, NULL, NULL, NULL, {}, {}, {}, NULL, {}, {} };
    const int64_t wide = norm ? c->in : 2 * c->in;
    bf16         *from = random_host(c->n * wide, 1), *g = random_host(c->in, 2);
    s.from = put(from, c->n * wide), s.g = norm ? put(g, c->in) : NULL;
    s.x    = filled(c->n * c->ldx, GAP);
    s.rstd = (float *)cuda_allocate(c->n * 4);
    for (; s.count < MOST && c->ranks[s.count]; s.count++) {
        const int     i = s.count;
        const int64_t r = c->ranks[i];
        s.lda[i] = c->ldx + (i == 1 ? 8 : 0), s.ldh[i] = r + i;
        s.host_A[i] = random_host(r * s.lda[i], (uint64_t)(10 + i));
        for (int64_t e = 0; hot && e < r * s.lda[i]; e++)
            s.host_A[i][e] = e % s.lda[i] == 7 * (e / s.lda[i]) % c->in ? 1.0f : 0.0f;
        s.A[i] = put(s.host_A[i], r * s.lda[i]);
        s.h[i] = filled(c->n * s.ldh[i], GAP);
    }
    free(from), free(g);
    return s;
}

static void setup_free(setup *s)
{
    void *all[] = { s->from, s->g, s->x, s->rstd };
    for (void *p : all) cuda_release(p);
    for (int i = 0; i < s->count; i++) cuda_release(s->A[i]), cuda_release(s->h[i]), free(s->host_A[i]);
}

/* Rows first .. first+n-1 of the call. */
static void run(const setup *s, int64_t first, int64_t n)
{
    shrink        list[MOST];
    const int64_t in = s->c.in;
    norm_dims     d  = { n, in, 0, s->c.ldx };
    for (int i = 0; i < s->count; i++)
        list[i] = { s->A[i], s->lda[i], s->c.ranks[i], s->h[i] + first * s->ldh[i], s->ldh[i] };
    const adapted_source source = { .from = (const real *)(s->from + first * (s->norm ? 1 : 2) * in),
                                    .gain = s->norm ? (const real *)s->g : NULL,
                                    .rstd = s->norm ? (param *)(s->rstd + first) : NULL,
                                    .eps  = 1e-5 };
    produce_cuda_bf16((real *)(s->x + first * s->c.ldx), &source, d, list, s->count);
}

static void check_x(const setup *s)
{
    const int64_t n = s->c.n, in = s->c.in, ldx = s->c.ldx;
    bf16         *want_x    = filled(n * ldx, GAP);
    float        *want_rstd = (float *)cuda_allocate(n * 4);
    if (s->norm)
        rmsnorm_fwd_cuda_bf16((real *)want_x, (param *)want_rstd, (const real *)s->from, (const real *)s->g,
                              { n, in, in, ldx }, 1e-5);
    else
        swiglu_fwd_cuda_bf16((real *)want_x, (const real *)s->from, n, in);
    bf16 *x = got(s->x, n * ldx), *want = got(want_x, n * ldx);
    for (int64_t i = 0; i < n; i++) {
        assert_memory_equal(x + i * ldx, want + i * (s->norm ? ldx : in), (size_t)in * sizeof *x);
        for (int64_t k = in; k < ldx; k++) assert_true((float)x[i * ldx + k] == GAP);
    }
    if (s->norm) {
        float *rstd = got(s->rstd, n), *of_op = got(want_rstd, n);
        assert_memory_equal(rstd, of_op, (size_t)n * sizeof *rstd);
        free(rstd), free(of_op);
    }
    cuda_release(want_x), cuda_release(want_rstd), free(x), free(want);
}

/* Against x A'^T in f64 of the x that was written: one rounding to bf16 is 2^-9 of an element,
 * and twice naive code's error is allowed. Sums in f32 are far below that, but for elements that
 * cancel: so over a whole array. hot: to the bit. */
static void check_h(const setup *s, bool hot)
{
    const int64_t n = s->c.n, in = s->c.in, ldx = s->c.ldx;
    bf16         *x = got(s->x, n * ldx);
    for (int i = 0; i < s->count; i++) {
        const int64_t r = s->c.ranks[i], ldh = s->ldh[i];
        bf16         *h    = got(s->h[i], n * ldh);
        double        miss = 0, size = 0;
        for (int64_t at = 0; at < n * ldh; at++) {
            const int64_t row = at / ldh, j = at % ldh;
            double        want = 0;
            for (int64_t k = 0; j < r && k < in; k++)
                want += (double)x[row * ldx + k] * (double)s->host_A[i][j * s->lda[i] + k];
            if (j >= r) assert_true((float)h[at] == GAP);
            if (j < r && hot) assert_true((double)h[at] == want);
            if (j < r) miss += (h[at] - want) * (h[at] - want), size += want * want;
        }
        assert_within(sqrt(miss), 0x1p-8 * sqrt(size));
        free(h);
    }
    free(x);
}

static void check_one(const produce_case *c, bool norm, bool hot)
{
    setup s = setup_of(c, norm, hot);
    run(&s, 0, c->n);
    check_x(&s);
    check_h(&s, hot);
    setup_free(&s);
}

static void need_start(void) { need_device(); }

static void h_is_that_of_the_x_written(void **)
{
    need_start();
    for (int i = 0; i < CASES; i++)
        for (int norm = 0; norm < 2; norm++) check_one(&cases[i], norm, i % 2 == 0);
}

static void every_rank(void **)
{
    need_start();
    for (int r = 1; r <= 256; r += r < 20 ? 1 : 29) {
        const produce_case c = { 2, 37, 40, { r } };
        check_one(&c, r % 2, false);
    }
}

/* Alone, a row is a block's only one; among 300 it is one of three, and among 2100 one of
 * seventeen. */
static void a_row_is_the_same_in_any_batch(void **)
{
    need_start();
    const produce_case c = { 2100, 40, 40, { 5, 30 } };
    setup              s = setup_of(&c, true, false);
    run(&s, 0, c.n);
    bf16 *all[2] = { got(s.h[0], c.n * s.ldh[0]), got(s.h[1], c.n * s.ldh[1]) };
    run(&s, 17, 1);
    run(&s, 100, 300);
    for (int i = 0; i < 2; i++) {
        bf16 *h = got(s.h[i], c.n * s.ldh[i]);
        assert_memory_equal(h, all[i], (size_t)(c.n * s.ldh[i]) * sizeof *h);
        free(h), free(all[i]);
    }
    setup_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(h_is_that_of_the_x_written),
        cmocka_unit_test(every_rank),
        cmocka_unit_test(a_row_is_the_same_in_any_batch),
    };
    start_device();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
