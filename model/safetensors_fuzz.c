/* Any bytes as a safetensors file: either they are refused with a message, or every view lies
 * inside them and can be read. */
#include <stdlib.h>

#include "core/error.h"
#include "core/memory.h"
#include "model/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    safetensors *f;
    error_clear();
    int rc = safetensors_parse(&f, bytes, n, "model.safetensors");
    if (rc && !*error_text()) abort();
    for (int64_t i = 0; !rc && i < f->n; i++) {
        const tensor_view *t = &f->tensors[i];
        double            *v = mem_alloc((size_t)t->count, sizeof *v);
        if (safetensors_find(f, t->name) != t) abort();
        (void)tensor_read_f64(v, t, 0, t->count);
        free(v);
    }
    safetensors_close(f);
    return 0;
}
