/* Variants beside each other: a row a variant, a point a method, the floor as a line. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/memory.h"
#include "reports/plot_private.h"

typedef struct {
    panel      cases;
    int64_t    rank; /* the only one shown */
    plot_names variants, methods;
    /* From below the smallest to above the largest point, in percent: an interval may leave the
     * plot, a point may not. */
    double low, high;
} variant_plot;

/* Many adapters in a batch have a table of their own. */
static bool shown(const overhead_point *p, int64_t rank) { return p->rank == rank && p->adapters == 1; }

/* The rank at which most variants were measured; 0: none was. */
static int64_t common_rank(panel cases)
{
    enum { RANK_MAX_SHOWN = 65536 };
    int    *count = mem_alloc(RANK_MAX_SHOWN + 1, sizeof *count);
    int64_t best  = 0;
    for (size_t i = 0; i < cases.n; i++) {
        const overhead_point *p = &cases.points[i];
        if (*p->variant && p->adapters == 1 && p->rank > 0 && p->rank <= RANK_MAX_SHOWN) count[p->rank]++;
    }
    for (size_t i = 0; i < cases.n; i++) { /* the first of equals */
        const int64_t rank = cases.points[i].rank;
        if (rank > 0 && rank <= RANK_MAX_SHOWN && count[rank] > count[best]) best = rank;
    }
    free(count);
    return best;
}

static void look_through(variant_plot *v)
{
    double low = 0, high = 0;
    for (size_t i = 0; i < v->cases.n; i++) {
        const overhead_point *p = &v->cases.points[i];
        if (!shown(p, v->rank)) continue;
        plot_index(&v->variants, p->variant);
        plot_index(&v->methods, p->method);
        low  = fmin(low, fmin(p->overhead, p->floor));
        high = fmax(high, fmax(p->overhead, p->floor));
    }
    double room = fmax(0.005, 0.12 * (high - low)); /* for the numbers beside the points */
    v->low      = 100 * (low - room);
    v->high     = 100 * (high + 1.5 * room);
}

/* Data blocks of one method: its points, and the floor over all rows, which does not depend on the
 * variant. */
static void add_method(variant_plot *v, int m, str *out)
{
    double floor_ = NAN, lane = v->methods.n > 1 ? 0.5 * ((double)m / (v->methods.n - 1) - 0.5) : 0;
    double label_max = v->high - 0.1 * (v->high - v->low);
    str_printf(out, "$m%d << EOD\n", m);
    for (size_t i = 0; i < v->cases.n; i++) {
        const overhead_point *p = &v->cases.points[i];
        if (!shown(p, v->rank) || strcmp(p->method, v->methods.name[m])) continue;
        const int row = plot_index(&v->variants, p->variant);
        if (row < 0) continue;
        double y = row + lane;
        str_printf(out, "%.6g %.4f %.6g %.6g \"%+.1f\" %.6g\n", 100 * p->overhead, y, 100 * p->low, 100 * p->high,
                   100 * p->overhead, fmin(100 * p->high, label_max));
        if (isfinite(p->floor)) floor_ = 100 * p->floor;
    }
    str_printf(out, "EOD\n$f%d << EOD\n", m);
    for (int k = 0; k < v->variants.n && isfinite(floor_); k++)
        str_printf(out, "%.6g %.4f 0 %.4f\n", floor_, k + lane - 0.12, 0.24);
    str_puts(out, "EOD\n");
}

int plot_variants(plot_list *list, panel cases, const char *dir)
{
    const overhead_point *first = cases.points;
    variant_plot          v     = { .cases = cases, .rank = common_rank(cases) };
    chart                 c     = { .width = 860 };
    if (!v.rank) return OK;
    look_through(&v);
    for (int m = 0; m < v.methods.n; m++) add_method(&v, m, &c.script);
    plot_case_name(&c.title, first);
    str_printf(&c.title, ", rank %lld%s", (long long)v.rank, first->emulated ? " (REHEARSAL: no GPU)" : "");
    str_printf(&c.script, "set xrange [%.6g:%.6g]\nset title ", v.low, v.high);
    chart_quote(&c.script, c.title.s);
    str_puts(&c.script, " font ',11'\nset xlabel 'overhead over the base GEMM, %'\nset ytics scale 0 (");
    for (int k = 0; k < v.variants.n; k++) {
        if (k) str_puts(&c.script, ", ");
        chart_quote(&c.script, *v.variants.name[k] ? v.variants.name[k] : "the model's ops");
        str_printf(&c.script, " %d", k);
    }
    str_printf(&c.script,
               ")\nset yrange [%d.5:-0.5]\nset arrow from 0, graph 0 to 0, graph 1 nohead lc rgb '#444444'\n",
               v.variants.n - 1);
    for (int m = 0; m < v.methods.n; m++) {
        chart_series(&c, "", "$f%d using 1:2:3:4 with vectors nohead lw 2 lc rgb '#888888' %s", m,
                     m ? "notitle" : "title 'floor'");
        chart_series(&c, v.methods.name[m], "$m%d using 1:2:3:4 with xerrorbars pt 7 ps 0.7 lw 1.4 lc rgb '%s'", m,
                     plot_color(m));
        chart_series(&c, "", "$m%d using 6:2:5 with labels left offset 0.6,0 font ',9' tc rgb '%s' notitle", m,
                     plot_color(m));
    }
    str_printf(
        &c.caption,
        "Variants of the adapted linear, %s. Bars: 95 %% intervals. Grey: the floor, one pass at the device's own measured rates.",
        c.title.s);
    plot_case_file(&c.file, "variants", first);
    c.height = 110 + v.variants.n * (18 + 14 * v.methods.n);
    return chart_finish(&c, list, dir);
}
