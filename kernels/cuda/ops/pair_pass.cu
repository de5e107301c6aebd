/* dh and dB' from one reading of dy. Contract: kernels/cuda/ops/pair_pass.h.
 *
 * A block owns ROWS rows of dy and a run of its columns. It walks along them COLS columns, 128
 * bytes of a row, at a time, and within these in STEPS tiles of TILE_ROWS rows, one below the
 * other. Two tiles are in shared memory: one in use, one being copied. A warp owns ROWS_OF_WARP
 * rows of every tile, and keeps their dh and h in registers. It makes dB' over its rows, and after
 * the last tile the block adds these over its warps in order. Each 16 x 16 piece of a tile is read
 * twice from shared memory: as it lies for dh, transposed for dB'. */
#include "kernels/cuda/ops/pair_pass.h"

#include "kernels/cuda/mma.h"

static constexpr int WARPS = THREADS / WARP, COLS = 64, ROWS_OF_WARP = 32, TILE_ROWS = WARPS * ROWS_OF_WARP, STEPS = 2,
                     ROWS = STEPS * TILE_ROWS;
/* Row stride of a tile in shared memory: an odd number of 16 bytes. */
static constexpr int LD          = COLS + 8;
static constexpr int TILE_BYTES  = TILE_ROWS * LD * (int)sizeof(bf16);
static constexpr int BLOCKS_WANT = 256; /* about two on each multiprocessor of a large GPU */
/* Runs of columns of a block at least: with fewer the parts cost more than the additional blocks
 * gain. */
static constexpr int TILES_LEAST = 4;

/* How dy is cut: into column parts of `tiles` tiles and row parts of ROWS rows; a block does
 * `ranks` of the ranks. */
typedef struct {
    int     ranks;
    int64_t rank_parts, col_parts, row_parts, tiles;
} pass_cut;

static pass_cut cut_of(int64_t n, int64_t out, int64_t r)
{
    pass_cut c;
    c.ranks      = r <= 16 ? 16 : 32;
    c.rank_parts = blocks_of(r, c.ranks);
    c.row_parts  = blocks_of(n, ROWS);
    int64_t all = blocks_of(out, COLS), parts = BLOCKS_WANT / (c.row_parts * c.rank_parts);
    c.tiles = parts > 1 ? (all + parts - 1) / parts : all;
    if (c.tiles < TILES_LEAST) c.tiles = TILES_LEAST;
    c.col_parts = (all + c.tiles - 1) / c.tiles;
    return c;
}

static constexpr int shared_bytes_of(int ranks) { return STEPS * TILE_BYTES + COLS * (ranks + 8) * (int)sizeof(bf16); }

/* What a thread copies of every tile: 16 bytes of each COPY_ROWS-th row. */
static constexpr int PIECE = 8, PIECES = COLS / PIECE, COPY_ROWS = THREADS / PIECES, COPIES = TILE_ROWS / COPY_ROWS;

/* Begins to copy the tile whose first row and column are given, zero outside dy. Past the block's
 * last column nothing is copied, but the group of copies is committed all the same, so that every
 * wait counts the same groups. Whole tiles are copied without a branch between copies: with one
 * each, a copy took 45 instructions. */
static __device__ void fetch_tile(bf16 *tile, const pair_pass &p, int64_t row0, int64_t c0, bool any)
{
    const int     at = (int)(threadIdx.x / PIECES), piece = (int)(threadIdx.x % PIECES) * PIECE;
    const int64_t left = p.out - c0 - piece;
    bf16         *to   = tile + at * LD + piece;
    const bf16   *from = p.dy + (row0 + at) * p.ldy + c0 + piece;
    if (row0 + TILE_ROWS <= p.n && c0 + COLS <= p.out && any) {
        UNROLL
        for (int i = 0; i < COPIES; i++, from += COPY_ROWS * p.ldy) copy_async(to + i * COPY_ROWS * LD, from, 16);
    } else if (any) {
        ROLLED
        for (int i = 0; i < COPIES; i++) {
            const bool there = row0 + at + i * COPY_ROWS < p.n && left > 0;
            copy_async(to + i * COPY_ROWS * LD, there ? from + i * COPY_ROWS * p.ldy : p.dy,
                       there ? (int)min(left, (int64_t)PIECE) * (int)sizeof(bf16) : 0);
        }
    }
    copy_commit();
}

/* Loads the block's rows of h into fragments, by way of a tile's memory. hf[k][j] holds the k-th 16
 * of the warp's rows, over all tiles, and 8 ranks from 8 j on. */
template <int RANKS>
static __device__ void fetch_h(mma_b (*hf)[RANKS / 8], bf16 *room, const pair_pass &p, int64_t row0, int64_t rank0)
{
    constexpr int LDH = RANKS + 8, OF_TILE = ROWS_OF_WARP / 16;
    static_assert(LDH <= LD, "h of a tile's rows fits into a tile");
    const int warp = (int)threadIdx.x / WARP;
    UNROLL
    for (int s = 0; s < STEPS; s++) {
        for (int i = (int)threadIdx.x; i < TILE_ROWS * RANKS; i += THREADS) {
            const int64_t row = row0 + s * TILE_ROWS + i / RANKS, j = rank0 + i % RANKS;
            room[i / RANKS * LDH + i % RANKS] = row < p.n && j < p.r ? (float)p.h[row * p.ldh + j] : 0;
        }
        __syncthreads();
        UNROLL
        for (int k = 0; k < OF_TILE; k++)
            for (int j = 0; j < RANKS / 16; j++)
                load_b_trans(&hf[s * OF_TILE + k][2 * j], room + (warp * ROWS_OF_WARP + 16 * k) * LDH + 16 * j, LDH);
        __syncthreads();
    }
}

/* The elements of B' [COLS, RANKS] that a thread brings: the first, and how far on the next is.
 * Neighbouring threads read neighbours in memory, so `turned` ones go along columns. */
struct B_places {
    int col, rank, next_col, next_rank;
};
template <int RANKS> static __device__ B_places places_of(bool turned)
{
    const unsigned i = threadIdx.x;
    return turned ? B_places { (int)(i % COLS), (int)(i / COLS), 0, THREADS / COLS }
                  : B_places { (int)(i / RANKS), (int)(i % RANKS), THREADS / RANKS, 0 };
}

/* B' of COLS columns of dy, in registers until its turn comes. */
template <int RANKS> static __device__ void fetch_B(bf16 *b, const pair_pass &p, int64_t c0, int64_t rank0)
{
    const B_places at   = places_of<RANKS>(p.turned);
    const int64_t  cols = p.out - c0 - at.col, ranks = p.r - rank0 - at.rank, col = c0 + at.col, rank = rank0 + at.rank,
                  next = (at.next_col + at.next_rank) * p.ldb;
    const bf16 *from   = p.B + (p.turned ? rank * p.ldb + col : col * p.ldb + rank);
    UNROLL
    for (int i = 0; i < COLS * RANKS / THREADS; i++, from += next)
        b[i] = i * at.next_col < cols && i * at.next_rank < ranks ? *from : bf16 {};
}
template <int RANKS> static __device__ void place_B(bf16 *tile, const bf16 *b, bool turned)
{
    const B_places at = places_of<RANKS>(turned);
    UNROLL
    for (int i = 0; i < COLS * RANKS / THREADS; i++)
        tile[(at.col + i * at.next_col) * (RANKS + 8) + at.rank + i * at.next_rank] = b[i];
}

/* One tile by one warp: dh += dy B', dB = dy^T h over the warp's rows, or one of them. */
template <int RANKS, pass_want WANT>
static __device__ void multiply_tile(mma_c (*dh)[RANKS / 8], mma_c (*dB)[RANKS / 8], const bf16 *rows, const bf16 *B,
                                     const mma_b (*hf)[RANKS / 8])
{
    for (int s = 0; s < COLS / 16; s++) {
        mma_b b[RANKS / 8];
        for (int j = 0; j < RANKS / 16 && WANT != DB_ALONE; j++)
            load_b_trans(&b[2 * j], B + 16 * s * (RANKS + 8) + 16 * j, RANKS + 8);
        for (int k = 0; k < ROWS_OF_WARP / 16; k++) {
            const bf16 *piece = rows + 16 * k * LD + 16 * s;
            if (WANT != DB_ALONE) {
                const mma_a plain = load_a(piece, LD);
                for (int j = 0; j < RANKS / 8; j++) mma(&dh[k][j], plain, b[j]);
            }
            if (WANT != DH_ALONE) {
                const mma_a turned = load_a_trans(piece, LD);
                for (int j = 0; j < RANKS / 8; j++) mma(&dB[s][j], turned, hf[k][j]);
            }
        }
    }
}

/* The warps' dB [COLS, RANKS], added in the order of warps, into the block's part, as many columns
 * at a time as fit. `room` is the memory of a tile that nobody reads any more; it is free again
 * when this returns. */
template <int RANKS>
static __device__ void add_warps(float *part, float *room, const mma_c (*dB)[RANKS / 8], const pair_pass &p, int64_t c0,
                                 int64_t rank0)
{
    constexpr int LDS     = RANKS + 8; /* pairs of floats without bank conflicts */
    constexpr int AT_ONCE = RANKS > 16 ? 16 : 32;
    static_assert(WARPS * AT_ONCE * LDS * (int)sizeof(float) <= TILE_BYTES, "sums of all warps fit into a tile");
    const int warp = (int)(threadIdx.x / WARP), lane = (int)(threadIdx.x % WARP);
    UNROLL
    for (int first = 0; first < COLS; first += AT_ONCE) {
        UNROLL
        for (int s = 0; s < AT_ONCE / 16; s++)
            for (int j = 0; j < RANKS / 8; j++)
                for (int x = 0; x < 4; x++)
                    room[(warp * AT_ONCE + 16 * s + lane / 4 + x / 2 * 8) * LDS + 8 * j + lane % 4 * 2 + x % 2] =
                        dB[first / 16 + s][j].x[x];
        __syncthreads();
        for (unsigned i = threadIdx.x; i < AT_ONCE * RANKS; i += THREADS) {
            const int64_t col = c0 + first + i / RANKS, j = rank0 + i % RANKS;
            float         sum = 0;
            for (int w = 0; w < WARPS; w++) sum += room[(w * AT_ONCE + i / RANKS) * LDS + i % RANKS];
            if (col < p.out && j < p.r) part[col * p.r + j] = sum;
        }
        __syncthreads();
    }
}

/* dh_parts [column parts][n][r], dB_parts [row parts][out][r]. */
template <int RANKS, pass_want WANT>
static __device__ void pass_block(const pair_pass &p, float *dh_parts, float *dB_parts, int64_t tiles)
{
    bf16 *tile[STEPS]  = { (bf16 *)dynamic_shared(), (bf16 *)(dynamic_shared() + TILE_BYTES) },
         *B            = (bf16 *)(dynamic_shared() + STEPS * TILE_BYTES);
    const int     warp = (int)(threadIdx.x / WARP), lane = (int)(threadIdx.x % WARP);
    const int64_t rank0 = (int64_t)blockIdx.x * RANKS, row0 = (int64_t)blockIdx.z * ROWS,
                  first   = (int64_t)blockIdx.y * tiles * COLS;
    const int     runs    = (int)min(tiles, (p.out - first + COLS - 1) / COLS);
    constexpr int OF_TILE = ROWS_OF_WARP / 16, ALL = STEPS * OF_TILE;
    mma_b         hf[ALL][RANKS / 8];
    mma_c         dh[ALL][RANKS / 8] = {};
    bf16          b[COLS * RANKS / THREADS];
    if (WANT != DH_ALONE) fetch_h<RANKS>(hf, tile[0], p, row0, rank0);
    UNROLL
    for (int s = 0; s < STEPS; s++) fetch_tile(tile[s], p, row0 + s * TILE_ROWS, first, true);
    if (WANT != DB_ALONE) fetch_B<RANKS>(b, p, first, rank0);
    for (int run = 0; run < runs; run++) {
        const int64_t c0                       = first + (int64_t)run * COLS;
        mma_c         dB[COLS / 16][RANKS / 8] = {};
        UNROLL
        for (int s = 0; s < STEPS; s++) {
            copy_wait<STEPS - 1>();
            if (WANT != DB_ALONE && s == 0) place_B<RANKS>(B, b, p.turned);
            __syncthreads();
            if (WANT != DB_ALONE && s == 0) fetch_B<RANKS>(b, p, c0 + COLS, rank0);
            if (row0 + s * TILE_ROWS + warp * ROWS_OF_WARP < p.n) /* any of the warp's rows is in dy */
                multiply_tile<RANKS, WANT>(dh + s * OF_TILE, dB, tile[s] + warp * ROWS_OF_WARP * LD, B,
                                           hf + s * OF_TILE);
            __syncthreads();
            if (WANT != DH_ALONE && s == STEPS - 1)
                add_warps<RANKS>(dB_parts + blockIdx.z * p.out * p.r, (float *)tile[s], dB, p, c0, rank0);
            fetch_tile(tile[s], p, row0 + s * TILE_ROWS, c0 + COLS, run + 1 < runs);
        }
    }
    copy_wait<0>();
    if (WANT == DB_ALONE) return;
    float *part = dh_parts + blockIdx.y * p.n * p.r;
    UNROLL
    for (int k = 0; k < ALL; k++)
        for (int j = 0; j < RANKS / 8; j++)
            for (int x = 0; x < 4; x++) {
                const int64_t row = row0 + k / OF_TILE * TILE_ROWS + warp * ROWS_OF_WARP + k % OF_TILE * 16 + lane / 4 +
                                    x / 2 * 8,
                              rank = rank0 + 8 * j + lane % 4 * 2 + x % 2;
                if (row < p.n && rank < p.r) part[row * p.r + rank] = dh[k][j].x[x];
            }
}

#define PASS_KERNEL(name, ranks, want, blocks)                                                                         \
    KERNEL __launch_bounds__(THREADS, blocks) name(pair_pass p, float *dh_parts, float *dB_parts, int64_t tiles)       \
    {                                                                                                                  \
        pass_block<ranks, want>(p, dh_parts, dB_parts, tiles);                                                         \
    }
PASS_KERNEL(pair_pass_16_kernel, 16, BOTH, 2)
PASS_KERNEL(pair_pass_32_kernel, 32, BOTH, 1)
PASS_KERNEL(pair_pass_down_16_kernel, 16, DH_ALONE, 2)
PASS_KERNEL(pair_pass_down_32_kernel, 32, DH_ALONE, 2)
PASS_KERNEL(pair_pass_grad_16_kernel, 16, DB_ALONE, 2)
PASS_KERNEL(pair_pass_grad_32_kernel, 32, DB_ALONE, 2)

static __device__ float sum_of(const float *parts, int64_t count, int64_t stride)
{
    float sum = 0;
    for (int64_t i = 0; i < count; i++) sum += parts[i * stride];
    return sum;
}

/* A thread for each element of dh and of the zeros behind it, then for each of dB. */
KERNEL __launch_bounds__(THREADS)
    pair_pass_sums_kernel(pair_pass p, const float *dh_parts, int64_t dh_count, const float *dB_parts, int64_t dB_count)
{
    int64_t       at    = (int64_t)blockIdx.x * THREADS + threadIdx.x, row, col;
    const int64_t width = p.r + p.zeros, of_dh = p.want != DB_ALONE ? p.n * width : 0,
                  of_dB = p.want != DH_ALONE ? p.out * p.r : 0;
    if (at < of_dh) {
        row = at / width, col = at % width;
        bf16 *to = p.dh + row * p.ld_dh + col;
        *to = col < p.r ? (p.add ? (float)*to : 0.0f) + sum_of(dh_parts + row * p.r + col, dh_count, p.n * p.r) : 0.0f;
    } else if (at - of_dh < of_dB) {
        at -= of_dh;
        p.dB[p.turned ? at % p.r * p.out + at / p.r : at] += sum_of(dB_parts + at, dB_count, of_dB);
    }
}

/* Elements of the results, of those that are wanted. */
static int64_t dh_count(const pair_pass *p) { return p->want != DB_ALONE ? p->n * p->r : 0; }
static int64_t zeros_count(const pair_pass *p) { return p->want != DB_ALONE ? p->n * p->zeros : 0; }
static int64_t dB_count(const pair_pass *p) { return p->want != DH_ALONE ? p->out * p->r : 0; }

void cuda_pair_pass(const pair_pass *p)
{
    static void (*const kernels[][2])(pair_pass, float *, float *,
                                      int64_t) = { { pair_pass_16_kernel, pair_pass_32_kernel },
                                                   { pair_pass_down_16_kernel, pair_pass_down_32_kernel },
                                                   { pair_pass_grad_16_kernel, pair_pass_grad_32_kernel } };
    if (p->n == 0 || p->out == 0 || p->r == 0) return;
    /* The parts of dh lie before those of dB. */
    const pass_cut c     = cut_of(p->n, p->out, p->r);
    const int64_t  of_dh = c.col_parts * dh_count(p), of_dB = c.row_parts * dB_count(p);
    float         *dh_parts = (float *)cuda_scratch(SCRATCH_PARTS, (of_dh + of_dB) * (int64_t)sizeof(float)),
          *dB_parts         = dh_parts + of_dh;
    /* Blocks of the same tile and other ranks come one after the other: L2 then has the tile. */
    const dim3 grid((unsigned)c.rank_parts, (unsigned)c.col_parts, (unsigned)c.row_parts);
    auto      *pair_pass_kernel = kernels[p->want][c.ranks > 16];
    LAUNCH_SHARED(pair_pass_kernel, grid, THREADS, shared_bytes_of(c.ranks), *p, dh_parts, dB_parts, c.tiles);
    LAUNCH(pair_pass_sums_kernel, blocks_of(dh_count(p) + zeros_count(p) + dB_count(p), THREADS), THREADS, *p, dh_parts,
           c.col_parts, dB_parts, c.row_parts);
}

bool pair_pass_can(const pair_pass *p) { return (uintptr_t)p->dy % 16 == 0 && p->ldy % 8 == 0; }

double pair_pass_flops(const pair_pass *p)
{
    return 2 * (double)p->out * (double)dh_count(p) + 2 * (double)p->n * (double)dB_count(p);
}

void pair_pass_bytes(const pair_pass *p, double bytes[2])
{
    const pass_cut c     = cut_of(p->n, p->out, p->r);
    const double   of_dh = (double)dh_count(p), of_dB = (double)dB_count(p), r = (double)p->r;
    const double   parts = 4 * ((double)c.col_parts * of_dh + (double)c.row_parts * of_dB);
    bytes[0] = 2 * ((double)c.rank_parts * (double)p->n * (double)p->out + (of_dB > 0 ? (double)p->n * r : 0)) + parts;
    bytes[0] += of_dh > 0 ? 2 * (double)p->out * r : 0;
    bytes[1] = parts + 2 * ((p->add ? 2 : 1) * of_dh + (double)zeros_count(p)) + 2 * 4 * of_dB;
}

/* Two products read dy twice. The pass reads it once, but writes and reads its parts. It has to
 * move a quarter fewer bytes, and there have to be rows for a whole block. No GPU has confirmed
 * this rule; `tiebreak bench` times the variant `one-pass` beside `base-first`. */
bool pair_pass_pays(int64_t n, int64_t out, int64_t r)
{
    if (n < ROWS || out == 0 || r == 0) return false;
    double    bytes[2], twice = 2 * 2.0 * (double)n * (double)out;
    pair_pass p = {};
    p.n = n, p.out = out, p.r = r;
    pair_pass_bytes(&p, bytes);
    return bytes[0] + bytes[1] <= 0.75 * twice;
}
