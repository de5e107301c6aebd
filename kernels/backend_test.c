#include "kernels/test_check.h"

typedef struct {
    int64_t      n, d;
    adamw_params h;
} arrays_case;

static void call_gather(const backend *be, void **a, const void *c_)
{
    const arrays_case *c = c_;
    be->gather_rows(be, a[0], a[1], (const int32_t *)a[2], c->n, c->d);
}
static void call_scatter(const backend *be, void **a, const void *c_)
{
    const arrays_case *c = c_;
    be->scatter_add_rows(be, a[0], a[1], (const int32_t *)a[2], c->n, c->d);
}
static void call_place(const backend *be, void **a, const void *c_)
{
    const arrays_case *c = c_;
    be->scatter_rows(be, a[0], a[1], (const int32_t *)a[2], c->n, c->d);
}
static void call_add(const backend *be, void **a, const void *c)
{
    be->add(be, a[0], a[1], ((const arrays_case *)c)->n);
}
static void call_blend(const backend *be, void **a, const void *c)
{
    be->blend(be, a[0], a[1], -1.5, 0.25, ((const arrays_case *)c)->n);
}
static void call_shrink(const backend *be, void **a, const void *c)
{
    be->blend(be, a[0], NULL, 0.7, 3, ((const arrays_case *)c)->n);
}
static void call_cap(const backend *be, void **a, const void *c)
{
    be->soft_cap_fwd(be, a[0], 2.5, ((const arrays_case *)c)->n);
}
static void call_uncap(const backend *be, void **a, const void *c)
{
    be->soft_cap_bwd(be, a[0], a[1], 2.5, ((const arrays_case *)c)->n);
}

/* Ops of hosts alone. */
static void check_host_arrays(void)
{
    for (int64_t n = 0; n < 40000; n = n * 7 + 3) {
        const arrays_case c     = { .n = n };
        check_array       two[] = { { "dst", .n = n, .out = true, .tol = 2e-7 }, { "src", .n = n } };
        check_op("blend", two, 2, call_blend, &c);
        check_op("blend", two, 1, call_shrink, &c);
        check_array cap[] = { { "x", .kind = PARAM, .n = n, .out = true, .tol = 3e-7, .spread = 9 },
                              { "y", .kind = PARAM, .n = n, .spread = 2.5 } };
        check_op("soft_cap_fwd", cap, 1, call_cap, &c);
        check_op("soft_cap_bwd", cap, 2, call_uncap, &c);
    }
}

typedef struct {
    double x[6], y[6], weight[6];
} cap_loss;
static double capped(void *ctx)
{
    const backend *ref = backend_find("ref");
    cap_loss      *l   = ctx;
    memcpy(l->y, l->x, sizeof l->y);
    ref->soft_cap_fwd(ref, as(l->y), 1.5, 6);
    return check_dot(l->y, l->weight, 6);
}
static void a_caps_gradient_matches_differences(void **state)
{
    (void)state;
    const backend *ref = backend_find("ref");
    cap_loss       l   = { { -3, -1, -0.1, 0.2, 1.4, 5 }, .weight = { 1, -2, 0.5, 3, -1, 0.25 } };
    double         dx[6];
    capped(&l);
    memcpy(dx, l.weight, sizeof dx);
    ref->soft_cap_bwd(ref, as(dx), as(l.y), 1.5, 6);
    assert_within(check_gradient(capped, &l, l.x, dx, 6), CHECK_GRADIENT_TOL);
}

static void call_scale(const backend *be, void **a, const void *c)
{
    be->scale(be, a[0], -1.5, ((const arrays_case *)c)->n);
}
static void call_sum_squares(const backend *be, void **a, const void *c)
{
    double sum = be->sum_squares(be, a[1], ((const arrays_case *)c)->n);
    be->put(be, a[0], &sum, sizeof sum);
}
static void call_adamw(const backend *be, void **a, const void *c_)
{
    const arrays_case *c = c_;
    be->adamw(be, a[0], a[1], a[2], a[3], c->n, c->h);
}

static const int64_t counts[] = { 0, 1, 17, 4096, 12345 };
enum { COUNTS = sizeof counts / sizeof *counts, ROWS = 40, TALL = 23 };

static void check_rows_ops(void)
{
    double rows[ROWS]; /* each of 23 rows about twice, in no order */
    for (int i = 0; i < ROWS; i++) rows[i] = (i * 31 + 4) % TALL;
    static const arrays_case cases[] = {
        { .n = ROWS, .d = 1 }, { .n = ROWS, .d = 67 }, { .n = 1, .d = 33 }, { .n = 0, .d = 5 }
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const arrays_case *c        = &cases[i];
        check_array        gather[] = { { "dst", .n = c->n * c->d, .out = true, .tol = 0 },
                                        { "src", .n = TALL * c->d },
                                        { "rows", .n = c->n, .kind = I32, .values = rows } };
        check_op("gather_rows", gather, 3, call_gather, c);
        check_array scatter[] = { { "dst", .n = TALL * c->d, .out = true, .tol = 2e-7 },
                                  { "src", .n = c->n * c->d },
                                  gather[2] };
        check_op("scatter_add_rows", scatter, 3, call_scatter, c);
        double apart[ROWS]; /* no row twice, in no order */
        for (int k = 0; k < ROWS; k++) apart[k] = (k * 17 + 4) % (ROWS + 1);
        check_array place[] = { { "dst", .n = (ROWS + 1) * c->d, .out = true, .tol = 0 },
                                { "src", .n = c->n * c->d },
                                { "rows", .n = c->n, .kind = I32, .values = apart } };
        check_op("scatter_rows", place, 3, call_place, c);
    }
}

static void check_element_ops(void)
{
    for (int i = 0; i < COUNTS; i++) {
        arrays_case c     = { .n = counts[i] };
        check_array add[] = { { "dst", .kind = PARAM, .n = c.n, .out = true, .tol = 1e-7 },
                              { "src", .kind = PARAM, .n = c.n } };
        check_op("add", add, 2, call_add, &c);
        check_op("scale", add, 1, call_scale, &c);
        /* f64 in both */
        check_array squares[] = { { "sum", .n = 1, .kind = F64, .out = true, .tol = 1e-13 },
                                  { "x", .kind = PARAM, .n = c.n } };
        check_op("sum_squares", squares, 2, call_sum_squares, &c);
    }
}

static void check_adamw(void)
{
    static const adamw_params params[] = { { 1e-3, 0.9, 0.999, 1e-8, 0, 1, 1 },
                                           { 0.5, 0.8, 0.95, 1e-6, 0.1, 0.25, 17 } };
    double                    v[12345]; /* second moments are never negative */
    for (int i = 0; i < 12345; i++) v[i] = (float)((i * 37 % 101) / 101.0);
    for (int i = 0; i < 2 * COUNTS; i++) {
        arrays_case c        = { .n = counts[i / 2], .h = params[i % 2] };
        check_array arrays[] = { { "p", .kind = PARAM, .n = c.n, .out = true, .tol = 3e-7 },
                                 { "m", .kind = PARAM, .n = c.n, .out = true, .tol = 3e-7 },
                                 { "v", .kind = PARAM, .n = c.n, .out = true, .tol = 3e-7, .values = v },
                                 { "g", .kind = PARAM, .n = c.n } }; /* a few roundings each */
        check_op("adamw", arrays, 4, call_adamw, &c);
    }
}

static void check_arrays(void)
{
    check_rows_ops();
    check_element_ops();
    check_adamw();
}
/* Two steps by hand: p 1, gradients 0.5 then -1, lr 0.1, betas 0.9 and 0.99, weight decay 0.1,
 * eps 0. */
static void adamw_by_hand(void **state)
{
    (void)state;
    const backend *be = backend_find("ref");
    double         p = 1, m = 0, v = 0, g[2] = { 0.5, -1 };
    adamw_params   h = { 0.1, 0.9, 0.99, 0, 0.1, 1, 1 };
    be->adamw(be, as(&p), as(&m), as(&v), as(&g[0]), 1, h);
    assert_within(fabs(p - 0.89), 1e-15); /* 1 - 0.01, then - 0.1 * sign */
    h.step = 2;
    be->adamw(be, as(&p), as(&m), as(&v), as(&g[1]), 1, h);
    assert_within(fabs(m - -0.055), 1e-15);   /* 0.9 * 0.05 - 0.1 */
    assert_within(fabs(v - 0.012475), 1e-15); /* 0.99 * 0.0025 + 0.01 */
    assert_within(fabs(p - (0.8811 + 0.1 * (0.055 / 0.19) / sqrt(0.012475 / 0.0199))), 1e-15);
}

static void finding(void **state)
{
    (void)state;
    assert_string_equal(backend_find("ref")->name, "ref");
    assert_string_equal(backend_find("cpu")->name, "cpu");
    assert_null(backend_find("gpu"));
    assert_non_null(strstr(error_text(), "must be ref, cpu, cuda or cuda-bf16"));
    assert_string_equal(backend_for(NULL, NULL)->name, "cpu");
    assert_string_equal(backend_for("cpu", "f32")->name, "cpu");
    assert_string_equal(backend_for("ref", "f64")->name, "ref");
    static const char *const refused[][3] = { { "cpu", "bf16", "--dtype bf16: the device cpu computes in f32 alone" },
                                              { "ref", "f32", "--dtype f32: the device ref computes in f64 alone" },
                                              { "cuda", "fp8", "--dtype fp8: must be f32 or bf16" },
                                              { "cuda-bf16", NULL, "say --device cuda --dtype bf16" },
                                              { "tpu", NULL, "--device tpu" } };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        error_clear();
        assert_null(backend_for(refused[i][0], refused[i][1]));
        if (!strstr(error_text(), refused[i][2])) fail_msg("%s", error_text());
    }
    error_clear();
    const backend *be = backend_for("cuda-emulated", "bf16");
    if (be) assert_string_equal(be->name, "cuda-emulated-bf16");
}

static void check_memory(const backend *be)
{
    const double host[3] = { 1, -2, 0.5 };
    const float  f32[3]  = { 4, 5, 6 };
    double       back[4];
    real        *x = be->alloc(be, 4), *y = be->alloc(be, 3);
    be->upload(be, real_at(be, x, 1), host, 3);
    be->download(be, back, x, 4);
    assert_true(back[0] == 0 && back[1] == 1 && back[2] == -2 && back[3] == 0.5);
    be->upload_f32(be, y, f32, 3);
    be->copy(be, x, y, 3);
    be->zero(be, real_at(be, x, 3), 1);
    be->download(be, back, x, 4);
    assert_true(back[0] == 4 && back[1] == 5 && back[2] == 6 && back[3] == 0);
    int32_t ids[2] = { 7, 8 }, got[2], *dev = be->alloc_bytes(be, sizeof ids);
    be->put(be, dev, ids, sizeof ids);
    be->get(be, got, dev, sizeof got);
    assert_memory_equal(ids, got, sizeof ids);
    be->release(be, x), be->release(be, y), be->release(be, dev), be->release(be, NULL);
    assert_ok(be->sync(be));
}

static void memory(void **state)
{
    (void)state;
    const char *names[] = { "ref", "cpu", "cuda-emulated", "cuda-emulated-bf16", "cuda", "cuda-bf16" };
    for (int b = 0; b < 6; b++) {
        const backend *be = backend_find(names[b]);
        if (be) check_memory(be);
        if (be) assert_ptr_equal(be->params->params, be->params);
        if (!be) assert_int_equal(strncmp(names[b], "cuda", 4), 0);
    }
}

/* Two handles with their own threads and scratch live side by side: call by call in turn, they
 * give the bits of a third that is alone, and neither changes the other's threads. */
static void two_handles_side_by_side(void **state)
{
    (void)state;
    enum { ROWS_OF_X = 300, IN = 500, OUT = 400, STEPS = 3 };
    rng            r = rng_seed(8);
    double        *W = check_random(&r, OUT * IN), *x = check_random(&r, ROWS_OF_X * IN), sum[3];
    linear_dims    d = { .n = ROWS_OF_X, .in = IN, .out = OUT };
    float         *dx[3];
    const backend *be[3];
    real          *on[3][3];
    for (int i = 0; i < 3; i++) {
        be[i] = backend_open("cpu");
        be[i]->set_threads(be[i], i == 1 ? 4 : 1);
        on[i][0] = be[i]->alloc(be[i], OUT * IN), on[i][1] = be[i]->alloc(be[i], ROWS_OF_X * IN);
        on[i][2] = be[i]->alloc(be[i], ROWS_OF_X * OUT);
        be[i]->upload(be[i], on[i][0], W, OUT * IN);
        be[i]->upload(be[i], on[i][1], x, ROWS_OF_X * IN);
    }
    for (int turn = 0; turn < 2; turn++) /* the first two in turn, then the third alone */
        for (int step = 0; step < STEPS; step++)
            for (int i = 2 * turn; i < 2 + turn; i++) {
                be[i]->linear_fwd(be[i], on[i][2], on[i][1], on[i][0], NULL, d, false);
                be[i]->linear_bwd_x(be[i], on[i][1], on[i][2], on[i][0], d, false);
                sum[i] = be[i]->sum_squares(be[i], params_of(on[i][1]), ROWS_OF_X * IN);
                be[i]->scale(be[i], params_of(on[i][1]), 1 / sqrt(sum[i]), ROWS_OF_X * IN);
            }
    for (int i = 0; i < 3; i++) {
        dx[i] = as(on[i][1]);
        assert_true(sum[i] > 0 && sum[i] == sum[0]);
        assert_memory_equal(dx[i], dx[0], ROWS_OF_X * IN * sizeof(float));
        assert_int_equal(be[i]->threads(be[i]), i == 1 ? 4 : 1);
    }
    for (int i = 0; i < 3; i++) {
        for (int k = 0; k < 3; k++) be[i]->release(be[i], on[i][k]);
        backend_close(be[i]);
    }
    assert_ptr_equal(backend_find("cpu"), backend_find("cpu"));
    free(W), free(x);
}

/* Two CUDA handles, one in bf16: each has its own errors, peak and time, and closes. */
static void two_cuda_handles(void **state)
{
    (void)state;
    const backend *a = backend_open("cuda-emulated"), *b = backend_open("cuda-emulated-bf16:0");
    if (!a || !b) skip_because("%s", error_text());
    double two = 2, back;
    param *x = a->alloc(a, 1), *y = b->params->alloc(b->params, 1000);
    a->upload(a, x, &two, 1);
    a->release(a, a->alloc(a, INT64_C(1) << 40)); /* an error of a alone */
    b->add(b, y, y, 1000);
    assert_ok(b->sync(b));
    error_clear();
    assert_int_equal(a->sync(a), ERR_FAILED);
    for (int i = 0; i < 3; i++) {
        a->time_begin(a);
        b->scale(b, y, 2, 1000);
        a->scale(a, x, 2, 1);
        assert_true(a->time_end(a) > 0);
        assert_int_equal(a->time_launches(a), 1);
    }
    a->download(a, &back, x, 1);
    assert_true(back == 16 && a->peak_bytes(a) != b->peak_bytes(b) && a->state != b->state);
    a->release(a, x), b->release(b, y);
    backend_close(a);
    assert_ok(b->sync(b));
    backend_close(b);
}

/* To the nearest, ties to even, on the host's way and on the device's; what is too large becomes
 * Inf, NaN stays NaN. */
static void bf16_rounds_to_nearest(void **state)
{
    (void)state;
    static const double from[] = { 1,        1.00390625, 1.01171875, 1.00390637, -1.0039,   3.4e38, -3.4e38,
                                   INFINITY, NAN,        1e-40,      -0.0,       3.3895e38, 0.1 };
    static const double want[] = { 1,        1,   1.015625, 1.0078125, -1,         INFINITY,     -INFINITY,
                                   INFINITY, NAN, 0x1p-133, -0.0,      0x1.fep127, 0.10009765625 };
    enum { N = sizeof from / sizeof *from };
    const backend *be = backend_find("cuda-bf16");
    if (!be) be = backend_find("cuda-emulated-bf16");
    if (!be) skip_because("%s", error_text());
    real  *x = be->alloc(be, N), *y = be->alloc(be, N);
    param *p = be->params->alloc(be->params, N);
    double got[2][N];
    be->upload(be, x, from, N);
    be->params->upload(be->params, p, from, N);
    be->narrow(be, y, p, N);
    be->download(be, got[0], x, N);
    be->download(be, got[1], y, N);
    for (int way = 0; way < 2; way++)
        for (int i = 0; i < N; i++)
            if (!(got[way][i] == want[i] && signbit(got[way][i]) == signbit(want[i])) &&
                !(isnan(want[i]) && isnan(got[way][i])))
                fail_msg("%s: %.9g became %.9g, not %.9g", way ? "narrow" : "upload", from[i], got[way][i], want[i]);
    be->release(be, x), be->release(be, y), be->release(be, p);
}

/* Longer than the pieces in which values are converted. */
static void long_arrays_move_whole(void **state)
{
    (void)state;
    enum { N = 200001 };
    const backend *be = backend_find("cuda-emulated");
    if (!be) skip_because("%s", error_text());
    double *host = mem_alloc(N, sizeof *host), *back = mem_alloc(N, sizeof *back);
    for (int i = 0; i < N; i++) host[i] = i;
    real *x = be->alloc(be, N);
    be->upload(be, x, host, N);
    be->download(be, back, x, N);
    assert_memory_equal(host, back, N * sizeof *host);
    be->release(be, x);
    free(host), free(back);
}

/* More than there is: sync says what was asked and what was free; until then nothing runs and
 * what is read is NaN; afterwards all is well again. */
static void out_of_device_memory(void **state)
{
    (void)state;
    const backend *be = backend_find("cuda-emulated");
    if (!be) skip_because("%s", error_text());
    real  *x = be->alloc(be, 4), *y = be->alloc(be, INT64_C(1) << 40);
    double back[4];
    assert_non_null(y);
    be->add(be, as(y), as(x), 4);
    be->download(be, back, y, 4);
    assert_true(isnan(back[0]) && isnan(back[3]));
    error_clear();
    assert_int_equal(be->sync(be), ERR_FAILED);
    assert_non_null(strstr(error_text(), "4194304.0 MiB were asked for"));
    assert_non_null(strstr(error_text(), "are free"));
    assert_non_null(strstr(error_text(), "smaller batch"));
    be->release(be, y);
    be->add(be, as(x), as(x), 0);
    be->download(be, back, x, 4);
    assert_true(back[0] == 0);
    assert_ok(be->sync(be));
    be->release(be, x);
}

/* Ops between begin and end take some time and less than the host saw pass; an error in between
 * shows as NaN, and in sync. */
static void time_on_the_device(void **state)
{
    (void)state;
    const backend *be = backend_find("cuda");
    if (!be) be = backend_find("cuda-emulated");
    if (!be) skip_because("%s", error_text());
    assert_null(backend_find("cpu")->time_begin);
    assert_null(backend_find("cpu")->time_clock_hz);
    assert_true(be->cache_bytes(be) > 0);
    real *x = be->alloc(be, 100000);
    for (int i = 0; i < 3; i++) {
        be->time_begin(be);
        be->scale(be, as(x), 2, 100000);
        double seconds = be->time_end(be);
        assert_true(seconds > 0 && seconds < 10);
        assert_int_equal(be->time_launches(be), 1);
        /* a GPU may have used two multiprocessors, and says so; 0: a slow host */
        double clock = be->time_clock_hz(be);
        assert_true(isnan(clock) ? strcmp(be->name, "cuda") == 0 : clock == 0 || (clock > 1e8 && clock < 1e10));
        assert_ok(be->sync(be));
    }
    be->time_begin(be);
    be->release(be, be->alloc(be, INT64_C(1) << 50));
    assert_true(isnan(be->time_end(be)));
    assert_int_equal(be->sync(be), ERR_FAILED);
    be->release(be, x);
}

/* A wrong call: the message has the file, the line, the call and CUDA's own words; the first one
 * is kept. */
static void errors_name_the_call(void **state)
{
    (void)state;
    const backend *be = backend_find("cuda-emulated");
    if (!be) skip_because("%s", error_text());
    double host[2] = { 0 };
    be->put(be, host, host, sizeof host); /* no device memory */
    be->copy(be, host, host, 2);
    error_clear();
    assert_int_equal(be->sync(be), ERR_FAILED);
    assert_non_null(strstr(error_text(), "kernels/cuda/upload.cu:"));
    assert_non_null(strstr(error_text(), "cudaMemcpyHostToDevice"));
    assert_non_null(strstr(error_text(), "cudaErrorInvalidValue"));
    assert_ok(be->sync(be));
}

/* Without a GPU, or without the library, the reason names what is missing and what to do. */
static void cuda_runs_here(void **state)
{
    (void)state;
    error_clear();
    const backend *be = backend_find("cuda");
    if (be) {
        print_message("%s\n", be->about);
        return;
    }
    assert_true(strstr(error_text(), "make cuda") || strstr(error_text(), "driver") || strstr(error_text(), "device"));
    assert_non_null(strstr(error_text(), "cpu"));
    skip_because("%s", error_text());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finding),
        cmocka_unit_test(memory),
        cmocka_unit_test(two_handles_side_by_side),
        cmocka_unit_test(two_cuda_handles),
        cmocka_unit_test(bf16_rounds_to_nearest),
        cmocka_unit_test(long_arrays_move_whole),
        cmocka_unit_test(out_of_device_memory),
        cmocka_unit_test(time_on_the_device),
        cmocka_unit_test(errors_name_the_call),
        cmocka_unit_test(cuda_runs_here),
        { "host_arrays_agree_with_ref", check_cpu_agrees, NULL, NULL, &(check_suite) { check_host_arrays } },
        cmocka_unit_test(a_caps_gradient_matches_differences),
        CHECK_AGREES(check_arrays),
        cmocka_unit_test(adamw_by_hand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
