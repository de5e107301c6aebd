/* Inside the adapter: what adapter.c, adapter_init.c and the folder code share. */
#ifndef TIEBREAK_MODEL_ADAPTER_LAYOUT_H
#define TIEBREAK_MODEL_ADAPTER_LAYOUT_H
#include "model/adapter.h"

struct adapter_private {
    int64_t      modules;        /* layers * SITE_COUNT */
    int64_t     *rank;           /* [modules], 0 where nothing is adapted */
    double      *scale;          /* [modules] */
    pair_arrays *pairs;          /* [modules] */
    real        *Bp, *dBp, *dAp; /* the pairs' arrays, one after another in job order */
    int64_t      Bp_count, dAp_count;
};

#define ADAPTER_CONFIG "adapter_config.json"
#define ADAPTER_WEIGHTS "adapter_model.safetensors"

enum { TENSOR_NAME_MAX = 48 };
/* "layers.3.qkv.u", "group.1.q.A", "tied.qkv.B", "shared.A": names an own draw, and a tensor of our own folder layout. */
void adapter_tensor_name(const adapter_tensor *t, const adapter *a, char out[TENSOR_NAME_MAX]);
/* Fill every tensor by its factor's init. */
void adapter_init_values(adapter *a);
#endif
