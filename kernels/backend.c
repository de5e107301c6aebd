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
    if (strcmp(name, "cuda") == 0 || strcmp(name, "cuda-emulated") == 0) return backend_from_library(name);
    input_error("backend \"%s\": must be ref, cpu or cuda", name);
    return NULL;
}
