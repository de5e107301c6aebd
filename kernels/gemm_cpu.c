/* gemm around the register tile: blocks that stay in cache, and threads. Blocking after Goto &
 * van de Geijn (2008): a block of B in L2, panels of it against one thin panel of A in L1. Since
 * C keeps each chain of sums between blocks, no choice made here changes a bit of the result. */
#include "kernels/cpu.h"
#include "kernels/gemm.h"

/* At most K_BLOCK x N_BLOCK floats of B at a time (1 MB: most of it in L2); a tile's rows of A
 * along K_BLOCK (28 KiB) in L1. */
enum { K_BLOCK = 512, N_BLOCK = 512, MAX_ROWS = 16 };

static const gemm_isa *chosen;

bool gemm_use(int level)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (level == 2 && __builtin_cpu_supports("avx512f")) return chosen = &gemm_avx512, true;
    if (level == 1 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return chosen = &gemm_avx2, true;
#endif
    if (level == 0) return chosen = &gemm_portable, true;
    return false;
}

const gemm_isa *gemm_best(void)
{
    if (!chosen && !gemm_use(2) && !gemm_use(1)) gemm_use(0);
    return chosen;
}

int64_t gemm_scratch(void) { return K_BLOCK * (N_BLOCK + MAX_ROWS); }

/* The size of equal blocks, in whole units: no more blocks than of size `most`, and as small as
 * that allows. */
static int64_t even_block(int64_t length, int64_t most, int64_t unit)
{
    int64_t blocks = (length + most - 1) / most, block = (length + blocks - 1) / blocks;
    return (block + unit - 1) / unit * unit;
}

/* One block of B as the tile reads it: in place where its rows are contiguous, else transposed
 * into panels [panel][k][isa->cols]. */
typedef struct {
    const float *B;
    int64_t      ldb, panel; /* row stride of B, and from one panel to the next */
    int64_t      k0, k, j0, n;
} b_block;

static b_block block_of(const gemm_isa *isa, const gemm_args *g, int64_t k0, int64_t k, int64_t j0, int64_t n,
                        float *scratch)
{
    const float *B = g->B + k0 * g->b_row + j0 * g->b_col;
    if (g->b_col == 1) return (b_block) { B, g->b_row, isa->cols, k0, k, j0, n };
    for (int64_t j = 0; j < n; j += isa->cols)
        isa->transpose(scratch + j * k, isa->cols, B + j * g->b_col, g->b_col, (int)least(isa->cols, n - j), k);
    return (b_block) { scratch, isa->cols, k * isa->cols, k0, k, j0, n };
}

/* Rows of A whose stride is a multiple of 2 KiB fall on the same few places of L1 and push each
 * other out. */
static bool rows_collide(const gemm_args *g) { return g->a_col == 1 && g->a_row % 512 == 0; }

/* Rows i0 .. i0+m-1 of A against one block of B; copy has room for them. */
static void rows_by_block(const gemm_isa *isa, const gemm_args *g, const b_block *b, int64_t i0, int m, float *copy)
{
    const float *A = g->A + i0 * g->a_row + b->k0 * g->a_col, *start = b->k0 ? g->C : g->start;
    int64_t      a_row = g->a_row, a_col = g->a_col, ld_start = b->k0 ? g->ldc : g->ld_start;
    if (rows_collide(g) && b->n >= 4 * isa->cols) {
        isa->transpose(copy, isa->rows, A, a_row, m, b->k);
        A = copy, a_row = 1, a_col = isa->rows;
    }
    for (int64_t j = 0; j < b->n; j += isa->cols)
        isa->tile(g->C + i0 * g->ldc + b->j0 + j, g->ldc, start ? start + i0 * ld_start + b->j0 + j : NULL, ld_start, A,
                  a_row, a_col, b->B + j / isa->cols * b->panel, b->ldb, b->k, m, (int)least(isa->cols, b->n - j));
}

void gemm_serial(const gemm_args *g, float *scratch)
{
    const gemm_isa *isa = gemm_best();
    if (g->k == 0 && g->m > 0) { /* C = start */
        for (int64_t i = 0; i < g->m; i++)
            for (int64_t j = 0; j < g->n; j++) g->C[i * g->ldc + j] = g->start ? g->start[i * g->ld_start + j] : 0;
        return;
    }
    if (g->m <= 0 || g->n <= 0) return;
    if (g->m <= isa->few_rows && g->a_col == 1 && g->b_col != 1) {
        for (int64_t j = 0; j < g->n; j += isa->few_cols)
            isa->few(g->C + j, g->ldc, g->start ? g->start + j : NULL, g->ld_start, g->A, g->a_row, g->B + j * g->b_col,
                     g->b_col, g->k, (int)g->m, (int)least(isa->few_cols, g->n - j));
        return;
    }
    /* With few rows a transposed panel is used once: then one panel at a time, so that it stays
     * in L1. */
    int64_t n_most  = g->m <= isa->rows && g->b_col != 1 ? isa->cols : N_BLOCK;
    int64_t n_block = even_block(g->n, n_most, isa->cols), k_block = even_block(g->k, K_BLOCK, 1);
    for (int64_t j0 = 0; j0 < g->n; j0 += n_block)
        for (int64_t k0 = 0; k0 < g->k; k0 += k_block) {
            b_block b = block_of(isa, g, k0, least(k_block, g->k - k0), j0, least(n_block, g->n - j0), scratch);
            for (int64_t i = 0; i < g->m; i += isa->rows)
                rows_by_block(isa, g, &b, i, (int)least(isa->rows, g->m - i), scratch + K_BLOCK * N_BLOCK);
        }
}

/* Part `index` of `parts` of the longer side of C. */
static gemm_args part_of(const gemm_args *g, int64_t index, int64_t parts)
{
    const gemm_isa *isa     = gemm_best();
    gemm_args       p       = *g;
    bool            by_rows = g->m >= g->n;
    int64_t         unit = by_rows ? isa->rows : isa->cols, units = ((by_rows ? g->m : g->n) + unit - 1) / unit;
    int64_t from = units * index / parts * unit, to = least(units * (index + 1) / parts * unit, by_rows ? g->m : g->n);
    if (by_rows) {
        p.m = to - from, p.C += from * g->ldc, p.A += from * g->a_row;
        if (p.start) p.start += from * g->ld_start;
    } else {
        p.n = to - from, p.C += from, p.B += from * g->b_col;
        if (p.start) p.start += from;
    }
    return p;
}

/* A free thread takes the next part, so on a busy machine a thread that is held up delays one part
 * and not half of the product. A part is long enough that copying the other operand costs
 * little. */
void gemm(const backend *be, const gemm_args *g)
{
    enum { PART = 192, PARTS_PER_THREAD = 4 };
    if (g->m <= 0 || g->n <= 0) return;
    int64_t threads = cpu_threads(be), longer = g->m >= g->n ? g->m : g->n;
    int64_t parts = least(threads * PARTS_PER_THREAD, longer / PART);
    if (parts < threads) parts = threads;
    /* Below this many multiply-adds (some 20 microseconds) waking threads costs more than they
     * give; a few rows are bound by reading B. */
    bool alone = threads == 1 || ((double)g->m + 4) * (double)g->n * (double)g->k < 1e6;
    if (alone) {
        gemm_serial(g, cpu_scratch(be, gemm_scratch()));
        return;
    }
#pragma omp parallel for num_threads(cpu_threads(be)) schedule(dynamic)
    for (int64_t i = 0; i < parts; i++) {
        gemm_args p = part_of(g, i, parts);
        if (p.m > 0 && p.n > 0) gemm_serial(&p, cpu_scratch(be, gemm_scratch()));
    }
}
