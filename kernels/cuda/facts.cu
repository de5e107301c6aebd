/* What the GPU says of itself, for records: numbers taken under other drivers, libraries or limits
 * are not comparable. The driver's version and its limits of power and clocks come from NVML
 * (libnvidia-ml.so.1, a part of the driver), which is looked for at run time. What it does not
 * tell is left out. */
#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>

#include "kernels/cuda/device.h"
#include "kernels/cuda/open.h"

__attribute__((format(printf, 2, 3))) static void add(const char *name, const char *format, ...)
{
    va_list args;
    if (cuda->n_facts == FACTS_MOST) return;
    char *value = cuda->fact_values[cuda->n_facts];
    va_start(args, format);
    vsnprintf(value, FACT_LENGTH, format, args);
    va_end(args);
    cuda->facts[cuda->n_facts++] = { name, value };
}

/* NVML's functions by their names in nvml.h; each returns 0 for success. */
typedef struct {
    void *library, *device;
} nvml;

template <class... A> static bool ask(const nvml &n, const char *name, A... args)
{
    void *symbol = dlsym(n.library, name);
    int (*call)(A...);
    memcpy(&call, &symbol, sizeof call);
    return symbol && call(args...) == 0;
}

static void add_driver(const nvml &n)
{
    enum { NVML_CLOCK_SM = 1, NVML_CLOCK_MEM = 2 };
    char     version[80] = "";
    unsigned value = 0, pending = 0;
    if (ask(n, "nvmlSystemGetDriverVersion", version, (unsigned)sizeof version)) add("driver", "%s", version);
    if (!n.device) return;
    if (ask(n, "nvmlDeviceGetEnforcedPowerLimit", n.device, &value)) add("power_limit_w", "%.0f", 1e-3 * value);
    if (ask(n, "nvmlDeviceGetMaxClockInfo", n.device, (int)NVML_CLOCK_SM, &value)) add("sm_clock_max_mhz", "%u", value);
    if (ask(n, "nvmlDeviceGetMaxClockInfo", n.device, (int)NVML_CLOCK_MEM, &value))
        add("memory_clock_max_mhz", "%u", value);
    if (ask(n, "nvmlDeviceGetEccMode", n.device, &value, &pending)) add("ecc", "%s", value ? "on" : "off");
    if (ask(n, "nvmlDeviceGetMigMode", n.device, &value, &pending)) add("mig", "%s", value ? "on" : "off");
}

/* NVML does not know CUDA_VISIBLE_DEVICES, so the device is found by its place on the bus. The
 * emulator has no such place, so a GPU in the same machine is not asked on its behalf. */
static void ask_driver(void)
{
    char bus[32] = "";
    if (cudaDeviceGetPCIBusId(bus, sizeof bus, cuda->device) != cudaSuccess) {
        cudaGetLastError();
        return;
    }
    nvml n = { dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL), NULL };
    if (!n.library) return;
    if (ask(n, "nvmlInit_v2")) {
        if (!ask(n, "nvmlDeviceGetHandleByPciBusId_v2", (const char *)bus, &n.device)) n.device = NULL;
        add_driver(n);
        ask(n, "nvmlShutdown");
    }
    dlclose(n.library);
}

void cuda_facts_find(const cudaDeviceProp *device)
{
    int driver = 0, runtime = 0, blas = 0;
    cudaDriverGetVersion(&driver);
    cudaRuntimeGetVersion(&runtime);
    add("name", "%s", device->name);
    add("compute_capability", "%d.%d", device->major, device->minor);
    add("multiprocessors", "%d", device->multiProcessorCount);
    add("memory_bytes", "%zu", device->totalGlobalMem);
    add("l2_bytes", "%d", device->l2CacheSize);
    if (driver) add("cuda_of_driver", "%d.%d", driver / 1000, driver % 1000 / 10);
    if (runtime) add("cuda_runtime", "%d.%d", runtime / 1000, runtime % 1000 / 10);
    if (cublasGetVersion(cuda->blas, &blas) == CUBLAS_STATUS_SUCCESS && blas)
        add("cublas", "%d.%d.%d", blas / 10000, blas / 100 % 100, blas % 100);
    ask_driver();
}
