#include "bench/case.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/str.h"
#include "kernels/variant.h"

const bench_mode_info bench_modes[MODE_COUNT] = {
    [MODE_LAYERS]       = { "" },
    [MODE_HOT]          = { "hot" },
    [MODE_COLD]         = { "cold", .cold = true },
    [MODE_BACK_TO_BACK] = { "back-to-back", .cold = true, .queued = true },
};

enum {
    QKV     = 1 << SITE_QKV,
    O       = 1 << SITE_O,
    Q_V     = 1 << SITE_Q | 1 << SITE_V,
    Q_K_V   = Q_V | 1 << SITE_K,
    GATE_UP = 1 << SITE_GATE | 1 << SITE_UP,
    DOWN    = 1 << SITE_DOWN,
};

/* Operations, and methods that stand for all: untied, tied, with frozen factors. A decode step's
 * calls in a row make a sample that is long beside an empty interval. */
enum { DECODE_CALLS = 8 };
/* clang-format off */
#define FWD(n) { "fwd", n, .forward = true }
#define BWD(n) { "bwd", n, .backward = true, .expands = true }
#define TRAINING(n) { "fwd+bwd", n, .forward = true, .backward = true, .expands = true }
#define DECODE(n) { "decode", n, .forward = true, .calls = DECODE_CALLS }
#define THREE_METHODS { "lora", "tied-lora", "vera" }
/* clang-format on */

/* A block of cases is the product of its lists; each list ends with an empty entry. */
typedef struct {
    const char *shapes[5];
    site_set    sites[3];
    bench_op    ops[7];
    int64_t     ranks[8];
    const char *methods[4]; /* none: all */
    bench_mode  modes[3];
    int         n_modes;
    bool        variants; /* the backend's too, besides the ops that the model uses */
    /* Adapters per batch; 0: single. Else multi-adapter variants, every popularity pattern. */
    int64_t     adapters;
    const char *published;
} block;

static const block blocks[] = {
    { .shapes  = { "mini", "gpt-2b-001", "llama2-7b", "llama3-8b" },
      .sites   = { QKV },
      .ops     = { FWD(512), BWD(512), TRAINING(512), DECODE(1), DECODE(8), DECODE(64) },
      .ranks   = { 2, 4, 8, 16, 32, 64, 128 },
      .modes   = { MODE_LAYERS },
      .n_modes = 1 },
    /* A GPU at its limit: 4096 and 12288 outputs of 4096 inputs; prefill, training, decode. */
    { .shapes   = { "llama2-7b" },
      .sites    = { O, QKV },
      .ops      = { FWD(4096), TRAINING(8192), BWD(8192), DECODE(1), DECODE(8), DECODE(64) },
      .ranks    = { 2, 8, 16, 64, 128 },
      .modes    = { MODE_HOT, MODE_COLD },
      .n_modes  = 2,
      .variants = true },
    /* Many adapters in one batch. */
    { .shapes   = { "llama2-7b" },
      .sites    = { O, QKV },
      .ops      = { DECODE(8), DECODE(64) },
      .ranks    = { 16 },
      .modes    = { MODE_HOT, MODE_COLD },
      .n_modes  = 2,
      .adapters = 64 },
    { .shapes   = { "mini" },
      .sites    = { QKV },
      .ops      = { DECODE(8) },
      .ranks    = { 8 },
      .modes    = { MODE_HOT },
      .n_modes  = 1,
      .adapters = 8 },
    /* The rehearsal of the GPU at its limit. */
    { .shapes   = { "mini" },
      .sites    = { QKV },
      .ops      = { TRAINING(32), BWD(32), DECODE(8) },
      .ranks    = { 8 },
      .modes    = { MODE_HOT, MODE_COLD },
      .n_modes  = 2,
      .variants = true },
    /* Two and three pairs on one input. */
    { .shapes   = { "llama2-7b" },
      .sites    = { Q_V, Q_K_V },
      .ops      = { FWD(4096), TRAINING(8192), BWD(8192), DECODE(1), DECODE(8), DECODE(64) },
      .ranks    = { 16 },
      .methods  = THREE_METHODS,
      .modes    = { MODE_COLD },
      .n_modes  = 1,
      .variants = true },
    { .shapes   = { "mini" },
      .sites    = { Q_V, Q_K_V },
      .ops      = { FWD(32), TRAINING(32), BWD(32), DECODE(8) },
      .ranks    = { 8 },
      .methods  = THREE_METHODS,
      .modes    = { MODE_HOT },
      .n_modes  = 1,
      .variants = true },
    /* Under load. */
    { .shapes   = { "llama2-7b" },
      .sites    = { O, QKV },
      .ops      = { FWD(4096), TRAINING(8192), DECODE(1), DECODE(8), DECODE(64) },
      .ranks    = { 16 },
      .methods  = THREE_METHODS,
      .modes    = { MODE_BACK_TO_BACK },
      .n_modes  = 1,
      .variants = true },
    { .shapes   = { "mini" },
      .sites    = { QKV },
      .ops      = { TRAINING(32), DECODE(8) },
      .ranks    = { 8 },
      .methods  = { "lora", "tied-lora" },
      .modes    = { MODE_BACK_TO_BACK },
      .n_modes  = 1,
      .variants = true },
    /* LoRAFusion's scripts time its kernels on squares, 2048 to 8192 tokens, one set of arrays. */
    { .shapes    = { "square-4096", "square-5120", "square-8192" },
      .sites     = { O },
      .ops       = { FWD(2048), FWD(4096), FWD(8192), TRAINING(2048), TRAINING(4096), TRAINING(8192) },
      .ranks     = { 16 },
      .methods   = { "lora", "tied-lora" },
      .modes     = { MODE_HOT },
      .n_modes   = 1,
      .variants  = true,
      .published = "lorafusion" },
    /* FlashInfer's bench_bgmv_moe.py without its experts, as far as variants of many adapters go,
     * which is 64 rows. */
    { .shapes    = { "square-3072", "square-2688" },
      .sites     = { O },
      .ops       = { DECODE(1), DECODE(4), DECODE(8), DECODE(32) },
      .ranks     = { 32 },
      .methods   = { "lora", "tied-lora" },
      .modes     = { MODE_HOT },
      .n_modes   = 1,
      .adapters  = 8,
      .published = "flashinfer" },
    /* axolotl's MLP kernels: a training step of Llama-3-8B's; the tokens are ours. */
    { .shapes    = { "llama3-8b" },
      .sites     = { GATE_UP, DOWN },
      .ops       = { TRAINING(4096) },
      .ranks     = { 8, 16, 32, 64 },
      .methods   = { "lora", "tied-lora" },
      .modes     = { MODE_HOT },
      .n_modes   = 1,
      .variants  = true,
      .published = "axolotl" },
};

typedef struct {
    bench_spec *specs;
    size_t      n, cap;
} list;

static void add(list *l, const backend *be, bench_spec b)
{
    const bench_mode_info *mode = &bench_modes[b.mode];
    char                   sites[64];
    str                    name = { 0 };
    if ((mode->cold && !be->cache_bytes) || (mode->queued && !be->time_mark)) return;
    site_set_print(b.sites, sites, sizeof sites);
    str_printf(&name, "%s/%s/r=%lld/shape=%s/site=%s/tokens=%lld/device=%s/dtype=%s", b.op->name, b.method->name,
               (long long)b.rank, b.shape, sites, (long long)b.op->tokens, be->params->name, be->dtype);
    if (*mode->name) str_printf(&name, "/mode=%s", mode->name);
    if (b.variant) str_printf(&name, "/variant=%s", b.variant->name);
    if (b.adapters)
        str_printf(&name, "/adapters=%lld/popularity=%s", (long long)b.adapters, bench_popularity_name[b.popularity]);
    if (b.published) str_printf(&name, "/published=%s", b.published);
    snprintf(b.name, sizeof b.name, "%s", name.s);
    str_free(&name);
    if (l->n == l->cap) l->specs = mem_grow(l->specs, &l->cap, sizeof *l->specs);
    l->specs[l->n++] = b;
}

/* Variants that take the factors themselves know A, u, B and v, but no R. */
static void add_many_adapters(list *l, const backend *be, bench_spec b)
{
    for (b.popularity = POPULARITY_DIFFERENT; b.popularity < POPULARITY_COUNT; b.popularity++)
        for (const adapted_variant *v = be->adapted + 1; v[-1].name && v->name; v++) {
            b.variant = v;
            if (v->many_adapters && (v->takes == TAKES_PAIR || b.method->factor[FACTOR_R].scope == SCOPE_ONE))
                add(l, be, b);
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

static bool has_method(const block *k, const char *name)
{
    bool any = k->methods[0] == NULL;
    for (int i = 0; k->methods[i]; i++) any |= !strcmp(k->methods[i], name);
    return any;
}

static void add_ranks(list *l, const backend *be, const block *k, bench_spec b)
{
    b.adapters = k->adapters, b.published = k->published;
    for (int m = 0; (b.method = method_row(m)); m++)
        for (const int64_t *r = k->ranks; has_method(k, b.method->name) && r < k->ranks + 8 && *r; r++)
            for (int i = 0; i < k->n_modes; i++) {
                b.rank = *r;
                b.mode = k->modes[i];
                add_variants(l, be, b, k->variants);
            }
}

bench_spec *bench_specs(const backend *be, int64_t *n)
{
    list l = { 0 };
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) {
        const block *k = &blocks[i];
        for (int s = 0; k->shapes[s]; s++)
            for (int t = 0; k->sites[t]; t++)
                for (const bench_op *op = k->ops; op->name; op++)
                    add_ranks(&l, be, k, (bench_spec) { .op = op, .shape = k->shapes[s], .sites = k->sites[t] });
    }
    *n = (int64_t)l.n;
    return l.specs;
}

bool bench_same_but_variant(const bench_spec *a, const bench_spec *b)
{
    return a->op == b->op && a->method == b->method && a->rank == b->rank && a->shape == b->shape &&
           a->sites == b->sites && a->mode == b->mode && a->adapters == b->adapters && a->popularity == b->popularity;
}
