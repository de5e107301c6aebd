/* For the files of this room: what adapter.c, init.c and the folders' code share. */
#ifndef TIEBREAK_ADAPTERS_ADAPTER_PRIVATE_H
#define TIEBREAK_ADAPTERS_ADAPTER_PRIVATE_H
#include "adapters/adapter.h"
#include "core/memory.h"
#include "model/safetensors.h"

struct adapter_private {
    arena   memory;  /* of the host's arrays */
    int64_t modules; /* layers * SITE_COUNT */
    /* Index of each factor's first tensor. Its tensors follow site by site, then instance by
     * instance. */
    int64_t      first[FACTOR_COUNT];
    int64_t     *rank;  /* [modules], 0 where nothing is adapted */
    double      *scale; /* [modules] */
    pair_arrays *pairs; /* [modules] */
    /* The values of every A in the working type; NULL where that is the parameters' type. */
    real   *A;
    int64_t A_first, A_count; /* where they lie in theta or frozen, and how many */
    real   *Bp;               /* the pairs' B', one after another in job order */
    param  *dBp, *dAp;        /* a module's dA' begins at dAp_first[module] */
    int64_t Bp_count, dAp_count, *dAp_first;
};

/* Folders. */
#define ADAPTER_CONFIG "adapter_config.json"
#define ADAPTER_WEIGHTS "adapter_model.safetensors"

/* The folder's weights, or what else it holds. The caller closes *out. (open.c) */
int adapter_open_weights(safetensors **out, const char *dir);

enum { TENSOR_NAME_MAX = 48 };
/* "layers.3.qkv.u", "group.1.q.A", "tied.qkv.B", "shared.A": the name seeds the tensor's own draw
 * and names it in our own folder layout. */
void adapter_tensor_name(const adapter_tensor *t, const adapter *a, char out[TENSOR_NAME_MAX]);

/* "layers.3.q" names a module in the "tiebreak" block's ranks and scales. */
enum { ADAPTER_MODULE_MAX = 32 };
void adapter_module_name(int64_t layer, int site, char out[ADAPTER_MODULE_MAX]);
/* How many ranks of a job the folder keeps, and which ones (rows may be NULL). `kept` is
 * adapter_save's. */
int64_t adapter_kept_rows(const adapter *a, const bool *kept, int64_t job, int64_t *rows);
/* The "tiebreak" block that describes the row, on top of `extra` (NULL: nothing). The caller frees
 * it. */
json *adapter_block(const adapter *a, const json *extra, const bool *kept);
/* Writes the folder with this block, which it takes, or without one (NULL: a plain PEFT folder).
 * The config is written after the weights: a folder without a config is not an adapter yet. */
int adapter_write(const adapter *a, const char *dir, const char *base_name, json *block, const bool *kept);

/* Like adapter_new for the shapes that a folder's files claim: refuses before anything large is
 * allocated when the factors hold more than `numbers` numbers. */
int adapter_new_within(adapter **out, const backend *be, const model_config *c, adapter_spec spec, int64_t numbers);
/* Fills every tensor by its factor's init. */
void adapter_init_values(adapter *a);
#endif
