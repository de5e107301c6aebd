/* The ways in which a backend computes an adapted linear (kernels/adapted.h): a list of variants,
 * be->adapted, whose first is what the model does unless it is told otherwise.
 *
 *     const adapted_variant *v = adapted_find(be, "merged");
 *     const char *why = adapted_refusal(be, v, &l);           NULL: it can do this call
 *     adapted_run(be, v, ADAPTED_PREPARE, &l);                once; ADAPTED_ADAPT after the pairs changed
 *     adapted_run(be, v, ADAPTED_FORWARD, &l);
 *     adapted_run(be, v, ADAPTED_BACKWARD, &l);
 *     adapted_run(be, v, ADAPTED_RELEASE, &l);
 *
 * All variants compute the same; they differ in the order and layout of their launches, hence in
 * what they read and write. A variant is written as functions that go through its steps. Such a
 * walk either runs the steps or only counts them, so what adapted_cost_of tells is what runs. */
#ifndef TIEBREAK_KERNELS_VARIANT_H
#define TIEBREAK_KERNELS_VARIANT_H
#include <string.h>

#include "kernels/backend.h"

#ifdef __cplusplus
extern "C" {
#endif

/* launches: calls of a kernel or of cuBLAS, which may launch more than one itself. bytes: what
 * every step must read and write at least; what stays in cache between two steps counts too. */
typedef struct {
    double launches, flops, bytes;
} adapted_cost;

/* PREPARE makes copies of W and the pairs, for variants that want some. ADAPT does of that what
 * is needed when only the pairs' values changed, as in a training step. RELEASE ends what a
 * variant keeps elsewhere, before the memory it was given goes away. */
typedef enum { ADAPTED_PREPARE, ADAPTED_ADAPT, ADAPTED_FORWARD, ADAPTED_BACKWARD, ADAPTED_RELEASE } adapted_stage;

/* What a variant reads of the method. A variant that takes narrow factors takes a pair as well:
 * it is factors without u and v. So does one that takes factors where both types are one. */
typedef enum { TAKES_PAIR, TAKES_FACTORS, TAKES_NARROW } adapted_takes;

/* One walk through the steps of a stage. */
typedef struct {
    const backend                *be;
    const struct adapted_variant *variant;
    bool                          runs; /* else the steps are only counted */
    adapted_cost                  cost;
    adapted_room                  used;
} adapted_walk;

typedef void (*adapted_steps)(adapted_walk *w, const adapted_linear *l);

typedef struct adapted_variant {
    const char   *name, *about;
    const char   *needs; /* layouts, copies or types beyond the pair itself; "" if nothing */
    adapted_takes takes;
    /* Not 0: x and dy have room behind each row for the ranks, each padded to a multiple of this;
     * the variant writes there. */
    int64_t pad;
    int     pairs_most;    /* at most so many; 0: any number */
    bool    covers;        /* the pairs reach every column of y once, unless y is added to */
    bool    overwrites;    /* it cannot add to y, and adds no bias */
    bool    forward_only;  /* there is no backward */
    bool    makes_h_again; /* its backward reads x for dB' too */
    bool    same_arrays;   /* every call names the same arrays */
    bool    many_adapters; /* it knows adapted_linear.batch */
    bool    from_source;   /* its forward begins with adapted_linear.source */
    /* The stages. NULL: nothing is to be done; of `adapt`: `prepare` is done again. Strides of the
     * call are never 0 here. */
    adapted_steps prepare, adapt, forward, backward, release;
    /* Further reasons against a call on this device, in words that follow the variant's name
     * ("needs compute capability 9.0"); NULL if there is none. It reads dimensions alone. */
    const char *(*refuses)(const adapted_linear *l);
} adapted_variant;

/* Counts a step. True: it is to be run. */
static inline bool adapted_step(adapted_walk *w, double launches, double flops, double bytes)
{
    w->cost.launches += launches;
    w->cost.flops += flops;
    w->cost.bytes += bytes;
    return w->runs;
}

/* The next bytes of a room, 256-byte aligned; NULL where only sizes are wanted. A variant takes
 * its memory in the same order in every stage, so the backward finds what the forward left. */
static inline void *adapted_take(void *room, int64_t *used, int64_t bytes)
{
    void *at = room ? (char *)room + *used : NULL;
    *used += (bytes + 255) / 256 * 256;
    return at;
}

/* Numbers of the ranks of all pairs, each padded to a multiple of `pad`. */
static inline int64_t adapted_ranks(const adapted_linear *l, int64_t pad)
{
    int64_t ranks = 0;
    for (int64_t i = 0; i < l->count; i++) ranks += (l->pairs[i].p.r + pad - 1) / pad * pad;
    return ranks;
}

/* Row stride that the variant wants for x (of width in) and dy (of width out): where it is padded,
 * 16 bytes divide it in bf16, as tensor cores like it. */
static inline int64_t adapted_ld(const adapted_variant *v, int64_t width, int64_t ranks)
{
    return v->pad ? (width + (ranks + v->pad - 1) / v->pad * v->pad + 7) / 8 * 8 : width;
}

static inline adapted_linear adapted_with_strides(adapted_linear l)
{
    if (!l.ldx) l.ldx = l.in;
    if (!l.ldy) l.ldy = l.out;
    if (!l.ld_dx) l.ld_dx = l.in;
    if (!l.ld_dy) l.ld_dy = l.out;
    return l;
}

/* Do the pairs, one behind the other, reach every column of y once? */
static inline bool adapted_covers(const adapted_linear *l)
{
    int64_t at = 0;
    for (int64_t i = 0; i < l->count; at += l->pairs[i++].out)
        if (l->pairs[i].at != at || l->pairs[i].p.r == 0) return false;
    return at == l->out;
}

static inline adapted_steps adapted_steps_of(const adapted_variant *v, adapted_stage stage)
{
    switch (stage) {
    case ADAPTED_PREPARE: return v->prepare;
    case ADAPTED_ADAPT: return v->adapt ? v->adapt : v->prepare;
    case ADAPTED_FORWARD: return v->forward;
    case ADAPTED_BACKWARD: return v->backward;
    default: return v->release;
    }
}

static inline adapted_walk adapted_walk_through(const backend *be, const adapted_variant *v, adapted_stage stage,
                                                const adapted_linear *l, bool runs)
{
    adapted_walk   w     = { .be = be, .variant = v, .runs = runs };
    adapted_linear s     = adapted_with_strides(*l);
    adapted_steps  steps = adapted_steps_of(v, stage);
    if (steps) steps(&w, &s);
    return w;
}

static inline adapted_cost adapted_cost_of(const backend *be, const adapted_variant *v, adapted_stage stage,
                                           const adapted_linear *l)
{
    return adapted_walk_through(be, v, stage, l, false).cost;
}

static inline int64_t adapted_larger(int64_t a, int64_t b) { return a > b ? a : b; }

/* The memory that all stages want together. It is a matter of dimensions, and of which pointers are
 * NULL; copies do not depend on n. */
static inline adapted_room adapted_room_of(const backend *be, const adapted_variant *v, const adapted_linear *l)
{
    adapted_room   room = { 0, 0, 0 };
    adapted_linear none = *l;
    none.kept = none.scratch = none.copies = NULL;
    for (int s = ADAPTED_PREPARE; s <= ADAPTED_BACKWARD && adapted_ranks(l, 1); s++) {
        if (s == ADAPTED_BACKWARD && !l->dy) continue;
        adapted_room used = adapted_walk_through(be, v, (adapted_stage)s, &none, false).used;
        room.kept         = adapted_larger(room.kept, used.kept);
        room.scratch      = adapted_larger(room.scratch, used.scratch);
        room.copies       = adapted_larger(room.copies, used.copies);
    }
    return room;
}

/* Runs a stage. A linear without pairs is the backend's linear, whatever the variant. n = 0 does
 * nothing. A call that the variant refuses must not be run. */
static inline void adapted_run(const backend *be, const adapted_variant *v, adapted_stage stage,
                               const adapted_linear *l)
{
    if (stage != ADAPTED_RELEASE && l->n == 0) return;
    if (adapted_ranks(l, 1))
        adapted_walk_through(be, v, stage, l, true);
    else if (stage == ADAPTED_FORWARD)
        be->linear_fwd(be, l->y, l->x, l->W, l->bias, adapted_dims(l), l->accumulate);
    else if (stage == ADAPTED_BACKWARD && l->dx)
        be->linear_bwd_x(be, l->dx, l->dy, l->W, adapted_bwd_dims(l), false);
}

/* The row of be->adapted with this name, or NULL. */
static inline const adapted_variant *adapted_find(const backend *be, const char *name)
{
    for (const adapted_variant *v = be->adapted; v->name; v++)
        if (strcmp(v->name, name) == 0) return v;
    return NULL;
}

#ifdef __cplusplus
}
#endif

/* Why the variant cannot do this call on this device, in words that follow its name, or NULL. It
 * reads dimensions and which pointers are NULL. A linear without pairs is never refused. */
const char *adapted_refusal(const backend *be, const adapted_variant *v, const adapted_linear *l);
/* What the model takes where nobody asked for a variant, from the table in kernels/adapted.c. */
const adapted_variant *adapted_default(const backend *be, const adapted_linear *l);
/* *v is the variant that --variant asks for, NULL where name is. ERR_INPUT: the device has one way
 * alone, or none of this name; the message names what is near it. */
int adapted_asked(const backend *be, const char *name, const adapted_variant **v);
#endif
