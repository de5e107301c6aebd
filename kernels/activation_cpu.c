/* Activations on the CPU: one row at a time, rows over threads. Contract: kernels/activation.h. */
#include "kernels/cpu.h"
#include "kernels/simd.h"

/* f(z) = z q(z): the factor q, and the derivative of f. */
typedef struct {
    float q, slope;
} factor;

static inline factor silu(float z)
{
    float q = 1 / (1 + exp_f32(-z));
    return (factor) { q, q * (1 + z * (1 - q)) };
}

static inline factor gelu(float z)
{
    float q = normal_f32(z);
    return (factor) { q, q + z * 0.398942280f * exp_f32(-0.5f * z * z) };
}

static inline factor gelu_tanh(float z)
{
    const float c = 0.797884561f, cube = 0.044715f;
    float       q = 1 / (1 + exp_f32(-2 * c * (z + cube * z * z * z)));
    /* far out z^2 overflows: there q (1 - q) is 0 */
    float rest = q * (1 - q);
    return (factor) { q, q + (rest > 0 ? z * rest * 2 * c * (1 + 3 * cube * z * z) : 0) };
}

/* A loop for each function, so that each is vectorised. up NULL: no gate. */
#define ROWS(f)                                                                                                        \
    SIMD static void f##_fwd(float *y, const float *x, const float *up, int64_t d)                                     \
    {                                                                                                                  \
        if (up)                                                                                                        \
            for (int64_t i = 0; i < d; i++) y[i] = x[i] * f(x[i]).q * up[i];                                           \
        else                                                                                                           \
            for (int64_t i = 0; i < d; i++) y[i] = x[i] * f(x[i]).q;                                                   \
    }                                                                                                                  \
    SIMD static void f##_bwd(float *dx, float *dup, const float *dy, const float *x, const float *up, int64_t d)       \
    {                                                                                                                  \
        for (int64_t i = 0; i < d; i++) {                                                                              \
            float  z = x[i], u = up ? up[i] : 1, g = dy[i];                                                            \
            factor q = f(z);                                                                                           \
            dx[i]    = g * u * q.slope;                                                                                \
            if (dup) dup[i] = g * z * q.q;                                                                             \
        }                                                                                                              \
    }
ROWS(silu)
ROWS(gelu)
ROWS(gelu_tanh)

static const struct {
    void (*fwd)(float *y, const float *x, const float *up, int64_t d);
    void (*bwd)(float *dx, float *dup, const float *dy, const float *x, const float *up, int64_t d);
} rows[ACT_COUNT] = { [ACT_SILU]      = { silu_fwd, silu_bwd },
                      [ACT_GELU]      = { gelu_fwd, gelu_bwd },
                      [ACT_GELU_TANH] = { gelu_tanh_fwd, gelu_tanh_bwd } };

void activate_fwd_cpu(const backend *be, real *y, const real *x_, activate_dims d)
{
#pragma omp parallel for num_threads(cpu_threads(be)) schedule(static) if (d.n * d.d > CPU_ALONE)
    for (int64_t t = 0; t < d.n; t++) {
        const float *x = (const float *)x_ + t * d.d * (d.gated ? 2 : 1);
        rows[d.f].fwd((float *)y + t * d.d, x, d.gated ? x + d.d : NULL, d.d);
    }
}

/* dx may be x: element i is read before it is written. */
void activate_bwd_cpu(const backend *be, real *dx_, const real *dy, const real *x_, activate_dims d)
{
#pragma omp parallel for num_threads(cpu_threads(be)) schedule(static) if (d.n * d.d > CPU_ALONE)
    for (int64_t t = 0; t < d.n; t++) {
        const int64_t at = t * d.d * (d.gated ? 2 : 1);
        const float  *x  = (const float *)x_ + at;
        float        *dx = (float *)dx_ + at;
        rows[d.f].bwd(dx, d.gated ? dx + d.d : NULL, (const float *)dy + t * d.d, x, d.gated ? x + d.d : NULL, d.d);
    }
}
