/* Adapter folders against those that PEFT wrote, and round trips of our own. */
#include "adapters/test_peft.h"

enum { PATH_MAX_TEST = 640 };

static double *values_of(const adapter *a, const adapter_tensor *t)
{
    double *x = mem_alloc((size_t)(t->rows * t->cols) + 1, sizeof *x);
    a->be->download(a->be, x, adapter_values(a, t), t->rows * t->cols);
    return x;
}

static void trainable_counts_equal_the_stored_ones(void **state)
{
    (void)state;
    need_data(root, "peft-reference");
    for (int i = 0; i < PEFT_CASES; i++) {
        peft_case c;
        if (!peft_case_open(&c, root, i)) continue;
        adapter *a = peft_case_adapter(&c, backend_find("ref"), NULL);
        assert_int_equal(a->theta_count, (int64_t)json_find(c.info, "trainable")->valuedouble);
        adapter_free(a);
        peft_case_close(&c);
    }
}

static void vera_projections_are_drawn_bit_for_bit(void **state)
{
    (void)state;
    need_data(root, "peft-reference");
    int drawn = 0;
    for (int i = 0; i < PEFT_CASES; i++) {
        if (strncmp(peft_cases[i][1], "vera", 4)) continue;
        peft_case c;
        char      dir[640];
        adapter  *a;
        if (!peft_case_open(&c, root, i)) continue;
        snprintf(dir, sizeof dir, "%s/adapter", c.dir);
        json *config;
        assert_ok(adapter_read_config(&config, dir));
        /* factors that the folder does not hold are drawn again */
        assert_ok(adapter_open(&a, backend_find("ref"), &c.cfg, dir));
        adapter_spec spec = { .sites = a->spec.sites,
                              .rank  = a->spec.rank,
                              .seed  = (uint64_t)json_find(config, "projection_prng_key")->valuedouble };
        adapter     *own;
        assert_ok(method_find(&spec.method, "vera"));
        assert_ok(adapter_new(&own, backend_find("ref"), &c.cfg, spec));
        for (int f = FACTOR_A; f <= FACTOR_B; f += FACTOR_B - FACTOR_A) {
            const adapter_tensor *t    = adapter_find(a, (factor_id)f, 0, SITE_Q);
            double               *want = peft_stored(&c, "perturbed", "factor", t), *got = values_of(a, t),
                   *drawn_here = values_of(own, adapter_find(own, (factor_id)f, 0, SITE_Q));
            assert_memory_equal(got, want, (size_t)(t->rows * t->cols) * 8);
            assert_memory_equal(drawn_here, want, (size_t)(t->rows * t->cols) * 8);
            drawn++;
            free(want);
            free(got);
            free(drawn_here);
        }
        adapter_free(own);
        adapter_free(a);
        json_free(config);
        peft_case_close(&c);
    }
    assert_true(drawn >= 6);
}

/* Compares the rows of `all` [rows, cols] that the final mask keeps, or its columns when by_col,
 * with what the folder holds. */
static void assert_kept(const peft_case *c, const adapter *a, const adapter_tensor *t)
{
    char    path[PATH_MAX_TEST];
    json   *config;
    int64_t r0 = a->spec.rank, at = 0, width = t->factor == FACTOR_A ? t->cols : t->factor == FACTOR_B ? t->rows : 1;
    adapter_tensor whole = *t;
    if (t->factor == FACTOR_A)
        whole.rows = r0;
    else
        whole.cols = r0;
    double *all = peft_stored(c, "perturbed", "step30", &whole), *got = values_of(a, t);
    snprintf(path, sizeof path, "%s/adapter", c->dir);
    assert_ok(adapter_read_config(&config, path));
    snprintf(path, sizeof path, "model.layers.%d.%s.lora_E", (int)t->layer,
             site_module(&a->cfg, (site_id)t->site));
    const json *mask = json_find(json_find(config, "rank_pattern"), path);
    assert_int_equal(json_size(mask), r0);
    int64_t kept = t->factor == FACTOR_A ? t->rows : t->cols, k = 0;
    for (const json *m = mask->child; m; m = m->next, k++) {
        if (!json_is_true(m)) continue;
        for (int64_t i = 0; i < width; i++) {
            double x = t->factor == FACTOR_A ? all[k * width + i] : all[i * r0 + k],
                   y = t->factor == FACTOR_A ? got[at * width + i] : got[i * kept + at];
            assert_true(x == y);
        }
        at++;
    }
    assert_int_equal(at, kept);
    json_free(config);
    free(all);
    free(got);
}

/* A folder's factors equal the stored ones after the last step. A pruned module has the rows that
 * the final mask keeps. */
static void peft_folders_load_with_their_factors(void **state)
{
    (void)state;
    need_data(root, "peft-reference");
    int loaded = 0;
    for (int i = 0; i < PEFT_CASES; i++) {
        peft_case c;
        char      dir[640];
        adapter  *a;
        if (!peft_case_open(&c, root, i)) continue;
        snprintf(dir, sizeof dir, "%s/adapter", c.dir);
        if (!file_is_dir(dir)) {
            peft_case_close(&c);
            continue;
        }
        assert_ok(adapter_open(&a, backend_find("ref"), &c.cfg, dir));
        for (int64_t k = 0; k < a->n_tensors; k++) {
            const adapter_tensor *t = &a->tensors[k];
            if (a->spec.method.allocates) {
                assert_kept(&c, a, t);
                continue;
            }
            double *want = peft_stored(&c, "perturbed", "step10", t), *got = values_of(a, t);
            /* a frozen factor is as it was at the start */
            if (!want) want = peft_stored(&c, "perturbed", "factor", t);
            assert_non_null(want);
            assert_memory_equal(got, want, (size_t)(t->rows * t->cols) * 8);
            free(want);
            free(got);
        }
        loaded++;
        adapter_free(a);
        peft_case_close(&c);
    }
    assert_true(loaded >= 13);
}

static void assert_same(const adapter *a, const adapter *b)
{
    assert_int_equal(a->n_tensors, b->n_tensors);
    assert_int_equal(a->theta_count, b->theta_count);
    assert_int_equal(a->frozen_count, b->frozen_count);
    assert_memory_equal(a->theta, b->theta, (size_t)a->theta_count * a->be->elem);
    assert_memory_equal(a->frozen, b->frozen, (size_t)a->frozen_count * a->be->elem);
    for (int64_t j = 0; j < a->n_jobs; j++) {
        assert_int_equal(a->jobs[j].r, b->jobs[j].r);
        assert_within(fabs(a->jobs[j].s - b->jobs[j].s), 1e-15 * fabs(a->jobs[j].s));
    }
}

static void own_folders_read_back_bit_for_bit(void **state)
{
    (void)state;
    need_data(root, "peft-reference");
    for (int i = 0; i < PEFT_CASES; i++) {
        peft_case c;
        if (!peft_case_open(&c, root, i)) continue;
        adapter *a   = peft_case_adapter(&c, backend_find("cpu"), "perturbed"), *b;
        char    *dir = test_tmpdir();
        json    *config, *extra = json_object();
        json_set_str(extra, "note", "kept");
        assert_ok(adapter_save(a, dir, "base", extra, NULL));
        assert_ok(adapter_open(&b, backend_find("cpu"), &c.cfg, dir));
        assert_same(a, b);
        assert_ok(adapter_read_config(&config, dir));
        assert_string_equal(json_find(json_find(config, "tiebreak"), "note")->valuestring, "kept");
        model_config shape;
        adapter     *without_base;
        assert_ok(adapter_shape(&shape, dir));
        assert_ok(adapter_open(&without_base, backend_find("cpu"), &shape, dir));
        assert_same(a, without_base);
        adapter_free(without_base);
        json_free(config);
        json_free(extra);
        adapter_free(a);
        adapter_free(b);
        test_rmdir(dir);
        peft_case_close(&c);
    }
}

/* Keys, shapes and dtypes of a folder that we write equal those of PEFT's folder. */
static void our_folders_have_pefts_keys_and_shapes(void **state)
{
    (void)state;
    need_data(root, "peft-reference");
    for (int i = 0; i < PEFT_CASES; i++) {
        peft_case c;
        char      path[640];
        adapter  *a;
        if (!peft_case_open(&c, root, i)) continue;
        snprintf(path, sizeof path, "%s/adapter", c.dir);
        if (!file_is_dir(path) || strstr(c.name, "nosave") || strstr(c.name, "vera-qkv-r7")) {
            /* these two leave out the projections */
            peft_case_close(&c);
            continue;
        }
        assert_ok(adapter_open(&a, backend_find("cpu"), &c.cfg, path));
        char *dir = test_tmpdir(), *ours = path_join(dir, "adapter_model.safetensors"),
             *theirs = path_join(path, "adapter_model.safetensors");
        assert_ok(adapter_save(a, dir, c.base, NULL, NULL));
        safetensors *f, *g;
        assert_ok(safetensors_open(&f, ours));
        assert_ok(safetensors_open(&g, theirs));
        assert_int_equal(f->n, g->n);
        for (int64_t k = 0; k < f->n; k++) {
            const tensor_view *t = safetensors_find(f, g->tensors[k].name);
            assert_non_null(t);
            assert_int_equal(t->n_dims, g->tensors[k].n_dims);
            assert_memory_equal(t->shape, g->tensors[k].shape, sizeof(int64_t) * (size_t)t->n_dims);
            assert_int_equal(t->dtype, g->tensors[k].dtype);
            assert_memory_equal(t->bytes, g->tensors[k].bytes, (size_t)t->count * 4);
        }
        json *x, *y;
        assert_ok(adapter_read_config(&x, dir));
        assert_ok(adapter_read_config(&y, path));
        for (const json *m = y->child; m; m = m->next) {
            static const char *const about_training[] = { "target_modules", "target_r",     "tinit",
                                                          "tfinal",         "deltaT",       "total_step",
                                                          "rank_pattern",   "alpha_pattern" };
            bool                     skip             = !strcmp(m->string, "init_lora_weights");
            for (size_t k = 0; k < sizeof about_training / sizeof *about_training; k++)
                skip |= !strcmp(m->string, about_training[k]);
            if (!skip && !peft_same_field(x, m)) fail_msg("%s: config's %s differs", c.name, m->string);
        }
        json_free(x);
        json_free(y);
        safetensors_close(f);
        safetensors_close(g);
        free(ours);
        free(theirs);
        adapter_free(a);
        test_rmdir(dir);
        peft_case_close(&c);
    }
}

static void foreign_folders_are_refused_by_name(void **state)
{
    (void)state;
    need_data(older, "adapters/gpt2-lora-emotion");
    need_data(newer, "adapters/distilbert-lora-imdb");
    need_data(root, "peft-reference");
    adapter  *a;
    peft_case k;
    assert_true(peft_case_open(&k, root, 1));
    assert_input_error(adapter_open(&a, backend_find("cpu"), &k.cfg, older), "score.weight");
    assert_input_error(adapter_open(&a, backend_find("cpu"), &k.cfg, newer), "modules_to_save");
    static const struct {
        const char *from, *to, *part;
    } edits[] = {
        { "\"use_dora\": false", "\"use_dora\": true", "use_dora" },
        { "\"bias\": \"none\"", "\"bias\": \"all\"", "\"bias\"" },
        { "\"init_lora_weights\": true", "\"init_lora_weights\": \"pissa_niter_4\"", "pissa_niter_4" },
        { "\"peft_type\": \"LORA\"", "\"peft_type\": \"LILY\"", "LILY" },
        { "\"r\": 4", "\"r\": -1", "\"r\": -1" },
        { "\"lora_alpha\": 6", "\"lora_alpha\": \"six\"", "lora_alpha" },
    };
    char from[640], command[1400], *dir = test_tmpdir(), *config = path_join(dir, "adapter_config.json"),
                                   *weights = path_join(dir, "adapter_model.safetensors");
    snprintf(from, sizeof from, "%s/adapter", k.dir);
    for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
        snprintf(command, sizeof command, "cp '%s'/* '%s' && chmod u+w '%s'/* && sed -i 's/%s/%s/' '%s'", from, dir,
                 dir, edits[i].from, edits[i].to, config);
        assert_int_equal(system(command), 0);
        assert_input_error(adapter_open(&a, backend_find("cpu"), &k.cfg, dir), edits[i].part);
        assert_null(a);
    }
    snprintf(command, sizeof command, "cp '%s'/* '%s' && truncate -s 700 '%s'", from, dir, weights);
    assert_int_equal(system(command), 0);
    assert_input_error(adapter_open(&a, backend_find("cpu"), &k.cfg, dir), "adapter_model.safetensors");
    k.cfg.layers = 1;
    assert_input_error(adapter_open(&a, backend_find("cpu"), &k.cfg, from), "has 1 layers");
    k.cfg.layers = 3;
    k.cfg.hidden++;
    assert_input_error(adapter_open(&a, backend_find("cpu"), &k.cfg, from), "lora_A");
    assert_input_error(adapter_open(&a, backend_find("cpu"), &k.cfg, "/nowhere"), "/nowhere");
    free(config);
    free(weights);
    test_rmdir(dir);
    peft_case_close(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        reference_test(trainable_counts_equal_the_stored_ones), reference_test(vera_projections_are_drawn_bit_for_bit),
        reference_test(peft_folders_load_with_their_factors),   reference_test(own_folders_read_back_bit_for_bit),
        reference_test(our_folders_have_pefts_keys_and_shapes), reference_test(foreign_folders_are_refused_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
