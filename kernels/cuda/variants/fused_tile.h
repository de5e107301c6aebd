/* The device side of kernels/cuda/variants/fused.h. One persistent block runs on
 * each multiprocessor. One thread of its first warpgroup keeps TMA busy; the other two warpgroups
 * multiply 64 rows of the block's tile each and write them.
 *
 *     ring of STAGES in shared memory, 192 KiB:   A [128 rows, 64 of k]   B [WIDTH columns, 64 of k]
 *     the producer waits until a stage is empty, has two boxes (or one and WIDTH / 64) brought,
 *     and goes on to the next, over tiles too;
 *     a consumer waits until a stage is full, starts its products, and calls the stage before
 *     empty when that one's products are done; a tile's sums leave by TMA, two boxes on the way.
 *
 * The steps of a tile: k / 64 of (A, B), then of every pair whose columns it meets r / 64 of (h,
 * E), of which no more than r / 16 slices are multiplied. What boxes have outside of the
 * matrices is zero: rows, columns and rank are any.
 *
 * Two blocks may be a cluster: the tiles below each other, each of which brings its half of B
 * into both, so that less comes from L2: 32 KiB in place of 48 for a block's step. */
#ifndef TIEBREAK_KERNELS_CUDA_VARIANTS_FUSED_TILE_H
#define TIEBREAK_KERNELS_CUDA_VARIANTS_FUSED_TILE_H
#include "kernels/cuda/variants/fused.h"
#include "kernels/cuda/hopper.h"

static constexpr int HEIGHT = 128, DEPTH = 64, SLICE = 16, CONSUMERS = 2, BLOCK = (1 + CONSUMERS) * WARPGROUP;
/* What leaves through shared memory: boxes of a warp's 16 rows and 64 columns, two a warp. */
static constexpr int RING = 196608, BOX_ROWS = 16, BOX_COLS = SWIZZLE_ROW / 2, BOX = BOX_ROWS * SWIZZLE_ROW, BOXES = 2,
                     STAGED   = CONSUMERS * WARPGROUP / WARP * BOXES * BOX;
static constexpr int BARRIERS = 256, SHARED = SWIZZLE_ATOM + RING + STAGED + BARRIERS;
/* Rows of a group of tiles: as a wave of blocks then has about as many columns, it reads the least.
 * 16 tiles down, or 8 clusters. */
static constexpr int GROUP_ROWS = 2048;
struct fused_range {
    int32_t r, first, cols;
};
struct fused_args {
    CUtensorMap A, B, C, h[FUSED_PAIRS], E[FUSED_PAIRS];
    int32_t     m, n, k_steps, count;
    fused_range pairs[FUSED_PAIRS];
};

struct tile_at {
    int m, n; /* its first row and column */
};

/* Down the tiles of a group, then the next column; then the next group. A tile here is that of a
 * cluster, whose blocks are one below the other. There are at most INT32_MAX (cuda_fused_refuses),
 * so divisions are short. */
static __device__ inline tile_at tile_of(const fused_args &f, uint32_t tile, int height, int width)
{
    const uint32_t down = (uint32_t)(f.m + height - 1) / height, across = (uint32_t)(f.n + width - 1) / width,
                   most = GROUP_ROWS / height, group = tile / (most * across), at = tile - group * most * across,
                   rows = min(most, down - group * most), column = at / rows;
    return { (int)((group * most + at - column * rows) * height), (int)(column * width) };
}
static __device__ inline uint32_t tiles_of(const fused_args &f, int height, int width)
{
    return (uint32_t)((f.m + height - 1) / height) * (uint32_t)((f.n + width - 1) / width);
}
static __device__ inline bool meets(const fused_range &p, const tile_at &t, int width)
{
    return t.n < p.first + p.cols && p.first < t.n + width;
}

/* A place in the ring, and the parity of its phase. */
template <int STAGES> struct ring_at {
    int             stage  = 0;
    uint32_t        parity = 0;
    __device__ void next()
    {
        stage = stage + 1 == STAGES ? 0 : stage + 1;
        parity ^= stage == 0;
    }
};

/* BLOCKS: of a cluster, 1 or 2. They have the same columns, and each brings its part of B, and
 * of E, to all. */
template <int WIDTH, bool N_MAJOR, int BLOCKS> struct fused_kernel {
    static constexpr int A_BYTES = HEIGHT * SWIZZLE_ROW, B_BYTES = WIDTH * SWIZZLE_ROW, STAGE = A_BYTES + B_BYTES,
                         STAGES  = RING / STAGE;
    static constexpr int    PART = WIDTH / BLOCKS; /* columns that one block brings */
    typedef ring_at<STAGES> place;
    static_assert(2 * STAGES * 8 <= BARRIERS, "the barriers' room");

    static __device__ int      rank() { return BLOCKS == 1 ? 0 : cluster_rank(); }
    static __device__ uint32_t first() { return blockIdx.x / BLOCKS; }
    static __device__ uint32_t next() { return gridDim.x / BLOCKS; }
    static __device__ uint32_t end(const fused_args &f) { return tiles_of(f, BLOCKS * HEIGHT, WIDTH); }
    static __device__ tile_at  at_tile(const fused_args &f, uint32_t tile)
    {
        const tile_at t = tile_of(f, tile, BLOCKS * HEIGHT, WIDTH);
        return { t.m + rank() * HEIGHT, t.n };
    }

    static __device__ void load(unsigned char *to, const CUtensorMap *map, uint64_t *b, int column, int row)
    {
        if (BLOCKS == 1)
            tma_load(to, map, b, column, row);
        else
            tma_load_to(to, map, b, column, row, (1 << BLOCKS) - 1);
    }

    static __device__ void bring(unsigned char *ring, uint64_t *full, uint64_t *empty, place *at, const CUtensorMap *A,
                                 const CUtensorMap *B, int k, int m, int n)
    {
        unsigned char *a = ring + at->stage * STAGE, *b = a + A_BYTES + rank() * PART * SWIZZLE_ROW;
        /* in all blocks; the first time round it is */
        mbarrier_wait(&empty[at->stage], at->parity ^ 1);
        mbarrier_expect(&full[at->stage], STAGE);
        tma_load(a, A, &full[at->stage], k, m);
        n += rank() * PART;
        if (N_MAJOR)
            for (int j = 0; j < PART; j += 64) load(b + j * SWIZZLE_ROW, B, &full[at->stage], n + j, k);
        else
            load(b, B, &full[at->stage], k, n);
        at->next();
    }

    static __device__ void produce(const fused_args &f, unsigned char *ring, uint64_t *full, uint64_t *empty)
    {
        place at;
        for (uint32_t tile = first(); tile < end(f); tile += next()) {
            const tile_at t = at_tile(f, tile);
            for (int k = 0; k < f.k_steps; k++) bring(ring, full, empty, &at, &f.A, &f.B, k * DEPTH, t.m, t.n);
            for (int p = 0; p < f.count; p++)
                for (int k = 0; meets(f.pairs[p], t, WIDTH) && k < f.pairs[p].r; k += DEPTH)
                    bring(ring, full, empty, &at, &f.h[p], &f.E[p], k, t.m, t.n - f.pairs[p].first);
        }
    }

    /* A warp has read a stage: every block that brings to it has to know. */
    static __device__ void release(uint64_t *empty)
    {
        const int lane = (int)threadIdx.x % WARP;
        if (BLOCKS == 1 && lane == 0) mbarrier_arrive(empty);
        if (BLOCKS > 1 && lane < BLOCKS) mbarrier_arrive_at(empty, lane);
    }

    /* One stage, when it is full, as a group of products; then the stage before is empty. `held`
     * is that stage, -1 in the beginning of a tile. */
    static __device__ inline void step(float (&sum)[WIDTH / 2], const unsigned char *ring, uint64_t *full,
                                       uint64_t *empty, place *at, int *held, int slices)
    {
        const int            group = (int)threadIdx.x / WARPGROUP - 1;
        const unsigned char *a     = ring + at->stage * STAGE + group * 64 * SWIZZLE_ROW,
                            *b     = ring + at->stage * STAGE + A_BYTES;
        const uint64_t A           = wgmma_tile(a, 0, SWIZZLE_ATOM),
                       B           = wgmma_tile(b, N_MAJOR ? DEPTH * SWIZZLE_ROW : 0, SWIZZLE_ATOM);
        /* in units of the descriptor */
        constexpr uint64_t NEXT_A = SLICE * 2 / 16, NEXT_B = N_MAJOR ? 2 * SWIZZLE_ATOM / 16 : SLICE * 2 / 16;
        mbarrier_wait(&full[at->stage], at->parity);
        wgmma_fence();
        UNROLL
        for (int s = 0; s < DEPTH / SLICE; s++)
            if (s < slices) wgmma<N_MAJOR>(sum, A + s * NEXT_A, B + s * NEXT_B, *held >= 0 || s > 0);
        wgmma_commit();
        wgmma_wait<1>();
        if (*held >= 0) release(&empty[*held]);
        *held = at->stage;
        at->next();
    }

    /* A warp's 16 rows, a box of columns after the other: to shared memory as its threads hold
     * them, swizzled as TMA reads, so that no bank is met twice. Then one thread has TMA store the
     * box, while the warp goes on to the next box and the next tile. */
    static __device__ void write(const fused_args &f, const tile_at &t, const float (&sum)[WIDTH / 2],
                                 unsigned char *staged)
    {
        const int warp = (int)threadIdx.x / WARP - WARPGROUP / WARP, lane = (int)threadIdx.x % WARP;
        UNROLL
        for (int n = 0; n < WIDTH; n += BOX_COLS) {
            unsigned char *box = staged + (warp * BOXES + n / BOX_COLS % BOXES) * BOX;
            if (lane == 0) tma_store_wait<BOXES - 1>(); /* the box before this one has left it */
            __syncwarp();
            UNROLL
            for (int pair = 0; pair < BOX_COLS / 4; pair++) { /* two sums beside each other */
                const int chunk = pair / 2, row = lane / 4 + pair % 2 * 8, at = n / 2 + 2 * pair;
                *(uint32_t *)(box + row * SWIZZLE_ROW + (chunk ^ row % 8) * 16 + lane % 4 * 4) = bf16_pair(sum[at],
                                                                                                           sum[at + 1]);
            }
            async_fence();
            __syncwarp();
            if (lane == 0) {
                tma_store(&f.C, box, t.n + n, t.m + BOX_ROWS * warp);
                tma_store_commit();
            }
        }
    }

    static __device__ void consume(const fused_args &f, const unsigned char *ring, unsigned char *staged,
                                   uint64_t *full, uint64_t *empty)
    {
        place at;
        float sum[WIDTH / 2] = {};
        for (uint32_t tile = first(); tile < end(f); tile += next()) {
            const tile_at t    = at_tile(f, tile);
            int           held = -1;
            for (int k = 0; k < f.k_steps; k++) step(sum, ring, full, empty, &at, &held, DEPTH / SLICE);
            for (int p = 0; p < f.count; p++)
                for (int k = 0; meets(f.pairs[p], t, WIDTH) && k < f.pairs[p].r; k += DEPTH)
                    step(sum, ring, full, empty, &at, &held, (f.pairs[p].r - k + SLICE - 1) / SLICE);
            wgmma_finish(sum);
            release(&empty[held]);
            write(f, t, sum, staged);
        }
        if (threadIdx.x % WARP == 0) tma_store_wait<0>();
    }

    static __device__ void wait_for_all()
    {
        if (BLOCKS == 1)
            __syncthreads();
        else
            cluster_sync();
    }

    static __device__ void run(const fused_args &f)
    {
        unsigned char *shared = dynamic_shared(),
                      *ring   = shared + (SWIZZLE_ATOM - shared_address(shared) % SWIZZLE_ATOM) % SWIZZLE_ATOM;
        uint64_t *full = (uint64_t *)(ring + RING + STAGED), *empty = full + STAGES;
        if (threadIdx.x == 0) {
            for (int s = 0; s < STAGES; s++)
                mbarrier_init(&full[s], 1), mbarrier_init(&empty[s], BLOCKS * CONSUMERS * WARPGROUP / WARP);
            mbarrier_init_fence();
        }
        wait_for_all();
        if (threadIdx.x < WARPGROUP) {
            registers_give<40>();
            if (threadIdx.x == 0) {
                tma_prefetch(&f.A), tma_prefetch(&f.B);
                produce(f, ring, full, empty);
            }
        } else {
            registers_take<232>();
            consume(f, ring, ring + RING, full, empty);
        }
        /* what others bring here and arrive at has to find this block */
        if (BLOCKS > 1) cluster_sync();
    }
};
#endif
