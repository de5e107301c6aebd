/* What the decode kernels share on the device: which rows of a batch go together, and loads of a
 * few elements from rows of any length. */
#ifndef TIEBREAK_KERNELS_CUDA_OPS_DECODE_ROWS_H
#define TIEBREAK_KERNELS_CUDA_OPS_DECODE_ROWS_H
#include "kernels/cuda/ops/decode.h"
#include "kernels/cuda/mma.h"

/* GROUP: the most rows of a group, which are the columns of a tensor core's tile. */
static constexpr int WARPS = THREADS / WARP, GROUP = 8;

/* Group g has rows order[first[g]] .. order[first[g] + size[g] - 1]. Where rows are grouped by
 * adapter, all of them take adapter group_adapter[g]. */
struct decode_rows {
    int adapter[DECODE_ROWS]; /* of a row; -1: the base alone */
    int order[DECODE_ROWS], first[DECODE_ROWS], size[DECODE_ROWS], group_adapter[DECODE_ROWS], count;
    int starts[DECODE_ROWS]; /* does the row begin a group? */
};

/* Groups of rows as they come. Rows without an adapter are among them; their h is 0. */
static __device__ inline void rows_in_order(decode_rows *l, int n)
{
    const int i = (int)threadIdx.x;
    if (i < DECODE_ROWS) {
        l->order[i]         = i;
        l->first[i]         = i * GROUP;
        l->size[i]          = min(GROUP, n - i * GROUP);
        l->group_adapter[i] = 0;
    }
    if (i == 0) l->count = (n + GROUP - 1) / GROUP;
}

/* Groups of one adapter each, in the order of adapters, then of rows. Rows without an adapter are
 * left out. Every row counts for itself how many rows come before it. */
static __device__ inline void rows_by_adapter(decode_rows *l)
{
    const int i = (int)threadIdx.x, mine = i < DECODE_ROWS ? l->adapter[i] : -1;
    int       before = 0, same_before = 0, same = 0, groups_before = 0, groups = 0;
    for (int j = 0; i < DECODE_ROWS && j < DECODE_ROWS; j++) {
        const int other = l->adapter[j];
        before += other >= 0 && other < mine;
        same += other == mine;
        same_before += other == mine && j < i;
    }
    const bool begins = mine >= 0 && same_before % GROUP == 0;
    if (i < DECODE_ROWS) l->starts[i] = begins;
    __syncthreads();
    for (int j = 0; i < DECODE_ROWS && j < DECODE_ROWS; j++) {
        const int other = l->adapter[j];
        groups += l->starts[j];
        groups_before += l->starts[j] && (other < mine || (other == mine && j < i));
    }
    if (mine >= 0) l->order[before + same_before] = i;
    if (begins) {
        l->first[groups_before]         = before + same_before;
        l->size[groups_before]          = min(GROUP, same - same_before);
        l->group_adapter[groups_before] = mine;
    }
    if (i == 0) l->count = groups;
}

/* Called by all threads of the block; ends with a barrier. */
static __device__ inline void list_rows(decode_rows *l, const decode_args &a)
{
    const int i = (int)threadIdx.x;
    if (i < DECODE_ROWS) {
        const int id  = i >= a.n ? -1 : a.which ? a.which[i] : 0;
        l->adapter[i] = id < a.adapters ? id : -1;
    }
    __syncthreads();
    if (a.grouped)
        rows_by_adapter(l);
    else
        rows_in_order(l, a.n);
    __syncthreads();
}

/* The rank of one adapter. The arrays of all adapters have room for the largest rank, r. */
static __device__ inline int rank_of(const decode_args &a, int adapter, int r)
{
    return a.ranks && adapter >= 0 ? min(a.ranks[adapter], r) : r;
}

/* The 8 elements from row[k] on, of a row of `end` elements; zero past its end. With `vector` the
 * row is 16-byte aligned, and 8 divides k and end. */
static __device__ inline uint4 load_8(const bf16 *row, int64_t k, int64_t end, bool valid, bool vector)
{
    uint4 to = { 0, 0, 0, 0 };
    if (!valid || k >= end) return to;
    if (vector) return *(const uint4 *)(row + k);
    uint32_t pair[4];
    for (int i = 0; i < 4; i++) {
        const uint32_t low  = k + 2 * i < end ? row[k + 2 * i].bits : 0,
                       high = k + 2 * i + 1 < end ? row[k + 2 * i + 1].bits : 0;
        pair[i]             = low | high << 16;
    }
    return { pair[0], pair[1], pair[2], pair[3] };
}

/* The same into shared memory; it is waited for like an asynchronous copy. `anywhere` is aligned
 * device memory, named by copies that read nothing. With `vector` the row is aligned, and `end` may
 * be anything. */
static __device__ inline void copy_8(unsigned char *to, const bf16 *row, int64_t k, int64_t end, bool valid,
                                     bool vector, const void *anywhere)
{
    if (!vector) {
        *(uint4 *)to = load_8(row, k, end, valid, false);
        return;
    }
    const int64_t left = valid ? end - k : 0;
    copy_async(to, left > 0 ? (const void *)(row + k) : anywhere, left >= 8 ? 16 : left > 0 ? (int)left * 2 : 0);
}

/* sum [16, 8] += a product over 32 of k. lo and hi are a row of A and the row 8 below it, b is a
 * row of B; each is the 8 elements from k = 8 (lane % 4) on. A tensor core assigns other elements
 * to a lane. A sum over k may be taken in any order, though, as long as both factors use the same
 * one: its 2t and 2t + 1 are elements 0 and 1 in the first product and 4 and 5 in the second; its
 * 2t + 8 and 2t + 9 are the two that follow. */
static __device__ inline void mma_32(mma_c *sum, const uint4 &lo, const uint4 &hi, const uint4 &b)
{
    mma(sum, mma_a { { lo.x, hi.x, lo.y, hi.y } }, mma_b { { b.x, b.y } });
    mma(sum, mma_a { { lo.z, hi.z, lo.w, hi.w } }, mma_b { { b.z, b.w } });
}
#endif
