/* A linear and any number of pairs that read its input: every variant of a backend against the
 * reference's linear and pairs one by one, and what each refuses. */
#include "kernels/test_adapted.h"
#include "kernels/test_variants.h"

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
    { "many rows of one pair",
      { 520, 24, 520, 0, 0 },
      false,
      false,
      true,
      0,
      0,
      1,
      { { 5, 0, 520, APART, true, true } } },
    { "many rows of pairs that overlap and leave columns out",
      { 515, 16, 776, 0, 0 },
      false,
      false,
      true,
      0,
      0,
      3,
      { { 1, 8, 512, APART, true, true }, { 0, 0, 8, FOLLOWS, true, true }, { 17, 128, 512, FOLLOWS, false, true } } },
    { "q, k, v of widths that 8 divides",
      { 37, 72, 136, 0, 0 },
      false,
      false,
      true,
      0,
      0,
      3,
      { { 8, 0, 72, APART, true, true }, { 17, 72, 32, FOLLOWS, true, true }, { 3, 104, 32, FOLLOWS, true, true } } },
    { "gate and up of one A, few rows",
      { 6, 40, 96, 0, 0 },
      false,
      false,
      true,
      0,
      0,
      2,
      { { 4, 0, 48, APART, false, true }, { 4, 48, 48, SAME, false, true } } },
    { "added to y, in few rows", { 9, 40, 56, 0, 0 }, false, true, true, 0, 0, 1, { { 4, 0, 56, APART, true, true } } },
    { "no token", { 0, 7, 5, 0, 0 }, false, false, true, 0, 0, 1, { { 4, 0, 5, APART, true, true } } },
};
enum { CASES = sizeof cases / sizeof *cases };
enum { Y, DX, DA, DB, X, DY, W, BIAS, A, B, G, ARRAYS };

static const adapted_variant *variant; /* under test */

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
        if (p->dA) to[i].p.dA = param_at(be, a[DA], o.dA[i]);
        if (p->dB) to[i].p.dB = param_at(be, a[DB], o.dB[i]);
    }
}

/* The call without memory; x as it lies. */
static adapted_linear linear_of(const adapted_case *c, const adapted_pair *pairs, void **a)
{
    const linear_dims d = c->d;
    return (adapted_linear) { .n          = d.n,
                              .in         = d.in,
                              .out        = d.out,
                              .ldx        = d.ldx,
                              .ldy        = d.ldy,
                              .ld_dx      = d.ldx,
                              .ld_dy      = d.ldy,
                              .x          = a[X],
                              .W          = a[W],
                              .bias       = c->bias ? a[BIAS] : NULL,
                              .y          = a[Y],
                              .dy         = a[DY],
                              .dx         = a[DX],
                              .pairs      = pairs,
                              .count      = c->count,
                              .accumulate = c->accumulate };
}

/* x made in f64 by the op before, and rounded as naive code rounds it. */
static void on_ref(const backend *be, adapted_linear l)
{
    real   *made   = l.source ? test_produced(be, &l) : NULL;
    double *values = (double *)made; /* ref's arrays are the host's */
    for (int64_t i = 0; made && i < l.n * l.in && check_subject->elem == 2; i++) values[i] = check_bf16(values[i]);
    if (made) l.x = made;
    l.source = NULL;
    test_adapted(be, be->adapted, l);
    be->release(be, made);
}

static void call(const backend *be, void **a, const void *c_)
{
    const adapted_case *c = c_;
    adapted_pair        pairs[PAIRS];
    pairs_of(pairs, c, be, a);
    adapted_linear       l      = linear_of(c, pairs, a);
    const adapted_source source = { .from = a[X], .gain = a[G], .eps = 1e-5 };
    if (variant->from_source) l.source = &source;
    if (variant->forward_only) l.dy = NULL;
    if (be == backend_find("ref"))
        on_ref(be, l);
    else
        test_adapted(be, variant, l);
}

/* Why the variant under test cannot do a case; no array is looked at. */
static const char *refusal(const adapted_case *c)
{
    static char           there[8];
    static adapted_source source;
    void                 *a[ARRAYS] = { [X] = there, [DY] = there, [BIAS] = c->bias ? there : NULL };
    adapted_pair          pairs[PAIRS];
    pairs_of(pairs, c, check_subject ? check_subject : backend_find("cpu"), a);
    adapted_linear l = linear_of(c, pairs, a);
    l.same_arrays    = true;
    l.source         = &source;
    if (variant->pad)
        l.ldx   = adapted_ld(variant, l.in, adapted_ranks(&l, variant->pad)),
        l.ld_dy = adapted_ld(variant, l.out, adapted_ranks(&l, variant->pad));
    if (variant->forward_only) l.dy = NULL;
    return adapted_refusal(check_subject ? check_subject : backend_find("cpu"), variant, &l);
}

static void check_case(const adapted_case *c)
{
    linear_dims d     = c->d;
    offsets     o     = offsets_of(c);
    int64_t     ranks = 0;
    char        what[96];
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
        [G]    = { "g", .n = variant->from_source ? d.in : -1 },
    };
    arrays[Y].through_bf16 = arrays[DX].through_bf16 = true;
    if (!c->dx || variant->forward_only) arrays[DX].n = -1;
    snprintf(what, sizeof what, "%s, %s", variant->name, c->what);
    check_op(what, arrays, ARRAYS, call, c);
}

static void check_cases(void)
{
    const backend *be = check_subject ? check_subject : backend_find("cpu");
    for (variant = be->adapted; variant->name; variant++) {
        const test_variant *expected = test_variant_of(variant);
        bool                ran[2]   = { false, false };
        for (int i = 0; i < CASES; i++) {
            /* Strided x and the op before do not go together, and no pair is the linear alone. */
            if (ran[cases[i].count > 1] && i % TEST_PART != 0) continue;
            if (refusal(&cases[i]) || (variant->from_source && (cases[i].d.ldx || !cases[i].count))) continue;
            check_case(&cases[i]);
            if (cases[i].d.n && cases[i].count) ran[cases[i].count > 1] = true;
        }
        const bool needs_factors = strcmp(variant->name, "eager") == 0 && be->elem == 2;
        assert_int_equal(ran[0], expected->one && !needs_factors);
        assert_int_equal(ran[1], expected->several);
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

/* Refusals name what is missing: of a call of two pairs side by side that reach all columns,
 * forward
 * and backward, but for what a row says. */
enum { NO_BACKWARD = 1, BIAS_TOO = 2, ADDED = 4, MANY = 8, ONE_PAIR = 16, GAP_LEFT = 32, SAME_ARRAYS = 64 };
static const struct {
    const char *name;
    int64_t     n, in, out; /* a pair has a half of out */
    int         with;
    const char *words; /* NULL: it does the call */
} refused[] = {
    { "stacked", 100, 33, 66, BIAS_TOO | ADDED | GAP_LEFT, NULL },
    { "stacked", 5, 32, 64, MANY, "takes one adapter, not many in one batch" },
    { "eager-bf16", 5, 32, 64, 0, "takes one pair" },
    { "eager-bf16", 5, 32, 64, ONE_PAIR, "takes a pair that reaches every column of y" },
    { "one-pass", 5, 32, 66, 0, "needs an output width that 8 divides" },
    { "one-pass", 5, 32, 72, 0, "needs pairs that begin at a multiple of 8 columns" },
    { "adapter-first", 5, 32, 64, GAP_LEFT, "needs pairs that reach every column of y once" },
    { "adapter-first", 5, 32, 64, GAP_LEFT | ADDED, NULL },
    { "split-k", 5, 31, 64, 0, "needs an input and an output width that 8 divides" },
    { "merged", 5, 33, 66, BIAS_TOO | ADDED | GAP_LEFT, NULL },
    { "augmented-k", 5, 32, 64, 0, "needs room for the ranks behind each row of x and dy" },
    { "augmented-k", 5, 32, 64, BIAS_TOO, "adds no bias" },
    { "producer-shrink", 5, 32, 64, 0, "needs the input of the op before, RMSNorm or SwiGLU" },
    { "decode", 5, 32, 64, 0, "has no backward" },
    { "decode", 65, 32, 64, NO_BACKWARD, "does at most 64 rows" },
    { "decode", 64, 32, 64, NO_BACKWARD | BIAS_TOO | ADDED, NULL },
    { "decode", 5, 32, 64, NO_BACKWARD | MANY, "takes the factors, or many adapters, of one pair alone" },
    { "decode-wgmma", 65, 32, 64, NO_BACKWARD, "does at most 64 rows" },
    { "decode-wgmma", 64, 32, 66, NO_BACKWARD | BIAS_TOO | ADDED, NULL },
    { "decode-wgmma", 5, 33, 64, NO_BACKWARD, "needs rows of x and W of a multiple of 8 elements" },
    { "decode-graph", 5, 32, 64, NO_BACKWARD, "needs the same arrays in every call" },
    { "decode-graph", 65, 32, 64, NO_BACKWARD | SAME_ARRAYS, "does at most 64 rows" },
    { "decode-graph", 5, 32, 64, NO_BACKWARD | SAME_ARRAYS | BIAS_TOO, "adds no bias" },
    { "gather", 65, 32, 64, NO_BACKWARD, "does at most 64 rows" },
    { "gather", 5, 32, 64, NO_BACKWARD | MANY, "takes many adapters of one pair alone" },
    { "fused", 5, 32, 64, ADDED, "overwrites y, which holds what it should be added to" },
    { "fused", 5, 33, 64, 0, "needs rows of a multiple of 8 elements" },
    { "fused", 5, 32, 64, 0, NULL },
    { "graph", 5, 32, 64, 0, "needs the same arrays in every call" },
    { "graph", 5, 32, 64, SAME_ARRAYS, NULL },
};

static void check_refusals(void)
{
    static char there[8];
    const real *some = (const real *)there;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        const adapted_variant *v    = adapted_find(check_subject, refused[i].name);
        const int              with = refused[i].with;
        const int64_t          half = refused[i].out / 2;
        const adapted_batch    many = { .adapters = 3 };
        adapted_pair           pairs[2];
        for (int k = 0; k < 2; k++)
            pairs[k] = (adapted_pair) { { .r = 4, .lda = refused[i].in, .ldb = 4 }, k * half, half };
        if (with & GAP_LEFT) pairs[1].out--;
        const adapted_linear l = { .n           = refused[i].n,
                                   .in          = refused[i].in,
                                   .out         = refused[i].out,
                                   .bias        = with & BIAS_TOO ? some : NULL,
                                   .dy          = with & NO_BACKWARD ? NULL : some,
                                   .accumulate  = with & ADDED,
                                   .batch       = with & MANY ? &many : NULL,
                                   .same_arrays = with & SAME_ARRAYS,
                                   .pairs       = pairs,
                                   .count       = with & ONE_PAIR ? 1 : 2 };
        if (!v && check_subject->elem == 4) continue; /* bf16 alone has it */
        assert_non_null(v);
        const char *why = adapted_refusal(check_subject, v, &l);
        if (!refused[i].words && why) fail_msg("%s refuses row %d: %s", v->name, (int)i, why);
        if (refused[i].words && !why) fail_msg("%s does not refuse row %d", v->name, (int)i);
        if (why) assert_string_equal(why, refused[i].words);
    }
    /* Under a bf16 base a framework's adapters are f32, which a model's pairs are not. */
    const adapted_pair   pair = { { .r = 4, .lda = 32, .ldb = 4 }, 0, 64 };
    const adapted_linear l    = { .n = 5, .in = 32, .out = 64, .dy = some, .pairs = &pair, .count = 1 };
    const char          *why  = adapted_refusal(check_subject, adapted_find(check_subject, "eager"), &l);
    if (check_subject->elem == 4) assert_null(why);
    if (check_subject->elem == 2)
        assert_string_equal(why, "needs the method's own factors in f32, and is given the pair that they expand to");
}

static void refusals_say_what_is_missing(void **state)
{
    (void)state;
    check_on_cuda(check_refusals);
}

/* --variant: no name is no variant; a device of one way, and a wrong name, are refused. */
static void names_are_found(void **state)
{
    (void)state;
    const adapted_variant *v  = NULL;
    const backend         *be = backend_find("cuda-emulated");
    assert_ok(adapted_asked(backend_find("cpu"), NULL, &v));
    assert_null(v);
    assert_int_equal(adapted_asked(backend_find("cpu"), "base-first", &v), ERR_INPUT);
    assert_non_null(strstr(error_text(), "the device cpu has one way"));
    if (!be) skip_because("no CUDA backend loads; %s", error_text());
    assert_ok(adapted_asked(be, "merged", &v));
    assert_string_equal(v->name, "merged");
    assert_int_equal(adapted_asked(be, "adapter-fist", &v), ERR_INPUT);
    assert_non_null(strstr(error_text(), "did you mean adapter-first?"));
    assert_int_equal(adapted_asked(be, "fused", &v), ERR_INPUT); /* bf16 alone has it */
    const adapted_linear l = { .n = 1, .in = 8, .out = 8 };
    assert_ptr_equal(adapted_default(be, &l), adapted_find(be, "stacked"));
    assert_ptr_equal(adapted_default(backend_find("cpu"), &l), backend_find("cpu")->adapted);
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
    adapted_linear l    = linear_of(&c, pairs, a);
    adapted_room   room = adapted_room_of(be, be->adapted, &l);
    l.kept = be->alloc_bytes(be, room.kept), l.scratch = be->alloc_bytes(be, room.scratch);
    be->time_begin(be);
    adapted_run(be, be->adapted, forward ? ADAPTED_FORWARD : ADAPTED_BACKWARD, &l);
    be->time_end(be);
    int64_t count = be->time_launches(be);
    for (int i = 0; i < ARRAYS; i++) be->release(be, a[i]);
    be->release(be, l.kept), be->release(be, l.scratch);
    const adapted_cost cost = adapted_cost_of(be, be->adapted, forward ? ADAPTED_FORWARD : ADAPTED_BACKWARD, &l);
    assert_int_equal(count, (int64_t)cost.launches);
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
    adapted_linear      linear;
} adapted_loss;

static double loss(void *ctx)
{
    adapted_loss       *l = ctx;
    const adapted_case *c = l->c;
    adapted_run(backend_find("ref"), backend_find("ref")->adapted, ADAPTED_FORWARD, &l->linear);
    return check_dot(l->a[Y], l->a[DY], c->d.n * c->d.out);
}

static void gradients_match_differences(void **state)
{
    (void)state;
    static const adapted_case c = {
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
    adapted_loss  l            = { .c = &c };
    rng           r            = rng_seed(4);
    for (int i = 0; i < ARRAYS; i++) l.a[i] = check_random(&r, size[i]);
    memset(l.a[DA], 0, (size_t)size[DA] * 8);
    memset(l.a[DB], 0, (size_t)size[DB] * 8);
    adapted_pair pairs[PAIRS];
    pairs_of(pairs, &c, backend_find("ref"), l.a);
    const backend *be = backend_find("ref");
    l.linear          = linear_of(&c, pairs, l.a);
    adapted_room room = adapted_room_of(be, be->adapted, &l.linear);
    l.linear.kept     = be->alloc_bytes(be, room.kept);
    l.linear.scratch  = be->alloc_bytes(be, room.scratch);
    loss(&l);
    adapted_run(be, be->adapted, ADAPTED_BACKWARD, &l.linear);
    assert_within(check_gradient(loss, &l, l.a[X], l.a[DX], size[X]), CHECK_GRADIENT_TOL);
    assert_within(check_gradient(loss, &l, l.a[A], l.a[DA], size[A]), CHECK_GRADIENT_TOL);
    assert_within(check_gradient(loss, &l, l.a[B], l.a[DB], size[B]), CHECK_GRADIENT_TOL);
    for (int i = 0; i < ARRAYS; i++) free(l.a[i]);
    be->release(be, l.linear.kept), be->release(be, l.linear.scratch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cpu_agrees_with_ref),          cmocka_unit_test(cuda_agrees_with_ref),
        cmocka_unit_test(refusals_say_what_is_missing), cmocka_unit_test(names_are_found),
        cmocka_unit_test(an_input_is_read_once),        cmocka_unit_test(gradients_match_differences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
