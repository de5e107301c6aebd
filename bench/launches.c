#include "bench/launches.h"

#include <stdio.h>

#include "core/error.h"

static void base_once(bench_state *s) { bench_run_base(s, 0); }

/* The maps take a list from the host, which no capture may hold; they call no library. */
static void maps_once(bench_state *s)
{
    bench_run_part(s, 0, PART_MAP);
    bench_run_part(s, 0, PART_TRANSPOSE);
}

static void linear_once(bench_state *s)
{
    for (bench_part part = PART_ADAPT; part <= PART_BACKWARD; part++) bench_run_part(s, 0, part);
}

static int64_t launches_of(bench_state *s, void (*what)(bench_state *s))
{
    s->be->time_begin(s->be);
    what(s);
    s->be->time_end(s->be);
    return s->be->time_launches(s->be);
}

/* Captured and thrown away. A capture that fails costs this number alone. */
static int64_t kernels_of(bench_state *s, void (*what)(bench_state *s))
{
    const backend *be = s->be;
    if (!be->graph_kernels) return -1;
    be->graph_begin(be);
    what(s);
    backend_graph *g       = be->graph_end(be);
    const int64_t  kernels = g ? be->graph_kernels(be, g) : -1;
    be->graph_free(be, g);
    if (!g && be->sync(be)) {
        fprintf(stderr, "bench: %s: its kernels are not counted: %s\n", s->spec->name, error_text());
        error_clear();
    }
    return kernels;
}

int bench_count_launches(bench_state *s, bench_launches *base, bench_launches *with)
{
    *base = *with = (bench_launches) { -1, -1 };
    if (!s->be->time_launches) return OK;
    const int64_t maps = launches_of(s, maps_once);
    *base              = (bench_launches) { launches_of(s, base_once), kernels_of(s, base_once) };
    *with              = (bench_launches) { launches_of(s, linear_once) + maps, kernels_of(s, linear_once) };
    if (with->kernels >= 0) with->kernels += maps;
    return s->be->sync(s->be);
}
