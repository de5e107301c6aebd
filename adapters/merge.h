/* Merging: an adapter built into its base.
 *
 *     model_open(&m, "base", be, true);     // own copies of the weights
 *     adapter_open(&a, be, &m->cfg, "run/adapter");
 *     adapter_merge(a, m);
 *     model_save(m, "merged", "base"); */
#ifndef TIEBREAK_ADAPTERS_MERGE_H
#define TIEBREAK_ADAPTERS_MERGE_H
#include "adapters/adapter.h"
#include "model/decoder.h"

/* Every adapted W becomes W + B' A'; biases stay. m must be opened as trainable; the adapter must
 * fit it and be expanded. */
int adapter_merge(const adapter *a, model *m);
#endif
