/* Whole arrays of parameters on the GPU. Contracts: kernels/backend.h. */
#include "kernels/cuda/device.h"
#include "kernels/cuda/reduce.h"

static __device__ inline int64_t element_of_thread(void) { return (int64_t)blockIdx.x * THREADS + threadIdx.x; }

KERNEL __launch_bounds__(THREADS) add_kernel(float *dst, const float *src, int64_t count)
{
    int64_t i = element_of_thread();
    if (i < count) dst[i] += src[i];
}

void add_cuda(param *dst, const param *src, int64_t count)
{
    if (count > 0) LAUNCH(add_kernel, blocks_of(count, THREADS), THREADS, (float *)dst, (const float *)src, count);
}

KERNEL __launch_bounds__(THREADS) scale_kernel(float *x, float a, int64_t count)
{
    int64_t i = element_of_thread();
    if (i < count) x[i] *= a;
}

void scale_cuda(param *x, double a, int64_t count)
{
    if (count > 0) LAUNCH(scale_kernel, blocks_of(count, THREADS), THREADS, (float *)x, (float)a, count);
}

/* One partial sum a block, in f64: which elements belong to it is a matter of count and grid alone. */
KERNEL __launch_bounds__(THREADS) sum_squares_kernel(double *parts, const float *x, int64_t count)
{
    __shared__ double shared[THREADS / WARP];
    double            sum = 0;
    for (int64_t i = element_of_thread(); i < count; i += (int64_t)gridDim.x * THREADS) sum += (double)x[i] * x[i];
    sum = block_sum(sum, shared);
    if (threadIdx.x == 0) parts[blockIdx.x] = sum;
}

double sum_squares_cuda(const param *x, int64_t count)
{
    constexpr int PARTS = 256;
    double        parts[PARTS], total = 0;
    unsigned      blocks = count < PARTS * THREADS ? blocks_of(count, THREADS) : PARTS;
    if (count == 0) return 0;
    double *device = (double *)cuda_scratch(SCRATCH_PARTS, sizeof parts);
    LAUNCH(sum_squares_kernel, blocks, THREADS, device, (const float *)x, count);
    if (cuda_failed() || !CUDA_OK(cudaMemcpyAsync(parts, device, blocks * sizeof *parts, cudaMemcpyDeviceToHost, cuda_stream))) return NAN;
    if (!CUDA_OK(cudaStreamSynchronize(cuda_stream))) return NAN;
    for (unsigned i = 0; i < blocks; i++) total += parts[i];
    return total;
}

/* The constants of one AdamW step, rounded once. */
typedef struct {
    float rate, decay, clip, beta1, rest1, beta2, rest2, root, eps; /* rest = 1 - beta; root = 1 / sqrt(1 - beta2^step) */
} adamw_step;

KERNEL __launch_bounds__(THREADS) adamw_kernel(float *p, float *m, float *v, const float *g, int64_t count, adamw_step s)
{
    int64_t i = element_of_thread();
    if (i >= count) return;
    float gi = g[i] * s.clip, mi = s.beta1 * m[i] + s.rest1 * gi, vi = s.beta2 * v[i] + s.rest2 * gi * gi;
    p[i] = (p[i] - s.decay * p[i]) - s.rate * mi / (sqrtf(vi) * s.root + s.eps);
    m[i] = mi;
    v[i] = vi;
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
    if (count > 0) LAUNCH(adamw_kernel, blocks_of(count, THREADS), THREADS, (float *)p, (float *)m, (float *)v, (const float *)g, count, s);
}
