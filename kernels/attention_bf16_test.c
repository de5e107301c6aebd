/* Attention in bf16 beside naive bf16 code, both against f64. Naive code keeps scores,
 * probabilities and their gradients as tensors of bf16, as a framework without a fused kernel
 * does; every product is exact and rounded once. Ours may be off by at most twice as much. */
#include "kernels/test_check.h"

typedef struct {
    const char    *what;
    attention_dims d;
    attention_span spans[5];
    int64_t        n_spans, q_rows, kv_rows;
} trial;

static const trial trials[] = {
    { "grouped queries, lengths that divide nothing, head of 64",
      { 4, 1, 64, 0, 0, 0, 0 },
      { { 0, 70, 0, 70, 0, 0 }, { 70, 33, 70, 33, 0, 0 }, { 103, 1, 103, 1, 0, 0 } },
      3,
      104,
      104 },
    { "decode over cached keys, head of 128, strided",
      { 8, 2, 128, 1032, 264, 256, 1024 },
      { { 0, 1, 0, 300, 0, 0 },
        { 1, 1, 300, 129, 0, 0 },
        { 2, 1, 429, 1, 0, 0 },
        { 3, 1, 430, 17, 0, 300 },
        { 4, 1, 447, 100, 429, 1 } },
      5,
      5,
      547 },
    { "longer than a block, head of 128", { 4, 2, 128, 0, 0, 0, 0 }, { { 0, 133, 0, 133, 0, 0 } }, 1, 133, 133 },
    { "a shared prefix, head of 80",
      { 3, 3, 80, 0, 0, 0, 0 },
      { { 0, 29, 0, 29, 0, 0 }, { 29, 37, 29, 37, 0, 29 }, { 66, 1, 66, 1, 0, 29 }, { 67, 12, 67, 12, 0, 29 } },
      4,
      79,
      79 },
    { "few queries over many keys, more rows than a tile",
      { 12, 1, 64, 0, 0, 0, 0 },
      { { 0, 3, 0, 150, 0, 0 }, { 3, 5, 150, 261, 10, 30 } },
      2,
      8,
      411 },
    { "a chunk over cached keys and a prefix, head of 64",
      { 4, 2, 64, 0, 0, 0, 0 },
      { { 0, 9, 30, 90, 3, 20 }, { 9, 40, 120, 140, 3, 20 } },
      2,
      49,
      260 },
    { "a small head", { 2, 2, 8, 0, 0, 0, 0 }, { { 0, 45, 0, 45, 0, 0 } }, 1, 45, 45 },
};

enum { Q, K, V, D_O, O, LSE, DQ, DK, DV, ARRAYS };
static const char *const names[ARRAYS] = { "q", "k", "v", "do", "o", "lse", "dq", "dk", "dv" };

static int64_t size_of(const trial *t, int array)
{
    const attention_dims d = attention_strides(t->d);
    switch (array) {
    case Q:
    case DQ: return t->q_rows * d.ldq;
    case K:
    case DK: return t->kv_rows * d.ldk;
    case V:
    case DV: return t->kv_rows * d.ldv;
    case LSE: return t->q_rows * d.heads;
    default: return t->q_rows * d.ldo;
    }
}

static double dot(const double *a, const double *b, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

/* One query and head: the forward, and with dq the backward from it. Key j lies in row rows[j]. */
static void naive_query(double *const *a, const int64_t *rows, int64_t keys, int64_t row, int64_t head,
                        attention_dims d, double scale)
{
    const int64_t D = d.head_dim, column = head / (d.heads / d.kv_heads) * D;
    const double *q = a[Q] + row * d.ldq + head * D, *d_o = a[D_O] + row * d.ldo + head * D;
    double       *o = a[O] + row * d.ldo + head * D, *dq = a[DQ] + row * d.ldq + head * D;
    double       *p = mem_alloc((size_t)keys, 8), *dp = mem_alloc((size_t)keys, 8), max = -INFINITY, sum = 0, along = 0;
    for (int64_t j = 0; j < keys; j++) {
        p[j] = check_bf16(scale * check_bf16(dot(q, a[K] + rows[j] * d.ldk + column, D)));
        max  = fmax(max, p[j]);
    }
    for (int64_t j = 0; j < keys; j++) sum += exp(p[j] - max);
    a[LSE][row * d.heads + head] = max + log(sum);
    for (int64_t j = 0; j < keys; j++) {
        p[j]  = check_bf16(exp(p[j] - max) / sum);
        dp[j] = check_bf16(dot(d_o, a[V] + rows[j] * d.ldv + column, D));
        along += p[j] * dp[j];
        for (int64_t c = 0; c < D; c++) o[c] += p[j] * a[V][rows[j] * d.ldv + column + c];
    }
    for (int64_t j = 0; j < keys; j++) {
        const double ds = check_bf16(scale * check_bf16(p[j] * (dp[j] - along)));
        for (int64_t c = 0; c < D; c++) {
            dq[c] += ds * a[K][rows[j] * d.ldk + column + c];
            a[DK][rows[j] * d.ldk + column + c] += ds * q[c];
            a[DV][rows[j] * d.ldv + column + c] += p[j] * d_o[c];
        }
    }
    free(p), free(dp);
}

static void compute_naive(const trial *t, double *const *a, double scale)
{
    const attention_dims d    = attention_strides(t->d);
    int64_t             *rows = mem_alloc((size_t)t->kv_rows, sizeof *rows);
    for (const attention_span *s = t->spans; s < t->spans + t->n_spans; s++)
        for (int64_t i = 0; i < s->q_len; i++) {
            int64_t keys = s->pre_len + s->kv_len - s->q_len + i + 1;
            for (int64_t j = 0; j < keys; j++) rows[j] = j < s->pre_len ? s->pre0 + j : s->kv0 + j - s->pre_len;
            for (int64_t head = 0; head < d.heads; head++) naive_query(a, rows, keys, s->q0 + i, head, d, scale);
        }
    for (int i = O; i < ARRAYS; i++)
        for (int64_t j = 0; j < size_of(t, i) && i != LSE; j++) a[i][j] = check_bf16(a[i][j]);
    free(rows);
}

/* Forward, and backward from what it left. */
static void compute_on(const backend *be, const trial *t, double *const *a, double scale)
{
    void *on[ARRAYS];
    for (int i = 0; i < ARRAYS; i++) {
        on[i] = (i == LSE ? be->params : be)->alloc(i == LSE ? be->params : be, size_of(t, i));
        if (i <= D_O) be->upload(be, on[i], a[i], size_of(t, i));
    }
    const attention_args args = { on[Q], on[K], on[V], t->spans, t->n_spans, t->d, scale };
    be->attention_fwd(be, on[O], on[LSE], &args);
    be->attention_bwd(be, on[DQ], on[DK], on[DV], on[D_O], on[O], on[LSE], &args);
    for (int i = O; i < ARRAYS; i++)
        (i == LSE ? be->params : be)->download(i == LSE ? be->params : be, a[i], on[i], size_of(t, i));
    assert_ok(be->sync(be));
    for (int i = 0; i < ARRAYS; i++) be->release(be, on[i]);
}

static void check_trial(const backend *be, const trial *t)
{
    double      *exact[ARRAYS], *naive[ARRAYS], *ours[ARRAYS];
    const double scale = 1 / sqrt((double)t->d.head_dim);
    rng          g     = rng_stream(3, t->what);
    for (int i = 0; i < ARRAYS; i++) {
        const size_t n = (size_t)size_of(t, i);
        exact[i] = mem_alloc(n, 8), naive[i] = mem_alloc(n, 8), ours[i] = mem_alloc(n, 8);
        /* scores of standard deviation 1: three times wider queries */
        for (size_t j = 0; j < n && i <= D_O; j++)
            exact[i][j] = naive[i][j] = ours[i][j] = check_bf16((rng_uniform(&g) * 2 - 1) * (i == Q ? 3 : 1));
    }
    compute_on(backend_find("ref"), t, exact, scale);
    compute_naive(t, naive, scale);
    compute_on(be, t, ours, scale);
    for (int i = O; i < ARRAYS; i++) {
        double off = rel_err(ours[i], exact[i], size_of(t, i)), naively = rel_err(naive[i], exact[i], size_of(t, i));
        if (!(off <= 2 * naively))
            fail_msg("%s: %s is off by %.3e, naive code by %.3e", t->what, names[i], off, naively);
    }
    for (int i = 0; i < ARRAYS; i++) free(exact[i]), free(naive[i]), free(ours[i]);
}

static const backend *under_test(void)
{
    const backend *be = backend_find("cuda-bf16");
    return be ? be : backend_find("cuda-emulated-bf16");
}

static void at_most_twice_the_error_of_naive_code(void **state)
{
    (void)state;
    const backend *be = under_test();
    if (!be) skip_because("no CUDA backend loads; %s", error_text());
    for (int64_t i = 0; i < test_part(sizeof trials / sizeof *trials); i++) check_trial(be, &trials[i]);
}

/* Decoding: a query has the same bits alone, among others, with spans on the device, and
 * whatever bound work is cut by. */
static void a_query_of_decode_has_the_same_bits_in_any_batch(void **state)
{
    (void)state;
    enum { N = 4, ROWS = 560, HEADS = 4, KV = 2, DIM = 64, WIDE = HEADS * DIM };
    static const attention_span spans[N] = {
        { 0, 1, 0, 290, 0, 0 }, { 1, 1, 290, 128, 5, 40 }, { 2, 1, 420, 1, 0, 0 }, { 3, 1, 421, 129, 0, 0 }
    };
    static const int64_t bounds[] = { 290, 512, 1000 };
    const attention_dims d        = { HEADS, KV, DIM, 0, 0, 0, 0 };
    const backend       *be       = under_test();
    if (!be) skip_because("no CUDA backend loads; %s", error_text());
    rng    g = rng_seed(5);
    double values[ROWS * KV * DIM], together[N * WIDE], again[N * WIDE];
    void  *on[4];
    for (int i = 0; i < 4; i++) { /* q, k, v, o */
        const int64_t n = i == 1 || i == 2 ? ROWS * KV * DIM : N * WIDE;
        for (int64_t j = 0; j < n; j++) values[j] = rng_normal(&g);
        on[i] = be->alloc(be, n);
        be->upload(be, on[i], values, n);
    }
    attention_span *there = be->alloc_bytes(be, sizeof spans);
    be->put(be, there, spans, sizeof spans);
    attention_args args = { on[0], on[1], on[2], spans, N, d, 0.125 };
    be->attention_fwd(be, on[3], NULL, &args);
    be->download(be, together, on[3], N * WIDE);
    args.n_spans = 1;
    for (args.spans = spans; args.spans < spans + N; args.spans++) be->attention_fwd(be, on[3], NULL, &args);
    be->download(be, again, on[3], N * WIDE);
    assert_ok(be->sync(be));
    assert_memory_equal(together, again, sizeof together);
    args.spans = there, args.n_spans = N;
    for (int i = 0; i < 3; i++) {
        be->zero(be, on[3], N * WIDE);
        be->attention_decode(be, on[3], bounds[i], &args);
        be->download(be, again, on[3], N * WIDE);
        assert_ok(be->sync(be));
        assert_memory_equal(together, again, sizeof together);
    }
    for (int i = 0; i < 4; i++) be->release(be, on[i]);
    be->release(be, there);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(at_most_twice_the_error_of_naive_code),
        cmocka_unit_test(a_query_of_decode_has_the_same_bits_in_any_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
