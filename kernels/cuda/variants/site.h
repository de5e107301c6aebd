/* A site's variant as a list of steps (kernels/variant.h): what is run and what is counted are
 * one list, so the counts cannot drift from the calls.
 *
 *     float *h = (float *)plan_take(p, n * r * 4);
 *     plan_gemm(p, false, { n, r, in, x, ldx, PLAIN, A, lda, TRANSPOSED, h, r, false, CUDA_R_32F, CUDA_R_32F });
 *
 * A plan takes its memory from the call's work in the same order for every stage, so what the
 * forward left is where the backward looks. */
#ifndef TIEBREAK_KERNELS_CUDA_VARIANTS_SITE_H
#define TIEBREAK_KERNELS_CUDA_VARIANTS_SITE_H
#include "kernels/cuda/gemm.h"
#include "kernels/cuda/ops/pair_pass.h"
#include "kernels/variant.h"

static constexpr int PLAN_STEPS = 24;

typedef struct site_step {
    void (*run)(const struct site_step *s);
    int         launches;
    double      flops, bytes;
    gemm        g;    /* of a product */
    pair_pass   pass; /* of a pass over dy */
    void       *to;   /* of a pass over an array [rows, cols] */
    const void *a, *b;
    int64_t     rows, cols, ld_to, ld_a, used_rows, used_cols;
    float       s;
    /* of a step that works it out again: the caller's, until the plan is done */
    const site_call *call;
} site_step;

struct site_plan {
    site_step steps[PLAN_STEPS];
    int       count;
    char     *work; /* NULL: only sizes are wanted */
    int64_t   used;
};

void *plan_take(struct site_plan *p, int64_t bytes);
void  plan_step(struct site_plan *p, const site_step *s);
/* skinny: the rank is one of its dimensions; in f32 our own kernels do it, as in pair.cu */
void plan_gemm(struct site_plan *p, bool skinny, gemm g);
/* dh and dB' from one reading of dy: two steps */
void plan_pair_pass(struct site_plan *p, const pair_pass *pass);

/* x [n, in] of the call, row stride ldx, from the op before, and h = x A'^T of r ranks with it:
 * one step. */
void plan_produce(struct site_plan *p, const site_call *c, int64_t ldx, const void *A, int64_t lda, int64_t r, void *h,
                  int64_t ldh);
void plan_produce_bf16(struct site_plan *p, const site_call *c, int64_t ldx, const void *A, int64_t lda, int64_t r,
                       void *h, int64_t ldh);

int64_t   site_work_bytes(const site_variant *v, const site_call *c);
site_cost site_cost_of(const site_variant *v, site_stage stage, const site_call *c);
void      site_run(const site_variant *v, site_stage stage, const site_call *c);

/* A pass: to [rows, cols] with row stride ld_to = from [used_rows, used_cols] with row stride
 * ld_from, and zero where that ends. */
void plan_place(struct site_plan *p, void *to, int64_t ld_to, int64_t rows, int64_t cols, const void *from,
                int64_t ld_from, int64_t used_rows, int64_t used_cols);
void plan_place_bf16(struct site_plan *p, void *to, int64_t ld_to, int64_t rows, int64_t cols, const void *from,
                     int64_t ld_from, int64_t used_rows, int64_t used_cols);

/* The launches of a row's plan as a graph: kernels/cuda/variants/graph_site.cu. */
int64_t site_graph_work_bytes(const site_variant *v, const site_call *c);
void    site_graph_run(const site_variant *v, site_stage stage, const site_call *c);

/* The base and the pair in one kernel: kernels/cuda/variants/fused_site.cu. */
void        plan_fused(struct site_plan *p, const site_variant *v, site_stage stage, const site_call *c);
void        plan_fused_cluster(struct site_plan *p, const site_variant *v, site_stage stage, const site_call *c);
const char *refuses_fused(const site_variant *v, const site_call *c);

/* What a framework does, op for op, in f32, with adapters in f32 under a bf16 base, and in bf16:
 * kernels/cuda/variants/eager.cu. */
void plan_eager(struct site_plan *p, const site_variant *v, site_stage stage, const site_call *c);
void plan_eager_mixed(struct site_plan *p, const site_variant *v, site_stage stage, const site_call *c);
void plan_eager_bf16(struct site_plan *p, const site_variant *v, site_stage stage, const site_call *c);
/* Few rows, many adapters, in bf16: kernels/cuda/variants/tenants.cu. */
void        plan_decode(struct site_plan *p, const site_variant *v, site_stage stage, const site_call *c);
void        plan_gather(struct site_plan *p, const site_variant *v, site_stage stage, const site_call *c);
const char *refuses_decode(const site_variant *v, const site_call *c);
const char *refuses_gather(const site_variant *v, const site_call *c);
#endif
