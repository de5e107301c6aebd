/* Finding a backend by name. */
#include <string.h>

#include "core/error.h"
#include "kernels/backends.h"
#include "kernels/library.h"

const backend *backend_find(const char *name)
{
    if (strcmp(name, "ref") == 0) return &ref_backend;
    if (strcmp(name, "cpu") == 0) {
        cpu_backend_start();
        return &cpu_backend;
    }
    static const char *const in_libraries[] = { "cuda", "cuda-bf16", "cuda-emulated", "cuda-emulated-bf16" };
    for (size_t i = 0; i < sizeof in_libraries / sizeof *in_libraries; i++)
        if (strcmp(name, in_libraries[i]) == 0) return backend_from_library(name);
    input_error("backend \"%s\": must be ref, cpu, cuda or cuda-bf16", name);
    return NULL;
}
