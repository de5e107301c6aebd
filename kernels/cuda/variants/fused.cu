/* Contract: kernels/cuda/variants/fused.h; the kernels' bodies: kernels/cuda/variants/fused_tile.h.
 *
 * A step along k of a 128 x 256 tile reads 48 KiB through L2 for 4 MFLOP, and 32 KiB in a cluster
 * of two tiles; where such tiles would leave multiprocessors idle, they are 128 x 128. The choice
 * depends on the shape alone. No GPU has confirmed it: `fused-single` is there to compare with. */
#include "kernels/cuda/variants/fused_tile.h"

#ifdef __CUDACC__
static constexpr int64_t FEW_TILES = 128; /* fewer do not fill a large GPU */
#else
static constexpr int64_t FEW_TILES = 2; /* so that small tests meet both widths */
#endif

#if HOPPER_CODE
#define FUSED_BODY(width, n_major, blocks) fused_kernel<width, n_major, blocks>::run(f);
#else
#define FUSED_BODY(width, n_major, blocks)
#endif
#define FUSED_KERNEL(name, width, n_major, blocks)                                                                     \
    KERNEL __launch_bounds__(BLOCK, 1) name(const __grid_constant__ fused_args f) { FUSED_BODY(width, n_major, blocks) }
FUSED_KERNEL(fused_fwd_256_kernel, 256, false, 1)
FUSED_KERNEL(fused_fwd_128_kernel, 128, false, 1)
FUSED_KERNEL(fused_fwd_cluster_kernel, 256, false, 2)
FUSED_KERNEL(fused_bwd_256_kernel, 256, true, 1)
FUSED_KERNEL(fused_bwd_128_kernel, 128, true, 1)
FUSED_KERNEL(fused_bwd_cluster_kernel, 256, true, 2)

/* By layout of B: kernels for few tiles, for many, and of clusters for many. */
typedef enum { FEW, MANY, CLUSTER, SHAPES } fused_shape;
static const struct {
    int width, blocks;
} shapes[SHAPES] = { { 128, 1 }, { 256, 1 }, { 256, 2 } };
#define NAMED(kernel) #kernel, kernel
static const struct {
    const char *name;
    void (*run)(fused_args f);
} kernels[2][SHAPES] = {
    { { NAMED(fused_bwd_128_kernel) }, { NAMED(fused_bwd_256_kernel) }, { NAMED(fused_bwd_cluster_kernel) } },
    { { NAMED(fused_fwd_128_kernel) }, { NAMED(fused_fwd_256_kernel) }, { NAMED(fused_fwd_cluster_kernel) } }
};

static int64_t tiles(const fused *f, int64_t height, int64_t width)
{
    return (f->m + height - 1) / height * ((f->n + width - 1) / width);
}

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
    if (tiles(f, HEIGHT, 128) > most) return "takes at most 2^31 tiles of 128 rows and columns";
    return NULL;
}

/* Boxes of rows of A or h; and of B or E, whichever way they lie. */
static bool map_rows(CUtensorMap *map, const void *p, int64_t rows, int64_t k, int64_t ld)
{
    return tensor_map(map, p, rows, k, ld, HEIGHT, DEPTH);
}
static bool map_columns(CUtensorMap *map, const void *p, int64_t columns, int64_t k, int64_t ld, gemm_layout b,
                        int width)
{
    return b == TRANSPOSED ? tensor_map(map, p, columns, k, ld, width, DEPTH)
                           : tensor_map(map, p, k, columns, ld, DEPTH, 64);
}

/* A cluster reads a third less, but where the tiles down are odd in number one of its blocks works
 * for nothing: that is fewer than an eighth of all from 8 down on. */
static fused_shape shape_of(const fused *f)
{
    const int64_t down = (f->m + HEIGHT - 1) / HEIGHT;
    if (tiles(f, HEIGHT, 256) < FEW_TILES) return FEW;
    if (f->blocks == BY_SHAPE) return down % 2 == 0 || down >= 8 ? CLUSTER : MANY;
    return f->blocks == PAIRED ? CLUSTER : MANY;
}

void cuda_fused(const fused *f)
{
    const fused_shape shape = shape_of(f);
    const int         width = shapes[shape].width, blocks = shapes[shape].blocks, part = width / blocks;
    if (f->m == 0 || cuda_failed()) return;
    fused_args a = {};
    a.m = (int32_t)f->m, a.n = (int32_t)f->n;
    a.k_steps = (int32_t)((f->k + DEPTH - 1) / DEPTH), a.count = 0;
    bool ok = map_rows(&a.A, f->A, f->m, f->k, f->lda) && map_columns(&a.B, f->B, f->n, f->k, f->ldb, f->b, part) &&
              tensor_map(&a.C, f->C, f->m, f->n, f->ldc, BOX_ROWS, BOX_COLS);
    for (int i = 0; ok && i < f->count; i++) {
        const fused_pair *p  = &f->pairs[i];
        const int         to = a.count;
        if (p->r == 0 || p->cols == 0) continue;
        a.count++;
        a.pairs[to] = { (int32_t)p->r, (int32_t)p->first, (int32_t)p->cols };
        ok          = map_rows(&a.h[to], p->h, f->m, p->r, p->ldh) &&
             map_columns(&a.E[to], p->E, p->cols, p->r, p->lde, f->b, part);
    }
    if (!ok) return;
    const int64_t clusters = min(tiles(f, (int64_t)blocks * HEIGHT, width), (int64_t)(cuda->multiprocessors / blocks));
    const auto   *kernel   = &kernels[f->b == TRANSPOSED][shape];
    cuda_launch(kernel->name, __FILE__, __LINE__, { (unsigned)(clusters * blocks), BLOCK, SHARED, false, blocks },
                kernel->run, a);
}
