/* Rows by index, and whole arrays, on the GPU. Contracts: kernels/backend.h. */
#include "kernels/cuda/device.h"
#include "kernels/cuda/reduce.h"

static __device__ inline int64_t element_of_thread(void) { return (int64_t)blockIdx.x * THREADS + threadIdx.x; }

KERNEL __launch_bounds__(THREADS) gather_rows_kernel(float *dst, const float *src, const int32_t *rows, int64_t count, int64_t d)
{
    int64_t i = element_of_thread();
    if (i < count) dst[i] = src[rows[i / d] * d + i % d];
}

void gather_rows_cuda(real *dst, const real *src, const int32_t *rows, int64_t n, int64_t d)
{
    if (n > 0) LAUNCH(gather_rows_kernel, blocks_of(n * d, THREADS), THREADS, (float *)dst, (const float *)src, rows, n * d, d);
}

/* A block belongs to a source row and works only if that is the first to name its destination; then it adds, in order, every row that names it. So
 * a destination has one writer and needs no atomics. */
KERNEL __launch_bounds__(THREADS) scatter_add_rows_kernel(float *dst, const float *src, const int32_t *rows, int n, int64_t d)
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
            for (int64_t c = threadIdx.x; c < d; c += THREADS) dst[row * d + c] += src[j * d + c];
        }
    }
}

void scatter_add_rows_cuda(real *dst, const real *src, const int32_t *rows, int64_t n, int64_t d)
{
    if (n > 0) LAUNCH(scatter_add_rows_kernel, (unsigned)n, THREADS, (float *)dst, (const float *)src, rows, (int)n, d);
}

KERNEL __launch_bounds__(THREADS) add_kernel(float *dst, const float *src, int64_t count)
{
    int64_t i = element_of_thread();
    if (i < count) dst[i] += src[i];
}

void add_cuda(real *dst, const real *src, int64_t count)
{
    if (count > 0) LAUNCH(add_kernel, blocks_of(count, THREADS), THREADS, (float *)dst, (const float *)src, count);
}

KERNEL __launch_bounds__(THREADS) scale_kernel(float *x, float a, int64_t count)
{
    int64_t i = element_of_thread();
    if (i < count) x[i] *= a;
}

void scale_cuda(real *x, double a, int64_t count)
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

double sum_squares_cuda(const real *x, int64_t count)
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

void adamw_cuda(real *p, real *m, real *v, const real *g, int64_t count, adamw_params h)
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
