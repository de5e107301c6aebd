/* The decoder against stored numbers (PEFT, PyTorch), central differences, and itself. */
#include "model/decoder_private.h"
#include "model/rotary.h"
#include "model/test_model.h"
#include "model/test_gradient.h"

/* The golden files hold batches of the first two. */
static const char *const bases[][2] = { { "tiny-random", "peft-reference/bases/tiny-random" },
                                        { "tiny-bias", "peft-reference/bases/tiny-bias" },
                                        { "stories260K", "models/stories260K-hf" } };

static model *open_base(const char *folder, const char *backend_name, bool trainable)
{
    model      *m   = NULL;
    const char *dir = test_data(folder);
    assert_ok(model_open(&m, dir, backend_find(backend_name), trainable));
    return m;
}

/* Loss of all ten batches and the logits of the first, in f64 to rounding and in f32 within the
 * reference's own bounds. */
static void forward_agrees_with_the_reference(void **state)
{
    (void)state;
    need_data(found, "peft-reference/batches");
    char data[900];
    snprintf(data, sizeof data, "%s", found);
    for (size_t b = 0; b < sizeof bases / sizeof *bases; b++)
        for (int f32 = 0; f32 < 2; f32++) {
            char path[1024];
            snprintf(path, sizeof path, "%s/%s.json", data, bases[b][0]);
            if (!file_exists(path)) continue;
            model   *m = open_base(bases[b][1], f32 ? "cpu" : "ref", false);
            decoder *d = decoder_new(m);
            json    *facts;
            assert_ok(json_read_file(&facts, path, 1 << 20));
            for (int i = 0; i < 10; i++) {
                packed  p   = packed_load(data, bases[b][0], i);
                double *nll = mem_alloc((size_t)p.b.n_rows, sizeof *nll), sum = 0;
                assert_ok(decoder_forward(d, &p.b, NULL, false));
                assert_ok(decoder_nll(d, nll, NULL));
                for (int64_t r = 0; r < p.b.n_rows; r++) sum += nll[r];
                double want = cJSON_GetArrayItem(json_find(facts, "loss_f64"), i)->valuedouble,
                       got  = sum / (double)p.b.n_rows;
                assert_within(fabs(got - want) / want, f32 ? 3e-6 : 1e-10);
                free(nll);
                packed_free(&p);
            }
            json_free(facts);
            packed p = packed_load(data, bases[b][0], 0);
            packed_want_all(&p);
            snprintf(path, sizeof path, "%s/%s.base.safetensors", data, bases[b][0]);
            packed_check_logits(d, &p, NULL, path, "logits", 1e-5); /* stored as f32 */
            packed_free(&p);
            decoder_free(d);
            model_close(m);
        }
}

/* --- pairs of PEFT's cases */

typedef struct {
    pair_arrays   *pairs; /* [layers * SITE_COUNT] */
    double        *scale;
    const json    *sites;
    json          *doc;
    safetensors   *tensors;
    const backend *be;
    int64_t        layers;
} peft_case;

static double *read_all(const safetensors *f, const char *name, int64_t *count)
{
    const tensor_view *t = safetensors_find(f, name);
    if (!t) fail_msg("no tensor %s", name);
    double *v = mem_alloc((size_t)t->count, sizeof *v);
    assert_ok(tensor_read_f64(v, t, 0, t->count));
    *count = t->count;
    return v;
}

/* Index into the pairs, or -1 for k and v of a fused site, whose entry is q's. */
static int64_t pair_index(const json *site)
{
    const char *module = json_find(site, "module")->valuestring;
    int64_t     layer  = (int64_t)json_find(site, "layer")->valuedouble;
    if (strstr(json_find(site, "A")->valuestring, ".qkv."))
        return strstr(module, "q_proj") ? layer * SITE_COUNT + SITE_QKV : -1;
    for (int s = SITE_Q; s < SITE_COUNT; s++)
        if (!strcmp(names_table[NAMES_LLAMA].module[s], module)) return layer * SITE_COUNT + s;
    fail_msg("module %s", module);
    return -1;
}

/* A' = A, B' = s B of the case's perturbed start, as pairs of the decoder; cases with u and v
 * are not handled here. */
static peft_case case_load(const char *dir, const backend *be, int64_t layers)
{
    peft_case c = { .be = be, .layers = layers };
    char      path[1200], name[128];
    snprintf(path, sizeof path, "%s/case.json", dir);
    assert_ok(json_read_file(&c.doc, path, 1 << 22));
    snprintf(path, sizeof path, "%s/tensors.safetensors", dir);
    assert_ok(safetensors_open(&c.tensors, path));
    c.pairs = mem_alloc((size_t)layers * SITE_COUNT, sizeof *c.pairs);
    c.scale = mem_alloc((size_t)layers * SITE_COUNT, sizeof *c.scale);
    c.sites = json_find(c.doc, "sites");
    for (const json *s = c.sites->child; s; s = s->next) {
        int64_t i = pair_index(s), in = (int64_t)json_find(s, "in")->valuedouble, nA, nB;
        if (i < 0) continue;
        snprintf(name, sizeof name, "perturbed/factor/%s", json_find(s, "A")->valuestring);
        double *A = read_all(c.tensors, name, &nA);
        snprintf(name, sizeof name, "perturbed/factor/%s", json_find(s, "B")->valuestring);
        double *B  = read_all(c.tensors, name, &nB);
        c.scale[i] = json_find(s, "s")->valuedouble;
        for (int64_t k = 0; k < nB; k++) B[k] *= c.scale[i];
        int64_t r  = nA / in;
        param  *dA = be->params->alloc(be->params, nA), *dB = be->params->alloc(be->params, nB);
        real   *a = be->alloc(be, nA), *bb = be->alloc(be, nB);
        be->upload(be, a, A, nA);
        be->upload(be, bb, B, nB);
        c.pairs[i] = (pair_arrays) { .A = a, .B = bb, .r = r, .lda = in, .ldb = r, .dA = dA, .dB = dB };
        free(A);
        free(B);
    }
    return c;
}

static void case_free(peft_case *c)
{
    for (int64_t i = 0; i < c->layers * SITE_COUNT; i++) {
        c->be->release(c->be, (real *)(uintptr_t)c->pairs[i].A);
        c->be->release(c->be, (real *)(uintptr_t)c->pairs[i].B);
        c->be->release(c->be, c->pairs[i].dA);
        c->be->release(c->be, c->pairs[i].dB);
    }
    free(c->pairs);
    free(c->scale);
    json_free(c->doc);
    safetensors_close(c->tensors);
}

/* The gradient of one factor: summed over the modules that share it, times s for B; against the
 * stored f64 one. */
static void check_gradient(const peft_case *c, const char *factor, const char *letter, double tolerance)
{
    char    name[128];
    int64_t n;
    snprintf(name, sizeof name, "perturbed/grad64/%s", factor);
    double *want = read_all(c->tensors, name, &n), *got = mem_alloc((size_t)n, sizeof *got),
           *part = mem_alloc((size_t)n, sizeof *part);
    for (const json *s = c->sites->child; s; s = s->next) {
        int64_t i = pair_index(s);
        if (i < 0 || strcmp(json_find(s, letter)->valuestring, factor) != 0) continue;
        c->be->download(c->be, part, *letter == 'A' ? c->pairs[i].dA : c->pairs[i].dB, n);
        for (int64_t k = 0; k < n; k++) got[k] += part[k] * (*letter == 'B' ? c->scale[i] : 1);
    }
    double err = rel_err(got, want, n);
    if (!(err <= tolerance)) fail_msg("%s: gradient off by %.3e, allowed %.1e", factor, err, tolerance);
    free(want);
    free(got);
    free(part);
}

static void gradients_of_pairs_agree_with_peft(void **state)
{
    (void)state;
    need_data(found, "peft-reference");
    char data[900];
    snprintf(data, sizeof data, "%s", found);
    static const char *const cases[][2] = {
        { "tiny-random", "lora-all-r3" }, { "tiny-random", "lora-qkv-r8" },         { "tiny-random", "lora-patterns" },
        { "tiny-random", "tied-ab-r5" },  { "tiny-bias", "lora-all-r3" },           { "stories260K", "lora-all-r2" },
        { "stories260K", "tied-ab-r8" },  { "tiny-random", "sharelora-ab-qkv-r4" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int f32 = 0; f32 < 2; f32++) {
            const char *base = cases[i][0], *folder = !strcmp(base, "tiny-random") ? bases[0][1]
                                                      : !strcmp(base, "tiny-bias") ? bases[1][1]
                                                                                   : bases[2][1];
            char        path[1100], batches[1200];
            snprintf(path, sizeof path, "%s/cases/%s/%s", data, base, cases[i][1]);
            if (!file_is_dir(path)) continue;
            model   *m = open_base(folder, f32 ? "cpu" : "ref", false);
            decoder *d = decoder_new(m);
            snprintf(batches, sizeof batches, "%s/batches", data);
            peft_case c   = case_load(path, m->be, m->cfg.layers);
            packed    p   = packed_load(batches, base, 0);
            double   *nll = mem_alloc((size_t)p.b.n_rows, sizeof *nll), sum = 0;
            assert_ok(decoder_forward(d, &p.b, c.pairs, true));
            assert_ok(decoder_backward(d, 1.0 / (double)p.b.n_rows, nll));
            for (int64_t r = 0; r < p.b.n_rows; r++) sum += nll[r];
            double want = cJSON_GetArrayItem(json_find(json_find(json_find(c.doc, "starts"), "perturbed"), "loss_f64"),
                                             0)
                              ->valuedouble;
            assert_within(fabs(sum / (double)p.b.n_rows - want) / want, f32 ? 3e-6 : 1e-10);
            for (const json *f = json_find(c.doc, "factors")->child; f; f = f->next)
                check_gradient(&c, f->string, f->string[strlen(f->string) - 1] == 'A' ? "A" : "B", f32 ? 5e-5 : 1e-10);
            packed_want_all(&p);
            snprintf(batches, sizeof batches, "%s/tensors.safetensors", path);
            packed_check_logits(d, &p, c.pairs, batches, "perturbed/logits", 1e-5);
            free(nll);
            packed_free(&p);
            case_free(&c);
            decoder_free(d);
            model_close(m);
        }
}

/* --- the odd little model, for differences and identities */

static void gradients_of_pairs_are_differences(void **state)
{
    (void)state;
    static const unsigned masks[] = { (1u << SITE_COUNT) - 2, 1u << SITE_QKV | 1u << SITE_DOWN,
                                      1u << SITE_Q | 1u << SITE_V };
    for (size_t k = 0; k < sizeof masks / sizeof *masks; k++)
        for (int all = 0; all < 2; all++) {
            model       *m     = open_odd("ref", false, false);
            decoder     *d     = decoder_new(m);
            pair_arrays *p     = random_pairs(m, masks[k], 3);
            packed       every = packed_copy(&odd_batch);
            if (all) packed_want_all(&every);
            assert_ok(decoder_forward(d, &every.b, p, true));
            assert_ok(decoder_backward(d, 0.5, NULL));
            for (int64_t i = 0; i < m->cfg.layers * SITE_COUNT; i++) {
                if (!p[i].r) continue;
                site_id s = (site_id)(i % SITE_COUNT);
                char    what[64];
                snprintf(what, sizeof what, "layer %d %s A", (int)(i / SITE_COUNT), site_table[s].name);
                check_differences(d, &every.b, p, (real *)(uintptr_t)p[i].A, p[i].dA, p[i].r * site_in(&m->cfg, s), 0.5,
                                  what);
                what[strlen(what) - 1] = 'B';
                check_differences(d, &every.b, p, (real *)(uintptr_t)p[i].B, p[i].dB, p[i].r * site_out(&m->cfg, s),
                                  0.5, what);
            }
            packed_free(&every);
            free_pairs(m, p);
            decoder_free(d);
            model_close(m);
        }
}

static void gradients_of_weights_are_differences(void **state)
{
    (void)state;
    for (int tied = 0; tied < 2; tied++) {
        model   *m = open_odd("ref", true, tied);
        decoder *d = decoder_new(m);
        assert_ok(decoder_forward(d, &odd_batch, NULL, true));
        assert_ok(decoder_backward(d, 1, NULL));
        weight_group g;
        for (int64_t i = 0; weight_group_at(m, i, &g); i++)
            check_differences(d, &odd_batch, NULL, *g.slot, *g.grad_slot, g.count, 1, g.name[0]);
        decoder_free(d);
        model_close(m);
    }
}

/* Gradients only where asked: the same numbers as when everything is asked, whatever lies below. */
static void partial_backward_gives_the_same_numbers(void **state)
{
    (void)state;
    static const struct {
        int64_t layer;
        site_id site;
    } only[]          = { { 2, SITE_DOWN }, { 2, SITE_UP }, { 2, SITE_O }, { 2, SITE_V },
                          { 1, SITE_GATE }, { 1, SITE_O },  { 0, SITE_Q }, { 0, SITE_DOWN } };
    model       *m    = open_odd("ref", false, false);
    decoder     *d    = decoder_new(m);
    pair_arrays *all  = random_pairs(m, (1u << SITE_COUNT) - 2, 3),
                *some = mem_alloc((size_t)m->cfg.layers * SITE_COUNT, sizeof *some);
    assert_ok(decoder_forward(d, &odd_batch, all, true));
    assert_ok(decoder_backward(d, 1, NULL));
    for (size_t k = 0; k < sizeof only / sizeof *only; k++) {
        int64_t at = only[k].layer * SITE_COUNT + only[k].site, nA = all[at].r * site_in(&m->cfg, only[k].site),
                nB = all[at].r * site_out(&m->cfg, only[k].site);
        param *dA = m->be->alloc(m->be, nA), *dB = m->be->alloc(m->be, nB);
        for (int64_t i = 0; i < m->cfg.layers * SITE_COUNT; i++) some[i] = all[i], some[i].dA = some[i].dB = NULL;
        some[at].dA = dA, some[at].dB = dB;
        for (int half = 0; half < 2; half++) {
            if (half) some[at].dA = NULL; /* A frozen */
            m->be->zero(m->be, dB, nB);
            assert_ok(decoder_forward(d, &odd_batch, some, true));
            assert_ok(decoder_backward(d, 1, NULL));
            assert_within(rel_err(host_values(m->be, dA), host_values(m->be, all[at].dA), nA), 1e-13);
            assert_within(rel_err(host_values(m->be, dB), host_values(m->be, all[at].dB), nB), 1e-13);
        }
        m->be->release(m->be, dA);
        m->be->release(m->be, dB);
    }
    for (int64_t i = 0; i < m->cfg.layers * SITE_COUNT; i++) some[i].dA = some[i].dB = NULL;
    assert_ok(decoder_forward(d, &odd_batch, some, true));
    assert_ok(decoder_backward(d, 1, NULL)); /* nothing trains: just the loss */
    free(some);
    free_pairs(m, all);
    decoder_free(d);
    model_close(m);
}

/* The odd batch with each continuation written out in full after its prefix. */
static packed unshared(void)
{
    static const int32_t ids[]  = { 1, 5, 7, 2, 9, 1, 4, 4, 11, 1, 4, 4, 11, 3, 6, 1, 4, 4, 11, 12, 8, 0 };
    static const int32_t pos[]  = { 0, 1, 2, 3, 4, 0, 1, 2, 3, 0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5, 6 };
    static const segment segs[] = { { 0, 5, -1 }, { 5, 4, -1 }, { 9, 6, -1 }, { 15, 7, -1 } };
    static const int32_t rows[] = { 1, 2, 4, 7, 8, 8, 13, 14, 20, 21 };
    static const batch   b      = { .n_tokens   = 22,
                                    .n_segments = 4,
                                    .n_rows     = 10,
                                    .ids        = ids,
                                    .pos        = pos,
                                    .segments   = segs,
                                    .rows       = rows,
                                    .targets    = odd_targets };
    return packed_copy(&b);
}

static void sharing_a_prefix_changes_nothing(void **state)
{
    (void)state;
    for (int f32 = 0; f32 < 2; f32++) {
        model       *m = open_odd(f32 ? "cpu" : "ref", false, false);
        decoder     *d = decoder_new(m);
        pair_arrays *p = random_pairs(m, (1u << SITE_COUNT) - 2, 5), *q = random_pairs(m, (1u << SITE_COUNT) - 2, 5);
        packed       long_form = unshared();
        double       shared_nll[10], nll[10], tolerance = f32 ? 1e-5 : 1e-12;
        assert_ok(decoder_forward(d, &odd_batch, p, true));
        assert_ok(decoder_backward(d, 1, shared_nll));
        assert_ok(decoder_forward(d, &long_form.b, q, true));
        assert_ok(decoder_backward(d, 1, nll));
        assert_within(rel_err(shared_nll, nll, 10), tolerance);
        for (int64_t i = 0; i < m->cfg.layers * SITE_COUNT; i++) {
            int64_t n = p[i].r * site_out(&m->cfg, (site_id)(i % SITE_COUNT));
            if (!n) continue;
            double *a = mem_alloc((size_t)n, sizeof *a), *b = mem_alloc((size_t)n, sizeof *b);
            m->be->download(m->be, a, p[i].dB, n);
            m->be->download(m->be, b, q[i].dB, n);
            assert_within(rel_err(a, b, n), tolerance * 10);
            free(a);
            free(b);
        }
        packed_free(&long_form);
        free_pairs(m, p);
        free_pairs(m, q);
        decoder_free(d);
        model_close(m);
    }
}

/* One text alone, and among others; the vocabulary in chunks of any size: the same bits. */
static void packing_and_chunks_change_nothing(void **state)
{
    (void)state;
    for (int f32 = 0; f32 < 2; f32++) {
        model       *m = open_odd(f32 ? "cpu" : "ref", false, false);
        decoder     *d = decoder_new(m);
        pair_arrays *p = random_pairs(m, 1u << SITE_QKV | 1u << SITE_UP, 5);
        double       together[10], alone[3], chunked[10], logits[10 * 13];
        int32_t      best[10], best_chunked[10];
        assert_ok(decoder_forward(d, &odd_batch, p, false));
        assert_ok(decoder_nll(d, together, best));
        assert_ok(decoder_logits(d, 0, 10, logits));
        for (int i = 0; i < 10; i++) {
            int top = 0;
            for (int k = 1; k < 13; k++)
                if (logits[i * 13 + k] > logits[i * 13 + top]) top = k;
            assert_int_equal(best[i], top);
        }
        d->chunk_rows = 3;
        assert_ok(decoder_nll(d, chunked, best_chunked));
        assert_memory_equal(chunked, together, sizeof chunked);
        assert_memory_equal(best_chunked, best, sizeof best);
        batch first    = odd_batch;
        first.n_tokens = 5, first.n_segments = 1, first.n_rows = 3;
        assert_ok(decoder_forward(d, &first, p, false));
        assert_ok(decoder_nll(d, alone, NULL));
        assert_memory_equal(alone, together, sizeof alone);
        free_pairs(m, p);
        decoder_free(d);
        model_close(m);
    }
}

/* Backward in chunks; a batch of which no row is wanted; gradients accumulate over calls. */
static void backward_in_chunks_and_twice(void **state)
{
    (void)state;
    model   *m    = open_odd("ref", true, true);
    decoder *d    = decoder_new(m);
    double  *once = mem_alloc((size_t)m->flat_count, sizeof *once);
    assert_ok(decoder_forward(d, &odd_batch, NULL, true));
    assert_ok(decoder_backward(d, 1, NULL));
    /* a second one needs another forward */
    assert_int_equal(decoder_backward(d, 1, NULL), ERR_FAILED);
    m->be->download(m->be, once, m->flat_grad, m->flat_count);
    d->chunk_rows = 4;
    assert_ok(decoder_forward(d, &odd_batch, NULL, true));
    assert_ok(decoder_backward(d, 1, NULL));
    for (int64_t i = 0; i < m->flat_count; i++) once[i] *= 2;
    assert_within(rel_err(host_values(m->be, m->flat_grad), once, m->flat_count), 1e-13);
    batch none  = odd_batch;
    none.n_rows = 0;
    assert_ok(decoder_forward(d, &none, NULL, true));
    assert_ok(decoder_backward(d, 1, NULL));
    assert_within(rel_err(host_values(m->be, m->flat_grad), once, m->flat_count), 1e-13);
    free(once);
    decoder_free(d);
    model_close(m);
}

/* --- what is not legal */

static void bad_batches_are_refused(void **state)
{
    (void)state;
    model   *m = open_odd("cpu", false, false);
    decoder *d = decoder_new(m);
    int32_t  ids[14], pos[14], targets[10];
    memcpy(ids, odd_ids, sizeof ids), memcpy(pos, odd_pos, sizeof pos), memcpy(targets, odd_targets, sizeof targets);
    batch b = odd_batch;
    b.ids = ids, b.pos = pos, b.targets = targets;
    ids[3] = 13;
    assert_input_error(decoder_forward(d, &b, NULL, false), "token id 13: must be 0..12");
    ids[3] = 2, pos[4] = 40;
    assert_input_error(decoder_forward(d, &b, NULL, false), "position 40: the model has 0..39");
    pos[4] = 4, targets[0] = 99;
    assert_input_error(decoder_forward(d, &b, NULL, false), "target id 99");
    targets[0] = 1, b.n_segments = 3;
    assert_int_equal(decoder_forward(d, &b, NULL, false), ERR_FAILED);
    b.n_segments = 4, b.targets = NULL;
    assert_ok(decoder_forward(d, &b, NULL, false));
    assert_int_equal(decoder_nll(d, NULL, NULL), ERR_FAILED);
    assert_int_equal(decoder_backward(d, 1, NULL), ERR_FAILED);
    decoder_free(d);
    model_close(m);
}

static void numbers_that_are_not_finite_name_the_model(void **state)
{
    (void)state;
    model   *m   = open_odd("cpu", true, false);
    decoder *d   = decoder_new(m);
    double   nan = NAN, logits[13];
    m->be->upload(m->be, real_at(m->be, m->layers[1].down, 7), &nan, 1);
    assert_ok(decoder_forward(d, &odd_batch, NULL, false));
    assert_input_error(decoder_nll(d, NULL, NULL), "are not finite");
    assert_non_null(strstr(error_text(), m->dir));
    assert_input_error(decoder_logits(d, 0, 1, logits), "are not finite");
    assert_ok(decoder_forward(d, &odd_batch, NULL, true));
    assert_input_error(decoder_backward(d, 1, NULL), "lower --lr");
    decoder_free(d);
    model_close(m);
}

/* --- memory */

static int64_t allocations;
static void   *counting_alloc(const backend *be, int64_t n)
{
    allocations++;
    return backend_find("cpu")->alloc(be, n);
}
static void *counting_alloc_bytes(const backend *be, int64_t n)
{
    allocations++;
    return backend_find("cpu")->alloc_bytes(be, n);
}

static void nothing_is_allocated_twice(void **state)
{
    (void)state;
    model  *m        = open_odd("cpu", true, false);
    backend counting = *m->be;
    counting.alloc = counting_alloc, counting.alloc_bytes = counting_alloc_bytes;
    const backend *real_be = m->be;
    m->be                  = &counting;
    decoder *d             = decoder_new(m);
    for (int i = 0; i < 3; i++) {
        if (i) allocations = 0;
        assert_ok(decoder_forward(d, &odd_batch, NULL, true));
        assert_ok(decoder_backward(d, 1, NULL));
        batch first    = odd_batch;
        first.n_tokens = 5, first.n_segments = 1, first.n_rows = 3;
        assert_ok(decoder_forward(d, &first, NULL, false));
        assert_ok(decoder_nll(d, NULL, NULL));
        assert_int_equal(allocations > 0, i == 0);
    }
    decoder_free(d);
    m->be = real_be;
    model_close(m);
}

/* inv_freq of Llama 3.2 (theta 500000, head_dim 64, factor 32, 1, 4, 8192), from transformers'
 * formula in exact arithmetic, rounded to 10 digits. */
static void rotary_frequencies_are_llama3s(void **state)
{
    (void)state;
    model_config c;
    double       f[32];
    assert_ok(config_load(&c, "llama3.2-1b"));
    rotary_frequencies(&c, 0, 1, f);
    static const struct {
        int    i;
        double f;
    } want[] = { { 0, 1 },
                 { 1, 0.663601237696088 },
                 { 14, 0.00321144599475259 },
                 { 15, 0.00129054792820926 },
                 { 16, 0.000429556796559368 },
                 { 17, 9.70828780262767e-5 },
                 { 18, 1.94616381848311e-5 },
                 { 31, 9.41830672543491e-8 } };
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) assert_within(fabs(f[want[i].i] / want[i].f - 1), 1e-13);
    c.rope[0].scaling = ROPE_DEFAULT;
    double table[2 * 64];
    rotary_table(&c, 0, 2, 2, table);
    assert_true(table[0] == 1 && table[32] == 0);
    assert_within(fabs(table[64 + 0] - 0.5403023058681398), 1e-15);
    assert_within(fabs(table[64 + 32] - 0.8414709848078965), 1e-15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        reference_test(forward_agrees_with_the_reference),
        reference_test(gradients_of_pairs_agree_with_peft),
        reference_test(gradients_of_pairs_are_differences),
        cmocka_unit_test(gradients_of_weights_are_differences),
        cmocka_unit_test(partial_backward_gives_the_same_numbers),
        cmocka_unit_test(sharing_a_prefix_changes_nothing),
        cmocka_unit_test(packing_and_chunks_change_nothing),
        cmocka_unit_test(backward_in_chunks_and_twice),
        cmocka_unit_test(bad_batches_are_refused),
        cmocka_unit_test(numbers_that_are_not_finite_name_the_model),
        cmocka_unit_test(nothing_is_allocated_twice),
        cmocka_unit_test(rotary_frequencies_are_llama3s),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
