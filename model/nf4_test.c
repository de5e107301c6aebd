/* NF4 against the bytes and values that bitsandbytes' rules give, and against its own
 * definition. */
#include "core/memory.h"
#include "core/rng.h"
#include "core/test.h"
#include "core/test_reference.h"
#include "kernels/nf4.h"
#include "model/safetensors.h"

static void equal_bytes(const safetensors *f, const char *matrix, const char *name, const void *got, int64_t n,
                        size_t size)
{
    char path[96];
    snprintf(path, sizeof path, "%s/%s", matrix, name);
    const tensor_view *t = safetensors_find(f, path);
    if (!t) fail_msg("no tensor %s", path);
    assert_int_equal(t->count, n);
    if (memcmp(got, t->bytes, (size_t)n * size) != 0) fail_msg("%s differs", path);
}

static void codes_scales_and_values_equal_the_reference(void **state)
{
    int64_t matrices = 0;
    (void)state;
    need_data(path, "peft-reference/nf4/nf4.safetensors");
    safetensors *f;
    assert_ok(safetensors_open(&f, path));
    for (int64_t i = 0; i < f->n; i++) {
        const tensor_view *t    = &f->tensors[i];
        char              *name = mem_strdup(t->name), *end = strrchr(name, '/');
        if (end && !strcmp(end, "/w")) {
            const int64_t n = t->count;
            float        *w = mem_alloc((size_t)n, sizeof *w), *values = mem_alloc((size_t)n, sizeof *values);
            nf4           q;
            *end = 0;
            memcpy(w, t->bytes, (size_t)n * sizeof *w);
            nf4_quantise(&q, w, n);
            nf4_read(values, &q, 0, n);
            equal_bytes(f, name, "packed", q.packed, (n + 1) / 2, 1);
            equal_bytes(f, name, "nested_codes", q.scales, nf4_blocks(n), 1);
            equal_bytes(f, name, "nested_absmax", q.outer, nf4_outer(n), 4);
            equal_bytes(f, name, "nested_offset", &q.mean, 1, 4);
            equal_bytes(f, name, "nested_dequantised_f32", values, n, 4);
            nf4_free(&q);
            free(values);
            free(w);
            matrices++;
        }
        free(name);
    }
    assert_true(matrices >= 3);
    safetensors_close(f);
}

/* The nearest value by trying all 16, with the scale as it is stored. */
static void every_weight_is_near_the_best_code(void **state)
{
    static const int64_t sizes[] = { 1, 2, 63, 64, 65, 129, 64 * 256 + 1, 64 * 600 + 33 };
    rng                  g       = rng_stream(1, "nf4");
    (void)state;
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        const int64_t n = sizes[s];
        float        *w = mem_alloc((size_t)n, sizeof *w), *got = mem_alloc((size_t)n, sizeof *got);
        nf4           q;
        for (int64_t i = 0; i < n; i++) w[i] = (float)(rng_normal(&g) * (1 + (double)(i / NF4_BLOCK % 7)));
        nf4_quantise(&q, w, n);
        nf4_read(got, &q, 0, n);
        assert_int_equal(n % 2 ? q.packed[n / 2] & 15 : 7, 7);
        for (int64_t at = 0; at < n; at += NF4_BLOCK) {
            const int64_t until = at + NF4_BLOCK < n ? at + NF4_BLOCK : n;
            double        most  = 0;
            for (int64_t i = at; i < until; i++) most = fmax(most, fabs((double)w[i]));
            for (int64_t i = at; i < until; i++) {
                double best = INFINITY, of_best = 0;
                for (int c = 0; c < 16; c++) {
                    const double gap = fabs((double)w[i] - nf4_values[c] * most);
                    if (gap < best) best = gap, of_best = nf4_values[c];
                }
                /* What eight bits of the scale add: its code is at most half of 0.9 / 64 of the
                 * outer scale away. */
                const double outer = q.outer[at / NF4_BLOCK / NF4_SCALE_BLOCK];
                assert_within(fabs((double)got[i] - of_best * most), outer * 0.45 / 64 + 1e-5 * most);
            }
        }
        nf4_free(&q);
        free(w);
        free(got);
    }
}

static void parts_read_as_the_whole(void **state)
{
    enum { N = 1000 };
    float w[N], whole[N], part[N];
    rng   g = rng_stream(2, "nf4 parts");
    nf4   q;
    (void)state;
    for (int i = 0; i < N; i++) w[i] = (float)rng_normal(&g);
    nf4_quantise(&q, w, N);
    nf4_read(whole, &q, 0, N);
    for (int from = 0; from < N; from += 37)
        for (int count = 0; from + count <= N; count += 41) {
            nf4_read(part, &q, from, count);
            assert_memory_equal(part, whole + from, (size_t)count * sizeof *part);
        }
    nf4_free(&q);
}

static void zeros_stay_zeros(void **state)
{
    float w[130] = { 0 }, got[130];
    nf4   q;
    (void)state;
    nf4_quantise(&q, w, 130);
    nf4_read(got, &q, 0, 130);
    for (int i = 0; i < 130; i++) assert_true(got[i] == 0);
    for (int i = 0; i < 65; i++) assert_int_equal(q.packed[i], 0x77);
    nf4_free(&q);
}

static void the_bytes_are_counted(void **state)
{
    (void)state;
    assert_int_equal(nf4_bytes(64 * 256), 64 * 128 + 256 + 4 + 4);
    assert_within((double)nf4_bytes(4096 * 4096) / (4096. * 4096), 0.516);
    for (int i = 1; i < 256; i++) assert_true(nf4_scale_values()[i] > nf4_scale_values()[i - 1]);
    assert_true(nf4_scale_values()[127] == 0 && nf4_scale_values()[255] == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = { reference_test(codes_scales_and_values_equal_the_reference),
                                        cmocka_unit_test(every_weight_is_near_the_best_code),
                                        cmocka_unit_test(parts_read_as_the_whole), cmocka_unit_test(zeros_stay_zeros),
                                        cmocka_unit_test(the_bytes_are_counted) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
