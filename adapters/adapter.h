/* An adapter on a model: its factors, their gradients and the pairs made from them. It is read and
 * written as a folder.
 *
 *     adapter *a;
 *     adapter_new(&a, be, &cfg, (adapter_spec){ .method = m, .sites = sites, .rank = 8, .alpha = 8, .seed = 1 });
 *     adapter_expand(a);                                   // factors -> pairs
 *     decoder_forward(d, &batch, adapter_pairs(a), true);
 *     adapter_zero_grad(a);
 *     decoder_backward(d, scale, NULL);                    // accumulates into the pairs' dA, dB
 *     adapter_backward(a);                                 // dA', dB' -> a->grad
 *     ... optimiser over a->theta, a->grad ...
 *     adapter_save(a, "run/adapter", "base", NULL, NULL); */
#ifndef TIEBREAK_ADAPTERS_ADAPTER_H
#define TIEBREAK_ADAPTERS_ADAPTER_H
#include "kernels/backend.h"
#include "core/json.h"
#include "adapters/method.h"

typedef struct {
    method   method;
    site_set sites;
    int64_t  rank;
    double   alpha; /* 0 means alpha = rank, for methods that take one */
    uint64_t seed;  /* seeds the inits, and is VeRA's projection_prng_key */
    /* NULL, or [layers * SITE_COUNT] with index layer * SITE_COUNT + site: rank and s of each
     * module. Rank 0 means that nothing is there. A rank other than `rank` is allowed only where
     * every factor is LAYER or ONE. */
    const int64_t *module_rank;
    const double  *module_scale;
} adapter_spec;

/* One stored tensor: a factor in one instance of its scope. */
typedef struct {
    factor_id factor;
    int64_t   layer;      /* the layer for LAYER, the group's index for GROUP, else -1 */
    int       site;       /* site_id; -1 for scope MODEL */
    int64_t   rows, cols; /* u, v: [1, n] */
    bool      trained;
    int64_t   offset; /* offset in elements into theta (trained) or frozen */
} adapter_tensor;

typedef struct {
    adapter_spec    spec;
    model_config    cfg;
    const backend  *be;
    int64_t         n_tensors;
    adapter_tensor *tensors;
    /* The trained factors, their gradients in the same layout, and the frozen factors. */
    param                  *theta, *grad, *frozen;
    int64_t                 theta_count, frozen_count;
    expand_job             *jobs; /* one for each adapted (site, layer): site by site, then layer by layer */
    int64_t                 n_jobs;
    struct adapter_private *priv;
} adapter;

int  adapter_new(adapter **out, const backend *be, const model_config *c, adapter_spec spec);
void adapter_free(adapter *a);

/* The stored tensor that a module reads; NULL when the factor is one. */
const adapter_tensor *adapter_find(const adapter *a, factor_id f, int64_t layer, int site);
param                *adapter_values(const adapter *a, const adapter_tensor *t);
/* NULL when the tensor is frozen */
param *adapter_gradient(const adapter *a, const adapter_tensor *t);

void               adapter_expand(adapter *a);
const pair_arrays *adapter_pairs(const adapter *a); /* [layers * SITE_COUNT] */
void               adapter_zero_grad(adapter *a);   /* zeroes the pairs' dA, dB and grad */
/* Turns the pairs' dA and dB into the factors' gradients (expand_bwd of kernels/expand.h). Call it
 * once an optimiser step, after all micro-batches. */
void adapter_backward(adapter *a);

/* Folders. A method with `peft` set on separate sites is written in PEFT's format
 * (adapter_config.json, adapter_model.safetensors). Any other has the same layout with each shared
 * tensor stored once. `kept` is the final mask of an allocator, [n_jobs * rank] in job order; NULL
 * keeps every rank.
 *
 * adapter_config.json always has a "tiebreak" block that describes the row. `extra`, which may be
 * NULL, goes into that block and says what the training was; its member "allocator" holds AdaLoRA's
 * fields under PEFT's names.
 *
 * adapter_open refuses by name what changes the forward and is not supported. The shapes must fit
 * c. */
int adapter_save(const adapter *a, const char *dir, const char *base_name, const json *extra, const bool *kept);
int adapter_open(adapter **out, const backend *be, const model_config *c, const char *dir);
/* Writes any adapter as a plain PEFT LoRA: lora_A = A, lora_B = diag(v) B R diag(u), rounded once
 * from f64; lora_alpha = s r. Modules that differ have patterns, modules of rank 0 are left out,
 * and fused qkv becomes q, k and v. A folder that already holds exactly this stays as it is; one
 * that holds another adapter is ERR_INPUT. base_name may be NULL. */
int adapter_export_lora(const adapter *a, const char *dir, const char *base_name);
/* The base's shape as far as the folder tells it (the dimensions of the adapted linears), so that
 * the folder can be opened without a base. */
int adapter_shape(model_config *c, const char *dir);
/* Reads a folder's adapter_config.json, with the "tiebreak" block when the folder is ours. The
 * caller frees it. */
int adapter_read_config(json **out, const char *dir);
/* What it says: its peft_type; the base's name, NULL where it names none; of the training, what the
 * "tiebreak" block has beyond the row, null in a folder that is not ours (the caller's). */
const char *adapter_config_type(const json *config);
const char *adapter_config_base(const json *config);
json       *adapter_config_training(const json *config);
int         adapter_hash(const char *dir, char out[65]); /* the sha256 of the weights file */
#endif
