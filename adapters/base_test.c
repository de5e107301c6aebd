/* Names of bases that mean the same folder, and those that do not. What is said of them, and the
 * hash, are tested through the verbs (cli/field_test.c). */
#include "adapters/base.h"

#include "core/file.h"
#include "core/test.h"

static void names_that_mean_a_folder(void **state)
{
    (void)state;
    char *dir = test_tmpdir(), *own = path_join(dir, "llama2/"),
         *cached             = path_join(dir, "models--meta-llama--Llama-2-7b-hf/snapshots/0123abcd"),
         *config             = path_join(own, "config.json");
    static const char text[] = "{\"_name_or_path\":\"meta-llama/Llama-3.2-1B\"}";
    assert_ok(file_make_dirs(own));
    assert_ok(file_make_dirs(cached));
    assert_ok(file_write_atomic(config, text, sizeof text - 1));
    static const struct {
        const char *name;
        bool        own, cached;
    } cases[] = {
        { "llama2", true, false },
        { "bases/Llama2/", true, false },
        { "/somewhere/llama2", true, false },
        { "meta-llama/Llama-3.2-1B", true, false },
        { "meta-llama/Llama-2-7b-hf", false, true },
        { "Llama-2-7b-hf", false, false }, /* whose? */
        { "llama", false, false },
        { "llama22", false, false },
        { "other/mistral", false, false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (adapter_base_is_named(cases[i].name, own) != cases[i].own ||
            adapter_base_is_named(cases[i].name, cached) != cases[i].cached)
            fail_msg("%s", cases[i].name);
    free(config);
    free(own);
    free(cached);
    test_rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(names_that_mean_a_folder) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
