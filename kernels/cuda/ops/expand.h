/* What expand and its backward share: a job's factors, four elements of a matrix at a time.
 * Contract and formulas: kernels/expand.h. */
#ifndef TIEBREAK_KERNELS_CUDA_OPS_EXPAND_H
#define TIEBREAK_KERNELS_CUDA_OPS_EXPAND_H
#include "kernels/cuda/reduce.h"
#include "kernels/cuda/vector.h"

static constexpr int    VEC = 4; /* elements of an f32 array that a thread reads at once */
typedef vec<float, VEC> floats4;

static __device__ inline const float *floats(const param *p) { return (const float *)p; }
static __device__ inline float        factor_u(const expand_job &e, int64_t j) { return e.u ? floats(e.u)[j] : 1; }
static __device__ inline float        factor_v(const expand_job &e, int64_t n) { return e.v ? floats(e.v)[n] : 1; }

/* (B R)_nj; without R it is B_nj. */
static __device__ inline float product_BR(const expand_job &e, int64_t n, int64_t j)
{
    const float *B = floats(e.B) + n * e.r, *R = floats(e.R);
    if (!R) return B[j];
    float sum = 0;
    for (int64_t k = 0; k < e.r; k++) sum += B[k] * R[k * e.r + j];
    return sum;
}
/* Four of a row's. left: what the row still has; fits: of B's rows */
static __device__ inline floats4 vec_BR(const expand_job &e, int64_t n, int64_t j, bool fits)
{
    if (!e.R) return vec_load<VEC>(floats(e.B) + n * e.r + j, e.r - j, fits);
    floats4 v = {};
    for (int i = 0; i < VEC; i++)
        if (j + i < e.r) v.x[i] = product_BR(e, n, j + i);
    return v;
}
#endif
