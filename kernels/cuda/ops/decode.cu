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

/* Where a block's pieces of shared memory lie, and which part of the work it does. Powers of two
 * are kept as their exponents, as the GPU has no instruction for division. */
struct decode_block {
    int            row_bits, slices, lines, W_slice, x_slice, stage; /* bytes */
    int64_t        first;                                            /* row of W, column of y */
    unsigned char *stages, *ring;
    /* in the place of the stages: [slice][token][lines + SUM_PAD], [token][lines + SUM_PAD] */
    float *parts, *delta;
    bf16  *h, *v; /* [token][columns + H_PAD], [token][lines] */
};

template <int TILES> static __host__ __device__ decode_block block_of(const decode_args &a, unsigned char *shared)
{
    decode_block b = {};
    b.row_bits = a.row_bits, b.slices = WARPS >> a.row_bits, b.lines = WARP_LINES << a.row_bits;
    b.W_slice = b.lines * LINE + PAD, b.x_slice = TILES * GROUP * LINE + PAD;
    b.stage  = b.slices * (b.W_slice + b.x_slice);
    b.stages = shared;
    b.parts  = (float *)shared;
    b.delta  = b.parts + (int64_t)b.slices * TILES * GROUP * (b.lines + SUM_PAD);
    b.ring   = shared + a.main_bytes;
    b.h      = (bf16 *)(b.ring + (int64_t)a.ring * RING_STEP);
    b.v      = b.h + (int64_t)TILES * GROUP * (a.columns + H_PAD);
    return b;
}

/* The part of a stage that this thread copies: 16 bytes at one place in k, of every `next`-th row
 * of W and of x. */
struct decode_loads {
    const bf16 *W, *x;         /* rows */
    int         k, line, next; /* line: the first, of W and of x */
    int         W_at, x_at;    /* in the stage */
};

static __device__ decode_loads loads_of(const decode_args &a, const decode_block &b)
{
    /* of 4 slices */
    const int    t = (int)threadIdx.x & 3, slice = (int)threadIdx.x >> 2 & (b.slices - 1), bits = 5 - b.row_bits;
    decode_loads l;
    l.line = (int)threadIdx.x >> bits, l.next = THREADS >> bits, l.k = slice * SLICE_K + t * 8;
    l.W = a.W + (b.first + l.line) * a.in, l.x = a.x + l.line * a.ldx;
    l.W_at = slice * b.W_slice + l.line * LINE + t * 16,
    l.x_at = b.slices * b.W_slice + slice * b.x_slice + l.line * LINE + t * 16;
    return l;
}

/* Begins to copy one stage; it is zero past the ends of W, x and k. */
template <int TILES>
static __device__ void load_stage(const decode_args &a, const decode_block &b, const decode_loads &l, int64_t step)
{
    const int64_t  k  = step * SLICE_K * b.slices + l.k;
    unsigned char *to = b.stages + step % STAGES * b.stage;
    for (int i = 0; i < b.lines; i += l.next)
        copy_8(to + l.W_at + i * LINE, l.W + i * a.in, k, a.in, b.first + l.line + i < a.out, a.vector_W, a.W);
    for (int i = 0; i < TILES * GROUP; i += l.next)
        copy_8(to + l.x_at + i * LINE, l.x + i * a.ldx, k, a.in, l.line + i < a.n, a.vector_x, a.x);
}

/* --- B, a ring of tiles for each warp: 16 rows of one B, 16 ranks, for 8 tokens */

/* Where a warp is: its 16 rows of up[up].B, one group of tokens, the ranks from k on. */
struct decode_walk {
    int up, group, k;
};

static __device__ bool touches(const decode_args &a, const decode_block &b, int up)
{
    return a.up[up].at < b.first + b.lines && a.up[up].at + a.up[up].out > b.first;
}

/* Which 16 of the block's rows are the warp's, and its first group; its next group is
 * 4 >> row_bits further. */
static __device__ int sub_of(const decode_block &b) { return (int)threadIdx.x / WARP & ((2 << b.row_bits) - 1); }
static __device__ int group_first(const decode_block &b) { return (int)threadIdx.x / WARP >> (b.row_bits + 1); }

static __device__ void walk_up(decode_walk *w, const decode_args &a, const decode_block &b, const decode_rows &rows)
{
    w->group = group_first(b);
    w->k     = 0;
    do w->up++;
    while (w->up < a.ups && (!touches(a, b, w->up) || w->group >= rows.count));
}

static __device__ void walk_on(decode_walk *w, const decode_args &a, const decode_block &b, const decode_rows &rows)
{
    w->k += DECODE_COLUMNS_STEP;
    if (w->k < a.up[w->up].r) return;
    w->k = 0;
    w->group += WARPS / 2 >> b.row_bits;
    if (w->group >= rows.count) walk_up(w, a, b, rows);
}

/* Each lane copies 8 ranks of one row. The two halves of 8 ranks lie apart, as ldmatrix wants. */
static __device__ void load_B(const decode_walk &w, const decode_args &a, const decode_block &b,
                              const decode_rows &rows, unsigned char *tile)
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
static __device__ void add_delta(const decode_walk &w, const decode_block &b, const decode_rows &rows, const mma_c &sum)
{
    const int lane = (int)threadIdx.x % WARP, sub = sub_of(b);
    for (int i = 0; i < 4; i++) {
        const int column = lane % 4 * 2 + i % 2, line = sub * 16 + lane / 4 + (i >= 2 ? 8 : 0);
        if (column < rows.size[w.group])
            b.delta[rows.order[rows.first[w.group] + column] * (b.lines + SUM_PAD) + line] += sum.x[i];
    }
}

struct decode_ring {
    decode_walk load, use;
    int         loaded, used;
};

static __device__ unsigned char *ring_tile(const decode_args &a, const decode_block &b, int step)
{
    return b.ring + step % a.ring * RING_STEP + (int)threadIdx.x / WARP * (WARP * 16);
}

static __device__ void ring_load(decode_ring *q, const decode_args &a, const decode_block &b, const decode_rows &rows)
{
    if (q->load.up >= a.ups) return;
    load_B(q->load, a, b, rows, ring_tile(a, b, q->loaded++));
    walk_on(&q->load, a, b, rows);
}

static __device__ void ring_begin(decode_ring *q, const decode_args &a, const decode_block &b, const decode_rows &rows)
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
static __device__ void ring_run(decode_ring *q, const decode_args &a, const decode_block &b, const decode_rows &rows)
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
template <int TILES> static __device__ void load_h(const decode_args &a, const decode_block &b, const decode_rows &rows)
{
    for (int i = (int)threadIdx.x; i < TILES * GROUP * a.columns; i += THREADS) {
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

template <int TILES> static __device__ void load_v(const decode_args &a, const decode_block &b, const decode_rows &rows)
{
    const int per_token = b.lines / 8;
    for (int i = (int)threadIdx.x; a.v && i < TILES * GROUP * per_token; i += THREADS) {
        const int token = i / per_token, at = i % per_token * 8, adapter = rows.adapter[token];
        copy_8((unsigned char *)(b.v + token * b.lines + at), a.v + adapter * a.stride_v, b.first + at, a.out,
               adapter >= 0, a.vector_v, a.v);
    }
}

/* Multiplies the warp's 32 rows of W with all tokens, in its slice of one stage. */
template <int TILES> static __device__ void use_stage(mma_c sum[2][TILES], const decode_block &b, int64_t step)
{
    const int            warp = (int)threadIdx.x / WARP, lane = (int)threadIdx.x % WARP, slice = warp >> b.row_bits;
    const unsigned char *stage = b.stages + step % STAGES * b.stage,
                        *x     = stage + b.slices * b.W_slice + slice * b.x_slice + lane * 16;
    const unsigned char *W     = stage + slice * b.W_slice + (warp & ((1 << b.row_bits) - 1)) * WARP_LINES * LINE +
                             lane * 16;
    uint4 lo[2], hi[2];
    for (int i = 0; i < 2; i++) {
        lo[i] = *(const uint4 *)(W + i * 16 * LINE);
        hi[i] = *(const uint4 *)(W + i * 16 * LINE + 8 * LINE);
    }
    for (int tile = 0; tile < TILES; tile++) {
        const uint4 tokens = *(const uint4 *)(x + tile * GROUP * LINE);
        for (int i = 0; i < 2; i++) mma_32(&sum[i][tile], lo[i], hi[i], tokens);
    }
}

/* Stores each slice's sums where write_y adds them, and clears delta. */
template <int TILES> static __device__ void put_parts(const mma_c sum[2][TILES], const decode_block &b)
{
    const int warp = (int)threadIdx.x / WARP, lane = (int)threadIdx.x % WARP, ld = b.lines + SUM_PAD;
    float    *to = b.parts + (int64_t)(warp >> b.row_bits) * TILES * GROUP * ld +
                (warp & ((1 << b.row_bits) - 1)) * WARP_LINES;
    for (int half = 0; half < 2; half++)
        for (int tile = 0; tile < TILES; tile++)
            for (int i = 0; i < 4; i++)
                to[(tile * GROUP + lane % 4 * 2 + i % 2) * ld + half * 16 + lane / 4 + (i >= 2 ? 8 : 0)] =
                    sum[half][tile].x[i];
    for (int i = (int)threadIdx.x; i < TILES * GROUP * ld; i += THREADS) b.delta[i] = 0;
}

template <int TILES> static __device__ void write_y(const decode_args &a, const decode_block &b)
{
    const int ld = b.lines + SUM_PAD;
    for (int i = (int)threadIdx.x; i < a.n * b.lines; i += THREADS) {
        const int     token = i >> (5 + b.row_bits), line = i & (b.lines - 1);
        const int64_t o = b.first + line;
        if (o >= a.out) continue;
        float y = 0;
        for (int slice = 0; slice < b.slices; slice++) y += b.parts[(slice * TILES * GROUP + token) * ld + line];
        y += (a.v ? a.s * b.v[token * b.lines + line] : a.s) * b.delta[token * ld + line];
        if (a.bias) y += a.bias[o];
        bf16 *to = a.y + token * a.ldy + o;
        *to      = a.accumulate ? *to + y : y;
    }
}

template <int TILES> static __device__ void decode_expand_block(const decode_args &a)
{
    __shared__ decode_rows rows;
    decode_block           b     = block_of<TILES>(a, dynamic_shared());
    const int64_t          steps = (a.in + SLICE_K * b.slices - 1) / (SLICE_K * b.slices);
    decode_ring            ring;
    mma_c                  sum[2][TILES] = {};
    b.first                              = (int64_t)blockIdx.x * b.lines;
    const decode_loads loads             = loads_of(a, b);
    for (int64_t step = 0; step < STAGES - 1; step++) {
        if (step < steps) load_stage<TILES>(a, b, loads, step);
        copy_commit();
    }
    list_rows(&rows, a);
    ring_begin(&ring, a, b, rows);
    load_v<TILES>(a, b, rows);
    /* This makes one more group before stage STAGES - 1, so the first waits below wait for one
     * stage more than they need. */
    copy_commit();
    for (int64_t step = 0; step < steps; step++) {
        copy_wait<STAGES - 2>();
        __syncthreads();
        if (step + STAGES - 1 < steps) load_stage<TILES>(a, b, loads, step + STAGES - 1);
        copy_commit();
        if (step == steps / 2) {
            /* Every thread of every block comes here, so whoever waits for this launch has also
             * waited for the first one. */
            wait_for_previous();
            load_h<TILES>(a, b, rows);
        }
        use_stage<TILES>(sum, b, step);
    }
    copy_wait<0>();
    __syncthreads();
    put_parts<TILES>(sum, b);
    __syncthreads();
    ring_run(&ring, a, b, rows);
    copy_wait<0>();
    __syncthreads();
    write_y<TILES>(a, b);
}

#define DECODE_KERNEL(name, tiles)                                                                                     \
    KERNEL __launch_bounds__(THREADS) name(const __grid_constant__ decode_args a) { decode_expand_block<tiles>(a); }
DECODE_KERNEL(decode_8_kernel, 1)
DECODE_KERNEL(decode_16_kernel, 2)
DECODE_KERNEL(decode_32_kernel, 4)
DECODE_KERNEL(decode_64_kernel, 8)

/* Every block reads all of x, so a block has at least as many rows of W as there are tokens, but
 * there have to be enough blocks to fill a GPU. */
static int row_bits_of(int tiles, int64_t out)
{
    int bits = tiles == 1 ? 0 : tiles == 2 ? 1 : 2;
    while (bits > (tiles == 8 ? 1 : 0) && out < (int64_t)BLOCKS_LEAST * (WARP_LINES << bits)) bits--;
    return bits;
}

/* The most tiles of B that one warp needs. */
static int64_t ring_steps(const decode_args *a, int64_t groups)
{
    const int64_t turns = ((groups * 2 << a->row_bits) + WARPS - 1) / WARPS;
    int64_t       steps = 0;
    for (int i = 0; i < a->ups; i++) steps += turns * ((a->up[i].r + DECODE_COLUMNS_STEP - 1) / DECODE_COLUMNS_STEP);
    return steps;
}

template <int TILES> static void plan_shared(decode_args *a)
{
    const decode_block b   = block_of<TILES>(*a, NULL);
    const int64_t      end = (int64_t)(b.slices + 1) * TILES * GROUP * (b.lines + SUM_PAD) * 4, tokens = TILES * GROUP;
    a->main_bytes   = end > STAGES * b.stage ? end : STAGES * b.stage;
    a->main_bytes   = (a->main_bytes + 127) / 128 * 128;
    a->shared_bytes = a->main_bytes + (int64_t)a->ring * RING_STEP + tokens * (a->columns + H_PAD) * 2 +
                      (a->v ? tokens * b.lines * 2 : 0);
}

/* Kernels by the most rows of a batch; tiles: of 8 tokens each. */
typedef struct {
    int rows, tiles;
    void (*kernel)(decode_args);
    void (*plan_shared)(decode_args *a);
} decode_size;
static const decode_size &size_of(int n)
{
    static const decode_size sizes[] = { { 8, 1, decode_8_kernel, plan_shared<1> },
                                         { 16, 2, decode_16_kernel, plan_shared<2> },
                                         { 32, 4, decode_32_kernel, plan_shared<4> },
                                         { 64, 8, decode_64_kernel, plan_shared<8> } };
    int                      i       = 0;
    while (i < 3 && n > sizes[i].rows) i++;
    return sizes[i];
}

const char *decode_plan_expand(decode_args *a, int64_t groups)
{
    const decode_size &size = size_of(a->n);
    a->row_bits             = row_bits_of(size.tiles, a->out);
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
    auto *decode = size_of(a->n).kernel;
    /* Without a first launch nothing has waited for the launch that made x. */
    LAUNCH_AS(decode,
              (launch_shape { blocks_of(a->out, WARP_LINES << a->row_bits), THREADS, a->shared_bytes, a->columns > 0 }),
              *a);
}
