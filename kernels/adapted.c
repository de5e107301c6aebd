/* Adapted linears on any table: the variant made of its other ops, what may refuse a call, and
 * which variant a model takes. Contract: kernels/variant.h. */
#include "core/error.h"
#include "core/nearest.h"
#include "kernels/backend_private.h"

/* --- base-first: the linear, then its pairs one after another, each with an h of its own */

static real *pairs_room(const adapted_walk *w, const adapted_linear *l, void *room, int64_t *used)
{
    return adapted_take(room, used, l->n * adapted_ranks(l, 1) * (int64_t)w->be->elem);
}

static void base_first_forward(adapted_walk *w, const adapted_linear *l)
{
    const backend    *be = w->be;
    const linear_dims d  = adapted_dims(l);
    real             *h  = pairs_room(w, l, l->kept, &w->used.kept);
    if (adapted_step(w, 1, linear_flops(d), linear_bytes(d, (double)be->elem)))
        be->linear_fwd(be, l->y, l->x, l->W, l->bias, d, l->accumulate);
    for (const adapted_pair *a = l->pairs; a < l->pairs + l->count; a++) {
        const pair_dims p = { .n = l->n, .in = l->in, .out = a->out, .ldx = l->ldx, .ldy = l->ldy };
        if (!adapted_step(w, 1, pair_fwd_flops(p, a->p.r), pair_fwd_bytes(p, a->p.r, (double)be->elem))) continue;
        be->pair_fwd(be, real_at(be, l->y, a->at), h, l->x, &a->p, p);
        h = real_at(be, h, l->n * a->p.r);
    }
}

static void base_first_backward(adapted_walk *w, const adapted_linear *l)
{
    const backend    *be = w->be;
    const linear_dims d  = adapted_bwd_dims(l);
    real *h = pairs_room(w, l, l->kept, &w->used.kept), *dh = pairs_room(w, l, l->scratch, &w->used.scratch);
    if (l->dx && adapted_step(w, 1, linear_flops(d), linear_bytes(d, (double)be->elem)))
        be->linear_bwd_x(be, l->dx, l->dy, l->W, d, false);
    for (const adapted_pair *a = l->pairs; a < l->pairs + l->count; a++) {
        const pair_arrays *p  = &a->p;
        const pair_dims    pd = { .n = l->n, .in = l->in, .out = a->out, .ldx = l->ldx, .ldy = l->ld_dy };
        const bool         dx = l->dx != NULL, dA = p->dA != NULL, dB = p->dB != NULL;
        if (adapted_step(w, 1, pair_bwd_flops(pd, p->r, dx, dA, dB),
                         pair_bwd_bytes(pd, p->r, dx, dA, dB, (double)be->elem)) &&
            (dx || dA || dB))
            be->pair_bwd(be, l->dx, dh, real_at(be, l->dy, a->at), l->x, h, p, pd);
        if (w->runs) h = real_at(be, h, l->n * p->r);
    }
}

/* The pair's backward has one row stride for both. */
static const char *base_first_refuses(const adapted_linear *l)
{
    return l->ldx != l->ld_dx ? "needs x and dx of one row stride" : NULL;
}

const adapted_variant adapted_base_first[] = {
    { .name     = "base-first",
      .about    = "the linear, then each pair added to y",
      .needs    = "",
      .forward  = base_first_forward,
      .backward = base_first_backward,
      .refuses  = base_first_refuses },
    { 0 },
};

/* --- refusals */

static const char *pairs_refused(const backend *be, const adapted_variant *v, const adapted_linear *l)
{
    static const char *const too_many[] = {
        [1] = "takes one pair", [4] = "takes at most four pairs", [8] = "takes at most eight pairs"
    };
    if (v->pairs_most && l->count > v->pairs_most) return too_many[v->pairs_most];
    for (const adapted_pair *a = l->pairs; a < l->pairs + l->count; a++) {
        const bool narrow = a->factors ? a->factors->narrow : be->params == be;
        if (v->takes == TAKES_FACTORS && narrow && be->params != be)
            return "needs the method's own factors in f32, and is given narrow ones";
        if (v->takes == TAKES_FACTORS && !a->factors && be->params != be)
            return "needs the method's own factors in f32, and is given the pair that they expand to";
    }
    return NULL;
}

const char *adapted_refusal(const backend *be, const adapted_variant *v, const adapted_linear *l)
{
    const int64_t ranks = adapted_ranks(l, v->pad ? v->pad : 1);
    if (!ranks) return NULL;
    const adapted_linear s = adapted_with_strides(*l);
    if (v->forward_only && l->dy) return "has no backward";
    if (l->batch && !v->many_adapters) return "takes one adapter, not many in one batch";
    if (v->from_source && !l->source) return "needs the input of the op before, RMSNorm or SwiGLU";
    if (v->overwrites && l->bias) return "adds no bias";
    if (v->overwrites && l->accumulate) return "overwrites y, which holds what it should be added to";
    if (v->covers && !l->accumulate && !adapted_covers(l)) return "needs pairs that reach every column of y once";
    if (v->same_arrays && !l->same_arrays) return "needs the same arrays in every call";
    if (s.ldx < adapted_ld(v, l->in, ranks) || (l->dy && s.ld_dy < adapted_ld(v, l->out, ranks)))
        return "needs room for the ranks behind each row of x and dy";
    const char *why = pairs_refused(be, v, l);
    return why || !v->refuses ? why : v->refuses(&s);
}

/* --- what the model takes */

/* The first row that fits, and names a variant that the device has, decides. `measured` names the
 * record that shows it to be the fastest; NULL: it is not yet measured. */
static const struct {
    const char *dtype;     /* NULL: any */
    int64_t     rows_most; /* 0: any number */
    int64_t     in, out;   /* 0: any */
    const char *variant, *measured;
} choices[] = {
    { .variant = "stacked", .measured = NULL },
    { .variant = "base-first", .measured = NULL },
};

const adapted_variant *adapted_default(const backend *be, const adapted_linear *l)
{
    for (size_t i = 0; i < sizeof choices / sizeof *choices; i++) {
        const adapted_variant *v = adapted_find(be, choices[i].variant);
        if (v && (!choices[i].dtype || strcmp(choices[i].dtype, be->dtype) == 0) &&
            (!choices[i].rows_most || l->n <= choices[i].rows_most) && (!choices[i].in || choices[i].in == l->in) &&
            (!choices[i].out || choices[i].out == l->out))
            return v;
    }
    return be->adapted;
}

int adapted_asked(const backend *be, const char *name, const adapted_variant **v)
{
    enum { MOST = 64 };
    const char *names[MOST] = { 0 };
    *v                      = name ? adapted_find(be, name) : NULL;
    if (!name) return OK;
    if (!be->adapted[1].name)
        return input_error(
            "--variant %s: the device %s has one way of an adapted linear alone; leave --variant out, or use --device cuda",
            name, be->params->name);
    if (*v) return OK;
    for (int i = 0; i < MOST - 1 && be->adapted[i].name; i++) names[i] = be->adapted[i].name;
    return input_error("--variant %s: the device %s has none of this name%s; `tiebreak info` lists a GPU's", name,
                       be->name, did_you_mean(name, names).text);
}
