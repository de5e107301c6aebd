/* Finding a backend by name. */
#include <string.h>

#include "core/error.h"
#include "kernels/backends.h"

const backend *backend_find(const char *name)
{
    if (strcmp(name, "ref") == 0) return &ref_backend;
    if (strcmp(name, "cpu") == 0) {
        cpu_backend_start();
        return &cpu_backend;
    }
    if (strcmp(name, "cuda") == 0)
        run_error("no CUDA backend in this build; it is loaded from libtiebreak-cuda.so, which is built where nvcc is found. Use `cpu`");
    else
        input_error("backend \"%s\": must be ref, cpu or cuda", name);
    return NULL;
}
