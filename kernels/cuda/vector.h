/* vec: N neighbours of an array in one load or store of at most 16 bytes, the widest that a thread
 * has.
 *
 *     const bool fits = vec_fits<8>(x, ld);
 *     vec<bf16, 8> v  = vec_load<8>(x + i, d - i, fits);
 *
 * `left` counts the elements that the row still has. Past its end a vector reads as zero, and
 * nothing is stored. Rows whose address is not a multiple of the vector's size are read element by
 * element. Loops over x have a constant length, so that it stays in registers. */
#ifndef TIEBREAK_KERNELS_CUDA_VECTOR_H
#define TIEBREAK_KERNELS_CUDA_VECTOR_H
#include "kernels/cuda/device.h"

template <class E, int N> struct alignas(N * sizeof(E)) vec {
    E x[N];
};

/* Whether every row of ld elements from p on begins where a vector may. */
template <int N, class E> static __host__ __device__ inline bool vec_fits(const E *p, int64_t ld)
{
    return (uintptr_t)p % (N * sizeof(E)) == 0 && ld % N == 0;
}

template <int N, class E> static __device__ inline vec<E, N> vec_load(const E *from, int64_t left, bool fits)
{
    if (fits && left >= N) return *(const vec<E, N> *)from;
    vec<E, N> v = {};
    for (int i = 0; i < N; i++)
        if (i < left) v.x[i] = from[i];
    return v;
}

template <int N, class E> static __device__ inline void vec_store(E *to, const vec<E, N> &v, int64_t left, bool fits)
{
    if (fits && left >= N) {
        *(vec<E, N> *)to = v;
        return;
    }
    for (int i = 0; i < N; i++)
        if (i < left) to[i] = v.x[i];
}
#endif
