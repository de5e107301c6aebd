#include "bench/case.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

static const bench_op ops[] = {
    { "fwd", 512, .forward = true },
    { "bwd", 512, .backward = true, .expands = true },
    { "fwd+bwd", 512, .forward = true, .backward = true, .expands = true },
    { "decode", 1, .forward = true },
    { "decode", 8, .forward = true },
    { "decode", 64, .forward = true },
};
static const int64_t     ranks[]  = { 2, 4, 8, 16, 32, 64, 128 };
static const char *const shapes[] = { "mini", "gpt-2b-001", "llama2-7b", "llama3-8b" };

#define COUNT(list) (int64_t)(sizeof(list) / sizeof *(list))

bench_spec *bench_specs(const backend *be, int64_t *n)
{
    int64_t n_methods = 0;
    while (method_row((int)n_methods)) n_methods++;
    bench_spec *specs = mem_alloc((size_t)(COUNT(shapes) * COUNT(ops) * n_methods * COUNT(ranks)), sizeof *specs);
    *n                = 0;
    for (int64_t s = 0; s < COUNT(shapes); s++) {
        for (int64_t o = 0; o < COUNT(ops); o++) {
            for (int64_t m = 0; m < n_methods; m++) {
                for (int64_t r = 0; r < COUNT(ranks); r++) {
                    bench_spec *b = &specs[(*n)++];
                    *b = (bench_spec) { .op = &ops[o], .method = method_row((int)m), .rank = ranks[r], .shape = shapes[s], .site = SITE_QKV };
                    snprintf(b->name, sizeof b->name, "%s/%s/r=%lld/shape=%s/site=%s/tokens=%lld/device=%s/dtype=%s", ops[o].name, b->method->name,
                             (long long)ranks[r], shapes[s], site_table[b->site].name, (long long)ops[o].tokens, be->params->name, be->dtype);
                }
            }
        }
    }
    return specs;
}
