/* What the matrix products of a base and of an adapter on it cost, from shapes alone. */
#ifndef TIEBREAK_ADAPTERS_FLOPS_H
#define TIEBREAK_ADAPTERS_FLOPS_H
#include "adapters/method.h"

/* Multiplications and additions of the matrix products, per token. Attention's own products
 * depend on the length and are left out. */
typedef struct {
    double base_forward, adapter_forward, base_training, adapter_training;
} method_flops;

/* m NULL: every weight of the base is trained, and there is no adapter. */
method_flops method_flops_of(const method *m, const model_config *c, site_set sites, int64_t rank);
#endif
