/* gemm around the register tile: blocks that stay in cache, and threads. Blocking after Goto & van de Geijn (2008): a block of B in L2, panels of it
 * against one thin panel of A in L1. Since C keeps each chain of sums between blocks, no choice made here changes a bit of the result. */
#include <omp.h>

#include "kernels/cpu.h"
#include "kernels/gemm.h"

/* K_BLOCK x N_BLOCK floats of B (512 KiB) in L2; K_BLOCK x rows of A (12 KiB) in L1. */
enum { K_BLOCK = 256, N_BLOCK = 512, MAX_ROWS = 16 };
/* An operand is copied into panels only when that many rows or columns of the other share the copy. */
enum { COPY_A_FROM_N = 128, COPY_B_FROM_M = 48 };

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

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

/* One block of B, rows k0.. and columns j0.., as panels of isa->cols columns one after the other: [panel][k][cols]. */
static void copy_B(float *to, const gemm_isa *isa, const gemm_args *g, int64_t k0, int64_t k, int64_t j0, int64_t n)
{
    for (int64_t j = 0; j < n; j += isa->cols, to += k * isa->cols) {
        int          cols = (int)least(isa->cols, n - j);
        const float *B    = g->B + k0 * g->b_row + (j0 + j) * g->b_col;
        if (g->b_col == 1)
            for (int64_t i = 0; i < k; i++)
                for (int c = 0; c < cols; c++) to[i * isa->cols + c] = B[i * g->b_row + c];
        else
            isa->transpose(to, isa->cols, B, g->b_col, cols, k);
    }
}

/* Rows i0.. of A against one block of B. */
typedef struct {
    const float *B;
    int64_t      ldb, panel; /* row stride of B, and from one panel to the next */
    int64_t      k0, k, j0, n;
} b_block;

static void rows_by_block(const gemm_isa *isa, const gemm_args *g, const b_block *b, int64_t i0, int m, float *copy)
{
    const float *A = g->A + i0 * g->a_row + b->k0 * g->a_col, *start = b->k0 ? g->C : g->start;
    int64_t      a_row = g->a_row, a_col = g->a_col, ld_start = b->k0 ? g->ldc : g->ld_start;
    if (b->n >= COPY_A_FROM_N && a_col == 1) {
        isa->transpose(copy, isa->rows, A, a_row, m, b->k);
        A = copy, a_row = 1, a_col = isa->rows;
    }
    for (int64_t j = 0; j < b->n; j += isa->cols)
        isa->tile(g->C + i0 * g->ldc + b->j0 + j, g->ldc, start ? start + i0 * ld_start + b->j0 + j : NULL, ld_start, A, a_row, a_col,
                  b->B + j / isa->cols * b->panel, b->ldb, b->k, m, (int)least(isa->cols, b->n - j));
}

void gemm_serial(const gemm_args *g, float *scratch)
{
    const gemm_isa *isa    = gemm_best();
    float          *copy   = scratch + K_BLOCK * N_BLOCK;
    bool            copied = g->b_col != 1 || g->m >= COPY_B_FROM_M;
    if (g->k == 0 && g->m > 0) { /* the start alone */
        for (int64_t i = 0; i < g->m; i++)
            for (int64_t j = 0; j < g->n; j++) g->C[i * g->ldc + j] = g->start ? g->start[i * g->ld_start + j] : 0;
        return;
    }
    /* With few rows a panel of B is used once: then one panel at a time, so that its copy stays in L1. */
    int64_t n_block = g->m <= isa->rows ? isa->cols : N_BLOCK;
    for (int64_t j0 = 0; j0 < g->n; j0 += n_block)
        for (int64_t k0 = 0; k0 < g->k; k0 += K_BLOCK) {
            b_block b = { .k0 = k0, .k = least(K_BLOCK, g->k - k0), .j0 = j0, .n = least(n_block, g->n - j0) };
            if (copied) copy_B(scratch, isa, g, k0, b.k, j0, b.n);
            b.B     = copied ? scratch : g->B + k0 * g->b_row + j0;
            b.ldb   = copied ? isa->cols : g->b_row;
            b.panel = copied ? b.k * isa->cols : isa->cols;
            for (int64_t i = 0; i < g->m; i += isa->rows) rows_by_block(isa, g, &b, i, (int)least(isa->rows, g->m - i), copy);
        }
}

/* Part `index` of `parts` of the longer side of C. */
static gemm_args part_of(const gemm_args *g, int64_t index, int64_t parts)
{
    const gemm_isa *isa     = gemm_best();
    gemm_args       p       = *g;
    bool            by_rows = g->m >= g->n;
    int64_t         unit = by_rows ? isa->rows : isa->cols, units = ((by_rows ? g->m : g->n) + unit - 1) / unit;
    int64_t         from = units * index / parts * unit, to = least(units * (index + 1) / parts * unit, by_rows ? g->m : g->n);
    if (by_rows) {
        p.m = to - from, p.C += from * g->ldc, p.A += from * g->a_row;
        if (p.start) p.start += from * g->ld_start;
    } else {
        p.n = to - from, p.C += from, p.B += from * g->b_col;
        if (p.start) p.start += from;
    }
    return p;
}

/* Parts are taken by whoever is free: on a busy machine a thread that is held up then costs one part, not half the product. A part must be long
 * enough that copying the other operand for it costs little. */
void gemm(const gemm_args *g)
{
    enum { PART = 192, PARTS_PER_THREAD = 4 };
    if (g->m <= 0 || g->n <= 0) return;
    int64_t threads = omp_get_max_threads(), longer = g->m >= g->n ? g->m : g->n;
    int64_t parts = least(threads * PARTS_PER_THREAD, longer / PART);
    if (parts < threads) parts = threads;
    /* Below this many multiply-adds (some 10 microseconds) waking threads costs more than they give; a few rows are bound by reading B. */
    bool alone = threads == 1 || ((double)g->m + 4) * (double)g->n * (double)g->k < 5e5;
    if (alone) {
        gemm_serial(g, cpu_scratch(gemm_scratch()));
        return;
    }
#pragma omp parallel for schedule(dynamic)
    for (int64_t i = 0; i < parts; i++) {
        gemm_args p = part_of(g, i, parts);
        if (p.m > 0 && p.n > 0) gemm_serial(&p, cpu_scratch(gemm_scratch()));
    }
}
