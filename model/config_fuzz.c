/* Any bytes as a config.json: refused with a message, or a shape whose sizes are sound. */
#include <stdlib.h>

#include "core/error.h"
#include "model/sites.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    model_config c;
    error_clear();
    int rc = config_parse(&c, (const char *)bytes, n, "config.json");
    if (rc ? !*error_text()
           : config_parameters(&c) < 1 || c.heads % c.kv_heads || c.head_dim % 2 || site_out(&c, SITE_QKV) < 1)
        abort();
    return 0;
}
