/* A linear and the pairs that read its input, against the reference's linear and pairs one by
 * one. */
#include "kernels/adapted.h"

#include "kernels/check.h"

/* Where a pair's A (and dA) lies: where the one before it ends, with a gap, or it is the same A
 * with a dA of its own. */
typedef enum { FOLLOWS, APART, SAME } place;
enum { PAIRS = 5, GAP = 3 };

typedef struct {
    int64_t r, at, out;
    place   A;
    bool    dA, dB;
} one_pair;
typedef struct {
    const char *what;
    linear_dims d;
    bool        bias, accumulate, dx;
    int64_t     lda_room, ldb_room, count; /* room: strides over rows */
    one_pair    pairs[PAIRS];
} adapted_case;

static const adapted_case cases[] = {
    { "no pair", { 5, 33, 65, 0, 0 }, true, false, true, 0, 0, 0, { { 0 } } },
    { "one pair over all columns",
      { 7, 67, 131, 0, 0 },
      false,
      false,
      true,
      0,
      0,
      1,
      { { 3, 0, 131, APART, true, true } } },
    { "q, k, v side by side, A stacked",
      { 37, 67, 130, 0, 0 },
      true,
      false,
      true,
      0,
      0,
      3,
      { { 8, 0, 66, APART, true, true }, { 8, 66, 32, FOLLOWS, true, true }, { 8, 98, 32, FOLLOWS, true, true } } },
    { "one A for all, frozen",
      { 19, 40, 96, 0, 0 },
      false,
      false,
      true,
      5,
      0,
      3,
      { { 16, 0, 48, APART, false, true }, { 16, 48, 24, SAME, false, true }, { 16, 72, 24, SAME, false, true } } },
    { "one A for two, trained",
      { 21, 35, 50, 0, 0 },
      false,
      true,
      true,
      0,
      0,
      2,
      { { 5, 0, 25, APART, true, true }, { 5, 25, 25, SAME, true, true } } },
    { "mixed ranks, one of them 0, strides",
      { 70, 90, 77, 93, 80 },
      true,
      true,
      true,
      2,
      3,
      4,
      { { 1, 3, 20, APART, true, true },
        { 0, 23, 9, FOLLOWS, true, true },
        { 17, 32, 40, FOLLOWS, true, true },
        { 64, 70, 7, APART, true, true } } },
    { "overlapping columns",
      { 9, 31, 40, 0, 0 },
      false,
      false,
      true,
      0,
      0,
      3,
      { { 4, 0, 40, APART, true, true }, { 2, 10, 20, FOLLOWS, true, true }, { 6, 0, 40, APART, true, true } } },
    { "some gradients",
      { 33, 29, 60, 0, 0 },
      false,
      false,
      true,
      0,
      0,
      5,
      { { 7, 0, 10, APART, false, true },
        { 3, 10, 10, FOLLOWS, true, false },
        { 3, 20, 10, FOLLOWS, true, true },
        { 4, 30, 15, FOLLOWS, false, false },
        { 2, 45, 15, FOLLOWS, true, true } } },
    { "no dx",
      { 12, 30, 44, 0, 0 },
      true,
      false,
      false,
      0,
      0,
      3,
      { { 8, 0, 20, APART, true, true }, { 8, 20, 12, SAME, false, true }, { 8, 32, 12, FOLLOWS, false, false } } },
    { "decode",
      { 1, 290, 120, 0, 0 },
      false,
      false,
      true,
      0,
      0,
      2,
      { { 128, 0, 60, APART, true, true }, { 256, 60, 60, FOLLOWS, true, true } } },
    { "shared, stacked and shared again",
      { 6, 20, 30, 0, 0 },
      false,
      false,
      true,
      0,
      0,
      4,
      { { 4, 0, 10, APART, false, true },
        { 4, 10, 5, SAME, false, true },
        { 9, 15, 10, FOLLOWS, false, true },
        { 9, 25, 5, SAME, false, true } } },
    { "many rows, wide columns",
      { 520, 24, 520, 0, 0 },
      false,
      false,
      true,
      0,
      0,
      4,
      { { 4, 0, 256, APART, false, true },
        { 4, 256, 256, SAME, false, true },
        { 3, 4, 256, FOLLOWS, true, true },
        { 2, 256, 256, FOLLOWS, true, true } } },
    { "no token", { 0, 7, 5, 0, 0 }, false, false, true, 0, 0, 1, { { 4, 0, 5, APART, true, true } } },
};
enum { CASES = sizeof cases / sizeof *cases };
enum { Y, DX, DA, DB, X, DY, W, BIAS, A, B, ARRAYS };

/* Elements that all pairs' A, B, dA and dB take, and where those of pair i begin. */
typedef struct {
    int64_t A[PAIRS + 1], B[PAIRS + 1], dA[PAIRS + 1], dB[PAIRS + 1], lda;
} offsets;

static offsets offsets_of(const adapted_case *c)
{
    offsets o = { .lda = c->d.in + c->lda_room };
    for (int64_t i = 0, end = 0, dA_end = 0; i < c->count; i++) {
        const one_pair *p   = &c->pairs[i];
        int64_t         gap = p->A == APART ? GAP : 0;
        o.A[i]              = p->A == SAME ? o.A[i - 1] : end + gap;
        o.dA[i]             = dA_end + gap;
        if (p->A != SAME) end = o.A[i] + p->r * o.lda;
        dA_end      = o.dA[i] + p->r * c->d.in;
        o.B[i + 1]  = o.B[i] + p->out * (p->r + c->ldb_room);
        o.dB[i + 1] = o.dB[i] + p->out * p->r;
        o.A[i + 1] = end, o.dA[i + 1] = dA_end;
    }
    return o;
}

static void pairs_of(adapted_pair *to, const adapted_case *c, const backend *be, void **a)
{
    offsets o = offsets_of(c);
    for (int64_t i = 0; i < c->count; i++) {
        const one_pair *p = &c->pairs[i];
        to[i]             = (adapted_pair) { .at = p->at, .out = p->out };
        to[i].p           = (pair_arrays) { .A   = real_at(be, a[A], o.A[i]),
                                            .B   = real_at(be, a[B], o.B[i]),
                                            .r   = p->r,
                                            .lda = o.lda,
                                            .ldb = p->r + c->ldb_room };
        if (p->dA) to[i].p.dA = param_at(be, as(a[DA]), o.dA[i]);
        if (p->dB) to[i].p.dB = param_at(be, as(a[DB]), o.dB[i]);
    }
}

static real *room_of_nan(const backend *be, int64_t count)
{
    char *host = mem_alloc((size_t)count + 1, be->elem);
    real *room = be->alloc(be, count + 1);
    memset(host, 0xff, (size_t)count * be->elem);
    be->put(be, room, host, count * (int64_t)be->elem);
    free(host);
    return room;
}

static void call(const backend *be, void **a, const void *c_)
{
    const adapted_case *c = c_;
    adapted_pair        pairs[PAIRS];
    pairs_of(pairs, c, be, as(a));
    int64_t room = adapted_room(c->d.n, pairs, c->count);
    real   *h = room_of_nan(be, room), *dh = room_of_nan(be, room);
    be->adapted_fwd(be, a[Y], h, a[X], a[W], a[BIAS], pairs, c->count, c->d, c->accumulate);
    be->adapted_bwd(be, a[DX], dh, a[DY], a[X], h, a[W], pairs, c->count, c->d);
    assert_ok(be->sync(be));
    be->release(be, h), be->release(be, dh);
}

static void check_cases(void)
{
    for (int i = 0; i < CASES; i++) {
        const adapted_case *c     = &cases[i];
        linear_dims         d     = c->d;
        offsets             o     = offsets_of(c);
        int64_t             ranks = 0;
        for (int64_t k = 0; k < c->count; k++) ranks += c->pairs[k].r;
        double      tol            = check_sum_tol(d.in + d.out + d.n + ranks);
        check_array arrays[ARRAYS] = {
            [Y]    = check_rows("y", d.n, d.ldy, d.out, true, check_sum_tol(d.in + ranks)),
            [DX]   = check_rows("dx", d.n, d.ldx, d.in, true, check_sum_tol(d.out + ranks)),
            [DA]   = { "dA", .kind = PARAM, .n = o.dA[c->count], .out = true, .through_bf16 = true, .tol = tol },
            [DB]   = { "dB", .kind = PARAM, .n = o.dB[c->count], .out = true, .through_bf16 = true, .tol = tol },
            [X]    = check_rows("x", d.n, d.ldx, d.in, false, 0),
            [DY]   = check_rows("dy", d.n, d.ldy, d.out, false, 0),
            [W]    = { "W", .n = d.in * d.out },
            [BIAS] = { "bias", .n = c->bias ? d.out : -1 },
            [A]    = { "A", .n = o.A[c->count] },
            [B]    = { "B", .n = o.B[c->count] },
        };
        arrays[Y].through_bf16 = arrays[DX].through_bf16 = true;
        if (!c->dx) arrays[DX].n = -1;
        check_op(c->what, arrays, ARRAYS, call, c);
    }
}

static void cpu_agrees_with_ref(void **state)
{
    (void)state;
    check_on_cpu(check_cases);
}

static void cuda_agrees_with_ref(void **state)
{
    (void)state;
    check_on_cuda(check_cases);
}

/* Launches of three pairs beside one linear, forward and backward, where A and dA follow one
 * another, where A is one, and where neither. */
static int64_t launches(const backend *be, int64_t n, place of_A, bool trained, bool forward)
{
    adapted_case c = { "launches", { n, 40, 96, 0, 0 }, false, false, true, 0, 0, 3, { { 0 } } };
    for (int i = 0; i < 3; i++) c.pairs[i] = (one_pair) { 8, 32 * i, 32, i ? of_A : APART, trained, true };
    const offsets o            = offsets_of(&c);
    const int64_t size[ARRAYS] = { [Y] = 9600,  [DX] = 4000, [DA] = o.dA[3], [DB] = o.dB[3], [X] = 4000,
                                   [DY] = 9600, [W] = 3840,  [A] = o.A[3],   [B] = o.B[3] };
    adapted_pair  pairs[PAIRS];
    void         *a[ARRAYS];
    for (int i = 0; i < ARRAYS; i++)
        a[i] = i == DA || i == DB ? be->params->alloc(be->params, size[i] + 1) : be->alloc(be, size[i] + 1);
    pairs_of(pairs, &c, be, a);
    real *h = be->alloc(be, adapted_room(c.d.n, pairs, 3)), *dh = be->alloc(be, adapted_room(c.d.n, pairs, 3));
    be->time_begin(be);
    if (forward) be->adapted_fwd(be, a[Y], h, a[X], a[W], NULL, pairs, 3, c.d, false);
    if (!forward) be->adapted_bwd(be, a[DX], dh, a[DY], a[X], h, a[W], pairs, 3, c.d);
    be->time_end(be);
    int64_t count = be->time_launches(be);
    for (int i = 0; i < ARRAYS; i++) be->release(be, a[i]);
    be->release(be, h), be->release(be, dh);
    return count;
}

static void check_launches(void)
{
    const backend *be = check_subject;
    /* h of all; y += of each; the base */
    assert_int_equal(launches(be, 100, FOLLOWS, true, true), 5);
    assert_int_equal(launches(be, 100, SAME, false, true), 5);
    assert_int_equal(launches(be, 100, APART, true, true), 7);
    /* dB and dh of each; dA and dx of all; the base */
    assert_int_equal(launches(be, 100, FOLLOWS, true, false), 9);
    assert_int_equal(launches(be, 100, SAME, false, false), 8); /* no dA */
    assert_int_equal(launches(be, 100, APART, true, false), 13);
    if (be->elem == 2) /* few rows: h of all, and the base with y += of all in its end */
        for (int of_A = FOLLOWS; of_A <= SAME; of_A++) assert_int_equal(launches(be, 64, (place)of_A, true, true), 2);
}

static void an_input_is_read_once(void **state)
{
    (void)state;
    check_on_cuda(check_launches);
}

/* y [3, 6] of two pairs whose columns overlap, and the weights that make it one number. */
typedef struct {
    const adapted_case *c;
    void               *a[ARRAYS];
    double             *h;
} adapted_loss;

static double loss(void *ctx)
{
    const backend      *ref = backend_find("ref");
    adapted_loss       *l   = ctx;
    const adapted_case *c   = l->c;
    adapted_pair        pairs[PAIRS];
    pairs_of(pairs, c, ref, l->a);
    ref->adapted_fwd(ref, l->a[Y], as(l->h), l->a[X], l->a[W], l->a[BIAS], pairs, c->count, c->d, false);
    return check_dot(l->a[Y], l->a[DY], c->d.n * c->d.out);
}

static void gradients_match_differences(void **state)
{
    (void)state;
    const backend            *ref = backend_find("ref");
    static const adapted_case c   = {
          "gradients",
          { 3, 5, 6, 0, 0 },
          true,
          false,
          true,
          0,
          0,
          3,
          { { 2, 0, 4, APART, true, true }, { 3, 2, 4, FOLLOWS, true, true }, { 0, 0, 6, FOLLOWS, true, true } }
    };
    offsets       o            = offsets_of(&c);
    const int64_t size[ARRAYS] = { [Y] = 18,  [DX] = 15, [DA] = o.dA[3], [DB] = o.dB[3], [X] = 15,
                                   [DY] = 18, [W] = 30,  [BIAS] = 6,     [A] = o.A[3],   [B] = o.B[3] };
    adapted_loss  l            = { &c, { 0 }, NULL };
    rng           r            = rng_seed(4);
    for (int i = 0; i < ARRAYS; i++) l.a[i] = check_random(&r, size[i]);
    memset(l.a[DA], 0, (size_t)size[DA] * 8);
    memset(l.a[DB], 0, (size_t)size[DB] * 8);
    adapted_pair pairs[PAIRS];
    pairs_of(pairs, &c, ref, l.a);
    int64_t room = adapted_room(c.d.n, pairs, c.count);
    l.h          = mem_alloc((size_t)room, 8);
    double *dh   = mem_alloc((size_t)room, 8);
    loss(&l);
    ref->adapted_bwd(ref, l.a[DX], as(dh), l.a[DY], l.a[X], as(l.h), l.a[W], pairs, c.count, c.d);
    assert_within(check_gradient(loss, &l, l.a[X], l.a[DX], size[X]), CHECK_GRADIENT_TOL);
    assert_within(check_gradient(loss, &l, l.a[A], l.a[DA], size[A]), CHECK_GRADIENT_TOL);
    assert_within(check_gradient(loss, &l, l.a[B], l.a[DB], size[B]), CHECK_GRADIENT_TOL);
    for (int i = 0; i < ARRAYS; i++) free(l.a[i]);
    free(l.h), free(dh);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cpu_agrees_with_ref),
        cmocka_unit_test(cuda_agrees_with_ref),
        cmocka_unit_test(an_input_is_read_once),
        cmocka_unit_test(gradients_match_differences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
