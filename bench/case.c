#include "bench/case.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "kernels/variant.h"

const char *const bench_mode_name[MODE_COUNT] = { "", "hot", "cold" };

/* A block of cases is the product of its lists; each list ends with an empty entry. */
typedef struct {
    const char *shapes[5];
    site_id     sites[2];
    int         n_sites;
    bench_op    ops[7];
    int64_t     ranks[8];
    bench_mode  modes[3];
    int         n_modes;
    bool        variants; /* the backend's too, besides the ops that the model uses */
    /* Adapters per batch; 0: single. Else multi-adapter variants, every popularity pattern. */
    int64_t adapters;
} block;

static const block blocks[] = {
    { .shapes  = { "mini", "gpt-2b-001", "llama2-7b", "llama3-8b" },
      .sites   = { SITE_QKV },
      .n_sites = 1,
      .ops     = { { "fwd", 512, .forward = true },
                   { "bwd", 512, .backward = true, .expands = true },
                   { "fwd+bwd", 512, .forward = true, .backward = true, .expands = true },
                   { "decode", 1, .forward = true },
                   { "decode", 8, .forward = true },
                   { "decode", 64, .forward = true } },
      .ranks   = { 2, 4, 8, 16, 32, 64, 128 },
      .modes   = { MODE_LAYERS },
      .n_modes = 1 },
    /* A GPU at its limit: 4096 and 12288 outputs of 4096 inputs; prefill, training, decode. */
    { .shapes   = { "llama2-7b" },
      .sites    = { SITE_O, SITE_QKV },
      .n_sites  = 2,
      .ops      = { { "fwd", 4096, .forward = true },
                    { "fwd+bwd", 8192, .forward = true, .backward = true, .expands = true },
                    { "bwd", 8192, .backward = true, .expands = true },
                    { "decode", 1, .forward = true },
                    { "decode", 8, .forward = true },
                    { "decode", 64, .forward = true } },
      .ranks    = { 2, 8, 16, 64, 128 },
      .modes    = { MODE_HOT, MODE_COLD },
      .n_modes  = 2,
      .variants = true },
    /* Many adapters in one batch. */
    { .shapes   = { "llama2-7b" },
      .sites    = { SITE_O, SITE_QKV },
      .n_sites  = 2,
      .ops      = { { "decode", 8, .forward = true }, { "decode", 64, .forward = true } },
      .ranks    = { 16 },
      .modes    = { MODE_HOT, MODE_COLD },
      .n_modes  = 2,
      .adapters = 64 },
    { .shapes   = { "mini" },
      .sites    = { SITE_QKV },
      .n_sites  = 1,
      .ops      = { { "decode", 8, .forward = true } },
      .ranks    = { 8 },
      .modes    = { MODE_HOT },
      .n_modes  = 1,
      .adapters = 8 },
    /* The rehearsal of the GPU at its limit. */
    { .shapes   = { "mini" },
      .sites    = { SITE_QKV },
      .n_sites  = 1,
      .ops      = { { "fwd+bwd", 32, .forward = true, .backward = true, .expands = true },
                    { "bwd", 32, .backward = true, .expands = true },
                    { "decode", 8, .forward = true } },
      .ranks    = { 8 },
      .modes    = { MODE_HOT, MODE_COLD },
      .n_modes  = 2,
      .variants = true },
};

typedef struct {
    bench_spec *specs;
    size_t      n, cap;
} list;

static void add(list *l, const backend *be, bench_spec b)
{
    char mode[96] = "";
    if (b.mode != MODE_LAYERS) snprintf(mode, sizeof mode, "/mode=%s", bench_mode_name[b.mode]);
    if (b.variant) snprintf(mode + strlen(mode), sizeof mode - strlen(mode), "/variant=%s", b.variant->name);
    if (b.adapters)
        snprintf(mode + strlen(mode), sizeof mode - strlen(mode), "/adapters=%lld/popularity=%s", (long long)b.adapters,
                 bench_popularity_name[b.popularity]);
    if (b.mode == MODE_COLD && !be->cache_bytes) return;
    snprintf(b.name, sizeof b.name, "%s/%s/r=%lld/shape=%s/site=%s/tokens=%lld/device=%s/dtype=%s%s", b.op->name,
             b.method->name, (long long)b.rank, b.shape, site_table[b.site].name, (long long)b.op->tokens,
             be->params->name, be->dtype, mode);
    if (l->n == l->cap) l->specs = mem_grow(l->specs, &l->cap, sizeof *l->specs);
    l->specs[l->n++] = b;
}

/* Variants that take the factors themselves know A, u, B and v, but no R. */
static void add_many_adapters(list *l, const backend *be, bench_spec b)
{
    for (const adapted_variant *v = be->adapted + 1; v[-1].name && v->name; v++)
        for (b.popularity = POPULARITY_DIFFERENT; v->many_adapters && b.popularity < POPULARITY_COUNT; b.popularity++) {
            b.variant = v;
            if (v->takes == TAKES_PAIR || b.method->factor[FACTOR_R].scope == SCOPE_ONE) add(l, be, b);
        }
}

static void add_variants(list *l, const backend *be, bench_spec b, bool variants)
{
    if (b.adapters) {
        add_many_adapters(l, be, b);
        return;
    }
    b.variant = NULL;
    add(l, be, b);
    for (const adapted_variant *v = be->adapted + 1; variants && v->name; v++) {
        b.variant = v;
        if (v->forward_only && b.op->backward) continue;
        if (v->takes == TAKES_PAIR || b.method->factor[FACTOR_R].scope == SCOPE_ONE) add(l, be, b);
    }
}

static void add_ranks(list *l, const backend *be, const block *k, bench_spec b)
{
    for (int m = 0; (b.method = method_row(m)); m++)
        for (const int64_t *r = k->ranks; r < k->ranks + 8 && *r; r++)
            for (int i = 0; i < k->n_modes; i++) {
                b.rank     = *r;
                b.mode     = k->modes[i];
                b.adapters = k->adapters;
                add_variants(l, be, b, k->variants);
            }
}

bench_spec *bench_specs(const backend *be, int64_t *n)
{
    list l = { 0 };
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) {
        const block *k = &blocks[i];
        for (int s = 0; k->shapes[s]; s++)
            for (int t = 0; t < k->n_sites; t++)
                for (int o = 0; k->ops[o].name; o++)
                    add_ranks(&l, be, k, (bench_spec) { .op = &k->ops[o], .shape = k->shapes[s], .site = k->sites[t] });
    }
    *n = (int64_t)l.n;
    return l.specs;
}
