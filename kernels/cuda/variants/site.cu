/* Running, sizing and counting the steps of a variant. Contract: kernels/variant.h. */
#include "kernels/cuda/variants/site.h"

void *plan_take(struct site_plan *p, int64_t bytes)
{
    void *at = p->work ? p->work + p->used : NULL;
    p->used += (bytes + 255) / 256 * 256;
    return at;
}

void plan_step(struct site_plan *p, const site_step *s) { p->steps[p->count++] = *s; }

static void run_gemm(const site_step *s) { cuda_gemm(&s->g); }

static void run_skinny(const site_step *s) { cuda_skinny(&s->g); }

void plan_gemm(struct site_plan *p, bool skinny, gemm g)
{
    const double m = (double)g.m, n = (double)g.n, k = (double)g.k, in = g.in == CUDA_R_32F ? 4 : 2,
                 out = g.out == CUDA_R_32F ? 4 : 2;
    site_step s      = {};
    s.run            = skinny ? run_skinny : run_gemm;
    s.launches       = 1;
    s.flops          = 2 * m * n * k;
    s.bytes          = in * (m * k + k * n) + out * m * n * (g.accumulate ? 2 : 1);
    s.g              = g;
    plan_step(p, &s);
}

static void run_pass_parts(const site_step *s) { cuda_pair_pass_parts(&s->pass); }
static void run_pass_sums(const site_step *s) { cuda_pair_pass_sums(&s->pass); }

void plan_pair_pass(struct site_plan *p, const pair_pass *pass)
{
    double    bytes[2];
    site_step s = {};
    pair_pass_bytes(pass, bytes);
    s.pass = *pass, s.launches = 1;
    s.run = run_pass_parts, s.bytes = bytes[0], s.flops = pair_pass_flops(pass);
    plan_step(p, &s);
    s.run = run_pass_sums, s.bytes = bytes[1], s.flops = 0;
    plan_step(p, &s);
}

static void make(struct site_plan *p, const site_variant *v, site_stage stage, const site_call *c)
{
    p->count = 0;
    p->used  = 0;
    p->work  = (char *)c->work;
    v->plan(p, v, stage, c);
}

int64_t site_work_bytes(const site_variant *v, const site_call *c)
{
    struct site_plan p;
    make(&p, v, SITE_FORWARD, c);
    return p.used;
}

site_cost site_cost_of(const site_variant *v, site_stage stage, const site_call *c)
{
    struct site_plan p;
    make(&p, v, stage, c);
    site_cost cost = { 0, 0, 0 };
    for (int i = 0; i < p.count; i++) {
        cost.launches += p.steps[i].launches;
        cost.flops += p.steps[i].flops;
        cost.bytes += p.steps[i].bytes;
    }
    return cost;
}

void site_run(const site_variant *v, site_stage stage, const site_call *c)
{
    struct site_plan p;
    if (c->n == 0 || stage == SITE_RELEASE) return;
    make(&p, v, stage, c);
    for (int i = 0; i < p.count; i++) p.steps[i].run(&p.steps[i]);
}
