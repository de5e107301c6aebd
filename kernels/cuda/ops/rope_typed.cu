/* Rotary position embedding on the GPU: a thread a few pairs of values. Contract:
 * kernels/rope.h. */
#include "kernels/cuda/vector.h"
#include "kernels/cuda/working.h"

/* elements and table entries in 16 bytes */
static constexpr int VEC = 16 / sizeof(element), WIDE = 4;

/* A thread turns VEC neighbours of one half of a head with their partners in the other. count:
 * threads that have something to do. */
KERNEL __launch_bounds__(THREADS)
    TYPED(rope_kernel)(element *x, const int32_t *pos, const float *table, rope_dims d, float sign, unsigned count)
{
    const unsigned at = blockIdx.x * THREADS + threadIdx.x, half = (unsigned)d.head_dim / 2,
                   vectors = (half + VEC - 1) / VEC;
    if (at >= count) return;
    const unsigned heads = (unsigned)d.heads, t = at / vectors / heads, head = at / vectors - t * heads,
                   i       = (at - at / vectors * vectors) * VEC;
    const bool fits        = vec_fits<VEC>(x, d.ldx) && half % VEC == 0 && d.ldh % VEC == 0,
               wide        = vec_fits<WIDE>(table, half);
    const float      *c    = table + pos[t] * d.head_dim + i;
    element          *p    = x + t * d.ldx + head * d.ldh + i;
    const int64_t     left = half - i;
    vec<element, VEC> a = vec_load<VEC>(p, left, fits), b = vec_load<VEC>(p + half, left, fits);
    for (int k = 0; k < VEC; k += WIDE) {
        const vec<float, WIDE> cosine = vec_load<WIDE>(c + k, left - k, wide),
                               sine   = vec_load<WIDE>(c + half + k, left - k, wide);
        for (int e = 0; e < WIDE; e++) {
            const float u = a.x[k + e], v = b.x[k + e], s = sign * sine.x[e];
            a.x[k + e] = u * cosine.x[e] - v * s;
            b.x[k + e] = v * cosine.x[e] + u * s;
        }
    }
    vec_store<VEC>(p, a, left, fits);
    vec_store<VEC>(p + half, b, left, fits);
}

void TYPED(rope_cuda)(real *x, const int32_t *pos, const param *table, rope_dims d, bool inverse)
{
    const int64_t count = d.n * d.heads * blocks_of(d.head_dim / 2, VEC);
    if (count > 0)
        LAUNCH(TYPED(rope_kernel), blocks_of(count, THREADS), THREADS, (element *)x, pos, (const float *)table, d,
               inverse ? -1.0f : 1.0f, (unsigned)count);
}
