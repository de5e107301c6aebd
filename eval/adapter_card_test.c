#include "adapters/card.h"

#include "eval/test_model.h"
#include "model/safetensors.h"

static const char case_dir[] = "peft-reference/cases/tiny-random/lora-qkv-r8";

static void a_peft_folder_is_described_by_what_it_is(void **state)
{
    (void)state;
    need_data(base, "peft-reference/bases/tiny-random");
    char     dir[1024];
    json    *card;
    adapter *a;
    snprintf(dir, sizeof dir, "%s/adapter", test_data(case_dir));
    test_model t = open_test_model(base);
    assert_ok(adapter_open(&a, t.model->be, &t.model->cfg, dir));
    assert_ok(adapter_card_read(&card, dir, a));
    assert_string_equal(at(card, "method")->valuestring, "lora");
    assert_string_equal(at(card, "sites")->valuestring, "q,k,v");
    assert_true(number_at(card, "rank") == 8 && number_at(card, "alpha") == 16);
    assert_true(cJSON_IsNull(at(card, "seed")) && cJSON_IsNull(at(card, "train")));
    assert_int_equal(strlen(at(card, "sha256")->valuestring), 64);
    assert_true(weights_bytes(dir) > 4 * a->theta_count);
    json_free(card);
    adapter_free(a);
    close_test_model(&t);
}

static void write_text(const char *path, const char *text) { assert_ok(file_write_atomic(path, text, strlen(text))); }

static void a_plain_base_has_no_card_and_a_broken_one_is_named(void **state)
{
    (void)state;
    char *dir = test_tmpdir(), *file = path_join(dir, "tiebreak.json");
    json *base, *adapted;
    assert_ok(full_card_read(&base, &adapted, dir));
    assert_true(!base && !adapted);
    write_text(file, "{\"base\":{\"name\":\"b\",\"sha256\":\"x\"},\"adapter\":{\"method\":\"full\"}}");
    assert_ok(full_card_read(&base, &adapted, dir));
    assert_string_equal(at(adapted, "method")->valuestring, "full");
    json_free(base);
    json_free(adapted);
    write_text(file, "{\"base\":7}");
    assert_input_error(full_card_read(&base, &adapted, dir), "tiebreak.json");
    free(file);
    test_rmdir(dir);
}

/* --- ready-made ids through the harness against PyTorch's losses */

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
    task        *k;
    assert_ok(safetensors_open(&f, test_data("peft-reference/batches/tiny-random.safetensors")));
    assert_ok(task_open(&k, "tokens", NULL));
    for (int i = 0; i < 10; i++) {
        dataset       *data;
        harness_result r;
        write_tokens(f, i, file);
        assert_ok(task_read(k, file, &data));
        assert_ok(harness_run(&(harness) { .dec = t.dec, .task = k, .data = data, .quiet = true }, &r));
        double loss = cJSON_GetArrayItem(at(want, "loss_f64"), i)->valuedouble;
        assert_string_equal(r.metrics.rows[0].name, "loss");
        /* PyTorch's own float32 is up to 1e-7 off here. */
        assert_within(fabs(r.value[0] / loss - 1), 1e-6);
        harness_result_free(&r);
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
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_peft_folder_is_described_by_what_it_is),
        cmocka_unit_test(a_plain_base_has_no_card_and_a_broken_one_is_named),
        cmocka_unit_test(losses_of_ready_made_ids_are_pytorchs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
