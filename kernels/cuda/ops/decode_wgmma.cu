/* The second launch of a decode step by products of a warpgroup (compute capability 9.0), for one
 * adapter or many that share A and B. Contract: kernels/cuda/ops/decode.h.
 *
 * A block has 64 rows of W, which are the rows of the products; tokens, 16, 32 or 64, are their
 * columns. Two blocks may be a cluster and divide k: each adds up its part, and the parts are added
 * in the order of blocks. So W can be read by as many blocks as a large GPU has multiprocessors
 * where it has few rows.
 *
 *     threads 0 to 127     a warpgroup: the products of each stage in turn, then those of B and h
 *     thread 128           keeps TMA busy: W and x, STAGES stages ahead
 *     threads 160 to 255   of the cluster's first block: B, then h, into tiles of their own
 *
 * A stage and a tile of (B, h) lie alike, swizzled rows of 64 of k or of 64 ranks:
 *     [64 rows of W or B] [TOKENS rows of x or h] */
#include "kernels/cuda/hopper.h"
#include "kernels/cuda/ops/decode_rows.h"

static constexpr int LINES = 64, DEPTH = 64, STAGES = 6, BARRIERS = 128;
#ifdef __CUDACC__
static constexpr int64_t FEW_BLOCKS = 128; /* fewer do not fill a large GPU */
#else
static constexpr int64_t FEW_BLOCKS = 3; /* so that small tests meet clusters and single blocks */
#endif

struct wgmma_args {
    CUtensorMap W, x;
    decode_args a;
    int32_t     steps, part, split, tiles; /* stages of k, those of a block; blocks that divide k; tiles of (B, h) */
};

static constexpr int stage_bytes(int tokens) { return (LINES + tokens) * SWIZZLE_ROW; }
static constexpr int shared_bytes_of(int tokens, int tiles)
{
    return SWIZZLE_ATOM + (STAGES + tiles) * stage_bytes(tokens) + BARRIERS + (int)sizeof(decode_rows);
}
static __host__ __device__ inline int tiles_of(int r) { return (r + DEPTH - 1) / DEPTH; }

#if HOPPER_CODE
/* 8 elements, from 8 `chunk` on, of a row of a tile. */
static __device__ inline uint4 *chunk_of(unsigned char *tile, int row, int chunk)
{
    return (uint4 *)(tile + row * SWIZZLE_ROW + (chunk ^ row % 8) * 16);
}

template <int TOKENS> struct decode_wgmma {
    static constexpr int STAGE = stage_bytes(TOKENS), OF_LINES = LINES * SWIZZLE_ROW, SLICE = 16,
                         HELPERS = THREADS - WARPGROUP - WARP;
    /* Row stride of sums; 4 more, so that rows begin on different banks. */
    static constexpr int LD = LINES + 4;
    static_assert(2 * TOKENS * LD * 4 <= STAGES * STAGE, "both sums fit where the stages were");
    static_assert((2 * STAGES + 2) * 8 <= BARRIERS, "the barriers' room");

    static __device__ void produce(const wgmma_args &w, unsigned char *ring, uint64_t *full, uint64_t *empty, int first,
                                   int end, int row)
    {
        for (int s = first, i = 0; s < end; s++, i++) {
            const int at = i % STAGES;
            mbarrier_wait(&empty[at], (uint32_t)(i / STAGES + 1) % 2); /* the first time round it is */
            mbarrier_expect(&full[at], STAGE);
            tma_load(ring + at * STAGE, &w.W, &full[at], s * DEPTH, row);
            tma_load(ring + at * STAGE + OF_LINES, &w.x, &full[at], s * DEPTH, 0);
        }
    }

    /* B as it lies, zero outside of its rows and ranks. */
    static __device__ void load_B(const decode_args &a, unsigned char *tiles, int64_t row)
    {
        for (int u = 0; u < a.ups; u++) {
            const decode_up &p      = a.up[u];
            const bool       vector = p.vector && p.r % 8 == 0;
            for (int k0 = 0; k0 < p.r; k0 += DEPTH, tiles += STAGE)
                for (int i = helper(); i < LINES * DEPTH / 8; i += HELPERS) {
                    const int64_t o                = row + i / 8 - p.at;
                    *chunk_of(tiles, i / 8, i % 8) = load_8(p.B + o * p.ldb, k0 + i % 8 * 8, p.r, o >= 0 && o < p.out,
                                                            vector);
                }
        }
    }

    /* h of all tokens: the sum of its parts in order, times u, rounded; 0 for tokens without an
     * adapter and past their rank. */
    static __device__ void load_h(const decode_args &a, const decode_rows &rows, unsigned char *tiles)
    {
        for (int u = 0; u < a.ups; u++)
            for (int k0 = 0; k0 < a.up[u].r; k0 += DEPTH, tiles += STAGE)
                for (int i = helper(); i < TOKENS * DEPTH / 8; i += HELPERS)
                    *chunk_of(tiles + OF_LINES, i / 8, i % 8) = h_of(a, rows, a.up[u], i / 8, k0 + i % 8 * 8);
    }
    static __device__ uint4 h_of(const decode_args &a, const decode_rows &rows, const decode_up &p, int token, int k)
    {
        const decode_down &d       = a.down[p.down];
        const int          adapter = rows.adapter[token], r = adapter >= 0 ? rank_of(a, adapter, p.r) : 0;
        uint32_t           pairs[4];
        UNROLL
        for (int i = 0; i < 4; i++) {
            float h[2] = {};
            UNROLL
            for (int j = 0; j < 2; j++) {
                const int rank = k + 2 * i + j;
                for (int part = 0; part < a.k_parts && rank < r; part++)
                    h[j] += a.sums[((int64_t)part * a.n + token) * a.columns + p.column + rank];
                if (d.u && rank < r) h[j] *= d.u[adapter * d.stride_u + rank];
            }
            pairs[i] = bf16_pair(h[0], h[1]);
        }
        return { pairs[0], pairs[1], pairs[2], pairs[3] };
    }
    static __device__ int helper() { return (int)threadIdx.x - (THREADS - HELPERS); }

    /* sum += lines times tokens over `slices` slices of a stage or a tile, as a group. */
    static __device__ void multiply(float (&sum)[TOKENS / 2], const unsigned char *stage, int slices)
    {
        const uint64_t     A = wgmma_tile(stage, 0, SWIZZLE_ATOM), B = wgmma_tile(stage + OF_LINES, 0, SWIZZLE_ATOM);
        constexpr uint64_t NEXT = SLICE * 2 / 16; /* in units of the descriptor */
        wgmma_fence();
        UNROLL
        for (int s = 0; s < DEPTH / SLICE; s++)
            if (s < slices) wgmma<false>(sum, A + s * NEXT, B + s * NEXT, 1);
        wgmma_commit();
    }

    /* [token][LD], where write_y finds them. */
    static __device__ void put(float *to, const float (&sum)[TOKENS / 2])
    {
        const int t = (int)threadIdx.x;
        UNROLL
        for (int i = 0; i < TOKENS / 2; i++)
            to[(8 * (i / 4) + 2 * (t % 4) + i % 2) * LD + 16 * (t / WARP) + t % WARP / 4 + i / 2 % 2 * 8] = sum[i];
    }

    static __device__ void consume(const wgmma_args &w, unsigned char *ring, unsigned char *tiles, uint64_t *full,
                                   uint64_t *empty, uint64_t *ready, uint64_t *done, int steps, bool adds)
    {
        float sum[TOKENS / 2] = {}, delta[TOKENS / 2] = {};
        for (int i = 0; i < steps; i++) {
            mbarrier_wait(&full[i % STAGES], (uint32_t)(i / STAGES) % 2);
            multiply(sum, ring + i % STAGES * STAGE, DEPTH / SLICE);
            wgmma_wait<1>();
            if (i > 0 && threadIdx.x % WARP == 0) mbarrier_arrive(&empty[(i - 1) % STAGES]);
        }
        wgmma_finish(sum);
        if (adds) {
            mbarrier_wait(ready, 0);
            for (int u = 0; u < w.a.ups; u++)
                for (int k = 0; k < w.a.up[u].r; k += DEPTH, tiles += STAGE)
                    multiply(delta, tiles, (w.a.up[u].r - k + SLICE - 1) / SLICE);
            wgmma_finish(delta);
        }
        /* The stages are free once all warps have multiplied them; each has waited for its own. */
        if (threadIdx.x % WARP == 0) mbarrier_arrive(done);
        mbarrier_wait(done, 0);
        put((float *)ring, sum);
        if (adds) put((float *)ring + TOKENS * LD, delta);
    }

    static __device__ void write_y(const wgmma_args &w, const decode_rows &rows, float *parts, int row, bool any)
    {
        const decode_args &a     = w.a;
        const int          rank  = cluster_rank();
        const float       *delta = cluster_at(parts, 0) + TOKENS * LD;
        for (int i = (int)threadIdx.x + rank * THREADS; i < a.n * LINES; i += w.split * THREADS) {
            const int     token = i / LINES, line = i % LINES, adapter = rows.adapter[token];
            const int64_t o = row + line;
            if (o >= a.out) continue;
            float y = 0;
            for (int block = 0; block < w.split; block++) y += cluster_at(parts, block)[token * LD + line];
            if (any && adapter >= 0) y += (a.v ? a.s * a.v[adapter * a.stride_v + o] : a.s) * delta[token * LD + line];
            if (a.bias) y += a.bias[o];
            bf16 *to = a.y + token * a.ldy + o;
            *to      = a.accumulate ? *to + y : y;
        }
    }

    static __device__ void run(const wgmma_args &w)
    {
        unsigned char *shared = dynamic_shared(),
                      *ring   = shared + (SWIZZLE_ATOM - shared_address(shared) % SWIZZLE_ATOM) % SWIZZLE_ATOM,
                      *tiles  = ring + STAGES * STAGE;
        uint64_t *full = (uint64_t *)(tiles + w.tiles * STAGE), *empty = full + STAGES, *ready = empty + STAGES,
                 *done    = ready + 1;
        decode_rows *rows = (decode_rows *)((unsigned char *)full + BARRIERS);
        const int block = cluster_rank(), row = (int)blockIdx.x / w.split * LINES, first = min(block * w.part, w.steps),
                  end   = min(first + w.part, w.steps);
        const bool adds = block == 0 && w.tiles > 0;
        if (threadIdx.x == 0) {
            for (int s = 0; s < STAGES; s++) mbarrier_init(&full[s], 1), mbarrier_init(&empty[s], WARPGROUP / WARP);
            mbarrier_init(ready, HELPERS), mbarrier_init(done, WARPGROUP / WARP);
            mbarrier_init_fence();
        }
        list_rows(rows, w.a); /* a barrier for the block, too */
        if (threadIdx.x < WARPGROUP) {
            consume(w, ring, tiles, full, empty, ready, done, end - first, adds);
        } else if (threadIdx.x == WARPGROUP) {
            produce(w, ring, full, empty, first, end, row);
        } else if (threadIdx.x >= THREADS - HELPERS && adds) {
            load_B(w.a, tiles, row);
            wait_for_previous();
            load_h(w.a, *rows, tiles);
            async_fence();
            mbarrier_arrive(ready);
        }
        /* Every thread of every block comes here, so whoever waits for this launch has also waited
         * for the first one. */
        wait_for_previous();
        cluster_sync();
        write_y(w, *rows, (float *)ring, row, w.tiles > 0);
        cluster_sync(); /* the other block reads here */
    }
};
#define WGMMA_BODY(tokens) decode_wgmma<tokens>::run(w);
#else
#define WGMMA_BODY(tokens)
#endif
#define WGMMA_KERNEL(name, tokens)                                                                                     \
    KERNEL __launch_bounds__(THREADS, 1) name(const __grid_constant__ wgmma_args w) { WGMMA_BODY(tokens) }
WGMMA_KERNEL(decode_wgmma_16_kernel, 16)
WGMMA_KERNEL(decode_wgmma_32_kernel, 32)
WGMMA_KERNEL(decode_wgmma_64_kernel, 64)

static const struct {
    int         tokens;
    const char *name;
    void (*run)(wgmma_args w);
} sizes[] = { { 16, "decode_wgmma_16_kernel", decode_wgmma_16_kernel },
              { 32, "decode_wgmma_32_kernel", decode_wgmma_32_kernel },
              { 64, "decode_wgmma_64_kernel", decode_wgmma_64_kernel } };

static int size_of(int n) { return n <= 16 ? 0 : n <= 32 ? 1 : 2; }

static int tiles_in(const decode_args *a)
{
    int tiles = 0;
    for (int u = 0; u < a->ups; u++) tiles += tiles_of(a->up[u].r);
    return tiles;
}

const char *decode_expand_wgmma_refuses(const decode_args *a)
{
    const char *why = hopper_refuses((const void *)decode_wgmma_64_kernel);
    if (why) return why;
    if (a->n > DECODE_ROWS) return "does at most 64 rows";
    if (a->in % 8 || a->ldx % 8) return "needs rows of x and W of a multiple of 8 elements";
    if (a->in > INT32_MAX - DEPTH || a->out > INT32_MAX - LINES) return "takes at most 2^31 - 65 rows and columns";
    return shared_bytes_of(sizes[size_of(a->n)].tokens, tiles_in(a)) > cuda->shared_most
               ? "needs more shared memory than this GPU has, for so many ranks and rows"
               : NULL;
}

void decode_expand_wgmma(const decode_args *a)
{
    const auto   *size   = &sizes[size_of(a->n)];
    const int64_t blocks = (a->out + LINES - 1) / LINES;
    wgmma_args    w      = {};
    w.a = *a, w.tiles = tiles_in(a), w.split = blocks < FEW_BLOCKS ? 2 : 1;
    w.steps = (int32_t)((a->in + DEPTH - 1) / DEPTH), w.part = (w.steps + w.split - 1) / w.split;
    if (a->n == 0 || cuda_failed() || !tensor_map(&w.W, a->W, a->out, a->in, a->in, LINES, DEPTH) ||
        !tensor_map(&w.x, a->x, a->n, a->in, a->ldx, size->tokens, DEPTH))
        return;
    /* Without a first launch nothing has waited for the launch that made x. */
    cuda_launch(
        size->name, __FILE__, __LINE__,
        { (unsigned)(blocks * w.split), THREADS, shared_bytes_of(size->tokens, w.tiles), a->columns > 0, w.split },
        size->run, w);
}
