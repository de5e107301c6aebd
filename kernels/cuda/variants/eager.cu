/* The variant `eager`: what a framework does, op for op, each result an array of its own in
 * memory. Contract: kernels/variant.h.
 *
 * The order of PEFT's layers (its tuners/lora/layer.py and tuners/vera/layer.py) under PyTorch's
 * autograd, dropout off:
 *
 *   forward    base = x W^T;  x to the adapter's type;  h = x A^T;  u * h;  delta = h B^T;  v *
 *   delta;  s * delta;  base + delta;  back to y's type backward   the transposes of these, last
 *   first; the sum of the two gradients in x is a pass too
 *
 * LoRA multiplies by s whatever it is; where there is a v, only an s other than 1 is. The
 * adapter's type is f32 by default (autocast_adapter_dtype), under a bf16 base then `mixed`
 * here: sums of both are f32, and the gradient in the base is cast back. Gradients of parameters
 * are f32 and added to, where a framework in bf16 would keep them in bf16: small arrays. */
#include "kernels/cuda/product.h"
#include "kernels/cuda/variants/site.h"

typedef enum { CONVERT, SCALE, COLUMNS, PRODUCT, SUM } pass_kind;

/* Elements that a thread reads and writes at once, as a framework's kernels do. */
static constexpr int LOT = 4;
template <class T> struct alignas(LOT * sizeof(T)) lot {
    T x[LOT];
};

/* Loops over a lot have a constant length, so that it stays in registers; beyond `many` it is zero. */
template <class T> static __device__ lot<T> load_lot(const T *from, int many)
{
    if (many == LOT) return *(const lot<T> *)from;
    lot<T> l = {};
    for (int i = 0; i < LOT; i++)
        if (i < many) l.x[i] = from[i];
    return l;
}

/* to [count] = a, s a, a times the factor b of its column (of cols), a b, or a + b. */
template <pass_kind K, class T, class FROM, class WITH>
static __device__ void pass(T *to, const FROM *a_, const WITH *b_, float s, int64_t count, int64_t cols)
{
    const int64_t first = ((int64_t)blockIdx.x * THREADS + threadIdx.x) * LOT;
    if (first >= count) return;
    const int       many = count - first < LOT ? (int)(count - first) : LOT;
    const lot<FROM> a    = load_lot(a_ + first, many);
    lot<WITH>       b    = {};
    lot<T>          out  = {};
    int64_t         col  = 0;
    /* 64-bit division is slow */
    if (K == COLUMNS) col = count < (int64_t)1 << 32 ? (uint32_t)first % (uint32_t)cols : first % cols;
    if (K == PRODUCT || K == SUM) b = load_lot(b_ + first, many);
    for (int i = 0; i < LOT; i++) {
        const float x = a.x[i];
        if (K == CONVERT) out.x[i] = x;
        if (K == SCALE) out.x[i] = s * x;
        if (K == COLUMNS) out.x[i] = x * b_[col];
        if (K == PRODUCT) out.x[i] = x * b.x[i];
        if (K == SUM) out.x[i] = x + b.x[i];
        if (++col == cols) col = 0;
    }
    if (many == LOT) {
        *(lot<T> *)(to + first) = out;
        return;
    }
    for (int i = 0; i < LOT; i++)
        if (i < many) to[first + i] = out.x[i];
}

/* A kernel, and the step that launches it. */
#define PASS(name, type, kind, T, FROM, WITH)                                                                          \
    KERNEL __launch_bounds__(THREADS)                                                                                  \
        eager_##name##_kernel##type(T *to, const FROM *a, const WITH *b, float s, int64_t count, int64_t cols)         \
    {                                                                                                                  \
        pass<kind, T, FROM, WITH>(to, a, b, s, count, cols);                                                           \
    }                                                                                                                  \
    static void run_##name##type(const site_step *s)                                                                   \
    {                                                                                                                  \
        const int64_t count = s->rows * s->cols;                                                                       \
        LAUNCH(eager_##name##_kernel##type, blocks_of(count, LOT *THREADS), THREADS, (T *)s->to, (const FROM *)s->a,   \
               (const WITH *)s->b, s->s, count, s->cols);                                                              \
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

static void run_total(const site_step *s)
{
    linear_bwd_w_cuda(NULL, (param *)s->to, (const real *)s->a, NULL, { s->rows, 1, s->cols, 1, s->cols });
}
static void run_total_bf16(const site_step *s)
{
    linear_bwd_w_cuda_bf16(NULL, (param *)s->to, (const real *)s->a, NULL, { s->rows, 1, s->cols, 1, s->cols });
}

/* The types of adapter and base, and their passes. base_sum: of two arrays of the base's type;
 * sum: of the base's and the adapter's. */
typedef void (*pass_run)(const site_step *s);
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

static int64_t size_of(cudaDataType type) { return type == CUDA_R_32F ? 4 : 2; }

/* A pass over [rows, cols] that moves `bytes` for each element; gives back where its result is. */
static void *add_pass(struct site_plan *p, pass_run run, void *to, const void *a, const void *b, double s, int64_t rows,
                      int64_t cols, int64_t bytes)
{
    site_step step = {};
    step.run       = run;
    step.launches  = run == run_total || run == run_total_bf16 ? 2 : 1; /* parts, and their sum */
    step.to = to, step.a = a, step.b = b, step.s = (float)s, step.rows = rows, step.cols = cols;
    step.flops = run == run_widen || run == run_narrow ? 0 : (double)rows * (double)cols;
    step.bytes = (double)bytes * (double)rows * (double)cols;
    plan_step(p, &step);
    return to;
}

/* x, h: without and with u; delta: before v; wide: passes over y's shape, in turn; the rest as
 * named. _a in the adapter's type, else the base's. */
typedef struct {
    void *x_a, *h, *hu, *dh, *dhu, *delta, *wide[3], *dx_a, *dx_pair, *dx_base, *base;
} eager_work;

static eager_work take(struct site_plan *p, const eager_types *t, const site_call *c)
{
    const int64_t a = size_of(t->adapter), e = size_of(t->base), x = c->n * c->in, h = c->n * c->r, y = c->n * c->out;
    eager_work    w;
    w.x_a = t->widen ? plan_take(p, x * a) : c->x;
    w.h = plan_take(p, h * a), w.hu = c->u ? plan_take(p, h * a) : w.h;
    w.dhu = plan_take(p, h * a), w.dh = c->u ? plan_take(p, h * a) : w.dhu;
    w.delta = plan_take(p, y * a);
    for (int i = 0; i < 3; i++) w.wide[i] = plan_take(p, y * a);
    w.dx_a = plan_take(p, x * a), w.dx_pair = t->narrow ? plan_take(p, x * e) : w.dx_a;
    w.dx_base = plan_take(p, x * e), w.base = plan_take(p, y * e);
    return w;
}

static bool scales(const site_call *c) { return !c->v || c->s < 1 || c->s > 1; }

static void forward(struct site_plan *p, const eager_types *t, const site_call *c, const eager_work *w)
{
    const int64_t      a = size_of(t->adapter), e = size_of(t->base), n = c->n, in = c->in, out = c->out, r = c->r;
    const cudaDataType type  = t->adapter;
    void              *delta = w->delta;
    plan_gemm(p, false, { n, out, in, c->x, in, PLAIN, c->W, in, TRANSPOSED, w->base, out, false, t->base, t->base });
    if (t->widen) add_pass(p, t->widen, w->x_a, c->x, NULL, 1, n, in, a + e);
    plan_gemm(p, false, { n, r, in, w->x_a, in, PLAIN, c->A, c->lda, TRANSPOSED, w->h, r, false, type, type });
    if (c->u) add_pass(p, t->columns, w->hu, w->h, c->u, 1, n, r, 2 * a);
    plan_gemm(p, false, { n, out, r, w->hu, r, PLAIN, c->B, r, TRANSPOSED, delta, out, false, type, type });
    if (c->v) delta = add_pass(p, t->columns, w->wide[0], delta, c->v, 1, n, out, 2 * a);
    if (scales(c)) delta = add_pass(p, t->scale, w->wide[1], delta, NULL, c->s, n, out, 2 * a);
    add_pass(p, t->sum, t->narrow ? w->wide[2] : c->y, w->base, delta, 1, n, out, e + 2 * a);
    if (t->narrow) add_pass(p, t->narrow, c->y, w->wide[2], NULL, 1, n, out, a + e);
}

static void backward(struct site_plan *p, const eager_types *t, const site_call *c, const eager_work *w)
{
    const int64_t      a = size_of(t->adapter), e = size_of(t->base), n = c->n, in = c->in, out = c->out, r = c->r;
    const cudaDataType type = t->adapter;
    const void        *dy = c->dy, *d = c->dy;
    if (t->widen) d = add_pass(p, t->widen, w->wide[0], dy, NULL, 1, n, out, a + e);
    if (t->narrow) dy = add_pass(p, t->narrow, w->base, d, NULL, 1, n, out, a + e);
    if (scales(c)) d = add_pass(p, t->scale, w->wide[1], d, NULL, c->s, n, out, 2 * a);
    if (c->v && c->dv) {
        add_pass(p, t->product, w->wide[2], d, w->delta, 1, n, out, 3 * a);
        add_pass(p, t->total, c->dv, w->wide[2], NULL, 1, n, out, a);
    }
    if (c->v) d = add_pass(p, t->columns, w->wide[2], d, c->v, 1, n, out, 2 * a);
    plan_gemm(p, false, { n, r, out, d, out, PLAIN, c->B, r, PLAIN, w->dhu, r, false, type, type });
    if (c->dB)
        plan_gemm(p, false, { out, r, n, d, out, TRANSPOSED, w->hu, r, PLAIN, c->dB, r, true, type, CUDA_R_32F });
    if (c->u && c->du) {
        add_pass(p, t->product, w->dh, w->dhu, w->h, 1, n, r, 3 * a);
        add_pass(p, t->total, c->du, w->dh, NULL, 1, n, r, a);
    }
    if (c->u) add_pass(p, t->columns, w->dh, w->dhu, c->u, 1, n, r, 2 * a);
    if (c->dA)
        plan_gemm(p, false, { r, in, n, w->dh, r, TRANSPOSED, w->x_a, in, PLAIN, c->dA, in, true, type, CUDA_R_32F });
    plan_gemm(p, false, { n, in, r, w->dh, r, PLAIN, c->A, c->lda, PLAIN, w->dx_a, in, false, type, type });
    if (t->narrow) add_pass(p, t->narrow, w->dx_pair, w->dx_a, NULL, 1, n, in, a + e);
    plan_gemm(p, false, { n, in, out, dy, out, PLAIN, c->W, in, PLAIN, w->dx_base, in, false, t->base, t->base });
    add_pass(p, t->base_sum, c->dx, w->dx_base, w->dx_pair, 1, n, in, 3 * e);
}

static void plan_of(struct site_plan *p, const eager_types *t, site_stage stage, const site_call *c)
{
    const eager_work w = take(p, t, c);
    if (stage == SITE_FORWARD) forward(p, t, c, &w);
    if (stage == SITE_BACKWARD) backward(p, t, c, &w);
}

void plan_eager(struct site_plan *p, const site_variant *, site_stage stage, const site_call *c)
{
    plan_of(p, &types_f32, stage, c);
}
void plan_eager_mixed(struct site_plan *p, const site_variant *, site_stage stage, const site_call *c)
{
    plan_of(p, &types_mixed, stage, c);
}
void plan_eager_bf16(struct site_plan *p, const site_variant *, site_stage stage, const site_call *c)
{
    plan_of(p, &types_bf16, stage, c);
}
