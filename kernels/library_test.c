/* Loading a backend from a shared object: what is said when that fails. The success is every
 * test on `cuda-emulated`. */
#include "kernels/library.h"

#include <dlfcn.h>

#include "core/error.h"
#include "core/file.h"
#include "core/test.h"
#include "kernels/facts.h"

static void expect(const char *path, const char *part)
{
    setenv("TIEBREAK_CUDA", path, 1);
    error_clear();
    assert_null(backend_find("cuda"));
    if (!strstr(error_text(), part)) fail_msg("TIEBREAK_CUDA=%s: \"%s\"; wanted \"%s\"", path, error_text(), part);
    assert_non_null(strstr(error_text(), "make cuda"));
    unsetenv("TIEBREAK_CUDA");
}

static void libraries_that_do_not_load(void **state)
{
    (void)state;
    char *dir = test_tmpdir(), text[64], none[64];
    snprintf(none, sizeof none, "%s/none.so", dir);
    snprintf(text, sizeof text, "%s/text.so", dir);
    assert_ok(file_write_atomic(text, "hello", 5));
    expect(none, "no such file");
    expect(text, "does not load");
    expect("/proc/self/exe", "does not load");
    test_rmdir(dir);
}

static int reports;
static int count_report(const char *format, ...) __attribute__((format(printf, 1, 2)));
static int count_report(const char *format, ...)
{
    assert_non_null(strstr(format, "another version"));
    reports++;
    return ERR_FAILED;
}

/* A program from other sources: by its number, or by a table of another size. */
static void other_versions_are_refused(void **state)
{
    (void)state;
    const backend *be = backend_find("cuda-emulated");
    if (!be) skip_because("%s", error_text());
    assert_ptr_equal(backend_find("cuda-emulated"), be); /* opened once */
    Dl_info where;
    void   *symbol;
    memcpy(&symbol, &be->add, sizeof symbol);
    assert_int_not_equal(dladdr(symbol, &where), 0);
    void          *library = dlopen(where.dli_fname, RTLD_NOW);
    backend_opener open;
    symbol = dlsym(library, BACKEND_OPENER);
    memcpy(&open, &symbol, sizeof open);
    assert_null(open(BACKEND_LIBRARY_VERSION + 1, sizeof(backend), count_report, "f32", 0));
    assert_null(open(BACKEND_LIBRARY_VERSION, sizeof(backend) - 8, count_report, "f32", 0));
    assert_int_equal(reports, 2);
    dlclose(library);
}

/* The emulator says that it is one, and nothing of a driver: a GPU in the same machine does not
 * speak for it. */
static void what_a_device_says_of_itself(void **state)
{
    (void)state;
    const backend *be = backend_find("cuda-emulated");
    if (!be) skip_because("%s", error_text());
    json *facts = backend_facts(be);
    assert_non_null(strstr(json_find(facts, "name")->valuestring, "emulated"));
    assert_null(json_find(facts, "driver"));
    assert_non_null(json_find(facts, "compute_capability"));
    assert_null(backend_facts(backend_find("cpu")));
    json_free(facts);
}

static void peak_memory(void **state)
{
    (void)state;
    const backend *be = backend_find("cuda-emulated");
    if (!be) skip_because("%s", error_text());
    int64_t before = be->peak_bytes(be);
    void   *one    = be->alloc_bytes(be, before + 1000);
    int64_t grown  = be->peak_bytes(be);
    assert_true(grown >= before + 1000);
    be->release(be, one);
    be->release(be, be->alloc_bytes(be, 1000)); /* below the peak: the first is not held any more */
    assert_int_equal(be->peak_bytes(be), grown);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(libraries_that_do_not_load),
                                        cmocka_unit_test(other_versions_are_refused),
                                        cmocka_unit_test(what_a_device_says_of_itself), cmocka_unit_test(peak_memory) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
