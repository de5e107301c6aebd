#include "core/progress.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static double seconds(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double clock_s(void) { return seconds(CLOCK_MONOTONIC); }
double processor_s(void) { return seconds(CLOCK_PROCESS_CPUTIME_ID); }

progress progress_start(const char *label, int64_t total, const char *unit, bool quiet)
{
    return (progress) { .label    = label,
                        .unit     = unit,
                        .total    = total,
                        .first    = -1,
                        .started  = clock_s(),
                        .terminal = isatty(2),
                        .quiet    = quiet };
}

static void duration(char *out, size_t size, double s)
{
    if (s < 100)
        snprintf(out, size, "%.0f s", s);
    else if (s < 6000)
        snprintf(out, size, "%.0f min", s / 60);
    else
        snprintf(out, size, "%.1f h", s / 3600);
}

static void show(progress *p, int64_t done, const char *note, double now)
{
    double elapsed  = now - p->started;
    double rate     = elapsed > 0 ? (double)(done - (p->first > 0 ? p->first : 0)) / elapsed : 0;
    char   left[32] = "", line[256];
    if (p->total > 0 && rate > 0) {
        char t[24];
        duration(t, sizeof t, (double)(p->total - done) / rate);
        snprintf(left, sizeof left, ", %s left", t);
    }
    if (p->total > 0) {
        int  width = 24, full = (int)(width * done / p->total);
        char bar[32];
        for (int i = 0; i < width; i++) bar[i] = i < full ? '#' : '.';
        bar[width] = '\0';
        snprintf(line, sizeof line, "%s [%s] %lld/%lld %s, %.4g %s/s%s%s%s", p->label, bar, (long long)done,
                 (long long)p->total, p->unit, rate, p->unit, left, note ? ", " : "", note ? note : "");
    } else {
        snprintf(line, sizeof line, "%s %lld %s, %.4g %s/s%s%s", p->label, (long long)done, p->unit, rate, p->unit,
                 note ? ", " : "", note ? note : "");
    }
    fprintf(stderr, p->terminal ? "\r\033[K%s" : "%s\n", line);
    fflush(stderr);
    p->shown = now;
}

void progress_update(progress *p, int64_t done, const char *note)
{
    if (p->quiet) return;
    if (p->first < 0) p->first = done;
    double now = clock_s(), since = p->shown > 0 ? p->shown : p->started;
    if (now - since < (p->terminal ? 0.1 : 5.0)) return;
    show(p, done, note, now);
}

void progress_end(progress *p)
{
    if (p->quiet || !p->terminal || p->shown <= 0) return;
    fputs("\r\033[K", stderr);
    fflush(stderr);
}
