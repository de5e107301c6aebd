/* SwiGLU on the GPU: some blocks a row, a thread 16 bytes of it. Contract and formulas:
 * kernels/swiglu.h, kernels/swiglu.c. */
#include "kernels/cuda/ops/producer.h"
#include "kernels/cuda/working.h"

/* Where a thread is: row and column, from a grid of `per_row` blocks a row. Rows of gate and up
 * are d apart. */
typedef struct {
    int64_t row, i;
} place;
static __device__ place place_of_thread(unsigned per_row)
{
    const unsigned row = blockIdx.x / per_row;
    return { row, ((int64_t)(blockIdx.x - row * per_row) * THREADS + threadIdx.x) * VEC };
}
static unsigned blocks_a_row(int64_t d) { return blocks_of(d, (int64_t)THREADS * VEC); }

KERNEL __launch_bounds__(THREADS) TYPED(swiglu_fwd_kernel)(element *y, const element *gu, int64_t d, unsigned per_row)
{
    const place at = place_of_thread(per_row);
    if (at.i >= d) return;
    const bool     fits = vec_fits<VEC>(gu, d) && vec_fits<VEC>(y, d);
    const element *gate = gu + at.row * 2 * d + at.i;
    const int64_t  left = d - at.i;
    vec_store<VEC>(y + at.row * d + at.i, gated(vec_load<VEC>(gate, left, fits), vec_load<VEC>(gate + d, left, fits)),
                   left, fits);
}

void TYPED(swiglu_fwd_cuda)(real *y, const real *gu, int64_t n, int64_t d)
{
    const unsigned per_row = blocks_a_row(d);
    if (n > 0)
        LAUNCH(TYPED(swiglu_fwd_kernel), (unsigned)n * per_row, THREADS, (element *)y, (const element *)gu, d, per_row);
}

/* dgu may be gu: a thread reads all of its values before it writes them. */
KERNEL __launch_bounds__(THREADS)
    TYPED(swiglu_bwd_kernel)(element *dgu, const element *dy, const element *gu, int64_t d, unsigned per_row)
{
    const place at = place_of_thread(per_row);
    if (at.i >= d) return;
    const bool        fits = vec_fits<VEC>(gu, d) && vec_fits<VEC>(dgu, d) && vec_fits<VEC>(dy, d);
    const int64_t     gate = at.row * 2 * d + at.i, left = d - at.i;
    const element_vec z = vec_load<VEC>(gu + gate, left, fits), u = vec_load<VEC>(gu + gate + d, left, fits);
    const element_vec g   = vec_load<VEC>(dy + at.row * d + at.i, left, fits);
    element_vec       d_z = {}, d_u = {};
    for (int i = 0; i < VEC; i++) {
        const float x = z.x[i], q = 1 / (1 + expf(-x));
        d_z.x[i] = g.x[i] * u.x[i] * q * (1 + x * (1 - q));
        d_u.x[i] = g.x[i] * x * q;
    }
    vec_store<VEC>(dgu + gate, d_z, left, fits);
    vec_store<VEC>(dgu + gate + d, d_u, left, fits);
}

void TYPED(swiglu_bwd_cuda)(real *dgu, const real *dy, const real *gu, int64_t n, int64_t d)
{
    const unsigned per_row = blocks_a_row(d);
    if (n > 0)
        LAUNCH(TYPED(swiglu_bwd_kernel), (unsigned)n * per_row, THREADS, (element *)dgu, (const element *)dy,
               (const element *)gu, d, per_row);
}
