/* RMSNorm on the GPU: a block a row, 16 bytes at a time. Contract and formulas:
 * kernels/rmsnorm.h, kernels/rmsnorm.c. */
#include "kernels/cuda/ops/producer.h"
#include "kernels/cuda/product.h"
#include "kernels/cuda/working.h"

static constexpr int STEP = THREADS * VEC;

KERNEL __launch_bounds__(THREADS)
    TYPED(rmsnorm_fwd_kernel)(element *y, float *rstd, const element *x, const element *g, norm_dims d, float eps)
{
    __shared__ float shared[THREADS / WARP];
    float            sum  = 0;
    const bool       fits = vec_fits<VEC>(x, d.ldx), y_fits = vec_fits<VEC>(y, d.ldy), g_fits = vec_fits<VEC>(g, 0);
    x += (int64_t)blockIdx.x * d.ldx;
    y += (int64_t)blockIdx.x * d.ldy;
    for (int64_t i = threadIdx.x * VEC; i < d.d; i += STEP)
        sum = squares_added(sum, vec_load<VEC>(x + i, d.d - i, fits));
    const float offset = (float)d.offset, s = rstd_of(block_sum(sum, shared), d.d, eps);
    for (int64_t i = threadIdx.x * VEC; i < d.d; i += STEP) {
        const int64_t left = d.d - i;
        vec_store<VEC>(y + i,
                       normalised(vec_load<VEC>(x + i, left, fits), s, vec_load<VEC>(g + i, left, g_fits), offset),
                       left, y_fits);
    }
    if (rstd && threadIdx.x == 0) rstd[blockIdx.x] = s;
}

void TYPED(rmsnorm_fwd_cuda)(real *y, param *rstd, const real *x, const real *g, norm_dims d, double eps)
{
    if (d.n > 0)
        LAUNCH(TYPED(rmsnorm_fwd_kernel), (unsigned)d.n, THREADS, (element *)y, (float *)rstd, (const element *)x,
               (const element *)g, d, (float)eps);
}

/* dx += rstd (w - x rstd^2 mean(w x)), w = dy g */
KERNEL __launch_bounds__(THREADS) TYPED(rmsnorm_bwd_kernel)(element *dx, const element *dy, const element *x,
                                                            const float *rstd, const element *g, norm_dims d)
{
    __shared__ float shared[THREADS / WARP];
    const float      s = rstd[blockIdx.x], offset = (float)d.offset;
    float            sum  = 0;
    const bool       fits = vec_fits<VEC>(x, d.ldx) && vec_fits<VEC>(dx, d.ldx) && vec_fits<VEC>(dy, d.ldy) &&
                      vec_fits<VEC>(g, 0);
    x += (int64_t)blockIdx.x * d.ldx;
    dx += (int64_t)blockIdx.x * d.ldx;
    dy += (int64_t)blockIdx.x * d.ldy;
    for (int64_t i = threadIdx.x * VEC; i < d.d; i += STEP) {
        const element_vec a = vec_load<VEC>(dy + i, d.d - i, fits), b = vec_load<VEC>(g + i, d.d - i, fits),
                          c = vec_load<VEC>(x + i, d.d - i, fits);
        for (int k = 0; k < VEC; k++) sum += a.x[k] * (offset + b.x[k]) * c.x[k];
    }
    const float c = block_sum(sum, shared) / (float)d.d * s * s;
    for (int64_t i = threadIdx.x * VEC; i < d.d; i += STEP) {
        const int64_t     left = d.d - i;
        const element_vec a = vec_load<VEC>(dy + i, left, fits), b = vec_load<VEC>(g + i, left, fits),
                          of_x = vec_load<VEC>(x + i, left, fits);
        element_vec to         = vec_load<VEC>(dx + i, left, fits);
        for (int k = 0; k < VEC; k++) to.x[k] = to.x[k] + s * (a.x[k] * (offset + b.x[k]) - of_x.x[k] * c);
        vec_store<VEC>(dx + i, to, left, fits);
    }
}

/* parts [gridDim.y, d]: sums of dy x rstd over runs of rows */
KERNEL __launch_bounds__(THREADS) TYPED(rmsnorm_bwd_g_kernel)(float *parts, const element *dy, const element *x,
                                                              const float *rstd, norm_dims d, int64_t rows)
{
    int64_t i = (int64_t)blockIdx.x * THREADS + threadIdx.x, first = blockIdx.y * rows,
            last = first + rows < d.n ? first + rows : d.n;
    if (i >= d.d) return;
    float sum = 0;
    for (int64_t t = first; t < last; t++) sum += dy[t * d.ldy + i] * x[t * d.ldx + i] * rstd[t];
    parts[blockIdx.y * d.d + i] = sum;
}

void TYPED(rmsnorm_bwd_cuda)(real *dx, param *dg, const real *dy_, const real *x_, const param *rstd_, const real *g,
                             norm_dims d)
{
    const element *dy = (const element *)dy_, *x = (const element *)x_;
    const float   *rstd = (const float *)rstd_;
    if (d.n == 0) return;
    LAUNCH(TYPED(rmsnorm_bwd_kernel), (unsigned)d.n, THREADS, (element *)dx, dy, x, rstd, (const element *)g, d);
    if (!dg) return;
    row_parts p     = row_parts_of(d.n);
    float    *parts = (float *)cuda_scratch(SCRATCH_PARTS, p.count * d.d * (int64_t)sizeof(float));
    LAUNCH(TYPED(rmsnorm_bwd_g_kernel), dim3(blocks_of(d.d, THREADS), (unsigned)p.count), THREADS, parts, dy, x, rstd,
           d, p.rows);
    cuda_add_parts((float *)dg, d.d, parts, p.count, 1, d.d, true);
}
