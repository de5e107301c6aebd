#include "train/orthogonality.h"

#include <math.h>
#include <stdlib.h>

#include "core/memory.h"

static int64_t rank_of(const orthogonality_item *i) { return i->rows_orthonormal ? i->rows : i->cols; }

static param *new_minus_eye(const backend *be, int64_t r)
{
    double *host = mem_alloc((size_t)(r * r), sizeof *host);
    for (int64_t i = 0; i < r; i++) host[i * r + i] = -1;
    param *m = be->alloc(be, r * r);
    be->upload(be, m, host, r * r);
    free(host);
    return m;
}

orthogonality *orthogonality_new(const backend *be, const orthogonality_item *items, int64_t n)
{
    orthogonality *o = mem_alloc(1, sizeof *o);
    o->be            = be;
    o->items         = mem_alloc((size_t)n, sizeof *items);
    for (int64_t i = 0; i < n; i++) {
        int64_t r = rank_of(&items[i]);
        if (r) o->items[o->n++] = items[i];
        if (r > o->rank_max) o->rank_max = r;
    }
    o->gram      = be->alloc(be, o->rank_max * o->rank_max);
    o->minus_eye = mem_alloc((size_t)o->rank_max + 1, sizeof *o->minus_eye);
    for (int64_t i = 0; i < o->n; i++) {
        int64_t r = rank_of(&o->items[i]);
        if (!o->minus_eye[r]) o->minus_eye[r] = new_minus_eye(be, r);
    }
    return o;
}

void orthogonality_free(orthogonality *o)
{
    if (!o) return;
    for (int64_t r = 0; r <= o->rank_max; r++) o->be->release(o->be, o->minus_eye[r]);
    o->be->release(o->be, o->gram);
    free(o->minus_eye);
    free(o->items);
    free(o);
}

double orthogonality_add(orthogonality *o, double weight)
{
    const backend *be  = o->be;
    double         sum = 0;
    for (const orthogonality_item *i = o->items; i < o->items + o->n; i++) {
        int64_t     r = rank_of(i), count = r * r;
        const real *p    = reals_of(i->p);
        linear_dims rows = { .n = r, .in = i->cols, .out = r }, cols = { .n = i->rows, .in = r, .out = r };
        if (i->rows_orthonormal) {
            be->linear_fwd(be, reals_of(o->gram), p, p, NULL, rows, false);
        } else {
            be->zero(be, o->gram, count);
            be->linear_bwd_w(be, o->gram, NULL, p, p, cols);
        }
        be->add(be, o->gram, o->minus_eye[r], count);
        double norm = sqrt(be->sum_squares(be, o->gram, count));
        sum += norm;
        if (norm == 0) continue;
        be->scale(be, o->gram, 2 * weight / (norm * (double)o->n), count);
        if (i->rows_orthonormal)
            be->linear_bwd_x(be, reals_of(i->g), reals_of(o->gram), p, rows, true);
        else
            be->linear_bwd_x(be, reals_of(i->g), p, reals_of(o->gram), cols, true); /* p times the symmetric [r, r] */
    }
    return o->n ? sum / (double)o->n : 0;
}
