/* The first launch of a decode step: h in parts of k, and how the step's work is cut. Contract:
 * kernels/cuda/ops/decode.h. */
#include "kernels/cuda/ops/decode_rows.h"

static constexpr int BLOCKS_WANT = 256, K_PART_LEAST = 1024, PARTS_MOST = 8, K_STEP = 32;
/* The most numbers of h, all parts counted: every block of the second launch reads them. */
static constexpr int PART_NUMBERS_MOST = 16384;
static constexpr int DEEP              = 4; /* steps of k whose loads a warp has under way */

static __device__ int groups_of_ranks(int r) { return (r + DECODE_COLUMNS_STEP - 1) / DECODE_COLUMNS_STEP; }

/* A block does 16 ranks of one A for one group of rows in one part of k. Its warps take the steps
 * of the part in turn. */
KERNEL __launch_bounds__(THREADS) decode_shrink_kernel(const __grid_constant__ decode_args a)
{
    __shared__ decode_rows rows;
    __shared__ float       sums[WARPS][WARP * 4];
    let_next_begin();
    list_rows(&rows, a);
    if ((int)blockIdx.y >= rows.count) return;

    int which = 0, j0 = (int)blockIdx.x;
    while (j0 >= groups_of_ranks(a.down[which].r)) j0 -= groups_of_ranks(a.down[which++].r);
    j0 *= DECODE_COLUMNS_STEP;
    const decode_down &d    = a.down[which];
    const int          warp = (int)threadIdx.x / WARP, lane = (int)threadIdx.x % WARP, g = lane / 4, t = lane % 4;
    const int   first = rows.first[blockIdx.y], size = rows.size[blockIdx.y], adapter = rows.group_adapter[blockIdx.y];
    const int   r    = a.grouped ? rank_of(a, adapter, d.r) : d.r;
    const bf16 *A_lo = d.A + adapter * d.stride_a + (j0 + g) * d.lda, *A_hi = A_lo + 8 * d.lda;
    const bf16 *x    = a.x + rows.order[first + (g < size ? g : 0)] * a.ldx;
    const int64_t k0 = blockIdx.z * a.k_part, k1 = k0 + a.k_part < a.in ? k0 + a.k_part : a.in;
    mma_c         sum = {};
    for (int64_t k = k0 + warp * K_STEP; k < k1; k += DEEP * WARPS * K_STEP) {
        uint4 lo[DEEP], hi[DEEP], b[DEEP];
        for (int i = 0; i < DEEP; i++) {
            const int64_t at = k + i * WARPS * K_STEP + 8 * t;
            lo[i]            = load_8(A_lo, at, k1, j0 + g < r, d.vector);
            hi[i]            = load_8(A_hi, at, k1, j0 + g + 8 < r, d.vector);
            b[i]             = load_8(x, at, k1, g < size, a.vector_x);
        }
        for (int i = 0; i < DEEP; i++) mma_32(&sum, lo[i], hi[i], b[i]);
    }
    for (int i = 0; i < 4; i++) sums[warp][lane * 4 + i] = sum.x[i];
    __syncthreads();
    if (threadIdx.x >= WARP * 4) return;
    const int of = (int)threadIdx.x / 4, i = (int)threadIdx.x % 4, column = of % 4 * 2 + i % 2,
              rank = j0 + of / 4 + (i >= 2 ? 8 : 0);
    float total    = 0;
    for (int w = 0; w < WARPS; w++) total += sums[w][threadIdx.x];
    if (column < size)
        a.sums[((int64_t)blockIdx.z * a.n + rows.order[first + column]) * a.columns + d.column + rank] = total;
}

static bool aligned(const void *p, int64_t stride, int64_t next)
{
    return (uintptr_t)p % 16 == 0 && stride % 8 == 0 && next % 8 == 0;
}

static int64_t rounded(int64_t r) { return (r + DECODE_COLUMNS_STEP - 1) / DECODE_COLUMNS_STEP * DECODE_COLUMNS_STEP; }

/* Sets the columns of h, and how A and B can be read. */
static void plan_list(decode_args *a)
{
    a->columns = 0;
    a->grouped = false;
    for (int i = 0; i < a->downs; i++) {
        decode_down *d = &a->down[i];
        d->column      = a->columns;
        /* Otherwise a row ends within a vector, and what follows it may be anything. */
        d->vector = aligned(d->A, d->lda, d->stride_a) && a->in % 8 == 0;
        a->columns += (int)rounded(d->r);
        a->grouped = a->grouped || d->stride_a != 0;
    }
    for (int i = 0; i < a->ups; i++) {
        a->up[i].column = a->down[a->up[i].down].column;
        a->up[i].vector = aligned(a->up[i].B, a->up[i].ldb, a->up[i].stride_b);
        a->grouped      = a->grouped || a->up[i].stride_b != 0;
    }
}

static int64_t groups_most(const decode_args *a) { return a->grouped ? a->n : (a->n + GROUP - 1) / GROUP; }

/* Cuts k into parts for about BLOCKS_WANT blocks. No part is too short, and there are not so many
 * that adding them takes long. */
static void cut_k(decode_args *a)
{
    const int64_t blocks = groups_most(a) * a->columns / DECODE_COLUMNS_STEP, numbers = (int64_t)a->n * a->columns;
    int64_t       parts = PARTS_MOST;
    if (numbers > 0 && parts > PART_NUMBERS_MOST / numbers) parts = PART_NUMBERS_MOST / numbers;
    if (blocks > 0 && parts > BLOCKS_WANT / blocks) parts = BLOCKS_WANT / blocks;
    if (parts > a->in / K_PART_LEAST) parts = a->in / K_PART_LEAST;
    if (parts < 1) parts = 1;
    a->k_part  = ((a->in + parts - 1) / parts + K_STEP - 1) / K_STEP * K_STEP;
    a->k_parts = (int)((a->in + a->k_part - 1) / a->k_part);
}

const char *decode_plan(decode_args *a)
{
    if (a->n > DECODE_ROWS) return "does at most 64 rows";
    plan_list(a);
    cut_k(a);
    a->vector_x = aligned(a->x, a->ldx, 0) && a->in % 8 == 0;
    a->vector_W = aligned(a->W, a->in, 0);
    a->vector_v = aligned(a->v, a->stride_v, 0);
    return decode_plan_expand(a, groups_most(a));
}

int64_t decode_sums(const decode_args *a) { return (int64_t)a->k_parts * a->n * a->columns; }

void decode_shrink(const decode_args *a)
{
    if (a->columns == 0) return;
    LAUNCH(decode_shrink_kernel,
           dim3((unsigned)(a->columns / DECODE_COLUMNS_STEP), (unsigned)groups_most(a), (unsigned)a->k_parts), THREADS,
           *a);
}
