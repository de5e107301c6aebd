/* The decoder with adapters against PEFT and PyTorch: logits, losses and every factor's gradient in
 * f64 and f32, and what folders, exports and merged weights compute. The bound is 1e-10 where both
 * sides are f64; otherwise the reference derives it from PyTorch's own f32 error. */
#include "adapters/merge.h"
#include "adapters/test_peft.h"
#include "model/test_batch.h"

static char batches_dir[600];

typedef struct {
    const char *backend;
    double      loss, grad;
} bounds;
static const bounds exact = { "ref", 1e-10, 1e-10 }, fast = { "cpu", 3e-6, 5e-5 };
/* relative to the largest; the stored logits are f32 for both */
static const double logits_bound = 1e-5;

/* One base at a time is open: the cases come base by base. */
typedef struct {
    const char *base, *backend;
    model      *m;
    decoder    *d;
    packed      batch, all; /* batch 0, without and with the logits of every row */
} bench;

static void bench_close(bench *b)
{
    if (!b->m) return;
    packed_free(&b->batch);
    packed_free(&b->all);
    decoder_free(b->d);
    model_close(b->m);
    *b = (bench) { 0 };
}

static void bench_for(bench *b, const peft_case *c, const char *device)
{
    if (b->m && !strcmp(b->base, c->base) && !strcmp(b->backend, device)) return;
    bench_close(b);
    *b = (bench) { .base = c->base, .backend = device };
    assert_ok(model_open(&b->m, c->base_dir, backend_find(device), false));
    b->d     = decoder_new(b->m);
    b->batch = packed_load(batches_dir, c->base, 0);
    b->all   = packed_copy(&b->batch.b);
    packed_want_all(&b->all);
}

static void check_logits(bench *b, const peft_case *c, const adapter *a, const char *what)
{
    char path[640];
    snprintf(path, sizeof path, "%s/tensors.safetensors", c->dir);
    packed_check_logits(b->d, &b->all, a ? adapter_pairs(a) : NULL, path, what, logits_bound);
}

/* Checks loss and gradients of batch 0 from one start. */
static void check_gradients(bench *b, const peft_case *c, adapter *a, const char *start, const bounds *allowed)
{
    int64_t n   = b->batch.b.n_rows;
    double *nll = mem_alloc((size_t)n, sizeof *nll), sum = 0;
    double  want = json_at(json_find(peft_case_start(c, start), "loss_f64"), 0)->valuedouble;
    adapter_zero_grad(a);
    assert_ok(decoder_forward(b->d, &b->batch.b, adapter_pairs(a), true));
    assert_ok(decoder_backward(b->d, 1.0 / (double)n, nll));
    adapter_backward(a);
    for (int64_t i = 0; i < n; i++) sum += nll[i];
    assert_within(fabs(sum / (double)n - want) / want, allowed->loss);
    free(nll);
    /* the orthogonality term belongs to training */
    const char *what = a->spec.method.allocates ? "grad64_task" : "grad64";
    for (int64_t i = 0; i < a->n_tensors; i++) {
        const adapter_tensor *t = &a->tensors[i];
        int64_t               k = t->rows * t->cols;
        if (!t->trained) continue;
        double *truth = peft_stored(c, start, what, t), *got = mem_alloc((size_t)k, sizeof *got), largest = 0;
        assert_non_null(truth);
        a->be->download(a->be, got, adapter_gradient(a, t), k);
        for (int64_t e = 0; e < k; e++) largest = fmax(largest, fabs(truth[e]));
        /* must be exactly 0 where the truth is */
        double err = rel_err(got, truth, k), tol = largest > 0 ? allowed->grad : 0;
        char   name[96];
        peft_factor_name(t, name, sizeof name);
        if (!(err <= tol))
            fail_msg("%s/%s %s %s on %s: gradient off by %g, allowed %g", c->base, c->name, start, name,
                     allowed->backend, err, tol);
        free(truth);
        free(got);
    }
}

static void forward_and_gradients(const char *root, const bounds *allowed)
{
    bench b = { 0 };
    for (int i = 0; i < PEFT_CASES; i++) {
        static const char *const starts[] = { "perturbed", "init" };
        peft_case                c;
        if (!peft_case_open(&c, root, i)) continue;
        bench_for(&b, &c, allowed->backend);
        for (int s = 0; s < 2; s++) {
            if (!peft_case_start(&c, starts[s])) continue; /* two bases have one start */
            adapter *a = peft_case_adapter(&c, b.m->be, starts[s]);
            if (s == 0) check_logits(&b, &c, a, "perturbed/logits");
            check_gradients(&b, &c, a, starts[s], allowed);
            adapter_free(a);
        }
        peft_case_close(&c);
    }
    bench_close(&b);
}

static void forward_and_gradients_in_f64(void **state)
{
    (void)state;
    need_data(root, "peft-reference");
    snprintf(batches_dir, sizeof batches_dir, "%s/batches", root);
    forward_and_gradients(root, &exact);
}

static void forward_and_gradients_in_f32(void **state)
{
    (void)state;
    need_data(root, "peft-reference");
    snprintf(batches_dir, sizeof batches_dir, "%s/batches", root);
    forward_and_gradients(root, &fast);
}

/* At step 0 an adapter changes nothing: the bits are those of the base alone. */
static void a_new_adapter_changes_no_bit(void **state)
{
    (void)state;
    need_data(root, "peft-reference");
    snprintf(batches_dir, sizeof batches_dir, "%s/batches", root);
    bench b = { 0 };
    for (int i = 0; i < PEFT_CASES; i++) {
        peft_case c;
        if (!peft_case_open(&c, root, i)) continue;
        bench_for(&b, &c, "cpu");
        if (peft_case_start(&c, "init")) {
            adapter *a     = peft_case_adapter(&c, b.m->be, "init");
            int64_t  n     = b.all.b.n_rows * c.cfg.vocab;
            double  *alone = mem_alloc((size_t)n, sizeof *alone), *with = mem_alloc((size_t)n, sizeof *with);
            assert_ok(decoder_forward(b.d, &b.all.b, NULL, false));
            assert_ok(decoder_logits(b.d, 0, b.all.b.n_rows, alone));
            assert_ok(decoder_forward(b.d, &b.all.b, adapter_pairs(a), false));
            assert_ok(decoder_logits(b.d, 0, b.all.b.n_rows, with));
            for (int64_t k = 0; k < n; k++) assert_true(alone[k] == with[k]);
            free(alone);
            free(with);
            adapter_free(a);
        }
        peft_case_close(&c);
    }
    bench_close(&b);
}

/* Opens PEFT's folder, or the plain LoRA export of a method that PEFT does not have. Both hold the
 * state after the last step. */
static void folders_give_their_logits(void **state)
{
    (void)state;
    need_data(root, "peft-reference");
    snprintf(batches_dir, sizeof batches_dir, "%s/batches", root);
    bench b    = { 0 };
    int   seen = 0, cases = 0;
    for (int i = 0; i < PEFT_CASES; i++) {
        static const char *const folders[] = { "adapter", "export" };
        peft_case                c;
        if (!peft_case_open(&c, root, i)) continue;
        cases++;
        bench_for(&b, &c, "cpu");
        for (int k = 0; k < 2; k++) {
            char     dir[640];
            adapter *a;
            snprintf(dir, sizeof dir, "%s/%s", c.dir, folders[k]);
            if (!file_is_dir(dir)) continue;
            assert_ok(adapter_open(&a, b.m->be, &c.cfg, dir));
            check_logits(&b, &c, a, "perturbed/logits_after");
            adapter_free(a);
            seen++;
        }
        peft_case_close(&c);
    }
    bench_close(&b);
    assert_true(cases > 20 && seen >= cases - 2); /* two cases have no folder */
}

static void merged_weights_give_their_logits(void **state)
{
    (void)state;
    need_data(root, "peft-reference");
    snprintf(batches_dir, sizeof batches_dir, "%s/batches", root);
    int seen = 0;
    for (int i = 0; i < PEFT_CASES; i++) {
        peft_case c;
        if (!peft_case_open(&c, root, i)) continue;
        if (safetensors_find(c.tensors, "perturbed/logits_merged")) {
            const backend *be = backend_find("cpu");
            adapter       *a  = peft_case_adapter(&c, be, "perturbed");
            for (int64_t k = 0; k < a->n_tensors; k++) { /* the state after the last step */
                adapter_tensor *t = &a->tensors[k];
                double *x = t->trained ? peft_stored(&c, "perturbed", a->spec.method.allocates ? "step30" : "step10", t)
                                       : NULL;
                if (x) be->upload(be, adapter_values(a, t), x, t->rows * t->cols);
                free(x);
            }
            adapter_expand(a);
            bench b = { .base = c.base, .backend = "cpu" };
            assert_ok(model_open(&b.m, c.base_dir, be, true));
            assert_ok(adapter_merge(a, b.m));
            b.d     = decoder_new(b.m);
            b.batch = packed_load(batches_dir, c.base, 0);
            b.all   = packed_copy(&b.batch.b);
            packed_want_all(&b.all);
            check_logits(&b, &c, NULL, "perturbed/logits_merged");
            bench_close(&b);
            adapter_free(a);
            seen++;
        }
        peft_case_close(&c);
    }
    assert_true(seen >= 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        reference_test(forward_and_gradients_in_f64),     reference_test(forward_and_gradients_in_f32),
        reference_test(a_new_adapter_changes_no_bit),     reference_test(folders_give_their_logits),
        reference_test(merged_weights_give_their_logits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
