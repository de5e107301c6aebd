#include "core/error.h"
#include "core/file.h"
#include "core/json.h"
#include "core/memory.h"
#include "core/nearest.h"
#include "core/rng.h"
#include "core/stats.h"
#include "core/str.h"
#include "core/test.h"

static void utf8_accepts_and_refuses(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        int         len;
        unsigned    cp;
    } cases[] = {
        { "a", 1, 'a' },
        { "\xC3\xA9", 2, 0xE9 },
        { "\xE2\x96\x81", 3, 0x2581 },
        { "\xF0\x9F\x98\x80", 4, 0x1F600 },
        { "\xC0\x80", 0, 0 },
        { "\xED\xA0\x80", 0, 0 },
        { "\xF4\x90\x80\x80", 0, 0 },
        { "\x80", 0, 0 },
        { "\xE2\x96", 0, 0 },
        { "\xE0\x80\x80", 0, 0 },
        { "\xFF", 0, 0 },
        { "\xF4\x8F\xBF\xBF", 4, 0x10FFFF },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        unsigned cp = 0;
        int      k  = utf8_decode(cases[i].bytes, strlen(cases[i].bytes), &cp);
        assert_int_equal(k, cases[i].len);
        if (!k) continue;
        assert_int_equal(cp, cases[i].cp);
        char back[4];
        assert_int_equal(utf8_encode(cp, back), k);
        assert_memory_equal(back, cases[i].bytes, k);
    }
}

static void json_refuses_with_the_place(void **state)
{
    (void)state;
    static const struct {
        const char *text, *part;
    } cases[] = {
        { "", "is empty" },
        { "{\"a\": 1,\n  oops}", "x.json: line 2, column" },
        { "{\"a\": 1", "not valid JSON" },
        { "[1] 2", "text after the end" },
        { "[\"\xFF\"]", "not valid UTF-8" },
        { "[\"a\\\\u0000\",\n \"b\\u0000\"]", "line 2, column 4: holds \\u0000" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json *j = NULL;
        assert_input_error(json_parse(&j, cases[i].text, strlen(cases[i].text), "x.json"), cases[i].part);
        assert_null(j);
    }
    char deep[2000];
    memset(deep, '[', sizeof deep);
    json *j = NULL;
    assert_input_error(json_parse(&j, deep, sizeof deep, "x.json"), "deeper than 512");
}

static void json_getters_name_key_value_and_range(void **state)
{
    (void)state;
    const char *text = "{\"n\": 3.5, \"s\": \"x\", \"big\": 70000}";
    json       *j;
    assert_ok(json_parse(&j, text, strlen(text), "c.json"));
    int64_t     v;
    const char *s;
    assert_input_error(json_get_int(j, "c.json", "n", 1, 9, &v), "\"n\": 3.5");
    assert_input_error(json_get_int(j, "c.json", "big", 1, 65536, &v), "1..65536");
    assert_input_error(json_get_int(j, "c.json", "none", 1, 9, &v), "\"none\" is missing");
    assert_input_error(json_get_str(j, "c.json", "n", &s), "must be a string");
    assert_ok(json_get_str(j, "c.json", "s", &s));
    assert_string_equal(s, "x");
    json_free(j);
}

static void json_prints_numbers_that_read_back(void **state)
{
    (void)state;
    static const double values[] = { 0.1, 1e-300, 123456789012345.0, -2.5, 1.0 / 3, 5e-324, 1e22 };
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        json *j = json_object();
        json_set_num(j, "x", values[i]);
        str out = { 0 };
        json_print(j, &out, false);
        json *back;
        assert_ok(json_parse(&back, out.s, out.n, "t"));
        assert_true(json_find(back, "x")->valuedouble == values[i]);
        json_free(back);
        json_free(j);
        str_free(&out);
    }
    str q = { 0 };
    json_quote(&q, "a\"\n\x01\xFF", 5);
    assert_string_equal(q.s, "\"a\\\"\\n\\u0001\xEF\xBF\xBD\"");
    str_free(&q);
}

static void files_are_whole_or_absent(void **state)
{
    (void)state;
    char *dir  = test_tmpdir();
    char *deep = path_join(dir, "a/b");
    assert_ok(file_make_dirs(deep));
    char *path = path_join(deep, "f.txt");
    assert_ok(file_write_atomic(path, "one\ntwo", 7));
    str text = { 0 };
    assert_ok(file_read(path, 100, &text));
    assert_string_equal(text.s, "one\ntwo");
    const char *line;
    size_t      pos = 0, len;
    assert_true(next_line(text.s, text.n, &pos, &line, &len) && len == 3);
    assert_true(next_line(text.s, text.n, &pos, &line, &len) && len == 3);
    assert_false(next_line(text.s, text.n, &pos, &line, &len));
    str_clear(&text);
    assert_input_error(file_read(path, 3, &text), "larger than 3 bytes");
    assert_input_error(file_read(deep, 3, &text), "is a folder");
    assert_input_error(file_read("/nowhere/x", 3, &text), "/nowhere/x");
    static const char pointer[] = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 7\n";
    file_map_t        map;
    assert_ok(file_write_atomic(path, pointer, sizeof pointer - 1));
    assert_input_error(file_read(path, 1000, &text), "is a Git LFS pointer");
    assert_input_error(file_map(&map, path), "is a Git LFS pointer");
    assert_null(map.bytes);
    assert_ok(file_write_atomic(path, "one\ntwo", 7));
    char hex[65];
    assert_ok(sha256_file(path, hex));
    sha256_hex("abc", 3, hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    str_free(&text);
    free(path);
    free(deep);
    test_rmdir(dir);
}

/* First outputs of init_genrand(5489) and of Python's Random(1234). */
static void mt19937_matches_published_streams(void **state)
{
    (void)state;
    mt19937 m;
    mt19937_seed(&m, 5489);
    uint32_t x = 0;
    for (int i = 0; i < 10000; i++) x = mt19937_u32(&m);
    assert_int_equal(x, 4123659995u); /* C++ standard, [rand.predef]: the 10000th value */
    uint32_t key[] = { 0x123, 0x234, 0x345, 0x456 };
    mt19937_seed_array(&m, key, 4);
    assert_int_equal(mt19937_u32(&m), 1067595299u); /* first line of the authors' mt19937ar.out */
    assert_int_equal(mt19937_u32(&m), 955945823u);
}

static void rng_is_uniform_normal_and_repeatable(void **state)
{
    (void)state;
    rng    a = rng_stream(7, "x"), b = rng_stream(7, "x"), c = rng_stream(7, "y");
    double sum = 0, squares = 0;
    bool   differs = false;
    for (int i = 0; i < 100000; i++) {
        double z = rng_normal(&a);
        assert_true(z == rng_normal(&b));
        differs |= z != rng_normal(&c);
        sum += z;
        squares += z * z;
    }
    assert_true(differs);
    assert_within(fabs(sum / 1e5), 0.015);
    assert_within(fabs(squares / 1e5 - 1), 0.02);
    int64_t items[10] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 }, seen = 0;
    rng_shuffle(&a, items, 10);
    for (int i = 0; i < 10; i++) seen |= 1 << items[i];
    assert_int_equal(seen, 1023);
}

static void statistics(void **state)
{
    (void)state;
    static const double x[] = { 4, 1, 3, 2 };
    assert_within(fabs(stats_mean(x, 4) - 2.5), 0);
    assert_within(fabs(stats_sd(x, 4) - sqrt(5.0 / 3)), 1e-15);
    assert_within(fabs(stats_median(x, 4) - 2.5), 0);
    assert_within(fabs(stats_quantile(x, 4, 0.25) - 1.75), 1e-15);
    assert_true(isnan(stats_stderr(x, 1)));
    double with_nan[] = { 1, NAN };
    assert_true(isnan(stats_median(with_nan, 2)));
    assert_within(fabs(stats_t975(2) - 4.303), 1e-3);
    assert_within(fabs(stats_t975(60) - 2.0003), 2e-4);
    assert_within(fabs(stats_normal_cdf(1.959963984540054) - 0.975), 1e-12);
    /* two-sided 5 % points from the table of t, and the closed form for df = 1: 1 - 2/pi atan(t) */
    assert_within(fabs(stats_t_pvalue(4.302652729911275, 2) - 0.05), 1e-10);
    assert_within(fabs(stats_t_pvalue(-2.2281388519649385, 10) - 0.05), 1e-10);
    assert_within(fabs(stats_t_pvalue(3, 1) - (1 - 2 / acos(-1) * atan(3))), 1e-12);
    assert_within(fabs(stats_t_pvalue(0, 5) - 1), 0);
    assert_true(isnan(stats_t_pvalue(NAN, 5)));
    static const double p[] = { 0.01, 0.04, 0.03, 0.005 };
    double              h[4];
    stats_holm(p, 4, h);
    static const double want[] = { 0.03, 0.06, 0.06, 0.02 };
    for (int i = 0; i < 4; i++) assert_within(fabs(h[i] - want[i]), 1e-15);
}

static void arena_keeps_what_it_gave(void **state)
{
    (void)state;
    arena a     = { 0 };
    char *first = arena_strndup(&a, "hello", 5);
    for (int i = 0; i < 1000; i++) {
        char *p = arena_alloc(&a, 5000, 1);
        assert_int_equal((uintptr_t)p % 64, 0);
        memset(p, 1, 5000);
    }
    assert_string_equal(first, "hello");
    arena_free(&a);
}

static void json_from_a_format(void **state)
{
    str   text = { 0 };
    json *j    = json_format("{'a':%s,'b':[%lld,{'c':null}],'d':true}", "it's \"so\"\n\\u0000", -3LL);
    (void)state;
    json_print(j, &text, false);
    assert_string_equal(text.s, "{\"a\":\"it's \\\"so\\\"\\n\\\\u0000\",\"b\":[-3,{\"c\":null}],\"d\":true}");
    json_free(j);
    str_free(&text);
}

static void lists_of_words_for_messages(void **state)
{
    static const char *const words[] = { "lora", "vera", "full", NULL }, *const one[] = { "lora", NULL };
    (void)state;
    assert_int_equal(word_index("full", words), 2);
    assert_int_equal(word_index("ful", words), -1);
    assert_string_equal(words_listed(words, ", ", " or ").text, "lora, vera or full");
    assert_string_equal(words_listed(one, ", ", " or ").text, "lora");
    assert_string_equal(words_listed(one + 1, ", ", " or ").text, "");
    assert_string_equal(did_you_mean("loro", words).text, "; did you mean lora?");
    assert_string_equal(did_you_mean("quite another", words).text, "");
}

/* The interval of a median: its coverage by the binomial distribution, summed here in another way,
 * and of simulated samples whose distribution is skewed as times are. The place further in would
 * cover less than 95 %. */
static double coverage_of(int64_t n, int64_t l)
{
    double inside = 0; /* of n values, more than l and fewer than n - l lie below the median */
    for (int64_t k = l + 1; k < n - l; k++) {
        double log2_p = -(double)n;
        for (int64_t i = 1; i <= k; i++) log2_p += log2((double)(n - k + i) / (double)i);
        inside += exp2(log2_p);
    }
    return inside;
}

static int ascending_double(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void the_interval_of_a_median_covers(void **state)
{
    (void)state;
    static const int64_t sizes[] = { 6, 10, 16, 20, 30, 50, 100, 179, 300, 1000, 4000 };
    rng                  r       = rng_stream(1, "coverage");
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        const int64_t n = sizes[s], l = stats_median_low(n), draws = test_part(n > 500 ? 2000 : 20000);
        const double  exact = coverage_of(n, l);
        double       *x     = mem_alloc((size_t)n, sizeof *x);
        int64_t       holds = 0;
        for (int64_t d = 0; d < draws; d++) {
            for (int64_t i = 0; i < n; i++) x[i] = exp(rng_normal(&r)); /* median 1 */
            qsort(x, (size_t)n, sizeof *x, ascending_double);
            holds += x[l] <= 1 && 1 <= x[n - 1 - l];
        }
        free(x);
        const double share = (double)holds / (double)draws;
        print_message("n %4d: x[%d] .. x[%d], coverage %.3f, simulated %.3f\n", (int)n, (int)l, (int)(n - 1 - l), exact,
                      share);
        assert_true(exact >= 0.95 && exact < 0.98);
        assert_true(coverage_of(n, l + 1) < 0.95);
        assert_within(fabs(share - exact), 5 * sqrt(exact * (1 - exact) / (double)draws));
    }
    assert_int_equal(stats_median_low(5), 0);
    assert_int_equal(stats_median_low(1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(utf8_accepts_and_refuses),
        cmocka_unit_test(json_refuses_with_the_place),
        cmocka_unit_test(json_getters_name_key_value_and_range),
        cmocka_unit_test(json_prints_numbers_that_read_back),
        cmocka_unit_test(files_are_whole_or_absent),
        cmocka_unit_test(mt19937_matches_published_streams),
        cmocka_unit_test(rng_is_uniform_normal_and_repeatable),
        cmocka_unit_test(statistics),
        cmocka_unit_test(json_from_a_format),
        cmocka_unit_test(the_interval_of_a_median_covers),
        cmocka_unit_test(lists_of_words_for_messages),
        cmocka_unit_test(arena_keeps_what_it_gave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
