#include "adapters/card.h"

#include "core/file.h"
#include "core/test_record.h"
#include "metrics/test_lines.h"
#include "model/decoder.h"

static const char case_dir[] = "peft-reference/cases/tiny-random/lora-qkv-r8";

static void a_peft_folder_is_described_by_what_it_is(void **state)
{
    (void)state;
    need_data(base, "peft-reference/bases/tiny-random");
    char     dir[1024];
    json    *card;
    adapter *a;
    model   *m;
    snprintf(dir, sizeof dir, "%s/adapter", test_data(case_dir));
    assert_ok(model_open(&m, base, backend_find("cpu"), false));
    assert_ok(adapter_open(&a, m->be, &m->cfg, dir));
    assert_ok(adapter_card_read(&card, dir, a));
    assert_string_equal(at(card, "method")->valuestring, "lora");
    assert_string_equal(at(card, "sites")->valuestring, "q,k,v");
    assert_true(number_at(card, "rank") == 8 && number_at(card, "alpha") == 16);
    assert_true(cJSON_IsNull(at(card, "seed")) && cJSON_IsNull(at(card, "train")));
    assert_int_equal(strlen(at(card, "sha256")->valuestring), 64);
    assert_true(weights_bytes(dir) > 4 * a->theta_count);
    json_free(card);
    adapter_free(a);
    model_close(m);
}

static void write_text(const char *path, const char *text) { assert_ok(file_write_atomic(path, text, strlen(text))); }

static void a_plain_base_has_no_card_and_a_broken_one_is_named(void **state)
{
    (void)state;
    char *dir = test_tmpdir(), *file = path_join(dir, "tiebreak.json");
    json *base, *adapted;
    assert_ok(full_card_read(&base, &adapted, dir));
    assert_true(!base && !adapted);
    json       *record = test_record("eval-full");
    const json *asked  = record_get(record, field_record_asked);
    assert_ok(full_card_write(asked, dir));
    assert_ok(full_card_read(&base, &adapted, dir));
    assert_true(json_equal(base, record_get(asked, field_asked_base)));
    assert_true(json_equal(adapted, record_get(asked, field_asked_adapter)));
    json_free(base);
    json_free(adapted);
    json_free(record);
    write_text(file, "{\"base\":{\"name\":\"b\",\"sha256\":\"x\"},\"adapter\":{\"method\":\"full\"}}");
    assert_input_error(full_card_read(&base, &adapted, dir), "tiebreak.json: \"spec\" is missing");
    write_text(file, "{\"base\":7}");
    assert_input_error(full_card_read(&base, &adapted, dir), "tiebreak.json");
    free(file);
    test_rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        reference_test(a_peft_folder_is_described_by_what_it_is),
        cmocka_unit_test(a_plain_base_has_no_card_and_a_broken_one_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
