#include "core/test.h"

#include "core/memory.h"
#include "core/str.h"
#include "model/safetensors.h"

/* Makes a file in memory: the header text, padded with blanks to a multiple of 8 unless `raw`, then
 * n data bytes. */
static str file_of(const char *header, size_t n_data)
{
    str    f = { 0 };
    size_t n = strlen(header);
    for (int i = 0; i < 8; i++) str_putc(&f, (char)(n >> (8 * i) & 0xFF));
    str_puts(&f, header);
    for (size_t i = 0; i < n_data; i++) str_putc(&f, (char)i);
    return f;
}

static int parse(const char *header, size_t n_data)
{
    str          f = file_of(header, n_data);
    safetensors *st;
    int          rc = safetensors_parse(&st, (const unsigned char *)f.s, f.n, "x.safetensors");
    safetensors_close(st);
    str_free(&f);
    return rc;
}

static void hostile_files_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        size_t      n_data;
        const char *message;
    } cases[] = {
        { "", 0, "header: is empty" },
        { "{", 0, "header: line 1" },
        { "[]", 0, "must be one JSON object" },
        { "{} x", 0, "text after the end" },
        { "{\"\xFF\":1}", 0, "not valid UTF-8" },
        { "{\"a\":1}", 0, "tensor \"a\": must be an object" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "once each" },
        { "{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[1]}}", 4, "\"data_offsets\"" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"more\":1}}", 4, "nothing else" },
        { "{\"a\":{\"dtype\":\"F31\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "dtype \"F31\"" },
        { "{\"a\":{\"dtype\":3,\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "\"dtype\" string" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":1,\"data_offsets\":[0,4]}}", 4, "\"shape\" array" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", 4, "no whole number" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1.5],\"data_offsets\":[0,4]}}", 4, "no whole number" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1e300],\"data_offsets\":[0,4]}}", 4, "no whole number" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,4]}}", 4,
          "more than 8 dimensions" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]}}", 0, "overflows" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[9007199254740992,9007199254740992,0],\"data_offsets\":[0,0]}}", 0,
          "overflows" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}", 4, "needs 8 bytes" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}", 4, "do not hold its shape" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 3, "cut short" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[1e18,1e18]}}", 4, "two whole numbers" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[9007199254740988,9007199254740992]}}", 4,
          "cut short" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", 4, "two whole numbers" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4,4]}}", 4, "two whole numbers" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[3,5]}}",
          5, "tensor \"b\": overlaps" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}",
          4, "overlaps" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[8,12]}}",
          12, "tensor \"b\": 4 bytes before it" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 9, "5 bytes after the last tensor" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}",
          8, "tensor \"a\": stands there twice" },
        { "{\"a\\nb\":3}", 0, "tensor \"a?b\"" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        error_clear();
        int rc = parse(cases[i].header, cases[i].n_data);
        if (rc != ERR_INPUT || !strstr(error_text(), cases[i].message) ||
            strncmp(error_text(), "x.safetensors: ", 15) != 0)
            fail_msg("%s: status %d, \"%s\"; wanted \"%s\"", cases[i].header, rc, error_text(), cases[i].message);
    }
}

static void broken_lengths_are_named(void **state)
{
    (void)state;
    safetensors *st;
    assert_input_error(safetensors_parse(&st, NULL, 0, "e"), "e: 0 bytes: too short");
    const unsigned char past[9] = { 2, 0, 0, 0, 0, 0, 0, 0, '{' },
                        huge[9] = { 255, 255, 255, 255, 255, 255, 255, 255, '{' };
    assert_input_error(safetensors_parse(&st, past, 9, "p"), "said to be 2 bytes long");
    assert_input_error(safetensors_parse(&st, huge, 9, "h"), "said to be 18446744073709551615 bytes long");
    size_t         n   = ((size_t)16 << 20) + 9;
    unsigned char *big = mem_alloc(n, 1);
    memset(big, ' ', n);
    for (int i = 0; i < 8; i++) big[i] = (unsigned char)((n - 8) >> (8 * i) & 0xFF);
    assert_input_error(safetensors_parse(&st, big, n, "b"), "at most 16777216 are read");
    free(big);
    str deep = { 0 };
    for (int i = 0; i < 600; i++) str_puts(&deep, "{\"a\":");
    assert_int_equal(parse(deep.s, 0), ERR_INPUT);
    assert_non_null(strstr(error_text(), "nested deeper"));
    str_free(&deep);
    assert_input_error(safetensors_open(&st, "/nowhere/model.safetensors"),
                       "/nowhere/model.safetensors: cannot be read");
}

static void other_formats_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *bytes, *part;
    } cases[] = {
        { "PK\3\4aaaaaaaaaaaa", "is a PyTorch file" }, { "\x80\2}q(aaaaaaaaaa", "is a PyTorch file" },
        { "GGUF\3aaaaaaaaaaaa", "is a GGUF file" },    { "\x93NUMPYaaaaaaaaaa", "is a NumPy file" },
        { "\x1F\x8B\baaaaaaaaaaaa", "gzip" },          { "<!DOCTYPE html><html>", "is a web page" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        safetensors *f;
        assert_input_error(
            safetensors_parse(&f, (const unsigned char *)cases[i].bytes, strlen(cases[i].bytes), "x.safetensors"),
            cases[i].part);
        assert_null(f);
    }
}

/* A header of 640 bytes begins as a pickle does, one of 35615 as gzip. */
static void lengths_are_no_magic(void **state)
{
    static const size_t lengths[] = { 640, 35615 };
    (void)state;
    for (int i = 0; i < 2; i++) {
        char *header = mem_alloc(lengths[i] + 1, 1);
        memset(header, ' ', lengths[i]);
        memcpy(header, "{}", 2);
        assert_ok(parse(header, 0));
        free(header);
    }
}

static void every_dtype_is_converted(void **state)
{
    (void)state;
    static const struct {
        dtype         d;
        unsigned char bytes[8];
        double        value;
    } cases[] = {
        { DT_F64, { 0x9A, 0x99, 0x99, 0x99, 0x99, 0x99, 0xB9, 0x3F }, 0.1 },
        { DT_F32, { 0, 0, 0x20, 0xC0 }, -2.5 },
        { DT_F16, { 0x00, 0x3C }, 1 },
        { DT_F16, { 0xFF, 0x7B }, 65504 },
        { DT_F16, { 0x01, 0x80 }, -0x1p-24 },
        { DT_F16, { 0xFF, 0x03 }, 1023 * 0x1p-24 },
        { DT_F16, { 0x00, 0xFC }, -HUGE_VAL },
        { DT_BF16, { 0x80, 0x3F }, 1 },
        { DT_BF16, { 0x49, 0xC0 }, -3.140625 },
        { DT_I64, { 0xFE, 255, 255, 255, 255, 255, 255, 255 }, -2 },
        { DT_I32, { 0x9C, 255, 255, 255 }, -100 },
        { DT_I16, { 0, 0x80 }, -32768 },
        { DT_I8, { 0x80 }, -128 },
        { DT_U64, { 0, 0, 0, 0, 0, 0, 0, 0x80 }, 9223372036854775808.0 },
        { DT_U32, { 255, 255, 255, 255 }, 4294967295.0 },
        { DT_U16, { 1, 0x80 }, 32769 },
        { DT_U8, { 200 }, 200 },
        { DT_BOOL, { 1 }, 1 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        unsigned char off[9]; /* deliberately not aligned */
        memcpy(off + 1, cases[i].bytes, 8);
        tensor_view t = { .name = "t", .dtype = cases[i].d, .count = 1, .bytes = off + 1 };
        double      f64;
        float       f32;
        assert_ok(tensor_read_f64(&f64, &t, 0, 1));
        assert_ok(tensor_read_f32(&f32, &t, 0, 1));
        if (f64 != cases[i].value || f32 != (float)cases[i].value)
            fail_msg("%s: %g, wanted %g", dtype_name(cases[i].d), f64, cases[i].value);
    }
    unsigned char nan16[2] = { 1, 0x7E };
    double        x;
    assert_ok(tensor_read_f64(&x, &(tensor_view) { .name = "n", .dtype = DT_F16, .count = 1, .bytes = nan16 }, 0, 1));
    assert_true(isnan(x));
    assert_input_error(
        tensor_read_f64(&x, &(tensor_view) { .name = "e", .dtype = DT_F8_E4M3, .count = 1, .bytes = nan16 }, 0, 1),
        "F8_E4M3");
}

/* The exact bytes that the reference implementation writes (safetensors 0.8.0, save_file of {b: f32
 * [2], a: f32 [1, 2], n: int64 [1]}). */
static void files_are_written_as_the_reference_does(void **state)
{
    (void)state;
    static const char header[] =
        "{\"__metadata__\":{\"format\":\"pt\"},\"n\":{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[0,8]},"
        "\"a\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[8,16]},"
        "\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[16,24]}}";
    const float       a[2] = { 1, 2 }, b[2] = { 3, 4 };
    const int64_t     seven = 7;
    const tensor_view t[]   = { tensor_of_f32("b", b, 2, 0),
                                tensor_of_f32("a", a, 1, 2),
                                { .name   = "n",
                                  .dtype  = DT_I64,
                                  .n_dims = 1,
                                  .shape  = { 1 },
                                  .count  = 1,
                                  .bytes  = (const unsigned char *)&seven } };
    char             *dir = test_tmpdir(), *path = path_join(dir, "t.safetensors");
    assert_ok(safetensors_write(path, t, 3));
    str text = { 0 };
    assert_ok(file_read(path, 4096, &text));
    size_t padded = (sizeof header - 1 + 7) / 8 * 8;
    assert_int_equal(text.n, 8 + padded + 24);
    assert_int_equal((unsigned char)text.s[0], padded);
    assert_memory_equal(text.s + 8, header, sizeof header - 1);
    assert_memory_equal(text.s + 8 + padded, &seven, 8);
    assert_memory_equal(text.s + 8 + padded + 8, a, 8);
    assert_memory_equal(text.s + 8 + padded + 16, b, 8);
    str_free(&text);

    safetensors *f;
    assert_ok(safetensors_open(&f, path));
    assert_int_equal(f->n, 3);
    const tensor_view *v;
    assert_ok(safetensors_get(f, "a", 2, (int64_t[]) { 1, 2 }, &v));
    double values[2];
    assert_ok(tensor_read_f64(values, v, 0, 2));
    assert_true(values[0] == 1 && values[1] == 2);
    assert_input_error(safetensors_get(f, "c", 1, (int64_t[]) { 2 }, &v), "tensor \"c\" is missing");
    assert_input_error(safetensors_get(f, "b", 2, (int64_t[]) { 2, 1 }, &v),
                       "tensor \"b\": shape [2]; needed is [2, 1]");
    assert_string_equal(json_find(f->metadata, "format")->valuestring, "pt");
    safetensors_close(f);
    free(path);
    test_rmdir(dir);
}

static void empty_tensors_and_files_are_legal(void **state)
{
    (void)state;
    assert_int_equal(parse("{}", 0), OK);
    assert_int_equal(parse("{\"__metadata__\":{}}   ", 0), OK);
    assert_int_equal(
        parse(
            "{\"a\":{\"dtype\":\"F32\",\"shape\":[0,5],\"data_offsets\":[0,0]},\"b\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]},"
            "\"c\":{\"dtype\":\"F32\",\"shape\":[5,0],\"data_offsets\":[4,4]}}",
            4),
        OK);
}

static void rewriting_a_reference_file_gives_its_bytes(void **state)
{
    (void)state;
    need_data(path, "peft-reference/bases/tiny-random/model.safetensors");
    safetensors *f;
    assert_ok(safetensors_open(&f, path));
    char *dir = test_tmpdir(), *copy = path_join(dir, "copy.safetensors");
    assert_ok(safetensors_write(copy, f->tensors, f->n));
    char want[65], got[65];
    assert_ok(sha256_file(path, want));
    assert_ok(sha256_file(copy, got));
    assert_string_equal(got, want);
    safetensors_close(f);
    free(copy);
    test_rmdir(dir);
}

/* A real file, cut at every length near its header and with single bytes changed, causes neither a
 * crash nor a view outside the file. */
static void damaged_files_never_crash(void **state)
{
    (void)state;
    str good = file_of(
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[0,16]},\"b\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[16,19]}}",
        19);
    for (size_t n = 0; n < good.n; n++) {
        safetensors   *f;
        unsigned char *cut = mem_alloc(n, 1);
        memcpy(cut, good.s, n);
        assert_int_equal(safetensors_parse(&f, cut, n, "cut"), ERR_INPUT);
        free(cut);
    }
    int64_t total = 0;
    for (size_t i = 0; i < good.n - 19; i++) {
        for (int c = 0; c < 256; c++) {
            unsigned char *bad = mem_alloc(good.n, 1);
            memcpy(bad, good.s, good.n);
            bad[i] = (unsigned char)c;
            safetensors *f;
            if (!safetensors_parse(&f, bad, good.n, "bad"))
                for (int64_t t = 0; t < f->n; t++)
                    for (size_t k = 0; k < (size_t)f->tensors[t].count * dtype_bytes(f->tensors[t].dtype); k++)
                        total += f->tensors[t].bytes[k];
            safetensors_close(f);
            free(bad);
        }
    }
    assert_true(total > 0);
    str_free(&good);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hostile_files_are_named),
        cmocka_unit_test(broken_lengths_are_named),
        cmocka_unit_test(other_formats_are_named),
        cmocka_unit_test(lengths_are_no_magic),
        cmocka_unit_test(every_dtype_is_converted),
        cmocka_unit_test(files_are_written_as_the_reference_does),
        cmocka_unit_test(empty_tensors_and_files_are_legal),
        reference_test(rewriting_a_reference_file_gives_its_bytes),
        cmocka_unit_test(damaged_files_never_crash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
