/* Any bytes as an adapter folder: two bytes of length, so many bytes of adapter_config.json, then
 * adapter_model.safetensors. Either they are refused with a message, or the adapter's ranks are
 * valid. */
#include <stdlib.h>

#include "core/error.h"
#include "adapters/peft.h"

static const model_config shape = { .name      = "fuzz",
                                    .layers    = 2,
                                    .hidden    = 6,
                                    .inter     = 5,
                                    .heads     = 2,
                                    .kv_heads  = 1,
                                    .head_dim  = 2,
                                    .vocab     = 7,
                                    .positions = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    json        *config = NULL;
    safetensors *file   = NULL;
    adapter     *a      = NULL;
    size_t       length = n < 2 ? 0 : (size_t)(bytes[0] | bytes[1] << 8);
    if (n < 2 || length > n - 2) return 0;
    error_clear();
    int rc = json_parse(&config, (const char *)bytes + 2, length, "adapter_config.json");
    if (!rc) rc = safetensors_parse(&file, bytes + 2 + length, n - 2 - length, "adapter_model.safetensors");
    if (!rc) rc = adapter_read(&a, backend_find("cpu"), &shape, config, file, "adapter_config.json");
    if (rc ? !*error_text() : a->n_jobs < 1 || a->theta_count + a->frozen_count < 0) abort();
    adapter_free(a);
    safetensors_close(file);
    json_free(config);
    return 0;
}
