/* Ten AdamW steps of every stored case (AdaLoRA: thirty, with its trace) against PEFT and
 * PyTorch: losses, gradients, factors, logits, masks.
 * The bounds are those that the reference derives from PyTorch's own f32 error, and 1e-10 (1e-8
 * along training) where we compute in f64. */
#include "adapters/test_peft.h"
#include "train/test_adalora.h"
#include "model/names.h"
#include "train/schedule.h"
#include "train/trainer.h"

enum { BATCHES = 10, SEQUENCES = 4 };

typedef struct {
    const char *backend;
    /* loss and gradient of a batch; factors in absolute; loss along training; allocator's arrays */
    double loss, grad, factor, along, trace;
} bounds;
/* factors are stored as f32, whose own error is 2e-6 */
static const bounds exact    = { "ref", 1e-10, 1e-10, 5e-6, 1e-8, 1e-8 };
static const bounds fast     = { "cpu", 3e-6, 5e-5, 2e-5, 5e-6, 5e-5 };
static const bounds cuda     = { "cuda", 3e-6, 5e-5, 2e-5, 5e-6, 5e-5 },
                    emulated = { "cuda-emulated", 3e-6, 5e-5, 2e-5, 5e-6, 5e-5 };

/* --- the stored batches as training examples */

typedef struct {
    train_example        items[BATCHES][SEQUENCES];
    const train_example *at[BATCHES][SEQUENCES];
} batches;

static double *read_named(const safetensors *f, const char *name, int64_t *rows, int64_t *cols)
{
    const tensor_view *v = safetensors_find(f, name);
    if (!v) fail_msg("%s: no tensor %s", f->path, name);
    double *x = mem_alloc((size_t)v->count + 1, sizeof *x);
    assert_ok(tensor_read_f64(x, v, 0, v->count));
    *rows = v->shape[0];
    *cols = v->n_dims > 1 ? v->count / v->shape[0] : 1;
    return x;
}

static train_example example_of(const double *tokens, const double *mask, const double *labels, int64_t width)
{
    train_example e = { .ids     = mem_alloc((size_t)width, sizeof *e.ids),
                        .targets = mem_alloc((size_t)width, sizeof *e.targets) };
    while (e.n < width && mask[e.n] == 1) e.n++;
    for (int64_t t = 0; t < e.n; t++) {
        e.ids[t]     = (int32_t)tokens[t];
        e.targets[t] = t + 1 < e.n && labels[t + 1] != -100 ? (int32_t)labels[t + 1] : -1;
        e.n_scored += e.targets[t] >= 0;
    }
    return e;
}

static void batches_open(batches *b, const char *root, const char *base)
{
    char path[640], name[64];
    snprintf(path, sizeof path, "%s/batches/%s.safetensors", root, base);
    safetensors *f;
    assert_ok(safetensors_open(&f, path));
    for (int i = 0; i < BATCHES; i++) {
        static const char *const parts[] = { "input_ids", "attention_mask", "labels" };
        double                  *x[3];
        int64_t                  rows, cols;
        for (int p = 0; p < 3; p++) {
            snprintf(name, sizeof name, "batch%d/%s", i, parts[p]);
            x[p] = read_named(f, name, &rows, &cols);
        }
        assert_int_equal(rows, SEQUENCES);
        for (int s = 0; s < SEQUENCES; s++) {
            b->items[i][s] = example_of(x[0] + s * cols, x[1] + s * cols, x[2] + s * cols, cols);
            b->at[i][s]    = &b->items[i][s];
        }
        for (int p = 0; p < 3; p++) free(x[p]);
    }
    safetensors_close(f);
}

static void batches_close(batches *b)
{
    for (int i = 0; i < BATCHES * SEQUENCES; i++) {
        free(b->items[i / SEQUENCES][i % SEQUENCES].ids);
        free(b->items[i / SEQUENCES][i % SEQUENCES].targets);
    }
}

/* --- comparing */

typedef struct {
    const peft_case *c;
    const char      *start;
    const bounds    *allowed;
    trainer         *t;
    const batches   *data;
} session;

static double num(const json *j, const char *key)
{
    const json *x = json_find(j, key);
    return cJSON_IsNumber(x) ? x->valuedouble : NAN;
}
static double num_at(const json *j, const char *key, int64_t i)
{
    return cJSON_GetArrayItem(json_find(j, key), (int)i)->valuedouble;
}

#define check(err, tol, what)                                                                                          \
    do {                                                                                                               \
        double e_ = (err), t_ = (tol);                                                                                 \
        if (!(e_ <= t_))                                                                                               \
            fail_msg("%s/%s %s on %s, step %lld, %s: %.3e, allowed %.1e", s->c->base, s->c->name, s->start,            \
                     s->allowed->backend, (long long)s->t->step, what, e_, t_);                                        \
    } while (0)

static double max_abs(const double *a, const double *b, int64_t n)
{
    double worst = 0;
    for (int64_t i = 0; i < n; i++) {
        if (!isfinite(a[i]) || !isfinite(b[i])) return NAN;
        worst = fmax(worst, fabs(a[i] - b[i]));
    }
    return worst;
}

/* Every trained tensor against START/WHAT/...: gradients by norm (exactly 0 where the truth is),
 * values in absolute. False: nothing stored. */
static bool check_factors(const session *s, const char *what, bool gradient, double tol)
{
    const adapter *a = s->t->adapter;
    for (int64_t i = 0; i < a->n_tensors; i++) {
        const adapter_tensor *t = &a->tensors[i];
        int64_t               n = t->rows * t->cols;
        if (!t->trained) continue;
        double *want = peft_stored(s->c, s->start, what, t), *got = mem_alloc((size_t)n + 1, sizeof *got);
        if (!want) {
            free(got);
            return false;
        }
        char name[96];
        peft_factor_name(t, name, sizeof name);
        a->be->download(a->be, got, gradient ? adapter_gradient(a, t) : adapter_values(a, t), n);
        double zero = 0;
        for (int64_t k = 0; k < n; k++) zero = fmax(zero, fabs(want[k]));
        if (gradient)
            check(rel_err(got, want, n), zero > 0 ? tol : 0, name);
        else
            check(max_abs(got, want, n), tol, name);
        free(want);
        free(got);
    }
    return true;
}

/* Logits of batch 0 with the present factors, every position, against a stored array. */
static void check_logits(const session *s, const char *what)
{
    char    name[96];
    int64_t rows, vocab;
    snprintf(name, sizeof name, "%s/%s", s->start, what);
    if (!safetensors_find(s->c->tensors, name)) return;
    double *want = read_named(s->c->tensors, name, &rows, &vocab),
           *got = mem_alloc((size_t)(rows * vocab), sizeof *got), largest = 0;
    int32_t tokens[256], pos[256], all[256], n = 0;
    segment segments[SEQUENCES];
    for (int q = 0; q < SEQUENCES; q++) {
        const train_example *e = &s->data->items[0][q];
        segments[q]            = (segment) { n, (int32_t)e->n, -1 };
        for (int32_t k = 0; k < e->n; k++, n++) tokens[n] = e->ids[k], pos[n] = k, all[n] = n;
    }
    assert_int_equal(n, rows);
    batch b = { .n_tokens   = n,
                .n_segments = SEQUENCES,
                .n_rows     = n,
                .ids        = tokens,
                .pos        = pos,
                .segments   = segments,
                .rows       = all };
    assert_ok(decoder_forward(s->t->dec, &b, adapter_pairs(s->t->adapter), false));
    assert_ok(decoder_logits(s->t->dec, 0, n, got));
    for (int64_t i = 0; i < rows * vocab; i++) largest = fmax(largest, fabs(want[i]));
    check(max_abs(got, want, rows * vocab) / largest, 1e-5, what);
    free(want);
    free(got);
}

/* --- AdaLoRA's trace */

/* The place of the i-th traced module ("layers.0.q_proj") among the allocator's, which are the
 * jobs. */
static int64_t module_place(const session *s, int64_t i)
{
    const adapter *a = s->t->adapter;
    const char    *name =
        cJSON_GetArrayItem(json_find(peft_case_start(s->c, s->start), "trace_modules"), (int)i)->valuestring;
    int64_t layer = atoll(name + strlen("layers."));
    for (int64_t j = 0; j < a->n_jobs; j++)
        if (a->jobs[j].layer == layer &&
            !strcmp(strrchr(name, '.') + 1, strchr(names_table[NAMES_LLAMA].module[a->jobs[j].site], '.') + 1))
            return j;
    fail_msg("%s: not a module of this adapter", name);
    return -1;
}

static double *traced(const session *s, const char *what, int64_t step, int64_t *width)
{
    char    name[128];
    int64_t rows;
    snprintf(name, sizeof name, "%s/trace/%s", s->start, what);
    if (!safetensors_find(s->c->tensors, name)) return NULL;
    double *all = read_named(s->c->tensors, name, &rows, width), *one = mem_alloc((size_t)*width, sizeof *one);
    assert_in_range(step, 0, rows - 1);
    memcpy(one, all + step * *width, (size_t)*width * sizeof *one);
    free(all);
    return one;
}

/* The allocator's own importance of one factor at the steps where it was stored. */
static void check_importance(const session *s, const json *steps)
{
    const adapter *a     = s->t->adapter;
    int64_t        index = 0;
    for (const json *k = steps->child; k; k = k->next, index++) {
        if ((int64_t)k->valuedouble != s->t->step) continue;
        for (int64_t i = 0; i < a->n_tensors; i++) {
            const adapter_tensor *t = &a->tensors[i];
            char                  factor[96], name[128];
            int64_t               width;
            peft_factor_name(t, factor, sizeof factor);
            snprintf(name, sizeof name, "sensitivity/%s", factor);
            double *sensed = traced(s, name, index, &width);
            snprintf(name, sizeof name, "uncertainty/%s", factor);
            double *unsure = traced(s, name, index, &width);
            /* stored in f32, from an f32 run: 5e-5 for us too, whatever we compute in */
            check(rel_err(s->t->allocator->sensitivity + t->offset, sensed, width), 5e-5, factor);
            check(rel_err(s->t->allocator->uncertainty + t->offset, unsure, width), 5e-5, factor);
            free(sensed);
            free(unsure);
        }
    }
}

static void check_masks(const session *s, const json *trace)
{
    adalora *alloc = s->t->allocator;
    int64_t  step = s->t->step, rank = s->t->adapter->spec.rank, width, n = alloc->n_modules;
    double  *mask = traced(s, "mask", step - 1, &width), *scores = traced(s, "scores64", step - 1, &width),
           *u    = traced(s, "u", step - 1, &width);
    double *mine = mem_alloc((size_t)(n * rank), sizeof *mine), *my_u = mem_alloc((size_t)(n * rank), sizeof *my_u);
    adalora_score(alloc);
    for (int64_t i = 0; i < n; i++) {
        int64_t m = module_place(s, i);
        for (int64_t k = 0; k < rank; k++) {
            assert_int_equal(alloc->kept[m * rank + k], (int)mask[i * rank + k]);
            mine[i * rank + k] = alloc->scores[m * rank + k];
        }
        assert_int_equal(kept_of(alloc, m), (int)num_at(trace, "kept", i));
        s->t->model->be->download(s->t->model->be, my_u + i * rank,
                                  param_at(s->t->model->be, s->t->params.value, alloc->modules[m].u), rank);
    }
    if (adalora_phase_at(alloc, step) != ADALORA_RE_MASK)
        check(rel_err(mine, scores, n * rank), s->allowed->trace, "scores");
    check(max_abs(my_u, u, n * rank), s->allowed->factor, "u");
    free(mask);
    free(scores);
    free(u);
    free(mine);
    free(my_u);
}

static void check_trace(const session *s, const step_result *x)
{
    const json *start                 = peft_case_start(s->c, s->start),
               *trace                 = cJSON_GetArrayItem(json_find(start, "trace"), (int)s->t->step - 1),
               *truth                 = cJSON_GetArrayItem(json_find(start, "trace_f64"), (int)s->t->step - 1),
               *steps                 = json_find(start, "trace_array_steps");
    adalora                 *alloc    = s->t->allocator;
    static const char *const phases[] = { "warm-up", "pruning", "final mask", "re-mask" };
    assert_string_equal(phases[adalora_phase_at(alloc, s->t->step)], json_find(trace, "phase")->valuestring);
    assert_int_equal(adalora_budget(alloc, s->t->step), (int)num(trace, "budget"));
    assert_int_equal(x->masked_anew, cJSON_IsTrue(json_find(trace, "masked_by_score")));
    check(fabs(x->loss - num(truth, "task_loss")) / num(truth, "task_loss"), s->allowed->along, "task loss");
    check(fabs(x->orth - num(truth, "orth")) / num(truth, "orth"), s->allowed->along, "orthogonality");
    if (x->masked_anew)
        check(fabs(alloc->threshold - num(truth, "threshold")) / num(truth, "threshold"),
              s->allowed == &exact ? 1e-8 : 2e-4, "threshold");
    check_masks(s, trace);
    if (steps) check_importance(s, steps);
}

/* --- one case from one start */

static trainer_options options_of(const peft_case *c)
{
    const json *o    = json_find(c->info, "optimizer");
    const json *clip = json_find(o, "clip_grad_norm");
    return (trainer_options) { .beta1        = num_at(o, "betas", 0),
                               .beta2        = num_at(o, "betas", 1),
                               .eps          = num(o, "eps"),
                               .weight_decay = num(o, "weight_decay"),
                               .clip         = cJSON_IsNumber(clip) ? clip->valuedouble : 0,
                               .adalora      = { .target_rank = (int64_t)num(c->info, "target_r"),
                                                 .tinit       = (int64_t)num(c->info, "tinit"),
                                                 .tfinal      = (int64_t)num(c->info, "tfinal"),
                                                 .delta_t     = (int64_t)num(c->info, "deltaT"),
                                                 .beta1       = num(c->info, "beta1"),
                                                 .beta2       = num(c->info, "beta2"),
                                                 .orth        = num(c->info, "orth_reg_weight") } };
}

/* The case's rates are one of our schedules. */
static void check_rate(const session *s, double want)
{
    const json     *o      = json_find(s->c->info, "optimizer");
    const char     *name   = json_find(o, "schedule")->valuestring;
    bool            cosine = strstr(name, "cosine") != NULL;
    const schedule *row;
    assert_ok(schedule_find(&row, cosine ? "cosine" : "constant"));
    check(fabs(schedule_lr(row, num(o, "lr"), s->t->step + 1, cosine ? 3 : 0, 10) - want), 1e-18, "rate");
}

static void check_losses_before(const session *s)
{
    for (int i = 0; i < BATCHES; i++) {
        double  loss, want = num_at(peft_case_start(s->c, s->start), "loss_f64", i);
        int64_t scored;
        assert_ok(trainer_loss(s->t, s->data->items[i], SEQUENCES, 64, &loss, &scored));
        check(fabs(loss - want) / want, s->allowed->loss, "loss of a batch");
    }
}

static void train(session *s)
{
    const json *start = peft_case_start(s->c, s->start);
    double      orth  = s->t->allocator ? num(s->c->info, "orth_reg_weight") : 0;
    int         steps = cJSON_GetArraySize(json_find(start, "train_loss_f64"));
    check_losses_before(s);
    if (strcmp(s->start, "init")) check_logits(s, "logits");
    for (int step = 1; step <= steps; step++) {
        double lr = num_at(start, "lr", step - 1), want = num_at(start, "train_loss_f64", step - 1),
               norm = num_at(start, "grad_norm_f64", step - 1);
        step_result x;
        char        what[16];
        check_rate(s, lr);
        /* micro-batches of 3 and 1 on odd steps: gradients that add up are the whole batch's */
        assert_ok(trainer_step(s->t, s->data->at[(step - 1) % BATCHES], SEQUENCES, step % 2 ? 3 : SEQUENCES, lr, &x));
        check(fabs(x.loss + orth * x.orth - want) / want, step == 1 ? s->allowed->loss : s->allowed->along,
              "training loss");
        check(fabs(x.grad_norm - norm) / norm, step == 1 ? s->allowed->grad : fmax(s->allowed->grad, s->allowed->along),
              "gradient norm");
        if (step == 1) assert_true(check_factors(s, "grad64", true, s->allowed->grad));
        snprintf(what, sizeof what, "step%d", step);
        bool stored = check_factors(s, what, false, s->allowed->factor);
        if (step == 10) assert_true(stored);
        if (s->t->allocator) check_trace(s, &x);
    }
    if (!strcmp(s->start, "perturbed")) check_logits(s, "logits_after");
}

static void run_case(const char *root, int i, const bounds *allowed)
{
    static const char *const starts[] = { "init", "perturbed" };
    peft_case                c;
    batches                  data = { 0 };
    model                   *m;
    const backend           *be = backend_find(allowed->backend);
    if (!peft_case_open(&c, root, i)) return;
    batches_open(&data, root, c.base);
    assert_ok(model_open(&m, c.base_dir, be, false));
    trainer_options options = options_of(&c);
    for (int k = 0; k < 2; k++) {
        if (!peft_case_start(&c, starts[k])) continue;
        session  s = { .c = &c, .start = starts[k], .allowed = allowed, .data = &data };
        adapter *a = peft_case_adapter(&c, be, starts[k]);
        assert_int_equal(a->theta_count, (int64_t)num(c.info, "trainable"));
        assert_ok(trainer_new(&s.t, m, a, &options, (int64_t)num(c.info, "total_step")));
        train(&s);
        trainer_free(s.t);
        adapter_free(a);
    }
    model_close(m);
    batches_close(&data);
    peft_case_close(&c);
}

/* Every case, or every n-th. */
static void every_case(const bounds *allowed, int n)
{
    need_data(root, "peft-reference");
    for (int i = 0; i < PEFT_CASES; i += n) run_case(root, i, allowed);
}

static void in_f64(void **state)
{
    (void)state;
    every_case(&exact, TEST_PART);
}
static void on_the_cpu(void **state)
{
    (void)state;
    every_case(&fast, TEST_PART);
}

/* The same decoder, trainer and adapters over the CUDA kernels: on a GPU, or in its place on the
 * emulator, where one case in six (one under a sanitizer) takes a quarter of a minute (LoRA,
 * LoRA-FA, two of Tied-LoRA, VeRA with biases, AdaLoRA). */
static void on_cuda(void **state)
{
    (void)state;
    if (backend_find("cuda"))
        every_case(&cuda, 1);
    else if (backend_find("cuda-emulated"))
        every_case(&emulated, TEST_PART == 1 ? 6 : PEFT_CASES);
    else
        skip_because("%s", error_text());
}

int main(void)
{
    const struct CMUnitTest tests[] = { reference_test(in_f64), reference_test(on_the_cpu), reference_test(on_cuda) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
