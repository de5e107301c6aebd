/* Inside the adapter: what adapter.c, adapter_init.c and the folder code share. */
#ifndef TIEBREAK_ADAPTERS_ADAPTER_PRIVATE_H
#define TIEBREAK_ADAPTERS_ADAPTER_PRIVATE_H
#include "adapters/adapter.h"

struct adapter_private {
    int64_t modules; /* layers * SITE_COUNT */
    /* index of each factor's first tensor: then site by site, instance by instance */
    int64_t      first[FACTOR_COUNT];
    int64_t     *rank;  /* [modules], 0 where nothing is adapted */
    double      *scale; /* [modules] */
    pair_arrays *pairs; /* [modules] */
    /* A' of every A: its values in the working type; NULL where that is the parameters' */
    real   *A;
    int64_t A_first, A_count; /* where they lie in theta or frozen */
    real   *Bp;               /* the pairs' arrays, one after another in job order */
    param  *dBp, *dAp;        /* dAp: a module's from dAp_first[module] on */
    int64_t Bp_count, dAp_count, *dAp_first;
};

/* Folders. */
#define ADAPTER_CONFIG "adapter_config.json"
#define ADAPTER_WEIGHTS "adapter_model.safetensors"

enum { TENSOR_NAME_MAX = 48 };
/* "layers.3.qkv.u", "group.1.q.A", "tied.qkv.B", "shared.A": names an own draw, and a tensor of
 * our own folder layout. */
void adapter_tensor_name(const adapter_tensor *t, const adapter *a, char out[TENSOR_NAME_MAX]);

/* "layers.3.q": names a module in the "tiebreak" block's ranks and scales. */
enum { ADAPTER_MODULE_MAX = 32 };
void adapter_module_name(int64_t layer, int site, char out[ADAPTER_MODULE_MAX]);
/* How many ranks of a module the folder keeps, and which (rows may be NULL): all of them without
 * an allocator's mask. */
int64_t adapter_kept_rows(const adapter *a, int64_t layer, int site, int64_t *rows);
/* The "tiebreak" block: what describes the row, on top of `extra` (NULL: nothing). Caller frees. */
json *adapter_block(const adapter *a, const json *extra);
/* The folder with this block, or without one (NULL: a plain PEFT folder). Takes the block.
 * Weights first, then the config: a folder without one is not an adapter yet. */
int adapter_write(const adapter *a, const char *dir, const char *base_name, json *block);

/* adapter_new, but refused before anything large is allocated when the factors hold more than
 * this many numbers: for folders, whose files say so. */
int adapter_new_within(adapter **out, const backend *be, const model_config *c, adapter_spec spec, int64_t numbers);
/* Fill every tensor by its factor's init. */
void adapter_init_values(adapter *a);
#endif
