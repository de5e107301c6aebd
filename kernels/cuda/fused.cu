/* Contract: kernels/cuda/fused.h; the kernels' bodies: kernels/cuda/fused_tile.h.
 *
 * Tiles of 128 x 256 read 48 KiB for 4 MFLOP; where they would leave multiprocessors idle, of 128 x 128. The choice depends on the shape alone. */
#include "kernels/cuda/fused_tile.h"

#ifdef __CUDACC__
static constexpr int64_t FEW_TILES = 128; /* fewer do not fill a large GPU */
#else
static constexpr int64_t FEW_TILES = 2; /* so that small tests meet both widths */
#endif

#if HOPPER_CODE
#define FUSED_BODY(width, n_major)                                                                                                                   \
    __shared__ uint64_t barriers[2 * fused_kernel<width, n_major>::STAGES];                                                                          \
    fused_kernel<width, n_major>::run(f, barriers);
#else
#define FUSED_BODY(width, n_major)
#endif
#define FUSED_KERNEL(name, width, n_major)                                                                                                           \
    KERNEL __launch_bounds__(BLOCK, 1) name(const __grid_constant__ fused_args f) { FUSED_BODY(width, n_major) }
FUSED_KERNEL(fused_fwd_256_kernel, 256, false)
FUSED_KERNEL(fused_fwd_128_kernel, 128, false)
FUSED_KERNEL(fused_bwd_256_kernel, 256, true)
FUSED_KERNEL(fused_bwd_128_kernel, 128, true)

static int64_t tiles(const fused *f, int64_t width) { return (f->m + HEIGHT - 1) / HEIGHT * ((f->n + width - 1) / width); }

const char *cuda_fused_refuses(const fused *f)
{
    const int64_t most = INT32_MAX - 2 * HEIGHT;
    const char   *why  = hopper_refuses((const void *)fused_fwd_256_kernel);
    if (why) return why;
    if (f->n % 8 || f->k % 8 || f->lda % 8 || f->ldb % 8 || f->ldc % 8) return "needs rows of a multiple of 8 elements";
    for (int i = 0; i < f->count; i++) {
        if (f->pairs[i].ldh % 8 || f->pairs[i].lde % 8) return "needs rows of a multiple of 8 elements";
        if (f->pairs[i].first % 8) return "needs pairs that begin at a multiple of 8 columns";
    }
    if (f->m > most || f->n > most || f->k > most) return "takes at most 2^31 - 257 rows and columns";
    return NULL;
}

/* Boxes of rows of A or h; and of B or E, whichever way they lie. */
static bool map_rows(CUtensorMap *map, const void *p, int64_t rows, int64_t k, int64_t ld) { return tensor_map(map, p, rows, k, ld, HEIGHT, DEPTH); }
static bool map_columns(CUtensorMap *map, const void *p, int64_t columns, int64_t k, int64_t ld, gemm_layout b, int width)
{
    return b == TRANSPOSED ? tensor_map(map, p, columns, k, ld, width, DEPTH) : tensor_map(map, p, k, columns, ld, DEPTH, 64);
}

void cuda_fused(const fused *f)
{
    const int width = tiles(f, 256) < FEW_TILES ? 128 : 256;
    if (f->m == 0 || cuda_failed()) return;
    fused_args a = {};
    a.C = (bf16 *)f->C, a.ldc = f->ldc, a.m = (int32_t)f->m, a.n = (int32_t)f->n;
    a.k_steps = (int32_t)((f->k + DEPTH - 1) / DEPTH), a.count = 0;
    bool ok = map_rows(&a.A, f->A, f->m, f->k, f->lda) && map_columns(&a.B, f->B, f->n, f->k, f->ldb, f->b, width);
    for (int i = 0; ok && i < f->count; i++) {
        const fused_pair *p  = &f->pairs[i];
        const int         to = a.count;
        if (p->r == 0 || p->cols == 0) continue;
        a.count++;
        a.pairs[to] = { (int32_t)p->r, (int32_t)p->first, (int32_t)p->cols };
        ok          = map_rows(&a.h[to], p->h, f->m, p->r, p->ldh) && map_columns(&a.E[to], p->E, p->cols, p->r, p->lde, f->b, width);
    }
    if (!ok) return;
    const unsigned grid = (unsigned)min(tiles(f, width), (int64_t)cuda_device.multiprocessors);
    if (f->b == TRANSPOSED && width == 256)
        LAUNCH_SHARED(fused_fwd_256_kernel, grid, BLOCK, SHARED, a);
    else if (f->b == TRANSPOSED)
        LAUNCH_SHARED(fused_fwd_128_kernel, grid, BLOCK, SHARED, a);
    else if (width == 256)
        LAUNCH_SHARED(fused_bwd_256_kernel, grid, BLOCK, SHARED, a);
    else
        LAUNCH_SHARED(fused_bwd_128_kernel, grid, BLOCK, SHARED, a);
}
