/* The kernels that make a linear's input and its adapters' h in one reading. Contract:
 * kernels/cuda/ops/producer.h.
 *
 * A block has at most ROWS_MOST rows. For RMSNorm all threads first compute the statistics of the
 * rows, as rmsnorm_fwd does. Then the warps take the columns in turn, K_STEP at a time. Lane (g, t)
 * = (lane / 4, lane % 4) makes 16 bytes of rows g, g + 8, g + 16 and g + 24, in the t-th quarter of
 * the step. It stores them, and they are already in the registers where the product needs them, so
 * x is not read. A' comes from L2, 16 bytes of a row at a time, and serves all rows of the block.
 * The warps' sums meet in shared memory and are added in one order.
 *
 * In bf16 the products run on tensor cores (mma.m16n8k16, kernels/cuda/mma.h). A lane's 8
 * neighbours along k are not the elements that a fragment assigns to it. A sum over k may be taken
 * in any order, though, as long as both factors use the same one: the first product's k = 2t,
 * 2t + 1, 2t + 8, 2t + 9 are the lane's elements 0 to 3, and the second's are elements 4 to 7. */
#include "kernels/cuda/mma.h"
#include "kernels/cuda/ops/producer.h"
#include "kernels/cuda/working.h"

/* a lane's rows, 8 apart */
static constexpr int WARPS = THREADS / WARP, ROWS_MOST = 32, STRIPES = ROWS_MOST / 8;
/* STATISTICS: rows whose squares are added at the same time. */
static constexpr int K_STEP = 4 * VEC, BLOCKS_WANT = 128, STATISTICS = 8;
/* ranks of a tile */
static constexpr int COLUMNS = 8;

typedef struct {
    const element *from, *g;
    element       *x;
    float         *rstd;
    int64_t        n, in, ld_from, ldx;
    float          eps;
    int            rows, ranks, count; /* rows of a block; of all adapters */
    bool           from_fits, x_fits, A_fits;
    shrink         list[SHRINKS_MOST];
} produce_args;

/* The rows of A' that one pass multiplies with, and where h goes; NULL behind the last. */
template <int RANKS> struct rank_table {
    const element *A[RANKS];
    element       *h[RANKS];
    int64_t        ldh[RANKS];
};

template <int RANKS> static __device__ void fill_table(rank_table<RANKS> *table, const produce_args &a, int first)
{
    const int i = (int)threadIdx.x;
    if (i >= RANKS) return;
    int64_t j     = first + i;
    table->A[i]   = NULL;
    table->h[i]   = NULL;
    table->ldh[i] = 0;
    for (int s = 0; s < a.count; s++) {
        const shrink &one = a.list[s];
        if (j >= 0 && j < one.r) {
            table->A[i]   = (const element *)one.A + j * one.lda;
            table->h[i]   = (element *)one.h + j;
            table->ldh[i] = one.ldh;
        }
        j -= one.r;
    }
}

/* rstd of the block's rows. The sums have the order of rmsnorm_fwd: each thread's own, then over
 * the warp, then over warps. */
static __device__ void statistics(const produce_args &a, int64_t row0, int rows, float *rstd)
{
    __shared__ float sums[ROWS_MOST][WARPS];
    const int        warp = (int)threadIdx.x / WARP;
    for (int i0 = 0; i0 < rows; i0 += STATISTICS) {
        float squares[STATISTICS] = {};
        for (int64_t k = threadIdx.x * VEC; k < a.in; k += THREADS * VEC)
            for (int i = 0; i < STATISTICS; i++)
                if (i0 + i < rows)
                    squares[i] = squares_added(
                        squares[i], vec_load<VEC>(a.from + (row0 + i0 + i) * a.ld_from + k, a.in - k, a.from_fits));
        for (int i = 0; i < STATISTICS; i++) {
            if (i0 + i >= rows) continue;
            const float sum = warp_sum(squares[i]);
            if (threadIdx.x % WARP == 0) sums[i0 + i][warp] = sum;
        }
    }
    __syncthreads();
    const int row = (int)threadIdx.x;
    if (row < rows) {
        float total = 0;
        for (int w = 0; w < WARPS; w++) total += sums[row][w];
        rstd[row] = rstd_of(total, a.in, a.eps);
        if (a.rstd) a.rstd[row0 + row] = rstd[row];
    }
    __syncthreads();
}

/* The sums that a lane gathers: its C fragments (kernels/cuda/mma.h) for rows 0 to 15 and 16 to 31
 * of the block. load is called before x is stored, so that all loads of a step are under way at
 * once. */
template <int TILES> struct products {
#ifdef TIEBREAK_BF16
    mma_c       sum[2][TILES];
    element_vec of_A[TILES];

    __device__ void load(const element *const *A, int tiles, int64_t k, int64_t left, bool fits)
    {
        const int g = (int)threadIdx.x % WARP / 4;
        for (int tile = 0; tile < TILES; tile++) {
            const element *row = tile < tiles ? A[tile * COLUMNS + g] : NULL;
            of_A[tile]         = row ? vec_load<VEC>(row + k, left, fits) : element_vec {};
        }
    }
    __device__ void add(const element_vec x[STRIPES], int tiles, int rows)
    {
        uint32_t of_x[STRIPES][4];
        memcpy(of_x, x, sizeof of_x);
        for (int tile = 0; tile < TILES; tile++) {
            if (tile >= tiles) continue;
            uint32_t b[4];
            memcpy(b, &of_A[tile], sizeof b);
            for (int m = 0; m < 2; m++) {
                if (m * 16 >= rows) continue;
                const uint32_t *lo = of_x[2 * m], *hi = of_x[2 * m + 1];
                mma(&sum[m][tile], mma_a { { lo[0], hi[0], lo[1], hi[1] } }, mma_b { { b[0], b[1] } });
                mma(&sum[m][tile], mma_a { { lo[2], hi[2], lo[3], hi[3] } }, mma_b { { b[2], b[3] } });
            }
        }
    }
    __device__ void  settle(void) {}
    __device__ float take(int m, int tile, int i) { return sum[m][tile].x[i]; }
#else
    /* sums over the columns that the lane reads, for every rank */
    float                 part[STRIPES][TILES * COLUMNS];
    const element *const *rows_of_A;
    int64_t               at, left_of_A;
    bool                  A_fits;

    __device__ void load(const element *const *A, int, int64_t k, int64_t left, bool fits)
    {
        rows_of_A = A, at = k, left_of_A = left, A_fits = fits;
    }
    __device__ void add(const element_vec x[STRIPES], int tiles, int)
    {
        for (int j = 0; j < TILES * COLUMNS; j++) {
            const element    *row = j < tiles * COLUMNS ? rows_of_A[j] : NULL;
            const element_vec b   = row ? vec_load<VEC>(row + at, left_of_A, A_fits) : element_vec {};
            for (int m = 0; m < STRIPES; m++)
                for (int i = 0; i < VEC; i++) part[m][j] += x[m].x[i] * b.x[i];
        }
    }
    /* Four lanes have parts of the same rows, and each is to have the two columns of a tile that
     * a fragment gives it: they send each other halves. */
    __device__ void settle(void)
    {
        const bool upper = threadIdx.x % 4 >= 2, odd = threadIdx.x % 2 == 1;
        UNROLL
        for (int at = 0; at < STRIPES * TILES; at++) {
            float *p = part[at / TILES] + at % TILES * COLUMNS;
            UNROLL
            for (int c = 0; c < 4; c++) {
                const float send = upper ? p[c] : p[c + 4];
                p[c]             = (upper ? p[c + 4] : p[c]) + __shfl_xor_sync(ALL_LANES, send, 2);
            }
            UNROLL
            for (int c = 0; c < 2; c++) {
                const float send = odd ? p[c] : p[c + 2];
                p[c]             = (odd ? p[c + 2] : p[c]) + __shfl_xor_sync(ALL_LANES, send, 1);
            }
        }
    }
    __device__ float take(int m, int tile, int i) { return part[2 * m + i / 2][tile * COLUMNS + i % 2]; }
#endif
};

/* Stores h of the block's rows. The sums of the upper half of the warps are added to those of the
 * lower half, and these in order; one thread does each element. */
template <int TILES>
static __device__ void store_h(products<TILES> *mine, const rank_table<TILES * COLUMNS> &table, int64_t row0, int rows)
{
    constexpr int    VALUES = 2 * TILES * 4, HALF = WARPS / 2;
    __shared__ float sums[HALF][VALUES][WARP];
    const int        warp = (int)threadIdx.x / WARP, lane = (int)threadIdx.x % WARP;
    float            value[VALUES];
    mine->settle();
    for (int v = 0; v < VALUES; v++) value[v] = mine->take(v / (TILES * 4), v / 4 % TILES, v % 4);
    for (int v = 0; v < VALUES; v++)
        if (warp >= HALF) sums[warp - HALF][v][lane] = value[v];
    __syncthreads();
    for (int v = 0; v < VALUES; v++)
        if (warp < HALF) sums[warp][v][lane] += value[v];
    __syncthreads();
    for (int at = (int)threadIdx.x; at < rows * TILES * COLUMNS; at += THREADS) {
        const int row = at / (TILES * COLUMNS), j = at % (TILES * COLUMNS), column = j % COLUMNS;
        const int v         = (row / 16 * TILES + j / COLUMNS) * 4 + row % 16 / 8 * 2 + column % 2,
                  from_lane = row % 8 * 4 + column / 2;
        float total         = 0;
        for (int w = 0; w < HALF; w++) total += sums[w][v][from_lane];
        if (table.h[j]) table.h[j][(row0 + row) * table.ldh[j]] = total;
    }
    __syncthreads();
}

/* Makes and stores the lane's 16 bytes of its rows of x. again: reads what this lane stored
 * before. */
template <bool NORM>
static __device__ void make(element_vec x[STRIPES], const produce_args &a, int64_t row0, int rows, int64_t k,
                            const float *rstd, bool again)
{
    const int         g    = (int)threadIdx.x % WARP / 4;
    const int64_t     left = a.in - k;
    const element_vec gain = NORM && !again ? vec_load<VEC>(a.g + k, left, vec_fits<VEC>(a.g, 0)) : element_vec {};
    UNROLL
    for (int m = 0; m < STRIPES; m++) {
        const int row = g + 8 * m;
        x[m]          = {};
        if (row >= rows || left <= 0) continue;
        element       *to   = a.x + (row0 + row) * a.ldx + k;
        const element *from = a.from + (row0 + row) * a.ld_from + k;
        if (again) {
            x[m] = vec_load<VEC>(to, left, a.x_fits);
            continue;
        }
        const element_vec raw = vec_load<VEC>(from, left, a.from_fits);
        x[m] = NORM ? normalised(raw, rstd[row], gain) : gated(raw, vec_load<VEC>(from + a.in, left, a.from_fits));
        vec_store<VEC>(to, x[m], left, a.x_fits);
    }
}

template <bool NORM, int TILES> static __device__ void produce(const produce_args &a)
{
    constexpr int    RANKS = TILES * COLUMNS;
    __shared__ float rstd[ROWS_MOST];
    __shared__ rank_table<RANKS> table;
    const int64_t                row0 = (int64_t)blockIdx.x * a.rows;
    const int rows = (int)min((int64_t)a.rows, a.n - row0), warp = (int)threadIdx.x / WARP, t = (int)threadIdx.x % 4;
    if (NORM) statistics(a, row0, rows, rstd);
    for (int first = 0; first == 0 || first < a.ranks; first += RANKS) {
        products<TILES> mine  = {};
        const int       tiles = (min(a.ranks - first, RANKS) + COLUMNS - 1) / COLUMNS;
        fill_table(&table, a, first);
        __syncthreads();
        for (int64_t k = warp * K_STEP; k < a.in; k += WARPS * K_STEP) {
            element_vec x[STRIPES];
            mine.load(table.A, tiles, k + t * VEC, a.in - k - t * VEC, a.A_fits);
            make<NORM>(x, a, row0, rows, k + t * VEC, rstd, first > 0);
            mine.add(x, tiles, rows);
        }
        store_h(&mine, table, row0, rows);
    }
}

/* In f32 more sums than those of NARROW tiles would not stay in registers: more ranks are more
 * passes there. */
static constexpr int NARROW = 2;
KERNEL __launch_bounds__(THREADS) TYPED(rmsnorm_shrink_kernel)(produce_args a) { produce<true, NARROW>(a); }
KERNEL __launch_bounds__(THREADS) TYPED(swiglu_shrink_kernel)(produce_args a) { produce<false, NARROW>(a); }
#ifdef TIEBREAK_BF16
static constexpr int WIDE = 8;
KERNEL               __launch_bounds__(THREADS) rmsnorm_shrink_wide_kernel(produce_args a) { produce<true, WIDE>(a); }
KERNEL               __launch_bounds__(THREADS) swiglu_shrink_wide_kernel(produce_args a) { produce<false, WIDE>(a); }
#endif

/* As few rows a block as give every multiprocessor of a large GPU one, at most ROWS_MOST: A' is
 * read by each block. */
static int rows_of(int64_t n)
{
    const int64_t rows = (n + BLOCKS_WANT - 1) / BLOCKS_WANT;
    return (int)(rows < ROWS_MOST ? rows : ROWS_MOST);
}

static produce_args args_of(real *x, const adapted_source *s, norm_dims d, const shrink *list, int count)
{
    produce_args a = {};
    a.x = (element *)x, a.rstd = (float *)s->rstd, a.from = (const element *)s->from, a.g = (const element *)s->gain;
    a.n = d.n, a.in = d.d, a.ldx = d.ldy ? d.ldy : d.d, a.ld_from = d.ldx ? d.ldx : (a.g ? 1 : 2) * d.d;
    a.eps = (float)s->eps, a.rows = rows_of(d.n), a.count = count, a.A_fits = true;
    a.from_fits = vec_fits<VEC>(a.from, a.ld_from) && (a.g || a.in % VEC == 0);
    a.x_fits    = vec_fits<VEC>(a.x, a.ldx);
    for (int i = 0; i < count; i++) {
        a.list[i] = list[i];
        a.ranks += (int)list[i].r;
        a.A_fits = a.A_fits && vec_fits<VEC>((const element *)list[i].A, list[i].lda);
    }
    return a;
}

void TYPED(produce_cuda)(real *x, const adapted_source *source, norm_dims d, const shrink *list, int count)
{
    const produce_args a      = args_of(x, source, d, list, count);
    const bool         norm   = a.g != NULL;
    const unsigned     blocks = blocks_of(a.n, a.rows > 0 ? a.rows : 1);
    if (blocks == 0) return;
#ifdef TIEBREAK_BF16
    if (a.ranks > NARROW * COLUMNS) {
        if (norm)
            LAUNCH(rmsnorm_shrink_wide_kernel, blocks, THREADS, a);
        else
            LAUNCH(swiglu_shrink_wide_kernel, blocks, THREADS, a);
        return;
    }
#endif
    if (norm)
        LAUNCH(TYPED(rmsnorm_shrink_kernel), blocks, THREADS, a);
    else
        LAUNCH(TYPED(swiglu_shrink_kernel), blocks, THREADS, a);
}
