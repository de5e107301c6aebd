/* Rows by index on the GPU, 16 bytes at a time. Contracts: kernels/arrays.h. */
#include "kernels/cuda/vector.h"
#include "kernels/cuda/working.h"

static constexpr int VEC = 16 / sizeof(element);

/* Where a thread is: a row and, in it, one of `vectors` vectors. `vectors` blocks are THREADS whole
 * rows, so a thread divides in 32 bits. */
typedef struct {
    int64_t row, i;
} place;
static __device__ place place_of_thread(unsigned vectors)
{
    const unsigned at = blockIdx.x % vectors * THREADS + threadIdx.x, row = at / vectors;
    return { (int64_t)(blockIdx.x / vectors) * THREADS + row, (int64_t)(at - row * vectors) * VEC };
}

/* The elements from i on of one row, as many as a thread reads at once. */
static __device__ void copy_vector(element *to, const element *from, int64_t i, int64_t d)
{
    const bool fits = vec_fits<VEC>(from, d) && vec_fits<VEC>(to, d);
    vec_store<VEC>(to + i, vec_load<VEC>(from + i, d - i, fits), d - i, fits);
}

KERNEL __launch_bounds__(THREADS) TYPED(gather_rows_kernel)(element *dst, const element *src, const int32_t *rows,
                                                            int64_t n, int64_t d, unsigned vectors)
{
    const place at = place_of_thread(vectors);
    if (at.row < n) copy_vector(dst + at.row * d, src + rows[at.row] * d, at.i, d);
}

KERNEL __launch_bounds__(THREADS) TYPED(scatter_rows_kernel)(element *dst, const element *src, const int32_t *rows,
                                                             int64_t n, int64_t d, unsigned vectors)
{
    const place at = place_of_thread(vectors);
    if (at.row < n) copy_vector(dst + rows[at.row] * d, src + at.row * d, at.i, d);
}

void TYPED(gather_rows_cuda)(real *dst, const real *src, const int32_t *rows, int64_t n, int64_t d)
{
    const unsigned vectors = blocks_of(d, VEC);
    if (n > 0)
        LAUNCH(TYPED(gather_rows_kernel), blocks_of(n * vectors, THREADS), THREADS, (element *)dst,
               (const element *)src, rows, n, d, vectors);
}

void TYPED(scatter_rows_cuda)(real *dst, const real *src, const int32_t *rows, int64_t n, int64_t d)
{
    const unsigned vectors = blocks_of(d, VEC);
    if (n > 0)
        LAUNCH(TYPED(scatter_rows_kernel), blocks_of(n * vectors, THREADS), THREADS, (element *)dst,
               (const element *)src, rows, n, d, vectors);
}

/* A block belongs to a source row and works only if that is the first to name its destination;
 * then it adds, in order, every row that names it. So a destination has one writer and needs no
 * atomics. */
KERNEL __launch_bounds__(THREADS)
    TYPED(scatter_add_rows_kernel)(element *dst, const element *src, const int32_t *rows, int n, int64_t d)
{
    const int  i = (int)blockIdx.x, row = rows[i];
    const bool fits = vec_fits<VEC>(src, d) && vec_fits<VEC>(dst, d);
    for (int j0 = 0; j0 < i; j0 += THREADS) {
        int j = j0 + (int)threadIdx.x;
        if (__syncthreads_or(j < i && rows[j] == row)) return;
    }
    for (int j0 = i; j0 < n; j0 += THREADS) {
        int j = j0 + (int)threadIdx.x;
        if (!__syncthreads_or(j < n && rows[j] == row)) continue;
        for (j = j0; j < n && j < j0 + THREADS; j++) {
            if (rows[j] != row) continue;
            for (int64_t c = threadIdx.x * VEC; c < d; c += THREADS * VEC) {
                vec<element, VEC>       to   = vec_load<VEC>(dst + row * d + c, d - c, fits);
                const vec<element, VEC> more = vec_load<VEC>(src + j * d + c, d - c, fits);
                for (int e = 0; e < VEC; e++) to.x[e] = to.x[e] + more.x[e];
                vec_store<VEC>(dst + row * d + c, to, d - c, fits);
            }
        }
    }
}

void TYPED(scatter_add_rows_cuda)(real *dst, const real *src, const int32_t *rows, int64_t n, int64_t d)
{
    if (n > 0)
        LAUNCH(TYPED(scatter_add_rows_kernel), (unsigned)n, THREADS, (element *)dst, (const element *)src, rows, (int)n,
               d);
}
