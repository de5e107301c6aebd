/* Variants for few rows and many adapters in one batch (kernels/variant.h), in bf16: `decode`,
 * our two launches, and `gather`, what engines that serve many adapters do (punica's BGMV and
 * its successors): the base by cuBLAS, then h and its expansion by kernels that gather each
 * row's own A' and B'. Those know pairs alone: a tied adapter is to them one pair more. */
#include "kernels/cuda/ops/decode_rows.h"
#include "kernels/cuda/variants/site.h"

/* Block (16 rows of B for each of its warps, 8 rows of the batch). */
KERNEL __launch_bounds__(THREADS) gather_expand_kernel(const __grid_constant__ decode_args a, int ld)
{
    __shared__ decode_rows rows;
    bf16                  *h = (bf16 *)dynamic_shared(); /* [8][ld], 0 behind the rank */
    list_rows(&rows, a);
    if ((int)blockIdx.y >= rows.count) return;
    const decode_up &p = a.up[0];
    const int first = rows.first[blockIdx.y], size = rows.size[blockIdx.y], adapter = rows.group_adapter[blockIdx.y];
    const int lane = (int)threadIdx.x % WARP, g = lane / 4, t = lane % 4,
              r = a.grouped ? rank_of(a, adapter, p.r) : p.r;
    for (int i = (int)threadIdx.x; i < GROUP * ld; i += THREADS) {
        const int token = i / ld < size ? rows.order[first + i / ld] : 0, j = i % ld;
        float     sum = 0;
        if (i / ld < size && rows.adapter[token] >= 0 && j < rank_of(a, rows.adapter[token], p.r))
            for (int part = 0; part < a.k_parts; part++) sum += a.sums[((int64_t)part * a.n + token) * a.columns + j];
        h[i] = sum;
    }
    __syncthreads();
    const int64_t o    = ((int64_t)blockIdx.x * WARPS + (int)threadIdx.x / WARP) * 16 + g;
    const bf16   *B_lo = p.B + adapter * p.stride_b + o * p.ldb, *B_hi = B_lo + 8 * p.ldb;
    mma_c         sum    = {};
    const bool    vector = p.vector && r % 8 == 0; /* behind an adapter's rank B may be anything */
    for (int k = 8 * t; k - 8 * t < r; k += 32)
        mma_32(&sum, load_8(B_lo, k, r, o < p.out, vector), load_8(B_hi, k, r, o + 8 < p.out, vector),
               *(const uint4 *)(h + g * ld + k));
    for (int i = 0; i < 4; i++) {
        const int     column = 2 * t + i % 2;
        const int64_t row    = o + (i >= 2 ? 8 : 0);
        if (column >= size || row >= p.out) continue;
        bf16 *y = a.y + rows.order[first + column] * a.ldy + row;
        *y      = *y + a.s * sum.x[i];
    }
}

void decode_gather_expand(const decode_args *a)
{
    const int     ld     = (a->up[0].r + 31) / 32 * 32 + 8;
    const int64_t groups = a->grouped ? a->n : (a->n + GROUP - 1) / GROUP;
    LAUNCH_SHARED(gather_expand_kernel, dim3(blocks_of(a->out, WARPS * 16), (unsigned)groups), THREADS, GROUP * ld * 2,
                  *a, ld);
}

static decode_args args_of(const site_call *c, float *sums)
{
    decode_args a = {};
    a.x = (const bf16 *)c->x, a.W = (const bf16 *)c->W, a.v = (const bf16 *)c->v, a.y = (bf16 *)c->y, a.sums = sums;
    a.which = c->which, a.ranks = c->ranks, a.in = c->in, a.out = c->out, a.ldx = c->in, a.ldy = c->out,
    a.stride_v = c->stride_v;
    a.s = (float)c->s, a.n = (int)(c->n <= DECODE_ROWS ? c->n : DECODE_ROWS + 1),
    a.adapters = (int)(c->adapters ? c->adapters : 1), a.downs = a.ups = 1;
    a.down[0].A = (const bf16 *)c->A, a.down[0].u = (const bf16 *)c->u, a.down[0].lda = c->lda, a.down[0].r = (int)c->r;
    a.down[0].stride_a = c->stride_A, a.down[0].stride_u = c->stride_u;
    a.up[0].B = (const bf16 *)c->B, a.up[0].ldb = c->r, a.up[0].stride_b = c->stride_B, a.up[0].out = c->out,
    a.up[0].r = (int)c->r;
    return a;
}

const char *refuses_decode(const site_variant *, const site_call *c)
{
    decode_args a = args_of(c, NULL);
    /* dimensions alone count: as if rows were grouped, and there were a v */
    a.down[0].stride_a = 1, a.v = (const bf16 *)c;
    return decode_plan(&a);
}

const char *refuses_gather(const site_variant *, const site_call *c)
{
    if (c->n > DECODE_ROWS) return "does at most 64 rows";
    /* h of 8 rows in shared memory, on every GPU */
    return c->r > 4096 ? "does ranks of at most 4096" : NULL;
}

static void run_step(const site_step *s, void (*what)(const decode_args *a))
{
    decode_args a = args_of(s->call, (float *)s->to);
    if (what == decode_gather_expand) a.s = 1; /* the pair has it */
    decode_plan(&a);
    what(&a);
}
static void run_shrink(const site_step *s) { run_step(s, decode_shrink); }
static void run_expand(const site_step *s) { run_step(s, decode_expand); }
static void run_gather(const site_step *s) { run_step(s, decode_gather_expand); }

static void add(struct site_plan *p, const site_call *c, void *sums, void (*run)(const site_step *s), double flops,
                double bytes)
{
    site_step s = {};
    s.run = run, s.call = c, s.to = sums, s.launches = 1, s.flops = flops, s.bytes = bytes;
    plan_step(p, &s);
}

/* Bytes of a factor of `numbers` elements an adapter, of those in the batch: one, where it is
 * shared or nobody says how many there are. */
static double factor(const site_call *c, const void *there, int64_t stride, int64_t numbers)
{
    return there ? 2.0 * (double)numbers * (stride && c->distinct ? (double)c->distinct : 1) : 0;
}

/* The first step of both; gives back the bytes of h, which the next one reads. */
static double plan_shrink(struct site_plan *p, const site_call *c, void **sums)
{
    decode_args  a = args_of(c, NULL);
    const double n = (double)c->n, in = (double)c->in, r = (double)c->r;
    decode_plan(&a);
    const double h = 4.0 * a.k_parts * n * r;
    *sums          = plan_take(p, decode_sums(&a) * (int64_t)sizeof(float));
    add(p, c, *sums, run_shrink, 2 * n * r * in, 2 * n * in + factor(c, c, c->stride_A, c->r * c->in) + h);
    return h;
}

void plan_decode(struct site_plan *p, const site_variant *, site_stage stage, const site_call *c)
{
    void        *sums;
    const double n = (double)c->n, in = (double)c->in, out = (double)c->out, r = (double)c->r;
    if (stage != SITE_FORWARD) return;
    const double h = plan_shrink(p, c, &sums);
    add(p, c, sums, run_expand, 2 * n * out * (in + r),
        2 * (n * in + in * out + n * out) + h + factor(c, c, c->stride_B, c->r * c->out) +
            factor(c, c->u, c->stride_u, c->r) + factor(c, c->v, c->stride_v, c->out));
}

void plan_gather(struct site_plan *p, const site_variant *, site_stage stage, const site_call *c)
{
    void        *sums;
    const double n = (double)c->n, out = (double)c->out, r = (double)c->r;
    if (stage != SITE_FORWARD) return;
    plan_gemm(p, false,
              { c->n, c->out, c->in, c->x, c->in, PLAIN, c->W, c->in, TRANSPOSED, c->y, c->out, false, CUDA_R_16BF,
                CUDA_R_16BF });
    const double h = plan_shrink(p, c, &sums);
    add(p, c, sums, run_gather, 2 * n * out * r, 2 * 2 * n * out + h + factor(c, c, c->stride_B, c->r * c->out));
}
