/* dh and dB' from one reading of dy. Contract: kernels/cuda/ops/pair_pass.h.
 *
 * A block owns ROWS rows of dy and a run of its columns. It walks along them in tiles of COLS
 * columns, of which two are in shared memory: one in use, one being copied. A warp owns
 * ROWS_OF_WARP of the rows and keeps their dh and h in registers. From every tile it makes dB' over
 * its rows, and the block then adds these over its warps in order. Each 16 x 16 piece of a tile is
 * read twice from shared memory: as it lies for dh, transposed for dB'. */
#include "kernels/cuda/ops/pair_pass.h"

#include "kernels/cuda/mma.h"

static constexpr int WARPS = THREADS / WARP, ROWS_OF_WARP = 64, ROWS = WARPS * ROWS_OF_WARP, COLS = 32;
/* Row stride of a tile in shared memory: an odd number of 16 bytes. */
static constexpr int LD          = COLS + 8;
static constexpr int TILE_BYTES  = ROWS * LD * (int)sizeof(bf16);
static constexpr int BLOCKS_WANT = 256; /* about two on each multiprocessor of a large GPU */
/* Tiles of a block at least: with fewer the parts cost more than the additional blocks gain. */
static constexpr int TILES_LEAST = 8;

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

static constexpr int shared_bytes_of(int ranks) { return 2 * TILE_BYTES + COLS * (ranks + 8) * (int)sizeof(bf16); }

/* Begins to copy columns c0 .. c0 + COLS of rows row0 .. row0 + ROWS, zero outside dy. Past the
 * block's last column nothing is copied, but the group of copies is committed all the same, so
 * that every wait counts the same groups. */
static __device__ void fetch_tile(bf16 *tile, const pair_pass &p, int64_t row0, int64_t c0, int64_t end)
{
    constexpr int PIECE = 8, PIECES = COLS / PIECE; /* of 16 bytes */
    for (int i = (int)threadIdx.x; i < ROWS * PIECES && c0 < end; i += THREADS) {
        const int64_t row = row0 + i / PIECES, col = c0 + i % PIECES * PIECE, left = row < p.n ? p.out - col : 0;
        const int     count = left <= 0 ? 0 : left < PIECE ? (int)left : PIECE;
        copy_async(tile + i / PIECES * LD + i % PIECES * PIECE, count > 0 ? p.dy + row * p.ldy + col : p.dy,
                   count * (int)sizeof(bf16));
    }
    copy_commit();
}

/* Loads the block's rows of h into fragments, by way of a tile's memory. hf[k][j] holds 16 of the
 * warp's rows from 16 k on, and 8 ranks from 8 j on. */
template <int RANKS>
static __device__ void fetch_h(mma_b (*hf)[RANKS / 8], bf16 *room, const pair_pass &p, int64_t row0, int64_t rank0)
{
    constexpr int LDH = RANKS + 8;
    static_assert(ROWS * LDH <= ROWS * LD, "h fits into a tile");
    const int warp = (int)threadIdx.x / WARP;
    for (int i = (int)threadIdx.x; i < ROWS * RANKS; i += THREADS) {
        const int64_t row = row0 + i / RANKS, j = rank0 + i % RANKS;
        room[i / RANKS * LDH + i % RANKS] = row < p.n && j < p.r ? (float)p.h[row * p.ldh + j] : 0;
    }
    __syncthreads();
    for (int k = 0; k < ROWS_OF_WARP / 16; k++)
        for (int j = 0; j < RANKS / 16; j++)
            load_b_trans(&hf[k][2 * j], room + (warp * ROWS_OF_WARP + 16 * k) * LDH + 16 * j, LDH);
    __syncthreads();
}

/* Where element `at` of a tile of B' [COLS, RANKS] belongs. Neighbouring threads read neighbours
 * in memory. */
typedef struct {
    int col, rank;
} B_place;
template <int RANKS> static __device__ B_place place_of(int at, bool turned)
{
    return turned ? B_place { at % COLS, at / COLS } : B_place { at / RANKS, at % RANKS };
}

/* B' of COLS columns of dy, in registers until its turn comes. */
template <int RANKS> static __device__ void fetch_B(float *b, const pair_pass &p, int64_t c0, int64_t rank0)
{
    for (int i = 0; i < COLS * RANKS / THREADS; i++) {
        const B_place to  = place_of<RANKS>(i * THREADS + (int)threadIdx.x, p.turned);
        const int64_t col = c0 + to.col, j = rank0 + to.rank;
        b[i] = col < p.out && j < p.r ? (float)p.B[p.turned ? j * p.ldb + col : col * p.ldb + j] : 0;
    }
}
template <int RANKS> static __device__ void place_B(bf16 *tile, const float *b, bool turned)
{
    for (int i = 0; i < COLS * RANKS / THREADS; i++) {
        const B_place to                     = place_of<RANKS>(i * THREADS + (int)threadIdx.x, turned);
        tile[to.col * (RANKS + 8) + to.rank] = b[i];
    }
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

/* The warps' dB [COLS, RANKS] of one tile, added in the order of warps, into the block's part.
 * `room` is the tile's own memory, which nobody reads any more; it is free again when this
 * returns. */
template <int RANKS>
static __device__ void add_warps(float *part, float *room, const mma_c (*dB)[RANKS / 8], const pair_pass &p, int64_t c0,
                                 int64_t rank0)
{
    constexpr int LDS = RANKS + 8; /* pairs of floats without bank conflicts */
    static_assert(WARPS * COLS * LDS * (int)sizeof(float) <= TILE_BYTES, "sums of all warps fit into a tile");
    const int warp = (int)threadIdx.x / WARP, lane = (int)threadIdx.x % WARP;
    for (int s = 0; s < COLS / 16; s++)
        for (int j = 0; j < RANKS / 8; j++)
            for (int x = 0; x < 4; x++)
                room[(warp * COLS + 16 * s + lane / 4 + x / 2 * 8) * LDS + 8 * j + lane % 4 * 2 + x % 2] =
                    dB[s][j].x[x];
    __syncthreads();
    for (int i = (int)threadIdx.x; i < COLS * RANKS; i += THREADS) {
        const int64_t col = c0 + i / RANKS, j = rank0 + i % RANKS;
        float         sum = 0;
        for (int w = 0; w < WARPS; w++) sum += room[(w * COLS + i / RANKS) * LDS + i % RANKS];
        if (col < p.out && j < p.r) part[col * p.r + j] = sum;
    }
    __syncthreads();
}

/* dh_parts [column parts][n][r], dB_parts [row parts][out][r]. */
template <int RANKS, pass_want WANT>
static __device__ void pass_block(const pair_pass &p, float *dh_parts, float *dB_parts, int64_t tiles)
{
    bf16 *tile[2]      = { (bf16 *)dynamic_shared(), (bf16 *)(dynamic_shared() + TILE_BYTES) },
         *B            = (bf16 *)(dynamic_shared() + 2 * TILE_BYTES);
    const int     warp = (int)threadIdx.x / WARP, lane = (int)threadIdx.x % WARP;
    const int64_t rank0 = (int64_t)blockIdx.x * RANKS, row0 = (int64_t)blockIdx.z * ROWS,
                  first  = (int64_t)blockIdx.y * tiles * COLS;
    const int64_t end    = first + tiles * COLS < p.out ? first + tiles * COLS : p.out,
                  my_row = row0 + warp * ROWS_OF_WARP;
    const bool any       = my_row < p.n; /* of the warp's rows is in dy */
    mma_b      hf[ROWS_OF_WARP / 16][RANKS / 8];
    mma_c      dh[ROWS_OF_WARP / 16][RANKS / 8] = {};
    float      b[COLS * RANKS / THREADS];
    if (WANT != DH_ALONE) fetch_h<RANKS>(hf, tile[0], p, row0, rank0);
    fetch_tile(tile[0], p, row0, first, end);
    fetch_tile(tile[1], p, row0, first + COLS, end);
    if (WANT != DB_ALONE) fetch_B<RANKS>(b, p, first, rank0);
    for (int64_t c0 = first, i = 0; c0 < end; c0 += COLS, i++) {
        bf16 *at                       = i % 2 ? tile[1] : tile[0];
        mma_c dB[COLS / 16][RANKS / 8] = {};
        copy_wait<1>();
        if (WANT != DB_ALONE) place_B<RANKS>(B, b, p.turned);
        __syncthreads();
        if (WANT != DB_ALONE) fetch_B<RANKS>(b, p, c0 + COLS, rank0);
        if (any) multiply_tile<RANKS, WANT>(dh, dB, at + warp * ROWS_OF_WARP * LD, B, hf);
        __syncthreads();
        if (WANT != DH_ALONE) add_warps<RANKS>(dB_parts + blockIdx.z * p.out * p.r, (float *)at, dB, p, c0, rank0);
        fetch_tile(at, p, row0, c0 + 2 * COLS, end);
    }
    copy_wait<0>();
    if (WANT == DB_ALONE) return;
    float *part = dh_parts + blockIdx.y * p.n * p.r;
    for (int k = 0; k < ROWS_OF_WARP / 16; k++)
        for (int j = 0; j < RANKS / 8; j++)
            for (int x = 0; x < 4; x++) {
                const int64_t row = my_row + 16 * k + lane / 4 + x / 2 * 8, rank = rank0 + 8 * j + lane % 4 * 2 + x % 2;
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

/* A thread for each element of dh, then for each of dB. */
KERNEL __launch_bounds__(THREADS)
    pair_pass_sums_kernel(pair_pass p, const float *dh_parts, int64_t dh_count, const float *dB_parts, int64_t dB_count)
{
    int64_t       at    = (int64_t)blockIdx.x * THREADS + threadIdx.x;
    const int64_t of_dh = p.want != DB_ALONE ? p.n * p.r : 0, of_dB = p.want != DH_ALONE ? p.out * p.r : 0;
    if (at < of_dh) {
        bf16 *to = p.dh + at / p.r * p.ld_dh + at % p.r;
        *to      = (p.add ? (float)*to : 0.0f) + sum_of(dh_parts + at, dh_count, of_dh);
    } else if (at - of_dh < of_dB) {
        at -= of_dh;
        p.dB[p.turned ? at % p.r * p.out + at / p.r : at] += sum_of(dB_parts + at, dB_count, of_dB);
    }
}

/* Elements of the results, of those that are wanted. */
static int64_t dh_count(const pair_pass *p) { return p->want != DB_ALONE ? p->n * p->r : 0; }
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
    LAUNCH(pair_pass_sums_kernel, blocks_of(dh_count(p) + dB_count(p), THREADS), THREADS, *p, dh_parts, c.col_parts,
           dB_parts, c.row_parts);
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
    bytes[1] = parts + (p->add ? 2 : 1) * 2 * of_dh + 2 * 4 * of_dB;
}

/* Two products read dy twice. The pass reads it once, but writes and reads its parts. It has to
 * move a quarter fewer bytes, and there have to be rows for a whole block. No GPU has confirmed
 * this rule; `tiebreak bench` times the variant `one-pass` beside `base-first`. */
bool pair_pass_pays(int64_t n, int64_t out, int64_t r)
{
    double    bytes[2], twice = 2 * 2.0 * (double)n * (double)out;
    pair_pass p = {};
    p.n = n, p.out = out, p.r = r;
    pair_pass_bytes(&p, bytes);
    return n >= ROWS && bytes[0] + bytes[1] <= 0.75 * twice;
}
