/* bf16, the upper half of an f32, is a storage type: it becomes f32 when it is read, arithmetic
 * never happens in it, and what is written is rounded once, to nearest, ties to even. NaN stays
 * NaN. nvcc and the emulator use the same type, so both round alike. */
#ifndef TIEBREAK_KERNELS_CUDA_BF16_H
#define TIEBREAK_KERNELS_CUDA_BF16_H
#include <stdint.h>
#include <string.h>

static __host__ __device__ inline uint16_t bf16_bits(float x)
{
#ifdef __CUDA_ARCH__
    uint16_t bits;
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(bits) : "f"(x)); /* one instruction since sm_80 */
    return bits;
#else
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    if ((u & 0x7fffffffu) > 0x7f800000u) return 0x7fff;
    return (uint16_t)((u + 0x7fffu + (u >> 16 & 1)) >> 16);
#endif
}

struct bf16 {
    uint16_t bits;

    /* No constructor from float: a conditional of a bf16 and a number would have two meanings. */
    __host__ __device__ bf16 &operator=(float x)
    {
        bits = bf16_bits(x);
        return *this;
    }
    __host__ __device__ operator float() const
    {
        uint32_t u = (uint32_t)bits << 16;
        float    x;
        memcpy(&x, &u, sizeof x);
        return x;
    }
};
#endif
