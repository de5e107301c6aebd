/* The variants eager and eager-bf16: what a framework does, op for op, each result an array of its
 * own in memory.
 *
 * The order of PEFT's layers (its tuners/lora/layer.py and tuners/vera/layer.py) under PyTorch's
 * autograd, dropout off:
 *
 *   forward    base = x W^T;  x to the adapter's type;  h = x A^T;  u * h;  delta = h B^T;
 *              v * delta;  s * delta;  base + delta;  back to y's type
 *   backward   the transposes of these, last first; the sum of the two gradients in x is a pass too
 *
 * LoRA multiplies by s whatever it is; where there is a v, only by an s other than 1. By default
 * (autocast_adapter_dtype) the adapter's type is f32. Over a bf16 base that is `mixed` here: sums
 * of both are f32, and the gradient in the base is cast back. Gradients of parameters are f32 and
 * added to; a framework in bf16 would keep these small arrays in bf16. */
#include "kernels/cuda/product.h"
#include "kernels/cuda/vector.h"
#include "kernels/cuda/variants/steps.h"

typedef enum { CONVERT, SCALE, COLUMNS, PRODUCT, SUM } pass_kind;

/* Elements that a thread reads and writes at once, as a framework's kernels do. */
static constexpr int VEC = 4;

/* to [count] = a, s a, a times the factor b of its column (of cols), a b, or a + b. */
template <pass_kind K, class T, class FROM, class WITH>
static __device__ void pass(T *to, const FROM *a_, const WITH *b_, float s, int64_t count, int64_t cols)
{
    const int64_t first = ((int64_t)blockIdx.x * THREADS + threadIdx.x) * VEC, left = count - first;
    if (left <= 0) return;
    const vec<FROM, VEC> a   = vec_load<VEC>(a_ + first, left, true);
    vec<WITH, VEC>       b   = {};
    vec<T, VEC>          out = {};
    int64_t              col = 0;
    /* 64-bit division is slow */
    if (K == COLUMNS) col = count < (int64_t)1 << 32 ? (uint32_t)first % (uint32_t)cols : first % cols;
    if (K == PRODUCT || K == SUM) b = vec_load<VEC>(b_ + first, left, true);
    for (int i = 0; i < VEC; i++) {
        const float x = a.x[i];
        if (K == CONVERT) out.x[i] = x;
        if (K == SCALE) out.x[i] = s * x;
        if (K == COLUMNS) out.x[i] = x * b_[col];
        if (K == PRODUCT) out.x[i] = x * b.x[i];
        if (K == SUM) out.x[i] = x + b.x[i];
        if (++col == cols) col = 0;
    }
    vec_store<VEC>(to + first, out, left, true);
}

/* A kernel, and what launches it. */
#define PASS(name, type, kind, T, FROM, WITH)                                                                          \
    KERNEL __launch_bounds__(THREADS)                                                                                  \
        eager_##name##_kernel##type(T *to, const FROM *a, const WITH *b, float s, int64_t count, int64_t cols)         \
    {                                                                                                                  \
        pass<kind, T, FROM, WITH>(to, a, b, s, count, cols);                                                           \
    }                                                                                                                  \
    static void run_##name##type(void *to, const void *a, const void *b, float s, int64_t rows, int64_t cols)          \
    {                                                                                                                  \
        const int64_t count = rows * cols;                                                                             \
        LAUNCH(eager_##name##_kernel##type, blocks_of(count, VEC *THREADS), THREADS, (T *)to, (const FROM *)a,         \
               (const WITH *)b, s, count, cols);                                                                       \
    }
PASS(widen, , CONVERT, float, bf16, bf16)
PASS(narrow, , CONVERT, bf16, float, float)
PASS(scale, , SCALE, float, float, float)
PASS(scale, _bf16, SCALE, bf16, bf16, bf16)
PASS(columns, , COLUMNS, float, float, float)
PASS(columns, _bf16, COLUMNS, bf16, bf16, bf16)
PASS(product, , PRODUCT, float, float, float)
PASS(product, _bf16, PRODUCT, bf16, bf16, bf16)
PASS(sum, , SUM, float, float, float)
PASS(sum, _bf16, SUM, bf16, bf16, bf16)
PASS(sum, _mixed, SUM, float, bf16, float)

static void run_total(void *to, const void *a, const void *, float, int64_t rows, int64_t cols)
{
    linear_bwd_w_cuda(NULL, (param *)to, (const real *)a, NULL, { rows, 1, cols, 1, cols });
}
static void run_total_bf16(void *to, const void *a, const void *, float, int64_t rows, int64_t cols)
{
    linear_bwd_w_cuda_bf16(NULL, (param *)to, (const real *)a, NULL, { rows, 1, cols, 1, cols });
}

/* The types of adapter and base, and their passes over [rows, cols]. base_sum: of two arrays of the
 * base's type; sum: of the base's and the adapter's. */
typedef void (*pass_run)(void *to, const void *a, const void *b, float s, int64_t rows, int64_t cols);
typedef struct {
    cudaDataType adapter, base;
    pass_run     widen, narrow; /* NULL: both types are one */
    pass_run     scale, columns, product, sum, base_sum, total;
} eager_types;
static const eager_types types_f32   = { CUDA_R_32F,  CUDA_R_32F,  NULL,    NULL,    run_scale,
                                         run_columns, run_product, run_sum, run_sum, run_total };
static const eager_types types_mixed = { CUDA_R_32F,  CUDA_R_16BF, run_widen,     run_narrow,   run_scale,
                                         run_columns, run_product, run_sum_mixed, run_sum_bf16, run_total };
static const eager_types types_bf16  = {
     CUDA_R_16BF,      CUDA_R_16BF,      NULL,         NULL,         run_scale_bf16,
     run_columns_bf16, run_product_bf16, run_sum_bf16, run_sum_bf16, run_total_bf16
};

static const eager_types *types_of(const adapted_walk *w)
{
    return w->be->elem == 4 ? &types_f32 : w->variant->takes == TAKES_FACTORS ? &types_mixed : &types_bf16;
}

static int64_t size_of(cudaDataType type) { return type == CUDA_R_32F ? 4 : 2; }

/* A pass over [rows, cols] that moves `bytes` for each element; gives back where its result is. */
static void *step_pass(adapted_walk *w, pass_run run, void *to, const void *a, const void *b, double s, int64_t rows,
                       int64_t cols, int64_t bytes)
{
    const double count = (double)rows * (double)cols;
    /* a total: parts, and their sum */
    if (adapted_step(w, run == run_total || run == run_total_bf16 ? 2 : 1,
                     run == run_widen || run == run_narrow ? 0 : count, (double)bytes * count))
        run(to, a, b, (float)s, rows, cols);
    return to;
}

/* The factors of the only pair; the pair is factors without u and v. */
static adapted_factors factors_of(const adapted_linear *l)
{
    const pair_arrays *p = &l->pairs[0].p;
    if (l->pairs[0].factors) return *l->pairs[0].factors;
    return { true, p->A, p->B, NULL, NULL, p->lda, 1, p->dA, p->dB, NULL, NULL };
}
static int64_t ldb_of(const adapted_linear *l) { return l->pairs[0].factors ? l->pairs[0].p.r : l->pairs[0].p.ldb; }

/* h: without and with u; delta: before v; wide: passes over y's shape, in turn; the rest as
 * named.
 * _a is of the adapter's type, the others of the base's. The forward leaves x_a, h, hu and
 * delta. */
typedef struct {
    void *x_a, *h, *hu, *dh, *dhu, *delta, *wide[3], *dx_a, *dx_pair, *dx_base, *base;
} eager_arrays;

static eager_arrays take(adapted_walk *w, const adapted_linear *l)
{
    const eager_types    *t = types_of(w);
    const adapted_factors f = factors_of(l);
    const int64_t         a = size_of(t->adapter), e = size_of(t->base), x = l->n * l->in, h = l->n * l->pairs[0].p.r,
                  y = l->n * l->out;
    eager_arrays r;
    r.x_a = t->widen ? take_kept(w, l, x * a) : (void *)l->x;
    r.h = take_kept(w, l, h * a), r.hu = f.u ? take_kept(w, l, h * a) : r.h;
    r.delta = take_kept(w, l, y * a);
    r.dhu = take_scratch(w, l, h * a), r.dh = f.u ? take_scratch(w, l, h * a) : r.dhu;
    for (int i = 0; i < 3; i++) r.wide[i] = take_scratch(w, l, y * a);
    r.dx_a = take_scratch(w, l, x * a), r.dx_pair = t->narrow ? take_scratch(w, l, x * e) : r.dx_a;
    r.dx_base = take_scratch(w, l, x * e), r.base = take_scratch(w, l, y * e);
    return r;
}

static bool scales(const adapted_factors *f) { return !f->v || f->s < 1 || f->s > 1; }

void eager_forward(adapted_walk *w, const adapted_linear *l)
{
    const eager_types    *t = types_of(w);
    const adapted_factors f = factors_of(l);
    const eager_arrays    r = take(w, l);
    const int64_t         a = size_of(t->adapter), e = size_of(t->base), n = l->n, in = l->in, out = l->out,
                  rank       = l->pairs[0].p.r;
    const cudaDataType type  = t->adapter;
    void              *delta = r.delta;
    adapted_linear     base  = *l;
    base.y                   = (real *)r.base;
    e == 4 ? base_forward(w, &base, l->W, false) : base_forward_bf16(w, &base, l->W, false);
    if (t->widen) step_pass(w, t->widen, r.x_a, l->x, NULL, 1, n, in, a + e);
    step_gemm(w, false, { n, rank, in, r.x_a, in, PLAIN, f.A, f.lda, TRANSPOSED, r.h, rank, false, type, type });
    if (f.u) step_pass(w, t->columns, r.hu, r.h, f.u, 1, n, rank, 2 * a);
    step_gemm(w, false, { n, out, rank, r.hu, rank, PLAIN, f.B, ldb_of(l), TRANSPOSED, delta, out, false, type, type });
    if (f.v) delta = step_pass(w, t->columns, r.wide[0], delta, f.v, 1, n, out, 2 * a);
    if (scales(&f)) delta = step_pass(w, t->scale, r.wide[1], delta, NULL, f.s, n, out, 2 * a);
    /* A model that adds the linear to y does so by an op of its own. */
    void *y = l->accumulate ? r.wide[delta == r.wide[0]] : (void *)l->y;
    step_pass(w, t->sum, t->narrow ? r.wide[2] : y, r.base, delta, 1, n, out, e + 2 * a);
    if (t->narrow) step_pass(w, t->narrow, y, r.wide[2], NULL, 1, n, out, a + e);
    if (l->accumulate) step_pass(w, t->base_sum, l->y, l->y, y, 1, n, out, 3 * e);
}

void eager_backward(adapted_walk *w, const adapted_linear *l)
{
    const eager_types    *t = types_of(w);
    const adapted_factors f = factors_of(l);
    const eager_arrays    r = take(w, l);
    const int64_t         a = size_of(t->adapter), e = size_of(t->base), n = l->n, in = l->in, out = l->out,
                  rank      = l->pairs[0].p.r;
    const cudaDataType type = t->adapter;
    const void        *dy = l->dy, *d = l->dy;
    if (t->widen) d = step_pass(w, t->widen, r.wide[0], dy, NULL, 1, n, out, a + e);
    if (t->narrow) dy = step_pass(w, t->narrow, r.base, d, NULL, 1, n, out, a + e);
    if (scales(&f)) d = step_pass(w, t->scale, r.wide[1], d, NULL, f.s, n, out, 2 * a);
    if (f.v && f.dv) {
        step_pass(w, t->product, r.wide[2], d, r.delta, 1, n, out, 3 * a);
        step_pass(w, t->total, f.dv, r.wide[2], NULL, 1, n, out, a);
    }
    if (f.v) d = step_pass(w, t->columns, r.wide[2], d, f.v, 1, n, out, 2 * a);
    step_gemm(w, false, { n, rank, out, d, out, PLAIN, f.B, ldb_of(l), PLAIN, r.dhu, rank, false, type, type });
    if (f.dB)
        step_gemm(w, false,
                  { out, rank, n, d, out, TRANSPOSED, r.hu, rank, PLAIN, f.dB, rank, true, type, CUDA_R_32F });
    if (f.u && f.du) {
        step_pass(w, t->product, r.dh, r.dhu, r.h, 1, n, rank, 3 * a);
        step_pass(w, t->total, f.du, r.dh, NULL, 1, n, rank, a);
    }
    if (f.u) step_pass(w, t->columns, r.dh, r.dhu, f.u, 1, n, rank, 2 * a);
    if (f.dA)
        step_gemm(w, false,
                  { rank, in, n, r.dh, rank, TRANSPOSED, r.x_a, in, PLAIN, f.dA, in, true, type, CUDA_R_32F });
    if (!l->dx) return;
    step_gemm(w, false, { n, in, rank, r.dh, rank, PLAIN, f.A, f.lda, PLAIN, r.dx_a, in, false, type, type });
    if (t->narrow) step_pass(w, t->narrow, r.dx_pair, r.dx_a, NULL, 1, n, in, a + e);
    step_gemm(w, false, { n, in, out, dy, out, PLAIN, l->W, in, PLAIN, r.dx_base, in, false, t->base, t->base });
    step_pass(w, t->base_sum, l->dx, r.dx_base, r.dx_pair, 1, n, in, 3 * e);
}

const char *eager_refuses(const adapted_linear *l)
{
    if (l->pairs[0].at || l->pairs[0].out != l->out) return "takes a pair that reaches every column of y";
    if (l->ldx != l->in || l->ldy != l->out || l->ld_dx != l->in || l->ld_dy != l->out) return "takes contiguous rows";
    return NULL;
}
