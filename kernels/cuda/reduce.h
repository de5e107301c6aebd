/* Sums and maxima over a warp or a block, always in the same order: the same bits every run, on
 * every thread that asks. */
#ifndef TIEBREAK_KERNELS_CUDA_REDUCE_H
#define TIEBREAK_KERNELS_CUDA_REDUCE_H
#include "kernels/cuda/device.h"

#define ALL_LANES 0xffffffffu

/* Every lane gets the sum; a + b = b + a to the bit, so all get the same. */
template <class T> static __device__ inline T warp_sum(T v)
{
    for (int step = WARP / 2; step > 0; step /= 2) v += __shfl_xor_sync(ALL_LANES, v, step);
    return v;
}

/* NaN is left out, as fmaxf does: sums of exponentials carry it on. */
static __device__ inline float warp_max(float v)
{
    for (int step = WARP / 2; step > 0; step /= 2) v = fmaxf(v, __shfl_xor_sync(ALL_LANES, v, step));
    return v;
}

/* The same over a block of THREADS. `shared` holds one value for each warp and may be used again at
 * once. */
template <class T> static __device__ inline T block_sum(T v, T *shared)
{
    v = warp_sum(v);
    if (threadIdx.x % WARP == 0) shared[threadIdx.x / WARP] = v;
    __syncthreads();
    T total = 0;
    for (int w = 0; w < THREADS / WARP; w++) total += shared[w];
    __syncthreads();
    return total;
}

static __device__ inline float block_max(float v, float *shared)
{
    v = warp_max(v);
    if (threadIdx.x % WARP == 0) shared[threadIdx.x / WARP] = v;
    __syncthreads();
    float top = shared[0];
    for (int w = 1; w < THREADS / WARP; w++) top = fmaxf(top, shared[w]);
    __syncthreads();
    return top;
}

static __device__ inline int block_min(int v, int *shared)
{
    for (int step = WARP / 2; step > 0; step /= 2) v = min(v, __shfl_xor_sync(ALL_LANES, v, step));
    if (threadIdx.x % WARP == 0) shared[threadIdx.x / WARP] = v;
    __syncthreads();
    int low = shared[0];
    for (int w = 1; w < THREADS / WARP; w++) low = min(low, shared[w]);
    __syncthreads();
    return low;
}

/* Row and column of element `at` of a matrix: 64-bit division is slow. */
static __device__ inline void place_of(int64_t at, int64_t cols, int64_t *row, int64_t *col)
{
    const bool small = at < (int64_t)1 << 32 && cols < (int64_t)1 << 32;
    *row             = small ? (uint32_t)at / (uint32_t)cols : at / cols;
    *col             = at - *row * cols;
}

/* The part that owns a block: the last one whose first block is not greater than the block's
 * number. Parts without blocks own none. */
static __device__ inline int part_of_block(const int64_t *first_block, int count, int64_t block)
{
    int low = 0, high = count - 1;
    while (low < high) {
        int middle = (low + high + 1) / 2;
        if (first_block[middle] <= block)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}
#endif
