#include "kernels/library.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/error.h"
#include "core/memory.h"
#include "core/str.h"

/* Folder of the running program, without the last '/'. */
static char *program_folder(void)
{
    char    path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    if (n <= 0) return mem_strdup(".");
    path[n]     = 0;
    char *slash = strrchr(path, '/');
    if (slash) *slash = 0;
    return mem_strdup(path);
}

/* The library's path; caller frees. NULL with the reason recorded. */
static char *library_path(const char *name)
{
    const char *asked = getenv("TIEBREAK_CUDA");
    if (asked && *asked && strcmp(name, "cuda") == 0) {
        if (access(asked, R_OK) == 0) return mem_strdup(asked);
        run_error("TIEBREAK_CUDA=%s: no such file; it has to name libtiebreak-cuda.so, which `make cuda` builds",
                  asked);
        return NULL;
    }
    char *folder = program_folder(), *found = NULL;
    for (int up = 0; up < 2 && !found; up++) {
        str path = { 0 };
        str_printf(&path, "%s/%slibtiebreak-%s.so", folder, up ? "../" : "", name);
        if (access(path.s, R_OK) == 0) found = mem_strdup(path.s);
        str_free(&path);
    }
    if (!found)
        run_error(
            "no CUDA backend: libtiebreak-%s.so is not beside the program in %s. `make cuda` builds it where nvcc is (CUDA Toolkit 12.3 or newer); "
            "or use the device `cpu`",
            name, folder);
    free(folder);
    return found;
}

static backend *open_library(const char *path, const char *dtype, int device)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL); /* the same one again where it is loaded */
    if (!library) {
        run_error(
            "%s does not load: %s. It needs cuBLAS of the CUDA version it was built with; `make cuda` builds it for this machine",
            path, dlerror());
        return NULL;
    }
    backend_opener opener;
    void          *symbol = dlsym(library, BACKEND_OPENER);
    /* ISO C has no cast from an object to a function */
    memcpy(&opener, &symbol, sizeof opener);
    if (symbol) return opener(BACKEND_LIBRARY_VERSION, sizeof(backend), run_error, dtype, device);
    run_error("%s has no %s: it is no backend of this program; `make cuda` builds one", path, BACKEND_OPENER);
    return NULL;
}

backend *library_open(const char *name)
{
    static const char bf16[] = "-bf16";
    const char       *colon  = strchr(name, ':');
    size_t            n = colon ? (size_t)(colon - name) : strlen(name), tail = sizeof bf16 - 1;
    bool              is_bf16       = n > tail && strncmp(name + n - tail, bf16, tail) == 0;
    char             *library       = mem_strdup(name);
    library[is_bf16 ? n - tail : n] = 0;
    char    *path                   = library_path(library);
    backend *be = path ? open_library(path, is_bf16 ? "bf16" : "f32", colon ? (int)strtol(colon + 1, NULL, 10) : 0)
                       : NULL;
    free(library), free(path);
    return be;
}
