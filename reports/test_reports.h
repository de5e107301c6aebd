/* Records of every kind for tests of reports, made from core/golden/records. */
#ifndef TIEBREAK_REPORTS_TEST_REPORTS_H
#define TIEBREAK_REPORTS_TEST_REPORTS_H
#include "core/file.h"
#include "core/stats.h"
#include "core/test_record.h"

static inline json *number(double x) { return json_of_number(x); }
static inline json *text(const char *s) { return json_of_text(s); }

static inline json *eval_record(const char *method, int64_t rank, int64_t seed, double value, double trainable,
                                const char *task)
{
    json *r = test_record("eval-full"), *metrics = json_object(), *em = json_object();
    json *asked = test_record_part(r, field_record_asked), *result = test_record_part(r, field_record_result);
    json *adapter = test_record_part(asked, field_asked_adapter);
    test_record_set(asked, field_asked_task, text(task));
    if (method) {
        test_record_set(adapter, field_adapter_method, text(method));
        test_record_set(adapter, field_adapter_rank, rank < 0 ? json_null() : number((double)rank));
        test_record_set(adapter, field_adapter_sites, text("qkv"));
        test_record_set(adapter, field_adapter_seed, number((double)seed));
    } else {
        test_record_set(asked, field_asked_adapter, json_null());
    }
    record_put_number(em, field_metric_value, value);
    record_put_number(em, field_metric_stderr, 1.5);
    record_put_text(em, field_metric_better, "higher");
    record_put_text(em, field_metric_signature, "squad-em|rules:v1.1");
    json_set(metrics, "em", em);
    test_record_set(result, field_result_metrics, metrics);
    test_record_set(result, field_result_trainable, number(trainable));
    test_record_set(result, field_result_adapter_bytes, number(4 * trainable));
    return test_record_sign(r);
}

/* A record of the oldest form, which has no floors. */
static inline json *bench_record(const char *method, bool tied, int64_t rank, double over)
{
    json *r = test_record("bench-first"), *asked = test_record_part(r, field_record_asked),
         *result = test_record_part(r, field_record_result);
    test_record_set(asked, field_bench_case_op, text("fwd"));
    test_record_set(asked, field_bench_case_method, text(method));
    test_record_set(asked, field_bench_case_tied, json_of_bool(tied));
    test_record_set(asked, field_bench_case_rank, number((double)rank));
    test_record_set(result, field_timing_base_ns, json_of_numbers((double[]) { 1000, 1001, 1002, 1003, 1004 }, 5));
    test_record_set(result, field_timing_overhead, number(over));
    test_record_set(result, field_timing_overhead_low, number(over - 0.01));
    test_record_set(result, field_timing_overhead_high, number(over + 0.02));
    return test_record_sign(r);
}

static inline json *lora(int64_t seed, double value) { return eval_record("lora", 8, seed, value, 24576, "squad"); }

static inline json *gpu_record(const char *gpu, const char *method, const char *variant, double over, double half)
{
    json *r = bench_record(method, false, 16, over), *asked = test_record_part(r, field_record_asked),
         *result = test_record_part(r, field_record_result), *facts = json_object();
    test_record_set(asked, field_bench_case_device, text(strstr(gpu, "emulated") ? "cuda-emulated" : "cuda"));
    test_record_set(asked, field_bench_case_dtype, text("bf16"));
    test_record_set(asked, field_bench_case_tokens, number(4096));
    test_record_set(asked, field_bench_case_d_in, number(4096));
    test_record_set(asked, field_bench_case_d_out, number(12288));
    test_record_set(asked, field_bench_case_mode, text("cold"));
    test_record_set(asked, field_bench_case_variant, text(variant));
    test_record_set(result, field_timing_overhead_low, number(over - half));
    test_record_set(result, field_timing_overhead_high, number(over + half));
    test_record_set(result, field_timing_same_bits, json_of_bool(true));
    json_set_str(facts, "name", gpu);
    test_record_set(test_record_part(r, field_record_where), field_where_gpu, facts);
    return test_record_sign(r);
}

/* Writes a record into dir as the k-th file; frees it. */
static inline void put(const char *dir, int *k, json *r)
{
    char name[64];
    snprintf(name, sizeof name, "r%03d.json", (*k)++);
    char *path = path_join(dir, name);
    assert_ok(record_write(r, path));
    json_free(r);
    free(path);
}
#endif
