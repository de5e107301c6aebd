/* Whole arrays of parameters on the GPU. Contracts: kernels/arrays.h. */
#include "kernels/cuda/device.h"
#include "kernels/cuda/reduce.h"
#include "kernels/cuda/vector.h"

static constexpr int    VEC = 4; /* elements of a thread */
typedef vec<float, VEC> floats4;

static __device__ inline int64_t element_of_thread(void) { return ((int64_t)blockIdx.x * THREADS + threadIdx.x) * VEC; }
static unsigned                  blocks_for(int64_t count) { return blocks_of(count, THREADS * VEC); }

KERNEL __launch_bounds__(THREADS) add_kernel(float *dst, const float *src, int64_t count)
{
    const int64_t i    = element_of_thread();
    const bool    fits = vec_fits<VEC>(dst, 0) && vec_fits<VEC>(src, 0);
    floats4       to   = vec_load<VEC>(dst + i, count - i, fits);
    const floats4 more = vec_load<VEC>(src + i, count - i, fits);
    for (int e = 0; e < VEC; e++) to.x[e] += more.x[e];
    vec_store<VEC>(dst + i, to, count - i, fits);
}

void add_cuda(param *dst, const param *src, int64_t count)
{
    if (count > 0) LAUNCH(add_kernel, blocks_for(count), THREADS, (float *)dst, (const float *)src, count);
}

KERNEL __launch_bounds__(THREADS) scale_kernel(float *x, float a, int64_t count)
{
    const int64_t i    = element_of_thread();
    const bool    fits = vec_fits<VEC>(x, 0);
    floats4       to   = vec_load<VEC>(x + i, count - i, fits);
    for (int e = 0; e < VEC; e++) to.x[e] *= a;
    vec_store<VEC>(x + i, to, count - i, fits);
}

void scale_cuda(param *x, double a, int64_t count)
{
    if (count > 0) LAUNCH(scale_kernel, blocks_for(count), THREADS, (float *)x, (float)a, count);
}

/* Each block makes one partial sum in f64; count and grid alone say which elements it adds. */
KERNEL __launch_bounds__(THREADS) sum_squares_kernel(double *parts, const float *x, int64_t count)
{
    __shared__ double shared[THREADS / WARP];
    double            sum  = 0;
    const bool        fits = vec_fits<VEC>(x, 0);
    for (int64_t i = element_of_thread(); i < count; i += (int64_t)gridDim.x * THREADS * VEC) {
        const floats4 v = vec_load<VEC>(x + i, count - i, fits);
        for (int e = 0; e < VEC; e++) sum += (double)v.x[e] * v.x[e];
    }
    sum = block_sum(sum, shared);
    if (threadIdx.x == 0) parts[blockIdx.x] = sum;
}

double sum_squares_cuda(const param *x, int64_t count)
{
    constexpr int PARTS = 256;
    double        parts[PARTS], total = 0;
    unsigned      blocks = blocks_for(count) < PARTS ? blocks_for(count) : PARTS;
    if (count == 0) return 0;
    if (cuda_refused("a sum that the host wants")) return NAN;
    double *device = (double *)cuda_scratch(SCRATCH_PARTS, sizeof parts);
    LAUNCH(sum_squares_kernel, blocks, THREADS, device, (const float *)x, count);
    if (cuda_failed() ||
        !CUDA_OK(cudaMemcpyAsync(parts, device, blocks * sizeof *parts, cudaMemcpyDeviceToHost, cuda->stream)))
        return NAN;
    if (!CUDA_OK(cudaStreamSynchronize(cuda->stream))) return NAN;
    for (unsigned i = 0; i < blocks; i++) total += parts[i];
    return total;
}

/* The constants of one AdamW step, rounded once. */
typedef struct {
    /* rest = 1 - beta; root = 1 / sqrt(1 - beta2^step) */
    float rate, decay, clip, beta1, rest1, beta2, rest2, root, eps;
} adamw_step;

KERNEL __launch_bounds__(THREADS)
    adamw_kernel(float *p, float *m, float *v, const float *g, int64_t count, adamw_step s)
{
    const int64_t i    = element_of_thread();
    const bool    fits = vec_fits<VEC>(p, 0) && vec_fits<VEC>(m, 0) && vec_fits<VEC>(v, 0) && vec_fits<VEC>(g, 0);
    floats4       to = vec_load<VEC>(p + i, count - i, fits), first = vec_load<VEC>(m + i, count - i, fits),
            second     = vec_load<VEC>(v + i, count - i, fits);
    const floats4 of_g = vec_load<VEC>(g + i, count - i, fits);
    for (int e = 0; e < VEC; e++) {
        const float gi = of_g.x[e] * s.clip, mi = s.beta1 * first.x[e] + s.rest1 * gi,
                    vi = s.beta2 * second.x[e] + s.rest2 * gi * gi;
        to.x[e]        = (to.x[e] - s.decay * to.x[e]) - s.rate * mi / (sqrtf(vi) * s.root + s.eps);
        first.x[e]     = mi;
        second.x[e]    = vi;
    }
    vec_store<VEC>(p + i, to, count - i, fits);
    vec_store<VEC>(m + i, first, count - i, fits);
    vec_store<VEC>(v + i, second, count - i, fits);
}

void adamw_cuda(param *p, param *m, param *v, const param *g, int64_t count, adamw_params h)
{
    double     c1 = 1 - pow(h.beta1, (double)h.step), c2 = 1 - pow(h.beta2, (double)h.step);
    adamw_step s;
    s.rate  = (float)(h.lr / c1);
    s.decay = (float)(h.lr * h.weight_decay);
    s.clip  = (float)h.clip;
    s.beta1 = (float)h.beta1;
    s.rest1 = (float)(1 - h.beta1);
    s.beta2 = (float)h.beta2;
    s.rest2 = (float)(1 - h.beta2);
    s.root  = (float)(1 / sqrt(c2));
    s.eps   = (float)h.eps;
    if (count > 0)
        LAUNCH(adamw_kernel, blocks_for(count), THREADS, (float *)p, (float *)m, (float *)v, (const float *)g, count,
               s);
}
