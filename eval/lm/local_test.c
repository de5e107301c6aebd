/* Compares the losses of a model that runs here, through the harness, with PyTorch's. */
#include "eval/lm/local.h"

#include "eval/test_model.h"
#include "model/safetensors.h"

/* Batch i of the reference as the JSONL that the task `tokens` reads. */
static void write_tokens(const safetensors *f, int number, const char *path)
{
    static const char *const parts[] = { "input_ids", "attention_mask", "labels" };
    double                   values[3][1024];
    int64_t                  rows = 0, width = 0;
    str                      text = { 0 };
    for (int p = 0; p < 3; p++) {
        char name[64];
        snprintf(name, sizeof name, "batch%d/%s", number, parts[p]);
        const tensor_view *t = safetensors_find(f, name);
        assert_non_null(t);
        assert_true(t->count <= 1024);
        assert_ok(tensor_read_f64(values[p], t, 0, t->count));
        rows  = t->shape[0];
        width = t->shape[1];
    }
    for (int64_t r = 0; r < rows; r++) {
        for (int p = 0; p < 3; p += 2) {
            str_puts(&text, p ? "],\"labels\":[" : "{\"input_ids\":[");
            for (int64_t i = 0; i < width && values[1][r * width + i] != 0; i++)
                str_printf(&text, "%s%d", i ? "," : "", (int)values[p][r * width + i]);
        }
        str_puts(&text, "]}\n");
    }
    assert_ok(file_write_atomic(path, text.s, text.n));
    str_free(&text);
}

static void losses_of_ready_made_ids_are_pytorchs(void **state)
{
    (void)state;
    need_data(base, "peft-reference/bases/tiny-random");
    char        *dir = test_tmpdir(), *file = path_join(dir, "tokens.jsonl");
    json        *want = read_json(test_data("peft-reference/batches/tiny-random.json"));
    safetensors *f;
    test_model   t = open_test_model(base);
    local_lm     m = local_over(t.dec, NULL, NULL, 0);
    task        *k;
    assert_ok(safetensors_open(&f, test_data("peft-reference/batches/tiny-random.safetensors")));
    assert_ok(task_open(&k, "tokens", NULL));
    for (int i = 0; i < 10; i++) {
        dataset       *data;
        harness_plan   plan;
        harness_result r;
        write_tokens(f, i, file);
        assert_ok(task_read(k, file, &data));
        assert_ok(plan_and_run(&(harness) { .lm = &m.lm, .task = k, .data = data, .quiet = true }, &plan, &r));
        double loss = cJSON_GetArrayItem(at(want, "loss_f64"), i)->valuedouble;
        assert_string_equal(plan.metrics.rows[0].name, "loss");
        /* PyTorch's own float32 is up to 1e-7 off here. */
        assert_within(fabs(r.value[0] / loss - 1), 1e-6);
        harness_result_free(&r);
        harness_plan_free(&plan);
        dataset_free(data);
    }
    task_close(k);
    close_test_model(&t);
    safetensors_close(f);
    json_free(want);
    free(file);
    test_rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = { reference_test(losses_of_ready_made_ids_are_pytorchs) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
