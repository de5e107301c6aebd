#include "eval/lm/identity.h"

#include "eval/test_model.h"
#include "adapters/adapter.h"

/* One prompt of `n` made-up tokens. */
static request prompt_of(int64_t n)
{
    request r = { 0 };
    for (int64_t i = 0; i < n; i++) ids_push(&r.input, (int32_t)(3 + 7 * i % 40));
    return r;
}

static void an_adapter_at_its_start_changes_no_logit(void **state)
{
    (void)state;
    need_data(base, "peft-reference/bases/tiny-random");
    static const char *const methods[] = { "lora", "tied-lora", "vera", "adalora" };
    test_model               t         = open_test_model(base);
    request                  prompts[] = { prompt_of(5), prompt_of(12) };
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        adapter_spec  spec = { .rank = 2, .seed = 1 };
        adapter      *a;
        adapter_delta d;
        assert_ok(method_find(&spec.method, methods[i]));
        assert_ok(site_set_parse(&spec.sites, "q,v"));
        assert_ok(adapter_new(&a, t.model->be, &t.model->cfg, spec));
        adapter_expand(a);
        assert_ok(identity_probe(t.dec, adapter_pairs(a), prompts, 2, t.model->cfg.positions, &d));
        assert_true(d.items == 2 && d.rows == 13 && d.max_abs_logit == 0 && d.mean_abs_logit == 0 &&
                    d.argmax_changed == 0);
        adapter_free(a);
    }
    request_free(&prompts[0]);
    request_free(&prompts[1]);
    close_test_model(&t);
}

/* The probe agrees with the decoder asked row by row, and looks at the end of a prompt that is
 * longer than the model takes. */
static void a_trained_adapter_is_measured(void **state)
{
    (void)state;
    need_data(base, "peft-reference/bases/tiny-random");
    char          dir[1024];
    adapter      *a;
    adapter_delta d;
    test_model    t     = open_test_model(base);
    request       whole = prompt_of(9);
    double       *with  = mem_alloc((size_t)t.model->cfg.vocab, sizeof *with),
           *without     = mem_alloc((size_t)t.model->cfg.vocab, sizeof *without);
    double max = 0, sum = 0;
    snprintf(dir, sizeof dir, "%s/adapter", test_data("peft-reference/cases/tiny-random/lora-qkv-r8"));
    assert_ok(adapter_open(&a, t.model->be, &t.model->cfg, dir));
    adapter_expand(a);
    assert_ok(identity_probe(t.dec, adapter_pairs(a), &whole, 1, 9, &d));
    for (int32_t row = 1; row < 9; row++) {
        int32_t pos[9] = { 0, 1, 2, 3, 4, 5, 6, 7, 8 };
        segment s      = { 0, 9, -1 };
        batch   b      = { .n_tokens   = 9,
                           .n_segments = 1,
                           .n_rows     = 1,
                           .ids        = whole.input.ids,
                           .pos        = pos,
                           .segments   = &s,
                           .rows       = &row };
        assert_ok(decoder_forward(t.dec, &b, NULL, false));
        assert_ok(decoder_logits(t.dec, 0, 1, without));
        assert_ok(decoder_forward(t.dec, &b, adapter_pairs(a), false));
        assert_ok(decoder_logits(t.dec, 0, 1, with));
        for (int64_t v = 0; v < t.model->cfg.vocab; v++) {
            max = fmax(max, fabs(with[v] - without[v]));
            sum += fabs(with[v] - without[v]);
        }
    }
    assert_true(d.items == 1 && d.rows == 8 && max > 0 && d.max_abs_logit == max);
    assert_within(fabs(d.mean_abs_logit / (sum / (8.0 * (double)t.model->cfg.vocab)) - 1), 1e-12);
    assert_ok(identity_probe(t.dec, adapter_pairs(a), &whole, 1, 4, &d));
    assert_true(d.rows == 4 && d.max_abs_logit > 0);
    free(with);
    free(without);
    request_free(&whole);
    adapter_free(a);
    close_test_model(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        reference_test(an_adapter_at_its_start_changes_no_logit),
        reference_test(a_trained_adapter_is_measured),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
