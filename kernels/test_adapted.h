/* For tests of variants: a whole call, with memory that nobody wrote before. */
#ifndef TIEBREAK_KERNELS_TEST_ADAPTED_H
#define TIEBREAK_KERNELS_TEST_ADAPTED_H
#include "kernels/test_check.h"
#include "kernels/variant.h"

/* Bytes of NaN. */
static inline void *test_nan(const backend *be, int64_t bytes)
{
    char *host = mem_alloc((size_t)bytes + 1, 1);
    void *room = be->alloc_bytes(be, bytes + 1);
    memset(host, 0xff, (size_t)bytes);
    be->put(be, room, host, bytes);
    free(host);
    return room;
}

/* The same rows with other strides, and NaN between them. */
static inline real *test_with_stride(const backend *be, const real *from, int64_t ld_from, int64_t n, int64_t width,
                                     int64_t ld)
{
    if (!from) return NULL;
    real *to = test_nan(be, n * ld * (int64_t)be->elem);
    for (int64_t i = 0; i < n; i++) be->copy(be, real_at(be, to, i * ld), real_at(be, from, i * ld_from), width);
    return to;
}

static inline void test_same_rows(const backend *be, const real *a, int64_t lda, const real *b, int64_t ldb, int64_t n,
                                  int64_t width)
{
    const size_t bytes = (size_t)width * be->elem;
    char        *p = mem_alloc(bytes + 1, 1), *q = mem_alloc(bytes + 1, 1);
    for (int64_t i = 0; i < n; i++) {
        be->get(be, p, real_at(be, a, i * lda), (int64_t)bytes);
        be->get(be, q, real_at(be, b, i * ldb), (int64_t)bytes);
        assert_memory_equal(p, q, bytes);
    }
    free(p), free(q);
}

/* Prepared with pairs of NaN, of which nothing may be left once the variant is told of the right
 * ones. */
static inline void test_prepare(const backend *be, const adapted_variant *v, const adapted_linear *l)
{
    enum { MOST = 16 };
    void         *saved[MOST][2];
    const int64_t elem = (int64_t)be->elem;
    assert_true(l->count <= MOST);
    for (int back = 0; back < 2; back++) {
        for (int64_t i = 0; i < l->count; i++) {
            const pair_arrays *p        = &l->pairs[i].p;
            const bool         there    = p->r && p->A; /* else the factors alone are */
            const int64_t      bytes[2] = { there ? ((p->r - 1) * p->lda + l->in) * elem : 0,
                                       there ? ((l->pairs[i].out - 1) * p->ldb + p->r) * elem : 0 };
            real *const array[2] = { (real *)p->A, (real *)p->B };
            for (int k = 0; k < 2; k++) {
                if (!back) be->get(be, saved[i][k] = mem_alloc((size_t)bytes[k] + 1, 1), array[k], bytes[k]);
                if (back) be->put(be, array[k], saved[i][k], bytes[k]), free(saved[i][k]);
            }
        }
        for (int64_t i = 0; i < l->count && !back; i++) {
            const pair_arrays *p = &l->pairs[i].p;
            real              *nan;
            if (!p->r || !p->A) continue;
            be->copy(be, (real *)p->A, nan = test_nan(be, l->in * elem), l->in), be->release(be, nan);
            be->copy(be, (real *)p->B, nan = test_nan(be, p->r * elem), p->r), be->release(be, nan);
        }
        adapted_run(be, v, back ? ADAPTED_ADAPT : ADAPTED_PREPARE, l);
    }
}

/* x as the op before makes it. */
static inline real *test_produced(const backend *be, const adapted_linear *l)
{
    const adapted_source *s = l->source;
    real                 *x = be->alloc(be, l->n * l->in + 1);
    if (s->gain)
        be->rmsnorm_fwd(be, x, s->rstd, s->from, s->gain, (norm_dims) { .n = l->n, .d = l->in }, s->eps);
    else
        be->swiglu_fwd(be, x, s->from, l->n, l->in);
    return x;
}

/* Every stage once; no backward where l.dy is NULL. A source makes x, which l need not have. */
static inline void test_adapted(const backend *be, const adapted_variant *v, adapted_linear l)
{
    const adapted_linear given = adapted_with_strides(l);
    real                *made  = l.source ? test_produced(be, &l) : NULL;
    const int64_t        ranks = adapted_ranks(&l, v->pad ? v->pad : 1), ldx = adapted_ld(v, l.in, ranks),
                  ldy = adapted_ld(v, l.out, ranks);
    adapted_room room;
    if (v->pad) l.ldx = ldx, l.ld_dy = ldy;
    if (l.source) l.x = test_nan(be, (l.n * ldx + 1) * (int64_t)be->elem);
    if (!l.source && v->pad) l.x = test_with_stride(be, given.x, given.ldx, l.n, l.in, ldx);
    if (v->pad) l.dy = test_with_stride(be, given.dy, given.ld_dy, l.n, l.out, ldy);
    l.same_arrays = true;
    assert_null(adapted_refusal(be, v, &l));
    room      = adapted_room_of(be, v, &l);
    l.kept    = test_nan(be, room.kept);
    l.copies  = test_nan(be, room.copies);
    l.scratch = test_nan(be, room.scratch);
    if (v->prepare) test_prepare(be, v, &l);
    adapted_run(be, v, ADAPTED_FORWARD, &l);
    if (l.dy) adapted_run(be, v, ADAPTED_BACKWARD, &l);
    assert_ok(be->sync(be));
    if (made) test_same_rows(be, l.x, adapted_with_strides(l).ldx, made, l.in, l.n, l.in);
    if (!made && v->pad) test_same_rows(be, l.x, l.ldx, given.x, given.ldx, l.n, l.in);
    if (l.dy && v->pad) test_same_rows(be, l.dy, l.ld_dy, given.dy, given.ld_dy, l.n, l.out);
    adapted_run(be, v, ADAPTED_RELEASE, &l);
    if (l.x != given.x) be->release(be, (void *)l.x);
    if (l.dy != given.dy) be->release(be, (void *)l.dy);
    be->release(be, l.kept), be->release(be, l.copies), be->release(be, l.scratch), be->release(be, made);
}
#endif
