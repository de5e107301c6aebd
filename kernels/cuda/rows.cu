/* Rows by index on the GPU. Contracts: kernels/backend.h. */
#include "kernels/cuda/working.h"

KERNEL __launch_bounds__(THREADS) TYPED(gather_rows_kernel)(element *dst, const element *src, const int32_t *rows, int64_t count, int64_t d)
{
    int64_t i = (int64_t)blockIdx.x * THREADS + threadIdx.x;
    if (i < count) dst[i] = src[rows[i / d] * d + i % d];
}

void TYPED(gather_rows_cuda)(real *dst, const real *src, const int32_t *rows, int64_t n, int64_t d)
{
    if (n > 0) LAUNCH(TYPED(gather_rows_kernel), blocks_of(n * d, THREADS), THREADS, (element *)dst, (const element *)src, rows, n * d, d);
}

KERNEL __launch_bounds__(THREADS) TYPED(scatter_rows_kernel)(element *dst, const element *src, const int32_t *rows, int64_t count, int64_t d)
{
    int64_t i = (int64_t)blockIdx.x * THREADS + threadIdx.x;
    if (i < count) dst[rows[i / d] * d + i % d] = src[i];
}

void TYPED(scatter_rows_cuda)(real *dst, const real *src, const int32_t *rows, int64_t n, int64_t d)
{
    if (n > 0) LAUNCH(TYPED(scatter_rows_kernel), blocks_of(n * d, THREADS), THREADS, (element *)dst, (const element *)src, rows, n * d, d);
}

/* A block belongs to a source row and works only if that is the first to name its destination; then it adds, in order, every row that names it. So
 * a destination has one writer and needs no atomics. */
KERNEL __launch_bounds__(THREADS) TYPED(scatter_add_rows_kernel)(element *dst, const element *src, const int32_t *rows, int n, int64_t d)
{
    const int i = (int)blockIdx.x, row = rows[i];
    for (int j0 = 0; j0 < i; j0 += THREADS) {
        int j = j0 + (int)threadIdx.x;
        if (__syncthreads_or(j < i && rows[j] == row)) return;
    }
    for (int j0 = i; j0 < n; j0 += THREADS) {
        int j = j0 + (int)threadIdx.x;
        if (!__syncthreads_or(j < n && rows[j] == row)) continue;
        for (j = j0; j < n && j < j0 + THREADS; j++) {
            if (rows[j] != row) continue;
            for (int64_t c = threadIdx.x; c < d; c += THREADS) dst[row * d + c] = dst[row * d + c] + src[j * d + c];
        }
    }
}

void TYPED(scatter_add_rows_cuda)(real *dst, const real *src, const int32_t *rows, int64_t n, int64_t d)
{
    if (n > 0) LAUNCH(TYPED(scatter_add_rows_kernel), (unsigned)n, THREADS, (element *)dst, (const element *)src, rows, (int)n, d);
}
