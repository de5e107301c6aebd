/* cuda_fused against plain loops: on the emulator in every test run, and on a GPU by
 * scripts/gpu-check. Elements are -1, 0 and 1 and sums stay below 256, where bf16 holds every
 * whole number: the answer is one, to the bit. What no product may read is NaN, what none may
 * write is looked at. */
#include "kernels/cuda/test_device.h"
#include "kernels/cuda/variants/fused.h"

typedef struct {
    int64_t r, first, cols;
} pair_case;
typedef struct {
    const char *why;
    int64_t     m, n, k;
    gemm_layout b;
    pair_case   pairs[FUSED_PAIRS]; /* until r is 0 */
    bool        large;              /* for a GPU alone */
} fused_case;

static const fused_case cases[] = {
    { "no pair, nothing divides a tile", 130, 72, 264, TRANSPOSED, {}, false },
    { "the same, backward", 130, 72, 264, PLAIN, {}, false },
    { "one row, rank 1", 1, 8, 8, TRANSPOSED, { { 1, 0, 8 } }, false },
    { "one row, rank 1, backward", 1, 8, 8, PLAIN, { { 1, 0, 8 } }, false },
    { "q, k, v: columns that end within tiles",
      70,
      328,
      40,
      TRANSPOSED,
      { { 17, 0, 200 }, { 5, 200, 64 }, { 64, 264, 64 } },
      false },
    { "columns that no pair reaches", 9, 520, 72, TRANSPOSED, { { 256, 136, 16 } }, false },
    { "the same, backward", 9, 520, 72, PLAIN, { { 256, 136, 16 } }, false },
    { "three ranks of one input, backward",
      140,
      264,
      136,
      PLAIN,
      { { 3, 0, 264 }, { 100, 0, 264 }, { 65, 0, 264 } },
      false },
    { "four pairs", 20, 304, 8, PLAIN, { { 1, 0, 304 }, { 2, 0, 304 }, { 16, 0, 304 }, { 33, 0, 304 } }, false },
    { "more tiles down than one group has, and a ring that comes round often",
      2060,
      264,
      24,
      TRANSPOSED,
      { { 16, 0, 264 } },
      false },
    { "wide tiles fill a GPU", 2060, 2824, 200, TRANSPOSED, { { 16, 0, 1416 }, { 130, 1416, 1408 } }, true },
    { "the same, backward", 2060, 2824, 200, PLAIN, { { 16, 0, 2824 }, { 130, 0, 2824 } }, true },
};

static bool on_gpu(void) { return strcmp(CUDA_BACKEND_NAME, "cuda") == 0; }

typedef struct {
    int64_t rows, cols, ld;
    bf16   *host, *device;
} matrix;

static float drawn(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return (float)((*seed >> 16) % 4 == 0) - (float)((*seed >> 20) % 4 == 0);
}

/* NaN between the rows. */
static matrix new_matrix(int64_t rows, int64_t cols, int64_t ld, uint32_t seed)
{
    const size_t bytes = (size_t)(rows * ld) * sizeof(bf16);
    matrix       m     = { rows, cols, ld, (bf16 *)malloc(bytes), (bf16 *)cuda_allocate((int64_t)bytes) };
    memset((void *)m.host, 0xff, bytes);
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < cols; j++) m.host[i * ld + j] = drawn(&seed);
    CUDA_OK(cudaMemcpyAsync(m.device, m.host, bytes, cudaMemcpyHostToDevice, cuda->stream));
    CUDA_OK(cudaStreamSynchronize(cuda->stream));
    return m;
}

static void free_matrix(matrix m)
{
    CUDA_OK(cudaFree(m.device));
    free(m.host);
}

static float at(const matrix *m, gemm_layout layout, int64_t k, int64_t n)
{
    return layout == PLAIN ? m->host[k * m->ld + n] : m->host[n * m->ld + k];
}

/* want [m, n] += a b, in columns from `first` on */
static void add_product(float *want, int64_t n, const matrix *a, const matrix *b, gemm_layout layout, int64_t first,
                        int64_t cols)
{
    for (int64_t i = 0; i < a->rows; i++)
        for (int64_t k = 0; k < a->cols; k++) {
            const float x = a->host[i * a->ld + k];
            for (int64_t j = 0; x != 0 && j < cols; j++) want[i * n + first + j] += x * at(b, layout, k, j);
        }
}

static void check(const fused_case *c, fused_blocks blocks)
{
    const bool    t    = c->b == TRANSPOSED;
    const int64_t wide = c->n > c->k ? c->n + 8 : c->k + 8;
    matrix        A    = new_matrix(c->m, c->k, wide, 1),
           B           = t ? new_matrix(c->n, c->k, wide, 2) : new_matrix(c->k, c->n, wide, 2),
           C           = new_matrix(c->m, c->n, wide, 3), h[FUSED_PAIRS], E[FUSED_PAIRS];
    float *want        = (float *)calloc((size_t)(c->m * c->n), sizeof *want);
    fused  f           = { c->m, c->n, c->k, A.device, A.ld, B.device, B.ld, c->b, C.device, C.ld, blocks, 0, {} };
    add_product(want, c->n, &A, &B, c->b, 0, c->n);
    for (; f.count < FUSED_PAIRS && c->pairs[f.count].r; f.count++) {
        const pair_case *p = &c->pairs[f.count];
        matrix          *H = &h[f.count], *W = &E[f.count];
        const int64_t    room = (p->r + 15) / 8 * 8;
        *H                    = new_matrix(c->m, p->r, room, 4 + (uint32_t)f.count);
        *W                    = t ? new_matrix(p->cols, p->r, room, 8 + (uint32_t)f.count)
                                  : new_matrix(p->r, p->cols, wide, 8 + (uint32_t)f.count);
        f.pairs[f.count]      = { H->device, H->ld, W->device, W->ld, p->r, p->first, p->cols };
        add_product(want, c->n, H, W, c->b, p->first, p->cols);
    }
    for (int run = 0; run < 2; run++) { /* the emulator's two orders */
        const int64_t bytes = c->m * C.ld * (int64_t)sizeof(bf16);
        assert_null(cuda_fused_refuses(&f));
        CUDA_OK(cudaMemsetAsync(C.device, 0xff, (size_t)bytes, cuda->stream));
        cuda_fused(&f);
        if (!cuda_failed())
            CUDA_OK(cudaMemcpyAsync(C.host, C.device, (size_t)bytes, cudaMemcpyDeviceToHost, cuda->stream));
        CUDA_OK(cudaStreamSynchronize(cuda->stream));
        assert_int_equal(cuda_tell(), 0);
        for (int64_t i = 0; i < c->m; i++)
            for (int64_t j = 0; j < C.ld; j++) {
                const float got = C.host[i * C.ld + j], w = j < c->n ? want[i * c->n + j] : NAN;
                if (isnan(w) ? C.host[i * C.ld + j].bits != 0xffff : !(got == w))
                    fail_msg("%s: C[%lld, %lld] is %g, not %g", c->why, (long long)i, (long long)j, (double)got,
                             (double)w);
            }
    }
    free_matrix(A), free_matrix(B), free_matrix(C);
    for (int i = 0; i < f.count; i++) free_matrix(h[i]), free_matrix(E[i]);
    free(want);
}

static void sums_are_those_of_plain_loops(void **)
{
    need_device();
    const fused any = { 8, 8, 8, NULL, 8, NULL, 8, PLAIN, NULL, 8, BY_SHAPE, 0, {} };
    if (cuda_fused_refuses(&any)) skip_because("this GPU: it %s", cuda_fused_refuses(&any));
    for (const fused_case &c : cases)
        for (fused_blocks blocks : { BY_SHAPE, SINGLE, PAIRED })
            if (!c.large || on_gpu()) check(&c, blocks);
}

static void what_cannot_be_is_refused(void **)
{
    need_device();
    fused f = { 8, 8, 8, NULL, 8, NULL, 8, PLAIN, NULL, 8, BY_SHAPE, 0, {} };
    if (cuda_fused_refuses(&f)) skip_because("this GPU: it %s", cuda_fused_refuses(&f));
    f.n = 12;
    assert_string_equal(cuda_fused_refuses(&f), "needs rows of a multiple of 8 elements");
    f.n = 8, f.lda = 9;
    assert_non_null(cuda_fused_refuses(&f));
    f.lda = 8, f.count = 1, f.pairs[0] = { NULL, 8, NULL, 8, 3, 4, 4 };
    assert_string_equal(cuda_fused_refuses(&f), "needs pairs that begin at a multiple of 8 columns");
    f.lda = 8, f.pairs[0] = { NULL, 3, NULL, 8, 3, 0, 8 };
    assert_string_equal(cuda_fused_refuses(&f), "needs rows of a multiple of 8 elements");
    f.pairs[0].ldh = 8, f.m = INT64_C(1) << 31;
    assert_non_null(cuda_fused_refuses(&f));
    f.m = f.n = INT64_C(1) << 30;
    assert_string_equal(cuda_fused_refuses(&f), "takes at most 2^31 tiles of 128 rows and columns");
    f.m = f.n = 8;
    assert_null(cuda_fused_refuses(&f));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_are_those_of_plain_loops),
        cmocka_unit_test(what_cannot_be_is_refused),
    };
    start_device();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
