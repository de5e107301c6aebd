/* The second launch of a decode step: y = x W^T + s v (B (u h)), W streamed once. Contract:
 * kernels/cuda/ops/decode.h.
 *
 * A block has 8 warps and 32 R rows of W, R = 1, 2 or 4. Warp w computes 32 of these rows, from
 * 32 (w % R) on, in slice w / R of each stage's k.
 * A stage in shared memory has `slices` = 8 / R slices, each for 32 of k:
 *     W   [rows of W / 16][16][32 of k] bf16 for each slice
 *     x   behind all of these, [TILES][8 tokens][32 of k] bf16 for each slice
 * Lane 4 g + t reads 16 bytes at 8 t of row g, so a warp reads 512 bytes in one piece. The 64
 * unused bytes behind each slice keep the copies of a warp, which run along k over the slices, on
 * different banks. */
#include "kernels/cuda/ops/decode_rows.h"

/* WARP_LINES: rows of W of a warp. LINE: bytes of a row in a slice. PAD: unused bytes behind
 * one. */
static constexpr int STAGES = 4, SLICE_K = 32, WARP_LINES = 32, LINE = SLICE_K * 2, PAD = 64;
/* RING_MOST: the most steps of B under way. RING_STEP: bytes of one step, for all warps. */
static constexpr int RING_MOST = 8, RING_STEP = WARPS * WARP * 16;
/* Elements added to rows of sums and of h, so that rows begin on different banks. */
static constexpr int SUM_PAD = 4, H_PAD = 8;
static constexpr int BLOCKS_LEAST = 64;

/* A block: how it is cut, and where its pieces of shared memory lie. ROW_BITS: R as an exponent. */
template <int ROW_BITS_, int TILES_> struct decode_block {
    static constexpr int ROW_BITS = ROW_BITS_, TILES = TILES_, SLICES = WARPS >> ROW_BITS,
                         LINES = WARP_LINES << ROW_BITS, TOKENS = TILES * GROUP, W_SLICE = LINES * LINE + PAD,
                         X_SLICE = TOKENS * LINE + PAD, STAGE = SLICES * (W_SLICE + X_SLICE);
    /* Lines of a slice that the block copies at once, and how often that is: for W and for x. */
    static constexpr int ONCE = WARPS << ROW_BITS, LOADS_W = LINES / ONCE, LOADS_X = TOKENS / ONCE;
    static_assert(LOADS_X * ONCE == TOKENS, "every thread copies as many lines of x");
    int64_t        first; /* row of W, column of y */
    unsigned char *stages, *ring;
    /* in the place of the stages: [slice][token][LINES + SUM_PAD], [token][LINES + SUM_PAD] */
    float *parts, *delta;
    bf16  *h, *v; /* [token][columns + H_PAD], [token][LINES] */
};

template <class BLOCK> static __host__ __device__ BLOCK block_of(const decode_args &a, unsigned char *shared)
{
    BLOCK b  = {};
    b.stages = shared;
    b.parts  = (float *)shared;
    b.delta  = b.parts + (int64_t)BLOCK::SLICES * BLOCK::TOKENS * (BLOCK::LINES + SUM_PAD);
    b.ring   = shared + a.main_bytes;
    b.h      = (bf16 *)(b.ring + (int64_t)a.ring * RING_STEP);
    b.v      = b.h + (int64_t)BLOCK::TOKENS * (a.columns + H_PAD);
    return b;
}

/* The part of a stage that this thread copies: 16 bytes of each of COUNT lines. */
template <int COUNT> struct decode_lines {
    const bf16 *line[COUNT];
    int         at; /* where the first line's bytes go in a stage */
};
template <class BLOCK> struct decode_loads {
    decode_lines<BLOCK::LOADS_W> W;
    decode_lines<BLOCK::LOADS_X> x;
    int                          k; /* in the first stage */
};

/* Lines past the last one are that one again: their sums are never stored. */
template <int COUNT>
static __device__ decode_lines<COUNT> lines_of(const bf16 *matrix, int64_t ld, int64_t first, int64_t count, int once,
                                               int at)
{
    decode_lines<COUNT> l;
    UNROLL
    for (int i = 0; i < COUNT; i++) l.line[i] = in_register(matrix + min(first + i * once, count - 1) * ld);
    l.at = in_register(at);
    return l;
}

template <class BLOCK> static __device__ decode_loads<BLOCK> loads_of(const decode_args &a, const BLOCK &b)
{
    constexpr unsigned PER_LINE = SLICE_K / 8;
    const int          t = (int)(threadIdx.x % PER_LINE), slice = (int)(threadIdx.x / PER_LINE % BLOCK::SLICES),
              line = (int)(threadIdx.x / (PER_LINE * BLOCK::SLICES)), at = line * LINE + t * 16,
              of_x = BLOCK::SLICES * BLOCK::W_SLICE;
    return { lines_of<BLOCK::LOADS_W>(a.W, a.in, b.first + line, a.out, BLOCK::ONCE, slice * BLOCK::W_SLICE + at),
             lines_of<BLOCK::LOADS_X>(a.x, a.ldx, line, a.n, BLOCK::ONCE, of_x + slice * BLOCK::X_SLICE + at),
             in_register(slice * SLICE_K + t * 8) };
}

/* Begins to copy 16 bytes of every line from k on, zero past `end`. One branch for all of them and
 * none between: with a branch each, a copy took 46 instructions. */
template <class BLOCK, int COUNT>
static __device__ void load_lines(unsigned char *to, const decode_lines<COUNT> &l, int64_t k, int64_t end, bool vector)
{
    to += l.at;
    if (vector) {
        const int64_t from = k < end ? k : 0;
        UNROLL
        for (int i = 0; i < COUNT; i++) copy_async(to + i * BLOCK::ONCE * LINE, l.line[i] + from, k < end ? 16 : 0);
    } else {
        UNROLL
        for (int i = 0; i < COUNT; i++)
            *(uint4 *)(to + i * BLOCK::ONCE * LINE) = load_8(l.line[i], k, end, true, false);
    }
}

template <class BLOCK>
static __device__ void load_stage(const decode_args &a, const BLOCK &b, const decode_loads<BLOCK> &l, int64_t step)
{
    const int64_t  k  = step * (SLICE_K * BLOCK::SLICES) + l.k;
    unsigned char *to = b.stages + step % STAGES * BLOCK::STAGE;
    load_lines<BLOCK>(to, l.W, k, a.in, a.vector_W);
    load_lines<BLOCK>(to, l.x, k, a.in, a.vector_x);
}

/* --- B, a ring of tiles for each warp: 16 rows of one B, 16 ranks, for 8 tokens */

/* Where a warp is: its 16 rows of up[up].B, one group of tokens, the ranks from k on. */
struct decode_walk {
    int up, group, k;
};

template <class BLOCK> static __device__ bool touches(const decode_args &a, const BLOCK &b, int up)
{
    return a.up[up].at < b.first + b.LINES && a.up[up].at + a.up[up].out > b.first;
}

/* Which 16 of the block's rows are the warp's, and its first group; its next group is
 * 4 >> row_bits further. */
template <class BLOCK> static __device__ int sub_of(const BLOCK &b)
{
    return (int)threadIdx.x / WARP & ((2 << b.ROW_BITS) - 1);
}
template <class BLOCK> static __device__ int group_first(const BLOCK &b)
{
    return (int)threadIdx.x / WARP >> (b.ROW_BITS + 1);
}

template <class BLOCK>
static __device__ void walk_up(decode_walk *w, const decode_args &a, const BLOCK &b, const decode_rows &rows)
{
    w->group = group_first(b);
    w->k     = 0;
    do w->up++;
    while (w->up < a.ups && (!touches(a, b, w->up) || w->group >= rows.count));
}

template <class BLOCK>
static __device__ void walk_on(decode_walk *w, const decode_args &a, const BLOCK &b, const decode_rows &rows)
{
    w->k += DECODE_COLUMNS_STEP;
    if (w->k < a.up[w->up].r) return;
    w->k = 0;
    w->group += WARPS / 2 >> b.ROW_BITS;
    if (w->group >= rows.count) walk_up(w, a, b, rows);
}

/* Each lane copies 8 ranks of one row. The two halves of 8 ranks lie apart, as ldmatrix wants. */
template <class BLOCK>
static __device__ void load_B(const decode_walk &w, const decode_args &a, const BLOCK &b, const decode_rows &rows,
                              unsigned char *tile)
{
    const decode_up &p    = a.up[w.up];
    const int        lane = (int)threadIdx.x % WARP, sub = sub_of(b), row = lane / 2, half = lane % 2;
    const int        adapter = rows.group_adapter[w.group], r = a.grouped ? rank_of(a, adapter, p.r) : p.r;
    const int64_t    o = b.first + sub * 16 + row - p.at;
    copy_8(tile + half * 256 + row * 16, p.B + adapter * p.stride_b + o * p.ldb, w.k + half * 8, r, o >= 0 && o < p.out,
           p.vector, p.B);
}

/* Adds to delta of this warp's rows and the group's tokens. No other warp ever touches these, so
 * sums over several B have one order. */
template <class BLOCK>
static __device__ void add_delta(const decode_walk &w, const BLOCK &b, const decode_rows &rows, const mma_c &sum)
{
    const int lane = (int)threadIdx.x % WARP, sub = sub_of(b);
    for (int i = 0; i < 4; i++) {
        const int column = lane % 4 * 2 + i % 2, line = sub * 16 + lane / 4 + (i >= 2 ? 8 : 0);
        if (column < rows.size[w.group])
            b.delta[rows.order[rows.first[w.group] + column] * (b.LINES + SUM_PAD) + line] += sum.x[i];
    }
}

struct decode_ring {
    decode_walk load, use;
    int         loaded, used;
};

template <class BLOCK> static __device__ unsigned char *ring_tile(const decode_args &a, const BLOCK &b, int step)
{
    return b.ring + step % a.ring * RING_STEP + (int)threadIdx.x / WARP * (WARP * 16);
}

template <class BLOCK>
static __device__ void ring_load(decode_ring *q, const decode_args &a, const BLOCK &b, const decode_rows &rows)
{
    if (q->load.up >= a.ups) return;
    load_B(q->load, a, b, rows, ring_tile(a, b, q->loaded++));
    walk_on(&q->load, a, b, rows);
}

template <class BLOCK>
static __device__ void ring_begin(decode_ring *q, const decode_args &a, const BLOCK &b, const decode_rows &rows)
{
    q->load   = { -1, 0, 0 };
    q->loaded = q->used = 0;
    walk_up(&q->load, a, b, rows);
    q->use = q->load;
    for (int i = 0; i < a.ring; i++) ring_load(q, a, b, rows);
}

/* delta += B h, with h of all tokens in shared memory. Every warp has its own tiles: it waits for
 * its copies, its lanes wait for each other, and a tile is overwritten once all lanes have read it.
 * The first tiles were copied before. If there are more than the ring holds, each later one is a
 * group of copies of its own, of which RING_MOST - 1 may still be under way. */
template <class BLOCK>
static __device__ void ring_run(decode_ring *q, const decode_args &a, const BLOCK &b, const decode_rows &rows)
{
    const int lane = (int)threadIdx.x % WARP, g = lane / 4, t = lane % 4, ld = a.columns + H_PAD;
    mma_c     sum = {};
    while (q->use.up < a.ups) {
        const decode_walk &w = q->use;
        copy_wait<RING_MOST - 1>();
        __syncwarp();
        const int   column = a.up[w.up].column + w.k + 2 * t;
        const bf16 *h      = b.h + rows.order[rows.first[w.group] + (g < rows.size[w.group] ? g : 0)] * ld + column;
        mma_a       B;
        ldmatrix_x4(B.x, (const bf16 *)(ring_tile(a, b, q->used++) + lane * 16));
        __syncwarp();
        ring_load(q, a, b, rows);
        copy_commit();
        mma(&sum, B, mma_b { { *(const uint32_t *)h, *(const uint32_t *)(h + 8) } });
        const decode_walk before = w;
        walk_on(&q->use, a, b, rows);
        if (q->use.k == 0) {
            add_delta(before, b, rows, sum);
            sum = {};
        }
    }
}

/* --- h, v, and the end */

/* Loads h of all tokens: the sum of its parts in order, times u, rounded. It is 0 for tokens
 * without an adapter and past their rank. The first block also stores it where it is to be kept. */
template <class BLOCK> static __device__ void load_h(const decode_args &a, const BLOCK &b, const decode_rows &rows)
{
    for (int i = (int)threadIdx.x; i < b.TOKENS * a.columns; i += THREADS) {
        const int token = i / a.columns, column = i % a.columns, adapter = rows.adapter[token];
        int       of = a.downs - 1;
        while (a.down[of].column > column) of--;
        const decode_down &d = a.down[of];
        const int          j = column - d.column;
        float              h = 0;
        if (adapter >= 0 && j < rank_of(a, adapter, d.r)) {
            for (int part = 0; part < a.k_parts; part++)
                h += a.sums[((int64_t)part * a.n + token) * a.columns + column];
            if (d.u) h *= d.u[adapter * d.stride_u + j];
        }
        bf16 *to = b.h + token * (a.columns + H_PAD) + column;
        *to      = h;
        if (a.h && blockIdx.x == 0 && token < a.n && j < d.r) a.h[token * a.ldh + d.kept + j] = *to;
    }
}

template <class BLOCK> static __device__ void load_v(const decode_args &a, const BLOCK &b, const decode_rows &rows)
{
    const int per_token = b.LINES / 8;
    for (int i = (int)threadIdx.x; a.v && i < b.TOKENS * per_token; i += THREADS) {
        const int token = i / per_token, at = i % per_token * 8, adapter = rows.adapter[token];
        copy_8((unsigned char *)(b.v + token * b.LINES + at), a.v + adapter * a.stride_v, b.first + at, a.out,
               adapter >= 0, a.vector_v, a.v);
    }
}

/* Multiplies the warp's 32 rows of W with all tokens, in its slice of one stage. */
template <class BLOCK> static __device__ void use_stage(mma_c sum[2][BLOCK::TILES], const BLOCK &b, int64_t step)
{
    const int            warp = (int)threadIdx.x / WARP, lane = (int)threadIdx.x % WARP, slice = warp >> b.ROW_BITS;
    const unsigned char *stage = b.stages + step % STAGES * b.STAGE,
                        *x     = stage + b.SLICES * b.W_SLICE + slice * b.X_SLICE + lane * 16;
    const unsigned char *W     = stage + slice * b.W_SLICE + (warp & ((1 << b.ROW_BITS) - 1)) * WARP_LINES * LINE +
                             lane * 16;
    uint4 lo[2], hi[2];
    for (int i = 0; i < 2; i++) {
        lo[i] = *(const uint4 *)(W + i * 16 * LINE);
        hi[i] = *(const uint4 *)(W + i * 16 * LINE + 8 * LINE);
    }
    for (int tile = 0; tile < BLOCK::TILES; tile++) {
        const uint4 tokens = *(const uint4 *)(x + tile * GROUP * LINE);
        for (int i = 0; i < 2; i++) mma_32(&sum[i][tile], lo[i], hi[i], tokens);
    }
}

/* Stores each slice's sums where write_y adds them, and clears delta. */
template <class BLOCK> static __device__ void put_parts(const mma_c sum[2][BLOCK::TILES], const BLOCK &b)
{
    const int warp = (int)threadIdx.x / WARP, lane = (int)threadIdx.x % WARP, ld = b.LINES + SUM_PAD;
    float *to = b.parts + (int64_t)(warp >> b.ROW_BITS) * b.TOKENS * ld + (warp & ((1 << b.ROW_BITS) - 1)) * WARP_LINES;
    for (int half = 0; half < 2; half++)
        for (int tile = 0; tile < BLOCK::TILES; tile++)
            for (int i = 0; i < 4; i++)
                to[(tile * GROUP + lane % 4 * 2 + i % 2) * ld + half * 16 + lane / 4 + (i >= 2 ? 8 : 0)] =
                    sum[half][tile].x[i];
    for (int i = (int)threadIdx.x; i < b.TOKENS * ld; i += THREADS) b.delta[i] = 0;
}

template <class BLOCK> static __device__ void write_y(const decode_args &a, const BLOCK &b)
{
    const int ld = b.LINES + SUM_PAD;
    for (int i = (int)threadIdx.x; i < a.n * b.LINES; i += THREADS) {
        const int     token = i >> (5 + b.ROW_BITS), line = i & (b.LINES - 1);
        const int64_t o = b.first + line;
        if (o >= a.out) continue;
        float y = 0;
        for (int slice = 0; slice < b.SLICES; slice++) y += b.parts[(slice * b.TOKENS + token) * ld + line];
        y += (a.v ? a.s * b.v[token * b.LINES + line] : a.s) * b.delta[token * ld + line];
        if (a.bias) y += a.bias[o];
        bf16 *to = a.y + token * a.ldy + o;
        *to      = a.accumulate ? *to + y : y;
    }
}

template <class BLOCK> static __device__ void decode_expand_block(const decode_args &a)
{
    __shared__ decode_rows rows;
    BLOCK                  b     = block_of<BLOCK>(a, dynamic_shared());
    const int64_t          steps = (a.in + SLICE_K * b.SLICES - 1) / (SLICE_K * b.SLICES);
    decode_ring            ring;
    mma_c                  sum[2][BLOCK::TILES] = {};
    b.first                                     = (int64_t)blockIdx.x * b.LINES;
    const decode_loads<BLOCK> loads             = loads_of(a, b);
    for (int64_t step = 0; step < STAGES - 1; step++) {
        if (step < steps) load_stage(a, b, loads, step);
        copy_commit();
    }
    list_rows(&rows, a);
    ring_begin(&ring, a, b, rows);
    load_v(a, b, rows);
    /* This makes one more group before stage STAGES - 1, so the first waits below wait for one
     * stage more than they need. */
    copy_commit();
    for (int64_t step = 0; step < steps; step++) {
        copy_wait<STAGES - 2>();
        __syncthreads();
        if (step + STAGES - 1 < steps) load_stage(a, b, loads, step + STAGES - 1);
        copy_commit();
        if (step == steps / 2) {
            /* Every thread of every block comes here, so whoever waits for this launch has also
             * waited for the first one. */
            wait_for_previous();
            load_h(a, b, rows);
        }
        use_stage(sum, b, step);
    }
    copy_wait<0>();
    __syncthreads();
    put_parts(sum, b);
    __syncthreads();
    ring_run(&ring, a, b, rows);
    copy_wait<0>();
    __syncthreads();
    write_y(a, b);
}

#define DECODE_KERNEL(name, row_bits, tiles)                                                                           \
    KERNEL __launch_bounds__(THREADS, 1) name(const __grid_constant__ decode_args a)                                   \
    {                                                                                                                  \
        decode_expand_block<decode_block<row_bits, tiles>>(a);                                                         \
    }
DECODE_KERNEL(decode_32x8_kernel, 0, 1)
DECODE_KERNEL(decode_32x16_kernel, 0, 2)
DECODE_KERNEL(decode_64x16_kernel, 1, 2)
DECODE_KERNEL(decode_32x32_kernel, 0, 4)
DECODE_KERNEL(decode_64x32_kernel, 1, 4)
DECODE_KERNEL(decode_128x32_kernel, 2, 4)
DECODE_KERNEL(decode_64x64_kernel, 1, 8)
DECODE_KERNEL(decode_128x64_kernel, 2, 8)

template <int ROW_BITS, int TILES> static void plan_shared(decode_args *a)
{
    typedef decode_block<ROW_BITS, TILES> block;
    const int64_t end = (int64_t)(block::SLICES + 1) * block::TOKENS * (block::LINES + SUM_PAD) * 4;
    a->main_bytes     = end > STAGES * block::STAGE ? end : STAGES * block::STAGE;
    a->main_bytes     = (a->main_bytes + 127) / 128 * 128;
    a->shared_bytes   = a->main_bytes + (int64_t)a->ring * RING_STEP + block::TOKENS * (a->columns + H_PAD) * 2 +
                      (a->v ? block::TOKENS * block::LINES * 2 : 0);
}

/* Kernels by the most rows of a batch, and of W of a block, in the order in which they are looked
 * for. Every block reads all of x, so a block has at least as many rows of W as there are tokens;
 * but there have to be enough blocks to fill a GPU, unless it is the last kernel for as many. */
typedef struct {
    int rows, row_bits;
    void (*kernel)(decode_args);
    void (*plan_shared)(decode_args *a);
} decode_size;
static const decode_size sizes[] = {
    { 8, 0, decode_32x8_kernel, plan_shared<0, 1> },    { 16, 1, decode_64x16_kernel, plan_shared<1, 2> },
    { 16, 0, decode_32x16_kernel, plan_shared<0, 2> },  { 32, 2, decode_128x32_kernel, plan_shared<2, 4> },
    { 32, 1, decode_64x32_kernel, plan_shared<1, 4> },  { 32, 0, decode_32x32_kernel, plan_shared<0, 4> },
    { 64, 2, decode_128x64_kernel, plan_shared<2, 8> }, { 64, 1, decode_64x64_kernel, plan_shared<1, 8> },
};
static const decode_size &size_of(int n, int64_t out)
{
    const decode_size *s = sizes, *last = sizes + sizeof sizes / sizeof *sizes - 1;
    while (s < last &&
           (s->rows < n || (s[1].rows == s->rows && out < (int64_t)BLOCKS_LEAST * (WARP_LINES << s->row_bits))))
        s++;
    return *s;
}

/* The most tiles of B that one warp needs. */
static int64_t ring_steps(const decode_args *a, int64_t groups)
{
    const int64_t turns = ((groups * 2 << a->row_bits) + WARPS - 1) / WARPS;
    int64_t       steps = 0;
    for (int i = 0; i < a->ups; i++) steps += turns * ((a->up[i].r + DECODE_COLUMNS_STEP - 1) / DECODE_COLUMNS_STEP);
    return steps;
}

const char *decode_plan_expand(decode_args *a, int64_t groups)
{
    const decode_size &size = size_of(a->n, a->out);
    a->row_bits             = size.row_bits;
    const int64_t all       = ring_steps(a, groups);
    a->ring                 = (int)(all < 1 ? 1 : all < RING_MOST ? all : RING_MOST);
    size.plan_shared(a);
    /* static shared memory, up to where dynamic_shared() is aligned */
    const int64_t fixed = (sizeof(decode_rows) + 1023) / 1024 * 1024;
    return a->shared_bytes + fixed > cuda->shared_most
               ? "needs more shared memory than this GPU has, for so many ranks and rows"
               : NULL;
}

void decode_expand(const decode_args *a)
{
    auto *decode = size_of(a->n, a->out).kernel;
    /* Without a first launch nothing has waited for the launch that made x. */
    LAUNCH_AS(decode,
              (launch_shape { blocks_of(a->out, WARP_LINES << a->row_bits), THREADS, a->shared_bytes, a->columns > 0 }),
              *a);
}
