/* Opening a backend by name, and the handles that the program shares. */
#include <stdio.h>
#include <string.h>

#include "core/error.h"
#include "kernels/backend_private.h"
#include "kernels/library.h"

static const char *const names[] = { "ref", "cpu", "cuda", "cuda-bf16", "cuda-emulated", "cuda-emulated-bf16" };
enum { NAMES = sizeof names / sizeof *names };

/* The index of a name, with or without the number of a device behind it; NAMES with a message
 * where there is none. */
static int index_of(const char *name)
{
    int    i = 0;
    size_t n = strcspn(name, ":");
    if (strncmp(name, "cuda", 4) != 0) n = strlen(name);
    while (i < NAMES && (strlen(names[i]) != n || strncmp(name, names[i], n) != 0)) i++;
    if (i == NAMES) input_error("backend \"%s\": must be ref, cpu, cuda or cuda-bf16", name);
    return i;
}

const backend *backend_open(const char *name)
{
    int i = index_of(name);
    if (i == NAMES) return NULL;
    backend *be = i == 0 ? ref_open() : i == 1 ? cpu_open() : library_open(name);
    if (!be) return NULL;
    hang_doors(be);
    if (be->params != be) hang_doors((backend *)be->params);
    return be;
}

void backend_close(const backend *be)
{
    if (be) be->close(be);
}

const backend *backend_find(const char *name)
{
    static const backend *shared[NAMES];
    int                   i = index_of(name);
    if (i < NAMES && !shared[i]) shared[i] = backend_open(names[i]);
    return i < NAMES ? shared[i] : NULL;
}

/* "cuda" as "cuda-bf16"; devices that have but one type as they are, or NULL. */
static const char *name_for(const char *device, const char *dtype, char name[64])
{
    const char *usual = strcmp(device, "ref") == 0 ? "f64" : "f32";
    bool        cuda  = strncmp(device, "cuda", 4) == 0;
    if (!dtype || strcmp(dtype, usual) == 0) return device;
    if (cuda && strcmp(dtype, "bf16") == 0 && snprintf(name, 64, "%s-bf16", device) < 64) return name;
    if (cuda)
        input_error("must be f32 or bf16");
    else
        input_error(
            "the device %s computes in %s alone; leave --dtype out, or use --device cuda, which has f32 and bf16",
            device, usual);
    return NULL;
}

const backend *backend_for(const char *device, const char *dtype)
{
    if (!device) device = "cpu";
    char        buffer[64];
    const char *name = name_for(device, dtype, buffer);
    if (!name) {
        error_context(ERR_INPUT, "--dtype %s", dtype);
        return NULL;
    }
    size_t n = strlen(device);
    if (n > 5 && strcmp(device + n - 5, "-bf16") == 0) {
        input_error("--device %s: say --device %.*s --dtype bf16", device, (int)n - 5, device);
        return NULL;
    }
    const backend *be = backend_find(name);
    if (!be) error_context(ERR_INPUT, "--device %s", device);
    return be;
}
