/* PEFT's side of adapter folders (PEFT 0.21.2): which keys hold which factor, what its configs say,
 * and what must be refused. */
#ifndef TIEBREAK_ADAPTERS_PEFT_H
#define TIEBREAK_ADAPTERS_PEFT_H
#include "adapters/adapter.h"
#include "model/safetensors.h"

/* How a peft_type stores its factors: a suffix after the module's path, or one key for the whole
 * model; NULL where the type has no such factor. */
typedef struct {
    const char *type;
    const char *module_suffix[FACTOR_COUNT], *model_key[FACTOR_COUNT];
    bool        vector_1d; /* u and v are saved as [n]; otherwise u is [r, 1] */
    /* A module of rank 0 is saved as empty tensors, and rank_pattern holds masks. Otherwise such a
     * module is left out. */
    bool       keeps_empty;
    scale_rule rule;
    /* The methods that a config of this type means, without and with "use_rslora". */
    const char *method, *method_rslora;
    const char *rank_key; /* the config's key for the rank */
    const char *defaults; /* the config as PEFT 0.21.2 writes it by default, JSON */
} peft_layout;

const peft_layout *peft_layout_find(const char *type); /* NULL when unknown */

enum { PEFT_KEY_MAX = 160 };
#define PEFT_PREFIX "base_model.model."
/* "model.layers.3.self_attn.q_proj", as the model's family names it */
void peft_module_path(const model_config *c, int64_t layer, int site, char out[PEFT_KEY_MAX]);
/* "base_model.model.model.layers.3.self_attn.q_proj.lora_A.weight", or the key for the whole
 * model. */
void peft_tensor_key(const model_config *c, const peft_layout *p, factor_id f, int64_t layer, int site,
                     char out[PEFT_KEY_MAX]);
/* The reverse: false when the name is not a key of this layout. Layer and site are -1 for a key of
 * the whole model. The adapter's name may stand before the last word or at the end, as a state_dict
 * has it: lora_A.default.weight, lora_E.default. */
bool peft_parse_key(const model_config *c, const peft_layout *p, const char *name, factor_id *f, int64_t *layer,
                    int *site);
/* Whether a folder of this layout (NULL: our own) has the rows of this factor's tensor by head,
 * where ours are q, k, v one below the other; weight_arrange(BY_HEAD) turns one into the other. */
bool peft_rows_by_head(const model_config *c, const peft_layout *p, factor_id f, int site);
/* Whether PEFT saves this key although it does not change the forward. */
bool peft_ignored_key(const char *name);

/* How a config of this layout makes s from its lora_alpha, or from 1. */
scale_rule peft_scale_rule(const peft_layout *p, bool use_rslora);
/* Makes adapter_config.json for a folder of this layout (NULL: our own). It takes `block`, which
 * may be NULL; `kept` is adapter_save's. (config.c) */
int adapter_config_json(json **out, const adapter *a, const peft_layout *p, const char *base_name, json *block,
                        const bool *kept);

/* The name and the shape that a folder stores a factor's tensor with, of which `s` is kept: vectors
 * are [n] or [1, n], as the layout has them, and a rank of 0 keeps its empty dimension. The view
 * has no bytes. (save.c) */
tensor_view folder_tensor(const adapter *a, const peft_layout *p, const adapter_tensor *t, factor_shape s,
                          char name[PEFT_KEY_MAX]);

/* The values of a B or v at qkv with their rows by head (to_file), or back; `values` is freed.
 * (save.c) */
double *adapter_rows_arranged(const adapter *a, const adapter_tensor *t, double *values, bool to_file);

/* adapter_open for a folder whose two parts are read already; `where` is the config's path.
 * (open.c) */
int adapter_read(adapter **out, const backend *be, const model_config *c, const json *config, const safetensors *file,
                 const char *where);

/* Refuses by name what changes the forward and is not supported. `where` is the config's path. */
int peft_check_config(const json *config, const char *where);
/* Refuses a peft_type that has no layout here, saying what it is and what gets further. */
int peft_refuse_type(const char *type, const char *where);
/* "merge it with PEFT first: python3 -c ..." for the folder of this config; a static buffer of the
 * thread. */
const char *peft_merge_hint(const char *where);

/* What a config says of each module of the base (targets.c): whether PEFT adapts it, its rank, its
 * alpha. `module_path` is peft_module_path's. A damaged expression or value is ERR_INPUT. */
typedef struct peft_targets peft_targets;
/* Borrows config and where; *out is NULL after an error. */
int  peft_targets_open(peft_targets **out, const json *config, const peft_layout *p, const char *where);
void peft_targets_close(peft_targets *t); /* NULL is fine */
int  peft_targets_has(const peft_targets *t, const char *module_path, bool *yes);
int  peft_targets_rank(const peft_targets *t, const char *module_path, int64_t *rank);
/* *alpha stays as it is where alpha_pattern does not name the module. */
int peft_targets_alpha(const peft_targets *t, const char *module_path, double *alpha);
/* Whether target_modules says anything; where it is null PEFT goes by the base's type. */
bool peft_targets_are_named(const peft_targets *t);

/* Which tensor of a file holds which factor (open.c). */
typedef struct {
    const peft_layout  *layout;
    const safetensors  *file;
    const char         *where;   /* the config's path */
    int64_t             modules; /* layers * SITE_COUNT */
    const tensor_view **view;    /* [FACTOR_COUNT][modules + 1], the last one for the whole model */
} peft_found;
/* NULL: not there. Layer and site are -1 for a factor of the whole model. */
const tensor_view *peft_found_at(const peft_found *x, factor_id f, int64_t layer, int site);
bool               peft_found_module(const peft_found *x, int64_t module); /* any factor of it */

/* Checks config, tensors and base against each other (check.c). ERR_INPUT names up to three places:
 * factors without their others, ranks that differ, modules that the config leaves out. A module of
 * the config without tensors is a warning. rank: [modules], of the tensors. */
int peft_check_modules(const peft_found *x, const peft_targets *t, const model_config *c, const int64_t *rank);
/* ERR_INPUT for a tensor whose name peft_parse_key does not know, saying what it is. path: the
 * file's, where: the config's. */
int peft_refuse_tensor(const model_config *c, const peft_layout *p, const char *name, const char *path,
                       const char *where);
#endif
