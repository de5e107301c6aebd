/* Skinny products: tiles of C in registers, strips of A and B in shared memory. Contract:
 * kernels/cuda/product.h. */
#include "kernels/cuda/product.h"

#include "kernels/cuda/reduce.h"

static constexpr int STEP = 16; /* of k per strip */
/* a block is SIDE x SIDE threads; a thread owns every SIDE-th row and column of the tile */
static constexpr int SIDE        = 16;
static constexpr int BLOCKS_WANT = 256; /* about two on each multiprocessor of a large GPU */
/* Shorter parts would cost more in summing than they gain in parallel work. */
static constexpr int K_PART_LEAST = 128;
static constexpr int ROW_PARTS    = 64;

/* Some rows (or columns, with the strides exchanged) of one strip; zero outside. Threads run
 * along the contiguous direction. */
template <int LINES>
static __device__ void load_strip(float *to, const float *from, int64_t line_stride, int64_t k_stride, int64_t line0,
                                  int64_t lines, int64_t k0, int64_t k1)
{
    const bool along_k = k_stride == 1;
    const int  next_k = along_k ? 0 : THREADS / LINES, next_line = along_k ? THREADS / STEP : 0,
              thread = (int)threadIdx.x;
    int           k = along_k ? thread % STEP : thread / LINES, line = along_k ? thread / STEP : thread % LINES;
    const int64_t next   = next_k * k_stride + next_line * line_stride;
    const float  *source = from + (line0 + line) * line_stride + (k0 + k) * k_stride;
    for (int i = 0; i < LINES * STEP / THREADS; i++, k += next_k, line += next_line, source += next)
        to[k * (LINES + 1) + line] = line0 + line < lines && k0 + k < k1 ? *source : 0;
}

/* One tile of C over one part of k. a and b are shared memory for a strip each; k_part a
 * multiple of STEP. A single part goes to C itself. */
template <int ROWS, int COLS>
static __device__ void product_tile(const product &p, float *parts, int64_t k_part, float *a, float *b)
{
    const int64_t m0 = (int64_t)blockIdx.x * ROWS, n0 = (int64_t)blockIdx.y * COLS, k0 = blockIdx.z * k_part,
                  k1 = k0 + k_part < p.k ? k0 + k_part : p.k;
    const int ty = (int)threadIdx.x / SIDE, tx = (int)threadIdx.x % SIDE;
    float     sum[ROWS / SIDE][COLS / SIDE] = {};
    for (int64_t k = k0; k < k1; k += STEP) {
        load_strip<ROWS>(a, p.A, p.a_row, p.a_col, m0, p.m, k, k1);
        load_strip<COLS>(b, p.B, p.b_col, p.b_row, n0, p.n, k, k1);
        __syncthreads();
        for (int s = 0; s < STEP; s++)
            for (int i = 0; i < ROWS / SIDE; i++)
                for (int j = 0; j < COLS / SIDE; j++)
                    sum[i][j] += a[s * (ROWS + 1) + ty + i * SIDE] * b[s * (COLS + 1) + tx + j * SIDE];
        __syncthreads();
    }
    const bool    direct = gridDim.z == 1;
    const int64_t ld     = direct ? p.ldc : p.n;
    float        *to     = direct ? p.C : parts + blockIdx.z * p.m * p.n;
    for (int i = 0; i < ROWS / SIDE; i++)
        for (int j = 0; j < COLS / SIDE; j++) {
            int64_t m = m0 + ty + i * SIDE, n = n0 + tx + j * SIDE;
            if (m >= p.m || n >= p.n) continue;
            to[m * ld + n] = direct && p.accumulate ? to[m * ld + n] + sum[i][j] : sum[i][j];
        }
}

#define PRODUCT_KERNEL(name, rows, cols)                                                                               \
    KERNEL __launch_bounds__(THREADS) name(product p, float *parts, int64_t k_part)                                    \
    {                                                                                                                  \
        __shared__ float a[STEP * (rows + 1)], b[STEP * (cols + 1)];                                                   \
        product_tile<rows, cols>(p, parts, k_part, a, b);                                                              \
    }
PRODUCT_KERNEL(product_64x64_kernel, 64, 64)
PRODUCT_KERNEL(product_64x16_kernel, 64, 16)
PRODUCT_KERNEL(product_16x64_kernel, 16, 64)

/* With few columns or few rows the tile is as narrow, so ranks up to 16 waste nothing. */
typedef struct {
    void (*kernel)(product, float *, int64_t);
    int rows, cols;
} tile;

static tile tile_of(const product *p)
{
    static const tile square = { product_64x64_kernel, 64, 64 }, tall = { product_64x16_kernel, 64, 16 },
                      wide = { product_16x64_kernel, 16, 64 };
    return p->n <= 16 ? tall : p->m <= 16 ? wide : square;
}

/* Elements of k in a part: a multiple of STEP that gives about BLOCKS_WANT blocks. */
static int64_t k_part_of(const product *p, int64_t tiles)
{
    int64_t wanted = BLOCKS_WANT / tiles, most = p->k / K_PART_LEAST, parts = wanted < most ? wanted : most;
    if (parts < 1) parts = 1;
    return ((p->k + parts - 1) / parts + STEP - 1) / STEP * STEP;
}

void cuda_product(const product *p)
{
    if (p->m == 0 || p->n == 0) return;
    tile    t              = tile_of(p);
    auto   *product_kernel = t.kernel;
    int64_t rows = blocks_of(p->m, t.rows), cols = blocks_of(p->n, t.cols), k_part = k_part_of(p, rows * cols),
            count = blocks_of(p->k, k_part);
    float *parts  = count > 1 ? (float *)cuda_scratch(SCRATCH_PARTS, count * p->m * p->n * (int64_t)sizeof(float))
                              : NULL;
    LAUNCH(product_kernel, dim3((unsigned)rows, (unsigned)cols, (unsigned)count), THREADS, *p, parts, k_part);
    if (count > 1) cuda_add_parts(p->C, p->ldc, parts, count, p->m, p->n, p->accumulate);
}

KERNEL __launch_bounds__(THREADS) add_parts_kernel(float *to, int64_t ld, const float *parts, int64_t count,
                                                   int64_t rows, int64_t cols, bool accumulate)
{
    int64_t at = (int64_t)blockIdx.x * THREADS + threadIdx.x, n = rows * cols, row, col;
    if (at >= n) return;
    float sum = 0;
    for (int64_t i = 0; i < count; i++) sum += parts[i * n + at];
    place_of(at, cols, &row, &col);
    float *c = to + row * ld + col;
    *c       = accumulate ? *c + sum : sum;
}

void cuda_add_parts(float *to, int64_t ld, const float *parts, int64_t count, int64_t rows, int64_t cols,
                    bool accumulate)
{
    LAUNCH(add_parts_kernel, blocks_of(rows * cols, THREADS), THREADS, to, ld, parts, count, rows, cols, accumulate);
}

row_parts row_parts_of(int64_t n)
{
    row_parts p;
    p.rows  = (n + ROW_PARTS - 1) / ROW_PARTS;
    p.count = (n + p.rows - 1) / p.rows;
    return p;
}
