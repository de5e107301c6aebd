#include "core/machine.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "build_info.h"

/* Finds the first "key<blanks>: value" (or key=value) in a small text file; "" when absent. */
static void lookup(const char *path, const char *key, char sep, char *out, size_t size)
{
    out[0]  = '\0';
    FILE *f = fopen(path, "r");
    if (!f) return;
    char line[8192];
    while (fgets(line, sizeof line, f)) {
        if (strncmp(line, key, strlen(key))) continue;
        char *v = strchr(line, sep);
        if (!v) continue;
        v += 1 + strspn(v + 1, " \t\"");
        v[strcspn(v, "\"\n")] = '\0';
        snprintf(out, size, "%s", v);
        break;
    }
    fclose(f);
}

int machine_cores(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

const char *machine_cpu(void)
{
    static char text[512];
    if (text[0]) return text;
    char name[128], flags[8192];
    lookup("/proc/cpuinfo", "model name", ':', name, sizeof name);
    lookup("/proc/cpuinfo", "flags", ':', flags, sizeof flags);
    int n = snprintf(text, sizeof text, "%s, %d cores,", name[0] ? name : "unknown CPU", machine_cores());
    static const char *const wanted[] = { "avx2", "avx512f", "avx512_bf16", "amx_bf16" };
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        char *at = strstr(flags, wanted[i]);
        if (at) n += snprintf(text + n, sizeof text - (size_t)n, " %s", wanted[i]);
    }
    return text;
}

const char *machine_os(void)
{
    static char text[512];
    if (text[0]) return text;
    char           name[128];
    struct utsname u;
    lookup("/etc/os-release", "PRETTY_NAME", '=', name, sizeof name);
    if (uname(&u)) snprintf(u.release, sizeof u.release, "?");
    snprintf(text, sizeof text, "%s, Linux %s", name[0] ? name : "unknown system", u.release);
    return text;
}

const char *build_compiler(void) { return BUILD_COMPILER; }
const char *build_flags(void) { return BUILD_FLAGS; }
const char *build_commit(void) { return BUILD_COMMIT; }
bool        build_dirty(void) { return BUILD_DIRTY; }
