/* An adapter on a model: factors, their gradients, the pairs made from them; read and written as
 * a folder.
 *
 *     adapter *a;
 *     adapter_new(&a, be, &cfg, (adapter_spec){ .method = m, .sites = sites, .rank = 8, .alpha = 8, .seed = 1 });
 *     adapter_expand(a);                                   // factors -> pairs
 *     decoder_forward(d, &batch, adapter_pairs(a), true);
 *     adapter_zero_grad(a);
 *     decoder_backward(d, scale, NULL);                    // accumulates into the pairs' dA, dB
 *     adapter_backward(a);                                 // dA', dB' -> a->grad
 *     ... optimiser over a->theta, a->grad ...
 *     adapter_save(a, "run/adapter"); */
#ifndef TIEBREAK_ADAPTERS_ADAPTER_H
#define TIEBREAK_ADAPTERS_ADAPTER_H
#include "kernels/backend.h"
#include "core/json.h"
#include "adapters/method.h"

typedef struct {
    method   method;
    site_set sites;
    int64_t  rank;
    double   alpha; /* 0: = rank where the method takes one */
    uint64_t seed;  /* of the inits (and VeRA's projection_prng_key) */
    /* NULL, or [layers * SITE_COUNT] (index layer * SITE_COUNT + site): rank and s of each
     * module. Rank 0: nothing is there. Other ranks than `rank` only where every factor is LAYER
     * or ONE. */
    const int64_t *module_rank;
    const double  *module_scale;
} adapter_spec;

/* One stored tensor: a factor at one scope instance. */
typedef struct {
    factor_id factor;
    int64_t   layer;      /* LAYER: the layer; GROUP: the group's index; else -1 */
    int       site;       /* site_id; -1 for scope MODEL */
    int64_t   rows, cols; /* u, v: [1, n] */
    bool      trained;
    int64_t   offset; /* into theta (trained) or frozen, in elements */
} adapter_tensor;

typedef struct {
    adapter_spec    spec;
    model_config    cfg;
    const backend  *be;
    int64_t         n_tensors;
    adapter_tensor *tensors;
    /* trained factors, their gradients (same layout), frozen factors */
    param      *theta, *grad, *frozen;
    int64_t     theta_count, frozen_count;
    expand_job *jobs; /* one per adapted (site, layer): site by site, then layer by layer */
    int64_t     n_jobs;
    /* an allocator's final mask, [n_jobs * rank] in job order, not owned; NULL: every rank is
     * kept. Only saving reads it. */
    const bool             *kept;
    struct adapter_private *priv;
} adapter;

int  adapter_new(adapter **out, const backend *be, const model_config *c, adapter_spec spec);
void adapter_free(adapter *a);

/* the stored tensor that module reads; NULL = ONE */
const adapter_tensor *adapter_find(const adapter *a, factor_id f, int64_t layer, int site);
param                *adapter_values(const adapter *a, const adapter_tensor *t);
/* NULL when frozen */
param *adapter_gradient(const adapter *a, const adapter_tensor *t);

void               adapter_expand(adapter *a);
const pair_arrays *adapter_pairs(const adapter *a); /* [layers * SITE_COUNT] */
void               adapter_zero_grad(adapter *a);   /* the pairs' dA, dB and grad */
/* once per optimiser step, after all micro-batches */
void adapter_backward(adapter *a);

/* Folders. For methods with `peft` set on separate sites: PEFT's own format
 * (adapter_config.json, adapter_model.safetensors); else the same layout with each shared tensor
 * stored once. adapter_config.json always has a "tiebreak" block that describes the row; `extra`
 * (may be NULL) goes into it: what the training was; its member "allocator" holds AdaLoRA's
 * fields under PEFT's names. open: refuses by name what changes the forward and is not
 * supported; the shapes must fit c. */
int adapter_save(const adapter *a, const char *dir, const char *base_name, const json *extra);
int adapter_open(adapter **out, const backend *be, const model_config *c, const char *dir);
/* Any adapter as a plain PEFT LoRA: lora_A = A, lora_B = diag(v) B R diag(u) rounded once from
 * f64, lora_alpha = s r (patterns where modules differ, modules of rank 0 left out), fused qkv
 * as q, k and v. A folder that already holds exactly this is left as it is; one that holds
 * another adapter is ERR_INPUT. base_name may be NULL. */
int adapter_export_lora(const adapter *a, const char *dir, const char *base_name);
/* The base's shape as far as the folder tells it (dimensions of the adapted linears), so that it
 * can be opened without a base. */
int adapter_shape(model_config *c, const char *dir);
/* adapter_config.json of a folder (with the "tiebreak" block when it is ours): caller frees. */
int adapter_read_config(json **out, const char *dir);
int adapter_hash(const char *dir, char out[65]); /* sha256 of the weights file */
#endif
