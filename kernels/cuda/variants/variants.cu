/* The variants of a site (kernels/variant.h) that take the pair, as cuBLAS calls in another
 * order or layout, and the table of all. */
#include "kernels/cuda/ops/producer.h"
#include "kernels/cuda/variants/site.h"
#include "kernels/cuda/working.h"

static constexpr cudaDataType TYPE = ELEMENT_DATA_TYPE;
static constexpr int64_t      SIZE = sizeof(element);

/* Products of the base, and of the adapter; h, dh [n, r] or the room for them behind the rows of
 * x, dy. */
static void base_fwd(struct site_plan *p, const site_call *c, const void *W, bool accumulate)
{
    plan_gemm(p, false,
              { c->n, c->out, c->in, c->x, c->in, PLAIN, W, c->in, TRANSPOSED, c->y, c->out, accumulate, TYPE, TYPE });
}
static void base_bwd(struct site_plan *p, const site_call *c, const void *W, bool accumulate)
{
    plan_gemm(p, false,
              { c->n, c->in, c->out, c->dy, c->out, PLAIN, W, c->in, PLAIN, c->dx, c->in, accumulate, TYPE, TYPE });
}
static void down(struct site_plan *p, const site_call *c, void *h)
{
    plan_gemm(p, true, { c->n, c->r, c->in, c->x, c->in, PLAIN, c->A, c->lda, TRANSPOSED, h, c->r, false, TYPE, TYPE });
}
static void up(struct site_plan *p, const site_call *c, const void *h, bool accumulate)
{
    plan_gemm(p, true,
              { c->n, c->out, c->r, h, c->r, PLAIN, c->B, c->r, TRANSPOSED, c->y, c->out, accumulate, TYPE, TYPE });
}
static void grad_h(struct site_plan *p, const site_call *c, void *dh)
{
    plan_gemm(p, true, { c->n, c->r, c->out, c->dy, c->out, PLAIN, c->B, c->r, PLAIN, dh, c->r, false, TYPE, TYPE });
}
static void grad_x(struct site_plan *p, const site_call *c, const void *dh, bool accumulate)
{
    plan_gemm(p, true,
              { c->n, c->in, c->r, dh, c->r, PLAIN, c->A, c->lda, PLAIN, c->dx, c->in, accumulate, TYPE, TYPE });
}
static void grad_B(struct site_plan *p, const site_call *c, int64_t ldy, const void *h, int64_t ldh)
{
    if (c->dB)
        plan_gemm(p, true,
                  { c->out, c->r, c->n, c->dy, ldy, TRANSPOSED, h, ldh, PLAIN, c->dB, c->r, true, TYPE, CUDA_R_32F });
}
static void grad_A(struct site_plan *p, const site_call *c, int64_t ldx, const void *dh, int64_t ldh)
{
    if (c->dA)
        plan_gemm(p, true,
                  { c->r, c->in, c->n, dh, ldh, TRANSPOSED, c->x, ldx, PLAIN, c->dA, c->in, true, TYPE, CUDA_R_32F });
}

/* What be->linear_* and be->pair_* do, to the bit. */
static void plan_beta1(struct site_plan *p, const site_variant *, site_stage stage, const site_call *c)
{
    void *h = plan_take(p, c->n * c->r * SIZE), *dh = plan_take(p, c->n * c->r * SIZE);
    if (stage == SITE_FORWARD) {
        base_fwd(p, c, c->W, false);
        down(p, c, h);
        up(p, c, h, true);
    } else if (stage == SITE_BACKWARD) {
        base_bwd(p, c, c->W, false);
        grad_B(p, c, c->out, h, c->r);
        grad_h(p, c, dh);
        grad_A(p, c, c->in, dh, c->r);
        grad_x(p, c, dh, true);
    }
}

#ifdef TIEBREAK_BF16
/* beta1, but dy is read once for dB' and dh (kernels/cuda/ops/pair_pass.h). */
static void plan_one_pass(struct site_plan *p, const site_variant *v, site_stage stage, const site_call *c)
{
    if (stage != SITE_BACKWARD || !c->dB) {
        plan_beta1(p, v, stage, c);
        return;
    }
    void     *h = plan_take(p, c->n * c->r * SIZE), *dh = plan_take(p, c->n * c->r * SIZE);
    pair_pass pass = {};
    pass.n = c->n, pass.out = c->out, pass.r = c->r;
    pass.dy = (const bf16 *)c->dy, pass.B = (const bf16 *)c->B, pass.h = (const bf16 *)h, pass.dh = (bf16 *)dh,
    pass.dB  = (float *)c->dB;
    pass.ldy = c->out, pass.ldb = pass.ldh = pass.ld_dh = c->r;
    base_bwd(p, c, c->W, false);
    plan_pair_pass(p, &pass);
    grad_A(p, c, c->in, dh, c->r);
    grad_x(p, c, dh, true);
}

static const char *refuses_one_pass(const site_variant *, const site_call *c)
{
    return c->out % 8 ? "needs an output width that 8 divides" : NULL;
}
#endif

/* x from what it is made of, and h with it: kernels/cuda/ops/producer.h. */
static void run_produce(const site_step *s)
{
    const site_call *c   = s->call;
    const shrink     one = { (const element *)s->a, s->ld_a, s->used_cols, (element *)s->to, s->ld_to };
    const norm_dims  d   = { c->n, c->in, 0, s->cols };
    if (c->g)
        TYPED(rmsnorm_shrink_cuda)(c->x, c->rstd, c->from, c->g, d, c->eps, &one, 1);
    else
        TYPED(swiglu_shrink_cuda)(c->x, c->from, d, &one, 1);
}

void TYPED(plan_produce)(struct site_plan *p, const site_call *c, int64_t ldx, const void *A, int64_t lda, int64_t r,
                         void *h, int64_t ldh)
{
    const double n = (double)c->n, in = (double)c->in, rank = (double)r;
    site_step    s = {};
    s.run          = run_produce;
    s.launches     = 1;
    s.flops        = 2 * n * in * rank;
    s.bytes        = SIZE * ((c->g ? 2 * n + 1 : 3 * n) * in + rank * (in + n));
    s.call         = c;
    s.a = A, s.ld_a = lda, s.used_cols = r, s.to = h, s.ld_to = ldh, s.cols = ldx;
    plan_step(p, &s);
}

#ifdef TIEBREAK_BF16
/* adapter-first, but what has the rank for a side is cut along its long one by our own kernels:
 * h, dh with dB', dA' (kernels/cuda/ops/pair_pass.h). */
static void plan_split_k(struct site_plan *p, const site_variant *, site_stage stage, const site_call *c)
{
    void     *h = plan_take(p, c->n * c->r * SIZE), *dh = plan_take(p, c->n * c->r * SIZE);
    pair_pass down = {}, both = {};
    down.n = both.n = c->n, down.r = both.r = c->r, down.ldh = both.ldh = down.ld_dh = both.ld_dh = c->r;
    down.out = down.ldy = c->in, down.dy = (const bf16 *)c->x, down.B = (const bf16 *)c->A, down.ldb = c->lda,
    down.turned = true;
    both.out = both.ldy = c->out, both.dy = (const bf16 *)c->dy, both.B = (const bf16 *)c->B, both.ldb = c->r;
    if (stage == SITE_FORWARD) {
        down.want = DH_ALONE, down.dh = (bf16 *)h;
        plan_pair_pass(p, &down);
        up(p, c, h, false);
        base_fwd(p, c, c->W, true);
    } else if (stage == SITE_BACKWARD) {
        both.want = c->dB ? BOTH : DH_ALONE, both.h = (const bf16 *)h, both.dh = (bf16 *)dh, both.dB = (float *)c->dB;
        plan_pair_pass(p, &both);
        down.want = DB_ALONE, down.h = (const bf16 *)dh, down.dB = (float *)c->dA;
        if (c->dA) plan_pair_pass(p, &down);
        grad_x(p, c, dh, false);
        base_bwd(p, c, c->W, true);
    }
}

static const char *refuses_split_k(const site_variant *, const site_call *c)
{
    return c->in % 8 || c->out % 8 ? "needs an input and an output width that 8 divides" : NULL;
}
#endif

/* The small term is written first, so the large product adds to it as it ends: y is read in the
 * shadow of arithmetic, and rounded once as a whole. */
static void plan_adapter_first(struct site_plan *p, const site_variant *v, site_stage stage, const site_call *c)
{
    void *h = plan_take(p, c->n * c->r * SIZE), *dh = plan_take(p, c->n * c->r * SIZE);
    if (stage == SITE_FORWARD) {
        if (v->producer)
            TYPED(plan_produce)(p, c, c->in, c->A, c->lda, c->r, h, c->r);
        else
            down(p, c, h);
        up(p, c, h, false);
        base_fwd(p, c, c->W, true);
    } else if (stage == SITE_BACKWARD) {
        grad_B(p, c, c->out, h, c->r);
        grad_h(p, c, dh);
        grad_A(p, c, c->in, dh, c->r);
        grad_x(p, c, dh, false);
        base_bwd(p, c, c->W, true);
    }
}

/* to [rows, cols] with row stride ld_to = from [used_rows, used_cols] with row stride ld_from,
 * and zero where that ends */
KERNEL __launch_bounds__(THREADS)
    TYPED(place_kernel)(element *to, int64_t ld_to, int64_t rows, int64_t cols, const element *from, int64_t ld_from,
                        int64_t used_rows, int64_t used_cols)
{
    const int64_t at    = (int64_t)blockIdx.x * THREADS + threadIdx.x;
    const bool    small = rows * cols < (int64_t)1 << 31; /* 64-bit division is slow */
    const int64_t i = small ? (uint32_t)at / (uint32_t)cols : at / cols, j = at - i * cols;
    if (i < rows) to[i * ld_to + j] = i < used_rows && j < used_cols ? (float)from[i * ld_from + j] : 0;
}

static void run_place(const site_step *s)
{
    LAUNCH(TYPED(place_kernel), blocks_of(s->rows * s->cols, THREADS), THREADS, (element *)s->to, s->ld_to, s->rows,
           s->cols, (const element *)s->a, s->ld_a, s->used_rows, s->used_cols);
}

void TYPED(plan_place)(struct site_plan *p, void *to, int64_t ld_to, int64_t rows, int64_t cols, const void *from,
                       int64_t ld_from, int64_t used_rows, int64_t used_cols)
{
    site_step s = {};
    s.run       = run_place;
    s.launches  = 1;
    s.bytes     = (double)SIZE * ((double)rows * (double)cols + (double)used_rows * (double)used_cols);
    s.to = to, s.ld_to = ld_to, s.rows = rows, s.cols = cols, s.a = from, s.ld_a = ld_from, s.used_rows = used_rows,
    s.used_cols = used_cols;
    plan_step(p, &s);
}

/* Training needs h, which no forward left: the backward makes it. */
static void plan_merged(struct site_plan *p, const site_variant *, site_stage stage, const site_call *c)
{
    void *W = plan_take(p, c->out * c->in * SIZE), *h = plan_take(p, c->n * c->r * SIZE),
         *dh = plan_take(p, c->n * c->r * SIZE);
    if (stage == SITE_PREPARE || stage == SITE_ADAPT) {
        TYPED(plan_place)(p, W, c->in, c->out, c->in, c->W, c->in, c->out, c->in);
        plan_gemm(p, true, { c->out, c->in, c->r, c->B, c->r, PLAIN, c->A, c->lda, PLAIN, W, c->in, true, TYPE, TYPE });
    } else if (stage == SITE_FORWARD) {
        base_fwd(p, c, W, false);
    } else {
        base_bwd(p, c, W, false);
        if (c->dB) down(p, c, h);
        grad_B(p, c, c->out, h, c->r);
        if (c->dA) grad_h(p, c, dh);
        grad_A(p, c, c->in, dh, c->r);
    }
}

/* One buffer serves both ways:      in   room
 *                             out [ W  |  B' ]      y  = [x | h]   times the upper rows, transposed
 *                            room [ A' |     ]      dx = [dy | dh] times the left columns
 * B' and A' are zero where the room exceeds the rank, so h and dh come out zero there. */
static void plan_augmented(struct site_plan *p, const site_variant *v, site_stage stage, const site_call *c)
{
    const int64_t room = (c->r + v->pad - 1) / v->pad * v->pad, ldx = site_ld(v, c->in, c->r),
                  ldy = site_ld(v, c->out, c->r), ldw = ldx;
    element *W = (element *)plan_take(p, (c->out + room) * ldw * SIZE), *x = (element *)c->x, *dy = (element *)c->dy;
    /* Sizes alone are wanted where there is no memory: nothing is read then. */
    element *B = W ? W + c->in : NULL, *A = W ? W + c->out * ldw : NULL, *h = x ? x + c->in : NULL,
            *dh = dy ? dy + c->out : NULL;
    if (stage == SITE_PREPARE) TYPED(plan_place)(p, W, ldw, c->out, c->in, c->W, c->in, c->out, c->in);
    if (stage == SITE_PREPARE || stage == SITE_ADAPT) {
        TYPED(plan_place)(p, B, ldw, c->out, room, c->B, c->r, c->out, c->r);
        TYPED(plan_place)(p, A, ldw, room, c->in, c->A, c->lda, c->r, c->in);
    } else if (stage == SITE_FORWARD) {
        if (v->producer)
            TYPED(plan_produce)(p, c, ldx, A, ldw, room, h, ldx);
        else
            plan_gemm(p, true, { c->n, room, c->in, x, ldx, PLAIN, A, ldw, TRANSPOSED, h, ldx, false, TYPE, TYPE });
        plan_gemm(p, false,
                  { c->n, c->out, c->in + room, x, ldx, PLAIN, W, ldw, TRANSPOSED, c->y, c->out, false, TYPE, TYPE });
    } else {
        grad_B(p, c, ldy, h, ldx);
        plan_gemm(p, true, { c->n, room, c->out, dy, ldy, PLAIN, B, ldw, PLAIN, dh, ldy, false, TYPE, TYPE });
        grad_A(p, c, ldx, dh, ldy);
        plan_gemm(p, false,
                  { c->n, c->in, c->out + room, dy, ldy, PLAIN, W, ldw, PLAIN, c->dx, c->in, false, TYPE, TYPE });
    }
}

#define REFUSING(name, about, needs, takes, pad, plan, refuses)                                                        \
    {                                                                                                                  \
        name, about, needs, takes, pad, site_work_bytes, site_cost_of, site_run, plan, refuses, false, false, false    \
    }
#define FEW(name, about, needs, takes, plan, refuses)                                                                  \
    {                                                                                                                  \
        name, about, needs, takes, 0, site_work_bytes, site_cost_of, site_run, plan, refuses, true, true, false        \
    }
#define PRODUCER(name, about, needs, pad, plan, refuses)                                                               \
    {                                                                                                                  \
        name, about, needs, TAKES_PAIR, pad, site_work_bytes, site_cost_of, site_run, plan, refuses, false, false,     \
            true                                                                                                       \
    }
#define ROW(name, about, needs, takes, pad, plan) REFUSING(name, about, needs, takes, pad, plan, NULL)
extern const site_variant TYPED(site_variants_cuda)[] = {
#ifdef TIEBREAK_BF16
    ROW("eager", "a framework, op for op, its adapters in f32", "the factors in f32", TAKES_FACTORS, 0,
        plan_eager_mixed),
    ROW("eager-bf16", "a framework, op for op, all in bf16", "the factors in bf16", TAKES_NARROW, 0, plan_eager_bf16),
#else
    ROW("eager", "a framework, op for op", "the factors", TAKES_FACTORS, 0, plan_eager),
#endif
    ROW("beta1", "the base first, then the pair added to y", "", TAKES_PAIR, 0, plan_beta1),
#ifdef TIEBREAK_BF16
    REFUSING("one-pass", "beta1, but dh and dB' come from one reading of dy",
             "rows of dy that begin at multiples of 16 bytes", TAKES_PAIR, 0, plan_one_pass, refuses_one_pass),
#endif
    ROW("adapter-first", "the pair into y, then the base added to it", "", TAKES_PAIR, 0, plan_adapter_first),
#ifdef TIEBREAK_BF16
    REFUSING("split-k", "adapter-first, its products with a rank for a side by our own kernels, cut along the other",
             "in and out multiples of 8", TAKES_PAIR, 0, plan_split_k, refuses_split_k),
#endif
    ROW("merged", "W + B'A' once, then one product", "a copy of W an adapter; the backward makes h again", TAKES_PAIR,
        0, plan_merged),
    ROW("augmented-k", "[x | h] times [W | B'], one product",
        "a copy of W with room for B' and A'; x and dy with room behind each row", TAKES_PAIR, 16, plan_augmented),
    PRODUCER("producer-shrink", "x and h made by the op before; then adapter-first",
             "the op before in the call: RMSNorm or SwiGLU", 0, plan_adapter_first, NULL),
    PRODUCER("producer-augmented", "x and h made by the op before; then one product, as augmented-k",
             "what augmented-k does; the op before in the call", 16, plan_augmented, NULL),
#ifdef TIEBREAK_BF16
    FEW("decode", "h, and W streamed once with the pair in its end: two launches",
        "the factors in bf16; at most 64 rows", TAKES_NARROW, plan_decode, refuses_decode),
    FEW("gather", "the base, then h and its expansion from each row's own pair: three launches", "at most 64 rows",
        TAKES_PAIR, plan_gather, refuses_gather),
    REFUSING("fused", "h; then one product, h B' added from the same ring of tiles",
             "compute capability 9.0; in and out multiples of 8", TAKES_PAIR, 0, plan_fused, refuses_fused),
    REFUSING("fused-cluster", "fused, by pairs of blocks that share what they read of W",
             "compute capability 9.0; in and out multiples of 8", TAKES_PAIR, 0, plan_fused_cluster, refuses_fused),
    PRODUCER("producer-fused", "x and h made by the op before; then one product, as fused",
             "what fused does; the op before in the call", 0, plan_fused, refuses_fused),
#endif
    { "graph", "beta1's launches, captured once and replayed",
      "the same arrays in every call; preparing it writes y and dx", TAKES_PAIR, 0, site_graph_work_bytes, site_cost_of,
      site_graph_run, plan_beta1, NULL, false, false, false },
    ROW(NULL, NULL, NULL, TAKES_PAIR, 0, NULL),
};
