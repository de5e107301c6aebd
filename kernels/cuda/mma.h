/* Warp-level building blocks of products on tensor cores, sm_80 and newer: bf16 matrices, f32
 * sums. Tiles lie in shared memory, fragments in the registers of a warp's 32 lanes. On the
 * emulator the same calls do the same to the letter (kernels/cuda/emulator/emulate_mma.cc).
 *
 *     copy_async(tile + at, x + from, 16);  copy_commit();  ...  copy_wait<0>();  __syncthreads();
 *     mma_a a = load_a(tile_a, ld);                                  16 rows, 16 of k
 *     mma_b b[2];  load_b(b, tile_b, ld);                            16 columns, 16 of k
 *     mma(&c[0], a, b[0]);  mma(&c[1], a, b[1]);                     c [16, 8] each, += a b
 *
 * Fragments, PTX ISA, "Matrix Fragments for mma.m16n8k16 with floating point type", with g =
 * lane / 4 and t = lane % 4:
 *     A [16, 16]   x[0] (g, 2t) (g, 2t + 1)   x[1] the same, 8 rows down   x[2] 8 columns on   x[3] both
 *     B [16, 8]    x[0] (2t, g) (2t + 1, g)   x[1] 8 rows down
 *     C [16, 8]    x[0] (g, 2t)   x[1] (g, 2t + 1)   x[2] (g + 8, 2t)   x[3] (g + 8, 2t + 1)
 * Pairs are (row, column). Of two bf16 in a register the first is in the lower half. So two C side
 * by side, rounded and packed, are an A, which as_a makes.
 *
 * All 32 lanes of a warp call these functions together, except the copies. Rows of tiles are
 * 16-byte aligned. They are read without bank conflicts when their stride is an odd number of 16
 * bytes, as it is when 8 elements are added to a multiple of 16. */
#ifndef TIEBREAK_KERNELS_CUDA_MMA_H
#define TIEBREAK_KERNELS_CUDA_MMA_H
#include "kernels/cuda/device.h"

struct mma_a {
    uint32_t x[4];
};
struct mma_b {
    uint32_t x[2];
};
struct mma_c {
    float x[4];
};

#ifdef __CUDACC__
static __device__ inline uint32_t shared_address(const void *p) { return (uint32_t)__cvta_generic_to_shared(p); }

/* c += a b. PTX ISA, "Multiply-and-Accumulate Instruction: mma". */
static __device__ inline void mma(mma_c *c, const mma_a &a, const mma_b &b)
{
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(c->x[0]), "+f"(c->x[1]), "+f"(c->x[2]), "+f"(c->x[3])
        : "r"(a.x[0]), "r"(a.x[1]), "r"(a.x[2]), "r"(a.x[3]), "r"(b.x[0]), "r"(b.x[1]));
}

/* 8 x 8 matrices from shared memory, PTX ISA, "Warp-level matrix load instruction: ldmatrix":
 * lane l gives the address of row l % 8 of matrix l / 8. From each matrix it gets the elements
 * (g, 2t) and (g, 2t + 1), or transposed (2t, g) and (2t + 1, g). `volatile` and `memory` keep the
 * loads where they stand between copies and barriers. */
#define LDMATRIX_X4(name, transposed)                                                                                  \
    static __device__ inline void name(uint32_t *to, const bf16 *row)                                                  \
    {                                                                                                                  \
        asm volatile("ldmatrix.sync.aligned.m8n8.x4" transposed ".shared.b16 {%0, %1, %2, %3}, [%4];"                  \
                     : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])                                              \
                     : "r"(shared_address(row))                                                                        \
                     : "memory");                                                                                      \
    }
LDMATRIX_X4(ldmatrix_x4, "")
LDMATRIX_X4(ldmatrix_x4_trans, ".trans")

/* Begins to copy 16 bytes from global to shared memory without passing through registers; both are
 * 16-byte aligned. The first `bytes` (0 to 16) are read, the rest become zero. PTX ISA, "Non-bulk
 * copy: cp.async". A thread's copies since its last commit are a group. copy_wait<N> returns when
 * at most the latest N of its groups are under way. Other threads see the bytes after a barrier
 * that follows the wait. No thread may end with copies under way. */
static __device__ inline void copy_async(void *to, const void *from, int bytes)
{
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(to)),
                 "l"(__cvta_generic_to_global(from)), "r"(bytes)
                 : "memory");
}
static __device__ inline void copy_commit(void) { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int N> static __device__ inline void copy_wait(void)
{
    asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory");
}

/* The same value, which the compiler keeps: it would compute what depends on the thread alone again
 * in every step of a loop. */
static __device__ inline int in_register(int x)
{
    asm("" : "+r"(x));
    return x;
}
template <class E> static __device__ inline E *in_register(E *p)
{
    asm("" : "+l"(p));
    return p;
}

/* Two floats as bf16, each rounded to nearest even; the first is in the lower half. */
static __device__ inline uint32_t bf16_pair(float first, float second)
{
    uint32_t pair;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(second), "f"(first));
    return pair;
}
#else
void emulate_mma(float d[4], const uint32_t a[4], const uint32_t b[2]);
void emulate_ldmatrix(uint32_t to[4], bool transposed, const void *row);

static inline void mma(mma_c *c, const mma_a &a, const mma_b &b) { emulate_mma(c->x, a.x, b.x); }
static inline void ldmatrix_x4(uint32_t *to, const bf16 *row) { emulate_ldmatrix(to, false, row); }
static inline void ldmatrix_x4_trans(uint32_t *to, const bf16 *row) { emulate_ldmatrix(to, true, row); }
static inline void copy_async(void *to, const void *from, int bytes) { emulate_copy_begin(to, from, (size_t)bytes); }
static inline void copy_commit(void) { emulate_copy_commit(); }
template <int N> static inline void copy_wait(void) { emulate_copy_wait(N); }
template <class X> static inline X  in_register(X x) { return x; }
static inline uint32_t              bf16_pair(float first, float second)
{
    return bf16_bits(first) | (uint32_t)bf16_bits(second) << 16;
}
#endif

/* A from a tile of 16 rows, k along them. */
static __device__ inline mma_a load_a(const bf16 *tile, int ld)
{
    const int lane = (int)threadIdx.x % WARP;
    mma_a     a;
    ldmatrix_x4(a.x, tile + lane % 16 * ld + lane / 16 * 8);
    return a;
}
/* A from a tile of 16 rows that are k: the tile in memory is A transposed. */
static __device__ inline mma_a load_a_trans(const bf16 *tile, int ld)
{
    const int lane = (int)threadIdx.x % WARP;
    mma_a     a;
    ldmatrix_x4_trans(a.x, tile + (lane % 8 + lane / 16 * 8) * ld + lane / 8 % 2 * 8);
    return a;
}
/* B of 16 columns, two fragments, from a tile that has a row for each column of B, with k along
 * it, as weights [out, in] and keys [key, head_dim] lie. */
static __device__ inline void load_b(mma_b b[2], const bf16 *tile, int ld)
{
    const int lane = (int)threadIdx.x % WARP;
    uint32_t  x[4];
    ldmatrix_x4(x, tile + (lane % 8 + lane / 16 * 8) * ld + lane / 8 % 2 * 8);
    b[0] = { x[0], x[1] };
    b[1] = { x[2], x[3] };
}
/* The same from a tile whose rows are k, as values [key, head_dim] where keys are summed over. */
static __device__ inline void load_b_trans(mma_b b[2], const bf16 *tile, int ld)
{
    const int lane = (int)threadIdx.x % WARP;
    uint32_t  x[4];
    ldmatrix_x4_trans(x, tile + lane % 16 * ld + lane / 16 * 8);
    b[0] = { x[0], x[1] };
    b[1] = { x[2], x[3] };
}
/* Sums [16, 16] as the A of a next product, each rounded to bf16. */
static __device__ inline mma_a as_a(const mma_c &left, const mma_c &right)
{
    return { { bf16_pair(left.x[0], left.x[1]), bf16_pair(left.x[2], left.x[3]), bf16_pair(right.x[0], right.x[1]),
               bf16_pair(right.x[2], right.x[3]) } };
}
#endif
