/* Exports as plain LoRA, compared with the folders that PEFT loaded and with the map itself. */
#include "core/rng.h"
#include "adapters/test_peft.h"

/* The adapter as the case's folders hold it: with the trained factors after the last step. */
static adapter *after_training(const peft_case *c)
{
    adapter *a = peft_case_adapter(c, backend_find("ref"), "perturbed");
    for (int64_t i = 0; i < a->n_tensors; i++) {
        double *x = a->tensors[i].trained ? peft_stored(c, "perturbed", "step10", &a->tensors[i]) : NULL;
        if (x) a->be->upload(a->be, adapter_values(a, &a->tensors[i]), x, a->tensors[i].rows * a->tensors[i].cols);
        free(x);
    }
    adapter_expand(a);
    return a;
}

static void assert_same_json_but_order(const json *mine, const json *theirs, const char *key)
{
    const json *x = json_find(mine, key), *y = json_find(theirs, key);
    if (x && json_is_array(y) && json_size(x) == json_size(y)) {
        /* PEFT writes sets in any order */
        for (const json *m = y->child; m; m = m->next) {
            bool found = false;
            for (const json *n = x->child; n; n = n->next) found |= json_equal(n, m);
            if (!found) fail_msg("config's %s lacks an entry", key);
        }
    } else if (!peft_same_field(mine, y)) {
        fail_msg("config's %s differs", key);
    }
}

/* The fields of peft.LoraConfig in PEFT 0.8.2, all of which later versions have too. */
static const char *const peft_0_8[] = { "peft_type",
                                        "auto_mapping",
                                        "base_model_name_or_path",
                                        "revision",
                                        "task_type",
                                        "inference_mode",
                                        "r",
                                        "target_modules",
                                        "lora_alpha",
                                        "lora_dropout",
                                        "fan_in_fan_out",
                                        "bias",
                                        "use_rslora",
                                        "modules_to_save",
                                        "init_lora_weights",
                                        "layers_to_transform",
                                        "layers_pattern",
                                        "rank_pattern",
                                        "alpha_pattern",
                                        "megatron_config",
                                        "megatron_core",
                                        "loftq_config" };

static void exports_equal_the_stored_ones(void **state)
{
    (void)state;
    need_data(root, "peft-reference");
    int compared = 0, values = 0, differ = 0;
    for (int i = 0; i < PEFT_CASES; i++) {
        peft_case c;
        char      theirs[640];
        if (!peft_case_open(&c, root, i)) continue;
        snprintf(theirs, sizeof theirs, "%s/export", c.dir);
        if (file_is_dir(theirs)) {
            adapter *a   = after_training(&c);
            char    *dir = test_tmpdir(), *p = path_join(dir, "adapter_model.safetensors"),
                 *q = path_join(theirs, "adapter_model.safetensors");
            assert_ok(adapter_export_lora(a, dir, c.base));
            safetensors *f, *g;
            assert_ok(safetensors_open(&f, p));
            assert_ok(safetensors_open(&g, q));
            assert_int_equal(f->n, g->n);
            for (int64_t k = 0; k < g->n; k++) {
                const tensor_view *t = safetensors_find(f, g->tensors[k].name);
                assert_non_null(t);
                assert_memory_equal(t->shape, g->tensors[k].shape, 2 * sizeof(int64_t));
                for (int64_t e = 0; e < t->count; e++) {
                    /* equal up to one rounding: at most the neighbouring f32 */
                    float x, y;
                    memcpy(&x, t->bytes + 4 * e, 4);
                    memcpy(&y, g->tensors[k].bytes + 4 * e, 4);
                    if (x != y && nextafterf(x, y) != y)
                        fail_msg("%s: %s[%d]: %.9g, stored %.9g", c.name, t->name, (int)e, x, y);
                    differ += x != y;
                    values++;
                }
            }
            json *x, *y;
            assert_ok(adapter_read_config(&x, dir));
            assert_ok(adapter_read_config(&y, theirs));
            /* a plain folder has no block of our own, and no field that PEFT 0.8 does not know */
            for (const json *m = x->child; m; m = m->next) {
                bool known = false;
                for (size_t k = 0; k < sizeof peft_0_8 / sizeof *peft_0_8; k++)
                    known |= !strcmp(m->string, peft_0_8[k]);
                if (!known) fail_msg("config's %s is not a field of PEFT 0.8", m->string);
            }
            for (const json *m = y->child; m; m = m->next) assert_same_json_but_order(x, y, m->string);
            json_free(x);
            json_free(y);
            safetensors_close(f);
            safetensors_close(g);
            free(p);
            free(q);
            adapter_free(a);
            test_rmdir(dir);
            compared++;
        }
        peft_case_close(&c);
    }
    print_message("%d folders, %d values, %d differ in the last bit\n", compared, values, differ);
    assert_true(compared >= 12);
}

/* Grouped-query attention makes q and k differ in width; no dimension divides another. */
static const model_config shape = { .name      = "t",
                                    .layers    = 3,
                                    .hidden    = 10,
                                    .inter     = 7,
                                    .heads     = 5,
                                    .kv_heads  = 1,
                                    .head_dim  = 2,
                                    .vocab     = 11,
                                    .positions = 9 };

static adapter *random_adapter(const char *name, site_set sites, const int64_t *ranks)
{
    adapter_spec spec = { .sites = sites, .rank = 3, .seed = 4, .module_rank = ranks };
    adapter     *a;
    rng          r = rng_seed(8);
    assert_ok(method_find(&spec.method, name));
    if (method_takes_alpha(&spec.method)) spec.alpha = 5;
    assert_ok(adapter_new(&a, backend_find("ref"), &shape, spec));
    for (int64_t i = 0; i < a->theta_count; i++) ((double *)a->theta)[i] = rng_normal(&r);
    adapter_expand(a);
    return a;
}

/* The pair that the exported module makes equals the original pair's rows from `first` on. */
static void assert_pairs_equal(const adapter *a, const adapter *e, int64_t layer, int from, int64_t first, int to)
{
    const pair_arrays *p = &adapter_pairs(a)[layer * SITE_COUNT + from],
                      *q = &adapter_pairs(e)[layer * SITE_COUNT + to];
    assert_int_equal(p->r, q->r);
    const double *A = host_values(a->be, p->A), *B = host_values(a->be, p->B), *Ae = host_values(e->be, q->A),
                 *Be = host_values(e->be, q->B);
    for (int64_t k = 0; k < p->r; k++)
        for (int64_t i = 0; i < site_in(&shape, (site_id)to); i++)
            assert_true(Ae[k * q->lda + i] == (double)(float)A[k * p->lda + i]);
    int64_t n = site_out(&shape, (site_id)to) * p->r;
    /* one f32 rounding is 2^-24 an element */
    if (n) assert_within(rel_err(Be, B + first * p->r, n), 1e-7);
}

static void every_method_exports_its_pairs(void **state)
{
    (void)state;
    static const char *const specs[] = {
        "A=group:2:train,R=tied:train,B=model:train,v=tied:train,s=0.3",
        "A=layer:train:zero,R=model:train:kaiming,B=group:2:train,u=tied:train,s=alpha/sqrt(r)"
    };
    for (int i = 0; method_row(i) || i < 15; i++) {
        const char *name = method_row(i) ? method_row(i)->name : specs[i - 13];
        for (int fused = 0; fused < 2; fused++) {
            site_set sites = fused ? 1u << SITE_QKV | 1u << SITE_DOWN : 1u << SITE_Q | 1u << SITE_V | 1u << SITE_DOWN;
            adapter *a     = random_adapter(name, sites, NULL), *e;
            char    *dir   = test_tmpdir();
            model_config told;
            assert_ok(adapter_export_lora(a, dir, NULL));
            assert_ok(adapter_shape(&told, dir));
            assert_ok(adapter_open(&e, backend_find("ref"), &told, dir));
            assert_string_equal(e->spec.method.name, "lora");
            for (int64_t l = 0; l < shape.layers; l++) {
                assert_pairs_equal(a, e, l, fused ? SITE_QKV : SITE_Q, 0, SITE_Q);
                if (fused) assert_pairs_equal(a, e, l, SITE_QKV, 10, SITE_K);
                assert_pairs_equal(a, e, l, fused ? SITE_QKV : SITE_V, fused ? 12 : 0, SITE_V);
                assert_pairs_equal(a, e, l, SITE_DOWN, 0, SITE_DOWN);
            }
            adapter_free(a);
            adapter_free(e);
            test_rmdir(dir);
        }
    }
}

static void ranks_that_differ_become_patterns(void **state)
{
    (void)state;
    int64_t ranks[3 * SITE_COUNT] = { 0 }; /* layer 0 has q 3 and v 1; layer 1 nothing; layer 2 q 2 */
    ranks[SITE_Q] = 3, ranks[SITE_V] = 1, ranks[2 * SITE_COUNT + SITE_Q] = 2;
    adapter *a   = random_adapter("adalora", 1u << SITE_Q | 1u << SITE_V, ranks), *e;
    char    *dir = test_tmpdir();
    json    *config;
    assert_ok(adapter_export_lora(a, dir, "base"));
    assert_ok(adapter_read_config(&config, dir));
    assert_int_equal(json_size(json_find(config, "rank_pattern")), 2);
    assert_int_equal(json_size(json_find(config, "alpha_pattern")), 2);
    /* these are whole paths, because layer 1 has nothing */
    assert_int_equal(json_size(json_find(config, "target_modules")), 3);
    assert_string_equal(json_find(config, "target_modules")->child->valuestring, "model.layers.0.self_attn.q_proj");
    assert_ok(adapter_open(&e, backend_find("ref"), &shape, dir));
    for (int64_t l = 0; l < 3; l++) {
        assert_pairs_equal(a, e, l, SITE_Q, 0, SITE_Q);
        assert_pairs_equal(a, e, l, SITE_V, 0, SITE_V);
    }
    assert_ok(adapter_export_lora(a, dir, "base")); /* exporting the same again changes nothing */
    ((double *)a->theta)[0] += 1;
    assert_input_error(adapter_export_lora(a, dir, "base"), "holds another adapter");
    json_free(config);
    adapter_free(a);
    adapter_free(e);
    test_rmdir(dir);
    memset(ranks, 0, sizeof ranks);
    a = random_adapter("adalora", 1u << SITE_Q, ranks);
    assert_input_error(adapter_export_lora(a, "/nowhere", NULL), "nothing to export");
    adapter_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        reference_test(exports_equal_the_stored_ones),
        cmocka_unit_test(every_method_exports_its_pairs),
        cmocka_unit_test(ranks_that_differ_become_patterns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
