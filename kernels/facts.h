/* What a device that is not the host says of itself, for the "where" of records and for
 * `tiebreak info`. */
#ifndef TIEBREAK_KERNELS_FACTS_H
#define TIEBREAK_KERNELS_FACTS_H
#include "core/json.h"
#include "kernels/backend.h"

/* An object of texts, {"name": "NVIDIA ...", "compute_capability": "9.0", "driver",
 * "cuda_runtime", "cublas", "power_limit_w", ...}; what the device does not tell is left out.
 * NULL for the host (and be NULL). Caller frees. */
json *backend_facts(const backend *be);
#endif
