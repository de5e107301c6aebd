/* The variants for few rows in bf16, which know many adapters in one batch: decode, our two
 * launches, and gather, what engines that serve many adapters do (punica's BGMV and its
 * successors): the base by cuBLAS, then h and its expansion by kernels that gather each row's own
 * A' and B'. Gather knows pairs alone, so a tied adapter is just another pair to it. */
#include "kernels/cuda/ops/decode_rows.h"
#include "kernels/cuda/variants/steps.h"

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

static bool same_A(const adapted_pair *a, const adapted_pair *b)
{
    return a->p.A == b->p.A && a->p.lda == b->p.lda && a->p.r == b->p.r;
}

decode_args decode_of(const adapted_linear *l, bool of_factors)
{
    static const adapted_batch one   = {};
    const adapted_batch       *batch = l->batch ? l->batch : &one;
    decode_args                a     = {};
    int                        kept  = 0;
    a.x = (const bf16 *)l->x, a.W = (const bf16 *)l->W, a.bias = (const bf16 *)l->bias, a.y = (bf16 *)l->y;
    a.in = l->in, a.out = l->out, a.ldx = l->ldx, a.ldy = l->ldy;
    a.which = batch->which, a.ranks = batch->ranks, a.adapters = (int)(batch->adapters ? batch->adapters : 1);
    a.s = 1, a.n = (int)(l->n <= DECODE_ROWS ? l->n : DECODE_ROWS + 1), a.accumulate = l->accumulate;
    for (const adapted_pair *p = l->pairs; p < l->pairs + l->count; p++) {
        const adapted_factors *f = of_factors ? p->factors : NULL;
        const int              r = (int)p->p.r;
        if (!r) continue;
        if (f || p == l->pairs || !same_A(p - 1, p)) {
            decode_down *d = &a.down[a.downs++];
            d->A = (const bf16 *)(f ? f->A : p->p.A), d->u = f ? (const bf16 *)f->u : NULL;
            d->lda = f ? f->lda : p->p.lda, d->r = r, d->kept = kept;
            d->stride_a = batch->stride_A, d->stride_u = batch->stride_u;
            kept += r;
        }
        decode_up *u = &a.up[a.ups++];
        u->B = (const bf16 *)(f ? f->B : p->p.B), u->ldb = f ? r : p->p.ldb, u->stride_b = batch->stride_B;
        u->at = p->at, u->out = p->out, u->r = r, u->down = a.downs - 1;
        if (f) a.s = (float)f->s, a.v = (const bf16 *)f->v, a.stride_v = batch->stride_v;
    }
    return a;
}

/* Bytes of a factor of `numbers` elements an adapter, of those in the batch: of one, where it is
 * shared or nobody says how many there are. */
static double factor(const adapted_linear *l, bool there, int64_t stride, int64_t numbers)
{
    return there ? 2.0 * (double)numbers * (stride && l->batch && l->batch->distinct ? (double)l->batch->distinct : 1)
                 : 0;
}

static double bytes_of_h(const adapted_linear *l, const decode_args *a)
{
    double ranks = 0;
    for (int i = 0; i < a->downs; i++) ranks += a->down[i].r;
    return 4.0 * a->k_parts * (double)l->n * ranks;
}

/* h in f32, in parts. */
static void step_decode_shrink(adapted_walk *w, const adapted_linear *l, decode_args *a)
{
    const double n = (double)l->n, in = (double)l->in;
    double       flops = 0, bytes = 2 * n * in + bytes_of_h(l, a);
    for (int i = 0; i < a->downs; i++) {
        flops += 2 * n * in * a->down[i].r;
        bytes += factor(l, true, a->down[i].stride_a, a->down[i].r * l->in);
    }
    a->sums = (float *)take_scratch(w, l, decode_sums(a) * (int64_t)sizeof(float));
    if (adapted_step(w, 1, flops, bytes)) decode_shrink(a);
}

void step_decode(adapted_walk *w, const adapted_linear *l, decode_args *a)
{
    const double n = (double)l->n, in = (double)l->in, out = (double)l->out;
    double       flops = 2 * n * in * out, bytes = 2 * (n * in + in * out + n * out * (a->accumulate ? 2 : 1));
    step_decode_shrink(w, l, a);
    bytes += bytes_of_h(l, a) + factor(l, a->v, a->stride_v, l->out);
    for (int i = 0; i < a->ups; i++) {
        flops += 2 * n * (double)a->up[i].out * a->up[i].r;
        bytes += factor(l, true, a->up[i].stride_b, a->up[i].r * a->up[i].out);
    }
    for (int i = 0; i < a->downs; i++) bytes += factor(l, a->down[i].u, a->down[i].stride_u, a->down[i].r);
    if (adapted_step(w, 1, flops, bytes)) a->wgmma ? decode_expand_wgmma(a) : decode_expand(a);
}

void decode_forward(adapted_walk *w, const adapted_linear *l)
{
    decode_args a = decode_of(l, true);
    decode_plan(&a);
    step_decode(w, l, &a);
}

static const char *refuses_pairs(const adapted_linear *l)
{
    for (const adapted_pair *p = l->pairs; p < l->pairs + l->count; p++)
        if (l->count > 1 && (p->factors || l->batch)) return "takes the factors, or many adapters, of one pair alone";
    return NULL;
}

const char *decode_refuses(const adapted_linear *l)
{
    const char *why = refuses_pairs(l);
    if (why) return why;
    decode_args a = decode_of(l, true);
    /* Dimensions alone count: as if rows were grouped, and there were a v. */
    a.down[0].stride_a = 1, a.v = (const bf16 *)l;
    return decode_plan(&a);
}

/* Adapters with an A or B of their own take decode's second launch: strides are not known where a
 * refusal is asked for. */
void decode_wgmma_forward(adapted_walk *w, const adapted_linear *l)
{
    decode_args a = decode_of(l, true);
    decode_plan(&a);
    a.wgmma = !a.grouped;
    step_decode(w, l, &a);
}

const char *decode_wgmma_refuses(const adapted_linear *l)
{
    const char *why = l->batch ? decode_refuses(l) : refuses_pairs(l);
    if (why) return why;
    decode_args a = decode_of(l, true);
    decode_plan(&a);
    return decode_expand_wgmma_refuses(&a);
}

void gather_forward(adapted_walk *w, const adapted_linear *l)
{
    base_forward_bf16(w, l, l->W, l->accumulate);
    for (const adapted_pair *p = l->pairs; p < l->pairs + l->count; p++) {
        adapted_linear one = *l;
        one.pairs = p, one.count = 1;
        if (!p->p.r) continue;
        decode_args a = decode_of(&one, false);
        a.y = at<bf16>(l->y, p->at), a.out = p->out, a.up[0].at = 0;
        decode_plan(&a);
        step_decode_shrink(w, &one, &a);
        const double n = (double)l->n, out = (double)p->out, r = (double)p->p.r;
        if (adapted_step(w, 1, 2 * n * out * r,
                         2 * 2 * n * out + bytes_of_h(&one, &a) + factor(l, true, a.up[0].stride_b, p->p.r * p->out)))
            decode_gather_expand(&a);
    }
}

const char *gather_refuses(const adapted_linear *l)
{
    if (l->n > DECODE_ROWS) return "does at most 64 rows";
    if (l->batch && l->count > 1) return "takes many adapters of one pair alone";
    /* h of 8 rows in shared memory, on every GPU */
    for (const adapted_pair *p = l->pairs; p < l->pairs + l->count; p++)
        if (p->p.r > 4096) return "does ranks of at most 4096";
    return NULL;
}
