/* The blocks of mma.h against plain loops: on the emulator in every test run, and on a GPU by
 * scripts/gpu-check. Whole numbers, so sums are exact. */

#include "kernels/cuda/test_device.h"
#include "kernels/cuda/mma.h"

enum { M = 16, N = 16, K = 48, LD = K + 8, LDN = N + 8, LDM = M + 8 };
/* fragments element by element; tiles with k along the rows; tiles whose rows are k */
typedef enum { BY_LAYOUT, BY_ROWS, BY_COLUMNS } how;

/* c [M, N] = a b^T with a [M, K] and b [N, K], by one warp. With BY_COLUMNS the tiles are a^T and
 * b^T. */
KERNEL mma_test_kernel(float *c, const bf16 *a, const bf16 *b, int way)
{
    __shared__ __align__(16) bf16 a_rows[M * LD], b_rows[N * LD], a_columns[K * LDM], b_columns[K * LDN];
    const int                     lane = (int)threadIdx.x, g = lane / 4, t = lane % 4;
    mma_c                         sum[2] = {};
    for (int i = lane; i < M * K; i += WARP) a_rows[i / K * LD + i % K] = a_columns[i % K * LDM + i / K] = a[i];
    for (int i = lane; i < N * K; i += WARP) b_rows[i / K * LD + i % K] = b_columns[i % K * LDN + i / K] = b[i];
    __syncthreads();
    for (int k = 0; k < K; k += 16) {
        mma_a of_a;
        mma_b of_b[2];
        if (way == BY_LAYOUT) {
            for (int x = 0; x < 4; x++) {
                const bf16 *p = a + (g + x % 2 * 8) * K + k + 2 * t + x / 2 * 8;
                of_a.x[x]     = bf16_pair(p[0], p[1]);
            }
            for (int x = 0; x < 4; x++) {
                const bf16 *p        = b + (x / 2 * 8 + g) * K + k + 2 * t + x % 2 * 8;
                of_b[x / 2].x[x % 2] = bf16_pair(p[0], p[1]);
            }
        } else if (way == BY_ROWS) {
            of_a = load_a(a_rows + k, LD);
            load_b(of_b, b_rows + k, LD);
        } else {
            of_a = load_a_trans(a_columns + k * LDM, LDM);
            load_b_trans(of_b, b_columns + k * LDN, LDN);
        }
        mma(&sum[0], of_a, of_b[0]);
        mma(&sum[1], of_a, of_b[1]);
    }
    for (int x = 0; x < 8; x++) c[(g + x % 4 / 2 * 8) * N + x / 4 * 8 + 2 * t + x % 2] = sum[x / 4].x[x % 4];
}

/* c [M, M] = (a a^T) a[:, :M]: the sums become the A of a second product. */
KERNEL mma_test_chain_kernel(float *c, const bf16 *a)
{
    __shared__ __align__(16) bf16 rows[M * LD];
    const int                     lane = (int)threadIdx.x, g = lane / 4, t = lane % 4;
    mma_c                         sum[2] = {}, again[2] = {};
    mma_b                         b[2];
    for (int i = lane; i < M * K; i += WARP) rows[i / K * LD + i % K] = a[i];
    __syncthreads();
    load_b(b, rows, LD);
    for (int n = 0; n < 2; n++) mma(&sum[n], load_a(rows, LD), b[n]);
    load_b_trans(b, rows, LD);
    for (int n = 0; n < 2; n++) mma(&again[n], as_a(sum[0], sum[1]), b[n]);
    for (int x = 0; x < 8; x++) c[(g + x % 4 / 2 * 8) * M + x / 4 * 8 + 2 * t + x % 2] = again[x / 4].x[x % 4];
}

/* Pieces of 16 bytes, piece i cut after i % 9 elements, in two groups, the second into the far
 * end of 96 KiB. early: without the second's wait. */
enum { PIECES = 64, ELEMENTS = 8, SHARED = 96 << 10 };
KERNEL copy_test_kernel(bf16 *to, const bf16 *from, int early)
{
    bf16     *near_end = (bf16 *)dynamic_shared(), *far_end = (bf16 *)(dynamic_shared() + SHARED) - PIECES * ELEMENTS;
    const int i = (int)threadIdx.x;
    copy_async(near_end + i * ELEMENTS, from + i * ELEMENTS, i % 9 * 2);
    copy_commit();
    copy_async(far_end + i * ELEMENTS, from + (PIECES + i) * ELEMENTS, 16);
    copy_commit();
    copy_wait<1>();
    __syncthreads();
    for (int j = i; j < PIECES * ELEMENTS; j += PIECES) to[j] = near_end[j];
    if (!early) copy_wait<0>();
    __syncthreads();
    for (int j = i; j < PIECES * ELEMENTS; j += PIECES) to[PIECES * ELEMENTS + j] = far_end[j];
    __syncthreads();
    copy_wait<0>();
}

/* Whole numbers within 8: products and sums are exact in f32, and M of them in bf16. */
static void fill(bf16 *p, int n, int seed)
{
    for (int i = 0; i < n; i++) p[i] = (float)((i * 37 + i / 7 * 11 + seed) % 17 - 8);
}

static void products_are_those_of_plain_loops(void **)
{
    need_device();
    static bf16  a[M * K], b[N * K];
    static float c[M * N];
    fill(a, M * K, 1), fill(b, N * K, 5);
    bf16  *on_a = put(a, M * K), *on_b = put(b, N * K);
    float *on_c = (float *)cuda_allocate(sizeof c);
    for (int way = BY_LAYOUT; way <= BY_COLUMNS; way++) {
        LAUNCH(mma_test_kernel, 1, WARP, on_c, on_a, on_b, way);
        get(c, on_c, M * N);
        for (int i = 0; i < M * N; i++) {
            float want = 0;
            for (int k = 0; k < K; k++) want += a[i / N * K + k] * b[i % N * K + k];
            if (c[i] != want)
                fail_msg("way %d: c[%d][%d] is %g, not %g", way, i / N, i % N, (double)c[i], (double)want);
        }
    }
    CUDA_OK(cudaFree(on_a)), CUDA_OK(cudaFree(on_b)), CUDA_OK(cudaFree(on_c));
}

static void sums_become_a_factor(void **)
{
    need_device();
    static bf16  a[M * K];
    static float c[M * M];
    /* sums of 16 products stay within 64: exact in bf16 */
    for (int i = 0; i < M * K; i++) a[i] = (float)((i * 7 + i / 5) % 5 - 2);
    bf16  *on_a = put(a, M * K);
    float *on_c = (float *)cuda_allocate(sizeof c);
    LAUNCH(mma_test_chain_kernel, 1, WARP, on_c, on_a);
    get(c, on_c, M * N);
    for (int i = 0; i < M; i++)
        for (int n = 0; n < M; n++) {
            float want = 0;
            for (int j = 0; j < M; j++)
                for (int k = 0; k < 16; k++) want += a[i * K + k] * a[j * K + k] * a[j * K + n];
            if (c[i * M + n] != want) fail_msg("c[%d][%d] is %g, not %g", i, n, (double)c[i * M + n], (double)want);
        }
    CUDA_OK(cudaFree(on_a)), CUDA_OK(cudaFree(on_c));
}

static void copies_come_with_their_wait(void **)
{
    need_device();
    static bf16 from[2 * PIECES * ELEMENTS], to[2 * PIECES * ELEMENTS];
    fill(from, 2 * PIECES * ELEMENTS, 3);
    bf16 *on_from = put(from, 2 * PIECES * ELEMENTS), *on_to = put<bf16>(NULL, 2 * PIECES * ELEMENTS);
    for (int early = 0; early < (strcmp(CUDA_BACKEND_NAME, "cuda") ? 2 : 1); early++) {
        /* a GPU may have copied already */
        LAUNCH_SHARED(copy_test_kernel, 1, PIECES, SHARED, on_to, on_from, early);
        get(to, on_to, 2 * PIECES * ELEMENTS);
        for (int i = 0; i < PIECES * ELEMENTS; i++) {
            const float want = i % ELEMENTS < i / ELEMENTS % 9 ? from[i] : 0.0f, far_end = to[PIECES * ELEMENTS + i];
            if (to[i] != want) fail_msg("element %d is %g, not %g", i, (double)to[i], (double)want);
            if (early ? !isnan(far_end) : far_end != from[PIECES * ELEMENTS + i])
                fail_msg("element %d of the far end is %g", i, (double)far_end);
        }
    }
    CUDA_OK(cudaFree(on_from)), CUDA_OK(cudaFree(on_to));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_are_those_of_plain_loops),
        cmocka_unit_test(sums_become_a_factor),
        cmocka_unit_test(copies_come_with_their_wait),
    };
    start_device();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
