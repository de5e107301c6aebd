/* Fixed work whose instructions and allocations are counted: each op of the CPU backend, a training
 * step, scoring, generation, each metric. One thread, the AVX2 path.
 *
 *     counts_test              every case runs and gives the same bits again; every op has a case
 *     counts_test --exact      prints what can be counted without running anything: NAME VALUE
 *     counts_test --counted    runs each case once within counted(), where callgrind looks, and
 *                              prints its name and its allocations: scripts/pins
 *
 * A case runs once before it is counted, so that scratch memory is there. Sizes have tails: no
 * dimension is a multiple of a register tile. */
#include <errno.h>
#include <sys/stat.h>

#include "adapters/flops.h"
#include "core/memory.h"
#include "core/rng.h"
#include "core/test.h"
#include "kernels/backend.h"
#include "kernels/gemm.h"
#include "metrics/metric.h"
#include "model/generate.h"
#include "model/score.h"
#include "model/test_model.h"
#include "train/trainer.h"

/* --- allocations */

/* The C library's functions, counted when one of our own calls them; not where a sanitizer has put
 * its own in their place. */
#if defined(__has_feature)
#define CLANG_SANITIZES __has_feature(address_sanitizer)
#else
#define CLANG_SANITIZES 0
#endif
#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !CLANG_SANITIZES
enum { COUNTS_ALLOCATIONS = 1 };
static int64_t allocations;
extern void   *__libc_malloc(size_t n), *__libc_calloc(size_t n, size_t size), *__libc_realloc(void *p, size_t n),
    *__libc_memalign(size_t alignment, size_t n);
extern const char __executable_start[], etext[]; /* the linker's: where this program's code begins and ends */

static void note(const void *caller)
{
    const uintptr_t at = (uintptr_t)caller;
    allocations += at >= (uintptr_t)__executable_start && at < (uintptr_t)etext;
}

void *malloc(size_t n)
{
    note(__builtin_return_address(0));
    return __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
    note(__builtin_return_address(0));
    return __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
    note(__builtin_return_address(0));
    return __libc_realloc(p, n);
}

void *aligned_alloc(size_t alignment, size_t n)
{
    note(__builtin_return_address(0));
    return __libc_memalign(alignment, n);
}

int posix_memalign(void **out, size_t alignment, size_t n)
{
    note(__builtin_return_address(0));
    *out = __libc_memalign(alignment, n);
    return *out ? 0 : ENOMEM;
}
#else
enum { COUNTS_ALLOCATIONS = 0 };
static int64_t allocations;
#endif

/* --- ops */

enum {
    N        = 45,
    IN       = 116,
    OUT      = 156,
    R        = 6,
    VOCAB    = 333,
    HEADS    = 6,
    KV_HEADS = 3,
    HEAD     = 18,
    SPANS    = 2,
    Q        = HEADS * HEAD,
    KV       = KV_HEADS * HEAD,
    BIG      = VOCAB * IN
};

/* Arrays of random numbers, each large enough for any use below. */
typedef struct {
    const backend *be;
    real          *a[8];
    int32_t       *rows;
    double        *nll;
    top_two       *top;
} fixture;
static fixture f;

static const linear_dims    linear         = { .n = N, .in = IN, .out = OUT };
static const pair_dims      pairs          = { .n = N, .in = IN, .out = OUT };
static const norm_dims      norm           = { .n = N, .d = IN };
static const attention_span spans[SPANS]   = { { 0, 20, 0, 20, 0, 0 }, { 20, 25, 20, 25, 0, 0 } };
static const attention_span decoded[SPANS] = { { 0, 1, 0, 21, 0, 0 }, { 1, 1, 21, 24, 0, 0 } };

static void fill(real *p, int64_t n, uint64_t seed)
{
    rng    r      = rng_seed(seed);
    float *values = mem_alloc((size_t)n, sizeof *values);
    for (int64_t i = 0; i < n; i++) values[i] = (float)(rng_uniform(&r) - 0.5);
    f.be->upload_f32(f.be, p, values, n);
    free(values);
}

/* Every case starts from the same values. */
static void refill(void)
{
    for (int i = 0; i < 8; i++) fill(f.a[i], BIG, (uint64_t)i);
}

static void open_fixture(void)
{
    f.be = backend_open("cpu");
    f.be->set_threads(f.be, 1);
    for (int i = 0; i < 8; i++) f.a[i] = f.be->alloc(f.be, BIG);
    f.rows = f.be->alloc_bytes(f.be, N * 4);
    for (int i = 0; i < N; i++) f.rows[i] = (i * 7) % N; /* the host's memory, each row once */
    f.nll = f.be->alloc_bytes(f.be, N * (int64_t)sizeof *f.nll);
    f.top = f.be->alloc_bytes(f.be, N * (int64_t)sizeof *f.top);
}

static void close_fixture(void)
{
    for (int i = 0; i < 8; i++) f.be->release(f.be, f.a[i]);
    f.be->release(f.be, f.rows);
    f.be->release(f.be, f.nll);
    f.be->release(f.be, f.top);
    backend_close(f.be);
}

static real  *at(real *p, int64_t i) { return real_at(f.be, p, i); }
static param *at_param(param *p, int64_t i) { return param_at(f.be, p, i); }

static pair_arrays pair_of(void)
{
    return (pair_arrays) {
        .A = f.a[3], .B = f.a[4], .r = R, .lda = IN, .ldb = R, .dA = params_of(f.a[5]), .dB = params_of(f.a[6])
    };
}

static expand_job job_of(void)
{
    param *p = params_of(f.a[0]), *g = params_of(f.a[1]), *d = params_of(f.a[2]);
    return (expand_job) { .in  = IN,
                          .out = OUT,
                          .r   = R,
                          .lda = IN,
                          .s   = 0.5,
                          .A   = p,
                          .u   = at_param(p, 1000),
                          .R   = at_param(p, 1100),
                          .B   = at_param(p, 2000),
                          .v   = at_param(p, 1200),
                          .Bp  = f.a[3],
                          .dAp = d,
                          .dBp = at_param(d, 2000),
                          .dA  = g,
                          .du  = at_param(g, 1000),
                          .dR  = at_param(g, 1100),
                          .dB  = at_param(g, 2000),
                          .dv  = at_param(g, 1200) };
}

static attention_args attention_of(const attention_span *s)
{
    return (attention_args) { f.a[0], f.a[1], f.a[2],
                              s,      SPANS,  { .heads = HEADS, .kv_heads = KV_HEADS, .head_dim = HEAD },
                              0.25 };
}

/* A case of an op: its call, with be, x[] (arrays of reals) and w[] (of parameters) at hand. */
#define EACH_OP(CASE)                                                                                                  \
    CASE(linear_fwd, (be, x[0], x[1], x[2], x[3], linear, false))                                                      \
    CASE(linear_fwd_wide, (be, w[0], x[1], x[2], linear))                                                              \
    CASE(linear_bwd_x, (be, x[0], x[1], x[2], linear, true))                                                           \
    CASE(linear_bwd_w, (be, w[0], w[3], x[1], x[2], linear))                                                           \
    CASE(pair_fwd, (be, x[0], x[1], x[2], &pair, pairs))                                                               \
    CASE(pair_bwd, (be, x[0], x[1], x[2], x[7], at(x[1], 20000), &pair, pairs))                                        \
    CASE(expand_fwd, (be, &job, 1))                                                                                    \
    CASE(expand_bwd, (be, &job, 1))                                                                                    \
    CASE(rmsnorm_fwd, (be, x[0], w[1], x[2], x[3], norm, 1e-5))                                                        \
    CASE(rmsnorm_bwd, (be, x[0], w[1], x[2], x[3], w[4], x[5], norm))                                                  \
    CASE(rope, (be, x[0], f.rows, w[1], ((rope_dims) { .n = N, .heads = HEADS, .head_dim = HEAD }), false))            \
    CASE(attention_fwd, (be, x[4], w[5], &attention))                                                                  \
    CASE(attention_bwd, (be, x[4], x[5], x[6], x[7], at(x[7], 10000), w[3], &attention))                               \
    CASE(attention_decode, (be, x[4], 24, &decode))                                                                    \
    CASE(swiglu_fwd, (be, x[0], x[1], N, IN))                                                                          \
    CASE(swiglu_bwd, (be, x[0], x[1], x[2], N, IN))                                                                    \
    CASE(xent_fwd, (be, f.nll, f.rows, w[0], targets, N, VOCAB))                                                       \
    CASE(xent_bwd, (be, w[0], f.nll, targets, N, VOCAB, 0.5))                                                          \
    CASE(top_two, (be, f.top, w[0], N, VOCAB))                                                                         \
    CASE(gather_rows, (be, x[0], x[1], targets, N, IN))                                                                \
    CASE(scatter_rows, (be, x[0], x[1], targets, N, IN))                                                               \
    CASE(scatter_add_rows, (be, x[0], x[1], targets, N, IN))                                                           \
    CASE(narrow, (be, x[0], w[1], N * OUT))                                                                            \
    CASE(add, (be, w[0], w[1], N * OUT))                                                                               \
    CASE(scale, (be, w[0], 0.5, N * OUT))                                                                              \
    CASE(sum_squares, (be, w[0], N * OUT))                                                                             \
    CASE(adamw, (be, w[0], w[1], w[2], w[3], N * OUT, adam))                                                           \
    CASE(layernorm_fwd, (be, x[0], w[1], x[2], x[3], x[4], ((layernorm_dims) { N, IN }), 1e-5))                        \
    CASE(layernorm_bwd, (be, x[0], w[1], w[2], x[3], x[4], w[5], x[6], ((layernorm_dims) { N, IN })))                  \
    CASE(activate_fwd, (be, x[0], x[1], ((activate_dims) { N, IN, ACT_GELU_TANH, true })))                             \
    CASE(activate_bwd, (be, x[0], x[1], x[2], ((activate_dims) { N, IN, ACT_GELU_TANH, true })))                       \
    CASE(blend, (be, x[0], x[1], 0.5, 2, N * OUT))                                                                     \
    CASE(soft_cap_fwd, (be, w[0], 30, N * OUT))                                                                        \
    CASE(soft_cap_bwd, (be, w[0], w[1], 30, N * OUT))

static const adamw_params adam = { .lr = 1e-3, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .clip = 1, .step = 3 };

/* One function for each op, so that a count is of the op and of nothing around it. */
#define CASE(op, call)                                                                                                 \
    static void run_##op(int64_t which)                                                                                \
    {                                                                                                                  \
        const backend *be = f.be;                                                                                      \
        real         **x  = f.a;                                                                                       \
        param         *w[8];                                                                                           \
        for (int i = 0; i < 8; i++) w[i] = params_of(x[i]);                                                            \
        static int32_t targets[N];                                                                                     \
        for (int i = 0; i < N; i++) targets[i] = (i * 7) % N;                                                          \
        const pair_arrays    pair      = pair_of();                                                                    \
        const expand_job     job       = job_of();                                                                     \
        const attention_args attention = attention_of(spans), decode = attention_of(decoded);                          \
        (void)w, (void)pair, (void)job, (void)attention, (void)decode, (void)targets;                                  \
        (void)be->op call;                                                                                             \
    }
EACH_OP(CASE)
#undef CASE

/* --- training, scoring, generation */

enum { ITEMS = 3, LENGTH = 22, STEPS = 4, NEW = 7 };
static const model_config shape     = { .layers    = 2,
                                        .hidden    = 44,
                                        .inter     = 92,
                                        .heads     = 4,
                                        .kv_heads  = 2,
                                        .head_dim  = 12,
                                        .vocab     = 131,
                                        .positions = 64,
                                        .norm_eps  = 1e-5,
                                        .rope      = { { .theta = 10000 } } };
static const char *const  trained[] = { "lora", "vera", "tied-lora", "adalora" };

static int32_t       tokens_of[ITEMS][LENGTH], targets[ITEMS][LENGTH];
static train_example examples_of[ITEMS];
static model        *subject;
static decoder      *plain_decoder;
static struct {
    adapter *a;
    trainer *t;
} courses[4];

static const trainer_options train_options = {
    .beta1   = 0.9,
    .beta2   = 0.999,
    .eps     = 1e-8,
    .clip    = 1,
    .adalora = { .target_rank = 3, .tinit = 1, .tfinal = 1, .delta_t = 1, .beta1 = 0.85, .beta2 = 0.85, .orth = 0.5 }
};

static void open_model(void)
{
    char *dir = test_tmpdir();
    test_model_write(&shape, 5, dir);
    assert_ok(model_open(&subject, dir, f.be, false));
    test_rmdir(dir);
    plain_decoder = decoder_new(subject);
    for (int i = 0; i < ITEMS; i++) {
        for (int t = 0; t < LENGTH; t++) tokens_of[i][t] = (int32_t)((t * 31 + i * 17 + t * t) % shape.vocab);
        for (int t = 0; t < LENGTH; t++) targets[i][t] = t < LENGTH - 1 ? tokens_of[i][t + 1] : -1;
        examples_of[i] = (train_example) {
            .ids = tokens_of[i], .targets = targets[i], .n = LENGTH, .n_scored = LENGTH - 1
        };
    }
    for (int m = 0; m < 4; m++) {
        adapter_spec spec = { .sites = 1u << SITE_QKV, .rank = 6, .seed = 3 };
        assert_ok(method_find(&spec.method, trained[m]));
        assert_ok(adapter_new(&courses[m].a, f.be, &subject->cfg, spec));
        assert_ok(trainer_new(&courses[m].t, subject, courses[m].a, &train_options, STEPS + 4));
    }
}

static void close_model(void)
{
    for (int m = 0; m < 4; m++) {
        trainer_free(courses[m].t);
        adapter_free(courses[m].a);
    }
    decoder_free(plain_decoder);
    model_close(subject);
}

static void run_train(int64_t which)
{
    const train_example *at[ITEMS] = { &examples_of[0], &examples_of[1], &examples_of[2] };
    step_result          result;
    assert_ok(trainer_step(courses[which].t, at, ITEMS, 2, 1e-3, &result));
    assert_true(isfinite(result.loss));
}

static void run_score(int64_t which)
{
    score_item   items[ITEMS];
    score_result results[ITEMS];
    for (int i = 0; i < ITEMS; i++) /* two share a context */
        items[i] = (score_item) {
            .context = tokens_of[i / 2], .n_context = 12, .cont = tokens_of[i] + 12, .n_cont = LENGTH - 12
        };
    assert_ok(score_items(plain_decoder, adapter_pairs(courses[0].a), items, ITEMS, 64, results, NULL, NULL));
    for (int i = 0; i < ITEMS; i++) assert_true(isfinite(results[i].ll));
}

static void run_generate(int64_t which)
{
    int32_t       out[ITEMS][NEW];
    generate_item items[ITEMS];
    for (int i = 0; i < ITEMS; i++)
        items[i] = (generate_item) { .prompt = tokens_of[i], .n_prompt = 9 + i, .max_new = NEW, .ids = out[i] };
    assert_ok(
        generate_items(plain_decoder, adapter_pairs(courses[0].a), items, ITEMS, (generate_options) { .batch = 2 }));
    for (int i = 0; i < ITEMS; i++) assert_int_equal(items[i].n_new, NEW);
}

/* --- metrics */

static const char *const texts[][2] = {
    { "The cat sat on the mat, and the dog watched it for an hour.",
      "A cat was sitting on the mat while a dog watched for one hour." },
    { "She sold 48 + 24 = 72 clips altogether in April and May.\n#### 72",
      "Natalia sold 48/2 = 24 clips in May.\nAltogether she sold 48+24 = 72 clips.\n#### 72" },
    { "Denver Broncos", "The Denver Broncos" },
};
enum { TEXTS = sizeof texts / sizeof *texts };

static void run_metric(int64_t which)
{
    static const double  ll[]     = { -3.5, -2.25, -4.75, -2.5 };
    static const int64_t length[] = { 11, 9, 17, 10 };
    const metric        *m        = metric_row((int)which);
    double               stats[TEXTS * METRIC_STATS_MAX];
    metric               own = *m;
    if (own.prepare) own.prepare(&own);
    for (int i = 0; i < TEXTS; i++) {
        const slice        reference = slice_of(texts[i][1]);
        const metric_input in        = { .prediction   = slice_of(texts[i][0]),
                                         .references   = &reference,
                                         .n_references = 1,
                                         .choice_ll    = ll,
                                         .choice_chars = length,
                                         .choice_bytes = length,
                                         .n_choices    = 4,
                                         .gold         = i,
                                         .ll           = ll[i],
                                         .tokens       = 4 + i,
                                         .words        = 3,
                                         .bytes        = length[i] };
        metric_item(&own, &in, stats + i * own.n_stats);
    }
    assert_false(isnan(metric_value(&own, stats, TEXTS)));
    (void)metric_stderr(&own, stats, TEXTS);
}

/* --- the cases */

typedef struct {
    const char *group, *name;
    void (*run)(int64_t which);
    int64_t which;
} counted_case;

enum { CASES_MAX = 128 };
static counted_case cases[CASES_MAX];
static int          n_cases;

static void add_case(const char *group, const char *name, void (*run)(int64_t which), int64_t which)
{
    assert_true(n_cases < CASES_MAX);
    cases[n_cases++] = (counted_case) { group, name, run, which };
}

static void list_cases(void)
{
#define CASE(op, call) add_case("op", #op, run_##op, 0);
    EACH_OP(CASE)
#undef CASE
    for (int m = 0; m < 4; m++) add_case("train", trained[m], run_train, m);
    add_case("model", "score", run_score, 0);
    add_case("model", "generate", run_generate, 0);
    for (int i = 0; metric_row(i); i++) add_case("metric", metric_row(i)->name, run_metric, i);
}

/* Callgrind turns counting on where this is entered, and writes the counts where it is left. */
void                           counted(const counted_case *c);
__attribute__((noinline)) void counted(const counted_case *c) { c->run(c->which); }

static void open_all(void)
{
    open_fixture();
    open_model();
    list_cases();
}

static void close_all(void)
{
    close_model();
    close_fixture();
    n_cases = 0;
}

/* --- the ordinary run */

static void every_op_has_a_case(void **state)
{
#define NAME(op) #op,
    static const char *const ops[] = { BACKEND_OPS(NAME, NAME, NAME, NAME) };
#undef NAME
    open_all();
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        bool found = false;
        for (int k = 0; k < n_cases; k++) found |= !strcmp(cases[k].group, "op") && !strcmp(cases[k].name, ops[i]);
        if (!found) fail_msg("%s has no case; add one to EACH_OP", ops[i]);
    }
    close_all();
}

/* The same work: a case that read memory nobody filled would not be. */
static void every_case_does_the_same_again(void **state)
{
    open_all();
    for (int k = 0; k < n_cases; k++) {
        static float first[8][BIG];
        if (strcmp(cases[k].group, "op") != 0) {
            counted(&cases[k]);
            continue;
        }
        for (int time = 0; time < 2; time++) {
            refill();
            counted(&cases[k]);
            for (int i = 0; i < 8; i++) {
                if (!time) f.be->get(f.be, first[i], f.a[i], BIG * 4);
                if (time && memcmp(first[i], host_values(f.be, f.a[i]), sizeof first[i]) != 0)
                    fail_msg("%s: array %d differs", cases[k].name, i);
            }
        }
    }
    close_all();
}

/* Ops and training steps allocate in their first call at a size, and never again. */
static void nothing_is_allocated_twice(void **state)
{
    if (!COUNTS_ALLOCATIONS) skip_because("a sanitizer has its own functions in place of those that are counted");
    int64_t before = allocations;
    free(mem_alloc(1, 8));
    assert_int_equal(allocations, before + 1);
    open_all();
    for (int k = 0; k < n_cases; k++) {
        if (strcmp(cases[k].group, "op") && strcmp(cases[k].group, "train")) continue;
        refill();
        counted(&cases[k]);
        refill();
        before = allocations;
        counted(&cases[k]);
        if (allocations != before)
            fail_msg("%s/%s: %lld allocations", cases[k].group, cases[k].name, (long long)(allocations - before));
    }
    close_all();
}

static int run_counted(void)
{
    if (!gemm_use(1)) {
        fprintf(stderr, "counts: this processor has no AVX2 and FMA, which the counts are of\n");
        return ERR_INPUT;
    }
#if defined(__x86_64__)
    /* Loops that the compiler vectorises choose by the processor; valgrind shows one without. */
    if (__builtin_cpu_supports("avx512f")) {
        fprintf(stderr, "counts: this processor has AVX-512, which valgrind would hide: run scripts/pins\n");
        return ERR_INPUT;
    }
#endif
    open_all();
    for (int k = 0; k < n_cases; k++) {
        refill();
        cases[k].run(cases[k].which);
        refill();
        const int64_t before = allocations;
        counted(&cases[k]);
        printf("%s/%s %lld\n", cases[k].group, cases[k].name, (long long)(allocations - before));
    }
    close_all();
    return OK;
}

/* --- exact counts */

static void print_count(const char *model_name, const char *sites, const method *m, const char *what, double value)
{
    printf("count/%s/%s/%s/%s %.17g\n", model_name, sites, m ? m->name : "full", what, value);
}

static void print_counts_of(const char *model_name, const char *site_names, int64_t rank)
{
    model_config c;
    site_set     sites;
    assert_ok(config_load(&c, model_name));
    assert_ok(site_set_parse(&sites, site_names));
    for (int i = 0; method_row(i); i++) {
        const method      *m = method_row(i);
        const method_flops w = method_flops_of(m, &c, sites, rank);
        method_counts      n;
        assert_ok(method_count(&n, m, &c, sites, rank));
        print_count(model_name, site_names, m, "trainable", (double)n.trainable);
        print_count(model_name, site_names, m, "frozen", (double)n.frozen);
        print_count(model_name, site_names, m, "bytes", (double)n.bytes);
        print_count(model_name, site_names, m, "forward_flops", w.adapter_forward);
        print_count(model_name, site_names, m, "training_flops", w.adapter_training);
    }
}

/* The file that an adapter becomes, header and all. */
static void print_file_bytes(const method *m)
{
    char        *dir = test_tmpdir(), *path = path_join(dir, "adapter_model.safetensors");
    adapter     *a;
    struct stat  file;
    adapter_spec spec = { .method = *m, .sites = 1u << SITE_Q | 1u << SITE_V, .rank = 6, .seed = 3 };
    assert_ok(adapter_new(&a, f.be, &shape, spec));
    assert_ok(adapter_save(a, dir, "base", NULL, NULL));
    assert_int_equal(stat(path, &file), 0);
    printf("file/%s/bytes %lld\n", m->name, (long long)file.st_size);
    adapter_free(a);
    free(path);
    test_rmdir(dir);
}

static int print_exact(void)
{
    open_fixture();
    print_counts_of("llama2-7b", "q,v", 16);
    print_counts_of("llama3.2-3b", "all", 16);
    for (int i = 0; method_row(i); i++) print_file_bytes(method_row(i));
    close_fixture();
    return OK;
}

int main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "--counted")) return run_counted();
    if (argc > 1 && !strcmp(argv[1], "--exact")) return print_exact();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_op_has_a_case),
        cmocka_unit_test(every_case_does_the_same_again),
        cmocka_unit_test(nothing_is_allocated_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
